"""Expands the values to try for a spec parameter, such as the range `0.25:1.5:0.05`.

`expand_values(["1:3:1", 7])` returns `(1, 2, 3, 7)`. A long range is not written out: its values are computed when
they are needed.
"""

import re
from collections.abc import Sequence
from math import lcm
from typing import Any, overload

from convcalc.problems import Flaw, show

MOST_VALUES = 10**9  # limit of values per parameter
_MOST_LISTED = 1_000_000  # limit of values in a list, including those of its ranges
_LONG = 10_000  # the values of a longer range are computed when they are needed
_NUMBER = r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})", re.ASCII)


class Steps(Sequence[Any]):
    """The values `(start + index * step) / divisor`, which are integers if the divisor is 0.

    The division is exact before it is rounded, so that 0.25 + 0.05 is 0.3.
    """

    def __init__(self, start: int, step: int, divisor: int, length: int) -> None:
        self.start = start
        self.step = step
        self.divisor = divisor
        self.length = length

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        numbers = range(self.length)[index]
        if isinstance(numbers, range):
            return [self._compute(number) for number in numbers]
        return self._compute(numbers)

    def _compute(self, number: int) -> Any:
        value = self.start + number * self.step
        return value / self.divisor if self.divisor else value


def are_numbers(values: Sequence[Any]) -> bool:
    """Return whether all values are numbers; true and false are not."""
    if isinstance(values, Steps):
        return True
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def list_kinds(values: Sequence[Any]) -> Sequence[Any]:
    """Return values with the types of all values; of a long range, only the first one."""
    return values[:1] if isinstance(values, Steps) else values


def expand_values(written: Sequence[Any]) -> Sequence[Any]:
    """Return the values to try, with ranges `start:stop:step` expanded and duplicates removed.

    Raises Flaw if a range is malformed or too long, or if there are no values.
    """
    expanded = [_expand_range(item) if isinstance(item, str) else [item] for item in written]
    if len(expanded) == 1 and len(expanded[0]) > _LONG:
        return expanded[0]
    count = sum(map(len, expanded))
    if count > _MOST_LISTED:
        raise Flaw(f"a list of {count:,} values exceeds the limit of {_MOST_LISTED:,}", "use a single range")
    found: dict[str, Any] = {}
    for values in expanded:
        for value in values:
            found.setdefault(repr(value), value)
    if not found:
        raise Flaw("no values to try")
    return tuple(found.values())


def _expand_range(text: str) -> Sequence[Any]:
    """Return the values of a range such as `0.25:1.5:0.05`; any other text is returned as the only value.

    The stop is included if a step reaches it. The values are integers if start, stop and step are. Raises Flaw if the
    range is malformed or too long.
    """
    from fractions import Fraction

    match = _RANGE.fullmatch(text)
    if match is None:
        if (":" in text or ".." in text) and re.fullmatch(r"(?:[-+.:0-9eE_ ]|nan|inf(?:inity)?)+", text, re.IGNORECASE):
            raise Flaw(f"{show(text)} is not a range", "use start:stop:step, such as 0.25:1.5:0.05")
        return [text]
    start, stop, step = map(Fraction, match.groups())
    if not step or (stop - start) / step < 0:
        raise Flaw(f"a step of {match[3]} never leads from {match[1]} to {match[2]}")
    count = (stop - start) // step + 1
    if count > MOST_VALUES:
        raise Flaw(f"a range of {count:,} values exceeds the limit of {MOST_VALUES:,}", "use a larger step")
    divisor = lcm(start.denominator, step.denominator)
    return Steps(int(start * divisor), int(step * divisor), divisor if "." in text else 0, count)
