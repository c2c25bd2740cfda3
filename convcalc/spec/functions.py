"""Defines the functions and operators of expressions, such as round_to(37, 8) and 2 ** width.

Results must not exceed a limit on their digits. expressions.py checks this, but powers are checked here before they
are calculated: a huge power would take too long.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

from convcalc.arguments import MOST_DIGITS, is_number
from convcalc.exact import fixed, largest, least, log2, square_root, whole
from convcalc.problems import show

Number = int | float


def _round_to(value: Number, divisor: Number) -> int:
    """Return the multiple of `divisor` nearest to `value`, but at least `divisor`; ties are rounded up.

    If the result is less than 0.9 × `value`, return the next larger multiple. Source: make_divisible of MobileNet
    (Howard et al. 2017; tensorflow/models, slim/nets/mobilenet).

    >>> _round_to(37, 8), _round_to(10, 8)
    (40, 16)
    """
    if not is_whole(divisor) or divisor < 1:
        raise ArithmeticError(f"the divisor of round_to must be a positive integer; got {divisor}")
    step = whole(divisor)
    nearest = largest(step, whole(value + step / 2) // step * step)
    return nearest + step * (nearest < 0.9 * value)  # type: ignore[no-any-return]


def _round8(value: Number) -> int:
    return _round_to(value, 8)


def _count_items(value: Any) -> int:
    if not isinstance(value, list):
        raise ArithmeticError(f"len needs a list; got {show(value)}")
    return len(value)


def get_item(items: Any, index: Any) -> Any:
    """Return the item of a list at an index; as in Python, 0 is the first item and -1 the last.

    Raises ArithmeticError if `items` is not a list, or `index` is not an integer or out of range.

    >>> get_item([3, 5, 7], 0), get_item([3, 5, 7], -1)
    (3, 7)
    """
    if not isinstance(items, list):
        raise ArithmeticError(f"only a list can be indexed; got {show(items)}")
    if not is_whole(index):
        raise ArithmeticError(f"an index must be an integer; got {show(index)}")
    if not -len(items) <= index < len(items):
        count = f"{len(items)} item{'' if len(items) == 1 else 's'}"
        raise ArithmeticError(f"index {whole(index)} is out of range: the list has {count}")
    return items[int(index)]


def is_whole(value: Any) -> bool:
    """Whether a value is a number without a fraction."""
    return is_number(value) and value == whole(value)


def _power(base: Number, exponent: Number) -> Number:
    """Return base ** exponent; if the result would be too large, raise OverflowError before calculating it."""
    base, exponent = fixed((base, exponent))
    if abs(base) > 1 and exponent * math.log10(abs(base)) > MOST_DIGITS + 1:
        raise OverflowError
    if 0 < abs(base) < 1 and exponent * math.log10(abs(base)) > MOST_DIGITS + 1:
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        raise ArithmeticError(f"a fractional power of {base} is not a real number")
    return result


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "min": (least, 2, 1000),
    "max": (largest, 2, 1000),
    "abs": (abs, 1, 1),
    "round": (round, 1, 1),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "int": (whole, 1, 1),
    "sqrt": (square_root, 1, 1),
    "len": (_count_items, 1, 1),
    "log2": (log2, 1, 1),
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
