"""What the kinds whose window slides are in PyTorch: convolutions and poolings."""

from typing import Any

from convcalc.arguments import PerAxisPadding
from convcalc.arithmetic import Pair
from convcalc.convert.pytorch.calls import (
    Argument,
    Call,
    Made,
    Maker,
    crop_call,
    module,
    sides,
    simple,
    symmetric,
    zero_pad,
)


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
