"""What each layer kind is in PyTorch: the one table behind the text of a module and the comparison with PyTorch."""

from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.convert.pytorch.calls import REQUIRED, Argument, Call, Made, Maker, crop_call, module, simple, zero_pad
from convcalc.convert.pytorch.torch_windows import (
    conv,
    conv_transpose,
    depthwise_conv,
    locally_connected,
    lppool,
    pointwise_conv,
    separable_conv,
    sliding_pool,
)
from convcalc.layers.base import Layer
from convcalc.network import Network, Node

MERGES = {"add": " + ", "multiply": " * ", "concat": ", "}


class NotExported(NotImported):
    """A network has layers that PyTorch has nothing for."""


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


def batchnorm(layer: Any) -> Made:
    """nn.BatchNorm; a module of our own where it has factors and no shifts, or shifts and no factors."""
    learns, tracks = layer.affine, Argument("track_running_stats", layer.track_running_stats, True)
    if learns and layer.scale != layer.center:
        half = (Argument("scale", layer.scale), Argument("center", layer.center))
        return Made(Call("HalfBatchNorm", (Argument("num_features", layer.input.channels), *half, tracks)))
    return Made(
        module(
            "BatchNorm",
            max(layer.input.axes, 1),
            Argument("num_features", layer.input.channels),
            Argument("affine", learns and layer.scale, True),
            tracks,
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
