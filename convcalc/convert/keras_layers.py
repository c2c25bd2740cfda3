"""Converts Keras layers to convcalc's layer kinds, by the rules in the table CLASSES.

A rule takes a Keras layer's configuration and input shapes, channels first, and returns a list of layers: `conv` and
`relu` for a Conv2D with an activation. Keras arguments have the channels last unless the configuration contains
`channels_first`. Source of the arguments and their defaults: the Keras 3 API reference, keras.io/api/layers.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from convcalc.convert.keras_arguments import (
    KerasConfig,
    UnsupportedArgument,
    has_channels_first,
    read_flag,
    read_number,
    read_padding,
    read_pairs,
    read_per_axis,
)
from convcalc.convert.keras_sequences import (
    describe_attention,
    describe_bidirectional,
    describe_embedding,
    describe_recurrent,
)
from convcalc.layers.make import make_written_layer
from convcalc.problems import Flaw, show
from convcalc.shape import Shape


class Piece(NamedTuple):
    """One of the layers that together express a Keras layer: its layer kind and arguments.

    The first of these layers reads the inputs of the Keras layer, and each later one the output of the layer before.
    """

    kind: str
    arguments: dict[str, Any]


Pieces = list[Piece]
_Translate = Callable[[KerasConfig, tuple[Shape, ...]], Pieces]

_ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "elu": "elu",
    "selu": "selu",
    "celu": "celu",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "mish": "mish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softplus": "softplus",
    "softsign": "softsign",
    "hard_sigmoid": "hardsigmoid",
    "hard_silu": "hardswish",
    "hard_swish": "hardswish",
    "hard_tanh": "hardtanh",
    "leaky_relu": "leaky_relu",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
}


def _convert_activation(config: KerasConfig) -> Pieces:
    """Return the layer for a Keras layer's argument `activation`; no layer if it has no activation."""
    named = config.get("activation")
    if isinstance(named, Mapping):  # a serialised function or layer
        named = named.get("config") if isinstance(named.get("config"), str) else named.get("class_name")
    if named in (None, "linear"):
        return []
    if named not in _ACTIVATIONS:
        raise UnsupportedArgument(f"activation {show(named)}")
    return [Piece(_ACTIVATIONS[named], {"negative_slope": 0.2} if named == "leaky_relu" else {})]


def _read_window_arguments(config: KerasConfig, axes: int) -> dict[str, Any]:
    padding: Any = read_padding(config, "causal")
    kernel = read_per_axis(config["kernel_size"], axes)
    dilation = read_per_axis(config.get("dilation_rate", 1), axes)
    if padding in ("same", "causal") and set(kernel) == {1}:
        padding = "valid"
    return {
        "kernel_size": kernel,
        "stride": read_per_axis(config.get("strides", 1), axes),
        "padding": 0 if padding == "valid" else padding,
        "dilation": dilation,
    }


