"""Medians of alternating actions, and the resulting row of the table."""

from __future__ import annotations

import gc
import os
import re
import resource
import shutil
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


def count_instructions(*arguments: str) -> int | None:
    """Return the instructions of a whole Python process, which hardly vary; None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    tool = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*tool, sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    found = re.search(r"I +refs: +([\d,]+)", done.stderr)
    if found is None:
        raise RuntimeError(f"no number of instructions in {done.stderr!r}")
    return int(found[1].replace(",", ""))


def peak_memory(*arguments: str) -> float:
    """Return the largest resident memory of a whole Python process, in MiB.

    Linux counts the memory of the process that starts a program as its own, so a small Python process starts it.
    """
    return float(python("-c", _LAUNCHER, sys.executable, *arguments).stderr)


_LAUNCHER = """
import os, sys
process = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(process, 0)
assert status == 0, status
unit = 1024 if sys.platform == "linux" else 1024**2  # macOS states bytes
print(usage.ru_maxrss / unit, file=sys.stderr)
"""


@contextmanager
def like_installed() -> Iterator[None]:
    """Let processes find compiled modules, as after an install, and remove them afterwards."""
    with TemporaryDirectory(prefix="convcalc-benchmarks-") as bytecode:
        os.environ.update(PYTHONPYCACHEPREFIX=bytecode, PYTHONUTF8="1")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield


def milliseconds(time: float) -> str:
    return f"{time * 1000:.1f} ms" if time < 0.1 else f"{time * 1000:.0f} ms"
