"""Converts operators that slide a window or multiply by a matrix: convolutions, pooling, matrix products.

Each `convert_…` function is a rule: it adds the layers of an operation to the builder, or raises UnsupportedOperation.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.arithmetic import Pair, effective_kernel_size, same_padding
from convcalc.convert.builder import Builder
from convcalc.convert.graph import NotImported, drop_defaults
from convcalc.convert.layer_data import Data, view_data
from convcalc.convert.operators import Operation, Sizes, UnsupportedOperation, describe_operation
from convcalc.convert.views import view_whole
from convcalc.layers.base import name_sizes

PADDING_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}  # by the mode of ONNX's Pad


def collapse_axes(values: Sequence[Any]) -> Any:
    """Return a single value if all axes have the same value, else a list with one value per axis."""
    return values[0] if len(set(values)) == 1 else list(values)


def spec_padding(pairs: Sequence[Pair]) -> Any:
    """Return (before, after) pairs, one per axis, in the shortest form that a spec accepts.

    If both sides are equal on every axis, this is one number per axis, or a single number if all axes are equal too.
    Otherwise it is the list of pairs.
    """
    if all(before == after for before, after in pairs):
        return collapse_axes([before for before, _ in pairs])
    return [list(pair) for pair in pairs]


def _read_per_axis(operation: Operation, name: str, axes: int) -> Sizes:
    """Return an attribute with one positive integer per spatial axis; ones if it is absent."""
    found = operation.attributes.get(name) or (1,) * axes
    if len(found) != axes or min(found) < 1:
        raise UnsupportedOperation(f"{name} is {list(found)}; expected one positive integer per spatial axis ({axes})")
    return tuple(found)


def _read_pads(operation: Operation, axes: int) -> list[Pair]:
    """Return the attribute `pads` as one (before, after) pair per spatial axis; zeros if it is absent."""
    pads = operation.attributes.get("pads") or (0,) * (2 * axes)
    if len(pads) != 2 * axes or min(pads) < 0:
        raise UnsupportedOperation(
            f"pads is {list(pads)}; expected two non-negative integers per spatial axis ({axes})"
        )
    return [(pads[axis], pads[axis + axes]) for axis in range(axes)]


def _read_padding(operation: Operation, spatial: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """Return the padding of a sliding window as a spec writes it.

    `SAME_UPPER` is `same` in a spec. `SAME_LOWER` becomes numbers: if the total is odd, the larger half is before.
    """
    automatic = operation.attributes.get("auto_pad") or "NOTSET"
    if automatic == "SAME_UPPER":
        return "same"
    if automatic == "SAME_LOWER":
        pairs = [same_padding(*axis) for axis in zip(spatial, kernel, stride, dilation, strict=True)]
        return spec_padding([(after, before) for before, after in pairs])
    if automatic == "VALID":
        return 0
    pairs = _read_pads(operation, len(spatial))
    over_half = any(max(pair) > size // 2 for pair, size in zip(pairs, kernel, strict=True))
    if over_half and pairs == [same_padding(*axis) for axis in zip(spatial, kernel, stride, dilation, strict=True)]:
        return "same"
    return spec_padding(pairs)


def _has_bias(builder: Builder, operation: Operation, channels: int) -> bool:
    """Whether an operation has a bias. Raises UnsupportedOperation unless it is one value per output channel."""
    if len(operation.inputs) < 3 or not operation.inputs[2]:
        return False
    value = builder.program.find_constant(operation, 2, "biases")
    if max(value.dims, default=1) != channels:
        raise UnsupportedOperation(
            f"its bias has shape {list(value.dims)}; expected one value per output channel ({channels})"
        )
    return True


def _check_weights_fit(operation: Operation, data: Data, channels: int, kernel: Sequence[int]) -> None:
    if channels != data.shape.channels or len(kernel) != data.shape.axes or not kernel:
        weights = f"weights for {channels} channels and {len(kernel)} axes"
        raise NotImported(f"{describe_operation(operation)} has {weights}, but its input is {data.shape}")


def convert_conv(builder: Builder, operation: Operation) -> None:
    """Convert Conv to a conv, or to a depthwise_conv if it has one group per input channel and several channels."""
    data = builder.read(operation.inputs[0])
    out_channels, per_group, *kernel = builder.program.find_constant(operation, 1, "weights").dims
    axes, groups = data.shape.axes, operation.attributes.get("group", 1)
    _check_weights_fit(operation, data, per_group * groups, kernel)
    stride, dilation = _read_per_axis(operation, "strides", axes), _read_per_axis(operation, "dilations", axes)
    window = drop_defaults(
        kernel_size=collapse_axes(kernel),
        stride=collapse_axes(stride),
        padding=_read_padding(operation, data.shape.spatial, tuple(kernel), stride, dilation),
        dilation=collapse_axes(dilation),
    )
    if operation.attributes.get("padding_mode"):  # from a Pad that `fusions` merged into the Conv
        window["padding_mode"] = operation.attributes["padding_mode"]
    bias = drop_defaults(bias=_has_bias(builder, operation, out_channels))
    roots = builder.program.find_roots(operation, 1, 2)
    if 1 < groups == data.shape.channels:
        multiplier = {} if out_channels == groups else {"multiplier": out_channels // groups}
        builder.add(operation, "depthwise_conv", {**window, **multiplier, **bias}, [data], roots)
    else:
        arguments = {"out_channels": out_channels, **window, **drop_defaults(groups=groups), **bias}
        builder.add(operation, "conv", arguments, [data], roots)


def convert_conv_transpose(builder: Builder, operation: Operation) -> None:
    """Convert ConvTranspose to a conv_transpose.

    If the file has an output size instead of the padding, the padding is computed from it.
    """
    data = builder.read(operation.inputs[0])
    channels, per_group, *kernel = builder.program.find_constant(operation, 1, "weights").dims
    axes, groups = data.shape.axes, operation.attributes.get("group", 1)
    _check_weights_fit(operation, data, channels, kernel)
    stride, dilation = _read_per_axis(operation, "strides", axes), _read_per_axis(operation, "dilations", axes)
    extra = tuple(operation.attributes.get("output_padding") or (0,) * axes)
    pairs = [
        cut
        for *axis, whole in zip(data.shape.spatial, kernel, stride, dilation, extra, range(axes), strict=True)
        for cut in [_transposed_padding(operation, whole, axes, *axis)]
    ]
    arguments = drop_defaults(
        out_channels=per_group * groups,
        kernel_size=collapse_axes(kernel),
        stride=collapse_axes(stride),
        padding=spec_padding([pair for pair, _ in pairs]),
        output_padding=collapse_axes([added for _, added in pairs]),
        dilation=collapse_axes(dilation),
        groups=groups,
        bias=_has_bias(builder, operation, per_group * groups),
    )
    builder.add(operation, "conv_transpose", arguments, [data], builder.program.find_roots(operation, 1, 2))


def _transposed_padding(
    operation: Operation, axis: int, axes: int, size: int, kernel: int, stride: int, dilation: int, extra: int
) -> tuple[Pair, int]:
    """Return the (before, after) padding and the output padding of one spatial axis of ConvTranspose.

    `axis` is the number of the axis among `axes` spatial axes; `size` is its input size and `extra` the output padding
    in the file. Source: onnx.ai/onnx/operators.
    """
    automatic = operation.attributes.get("auto_pad") or "NOTSET"
    wanted = operation.attributes.get("output_shape")
    if not wanted and automatic in ("NOTSET", "VALID"):
        return (_read_pads(operation, axes)[axis] if automatic == "NOTSET" else (0, 0)), extra
    due = wanted[axis - axes] if wanted else size * stride
    total = stride * (size - 1) + extra + effective_kernel_size(kernel, dilation) - due
    if total < 0:
        return (0, 0), extra - total if wanted else extra
    half = total // 2
    return ((half, total - half) if automatic == "SAME_UPPER" else (total - half, half)), extra


def convert_pool(builder: Builder, operation: Operation) -> None:
    """Convert MaxPool to maxpool, AveragePool to avgpool, and LpPool to lppool."""
    kind = {"MaxPool": "maxpool", "AveragePool": "avgpool", "LpPool": "lppool"}[operation.operator]
    data = builder.read(operation.inputs[0])
    axes = data.shape.axes
    kernel, stride = _read_per_axis(operation, "kernel_shape", axes), _read_per_axis(operation, "strides", axes)
    dilation = _read_per_axis(operation, "dilations", axes)
    arguments: dict[str, Any] = {"kernel_size": collapse_axes(kernel)}
    if stride != kernel:
        arguments["stride"] = collapse_axes(stride)
    arguments |= drop_defaults(
        padding=_read_padding(operation, data.shape.spatial, kernel, stride, dilation), dilation=collapse_axes(dilation)
    )
    if operation.attributes.get("ceil_mode"):
        arguments["ceil_mode"] = True
    if kind == "lppool" and operation.attributes.get("p", 2) != 2:
        raise UnsupportedOperation("only LpPool with p = 2 is supported")
    for name in ("dilation", "padding"):
        if name in arguments and (name, kind) in (
            ("dilation", "avgpool"),
            ("dilation", "lppool"),
            ("padding", "lppool"),
        ):
            raise UnsupportedOperation(f"{kind} does not support {name}")
    builder.add(operation, kind, arguments, [data])


def convert_max_unpool(builder: Builder, operation: Operation) -> None:
    """Convert MaxUnpool to max_unpool."""
    data = builder.read(operation.inputs[0])
    axes = data.shape.axes
    kernel, stride = _read_per_axis(operation, "kernel_shape", axes), _read_per_axis(operation, "strides", axes)
    arguments = {
        "kernel_size": collapse_axes(kernel),
        **({} if stride == kernel else {"stride": collapse_axes(stride)}),
    }
    arguments |= drop_defaults(padding=spec_padding(_read_pads(operation, axes)))
    builder.add(operation, "max_unpool", arguments, [data])


def convert_global_pool(builder: Builder, operation: Operation) -> None:
    """Convert GlobalAveragePool to global_avgpool, and GlobalMaxPool to global_maxpool."""
    data = builder.read_any_order(operation.inputs[0])
    if data.order[1:2] != (1,):
        data = builder.read(operation.inputs[0])
    kind = "global_avgpool" if operation.operator == "GlobalAveragePool" else "global_maxpool"
    builder.add(operation, kind, {}, [data])


def convert_adaptive_pool(builder: Builder, operation: Operation) -> None:
    """Convert AdaptiveAveragePool or AdaptiveMaxPool, PyTorch's operators, with the output size in the file."""
    data = builder.read(operation.inputs[0])
    size = collapse_axes(builder.value(operation.outputs[0]).dims[2:])
    kind = "adaptive_avgpool" if operation.operator == "AdaptiveAveragePool" else "adaptive_maxpool"
    builder.add(operation, kind, {"output_size": size}, [data])


