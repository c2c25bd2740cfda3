"""Holds what all rows of a space share: the values of each parameter, and all columns that depend on one parameter.

`make_grid(space).make_sheet(lists, range(1000, 2000))` returns the sheet of a thousand consecutive rows.
"""

from collections.abc import Mapping, Sequence
from math import prod
from types import ModuleType
from typing import Any

from convcalc.space.classes import describe_columns
from convcalc.space.combinations import Combinations
from convcalc.space.sheets import MOST_VALUES, Sheet

_MOST_ROWS = 2**62  # of a space, whose row numbers must fit into the integers of numpy
_MOST_KNOWN = 10_000_000  # limit of values in the calculated columns that are kept


class Grid:
    """All combinations of the values of some parameters, `axes` by name; the last one changes with every row.

    `key` describes the classes of the values. `longest` is the length of the longest axis.
    """

    def __init__(self, axes: Mapping[str, Sequence[Any]], key: str) -> None:
        self.axes = axes
        self.key = key
        self.longest = max(map(len, axes.values()))
        self._sheets: dict[ModuleType, Sheet] = {}  # sheets without rows, whose tables have the values of all axes

    def make_sheet(self, backend: ModuleType, numbers: range) -> Sheet:
        """Return a sheet with the rows that have these numbers; what is calculated for its tables is kept."""
        whole = self._sheets.get(backend)
        if whole is None or sum(map(len, whole.known.values())) * self.longest > _MOST_KNOWN:
            tables = {name: backend.make_column(values) for name, values in self.axes.items()}
            whole = self._sheets[backend] = Sheet(backend, tables, {}, ())
        indexes = {
            name: backend.index_grid(numbers, period, len(self.axes[name])) for name, period in self._list_periods()
        }
        return Sheet(backend, whole.tables, indexes, backend.list_indexes(len(numbers)), whole)

    def _list_periods(self) -> list[tuple[str, int]]:
        """Return, by name, for how many consecutive rows a value stays the same."""
        counts = [len(values) for values in self.axes.values()]
        return [(name, prod(counts[place + 1 :])) for place, name in enumerate(self.axes)]


def make_grid(space: Combinations) -> Grid | None:
    """Return the grid of a space; None if a parameter has too many values, or values of several classes."""
    axes = {param.name: param.values for param in space.params}
    if not axes or space.size >= _MOST_ROWS or max(map(len, axes.values())) > MOST_VALUES:
        return None
    key = describe_columns(axes)
    return None if key is None else Grid(axes, key)
