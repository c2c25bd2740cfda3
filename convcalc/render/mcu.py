"""Writes the memory of a network on a microcontroller as text."""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.device.mcu import McuReport
from convcalc.device.patches import Patching
from convcalc.device.savings import ArenaSaving
from convcalc.device.sizes import BIAS_BYTES, FILE_ERROR, TAIL_ERROR
from convcalc.problems import printable
from convcalc.render.cells import Cells, cell_table, wrapped_table
from convcalc.render.lines import Block, wrap_facts
from convcalc.render.mcu_map import MOST_LISTED, count_others, map_lines, shorten_name
from convcalc.units import format_bytes


class McuPage(NamedTuple):
    """The parts of the report of `convcalc mcu` besides the figures: heading, limits, notes and suggestions.

    `ram` and `flash` are the bytes available, and `device` names the board; None if they are not given. `patchings` are
    the ways to run the network in patches, and `chosen` is the one that the figures are for.
    """

    title: str
    facts: tuple[str, ...]
    file: str | None
    device: str | None
    ram: int | None
    flash: int | None
    notes: tuple[str, ...]
    suggestions: tuple[ArenaSaving, ...]
    patchings: tuple[Patching, ...] = ()
    chosen: Patching | None = None


def mcu_lines(report: McuReport, page: McuPage, width: int | None) -> list[Block]:
    """Return the use of RAM and flash, a map of the arena, operators, notes and suggestions."""
    return [
        [(printable(page.title), "title")],
        *wrap_facts(page.facts, width),
        *wrap_facts([report.runtime.name, report.runtime.title], width, "head"),
        [],
        _table_of_memory(report, page, width),
        *_excess_lines(report, page),
        [],
        *_patch_lines(page, width),
        *([] if page.chosen else [*map_lines(report, width), *_operator_lines(report, width)]),
        *_note_lines(report, page, width),
        *_suggestion_lines(report, page, width),
    ]


# -- memory


def _table_of_memory(report: McuReport, page: McuPage, width: int | None) -> Block:
    rows = _list_parts(report, page)
    columns = [
        Cells("memory", [name for name, *_ in rows], right=False),
        Cells("bytes", [_format_estimate(size, about) for _, size, about, _ in rows]),
        Cells("", [format_bytes(size) for _, size, _, _ in rows], 2),
    ]
    if page.ram is not None or page.flash is not None:
        columns += [
            Cells("available", ["" if most is None else f"{most:,}" for *_, most in rows]),
            Cells("used", ["" if most is None else _format_share(size, most) for _, size, _, most in rows]),
        ]
    return cell_table(columns, width, "")


def _list_parts(report: McuReport, page: McuPage) -> list[tuple[str, int, bool, int | None]]:
    """Return the rows of the table: name, bytes, whether they are an estimate, and the bytes available."""
    flash = report.flash
    inexact = not flash.exact
    if page.chosen is not None:
        arena = [
            ("RAM: live tensors at the peak, in patches", page.chosen.peak, False, page.ram),
            ("  while a patch runs", page.chosen.patch_peak, False, None),
            ("  in the remaining layers", page.chosen.rest_peak, False, None),
            ("  without patches", report.head, False, None),
        ]
    elif report.tail is None:
        arena = [("RAM: live tensors at the peak", report.head, False, page.ram)]
    else:
        arena = [
            ("RAM: tensor arena", report.arena, True, page.ram),
            ("  head: tensors and scratch buffers", report.head, False, None),
            ("  tail: persistent data", report.tail, True, None),
        ]
    return [
        *arena,
        ("flash", flash.total, inexact, page.flash),
        ("  weights", flash.weights, False, None),
        ("  biases", flash.biases, False, None),
        ("  quantisation", flash.quantisation, inexact, None),
        ("  names, shapes and other data of the file", flash.container, inexact, None),
        *([("  code: core of the runtime, no kernels", flash.code, True, None)] if flash.code else []),
    ]


