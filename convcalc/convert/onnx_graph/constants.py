"""Evaluates operators on small constants: the arithmetic from which exported graphs compute shapes.

Only the operators in the tables below are evaluated. Callers check the sizes first, so that inputs and outputs have
at most MOST_ELEMENTS elements.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MOST_ELEMENTS = 4096  # the values of larger constants are not kept
_Arrays = Sequence[Any]
_Attributes = Mapping[str, Any]


def fold(operator: str, attributes: _Attributes, arrays: _Arrays) -> list[Any] | None:
    """Return the outputs of an operator on constant inputs.

    None if the operator is in none of the tables below, or if its evaluation fails.
    """
    import numpy

    rule = _load_rules(numpy).get(operator)
    if rule is None:
        return None
    try:
        with numpy.errstate(all="ignore"):
            found = rule(attributes, *arrays)
    except (ArithmeticError, IndexError, TypeError, ValueError):
        return None
    outputs = found if isinstance(found, list) else [found]
    return [numpy.asarray(output) for output in outputs]


_RULES: dict[str, Callable[..., Any]] = {}


def _load_rules(np: Any) -> dict[str, Callable[..., Any]]:
    """Return a function for each operator, which takes the operator's attributes and input arrays."""
    if not _RULES:
        _RULES.update({**_elementwise_rules(np), **_moving_rules(np)})
    return _RULES


# operators that compute value by value
def _elementwise_rules(np: Any) -> dict[str, Callable[..., Any]]:
    return {
        "Identity": lambda at, x: x,
        "Add": lambda at, x, y: x + y,
        "Sub": lambda at, x, y: x - y,
        "Mul": lambda at, x, y: x * y,
        "Div": lambda at, x, y: _divide(np, x, y),
        "Mod": lambda at, x, y: np.fmod(x, y) if at.get("fmod") else np.mod(x, y),
        "Pow": lambda at, x, y: np.power(x, y).astype(x.dtype),
        "Neg": lambda at, x: -x,
        "Abs": lambda at, x: np.abs(x),
        "Sqrt": lambda at, x: np.sqrt(x),
        "Reciprocal": lambda at, x: 1 / x,
        "Floor": lambda at, x: np.floor(x),
        "Ceil": lambda at, x: np.ceil(x),
        "Round": lambda at, x: np.round(x),
        "Min": lambda at, *xs: np.minimum.reduce(np.broadcast_arrays(*xs)),
        "Max": lambda at, *xs: np.maximum.reduce(np.broadcast_arrays(*xs)),
        "Equal": lambda at, x, y: np.equal(x, y),
        "Less": lambda at, x, y: np.less(x, y),
        "Greater": lambda at, x, y: np.greater(x, y),
        "Not": lambda at, x: np.logical_not(x),
        "And": lambda at, x, y: np.logical_and(x, y),
        "Or": lambda at, x, y: np.logical_or(x, y),
        "Where": lambda at, chosen, x, y: np.where(chosen, x, y),
        "Cast": lambda at, x: _cast(np, x, at["to"]),
    }


# operators that move or create values, and reductions
def _moving_rules(np: Any) -> dict[str, Callable[..., Any]]:
    return {
        "Concat": lambda at, *xs: np.concatenate(xs, at["axis"]),
        "Gather": lambda at, x, places: np.take(x, places, at.get("axis", 0)),
        "Slice": lambda at, x, *given: _slice(x, at, given),
        "Split": lambda at, x, *given: _split(np, x, at, given),
        "Squeeze": lambda at, x, *axes: np.squeeze(x, _read_axes(at, axes)),
        "Unsqueeze": lambda at, x, *axes: np.expand_dims(x, _read_axes(at, axes)),
        "Reshape": lambda at, x, *shape: _reshape(np, x, (shape or [at.get("shape")])[0]),
        "Transpose": lambda at, x: np.transpose(x, at.get("perm")),
        "Expand": lambda at, x, shape: x * np.ones(tuple(map(int, shape)), x.dtype),
        "ConstantOfShape": lambda at, shape: np.full(tuple(map(int, shape)), _read_fill_value(np, at)),
        "Range": lambda at, start, limit, step: np.arange(start, limit, step),
        "ReduceProd": lambda at, x, *axes: np.prod(x, _read_axes(at, axes), keepdims=bool(at.get("keepdims", 1))),
        "ReduceSum": lambda at, x, *axes: np.sum(x, _read_axes(at, axes), keepdims=bool(at.get("keepdims", 1))),
    }


def _divide(np: Any, x: Any, y: Any) -> Any:
    """Divide as ONNX does: integer quotients are rounded towards zero. Raises ZeroDivisionError for an integer 0."""
    if np.issubdtype(np.asarray(x).dtype, np.integer):
        if not np.all(y):
            raise ZeroDivisionError
        return (np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)
    return x / y


def _cast(np: Any, x: Any, to: int) -> Any:
    """Convert an array to a data type, given by its number in onnx.TensorProto."""
    names = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
    if to not in names:
        raise ValueError
    return x.astype(np.dtype(names[to]))


def _read_axes(attributes: _Attributes, given: _Arrays) -> tuple[int, ...] | None:
    """Return the axes of an operator; None if it has none.

    Old operator versions have them as an attribute, and later versions as the first of the inputs `given`.
    """
    if given and given[0] is not None:
        return tuple(map(int, given[0].ravel())) or None
    axes = attributes.get("axes")
    return None if axes is None else tuple(axes)


def _slice(x: Any, attributes: _Attributes, given: _Arrays) -> Any:
    """Slice an array. Old operator versions have the bounds as attributes, later ones as the inputs `given`."""
    names = ("starts", "ends", "axes", "steps")
    found: _Attributes = dict(zip(names, given, strict=False)) if given else attributes
    parts: list[Any] = [found.get(name) for name in names]
    starts, ends, axes, steps = parts
    index = [slice(None)] * x.ndim
    for place in range(len(starts)):
        axis = place if axes is None else int(axes[place])
        step = 1 if steps is None else int(steps[place])
        index[axis] = slice(int(starts[place]), int(ends[place]), step)
    return x[tuple(index)]


def _split(np: Any, x: Any, attributes: _Attributes, given: _Arrays) -> list[Any]:
    sizes = given[0] if given else attributes["split"]
    return list(np.split(x, np.cumsum(sizes)[:-1], attributes.get("axis", 0)))


def _reshape(np: Any, x: Any, shape: Any) -> Any:
    """Reshape as ONNX does: a size of 0 means that the axis keeps its size."""
    sizes = [x.shape[place] if size == 0 else int(size) for place, size in enumerate(shape)]
    return np.reshape(x, sizes)


def _read_fill_value(np: Any, attributes: _Attributes) -> Any:
    """Return the value with which ConstantOfShape fills its output, 0 by default."""
    value = attributes.get("value")
    return np.float32(0) if value is None else value.ravel()[0]
