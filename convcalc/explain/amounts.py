"""Computes how much another tool adds to convcalc's MACs for one layer, or subtracts; `tools.py` says when."""

from collections.abc import Callable
from math import prod

from convcalc.layers.base import Layer

Amount = Callable[[Layer], int]


def count_inputs(layer: Layer) -> int:
    """Return the number of input values."""
    return layer.input.elements


def count_outputs(layer: Layer) -> int:
    """Return the number of output values."""
    return layer.output.elements


def count_macs(layer: Layer) -> int:
    """Return the MACs, 0 if they are unknown; `list_cautions` warns about such layers."""
    return layer.count_macs() or 0


def subtract_macs(layer: Layer) -> int:
    """Return minus the MACs, for layers that a tool does not count."""
    return -count_macs(layer)


def count_biases(layer: Layer) -> int:
    """Return the number of elements of all biases."""
    return sum(layer.bias_tensors())


def count_bias_additions(layer: Layer) -> int:
    """Return the number of output values if there is a bias, otherwise 0."""
    return layer.output.elements if count_biases(layer) else 0


def count_params(layer: Layer) -> int:
    """Return the number of learnt elements."""
    return sum(layer.weight_tensors()) + count_biases(layer)


def count_statistics(layer: Layer) -> int:
    """Return the number of elements of the buffers, such as running means."""
    return sum(layer.buffer_tensors())


def count_extra_macs_per_output(layer: Layer) -> int:
    """Return how many MACs are added if a transposed convolution's kernel is counted at every output position.

    The kernel is in fact applied at every input position.
    """
    return sum(layer.weight_tensors()) * (layer.output.positions - layer.input.positions)


def multiply_amount(count: int, amount: Amount = count_inputs) -> Amount:
    """Return a function that multiplies an amount by `count`."""
    return lambda layer: count * amount(layer)


def scale_by_affine(with_scale: int, without: int) -> Amount:
    """Return a function that counts per input value, depending on whether a norm has a learnt scale."""
    return lambda layer: (with_scale if layer.weight_tensors() else without) * layer.input.elements


def only_for_axes(axes: int, amount: Amount) -> Amount:
    """Return a function that gives `amount` if the input has `axes` spatial axes, otherwise 0."""
    return lambda layer: amount(layer) if layer.input.axes == axes else 0


def count_by_mode(taps: dict[str, int]) -> Amount:
    """Return a function that counts the given number per output value, by the mode of the upsampling."""
    return lambda layer: taps.get(layer.arguments()["mode"], 0) * layer.output.elements


def count_operations_of_adaptive_means(layer: Layer) -> int:
    """Return thop's count: (mean window size + 1) × output values, rounded down."""
    sizes = zip(layer.input.spatial, layer.output.spatial or (1,) * layer.input.axes, strict=True)
    return int((prod(size / out for size, out in sizes) + 1) * layer.output.elements)


def count_operations_of_softmax(layer: Layer) -> int:
    """Return thop's count: per position, C exponentials, C divisions and C - 1 additions for C channels."""
    return layer.input.positions * (3 * layer.input.channels - 1)


def count_outputs_of_interpolate(layer: Layer) -> int:
    """Return the number of output values that ptflops assumes for `interpolate`, whose scale factors it rounds down."""
    factors: list[float] | None = layer.arguments().get("scale_factor")
    return layer.output.elements if factors is None else layer.input.elements * prod(map(int, factors))


def count_operations_of_response_norm(layer: Layer) -> int:
    """Return ptflops's count for local response normalisation, which PyTorch computes with four operations.

    ptflops counts 1 per element of each operation: two products and a sum over the input, and a mean over the input
    padded with size - 1 channels.
    """
    size: int = layer.arguments()["size"]
    return 4 * layer.input.elements + (size - 1) * layer.input.positions


def count_operations_of_lppool(layer: Layer) -> int:
    """Return ptflops's count for lppool, which PyTorch computes with a mean, a relu and a product.

    ptflops counts 1 per input value for the mean, and 1 per output value for each of the other two.
    """
    return layer.input.elements + 2 * layer.output.elements
