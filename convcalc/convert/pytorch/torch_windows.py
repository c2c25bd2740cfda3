"""Makes the calls that create the PyTorch modules of convolutions and of poolings with a sliding window."""

from typing import Any

from convcalc.arguments import PerAxisPadding
from convcalc.arithmetic import Pair
from convcalc.convert.pytorch.calls import (
    CallArgument,
    LayerModules,
    Maker,
    ModuleCall,
    call_crop,
    call_nn,
    call_pad,
    collapse_equal,
    is_symmetric,
    list_sides,
)


def _make_convolution(layer: Any, out_channels: int, groups: int, bias: bool) -> LayerModules:
    """Return the call of a torch.nn convolution, and of a padding module if the layer's padding is asymmetric.

    If `bias` is false, the convolution has no bias, even if the layer has one.
    """
    own = is_symmetric(layer.padding)
    padding = collapse_equal([before for before, _ in layer.padding]) if own else 0
    call = call_nn(
        "Conv",
        layer.input.axes,
        CallArgument("in_channels", layer.input.channels),
        CallArgument("out_channels", out_channels),
        CallArgument("kernel_size", collapse_equal(layer.kernel_size)),
        CallArgument("stride", collapse_equal(layer.stride), 1),
        CallArgument("padding", padding, 0),
        CallArgument("dilation", collapse_equal(layer.dilation), 1),
        CallArgument("groups", groups, 1),
        CallArgument("bias", layer.bias if bias else False, True),
        CallArgument("padding_mode", layer.padding_mode if own else "zeros", "zeros"),
    )
    return LayerModules(call, before=None if own else call_pad(layer.padding, layer.padding_mode))


def make_conv(layer: Any) -> LayerModules:
    """Return the call of a torch.nn convolution, inside a StandardizedConv if the layer's weights are standardized."""
    found = _make_convolution(layer, layer.out_channels, layer.groups, True)
    if layer.weight_standardized:
        return found._replace(module=ModuleCall("StandardizedConv", (CallArgument("conv", found.module),)))
    return found


def make_depthwise_conv(layer: Any) -> LayerModules:
    """Return the call of a torch.nn convolution with one group per input channel."""
    return _make_convolution(layer, layer.output.channels, layer.input.channels, True)


def _call_pointwise(in_channels: int, layer: Any, groups: int = 1) -> ModuleCall:
    """Return the call of a 1×1 convolution; `layer` is a pointwise or a separable convolution."""
    return call_nn(
        "Conv",
        layer.input.axes,
        CallArgument("in_channels", in_channels),
        CallArgument("out_channels", layer.out_channels),
        CallArgument("kernel_size", 1),
        CallArgument("stride", collapse_equal(layer.stride) if layer.kind == "pointwise_conv" else 1, 1),
        CallArgument("groups", groups, 1),
        CallArgument("bias", layer.bias, True),
    )


def make_pointwise_conv(layer: Any) -> LayerModules:
    """Return the call of a torch.nn convolution with kernel size 1."""
    return LayerModules(_call_pointwise(layer.input.channels, layer, layer.groups))


def make_separable_conv(layer: Any) -> LayerModules:
    """Return the call of SeparableConv: a depthwise convolution without bias, then a 1×1 convolution."""
    between = layer.input.channels * layer.multiplier
    depthwise = _make_convolution(layer, between, layer.input.channels, False)
    both = (CallArgument("depthwise", depthwise.module), CallArgument("pointwise", _call_pointwise(between, layer)))
    return LayerModules(ModuleCall("SeparableConv", both), before=depthwise.before)


def make_conv_transpose(layer: Any) -> LayerModules:
    """Return the call of a torch.nn transposed convolution.

    If the padding before and after an axis differs, the call has no padding. Instead, a crop module after it removes
    the same number of positions.
    """
    own = is_symmetric(layer.padding)
    call = call_nn(
        "ConvTranspose",
        layer.input.axes,
        CallArgument("in_channels", layer.input.channels),
        CallArgument("out_channels", layer.out_channels),
        CallArgument("kernel_size", collapse_equal(layer.kernel_size)),
        CallArgument("stride", collapse_equal(layer.stride), 1),
        CallArgument("padding", collapse_equal([before for before, _ in layer.padding]) if own else 0, 0),
        CallArgument("output_padding", collapse_equal(layer.output_padding), 0),
        CallArgument("groups", layer.groups, 1),
        CallArgument("bias", layer.bias, True),
        CallArgument("dilation", collapse_equal(layer.dilation), 1),
    )
    return LayerModules(call, after=None if own else call_crop(layer.padding))


