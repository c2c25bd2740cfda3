"""Writes activations, merges, and layers that resize, reduce or reorder their input, as ONNX nodes.

Each rule adds the nodes of one layer; `onnx_writers` joins the tables of rules.
"""

from itertools import product
from typing import Any

from convcalc.convert.onnx_graph.composing import (
    ONE,
    PAD_MODES,
    OnnxWriter,
    UnsupportedLayer,
    WriteRule,
    list_pads,
)
from convcalc.layers.base import Layer, name_sizes


def _operator_rule(operator: str, **attributes: Any) -> WriteRule:
    return lambda writer, layer: writer.add(operator, **attributes)


def _clip_rule(low: float, high: float) -> WriteRule:
    return lambda writer, layer: writer.add("Clip", writer.number(low), writer.number(high))


def _write_silu(writer: OnnxWriter, layer: Layer) -> None:
    """Write Sigmoid and Mul: this operator set has no SiLU."""
    [source] = writer.reads
    writer.add("Sigmoid", last=False)
    writer.add("Mul", source)


def _merge_rule(two: str, many: str | None = None) -> WriteRule:
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
    mode: dict[str, Any] = {} if layer.mode == "zeros" else {"mode": PAD_MODES[layer.mode]}
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


def _reduction_rule(operator: str) -> WriteRule:
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


SHAPES: dict[str, WriteRule] = {
    "relu": _operator_rule("Relu"),
    "relu6": _clip_rule(0.0, 6.0),
    "hardtanh": _clip_rule(-1.0, 1.0),
    "leaky_relu": _write_leaky_relu,
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
