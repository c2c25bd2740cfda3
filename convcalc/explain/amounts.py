"""Computes how much another tool adds to convcalc's MACs for one layer, or subtracts; `tools.py` says when."""

from collections.abc import Callable
from math import prod

from convcalc.arithmetic import adaptive_window_total, effective_kernel_size
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


def only_for_axes(amount: Amount, *axes: int) -> Amount:
    """Return a function that gives `amount` if the number of the input's spatial axes is one of `axes`, otherwise 0."""
    return lambda layer: amount(layer) if layer.input.axes in axes else 0


def count_by_mode(taps: dict[str, int]) -> Amount:
    """Return a function that counts the given number per output value, by the mode of the upsampling."""
    return lambda layer: taps.get(layer.arguments()["mode"], 0) * layer.output.elements


def count_operations_of_adaptive_means(layer: Layer) -> int:
    """Return thop's count: (mean window size + 1) × output values, rounded down."""
    sizes = zip(layer.input.spatial, layer.output.spatial or (1,) * layer.input.axes, strict=True)
    return int((prod(size / out for size, out in sizes) + 1) * layer.output.elements)


def count_operations_of_softmax(layer: Layer) -> int:
    """Return thop's count: per sum of n values, n exponentials, n divisions and n - 1 additions."""
    return 3 * layer.input.elements - count_sums_of_softmax(layer)


def count_sums_of_softmax(layer: Layer) -> int:
    """Return the number of sums of a softmax: one per position, or one per channel if it is over the positions."""
    return layer.input.positions if layer.arguments()["axes"] == "channels" else layer.input.channels


def count_outputs_of_interpolate(layer: Layer) -> int:
    """Return the number of output values that ptflops assumes for `interpolate`.

    With a scale factor, that is the number of input values times the factors, which are rounded down if they differ.
    """
    factors: list[float] | None = layer.arguments().get("scale_factor")
    if factors is None:
        return layer.output.elements
    if len(set(factors)) > 1:
        return layer.input.elements * prod(map(int, factors))
    return int(layer.input.elements * prod(map(float, factors)))


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


def count_values_in_windows(layer: Layer) -> int:
    """Return the number of values in all windows of an average pooling, including padding."""
    given = layer.arguments()
    window = (given["kernel_size"], given["stride"], given["padding"])
    covered = prod(map(_sum_window_sizes, layer.input.spatial, layer.output.spatial, *window))
    return layer.input.channels * covered


def _sum_window_sizes(size: int, out: int, kernel: int, stride: int, padding: tuple[int, int]) -> int:
    """Return the number of values in the windows on one axis; with ceil_mode, the last window may be incomplete."""
    padded = size + sum(padding)
    return sum(min(kernel, padded - position * stride) for position in range(out))


def count_values_in_adaptive_windows(layer: Layer) -> int:
    """Return the number of values in all windows of an adaptive average pooling; the windows may overlap."""
    sizes = layer.output.spatial or (1,) * layer.input.axes
    return layer.input.channels * prod(map(adaptive_window_total, layer.input.spatial, sizes))


def count_positions_of_interpolate(layer: Layer) -> int:
    """Return DeepSpeed's count: 1 per output position if the layer has a size, otherwise 1 per output value.

    With a scale factor, the number of output values is the number of input values times the factors, rounded down.
    """
    factors: list[float] | None = layer.arguments().get("scale_factor")
    return layer.output.positions if factors is None else int(layer.input.elements * prod(map(float, factors)))


def count_inputs_of_interpolate(layer: Layer) -> int:
    """Return calflops's count: 1 per output position if the layer has a size, otherwise 1 per input value."""
    return layer.output.positions if layer.arguments().get("scale_factor") is None else layer.input.elements


