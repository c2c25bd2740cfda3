"""Translates each builtin operator of TFLite to ONNX operators: one rule per operator, listed in RULES.

A rule takes a `translating.Call`, emits operations and returns the names of the operator's outputs. It raises
CannotTranslate if the operator cannot be expressed; `translating` then keeps it under its own name. The fields of
attributes are numbered as in the schema: github.com/tensorflow/tensorflow,
tensorflow/compiler/mlir/lite/schema/schema.fbs. Source of the operators: ai.google.dev/edge/litert, "TFLite operators",
and the kernels in tensorflow/lite/kernels.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from convcalc.arithmetic import effective_kernel_size
from convcalc.convert.costs.cost import Cost
from convcalc.convert.operators import Sizes
from convcalc.convert.tflite.translating import Call, CannotTranslate, Rule

_SAME, _VALID = 0, 1


# -- convolutions and pooling


class _Convolution(NamedTuple):
    """A kind of convolution: how to move the axes of its weights to ONNX's order, and the fields of its attributes.

    `strides` and `dilations` have one field per spatial axis.
    """

    order: Sizes
    strides: Sizes
    dilations: Sizes
    activation: int


_CONVOLUTIONS = {
    "CONV_2D": _Convolution((0, 3, 1, 2), (2, 1), (5, 4), 3),
    "DEPTHWISE_CONV_2D": _Convolution((3, 0, 1, 2), (2, 1), (6, 5), 4),
    "CONV_3D": _Convolution((4, 3, 0, 1, 2), (1, 3, 2), (5, 7, 6), 4),
}


def _window_sizes(call: Call, sizes: Sizes, kernel: Sizes, strides: Sizes, dilations: Sizes) -> Sizes:
    """Return the output sizes of a sliding window along the spatial axes, whose input sizes are `sizes`."""
    found = []
    for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        room = size if call.option(0, "b") == _SAME else size - effective_kernel_size(taps, dilation) + 1
        found.append(-(-room // stride))
    if min(found) < 1:
        raise ValueError(f"its kernel {kernel} does not fit the input {sizes}")
    return tuple(found)


def _padding(call: Call) -> str:
    return "SAME_UPPER" if call.option(0, "b") == _SAME else "VALID"


def _convolve(call: Call) -> str:
    form = _CONVOLUTIONS[call.operator.name]
    batch, *sizes, _ = call.dims(0)
    strides = tuple(call.option(field, "i") for field in form.strides)
    dilations = tuple(call.option(field, "i", 1) for field in form.dilations)
    weights = call.weight(1, form.order)
    out_channels, _, *kernel = call.sizes(weights)
    spatial = _window_sizes(call, tuple(sizes), tuple(kernel), strides, dilations)
    window = {"strides": strides, "dilations": dilations, "auto_pad": _padding(call)}
    return _emit_convolution(call, call.data(0), weights, (batch, out_channels, *spatial), window)


def _emit_convolution(call: Call, data: str, weights: str, dims: Sizes, window: dict[str, Any]) -> str:
    """Emit a Conv and the activation that is merged into it; `dims` are the output sizes, channels first."""
    channels = call.sizes(data)[-1]
    depthwise = call.operator.name.startswith("DEPTHWISE")
    group = channels if depthwise else channels // call.sizes(weights)[1]
    inputs = [call.move_channels_first(data), weights, call.weight(2)]
    result = call.move_channels_last(call.emit("Conv", inputs, dims, group=group, **window))
    return call.activate(result, _CONVOLUTIONS[call.operator.name].activation)


def _split_into_batches(call: Call) -> str:
    """Translate SPACE_TO_BATCH_ND, which pads and then moves every n-th position into an image of its own."""
    dims, blocks, pads = call.dims(0), call.integers(1), call.integers(2)
    padded = [size + sum(pads[2 * axis : 2 * axis + 2]) for axis, size in enumerate(dims[1 : len(blocks) + 1])]
    sizes = [size // block for size, block in zip(padded, blocks, strict=True)]
    return call.move((dims[0] * prod(blocks), *sizes, *dims[len(blocks) + 1 :]))


def _join_batches(call: Call) -> str:
    """Translate BATCH_TO_SPACE_ND, the inverse of SPACE_TO_BATCH_ND, which then cuts positions off.

    A convolution between the two is dilated.
    """
    dims, blocks, crops = call.dims(0), call.integers(1), call.integers(2)
    sizes = [
        size * block - sum(crops[2 * axis : 2 * axis + 2])
        for axis, (size, block) in enumerate(zip(dims[1:], blocks, strict=False))
    ]
    whole = (dims[0] // prod(blocks), *sizes, *dims[len(blocks) + 1 :])
    return _dilate(call, blocks, crops, whole) or call.move(whole)


def _dilate(call: Call, blocks: Sizes, crops: Sizes, dims: Sizes) -> str:
    """Emit a dilated convolution in place of the operators that end in BATCH_TO_SPACE_ND; empty if there is none.

    `dims` are its output sizes. A convolution along one axis is between operators that add an axis and remove it.
    """
    flat = None
    back = call
    if len(blocks) == 1:
        flat = call.follow_back("RESHAPE") or call.follow_back("SQUEEZE")
        back = flat or call
    conv = back.follow_back("CONV_2D") or back.follow_back("DEPTHWISE_CONV_2D")
    axis = conv.follow_back("EXPAND_DIMS") or conv.follow_back("RESHAPE") if conv and flat else conv
    split = axis.follow_back("SPACE_TO_BATCH_ND") if axis else None
    if conv is None or axis is None or split is None or split.find_integers(1) != blocks:
        return ""
    form = _CONVOLUTIONS[conv.operator.name]
    plain = all(conv.option(field, "i", 1) == 1 for field in (*form.strides, *form.dilations))
    pads = [pad - crop for pad, crop in zip(split.integers(2), crops, strict=True)]
    weights = conv.weight(1, form.order)
    kernel = [size for size in conv.sizes(weights)[2:] if flat is None or size > 1]
    if not plain or _padding(conv) != "VALID" or min(pads) < 0 or len(kernel) != len(blocks):
        return ""
    for merged in {id(other): other for other in (flat, conv, axis, split) if other}.values():
        merged.drop()
    weights = conv.reshape_constant(weights, (*conv.sizes(weights)[:2], *kernel))
    window = {"dilations": blocks, "pads": (*pads[::2], *pads[1::2])}
    return _emit_convolution(conv, split.data(0), weights, (dims[0], dims[-1], *dims[1:-1]), window)


def _convolve_transposed(call: Call, order: Sizes, strides: Sizes, activation: int) -> str:
    """Translate a transposed convolution: its inputs are the output shape, the weights, the data, and a bias if any."""
    dims = call.find_integers(0) or call.list_declared()[0]
    data = call.move_channels_first(call.data(2))
    result = call.emit(
        "ConvTranspose",
        [data, call.weight(1, order), call.weight(3)],
        (dims[0], dims[-1], *dims[1:-1]),
        strides=strides,
        output_shape=tuple(dims[1:-1]),
        auto_pad="SAME_UPPER",
    )
    return call.activate(call.move_channels_last(result), activation)


def _convolve_transposed_2d(call: Call) -> str:
    return _convolve_transposed(call, (3, 0, 1, 2), (call.option(2, "i"), call.option(1, "i")), 3)


def _convolve_transposed_3d(call: Call) -> str:
    strides = call.option(1, "i"), call.option(3, "i"), call.option(2, "i")
    return _convolve_transposed(call, (4, 3, 0, 1, 2), strides, 4)


def _pool(operator: str) -> Rule:
    def rule(call: Call) -> str:
        batch, *sizes, channels = call.dims(0)
        strides, kernel = (call.option(2, "i"), call.option(1, "i")), (call.option(4, "i"), call.option(3, "i"))
        spatial = _window_sizes(call, tuple(sizes), kernel, strides, (1, 1))
        dims = (batch, channels, *spatial)
        data = call.move_channels_first(call.data(0))
        window = {"kernel_shape": kernel, "strides": strides, "auto_pad": _padding(call)}
        result = call.emit(operator, [data], dims, **window)
        if operator == "LpPool":  # the norm of the mean, not of the sum
            result = call.emit("Mul", [result, call.number(prod(kernel) ** -0.5)], dims)
        return call.activate(call.move_channels_last(result), 5)

    return rule


def _resize(mode: str) -> Rule:
    def rule(call: Call) -> str:
        batch, _, _, channels = call.dims(0)
        height, width = call.integers(1)
        return call.emit("Resize", [call.data(0)], (batch, height, width, channels), mode=mode)

    return rule


# -- matrix products


def _multiply_by_weights(call: Call) -> str:
    """Translate FULLY_CONNECTED, which reads its input as a matrix unless it keeps all axes.

    The weights are (outputs, inputs).
    """
    data, bias = call.data(0), call.weight(2)
    dims, (features, width) = call.dims(0), call.dims(1)
    keeps = bool(call.option(2, "?"))
    rows = prod(dims) // width
    if prod(dims) % width:
        raise ValueError(f"its weights have {width} columns, but its input has the shape {list(dims)}")
    flat = call.follow_back("RESHAPE")
    if flat and dims == (rows, width) and len(flat.dims(0)) > 2 and flat.dims(0)[-1] == width:
        data, dims = flat.data(0), flat.dims(0)  # positions that were made rows keep their axes
        flat.drop()
    if len(dims) > 2 and dims[-1] == width:
        result = call.emit("MatMul", [data, call.weight(1, (1, 0)), bias], (*dims[:-1], features))
        result = call.activate(result, 0)
        return result if keeps else call.emit("Reshape", [result], (rows, features))
    if len(dims) != 2 or dims[1] != width:
        data = call.emit("Reshape", [data], (rows, width))
    result = call.emit("Gemm", [data, call.weight(1), bias], (rows, features), transB=1)
    return call.activate(result, 0)


def _multiply_matrices(call: Call) -> str:
    """Translate BATCH_MATMUL, whose attributes say which operands are transposed."""
    operands = []
    for place in (0, 1):
        rank = len(call.dims(place))
        turned = bool(call.option(place, "?"))
        order = (*range(rank - 2), rank - 1, rank - 2) if turned else ()
        name = call.weight(place, order) if call.is_constant(place) else call.data(place)
        operands.append(call.transpose(name, order) if turned and not call.is_constant(place) else name)
    one, other = (call.sizes(name) for name in operands)
    if one[-1] != other[-2]:
        raise ValueError(f"its operands have the shapes {list(one)} and {list(other)}")
    return call.emit("MatMul", operands, (*_broadcast(one[:-2], other[:-2]), one[-2], other[-1]))


# -- arithmetic


def _broadcast(*shapes: Sizes) -> Sizes:
    """Return the shape of the result of an elementwise operator. Raises ValueError if the shapes do not match."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(dims)) + dims for dims in shapes]
    found = tuple(max(sizes) if 0 not in sizes else 0 for sizes in zip(*padded, strict=True))
    if any(size not in (1, whole) for dims in padded for size, whole in zip(dims, found, strict=True)):
        raise ValueError(f"its inputs have the shapes {', '.join(str(list(dims)) for dims in shapes)}")
    return found


