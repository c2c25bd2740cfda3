"""Turns Caffe's layers that slide a window, or multiply by a matrix, into operations.

Source of the formulas: src/caffe/layers/ in github.com/BVLC/caffe.
"""

from math import prod
from typing import Any

from convcalc.convert.caffe.fields import Fields
from convcalc.convert.caffe.layer_entries import LayerEntry
from convcalc.convert.caffe.net import Net, find_axis, format_sizes
from convcalc.convert.operators import Sizes
from convcalc.convert.text_files import Mistake

_AXES = ("h", "w")


def _read_per_axis(fields: Fields, name: str, short: str, axes: int, default: int | None, least: int) -> Sizes:
    """Return an option with one value per spatial axis: given once, per axis, or as `short` with `_h` and `_w`."""
    if any(fields.has(f"{short}_{axis}") for axis in _AXES):
        if axes != len(_AXES):
            raise Mistake(f"{short}_h and {short}_w need an image with 2 axes", fields.find(f"{short}_h"))
        return tuple(fields.read_integer(f"{short}_{axis}", default, least) for axis in _AXES)
    values = fields.list_integers(name, least)
    if not values:
        values = [fields.read_integer(name, default, least)]
    if len(values) not in (1, axes):
        raise Mistake(f"{name} must have 1 or {axes} values; got {len(values)}", fields.find(name))
    return tuple(values * axes if len(values) == 1 else values)


class _Window:
    """The size, stride, padding and dilation of a window, one per spatial axis."""

    def __init__(self, fields: Fields, axes: int) -> None:
        self.fields = fields
        self.kernel = _read_per_axis(fields, "kernel_size", "kernel", axes, None, 1)
        self.stride = _read_per_axis(fields, "stride", "stride", axes, 1, 1)
        self.padding = _read_per_axis(fields, "pad", "pad", axes, 0, 0)
        old = "hole" if fields.has("hole") or fields.has("hole_h") else "dilation"
        self.dilation = _read_per_axis(fields, old, old, axes, 1, 1)

    def list_attributes(self) -> dict[str, Any]:
        """Return the window as the attributes of an ONNX operator."""
        return {
            "kernel_shape": self.kernel,
            "strides": self.stride,
            "pads": (*self.padding, *self.padding),
            "dilations": self.dilation,
        }

    def check_fits(self, spatial: Sizes) -> None:
        """Raise Mistake if the window is larger than the padded input."""
        for size, kernel, padding, dilation in zip(spatial, self.kernel, self.padding, self.dilation, strict=True):
            if dilation * (kernel - 1) + 1 > size + 2 * padding:
                message = f"kernel of {kernel} does not fit the input of {format_sizes(spatial)}"
                where = next(name for name in ("kernel_size", "kernel_h", "kernel_w") if self.fields.has(name))
                raise Mistake(message, self.fields.find(where), code="CV016")


def _read_groups(fields: Fields, *channels: int) -> int:
    groups = fields.read_integer("group", 1, least=1)
    if any(number % groups for number in channels):
        message = f"group of {groups} does not divide the channels {' and '.join(map(str, channels))}"
        raise Mistake(message, fields.find("group"), code="CV016")
    return groups


