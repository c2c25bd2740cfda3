"""Writes convolutions, linear layers, attention, recurrent layers and learnt tensors as ONNX nodes.

Each rule adds the nodes of one layer; `onnx_writers` joins the tables of rules.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

from convcalc.convert.onnx_graph.composing import (
    ONE,
    PAD_MODES,
    RANDOM,
    ZERO,
    OnnxWriter,
    WriteRule,
    list_pads,
)
from convcalc.shape import Shape

# -- convolutions and products


def _write_convolution(
    writer: OnnxWriter, layer: Any, out_channels: int, groups: int, kernel: Sequence[int], **window: Any
) -> None:
    sizes = (out_channels, layer.input.channels // groups, *kernel)
    _write_padding_mode(writer, layer)
    weights = [writer.weight("weight", sizes, RANDOM)]
    if getattr(layer, "weight_standardized", False):
        weights = [_write_standardized(writer, weights[0], len(sizes))]
    if layer.bias:
        weights.append(writer.weight("bias", (out_channels,), ZERO))
    writer.add("Conv", *weights, group=groups, kernel_shape=kernel, **window)


def _write_standardized(writer: OnnxWriter, weight: str, rank: int) -> str:
    """Write nodes that normalise the weights of each output channel, and return the name of the resulting tensor."""
    reads, writer.reads = writer.reads, [weight]
    writer.add("MeanVarianceNormalization", last=False, axes=list(range(1, rank)))
    [standardized], writer.reads = writer.reads, reads
    return standardized


def _write_padding_mode(writer: OnnxWriter, layer: Any) -> None:
    """Write a Pad before a convolution that does not pad with zeros, because Conv can pad only with zeros."""
    mode = getattr(layer, "padding_mode", "zeros")
    if mode != "zeros" and any(map(any, layer.padding)):
        axes = writer.integers(range(2, layer.input.axes + 2))
        writer.add("Pad", writer.integers(list_pads(layer.padding)), "", axes, last=False, mode=PAD_MODES[mode])


def _window_attributes(layer: Any) -> dict[str, Any]:
    zeros = layer.padding_mode == "zeros"
    pads = list_pads(layer.padding) if zeros else [0] * (2 * layer.input.axes)
    return {"strides": layer.stride, "pads": pads, "dilations": layer.dilation}


def _write_conv(writer: OnnxWriter, layer: Any) -> None:
    _write_convolution(writer, layer, layer.out_channels, layer.groups, layer.kernel_size, **_window_attributes(layer))


def _write_pointwise_conv(writer: OnnxWriter, layer: Any) -> None:
    _write_convolution(writer, layer, layer.out_channels, layer.groups, (1,) * layer.input.axes, strides=layer.stride)


def _write_depthwise_conv(writer: OnnxWriter, layer: Any) -> None:
    _write_convolution(
        writer, layer, layer.output.channels, layer.input.channels, layer.kernel_size, **_window_attributes(layer)
    )


def _write_separable_conv(writer: OnnxWriter, layer: Any) -> None:
    first, second = layer.depthwise, layer.pointwise
    _write_padding_mode(writer, first)
    sizes = (first.output.channels, 1, *first.kernel_size)
    weight = writer.weight("depthwise.weight", sizes, RANDOM)
    window = _window_attributes(first)
    writer.add("Conv", weight, last=False, group=layer.input.channels, kernel_shape=first.kernel_size, **window)
    weights = [
        writer.weight(
            "pointwise.weight", (layer.out_channels, first.output.channels, *(1,) * second.input.axes), RANDOM
        )
    ]
    if layer.bias:
        weights.append(writer.weight("pointwise.bias", (layer.out_channels,), ZERO))
    writer.add("Conv", *weights)


def _write_conv_transpose(writer: OnnxWriter, layer: Any) -> None:
    sizes = (layer.input.channels, layer.out_channels // layer.groups, *layer.kernel_size)
    weights = [writer.weight("weight", sizes, RANDOM)]
    if layer.bias:
        weights.append(writer.weight("bias", (layer.out_channels,), ZERO))
    extra = {"output_padding": layer.output_padding, "group": layer.groups}
    writer.add("ConvTranspose", *weights, kernel_shape=layer.kernel_size, **_window_attributes(layer), **extra)


def _write_deform_conv(writer: OnnxWriter, layer: Any) -> None:
    """Write the Conv of the offsets, and DeformConv; with a mask, also two slices and a Sigmoid."""
    [source] = writer.reads
    channels, size = layer.count_predicted(), (layer.input.channels, *layer.kernel_size)
    offsets = [
        writer.weight("offset.weight", (channels, *size), RANDOM),
        writer.weight("offset.bias", (channels,), ZERO),
    ]
    writer.add("Conv", *offsets, last=False, kernel_shape=layer.kernel_size, **_window_attributes(layer))
    [moved], first = writer.reads, channels * 2 // 3
    mask = []
    if layer.mask:
        writer.add("Slice", writer.integers([0]), writer.integers([first]), writer.integers([1]), last=False)
        [offset], writer.reads = writer.reads, [moved]
        writer.add("Slice", writer.integers([first]), writer.integers([channels]), writer.integers([1]), last=False)
        writer.add("Sigmoid", last=False)
        moved, mask = offset, writer.reads
    sizes = (layer.out_channels, layer.input.channels // layer.groups, *layer.kernel_size)
    bias = [writer.weight("bias", (layer.out_channels,), ZERO)] if layer.bias else [""] if mask else []
    weight, writer.reads = writer.weight("weight", sizes, RANDOM), [source]
    window = {**_window_attributes(layer), "kernel_shape": layer.kernel_size}
    groups = {"group": layer.groups, "offset_group": layer.offset_groups}
    writer.add("DeformConv", weight, moved, *bias, *mask, **groups, **window)


def _write_linear(writer: OnnxWriter, layer: Any) -> None:
    """Write Gemm for a vector, and for tokens a MatMul between two Transpose nodes."""
    if layer.input.axes:
        _write_tokens_linear(writer, layer)
        return
    weights = [writer.weight("weight", (layer.out_features, layer.input.channels), RANDOM)]
    if layer.bias:
        weights.append(writer.weight("bias", (layer.out_features,), ZERO))
    writer.add("Gemm", *weights, transB=1)


def _write_tokens_linear(writer: OnnxWriter, layer: Any) -> None:
    weight = writer.weight("weight", (layer.input.channels, layer.out_features), RANDOM)
    writer.add("Transpose", last=False, perm=[0, 2, 1])
    writer.add("MatMul", weight, last=False)
    if layer.bias:
        writer.add("Add", writer.weight("bias", (layer.out_features,), ZERO), last=False)
    writer.add("Transpose", perm=[0, 2, 1])


# -- attention and sequences


def _write_attention(writer: OnnxWriter, layer: Any) -> None:
    """Write the four linear layers, two MatMul and a Softmax. Each window or grid becomes one sample of the batch."""
    sources = list(writer.reads)
    region = layer.grid if layer.window is None else layer.window
    count, heads = layer.count_keys(), layer.heads
    tokens = [
        _write_tokens(writer, source, shape, region, layer) for source, shape in zip(sources, layer.inputs, strict=True)
    ]
    if layer.is_reduced:
        tokens.append(_write_reduced_tokens(writer, sources[0], layer))
    count_queries = count if region else layer.input.positions
    made = []
    for part, source, size, features, order in (
        ("query", tokens[0], count_queries, layer.d_k, [0, 2, 1, 3]),
        ("key", tokens[-1], count, layer.d_k, [0, 2, 3, 1]),
        ("value", tokens[-1], count, layer.d_v, [0, 2, 1, 3]),
    ):
        writer.reads = [source]
        channels = (layer.input if part == "query" else layer.source).channels
        _write_projection(writer, layer, part, channels, heads * features)
        writer.add("Reshape", writer.integers([-1, size, heads, features]), last=False)
        writer.add("Transpose", last=False, perm=order)
        made.append(writer.reads[0])
    queries, keys, values = made
    writer.reads = [queries]
    writer.add("MatMul", keys, last=False)
    writer.add("Mul", writer.number(layer.d_k**-0.5), last=False)
    if layer.relative_position_bias:
        scores = writer.reads[0]
        bias = _write_position_bias(writer, layer)
        writer.reads = [scores]
        writer.add("Add", bias, last=False)
    writer.add("Softmax", last=False, axis=-1)
    writer.add("MatMul", values, last=False)
    writer.add("Transpose", last=False, perm=[0, 2, 1, 3])
    writer.add("Reshape", writer.integers([-1, count_queries, heads * layer.d_v]), last=False)
    _write_projection(writer, layer, "output", heads * layer.d_v, layer.output.channels)
    _write_map_of_tokens(writer, layer, region)


def _write_reduced_tokens(writer: OnnxWriter, source: str, layer: Any) -> str:
    """Write the convolution and the layer norm of kv_stride, and return the name of the tokens."""
    channels, stride = layer.input.channels, list(layer.kv_stride)
    writer.reads = [source]
    weights = [writer.weight("reduce.weight", (channels, channels, *stride), RANDOM)]
    if layer.bias:
        weights.append(writer.weight("reduce.bias", (channels,), ZERO))
    writer.add("Conv", *weights, last=False, kernel_shape=stride, strides=stride)
    _write_tokens(writer, writer.reads[0], layer.source, None, layer)
    affine = writer.weight("norm.weight", (channels,), ONE), writer.weight("norm.bias", (channels,), ZERO)
    writer.add("LayerNormalization", *affine, last=False, axis=-1)
    return writer.reads[0]


def _write_position_bias(writer: OnnxWriter, layer: Any) -> str:
    """Write the bias of every pair of positions (heads, positions, positions), and return its name."""
    sizes = layer.bias_sizes()
    axes, count = range(1, 2 * len(sizes), 2), prod(sizes)
    writer.reads = [writer.weight("position_bias", (layer.heads, *(2 * size - 1 for size in sizes)), ZERO)]
    for axis, size in zip(axes, sizes, strict=True):
        distances = [place - other + size - 1 for place in range(size) for other in range(size)]
        kind = writer.onnx.TensorProto.INT64
        writer.add(
            "Gather", writer.initializer(f"distances_{size}", kind, [size, size], distances), last=False, axis=axis
        )
    writer.add("Transpose", last=False, perm=[0, *axes, *(axis + 1 for axis in axes)])
    writer.add("Reshape", writer.integers([layer.heads, count, count]), last=False)
    return writer.reads[0]


def _write_projection(writer: OnnxWriter, layer: Any, part: str, features: int, out_features: int) -> None:
    writer.add("MatMul", writer.weight(f"{part}.weight", (features, out_features), RANDOM), last=False)
    if layer.bias:
        writer.add("Add", writer.weight(f"{part}.bias", (out_features,), ZERO), last=False)


def _write_tokens(writer: OnnxWriter, source: str, shape: Shape, region: Sequence[int] | None, layer: Any) -> str:
    """Write nodes that turn an input into tokens (batch, positions, channels), and return the name of the result.

    If there are windows or grids, of size `region`, each becomes one sample of the batch.
    """
    writer.reads = [source]
    if region is None:
        writer.add("Reshape", writer.integers([0, shape.channels, shape.positions]), last=False)
        writer.add("Transpose", last=False, perm=[0, 2, 1])
    else:
        sizes, order = _split_regions(layer, region)
        writer.add("Reshape", writer.integers([0, shape.channels, *sizes]), last=False)
        writer.add("Transpose", last=False, perm=order)
        writer.add("Reshape", writer.integers([-1, prod(region), shape.channels]), last=False)
    return writer.reads[0]


def _split_regions(layer: Any, region: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the sizes of the spatial axes, each split in two for windows or grids, and a permutation of all axes.

    The permutation puts the batch first, then the number of the window or grid, then the position in it, then the
    channels.
    """
    pairs = [(part, size // part) for part, size in zip(region, layer.input.spatial, strict=True)]
    if layer.grid is None:
        pairs = [(count, part) for part, count in pairs]
    axes = len(pairs)
    first, second = list(range(2, 2 + 2 * axes, 2)), list(range(3, 3 + 2 * axes, 2))
    order = [0, *first, *second, 1] if layer.grid is None else [0, *second, *first, 1]
    return [size for pair in pairs for size in pair], order


def _write_map_of_tokens(writer: OnnxWriter, layer: Any, region: Sequence[int] | None) -> None:
    if region is not None:
        sizes, order = _split_regions(layer, region)
        split = [sizes[axis - 2] for axis in order[1:-1]]
        writer.add("Reshape", writer.integers([-1, *split, layer.output.channels]), last=False)
        writer.add("Transpose", last=False, perm=[order.index(axis) for axis in range(len(order))])
    else:
        writer.add("Transpose", last=False, perm=[0, 2, 1])
    writer.add("Reshape", writer.integers([0, *layer.output.sizes]))


def _write_matmul(writer: OnnxWriter, layer: Any) -> None:
    made = []
    for source, transposed in zip(writer.reads, (layer.transpose_first, layer.transpose_second), strict=True):
        writer.reads = [source]
        if transposed:
            writer.add("Transpose", last=False, perm=[0, 2, 1])
        made += writer.reads
    writer.reads = made
    writer.add("MatMul")


def _write_embedding(writer: OnnxWriter, layer: Any) -> None:
    weight = writer.weight("weight", (layer.num_embeddings, layer.embedding_dim), RANDOM)
    axes = layer.input.axes
    writer.add("Cast", last=False, to=writer.onnx.TensorProto.INT64)
    writer.add("Squeeze", writer.integers([1]), last=False)
    writer.reads = [weight, *writer.reads]
    writer.add("Gather", last=False, axis=0)
    writer.add("Transpose", perm=[0, axes + 1, *range(1, axes + 1)])


def _recurrent_rule(operator: str, **attributes: Any) -> WriteRule:
    """Return a rule that writes one LSTM or GRU node per layer, with the sequence on the first axis."""

    def rule(writer: OnnxWriter, layer: Any) -> None:
        directions, rows = 2 if layer.bidirectional else 1, layer.gates * layer.hidden_size
        direction = "bidirectional" if layer.bidirectional else "forward"
        features = layer.input.channels
        writer.add("Transpose", last=False, perm=[2, 0, 1])
        for number in range(layer.num_layers):
            weights = [
                writer.weight(f"{part}{number}", (directions, rows, size), RANDOM)
                for part, size in (("weight_ih_l", features), ("weight_hh_l", layer.hidden_size))
            ]
            if layer.bias:
                weights.append(writer.weight(f"bias_l{number}", (directions, 2 * rows), ZERO))
            names = {"hidden_size": layer.hidden_size, "direction": direction, **attributes}
            writer.add(operator, *weights, last=False, **names)
            features = directions * layer.hidden_size
            if number + 1 < layer.num_layers:
                writer.add("Transpose", last=False, perm=[0, 2, 1, 3])
                writer.add("Reshape", writer.integers([0, 0, features]), last=False)
        writer.add("Transpose", last=False, perm=[2, 1, 3, 0])
        writer.add("Reshape", writer.integers([0, *layer.output.sizes]))

    return rule


def _write_parameter(writer: OnnxWriter, layer: Any) -> None:
    """Write an Identity of the learnt tensor, which has a batch of 1."""
    writer.reads = [writer.weight("weight", (1, *layer.shape), ZERO)]
    writer.add("Identity")


PRODUCTS: dict[str, WriteRule] = {
    "conv": _write_conv,
    "pointwise_conv": _write_pointwise_conv,
    "depthwise_conv": _write_depthwise_conv,
    "separable_conv": _write_separable_conv,
    "conv_transpose": _write_conv_transpose,
    "linear": _write_linear,
    "attention": _write_attention,
    "matmul": _write_matmul,
    "embedding": _write_embedding,
    "lstm": _recurrent_rule("LSTM"),
    "gru": _recurrent_rule("GRU", linear_before_reset=1),
    "parameter": _write_parameter,
    "deform_conv": _write_deform_conv,
}