def _combine(operator: str, activation: int | None = None) -> Rule:
    """Return the rule for an elementwise operator on several inputs; `activation` is the field of its activation."""

    def rule(call: Call) -> str:
        names = [call.operand(place) for place in range(len(call.operator.inputs))]
        result = call.emit(operator, names, _broadcast(*map(call.sizes, names)))
        return result if activation is None else call.activate(result, activation)

    return rule


def _chain(*operators: str) -> Rule:
    """Return the rule for an operator on one input that is several ONNX operators in a row, such as 1 / √x."""

    def rule(call: Call) -> str:
        name = call.data(0)
        for operator in operators:
            name = call.emit(operator, [name], call.dims(0))
        return name

    return rule


def _with(operator: str, **attributes: Any) -> Rule:
    """Return the rule for an operator on one input that keeps the shape, with these attributes in ONNX."""

    def rule(call: Call) -> str:
        return call.emit(operator, [call.data(0)], call.dims(0), **attributes)

    return rule


def _square(call: Call) -> str:
    return call.emit("Mul", [call.data(0)] * 2, call.dims(0))


def _square_difference(call: Call) -> str:
    dims = _broadcast(call.dims(0), call.dims(1))
    difference = call.emit("Sub", [call.operand(0), call.operand(1)], dims)
    return call.emit("Mul", [difference, difference], dims)


