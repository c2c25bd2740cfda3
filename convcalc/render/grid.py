"""Makes a text table that fits a width in characters, by dropping columns and cutting texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from convcalc.problems import did_you_mean, show
from convcalc.render.lines import GAP, Table

ALWAYS = 9  # the weight of a column that is never dropped
LEAST_NAME = 12  # names may be cut to this many characters

Kind = TypeVar("Kind")


class Column(NamedTuple, Generic[Kind]):
    """A column of a table.

    `value` takes a row and returns the value of its cell, for sorting, CSV and JSON. `text` takes a row, and whether
    numbers must be exact, and returns the text of the cell. `right` aligns the texts to the right.

    If the table is too wide, the columns with the lowest `weight` are dropped first. A column of weight 9 is never
    dropped, one of weight 0 is shown only on request. If `cut` is not 0, texts may be cut to `cut` characters. They are
    cut to less than twice `cut` only if no more columns can be dropped.
    """

    name: str
    title: str
    weight: int
    value: Callable[[Kind], Any]
    text: Callable[[Kind, bool], str]
    right: bool = True
    cut: int = 0


class UnknownColumn(ValueError):
    """Raised if a requested column does not exist; the message suggests a similar name or lists all names."""


def find_column(name: str, columns: Mapping[str, Column[Kind]]) -> Column[Kind]:
    """Return the column with the given name or printed header. Raises UnknownColumn if there is none."""
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
    """Return the columns in a comma-separated list of names or printed headers; `default` if `names` is None.

    Raises UnknownColumn if a column does not exist.
    """
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
    """Return the table with these columns and rows, made to fit `width` characters (None: unlimited).

    To fit, columns are dropped (unless `fixed`) and texts are cut. With `exact`, numbers are exact instead of
    abbreviated. `style` takes a row and a column and returns the name of the cell's style.
    """
    cells = {column.name: [column.text(row, exact) for row in rows] for column in columns}
    widths = {column.name: max(map(len, [column.title, *cells[column.name]])) for column in columns}
    kept = list(columns) if width is None or fixed else _choose_columns(columns, widths, width)
    if width is not None:
        _cut_columns(kept, cells, widths, width)
    return Table(
        [column.title for column in kept],
        [column.right for column in kept],
        [[(cells[column.name][index], style(row, column)) for column in kept] for index, row in enumerate(rows)],
    )


def _total_width(columns: Sequence[Column[Any]], widths: dict[str, int]) -> int:
    return sum(widths[column.name] for column in columns) + len(GAP) * (len(columns) - 1)


def _choose_columns(columns: Sequence[Column[Kind]], widths: dict[str, int], width: int) -> list[Column[Kind]]:
    """Return the columns that fit `width` after texts are cut; columns with the lowest weight are dropped first."""
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


def _cut_columns(
    columns: Sequence[Column[Any]], cells: dict[str, list[str]], widths: dict[str, int], width: int
) -> None:
    """Cut texts until the columns fit `width`, if possible; the widest column that may be cut is cut first.

    `cells` and `widths`, the texts and the width of each column by name, are changed in place.
    """
    for _ in range(_total_width(columns, widths) - width):
        widest = max(columns, key=lambda column: widths[column.name] if widths[column.name] > column.cut > 0 else 0)
        if not widths[widest.name] > widest.cut > 0:
            break
        widths[widest.name] -= 1
    for column in columns:
        most = max(widths[column.name], len(column.title))
        cells[column.name] = [text if len(text) <= most else text[: most - 1] + "…" for text in cells[column.name]]
        widths[column.name] = max(map(len, [column.title, *cells[column.name]]))
