"""Defines the steps of a traced calculation: operations with their operands.

For example, `Step("multiply", (0, Constant(64)))` is 64 times the result of step 0.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple


class Constant:
    """A plain number in a step; unlike the numbers themselves, the constants 1, 1.0 and True are not equal."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and (self.value.__class__, self.value) == (
            other.value.__class__,
            other.value,
        )

    def __hash__(self) -> int:
        return hash((self.value.__class__, self.value))

    def __repr__(self) -> str:
        return f"Constant({self.value!r})"


Operand = int | Constant  # the number of a step, or a constant


class Step(NamedTuple):
    """An operation and its operands, such as ("multiply", (0, Constant(64))); step numbers count from 0."""

    operation: str
    operands: tuple[Operand, ...]


def _find_head(*operands: Any) -> int:
    from convcalc.device.arena import find_head  # few calculations need it

    return find_head(*operands)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "modulo": operator.mod,
    "negate": operator.neg,
    "absolute": abs,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "unequal": operator.ne,
    "whole": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "is_integer": lambda number: number.is_integer(),
    "largest": max,
    "least": min,
    "gcd": math.gcd,
    "square_root": math.sqrt,
    "log2": math.log2,
    "arena_head": _find_head,  # the buffers that overlap, and then the size of each
}
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "unequal")


class Mark(NamedTuple):
    """The place of a traced number in a text: the number of its step, and the format, such as `,`."""

    step: int
    format: str
