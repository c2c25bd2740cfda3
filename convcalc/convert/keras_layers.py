"""What each layer class of Keras is in our kinds.

Keras writes shapes with the channels last (unless a layer says `channels_first`), ours are channels first. Source of
the arguments and their defaults: the Keras 3 API reference, keras.io/api/layers.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from convcalc.keys import LARGEST
from convcalc.problems import shown
from convcalc.shape import Shape

Config = Mapping[str, Any]


class Piece(NamedTuple):
    """One of our layers; of several the first reads the Keras layer's inputs, each later one the one before."""

    kind: str
    arguments: dict[str, Any]


class CannotSay(Exception):
    """What a layer is cannot be said in our kinds; the message says what about it."""


Pieces = list[Piece]
Translate = Callable[[Config, tuple[Shape, ...]], Pieces]

ACTIVATIONS = {
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


def channels_first(config: Config) -> bool:
    """Whether a layer has its channels first."""
    return config.get("data_format") == "channels_first"


def flag(config: Config, name: str, default: bool = False) -> bool:
    """An argument that is true or false. Raises CannotSay."""
    value = config.get(name, default)
    if type(value) is not bool:
        raise CannotSay(f"{name} {shown(str(value))}, which is neither true nor false")
    return value


def number(config: Config, name: str, default: float) -> float:
    """An argument that is a number, which a boolean is not; null stands for the default. Raises CannotSay."""
    value = config.get(name)
    value = default if value is None else value
    if type(value) not in (int, float) or not abs(value) < LARGEST:
        raise CannotSay(f"{name} {shown(str(value))}, which is not a number that a spec can hold")
    return float(value) if isinstance(value, float) else int(value)


def padding_of(config: Config, *others: str) -> str:
    """The padding by its name. Raises CannotSay."""
    value = config.get("padding", "valid")
    if value not in ("valid", "same", *others):
        raise CannotSay(f"padding {shown(str(value))}")
    return str(value)


def per_axis(value: Any, axes: int) -> list[int]:
    """One integer for every axis."""
    items = list(value) if isinstance(value, list) else [value] * axes
    if len(items) != axes or not all(type(item) is int for item in items):
        raise CannotSay(f"{value} instead of {axes} integers")
    return items


def pairs(value: Any, axes: int) -> list[list[int]]:
    """One pair for every axis: from an integer, an integer an axis, or pairs; of one axis a pair may stand alone."""
    if axes == 1 and isinstance(value, list) and len(value) == 2:
        value = [value]
    items = value if isinstance(value, list) else [value] * axes
    if len(items) != axes:
        raise CannotSay(f"{value} instead of {axes} pairs of integers")
    return [per_axis(item, 2) for item in items]


def activation(config: Config) -> Pieces:
    """The activation that a layer applies at its end."""
    named = config.get("activation")
    if isinstance(named, Mapping):  # a serialized function or layer
        named = named.get("config") if isinstance(named.get("config"), str) else named.get("class_name")
    if named in (None, "linear"):
        return []
    if named not in ACTIVATIONS:
        raise CannotSay(f"activation {named}")
    return [Piece(ACTIVATIONS[named], {"negative_slope": 0.2} if named == "leaky_relu" else {})]


def window(config: Config, axes: int) -> dict[str, Any]:
    """Kernel, stride, dilation and padding of a convolution."""
    padding: Any = padding_of(config, "causal")
    kernel = per_axis(config["kernel_size"], axes)
    dilation = per_axis(config.get("dilation_rate", 1), axes)
    if padding == "causal":
        padding = [[(k - 1) * d, 0] for k, d in zip(kernel, dilation, strict=True)]
    elif padding == "same" and set(kernel) == {1}:
        padding = "valid"
    return {
        "kernel_size": kernel,
        "stride": per_axis(config.get("strides", 1), axes),
        "padding": 0 if padding == "valid" else padding,
        "dilation": dilation,
    }


def convolution(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Conv1D, Conv2D, Conv3D."""
    arguments = {"out_channels": config["filters"], **window(config, inputs[0].axes)}
    arguments |= {"groups": config.get("groups", 1), "bias": flag(config, "use_bias", True)}
    return [Piece("conv", arguments), *activation(config)]


def depthwise(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """DepthwiseConv1D, DepthwiseConv2D."""
    arguments = window(config, inputs[0].axes)
    arguments |= {"multiplier": config.get("depth_multiplier", 1), "bias": flag(config, "use_bias", True)}
    return [Piece("depthwise_conv", arguments), *activation(config)]


def separable(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """SeparableConv1D, SeparableConv2D."""
    [piece, *_] = depthwise({**config, "activation": None}, inputs)
    return [Piece("separable_conv", {"out_channels": config["filters"], **piece.arguments}), *activation(config)]


def transposed(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose.

    Without output_padding `valid` gives n × s + max(d (k - 1) + 1 - s, 0) and `same` n × s; with it (n - 1) s +
    d (k - 1) + 1 - 2p + output_padding, p half the kernel with `same` (keras.layers.Conv2DTranspose).
    """
    arguments = {"out_channels": config["filters"], **window(config, inputs[0].axes)}
    reaches = [(k - 1) * d + 1 for k, d in zip(arguments["kernel_size"], arguments["dilation"], strict=True)]
    extra = config.get("output_padding")
    if extra is not None:
        arguments["output_padding"] = per_axis(extra, inputs[0].axes)
        if arguments["padding"] == "same":
            arguments["padding"] = [reach // 2 for reach in reaches]
    elif arguments["padding"] == 0:
        strides = zip(arguments["stride"], reaches, strict=True)
        arguments["output_padding"] = [max(stride - reach, 0) for stride, reach in strides]
    arguments["bias"] = flag(config, "use_bias", True)
    return [Piece("conv_transpose", arguments), *activation(config)]


def dense(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Dense: a linear layer, at every position where there are some."""
    if channels_first(config) and inputs[0].axes:
        raise CannotSay("a last axis that is not the channels")
    key, kind = ("out_channels", "pointwise_conv") if inputs[0].axes else ("out_features", "linear")
    return [Piece(kind, {key: config["units"], "bias": flag(config, "use_bias", True)}), *activation(config)]


def pooling(kind: str) -> Translate:
    """MaxPooling and AveragePooling, in one to three dimensions."""

    def translate(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
        axes, size = inputs[0].axes, config["pool_size"]
        stride = config.get("strides")
        arguments = {"kernel_size": per_axis(size, axes), "stride": per_axis(size if stride is None else stride, axes)}
        return [Piece(kind, {**arguments, "padding": "same" if padding_of(config) == "same" else 0})]

    return translate


def globally(kind: str) -> Translate:
    """GlobalAveragePooling and GlobalMaxPooling."""
    return lambda config, inputs: [Piece(kind, {"keepdims": flag(config, "keepdims")})]


def batch_norm(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """BatchNormalization, over the channels."""
    over_channels(config, inputs)
    scale, center = flag(config, "scale", True), flag(config, "center", True)
    if scale == center:
        return [Piece("batchnorm", {"affine": scale})]
    return [Piece("batchnorm", {"scale": scale, "center": center})]


def layer_norm(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """LayerNormalization over the channels, or over all of a sample."""
    if flag(config, "rms_scaling"):
        raise CannotSay("rms_scaling")
    axes = config.get("axis", -1)
    every = isinstance(axes, list) and sorted(axis % (inputs[0].axes + 2) for axis in axes)
    whole = every == list(range(1, inputs[0].axes + 2)) and inputs[0].axes > 0
    if not whole:
        over_channels(config, inputs)
    affine = flag(config, "scale", True)
    if affine != flag(config, "center", True):
        raise CannotSay("only one of scale and center")
    return [Piece("layernorm", {"axes": "all" if whole else "channels", "affine": affine})]


def group_norm(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """GroupNormalization."""
    over_channels(config, inputs)
    groups = config.get("groups", 32)
    if not (flag(config, "scale", True) and flag(config, "center", True)):
        raise CannotSay("scale or center turned off")
    return [Piece("groupnorm", {"num_groups": inputs[0].channels if groups == -1 else groups})]


def over_channels(config: Config, inputs: tuple[Shape, ...]) -> None:
    """Normalisation is over the channels, which are the last axis. Raises CannotSay."""
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    last = inputs[0].axes + 1
    if type(axis) is not int or axis % (last + 1) != (1 if channels_first(config) else last):
        raise CannotSay(f"axis {axis}")


def rescaling(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Rescaling: a constant factor and shift a value, which costs what a batch norm without params does."""
    return [Piece("batchnorm", {"affine": False, "track_running_stats": False})]


def normalization(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Normalization by the mean and variance of each channel, which are kept with the weights or given."""
    over_channels(config, inputs)
    kept = config.get("mean") is None
    return [Piece("batchnorm", {"affine": False, "track_running_stats": kept})]


def relu(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """ReLU, with its largest value and its slope."""
    most = None if config.get("max_value") is None else number(config, "max_value", 0)
    slope = number(config, "negative_slope", 0)
    if number(config, "threshold", 0):
        raise CannotSay("a threshold")
    if slope:
        if most is not None:
            raise CannotSay("both negative_slope and max_value")
        return [Piece("leaky_relu", {"negative_slope": slope})]
    if most not in (None, 6):
        raise CannotSay(f"max_value {most}")
    return [Piece("relu" if most is None else "relu6", {})]


def leaky_relu(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """LeakyReLU; Keras 2 calls the slope alpha."""
    named = "negative_slope" if "negative_slope" in config else "alpha"
    return [Piece("leaky_relu", {"negative_slope": number(config, named, 0.3)})]


def prelu(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """PReLU with a slope a channel, which the axes of the positions share."""
    shared = config.get("shared_axes") or []
    if sorted(shared) != list(range(1, inputs[0].axes + 1)):
        raise CannotSay("one slope per position")
    return [Piece("prelu", {"num_parameters": inputs[0].channels})]


def dropout(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Dropout and its kin."""
    return [Piece("dropout", {"p": number(config, "rate", 0.5)})]


def reshaped(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Reshape: to a vector, or to a shape whose channels are last."""
    target = config.get("target_shape")
    if not isinstance(target, list) or not target or not all(type(size) is int for size in target):
        raise CannotSay(f"target_shape {target}")
    if len(target) == 1:
        return [Piece("flatten", {})] if inputs[0].axes else [Piece("identity", {})]
    return [Piece("reshape", {"shape": target if channels_first(config) else [target[-1], *target[:-1]]})]


def padded(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """ZeroPadding1D, ZeroPadding2D, ZeroPadding3D."""
    return [Piece("pad", {"padding": pairs(config["padding"], inputs[0].axes)})]


def cropped(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Cropping1D, Cropping2D, Cropping3D."""
    return [Piece("crop", {"amount": pairs(config["cropping"], inputs[0].axes)})]


def upsampled(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """UpSampling1D, UpSampling2D, UpSampling3D."""
    mode = config.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear", "bicubic"):
        raise CannotSay(f"interpolation {mode}")
    return [Piece("upsample", {"scale_factor": per_axis(config["size"], inputs[0].axes), "mode": mode})]


def joined(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Concatenate along the channels."""
    over_channels(config, inputs)
    return [Piece("concat", {})]


def permuted(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
    """Permute: an opaque layer that knows its shape, unless it leaves all where it is."""
    order = config.get("dims")
    if not isinstance(order, list) or sorted(order) != list(range(1, inputs[0].axes + 2)):
        raise CannotSay(f"dims {order}")
    last = [*inputs[0].spatial, inputs[0].channels]
    sizes = [last[place - 1] for place in order]
    return (
        [Piece("identity", {})] if order == sorted(order) else [opaque(Shape(sizes[-1], tuple(sizes[:-1])), "Permute")]
    )


def opaque(output: Shape, what: str, params: int = 0) -> Piece:
    """A layer whose cost is not known."""
    return Piece("opaque", {"output_shape": list(output.sizes), "params": params, "what": what})


def elementwise(what: str) -> Translate:
    """Merges that our kinds have none for: their shape is known, their cost is not counted."""

    def translate(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
        largest = max(inputs, key=lambda shape: prod(shape.sizes))
        return [opaque(largest, what)]

    return translate


def plain(kind: str) -> Translate:
    """A kind without arguments."""
    return lambda config, inputs: [Piece(kind, {})]


def merging(kind: str) -> Translate:
    """Add and Multiply of tensors: of one tensor with a constant the cost is not ours to tell."""

    def translate(config: Config, inputs: tuple[Shape, ...]) -> Pieces:
        return [Piece(kind, {})] if len(inputs) > 1 else [opaque(inputs[0], f"{kind} with a constant")]

    return translate


AUGMENTATIONS = ("Brightness", "Contrast", "Flip", "Rotation", "Translation", "Zoom")  # of training alone
DIMENSIONS = ("1D", "2D", "3D")


def each(name: str, translate: Translate) -> dict[str, Translate]:
    """A class in one to three dimensions."""
    return {name.replace("#", dimension): translate for dimension in DIMENSIONS}


CLASSES: dict[str, Translate] = {
    **each("Conv#", convolution),
    **each("Convolution#", convolution),
    **each("Conv#Transpose", transposed),
    **each("DepthwiseConv#", depthwise),
    **each("SeparableConv#", separable),
    **each("MaxPooling#", pooling("maxpool")),
    **each("AveragePooling#", pooling("avgpool")),
    **each("GlobalAveragePooling#", globally("global_avgpool")),
    **each("GlobalMaxPooling#", globally("global_maxpool")),
    **each("ZeroPadding#", padded),
    **each("Cropping#", cropped),
    **each("UpSampling#", upsampled),
    **each("SpatialDropout#", dropout),
    "Dense": dense,
    "BatchNormalization": batch_norm,
    "SyncBatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "GroupNormalization": group_norm,
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Activation": lambda config, inputs: activation(config) or [Piece("identity", {})],
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "PReLU": prelu,
    "ELU": plain("elu"),
    "Softmax": plain("softmax"),
    "Dropout": dropout,
    "AlphaDropout": dropout,
    "GaussianDropout": dropout,
    "GaussianNoise": plain("identity"),
    **{f"Random{change}": plain("identity") for change in AUGMENTATIONS},
    "ActivityRegularization": plain("identity"),
    "Flatten": lambda config, inputs: [Piece("flatten" if inputs[0].axes else "identity", {})],
    "Reshape": reshaped,
    "Permute": permuted,
    "Add": merging("add"),
    "Multiply": merging("multiply"),
    "Concatenate": joined,
    "Maximum": elementwise("Maximum"),
    "Minimum": elementwise("Minimum"),
    "Average": elementwise("Average"),
    "Subtract": elementwise("Subtract"),
    "CustomScaleLayer": elementwise("CustomScaleLayer"),
    "LayerScale": plain("scale"),
    "StochasticDepth": lambda config, inputs: [Piece("drop_path", {"p": config.get("drop_path_rate", 0.5)})],
}