def _divide_and_round(call: Call) -> str:
    dims = _broadcast(call.dims(0), call.dims(1))
    return call.emit("Floor", [call.emit("Div", [call.operand(0), call.operand(1)], dims)], dims)


def _leak(call: Call) -> str:
    return call.emit("LeakyRelu", [call.data(0)], call.dims(0), alpha=call.real(0))


def _leak_by_slopes(call: Call) -> str:
    return call.emit("PRelu", [call.data(0), call.weight(1)], call.dims(0))


def _gelu(call: Call) -> str:
    approximate = "tanh" if call.option(0, "?") else "none"
    return call.emit("Gelu", [call.data(0)], call.dims(0), approximate=approximate)


def _softmax(call: Call) -> str:
    data, scale = call.data(0), call.real(0)
    if scale != 1:
        data = call.emit("Mul", [data, call.number(scale)], call.dims(0))
    return call.emit("Softmax", [data], call.dims(0), axis=-1)


def _normalise(call: Call) -> str:
    result = call.emit("LpNormalization", [call.data(0)], call.dims(0), axis=-1, p=2)
    return call.activate(result, 0)


def _normalise_response(call: Call) -> str:
    data = call.move_channels_first(call.data(0))
    result = call.emit("LRN", [data], call.sizes(data), size=2 * call.option(0, "i") + 1)
    return call.move_channels_last(result)


