"""Turns Caffe's layers that join, divide, move or reshape values into operations.

Source of the formulas: src/caffe/layers/ in github.com/BVLC/caffe, and those of the forks named in `fields`.
"""

from itertools import pairwise
from math import prod

from convcalc.convert.caffe.fields import Fields, read_number
from convcalc.convert.caffe.layer_entries import LayerEntry, read_shape
from convcalc.convert.caffe.net import Net, find_axis, format_sizes
from convcalc.convert.operators import Sizes, Tensor
from convcalc.convert.text_files import Mistake


def _read_axis(entry: LayerEntry, param: str, rank: int, default: int, old_name: str = "") -> int:
    fields = entry.read_param(param)
    name = old_name if old_name and fields.has(old_name) else "axis"
    return find_axis(entry, fields.read_integer(name, default, least=-32), rank, name, param)


def add_concat(net: Net, entry: LayerEntry) -> None:
    """Add a concatenation along an axis, by default the channels."""
    sources = net.read_all(entry)
    dims = net.dims(sources[0])
    axis = _read_axis(entry, "concat_param", len(dims), 1, "concat_dim")
    for place, source in enumerate(sources):
        own = net.dims(source)
        if len(own) != len(dims) or any(own[at] != size for at, size in enumerate(dims) if at != axis):
            message = f"cannot concatenate {format_sizes(dims)} and {format_sizes(own)} along axis {axis}"
            raise Mistake(message, entry.bottoms[place].extent, code="CV016")
    joined = sum(net.dims(source)[axis] for source in sources)
    output = (*dims[:axis], joined, *dims[axis + 1 :])
    made = sources[0] if len(sources) == 1 else net.add(entry, "Concat", sources, output, {"axis": axis})
    net.write(entry, made)


def add_slice(net: Net, entry: LayerEntry) -> None:
    """Add a division into one part per top, at the given points or into equal parts."""
    fields = entry.read_param("slice_param")
    source = net.read(entry)
    dims = net.dims(source)
    axis = _read_axis(entry, "slice_param", len(dims), 1, "slice_dim")
    points = fields.list_integers("slice_point", least=1)
    if not points and len(entry.tops) and dims[axis] % len(entry.tops):
        message = f"the {dims[axis]} values along axis {axis} cannot be divided into {len(entry.tops)} equal parts"
        raise Mistake(message, entry.extent, code="CV016")
    if points and len(points) != len(entry.tops) - 1:
        message = f"there must be {len(entry.tops) - 1} values of slice_point, one fewer than tops; got {len(points)}"
        raise Mistake(message, fields.find("slice_point"))
    if not points:
        part = dims[axis] // max(len(entry.tops), 1)
        points = [part * number for number in range(1, len(entry.tops))]
    edges = [0, *points, dims[axis]]
    if any(before >= after for before, after in pairwise(edges)):
        message = f"slice_point must increase up to {dims[axis] - 1}; got {', '.join(map(str, points))}"
        raise Mistake(message, fields.find("slice_point"))
    sizes = [(*dims[:axis], after - before, *dims[axis + 1 :]) for before, after in pairwise(edges)]
    net.write(entry, *net.writer.add("Split", entry.name, [source], sizes, {"axis": axis}))


def add_flatten(net: Net, entry: LayerEntry) -> None:
    """Join the axes from `axis` to `end_axis` to one."""
    fields = entry.read_param("flatten_param")
    source = net.read(entry)
    dims = net.dims(source)
    first = _read_axis(entry, "flatten_param", len(dims), 1)
    last = find_axis(entry, fields.read_integer("end_axis", -1, least=-32), len(dims), "end_axis", "flatten_param")
    if last < first:
        raise Mistake(f"end_axis {last} is before axis {first}", fields.find("end_axis"), code="CV016")
    output = (*dims[:first], prod(dims[first : last + 1]), *dims[last + 1 :])
    net.write(entry, net.add(entry, "Reshape", [source], output))


def add_reshape(net: Net, entry: LayerEntry) -> None:
    """Give the values another shape, in which 0 is the size in the input and -1 the size that remains."""
    fields = entry.read_param("reshape_param")
    source = net.read(entry)
    dims = net.dims(source)
    [*_, shape] = [None, *fields.list_messages("shape")]
    if shape is None:
        raise Mistake("reshape_param needs shape", entry.extent, code="CV012")
    wanted = Fields(shape, "shape", shape.extent)
    wanted.check_names(["dim"])
    axis, axes = fields.read_integer("axis", 0, least=-32), fields.read_integer("num_axes", -1, least=-1)
    start = axis + len(dims) + 1 if axis < 0 else axis
    stop = len(dims) if axes == -1 else start + axes
    if not 0 <= start <= stop <= len(dims):
        message = f"axis {axis} and num_axes {axes} do not fit the input of {len(dims)} axes"
        raise Mistake(message, fields.find("axis"), code="CV016")
    middle = _resolve_sizes(wanted, dims[start:stop])
    net.write(entry, net.add(entry, "Reshape", [source], (*dims[:start], *middle, *dims[stop:])))


