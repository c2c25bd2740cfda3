"""Computes the cost of one layer for a whole batch: elements, operations, and bytes of weights."""

from typing import NamedTuple

from convcalc.caching import remember
from convcalc.layers.base import Layer
from convcalc.network import Node
from convcalc.shape import Shape
from convcalc.units import Dtype, tensor_bytes


class Cost(NamedTuple):
    """The cost of a layer: elements, operations for a whole batch (None: unknown), and the bytes of its weights."""

    params: int
    buffers: int
    multiplications: int | None
    additions: int | None
    macs: int | None
    weight_memory: int


@remember
def cost(layer: Layer, dtype: Dtype, batch: int) -> Cost:
    """Return the cost of a layer. Its weights are counted even if the layer uses the weights of another layer."""
    weights, biases, buffers = layer.weight_tensors(), layer.bias_tensors(), layer.buffer_tensors()
    stored = 0
    for elements in weights + buffers:
        stored += tensor_bytes(elements, dtype.weights)
    for elements in biases:
        stored += tensor_bytes(elements, dtype.bias)
    return Cost(
        sum(weights) + sum(biases),
        sum(buffers),
        _scale_to_batch(batch, layer.count_multiplications()),
        _scale_to_batch(batch, layer.count_additions()),
        _scale_to_batch(batch, layer.count_macs()),
        stored,
    )


def count_node(node: Node, dtype: Dtype, batch: int) -> Cost:
    """Return what a node adds to the cost of its network: shared weights count once, where they are defined."""
    found = cost(node.layer, dtype, batch)
    return found if node.owner is None else found._replace(params=0, buffers=0, weight_memory=0)


def _scale_to_batch(batch: int, operations: int | None) -> int | None:
    return None if operations is None else batch * operations


def activation_bytes(shape: Shape, dtype: Dtype, batch: int) -> int:
    """Return the bytes of a tensor of activations for a whole batch; `shape` is the shape of one sample."""
    return tensor_bytes(batch * shape.elements, dtype.activations)
