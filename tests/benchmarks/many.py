"""`convcalc check` of many files in one call, compared with one call per file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from convcalc.processes import usable_processors

from .measure import SPEC, WALL, Goal, Row, medians, python

FILES, LOOP = 1_000, 30
CHECK = ("-m", "convcalc", "check", "--isolated")
HEAD = "linear: 1000"


def many(runs: int) -> list[Row]:
    """1,000 different files of resnet50's size; the loop covers 30 of them, and its time is scaled up."""
    with TemporaryDirectory(prefix="convcalc-benchmarks-") as folder:
        files = [written(Path(folder) / f"net{number:04}.yaml", number + 1) for number in range(FILES)]
        calls = (
            partial(python, *CHECK, folder),
            partial(python, *CHECK, folder, "-j", "1"),
            partial(loop, files[:LOOP]),
        )
        usual, alone, few = medians(min(runs, 5), *calls, clock=WALL)
    single = few * FILES / LOOP
    detail = f"a loop of {LOOP} calls {few:.2f} s, scaled to {FILES:,} {single:.1f} s; one call "
    return [
        Row(
            "many files", single / usual, Goal(least=15), f"{detail}{usual:.2f} s with {usable_processors()} processors"
        ),
        Row("many -j 1", single / alone, None, f"{detail}{alone:.2f} s"),
    ]


def written(path: Path, features: int) -> str:
    """A file like resnet50 with a given number of classes."""
    text = SPEC.read_text(encoding="utf-8")
    if text.count(HEAD) != 1:
        raise RuntimeError(f"{SPEC.name} has not one line with {HEAD}")
    path.write_text(text.replace(HEAD, f"linear: {features}"), encoding="utf-8")
    return str(path)


def loop(files: list[str]) -> None:
    """One call per file."""
    for file in files:
        python(*CHECK, file)
