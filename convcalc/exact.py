"""Defines the number functions that layer kinds and expressions use instead of Python's `max`, `int` and others.

For plain numbers, they return what Python's functions return:

>>> largest(3, 5), least(3, 5), whole(3.7), gcd(12, 18), all_equal([8, 8, 1])
(5, 3, 3, 6, False)

They also accept a `Recorded` number, which records every operation, so that one calculation can be replayed for many
values (`convcalc.space`). A `Recorded` number supports the operators, `==`, `sum`, `prod`, `abs`, `round`, `floor` and
`ceil`, but Python's `max`, `min`, `int`, `gcd` and `set` would only see its current value.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any


class Recorded:
    """A number that records what is done to it. Its `__class__` is the class of its value, such as int."""

    def record(self, operation: str, operands: tuple[Any, ...]) -> Any:
        """Return the result of an operation, such as "largest", of which one operand is this number."""
        raise NotImplementedError

    def fix(self) -> Any:
        """Return the current value as a plain number; the record is then valid for this value only."""
        raise NotImplementedError


def apply(operation: str, plain: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    """Return the result of `plain`, or a recorded number for the operation if one of the operands is recorded."""
    for operand in operands:
        if isinstance(operand, Recorded):
            return operand.record(operation, operands)
    return plain(*operands)


def largest(*numbers: Any) -> Any:
    """Return the largest of two or more numbers, as `max` does."""
    return apply("largest", max, numbers) if len(numbers) > 1 else numbers[0]


def least(*numbers: Any) -> Any:
    """Return the smallest of two or more numbers, as `min` does."""
    return apply("least", min, numbers) if len(numbers) > 1 else numbers[0]


def gcd(one: int, other: int) -> int:
    """Return the greatest common divisor of two integers."""
    found: int = apply("gcd", math.gcd, (one, other))
    return found


def square_root(number: Any) -> Any:
    """Return the square root as a float; raises ValueError for a negative number."""
    return apply("square_root", math.sqrt, (number,))


def log2(number: Any) -> Any:
    """Return the binary logarithm as a float; raises ValueError unless the number is positive."""
    return apply("log2", math.log2, (number,))


def whole(number: Any) -> Any:
    """Return a number without its fraction, as `int` does: 3 for 3.7, and -3 for -3.7."""
    return math.trunc(number)


def real(number: Any) -> Any:
    """Return a number as a float, as `float` does."""
    return number * 1.0


def fixed(value: Any) -> Any:
    """Return a value whose recorded numbers, also those in lists and tuples, are replaced by their current values."""
    if isinstance(value, Recorded):
        return value.fix()
    if type(value) in (list, tuple):
        return type(value)(map(fixed, value))
    return value


def all_equal(items: Iterable[Any]) -> bool:
    """Return whether no two items differ; True if there are none."""
    first = None
    for count, item in enumerate(items):
        if count == 0:
            first = item
        elif item != first:
            return False
    return True