def _reduce(operator: str) -> Rule:
    def rule(call: Call) -> str:
        dims = call.dims(0)
        axes = {_place(axis, len(dims)) for axis in call.integers(1)}
        keeps = bool(call.option(0, "?"))
        sizes = tuple(1 if axis in axes else size for axis, size in enumerate(dims) if keeps or axis not in axes)
        return call.emit(operator, [call.data(0)], sizes, axes=tuple(sorted(axes)), keepdims=int(keeps))

    return rule


def _find_extreme(operator: str) -> Rule:
    def rule(call: Call) -> str:
        dims = call.dims(0)
        [axis] = call.integers(1)
        place = _place(axis, len(dims))
        return call.emit(operator, [call.data(0)], dims[:place] + dims[place + 1 :], axis=place, keepdims=0)

    return rule


def _place(axis: int, rank: int) -> int:
    """Return an axis counted from 0. Raises ValueError if a tensor with `rank` axes does not have it."""
    if not -rank <= axis < rank:
        raise ValueError(f"its input has {rank} axes, and no axis {axis}")
    return axis % rank


# -- rearranging


def _concatenate(call: Call) -> str:
    shapes = [call.dims(place) for place in range(len(call.operator.inputs))]
    axis = _place(call.option(0, "i"), len(shapes[0]))
    total = sum(dims[axis] for dims in shapes)
    if len({(*dims[:axis], *dims[axis + 1 :]) for dims in shapes}) > 1:
        raise ValueError(f"its inputs have the shapes {', '.join(str(list(dims)) for dims in shapes)}")
    dims = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
    return call.activate(call.emit("Concat", call.all_inputs(), dims, axis=axis), 1)


def _reshape(call: Call) -> str:
    given = call.find_integers(1) or call.list_option(0) or call.list_declared()[0]
    sizes, count = list(given), prod(call.dims(0))
    if sizes.count(-1) == 1:
        others = prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = count // others
    return _repeat_positions(call, tuple(sizes)) or _change_shape(call, "Reshape", tuple(sizes))


def _repeat_positions(call: Call, dims: Sizes) -> str:
    """Emit a Resize in place of EXPAND_DIMS, TILE and RESHAPE, which repeat each position along an axis.

    Return an empty name if there are no such operators. Keras writes nearest-neighbour upsampling in this way.
    """
    tile = call.follow_back("TILE")
    added = tile.follow_back("EXPAND_DIMS") if tile else None
    if tile is None or added is None:
        return ""
    before, counts = added.dims(0), tile.integers(1)
    repeated = [axis for axis, count in enumerate(counts) if count != 1]
    if len(repeated) != 1 or not 1 < repeated[0] < len(before) or tile.dims(0)[repeated[0]] != 1:
        return ""
    axis, count = repeated[0] - 1, counts[repeated[0]]
    if dims != (*before[:axis], before[axis] * count, *before[axis + 1 :]):
        return ""
    tile.drop()
    added.drop()
    return call.emit("Resize", [added.data(0)], dims, mode="nearest")


