"""Translates ATen operations to layer kinds: one handler per operation, listed in `OPERATORS`.

A handler takes the TraceReader, the node of the operation and its arguments by name. It adds one layer to the reader
and returns the layer's output. It raises UnreadableOperation if no layer kind matches.
"""

from math import isfinite
from typing import Any

from convcalc.convert.pytorch.activation_patterns import operator_name
from convcalc.convert.pytorch.nodes import output_sizes
from convcalc.convert.pytorch.reading import KnownValue, TraceReader, UnreadableOperation
from convcalc.convert.pytorch.rearranging import (
    REARRANGING,
    Arguments,
    Handler,
    collapse_axes,
    drop_defaults,
    register_handler,
    require_spatial,
)
from convcalc.convert.pytorch.traced_values import TracedValue
from convcalc.convert.pytorch.tracing import TracedConstant, TracedWeight


def _read_conv(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read a convolution as a `depthwise_conv` if it has one group per input channel, else as a `conv`."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if weight is None or value.last:
        raise UnreadableOperation
    axes, groups = len(value.shape) - 1, given["groups"]
    out_channels, kernel = weight.sizes[0], weight.sizes[2:]
    padding = given["padding"]
    window = {
        "kernel_size": collapse_axes(kernel, axes),
        "stride": collapse_axes(given["stride"], axes),
        "padding": padding if isinstance(padding, str) else collapse_axes(padding, axes),
        "dilation": collapse_axes(given["dilation"], axes),
    }
    rest = {"bias": bias is not None}
    depthwise = groups == value.shape[0] > 1
    kind = "depthwise_conv" if depthwise else "conv"
    if depthwise:
        rest |= {"multiplier": out_channels // groups}
    else:
        rest |= {"groups": groups}
        window = {"out_channels": out_channels, **window}
    pending = reader.pending_pads.get(node.args[0], {})
    arguments = drop_defaults(window | rest, stride=1, padding=0, dilation=1, groups=1, multiplier=1, bias=True)
    if pending and arguments.get("padding", "valid") != "valid":
        raise UnreadableOperation("padding of two kinds")
    if arguments.get("padding") == "valid":
        del arguments["padding"]
    arguments |= pending
    return reader.step(node, kind, arguments, [value], output_sizes(node)[1:], [weight, bias])


def _read_conv_transpose(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if weight is None or value.last:
        raise UnreadableOperation
    axes = len(value.shape) - 1
    arguments = {
        "out_channels": weight.sizes[1] * given["groups"],
        "kernel_size": collapse_axes(weight.sizes[2:], axes),
    }
    arguments |= {
        name: collapse_axes(given[name], axes) for name in ("stride", "padding", "output_padding", "dilation")
    }
    arguments |= {"groups": given["groups"], "bias": bias is not None}
    arguments = drop_defaults(arguments, stride=1, padding=0, output_padding=0, dilation=1, groups=1, bias=True)
    return reader.step(node, "conv_transpose", arguments, [value], output_sizes(node)[1:], [weight, bias])


def _add_dense(
    reader: TraceReader,
    node: Any,
    value: TracedValue,
    out_features: int,
    weights: list[TracedWeight | None],
    bias: bool,
) -> KnownValue:
    """Add a fully connected layer: a `linear` for a vector, else a `pointwise_conv`.

    Raises UnreadableOperation if the tensor has spatial axes but its channels are not last, because PyTorch's product
    is always over the last axis.
    """
    without_bias = {} if bias else {"bias": False}
    if len(value.shape) == 1:
        arguments = {"out_features": out_features, **without_bias}
        return reader.step(node, "linear", arguments, [value], (out_features,), weights)
    if not value.last:
        raise UnreadableOperation("linear over an axis other than the channels")
    arguments = {"out_channels": out_features, **without_bias}
    return reader.step(node, "pointwise_conv", arguments, [value], (out_features, *value.shape[1:]), weights, last=True)


def _read_linear(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read a fully connected layer, whose learnt matrix has the sizes (out_features, in_features)."""
    weight, bias = reader.weight(given["weight"]), reader.weight(given["bias"])
    if weight is None:
        raise UnreadableOperation
    return _add_dense(reader, node, reader.tensor(node.args[0]), weight.sizes[0], [weight, bias], bias is not None)


def _read_matmul(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    weight = reader.weight(node.args[1])
    if weight is None or len(weight.sizes) != 2:
        raise UnreadableOperation
    return _add_dense(reader, node, reader.tensor(node.args[0]), weight.sizes[1], [weight], False)


def _read_addmm(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read a product with a learnt matrix plus a learnt bias."""
    bias, weight = reader.weight(node.args[0]), reader.weight(node.args[2])
    if bias is None or weight is None or given["beta"] != 1 or given["alpha"] != 1:
        raise UnreadableOperation
    return _add_dense(reader, node, reader.tensor(node.args[1]), weight.sizes[1], [weight, bias], True)


def _pool_handler(kind: str) -> Handler:
    """Return the handler for a pooling with a sliding window."""

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = require_spatial(reader.tensor(node.args[0]))
        axes = len(value.shape) - 1
        kernel = collapse_axes(given["kernel_size"], axes)
        arguments = {"kernel_size": kernel, "stride": collapse_axes(given["stride"] or given["kernel_size"], axes)}
        arguments |= {"padding": collapse_axes(given["padding"], axes)}
        if "dilation" in given:
            arguments |= {"dilation": collapse_axes(given["dilation"], axes)}
        arguments |= {"ceil_mode": given["ceil_mode"]}
        arguments = drop_defaults(arguments, stride=kernel, padding=0, dilation=1, ceil_mode=False)
        several = isinstance(node.meta.get("val"), list | tuple)
        shape = tuple((node.meta["val"][0] if several else node.meta["val"]).shape[1:])
        result = reader.step(node, kind, arguments, [value], shape)
        return [result, TracedConstant()] if several else result

    return handle


def _adaptive_handler(kind: str, whole: str) -> Handler:
    """Return the handler for an adaptive pooling of this kind, or of the kind `whole` if the output has one position.

    For example, `adaptive_avgpool` with the output size 1 is read as `global_avgpool`.
    """

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = require_spatial(reader.tensor(node.args[0]))
        several = isinstance(node.meta.get("val"), list | tuple)
        shape = tuple((node.meta["val"][0] if several else node.meta["val"]).shape[1:])
        if set(shape[1:]) == {1}:
            result = reader.step(node, whole, {}, [value], shape)
        else:
            size = collapse_axes(shape[1:], len(shape) - 1)
            result = reader.step(node, kind, {"output_size": size}, [value], shape)
        return [result, TracedConstant()] if several else result

    return handle


def _reduction_handler(kind: str) -> Handler:
    """Return the handler for a mean or maximum over all spatial axes, which is read as a global pooling."""

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = reader.tensor(node.args[0])
        axes = given["dim"] if isinstance(given.get("dim"), list | tuple) else [given.get("dim")]
        if None in axes or not value.spatial_axes():
            raise UnreadableOperation
        if sorted(map(value.axis, axes)) != value.spatial_axes():
            raise UnreadableOperation
        if given["keepdim"]:
            shape = (value.shape[0], *(1 for _ in value.shape[1:]))
            return reader.step(node, kind, {}, [value], shape, last=value.last)
        return reader.step(node, kind, {"keepdims": False}, [value], value.shape[:1])

    return handle


def _read_batch_norm(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if value.last:
        raise UnreadableOperation
    arguments = {"affine": weight is not None or bias is not None}
    if arguments["affine"]:
        arguments |= {"scale": weight is not None, "center": bias is not None}
    arguments |= {"track_running_stats": given["running_mean"] is not None}
    arguments = drop_defaults(arguments, affine=True, scale=True, center=True, track_running_stats=True)
    return reader.step(node, "batchnorm", arguments, [value], value.shape, [weight, bias])


def _read_layer_norm(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read layer normalisation over the whole sample, or over the channels if they are the tensor's last axis."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    shape = tuple(given["normalized_shape"])
    if (weight is None) != (bias is None):
        raise UnreadableOperation
    affine = {} if weight is not None else {"affine": False}
    if shape == value.sizes[1:]:
        return reader.step(node, "layernorm", affine, [value], value.shape, [weight, bias], last=value.last)
    if not value.last or shape != value.shape[:1]:
        raise UnreadableOperation
    arguments = {"axes": "channels", **affine}
    return reader.step(node, "layernorm", arguments, [value], value.shape, [weight, bias], last=True)


def _read_group_norm(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if value.last or (weight is None) != (bias is None):
        raise UnreadableOperation
    arguments = drop_defaults({"num_groups": given["num_groups"], "affine": weight is not None}, affine=True)
    return reader.step(node, "groupnorm", arguments, [value], value.shape, [weight, bias])


def _read_instance_norm(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if value.last or not given["use_input_stats"] or given["running_mean"] is not None:
        raise UnreadableOperation
    if (weight is None) != (bias is None):
        raise UnreadableOperation
    arguments = drop_defaults({"affine": weight is not None}, affine=False)
    return reader.step(node, "instancenorm", arguments, [value], value.shape, [weight, bias])


def _activation_handler(kind: str, **keys: str) -> Handler:
    """Return the handler for an activation; `keys` maps the layer kind's argument names to the operation's names."""

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = reader.tensor(node.args[0])
        arguments = {ours: given[theirs] for ours, theirs in keys.items()}
        arguments = drop_defaults(arguments, negative_slope=0.01)
        return reader.step(node, kind, arguments, [value], value.shape, last=value.last)

    return handle


def _read_clamp(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read clamping as relu6 (0 to 6), relu (0 and no upper limit) or hardtanh (-1 to 1)."""
    low, high = given.get("min_val", given.get("min")), given.get("max_val", given.get("max"))
    kinds: dict[Any, str] = {(0, 6): "relu6", (0, None): "relu", (-1, 1): "hardtanh"}
    kind = kinds.get((low, high))
    if kind is None:
        raise UnreadableOperation
    return _activation_handler(kind)(reader, node, given)


def _softmax_handler(kind: str) -> Handler:
    """Return the handler for a softmax over the channels."""

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        value = reader.tensor(node.args[0])
        if value.axis(given["dim"]) != value.channel_axis:
            raise UnreadableOperation(f"{kind} over an axis other than the channels")
        return reader.step(node, kind, {}, [value], value.shape, last=value.last)

    return handle


def _read_glu(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read a gated linear unit over the channels."""
    value = reader.tensor(node.args[0])
    if value.axis(given["dim"]) != value.channel_axis:
        raise UnreadableOperation("glu over an axis other than the channels")
    return reader.step(node, "glu", {}, [value], (value.shape[0] // 2, *value.shape[1:]), last=value.last)


def _read_prelu(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Read PReLU with a single slope or one per channel."""
    value, weight = reader.tensor(node.args[0]), reader.weight(given["weight"])
    if value.last or weight is None:
        raise UnreadableOperation
    arguments = drop_defaults({"num_parameters": weight.sizes[0]}, num_parameters=1)
    return reader.step(node, "prelu", arguments, [value], value.shape, [weight])


def _read_dropout(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    value = reader.tensor(node.args[0])
    return reader.step(node, "dropout", drop_defaults({"p": given["p"]}, p=0.5), [value], value.shape, last=value.last)


def _merge_handler(kind: str) -> Handler:
    """Return the handler for a sum or difference (kind `add`), or a product or quotient (kind `multiply`), of tensors.

    With a number, or one learnt value per channel, it is read as a `scale` or `shift` layer instead.
    """

    def handle(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
        if given.get("alpha", 1) != 1 or given.get("rounding_mode") is not None:
            raise UnreadableOperation
        known = [reader.known.get(argument) for argument in node.args[:2] if hasattr(argument, "users")]
        weights = [weight for weight in known if isinstance(weight, TracedWeight)]
        if len(weights) == 1 and len(known) == 2 and _is_sum_or_product(node):
            return _add_channel_values(reader, node, weights[0], "scale" if kind == "multiply" else "shift")
        if len(node.args) < 2 or len(known) < 2:
            return _add_number(reader, node, kind)
        values = [reader.tensor(argument) for argument in node.args[:2]]
        if len({(len(value.shape), value.last) for value in values}) > 1:
            raise UnreadableOperation
        shape = tuple(max(sizes) for sizes in zip(*(value.shape for value in values), strict=True))
        if TracedValue("", shape, values[0].last).sizes != output_sizes(node):
            raise UnreadableOperation
        return reader.step(node, kind, {}, values, shape, last=values[0].last)

    return handle


def _read_expand(reader: TraceReader, node: Any, given: Arguments) -> KnownValue:
    """Return the input unchanged if only element-wise arithmetic uses the output: it repeats axes of size 1 anyway.

    Raises UnreadableOperation if any other operation uses it, or if the expansion adds an axis.
    """
    if any(operator_name(user) not in _BROADCASTING or user.args[:1] == user.args[1:2] for user in node.users):
        raise UnreadableOperation
    value = reader.tensor(node.args[0])
    if len(value.sizes) != len(output_sizes(node)) or value.sizes[0] != output_sizes(node)[0]:
        raise UnreadableOperation
    return value


def _is_sum_or_product(node: Any) -> bool:
    return operator_name(node) in ("add", "mul")


def _add_number(reader: TraceReader, node: Any, kind: str) -> KnownValue:
    """Add a `scale` or `shift` layer for a sum, difference, product or quotient of a tensor and a number.

    Raises UnreadableOperation if the number comes first in a difference or quotient, or is not finite.
    """
    name = operator_name(node)
    numbers = [argument for argument in node.args[:2] if isinstance(argument, int | float)]
    first = isinstance(node.args[0], int | float)
    if len(numbers) != 1 or (first and not _is_sum_or_product(node)) or (name == "div" and numbers == [0]):
        raise UnreadableOperation(f"{kind} with a number")
    value = reader.tensor(node.args[1 if first else 0])
    number = float(numbers[0])
    changed = {"add": number, "sub": -number, "mul": number, "div": 1 / number if name == "div" else 0.0}[name]
    if not isfinite(changed):
        raise UnreadableOperation(f"{kind} with a number")
    layer, argument = ("scale", "factor") if kind == "multiply" else ("shift", "amount")
    return reader.step(node, layer, {argument: changed}, [value], value.shape, last=value.last)


def _add_channel_values(reader: TraceReader, node: Any, weight: TracedWeight, kind: str) -> KnownValue:
    """Add a `scale` or `shift` layer, which multiplies each channel by a learnt factor or adds a learnt bias to it.

    Raises UnreadableOperation if `weight` does not have exactly one value per channel.
    """
    value = reader.tensor(next(arg for arg in node.args[:2] if not isinstance(reader.known.get(arg), TracedWeight)))
    sizes = (1,) * (1 + len(value.shape) - len(weight.sizes)) + weight.sizes
    wanted = tuple(size if axis == value.channel_axis else 1 for axis, size in enumerate(value.sizes))
    if sizes != wanted:
        raise UnreadableOperation("multiply or add with a learnt tensor")
    return reader.step(node, kind, {}, [value], value.shape, [weight], last=value.last)


_BROADCASTING = ("add", "sub", "mul", "div")
OPERATORS: dict[str, Handler] = {
    **register_handler("conv#d", _read_conv),
    **register_handler("conv_transpose#d", _read_conv_transpose),
    "linear": _read_linear,
    **register_handler("matmul mm", _read_matmul),
    "addmm": _read_addmm,
    **register_handler("max_pool#d max_pool#d_with_indices", _pool_handler("maxpool")),
    **register_handler("avg_pool#d", _pool_handler("avgpool")),
    **register_handler("adaptive_avg_pool#d", _adaptive_handler("adaptive_avgpool", "global_avgpool")),
    **register_handler("adaptive_max_pool#d", _adaptive_handler("adaptive_maxpool", "global_maxpool")),
    "mean": _reduction_handler("global_avgpool"),
    "amax": _reduction_handler("global_maxpool"),
    "batch_norm": _read_batch_norm,
    "layer_norm": _read_layer_norm,
    "group_norm": _read_group_norm,
    "instance_norm": _read_instance_norm,
    **{
        kind: _activation_handler(kind)
        for kind in (
            "relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "hardswish",
            "hardsigmoid",
        )
    },
    "glu": _read_glu,
    "leaky_relu": _activation_handler("leaky_relu", negative_slope="negative_slope"),
    **register_handler("hardtanh clamp clamp_min", _read_clamp),
    **register_handler("softmax _softmax", _softmax_handler("softmax")),
    **register_handler("log_softmax _log_softmax", _softmax_handler("log_softmax")),
    "prelu": _read_prelu,
    **register_handler("dropout feature_dropout alpha_dropout feature_alpha_dropout", _read_dropout),
    **register_handler("expand expand_as", _read_expand),
    **register_handler("add sub", _merge_handler("add")),
    **register_handler("mul div", _merge_handler("multiply")),
    **REARRANGING,
}  # fmt: skip
