"""Writes a report as Markdown, for a pull request or a notebook."""

from collections.abc import Sequence

from convcalc.analysis.report import Report
from convcalc.render.cells import Cells, cell_markdown
from convcalc.render.columns import SHOWN
from convcalc.render.grid import Column
from convcalc.render.markdown import escape, legend_markdown
from convcalc.render.rows import Row, layer_rows, tree_rows
from convcalc.render.shifts import shift_facts
from convcalc.render.summary import list_row_signs, sort_rows, unknown_costs
from convcalc.units import format_bytes, format_count

_DEFAULT = tuple(column for column in SHOWN if column.name != "share")


def markdown_report(
    report: Report,
    columns: Sequence[Column[Row]] = SHOWN,
    *,
    depth: int | None = None,
    sort: str | None = None,
    exact: bool = False,
) -> str:
    """Return a title, the table of layers with full names, and the totals, as Markdown.

    Scopes with layers more than `depth` levels deep (None: unlimited) are folded into one row. `sort` is the name of a
    column by which the rows are sorted. With `exact`, numbers are not abbreviated.
    """
    columns = _DEFAULT if columns is SHOWN else columns
    rows = sort_rows(report, sort, depth) if sort else layer_rows(report) if depth is None else tree_rows(report, depth)
    lines = [f"### {escape(report.network.name)}", ""]
    if report.network.description:
        lines += [escape(" ".join(report.network.description.split())), ""]
    named = [row._replace(label=row.name) for row in rows] if depth != 0 else []
    lines += cell_markdown(
        [
            Cells(column.title, [column.text(row, exact).strip() for row in named], right=column.right)
            for column in columns
        ]
    )
    signs = list_row_signs(named, [column.title for column in columns])
    shifts = shift_facts(report.network)
    ends = ["", totals_line(report), *(["", escape(f"Shifts: {shifts}.")] if shifts else []), ""]
    return "\n".join([*lines, *legend_markdown(signs), *ends])


def totals_line(report: Report) -> str:
    """Return the totals of a report as one line of Markdown."""
    total = report.totals
    macs = "? MACs" if total.macs is None else f"{total.macs:,} MACs ({format_count(total.macs)})"
    unknown = f", unknown: {escape(unknown_costs(report))}" if report.uncounted else ""
    return (
        f"**{total.layers:,} layers, {total.params:,} params ({format_count(total.params)}), "
        f"{macs}, {format_count(total.flops)} FLOPs, "
        f"weights {format_bytes(total.weight_memory)}, peak memory {format_bytes(total.peak_memory)}{unknown}**"
    )