def _change_shape(call: Call, operator: str, dims: Sizes) -> str:
    """Emit an operator that keeps the order of the values in memory.

    A map that is made from a vector, or that gets a single channel, is made with its channels first and then
    transposed, so that its axes have the order of a layer's.
    """
    before = call.dims(0)
    if prod(before) != prod(dims):
        raise ValueError(f"its input has {prod(before):,} elements, but its output {prod(dims):,}")
    standard = len(before) == 2 or (dims[-1:] == (1,) and before[-1:] != (1,))
    if len(dims) > 2 and dims[0] == before[0] and standard:
        return call.move_channels_last(call.emit("Reshape", [call.data(0)], (dims[0], dims[-1], *dims[1:-1])))
    return call.emit(operator, [call.data(0)], dims)


def _squeeze(call: Call) -> str:
    dims = call.dims(0)
    axes = {_place(axis, len(dims)) for axis in call.list_option(0)}
    sizes = tuple(size for axis, size in enumerate(dims) if (axis not in axes if axes else size != 1))
    return _change_shape(call, "Squeeze", sizes)


def _add_axis(call: Call) -> str:
    dims = call.dims(0)
    [axis] = call.integers(1)
    place = _place(axis, len(dims) + 1)
    return _change_shape(call, "Unsqueeze", (*dims[:place], 1, *dims[place:]))


def _transpose(call: Call) -> str:
    order, rank = call.integers(1), len(call.dims(0))
    if sorted(order) != list(range(rank)):
        raise ValueError(f"it permutes the axes {list(order)} of {rank}")
    return call.transpose(call.data(0), order)


def _pad(mode: str) -> Rule:
    def rule(call: Call) -> str:
        amounts, dims = call.integers(1), call.dims(0)
        before, after = amounts[::2], amounts[1::2]
        sizes = tuple(sum(axis) for axis in zip(dims, before, after, strict=True))
        name = ("reflect", "symmetric")[call.option(0, "b")] if mode == "mirror" else mode
        return call.emit("Pad", [call.data(0)], sizes, mode=name, pads=(*before, *after))

    return rule


def _slice(call: Call) -> str:
    dims = call.dims(0)
    starts, counts = call.integers(1), call.integers(2)
    sizes = tuple(
        size - start if count == -1 else count for size, start, count in zip(dims, starts, counts, strict=True)
    )
    return call.emit("Slice", [call.data(0)], sizes, starts=starts, axes=tuple(range(len(dims))))


def _slice_in_steps(call: Call) -> str:
    """Translate STRIDED_SLICE; bits of its attributes say which starts and ends are left out, and which axes go."""
    dims = call.dims(0)
    starts, stops, steps = (call.integers(place) for place in (1, 2, 3))
    begin, end, ellipsis, new, shrink = (call.option(field, "i") for field in range(5))
    if ellipsis or new or call.option(5, "?") or not len(starts) == len(stops) == len(steps) <= len(dims):
        raise CannotTranslate
    first, sizes = [], list(dims)
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        whole = slice(None if begin >> axis & 1 else start, None if end >> axis & 1 else stop, step)
        if shrink >> axis & 1:
            whole = slice(start, start + 1 or None, 1)
        found = range(dims[axis])[whole]
        first.append(found.start)
        sizes[axis] = len(found)
    left = tuple(size for axis, size in enumerate(sizes) if not shrink >> axis & 1)
    taken = {"starts": tuple(first), "axes": tuple(range(len(first)))}
    if any(step != 1 for axis, step in enumerate(steps) if not shrink >> axis & 1):
        taken["steps"] = tuple(1 if shrink >> axis & 1 else step for axis, step in enumerate(steps))
    result = call.emit("Slice", [call.data(0)], tuple(sizes), **taken)
    return result if len(left) == len(sizes) else call.emit("Squeeze", [result], left)