def _resolve_sizes(wanted: Fields, dims: Sizes) -> list[int]:
    """Return the new sizes of the axes `dims`. Raises Mistake if they have another number of elements."""
    sizes = wanted.list_integers("dim", least=-1)
    if any(size == 0 and place >= len(dims) for place, size in enumerate(sizes)):
        raise Mistake("dim: 0 has no axis of the input to copy", wanted.find("dim"), code="CV016")
    found = [dims[place] if size == 0 else size for place, size in enumerate(sizes)]
    total, known = prod(dims), prod(size for size in found if size != -1)
    if found.count(-1) == 1 and total % known == 0:
        found[found.index(-1)] = total // known
    if -1 in found or prod(found) != total:
        message = f"cannot reshape {format_sizes(dims)} to {format_sizes(tuple(sizes))}"
        raise Mistake(message, wanted.extent, code="CV016")
    return found


def add_softmax(net: Net, entry: LayerEntry) -> None:
    """Add a Softmax over an axis, by default the channels."""
    source = net.read(entry)
    dims = net.dims(source)
    axis = _read_axis(entry, "softmax_param", len(dims), 1)
    net.write(entry, net.add(entry, "Softmax", [source], dims, {"axis": axis}))


def add_crop(net: Net, entry: LayerEntry) -> None:
    """Cut the first bottom to the size of the second on the axes from `axis` on."""
    fields = entry.read_param("crop_param")
    source, like = net.read_all(entry, 2)[:2]
    dims, sizes = net.dims(source), net.dims(like)
    axis = _read_axis(entry, "crop_param", len(dims), 2)
    offsets = fields.list_integers("offset")
    axes = range(axis, len(dims))
    if len(sizes) != len(dims) or len(offsets) not in (0, 1, len(axes)):
        message = f"offset must have 1 or {len(axes)} values, and both bottoms {len(dims)} axes"
        raise Mistake(message, fields.find("offset"), code="CV016")
    starts = (offsets or [0]) * len(axes) if len(offsets) < 2 else offsets
    for at, start in zip(axes, starts, strict=True):
        if start + sizes[at] > dims[at]:
            message = f"cannot crop {format_sizes(dims)} to {format_sizes(sizes)} from offset {start} of axis {at}"
            raise Mistake(message, entry.extent, code="CV016")
    output = (*dims[:axis], *sizes[axis:])
    net.write(entry, net.add(entry, "Slice", [source], output, {"axes": tuple(axes), "starts": tuple(starts)}))


def add_permute(net: Net, entry: LayerEntry) -> None:
    """Change the order of the axes; those that `order` does not name follow in their own order."""
    fields = entry.read_param("permute_param")
    source = net.read(entry)
    dims = net.dims(source)
    order = fields.list_integers("order")
    if len(set(order)) < len(order) or any(axis >= len(dims) for axis in order):
        message = f"order must list different axes from 0 to {len(dims) - 1}"
        raise Mistake(message, fields.find("order"), code="CV016")
    order += [axis for axis in range(len(dims)) if axis not in order]
    output = tuple(dims[axis] for axis in order)
    net.write(entry, net.add(entry, "Transpose", [source], output, {"perm": tuple(order)}))


