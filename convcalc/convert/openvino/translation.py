"""Translates the layers of an OpenVINO model to operations with ONNX's names and attributes.

`GroupConvolution`, whose weights have one more axis than those of a convolution, becomes a Conv with groups. Source of
the layers: docs.openvino.ai, "Available Operation Sets".
"""

from collections.abc import Iterator, Mapping
from math import ceil, prod
from typing import Any, NamedTuple

from convcalc.convert.openvino.graph_reader import GraphReader, Rule, read_flag, read_numbers
from convcalc.convert.openvino.shapes import broadcast, resolve_target
from convcalc.convert.openvino.xml_file import XmlLayer
from convcalc.convert.operators import Sizes


def make_same(operator: str, **attributes: Any) -> Rule:
    """Return a rule for a layer that is an operator of ONNX with these attributes."""

    def rule(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
        reader.add(layer, operator, inputs, attributes)

    return rule


def make_attributed(operator: str, **names: str) -> Rule:
    """Return a rule for an operator whose attributes are numbers in the file: `axis="axis"`."""

    def rule(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
        attributes = {}
        for attribute, name in names.items():
            found = read_numbers(layer, name)
            if found:
                attributes[attribute] = found[0]
        reader.add(layer, operator, inputs, attributes)

    return rule


def make_elementwise(operator: str) -> Rule:
    """Return a rule for an operator with two inputs that are broadcast."""

    def rule(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
        reader.add(layer, operator, [reader.drop_leading_ones(name) for name in inputs])

    return rule


# -- windows


def _read_window(layer: XmlLayer) -> dict[str, Any]:
    """Return the strides, dilations and padding of a window."""
    integers = {name: tuple(map(int, read_numbers(layer, name))) for name in ("strides", "dilations")}
    begin, end = (tuple(map(int, read_numbers(layer, f"pads_{side}"))) for side in ("begin", "end"))
    automatic = layer.data.get("auto_pad", "explicit").upper()
    window: dict[str, Any] = {name: values for name, values in integers.items() if values}
    if automatic in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        window["auto_pad"] = automatic
    else:
        window["pads"] = (*begin, *end)
    return window


def convert_convolution(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Conv."""
    reader.add(layer, "Conv", inputs, {**_read_window(layer), "group": 1})


def convert_group_convolution(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Conv with groups. The weights of the layer have the groups as their first axis."""
    groups, filters, *rest = reader.dims(inputs[1])
    weights = reader.reshape(layer, inputs[1], (groups * filters, *rest))
    reader.add(layer, "Conv", [inputs[0], weights], {**_read_window(layer), "group": groups})


def convert_transposed_convolution(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a ConvTranspose, with the output size if the layer states that."""
    groups, weights = 1, inputs[1]
    if layer.type.startswith("Group"):
        groups, channels, *rest = reader.dims(inputs[1])
        weights = reader.reshape(layer, inputs[1], (groups * channels, *rest))
    attributes = {**_read_window(layer), "group": groups}
    extra = tuple(map(int, read_numbers(layer, "output_padding")))
    if any(extra):
        attributes["output_padding"] = extra
    output = reader.integers(inputs[2]) if len(inputs) > 2 else None
    dims, kernel = reader.dims(inputs[0]), reader.dims(weights)[2:]
    if output is not None:
        attributes["output_shape"] = output
        sizes = output
    else:
        axes = len(kernel)
        defaults = (("strides", (1,) * axes), ("dilations", (1,) * axes), ("pads", (0,) * 2 * axes))
        strides, dilations, pads = (attributes.get(name) or default for name, default in defaults)
        sizes = tuple(
            strides[axis] * (size - 1)
            + dilations[axis] * (kernel[axis] - 1)
            + 1
            - pads[axis]
            - pads[axis + axes]
            + (extra[axis] if extra else 0)
            for axis, size in enumerate(dims[2:])
        )
    known = (dims[0], reader.dims(weights)[1] * groups, *sizes)
    reader.add(layer, "ConvTranspose", [inputs[0], weights], attributes, known)


def convert_pooling(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a MaxPool or AveragePool."""
    operator = "MaxPool" if layer.type == "MaxPool" else "AveragePool"
    attributes = {**_read_window(layer), "kernel_shape": tuple(map(int, read_numbers(layer, "kernel")))}
    attributes["ceil_mode"] = int(layer.data.get("rounding_type", "floor").startswith("ceil"))
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(not read_flag(layer, "exclude-pad", True))
    reader.add(layer, operator, inputs, attributes)


def convert_adaptive_pooling(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add an AdaptiveAveragePool or AdaptiveMaxPool."""
    operator = "AdaptiveAveragePool" if layer.type == "AdaptiveAvgPool" else "AdaptiveMaxPool"
    sizes = reader.integers(inputs[1])
    reader.add(layer, operator, inputs[:1], {}, None if sizes is None else (*reader.dims(inputs[0])[:2], *sizes))


def convert_matmul(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a MatMul, with a Transpose before it for each transposed input that is not constant."""
    operands = []
    for name, option in zip(inputs, ("transpose_a", "transpose_b"), strict=True):
        dims = reader.dims(name)
        if read_flag(layer, option) and len(dims) > 1:
            order = (*range(len(dims) - 2), len(dims) - 1, len(dims) - 2)
            name = reader.transpose(layer, name, order)
        operands.append(name)
    reader.add(layer, "MatMul", operands)


# -- activations and norms


def convert_prelu(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a PRelu with one slope per channel, or a LeakyRelu if there is a single one."""
    sizes, rank = reader.dims(inputs[1]), len(reader.dims(inputs[0]))
    if prod(sizes) == 1:
        slope = reader.number(inputs[1])
        reader.add(layer, "LeakyRelu", inputs[:1], {"alpha": 0.01 if slope is None else slope})
        return
    slopes = inputs[1]
    if len(sizes) == 1 and rank > 2:
        slopes = reader.reshape(layer, slopes, (*sizes, *(1 for _ in range(rank - 2))))
    reader.add(layer, "PRelu", [inputs[0], slopes])


def convert_swish(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Swish, whose factor in the sigmoid may be an input."""
    factor = reader.number(inputs[1]) if len(inputs) > 1 else 1.0
    reader.add(layer, "Swish", inputs[:1], {"alpha": 1.0 if factor is None else factor})


def convert_clamp(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Clip."""
    limits = {name: read_numbers(layer, name) for name in ("min", "max")}
    reader.add(layer, "Clip", inputs, {name: values[0] for name, values in limits.items() if values})


def convert_mean_variance_norm(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a LayerNormalization if the last axes are normalised, otherwise a MeanVarianceNormalization."""
    rank = len(reader.dims(inputs[0]))
    if len(inputs) == 1:  # the first operation set
        axes = tuple(range(1 if read_flag(layer, "across_channels") else 2, rank))
    else:
        count = prod(reader.dims(inputs[1]))  # without the file of constants, only the number of axes is known
        axes = reader.integers(inputs[1]) or tuple(range(rank - count, rank))
    places = sorted(axis % rank for axis in axes)
    if places == list(range(places[0], rank)) and (places[0] == rank - 1 or places[0] == 1):
        reader.add(layer, "LayerNormalization", inputs[:1], {"axis": places[0], "merged": True})
    else:
        reader.add(layer, "MeanVarianceNormalization", inputs[:1], {"axes": tuple(places)})


def convert_group_norm(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a GroupNormalization."""
    groups = read_numbers(layer, "num_groups")
    reader.add(layer, "GroupNormalization", inputs, {"num_groups": int(groups[0]) if groups else 1})


def convert_normalize(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add an LpNormalization."""
    axes = reader.integers(inputs[1]) or (1,)
    reader.add(layer, "LpNormalization", inputs[:1], {"axis": axes[0], "p": 2})


def convert_batch_norm(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a BatchNormalization; in the first operation set, the scale and bias come before the data."""
    ordered = inputs if layer.version != "opset1" else [inputs[2], *inputs[:2], *inputs[3:]]
    reader.add(layer, "BatchNormalization", ordered)


def convert_squared_difference(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a difference and its product with itself."""
    dims = broadcast(*map(reader.dims, inputs))
    difference = reader.add_part(layer, "Sub", inputs, dims, "difference")
    reader.add(layer, "Mul", [difference, difference])


def convert_fake_quantize(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a QuantizeLinear, whose output has an 8-bit type if there are at most 256 levels."""
    levels = read_numbers(layer, "levels")
    low = reader.number(inputs[1]) if len(inputs) > 1 else None
    dtype = None
    if levels and levels[0] <= 256:
        dtype = "uint8" if low is not None and low >= 0 else "int8"
    reader.add(layer, "QuantizeLinear", inputs, dtype=dtype)


# -- rearranging


def convert_transpose(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Transpose."""
    dims, output = reader.dims(inputs[0]), reader.stated(layer)
    order = reader.integers(inputs[1])
    if order == ():
        order = tuple(reversed(range(len(dims))))
    if order is None and output is not None:
        order = _find_order(dims, output)
    if order is None:
        reader.add_undecided(layer, "Transpose", inputs[:1])
    else:
        reader.add(layer, "Transpose", inputs[:1], {"perm": order})


def _find_order(dims: Sizes, output: Sizes) -> Sizes | None:
    """Return the order of axes that produces the sizes `output`; None if several do."""
    large = [size for size in dims if size > 1]
    if len(set(dims)) < len(dims) and (len(set(large)) < len(large) or dims[0] != 1 or output[0] != 1):
        return None
    order = tuple(dims.index(size) for size in output)
    return order if sorted(order) == list(range(len(dims))) else None


def convert_reduction(operator: str) -> Rule:
    """Return a rule for a reduction over the axes in the second input."""

    def rule(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
        dims, output = reader.dims(inputs[0]), reader.stated(layer)
        keeps = read_flag(layer, "keep_dims")
        axes = reader.integers(inputs[1])
        if axes is None and output is not None:
            axes = _find_reduced_axes(dims, output)
        if axes is None:
            reader.add_undecided(layer, operator, inputs[:1])
        else:
            reader.add(layer, operator, inputs[:1], {"axes": axes, "keepdims": int(keeps)})

    return rule


def _find_reduced_axes(dims: Sizes, output: Sizes) -> Sizes | None:
    """Return the axes whose reduction produces the sizes `output`; None if several do."""
    if len(dims) == len(output):
        return tuple(axis for axis, sizes in enumerate(zip(dims, output, strict=True)) if sizes[0] != sizes[1])
    first = len(output)
    if dims[:first] == output and (first < 1 or dims[first - 1] not in dims[first:]):
        return tuple(range(first, len(dims)))
    return None


def convert_reshape(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Reshape, also for Squeeze and Unsqueeze."""
    values = reader.integers(inputs[1]) if len(inputs) > 1 else None
    known = None if reader.stated(layer) is not None else _find_new_sizes(layer, reader.dims(inputs[0]), values)
    reader.add(layer, "Reshape", inputs[:1], {}, known)


def _find_new_sizes(layer: XmlLayer, dims: Sizes, values: Sizes | None) -> Sizes | None:
    """Return the sizes after a Reshape, Squeeze or Unsqueeze; `values` are its target or its axes, None if unknown."""
    if layer.type == "Reshape":
        target = layer.outputs[0].dims if values is None else values
        return resolve_target(dims, target, read_flag(layer, "special_zero"))
    if layer.type == "Squeeze" and (values is not None or len(layer.inputs) == 1):
        axes = None if values is None else {axis % len(dims) for axis in values}
        return tuple(size for axis, size in enumerate(dims) if size != 1 or (axes is not None and axis not in axes))
    if layer.type == "Unsqueeze" and values is not None:
        rank, rest = len(dims) + len(values), iter(dims)
        new = {axis % rank for axis in values}
        return tuple(1 if axis in new else next(rest) for axis in range(rank))
    return None


def convert_concat(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Concat."""
    axis = read_numbers(layer, "axis")
    reader.add(layer, "Concat", inputs, {"axis": int(axis[0]) if axis else 0})


def convert_split(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Split into equal parts, or of VariadicSplit into parts of given lengths."""
    dims = reader.dims(inputs[0])
    stated = [port.dims for port in layer.outputs]
    axes = reader.integers(inputs[1]) or _find_divided_axes(dims, stated[0])
    axis, parts = axes[0] % len(dims), len(stated)
    lengths = reader.integers(inputs[2]) if len(inputs) > 2 else (dims[axis] // parts,) * parts
    lengths = lengths or tuple(port_dims[axis] for port_dims in stated)
    if lengths.count(-1) > 1:
        reader.add(layer, "Split", inputs[:1], {"axis": axis})
        return
    rest = dims[axis] - sum(length for length in lengths if length >= 0)
    sizes = [(*dims[:axis], rest if length < 0 else length, *dims[axis + 1 :]) for length in lengths]
    reader.add(layer, "Split", inputs[:1], {"axis": axis}, sizes)


def _find_divided_axes(dims: Sizes, part: Sizes) -> Sizes:
    """Return the axes along which a part is smaller than the whole; axis 0 if none is known. Sizes may be open."""
    return tuple(axis for axis, (whole, size) in enumerate(zip(dims, part, strict=True)) if 0 <= size != whole) or (0,)


def convert_strided_slice(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Slice, and a Reshape if axes are added or removed."""
    dims = reader.dims(inputs[0])
    begins, ends = reader.integers(inputs[1]), reader.integers(inputs[2])
    steps = reader.integers(inputs[3]) if len(inputs) > 3 else (1,) * len(begins or ())
    if begins is None or ends is None or steps is None or any(read_numbers(layer, "ellipsis_mask")):
        reader.add_undecided(layer, "Slice", inputs[:1])
        return
    sizes = iter(dims)
    cuts = [
        _find_cut(layer, place, sizes, *values) for place, values in enumerate(zip(begins, ends, steps, strict=True))
    ]
    rest = tuple(sizes)
    read = [cut for cut in cuts if not cut.is_new]
    output = (*(len(cut.places) for cut in read), *rest)
    result = (*(len(cut.places) for cut in cuts if not cut.is_gone), *rest)
    attributes = {
        "starts": tuple(cut.places.start for cut in read),
        "axes": tuple(range(len(read))),
        "steps": tuple(cut.places.step for cut in read),
    }
    if result == output:
        reader.add(layer, "Slice", inputs[:1], attributes, output)
    else:
        cut = inputs[0] if output == dims else reader.add_part(layer, "Slice", inputs[:1], output, "slice", attributes)
        reader.add(layer, "Reshape", [cut], {}, result)


class _Cut(NamedTuple):
    """The places that a StridedSlice takes along an axis, which may be new, or gone afterwards."""

    places: range
    is_new: bool = False
    is_gone: bool = False


def _find_cut(layer: XmlLayer, place: int, sizes: Iterator[int], begin: int, end: int, step: int) -> _Cut:
    """Return the cut of entry number `place`; `sizes` are those of the axes of the input that remain."""

    def is_set(name: str) -> bool:
        values = read_numbers(layer, name)
        return place < len(values) and values[place] == 1

    if is_set("new_axis_mask"):
        return _Cut(range(1), is_new=True)
    places = range(next(sizes))
    if is_set("shrink_axis_mask"):
        return _Cut(places[begin : begin + 1 or None], is_gone=True)
    first = None if is_set("begin_mask") else begin
    last = None if is_set("end_mask") else end
    return _Cut(places[first:last:step])


def convert_slice(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Slice."""
    values = [reader.integers(name) for name in inputs[1:]]
    dims = reader.dims(inputs[0])
    if any(value is None for value in values) or len(values) < 3:
        reader.add_undecided(layer, "Slice", inputs[:1])
        return
    starts, stops, steps, *rest = [value for value in values if value is not None]
    axes = rest[0] if rest else tuple(range(len(starts)))
    sizes, firsts = list(dims), []
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        chosen = range(dims[axis])[start:stop:step]
        sizes[axis] = len(chosen)
        firsts.append(chosen.start)
    attributes = {"starts": tuple(firsts), "axes": tuple(axes), "steps": tuple(steps)}
    reader.add(layer, "Slice", inputs[:1], attributes, tuple(sizes))


def convert_pad(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Pad."""
    begin, end = (reader.integers(name) for name in inputs[1:3])
    if begin is None or end is None:
        reader.add_undecided(layer, "Pad", inputs[:1])
        return
    mode = layer.data.get("pad_mode", "constant")
    reader.add(layer, "Pad", inputs[:1], {"pads": (*begin, *end), "mode": mode})


_MODES = {"nearest": "nearest", "linear": "linear", "linear_onnx": "linear", "bilinear_pillow": "linear"}


def convert_interpolation(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Resize to the sizes, or by the factors, in the second or third input."""
    dims = reader.dims(inputs[0])
    mode = layer.data.get("mode", "nearest")
    attributes: dict[str, Any] = {"mode": _MODES.get(mode, "cubic")}
    if read_flag(layer, "antialias") or mode.endswith("pillow"):
        attributes["antialias"] = 1
    by_scale = layer.data.get("shape_calculation_mode") == "scales"
    last = 2 if layer.version == "opset11" else 3
    axes = reader.integers(inputs[last]) if len(inputs) > last else tuple(range(len(dims)))
    values = reader.numbers(inputs[1 if last == 2 or not by_scale else 2])
    known = None
    if axes is not None and values is not None:
        factors = dict(zip(axes, values, strict=False))
        scaled = {
            axis: int(dims[axis] * factor + 1e-6) if by_scale else int(factor) for axis, factor in factors.items()
        }
        known = tuple(scaled.get(axis, size) for axis, size in enumerate(dims))
    reader.add(layer, "Resize", inputs[:1], attributes, known)


def convert_blocks(operator: str) -> Rule:
    """Return a rule for SpaceToDepth and DepthToSpace."""

    def rule(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
        size = read_numbers(layer, "block_size")
        reader.add(layer, operator, inputs, {"blocksize": int(size[0]) if size else 1})

    return rule


def convert_shuffle(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a ChannelShuffle, or an operation that moves values if another axis is shuffled."""
    axis, groups = read_numbers(layer, "axis"), read_numbers(layer, "group")
    if (axis or [1])[0] % len(reader.dims(inputs[0])) == 1:
        reader.add(layer, "ChannelShuffle", inputs, {"groups": int((groups or [1])[0])})
    else:
        reader.add_undecided(layer, "Gather", inputs)


def convert_gather(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Gather along a known axis."""
    axes = reader.integers(inputs[2])
    known = None
    if axes is not None:
        dims = reader.dims(inputs[0])
        axis = axes[0] % len(dims)
        known = (*dims[:axis], *reader.dims(inputs[1]), *dims[axis + 1 :])
    reader.add(layer, "Gather", inputs[:2], {"axis": 0 if axes is None else axes[0]}, known)


def convert_range(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Range from a start to a stop with a step."""
    values = [reader.number(name) for name in inputs]
    start, stop, step = (0.0 if value is None else value for value in values)
    known = None if None in values else (max(ceil((stop - start) / step), 0),)
    reader.add(layer, "Range", inputs, {}, known)


def convert_tile(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add a Tile."""
    repeats = reader.integers(inputs[1])
    known = None
    if repeats is not None:
        dims = (*(1 for _ in range(len(repeats) - len(reader.dims(inputs[0])))), *reader.dims(inputs[0]))
        padded = (*(1 for _ in range(len(dims) - len(repeats))), *repeats)
        known = tuple(size * count for size, count in zip(dims, padded, strict=True))
    reader.add(layer, "Tile", inputs[:1], {}, known)


def convert_broadcast(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add an Expand to the sizes in the second input."""
    target = reader.integers(inputs[1])
    known = None
    if target is not None:
        dims = reader.dims(inputs[0])
        known = broadcast(dims, target) if layer.data.get("mode") == "bidirectional" else tuple(target)
    reader.add(layer, "Expand", inputs[:1], {}, known)


# -- matrix products in larger layers


def convert_attention(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add an Attention; inputs with three axes have a single head."""
    operands = inputs[:4] if len(inputs) > 3 and len(reader.dims(inputs[3])) > 1 else inputs[:3]
    heads = {"q_num_heads": 1, "kv_num_heads": 1} if len(reader.dims(inputs[0])) == 3 else {}
    reader.add(layer, "Attention", operands, heads)


def make_recurrent(operator: str) -> Rule:
    """Return a rule for LSTMSequence, GRUSequence and RNNSequence.

    The inputs are the data, one or two states, the lengths, and the weights.
    """
    states = 2 if operator == "LSTM" else 1

    def rule(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
        data, *rest = inputs
        begin, lengths, weights = rest[:states], rest[states], rest[states + 1 :]
        batch, length, _ = reader.dims(data)
        directions, _, hidden = reader.dims(weights[1])
        state = (batch, directions, hidden)
        sizes = [(batch, directions, length, hidden), *([state] * states)]
        reader.add(layer, operator, [data, *weights[:3], lengths, *begin], {"layout": 1}, sizes)

    return rule


def convert_einsum(reader: GraphReader, layer: XmlLayer, inputs: list[str]) -> None:
    """Add an Einsum."""
    equation = layer.data.get("equation", "")
    terms, _, result = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for term, name in zip(terms.split(","), inputs, strict=False):
        sizes.update(zip(term, reader.dims(name), strict=False))
    known = tuple(sizes[letter] for letter in result) if set(result) <= set(sizes) and result else None
    reader.add(layer, "Einsum", inputs, {"equation": equation}, known)


_SAME_UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh Cos Cosh Erf Exp Floor Gelu Log Mish Round Selu Sigmoid Sign Sin
Sinh Sqrt Tan Tanh"""
_UNARY: Mapping[str, str] = {
    **{name: name for name in _SAME_UNARY.split()},
    "Ceiling": "Ceil",
    "HSigmoid": "HardSigmoid",
    "HSwish": "HardSwish",
    "LogicalNot": "Not",
    "Negative": "Neg",
    "ReLU": "Relu",
    "SoftPlus": "Softplus",
    "SoftSign": "Softsign",
    "Convert": "Cast",
    "ConvertLike": "Cast",
}
_BINARY: Mapping[str, str] = {
    "Add": "Add",
    "Equal": "Equal",
    "Greater": "Greater",
    "Less": "Less",
    "Mod": "Mod",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Power": "Pow",
    "FloorMod": "Mod",
    "GreaterEqual": "GreaterOrEqual",
    "LessEqual": "LessOrEqual",
    "NotEqual": "Equal",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "LogicalXor": "Xor",
}
_SAME = """CumSum GatherElements GatherND GridSample NonMaxSuppression NonZero OneHot ReverseSequence ScatterND
ScatterElements TopK Unique"""
RULES: dict[str, Rule] = {
    **{name: make_same(operator) for name, operator in _UNARY.items()},
    **{name: make_elementwise(operator) for name, operator in _BINARY.items()},
    **{name: make_same(name) for name in _SAME.split()},
    "Select": make_same("Where"),
    "ScatterUpdate": make_same("ScatterElements"),
    "Elu": make_attributed("Elu", alpha="alpha"),
    "SoftMax": make_attributed("Softmax", axis="axis"),
    "Softmax": make_attributed("Softmax", axis="axis"),
    "LogSoftmax": make_attributed("LogSoftmax", axis="axis"),
    "HardSigmoid": make_same("HardSigmoid"),
    "LRN": make_attributed("LRN", size="size"),
    "Convolution": convert_convolution,
    "GroupConvolution": convert_group_convolution,
    **dict.fromkeys(("ConvolutionBackpropData", "GroupConvolutionBackpropData"), convert_transposed_convolution),
    **dict.fromkeys(("MaxPool", "AvgPool"), convert_pooling),
    **dict.fromkeys(("AdaptiveAvgPool", "AdaptiveMaxPool"), convert_adaptive_pooling),
    "MatMul": convert_matmul,
    "PReLU": convert_prelu,
    "Swish": convert_swish,
    "Clamp": convert_clamp,
    "MVN": convert_mean_variance_norm,
    "GroupNormalization": convert_group_norm,
    "NormalizeL2": convert_normalize,
    "BatchNormInference": convert_batch_norm,
    "SquaredDifference": convert_squared_difference,
    "FakeQuantize": convert_fake_quantize,
    "Transpose": convert_transpose,
    **{
        f"Reduce{name}": convert_reduction(f"Reduce{name}")
        for name in ("Mean", "Max", "Min", "Sum", "Prod", "L1", "L2")
    },
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), convert_reshape),
    "Concat": convert_concat,
    **dict.fromkeys(("Split", "VariadicSplit"), convert_split),
    "StridedSlice": convert_strided_slice,
    "Slice": convert_slice,
    "Pad": convert_pad,
    "Interpolate": convert_interpolation,
    "SpaceToDepth": convert_blocks("SpaceToDepth"),
    "DepthToSpace": convert_blocks("DepthToSpace"),
    "ShuffleChannels": convert_shuffle,
    "Gather": convert_gather,
    "Broadcast": convert_broadcast,
    "Range": convert_range,
    "Tile": convert_tile,
    "ScaledDotProductAttention": convert_attention,
    "LSTMSequence": make_recurrent("LSTM"),
    "GRUSequence": make_recurrent("GRU"),
    "RNNSequence": make_recurrent("RNN"),
    "Einsum": convert_einsum,
}
