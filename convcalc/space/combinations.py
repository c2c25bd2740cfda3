"""Numbers the combinations of parameter values: row 0 has the first value of every parameter.

The value of the last parameter changes with every row, as in `itertools.product`. A row is computed from its number
alone, so that a space can be divided into shards of consecutive rows. For example, row 4 of the values a, b and 1, 2, 3
is b, 2.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from convcalc.problems import Flaw

Place = tuple[int, ...]
MOST_COMBINATIONS = 10**9


class Param(NamedTuple):
    """The name of a spec parameter, and the values to try, in the order in which they are tried."""

    name: str
    values: Sequence[Any]


class Combinations(NamedTuple):
    """All combinations of the values of some parameters."""

    params: tuple[Param, ...]

    @property
    def size(self) -> int:
        """The number of combinations; it can have any number of digits."""
        return prod(len(param.values) for param in self.params)

    def list_columns(self, numbers: Sequence[int]) -> dict[str, list[Any]]:
        """Return the values of the rows with these numbers, as one column per parameter."""
        return {
            param.name: _list_run(param.values, period, numbers)
            if isinstance(numbers, range) and numbers.step == 1
            else [param.values[number // period % len(param.values)] for number in numbers]
            for param, period in zip(self.params, self._periods, strict=True)
        }

    def get_row(self, number: int) -> dict[str, Any]:
        """Return the values of one row by name of the parameter."""
        return {name: column[0] for name, column in self.list_columns([number]).items()}

    def find_place(self, number: int) -> Place:
        """Return the index of the value of each parameter in a row."""
        pairs = zip(self.params, self._periods, strict=True)
        return tuple(number // period % len(param.values) for param, period in pairs)

    def find_number(self, place: Sequence[int]) -> int:
        """Return the number of the row with these indexes of values."""
        return sum(index * period for index, period in zip(place, self._periods, strict=True))

    @property
    def _periods(self) -> list[int]:
        """For each parameter, the number of consecutive rows that have the same value."""
        counts = [len(param.values) for param in self.params]
        return [prod(counts[index + 1 :]) for index in range(len(counts))]


def check_size(count: int, advice: str) -> None:
    """Raise Flaw, with advice, if there are too many combinations to try all."""
    if count > MOST_COMBINATIONS:
        raise Flaw(f"{show_count(count)} combinations exceed the limit of {MOST_COMBINATIONS:,}", advice)


def show_count(count: int) -> str:
    """Return a number with all digits in groups of three; above 10²¹, as a power of ten: `about 10^30`."""
    return f"{count:,}" if count < 10**21 else f"about 10^{len(str(count)) - 1}"


def _list_run(values: Sequence[Any], period: int, numbers: range) -> list[Any]:
    """Return the values in consecutive rows, each of which is repeated in `period` rows."""
    if period == 1:
        return _list_cycle(values, numbers.start % len(values), len(numbers))
    found: list[Any] = []
    number = numbers.start
    while number < numbers.stop:
        index = number // period
        stop = min(numbers.stop, (index + 1) * period)
        found += [values[index % len(values)]] * (stop - number)
        number = stop
    return found


def _list_cycle(values: Sequence[Any], first: int, count: int) -> list[Any]:
    """Return `count` values from the index `first`, starting again after the last one."""
    found = list(values[first : first + count])
    left = count - len(found)
    found += list(values) * (left // len(values)) if left >= len(values) else []
    return [*found, *values[: left % len(values)]]
