"""What one layer costs: the rules of its kind, for a whole batch and in bytes."""

from typing import NamedTuple

from convcalc.layers.base import Layer
from convcalc.network import Dtype
from convcalc.shape import Shape
from convcalc.units import tensor_bytes


class Cost(NamedTuple):
    """Elements, operations of a whole batch, and bytes. FLOPs are multiplications + additions."""

    params: int
    buffers: int
    multiplications: int
    additions: int
    macs: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int


def cost(layer: Layer, dtype: Dtype, batch: int) -> Cost:
    """The cost of a layer that has weights of its own."""
    weights, biases, buffers = layer.weight_tensors(), layer.bias_tensors(), layer.buffer_tensors()
    return Cost(
        params=sum(weights) + sum(biases),
        buffers=sum(buffers),
        multiplications=batch * layer.multiplications(),
        additions=batch * layer.additions(),
        macs=batch * layer.macs(),
        input_bytes=sum(activation_bytes(shape, dtype, batch) for shape in layer.inputs),
        weight_bytes=sum(tensor_bytes(elements, dtype.weights) for elements in (*weights, *buffers))
        + sum(tensor_bytes(elements, dtype.bias) for elements in biases),
        output_bytes=activation_bytes(layer.output, dtype, batch),
    )


def activation_bytes(shape: Shape, dtype: Dtype, batch: int) -> int:
    """Bytes of an activation of a whole batch."""
    return tensor_bytes(batch * shape.elements, dtype.activations)
