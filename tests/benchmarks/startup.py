"""Whole processes: convcalc compared with the least that a script does with the same libraries and file."""

from __future__ import annotations

import re
from functools import partial

from .measure import SPEC, Goal, Row, medians, milliseconds, of_children, python

TABLE_SCRIPT = """
import sys
import click, rich, yaml
from rich.console import Console
from rich.table import Table
with open(sys.argv[1], "rb") as file:
    yaml.load(file, yaml.CSafeLoader)
table = Table("layer", "what", "output", "params", "MACs", "FLOPs", "weights", "memory")
table.add_row("layer", "1×1, 64", "64×56×56", "4.10 K", "12.8 M", "25.7 M", "16.00 KiB", "784.0 KiB")
Console(width=120).print(table)
"""
JSON_SCRIPT = """
import json, sys
import click, yaml
with open(sys.argv[1], "rb") as file:
    print(json.dumps(yaml.load(file, yaml.CSafeLoader)))
"""
SUMMARY = ("-m", "convcalc", "summary", str(SPEC))
JSON_SUMMARY = (*SUMMARY, "-f", "json")


def table(runs: int) -> list[Row]:
    """The table of resnet50, without and with colours, compared with a script that prints a table of one row."""
    script, coloured = ("-c", TABLE_SCRIPT, str(SPEC)), (*SUMMARY, "--color", "always")
    return [
        compared("table", "click + rich + yaml", runs, SUMMARY, script, Goal(most=0.9)),
        compared("table in colour", "click + rich + yaml", runs, coloured, script, Goal(most=1.1)),
    ]


def json(runs: int) -> list[Row]:
    """The JSON of resnet50, for which nothing of rich may be imported."""
    script = ("-c", JSON_SCRIPT, str(SPEC))
    found = rich_modules()
    detail = "modules of rich imported for JSON" + "".join(f", {name}" for name in found[:1])
    return [
        compared("json", "click + yaml", runs, JSON_SUMMARY, script, Goal(most=1.3)),
        Row("json imports", len(found), Goal(most=0), detail),
    ]


def compared(
    name: str, libraries: str, runs: int, command: tuple[str, ...], script: tuple[str, ...], goal: Goal
) -> Row:
    """One row: the command compared with the script, and also with the bare interpreter."""
    processes = (partial(python, *command), partial(python, *script), partial(python, "-c", "pass"))
    ours, theirs, bare = medians(runs, *processes, clock=of_children)
    detail = f"convcalc {milliseconds(ours)}, {libraries} {milliseconds(theirs)}; {ours / bare:.1f} × python -c pass"
    return Row(name, ours / theirs, goal, detail)


def rich_modules() -> list[str]:
    """The modules of rich that are imported to make JSON."""
    return re.findall(r"\| +(rich(?:\.[\w.]+)?)$", python("-X", "importtime", *JSON_SUMMARY).stderr, re.MULTILINE)
