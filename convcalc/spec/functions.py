"""Defines the functions and operators of expressions, such as round_to(37, 8) and 2 ** width.

No result has more digits than the limit; for powers, this is checked before they are calculated.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

from convcalc.arguments import MOST_DIGITS, is_number
from convcalc.problems import show

Number = int | float


def _round_to(value: Number, divisor: Number) -> int:
    """Return the multiple of the divisor nearest to the value, at least the divisor itself; ties are rounded up.

    If that is below 0.9 × the value, return the next multiple. Source: make_divisible of MobileNet (Howard et al. 2017;
    tensorflow/models, slim/nets/mobilenet).

    >>> _round_to(37, 8), _round_to(10, 8)
    (40, 16)
    """
    if not is_whole(divisor) or divisor < 1:
        raise ArithmeticError(f"the divisor of round_to must be a positive integer; got {divisor}")
    step = int(divisor)
    nearest = max(step, int(value + step / 2) // step * step)
    return nearest + step if nearest < 0.9 * value else nearest


def _round8(value: Number) -> int:
    return _round_to(value, 8)


def _count_items(value: Any) -> int:
    if not isinstance(value, list):
        raise ArithmeticError(f"len needs a list; got {show(value)}")
    return len(value)


def get_item(items: Any, index: Any) -> Any:
    """Return one item of a list; as in Python, the first has index 0 and the last also has index -1.

    Raises ArithmeticError if there is none.

    >>> get_item([3, 5, 7], 0), get_item([3, 5, 7], -1)
    (3, 7)
    """
    if not isinstance(items, list):
        raise ArithmeticError(f"only a list can be indexed; got {show(items)}")
    if not is_whole(index):
        raise ArithmeticError(f"an index must be an integer; got {show(index)}")
    if not -len(items) <= index < len(items):
        count = f"{len(items)} item{'' if len(items) == 1 else 's'}"
        raise ArithmeticError(f"index {int(index)} is out of range: the list has {count}")
    return items[int(index)]


def is_whole(value: Any) -> bool:
    """Whether a value is a number without a fraction."""
    return is_number(value) and value == int(value)


def _power(base: Number, exponent: Number) -> Number:
    """Return base ** exponent; the number of digits is estimated before it is calculated."""
    if abs(base) > 1 and exponent * math.log10(abs(base)) > MOST_DIGITS + 1:
        raise OverflowError
    if 0 < abs(base) < 1 and exponent * math.log10(abs(base)) > MOST_DIGITS + 1:
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        raise ArithmeticError(f"a fractional power of {base} is not a real number")
    return result


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "min": (min, 2, 1000),
    "max": (max, 2, 1000),
    "abs": (abs, 1, 1),
    "round": (round, 1, 1),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "int": (int, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "len": (_count_items, 1, 1),
    "log2": (math.log2, 1, 1),
    "round_to": (_round_to, 2, 2),
    "round8": (_round8, 1, 1),
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": _power,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
