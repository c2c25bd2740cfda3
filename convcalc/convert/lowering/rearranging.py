"""Converts operators that rearrange values or change shapes: slices, padding, resizing, reshaping, transposing.

Each `convert_…` function is a rule: it adds the layers of an operation to the builder, or raises UnsupportedOperation.
"""

from math import prod
from typing import Any

from convcalc.convert.builder import Builder
from convcalc.convert.layer_data import Data, channels_last, view_data
from convcalc.convert.lowering.elementwise import align_inputs, find_channel_axis
from convcalc.convert.lowering.sequences import convert_embedding
from convcalc.convert.lowering.windows import PADDING_MODES, collapse_axes, spec_padding
from convcalc.convert.operators import Operation, Sizes, UnsupportedOperation, read_scalar
from convcalc.convert.views import reshape_view
from convcalc.shape import AXIS_NAMES, MOST_AXES

_MODES = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}


def convert_concat(builder: Builder, operation: Operation) -> None:
    """Convert Concat along the channels or a spatial axis. A learnt tensor, such as a class token, is a parameter."""
    names = [name for name in operation.inputs if not builder.value(name).constant]
    data = align_inputs(builder, names)
    axis = operation.attributes.get("axis", 1) % len(builder.value(names[0]).dims)
    if len(operation.inputs) == 1:
        builder.alias(operation, data[0])
        return
    if find_channel_axis(data[0]) == axis and len(names) == len(operation.inputs):
        builder.add(operation, "concat", {}, data, like=data[0])
        return
    like = builder.read_any_order(names[0])
    found = iter(data)
    data = [
        builder.make_parameter(operation, name, like.order) if builder.value(name).constant else next(found)
        for name in operation.inputs
    ]
    place = like.order[axis]
    if place == 0:
        raise UnsupportedOperation("it concatenates along the batch")
    arguments = {} if place == 1 else {"axis": AXIS_NAMES[like.shape.axes][place - 2]}
    builder.add(operation, "concat", arguments, data, like=like)


def _add_slice_or_crop(builder: Builder, operation: Operation, data: Data, starts: dict[int, int], output: int) -> None:
    """Add a slice of channels, a crop, or both, so that the result has the size of the operation's output.

    `starts` maps an axis to the first position that is kept, 0 by default.
    """
    sizes = (builder.batch, *data.shape.sizes)
    output_sizes = dict(zip(data.order, builder.value(operation.outputs[output]).dims, strict=True))
    stops = {axis: starts.get(axis, 0) + output_sizes[axis] for axis in data.order}
    if output_sizes[0] != sizes[0]:
        raise UnsupportedOperation("it takes a part of the batch")
    amount = [(starts.get(axis, 0), sizes[axis] - stops[axis]) for axis in range(2, len(sizes))]
    sliced = (starts.get(1, 0), stops[1]) != (0, sizes[1])
    cropped = any(side for pair in amount for side in pair)
    if sliced:
        arguments = {"channels": [starts.get(1, 0), stops[1]]}
        if not cropped:
            builder.add(operation, "slice", arguments, [data], order=data.order, output=output)
            return
        data = builder.make(operation, "slice", arguments, [data])._replace(order=data.order)
    if cropped:
        crop = {"amount": spec_padding(amount)}
        builder.add(operation, "crop", crop, [data], order=data.order, output=output)
    elif not sliced:
        builder.set_data(operation.outputs[output], data)


def convert_slice(builder: Builder, operation: Operation) -> None:
    """Convert Slice with positive steps."""
    data = builder.read_any_order(operation.inputs[0])
    starts = builder.program.read_integers(operation, 1, "starts") or []
    axes = builder.program.read_integers(operation, 3, "axes")
    steps = builder.program.read_integers(operation, 4, "steps")
    if steps is not None and min(steps, default=1) < 1:
        raise UnsupportedOperation(f"its steps are {steps}; only positive steps are supported")
    rank = len(data.order)
    places = [axis % rank for axis in (range(len(starts)) if axes is None else axes)]
    sizes = builder.value(operation.inputs[0]).dims
    first = {data.order[axis]: _clamp_start(start, sizes[axis]) for axis, start in zip(places, starts, strict=True)}
    if steps is None or set(steps) == {1}:
        _add_slice_or_crop(builder, operation, data, first, 0)
    else:
        strides = {data.order[axis]: step for axis, step in zip(places, steps, strict=True)}
        _take_strided_part(builder, operation, data, first, strides)