def count_missing_group_operations(layer: Layer) -> int:
    """Return minus the operations that calflops leaves out of a transposed convolution with groups.

    It divides the output channels of a group by the number of groups once more, rounded down.
    """
    groups: int = layer.arguments()["groups"]
    channels = layer.output.channels // groups
    return -2 * (count_macs(layer) // channels) * (channels - channels // groups)


def count_bias_additions_of_convolution(layer: Layer) -> int:
    """Return calflops's count for the bias of a transposed convolution: as if it were a convolution.

    The positions are those of a convolution with the same window, and the channels those of one group.
    """
    given = layer.arguments()
    if not count_biases(layer):
        return 0
    windows = zip(
        layer.input.spatial, given["kernel_size"], given["stride"], given["padding"], given["dilation"], strict=True
    )
    positions: int = prod((size + sum(p) - effective_kernel_size(k, d)) // s + 1 for size, k, s, p, d in windows)
    channels: int = layer.output.channels // given["groups"]
    return channels * positions


# -- TensorFlow's profiler, which counts the operations that Keras writes


def subtract_macs_unknown_to_tensorflow(layer: Layer) -> int:
    """Return minus the MACs of a convolution with groups, and of a transposed convolution on three axes."""
    unknown = layer.input.axes > 2 if layer.kind == "conv_transpose" else layer.arguments()["groups"] > 1
    return -count_macs(layer) if unknown else 0


def count_extra_operations_of_strides(layer: Layer) -> int:
    """Return the operations added if a transposed convolution multiplies at all output positions / all strides."""
    if layer.input.axes > 2:
        return 0
    strides: int = prod(layer.arguments()["stride"])
    return 2 * sum(layer.weight_tensors()) * layer.output.positions // strides - 2 * count_macs(layer)


def count_extra_operations_of_dilation(layer: Layer) -> int:
    """Return the extra cost of a dilated convolution: TensorFlow rounds its output sizes up to multiples of dilation.

    Of a separable convolution, only the depthwise one is dilated. With groups, nothing is counted.
    """
    given = layer.arguments()
    if given.get("groups", 1) > 1:
        return 0
    rounded: int = prod(
        -(-size // step) * step for size, step in zip(layer.output.spatial, given["dilation"], strict=True)
    )
    return 2 * (rounded - layer.output.positions) * layer.weight_tensors()[0]


def count_operations_of_batchnorm(layer: Layer) -> int:
    """Return 2 per value, and per channel those that compute its scale and offset from four constants."""
    scaled = layer.arguments()["affine"] and layer.arguments()["scale"]
    return 2 * layer.input.elements + (6 if scaled else 5) * layer.input.channels


def count_operations_of_layernorm(layer: Layer) -> int:
    """Return 9 per value, and 4 per mean: one mean per position, or one of all values."""
    means = layer.input.positions if layer.arguments()["axes"] == "channels" else 1
    return 9 * layer.input.elements + 4 * means


def count_operations_of_groupnorm(layer: Layer) -> int:
    """Return 6 per value, 3 per channel, and 4 per group."""
    groups: int = layer.arguments()["num_groups"]
    return 6 * layer.input.elements + 3 * layer.input.channels + 4 * groups


def count_taps_of_pooling(layer: Layer) -> int:
    """Return the taps of a pooling: output values × kernel size; 0 on three axes."""
    taps: int = prod(layer.arguments()["kernel_size"])
    return layer.output.elements * taps if layer.input.axes < 3 else 0


def count_operations_of_prelu(layer: Layer) -> int:
    """Return 3 per value, and 1 per slope."""
    return 3 * layer.input.elements + count_params(layer)


def count_operations_of_merge(layer: Layer) -> int:
    """Return 1 per output value and further input."""
    return (len(layer.inputs) - 1) * layer.output.elements


def count_axes_of_nearest(layer: Layer) -> int:
    """Return the number of axes whose size Keras multiplies to resize by repeating values, 0 for other modes."""
    return layer.input.axes if layer.arguments()["mode"] == "nearest" else 0
