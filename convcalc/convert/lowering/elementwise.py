"""Converts elementwise operators, norms, sums and products to layers.

Each `convert_…` function is a rule: it adds the layers of an operation to the builder, or raises UnsupportedOperation.
"""

from collections.abc import Sequence
from struct import pack
from typing import Any

from convcalc.convert.builder import Builder, Rule
from convcalc.convert.layer_data import Data
from convcalc.convert.learnt import is_learnt
from convcalc.convert.operators import Operation, Sizes, UnsupportedOperation
from convcalc.convert.views import Part, join_parts

_LARGEST_SINGLE = 3.4e38


def activation_rule(kind: str) -> Rule:
    """Return a rule that converts an operator to a layer of kind `kind`, which has no arguments."""

    def rule(builder: Builder, operation: Operation) -> None:
        data = builder.read_view(operation.inputs[0])
        builder.add(operation, kind, {}, [data], like=data)

    return rule


def convert_leaky_relu(builder: Builder, operation: Operation) -> None:
    """Convert LeakyRelu. The slope is written with the fewest digits that give the same single-precision number."""
    data = builder.read_view(operation.inputs[0])
    slope = _shorten_number(operation.attributes.get("alpha", 0.01))
    arguments = {} if slope == 0.01 else {"negative_slope": slope}
    builder.add(operation, "leaky_relu", arguments, [data], like=data)


def convert_swish(builder: Builder, operation: Operation) -> None:
    """Convert Swish to silu. Raises UnsupportedOperation if `alpha`, the factor in its sigmoid, is not 1."""
    if operation.attributes.get("alpha", 1.0) != 1:
        raise UnsupportedOperation(f"its alpha is {operation.attributes['alpha']:g}; only 1 is supported")
    activation_rule("silu")(builder, operation)


def convert_clip(builder: Builder, operation: Operation) -> None:
    """Convert Clip to relu for [0, inf), to relu6 for [0, 6], and to hardtanh for any other two finite limits."""
    data = builder.read_view(operation.inputs[0])
    low = (builder.program.read_numbers(operation, 1, "min") or [-1e38])[0]
    high = (builder.program.read_numbers(operation, 2, "max") or [1e38])[0]
    if low <= -1e30 or high >= 1e30:
        kind = "relu" if low == 0 else ""
    else:
        kind = "relu6" if (low, high) == (0, 6) else "hardtanh"
    if not kind:
        raise UnsupportedOperation(f"it clips to [{low:g}, {high:g}]; only [0, inf) or two finite limits are supported")
    builder.add(operation, kind, {}, [data], like=data)


def convert_softmax(builder: Builder, operation: Operation) -> None:
    """Convert Softmax and LogSoftmax over the channels, or over the positions of a sequence.

    Before operator set 13, these operators normalise over `axis` and all later axes together.
    """
    old = operation.version < 13
    rank = len(builder.value(operation.inputs[0]).dims)
    axis = operation.attributes.get("axis", 1 if old else -1) % rank
    kind = "softmax" if operation.operator == "Softmax" else "log_softmax"
    data = builder.read_view(operation.inputs[0])
    if data.plain and data.shape.axes == 1 and data.order[axis] == 2 and not builder.is_undecided(operation.inputs[0]):
        builder.add(operation, kind, {"axes": "positions"}, [data], like=data)
        return
    read = builder.read_channels_last if axis == rank - 1 else builder.read_view
    data = read(operation.inputs[0])
    if find_channel_axis(data) != axis or (old and axis != rank - 1 and data.shape.positions > 1):
        raise UnsupportedOperation(f"it is computed over axis {axis}; only softmax over the channels is supported")
    builder.add(operation, kind, {}, [data], like=data)


def find_channel_axis(data: Data) -> int | None:
    """Return the axis in the file that has all channels and nothing else; None if there is none."""
    if data.view is None:
        return data.order.index(1)
    channels = join_parts([Part(1, 1, data.shape.channels)])
    return data.view.index(channels) if channels and channels in data.view else None


def convert_prelu(builder: Builder, operation: Operation) -> None:
    """Convert PRelu with a single slope or one slope per channel."""
    data = builder.read_view(operation.inputs[0])
    slopes = builder.program.find_constant(operation, 1, "slopes").dims
    each = operation.version < 7 and slopes == (data.shape.channels,)  # before operator set 7, slopes did not broadcast
    if max(slopes, default=1) > 1 and not each and not _has_one_value_per_channel(builder, slopes, data):
        raise UnsupportedOperation(f"its slopes have shape {list(slopes)}; expected one value per channel")
    arguments = {"num_parameters": data.shape.channels} if max(slopes, default=1) > 1 else {}
    builder.add(operation, "prelu", arguments, [data], builder.program.find_roots(operation, 1), like=data)


