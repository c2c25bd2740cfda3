"""Recognises an activation by the values that it computes.

Exporters write gelu, silu or hardswish in many ways. Instead of matching each pattern of nodes, the chain of
elementwise operators is evaluated at the inputs in POINTS. The results are compared with the outputs of the known
activations: x * Sigmoid(x), for example, has the values of silu.
"""

from collections.abc import Callable, Mapping, Sequence
from math import erf, exp, isclose, log, sqrt, tanh
from typing import Any

from convcalc.layers.curves import ACTIVATIONS, clip, sigmoid, softplus

POINTS = (-7.5, -4.1, -2.9, -2.1, -1.2, -0.6, -0.2, 0.3, 0.8, 1.7, 2.6, 3.4, 5.5, 6.5, 9.0)
_TOLERANCE = 2e-3  # more than the error of gelu's tanh approximation and of half-precision constants
MOST_CHAIN = 16  # operators in a chain

_Attributes = Mapping[str, Any]


# how the output of each elementwise operator is computed from its attributes and inputs
COMPUTED: dict[str, Callable[..., float]] = {
    "Add": lambda at, x, y: x + y,
    "Sub": lambda at, x, y: x - y,
    "Mul": lambda at, x, y: x * y,
    "Div": lambda at, x, y: x / y,
    "Pow": lambda at, x, y: x**y,
    "Neg": lambda at, x: -x,
    "Abs": lambda at, x: abs(x),
    "Sqrt": lambda at, x: sqrt(x),
    "Exp": lambda at, x: exp(x),
    "Log": lambda at, x: log(x),
    "Reciprocal": lambda at, x: 1 / x,
    "Min": lambda at, *xs: min(xs),
    "Max": lambda at, *xs: max(xs),
    "Clip": lambda at, x, *ends: clip(x, *(ends or (at.get("min", -1e30), at.get("max", 1e30)))),
    "Erf": lambda at, x: erf(x),
    "Tanh": lambda at, x: tanh(x),
    "Sigmoid": lambda at, x: sigmoid(x),
    "Softplus": lambda at, x: softplus(x),
    "Relu": lambda at, x: max(x, 0),
    "HardSigmoid": lambda at, x: clip(at.get("alpha", 0.2) * x + at.get("beta", 0.5), 0, 1),
    **{name: lambda at, x, function=function: function(x) for name, function in ACTIVATIONS.items()},
}


def evaluate_operator(operator: str, attributes: _Attributes, columns: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the outputs of an operator, one for each of POINTS.

    None if the operator is not in COMPUTED, or is undefined at some point. `columns` has one list per input of the
    operator, with the input's value at each point.
    """
    rule = COMPUTED.get(operator)
    if rule is None:
        return None
    try:
        return [float(rule(attributes, *row)) for row in zip(*columns, strict=True)]
    except (ArithmeticError, TypeError, ValueError):  # TypeError: a power is complex
        return None


def match_activation(values: Sequence[float]) -> str | None:
    """Return the layer kind of the activation that gives `values` at POINTS; None if no activation does."""
    for kind, function in ACTIVATIONS.items():
        pairs = zip(map(function, POINTS), values, strict=True)
        if all(isclose(due, value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE) for due, value in pairs):
            return kind
    return None
