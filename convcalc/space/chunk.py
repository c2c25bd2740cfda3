"""Holds rows of a sweep as columns, which are calculated, sent to other processes and written faster than tuples.

`Chunk([[4, 8], [260, 520]], 2).list_rows()` returns [(4, 260), (8, 520)].
"""

from array import array
from collections.abc import Sequence
from typing import Any

from convcalc.space.lists import to_python_numbers
from convcalc.space.ordering import Row

CODES = {int: "q", float: "d"}  # type codes of the arrays in which columns are sent


class Chunk:
    """Some rows: each of `columns` is a list or a numpy array with `count` values."""

    def __init__(self, columns: Sequence[Any], count: int) -> None:
        self.columns = columns
        self.count = count

    def __len__(self) -> int:
        return self.count

    def list_columns(self) -> list[Sequence[Any]]:
        """Return the columns as lists or arrays of Python numbers."""
        return list(map(to_python_numbers, self.columns))

    def list_rows(self, most: int | None = None) -> list[Row]:
        """Return the rows, or the first `most`, as tuples."""
        columns = self.columns if most is None else [column[:most] for column in self.columns]
        return list(zip(*map(to_python_numbers, columns), strict=True))

    def take_columns(self, count: int) -> "Chunk":
        """Return the same rows with the first columns only."""
        return Chunk(self.columns[:count], self.count)

    def __getstate__(self) -> tuple[list[Any], int]:
        """Return the columns in a compact form that a process without numpy can read."""
        return list(map(_pack, self.columns)), self.count

    def __setstate__(self, state: tuple[list[Any], int]) -> None:
        self.columns, self.count = state


def make_chunk(rows: Sequence[Row], columns: int) -> Chunk:
    """Return a chunk of rows, each of which is a tuple with this number of values."""
    return Chunk(list(zip(*rows, strict=True)) if rows else [()] * columns, len(rows))


def _pack(column: Any) -> Any:
    """Return a column of integers or floats as an `array` of Python, and any other column as a list."""
    if hasattr(column, "dtype"):
        if column.dtype.kind not in "if" or column.dtype.itemsize != 8:
            return column.tolist()
        return array("q" if column.dtype.kind == "i" else "d", column.tobytes())
    kinds = set(map(type, column))
    try:
        return array(CODES[kinds.pop()], column) if len(kinds) == 1 else column
    except (KeyError, OverflowError):  # texts, or an integer of more than 64 bits
        return column
