"""Writes each layer kind as ONNX nodes, by the rules in the table WRITERS: a `relu` becomes a `Relu` node.

A kind without a rule has no ONNX operator; a rule raises UnsupportedLayer for arguments that ONNX cannot express.
"""

from collections.abc import Callable, Sequence
from itertools import product, starmap
from math import comb, prod
from typing import Any

from convcalc.arithmetic import Pair, effective_kernel_size, window_count
from convcalc.convert.onnx_graph.composing import (
    ONE,
    RANDOM,
    ZERO,
    OnnxWriter,
    UnsupportedLayer,
    list_pads,
    scale_and_bias,
)
from convcalc.layers.base import Layer, name_sizes
from convcalc.shape import Shape

_WriteRule = Callable[[OnnxWriter, Any], None]


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


_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _write_padding_mode(writer: OnnxWriter, layer: Any) -> None:
    """Write a Pad before a convolution that does not pad with zeros, because Conv can pad only with zeros."""
    mode = getattr(layer, "padding_mode", "zeros")
    if mode != "zeros" and any(map(any, layer.padding)):
        axes = writer.integers(range(2, layer.input.axes + 2))
        writer.add("Pad", writer.integers(list_pads(layer.padding)), "", axes, last=False, mode=_PAD_MODES[mode])


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


def _recurrent_rule(operator: str, **attributes: Any) -> _WriteRule:
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


# -- pooling


def _pool_rule(operator: str, **attributes: Any) -> _WriteRule:
    def rule(writer: OnnxWriter, layer: Any) -> None:
        axes = layer.input.axes
        padding = getattr(layer, "padding", ((0, 0),) * axes)
        dilation = getattr(layer, "dilation", (1,) * axes)
        found: dict[str, Any] = {"kernel_shape": layer.kernel_size, "strides": layer.stride, **attributes}
        if operator != "LpPool":
            found["pads"] = list_pads(padding)
        if operator == "MaxPool":
            found["dilations"] = dilation
        writer.add(operator, ceil_mode=_choose_ceil_mode(layer, padding, dilation), **found)

    return rule


