"""Writes the table of the changes for readers without scripts: the rows of `convcalc diff`.

Scripts replace it by a table with every layer.
"""

from convcalc.diff.difference import Difference
from convcalc.render.diff import LAYERS
from convcalc.render.diff_rows import DifferenceRow, difference_rows
from convcalc.render.grid import Column
from convcalc.render.page.markup import Markup, element, join

_MOST_ROWS = 400


def write_change_list(difference: Difference) -> Markup:
    """Return the table of the changed layers; equal changes of several layers are one row."""
    rows = difference_rows(difference)
    if not rows:
        return element("p", "No layer differs.", class_="empty")
    head = element("tr", (element("th", column.title, scope="col", class_=_side(column)) for column in LAYERS))
    body = (element("tr", (_write_cell(row, column) for column in LAYERS)) for row in rows[:_MOST_ROWS])
    table = element("table", element("thead", head), element("tbody", body), class_="layers")
    left_out = len(rows) - _MOST_ROWS
    note = f"{left_out:,} more rows are shown with scripts only" if left_out > 0 else ""
    return join(element("div", table, class_="scroll"), element("p", note, class_="note") if note else None)


def _write_cell(row: DifferenceRow, column: Column[DifferenceRow]) -> Markup:
    is_name = column.name == "name"
    text = column.text(row, False)
    return element("th" if is_name else "td", text, class_=_side(column), scope="row" if is_name else None)


def _side(column: Column[DifferenceRow]) -> str | None:
    return "right" if column.right else None