def add_convolution(net: Net, entry: LayerEntry) -> None:
    """Add a Conv for each bottom; all have the same weights."""
    fields = entry.read_param("convolution_param")
    sources = net.read_all(entry)
    dims = net.check_rank(entry, sources[0], 3)
    window = _Window(fields, len(dims) - 2)
    filters = fields.read_integer("num_output", least=1)
    groups = dims[1] if entry.type in _DEPTHWISE else _read_groups(fields, dims[1], filters)
    if filters % groups:
        raise Mistake(f"num_output must be a multiple of the {groups} channels", fields.find("num_output"))
    sizes = {"weight": (filters, dims[1] // groups, *window.kernel)}
    if fields.read_boolean("bias_term", True):
        sizes["bias"] = (filters,)
    weights = net.add_weights(entry, **sizes)
    made = []
    for source in sources:
        spatial = net.dims(source)[2:]
        _check_same_channels(net, entry, source, dims)
        window.check_fits(spatial)
        output = [
            (size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1
            for size, kernel, stride, pad, dilation in zip(
                spatial, window.kernel, window.stride, window.padding, window.dilation, strict=True
            )
        ]
        attributes = {**window.list_attributes(), "group": groups}
        made.append(net.add(entry, "Conv", [source, *weights], (dims[0], filters, *output), attributes))
    net.write(entry, *made)


_DEPTHWISE = frozenset({"ConvolutionDepthwise", "DepthwiseConvolution"})


def _check_same_channels(net: Net, entry: LayerEntry, source: str, dims: Sizes) -> None:
    own = net.dims(source)
    if len(own) != len(dims) or own[1] != dims[1]:
        message = f"the bottoms must have equal axes and channels; got {format_sizes(dims)} and {format_sizes(own)}"
        raise Mistake(message, entry.extent, code="CV016")


def add_transposed_convolution(net: Net, entry: LayerEntry) -> None:
    """Add a ConvTranspose of n positions to stride (n - 1) + dilation (kernel - 1) + 1 - 2 pad."""
    fields = entry.read_param("convolution_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 3)
    window = _Window(fields, len(dims) - 2)
    filters = fields.read_integer("num_output", least=1)
    groups = _read_groups(fields, dims[1], filters)
    sizes = {"weight": (dims[1], filters // groups, *window.kernel)}
    if fields.read_boolean("bias_term", True):
        sizes["bias"] = (filters,)
    weights = net.add_weights(entry, **sizes)
    output = [
        stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad
        for size, kernel, stride, pad, dilation in zip(
            dims[2:], window.kernel, window.stride, window.padding, window.dilation, strict=True
        )
    ]
    attributes = {**window.list_attributes(), "group": groups}
    net.write(entry, net.add(entry, "ConvTranspose", [source, *weights], (dims[0], filters, *output), attributes))


_POOLINGS = {"MAX": "MaxPool", "AVE": "AveragePool", "STOCHASTIC": "caffe.StochasticPool"}


def add_pooling(net: Net, entry: LayerEntry) -> None:
    """Add a pooling, whose second top, if there is one, has the positions of the maxima."""
    fields = entry.read_param("pooling_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 3)
    method = fields.choose("pool", ("MAX", "AVE", "STOCHASTIC"))
    if fields.read_boolean("global_pooling", False):
        output = (*dims[:2], *(1 for _ in dims[2:]))
        operator = {"MAX": "GlobalMaxPool", "AVE": "GlobalAveragePool"}.get(method, _POOLINGS[method])
        made = net.add(entry, operator, [source], output)
    else:
        window = _Window(fields, len(dims) - 2)
        made = _add_window(net, entry, source, method, window, _rounds_up(fields))
    if len(entry.tops) == 2:
        net.write(entry, made, net.add_output(made, "mask"))
    else:
        net.write(entry, made)


def _rounds_up(fields: Fields) -> bool:
    """Whether a last window that only partly covers the input counts; `ceil_mode` is a field of forks."""
    return fields.choose("round_mode", ("CEIL", "FLOOR")) == "CEIL" and fields.read_boolean("ceil_mode", True)


def _add_window(net: Net, entry: LayerEntry, source: str, method: str, window: _Window, rounds_up: bool) -> str:
    dims = net.dims(source)
    window.check_fits(dims[2:])
    if any(pad >= kernel for pad, kernel in zip(window.padding, window.kernel, strict=True)):
        raise Mistake("pad must be smaller than kernel_size", window.fields.find("pad"), code="CV016")
    output = tuple(
        count_windows(size, kernel, stride, pad, any(window.padding), rounds_up)
        for size, kernel, stride, pad in zip(dims[2:], window.kernel, window.stride, window.padding, strict=True)
    )
    floored = [
        (size + 2 * pad - kernel) // stride + 1
        for size, kernel, stride, pad in zip(dims[2:], window.kernel, window.stride, window.padding, strict=True)
    ]
    attributes = {**window.list_attributes(), "ceil_mode": int(list(output) != floored), "count_include_pad": 1}
    return net.add(entry, _POOLINGS[method], [source], (*dims[:2], *output), attributes)


def count_windows(size: int, kernel: int, stride: int, pad: int, padded: bool, rounds_up: bool = True) -> int:
    """Return the number of windows of a pooling along one axis, with `pad` zeros on each side.

    A last window that covers only a part of the input counts. If any axis is padded, a window that would start in the
    padding after the input does not. Source: PoolingLayer::Reshape.
    """
    windows = (size + 2 * pad - kernel + (stride - 1 if rounds_up else 0)) // stride + 1
    return windows - 1 if padded and (windows - 1) * stride >= size + pad else windows


def add_pyramid_pooling(net: Net, entry: LayerEntry) -> None:
    """Add poolings to 1, 2, 4, … bins per axis, which are flattened and concatenated. Source: SPPLayer."""
    fields = entry.read_param("spp_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 4)
    method = fields.choose("pool", ("MAX", "AVE", "STOCHASTIC"))
    height = fields.read_integer("pyramid_height", least=1)
    if 2 ** min(height - 1, 32) > min(dims[2:]):
        message = f"pyramid_height of {height} needs an input of at least {2 ** min(height - 1, 32)} positions per axis"
        raise Mistake(message, fields.find("pyramid_height"), code="CV016")
    parts = []
    for level in range(height):
        bins = 2**level
        kernel = tuple(-(-size // bins) for size in dims[2:])
        pads = tuple((size * bins - own + 1) // 2 for size, own in zip(kernel, dims[2:], strict=True))
        attributes = {"kernel_shape": kernel, "strides": kernel, "pads": (*pads, *pads), "count_include_pad": 1}
        output = tuple(
            count_windows(own, size, size, pad, any(pads))
            for own, size, pad in zip(dims[2:], kernel, pads, strict=True)
        )
        pooled = net.add(
            entry, _POOLINGS[method], [source], (*dims[:2], *output), {**attributes, "ceil_mode": 1}, f"pool{level}"
        )
        flat = (dims[0], dims[1] * prod(output))
        parts.append(net.add(entry, "Reshape", [pooled], flat, part=f"flatten{level}"))
    width = sum(net.dims(part)[1] for part in parts)
    net.write(entry, net.add(entry, "Concat", parts, (dims[0], width), {"axis": 1}) if height > 1 else parts[0])


def add_inner_product(net: Net, entry: LayerEntry) -> None:
    """Add a Gemm of all axes from `axis` on, or a MatMul if there are axes besides the batch before these."""
    fields = entry.read_param("inner_product_param")
    source = net.read(entry)
    dims = net.dims(source)
    features = fields.read_integer("num_output", least=1)
    axis = find_axis(entry, fields.read_integer("axis", 1, least=-32), len(dims), "axis", "inner_product_param")
    width = prod(dims[axis:])
    sizes: dict[str, Sizes] = {"weight": (features, width) if axis == 1 else (width, features)}
    if fields.read_boolean("bias_term", True):
        sizes["bias"] = (features,)
    weights = net.add_weights(entry, **sizes)
    if len(dims) > axis + 1:
        source = net.add(entry, "Reshape", [source], (*dims[:axis], width), part="flatten")
    operator, attributes = ("Gemm", {"transB": 1}) if axis == 1 else ("MatMul", {})
    net.write(entry, net.add(entry, operator, [source, *weights], (*dims[:axis], features), attributes))


def add_embedding(net: Net, entry: LayerEntry) -> None:
    """Add a Gather of the rows of a learnt table, and a sum with a bias."""
    fields = entry.read_param("embed_param")
    source = net.read(entry)
    rows, features = fields.read_integer("input_dim", least=1), fields.read_integer("num_output", least=1)
    sizes: dict[str, Sizes] = {"weight": (rows, features)}
    if fields.read_boolean("bias_term", True):
        sizes["bias"] = (features,)
    table, *bias = net.add_weights(entry, **sizes)
    output = (*net.dims(source), features)
    made = net.add(entry, "Gather", [table, source], output)
    net.write(entry, net.add(entry, "Add", [made, *bias], output, part="bias") if bias else made)


def add_region_pooling(net: Net, entry: LayerEntry) -> None:
    """Add a pooling of one part of the map per region: ROIPooling takes maxima, PSROIPooling averages."""
    data, regions = net.read_all(entry, 2)[:2]
    channels = net.check_rank(entry, data, 4)[1]
    if entry.type == "ROIPooling":
        fields = entry.read_param("roi_pooling_param")
        height, width = (fields.read_integer(f"pooled_{axis}", least=1) for axis in _AXES)
        operator = "MaxRoiPool"
    else:
        fields = entry.read_param("psroi_pooling_param")
        height = width = fields.read_integer("group_size", least=1)
        channels, operator = fields.read_integer("output_dim", least=1), "caffe.PSROIPooling"
    output = (net.dims(regions)[0], channels, height, width)
    net.write(entry, net.add(entry, operator, [data, regions], output))
