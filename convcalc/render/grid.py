"""Any table for people: columns are measured, and where they do not fit, they fall away or are cut."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from convcalc.problems import did_you_mean, shown
from convcalc.render.lines import Line

GAP = "  "
ALWAYS = 9  # the weight of a column that never falls away

Kind = TypeVar("Kind")


class Column(NamedTuple, Generic[Kind]):
    """A column: `value` for sorting, CSV and JSON-like output, `text` for people; the least `weight` falls away first.

    A weight of 0 means that the column is shown only when asked for; 9 that it always stays. What `cut` is not 0 may be
    cut to so many characters, after all has fallen away that can with twice as many left to it.
    """

    name: str
    title: str
    weight: int
    value: Callable[[Kind], Any]
    text: Callable[[Kind, bool], str]
    right: bool = True
    cut: int = 0


class UnknownColumn(ValueError):
    """A column that is asked for is none of the list."""


def find_column(name: str, columns: Mapping[str, Column[Kind]]) -> Column[Kind]:
    """The column of that name. Raises UnknownColumn with the one of that title, or the nearest one."""
    if name not in columns:
        titled = [key for key, column in columns.items() if column.title.lower() == name.lower()]
        hint = f"did you mean {titled[0]}?" if titled else did_you_mean(name, columns)
        raise UnknownColumn(f"no column {shown(name)}: {hint or 'there are ' + ', '.join(columns)}")
    return columns[name]


def grid(
    columns: Sequence[Column[Kind]],
    rows: Sequence[Kind],
    *,
    width: int | None = None,
    exact: bool = False,
    fixed: bool = False,
    style: Callable[[Kind, Column[Kind]], str] = lambda row, column: "",
) -> list[Line]:
    """The titles, and a line a row. Where they are wider than `width`, columns fall away, but none where `fixed`."""
    cells = {column.name: [column.text(row, exact) for row in rows] for column in columns}
    widths = {column.name: max(map(len, [column.title, *cells[column.name]])) for column in columns}
    kept = list(columns) if width is None or fixed else _fit_columns(columns, widths, width)
    if width is not None:
        _narrow_columns(kept, cells, widths, width)
    lines: list[Line] = [[(GAP.join(_align_cell(column, column.title, widths) for column in kept), "head")]]
    for index, row in enumerate(rows):
        line: Line = []
        for column in kept:
            line += [(_align_cell(column, cells[column.name][index], widths), style(row, column)), (GAP, "")]
        lines.append(line[:-1])
    return lines


def _total_width(columns: Sequence[Column[Any]], widths: dict[str, int]) -> int:
    """The width of the columns with the gaps between them."""
    return sum(widths[column.name] for column in columns) + len(GAP) * (len(columns) - 1)


def _fit_columns(columns: Sequence[Column[Kind]], widths: dict[str, int], width: int) -> list[Column[Kind]]:
    """The columns that fit: the least important fall away."""
    least = {
        column.name: min(widths[column.name], 2 * column.cut) if column.cut else widths[column.name]
        for column in columns
    }
    kept = list(columns)
    for column in sorted(columns, key=lambda column: column.weight):
        if _total_width(kept, least) <= width or column.weight >= ALWAYS:
            break
        kept.remove(column)
    return kept


def _narrow_columns(
    columns: Sequence[Column[Any]], cells: dict[str, list[str]], widths: dict[str, int], width: int
) -> None:
    """Cut what may be cut so that the rest fits, always from the widest."""
    for _ in range(_total_width(columns, widths) - width):
        widest = max(columns, key=lambda column: widths[column.name] if widths[column.name] > column.cut > 0 else 0)
        if not widths[widest.name] > widest.cut > 0:
            break
        widths[widest.name] -= 1
    for column in columns:
        most = max(widths[column.name], len(column.title))
        cells[column.name] = [text if len(text) <= most else text[: most - 1] + "…" for text in cells[column.name]]
        widths[column.name] = max(map(len, [column.title, *cells[column.name]]))


def _align_cell(column: Column[Any], text: str, widths: dict[str, int]) -> str:
    """A cell as wide as its column."""
    return text.rjust(widths[column.name]) if column.right else text.ljust(widths[column.name])
