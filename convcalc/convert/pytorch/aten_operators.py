"""ATen's operations as our kinds: what each is, and what it asks of its arguments."""

from typing import Any

from convcalc.convert.pytorch.activation_patterns import operator_of
from convcalc.convert.pytorch.nodes import sizes_of
from convcalc.convert.pytorch.reading import Known, Reader, Refused
from convcalc.convert.pytorch.rearranging import REARRANGING, Arguments, Handler, each, per_axis, spatial, without
from convcalc.convert.pytorch.traced_values import Value
from convcalc.convert.pytorch.tracing import Constant, Weight


def conv(reader: Reader, node: Any, given: Arguments) -> Known:
    """A convolution; one with a group a channel is depthwise."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if weight is None or value.last:
        raise Refused
    axes, groups = len(value.shape) - 1, given["groups"]
    out_channels, kernel = weight.sizes[0], weight.sizes[2:]
    padding = given["padding"]
    window = {
        "kernel_size": per_axis(kernel, axes),
        "stride": per_axis(given["stride"], axes),
        "padding": padding if isinstance(padding, str) else per_axis(padding, axes),
        "dilation": per_axis(given["dilation"], axes),
    }
    rest = {"bias": bias is not None}
    depthwise = groups == value.shape[0] > 1
    kind = "depthwise_conv" if depthwise else "conv"
    if depthwise:
        rest |= {"multiplier": out_channels // groups}
    else:
        rest |= {"groups": groups}
        window = {"out_channels": out_channels, **window}
    arguments = without(window | rest, stride=1, padding=0, dilation=1, groups=1, multiplier=1, bias=True)
    if arguments.get("padding") == "valid":
        del arguments["padding"]
    return reader.step(node, kind, arguments, [value], sizes_of(node)[1:], [weight, bias])


def conv_transpose(reader: Reader, node: Any, given: Arguments) -> Known:
    """A transposed convolution."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if weight is None or value.last:
        raise Refused
    axes = len(value.shape) - 1
    arguments = {"out_channels": weight.sizes[1] * given["groups"], "kernel_size": per_axis(weight.sizes[2:], axes)}
    arguments |= {name: per_axis(given[name], axes) for name in ("stride", "padding", "output_padding", "dilation")}
    arguments |= {"groups": given["groups"], "bias": bias is not None}
    arguments = without(arguments, stride=1, padding=0, output_padding=0, dilation=1, groups=1, bias=True)
    return reader.step(node, "conv_transpose", arguments, [value], sizes_of(node)[1:], [weight, bias])


def dense(
    reader: Reader, node: Any, value: Value, out_features: int, weights: list[Weight | None], bias: bool
) -> Known:
    """Fully connected: of a vector, or of the channels at every position."""
    without_bias = {} if bias else {"bias": False}
    if len(value.shape) == 1:
        arguments = {"out_features": out_features, **without_bias}
        return reader.step(node, "linear", arguments, [value], (out_features,), weights)
    if not value.last:
        raise Refused("linear over an axis other than the channels")
    arguments = {"out_channels": out_features, **without_bias}
    return reader.step(node, "pointwise_conv", arguments, [value], (out_features, *value.shape[1:]), weights, last=True)


def linear(reader: Reader, node: Any, given: Arguments) -> Known:
    """A product with a learnt matrix as PyTorch keeps it, transposed, and a bias."""
    weight, bias = reader.weight(given["weight"]), reader.weight(given["bias"])
    if weight is None:
        raise Refused
    return dense(reader, node, reader.tensor(node.args[0]), weight.sizes[0], [weight, bias], bias is not None)


def matmul(reader: Reader, node: Any, given: Arguments) -> Known:
    """A product with a learnt matrix."""
    weight = reader.weight(node.args[1])
    if weight is None or len(weight.sizes) != 2:
        raise Refused
    return dense(reader, node, reader.tensor(node.args[0]), weight.sizes[1], [weight], False)


def addmm(reader: Reader, node: Any, given: Arguments) -> Known:
    """A product with a learnt matrix, and a learnt bias."""
    bias, weight = reader.weight(node.args[0]), reader.weight(node.args[2])
    if bias is None or weight is None or given["beta"] != 1 or given["alpha"] != 1:
        raise Refused
    return dense(reader, node, reader.tensor(node.args[1]), weight.sizes[1], [weight, bias], True)