def _excess_lines(report: McuReport, page: McuPage) -> list[Block]:
    """Return one line each for RAM and flash that the network exceeds."""
    arena = report.arena if page.chosen is None else page.chosen.peak
    needs = (("RAM", arena, page.ram), ("flash", report.flash.total, page.flash))
    return [
        [(f"does not fit: {name} of {size:,} B exceeds {most:,} B by {size - most:,} B", "error")]
        for name, size, most in needs
        if most is not None and size > most
    ]


def _format_estimate(size: int, about: bool) -> str:
    return f"about {size:,}" if about else f"{size:,}"


def _format_share(size: int, most: int) -> str:
    return f"{100 * size / most:,.1f}%" if most else "?"


def _patch_lines(page: McuPage, width: int | None) -> list[Block]:
    """Return the ways to run the network in patches, with a mark at the chosen one."""
    if not page.patchings:
        return []
    columns = [
        Cells("", ["*" if one == page.chosen else "" for one in page.patchings], right=False),
        Cells("peak", [format_bytes(one.peak) for one in page.patchings]),
        Cells("extra MACs", [f"+{_format_extra(one)}" for one in page.patchings]),
        Cells("patches", [f"{one.grid}×{one.grid}" for one in page.patchings]),
        Cells("up to", [f"{one.layer} ({one.shape})" for one in page.patchings], right=False),
    ]
    return [wrapped_table(columns, width)]


def _format_extra(one: Patching) -> str:
    return f"{100 * one.extra_macs / one.macs:,.1f}%" if one.macs else "0.0%"


# -- details


def _operator_lines(report: McuReport, width: int | None) -> list[Block]:
    """Return the operators during which the most bytes are live, in the order in which they run."""
    operators, live = report.program.operators, report.live[1:]
    places = sorted(sorted(range(len(operators)), key=lambda place: -live[place])[:MOST_LISTED])
    shown = [operators[place] for place in places]
    flash = [operator.weights + BIAS_BYTES * operator.biases for operator in shown]
    columns = [
        Cells("operator", [shorten_name(operator.name) for operator in shown], right=False),
        Cells("kind", [operator.code for operator in shown], 3, right=False),
        Cells("live RAM", [f"{live[place]:,}" for place in places]),
        Cells("scratch", [f"{report.scratch[place]:,}" for place in places], 2),
        Cells("weights", [f"{size:,}" for size in flash], 1),
    ]
    if not any(report.scratch):
        del columns[3]
    return [[], cell_table(columns, width, ""), *count_others(len(operators) - len(shown))]


def _note_lines(report: McuReport, page: McuPage, width: int | None) -> list[Block]:
    notes = [*report.program.notes, *page.notes]
    if report.tail is not None:
        tail = (
            f"about: the tail is estimated for a 32-bit build (within {TAIL_ERROR:.1%} of it on five measured networks)"
        )
        file = f"the model file as converters of 2021 write it (within {FILE_ERROR:.0%} of five published files)"
        notes.append(tail if report.flash.exact else f"{tail}, {file}; TensorFlow 2.21 writes smaller files")
    if not notes:
        return []
    return [[], *cell_lines(notes, width)]


def cell_lines(notes: Sequence[str], width: int | None) -> list[Block]:
    """Return notes as lines that fit the width."""
    from textwrap import wrap

    return [[(line, "dim")] for note in notes for line in wrap(printable(note), width or 100)]


def _suggestion_lines(report: McuReport, page: McuPage, width: int | None) -> list[Block]:
    if not page.suggestions:
        return []
    changes = [one.arena / report.arena - 1 for one in page.suggestions]
    columns = [
        Cells("arena", [f"{one.arena:,}" for one in page.suggestions]),
        Cells("change", [f"{change:.1%}" for change in changes]),
        Cells("suggestion", [one.change for one in page.suggestions], right=False),
    ]
    return [[], wrapped_table(columns, width)]