def _convert_conv(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    arguments = {"out_channels": config["filters"], **_read_window_arguments(config, inputs[0].axes)}
    arguments |= {"groups": config.get("groups", 1), "bias": read_flag(config, "use_bias", True)}
    return [Piece("conv", arguments), *_convert_activation(config)]


def _convert_depthwise_conv(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    arguments = _read_window_arguments(config, inputs[0].axes)
    arguments |= {"multiplier": config.get("depth_multiplier", 1), "bias": read_flag(config, "use_bias", True)}
    return [Piece("depthwise_conv", arguments), *_convert_activation(config)]


def _convert_separable_conv(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    [piece, *_] = _convert_depthwise_conv({**config, "activation": None}, inputs)
    return [
        Piece("separable_conv", {"out_channels": config["filters"], **piece.arguments}),
        *_convert_activation(config),
    ]


def _convert_conv_transpose(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Conv1DTranspose, Conv2DTranspose and Conv3DTranspose.

    For input size n, kernel size k, stride s, dilation d and padding p, the output size without output_padding is n × s
    + max(d (k - 1) + 1 - s, 0) for `valid` and n × s for `same`. With output_padding it is (n - 1) s + d (k - 1) + 1 -
    2p + output_padding. For `same`, p is half the effective kernel size. Source: keras.layers.Conv2DTranspose.
    """
    arguments = {"out_channels": config["filters"], **_read_window_arguments(config, inputs[0].axes)}
    effective_sizes = [(k - 1) * d + 1 for k, d in zip(arguments["kernel_size"], arguments["dilation"], strict=True)]
    extra = config.get("output_padding")
    if extra is not None:
        arguments["output_padding"] = read_per_axis(extra, inputs[0].axes)
        if arguments["padding"] == "same":
            arguments["padding"] = [effective_size // 2 for effective_size in effective_sizes]
    elif arguments["padding"] == 0:
        strides = zip(arguments["stride"], effective_sizes, strict=True)
        arguments["output_padding"] = [max(stride - effective_size, 0) for stride, effective_size in strides]
    arguments["bias"] = read_flag(config, "use_bias", True)
    return [Piece("conv_transpose", arguments), *_convert_activation(config)]


def _convert_dense(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Dense to a linear layer, or to a pointwise convolution if its input has spatial axes."""
    if has_channels_first(config) and inputs[0].axes:
        raise UnsupportedArgument("a last axis that is not the channels")
    key, kind = ("out_channels", "pointwise_conv") if inputs[0].axes else ("out_features", "linear")
    return [
        Piece(kind, {key: config["units"], "bias": read_flag(config, "use_bias", True)}),
        *_convert_activation(config),
    ]


def _pooling_rule(kind: str) -> _Translate:
    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        axes, size = inputs[0].axes, config["pool_size"]
        stride = config.get("strides")
        arguments = {
            "kernel_size": read_per_axis(size, axes),
            "stride": read_per_axis(size if stride is None else stride, axes),
        }
        return [Piece(kind, {**arguments, "padding": "same" if read_padding(config) == "same" else 0})]

    return translate


def _global_pooling_rule(kind: str) -> _Translate:
    return lambda config, inputs: [Piece(kind, {"keepdims": read_flag(config, "keepdims")})]


def _convert_batch_norm(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    _check_channel_axis(config, inputs)
    scale, center = read_flag(config, "scale", True), read_flag(config, "center", True)
    if scale == center:
        return [Piece("batchnorm", {"affine": scale})]
    return [Piece("batchnorm", {"scale": scale, "center": center})]


def _convert_layer_norm(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert LayerNormalization, which must normalise over the channels or over the whole sample."""
    if read_flag(config, "rms_scaling"):
        raise UnsupportedArgument("rms_scaling")
    axes = config.get("axis", -1)
    every = isinstance(axes, list) and sorted(axis % (inputs[0].axes + 2) for axis in axes)
    whole = every == list(range(1, inputs[0].axes + 2)) and inputs[0].axes > 0
    if not whole:
        _check_channel_axis(config, inputs)
    affine = read_flag(config, "scale", True)
    if affine != read_flag(config, "center", True):
        raise UnsupportedArgument("only one of scale and center")
    return [Piece("layernorm", {"axes": "all" if whole else "channels", "affine": affine})]


def _convert_group_norm(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    _check_channel_axis(config, inputs)
    groups = config.get("groups", 32)
    if not (read_flag(config, "scale", True) and read_flag(config, "center", True)):
        raise UnsupportedArgument("scale or center turned off")
    return [Piece("groupnorm", {"num_groups": inputs[0].channels if groups == -1 else groups})]


def _check_channel_axis(config: KerasConfig, inputs: tuple[Shape, ...]) -> None:
    """Raise UnsupportedArgument unless the argument `axis` is the channel axis. By default, `axis` is the last axis."""
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    last = inputs[0].axes + 1
    if type(axis) is not int or axis % (last + 1) != (1 if has_channels_first(config) else last):
        raise UnsupportedArgument(f"axis {show(axis)}")


def _convert_rescaling(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Rescaling, a constant scale and offset, to a batch norm without params, as this has the same cost."""
    return [Piece("batchnorm", {"affine": False, "track_running_stats": False})]


def _convert_normalization(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Normalization to a batch norm without params.

    Its mean and variance are running statistics unless the configuration contains them.
    """
    _check_channel_axis(config, inputs)
    kept = config.get("mean") is None
    return [Piece("batchnorm", {"affine": False, "track_running_stats": kept})]


def convert_relu(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert ReLU to relu, to relu6 if its max_value is 6, or to leaky_relu if it has a negative_slope.

    Raises UnsupportedArgument for any other max_value, for both arguments together, and for a threshold.
    """
    most = None if config.get("max_value") is None else read_number(config, "max_value", 0)
    slope = read_number(config, "negative_slope", 0)
    if read_number(config, "threshold", 0):
        raise UnsupportedArgument("a threshold")
    if slope:
        if most is not None:
            raise UnsupportedArgument("both negative_slope and max_value")
        return [Piece("leaky_relu", {"negative_slope": slope})]
    if most not in (None, 6):
        raise UnsupportedArgument(f"max_value {most}")
    return [Piece("relu" if most is None else "relu6", {})]


def _convert_leaky_relu(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert LeakyReLU, whose slope is named `negative_slope` in Keras 3 and `alpha` in Keras 2."""
    named = "negative_slope" if "negative_slope" in config else "alpha"
    return [Piece("leaky_relu", {"negative_slope": read_number(config, named, 0.3)})]


def _convert_prelu(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert PReLU to `prelu` if it has one slope per channel, and otherwise to an opaque layer."""
    axes = inputs[0].axes
    last = (*inputs[0].spatial, inputs[0].channels)  # as Keras orders them by default
    shared = {axis % (axes + 2) for axis in config.get("shared_axes") or ()}
    if shared == set(range(1, axes + 1)) and not has_channels_first(config):
        return [Piece("prelu", {"num_parameters": inputs[0].channels})]
    sizes = inputs[0].sizes if has_channels_first(config) else last
    slopes = prod(size for axis, size in enumerate(sizes, start=1) if axis not in shared)
    cost = {"multiplications": inputs[0].elements, "additions": 0, "macs": 0, "receptive_field": "same"}
    return [make_opaque(inputs[0], "PReLU with other slopes than one per channel", slopes, cost)]


def _convert_dropout(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    return [Piece("dropout", {"p": read_number(config, "rate", 0.5)})]


def _convert_reshape(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Reshape to `flatten` if the target shape is a vector, and otherwise to `reshape`."""
    target = config.get("target_shape")
    if not isinstance(target, list) or not target or not all(type(size) is int for size in target):
        raise UnsupportedArgument(f"target_shape {show(target)}")
    if len(target) == 1:
        return [Piece("flatten", {})] if inputs[0].axes else [Piece("identity", {})]
    return [Piece("reshape", {"shape": target if has_channels_first(config) else [target[-1], *target[:-1]]})]


def _convert_padding(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    return [Piece("pad", {"padding": read_pairs(config["padding"], inputs[0].axes)})]


def _convert_cropping(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    return [Piece("crop", {"amount": read_pairs(config["cropping"], inputs[0].axes)})]


def _convert_upsampling(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    mode = config.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear", "bicubic"):
        raise UnsupportedArgument(f"interpolation {show(mode)}")
    return [Piece("upsample", {"scale_factor": read_per_axis(config["size"], inputs[0].axes), "mode": mode})]


def _convert_concatenate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    _check_channel_axis(config, inputs)
    return [Piece("concat", {})]


def _convert_permute(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Permute to `identity` if it changes nothing. Otherwise it becomes opaque: no layer kind permutes axes."""
    order = config.get("dims")
    if not isinstance(order, list) or sorted(order) != list(range(1, inputs[0].axes + 2)):
        raise UnsupportedArgument(f"dims {show(order)}")
    last = [*inputs[0].spatial, inputs[0].channels]
    sizes = [last[place - 1] for place in order]
    return (
        [Piece("identity", {})]
        if order == sorted(order)
        else [make_opaque(Shape(sizes[-1], tuple(sizes[:-1])), "Permute")]
    )


def make_opaque(output: Shape, what: str, params: int = 0, cost: Mapping[str, Any] | None = None) -> Piece:
    """Return an opaque layer with this output shape. `what` is a short description of it.

    `cost` has its arguments for multiplications, additions, MACs and receptive field; those left out are unknown.
    """
    return Piece("opaque", {"output_shape": list(output.sizes), "params": params, **(cost or {}), "what": what})


def _opaque_merge_rule(what: str, multiplications: int = 0, additions: int = 0) -> _Translate:
    """Return a rule that converts a merge to an opaque layer with the shape of the largest input.

    `multiplications` are per output value. `additions` are per output value and per input after the first.
    """

    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        largest = max(inputs, key=lambda shape: prod(shape.sizes))
        cost: dict[str, Any] = {
            "multiplications": multiplications * largest.elements,
            "additions": additions * largest.elements * (len(inputs) - 1),
            "macs": 0,
        }
        if all(shape.spatial == largest.spatial for shape in inputs):
            cost["receptive_field"] = "same"
        return [make_opaque(largest, what, cost=cost)]

    return translate


def _recurrent_rule(name: str) -> _Translate:
    return lambda config, inputs: [Piece("opaque", describe_recurrent(name, config, inputs))]


def _convert_bidirectional(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert a Bidirectional wrapper of a recurrent layer, whose two directions have the same sizes."""
    inner = config.get("layer")
    if not isinstance(inner, Mapping) or inner.get("class_name") not in ("LSTM", "GRU", "SimpleRNN"):
        raise UnsupportedArgument("a layer that is not an LSTM, GRU or SimpleRNN")
    return [
        Piece(
            "opaque", describe_bidirectional(describe_recurrent(inner["class_name"], inner["config"], inputs), config)
        )
    ]


def _convert_time_distributed(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert a layer that is applied to every frame: an opaque layer with the costs of all frames.

    The frames are the first spatial axis. Raises UnsupportedArgument if the wrapped layer is not supported.
    """
    inner = config.get("layer")
    translate = CLASSES.get(str(inner.get("class_name"))) if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or translate is None or not inputs[0].spatial or has_channels_first(config):
        raise UnsupportedArgument("a wrapped layer that is not supported")
    frames, *spatial = inputs[0].spatial
    shape = Shape(inputs[0].channels, tuple(spatial))
    layers = []
    try:
        for piece in translate({**inner["config"], "data_format": "channels_last"}, (shape,)):
            layers.append(make_written_layer(piece.kind, piece.arguments, (shape,)))
            shape = layers[-1].output
    except Flaw as flaw:
        raise UnsupportedArgument(flaw.message) from None
    counts = [[layer.count_multiplications(), layer.count_additions(), layer.count_macs()] for layer in layers]
    totals = [None if None in column else frames * sum(map(int, column)) for column in zip(*counts, strict=True)]
    names = ("multiplications", "additions", "macs")
    cost = {name: total for name, total in zip(names, totals, strict=True) if total is not None}
    params = sum(sum(layer.weight_tensors()) + sum(layer.bias_tensors()) for layer in layers)
    buffers = sum(sum(layer.buffer_tensors()) for layer in layers)
    if buffers:
        cost["buffers"] = buffers
    output = Shape(shape.channels, (frames, *shape.spatial))
    return [make_opaque(output, f"{inner['class_name']} per frame", params, cost)]


def _convert_attention(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    return [Piece("opaque", describe_attention(config, inputs))]


def _convert_embedding(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    return [Piece("opaque", describe_embedding(config, inputs))]


def _convert_repeat_vector(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    count = config.get("n")
    if type(count) is not int or count < 1 or inputs[0].spatial:
        raise UnsupportedArgument(f"n {show(count)}")
    cost = {"multiplications": 0, "additions": 0, "macs": 0, "receptive_field": "all"}
    return [make_opaque(Shape(inputs[0].channels, (count,)), "RepeatVector", cost=cost)]


def _rule_without_arguments(kind: str) -> _Translate:
    return lambda config, inputs: [Piece(kind, {})]


def _merge_rule(kind: str) -> _Translate:
    """Return a rule for Add or Multiply. A sum or product with a constant becomes opaque."""

    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        if len(inputs) > 1:
            return [Piece(kind, {})]
        counts = {"multiplications": inputs[0].elements, "additions": 0}
        if kind == "add":
            counts = {"multiplications": 0, "additions": inputs[0].elements}
        cost = {**counts, "macs": 0, "receptive_field": "same"}
        return [make_opaque(inputs[0], f"{kind} with a constant", cost=cost)]

    return translate


_AUGMENTATIONS = ("Brightness", "Contrast", "Flip", "Rotation", "Translation", "Zoom")  # active only in training
_DIMENSIONS = ("1D", "2D", "3D")


def _repeat_for_dimensions(name: str, translate: _Translate) -> dict[str, _Translate]:
    """Return `translate` for 1, 2 and 3 dimensions: `Conv#` becomes the keys Conv1D, Conv2D and Conv3D."""
    return {name.replace("#", dimension): translate for dimension in _DIMENSIONS}


CLASSES: dict[str, _Translate] = {
    **_repeat_for_dimensions("Conv#", _convert_conv),
    **_repeat_for_dimensions("Convolution#", _convert_conv),
    **_repeat_for_dimensions("Conv#Transpose", _convert_conv_transpose),
    **_repeat_for_dimensions("DepthwiseConv#", _convert_depthwise_conv),
    **_repeat_for_dimensions("SeparableConv#", _convert_separable_conv),
    **_repeat_for_dimensions("MaxPooling#", _pooling_rule("maxpool")),
    **_repeat_for_dimensions("AveragePooling#", _pooling_rule("avgpool")),
    **_repeat_for_dimensions("GlobalAveragePooling#", _global_pooling_rule("global_avgpool")),
    **_repeat_for_dimensions("GlobalMaxPooling#", _global_pooling_rule("global_maxpool")),
    **_repeat_for_dimensions("ZeroPadding#", _convert_padding),
    **_repeat_for_dimensions("Cropping#", _convert_cropping),
    **_repeat_for_dimensions("UpSampling#", _convert_upsampling),
    **_repeat_for_dimensions("SpatialDropout#", _convert_dropout),
    "Dense": _convert_dense,
    "BatchNormalization": _convert_batch_norm,
    "SyncBatchNormalization": _convert_batch_norm,
    "LayerNormalization": _convert_layer_norm,
    "GroupNormalization": _convert_group_norm,
    "Rescaling": _convert_rescaling,
    "Normalization": _convert_normalization,
    "Activation": lambda config, inputs: _convert_activation(config) or [Piece("identity", {})],
    "ReLU": convert_relu,
    "LeakyReLU": _convert_leaky_relu,
    "PReLU": _convert_prelu,
    "ELU": _rule_without_arguments("elu"),
    "Softmax": _rule_without_arguments("softmax"),
    "Dropout": _convert_dropout,
    "AlphaDropout": _convert_dropout,
    "GaussianDropout": _convert_dropout,
    "GaussianNoise": _rule_without_arguments("identity"),
    **{f"Random{change}": _rule_without_arguments("identity") for change in _AUGMENTATIONS},
    "ActivityRegularization": _rule_without_arguments("identity"),
    "Flatten": lambda config, inputs: [Piece("flatten" if inputs[0].axes else "identity", {})],
    "Reshape": _convert_reshape,
    "Permute": _convert_permute,
    "Add": _merge_rule("add"),
    "Multiply": _merge_rule("multiply"),
    "Concatenate": _convert_concatenate,
    "Maximum": _opaque_merge_rule("Maximum"),
    "Minimum": _opaque_merge_rule("Minimum"),
    "Average": _opaque_merge_rule("Average", multiplications=1, additions=1),
    "Subtract": _opaque_merge_rule("Subtract", additions=1),
    "CustomScaleLayer": _opaque_merge_rule("CustomScaleLayer", multiplications=1, additions=1),
    **{name: _recurrent_rule(name) for name in ("LSTM", "GRU", "SimpleRNN")},
    "Bidirectional": _convert_bidirectional,
    "TimeDistributed": _convert_time_distributed,
    "Embedding": _convert_embedding,
    "MultiHeadAttention": _convert_attention,
    "RepeatVector": _convert_repeat_vector,
    "Masking": _rule_without_arguments("identity"),
    "LayerScale": _rule_without_arguments("scale"),
    "StochasticDepth": lambda config, inputs: [Piece("drop_path", {"p": config.get("drop_path_rate", 0.5)})],
}