_REDUCTIONS = {"SUM": "ReduceSum", "ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}


def add_reduction(net: Net, entry: LayerEntry) -> None:
    """Reduce all axes from `axis` on to one value, and multiply it by `coeff`."""
    fields = entry.read_param("reduction_param")
    source = net.read(entry)
    dims = net.dims(source)
    axis = _read_axis(entry, "reduction_param", len(dims), 0)
    words = ("SUM", "ASUM", "SUMSQ", "MEAN")
    operator = _REDUCTIONS[fields.choose("operation", words if not fields.has("operation") else ("", *words))]
    attributes = {"axes": tuple(range(axis, len(dims))), "keepdims": 0}
    made = net.add(entry, operator, [source], dims[:axis], attributes)
    factor = fields.read_number("coeff", 1)
    if factor != 1:
        number = net.writer.add_number(f"{entry.name}.coeff", factor)
        made = net.add(entry, "Mul", [made, number], dims[:axis], part="coeff")
    net.write(entry, made)


def add_interpolation(net: Net, entry: LayerEntry) -> None:
    """Add a bilinear Resize. Source: interp_layer.cpp of github.com/hszhao/PSPNet."""
    fields = entry.read_param("interp_param")
    source, *others = net.read_all(entry)
    dims = net.check_rank(entry, source, 4)
    pads = [fields.read_integer(name, 0, least=-(10**6)) for name in ("pad_beg", "pad_end")]
    if any(pads):
        sizes = tuple(size + sum(pads) for size in dims[2:])
        amounts = {"pads": (pads[0], pads[0], pads[1], pads[1]), "axes": (2, 3)}
        source = net.add(entry, "Pad", [source], (*dims[:2], *sizes), amounts, "pad")
        dims = net.dims(source)
    output = net.dims(others[0])[2:] if others else _read_interpolated_sizes(fields, dims[2:])
    made = net.add(entry, "Resize", [source], (*dims[:2], *output), {"mode": "linear"})
    net.write(entry, made)


def _read_interpolated_sizes(fields: Fields, sizes: Sizes) -> Sizes:
    if fields.has("height") or fields.has("width"):
        return tuple(fields.read_integer(name, least=1) for name in ("height", "width"))
    if not fields.has("zoom_factor") and not fields.has("shrink_factor"):
        raise Mistake("interp_param needs height and width, zoom_factor or shrink_factor", fields.extent, code="CV012")
    shrink, zoom = (fields.read_integer(name, 1, least=1) for name in ("shrink_factor", "zoom_factor"))
    shrunk = [(size - 1) // shrink + 1 for size in sizes]
    return tuple(size + (size - 1) * (zoom - 1) for size in shrunk)


def add_upsampling(net: Net, entry: LayerEntry) -> None:
    """Add a MaxUnpool if the second bottom has the positions of maxima, and a nearest Resize otherwise.

    Source: upsample_layer.cpp of github.com/alexgkendall/caffe-segnet.
    """
    fields = entry.read_param("upsample_param")
    sources = net.read_all(entry)
    dims = net.check_rank(entry, sources[0], 4)
    scale = fields.read_integer("scale", 2, least=1)
    scales = [fields.read_integer(f"scale_{axis}", scale, least=1) for axis in ("h", "w")]
    sizes = [
        fields.read_integer(f"upsample_{axis}", size * factor - fields.read_boolean(f"pad_out_{axis}", False), least=1)
        for axis, size, factor in zip(("h", "w"), dims[2:], scales, strict=True)
    ]
    output = (*dims[:2], *sizes)
    if len(sources) == 1:
        made = net.add(entry, "Resize", sources, output, {"mode": "nearest"})
    else:
        attributes = {"kernel_shape": tuple(scales), "strides": tuple(scales)}
        made = net.add(entry, "MaxUnpool", sources, output, attributes)
    net.write(entry, made)


def add_shuffle(net: Net, entry: LayerEntry) -> None:
    """Add a channel shuffle."""
    fields = entry.read_param("shuffle_channel_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 2)
    groups = fields.read_integer("group", 1, least=1)
    if dims[1] % groups:
        raise Mistake(f"group of {groups} does not divide the {dims[1]} channels", fields.find("group"), code="CV016")
    net.write(entry, net.add(entry, "ChannelShuffle", [source], dims, {"groups": groups}))


def add_prior_boxes(net: Net, entry: LayerEntry) -> None:
    """Record a constant with four coordinates and four variances per box, which depend on the sizes alone.

    Source: prior_box_layer.cpp of github.com/weiliu89/caffe.
    """
    fields = entry.read_param("prior_box_param")
    dims = net.check_rank(entry, net.read_all(entry, 2)[0], 4)
    ratios, flips = {1.0}, fields.read_boolean("flip", True)
    for scalar in fields.list_scalars("aspect_ratio"):
        ratio = round(read_number("aspect_ratio", scalar), 6)
        if ratio <= 0:
            raise Mistake(f"aspect_ratio must be positive; got {ratio:g}", scalar.extent)
        if ratio not in ratios:
            ratios |= {ratio, round(1 / ratio, 6)} if flips else {ratio}
    boxes = len(ratios) * len(fields.list_scalars("min_size")) + len(fields.list_scalars("max_size"))
    size = prod(dims[2:]) * boxes * 4
    net.write(entry, net.writer.add_tensor(entry.name, Tensor((1, 2, size), "float32", constant=True)))


def add_maximum_positions(net: Net, entry: LayerEntry) -> None:
    """Add an ArgMax along an axis, or over all values of a sample."""
    fields = entry.read_param("argmax_param")
    source = net.read(entry)
    dims = net.dims(source)
    best = fields.read_integer("top_k", 1, least=1)
    if fields.has("axis"):
        axis = _read_axis(entry, "argmax_param", len(dims), 1)
        output = (*dims[:axis], best, *dims[axis + 1 :])
    else:
        output = (dims[0], 2 if fields.read_boolean("out_max_val", False) else 1, best)
    net.write(entry, net.add(entry, "ArgMax", [source], output))


def add_tiling(net: Net, entry: LayerEntry) -> None:
    """Repeat the values along an axis."""
    source = net.read(entry)
    dims = net.dims(source)
    axis = _read_axis(entry, "tile_param", len(dims), 1)
    tiles = entry.read_param("tile_param").read_integer("tiles", least=1)
    net.write(entry, net.add(entry, "Tile", [source], (*dims[:axis], dims[axis] * tiles, *dims[axis + 1 :])))


def add_learnt_tensor(net: Net, entry: LayerEntry) -> None:
    """Record the learnt tensor of a Parameter layer."""
    [*_, shape] = [None, *entry.read_param("parameter_param").list_messages("shape")]
    if shape is None:
        raise Mistake("parameter_param needs shape", entry.extent, code="CV012")
    net.write(entry, *net.add_weights(entry, weight=read_shape(shape, entry.fields)))
