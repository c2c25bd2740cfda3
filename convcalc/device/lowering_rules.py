"""Defines the operators that each layer kind becomes. A rule takes a `Builder`, the layer and the tensors it reads.

For example, the rule of `conv` emits a CONV_2D, with a PAD before it if CONV_2D cannot express the padding.
The layout is channels last, as in TensorFlow, so a map that becomes a vector or tokens needs a RESHAPE.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from convcalc.arithmetic import effective_kernel_size, same_padding, same_transposed_padding
from convcalc.device.lowering_sequences import attend, normalise_layer, read_sequence
from convcalc.device.program import Pair, Window
from convcalc.exact import largest
from convcalc.layers.base import Layer
from convcalc.shape import Shape

if TYPE_CHECKING:
    from convcalc.device.lowering import Builder

Reads = Sequence[int]
Rule = Callable[["Builder", Any, Reads], int]

CONVOLUTIONS = frozenset(("conv", "pointwise_conv", "depthwise_conv", "separable_conv", "conv_transpose"))
SKIPPED = frozenset(("dropout", "drop_path", "identity"))
ACTIVATIONS = {
    "relu": "RELU",
    "relu6": "RELU6",
    "leaky_relu": "LEAKY_RELU",
    "gelu": "GELU",
    "sigmoid": "LOGISTIC",
    "tanh": "TANH",
    "hardswish": "HARD_SWISH",
    "softmax": "SOFTMAX",
    "log_softmax": "LOG_SOFTMAX",
}


# -- windows


def _as_pair(sizes: Sequence[int], fill: int = 1) -> Pair:
    """Return the sizes along height and width; a layer in 1-D has only a width."""
    return (fill, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def _as_map(shape: Shape) -> Shape:
    return Shape(shape.channels, _as_pair(shape.spatial))


def _make_window(
    builder: "Builder", layer: Any, shape: Shape, out: Shape, groups: int, padding: Sequence[int]
) -> Window:
    axes = shape.axes
    kernel = getattr(layer, "kernel_size", (1,) * axes)
    return Window(
        _as_pair(kernel),
        _as_pair(layer.stride),
        _as_pair(getattr(layer, "dilation", (1,) * axes)),
        _as_pair(padding, 0),
        _as_pair(shape.spatial),
        _as_pair(out.spatial),
        shape.channels,
        out.channels,
        shape.channels // groups,
        builder.network.batch,
    )


def _enter_2d(builder: "Builder", layer: Layer, reads: Reads) -> int:
    """Return the input as a map; that of a layer in 1-D is reshaped. Raises NoOperator for other numbers of axes."""
    if layer.input.axes > 2:
        raise builder.refuse("TensorFlow Lite Micro has no operators in 3-D")
    if layer.input.axes == 1:
        return builder.reshape(reads[0], _as_map(layer.input))
    return reads[0]


def _leave_2d(builder: "Builder", layer: Layer, number: int) -> int:
    return builder.reshape(number, layer.output) if layer.input.axes == 1 else number


def _slide(
    builder: "Builder", layer: Any, reads: Reads, code: str, groups: int, counts_zeros: bool, weights: dict[str, Any]
) -> int:
    """Emit an operator with a window, and a PAD before it if its padding is neither none nor `same`.

    If `counts_zeros` is true, the padding is part of the result, as in an average.
    """
    number, shape = _enter_2d(builder, layer, reads), layer.input
    padding = getattr(layer, "padding", ((0, 0),) * shape.axes)
    dilation = getattr(layer, "dilation", (1,) * shape.axes)
    window = (layer.kernel_size, layer.stride, dilation)
    same = tuple(map(same_padding, shape.spatial, *window))
    ends = _find_end_padding(shape, layer.output, padding, *window)
    plain = tuple((before, largest(end, 0)) for (before, _), end in zip(padding, ends, strict=True))
    mode = getattr(layer, "padding_mode", "zeros")
    before = [pair[0] for pair in plain]
    if any(map(any, plain)) and (plain != same or counts_zeros or mode != "zeros"):
        trims = not weights  # before pooling, only the padding that the windows reach is added
        whole = [
            pair if trims else (one, largest(two, pair[1])) for (one, two), pair in zip(padding, plain, strict=True)
        ]
        shape = Shape(shape.channels, tuple(n + sum(pair) for n, pair in zip(shape.spatial, whole, strict=True)))
        number = _pad(builder, number, _as_map(shape), mode, "PADV2" if code == "MAX_POOL_2D" else "PAD")
        before = [0] * shape.axes
    found = _make_window(builder, layer, shape, layer.output, groups, before)
    number = builder.emit(code, (number,), _as_map(layer.output), window=found, rank=4, **weights)
    return _leave_2d(builder, layer, number)


def _find_end_padding(
    shape: Shape, output: Shape, padding: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """Return the padding after each axis that the last window reaches; it may be negative."""
    sizes = zip(shape.spatial, output.spatial, padding, kernel, stride, dilation, strict=True)
    return [(o - 1) * s + effective_kernel_size(k, d) - n - pair[0] for n, o, pair, k, s, d in sizes]


def _pad(builder: "Builder", number: int, shape: Shape, mode: str, code: str = "PAD") -> int:
    if mode not in ("zeros", "reflect"):
        raise builder.refuse(f"no operator of TensorFlow Lite pads in mode {mode}")
    constants = 2 if code == "PADV2" else 1
    return builder.emit("MIRROR_PAD" if mode == "reflect" else code, (number,), shape, constants=constants)


# -- convolutions and linear layers


def _learn(layer: Layer, channels: int) -> dict[str, Any]:
    """Return the weights of a convolution; the converter gives each a bias, zero if the layer has none."""
    return {"constants": 2, "weights": sum(layer.weight_tensors()), "biases": channels, "channels": channels}


def _convolve(builder: "Builder", layer: Any, reads: Reads) -> int:
    return _slide(builder, layer, reads, "CONV_2D", layer.groups, False, _learn(layer, layer.output.channels))


def _convolve_pointwise(builder: "Builder", layer: Any, reads: Reads) -> int:
    number, axes = _enter_2d(builder, layer, reads), layer.input.axes
    window = _make_window(builder, layer, layer.input, layer.output, layer.groups, (0,) * axes)
    learnt = _learn(layer, layer.output.channels)
    number = builder.emit("CONV_2D", (number,), _as_map(layer.output), window=window, rank=4, **learnt)
    return _leave_2d(builder, layer, number)


def _convolve_depthwise(builder: "Builder", layer: Any, reads: Reads) -> int:
    groups = layer.input.channels
    return _slide(builder, layer, reads, "DEPTHWISE_CONV_2D", groups, False, _learn(layer, layer.output.channels))


def _convolve_separably(builder: "Builder", layer: Any, reads: Reads) -> int:
    between = _convolve_depthwise(builder, layer.depthwise, reads)
    return _convolve_pointwise(builder, layer.pointwise, (between,))


def _convolve_transposed(builder: "Builder", layer: Any, reads: Reads) -> int:
    if layer.groups > 1 or set(layer.dilation) != {1}:
        raise builder.refuse("TRANSPOSE_CONV has neither groups nor dilation")
    number = _enter_2d(builder, layer, reads)
    sizes = zip(layer.kernel_size, layer.stride, layer.dilation, layer.output_padding, strict=True)
    same = tuple(same_transposed_padding(*size) for size in sizes)
    is_same = tuple(zip(layer.padding, layer.output_padding, strict=True)) == same
    crop = not is_same and any(map(any, layer.padding))
    grown = tuple(n + sum(pair) for n, pair in zip(layer.output.spatial, layer.padding, strict=True))
    whole = Shape(layer.output.channels, grown) if crop else layer.output
    window = _make_window(builder, layer, layer.input, whole, 1, (0,) * layer.input.axes)
    learnt = {**_learn(layer, whole.channels), "constants": 2 + bool(layer.bias), "channels": whole.channels}
    number = builder.emit("TRANSPOSE_CONV", (number,), _as_map(whole), window=window, rank=4, **learnt)
    if crop:
        number = builder.emit("STRIDED_SLICE", (number,), _as_map(layer.output), constants=3)
    return _leave_2d(builder, layer, number)


def _multiply_matrix(builder: "Builder", layer: Any, reads: Reads) -> int:
    """Emit a linear layer.

    On tokens, it is quantised per output feature, as TensorFlow 2.21 does; on a vector, as a whole, as in the published
    files of MLPerf Tiny.
    """
    biases = layer.out_features * bool(layer.bias)
    return builder.emit(
        "FULLY_CONNECTED",
        reads,
        layer.output,
        constants=1 + bool(layer.bias),
        weights=sum(layer.weight_tensors()),
        biases=biases,
        channels=layer.out_features if layer.input.axes else 0,
        features=layer.out_features,
    )


# -- pooling and reductions


def _pool(code: str) -> Rule:
    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        if any(step != 1 for step in getattr(layer, "dilation", ())):
            raise builder.refuse(f"{code} has no dilation")
        return _slide(builder, layer, reads, code, layer.input.channels, code == "AVERAGE_POOL_2D", {})

    return rule


def _pool_globally(code: str) -> Rule:
    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        return _reduce(builder, layer, reads, code, layer.input.axes)

    return rule


def _reduce(builder: "Builder", layer: Any, reads: Reads, code: str, axes: int) -> int:
    rank = layer.input.axes + 2
    features = builder.network.batch * layer.output.elements
    return builder.emit(code, reads, layer.output, constants=1, reduced=axes, features=features, rank=rank)


def _pool_adaptively(code: str, whole: str) -> Rule:
    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        if layer.output.positions == 1:
            return _reduce(builder, layer, reads, whole, layer.input.axes)
        pairs = list(zip(layer.input.spatial, layer.output.spatial, strict=True))
        if any(n % o for n, o in pairs) or layer.input.axes > 2:
            raise builder.refuse("TensorFlow Lite has no pooling with windows of unequal size")
        number = _enter_2d(builder, layer, reads)
        kernel = _as_pair([n // o for n, o in pairs])
        shapes = _as_map(layer.input), _as_map(layer.output)
        channels = layer.input.channels
        window = Window(
            kernel,
            kernel,
            (1, 1),
            (0, 0),
            _as_pair(shapes[0].spatial),
            _as_pair(shapes[1].spatial),
            channels,
            channels,
            1,
        )
        return _leave_2d(builder, layer, builder.emit(code, (number,), shapes[1], window=window))

    return rule


def _reduce_named(code: str) -> Rule:
    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        return _reduce(builder, layer, reads, code, len(layer.axes))

    return rule


# -- elementwise


def _combine(code: str) -> Rule:
    """Return the rule of a sum or product; three inputs or more become a chain of operators."""

    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        number = reads[0]
        for other in reads[1:]:
            number = builder.emit(code, (number, other), layer.output)
        return number

    return rule


def _apply_constant(code: str) -> Rule:
    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        learnt = sum(layer.weight_tensors()) + sum(layer.bias_tensors())
        return builder.add_constant(code, reads[0], largest(learnt, 1))

    return rule


def _normalise_batch(builder: "Builder", layer: Any, reads: Reads) -> int:
    """Emit a batch norm that cannot be folded, as a product and a sum per channel."""
    if not layer.track_running_stats:
        raise builder.refuse("its statistics are those of the batch, which no operator of TensorFlow Lite computes")
    channels = layer.input.channels
    return builder.add_constant("ADD", builder.add_constant("MUL", reads[0], channels), channels)


def _activate_elu(builder: "Builder", layer: Any, reads: Reads) -> int:
    """Emit an ELU, which the converter computes in floating point."""
    if builder.dtype == "float32":
        return builder.emit("ELU", reads, layer.output)
    number = builder.emit("DEQUANTIZE", reads, layer.output, dtype="float32")
    return builder.emit("QUANTIZE", (builder.emit("ELU", (number,), layer.output, dtype="float32"),), layer.output)


def _activate_leaky(builder: "Builder", layer: Any, reads: Reads) -> int:
    return builder.emit("PRELU", reads, layer.output, constants=1, weights=sum(layer.weight_tensors()))


def _activate_silu(builder: "Builder", layer: Any, reads: Reads) -> int:
    gate = builder.emit("LOGISTIC", reads, layer.output)
    return builder.emit("MUL", (reads[0], gate), layer.output)


def _activate_hardsigmoid(builder: "Builder", layer: Any, reads: Reads) -> int:
    """Emit relu6(x + 3) / 6: a sum, whose output is clipped, and a product."""
    clipped = builder.add_constant("ADD", reads[0], 1, clips=True)
    return builder.emit("MUL", (clipped,), layer.output, constants=1, weights=1)


# -- rearranging


def _reshape(builder: "Builder", layer: Any, reads: Reads) -> int:
    return builder.reshape(reads[0], layer.output)


def _rearrange(code: str, constants: int = 1) -> Rule:
    def rule(builder: "Builder", layer: Any, reads: Reads) -> int:
        return builder.emit(code, reads, layer.output, constants=constants)

    return rule


def _pad_borders(builder: "Builder", layer: Any, reads: Reads) -> int:
    return _pad(builder, reads[0], layer.output, layer.mode)


def _resize(builder: "Builder", layer: Any, reads: Reads) -> int:
    modes = {"nearest": "RESIZE_NEAREST_NEIGHBOR", "linear": "RESIZE_BILINEAR", "bilinear": "RESIZE_BILINEAR"}
    if layer.mode not in modes or layer.input.axes > 2:
        raise builder.refuse(f"no operator of TensorFlow Lite resizes in mode {layer.mode} in {layer.input.axes}-D")
    number = _enter_2d(builder, layer, reads)
    return _leave_2d(builder, layer, builder.emit(modes[layer.mode], (number,), _as_map(layer.output), constants=1))


def _shuffle_channels(builder: "Builder", layer: Any, reads: Reads) -> int:
    split = builder.emit("RESHAPE", reads, layer.output, constants=1)
    moved = builder.emit("TRANSPOSE", (split,), layer.output, constants=1)
    return builder.emit("RESHAPE", (moved,), layer.output, constants=1)


def _concatenate(builder: "Builder", layer: Any, reads: Reads) -> int:
    return builder.emit("CONCATENATION", reads, layer.output)


RULES: dict[str, Rule] = {
    "conv": _convolve,
    "pointwise_conv": _convolve_pointwise,
    "depthwise_conv": _convolve_depthwise,
    "separable_conv": _convolve_separably,
    "conv_transpose": _convolve_transposed,
    "linear": _multiply_matrix,
    "maxpool": _pool("MAX_POOL_2D"),
    "avgpool": _pool("AVERAGE_POOL_2D"),
    "adaptive_avgpool": _pool_adaptively("AVERAGE_POOL_2D", "MEAN"),
    "adaptive_maxpool": _pool_adaptively("MAX_POOL_2D", "REDUCE_MAX"),
    "global_avgpool": _pool_globally("MEAN"),
    "global_maxpool": _pool_globally("REDUCE_MAX"),
    "mean": _reduce_named("MEAN"),
    "sum": _reduce_named("SUM"),
    "batchnorm": _normalise_batch,
    "layernorm": normalise_layer,
    "attention": attend,
    "lstm": read_sequence,
    "scale": _apply_constant("MUL"),
    "shift": _apply_constant("ADD"),
    "elu": _activate_elu,
    "prelu": _activate_leaky,
    "silu": _activate_silu,
    "hardsigmoid": _activate_hardsigmoid,
    "add": _combine("ADD"),
    "multiply": _combine("MUL"),
    "concat": _concatenate,
    "flatten": _reshape,
    "reshape": _reshape,
    "tokens": _reshape,
    "map": _reshape,
    "permute": _rearrange("TRANSPOSE"),
    "slice": _rearrange("STRIDED_SLICE", 3),
    "crop": _rearrange("STRIDED_SLICE", 3),
    "pad": _pad_borders,
    "upsample": _resize,
    "pixel_shuffle": _rearrange("DEPTH_TO_SPACE", 0),
    "pixel_unshuffle": _rearrange("SPACE_TO_DEPTH", 0),
    "channel_shuffle": _shuffle_channels,
}