def convert_reduction(builder: Builder, operation: Operation) -> None:
    """Convert a reduction over all spatial axes to a global pooling, and other means and sums to `mean` and `sum`."""
    data = builder.read_any_order(operation.inputs[0])
    axes = builder.program.read_integers(operation, 1, "axes")
    rank = len(data.order)
    reduced = {data.order[axis % rank] for axis in axes or range(rank)}
    keeps = bool(operation.attributes.get("keepdims", 1))
    pooled = {"ReduceMean": "global_avgpool", "ReduceMax": "global_maxpool"}
    if reduced == set(range(2, rank)) and data.shape.axes and operation.operator in pooled:
        pooling = {} if keeps else {"keepdims": False}
        order = data.order if keeps else (0, 1)
        builder.add(operation, pooled[operation.operator], pooling, [data], order=order)
        return
    kind = {"ReduceMean": "mean", "ReduceSum": "sum", "aten.std": "std"}.get(operation.operator)
    if 0 in reduced or kind is None:
        raise UnsupportedOperation(f"it reduces the axes {axes}; only a reduction over all spatial axes is supported")
    arguments: dict[str, Any] = {
        "axes": [name for place, (name, _) in enumerate(name_sizes(data.shape), 1) if place in reduced]
    }
    if kind == "std" and operation.attributes.get("correction", 1) != 1:
        arguments["correction"] = operation.attributes["correction"]
    if keeps:
        builder.add(operation, kind, arguments, [data], order=data.order)
        return
    if max(reduced) > 1:
        arguments["keepdims"] = False
    left = [place for place in range(2, rank) if place not in reduced]
    places = {0: 0, 1: 1, **{place: number for number, place in enumerate(left, 2)}}
    made = builder.make(operation, kind, arguments, [data])
    whole = view_whole((builder.batch, *made.shape.sizes))
    view = tuple(whole[places[place]] for place in data.order if place not in reduced)
    builder.alias(operation, view_data(made.step, made.shape, view, builder.batch))


