"""What commands print while they import a model file: a progress bar, notes on what a spec cannot express, remarks."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from convcalc.cli.writing import Output, may_show_bar, use_color
from convcalc.problems import printable, shorten
from convcalc.render.lines import Line, write
from convcalc.spec.model_file import ModelFile

_MOST_NOTES = 20  # of import
_MOST_OPERATORS = 5
_MOST_REASONS = 3  # of the other commands, whose output follows


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
    """Print the notes, grouped by their reasons, and remarks about a model file, unless -q is given."""
    if output.quiet:
        return
    print_remarks(model.remarks)
    if model.notes:
        write(_list_reasons(model, file), sys.stderr, use_color(output.color, sys.stderr))


def _list_reasons(model: ModelFile, file: str) -> list[Line]:
    """Return one line per reason, the most frequent first, and a last line with the number of notes and the outcome."""
    notes: dict[str, list[str]] = {}
    for note in model.notes:
        notes.setdefault(note.rpartition(": ")[2], []).append(note)
    groups = sorted(notes.items(), key=lambda group: -len(group[1]))
    prefix = f"{printable(file)}: "
    lines: list[Line] = [
        [(prefix, ""), ("unsupported: ", "warning"), (_describe_group(reason, those), "")]
        for reason, those in groups[:_MOST_REASONS]
    ]
    if len(groups) > _MOST_REASONS:
        lines.append([(f"{prefix}and {len(groups) - _MOST_REASONS} more reasons", "dim")])
    hint = f"; convcalc import {printable(file)} lists all" if len(model.notes) > len(lines) else ""
    return [*lines, [(f"{prefix}{len(model.notes)} unsupported: {model.outcome}{hint}", "dim")]]


def _describe_group(reason: str, notes: Sequence[str]) -> str:
    """Return the only note, or the number of notes, their reason and operators: `5 × unsupported operator (3 Erf, …)`.

    A note is `CumSum 'name': reason` or `name: CumSum: reason`.
    """
    if len(notes) == 1:
        return printable(notes[0])
    places = (note.removesuffix(reason).removesuffix(": ").rpartition(": ")[2] for note in notes)
    operators = Counter(place.partition(" '")[0] for place in places if place).most_common()
    named = [f"{count} {shorten(operator)}" for operator, count in operators[:_MOST_OPERATORS]]
    more = ["…"] if len(operators) > _MOST_OPERATORS else []
    return printable(f"{len(notes)} × {reason}" + (f" ({', '.join([*named, *more])})" if named else ""))
