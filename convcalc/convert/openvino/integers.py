"""Computes the integers with which an OpenVINO model calculates shapes, such as the target of a reshape.

Values are tuples without a shape: (1, 64, 8, 8) for ShapeOf of a tensor with these sizes, (64,) for one of them.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod

Integers = tuple[int, ...]
_MOST = 64  # values; a tensor has no more axes


def compute_integers(type: str, data: Mapping[str, str], inputs: Sequence[Integers | None]) -> Integers | None:
    """Return the output of a layer whose inputs are integers; None if it is unknown or has many values."""
    rule = _RULES.get(type)
    if rule is None or any(values is None for values in inputs):
        return None
    try:
        found = rule(data, [values for values in inputs if values is not None])
    except (ArithmeticError, LookupError, ValueError):
        return None
    return found if len(found) <= _MOST else None


_Rule = Callable[[Mapping[str, str], list[Integers]], Integers]


def _pass_on(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
    return inputs[0]


def _join(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
    return tuple(value for values in inputs for value in values)


def _pick(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
    return tuple(inputs[0][place] for place in inputs[1])


def _replace(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
    values = list(inputs[0])
    for place, value in zip(inputs[1], inputs[2], strict=True):
        values[place] = value
    return tuple(values)


def _multiply_together(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
    return (prod(inputs[0]),)


def _cut(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
    """Return the values from a start to a stop with a step; the masks of StridedSlice leave out the start or stop."""
    start, stop, step = (values[0] for values in (*inputs[1:4], (1,))[:3])
    first = None if data.get("begin_mask", "0")[:1] == "1" else start
    last = None if data.get("end_mask", "0")[:1] == "1" else stop
    return inputs[0][first:last:step]


def _combine(operation: Callable[[int, int], int]) -> _Rule:
    def rule(data: Mapping[str, str], inputs: list[Integers]) -> Integers:
        left, right = inputs
        size = max(len(left), len(right))
        if {len(left), len(right)} - {1, size}:
            raise ValueError("lengths differ")
        return tuple(operation(left[i % len(left)], right[i % len(right)]) for i in range(size))

    return rule


_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("Convert", "Squeeze", "Unsqueeze", "Reshape"), _pass_on),
    "Concat": _join,
    "Gather": _pick,
    "ScatterUpdate": _replace,
    "ReduceProd": _multiply_together,
    **dict.fromkeys(("StridedSlice", "Slice"), _cut),
    "Add": _combine(lambda left, right: left + right),
    "Subtract": _combine(lambda left, right: left - right),
    "Multiply": _combine(lambda left, right: left * right),
    "Divide": _combine(lambda left, right: left // right),
    **dict.fromkeys(("FloorMod", "Mod"), _combine(lambda left, right: left % right)),
    "Greater": _combine(lambda left, right: int(left > right)),
    "Maximum": _combine(max),
    "Minimum": _combine(min),
}
