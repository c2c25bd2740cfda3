"""The command: measure the named benchmarks, or all, and print their ratios next to the goals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable

from . import graphs, growth, many, rows, shards, startup, warm
from .measure import Row, like_installed

BENCHMARKS: dict[str, Callable[[int], list[Row]]] = {
    "table": startup.table,
    "json": startup.json,
    "help": startup.help,
    "memory": startup.memory,
    "many": many.many,
    "written": growth.written,  # before torch is imported, whose objects would slow down garbage collection here
    "repeated": growth.repeated,
    "graphs": graphs.graphs,
    "rows": rows.rows,
    "shards": shards.shards,
    "torchinfo": warm.torchinfo,
    "onnx": warm.onnx,
}
HEADINGS = ("benchmark", "ratio", "goal", "", "medians")


def main() -> None:
    names, runs = arguments()
    with like_installed():
        rows = [row for name in names for row in BENCHMARKS[name](runs)]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(table(rows))


def arguments() -> tuple[list[str], int]:
    """The names of the benchmarks to measure, and the number of rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=15, metavar="N", help="runs that count, of each side (15)")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}: there are {', '.join(BENCHMARKS)}")
    if given.runs < 1:
        parser.error("--runs takes an integer from 1")
    return given.names or list(BENCHMARKS), given.runs


def table(rows: Iterable[Row]) -> str:
    """The rows as text, with ratios and goals aligned to the right."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(aligned(line, widths) for line in lines)


def aligned(cells: Iterable[str], widths: list[int]) -> str:
    name, ratio, goal, verdict, detail = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{name}  {ratio.strip():>{len(ratio)}}  {goal}  {verdict}  {detail}".rstrip()


if __name__ == "__main__":
    main()
