"""Writes the comparison at the top of a page with several networks: a table of their totals with bars."""

from collections.abc import Sequence

from convcalc.problems import printable
from convcalc.render.compare import BEST, COLUMNS, NetworkRow, measured_column, network_rows
from convcalc.render.grid import Column
from convcalc.render.page.markup import Markup, element
from convcalc.render.page.network_data import Subject
from convcalc.render.page.totals import write_bar
from convcalc.render.values import device_title

_SHOWN = tuple(
    COLUMNS[name]
    for name in (
        "name",
        "input_shape",
        "layers",
        "params",
        "macs",
        "weight_memory",
        "peak_memory",
        "training_memory",
        "receptive_field",
    )
)
_WITH_BARS = ("params", "macs", "weight_memory", "peak_memory", "training_memory")


def write_comparison(subjects: Sequence[Subject]) -> Markup:
    """Return a table with one row per network. A bar compares a figure with the largest in its column."""
    first = subjects[0]  # all have the same target
    rows = network_rows([(one.label, one.report) for one in subjects], first.target, first.measured)
    titles = {name: device_title(name, first.target) for name in first.measured}
    measured = (measured_column(name, first.target)._replace(title=title) for name, title in titles.items())
    shown = (*_SHOWN[:1], *measured, *_SHOWN[1:])
    most = {name: max((row.figures[name] or 0 for row in rows), default=0) for name in _WITH_BARS}
    head = element(
        "tr", (element("th", element("span", column.title), scope="col", class_=_side(column)) for column in shown)
    )
    body = (
        element("tr", (_write_cell(row, column, most, number) for column in shown)) for number, row in enumerate(rows)
    )
    table = element("table", element("thead", head), element("tbody", body), class_="comparison")
    return element(
        "section",
        element("h1", f"{len(rows)} networks"),
        element("div", table, class_="scroll"),
        element("p", f"{BEST} best in its column", class_="note"),
        class_="compare",
    )


def _write_cell(row: NetworkRow, column: Column[NetworkRow], most: dict[str, int], number: int) -> Markup:
    if column.name == "name":
        return element("th", element("a", printable(row.name), href=f"#n{number}"), scope="row")
    text = column.text(row, False).strip()
    share = (row.figures[column.name] or 0) / most[column.name] if most.get(column.name) else None
    best = "best" if column.name in (row.best or ()) else None
    if share is None:
        return element("td", text, class_=" ".join(filter(None, (_side(column), best))) or None)
    return element("td", write_bar(share, text), class_=" ".join(filter(None, ("barred", best))))


def _side(column: Column[NetworkRow]) -> str | None:
    return "barred" if column.name in _WITH_BARS else "right" if column.right else None
