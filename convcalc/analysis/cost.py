"""What one layer costs: the rules of its kind, for a whole batch and in bytes."""

from functools import lru_cache
from typing import NamedTuple

from convcalc.layers.base import Layer
from convcalc.network import Dtype
from convcalc.shape import Shape
from convcalc.units import tensor_bytes


class Cost(NamedTuple):
    """Elements, operations of a whole batch (None: not known), and bytes of weights (params and buffers)."""

    params: int
    buffers: int
    multiplications: int | None
    additions: int | None
    macs: int | None
    weight_bytes: int


@lru_cache(maxsize=10_000)
def cost(layer: Layer, dtype: Dtype, batch: int) -> Cost:
    """The cost of a layer that has weights of its own."""
    weights, biases, buffers = layer.weight_tensors(), layer.bias_tensors(), layer.buffer_tensors()
    stored = 0
    for elements in weights + buffers:
        stored += tensor_bytes(elements, dtype.weights)
    for elements in biases:
        stored += tensor_bytes(elements, dtype.bias)
    return Cost(
        sum(weights) + sum(biases),
        sum(buffers),
        _scale_to_batch(batch, layer.multiplications()),
        _scale_to_batch(batch, layer.additions()),
        _scale_to_batch(batch, layer.macs()),
        stored,
    )


def _scale_to_batch(batch: int, operations: int | None) -> int | None:
    """The operations of a whole batch, None where those of a sample are not known."""
    return None if operations is None else batch * operations


def activation_bytes(shape: Shape, dtype: Dtype, batch: int) -> int:
    """Bytes of an activation of a whole batch."""
    return tensor_bytes(batch * shape.elements, dtype.activations)