def _has_one_value_per_channel(builder: Builder, sizes: Sizes, data: Data) -> bool:
    dims, axis = data.list_dims(builder.batch), find_channel_axis(data)
    padded = (1,) * (len(dims) - len(sizes)) + sizes
    return padded == tuple(size if place == axis else 1 for place, size in enumerate(dims))


def dropout_rule(kind: str) -> Rule:
    """Return a rule for dropout or stochastic depth. Before operator set 12, the ratio is an attribute."""

    def rule(builder: Builder, operation: Operation) -> None:
        data = builder.read_view(operation.inputs[0])
        share = _shorten_number((builder.program.read_numbers(operation, 1, "ratio") or [0.5])[0])
        builder.add(operation, kind, {} if share == 0.5 else {"p": share}, [data], like=data)

    return rule


def _shorten_number(value: float) -> float:
    """Return the number with the fewest digits and the same single-precision value: 0.1 for 0.10000000149."""
    single = pack("f", value)
    return next(short for digits in range(1, 18) if pack("f", short := float(f"{value:.{digits}g}")) == single)


def convert_batch_norm(builder: Builder, operation: Operation) -> None:
    """Convert BatchNormalization.

    Two norms share weights only if they have the same scale, bias, mean and variance.
    """
    data = builder.read_view(operation.inputs[0])
    if data.view is None or find_channel_axis(data) != 1:
        data = builder.read(operation.inputs[0])
    for place in range(1, 5):
        if has_input(operation, place) and builder.program.find_constant(operation, place, "parameters").dims != (
            data.shape.channels,
        ):
            raise UnsupportedOperation("it does not have one scale, bias, mean and variance per channel")
    roots = builder.program.find_roots(operation, 1, 2, 3, 4)
    # exporters may merge equal constants, so norms with only some tensors in common are separate layers
    scale, center = (not _is_default_constant(builder, operation, place) for place in (1, 2))
    arguments = {"affine": False} if not (scale or center) else {"scale": False} if not scale else {}
    arguments |= {"center": False} if scale and not center else {}
    arguments |= {} if has_input(operation, 3) else {"track_running_stats": False}
    roots = roots if len(roots) == 4 or builder.program.exact else ()
    builder.add(operation, "batchnorm", arguments, [data], roots, like=data)


def has_input(operation: Operation, place: int) -> bool:
    """Whether an operation has the optional input at a position."""
    return place < len(operation.inputs) and bool(operation.inputs[place])


def _is_default_constant(builder: Builder, operation: Operation, place: int) -> bool:
    """Whether a norm's scale (`place` 1) is absent or constant ones, or its bias (`place` 2) absent or zeros.

    A learnt tensor of ones or zeros is not a constant.
    """
    if not has_input(operation, place):
        return True
    value = builder.value(operation.inputs[place])
    plain = value.contents is not None and bool((value.contents == (1, 0)[place - 1]).all())
    return plain and set(value.roots) <= builder.program.literal


def _has_constant_scale_and_bias(builder: Builder, operation: Operation) -> bool:
    return all(_is_default_constant(builder, operation, place) for place in (1, 2))


def convert_instance_norm(builder: Builder, operation: Operation) -> None:
    """Convert InstanceNormalization."""
    data = builder.read(operation.inputs[0])
    if has_input(operation, 1):
        builder.program.find_constant(operation, 1, "scales")
    plain = _has_constant_scale_and_bias(builder, operation)
    arguments = {} if plain else {"affine": True}
    builder.add(
        operation, "instancenorm", arguments, [data], () if plain else builder.program.find_roots(operation, 1, 2)
    )


def convert_group_norm(builder: Builder, operation: Operation) -> None:
    """Convert GroupNormalization with one scale and one bias per channel, or with neither (`affine: false`).

    Only a norm that `fusions` merged from several nodes has neither.
    """
    data = builder.read(operation.inputs[0])
    arguments: dict[str, Any] = {"num_groups": operation.attributes["num_groups"]}
    for place in range(1, len(operation.inputs)):
        if (
            max(builder.program.find_constant(operation, place, "scale and bias").dims, default=1)
            != data.shape.channels
        ):
            raise UnsupportedOperation("it does not have one scale and bias per channel")
    if len(operation.inputs) == 1:
        arguments["affine"] = False
    builder.add(operation, "groupnorm", arguments, [data], builder.program.find_roots(operation, 1, 2))


