"""What each layer kind is in PyTorch: the one table behind the text of a module and the comparison with PyTorch.

A call is data: nothing here knows PyTorch. `nn.Conv2d` is a class of torch.nn, a name without a dot one of layers.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from convcalc.arithmetic import Pair
from convcalc.convert.graph import NotImported
from convcalc.keys import PerAxisPadding
from convcalc.layers.base import Layer
from convcalc.network import Network, Node

REQUIRED = object()
MERGES = {"add": " + ", "multiply": " * ", "concat": ", "}


class NotExported(NotImported):
    """A network has layers that PyTorch has nothing for."""


class Argument(NamedTuple):
    """An argument with its default: required ones are written without their names."""

    name: str
    value: Any
    default: Any = REQUIRED


class Call(NamedTuple):
    """How a module is made."""

    target: str
    arguments: tuple[Argument, ...] = ()


class Made(NamedTuple):
    """The module of a layer, and the padding before or cutting after it that PyTorch's module has not."""

    module: Call
    before: Call | None = None
    after: Call | None = None


Maker = Callable[[Any], Made]


def made(node: Node) -> Made:
    """The modules of a node that is no merge."""
    return MAKERS[node.layer.kind](node.layer)


def is_known(node: Node) -> bool:
    """Whether PyTorch has anything for a layer."""
    return node.layer.kind in MERGES or node.layer.kind in MAKERS


