"""Writes the difference between two networks as text or JSON: the totals side by side, then the changed layers."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report, field_dict
from convcalc.diff.compared_figures import FigurePair
from convcalc.diff.condition import Condition
from convcalc.diff.difference import Difference, LayerChange, ValueChange
from convcalc.problems import printable, shorten
from convcalc.render.columns import field_text, is_marked_misaligned
from convcalc.render.diff_rows import DifferenceRow, difference_rows, value_text
from convcalc.render.grid import Column, grid
from convcalc.render.legend import legend_lines, list_signs
from convcalc.render.lines import Block, Line, Table
from convcalc.render.values import describe_target, device_title
from convcalc.shape import Shape
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEASURED
from convcalc.units import format_bytes, format_count, format_duration, format_exact
from convcalc.version import __version__

_SCHEMA = "convcalc/diff/1"
_ALWAYS_SHOWN = {
    "layers": "layers",
    "params": "params",
    "macs": "MACs",
    "flops": "FLOPs",
    "weight_memory": "weights",
    "activation_memory": "activations",
    "peak_memory": "peak memory",
    "training_memory": "training",
    "receptive_field": "field",
}
_SHOWN_IF_DIFFERENT = {"trainable_params": "trainable", "buffers": "buffers"}
_STYLES = {"added": "added", "removed": "removed", "changed": "", "moved": "dim", "renamed": "dim", "reshaped": "dim"}


class TotalRow(NamedTuple):
    """A row of the table of totals: the name and title of a metric, and its old and new value.

    If `texts` is not None, these two texts are shown instead of the values.
    """

    name: str
    title: str
    figure: FigurePair
    texts: tuple[str, str] | None


def total_rows(difference: Difference) -> list[TotalRow]:
    """Return the rows of the table of totals: the main metrics, and trainable params and buffers if they differ."""
    rows = []
    for name, figure in difference.figures.items():
        title = _ALWAYS_SHOWN.get(name) or _SHOWN_IF_DIFFERENT.get(name) or _find_measured_title(difference, name)
        # if all params are trainable, the row of the params already shows their number
        same = figure.old == figure.new or figure == difference.figures["params"]
        if title is not None and not (name in _SHOWN_IF_DIFFERENT and same):
            sizes = difference.old.totals, difference.new.totals
            texts = (field_text(sizes[0]), field_text(sizes[1])) if name == "receptive_field" else None
            rows.append(TotalRow(name, title, figure, texts))
    return rows


def _find_measured_title(difference: Difference, name: str) -> str | None:
    """Return the title of a metric that depends on a runtime or a device, with its name; None for any other."""
    return device_title(name, difference.target) if name in MEASURED else None


def _figure_text(row: TotalRow, value: int | None, exact: bool) -> str:
    if row.name == LATENCY and value is not None:
        return f"{'-' if value < 0 else ''}{format_duration(abs(value) * 1e-9)}"  # no estimate is exact
    if (row.name.endswith("_memory") or row.name in DEVICE) and value is not None:
        return f"{format_exact(value)} B" if exact else format_bytes(value)
    return format_exact(value) if exact else format_count(value)


def side_text(row: TotalRow, new: bool, exact: bool) -> str:
    """Return the old or the new value of a total as text, such as `4.23 M`, or `4,231,976` if `exact` is true."""
    return row.texts[new] if row.texts is not None else _figure_text(row, row.figure[new], exact)


def change_text(row: TotalRow, exact: bool) -> str:
    """Return the change with its sign; an empty text if it is 0, and `?` if it is unknown."""
    change = row.figure.change
    return "" if change == 0 else f"{'+' if (change or 0) > 0 else ''}{_figure_text(row, change, exact)}"


def percent_text(figure: FigurePair) -> str:
    """Return the change in percent of the old value, such as `-12.3%`.

    The text is empty if there is no change, if a value is unknown, or if the old value is 0.
    """
    relative = figure.relative
    if not figure.change or relative is None:
        return ""
    percent = float(relative * 100)
    sign = "+" if percent > 0 else "-"
    return f"{sign}<0.1%" if abs(percent) < 0.05 else f"{percent:+,.1f}%"


TOTALS: tuple[Column[TotalRow], ...] = (
    Column("name", "", 9, lambda row: row.name, lambda row, exact: row.title, right=False),
    Column("old", "old", 5, lambda row: row.figure.old, lambda row, exact: side_text(row, False, exact)),
    Column("new", "new", 9, lambda row: row.figure.new, lambda row, exact: side_text(row, True, exact)),
    Column("change", "change", 6, lambda row: row.figure.change, change_text),
    Column("relative", "", 8, lambda row: row.figure.relative, lambda row, exact: percent_text(row.figure)),
)


def _added_text(value: int | None) -> str:
    return "" if value == 0 else f"{'+' if (value or 0) > 0 else ''}{format_count(value)}"


LAYERS: tuple[Column[DifferenceRow], ...] = (
    Column("did", "", 9, lambda row: row.did, lambda row, exact: row.did, right=False),
    Column("name", "layer", 9, lambda row: row.name, lambda row, exact: row.name, right=False, cut=12),
    Column("what", "what", 8, lambda row: row.what, lambda row, exact: row.what, right=False, cut=12),
    Column("layers", "layers", 4, lambda row: row.layers, lambda row, exact: f"{row.layers:,}"),
    Column("output", "output", 3, lambda row: row.output, lambda row, exact: row.output),
    Column("params", "params", 6, lambda row: row.params, lambda row, exact: _added_text(row.params)),
    Column("macs", "MACs", 7, lambda row: row.macs, lambda row, exact: _added_text(row.macs)),
)


def difference_lines(
    difference: Difference, width: int | None, layers: bool, labels: Sequence[str | None] = (None, None)
) -> list[Block]:
    """Return the names of both networks, their totals side by side, and the changed settings.

    With `layers`, a table of changed layers follows. `labels` has one label for the old and one for the new network; a
    label is shown instead of the network's file name unless it is None.
    """
    lines: list[Block] = [
        *_title_lines(difference, labels, width),
        [],
        _totals_table(difference, width),
        *legend_lines(list_total_signs(difference), width),
    ]
    given = [f"{change.what} {given_text(change)}" for change in difference.given]
    if given:
        lines += [[], *([(fact if width is None else shorten(fact, width), "")] for fact in given)]
    rows = difference_rows(difference) if layers else []
    if rows:
        table = grid(LAYERS, rows, width=width, style=_style_of)
        lines += [[], table, *legend_lines(_make_legend(rows, table), width)]
    return [*lines, *([] if not difference.is_empty else [[], [("no differences", "title")]])]


def list_total_signs(difference: Difference) -> list[str]:
    """Return the legend entries for the table of totals: that of `!`, if a receptive field has this suffix."""
    return list_signs((), any(is_marked_misaligned(report.totals) for report in (difference.old, difference.new)))


def _make_legend(rows: Sequence[DifferenceRow], table: Table) -> list[str]:
    """Return the legend entries, such as `p1 padding`, for the arguments in the column `what`; not for cut texts."""
    if "what" not in table.titles:
        return []
    place = list(table.titles).index("what")
    pairs = zip(rows, table.rows, strict=True)
    return list_signs([row.layer for row, cells in pairs if row.layer and cells[place][0] == row.what], False)


def _style_of(row: DifferenceRow, column: Column[DifferenceRow]) -> str:
    return _STYLES[row.did] if column.name in ("did", "name") else ""


def _title_lines(difference: Difference, labels: Sequence[str | None], width: int | None) -> list[Line]:
    """Return one line per network; a label or file name that does not fit `width` is left out."""
    lines: list[Line] = []
    for side, report, label in zip(("old", "new"), (difference.old, difference.new), labels, strict=True):
        name, file = printable(report.network.name), printable(label or report.network.file or "")
        room = 1000 if width is None else max(width - len(name) - 7, 0)
        lines.append([(f"{side}  ", "head"), (name, "title"), (f"  {file}" if len(file) <= room else "", "dim")])
    return lines


def _totals_table(difference: Difference, width: int | None) -> Table:
    """Return the table of totals; its numbers are abbreviated if exact ones do not fit `width`."""
    rows = total_rows(difference)
    exact = grid(TOTALS, rows, exact=True)
    return exact if width is None or exact.width <= width else grid(TOTALS, rows, width=width)


def given_text(change: ValueChange) -> str:
    """Return the old and the new value of a setting as text, such as `1.0 → 0.5`."""
    return f"{value_text(change.old)} → {value_text(change.new)}"


def failure_text(condition: Condition, difference: Difference) -> str:
    """Return a message for a condition of --fail-if that is met or unknown: by how much the metric changed."""
    figure, title = difference.figures[condition.metric], printable(condition.text)
    name = _find_measured_title(difference, condition.metric) or condition.metric
    if figure.change is None:
        return f"{title}: the change in {name} is unknown{_explain_unknown(difference, condition.metric)}"
    row = TotalRow(condition.metric, "", figure, None)
    before, after = (_figure_text(row, value, True) for value in (figure.old, figure.new))
    percent = percent_text(figure)
    by = f"{change_text(row, True) or '0'}{f' ({percent})' if percent else ''}"
    return f"{title}: {name} changed by {by}, from {before} to {after}"


def _explain_unknown(difference: Difference, metric: str) -> str:
    """Return why a figure of a device is unknown in one of the networks, after a colon; "" for any other metric."""
    if metric not in MEASURED:
        return ""
    from convcalc.metrics.device_figures import explain_unknown

    reasons = (explain_unknown(report, metric, difference.target) for report in (difference.old, difference.new))
    return f": {printable(next(filter(None, reasons), ''))}"


# -- for programs


def difference_json(difference: Difference, failed: Sequence[str]) -> str:
    """Return the difference as JSON text with exact figures, and one line per layer that differs.

    The schema is convcalc/diff/1. `failed` has the texts of the conditions of --fail-if that are met or unknown.
    """
    head = difference_dict(difference, failed)
    layers = ",\n  ".join(map(json.dumps, head.pop("layers")))
    lines = [f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items()]
    return "{\n" + "".join(lines) + f' "layers": [\n  {layers}]\n}}\n'


def difference_dict(difference: Difference, failed: Sequence[str]) -> dict[str, Any]:
    """Return the difference as the document that `difference_json` writes."""
    return {
        "schema": _SCHEMA,
        "version": __version__,
        **describe_target(difference.target, difference.figures),
        "equal": difference.is_empty,
        "failed": list(failed),
        "old": _header_dict(difference.old),
        "new": _header_dict(difference.new),
        "totals": _totals_dict(difference),
        "given": [_change_dict(change) for change in difference.given],
        "layers": [_layer_dict(change) for change in difference.layers],
    }


def _header_dict(report: Report) -> dict[str, Any]:
    return {name: value for name, value in report.header().items() if name not in ("schema", "version")}


def _totals_dict(difference: Difference) -> dict[str, Any]:
    found: dict[str, Any] = {name: _figure_dict(figure) for name, figure in difference.figures.items()}
    if LATENCY in found:  # in seconds, as everywhere
        sides = {side: found[LATENCY][side] for side in ("old", "new", "change")}
        found[LATENCY] |= {side: None if value is None else value / 1e9 for side, value in sides.items()}
    fields = (difference.old.totals.receptive_field, difference.new.totals.receptive_field)
    found["receptive_field"]["fields"] = [field_dict(field) for field in fields]
    return found


def _figure_dict(figure: FigurePair) -> dict[str, Any]:
    relative = figure.relative
    return {
        "old": figure.old,
        "new": figure.new,
        "change": figure.change,
        "relative": None if relative is None else _round_fraction(relative),
    }


def _round_fraction(relative: Fraction) -> float:
    return float(round(relative, 9))


def _layer_dict(change: LayerChange) -> dict[str, Any]:
    return {
        "did": _list_outcomes(change),
        "old": _place_dict(change.old),
        "new": _place_dict(change.new),
        "kind": change.layer.kind,
        "changes": [_change_dict(written) for written in (*change.written, *change.shapes)],
        "params": _figure_dict(change.figure("params")),
        "macs": _figure_dict(change.figure("macs")),
    }


def _list_outcomes(change: LayerChange) -> list[str]:
    if change.old is None or change.new is None:
        return ["added" if change.old is None else "removed"]
    words = (
        ("moved", change.moved),
        ("renamed", change.renamed),
        ("changed", change.written),
        ("reshaped", change.shapes),
    )
    return [word for word, holds in words if holds]


def _place_dict(layer: LayerReport | None) -> dict[str, Any] | None:
    return None if layer is None else {"name": layer.name, "line": layer.line}


def _change_dict(change: ValueChange) -> dict[str, Any]:
    return {"what": change.what, "old": _json_value(change.old), "new": _json_value(change.new)}


def _json_value(value: Any) -> Any:
    """Convert a value for JSON: a shape becomes the list of its sizes, and a tuple becomes a list."""
    if isinstance(value, Shape):
        return list(value.sizes)
    return [_json_value(item) for item in value] if isinstance(value, tuple | list) else value