def pool(kind: str) -> Handler:
    """A pooling by a sliding window."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = spatial(reader.tensor(node.args[0]))
        axes = len(value.shape) - 1
        kernel = per_axis(given["kernel_size"], axes)
        arguments = {"kernel_size": kernel, "stride": per_axis(given["stride"] or given["kernel_size"], axes)}
        arguments |= {"padding": per_axis(given["padding"], axes)}
        if "dilation" in given:
            arguments |= {"dilation": per_axis(given["dilation"], axes)}
        arguments |= {"ceil_mode": given["ceil_mode"]}
        arguments = without(arguments, stride=kernel, padding=0, dilation=1, ceil_mode=False)
        several = isinstance(node.meta.get("val"), list | tuple)
        shape = tuple((node.meta["val"][0] if several else node.meta["val"]).shape[1:])
        result = reader.step(node, kind, arguments, [value], shape)
        return [result, Constant()] if several else result

    return handle


def adaptive(kind: str, whole: str) -> Handler:
    """An adaptive pooling; to one position it is global."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = spatial(reader.tensor(node.args[0]))
        several = isinstance(node.meta.get("val"), list | tuple)
        shape = tuple((node.meta["val"][0] if several else node.meta["val"]).shape[1:])
        if set(shape[1:]) == {1}:
            result = reader.step(node, whole, {}, [value], shape)
        else:
            size = per_axis(shape[1:], len(shape) - 1)
            result = reader.step(node, kind, {"output_size": size}, [value], shape)
        return [result, Constant()] if several else result

    return handle


def reduced(kind: str) -> Handler:
    """A mean or maximum over all positions."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = reader.tensor(node.args[0])
        axes = given["dim"] if isinstance(given.get("dim"), list | tuple) else [given.get("dim")]
        if None in axes or not value.spatial_axes():
            raise Refused
        if sorted(map(value.axis, axes)) != value.spatial_axes():
            raise Refused
        if given["keepdim"]:
            shape = (value.shape[0], *(1 for _ in value.shape[1:]))
            return reader.step(node, kind, {}, [value], shape, last=value.last)
        return reader.step(node, kind, {"keepdims": False}, [value], value.shape[:1])

    return handle


def batch_norm(reader: Reader, node: Any, given: Arguments) -> Known:
    """Batch normalisation."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if value.last:
        raise Refused
    arguments = {"affine": weight is not None or bias is not None}
    if arguments["affine"]:
        arguments |= {"scale": weight is not None, "center": bias is not None}
    arguments |= {"track_running_stats": given["running_mean"] is not None}
    arguments = without(arguments, affine=True, scale=True, center=True, track_running_stats=True)
    return reader.step(node, "batchnorm", arguments, [value], value.shape, [weight, bias])


def layer_norm(reader: Reader, node: Any, given: Arguments) -> Known:
    """Layer normalisation of all of a sample, or of the channels where they are last."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    shape = tuple(given["normalized_shape"])
    if (weight is None) != (bias is None):
        raise Refused
    affine = {} if weight is not None else {"affine": False}
    if shape == value.sizes[1:]:
        return reader.step(node, "layernorm", affine, [value], value.shape, [weight, bias], last=value.last)
    if not value.last or shape != value.shape[:1]:
        raise Refused
    arguments = {"axes": "channels", **affine}
    return reader.step(node, "layernorm", arguments, [value], value.shape, [weight, bias], last=True)


def group_norm(reader: Reader, node: Any, given: Arguments) -> Known:
    """Normalisation of groups of channels."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if value.last or (weight is None) != (bias is None):
        raise Refused
    arguments = without({"num_groups": given["num_groups"], "affine": weight is not None}, affine=True)
    return reader.step(node, "groupnorm", arguments, [value], value.shape, [weight, bias])


def instance_norm(reader: Reader, node: Any, given: Arguments) -> Known:
    """Normalisation of each channel of each sample."""
    value, weight, bias = reader.tensor(node.args[0]), reader.weight(given["weight"]), reader.weight(given["bias"])
    if value.last or not given["use_input_stats"] or given["running_mean"] is not None:
        raise Refused
    if (weight is None) != (bias is None):
        raise Refused
    arguments = without({"affine": weight is not None}, affine=False)
    return reader.step(node, "instancenorm", arguments, [value], value.shape, [weight, bias])


def activation(kind: str, **keys: str) -> Handler:
    """An activation, with the arguments that ours takes too."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = reader.tensor(node.args[0])
        arguments = {ours: given[theirs] for ours, theirs in keys.items()}
        arguments = without(arguments, negative_slope=0.01)
        return reader.step(node, kind, arguments, [value], value.shape, last=value.last)

    return handle


def clamped(reader: Reader, node: Any, given: Arguments) -> Known:
    """Clamping: relu6, relu or hardtanh by their limits."""
    low, high = given.get("min_val", given.get("min")), given.get("max_val", given.get("max"))
    kinds: dict[Any, str] = {(0, 6): "relu6", (0, None): "relu", (-1, 1): "hardtanh"}
    kind = kinds.get((low, high))
    if kind is None:
        raise Refused
    return activation(kind)(reader, node, given)


def over_channels(kind: str) -> Handler:
    """A softmax along the channels."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        value = reader.tensor(node.args[0])
        if value.axis(given["dim"]) != value.channel_axis:
            raise Refused(f"{kind} over an axis other than the channels")
        return reader.step(node, kind, {}, [value], value.shape, last=value.last)

    return handle


