"""Holds what all rows of a space share: the values of each parameter, and all columns that depend on one parameter.

`make_grid(space).parts[0].make_sheet(lists, range(1000, 2000))` returns the sheet of a thousand consecutive rows.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from types import ModuleType
from typing import Any

from convcalc.space.classes import describe_columns, describe_value, is_traceable
from convcalc.space.combinations import Combinations
from convcalc.space.sheets import MOST_VALUES, Sheet

_MOST_ROWS = 2**62  # limit of rows of a space: their numbers must fit into integers of numpy
_MOST_KNOWN = 20_000_000  # limit of values in the calculated columns that are kept, per part
_MOST_PARTS = 100
_Places = dict[str, list[int]]  # by parameter, the indexes of some of its values


class GridPart:
    """The combinations of a space whose values have the same classes.

    All numbers of one type are one class; any other value is a class of its own. `axes` has the values of the
    parameters that are numbers here, and `given` the one value of each other parameter. `key` describes the classes. If
    a parameter has values of several classes, `places` has the indexes of its values in this part.
    """

    def __init__(self, space: Combinations, key: str, places: _Places) -> None:
        self.key = key
        self.places = places
        self.counts = {param.name: len(param.values) for param in space.params}
        values = {
            param.name: [param.values[index] for index in places[param.name]] if param.name in places else param.values
            for param in space.params
        }
        self.axes = {name: found for name, found in values.items() if is_traceable(found[0])}
        self.given = {name: found[0] for name, found in values.items() if name not in self.axes}
        self._sheets: dict[ModuleType, Sheet] = {}  # sheets without rows, whose tables have the values of all axes

    def make_sheet(self, backend: ModuleType, numbers: range) -> Sheet:
        """Return a sheet with the rows of this part among those with these numbers; their tables are kept."""
        whole = self._sheets.get(backend)
        longest = max(map(len, self.axes.values()), default=0)
        if whole is None or sum(map(len, whole.known.values())) * longest > _MOST_KNOWN:
            tables = {name: backend.make_column(values) for name, values in self.axes.items()}
            whole = self._sheets[backend] = Sheet(backend, tables, {}, ())
            whole.is_lasting = True
        indexes = {
            name: backend.index_grid(numbers, period, self.counts[name]) for name, period in self._list_periods()
        }
        rows = backend.list_indexes(len(numbers))
        if self.places:
            for name, places in self.places.items():
                indexes[name] = backend.renumber(indexes[name], places, self.counts[name])
            rows = backend.find_members([indexes[name] for name in self.places])
            indexes = {name: backend.select_integers(indexes[name], rows) for name in self.axes}
        return Sheet(backend, whole.tables, indexes, rows, whole)

    def _list_periods(self) -> list[tuple[str, int]]:
        """Return each parameter and the number of consecutive rows in which its value stays the same."""
        counts = list(self.counts.values())
        return [(name, prod(counts[place + 1 :])) for place, name in enumerate(self.counts)]


class Grid:
    """All combinations of a space, in parts. `longest` is the number of values of the longest parameter."""

    def __init__(self, parts: Sequence[GridPart], longest: int) -> None:
        self.parts = parts
        self.longest = longest


def make_grid(space: Combinations) -> Grid | None:
    """Return the grid of a space; None if a parameter has too many values, or there are too many parts."""
    longest = max((len(param.values) for param in space.params), default=0)
    if not longest or space.size >= _MOST_ROWS or longest > MOST_VALUES:
        return None
    uniform: dict[str, str] = {}
    mixed: dict[str, dict[str, list[int]]] = {}
    for param in space.params:
        found = describe_columns({param.name: param.values})
        if found:
            uniform |= found
        else:
            mixed[param.name] = _group_values(param.values)
    if prod(map(len, mixed.values())) > _MOST_PARTS:
        return None
    return Grid([_make_part(space, uniform, mixed, chosen) for chosen in product(*mixed.values())], longest)


def _group_values(values: Sequence[Any]) -> dict[str, list[int]]:
    """Return the indexes of values by their class; texts, lists and truths are classes of their own."""
    groups: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        groups.setdefault(describe_value(value), []).append(index)
    return groups


def _make_part(
    space: Combinations, uniform: Mapping[str, str], mixed: Mapping[str, dict[str, list[int]]], chosen: tuple[str, ...]
) -> GridPart:
    key = f"{dict(uniform)!r} {chosen}" if mixed else repr(dict(uniform))
    return GridPart(space, key, {name: mixed[name][group] for name, group in zip(mixed, chosen, strict=True)})
