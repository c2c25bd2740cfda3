"""What commands print while they import a model file: a progress bar, notes on what a spec cannot express, remarks."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from convcalc.cli.writing import Output, may_show_bar, use_color
from convcalc.problems import printable
from convcalc.render.lines import Line, write
from convcalc.spec.document import ModelFile

_MOST_NOTES = 20


def show_bar(items: Iterable[Any], total: int, output: Output) -> Iterable[Any]:
    """Yield the items unchanged, and show a progress bar on standard error if this takes long and -q is not given."""
    if not may_show_bar(output):
        return items
    from convcalc.render.progress import show_progress

    return show_progress(items, total, sys.stderr, "nodes")


def print_notes(notes: Sequence[str], outcome: str, output: Output, prefix: str = "") -> None:
    """Print one line per unsupported operation on standard error, and a last line with their number and `outcome`.

    `outcome` says how they affect the figures: `2 opaque layers; all costs are known`. Each line begins with `prefix`,
    such as the name of the file and a colon.
    """
    if notes:
        write(_list_notes(notes, outcome, prefix), sys.stderr, use_color(output.color, sys.stderr))


def _list_notes(notes: Sequence[str], outcome: str, prefix: str) -> list[Line]:
    lines: list[Line] = [
        [(prefix, ""), ("unsupported: ", "warning"), (printable(note), "")] for note in notes[:_MOST_NOTES]
    ]
    if len(notes) > _MOST_NOTES:
        lines.append([(f"{prefix}and {len(notes) - _MOST_NOTES} more", "dim")])
    return [*lines, [(f"{prefix}{len(notes)} unsupported: {outcome}", "dim")]]


def print_remarks(remarks: Iterable[str]) -> None:
    """Print remarks about input shapes on standard error, such as that a size is read as the batch size."""
    for remark in remarks:
        sys.stderr.write(f"convcalc: {printable(remark)}\n")


def print_about(model: ModelFile, file: str, output: Output) -> None:
    """Print the notes and remarks about a model file, unless -q is given."""
    if not output.quiet:
        print_remarks(model.remarks)
        print_notes(model.notes, model.outcome, output, f"{printable(file)}: ")
