"""Operators that compute value by value, and norms."""

from collections.abc import Callable
from struct import pack
from typing import Any

from convcalc.convert.onnx_graph.building import Builder, Data, UnsupportedOperation
from convcalc.convert.onnx_graph.declared import Sizes
from convcalc.convert.onnx_graph.learnt import is_learnt
from convcalc.convert.onnx_graph.program import Operation

Rule = Callable[[Builder, Operation], None]


def activation_rule(kind: str) -> Rule:
    """An operator that is an activation."""

    def rule(builder: Builder, operation: Operation) -> None:
        data = builder.any_order(operation.inputs[0])
        builder.add(operation, kind, {}, [data], order=data.order)

    return rule


def convert_leaky_relu(builder: Builder, operation: Operation) -> None:
    """LeakyRelu with its slope, which is a number of single precision."""
    data = builder.any_order(operation.inputs[0])
    slope = _shorten_number(operation.attributes.get("alpha", 0.01))
    arguments = {} if slope == 0.01 else {"negative_slope": slope}
    builder.add(operation, "leaky_relu", arguments, [data], order=data.order)


def convert_clip(builder: Builder, operation: Operation) -> None:
    """Clip: relu, relu6, or hardtanh with whatever ends."""
    data = builder.any_order(operation.inputs[0])
    low = (builder.numbers(operation, 1, "min") or [-1e38])[0]
    high = (builder.numbers(operation, 2, "max") or [1e38])[0]
    if low <= -1e30 or high >= 1e30:
        kind = "relu" if low == 0 else ""
    else:
        kind = "relu6" if (low, high) == (0, 6) else "hardtanh"
    if not kind:
        raise UnsupportedOperation(f"it clips to [{low:g}, {high:g}]; only [0, inf) or two finite limits are supported")
    builder.add(operation, kind, {}, [data], order=data.order)


def convert_softmax(builder: Builder, operation: Operation) -> None:
    """Softmax and LogSoftmax over the channels. Before version 13 all axes from `axis` on are one."""
    data = builder.any_order(operation.inputs[0])
    old = operation.version < 13
    rank = len(data.order)
    axis = operation.attributes.get("axis", 1 if old else -1) % rank
    if data.order[axis] != 1 or (old and axis != rank - 1 and data.shape.positions > 1):
        raise UnsupportedOperation(f"it is computed over axis {axis}; only softmax over the channels is supported")
    kind = "softmax" if operation.operator == "Softmax" else "log_softmax"
    builder.add(operation, kind, {}, [data], order=data.order)


def convert_prelu(builder: Builder, operation: Operation) -> None:
    """PRelu with one slope, or one a channel."""
    data = builder.any_order(operation.inputs[0])
    slopes = builder.constant(operation, 1, "slopes").dims
    each = operation.version < 7 and slopes == (data.shape.channels,)  # versions before had no broadcasting
    if max(slopes, default=1) > 1 and not each:
        _check_channel_axis(slopes, data, "slopes")
    arguments = {"num_parameters": data.shape.channels} if max(slopes, default=1) > 1 else {}
    builder.add(operation, "prelu", arguments, [data], builder.roots(operation, 1), data.order)


def _check_channel_axis(sizes: Sizes, data: Data, what: str) -> None:
    """Check that a constant has one value a channel, on the axis of the channels."""
    padded = (1,) * (len(data.order) - len(sizes)) + sizes
    due = tuple(data.shape.channels if axis == 1 else 1 for axis in data.order)
    if padded != due:
        raise UnsupportedOperation(f"its {what} have shape {list(sizes)}; expected one value per channel, {list(due)}")


def dropout_rule(kind: str) -> Rule:
    """Dropout and stochastic depth, their share an attribute before version 12."""

    def rule(builder: Builder, operation: Operation) -> None:
        data = builder.any_order(operation.inputs[0])
        share = _shorten_number((builder.numbers(operation, 1, "ratio") or [0.5])[0])
        builder.add(operation, kind, {} if share == 0.5 else {"p": share}, [data], order=data.order)

    return rule


def _shorten_number(value: float) -> float:
    """The shortest number that is this one in single precision, in which files hold it: 0.1, not 0.10000000149."""
    single = pack("f", value)
    return next(short for digits in range(1, 18) if pack("f", short := float(f"{value:.{digits}g}")) == single)


def convert_batch_norm(builder: Builder, operation: Operation) -> None:
    """BatchNormalization of each channel; shared where all four tensors are another's."""
    data = builder.read(operation.inputs[0])
    for place in range(1, 5):
        if builder.constant(operation, place, "parameters").dims != (data.shape.channels,):
            raise UnsupportedOperation("it does not have one scale, bias, mean and variance per channel")
    roots = builder.roots(operation, 1, 2, 3, 4)
    # equal constants may have been made one by an exporter: then they are no sign of one layer used twice
    scale, center = (not _is_default_constant(builder, operation, place) for place in (1, 2))
    arguments = {"affine": False} if not (scale or center) else {"scale": False} if not scale else {}
    arguments |= {"center": False} if scale and not center else {}
    builder.add(operation, "batchnorm", arguments, [data], roots if len(roots) == 4 else ())