def convert_layer_norm(builder: Builder, operation: Operation) -> None:
    """Convert LayerNormalization over the channels or over the whole sample to a layernorm.

    Without a scale and bias, it may also be over all spatial axes: it then becomes an instancenorm. Only `fusions`
    makes such norms.
    """
    data = builder.read_view(operation.inputs[0])
    rank = len(builder.value(operation.inputs[0]).dims)
    axis = operation.attributes.get("axis", -1) % rank
    spatial = data.plain and data.shape.axes > 0 and set(data.order[axis:]) == set(range(2, rank))
    if len(operation.inputs) == 1 and spatial:
        builder.add(operation, "instancenorm", {}, [data], order=data.order)
        return
    if axis == rank - 1 or builder.is_undecided(operation.inputs[0]):
        data = builder.read_channels_last(operation.inputs[0])
    if axis < rank - 1:
        data = builder.read_any_order(operation.inputs[0])
        arguments = _layernorm_arguments(data, data.order[axis:])
    else:
        arguments = {"axes": "channels"} if data.shape.axes else {}
    if len(operation.inputs) == 1:
        arguments["affine"] = False
    elif len(operation.inputs) < 3:
        if not arguments:
            raise UnsupportedOperation("it has a scale but no bias")
        norm = builder.make(operation, "layernorm", {**arguments, "affine": False}, [data])
        scaling = operation._replace(name=f"{operation.name}_scale")
        builder.add(scaling, "scale", {}, [norm], builder.program.find_roots(operation, 1), like=data)
        return
    builder.add(operation, "layernorm", arguments, [data], builder.program.find_roots(operation, 1, 2), like=data)


def _layernorm_arguments(data: Data, axes: Sizes) -> dict[str, Any]:
    """Return the arguments of a layernorm over `axes`: 1 is the channels, 2 or more are spatial axes.

    Raises UnsupportedOperation unless they are the channels alone, or the channels and all spatial axes.
    """
    if set(axes) == set(range(1, len(data.order))):
        return {}
    if axes == (1,):
        return {"axes": "channels"}
    raise UnsupportedOperation("it normalises over axes other than the channels or the whole sample")


def convert_mean_variance_norm(builder: Builder, operation: Operation) -> None:
    """Convert MeanVarianceNormalization, which has no scale or bias.

    Over the spatial axes it is an instancenorm; over the channels or the whole sample it is a layernorm.
    """
    data = builder.read_any_order(operation.inputs[0])
    given = operation.attributes.get("axes") or (0, 2, 3)
    axes = tuple(data.order[axis % len(data.order)] for axis in given)
    if data.shape.axes and set(axes) == set(range(2, len(data.order))):
        builder.add(operation, "instancenorm", {}, [data], order=data.order)
    else:
        arguments = {**_layernorm_arguments(data, axes), "affine": False}
        builder.add(operation, "layernorm", arguments, [data], order=data.order)


def convert_response_norm(builder: Builder, operation: Operation) -> None:
    """Convert LRN to a local_response_norm."""
    data = builder.read(operation.inputs[0])
    size = operation.attributes["size"]
    builder.add(operation, "local_response_norm", {} if size == 5 else {"size": size}, [data])


def convert_glu(builder: Builder, operation: Operation) -> None:
    """Convert a GLU, which `fusions` merged from several nodes, to a glu."""
    data = builder.read_view(operation.inputs[0])
    if find_channel_axis(data) != operation.attributes["axis"]:
        raise UnsupportedOperation("it halves an axis other than the channels")
    builder.add(operation, "glu", {}, [data], like=data)


def convert_global_response_norm(builder: Builder, operation: Operation) -> None:
    """Convert a GlobalResponseNorm, which `fusions` merged from several nodes, to a global_response_norm."""
    data = builder.read_any_order(operation.inputs[0])
    axes = {data.order[axis % len(data.order)] for axis in operation.attributes["axes"]}
    if axes != set(range(2, len(data.order))):
        raise UnsupportedOperation("its norm is not taken over all spatial axes")
    roots = builder.program.find_roots(operation, 1, 2)
    builder.add(operation, "global_response_norm", {}, [data], roots, like=data)