def check_known(network: Network) -> None:
    """Raises NotExported with the names of the layers that PyTorch has nothing for."""
    unknown = [node for node in network.nodes if not is_known(node)]
    if unknown:
        named = ", ".join(f"{node.name} ({node.layer.kind})" for node in unknown[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise NotExported(f"PyTorch has no module for {named}{more}")


def simple(values: Any) -> Any:
    """One value where all axes have the same, else a tuple."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def sides(padding: PerAxisPadding) -> Any:
    """Padding as PyTorch's padding modules take it: the last axis first."""
    return simple([side for pair in reversed(padding) for side in pair])


def module(name: str, axes: int, *arguments: Argument) -> Call:
    """A class of torch.nn that is there for one, two and three axes."""
    return Call(f"nn.{name}{axes}d", arguments)


def zero_pad(padding: PerAxisPadding) -> Call:
    """Zeros around."""
    return module("ZeroPad", len(padding), Argument("padding", sides(padding)))


def symmetric(padding: PerAxisPadding) -> bool:
    """Whether every axis has as much before as after."""
    return all(before == after for before, after in padding)


def convolution(layer: Any, out_channels: int, groups: int, bias: bool) -> Made:
    """A convolution over a window; what PyTorch cannot pad itself is padded before."""
    own = symmetric(layer.padding)
    padding = simple([before for before, _ in layer.padding]) if own else 0
    call = module(
        "Conv",
        layer.input.axes,
        Argument("in_channels", layer.input.channels),
        Argument("out_channels", out_channels),
        Argument("kernel_size", simple(layer.kernel_size)),
        Argument("stride", simple(layer.stride), 1),
        Argument("padding", padding, 0),
        Argument("dilation", simple(layer.dilation), 1),
        Argument("groups", groups, 1),
        Argument("bias", layer.bias if bias else False, True),
    )
    return Made(call, before=None if own else zero_pad(layer.padding))


def conv(layer: Any) -> Made:
    """nn.Conv."""
    return convolution(layer, layer.out_channels, layer.groups, True)


def depthwise_conv(layer: Any) -> Made:
    """A convolution with a group a channel."""
    return convolution(layer, layer.output.channels, layer.input.channels, True)


def pointwise(in_channels: int, layer: Any, groups: int = 1) -> Call:
    """A 1×1 convolution."""
    return module(
        "Conv",
        layer.input.axes,
        Argument("in_channels", in_channels),
        Argument("out_channels", layer.out_channels),
        Argument("kernel_size", 1),
        Argument("stride", simple(layer.stride) if layer.kind == "pointwise_conv" else 1, 1),
        Argument("groups", groups, 1),
        Argument("bias", layer.bias, True),
    )


def pointwise_conv(layer: Any) -> Made:
    """A 1×1 convolution."""
    return Made(pointwise(layer.input.channels, layer, layer.groups))


def separable_conv(layer: Any) -> Made:
    """A depthwise convolution without bias, then a 1×1 one."""
    between = layer.input.channels * layer.multiplier
    depthwise = convolution(layer, between, layer.input.channels, False)
    both = (Argument("depthwise", depthwise.module), Argument("pointwise", pointwise(between, layer)))
    return Made(Call("SeparableConv", both), before=depthwise.before)


def conv_transpose(layer: Any) -> Made:
    """nn.ConvTranspose; what is cut differently before and after is cut after it."""
    own = symmetric(layer.padding)
    call = module(
        "ConvTranspose",
        layer.input.axes,
        Argument("in_channels", layer.input.channels),
        Argument("out_channels", layer.out_channels),
        Argument("kernel_size", simple(layer.kernel_size)),
        Argument("stride", simple(layer.stride), 1),
        Argument("padding", simple([before for before, _ in layer.padding]) if own else 0, 0),
        Argument("output_padding", simple(layer.output_padding), 0),
        Argument("groups", layer.groups, 1),
        Argument("bias", layer.bias, True),
        Argument("dilation", simple(layer.dilation), 1),
    )
    return Made(call, after=None if own else crop_call(layer.padding))


def locally_connected(layer: Any) -> Made:
    """A module of our own: PyTorch has none."""
    call = Call(
        "LocallyConnected",
        (
            Argument("in_channels", layer.input.channels),
            Argument("out_channels", layer.out_channels),
            Argument("output_size", layer.output.spatial),
            Argument("kernel_size", layer.kernel_size),
            Argument("stride", layer.stride, (1,) * layer.input.axes),
            Argument("dilation", layer.dilation, (1,) * layer.input.axes),
            Argument("bias", layer.bias, True),
        ),
    )
    padded = any(map(any, layer.padding))
    return Made(call, before=zero_pad(layer.padding) if padded else None)


def sliding_pool(name: str, fill: float) -> Maker:
    """A pooling; padding that PyTorch's refuses is added before it."""

    def make(layer: Any) -> Made:
        dilation = getattr(layer, "dilation", (1,) * layer.input.axes)
        own, ceil_mode = own_padding(layer), layer.ceil_mode
        before = None
        if not own:
            padding, ceil_mode = tuple(map(exact, *window(layer, dilation))), False
            before = zero_pad(padding) if fill == 0 else filled(padding, fill)
        kernel = simple(layer.kernel_size)
        arguments = [
            Argument("kernel_size", kernel),
            Argument("stride", simple(layer.stride), kernel),
            Argument("padding", simple([side for side, _ in layer.padding]) if own else 0, 0),
        ]
        if name == "MaxPool":
            arguments.append(Argument("dilation", simple(dilation), 1))
        call = module(name, layer.input.axes, *arguments, Argument("ceil_mode", ceil_mode, False))
        return Made(call, before=before)

    return make


def own_padding(layer: Any) -> bool:
    """Whether PyTorch's pooling can pad by itself: as much before as after, half the kernel at most.

    In 3-D its average pooling wants no axis shorter than the kernel, whatever the padding.
    """
    per_axis = list(zip(layer.padding, layer.kernel_size, layer.input.spatial, strict=True))
    short = layer.kind == "avgpool" and layer.input.axes == 3 and any(size < kernel for _, kernel, size in per_axis)
    return symmetric(layer.padding) and not short and all(pair[0] <= kernel // 2 for pair, kernel, _ in per_axis)


def window(layer: Any, dilation: tuple[int, ...]) -> tuple[Any, ...]:
    """What `exact` is asked of every axis."""
    return layer.input.spatial, layer.output.spatial, layer.kernel_size, layer.stride, layer.padding, dilation


def exact(size: int, windows: int, kernel: int, stride: int, padding: Pair, dilation: int) -> Pair:
    """The padding into which the windows fit without a rest."""
    before = padding[0]
    return before, (windows - 1) * stride + dilation * (kernel - 1) + 1 - size - before


def filled(padding: PerAxisPadding, fill: float) -> Call:
    """A constant around."""
    return module("ConstantPad", len(padding), Argument("padding", sides(padding)), Argument("value", fill))


def lppool(layer: Any) -> Made:
    """nn.LPPool."""
    kernel = simple(layer.kernel_size)
    return Made(
        module(
            "LPPool",
            layer.input.axes,
            Argument("norm_type", 2),
            Argument("kernel_size", kernel),
            Argument("stride", simple(layer.stride), kernel),
            Argument("ceil_mode", layer.ceil_mode, False),
        )
    )


def adaptive(name: str) -> Maker:
    """An adaptive pooling."""
    return lambda layer: Made(module(name, layer.input.axes, Argument("output_size", simple(layer.output_size))))


def global_pool(name: str, flat: str) -> Maker:
    """Adaptive pooling to one position; a module of our own where the axes go."""

    def make(layer: Any) -> Made:
        if not layer.keepdims:
            return Made(Call(flat))
        return Made(module(name, layer.input.axes, Argument("output_size", 1)))

    return make


def max_unpool(layer: Any) -> Made:
    """A module of our own: PyTorch's asks for the places that a pooling gave."""
    return Made(
        Call(
            "MaxUnpool",
            (
                Argument("kernel_size", layer.kernel_size),
                Argument("stride", layer.stride, layer.kernel_size),
                Argument("padding", layer.padding, ((0, 0),) * layer.input.axes),
            ),
        )
    )


def blurpool(layer: Any) -> Made:
    """A module of our own."""
    return Made(
        Call(
            "BlurPool",
            (
                Argument("channels", layer.input.channels),
                Argument("kernel_size", layer.kernel_size, (3, 3)),
                Argument("stride", layer.stride, (2, 2)),
            ),
        )
    )


def upsample(layer: Any) -> Made:
    """nn.Upsample; the size of another layer as a number."""
    if layer.scale_factor is not None:
        to = Argument("scale_factor", simple(layer.scale_factor), None)
    else:
        to = Argument("size", simple(layer.output.spatial), None)
    return Made(Call("nn.Upsample", (to, Argument("mode", layer.mode, "nearest"))))


def shuffle(name: str, key: str) -> Maker:
    """PyTorch's pixel shuffles are for two axes; modules of our own for the others."""

    def make(layer: Any) -> Made:
        target = f"nn.{name}" if layer.input.axes == 2 else f"{name}Nd"
        return Made(Call(target, (Argument(key, getattr(layer, key)),)))

    return make


def crop_call(amount: PerAxisPadding) -> Call:
    """Borders cut off."""
    return Call("Crop", (Argument("amount", tuple(amount)),))


def batchnorm(layer: Any) -> Made:
    """nn.BatchNorm."""
    return Made(
        module(
            "BatchNorm",
            max(layer.input.axes, 1),
            Argument("num_features", layer.input.channels),
            Argument("affine", layer.affine, True),
            Argument("track_running_stats", layer.track_running_stats, True),
        )
    )


def layernorm(layer: Any) -> Made:
    """nn.LayerNorm, over all or over the channels."""
    affine = Argument("elementwise_affine", layer.affine, True)
    if layer.axes == "channels" and layer.input.spatial:
        return Made(Call("ChannelsLayerNorm", (Argument("normalized_shape", layer.input.channels), affine)))
    shape = layer.input.sizes if layer.input.spatial else layer.input.channels
    return Made(Call("nn.LayerNorm", (Argument("normalized_shape", shape), affine)))


def groupnorm(layer: Any) -> Made:
    """nn.GroupNorm."""
    return Made(
        Call(
            "nn.GroupNorm",
            (
                Argument("num_groups", layer.num_groups),
                Argument("num_channels", layer.input.channels),
                Argument("affine", layer.affine, True),
            ),
        )
    )


def instancenorm(layer: Any) -> Made:
    """nn.InstanceNorm."""
    features = Argument("num_features", layer.input.channels)
    return Made(module("InstanceNorm", layer.input.axes, features, Argument("affine", layer.affine, False)))


def reshape(layer: Any) -> Made:
    """nn.Unflatten of a vector, else a module of our own."""
    shape = layer.output.sizes
    if layer.input.spatial:
        return Made(Call("Reshape", (Argument("shape", shape),)))
    return Made(Call("nn.Unflatten", (Argument("dim", 1), Argument("unflattened_size", shape))))


def slice_(layer: Any) -> Made:
    """A module of our own."""
    start, stop = layer.channels
    return Made(Call("Slice", (Argument("start", start), Argument("stop", stop))))


def linear(layer: Any) -> Made:
    """nn.Linear."""
    return Made(
        Call(
            "nn.Linear",
            (
                Argument("in_features", layer.input.channels),
                Argument("out_features", layer.out_features),
                Argument("bias", layer.bias, True),
            ),
        )
    )


def plain(target: str, **defaults: Any) -> Maker:
    """A module that takes our arguments by their names."""

    def make(layer: Layer) -> Made:
        return Made(
            Call(target, tuple(Argument(name, getattr(layer, name), default) for name, default in defaults.items()))
        )

    return make


def over_channels(target: str) -> Maker:
    """A module that works along the channels."""
    return lambda layer: Made(Call(target, (Argument("dim", 1, None),)))


MAKERS: dict[str, Maker] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "pointwise_conv": pointwise_conv,
    "depthwise_conv": depthwise_conv,
    "separable_conv": separable_conv,
    "locally_connected": locally_connected,
    "linear": linear,
    "maxpool": sliding_pool("MaxPool", float("-inf")),
    "avgpool": sliding_pool("AvgPool", 0),
    "lppool": lppool,
    "adaptive_avgpool": adaptive("AdaptiveAvgPool"),
    "adaptive_maxpool": adaptive("AdaptiveMaxPool"),
    "global_avgpool": global_pool("AdaptiveAvgPool", "GlobalAvgPool"),
    "global_maxpool": global_pool("AdaptiveMaxPool", "GlobalMaxPool"),
    "max_unpool": max_unpool,
    "blurpool": blurpool,
    "batchnorm": batchnorm,
    "layernorm": layernorm,
    "groupnorm": groupnorm,
    "instancenorm": instancenorm,
    "local_response_norm": plain("nn.LocalResponseNorm", size=REQUIRED),
    "scale": lambda layer: Made(Call("Scale", (Argument("channels", layer.input.channels),))),
    "leaky_relu": plain("nn.LeakyReLU", negative_slope=0.01),
    "prelu": plain("nn.PReLU", num_parameters=1),
    "softmax": over_channels("nn.Softmax"),
    "log_softmax": over_channels("nn.LogSoftmax"),
    "dropout": plain("nn.Dropout", p=0.5),
    "drop_path": plain("DropPath", p=0.5),
    "upsample": upsample,
    "pixel_shuffle": shuffle("PixelShuffle", "upscale_factor"),
    "pixel_unshuffle": shuffle("PixelUnshuffle", "downscale_factor"),
    "channel_shuffle": plain("nn.ChannelShuffle", groups=REQUIRED),
    "pad": lambda layer: Made(zero_pad(layer.padding)),
    "crop": lambda layer: Made(crop_call(layer.amount)),
    "flatten": plain("nn.Flatten"),
    "reshape": reshape,
    "slice": slice_,
    **{
        name.lower(): plain(f"nn.{name}")
        for name in (
            "ReLU", "ReLU6", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh", "Softplus", "Softsign",
            "Hardswish", "Hardsigmoid", "Hardtanh", "Identity",
        )
    },
}  # fmt: skip
