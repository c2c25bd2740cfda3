"""Activations told by what they compute: a chain of elementwise operators is the function that it equals.

Exporters write gelu, silu or hardswish in many ways. Instead of a picture of each, the chain is computed at some
points and compared with the activations of our language.
"""

from collections.abc import Callable, Mapping, Sequence
from math import erf, exp, isclose, log1p, sqrt, tanh
from typing import Any

POINTS = (-7.5, -4.1, -2.9, -2.1, -1.2, -0.6, -0.2, 0.3, 0.8, 1.7, 2.6, 3.4, 5.5, 6.5, 9.0)
_TOLERANCE = 2e-3  # the tanh form of gelu differs by less, the constants of half precision too
MOST_CHAIN = 16
LAST = frozenset(("Mul", "Div", "Min", "Max"))  # operators in which a written-out activation ends

Function = Callable[..., float]
_Attributes = Mapping[str, Any]


def _clip(x: float, low: float = -1e30, high: float = 1e30) -> float:
    """A value cut off at both ends."""
    return min(max(x, low), high)


def _sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + exp(-_clip(x, -700, 700)))


def _softplus(x: float) -> float:
    """log(1 + exp(x))."""
    return max(x, 0) + log1p(exp(-abs(x)))


ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: _clip(x, 0, 6),
    "hardtanh": lambda x: _clip(x, -1, 1),
    "sigmoid": _sigmoid,
    "tanh": tanh,
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + abs(x)),
    "gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * tanh(_softplus(x)),
    "hardsigmoid": lambda x: _clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * _clip(x + 3, 0, 6) / 6,
}
COMPUTED: dict[str, Callable[..., float]] = {  # of the attributes, and of what is read
    "Add": lambda at, x, y: x + y,
    "Sub": lambda at, x, y: x - y,
    "Mul": lambda at, x, y: x * y,
    "Div": lambda at, x, y: x / y,
    "Pow": lambda at, x, y: x**y,
    "Neg": lambda at, x: -x,
    "Abs": lambda at, x: abs(x),
    "Sqrt": lambda at, x: sqrt(x),
    "Exp": lambda at, x: exp(x),
    "Reciprocal": lambda at, x: 1 / x,
    "Min": lambda at, *xs: min(xs),
    "Max": lambda at, *xs: max(xs),
    "Clip": lambda at, x, *ends: _clip(x, *(ends or (at.get("min", -1e30), at.get("max", 1e30)))),
    "Erf": lambda at, x: erf(x),
    "Tanh": lambda at, x: tanh(x),
    "Sigmoid": lambda at, x: _sigmoid(x),
    "Softplus": lambda at, x: _softplus(x),
    "Relu": lambda at, x: max(x, 0),
    "HardSigmoid": lambda at, x: _clip(at.get("alpha", 0.2) * x + at.get("beta", 0.5), 0, 1),
    **{name: lambda at, x, function=function: function(x) for name, function in ACTIVATIONS.items()},
}


def evaluate_operator(operator: str, attributes: _Attributes, columns: Sequence[Sequence[float]]) -> list[float] | None:
    """What an operator gives at all points, None where it is not elementwise or has no value."""
    rule = COMPUTED.get(operator)
    if rule is None:
        return None
    try:
        return [float(rule(attributes, *row)) for row in zip(*columns, strict=True)]
    except (ArithmeticError, TypeError, ValueError):  # also a power that is no real number
        return None


def match_activation(values: Sequence[float]) -> str | None:
    """The activation that has these values at the points."""
    for kind, function in ACTIVATIONS.items():
        pairs = zip(map(function, POINTS), values, strict=True)
        if all(isclose(due, value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE) for due, value in pairs):
            return kind
    return None
