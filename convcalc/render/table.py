"""The table of a report, for people."""

from collections.abc import Sequence
from math import inf

from convcalc.analysis.report import Report
from convcalc.problems import printable, shortened
from convcalc.render.columns import COLUMNS, SHOWN, Column
from convcalc.render.lines import Line, plain_text
from convcalc.render.rows import Row, layer_rows, tree_rows
from convcalc.units import format_bytes, format_count, format_exact

GAP = "  "
INDENT = "  "
LEAST_NAME = 12
NAMED = 3  # layers of unknown cost that are named


def table_text(report: Report) -> str:
    """The table as plain text, as wide as it needs to be."""
    return plain_text(table(report))


def table(
    report: Report,
    columns: Sequence[Column] = SHOWN,
    *,
    width: int | None = None,
    depth: int | None = None,
    sort: str | None = None,
    exact: bool = False,
    layers: bool = True,
) -> list[Line]:
    """The lines of the table: what the network is, its layers, the totals.

    Where it is wider than `width`, columns fall away, the least important first. `sort` lists the layers flat by a
    column, the largest first. `layers` false leaves only the totals.
    """
    if depth == 0 or not layers:
        return [*heading(report, width), [], *totals(report, width)]
    rows = sorted_rows(report, sort) if sort else tree_rows(report, depth)
    cells = {column.name: [cell(row, column, exact) for row in rows] for column in columns}
    widths = {column.name: max(map(len, [column.title, *cells[column.name]])) for column in columns}
    kept = fitting(columns, widths, width)
    if width is not None and "name" in widths and taken(kept, widths) > width:
        narrow_names(cells["name"], widths, width - taken(kept, widths))
    lines = [head(kept, widths)]
    for index, row in enumerate(rows):
        lines.append(body_line(row, kept, widths, [cells[column.name][index] for column in kept]))
    return [*heading(report, width), [], *lines, [], *totals(report, width)]


def sorted_rows(report: Report, sort: str) -> list[Row]:
    """Layers by a column: numbers from the largest, before them what is not known; text from A."""
    rows, value = layer_rows(report), COLUMNS[sort].value
    numeric = any(isinstance(value(row), int | float) for row in rows)
    if not numeric:
        return sorted(rows, key=lambda row: value(row) or "")
    return sorted(rows, key=lambda row: inf if value(row) is None else value(row), reverse=True)


def cell(row: Row, column: Column, exact: bool) -> str:
    """What a column shows of a row, names indented by their scopes."""
    text = column.text(row, exact)
    return INDENT * row.indent + text if column.name == "name" else text


def taken(columns: Sequence[Column], widths: dict[str, int]) -> int:
    """The width of the columns with the gaps between them."""
    return sum(widths[column.name] for column in columns) + len(GAP) * (len(columns) - 1)


def fitting(columns: Sequence[Column], widths: dict[str, int], width: int | None) -> list[Column]:
    """The columns that fit: of the least important, those that fall away; asked for by name they stay."""
    kept = list(columns)
    if width is None or columns is not SHOWN:
        return kept
    for column in sorted(SHOWN, key=lambda column: column.weight):
        least_name = max(LEAST_NAME, min(widths["name"], 24))
        if taken(kept, widths) - widths["name"] + least_name <= width or column.weight >= 9:
            break
        kept.remove(column)
    if taken(kept, widths) > width and COLUMNS["what"] in kept:
        kept.remove(COLUMNS["what"])
    return kept


def narrow_names(names: list[str], widths: dict[str, int], room: int) -> None:
    """Cut names so that the rest fits."""
    least = max(LEAST_NAME, widths["name"] + room)
    names[:] = [name if len(name) <= least else name[: least - 1] + "…" for name in names]
    widths["name"] = max(map(len, ["layer", *names]))


def head(columns: Sequence[Column], widths: dict[str, int]) -> Line:
    """The titles."""
    return [(GAP.join(aligned(column, column.title, widths) for column in columns), "head")]


