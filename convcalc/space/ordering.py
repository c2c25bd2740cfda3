"""Orders rows by the values of columns: `macs` puts the largest value first, `-macs` the smallest.

`read_order("macs,-params", names)` returns the order of two columns.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from convcalc.problems import Flaw, did_you_mean, show
from convcalc.space.formulas import find_column

Row = tuple[Any, ...]


class Signed(NamedTuple):
    """A column, and whether it was written with a leading minus."""

    column: str
    minus: bool = False


def read_signed(text: str, known: Sequence[str], explain: Callable[[str], str] = lambda name: "") -> tuple[Signed, ...]:
    """Return the columns in a list such as `macs,-params`; `known` are all columns.

    `explain` returns a hint on an unknown name, or "". Raises Flaw if a column is unknown or repeated.
    """
    found: list[Signed] = []
    for part in map(str.strip, text.split(",")):
        written = part.removeprefix("-")
        column = find_column(written, known)
        if column is None:
            hint = explain(written) or did_you_mean(written, known) or f"available: {', '.join(known)}"
            raise Flaw(f"no column {show(written)}", hint)
        if column in (other.column for other in found):
            raise Flaw(f"{show(written)} is given twice")
        found.append(Signed(column, part.startswith("-")))
    return tuple(found)


def sort_rows(rows: Sequence[Row], names: Sequence[str], order: Sequence[Signed]) -> list[Row]:
    """Return rows sorted by the first column of an order, then by the next ones; equal rows keep their order.

    `names` are the columns of a row. Numbers are sorted with the largest first, or the smallest with a minus; texts in
    alphabetical order, or in the reverse order with a minus. Numbers come before texts, and unknown values last.
    """
    found = list(rows)
    for column, minus in reversed(order):
        found = _sort_by_value(found, names.index(column), minus)
    return found


def _sort_by_value(rows: Sequence[Row], index: int, minus: bool) -> list[Row]:
    numbers: list[Row] = []
    texts: list[Row] = []
    unknown: list[Row] = []
    for row in rows:
        value = row[index]
        (unknown if value is None else numbers if isinstance(value, int | float) else texts).append(row)
    numbers.sort(key=lambda row: row[index], reverse=not minus)
    texts.sort(key=lambda row: str(row[index]), reverse=minus)
    return [*numbers, *texts, *unknown]
