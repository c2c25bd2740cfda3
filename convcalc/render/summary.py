"""Writes a report as text: a heading, the table of layers, and the totals."""

from collections.abc import Sequence
from math import inf
from typing import Any

from convcalc.analysis.report import Report
from convcalc.network import Network
from convcalc.problems import printable, shorten
from convcalc.render.columns import COLUMNS, SHOWN, is_marked_misaligned
from convcalc.render.grid import Column, grid
from convcalc.render.legend import legend_lines, list_signs
from convcalc.render.lines import GAP, Block, Line, plain_text, wrap_facts
from convcalc.render.rows import Row, choose_depth, describe_fold, fold_rows, leaf_rows, tree_rows
from convcalc.render.shifts import shift_facts, wrap_words
from convcalc.units import format_bytes, format_count, format_exact

MOST_ROWS = 60  # a longer table is folded by default
_MOST_NAMED = 3  # at most this many layers of unknown cost are named in the totals


def table_text(report: Report) -> str:
    """Return the heading, table and totals of a report as plain text of unlimited width."""
    return plain_text(table(report))


def table(
    report: Report,
    columns: Sequence[Column[Row]] = SHOWN,
    *,
    width: int | None = None,
    depth: int | None = None,
    fold: bool = False,
    sort: str | None = None,
    exact: bool = False,
    layers: bool = True,
) -> list[Block]:
    """Return the heading, the table of layers, and the totals of a report.

    To fit `width` characters (None: unlimited), columns of `SHOWN` are dropped, the lowest weight first. Scopes with
    layers more than `depth` levels deep are folded into one row. If `fold` is true, the depth is chosen so that the
    table has at most MOST_ROWS rows, and a line says to which depth it is folded. `sort` is the name of a column by
    which the rows are sorted. With `exact`, numbers are not abbreviated. Without `layers`, the table is left out.
    """
    if depth == 0 or not layers:
        return [*heading_lines(report, width), [], *_closing_lines(report, width)]
    if fold:
        depth = choose_depth(report, MOST_ROWS, nested=sort is None)
    rows = sort_rows(report, sort, depth) if sort else tree_rows(report, depth)
    everything = f"--depth all shows {len(report.layers):,} layers"
    note = describe_fold(report, depth, everything) if fold and depth is not None else ""
    return _report_lines(report, rows, note, columns, width, exact)


def _report_lines(
    report: Report,
    rows: Sequence[Row],
    note: str,
    columns: Sequence[Column[Row]] = SHOWN,
    width: int | None = None,
    exact: bool = False,
) -> list[Block]:
    found = grid(columns, rows, width=width, exact=exact, fixed=columns is not SHOWN, style=_style_of)
    legend = legend_lines(list_row_signs(rows, found.titles), width)
    notes: list[Line] = [[(note, "dim")], []] if note else []
    return [*heading_lines(report, width), [], found, *legend, [], *notes, *_closing_lines(report, width)]


def list_row_signs(rows: Sequence[Row], titles: Sequence[str]) -> list[str]:
    """Return the legend entries, such as `p1 padding`, that explain these rows in the columns with these titles."""
    shown = {column.name for column in COLUMNS.values() if column.title in titles}
    layers = {(row.kind, row.what): row.layer for row in rows if row.layer} if "what" in shown else {}
    misaligned = "receptive_field" in shown and any(map(is_marked_misaligned, rows))
    return list_signs(layers.values(), misaligned)


def report_repr(report: Report) -> str:
    """Return the text that the Python prompt shows for a report.

    It fits the width of the terminal, and its table has at most 60 rows.
    """
    from shutil import get_terminal_size

    rows, note = fold_rows(report, MOST_ROWS)
    return plain_text(_report_lines(report, rows, note, width=get_terminal_size().columns)).rstrip("\n")


def sort_rows(report: Report, sort: str, depth: int | None = None) -> list[Row]:
    """Return the rows of layers, and of scopes folded at `depth`, sorted by the column named `sort`.

    A column of numbers is sorted in descending order, with unknown numbers first. A column of texts is sorted in
    ascending order.
    """
    rows, value = leaf_rows(report, depth), COLUMNS[sort].value
    numeric = any(isinstance(value(row), int | float) for row in rows)
    if not numeric:
        return sorted(rows, key=lambda row: value(row) or "")
    return sorted(rows, key=lambda row: inf if value(row) is None else value(row), reverse=True)


def _style_of(row: Row, column: Column[Row]) -> str:
    if column.name == "share":
        return "bar"
    if row.is_group:
        return "group" if column.name == "name" else "dim"
    return ""


