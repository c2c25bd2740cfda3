"""A text table: columns are measured, and dropped or cut to fit a width."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from convcalc.problems import did_you_mean, show
from convcalc.render.lines import GAP, Table

ALWAYS = 9  # the weight of a column that is never dropped
LEAST_NAME = 12  # characters to which names may be cut

Kind = TypeVar("Kind")


class Column(NamedTuple, Generic[Kind]):
    """A column: `value` for sorting, CSV and JSON, `text` for people.

    If columns do not fit, those of the lowest `weight` are dropped first; 9 is never dropped, 0 is shown only on
    request. If `cut` is not 0, texts may be cut down to that many characters, once all columns have been dropped that
    can be while the text keeps twice as many.
    """

    name: str
    title: str
    weight: int
    value: Callable[[Kind], Any]
    text: Callable[[Kind, bool], str]
    right: bool = True
    cut: int = 0


class UnknownColumn(ValueError):
    """A requested column does not exist."""


def find_column(name: str, columns: Mapping[str, Column[Kind]]) -> Column[Kind]:
    """Return the column of that name or printed header. Raises UnknownColumn, with a suggestion."""
    if name in columns:
        return columns[name]
    for column in columns.values():
        if column.title.lower() == name.lower():
            return column
    hint = did_you_mean(name, columns) or f"available: {', '.join(columns)}"
    raise UnknownColumn(f"no column {show(name)}: {hint}")


def find_columns(
    names: str | None, columns: Mapping[str, Column[Kind]], default: Sequence[Column[Kind]]
) -> tuple[Column[Kind], ...]:
    """Return the columns of a comma-separated list of names or headers, or the default. Raises UnknownColumn."""
    if names is None:
        return tuple(default)
    return tuple(dict.fromkeys(find_column(name.strip(), columns) for name in names.split(",")))


def grid(
    columns: Sequence[Column[Kind]],
    rows: Sequence[Kind],
    *,
    width: int | None = None,
    exact: bool = False,
    fixed: bool = False,
    style: Callable[[Kind, Column[Kind]], str] = lambda row, column: "",
) -> Table:
    """Return the table with one line per row. Columns are dropped to fit `width`, unless `fixed`."""
    cells = {column.name: [column.text(row, exact) for row in rows] for column in columns}
    widths = {column.name: max(map(len, [column.title, *cells[column.name]])) for column in columns}
    kept = list(columns) if width is None or fixed else _fit_columns(columns, widths, width)
    if width is not None:
        _narrow_columns(kept, cells, widths, width)
    return Table(
        [column.title for column in kept],
        [column.right for column in kept],
        [[(cells[column.name][index], style(row, column)) for column in kept] for index, row in enumerate(rows)],
    )


def _total_width(columns: Sequence[Column[Any]], widths: dict[str, int]) -> int:
    return sum(widths[column.name] for column in columns) + len(GAP) * (len(columns) - 1)


def _fit_columns(columns: Sequence[Column[Kind]], widths: dict[str, int], width: int) -> list[Column[Kind]]:
    """Drop the least important columns until the rest fits."""
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
    """Cut the widest column that may be cut, again and again, until all fit."""
    for _ in range(_total_width(columns, widths) - width):
        widest = max(columns, key=lambda column: widths[column.name] if widths[column.name] > column.cut > 0 else 0)
        if not widths[widest.name] > widest.cut > 0:
            break
        widths[widest.name] -= 1
    for column in columns:
        most = max(widths[column.name], len(column.title))
        cells[column.name] = [text if len(text) <= most else text[: most - 1] + "…" for text in cells[column.name]]
        widths[column.name] = max(map(len, [column.title, *cells[column.name]]))
