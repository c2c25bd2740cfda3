"""Evaluates the operators from which a TFLite model computes shapes, on lists of a few integers.

A converter writes a reshape to (batch, 12) as SHAPE, STRIDED_SLICE, PACK and RESHAPE, for example.
"""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

from convcalc.convert.operators import Sizes

if TYPE_CHECKING:
    from convcalc.convert.tflite.translating import Call

_MOST_INTEGERS = 64
_Values = tuple[Sizes, tuple[int, ...]]


def evaluate(name: str, call: "Call") -> _Values | None:
    """Return the sizes of the output of an operator and its values; None if they do not follow from shapes."""
    if name == "SHAPE":
        dims = call.dims(0)
        return (len(dims),), dims
    rule = _RULES.get(name)
    given = [call.find_integers(place) for place in range(len(call.operator.inputs))] if rule else []
    if rule is None or not given or any(values is None or len(values) > _MOST_INTEGERS for values in given):
        return None
    try:
        found = rule(call, [values for values in given if values is not None])
    except (ArithmeticError, LookupError, ValueError):
        return None
    return None if found is None or len(found[1]) > _MOST_INTEGERS else found


def _combine(function: Callable[[int, int], int]) -> Callable[["Call", list[tuple[int, ...]]], _Values | None]:
    """Return a rule for an operator on two lists of integers; a single integer is combined with each of the other."""

    def rule(call: "Call", given: list[tuple[int, ...]]) -> _Values:
        one, other = given
        count = max(len(one), len(other))
        pairs = zip(one * (count // len(one)), other * (count // len(other)), strict=True)
        dims = call.dims(0) if len(one) == count else call.dims(1)
        return dims, tuple(function(*pair) for pair in pairs)

    return rule


def _slice(call: "Call", given: list[tuple[int, ...]]) -> _Values | None:
    """Take a part of a vector: `given` are its values, and the start, end and step of the only axis."""
    values, [start], [stop], [step] = given
    begin_mask, end_mask, shrink = call.option(0, "i"), call.option(1, "i"), call.option(4, "i")
    if len(call.dims(0)) != 1 or call.option(2, "i") or call.option(3, "i"):
        return None
    if shrink:
        return (), (values[start],)
    part = values[None if begin_mask else start : None if end_mask else stop : step]
    return (len(part),), part


def _pack(call: "Call", given: list[tuple[int, ...]]) -> _Values | None:
    numbers = tuple(value for values in given for value in values)
    return ((len(given),), numbers) if all(call.dims(place) == () for place in range(len(given))) else None


def _concatenate(call: "Call", given: list[tuple[int, ...]]) -> _Values | None:
    numbers = tuple(value for values in given for value in values)
    return ((len(numbers),), numbers) if all(len(call.dims(place)) == 1 for place in range(len(given))) else None


def _gather(call: "Call", given: list[tuple[int, ...]]) -> _Values | None:
    values, places = given
    return (call.dims(1), tuple(values[place] for place in places)) if len(call.dims(0)) == 1 else None


def _multiply_all(call: "Call", given: list[tuple[int, ...]]) -> _Values | None:
    keeps = bool(call.option(0, "?"))
    return ((1,) if keeps else (), (prod(given[0]),)) if len(call.dims(0)) == 1 else None


def _pass_on(call: "Call", given: list[tuple[int, ...]]) -> _Values:
    return call.dims(0), given[0]


def _give_one_axis(call: "Call", given: list[tuple[int, ...]]) -> _Values | None:
    """Reshape to a vector or, for SQUEEZE of one element, to a number."""
    if call.operator.name == "SQUEEZE":
        return ((), given[0]) if len(given[0]) == 1 else None
    return ((len(given[0]),), given[0]) if len(call.dims(0)) < 2 else None


_RULES: dict[str, Callable[["Call", list[tuple[int, ...]]], _Values | None]] = {
    "STRIDED_SLICE": _slice,
    "PACK": _pack,
    "CONCATENATION": _concatenate,
    "GATHER": _gather,
    "REDUCE_PROD": _multiply_all,
    "CAST": _pass_on,
    "EXPAND_DIMS": _give_one_axis,
    "SQUEEZE": _give_one_axis,
    "ADD": _combine(lambda one, other: one + other),
    "SUB": _combine(lambda one, other: one - other),
    "MUL": _combine(lambda one, other: one * other),
    "FLOOR_DIV": _combine(lambda one, other: one // other),
    "DIV": _combine(lambda one, other: int(one / other)),
    "MAXIMUM": _combine(max),
    "MINIMUM": _combine(min),
}