def _take_strided_part(
    builder: Builder, operation: Operation, data: Data, starts: dict[int, int], strides: dict[int, int]
) -> None:
    """Add one slice per shortened axis. `starts` and `strides` map an axis to its start and step (default: 0, 1)."""
    sizes = (builder.batch, *data.shape.sizes)
    counts = dict(zip(data.order, builder.value(operation.outputs[0]).dims, strict=True))
    names = ("batch", "channels", *AXIS_NAMES[data.shape.axes])
    cut = [axis for axis in range(len(sizes)) if counts[axis] != sizes[axis]]
    if 0 in cut:
        raise UnsupportedOperation("it takes a part of the batch")
    for axis in cut:
        start, step = starts.get(axis, 0), strides.get(axis, 1)
        stop = min(start + counts[axis] * step, sizes[axis])
        arguments = {names[axis]: [start, stop], **({} if step == 1 else {"step": step})}
        if axis == cut[-1]:
            builder.add(operation, "slice", arguments, [data], order=data.order)
        else:
            data = builder.make(operation, "slice", arguments, [data])._replace(order=data.order)
    if not cut:
        builder.alias(operation, data)


def _clamp_start(start: int, size: int) -> int:
    """Return a start of a slice as a position from 0 to `size`. A negative start counts from the end."""
    return min(max(start + size if start < 0 else start, 0), size)


def convert_split(builder: Builder, operation: Operation) -> None:
    """Convert Split to one slice or crop per output."""
    data = builder.read_any_order(operation.inputs[0])
    axis = operation.attributes.get("axis", 0) % len(data.order)
    start = 0
    for place, name in enumerate(operation.outputs):
        if name:
            _add_slice_or_crop(builder, operation, data, {data.order[axis]: start}, place)
            start += builder.value(name).dims[axis]