def make_locally_connected(layer: Any) -> LayerModules:
    """Return the call of LocallyConnected in extra_modules.py, because PyTorch has no such layer."""
    call = ModuleCall(
        "LocallyConnected",
        (
            CallArgument("in_channels", layer.input.channels),
            CallArgument("out_channels", layer.out_channels),
            CallArgument("output_size", layer.output.spatial),
            CallArgument("kernel_size", layer.kernel_size),
            CallArgument("stride", layer.stride, (1,) * layer.input.axes),
            CallArgument("dilation", layer.dilation, (1,) * layer.input.axes),
            CallArgument("bias", layer.bias, True),
        ),
    )
    padded = any(map(any, layer.padding))
    return LayerModules(call, before=call_pad(layer.padding, layer.padding_mode) if padded else None)


def sliding_pool_maker(name: str, fill: float) -> Maker:
    """Return a maker of nn.MaxPool or nn.AvgPool (`name`).

    If PyTorch's pooling rejects the padding, a module before it pads with the value `fill`.
    """

    def make(layer: Any) -> LayerModules:
        dilation = getattr(layer, "dilation", (1,) * layer.input.axes)
        own, ceil_mode = _supports_padding(layer), layer.ceil_mode
        before = None
        if not own:
            padding, ceil_mode = tuple(map(_exact_padding, *_window_values(layer, dilation))), False
            before = call_pad(padding) if fill == 0 else _call_constant_pad(padding, fill)
        kernel = collapse_equal(layer.kernel_size)
        arguments = [
            CallArgument("kernel_size", kernel),
            CallArgument("stride", collapse_equal(layer.stride), kernel),
            CallArgument("padding", collapse_equal([side for side, _ in layer.padding]) if own else 0, 0),
        ]
        if name == "MaxPool":
            arguments.append(CallArgument("dilation", collapse_equal(dilation), 1))
        call = call_nn(name, layer.input.axes, *arguments, CallArgument("ceil_mode", ceil_mode, False))
        return LayerModules(call, before=before)

    return make


def _supports_padding(layer: Any) -> bool:
    """Whether PyTorch's pooling accepts the layer's padding: it must be symmetric and at most half the kernel size.

    PyTorch's 3-D average pooling also rejects an input with an axis shorter than the kernel; then the result is false.
    """
    per_axis = list(zip(layer.padding, layer.kernel_size, layer.input.spatial, strict=True))
    short = layer.kind == "avgpool" and layer.input.axes == 3 and any(size < kernel for _, kernel, size in per_axis)
    return is_symmetric(layer.padding) and not short and all(pair[0] <= kernel // 2 for pair, kernel, _ in per_axis)


def _window_values(layer: Any, dilation: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the arguments of `_exact_padding`, each with one value per axis."""
    return layer.input.spatial, layer.output.spatial, layer.kernel_size, layer.stride, layer.padding, dilation


def _exact_padding(size: int, windows: int, kernel: int, stride: int, padding: Pair, dilation: int) -> Pair:
    """Return the padding before and after an axis with which exactly `windows` windows fit.

    The amount before the axis is that of `padding`. The amount after it is negative if no window covers the last
    positions.
    """
    before = padding[0]
    return before, (windows - 1) * stride + dilation * (kernel - 1) + 1 - size - before


def _call_constant_pad(padding: PerAxisPadding, fill: float) -> ModuleCall:
    return call_nn(
        "ConstantPad", len(padding), CallArgument("padding", list_sides(padding)), CallArgument("value", fill)
    )


def make_lppool(layer: Any) -> LayerModules:
    """Return the call of an nn.LPPool with p = 2, the only norm that a spec supports."""
    kernel = collapse_equal(layer.kernel_size)
    return LayerModules(
        call_nn(
            "LPPool",
            layer.input.axes,
            CallArgument("norm_type", 2),
            CallArgument("kernel_size", kernel),
            CallArgument("stride", collapse_equal(layer.stride), kernel),
            CallArgument("ceil_mode", layer.ceil_mode, False),
        )
    )