def _choose_ceil_mode(layer: Any, padding: Sequence[Pair], dilation: Sequence[int]) -> int:
    """Return ONNX's ceil_mode, 0 or 1, with which a pooling gets the layer's output size.

    Raises UnsupportedLayer if neither does: unlike convcalc, ONNX keeps a last window that starts beyond the input.
    """
    windows = list(zip(layer.input.spatial, layer.kernel_size, layer.stride, padding, dilation, strict=True))
    if layer.output.spatial == tuple(starmap(window_count, windows)):
        return 0
    rooms = [n + sum(p) - effective_kernel_size(k, d) for n, k, s, p, d in windows]
    if layer.output.spatial == tuple(-(-room // s) + 1 for room, s in zip(rooms, layer.stride, strict=True)):
        return 1
    raise UnsupportedLayer(f"{layer.kind} whose ceil_mode adds a window on one axis but not on another")


def _adaptive_pool_rule(operator: str, global_operator: str) -> _WriteRule:
    """Return a rule that writes global pooling if the output size is 1, and otherwise pooling with equal windows.

    The rule raises UnsupportedLayer if the windows cannot be equal.
    """

    def rule(writer: OnnxWriter, layer: Any) -> None:
        sizes = list(zip(layer.input.spatial, layer.output_size, strict=True))
        if layer.output.positions == 1:
            writer.add(global_operator)
        elif any(size % count for size, count in sizes):
            raise UnsupportedLayer(f"{layer.kind} whose output sizes do not divide its input {layer.input}")
        else:
            window = [size // count for size, count in sizes]
            writer.add(operator, kernel_shape=window, strides=window)

    return rule


def _global_pool_rule(operator: str, reduction: str) -> _WriteRule:
    def rule(writer: OnnxWriter, layer: Any) -> None:
        if layer.keepdims:
            writer.add(operator)
        else:
            writer.add(reduction, writer.integers(range(2, layer.input.axes + 2)), keepdims=0)

    return rule


def _write_blurpool(writer: OnnxWriter, layer: Any) -> None:
    """Write a reflecting Pad and a depthwise Conv. Its binomial weights are constants, not learnt."""
    channels = layer.input.channels
    amount = writer.integers(list_pads([(0, 0), (0, 0), *(((k - 1) // 2, k // 2) for k in layer.kernel_size)]))
    writer.add("Pad", amount, last=False, mode="reflect")
    taps = [1.0]
    for size in layer.kernel_size:
        row = [comb(size - 1, place) / 2 ** (size - 1) for place in range(size)]
        taps = [tap * value for tap in taps for value in row]
    weights = writer.constant(taps * channels, (channels, 1, *layer.kernel_size))
    writer.add("Conv", weights, group=channels, strides=layer.stride)


def _write_batchnorm(writer: OnnxWriter, layer: Any) -> None:
    if not layer.track_running_stats:
        raise UnsupportedLayer("batchnorm without running statistics")
    channels = layer.input.channels
    means = [("running_mean", ZERO), ("running_var", ONE)]
    statistics = [writer.weight(part, (channels,), value) for part, value in means]
    factor, shift = (
        writer.weight(part, (channels,), value)
        if layer.affine and learnt
        else writer.constant([value] * channels, (channels,))
        for part, value, learnt in (("weight", ONE, layer.scale), ("bias", ZERO, layer.center))
    )
    writer.add("BatchNormalization", factor, shift, *statistics)


def _write_layernorm(writer: OnnxWriter, layer: Any) -> None:
    """Write LayerNormalization, or MeanVarianceNormalization if the layer is not affine.

    LayerNormalization can only normalise over the last axes, so channels are moved there and back.
    """
    axes = layer.input.axes
    if not layer.affine:
        every = range(1, axes + 2) if layer.axes == "all" else [1]
        writer.add("MeanVarianceNormalization", axes=list(every))
    elif layer.axes == "all" or not axes:
        writer.add("LayerNormalization", *scale_and_bias(writer, layer, layer.input.sizes), axis=1)
    else:
        writer.add("Transpose", last=False, perm=[0, *range(2, axes + 2), 1])
        writer.add("LayerNormalization", *scale_and_bias(writer, layer, (layer.input.channels,)), last=False, axis=-1)
        writer.add("Transpose", perm=[0, axes + 1, *range(1, axes + 1)])


def _write_groupnorm(writer: OnnxWriter, layer: Any) -> None:
    """Write GroupNormalization; if the layer is not affine, a Reshape to groups and an instance norm."""
    channels, groups = layer.input.channels, layer.num_groups
    if layer.affine:
        writer.add("GroupNormalization", *scale_and_bias(writer, layer, (channels,)), num_groups=groups)
        return
    writer.add("Reshape", writer.integers([0, groups, -1]), last=False)
    writer.add("InstanceNormalization", *scale_and_bias(writer, layer, (groups,)), last=False)
    writer.add("Reshape", writer.integers([0, *layer.input.sizes]))


def _write_instancenorm(writer: OnnxWriter, layer: Any) -> None:
    """Write InstanceNormalization, or MeanVarianceNormalization if the layer is not affine."""
    if layer.affine:
        writer.add("InstanceNormalization", *scale_and_bias(writer, layer, (layer.input.channels,)))
    else:
        writer.add("MeanVarianceNormalization", axes=list(range(2, layer.input.axes + 2)))


def _write_global_response_norm(writer: OnnxWriter, layer: Any) -> None:
    """Write x + bias + weight × x × norm / mean of the norms, with the norm of each channel over its positions."""
    [source], axes = writer.reads, layer.input.axes
    sizes = (layer.input.channels, *(1,) * axes)
    writer.add("ReduceL2", writer.integers(range(2, axes + 2)), last=False)
    [norms] = writer.reads
    writer.add("ReduceMean", writer.integers([1]), last=False)
    writer.add("Add", writer.number(1e-6), last=False)
    writer.reads = [norms, *writer.reads]
    writer.add("Div", last=False)
    writer.add("Mul", source, last=False)
    writer.add("Mul", writer.weight("weight", sizes, ZERO), last=False)
    writer.add("Add", writer.weight("bias", sizes, ZERO), last=False)
    writer.add("Add", source)


def _softmax_rule(operator: str) -> _WriteRule:
    """Return a rule for softmax over the channels, or over all positions; positions are first flattened to one axis."""

    def rule(writer: OnnxWriter, layer: Any) -> None:
        if layer.axes == "channels":
            writer.add(operator, axis=1)
        elif layer.input.axes == 1:
            writer.add(operator, axis=2)
        else:
            writer.add("Reshape", writer.integers([0, 0, -1]), last=False)
            writer.add(operator, last=False, axis=2)
            writer.add("Reshape", writer.integers([0, *layer.input.sizes]))

    return rule


def _write_scale(writer: OnnxWriter, layer: Any) -> None:
    if layer.factor is not None:
        writer.add("Mul", writer.number(layer.factor))
        return
    writer.add("Mul", writer.weight("weight", (layer.input.channels, *(1,) * layer.input.axes), ONE))


def _write_shift(writer: OnnxWriter, layer: Any) -> None:
    if layer.amount is not None:
        writer.add("Add", writer.number(layer.amount))
        return
    writer.add("Add", writer.weight("bias", (layer.input.channels, *(1,) * layer.input.axes), ZERO))


def _write_prelu(writer: OnnxWriter, layer: Any) -> None:
    count = layer.num_parameters
    sizes = (count, *(1,) * layer.input.axes) if count > 1 else (1,)
    writer.add("PRelu", writer.weight("weight", sizes, 0.25))


# -- activations, merges and shapes


def _operator_rule(operator: str, **attributes: Any) -> _WriteRule:
    return lambda writer, layer: writer.add(operator, **attributes)


def _clip_rule(low: float, high: float) -> _WriteRule:
    return lambda writer, layer: writer.add("Clip", writer.number(low), writer.number(high))


def _write_silu(writer: OnnxWriter, layer: Layer) -> None:
    """Write Sigmoid and Mul: this operator set has no SiLU."""
    [source] = writer.reads
    writer.add("Sigmoid", last=False)
    writer.add("Mul", source)


def _merge_rule(two: str, many: str | None = None) -> _WriteRule:
    """Return a rule that merges two inputs by the operator `two` and more inputs by the operator `many`.

    Without `many`, more inputs are merged by a chain of operators `two`.
    """

    def rule(writer: OnnxWriter, layer: Any) -> None:
        reads = writer.reads
        if len(reads) == 2 or many:
            writer.add(two if len(reads) == 2 or many is None else many)
            return
        writer.reads = reads[:1]
        for place, other in enumerate(reads[1:], 2):
            writer.add(two, other, last=place == len(reads))

    return rule


def _write_upsample(writer: OnnxWriter, layer: Any) -> None:
    """Write Resize as PyTorch interpolates: with integer scales if possible, otherwise with the output size."""
    nearest = layer.mode == "nearest"
    spatial = list(zip(layer.input.spatial, layer.output.spatial, strict=True))
    axes = list(range(2, layer.input.axes + 2))
    how: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric" if nearest else "half_pixel", "axes": axes}
    if nearest:
        how["nearest_mode"] = "floor"
    how["mode"] = "nearest" if nearest else "cubic" if layer.mode == "bicubic" else "linear"
    if all(new % old == 0 for old, new in spatial):
        values = [float(new // old) for old, new in spatial]
        name = "factors_" + "_".join(str(new // old) for old, new in spatial)
        scales = writer.initializer(name, writer.onnx.TensorProto.FLOAT, [len(values)], values)
        writer.add("Resize", "", scales, **how)
    else:
        writer.add("Resize", "", "", writer.integers(new for _, new in spatial), **how)


def _write_pixel_shuffle(writer: OnnxWriter, layer: Any) -> None:
    """Write DepthToSpace with PyTorch's order of channels."""
    _check_two_axes(layer)
    writer.add("DepthToSpace", blocksize=layer.upscale_factor, mode="CRD")


def _write_pixel_unshuffle(writer: OnnxWriter, layer: Any) -> None:
    """Write SpaceToDepth, whose order of channels differs from PyTorch's."""
    _check_two_axes(layer)
    writer.add("SpaceToDepth", blocksize=layer.downscale_factor)


def _check_two_axes(layer: Layer) -> None:
    """Raise UnsupportedLayer unless the input has two spatial axes, the only number that ONNX supports here."""
    if layer.input.axes != 2:
        raise UnsupportedLayer(f"{layer.kind} on {layer.input}, which does not have two spatial axes")


def _write_channel_shuffle(writer: OnnxWriter, layer: Any) -> None:
    groups, spatial = layer.groups, layer.input.spatial
    writer.add("Reshape", writer.integers([0, groups, layer.input.channels // groups, *spatial]), last=False)
    writer.add("Transpose", last=False, perm=[0, 2, 1, *range(3, len(spatial) + 3)])
    writer.add("Reshape", writer.integers([0, *layer.input.sizes]))


def _write_pad(writer: OnnxWriter, layer: Any) -> None:
    amount = writer.integers(list_pads(layer.padding))
    mode: dict[str, Any] = {} if layer.mode == "zeros" else {"mode": _PAD_MODES[layer.mode]}
    writer.add("Pad", amount, "", writer.integers(range(2, layer.input.axes + 2)), **mode)


def _write_crop(writer: OnnxWriter, layer: Any) -> None:
    starts = [before for before, _ in layer.amount]
    ends = [size - after for size, (_, after) in zip(layer.input.spatial, layer.amount, strict=True)]
    axes = writer.integers(range(2, layer.input.axes + 2))
    writer.add("Slice", writer.integers(starts), writer.integers(ends), axes)


def _write_slice(writer: OnnxWriter, layer: Any) -> None:
    axis, (start, stop) = layer.find_range()
    steps = [writer.integers([layer.step])] if layer.step > 1 else []
    writer.add("Slice", writer.integers([start]), writer.integers([stop]), writer.integers([axis + 1]), *steps)


def _write_permute(writer: OnnxWriter, layer: Any) -> None:
    writer.add("Transpose", perm=[0, *(place + 1 for place in layer.list_places())])


def _reduction_rule(operator: str) -> _WriteRule:
    """Return a rule for a reduction. If it reduces the channels, their axis remains, with size 1."""

    def rule(writer: OnnxWriter, layer: Any) -> None:
        axes, kept = _list_reduced(layer), layer.keepdims or layer.axes == ("channels",)
        if kept or "channels" not in layer.axes:
            writer.add(operator, writer.integers(axes), keepdims=int(kept))
        else:
            writer.add(operator, writer.integers(axes), last=False, keepdims=1)
            writer.add("Squeeze", writer.integers(axis for axis in axes if axis > 1))

    return rule


def _list_reduced(layer: Any) -> list[int]:
    names = ["batch", *(name for name, _ in name_sizes(layer.input))]
    return sorted(names.index(name) for name in layer.axes)


def _write_std(writer: OnnxWriter, layer: Any) -> None:
    """Write the square root of the mean square of the deviations: ONNX has no operator for it."""
    axes, [source] = _list_reduced(layer), writer.reads
    writer.add("ReduceMean", writer.integers(axes), last=False, keepdims=1)
    writer.reads = [source, *writer.reads]
    writer.add("Sub", last=False)
    writer.add("ReduceSumSquare", writer.integers(axes), last=False, keepdims=1)
    writer.add("Div", writer.number(float(layer.count_reduced() - layer.correction)), last=False)
    dropped = [] if layer.keepdims else [axis for axis in axes if axis > 1]
    writer.add("Sqrt", last=not dropped)
    if dropped:
        writer.add("Squeeze", writer.integers(dropped))


def _write_glu(writer: OnnxWriter, layer: Any) -> None:
    """Write two slices, and the product of the first with the sigmoid of the second."""
    [source], half = writer.reads, layer.output.channels
    writer.add("Slice", writer.integers([0]), writer.integers([half]), writer.integers([1]), last=False)
    [first], writer.reads = writer.reads, [source]
    writer.add("Slice", writer.integers([half]), writer.integers([2 * half]), writer.integers([1]), last=False)
    writer.add("Sigmoid", last=False)
    writer.add("Mul", first)


def _write_unfold(writer: OnnxWriter, layer: Any) -> None:
    """Write a Pad, one Slice per position in the window, a Concat, and nodes that put its channels in order."""
    axes, channels = range(2, layer.input.axes + 2), layer.input.channels
    if any(map(any, layer.padding)):
        writer.add("Pad", writer.integers(list_pads(layer.padding)), "", writer.integers(axes), last=False)
    source, parts = writer.reads, []
    for taps in product(*map(range, layer.kernel_size)):
        writer.reads = source
        starts = [tap * dilation for tap, dilation in zip(taps, layer.dilation, strict=True)]
        spans = zip(starts, layer.output.spatial, layer.stride, strict=True)
        stops = [start + (count - 1) * stride + 1 for start, count, stride in spans]
        bounds = [writer.integers(values) for values in (starts, stops, axes, layer.stride)]
        writer.add("Slice", *bounds, last=False)
        parts += writer.reads
    writer.reads = parts
    writer.add("Concat", last=False, axis=1)
    writer.add("Reshape", writer.integers([0, len(parts), channels, *layer.output.spatial]), last=False)
    writer.add("Transpose", last=False, perm=[0, 2, 1, *range(3, layer.input.axes + 3)])
    writer.add("Reshape", writer.integers([0, *layer.output.sizes]))


def _write_fold(writer: OnnxWriter, layer: Any) -> None:
    sizes = [writer.integers(layer.output_size), writer.integers(layer.kernel_size)]
    window = {"strides": layer.stride, "pads": list_pads(layer.padding), "dilations": layer.dilation}
    writer.add("Reshape", writer.integers([0, layer.input.channels, -1]), last=False)
    writer.add("Col2Im", *sizes, **window)


def _write_reshape(writer: OnnxWriter, layer: Any) -> None:
    writer.add("Reshape", writer.integers([0, *layer.output.sizes]))


def _write_dropout(writer: OnnxWriter, layer: Any) -> None:
    writer.add("Dropout", writer.number(float(layer.p)))


def _write_drop_path(writer: OnnxWriter, layer: Any) -> None:
    """Write a Mul by one factor per sample. A Dropout of ones produces the factors."""
    if not layer.p:
        writer.add("Identity")
        return
    [source] = writer.reads
    writer.add("Shape", last=False, start=0, end=1)
    writer.add("Concat", writer.integers([1] * len(layer.input.sizes)), last=False, axis=0)
    writer.add("ConstantOfShape", last=False, value=writer.onnx.helper.make_tensor("value", 1, [1], [ONE]))
    writer.add("Dropout", writer.number(float(layer.p)), last=False)
    writer.add("Mul", source)


def _write_leaky_relu(writer: OnnxWriter, layer: Any) -> None:
    writer.add("LeakyRelu", alpha=float(layer.negative_slope))


def _write_response_norm(writer: OnnxWriter, layer: Any) -> None:
    writer.add("LRN", size=layer.size)


WRITERS: dict[str, _WriteRule] = {
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
    "maxpool": _pool_rule("MaxPool"),
    "avgpool": _pool_rule("AveragePool", count_include_pad=1),
    "lppool": _pool_rule("LpPool", p=2),
    "adaptive_avgpool": _adaptive_pool_rule("AveragePool", "GlobalAveragePool"),
    "adaptive_maxpool": _adaptive_pool_rule("MaxPool", "GlobalMaxPool"),
    "global_avgpool": _global_pool_rule("GlobalAveragePool", "ReduceMean"),
    "global_maxpool": _global_pool_rule("GlobalMaxPool", "ReduceMax"),
    "blurpool": _write_blurpool,
    "batchnorm": _write_batchnorm,
    "layernorm": _write_layernorm,
    "groupnorm": _write_groupnorm,
    "instancenorm": _write_instancenorm,
    "local_response_norm": _write_response_norm,
    "global_response_norm": _write_global_response_norm,
    "scale": _write_scale,
    "shift": _write_shift,
    "relu": _operator_rule("Relu"),
    "relu6": _clip_rule(0.0, 6.0),
    "hardtanh": _clip_rule(-1.0, 1.0),
    "leaky_relu": _write_leaky_relu,
    "prelu": _write_prelu,
    "elu": _operator_rule("Elu"),
    "selu": _operator_rule("Selu"),
    "celu": _operator_rule("Celu"),
    "gelu": _operator_rule("Gelu"),
    "silu": _write_silu,
    "mish": _operator_rule("Mish"),
    "sigmoid": _operator_rule("Sigmoid"),
    "tanh": _operator_rule("Tanh"),
    "softplus": _operator_rule("Softplus"),
    "softsign": _operator_rule("Softsign"),
    "hardswish": _operator_rule("HardSwish"),
    "hardsigmoid": _operator_rule("HardSigmoid", alpha=1 / 6, beta=0.5),
    "softmax": _softmax_rule("Softmax"),
    "log_softmax": _softmax_rule("LogSoftmax"),
    "dropout": _write_dropout,
    "drop_path": _write_drop_path,
    "identity": _operator_rule("Identity"),
    "upsample": _write_upsample,
    "pixel_shuffle": _write_pixel_shuffle,
    "pixel_unshuffle": _write_pixel_unshuffle,
    "channel_shuffle": _write_channel_shuffle,
    "pad": _write_pad,
    "crop": _write_crop,
    "flatten": _operator_rule("Flatten", axis=1),
    "reshape": _write_reshape,
    "slice": _write_slice,
    "tokens": _write_reshape,
    "map": _write_reshape,
    "deform_conv": _write_deform_conv,
    "permute": _write_permute,
    "unfold": _write_unfold,
    "fold": _write_fold,
    "mean": _reduction_rule("ReduceMean"),
    "sum": _reduction_rule("ReduceSum"),
    "std": _write_std,
    "glu": _write_glu,
    "add": _merge_rule("Add", "Sum"),
    "multiply": _merge_rule("Mul"),
    "concat": lambda writer, layer: writer.add("Concat", axis=layer.place + 1),
}