def convert_pad(builder: Builder, operation: Operation) -> None:
    """Convert Pad on the spatial axes to a pad, or to a crop if the amounts are negative."""
    data = builder.read_any_order(operation.inputs[0])
    mode = operation.attributes.get("mode") or "constant"
    pads = builder.program.read_integers(operation, 1, "pads")
    axes = builder.program.read_integers(operation, 3, "axes") or list(range(len(data.order)))
    if pads is None or len(pads) != 2 * len(axes) or (mode != "constant" and mode not in PADDING_MODES):
        raise UnsupportedOperation(f"it pads with mode {mode}; only known amounts in a known mode are supported")
    sides = {data.order[axis % len(data.order)]: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    pairs = [sides.get(axis, (0, 0)) for axis in range(2, len(data.order))]
    if any(any(sides.get(axis, (0, 0))) for axis in (0, 1)):
        raise UnsupportedOperation("it pads the batch or the channels")
    if not any(any(pair) for pair in pairs):
        builder.alias(operation, data)
    elif all(side >= 0 for pair in pairs for side in pair):
        arguments = {"padding": spec_padding(pairs), **({} if mode == "constant" else {"mode": PADDING_MODES[mode]})}
        builder.add(operation, "pad", arguments, [data], order=data.order)
    elif all(side <= 0 for pair in pairs for side in pair):
        amount = spec_padding([(-before, -after) for before, after in pairs])
        builder.add(operation, "crop", {"amount": amount}, [data], order=data.order)
    else:
        raise UnsupportedOperation("it pads on one side and crops on another")


def convert_resize(builder: Builder, operation: Operation) -> None:
    """Convert Resize and Upsample of the spatial axes to an upsample.

    The upsample has a `scale_factor` if all factors are integers, and otherwise a `size`.
    """
    data = builder.read_any_order(operation.inputs[0])
    dims = builder.value(operation.outputs[0]).dims
    sizes = dict(zip(data.order, dims, strict=True))
    before, after = data.shape.spatial, tuple(sizes[axis] for axis in range(2, len(data.order)))
    if sizes[0] != builder.batch or sizes[1] != data.shape.channels or not before:
        raise UnsupportedOperation("it resizes axes other than the spatial ones")
    mode = operation.attributes.get("mode") or "nearest"
    if operation.attributes.get("antialias") and any(new < old for old, new in zip(before, after, strict=True)):
        raise UnsupportedOperation("it downsamples with antialias, which is not supported")
    arguments: dict[str, Any]
    if all(new % old == 0 for old, new in zip(before, after, strict=True)):
        arguments = {"scale_factor": collapse_axes([new // old for old, new in zip(before, after, strict=True)])}
    else:
        arguments = {"size": collapse_axes(after)}
    if mode != "nearest":
        arguments["mode"] = _MODES.get(mode, ("", "", ""))[len(before) - 1]
        if not arguments["mode"]:
            raise UnsupportedOperation(f"{mode} interpolation on {len(before)} axes is not supported")
    builder.add(operation, "upsample", arguments, [data], order=data.order)


def convert_reshape(builder: Builder, operation: Operation) -> None:
    """Convert Reshape, Flatten, Squeeze and Unsqueeze.

    If the output has axes that no layer has, such as the heads of an attention, no layer is added: the output is a view
    of its input, from which later operations may restore the axes of a layer.
    """
    data = builder.read_view(operation.inputs[0])
    undecided = builder.is_undecided(operation.inputs[0])
    reshape_to(builder, operation, data, builder.value(operation.outputs[0]).dims, undecided)


def reshape_to(
    builder: Builder, operation: Operation, data: Data, dims: Sizes, undecided: bool = False, output: int = 0
) -> None:
    """Give `data` the sizes `dims`, as the output number `output` of an operation.

    `undecided` says whether the axes of the data may still be put into any order.
    """
    name = operation.outputs[output]
    if dims == data.list_dims(builder.batch):
        builder.alias(operation, data, output)
        return
    view = reshape_view(data.make_view(builder.batch), dims)
    if view is not None and (not data.plain or _drops_only_channel(data, dims)):
        builder.set_data(name, view_data(data.step, data.shape, view, builder.batch))
        return
    known = 1 < len(dims) <= MOST_AXES + 2
    whole = known and dims[0] == builder.batch and prod(dims[1:]) == data.shape.elements
    if whole and data.plain and len(dims) == 2:
        builder.add(operation, "flatten", {}, [data], output=output)
    elif whole and data.plain and data.order == channels_last(len(data.order)) and dims[-1] == data.shape.channels:
        _regroup_positions(builder, operation, data, dims[1:-1], channels_last(len(dims)), output)
    elif whole and data.standard and dims[1] == data.shape.channels:
        _regroup_positions(builder, operation, data, dims[2:], tuple(range(len(dims))), output)
    elif whole and (data.standard or undecided):
        read = builder.read(operation.inputs[0]) if undecided else data
        builder.add(operation, "reshape", {"shape": list(dims[1:])}, [read], output=output)
    elif view is not None:
        builder.set_data(name, view_data(data.step, data.shape, view, builder.batch))
    else:
        expected = f"the batch of {builder.batch} first, then {data.shape.elements} elements per sample"
        raise UnsupportedOperation(f"its output has shape {list(dims)}; expected {expected}")


def _drops_only_channel(data: Data, dims: Sizes) -> bool:
    """Whether `dims` are the sizes of a sequence of single values, such as words, without its one channel."""
    return data.standard and data.shape.channels == 1 and data.shape.axes == 1 and len(dims) == 2


def _regroup_positions(
    builder: Builder, operation: Operation, data: Data, sizes: Sizes, order: Sizes, output: int
) -> None:
    """Give the positions of `data` the sizes `sizes`: by a tokens, a map, or otherwise a reshape."""
    if len(sizes) == 1 and data.shape.axes > 1:
        builder.add(operation, "tokens", {}, [data], order=order, output=output)
    elif len(sizes) > 1 and data.shape.axes == 1 and len(sizes) <= MOST_AXES:
        builder.add(operation, "map", {"size": list(sizes)}, [data], order=order, output=output)
    else:
        shape = [data.shape.channels, *sizes]
        builder.add(operation, "reshape", {"shape": shape}, [data], order=order, output=output)


def convert_transpose(builder: Builder, operation: Operation) -> None:
    """Convert Transpose without adding a layer: only the recorded arrangement of the axes changes."""
    data = builder.read_view(operation.inputs[0])
    rank = len(builder.value(operation.inputs[0]).dims)
    order: Sizes = tuple(operation.attributes.get("perm") or reversed(range(rank)))
    if data.view is None:
        builder.alias(operation, data._replace(order=tuple(data.order[axis] for axis in order)))
    else:
        view = tuple(data.view[axis] for axis in order)
        builder.alias(operation, view_data(data.step, data.shape, view, builder.batch))


def convert_select(builder: Builder, operation: Operation) -> None:
    """Convert the selection of one index on an axis, or with `aten.unbind` of each index, to slices."""
    index = operation.attributes.get("index")
    for output, name in enumerate(operation.outputs):
        if name:
            _select(builder, operation, operation.attributes["axis"], output if index is None else index, output)


def convert_gather(builder: Builder, operation: Operation) -> None:
    """Convert a Gather of one fixed index to a slice, and one of rows of a learnt table to an embedding."""
    index = builder.value(operation.inputs[1])
    number = read_scalar(index)
    if not index.constant:
        convert_embedding(builder, operation)
    elif number is None or index.dims != ():
        raise UnsupportedOperation("it takes several fixed indices")
    else:
        _select(builder, operation, operation.attributes.get("axis", 0), int(number), 0)


def _select(builder: Builder, operation: Operation, axis: int, index: int, output: int) -> None:
    """Add a slice of one index on an axis, and remove the axis."""
    data = builder.read_view(operation.inputs[0])
    dims = builder.value(operation.inputs[0]).dims
    axis %= len(dims)
    taken = _take_index(builder, operation, data, axis, index % dims[axis])
    reshape_to(builder, operation, taken, (*dims[:axis], *dims[axis + 1 :]), output=output)


def _take_index(builder: Builder, operation: Operation, data: Data, axis: int, place: int) -> Data:
    """Add a slice of one index on an axis of a tensor, and return its output, which still has the axis.

    Raises UnsupportedOperation unless the axis is one of the layer's, or the outermost part of its channels.
    """
    view = data.make_view(builder.batch)
    if not view[axis]:
        return data
    [part, *others] = view[axis]
    sizes = (builder.batch, *data.shape.sizes)
    if others or part.axis == 0 or part.stride * part.size != sizes[part.axis] or (part.axis > 1 and part.stride > 1):
        raise UnsupportedOperation(f"it selects index {place} of axis {axis}, which is not an axis of a layer")
    name = ("batch", "channels", *AXIS_NAMES[data.shape.axes])[part.axis]
    taken = builder.make_beside(operation, "slice", {name: [place * part.stride, (place + 1) * part.stride]}, [data])
    kept = tuple(() if number == axis else parts for number, parts in enumerate(view))
    return view_data(taken.step, taken.shape, kept, builder.batch)


def convert_space_and_depth(builder: Builder, operation: Operation) -> None:
    """Convert DepthToSpace and SpaceToDepth. The order of the channels is ignored: it affects no cost."""
    data = builder.read(operation.inputs[0])
    block = operation.attributes["blocksize"]
    if operation.operator == "DepthToSpace":
        builder.add(operation, "pixel_shuffle", {"upscale_factor": block}, [data])
    else:
        builder.add(operation, "pixel_unshuffle", {"downscale_factor": block}, [data])


def convert_channel_shuffle(builder: Builder, operation: Operation) -> None:
    """Convert a ChannelShuffle, which `fusions` merged from several nodes, to a channel_shuffle."""
    data = builder.read(operation.inputs[0])
    builder.add(operation, "channel_shuffle", {"groups": operation.attributes["groups"]}, [data])


def convert_quantise(builder: Builder, operation: Operation) -> None:
    """Convert QuantizeLinear and DequantizeLinear without adding a layer: only the data type changes."""
    if not all(builder.value(name).constant for name in operation.inputs[1:] if name):
        raise UnsupportedOperation("its scale is not a constant")
    builder.alias(operation, builder.read_view(operation.inputs[0]))


def pass_on(builder: Builder, operation: Operation) -> None:
    """Convert an operator that leaves shapes unchanged, such as Cast, without adding a layer."""
    builder.alias(operation, builder.read_view(operation.inputs[0]))
