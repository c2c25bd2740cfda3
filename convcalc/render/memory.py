"""Writes memory use as text or JSON: the bytes live while each layer runs, their peak, and ways to lower the peak."""

import json
from typing import Any

from convcalc.analysis.report import Report
from convcalc.memory_savings import MemorySaving
from convcalc.render.cells import Cells, cell_table, wrapped_table
from convcalc.render.columns import count_eighths
from convcalc.render.lines import Block, Line
from convcalc.render.summary import heading_lines
from convcalc.units import format_bytes, format_exact

_SCHEMA = "convcalc/memory/2"
_ROWS = 10
_WIDEST = 72
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def memory_lines(report: Report, suggested: list[MemorySaving], width: int | None) -> list[Block]:
    """Return a chart of the live bytes, the tensors live at the peak, training memory, and suggestions.

    `suggested` are changes to the network that lower the peak.
    """
    return [
        *heading_lines(report, width),
        [],
        *_draw_profile(report, width),
        [],
        *_peak_lines(report, width),
        [],
        *_training_lines(report, width),
        *_suggestion_lines(report, suggested, width),
    ]


def _draw_profile(report: Report, width: int | None) -> list[Line]:
    """Return a bar chart of the bytes that are live while each layer runs, from the first layer to the last.

    If a line is too short for one bar per layer, each bar shows the maximum over several layers.
    """
    live = report.liveness.live
    label = max(len(format_bytes(report.totals.peak_memory)), 3)
    across = min(len(live), (width or _WIDEST + label + 3) - label - 3)
    columns = [max(live[part * len(live) // across : (part + 1) * len(live) // across]) for part in range(across)]
    top = max(report.totals.peak_memory, 1)
    lines: list[Line] = []
    for row in range(_ROWS, 0, -1):
        texts = "".join(_pick_character(value, top, row) for value in columns)
        axis = format_bytes(top) if row == _ROWS else "0 B" if row == 1 else ""
        lines.append([(f"{axis:>{label}} ", "head"), ("│ ", "dim"), (texts, "bar")])
    margin = " " * (label + 3)
    return [
        *lines,
        *(
            [(margin + text, "title")]
            for text in _draw_pointer(report.totals.peak_at, columns.index(max(columns)), across)
        ),
    ]


def _draw_pointer(name: str, column: int, across: int) -> list[str]:
    """Return an arrow below the bar with index `column`, and `name` next to the arrow or below it.

    `across` is the width of the chart in characters.
    """
    arrow = " " * column + "▲"
    if column + len(name) + 2 <= across:
        return [f"{arrow} {name}"]
    if len(name) < column:
        return [f"{name} ▲".rjust(column + 1)]
    return [arrow, name.rjust(min(column + 1, across))]


def _pick_character(value: int, top: int, row: int) -> str:
    eighths = count_eighths(value, top, _ROWS) - (row - 1) * 8
    return _EIGHTHS[max(0, min(eighths, 8))]


def _peak_lines(report: Report, width: int | None) -> list[Block]:
    """Return the peak, and a table of the tensors that are live at the peak, the largest first."""
    network, total = report.network, report.totals
    peak = f"{total.peak_memory:,} B"
    line: Line = [("peak ", "head"), (peak, "title"), (f" ({format_bytes(total.peak_memory)}) at {total.peak_at}", "")]
    tensors = sorted(report.liveness.peak_tensors, key=lambda tensor: -report.tensor_bytes[tensor])
    columns = [
        Cells("tensor", [network.tensor_name(tensor) for tensor in tensors], right=False),
        Cells("shape", [str(network.tensor_shape(tensor)) for tensor in tensors]),
        Cells("memory", [format_bytes(report.tensor_bytes[tensor]) for tensor in tensors]),
    ]
    return [line, cell_table(columns, width, "")]


def _training_lines(report: Report, width: int | None) -> list[Block]:
    """Return training memory and its parts; `?` for learnt integers, which have no gradients."""
    found = report.training()
    parts = (
        ("saved for backward", found.saved_for_backward),
        ("weights", found.weights),
        ("gradients", found.gradients),
        (f"state of the optimizer, {report.optimizer}", found.optimizer),
    )
    if found.gradients is None:
        why = " (integers have no gradients: use --dtype float32)"
        return [[("training ", "head"), ("?", "title"), (why, "")]]
    short = " (unknown)" if found.total is None else f" ({format_bytes(found.total)})"
    line: Line = [("training ", "head"), (f"{format_exact(found.total)} B", "title"), (short, "")]
    shown = [(name, size) for name, size in parts if size != 0]
    if not shown:
        return [line]
    columns = [
        Cells("part", [name for name, _ in shown], right=False),
        Cells("memory", [format_bytes(size) for _, size in shown]),
    ]
    return [line, cell_table(columns, width, "")]


def _suggestion_lines(report: Report, suggested: list[MemorySaving], width: int | None) -> list[Block]:
    if not suggested:
        return [[], [("no change that was tried lowers the peak", "dim")]]
    changes = [suggestion.peak / report.totals.peak_memory - 1 for suggestion in suggested]
    columns = [
        Cells("peak", [format_bytes(suggestion.peak) for suggestion in suggested]),
        Cells("change", [f"{change:.1%}" for change in changes]),
        Cells("suggestion", [suggestion.change for suggestion in suggested], right=False),
    ]
    return [[], wrapped_table(columns, width)]


def memory_json(report: Report, suggested: list[MemorySaving]) -> str:
    """Return memory use (in bytes) and suggestions as JSON text with the schema convcalc/memory/2."""
    network = report.network
    found: dict[str, Any] = {
        "schema": _SCHEMA,
        "name": network.name,
        "file": network.file,
        "batch": network.batch,
        "peak_memory": report.totals.peak_memory,
        "peak_at": report.totals.peak_at,
        "peak_tensors": [
            {"name": network.tensor_name(tensor), "bytes": report.tensor_bytes[tensor]}
            for tensor in report.liveness.peak_tensors
        ],
        "training": report.training()._asdict(),
        "live": [{"name": layer.name, "bytes": layer.live_memory} for layer in report.layers],
        "suggestions": [{"change": one.change, "peak_memory": one.peak} for one in suggested],
    }
    return json.dumps(found, indent=1) + "\n"
