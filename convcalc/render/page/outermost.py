"""Writes the table of the layers and scopes at the outermost level, for readers without scripts.

Scripts replace it by a table with all levels.
"""

from convcalc.render.columns import COLUMNS
from convcalc.render.page.markup import Markup, element, join
from convcalc.render.page.network_data import Subject
from convcalc.render.rows import describe_rows, tree_rows

_MOST_ROWS = 400
_OUTERMOST = tuple(
    COLUMNS[name] for name in ("name", "what", "output_shape", "params", "macs", "receptive_field", "activation_memory")
)


def write_outermost(subject: Subject) -> Markup:
    """Return the table of the outermost level, which scripts replace by a table with all levels."""
    rows = tree_rows(subject.report, 1)
    described = zip(rows[:_MOST_ROWS], describe_rows(subject.report, rows[:_MOST_ROWS]), strict=True)
    head = element(
        "tr", (element("th", column.title, scope="col", class_=_side(column.right)) for column in _OUTERMOST)
    )
    body = (
        element(
            "tr",
            (
                element(
                    "th" if column.name == "name" else "td",
                    what if column.name == "what" else column.text(row, False),
                    class_=_side(column.right),
                    scope="row" if column.name == "name" else None,
                )
                for column in _OUTERMOST
            ),
        )
        for row, what in described
    )
    left_out = len(rows) - _MOST_ROWS
    note = f"{left_out:,} more rows are shown with scripts only" if left_out > 0 else ""
    table = element("table", element("thead", head), element("tbody", body), class_="layers")
    return join(element("div", table, class_="scroll"), element("p", note, class_="note") if note else None)


def _side(right: bool) -> str | None:
    return "right" if right else None