def aligned(column: Column, text: str, widths: dict[str, int]) -> str:
    """A cell as wide as its column."""
    return text.rjust(widths[column.name]) if column.right else text.ljust(widths[column.name])


def body_line(row: Row, columns: Sequence[Column], widths: dict[str, int], cells: list[str]) -> Line:
    """The line of one row."""
    line: Line = []
    for column, text in zip(columns, cells, strict=True):
        style = "bar" if column.name == "share" else "dim" if row.is_group and column.name != "name" else ""
        if row.is_group and column.name == "name":
            style = "group"
        line += [(aligned(column, text, widths), style), (GAP, "")]
    return line[:-1]


def heading(report: Report, width: int | None) -> list[Line]:
    """What the network is: name, description, inputs and outputs, data types, batch."""
    network = report.network
    inputs = ", ".join(f"{name} {shape}" for name, shape in network.inputs.items())
    first, *others = [f"{name} {shape}" for name, shape in report.outputs().items()]
    dtype = network.dtype.weights
    if network.dtype.activations != dtype:
        dtype = f"{dtype} weights, {network.dtype.activations} activations"
    facts = [f"{inputs} → {first}", *others, dtype, f"batch {network.batch}"]
    facts += [f"{name} {printable(str(value))}" for name, value in network.params.items()]
    title: Line = [(printable(network.name), "title")]
    if network.description:
        room = 1000 if width is None else max(width - len(title[0][0]) - 2, 20)
        title += [("  ", ""), (shortened(" ".join(network.description.split()), room), "dim")]
    return [title, *wrapped(facts, width)]


def wrapped(facts: list[str], width: int | None) -> list[Line]:
    """Facts side by side, on as many lines as they need."""
    lines, line = [], ""
    for fact in facts:
        longer = f"{line} · {fact}" if line else fact
        if width is not None and line and len(longer) > width:
            lines.append(line)
            longer = fact
        line = longer
    return [[(text, "")] for text in [*lines, line]]


def totals(report: Report, width: int | None) -> list[Line]:
    """The totals, exact and in short."""
    total = report.totals
    trainable = "" if total.trainable_params == total.params else f", {total.trainable_params:,} trainable"
    buffers = f", and {total.buffers:,} in buffers" if total.buffers else ""
    activations = format_bytes(total.activation_bytes)
    facts = [
        ("layers", f"{total.layers:,}", ""),
        ("params", f"{total.params:,}", f"{format_count(total.params)}{trainable}{buffers}"),
        ("MACs", format_exact(total.macs), in_short(total.macs)),
        ("FLOPs", format_exact(total.flops), in_short(total.flops, "multiplications + additions of all layers")),
        ("weights", f"{total.weight_bytes:,} B", format_bytes(total.weight_bytes)),
        ("activations", f"{total.activation_bytes:,} B", f"{activations}, all outputs added up"),
        ("peak memory", f"{total.peak_bytes:,} B", f"{format_bytes(total.peak_bytes)}, at {total.peak_at}"),
    ]
    if report.uncounted:
        facts.append(("not known", format_exact(len(report.uncounted)), unknown_costs(report)))
    number = max(len(exact) for _, exact, _ in facts)
    lines: list[Line] = []
    for label, exact, note in facts:
        line: Line = [(f"{label:<11}", "head"), (GAP, ""), (exact.rjust(number), "title"), (GAP, ""), (note, "dim")]
        room = None if width is None else width - 11 - number - 2 * len(GAP)
        if room is not None and len(note) > room:
            line[-1] = (note.split(", ")[0], "dim")
        lines.append(line)
    return lines


def in_short(count: int | None, meaning: str = "") -> str:
    """A count in short, and what it means; only that where it is not known."""
    return ", ".join(filter(None, ("" if count is None else format_count(count), meaning)))


def unknown_costs(report: Report) -> str:
    """What is not known of a report, by name: the cost of layers, of which the first are named."""
    names = [layer.name for layer in report.uncounted]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"the cost of {', '.join(names[:NAMED])}{more}"
