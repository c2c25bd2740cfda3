"""Memory as text and JSON: the live bytes over the execution, the peak, and what would lower it."""

import json
from typing import Any

from convcalc.analysis.report import Report
from convcalc.memory_savings import MemorySaving
from convcalc.render.columns import count_eighths
from convcalc.render.lines import GAP, Line
from convcalc.render.summary import heading_lines
from convcalc.units import format_bytes, format_exact

_SCHEMA = "convcalc/memory/2"
_ROWS = 10
_WIDEST = 72
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def memory_lines(report: Report, suggested: list[MemorySaving], width: int | None) -> list[Line]:
    """Return the profile, the tensors live at the peak, training memory, and suggestions to lower the peak."""
    return [
        *heading_lines(report, width),
        [],
        *_draw_profile(report, width),
        [],
        *_peak_lines(report),
        [],
        *_training_lines(report),
        *_suggestion_lines(report, suggested),
    ]


def _draw_profile(report: Report, width: int | None) -> list[Line]:
    """Draw the live bytes from the first layer to the last; a column shows the most of its layers."""
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
    """Return an arrow at a column with the name next to it, or below if there is no room."""
    arrow = " " * column + "▲"
    if column + len(name) + 2 <= across:
        return [f"{arrow} {name}"]
    if len(name) < column:
        return [f"{name} ▲".rjust(column + 1)]
    return [arrow, name.rjust(min(column + 1, across))]


def _pick_character(value: int, top: int, row: int) -> str:
    eighths = count_eighths(value, top, _ROWS) - (row - 1) * 8
    return _EIGHTHS[max(0, min(eighths, 8))]


def _peak_lines(report: Report) -> list[Line]:
    """List the tensors live at the peak, the largest first."""
    network, total = report.network, report.totals
    peak = f"{total.peak_memory:,} B"
    lines: list[Line] = [
        [("peak ", "head"), (peak, "title"), (f" ({format_bytes(total.peak_memory)}) at {total.peak_at}", "")]
    ]
    tensors = sorted(report.liveness.peak_tensors, key=lambda tensor: -report.tensor_bytes[tensor])
    names = [network.tensor_name(tensor) for tensor in tensors]
    shapes = [str(network.tensor_shape(tensor)) for tensor in tensors]
    for name, shape, tensor in zip(names, shapes, tensors, strict=True):
        size = format_bytes(report.tensor_bytes[tensor])
        row = (f"  {name:<{max(map(len, names))}}", f"{shape:>{max(map(len, shapes))}}", f"{size:>10}")
        lines.append([(GAP.join(row), "")])
    return lines


def _training_lines(report: Report) -> list[Line]:
    """List the parts of training memory."""
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
    lines: list[Line] = [[("training ", "head"), (f"{format_exact(found.total)} B", "title"), (short, "")]]
    return [*lines, *([(f"{format_bytes(size):>12}  {name}", "")] for name, size in parts if size != 0)]


def _suggestion_lines(report: Report, suggested: list[MemorySaving]) -> list[Line]:
    """List each suggestion with the resulting peak."""
    if not suggested:
        return [[], [("no change that was tried lowers the peak", "dim")]]
    lines: list[Line] = [[], [("what would lower it", "head")]]
    for suggestion in suggested:
        change = 1 - suggestion.peak / report.totals.peak_memory
        figures = f"{format_bytes(suggestion.peak):>12}  {-change:>5.0%}  "
        lines.append([(figures, ""), (suggestion.change, "")])
    return lines


def memory_json(report: Report, suggested: list[MemorySaving]) -> str:
    """Return the same as JSON, schema convcalc/memory/2; sizes in bytes."""
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
