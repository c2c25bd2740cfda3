"""Turns Caffe's activations, norms, sums and products into operations.

Source of the formulas: src/caffe/layers/ in github.com/BVLC/caffe.
"""

import math
from collections.abc import Callable
from typing import Any

from convcalc.convert.caffe.fields import Fields, read_number
from convcalc.convert.caffe.layer_entries import LayerEntry
from convcalc.convert.caffe.net import Net, Rule, find_axis, format_sizes
from convcalc.convert.costs.cost import Cost
from convcalc.convert.operators import Sizes
from convcalc.convert.text_files import Mistake


def add_identity(net: Net, entry: LayerEntry) -> None:
    """Give the bottom further names, without adding an operation."""
    source = net.read(entry)
    net.write(entry, *(source for _ in entry.tops))


def make_activation(operator: str, **attributes: Any) -> Rule:
    """Return a rule for an operator that computes each value from the value at the same place."""

    def rule(net: Net, entry: LayerEntry) -> None:
        source = net.read(entry)
        net.write(entry, net.add(entry, operator, [source], net.dims(source), attributes))

    return rule


def make_option(operator: str, attribute: str, param: str, field: str, default: float) -> Rule:
    """Return a rule for an activation whose attribute is a number in the file."""

    def rule(net: Net, entry: LayerEntry) -> None:
        make_activation(operator, **{attribute: entry.read_param(param).read_number(field, default)})(net, entry)

    return rule


def add_relu(net: Net, entry: LayerEntry) -> None:
    """Add a Relu, or a LeakyRelu if `negative_slope` is not 0."""
    slope = entry.read_param("relu_param").read_number("negative_slope", 0)
    (make_activation("LeakyRelu", alpha=slope) if slope else make_activation("Relu"))(net, entry)


def add_prelu(net: Net, entry: LayerEntry) -> None:
    """Add a PRelu with one slope per channel, or a single one."""
    source = net.read(entry)
    dims = net.check_rank(entry, source, 2)
    shared = entry.read_param("prelu_param").read_boolean("channel_shared", False)
    sizes = (1,) if shared else (dims[1], *(1 for _ in dims[2:]))
    net.write(entry, net.add(entry, "PRelu", [source, *net.add_weights(entry, slope=sizes)], dims))


def add_dropout(net: Net, entry: LayerEntry) -> None:
    """Add a Dropout, which changes nothing at inference."""
    make_option("Dropout", "ratio", "dropout_param", "dropout_ratio", 0.5)(net, entry)


def add_clip(net: Net, entry: LayerEntry) -> None:
    """Add a Clip to two given limits."""
    fields = entry.read_param("clip_param")
    limits = {name: fields.read_number(name, math.nan) for name in ("min", "max")}
    for name, value in limits.items():
        if math.isnan(value):
            raise Mistake(f"clip_param needs {name}", entry.extent, code="CV012")
    make_activation("Clip", **limits)(net, entry)


def _scale_and_shift(net: Net, entry: LayerEntry, source: str, scale: float, shift: float) -> str:
    """Add a product and a sum with numbers, unless they change nothing."""
    for operator, number, neutral in (("Mul", scale, 1), ("Add", shift, 0)):
        if number != neutral:
            constant = net.writer.add_number(f"{entry.name}.{operator}", number)
            part = "scale" if operator == "Mul" else "shift"
            source = net.add(entry, operator, [source, constant], net.dims(source), part=part)
    return source


def add_power(net: Net, entry: LayerEntry) -> None:
    """Add the operations of (shift + scale · x) ^ power that change something."""
    fields = entry.read_param("power_param")
    power, scale, shift = (fields.read_number(*option) for option in (("power", 1), ("scale", 1), ("shift", 0)))
    source = _scale_and_shift(net, entry, net.read(entry), scale, shift)
    if power != 1:
        exponent = net.writer.add_number(f"{entry.name}.power", power)
        source = net.add(entry, "Pow", [source, exponent], net.dims(source))
    elif (scale, shift) == (1, 0):
        source = net.add(entry, "Identity", [source], net.dims(source))
    net.write(entry, source)


def add_exponential(net: Net, entry: LayerEntry) -> None:
    """Add the operations of base ^ (shift + scale · x); the base -1 stands for e."""
    fields = entry.read_param("exp_param")
    factor = _read_log_of_base(fields.read_number("base", -1), fields.find("base"))
    scale, shift = fields.read_number("scale", 1), fields.read_number("shift", 0)
    source = _scale_and_shift(net, entry, net.read(entry), scale * factor, shift * factor)
    net.write(entry, net.add(entry, "Exp", [source], net.dims(source)))


def add_logarithm(net: Net, entry: LayerEntry) -> None:
    """Add the operations of the logarithm of shift + scale · x; the base -1 stands for e."""
    fields = entry.read_param("log_param")
    factor = _read_log_of_base(fields.read_number("base", -1), fields.find("base"))
    source = net.read(entry)
    source = _scale_and_shift(net, entry, source, fields.read_number("scale", 1), fields.read_number("shift", 0))
    made = net.add(entry, "Log", [source], net.dims(source))
    net.write(entry, made if factor == 1 else _scale_and_shift(net, entry, made, 1 / factor, 0))


