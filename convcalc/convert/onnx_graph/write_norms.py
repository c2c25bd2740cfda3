"""Writes pooling, normalisation, softmax and learnt factors as ONNX nodes.

Each rule adds the nodes of one layer; `onnx_writers` joins the tables of rules.
"""

from collections.abc import Sequence
from itertools import starmap
from math import comb
from typing import Any

from convcalc.arithmetic import Pair, effective_kernel_size, window_count
from convcalc.convert.onnx_graph.composing import (
    ONE,
    ZERO,
    OnnxWriter,
    UnsupportedLayer,
    WriteRule,
    list_pads,
    scale_and_bias,
)

# -- pooling


def _pool_rule(operator: str, **attributes: Any) -> WriteRule:
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


def _adaptive_pool_rule(operator: str, global_operator: str) -> WriteRule:
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


def _global_pool_rule(operator: str, reduction: str) -> WriteRule:
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


def _softmax_rule(operator: str) -> WriteRule:
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


def _write_response_norm(writer: OnnxWriter, layer: Any) -> None:
    writer.add("LRN", size=layer.size)


POOLS_AND_NORMS: dict[str, WriteRule] = {
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
    "prelu": _write_prelu,
    "softmax": _softmax_rule("Softmax"),
    "log_softmax": _softmax_rule("LogSoftmax"),
}
