"""Converts Keras layers to convcalc's layer kinds, by the rules in the table CLASSES.

A rule takes a Keras layer's configuration and input shapes, channels first, and returns a list of layers: `conv` and
`relu` for a Conv2D with an activation. Keras arguments have the channels last unless the configuration contains
`channels_first`. Source of the arguments and their defaults: the Keras 3 API reference, keras.io/api/layers.
"""

from collections.abc import Mapping
from functools import partial
from math import prod
from typing import Any

from convcalc.arguments import LARGEST
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
from convcalc.convert.keras_config import OWN_PACKAGE
from convcalc.convert.keras_pieces import Piece, Pieces, Translate, make_elementwise, make_move, make_opaque
from convcalc.convert.keras_sequences import (
    convert_attention,
    convert_bidirectional,
    convert_embedding,
    convert_recurrent,
)
from convcalc.layers.base import name_sizes
from convcalc.layers.make import make_written_layer
from convcalc.problems import Flaw, show
from convcalc.shape import Shape

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
    """Convert Dense to a linear layer, or to a pointwise convolution if its input has several spatial axes."""
    if has_channels_first(config) and inputs[0].axes:
        raise UnsupportedArgument("a last axis that is not the channels")
    key, kind = ("out_channels", "pointwise_conv") if inputs[0].axes > 1 else ("out_features", "linear")
    return [
        Piece(kind, {key: config["units"], "bias": read_flag(config, "use_bias", True)}),
        *_convert_activation(config),
    ]


def _pooling_rule(kind: str) -> Translate:
    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        axes, size = inputs[0].axes, config["pool_size"]
        stride = config.get("strides")
        arguments = {
            "kernel_size": read_per_axis(size, axes),
            "stride": read_per_axis(size if stride is None else stride, axes),
        }
        return [Piece(kind, {**arguments, "padding": "same" if read_padding(config) == "same" else 0})]

    return translate


def _global_pooling_rule(kind: str) -> Translate:
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
        return _convert_rms_norm(config, inputs)
    axes = config.get("axis", -1)
    every = isinstance(axes, list) and sorted(axis % (inputs[0].axes + 2) for axis in axes)
    whole = every == list(range(1, inputs[0].axes + 2)) and inputs[0].axes > 0
    scale, center = read_flag(config, "scale", True), read_flag(config, "center", True)
    if isinstance(every, list) and len(every) > 1 and not whole:
        return [_make_norm_of_axes(config, inputs[0], every, scale, center)]
    if not whole:
        _check_channel_axis(config, inputs)
    if scale != center:
        params = inputs[0].elements if whole else inputs[0].channels
        return [_make_half_norm("LayerNormalization", inputs[0], params, scale, whole)]
    return [Piece("layernorm", {"axes": "all" if whole else "channels", "affine": scale})]


def _make_norm_of_axes(config: KerasConfig, shape: Shape, axes: list[int], scale: bool, center: bool) -> Piece:
    """Return an opaque layer for a norm over some axes, which learns a scale and a bias per position on these axes."""
    sizes = shape.sizes if has_channels_first(config) else (*shape.spatial, shape.channels)
    learnt = prod(sizes[axis - 1] for axis in axes)
    what = f"LayerNormalization over axes {', '.join(map(str, axes))}"
    piece = make_elementwise(shape, what, learnt * (scale + center), 2 + scale, 3 + center)
    return piece._replace(arguments={**piece.arguments, "receptive_field": "all"})


def _make_half_norm(what: str, shape: Shape, params: int, scale: bool, whole: bool) -> Piece:
    """Return an opaque layer for a norm that learns only a scale, or only a bias; see the kind `layernorm`."""
    counts = {"multiplications": 2 + scale, "additions": 3 + (not scale)}
    named = f"{what} with only a {'scale' if scale else 'bias'}"
    piece = make_elementwise(shape, named, params, **counts)
    return piece._replace(arguments={**piece.arguments, "receptive_field": "all"}) if whole else piece


