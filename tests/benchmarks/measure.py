"""Medians of alternating actions, and the resulting row of the table."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[2]
SPEC = CHECKOUT / "examples" / "resnet50.yaml"

Action = Callable[[], object]
Clock = Callable[[], float]
WALL: Clock = perf_counter
IN_PROCESS: Clock = process_time  # processor time, which is less affected by other work on the machine


def of_children() -> float:
    """The processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Goal(NamedTuple):
    """The least and the largest ratio that are acceptable."""

    least: float = 0
    most: float = inf

    def __str__(self) -> str:
        return f"≤ {self.most:g}" if self.least == 0 else f"≥ {self.least:g}"


class Row(NamedTuple):
    """A line of the table; without a ratio it was not measured, without a goal it is for information only."""

    name: str
    ratio: float | None
    goal: Goal | None
    detail: str

    def cells(self) -> tuple[str, str, str, str, str]:
        measured = "" if self.ratio is None else f"{self.ratio:.2f}" if self.ratio < 100 else f"{self.ratio:.0f}"
        return self.name, measured, str(self.goal or ""), self.verdict(), self.detail

    def verdict(self) -> str:
        if self.ratio is None or self.goal is None:
            return ""
        return "met" if self.goal.least <= self.ratio <= self.goal.most else "missed"


def medians(runs: int, *actions: Action, clock: Clock) -> list[float]:
    """The median seconds of each action. They alternate, A B A B, after one uncounted round."""
    rounds = [[seconds(action, clock) for action in actions] for _ in range(runs + 1)]
    return [median(times) for times in zip(*rounds[1:], strict=True)]


def seconds(action: Action, clock: Clock) -> float:
    """How long an action takes, without the garbage of the previous one."""
    gc.collect()
    start = clock()
    action()
    return clock() - start


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A whole Python process in the checkout, with its output piped."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=True, encoding="utf-8")


@contextmanager
def like_installed() -> Iterator[None]:
    """Let processes find compiled modules, as after an install, and remove them afterwards."""
    with TemporaryDirectory(prefix="convcalc-benchmarks-") as bytecode:
        os.environ.update(PYTHONPYCACHEPREFIX=bytecode, PYTHONUTF8="1")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield


def milliseconds(time: float) -> str:
    return f"{time * 1000:.1f} ms" if time < 0.1 else f"{time * 1000:.0f} ms"
