"""Recognises a layer norm by the values that its operators compute.

Exporters write (x - mean) / sqrt(variance + epsilon) in many ways: with a division or a reciprocal, a power or a
product, a root or the power 0.5. The operators are evaluated on a small array, and the result is compared with the
norm of the array.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convcalc.convert.operators import Operation, Program, read_scalar

_TOLERANCE = 1e-2  # more than the effect of epsilon on the values below
_MOST_AXES = 6


def is_norm(
    program: Program, operations: Sequence[Operation | None], places: Sequence[int], source: str, axis: int
) -> bool:
    """Whether some operations compute the norm of the tensor `source` over its axis `axis` and all later axes.

    `places` are the positions of these operations, in an order of execution; the last one must give the norm.
    """
    try:
        import numpy
    except ImportError:  # PyTorch does not need it
        return False
    rank = len(program.values[source].dims)
    if rank > _MOST_AXES or not places:
        return False
    sample = numpy.random.default_rng(0).normal(3, 5, (2, 3, 2, 3, 2, 3)[:rank])
    arrays = {source: sample}
    axes = tuple(range(axis, rank))
    for place in places:
        operation = operations[place]
        if operation is None:
            return False
        result = _evaluate(numpy, program, operation, arrays, axes)
        if result is None:
            return False
        arrays[operation.outputs[0]] = result
    centred = sample - sample.mean(axes, keepdims=True)
    due = centred / numpy.sqrt((centred**2).mean(axes, keepdims=True))
    return bool(result.shape == due.shape and numpy.allclose(result, due, _TOLERANCE, _TOLERANCE))


def _evaluate(
    numpy: Any, program: Program, operation: Operation, arrays: Mapping[str, Any], axes: tuple[int, ...]
) -> Any:
    """Return the output of an operation; None if it cannot be computed.

    Its inputs must be keys of `arrays` or constants with one element.
    """
    if operation.operator == "ReduceMean":  # over `axes`, as the caller has checked
        source = arrays.get(operation.inputs[0])
        return None if source is None else source.mean(axes, keepdims=True)
    rule = _RULES.get(operation.operator)
    given = [arrays.get(name, read_scalar(program.values[name])) for name in operation.inputs if name]
    if rule is None or any(value is None for value in given):
        return None
    try:
        with numpy.errstate(all="ignore"):
            return rule(numpy, *given)
    except (ArithmeticError, TypeError, ValueError):
        return None


_RULES: dict[str, Callable[..., Any]] = {
    "Add": lambda np, x, y: x + y,
    "Sub": lambda np, x, y: x - y,
    "Mul": lambda np, x, y: x * y,
    "Div": lambda np, x, y: x / y,
    "Pow": lambda np, x, y: np.power(x, y),
    "Sqrt": lambda np, x: np.sqrt(x),
    "Reciprocal": lambda np, x: 1 / x,
    "Cast": lambda np, x: x,
    "Identity": lambda np, x: x,
}