def network_lines(network: Network, width: int | None) -> list[Line]:
    """Return the name, number of layers and inputs of a network, on one line if that fits `width`."""
    name, count = printable(network.name), len(network.nodes)
    inputs = [f"{of} {shape}" for of, shape in network.inputs.items()]
    [(first, _)], *others = wrap_facts([name, f"{count:,} layer{'' if count == 1 else 's'}", *inputs], width)
    return [[(name, "title"), (first[len(name) :], "")], *others]


def heading_lines(report: Report, width: int | None) -> list[Line]:
    """Return the name, description, inputs, outputs, data types, batch size and spec parameters of a network."""
    network = report.network
    inputs = ", ".join(f"{name} {shape}" for name, shape in network.inputs.items())
    first, *others = [f"{name} {shape}" for name, shape in report.outputs().items()]
    dtype = network.dtype.weights
    if network.dtype.activations != dtype:
        dtype = f"{dtype} weights, {network.dtype.activations} activations"
    facts = [f"{inputs} → {first}", *others, dtype, f"batch {network.batch}"]
    facts += [f"{name} {_param_text(value)}" for name, value in network.params.items()]
    title: Line = [(printable(network.name), "title")]
    if network.description:
        room = 1000 if width is None else max(width - len(title[0][0]) - 2, 20)
        title += [("  ", ""), (shorten(" ".join(network.description.split()), room), "dim")]
    return [title, *wrap_facts(facts, width)]


def _param_text(value: Any) -> str:
    """Return a value of a spec parameter as `true`, `[3,5]`, `0.5` or `skip`."""
    if not isinstance(value, bool | list):
        return printable(str(value))
    from convcalc.render.values import value_text  # imported only when needed: json costs start-up time

    return shorten(value_text(value))


def format_totals(report: Report, width: int | None) -> list[Line]:
    """Return the totals of a report, one per line, each as an exact number followed by an abbreviated one."""
    total = report.totals
    trainable = "" if total.trainable_params == total.params else f", {total.trainable_params:,} trainable"
    buffers = f", and {total.buffers:,} in buffers" if total.buffers else ""
    activations = format_bytes(total.activation_memory)
    facts = [
        ("layers", f"{total.layers:,}", ""),
        ("params", f"{total.params:,}", f"{format_count(total.params)}{trainable}{buffers}"),
        ("MACs", format_exact(total.macs), _short_text(total.macs)),
        ("FLOPs", format_exact(total.flops), _short_text(total.flops, "multiplications + additions of all layers")),
        ("weights", f"{total.weight_memory:,} B", format_bytes(total.weight_memory)),
        ("activations", f"{total.activation_memory:,} B", f"{activations}, sum of all outputs"),
        ("peak memory", f"{total.peak_memory:,} B", f"{format_bytes(total.peak_memory)}, at {total.peak_at}"),
    ]
    if report.uncounted:
        facts.append(("unknown", format_exact(len(report.uncounted)), unknown_costs(report)))
    number = max(len(exact) for _, exact, _ in facts)
    lines: list[Line] = []
    for label, exact, note in facts:
        line: Line = [(f"{label:<11}", "head"), (GAP, ""), (exact.rjust(number), "title"), (GAP, ""), (note, "dim")]
        room = None if width is None else width - 11 - number - 2 * len(GAP)
        if room is not None and len(note) > room:
            line[-1] = (note.split(", ")[0], "dim")
        lines.append(line)
    return lines


def _closing_lines(report: Report, width: int | None) -> list[Line]:
    """Return the totals, and what the outputs do if the input is shifted, unless it is a vector."""
    texts = wrap_words(shift_facts(report.network), None if width is None else width - 11 - len(GAP))
    labels = ("shifts" if number == 0 else "" for number in range(len(texts)))
    shifts: list[Line] = [
        [(f"{label:<11}", "head"), (GAP, ""), (text, "")] for label, text in zip(labels, texts, strict=True)
    ]
    return [*format_totals(report, width), *shifts]


def _short_text(count: int | None, meaning: str = "") -> str:
    return ", ".join(filter(None, ("" if count is None else format_count(count), meaning)))


def unknown_costs(report: Report) -> str:
    """Return a text that names the layers with unknown costs, such as `the MACs of conv1, conv2, conv3 and 3 more`.

    If both the MACs and the FLOPs of a layer are unknown, the text says `the cost` instead of `the MACs`.
    """
    names: dict[str, list[str]] = {}
    for layer in report.uncounted:
        what = "the MACs" if layer.flops is not None else "the FLOPs" if layer.macs is not None else "the cost"
        names.setdefault(what, []).append(layer.name)
    return "; ".join(f"{what} of {_name_first(found)}" for what, found in names.items())


def _name_first(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