def _read_log_of_base(base: float, extent: tuple[int, int]) -> float:
    if base == -1:
        return 1
    if base <= 0 or base == 1:
        raise Mistake(f"base must be positive and not 1, or -1 for e; got {base:g}", extent)
    return math.log(base)


# -- norms


def add_batch_norm(net: Net, entry: LayerEntry) -> None:
    """Add a BatchNormalization; BN and, with `scale_bias`, BatchNorm have a learnt scale and bias of their own."""
    source = net.read(entry)
    dims = net.check_rank(entry, source, 2)
    affine = entry.type == "BN" or entry.read_param("batch_norm_param").read_boolean("scale_bias", False)
    learnt = net.add_weights(entry, scale=dims[1:2], bias=dims[1:2]) if affine else ["", ""]
    statistics = [net.writer.add_statistic(f"{entry.name}.{name}", dims[1:2]) for name in ("mean", "variance")]
    net.write(entry, net.add(entry, "BatchNormalization", [source, *learnt, *statistics], dims))


def add_response_norm(net: Net, entry: LayerEntry) -> None:
    """Add an LRN over channels, or an operation of the same cost per neighbour over the positions of a channel."""
    fields = entry.read_param("lrn_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 3)
    size = fields.read_integer("local_size", 5, least=1)
    if size % 2 == 0:
        raise Mistake(f"local_size must be odd; got {size}", fields.find("local_size"))
    if fields.choose("norm_region", ("ACROSS_CHANNELS", "WITHIN_CHANNEL")) == "ACROSS_CHANNELS":
        net.write(entry, net.add(entry, "LRN", [source], dims, {"size": size}))
        return
    made = net.add(entry, "LRN within channels", [source], dims)
    values, neighbours = math.prod(dims), size * size
    net.writer.costs[net.writer.operations[-1].name] = Cost(values * (neighbours + 2), values * neighbours)
    net.write(entry, made)


def add_mean_variance_norm(net: Net, entry: LayerEntry) -> None:
    """Add a MeanVarianceNormalization, or only a mean and a difference."""
    fields = entry.read_param("mvn_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 3)
    axes = tuple(range(1 if fields.read_boolean("across_channels", False) else 2, len(dims)))
    if fields.read_boolean("normalize_variance", True):
        made = net.add(entry, "MeanVarianceNormalization", [source], dims, {"axes": axes})
    else:
        reduced = tuple(1 if axis in axes else size for axis, size in enumerate(dims))
        mean = net.add(entry, "ReduceMean", [source], reduced, {"axes": axes, "keepdims": 1}, "mean")
        made = net.add(entry, "Sub", [source, mean], dims)
    net.write(entry, made)


def add_normalize(net: Net, entry: LayerEntry) -> None:
    """Add a division by the L2 norm of the channels, or of all values, and a product with a learnt scale."""
    fields = entry.read_param("norm_param")
    source = net.read(entry)
    dims = net.check_rank(entry, source, 3)
    axes = tuple(range(1, len(dims))) if fields.read_boolean("across_spatial", True) else (1,)
    made = net.add(entry, "LpNormalization", [source], dims, {"axis": axes[0], "axes": axes, "p": 2}, "norm")
    shared = fields.read_boolean("channel_shared", True)
    sizes = (1,) if shared else (dims[1], *(1 for _ in dims[2:]))
    net.write(entry, net.add(entry, "Mul", [made, *net.add_weights(entry, scale=sizes)], dims))


# -- sums and products


def make_learnt(operator: str, param: str) -> Rule:
    """Return a rule for Scale and Bias, whose factor or summand is learnt, or is the second bottom."""

    def rule(net: Net, entry: LayerEntry) -> None:
        fields = entry.read_param(param)
        source, *others = net.read_all(entry)
        dims = net.dims(source)
        axis = find_axis(entry, fields.read_integer("axis", 1, least=-32), len(dims), "axis", param)
        sizes = {}
        if others:
            other = _align(net, entry, others[0], dims, axis)
            own = net.dims(other)
        else:
            own = sizes["factor"] = _read_learnt_sizes(fields, dims, axis)
        if operator == "Mul" and fields.read_boolean("bias_term", False):
            sizes["bias"] = own
        weights = net.add_weights(entry, **sizes)
        learnt = {"learnt": axis == 1}
        made = net.add(entry, operator, [source, other if others else weights[0]], dims, {} if others else learnt)
        if "bias" in sizes:
            made = net.add(entry, "Add", [made, weights[-1]], dims, learnt, "bias")
        net.write(entry, made)

    return rule


def _read_learnt_sizes(fields: Fields, dims: Sizes, axis: int) -> Sizes:
    """Return the sizes of a learnt tensor for `num_axes` axes from `axis` on, and 1 for each axis after these."""
    number = fields.read_integer("num_axes", 1, least=-1)
    stop = len(dims) if number == -1 else axis + number
    if stop > len(dims):
        message = f"num_axes of {number} from axis {axis} exceeds the input of {len(dims)} axes"
        raise Mistake(message, fields.find("num_axes"), code="CV016")
    return (*dims[axis:stop], *(1 for _ in dims[stop:]))


def _align(net: Net, entry: LayerEntry, tensor: str, dims: Sizes, axis: int) -> str:
    """Return a tensor with axes of size 1 before and after its own, which then match those of `dims` from `axis` on."""
    own = net.dims(tensor)
    stop = axis + len(own)
    whole = len(own) == len(dims)
    if own != dims[axis:stop] and not (whole and all(one in (1, size) for one, size in zip(own, dims, strict=True))):
        fit = f"do not fit {format_sizes(dims)} from axis {axis}"
        raise Mistake(f"the sizes {format_sizes(own)} of the bottom {fit}", entry.extent, code="CV016")
    if whole or not own:
        return tensor
    wide = (*(1 for _ in dims[:axis]), *own, *(1 for _ in dims[stop:]))
    return net.add(entry, "Reshape", [tensor], wide, part="reshape")


def add_axpy(net: Net, entry: LayerEntry) -> None:
    """Add the operations of a · x + y, where `a` has one factor per channel."""
    factor, source, summand = net.read_all(entry, 3)[:3]
    dims = net.check_rank(entry, source, 2)
    made = net.add(entry, "Mul", [source, _align(net, entry, factor, dims, 0)], dims, part="scale")
    _check_same(net, entry, [source, summand])
    net.write(entry, net.add(entry, "Add", [made, summand], dims))


def add_elementwise(net: Net, entry: LayerEntry) -> None:
    """Add the sum, with factors, the product or the maximum of all bottoms."""
    fields = entry.read_param("eltwise_param")
    sources = net.read_all(entry, 2)
    dims = _check_same(net, entry, sources)
    operation = fields.choose("operation", ("PROD", "SUM", "MAX")) if fields.has("operation") else "SUM"
    factors = [read_number("coeff", scalar) for scalar in fields.list_scalars("coeff")]
    if factors and (operation != "SUM" or len(factors) != len(sources)):
        message = f"coeff needs operation: SUM and one value per bottom, {len(sources)} in total"
        raise Mistake(message, fields.find("coeff"))
    if operation == "SUM":
        made = _add_sum(net, entry, sources, factors or [1.0] * len(sources))
    else:
        made = sources[0]
        for place, source in enumerate(sources[1:], start=2):
            part = "" if place == len(sources) else f"part{place}"
            made = net.add(entry, "Mul" if operation == "PROD" else "Max", [made, source], dims, part=part)
    net.write(entry, made)


def _add_sum(net: Net, entry: LayerEntry, sources: list[str], factors: list[float]) -> str:
    dims = net.dims(sources[0])
    if factors == [1, -1]:
        return net.add(entry, "Sub", sources, dims)
    scaled = []
    for place, (source, factor) in enumerate(zip(sources, factors, strict=True), start=1):
        if factor != 1:
            number = net.writer.add_number(f"{entry.name}.coeff{place}", factor)
            source = net.add(entry, "Mul", [source, number], dims, part=f"coeff{place}")
        scaled.append(source)
    return net.add(entry, "Sum", scaled, dims)


def _check_same(net: Net, entry: LayerEntry, sources: list[str]) -> Sizes:
    """Return the sizes of all tensors. Raises Mistake if they differ."""
    sizes = list(dict.fromkeys(net.dims(source) for source in sources))
    if len(sizes) > 1:
        message = f"the bottoms of {entry.type} have different sizes: {' and '.join(map(format_sizes, sizes))}"
        raise Mistake(message, entry.bottoms[1].extent, code="CV016")
    return sizes[0]


def add_threshold(net: Net, entry: LayerEntry) -> None:
    """Add a comparison with a number."""
    source = net.read(entry)
    number = entry.read_param("threshold_param").read_number("threshold", 0)
    constant = net.writer.add_number(f"{entry.name}.threshold", number)
    net.write(entry, net.add(entry, "Greater", [source, constant], net.dims(source)))


ACTIVATIONS: dict[str, Callable[[Net, LayerEntry], None]] = {
    "ReLU": add_relu,
    "ReLU6": make_activation("Clip", min=0.0, max=6.0),
    "PReLU": add_prelu,
    "ELU": make_option("Elu", "alpha", "elu_param", "alpha", 1.0),
    "SELU": make_activation("Selu"),
    "SeLu": make_activation("Selu"),
    "Sigmoid": make_activation("Sigmoid"),
    "TanH": make_activation("Tanh"),
    "Swish": make_option("Swish", "alpha", "swish_param", "beta", 1.0),
    "Mish": make_activation("Mish"),
    "AbsVal": make_activation("Abs"),
    "BNLL": make_activation("Softplus"),
    "Clip": add_clip,
    "Power": add_power,
    "Exp": add_exponential,
    "Log": add_logarithm,
    "Threshold": add_threshold,
    "Dropout": add_dropout,
    "SeLuDropout": add_dropout,
}