def _is_default_constant(builder: Builder, operation: Operation, place: int) -> bool:
    """Whether the factors (at place 1) are ones, or the shifts (at 2) zeros, written in the graph: nothing learnt."""
    value = builder.value(operation.inputs[place])
    plain = value.held is not None and bool((value.held == (1, 0)[place - 1]).all())
    return plain and set(value.roots) <= builder.program.literal


def _are_default_constants(builder: Builder, operation: Operation) -> bool:
    """Whether neither factors nor shifts were learnt."""
    return all(_is_default_constant(builder, operation, place) for place in (1, 2))


def convert_instance_norm(builder: Builder, operation: Operation) -> None:
    """InstanceNormalization."""
    data = builder.read(operation.inputs[0])
    builder.constant(operation, 1, "scales")
    plain = _are_default_constants(builder, operation)
    arguments = {} if plain else {"affine": True}
    builder.add(operation, "instancenorm", arguments, [data], () if plain else builder.roots(operation, 1, 2))


def convert_group_norm(builder: Builder, operation: Operation) -> None:
    """GroupNormalization with a factor and a shift a channel, or with none where it was written out."""
    data = builder.read(operation.inputs[0])
    arguments: dict[str, Any] = {"num_groups": operation.attributes["num_groups"]}
    for place in range(1, len(operation.inputs)):
        if max(builder.constant(operation, place, "scale and bias").dims, default=1) != data.shape.channels:
            raise UnsupportedOperation("it does not have one scale and bias per channel")
    if len(operation.inputs) == 1:
        arguments["affine"] = False
    builder.add(operation, "groupnorm", arguments, [data], builder.roots(operation, 1, 2))


def convert_layer_norm(builder: Builder, operation: Operation) -> None:
    """LayerNormalization over the channels, or over all of a sample."""
    data = builder.any_order(operation.inputs[0])
    axis = operation.attributes.get("axis", -1) % len(data.order)
    arguments = _normalised_axes(data, data.order[axis:])
    if len(operation.inputs) == 1:
        arguments["affine"] = False
    elif len(operation.inputs) < 3:
        raise UnsupportedOperation("it has a scale but no bias")
    builder.add(operation, "layernorm", arguments, [data], builder.roots(operation, 1, 2), data.order)


def _normalised_axes(data: Data, axes: Sizes) -> dict[str, Any]:
    """What a layer norm normalises together."""
    if set(axes) == set(range(1, len(data.order))):
        return {}
    if axes == (1,):
        return {"axes": "channels"}
    raise UnsupportedOperation("it normalises over axes other than the channels or the whole sample")


def convert_mean_variance_norm(builder: Builder, operation: Operation) -> None:
    """MeanVarianceNormalization: a norm without factors, of each channel, of the channels, or of all."""
    data = builder.any_order(operation.inputs[0])
    given = operation.attributes.get("axes") or (0, 2, 3)
    axes = tuple(data.order[axis % len(data.order)] for axis in given)
    if data.shape.axes and set(axes) == set(range(2, len(data.order))):
        builder.add(operation, "instancenorm", {}, [data], order=data.order)
    else:
        arguments = {**_normalised_axes(data, axes), "affine": False}
        builder.add(operation, "layernorm", arguments, [data], order=data.order)


def convert_response_norm(builder: Builder, operation: Operation) -> None:
    """LRN."""
    data = builder.read(operation.inputs[0])
    size = operation.attributes["size"]
    builder.add(operation, "local_response_norm", {} if size == 5 else {"size": size}, [data])


def merge_rule(kind: str) -> Rule:
    """Add, Sum and Mul of data; a factor a channel is a scale."""

    def rule(builder: Builder, operation: Operation) -> None:
        names = [name for name in operation.inputs if not builder.value(name).constant]
        data = [builder.any_order(name) for name in names]
        if len(names) == 1 == len(operation.inputs):
            builder.alias(operation, data[0])
        elif len(names) == len(operation.inputs):
            if len({other.order for other in data}) > 1:
                raise UnsupportedOperation("its inputs have their axes in different orders")
            builder.add(operation, kind, {}, data, order=data[0].order)
        else:
            _convert_constant_operand(builder, operation, kind, data)

    return rule


def _convert_constant_operand(builder: Builder, operation: Operation, kind: str, data: list[Data]) -> None:
    """A product with a factor a channel. Raises Inexpressible for all else."""
    places = [place for place, name in enumerate(operation.inputs) if builder.value(name).constant]
    sizes = builder.value(operation.inputs[places[0]]).dims
    if kind != "multiply" or len(places) + len(data) > 2 or max(sizes, default=1) == 1:
        verb = "adds" if kind == "add" else "multiplies by"
        only = "only multiplication by one learnt factor per channel is supported"
        raise UnsupportedOperation(f"it {verb} a constant of shape {list(sizes)}; {only}")
    _check_channel_axis(sizes, data[0], "factors")
    roots = builder.roots(operation, places[0])
    if not is_learnt(builder.program, roots):
        raise UnsupportedOperation("it multiplies by a constant that is not learnt")
    builder.add(operation, "scale", {}, data, roots, data[0].order)
