"""Writes the memory of a network on a microcontroller as text, JSON or a picture of the tensor arena."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from convcalc.device.arena import Buffer
from convcalc.device.mcu import McuReport
from convcalc.device.patches import Patching
from convcalc.device.savings import ArenaSaving
from convcalc.device.sizes import FILE_ERROR, TAIL_ERROR
from convcalc.problems import printable, shorten
from convcalc.render.cells import Cells, cell_table, wrapped_table
from convcalc.render.drawing.plot import Axis, Rectangle, draw_rectangles
from convcalc.render.drawing.scene import Scene
from convcalc.render.lines import Block, Line, wrap_facts
from convcalc.units import format_bytes

_SCHEMA = "convcalc/mcu/1"
_ROWS, _WIDEST = 12, 64  # of the map of the arena, in characters
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OTHER, _FREE = "#", "·"
_MOST_LISTED = 12
_MOST_NAME = 40


class McuPage(NamedTuple):
    """What the report of `convcalc mcu` shows besides the figures: its heading, limits, notes and suggestions.

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
    """Return the use of RAM and flash, a map of the arena, scratch buffers, notes and suggestions."""
    return [
        [(printable(page.title), "title")],
        *wrap_facts(page.facts, width),
        *wrap_facts([report.runtime.name, report.runtime.title], width, "head"),
        [],
        _table_of_memory(report, page, width),
        *_excess_lines(report, page),
        [],
        *_patch_lines(page, width),
        *([] if page.chosen else _map_lines(report, width)),
        *_scratch_lines(report, width),
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
    """Return a line for RAM and for flash if the network needs more than there is."""
    arena = report.arena if page.chosen is None else page.chosen.peak
    needs = (("RAM", arena, page.ram), ("flash", report.flash.total, page.flash))
    return [
        [(f"does not fit: {name} exceeds {most:,} B by {size - most:,} B", "error")]
        for name, size, most in needs
        if most is not None and size > most
    ]


def _format_estimate(size: int, about: bool) -> str:
    return f"about {size:,}" if about else f"{size:,}"


def _format_share(size: int, most: int) -> str:
    return f"{100 * size / most:.1f}%" if most else "?"


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
    return f"{100 * one.extra_macs / one.macs:.1f}%" if one.macs else "0.0%"


# -- map


def _map_lines(report: McuReport, width: int | None) -> list[Block]:
    """Return a map of the arena: a column per operator, a row per part of the arena, a letter per buffer."""
    if not report.offsets:
        return _peak_lines(report, width)
    letters = _assign_letters(report)
    label = max(len(format_bytes(report.head)), 3)
    across = min(len(report.live), (width or _WIDEST + label + 3) - label - 3)
    cells = _fill_map(report, letters, across)
    facts = [
        f"head over time: offset upwards, operators 0 to {len(report.live) - 1} across",
        f"at most {report.lower_bound:,} B are live at once",
    ]
    lines: list[Block] = list(wrap_facts(facts, width, "head"))
    for row in range(_ROWS - 1, -1, -1):
        axis = format_bytes(report.head) if row == _ROWS - 1 else "0 B" if row == 0 else ""
        lines.append([(f"{axis:>{label}} ", "head"), ("│ ", "dim"), ("".join(cells[row]), "bar")])
    return [*lines, [], *_list_buffers(report, letters, width)]


def _assign_letters(report: McuReport) -> dict[int, str]:
    """Return a letter for each of the largest buffers, by index, in the order of time."""
    largest = sorted(range(len(report.buffers)), key=lambda index: -report.buffers[index].size)[: len(_LETTERS)]
    ordered = sorted(largest, key=lambda index: (report.buffers[index].first, index))
    return {index: letter for letter, index in zip(_LETTERS, ordered, strict=False)}


def _fill_map(report: McuReport, letters: dict[int, str], across: int) -> list[list[str]]:
    """Return the characters of the map, the lowest row first; a cell shows the buffer in its middle, if any."""
    cells = [[_FREE] * across for _ in range(_ROWS)]
    times = len(report.live)
    for index in sorted(range(len(report.buffers)), key=lambda index: report.buffers[index].size):
        buffer, offset = report.buffers[index], report.offsets[index]
        first, last = (time * across // times for time in (buffer.first, buffer.last))
        low = -(-(offset * 2 * _ROWS - report.head) // (2 * report.head)) if report.head else 0
        high = ((offset + buffer.size) * 2 * _ROWS - report.head - 1) // (2 * report.head) if report.head else 0
        for row in range(max(low, 0), min(high, _ROWS - 1) + 1):
            cells[row][first : last + 1] = letters.get(index, _OTHER) * (last + 1 - first)
    return cells


def _list_buffers(report: McuReport, letters: dict[int, str], width: int | None) -> list[Block]:
    """Return the buffers that are live when the most bytes are, the largest first."""
    peak = report.peak_time
    live = [index for index, buffer in enumerate(report.buffers) if buffer.first <= peak <= buffer.last]
    live.sort(key=lambda index: -report.buffers[index].size)
    shown = live[:_MOST_LISTED]
    columns = [
        Cells("", [letters.get(index, _OTHER) for index in shown], right=False),
        Cells("buffer", [_describe_buffer(report.buffers[index]) for index in shown], right=False),
        Cells("bytes", [f"{report.buffers[index].size:,}" for index in shown]),
        Cells("offset", [f"{report.offsets[index]:,}" for index in shown], 3),
        Cells("operators", [_describe_times(report.buffers[index]) for index in shown], 2),
    ]
    title: Line = [("live while ", "head"), (_shorten_name(report.name_time(peak)), "title"), (" runs", "head")]
    return [title, cell_table(columns, width, ""), *_count_others(len(live) - len(shown))]


def _peak_lines(report: McuReport, width: int | None) -> list[Block]:
    """Return the tensors that are live at the peak of a runtime without a planner."""
    peak = report.peak_time
    live = [buffer for buffer in report.buffers if buffer.first <= peak <= buffer.last]
    live.sort(key=lambda buffer: -buffer.size)
    shown = live[:_MOST_LISTED]
    columns = [
        Cells("tensor", [_describe_buffer(buffer) for buffer in shown], right=False),
        Cells("bytes", [f"{buffer.size:,}" for buffer in shown]),
    ]
    title: Line = [("live while ", "head"), (_shorten_name(report.name_time(peak)), "title"), (" runs", "head")]
    return [title, cell_table(columns, width, ""), *_count_others(len(live) - len(shown))]


def _describe_buffer(buffer: Buffer) -> str:
    return _shorten_name(buffer.name) + (" (scratch)" if buffer.tensor is None else "")


def _shorten_name(name: str) -> str:
    return shorten(name, _MOST_NAME) or "(no name)"


def _describe_times(buffer: Buffer) -> str:
    return str(buffer.first) if buffer.first == buffer.last else f"{buffer.first} to {buffer.last}"


def _count_others(count: int) -> list[Block]:
    return [[(f"and {count:,} more", "dim")]] if count > 0 else []


# -- details


def _scratch_lines(report: McuReport, width: int | None) -> list[Block]:
    operators = [(one, size) for one, size in zip(report.program.operators, report.scratch, strict=True) if size]
    if not operators:
        return []
    shown = sorted(operators, key=lambda pair: -pair[1])[:_MOST_LISTED]
    columns = [
        Cells("operator", [_shorten_name(operator.name) for operator, _ in shown], right=False),
        Cells("kind", [operator.code for operator, _ in shown], 3, right=False),
        Cells("scratch", [f"{size:,}" for _, size in shown]),
    ]
    return [[], cell_table(columns, width, ""), *_count_others(len(operators) - len(shown))]


def _note_lines(report: McuReport, page: McuPage, width: int | None) -> list[Block]:
    notes = [*report.program.notes, *page.notes]
    if report.tail is not None:
        notes.append(
            f"about: the tail is estimated for a 32-bit build (within {TAIL_ERROR:.1%} of it on five measured networks)"
            + ("" if report.flash.exact else f", the model file within {FILE_ERROR:.0%}")
        )
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
        Cells("what lowers it", [one.change for one in page.suggestions], right=False),
    ]
    return [[], wrapped_table(columns, width)]


# -- other formats


def mcu_json(report: McuReport, page: McuPage) -> str:
    """Return the report as JSON text with the schema convcalc/mcu/1; all sizes are in bytes."""
    flash = report.flash
    found: dict[str, Any] = {
        "schema": _SCHEMA,
        "name": report.program.name,
        "file": page.file,
        "runtime": report.runtime.name,
        "device": page.device,
        "dtype": report.program.dtype,
        "arena": {
            "head": report.head,
            "tail": report.tail,
            "total": report.arena,
            "lower_bound": report.lower_bound,
            "available": page.ram,
        },
        "flash": {
            **flash._asdict(),
            "model": flash.model,
            "total": flash.total,
            "available": page.flash,
        },
        "operators": [
            {"name": operator.name, "kind": operator.code, "live": live, "scratch": scratch}
            for operator, live, scratch in zip(report.program.operators, report.live[1:], report.scratch, strict=True)
        ],
        "buffers": [
            {
                "name": buffer.name,
                "bytes": buffer.size,
                "offset": report.offsets[index] if report.offsets else None,
                "first": buffer.first,
                "last": buffer.last,
                "scratch": buffer.tensor is None,
            }
            for index, buffer in enumerate(report.buffers)
        ],
        "patches": [
            {
                "layer": one.layer,
                "output_shape": list(one.shape.sizes),
                "grid": one.grid,
                "peak": one.peak,
                "patch_peak": one.patch_peak,
                "rest_peak": one.rest_peak,
                "extra_macs": one.extra_macs,
                "macs": one.macs,
                "chosen": one == page.chosen,
            }
            for one in page.patchings
        ],
        "notes": [*report.program.notes, *page.notes],
        "suggestions": [{"change": one.change, "arena": one.arena} for one in page.suggestions],
    }
    return json.dumps(found, indent=1) + "\n"


def draw_arena(report: McuReport, page: McuPage) -> Scene:
    """Return the picture of the arena: a rectangle per buffer, operators across, offsets up.

    Raises ValueError if the runtime has no planner.
    """
    if not report.offsets:
        raise ValueError(f"{report.runtime.name} does not place buffers, so there is no map of its arena")
    boxes = [
        Rectangle(
            buffer.first,
            buffer.last + 1,
            offset,
            offset + buffer.size,
            buffer.name,
            "scratch buffers" if buffer.tensor is None else "tensors",
            f"{buffer.size:,} B",
        )
        for buffer, offset in zip(report.buffers, report.offsets, strict=True)
    ]
    facts = f"{report.runtime.name} · {report.program.dtype} · head {report.head:,} B ({format_bytes(report.head)})"
    facts += f" · lower bound {report.lower_bound:,} B"
    return draw_rectangles(
        f"{printable(page.title)}: tensor arena", facts, boxes, Axis("operator", whole=True), Axis("offset", "B")
    )
