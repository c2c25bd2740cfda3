"""Defines the functions that activations apply to each value: `ACTIVATIONS["relu"](-2.0)` is 0.

Activations with arguments, such as leaky_relu, are in `find_curve`.
"""

from collections.abc import Callable
from math import erf, exp, log1p, sqrt, tanh

from convcalc.layers.base import Layer

Curve = Callable[[float], float]
_PRELU_SLOPE = 0.25  # at initialisation, in He et al. 2015 and torch.nn.PReLU
_SELU = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017


def clip(x: float, low: float = -1e30, high: float = 1e30) -> float:
    """Return the nearest number within a range."""
    return min(max(x, low), high)


def sigmoid(x: float) -> float:
    """Return the logistic function of x."""
    return 1 / (1 + exp(-clip(x, -700, 700)))


def softplus(x: float) -> float:
    """Return log(1 + exp(x))."""
    return max(x, 0) + log1p(exp(-abs(x)))


ACTIVATIONS: dict[str, Curve] = {
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: clip(x, 0, 6),
    "hardtanh": lambda x: clip(x, -1, 1),
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softplus": softplus,
    "softsign": lambda x: x / (1 + abs(x)),
    "gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * tanh(softplus(x)),
    "hardsigmoid": lambda x: clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * clip(x + 3, 0, 6) / 6,
}
_OTHERS: dict[str, Curve] = {
    "elu": lambda x: _elu(x),
    "celu": lambda x: _elu(x),
    "selu": lambda x: _SELU[0] * (x if x > 0 else _SELU[1] * _elu(x)),
}


def find_curve(layer: Layer) -> Curve | None:
    """Return the function that an activation applies to each value; None for any other layer."""
    if layer.kind in ("leaky_relu", "prelu"):
        slope = getattr(layer, "negative_slope", _PRELU_SLOPE)
        return lambda x: x if x > 0 else slope * x
    return ACTIVATIONS.get(layer.kind) or _OTHERS.get(layer.kind)


def _elu(x: float) -> float:
    return x if x > 0 else exp(x) - 1
