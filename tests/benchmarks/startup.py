"""Whole processes: convcalc compared with a minimal script that uses the same libraries and file.

Instructions are counted, because they hardly vary; without valgrind, processor time is measured.
"""

from __future__ import annotations

import re
from functools import partial
from statistics import median

from .measure import SPEC, Goal, Row, count_instructions, medians, milliseconds, of_children, peak_memory, python

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


def memory(runs: int) -> list[Row]:
    """The peak memory in MiB for the JSON of resnet50, for the minimal script, and for Python alone."""
    script = ("-c", JSON_SCRIPT, str(SPEC))
    ours, theirs, bare = (
        median(peak_memory(*arguments) for _ in range(min(runs, 5)))
        for arguments in (JSON_SUMMARY, script, ("-c", "pass"))
    )
    detail = f"MiB; click + yaml {theirs:.1f} MiB, python -c pass {bare:.1f} MiB"
    return [Row("memory", ours, Goal(most=19), detail)]


def help(runs: int) -> list[Row]:
    """Two help texts, for which the engine is not imported, compared with the script for JSON."""
    script = ("-c", JSON_SCRIPT, str(SPEC))
    texts = {"help": ("-m", "convcalc", "--help"), "summary help": ("-m", "convcalc", "summary", "--help")}
    return [compared(name, "click + yaml", runs, command, script, None) for name, command in texts.items()]


def compared(
    name: str, libraries: str, runs: int, command: tuple[str, ...], script: tuple[str, ...], goal: Goal | None
) -> Row:
    """One row: the command compared with the script, and also with the bare interpreter."""
    sides = (command, script, ("-c", "pass"))
    for arguments in sides:
        python(*arguments)  # writes compiled modules
    counts = [count_instructions(*arguments) for arguments in sides]
    if None in counts:
        ours, theirs, bare = medians(runs, *(partial(python, *arguments) for arguments in sides), clock=of_children)
        texts = milliseconds(ours), milliseconds(theirs)
    else:
        ours, theirs, bare = (count / 1e6 for count in counts if count is not None)
        texts = f"{ours:.1f} M instructions", f"{theirs:.1f} M"
    detail = f"convcalc {texts[0]}, {libraries} {texts[1]}; {ours / bare:.1f} × python -c pass"
    return Row(name, ours / theirs, goal, detail)


def rich_modules() -> list[str]:
    """The modules of rich that are imported to make JSON."""
    return re.findall(r"\| +(rich(?:\.[\w.]+)?)$", python("-X", "importtime", *JSON_SUMMARY).stderr, re.MULTILINE)