def prelu(reader: Reader, node: Any, given: Arguments) -> Known:
    """prelu, with one slope or one a channel."""
    value, weight = reader.tensor(node.args[0]), reader.weight(given["weight"])
    if value.last or weight is None:
        raise Refused
    arguments = without({"num_parameters": weight.sizes[0]}, num_parameters=1)
    return reader.step(node, "prelu", arguments, [value], value.shape, [weight])


def dropout(reader: Reader, node: Any, given: Arguments) -> Known:
    """Dropout, with its share where it is not the default."""
    value = reader.tensor(node.args[0])
    return reader.step(node, "dropout", without({"p": given["p"]}, p=0.5), [value], value.shape, last=value.last)


def merge(kind: str) -> Handler:
    """A sum, difference, product or quotient of tensors; a product with a learnt factor a channel is a scale."""

    def handle(reader: Reader, node: Any, given: Arguments) -> Known:
        if given.get("alpha", 1) != 1 or given.get("rounding_mode") is not None:
            raise Refused
        known = [reader.known.get(argument) for argument in node.args[:2] if hasattr(argument, "users")]
        weights = [weight for weight in known if isinstance(weight, Weight)]
        if kind == "multiply" and len(weights) == 1 and len(known) == 2:
            return scale(reader, node, weights[0])
        if len(node.args) < 2 or len(known) < 2:
            raise Refused(f"{kind} with a number")
        values = [reader.tensor(argument) for argument in node.args[:2]]
        if len({(len(value.shape), value.last) for value in values}) > 1:
            raise Refused
        shape = tuple(max(sizes) for sizes in zip(*(value.shape for value in values), strict=True))
        if Value("", shape, values[0].last).sizes != sizes_of(node):
            raise Refused
        return reader.step(node, kind, {}, values, shape, last=values[0].last)

    return handle


def expanded(reader: Reader, node: Any, given: Arguments) -> Known:
    """A tensor repeated along axes of one element, which sums and products do by themselves."""
    if any(operator_of(user) not in MERGING or user.args[:1] == user.args[1:2] for user in node.users):
        raise Refused
    value = reader.tensor(node.args[0])
    if len(value.sizes) != len(sizes_of(node)) or value.sizes[0] != sizes_of(node)[0]:
        raise Refused
    return value


def scale(reader: Reader, node: Any, weight: Weight) -> Known:
    """A product with a learnt factor a channel."""
    value = reader.tensor(next(arg for arg in node.args[:2] if not isinstance(reader.known.get(arg), Weight)))
    sizes = (1,) * (1 + len(value.shape) - len(weight.sizes)) + weight.sizes
    wanted = tuple(size if axis == value.channel_axis else 1 for axis, size in enumerate(value.sizes))
    if sizes != wanted:
        raise Refused("multiply with a learnt tensor")
    return reader.step(node, "scale", {}, [value], value.shape, [weight], last=value.last)


MERGING = ("add", "sub", "mul", "div")
OPERATORS: dict[str, Handler] = {
    **each("conv#d", conv),
    **each("conv_transpose#d", conv_transpose),
    "linear": linear,
    **each("matmul mm", matmul),
    "addmm": addmm,
    **each("max_pool#d max_pool#d_with_indices", pool("maxpool")),
    **each("avg_pool#d", pool("avgpool")),
    **each("adaptive_avg_pool#d", adaptive("adaptive_avgpool", "global_avgpool")),
    **each("adaptive_max_pool#d", adaptive("adaptive_maxpool", "global_maxpool")),
    "mean": reduced("global_avgpool"),
    "amax": reduced("global_maxpool"),
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    **{
        kind: activation(kind)
        for kind in (
            "relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "hardswish",
            "hardsigmoid",
        )
    },
    "leaky_relu": activation("leaky_relu", negative_slope="negative_slope"),
    **each("hardtanh clamp clamp_min", clamped),
    **each("softmax _softmax", over_channels("softmax")),
    **each("log_softmax _log_softmax", over_channels("log_softmax")),
    "prelu": prelu,
    **each("dropout feature_dropout alpha_dropout feature_alpha_dropout", dropout),
    **each("expand expand_as", expanded),
    **each("add sub", merge("add")),
    **each("mul div", merge("multiply")),
    **REARRANGING,
}  # fmt: skip