def _convert_rms_norm(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert RMSNormalization, which divides by the root of the mean square of the channels and scales the result."""
    _check_channel_axis(config, inputs)
    return [make_elementwise(inputs[0], "RMSNormalization", inputs[0].channels, multiplications=3, additions=1)]


def _convert_group_norm(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    _check_channel_axis(config, inputs)
    groups = config.get("groups", 32)
    scale, center = read_flag(config, "scale", True), read_flag(config, "center", True)
    if scale != center:
        return [_make_half_norm("GroupNormalization", inputs[0], inputs[0].channels, scale, True)]
    return [Piece("groupnorm", {"num_groups": inputs[0].channels if groups == -1 else groups, "affine": scale})]


def _check_channel_axis(config: KerasConfig, inputs: tuple[Shape, ...]) -> None:
    """Raise UnsupportedArgument unless the argument `axis` is the channel axis. By default, `axis` is the last axis."""
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    last = inputs[0].axes + 1
    if type(axis) is not int or axis % (last + 1) != (1 if has_channels_first(config) else last):
        raise UnsupportedArgument(f"axis {show(axis)}")


def _convert_rescaling(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Rescaling, a constant scale and offset, to `scale` and `shift`.

    If either has several values, it becomes a batch norm without params, which has the same cost.
    """
    if isinstance(config.get("scale"), list) or isinstance(config.get("offset"), list):
        return [Piece("batchnorm", {"affine": False, "track_running_stats": False})]
    factor, amount = read_number(config, "scale", 1), read_number(config, "offset", 0)
    scaled = [Piece("scale", {"factor": factor})] if factor != 1 else []
    return scaled + ([Piece("shift", {"amount": amount})] if amount else []) or [Piece("identity", {})]


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
    if shared == set(range(1, axes + 2)):
        return [Piece("prelu", {"num_parameters": 1})]
    sizes = inputs[0].sizes if has_channels_first(config) else last
    slopes = prod(size for axis, size in enumerate(sizes, start=1) if axis not in shared)
    return [make_elementwise(inputs[0], "PReLU with other slopes than one per channel", slopes, multiplications=1)]


def _convert_dropout(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Dropout to `dropout`, or to `drop_path` if it drops whole samples."""
    shape = config.get("noise_shape")
    whole = isinstance(shape, list) and len(shape) == inputs[0].axes + 2 and set(shape[1:]) == {1}
    return [Piece("drop_path" if whole else "dropout", {"p": read_number(config, "rate", 0.5)})]


def convert_softmax(kind: str) -> Translate:
    """Return the rule of Softmax, or of a logarithm of it (`kind`), over the channels or over all positions."""

    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        axes, given = inputs[0].axes, config.get("axis", -1)
        chosen = {axis % (axes + 2) for axis in (given if isinstance(given, list) else [given])}
        if chosen == {1 if has_channels_first(config) else axes + 1}:
            return [Piece(kind, {})]
        if chosen == set(range(1, axes + 1)) and not has_channels_first(config):
            return [Piece(kind, {"axes": "positions"})]
        cost = {"multiplications": inputs[0].elements, "additions": inputs[0].elements, "macs": 0}
        return [make_opaque(inputs[0], f"{kind} over axis {given}", cost={**cost, "receptive_field": "all"})]

    return translate


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
    axis = name_axis(config.get("axis", -1), inputs[0], config)
    return [Piece("concat", {} if axis == "channels" else {"axis": axis})]


def _number_axis(axis: Any, shape: Shape) -> int:
    """Return an axis as a number, 1 for the first axis of a sample; raises UnsupportedArgument for the batch."""
    if type(axis) is not int or axis % (shape.axes + 2) == 0:
        raise UnsupportedArgument(f"axis {show(axis)}")
    return axis % (shape.axes + 2)


def name_axis(axis: Any, shape: Shape, config: KerasConfig) -> str:
    """Return the name of an axis, such as `channels`, from its number in Keras; 0 is the batch."""
    own, *spatial = [name for name, _ in name_sizes(shape)]
    names = [own, *spatial] if has_channels_first(config) else [*spatial, own]
    return names[_number_axis(axis, shape) - 1]


def _convert_permute(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Permute, whose `dims` number the axes from 1, to `permute`, or to `identity` if it changes nothing."""
    order = config.get("dims")
    if not isinstance(order, list) or sorted(order) != list(range(1, inputs[0].axes + 2)):
        raise UnsupportedArgument(f"dims {show(order)}")
    return [permute_axes(order, inputs[0], has_channels_first(config))]


def permute_axes(order: list[int], shape: Shape, channels_first: bool) -> Piece:
    """Return the layer that reorders the axes of a sample, which are numbered from 1."""
    if order == sorted(order):
        return Piece("identity", {})
    own, *spatial = [name for name, _ in name_sizes(shape)]
    names = [own, *spatial] if channels_first else [*spatial, own]
    found = [names[place - 1] for place in order]
    return Piece("permute", {"order": found if channels_first else [found[-1], *found[:-1]]})


def _convert_resizing(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    mode = config.get("interpolation", "bilinear")
    if mode not in ("nearest", "bilinear", "bicubic") or inputs[0].axes != 2:
        raise UnsupportedArgument(f"interpolation {show(mode)}")
    return [Piece("upsample", {"size": [config["height"], config["width"]], "mode": mode})]


def _convert_center_crop(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert CenterCrop, and RandomCrop, which is the same at inference. Both enlarge an image that is too small."""
    amounts = [
        size - wanted for size, wanted in zip(inputs[0].spatial, (config["height"], config["width"]), strict=True)
    ]
    if min(amounts) < 0:
        raise UnsupportedArgument("a size larger than the input")
    return [Piece("crop", {"amount": [[amount // 2, amount - amount // 2] for amount in amounts]})]


def _adaptive_pooling_rule(kind: str) -> Translate:
    return lambda config, inputs: [Piece(kind, {"output_size": read_per_axis(config["output_size"], inputs[0].axes)})]


def _convert_dot(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert Dot of two sequences to `matmul`: with the channels last, (A B)ᵀ = Bᵀ Aᵀ exchanges the inputs."""
    first, second = read_per_axis(config.get("axes"), 2)
    if read_flag(config, "normalize") or len(inputs) != 2 or any(shape.axes != 1 for shape in inputs):
        raise UnsupportedArgument("normalize, or inputs that are not two sequences")
    flags = {"transpose_first": second % 3 == 2, "transpose_second": first % 3 == 1}
    return [Piece("matmul", flags, reverses=True)]


def _convert_conv_lstm(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert ConvLSTM1D and ConvLSTM2D with a square kernel and padding `same`, which return every step."""
    axes = inputs[0].axes - 1
    kernel = set(read_per_axis(config["kernel_size"], axes))
    others = read_per_axis(config.get("strides", 1), axes) + read_per_axis(config.get("dilation_rate", 1), axes)
    if config.get("padding") != "same" or set(others) != {1} or len(kernel) != 1 or has_channels_first(config):
        raise UnsupportedArgument("padding valid, a stride, or a kernel that is not square")
    if not read_flag(config, "return_sequences"):
        raise UnsupportedArgument("only the last step returned")
    arguments = {"hidden_size": config["filters"], "kernel_size": kernel.pop()}
    return [Piece("conv_lstm", {**arguments, "bias": read_flag(config, "use_bias", True)})]


def _convert_locally_connected(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    window = {key: value for key, value in config.items() if key != "groups"}
    [piece, *after] = _convert_conv(window, inputs)
    arguments = {key: value for key, value in piece.arguments.items() if key != "groups"}
    return [Piece("locally_connected", arguments), *after]


def _convert_learnt(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    *spatial, channels = config["shape"]
    return [Piece("parameter", {"shape": [channels, *spatial]})]


def _opaque_merge_rule(what: str, multiplications: int = 0, additions: int = 0) -> Translate:
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


def _convert_repeat_vector(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    count = config.get("n")
    if type(count) is not int or count < 1 or inputs[0].spatial:
        raise UnsupportedArgument(f"n {show(count)}")
    return [make_move(Shape(inputs[0].channels, (count,)), "RepeatVector")]


def _rule_without_arguments(kind: str) -> Translate:
    return lambda config, inputs: [Piece(kind, {})]


def _merge_rule(kind: str) -> Translate:
    """Return a rule for Add or Multiply. A sum with a number becomes a `shift`, a product with one a `scale`."""

    def translate(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
        if len(inputs) > 1:
            return [Piece(kind, {})]
        numbers = config.get("constants", ())
        if len(numbers) == 1 and abs(numbers[0]) < LARGEST:
            return [Piece(*(("shift", {"amount": numbers[0]}) if kind == "add" else ("scale", {"factor": numbers[0]})))]
        counts = {"additions": 1} if kind == "add" else {"multiplications": 1}
        return [make_elementwise(inputs[0], f"{kind} with a constant", **counts)]

    return translate


AUGMENTATIONS = (  # layers that do nothing at inference
    *("AugMix", "CutMix", "GaussianNoise", "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration"),
    *("RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip"),
    *("RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization"),
    *("RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom"),
)
_DIMENSIONS = ("1D", "2D", "3D")


def _repeat_for_dimensions(name: str, translate: Translate) -> dict[str, Translate]:
    """Return `translate` for 1, 2 and 3 dimensions: `Conv#` becomes the keys Conv1D, Conv2D and Conv3D."""
    return {name.replace("#", dimension): translate for dimension in _DIMENSIONS}


CLASSES: dict[str, Translate] = {
    **_repeat_for_dimensions("Conv#", _convert_conv),
    **_repeat_for_dimensions("Convolution#", _convert_conv),
    **_repeat_for_dimensions("Conv#Transpose", _convert_conv_transpose),
    **_repeat_for_dimensions("DepthwiseConv#", _convert_depthwise_conv),
    **_repeat_for_dimensions("SeparableConv#", _convert_separable_conv),
    **_repeat_for_dimensions("MaxPooling#", _pooling_rule("maxpool")),
    **_repeat_for_dimensions("AveragePooling#", _pooling_rule("avgpool")),
    **_repeat_for_dimensions("GlobalAveragePooling#", _global_pooling_rule("global_avgpool")),
    **_repeat_for_dimensions("GlobalMaxPooling#", _global_pooling_rule("global_maxpool")),
    **_repeat_for_dimensions("AdaptiveAveragePooling#", _adaptive_pooling_rule("adaptive_avgpool")),
    **_repeat_for_dimensions("AdaptiveMaxPooling#", _adaptive_pooling_rule("adaptive_maxpool")),
    **_repeat_for_dimensions("LocallyConnected#", _convert_locally_connected),
    **_repeat_for_dimensions("ConvLSTM#", _convert_conv_lstm),
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
    "Softmax": convert_softmax("softmax"),
    "Identity": _rule_without_arguments("identity"),
    "Dropout": _convert_dropout,
    "AlphaDropout": _convert_dropout,
    "GaussianDropout": _convert_dropout,
    **{name: _rule_without_arguments("identity") for name in AUGMENTATIONS},
    "RandomCrop": _convert_center_crop,
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
    "RMSNormalization": _convert_rms_norm,
    "Resizing": _convert_resizing,
    "CenterCrop": _convert_center_crop,
    "Dot": _convert_dot,
    **{name: partial(convert_recurrent, name) for name in ("LSTM", "GRU", "SimpleRNN")},
    "Bidirectional": convert_bidirectional,
    "TimeDistributed": _convert_time_distributed,
    "Embedding": convert_embedding,
    "MultiHeadAttention": convert_attention,
    "RepeatVector": _convert_repeat_vector,
    "Masking": _rule_without_arguments("identity"),
    f"{OWN_PACKAGE}Scale": _rule_without_arguments("scale"),
    f"{OWN_PACKAGE}Shift": _rule_without_arguments("shift"),
    f"{OWN_PACKAGE}Learnt": _convert_learnt,
    f"{OWN_PACKAGE}GlobalResponseNorm": _rule_without_arguments("global_response_norm"),
    f"{OWN_PACKAGE}LocalResponseNorm": lambda config, inputs: [Piece("local_response_norm", {"size": config["size"]})],
    "LayerScale": _rule_without_arguments("scale"),
    "StochasticDepth": lambda config, inputs: [Piece("drop_path", {"p": config.get("drop_path_rate", 0.5)})],
}
