"""A sweep in small shards, compared with the same sweep in large ones, and two worker processes with one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from convcalc.api import make_overrides, read_document
from convcalc.render.shard_files import Written, write_shard
from convcalc.space import recipes
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import Setup
from convcalc.space.planning import Request
from convcalc.space.recipes import Recipe, make_recipe, plan_recipe
from convcalc.space.shard_folder import ShardFolder
from convcalc.space.values import expand_values

from .measure import IN_PROCESS, WALL, Goal, Row, medians, of_children, python

ROWS, SMALL, LARGE = 524_288, 10_000, 131_072  # rows of the sweep, and of its shards
SPACE = Combinations(
    (Param("width", expand_values(["0.1:2:0.0019"])), Param("size", expand_values(["24:1023:1"])))
)  # 1,001,000 rows
SWEEP = ("-m", "convcalc", "sweep", "example:mobilenet_v1", "-p", "width=0.1:2:0.0005", "-p", "size=24:1023:1")


def shards(runs: int) -> list[Row]:
    """Measure what a shard costs in addition to its rows, and the time that a second process saves."""
    if find_spec("numpy") is None:
        return [Row("small shards", None, Goal(most=1.02), "needs numpy: pip install numpy")]
    with TemporaryDirectory(prefix="convcalc-benchmarks-") as folder:
        return [
            small(Path(folder), runs),
            *(second(Path(folder), name, min(runs, 3)) for name in ("rows/", "rows.csv")),
        ]


def small(folder: Path, runs: int) -> Row:
    """Compare shards of 10,000 rows with those of 131,072, the size in large sweeps."""
    document, overrides = read_document("example:mobilenet_v1", make_overrides(None, None, None, None, None))
    recipe = make_recipe(document, Setup(overrides, spec_budget=False), SPACE, Request(), ROWS)
    many, few = medians(runs, *(partial(write, recipe, folder, size) for size in (SMALL, LARGE)), clock=IN_PROCESS)
    detail = f"{ROWS:,} rows in shards of {SMALL:,} {many:.2f} s, of {LARGE:,} {few:.2f} s"
    return Row("small shards", many / few, Goal(most=1.02), detail)


def write(recipe: Recipe, folder: Path, size: int) -> None:
    """Write all shards in this process, without what an earlier call has kept, like a new worker."""
    recipes._last = None
    target = folder / "shards"
    target.mkdir()
    columns: dict[str, type] = dict.fromkeys(plan_recipe(recipe).shown, str)
    shard_folder = ShardFolder(str(target), "csv", columns, ROWS, size)
    for first in shard_folder.firsts:
        written = write_shard(recipe, shard_folder, first, range(first, shard_folder.find_stop(first)))
        if not isinstance(written, Written):
            raise written
    rmtree(target)


def second(folder: Path, name: str, runs: int) -> Row:
    """Sweep 3.8 million rows with one process and with two."""
    spent: dict[int, float] = {}
    one, two = medians(runs, *(partial(sweep, folder, name, jobs, spent) for jobs in (1, 2)), clock=WALL)
    detail = f"one process {one:.2f} s, two {two:.2f} s; processor time {spent[1]:.2f} s and {spent[2]:.2f} s in all"
    return Row(f"-j 2 -o {name}", one / two, Goal(least=1.8), detail)


def sweep(folder: Path, name: str, jobs: int, spent: dict[int, float]) -> None:
    before = of_children()
    python(*SWEEP, "--no-spec-budget", "-j", str(jobs), "-o", f"{folder / name}{'/' if name.endswith('/') else ''}")
    spent[jobs] = of_children() - before
    remove: Callable[[Path], object] = rmtree if name.endswith("/") else Path.unlink
    remove(folder / name)