def _split_evenly(call: Call) -> list[str]:
    """Translate SPLIT, whose first input is the axis."""
    count, dims = len(call.operator.outputs), call.dims(1)
    [axis] = call.integers(0)
    place = _place(axis, len(dims))
    if dims[place] % count:
        raise ValueError(f"it splits an axis of {dims[place]} into {count} parts")
    return _split(call, 1, place, [dims[place] // count] * count)


def _split_by_sizes(call: Call) -> list[str]:
    sizes, dims = list(call.integers(1)), call.dims(0)
    [axis] = call.integers(2)
    place = _place(axis, len(dims))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = dims[place] - sum(size for size in sizes if size != -1)
    return _split(call, 0, place, sizes)


def _split(call: Call, data: int, axis: int, sizes: Sequence[int]) -> list[str]:
    dims = call.dims(data)
    parts = [(*dims[:axis], size, *dims[axis + 1 :]) for size in sizes]
    return call.emit_several("Split", [call.data(data)], parts, axis=axis)


def _stack(call: Call) -> str:
    dims, count = call.dims(0), len(call.operator.inputs)
    place = _place(call.option(1, "i"), len(dims) + 1)
    return call.emit("aten.stack", call.all_inputs(), (*dims[:place], count, *dims[place:]))


def _unstack(call: Call) -> list[str]:
    dims = call.dims(0)
    place = _place(call.option(1, "i"), len(dims))
    parts = [dims[:place] + dims[place + 1 :]] * len(call.operator.outputs)
    return call.emit_several("aten.unbind", [call.data(0)], parts, axis=place)


def _gather(call: Call) -> str:
    dims, places = call.dims(0), call.dims(1)
    axis, shared = _place(call.option(0, "i"), len(dims)), call.option(1, "i")
    sizes = (*dims[:axis], *places[shared:], *dims[axis + 1 :])
    return call.emit("Gather", [call.data(0), call.data(1)], sizes, axis=axis)


def _look_up(call: Call) -> str:
    """Translate EMBEDDING_LOOKUP, whose first input is the rows to take from its second."""
    return call.emit("Gather", [call.data(1), call.data(0)], (*call.dims(0), *call.dims(1)[1:]), axis=0)


def _repeat(call: Call) -> str:
    dims, counts = call.dims(0), call.integers(1)
    return call.emit("Tile", [call.data(0)], tuple(size * count for size, count in zip(dims, counts, strict=True)))


def _expand(call: Call) -> str:
    return call.emit("Expand", [call.data(0)], _broadcast(call.dims(0), call.integers(1)))


def _move_to_depth(operator: str) -> Rule:
    def rule(call: Call) -> str:
        block = call.option(0, "i")
        batch, height, width, channels = call.dims(0)
        if operator == "SpaceToDepth":
            sizes = channels * block**2, height // block, width // block
        else:
            sizes = channels // block**2, height * block, width * block
        data = call.move_channels_first(call.data(0))
        return call.move_channels_last(call.emit(operator, [data], (batch, *sizes), blocksize=block))

    return rule


def _select(call: Call) -> str:
    return call.emit("Where", call.all_inputs(), _broadcast(*(call.dims(place) for place in range(3))))


def _quantise(operator: str) -> Rule:
    """Return the rule for QUANTIZE and DEQUANTIZE: values are read as real numbers, with their data type."""

    def rule(call: Call) -> str:
        name = call.data(0)
        if call.is_constant(0):  # the weights are stored in the type of the input
            return name
        return call.emit(operator, [name], call.dims(0))

    return rule


def _fill(call: Call) -> str:
    """Emit a tensor whose values are constant or random, with the shape in the first input."""
    return call.constant(call.integers(0))


def _like(call: Call) -> str:
    return call.constant(call.dims(0))


def _move(operator: str) -> Rule:
    """Return the rule for an operator without arithmetic whose output shape only the file states."""

    def rule(call: Call) -> list[str]:
        return call.emit_several(operator, call.all_inputs(), call.list_declared(), Cost())

    return rule


# -- recurrent layers


def _recur_with_gates(call: Call, *starts: int) -> list[str]:
    """Translate an LSTM whose weights begin at the positions `starts`, one for each direction.

    Each direction has four matrices for the input, four for the state, three vectors by which the cell state is
    multiplied, four biases, and a matrix for the output. A gate may be missing.
    """
    steps = prod(call.dims(0)[:-1])
    macs = others = 0
    for start in starts:
        hidden = call.dims(start + 1)[0]
        matrices = [place for place in (*range(start, start + 8), start + 15) if call.has(place)]
        macs += steps * sum(prod(call.dims(place)) for place in matrices)
        others += steps * hidden * sum(call.has(start + 8 + place) for place in range(3))
    hidden = steps * sum(call.dims(start + 1)[0] for start in starts)
    normalised = len(starts) == 1 and any(call.has(place) for place in range(20, 24))
    cost = None if normalised else Cost(macs + 3 * hidden + others, macs + hidden + others, macs)
    return call.emit_several("nn.LSTM", call.all_inputs(), call.list_declared(), cost)


def _recur(*starts: int) -> Rule:
    """Return the rule for an RNN with a matrix for the input and one for the state at each of these positions."""

    def rule(call: Call) -> list[str]:
        places = [place for start in starts for place in (start, start + 1)]
        macs = prod(call.dims(0)[:-1]) * sum(prod(call.dims(place)) for place in places)
        return call.emit_several("nn.RNN", call.all_inputs(), call.list_declared(), Cost(macs, macs, macs))

    return rule


def _recur_in_one_direction(call: Call) -> list[str]:
    if len(call.operator.inputs) != 5:
        return _recur_with_gates(call, 1)
    # the old form of LSTM: its third input has the matrices of all gates side by side
    rows, columns = call.dims(2)
    steps = prod(call.dims(0)[:-1])
    macs, hidden = steps * rows * columns, steps * rows // 4
    return call.emit_several(
        "nn.LSTM", call.all_inputs(), call.list_declared(), Cost(macs + 3 * hidden, macs + hidden, macs)
    )


def _filter_in_time(call: Call) -> list[str]:
    """Count SVDF: a matrix product per step, then a filter over the last steps for each of its rows."""
    rows, steps = call.dims(0)[0], prod(call.dims(2))
    macs = rows * (prod(call.dims(1)) + steps)
    biased = prod(call.list_declared()[0]) if call.has(3) else 0
    outputs = rows * (call.dims(1)[0] + prod(call.list_declared()[0][1:]))
    return call.emit_several("SVDF", call.all_inputs(), call.list_declared(), Cost(macs, macs - outputs + biased, macs))


def _run_subgraphs(*fields: int) -> Rule:
    """Return the rule for an operator that runs the subgraphs whose numbers are in these attributes.

    Its cost is unknown, because it depends on values, but the weights in the subgraphs are counted.
    """

    def rule(call: Call) -> list[str]:
        weights = call.list_weights_of_subgraphs([call.option(field, "i") for field in fields])
        return call.emit_several(call.operator.name, [*call.all_inputs(), *weights], call.list_declared())

    return rule


_UNARY = {
    "ABS": "Abs",
    "CEIL": "Ceil",
    "COS": "Cos",
    "ELU": "Elu",
    "EXP": "Exp",
    "FLOOR": "Floor",
    "HARD_SWISH": "HardSwish",
    "LOG": "Log",
    "LOGICAL_NOT": "Not",
    "LOGISTIC": "Sigmoid",
    "NEG": "Neg",
    "RELU": "Relu",
    "ROUND": "Round",
    "SIGN": "Sign",
    "SIN": "Sin",
    "SQRT": "Sqrt",
    "TANH": "Tanh",
    "CAST": "Cast",
    "BITCAST": "BitCast",
}
_BINARY = {
    "ADD_N": "Sum",
    "ATAN2": "aten.atan2",
    "BITWISE_XOR": "BitwiseXor",
    "EQUAL": "Equal",
    "FLOOR_MOD": "Mod",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterOrEqual",
    "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "NOT_EQUAL": "aten.ne",
    "POW": "Pow",
    "RIGHT_SHIFT": "BitShift",
}
_REDUCTIONS = {
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd",
    "REDUCE_ANY": "ReduceMax",
    "REDUCE_ALL": "ReduceMin",
}
_MOVES = {  # without arithmetic
    "DYNAMIC_UPDATE_SLICE": "aten.slice_scatter",
    "GATHER_ND": "GatherND",
    "MATRIX_DIAG": "aten.diag_embed",
    "ONE_HOT": "OneHot",
    "REVERSE_SEQUENCE": "ReverseSequence",
    "REVERSE_V2": "aten.flip",
    "SCATTER_ND": "ScatterND",
    "SPARSE_TO_DENSE": "ScatterND",
    "TOPK_V2": "TopK",
}
RULES: dict[str, Rule] = {
    **{name: _chain(operator) for name, operator in _UNARY.items()},
    **{name: _combine(operator) for name, operator in _BINARY.items()},
    **{name: _reduce(operator) for name, operator in _REDUCTIONS.items()},
    **{name: _move(operator) for name, operator in _MOVES.items()},
    **dict.fromkeys(_CONVOLUTIONS, _convolve),
    "SPACE_TO_BATCH_ND": _split_into_batches,
    "BATCH_TO_SPACE_ND": _join_batches,
    "CONV_3D_TRANSPOSE": _convolve_transposed_3d,
    "TRANSPOSE_CONV": _convolve_transposed_2d,
    "FULLY_CONNECTED": _multiply_by_weights,
    "BATCH_MATMUL": _multiply_matrices,
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "MAX_POOL_2D": _pool("MaxPool"),
    "L2_POOL_2D": _pool("LpPool"),
    "RESIZE_BILINEAR": _resize("linear"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("nearest"),
    "ADD": _combine("Add", 0),
    "SUB": _combine("Sub", 0),
    "MUL": _combine("Mul", 0),
    "DIV": _combine("Div", 0),
    "FLOOR_DIV": _divide_and_round,
    "SQUARE": _square,
    "SQUARED_DIFFERENCE": _square_difference,
    "RSQRT": _chain("Sqrt", "Reciprocal"),
    "RELU6": _with("Clip", min=0.0, max=6.0),
    "RELU_N1_TO_1": _with("Clip", min=-1.0, max=1.0),
    "RELU_0_TO_1": _with("Clip", min=0.0, max=1.0),
    "LEAKY_RELU": _leak,
    "PRELU": _leak_by_slopes,
    "GELU": _gelu,
    "SOFTMAX": _softmax,
    "LOG_SOFTMAX": _with("LogSoftmax", axis=-1),
    "L2_NORMALIZATION": _normalise,
    "LOCAL_RESPONSE_NORMALIZATION": _normalise_response,
    "CUMSUM": _with("CumSum"),
    "ARG_MAX": _find_extreme("ArgMax"),
    "ARG_MIN": _find_extreme("ArgMin"),
    "CONCATENATION": _concatenate,
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _add_axis,
    "TRANSPOSE": _transpose,
    "PAD": _pad("constant"),
    "PADV2": _pad("constant"),
    "MIRROR_PAD": _pad("mirror"),
    "SLICE": _slice,
    "STRIDED_SLICE": _slice_in_steps,
    "SPLIT": _split_evenly,
    "SPLIT_V": _split_by_sizes,
    "PACK": _stack,
    "UNPACK": _unstack,
    "GATHER": _gather,
    "EMBEDDING_LOOKUP": _look_up,
    "TILE": _repeat,
    "BROADCAST_TO": _expand,
    "SPACE_TO_DEPTH": _move_to_depth("SpaceToDepth"),
    "DEPTH_TO_SPACE": _move_to_depth("DepthToSpace"),
    "SELECT": _select,
    "SELECT_V2": _select,
    "QUANTIZE": _quantise("QuantizeLinear"),
    "DEQUANTIZE": _quantise("DequantizeLinear"),
    "FAKE_QUANT": _with("DequantizeLinear"),
    "DENSIFY": _quantise("DequantizeLinear"),
    "FILL": _fill,
    "RANDOM_STANDARD_NORMAL": _fill,
    "RANDOM_UNIFORM": _fill,
    "ZEROS_LIKE": _like,
    "LSTM": _recur_in_one_direction,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recur_in_one_direction,
    "BIDIRECTIONAL_SEQUENCE_LSTM": lambda call: _recur_with_gates(call, 1, 18),
    "RNN": _recur(1),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recur(1),
    "BIDIRECTIONAL_SEQUENCE_RNN": _recur(1, 5),
    "SVDF": _filter_in_time,
    "CALL": _run_subgraphs(0),
    "IF": _run_subgraphs(0, 1),
    "WHILE": _run_subgraphs(0, 1),
}