def merge_rule(kind: str) -> Rule:
    """Return a rule for Add, Sum and Sub (`kind` is `add`), or for Mul and Div (`kind` is `multiply`).

    If all inputs come from layers, they are merged by a layer of kind `kind`. If one input is a number or has one
    learnt value per channel, an Add or Sub becomes a `shift`, and a Mul or Div becomes a `scale`.
    """

    def rule(builder: Builder, operation: Operation) -> None:
        if _changes_nothing(builder, operation, kind):
            builder.alias(operation, builder.read_view(operation.inputs[0]))
            return
        names = [name for name in operation.inputs if not builder.value(name).constant]
        if len(names) == len(operation.inputs) > 1:
            data = align_inputs(builder, names)
            builder.add(operation, kind, {}, data, like=data[0])
        elif len(operation.inputs) == 1:
            builder.alias(operation, builder.read_view(names[0]))
        else:
            _convert_constant_operand(builder, operation, kind, [builder.read_view(name) for name in names])

    return rule


def align_inputs(builder: Builder, names: Sequence[str]) -> list[Data]:
    """Return several tensors as data in the same arrangement, that of the tensor which was computed first.

    Raises the errors of `Builder.read_ordered`, and UnsupportedOperation if the numbers of axes differ.
    """
    data = [builder.read_view(name) for name in names]
    if len({(other.order, other.view) for other in data}) == 1:
        return data
    plain = [builder.read_any_order(name) for name in names]
    first = min(plain, key=lambda other: builder.places.get(other.step, -1))
    if len({len(other.order) for other in plain}) > 1:
        raise UnsupportedOperation("its inputs have different numbers of axes")
    return [builder.read_ordered(name, first.order) for name in names]


def _changes_nothing(builder: Builder, operation: Operation, kind: str) -> bool:
    """Whether an operation adds or subtracts a constant 0, or multiplies or divides by a constant 1."""
    if len(operation.inputs) != 2 or builder.value(operation.inputs[0]).constant:
        return False
    value = builder.value(operation.inputs[1])
    neutral = 0 if kind == "add" else 1
    return (
        value.contents is not None
        and not is_learnt(builder.program, value.roots)
        and builder.value(operation.inputs[0]).dims != ()
        and builder.value(operation.outputs[0]).dims == builder.value(operation.inputs[0]).dims
        and all(item == neutral for item in value.contents.ravel())
        and value.contents.size > 0
    )


def _convert_constant_operand(builder: Builder, operation: Operation, kind: str, data: list[Data]) -> None:
    """Convert a product or sum of data and a constant.

    A number, or one learnt value per channel, becomes a `scale` or `shift`; any other learnt tensor a `parameter`,
    which is added or multiplied. Raises UnsupportedOperation for any other constant.
    """
    places = [place for place, name in enumerate(operation.inputs) if builder.value(name).constant]
    value = builder.value(operation.inputs[places[0]])
    single = max(value.dims, default=1) == 1
    number = _read_number(value.contents) if single else None
    reversed_order = operation.operator in ("Sub", "Div") and places == [0]
    if len(places) + len(data) > 2 or (single and number is None) or reversed_order:
        verb = "adds" if kind == "add" else "multiplies by"
        only = "only numbers and learnt tensors are supported"
        raise UnsupportedOperation(f"it {verb} a constant of shape {list(value.dims)}; {only}")
    layer, argument, what = ("shift", "amount", "biases") if kind == "add" else ("scale", "factor", "factors")
    if number is not None:
        if operation.operator in ("Sub", "Div"):
            number = -number if operation.operator == "Sub" else 1 / number
        builder.add(operation, layer, {argument: number}, data, like=data[0])
        return
    roots = builder.program.find_roots(operation, places[0])
    if not is_learnt(builder.program, roots):
        raise UnsupportedOperation(f"it {'adds' if kind == 'add' else 'multiplies by'} a constant that is not learnt")
    if _has_one_value_per_channel(builder, value.dims, data[0]):
        builder.add(operation, layer, {}, data, roots, like=data[0])
    elif operation.operator in ("Add", "Mul"):
        plain = builder.read_any_order(operation.inputs[1 - places[0]])
        parameter = builder.make_parameter(operation, operation.inputs[places[0]], plain.order)
        builder.add(operation, kind, {}, [plain, parameter], like=plain)
    else:
        raise UnsupportedOperation(f"its {what} have shape {list(value.dims)}; expected one value per channel")


def _read_number(contents: Any) -> float | None:
    """Return the only number of an array; None if its contents are unknown or it is too large for single precision."""
    if contents is None or contents.size != 1 or contents.dtype.kind not in "fiu":
        return None
    number = float(contents.ravel()[0])
    return _shorten_number(number) if abs(number) <= _LARGEST_SINGLE else None