def convert_gemm(builder: Builder, operation: Operation) -> None:
    """Convert Gemm, whose second input must be a weight matrix, to a linear layer."""
    data = builder.read_view(operation.inputs[0])
    vector = data.plain or (data.shape.axes > 0 and data.shape.positions == 1)
    data = builder.read(operation.inputs[0]) if vector else builder.read_channels_last(operation.inputs[0])
    sizes = builder.program.find_constant(operation, 1, "weights").dims
    if operation.attributes.get("transA") or len(sizes) != 2:
        raise UnsupportedOperation("it is not a product of data and a weight matrix")
    features = sizes[0] if operation.attributes.get("transB") else sizes[1]
    _add_linear(builder, operation, data, features)


def convert_matmul(builder: Builder, operation: Operation) -> None:
    """Convert MatMul with a weight matrix to a linear layer, or to a pointwise_conv if the data has several axes.

    The product of two sequences becomes a `matmul`.
    """
    if builder.value(operation.inputs[0]).constant:
        raise UnsupportedOperation("it is not a product of data and a weight matrix")
    if not builder.value(operation.inputs[1]).constant:
        _convert_product(builder, operation)
        return
    sizes = builder.program.find_constant(operation, 1, "weights").dims
    if len(sizes) != 2:
        raise UnsupportedOperation("it does not multiply the channels by a weight matrix")
    _add_linear(builder, operation, builder.read_channels_last(operation.inputs[0]), sizes[1])


def _add_linear(builder: Builder, operation: Operation, data: Data, features: int) -> None:
    """Add a linear layer for every vector of channels, which is a pointwise_conv if there are several spatial axes."""
    bias = drop_defaults(bias=_has_bias(builder, operation, features))
    roots = builder.program.find_roots(operation, 1, 2)
    if data.shape.axes > 1:
        builder.add(operation, "pointwise_conv", {"out_channels": features, **bias}, [data], roots, like=data)
    else:
        builder.add(operation, "linear", {"out_features": features, **bias}, [data], roots, like=data)


def _convert_product(builder: Builder, operation: Operation) -> None:
    """Convert the product of two matrices that are sequences C×N, or N×C, to a `matmul`."""
    data = [builder.read_any_order(name) for name in operation.inputs]
    if len(data) != 2 or any(other.shape.axes != 1 for other in data):
        raise UnsupportedOperation("it multiplies tensors that are not sequences")
    flags = {"transpose_first": data[0].order == (0, 2, 1), "transpose_second": data[1].order == (0, 2, 1)}
    builder.add(operation, "matmul", {name: True for name, given in flags.items() if given}, data)
