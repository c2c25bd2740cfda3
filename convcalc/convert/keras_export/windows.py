"""Makes the Keras calls of convolutions and poolings; padding that Keras lacks becomes a layer of its own."""

from collections.abc import Sequence
from typing import Any

from convcalc.arguments import PerAxisPadding
from convcalc.arithmetic import (
    Pair,
    causal_padding,
    effective_kernel_size,
    same_padding,
    same_transposed_padding,
    window_count,
)
from convcalc.convert.keras_export.calls import (
    Inexpressible,
    KerasCall,
    KerasCalls,
    Maker,
    bias_argument,
    call_for_axes,
    crop,
    pad,
    pad_by_function,
    positional,
)
from convcalc.convert.keras_export.tensors import TensorFacts
from convcalc.convert.pytorch.calls import CallArgument, collapse_equal

_MINUS_INFINITY = float("-inf")


# -- convolutions


def _pad_window(layer: Any, facts: TensorFacts, causal: bool = False) -> tuple[KerasCalls, str]:
    """Return the calls that pad the input of a convolution, and the argument `padding` of the convolution itself.

    With a stride, the padding `same` depends on the size of the input, so that calls on inputs of different sizes
    could not share a layer.
    """
    padding: PerAxisPadding = layer.padding
    if not any(map(any, padding)):
        return [], "valid"
    if layer.padding_mode == "zeros":
        window = (layer.kernel_size, layer.stride, layer.dilation)
        fixed = not facts.shares or max(layer.stride) == 1
        if fixed and padding == tuple(map(same_padding, layer.input.spatial, *window)):
            return [], "same"
        if causal and padding == tuple(map(causal_padding, layer.kernel_size, layer.dilation)):
            return [], "causal"
    return [pad(padding, layer.padding_mode, "_pad")], "valid"


def _check_strides(layer: Any) -> None:
    if max(layer.stride) > 1 and max(_list_dilations(layer)) > 1:
        raise Inexpressible(f"{layer.kind} with both stride and dilation")


def _list_dilations(layer: Any) -> list[int]:
    # a kernel of size 1 has no dilation
    return [1 if kernel == 1 else rate for kernel, rate in zip(layer.kernel_size, layer.dilation, strict=True)]


def _window_arguments(layer: Any, padding: str) -> list[CallArgument]:
    return [
        CallArgument("strides", collapse_equal(layer.stride), 1),
        CallArgument("padding", padding, "valid"),
        CallArgument("dilation_rate", collapse_equal(_list_dilations(layer)), 1),
    ]


def _convolve(layer: Any, facts: TensorFacts, filters: int, groups: int) -> KerasCalls:
    _check_strides(layer)
    before, padding = _pad_window(layer, facts, causal=layer.input.axes == 1)
    call = call_for_axes(
        "Conv#",
        layer.input.axes,
        positional("filters", filters),
        positional("kernel_size", collapse_equal(layer.kernel_size)),
        *_window_arguments(layer, padding),
        CallArgument("groups", groups, 1),
        bias_argument(layer),
    )
    return [*before, KerasCall(call, learns=True)]


def _make_conv(layer: Any, facts: TensorFacts) -> KerasCalls:
    if layer.weight_standardized:
        raise Inexpressible("conv with weight_standardized")
    return _convolve(layer, facts, layer.out_channels, layer.groups)


def _make_pointwise_conv(layer: Any, facts: TensorFacts) -> KerasCalls:
    call = call_for_axes(
        "Conv#",
        layer.input.axes,
        positional("filters", layer.out_channels),
        positional("kernel_size", 1),
        CallArgument("strides", collapse_equal(layer.stride), 1),
        CallArgument("groups", layer.groups, 1),
        bias_argument(layer),
    )
    return [KerasCall(call, learns=True)]


def _has_depthwise_layer(layer: Any) -> bool:
    """Whether Keras has a depthwise layer for the input's axes and, since TensorFlow requires it, equal strides."""
    return layer.input.axes < 3 and len(set(layer.stride)) == 1


def _make_depthwise_conv(layer: Any, facts: TensorFacts) -> KerasCalls:
    if not _has_depthwise_layer(layer):
        return _convolve(layer, facts, layer.output.channels, layer.input.channels)
    _check_strides(layer)
    before, padding = _pad_window(layer, facts)
    call = call_for_axes(
        "DepthwiseConv#",
        layer.input.axes,
        positional("kernel_size", collapse_equal(layer.kernel_size)),
        *_window_arguments(layer, padding),
        CallArgument("depth_multiplier", layer.multiplier, 1),
        bias_argument(layer),
    )
    return [*before, KerasCall(call, learns=True)]


def _make_separable_conv(layer: Any, facts: TensorFacts) -> KerasCalls:
    if not _has_depthwise_layer(layer):
        raise Inexpressible("separable_conv with three axes or with different strides")
    _check_strides(layer)
    before, padding = _pad_window(layer, facts)
    call = call_for_axes(
        "SeparableConv#",
        layer.input.axes,
        positional("filters", layer.out_channels),
        positional("kernel_size", collapse_equal(layer.kernel_size)),
        *_window_arguments(layer, padding),
        CallArgument("depth_multiplier", layer.multiplier, 1),
        bias_argument(layer),
    )
    return [*before, KerasCall(call, learns=True)]


def _make_conv_transpose(layer: Any, facts: TensorFacts) -> KerasCalls:
    """Use `valid` or `same` if it has the layer's padding, and otherwise `valid` and a crop after it.

    For input size n, kernel size k, stride s and dilation d, Keras's output size without output_padding is n × s +
    max(d (k - 1) + 1 - s, 0) for `valid`, and n × s for `same`, which crops more at the end than at the start.
    """
    if layer.groups > 1:
        raise Inexpressible("conv_transpose with groups")
    _check_strides(layer)
    window = list(zip(layer.kernel_size, layer.stride, layer.dilation, strict=True))
    written = list(zip(layer.padding, layer.output_padding, strict=True))
    if [same_transposed_padding(k, s, d, 0) for k, s, d in window] == written and any(map(any, layer.padding)):
        return [_transpose(layer, "same", None)]
    extra, amount = _place_output(window, written)
    main = _transpose(layer, "valid", extra)
    return [main, crop(amount, "_crop")] if any(map(any, amount)) else [main]


def _place_output(
    window: Sequence[tuple[int, int, int]], written: Sequence[tuple[Pair, int]]
) -> tuple[tuple[int, ...] | None, PerAxisPadding]:
    """Return the output_padding and crop with which a transposed convolution with `valid` has the layer's output.

    `window` has the kernel size, stride and dilation of each axis, `written` the padding and output_padding.
    """
    own = [max(s - effective_kernel_size(k, d), 0) for k, s, d in window]  # what `valid` adds by default
    amount = tuple((before, after - extra + more) for ((before, after), extra), more in zip(written, own, strict=True))
    if all(after >= 0 for _, after in amount):
        return None, amount
    added = tuple(max(extra - after, 0) for (_, after), extra in written)
    if any(more >= stride for more, (_, stride, _) in zip(added, window, strict=True)):
        raise Inexpressible("conv_transpose with an output_padding that is not less than the stride")
    rest = zip(written, added, strict=True)
    return added, tuple((before, after - extra + more) for ((before, after), extra), more in rest)


def _transpose(layer: Any, padding: str, output_padding: tuple[int, ...] | None) -> KerasCall:
    extra = None if output_padding is None else collapse_equal(output_padding)
    call = call_for_axes(
        "Conv#Transpose",
        layer.input.axes,
        positional("filters", layer.out_channels),
        positional("kernel_size", collapse_equal(layer.kernel_size)),
        CallArgument("strides", collapse_equal(layer.stride), 1),
        CallArgument("padding", padding, "valid"),
        CallArgument("output_padding", extra, None),
        CallArgument("dilation_rate", collapse_equal(_list_dilations(layer)), 1),
        bias_argument(layer),
    )
    return KerasCall(call, learns=True)


# -- pooling


def _pooling_maker(name: str) -> Maker:
    def make(layer: Any, facts: TensorFacts) -> KerasCalls:
        dilation = getattr(layer, "dilation", (1,) * layer.input.axes)
        if max(dilation) > 1:
            raise Inexpressible(f"{layer.kind} with dilation")
        padding = tuple(map(_find_used_padding, *_list_windows(layer)))
        before: KerasCalls = []
        if name == "MaxPooling" and padding == tuple(map(same_padding, *_list_sizes(layer), dilation)):
            return [_slide(name, layer, "same" if any(map(any, padding)) else "valid")]
        if name == "AveragePooling" and any(
            after > own[1] for (_, after), own in zip(padding, layer.padding, strict=True)
        ):
            raise Inexpressible("avgpool with ceil_mode whose last window extends beyond the padded input")
        if any(map(any, padding)):
            before = [_pad_pool(name, layer, padding, facts)]
        return [*before, _slide(name, layer, "valid")]

    return make


def _list_sizes(layer: Any) -> tuple[Any, ...]:
    return layer.input.spatial, layer.kernel_size, layer.stride


def _list_windows(layer: Any) -> tuple[Any, ...]:
    return (*_list_sizes(layer), layer.output.spatial, layer.padding)


def _find_used_padding(size: int, kernel: int, stride: int, windows: int, padding: Pair) -> Pair:
    """Return the padding that the windows of a pooling cover, which is 0 at the end if they do not reach it."""
    before, _ = padding
    needed = (windows - 1) * stride + kernel - size - before
    without = window_count(size, kernel, stride, (before, 0), 1)
    return before, needed if windows > without else 0


def _pad_pool(name: str, layer: Any, padding: PerAxisPadding, facts: TensorFacts) -> KerasCall:
    # zeros never exceed the values of a layer such as relu
    if name == "AveragePooling" or facts.reads_nonnegative:
        return pad(padding, suffix="_pad")
    return pad_by_function(padding, CallArgument("constant_values", _MINUS_INFINITY, 0))


def _slide(name: str, layer: Any, padding: str) -> KerasCall:
    kernel = collapse_equal(layer.kernel_size)
    call = call_for_axes(
        f"{name}#",
        layer.input.axes,
        positional("pool_size", kernel),
        CallArgument("strides", collapse_equal(layer.stride), kernel),
        CallArgument("padding", padding, "valid"),
    )
    return KerasCall(call)


def _global_pooling_maker(name: str) -> Maker:
    return lambda layer, facts: [
        KerasCall(call_for_axes(f"{name}#", layer.input.axes, CallArgument("keepdims", layer.keepdims, False)))
    ]


def _adaptive_pooling_maker(name: str) -> Maker:
    """Return the maker of an adaptive pooling.

    Keras has adaptive poolings since 3.13; older ones have all but those whose windows differ in size.
    """

    def make(layer: Any, facts: TensorFacts) -> KerasCalls:
        axes, sizes = layer.input.axes, layer.output_size
        if set(sizes) == {1}:
            return [KerasCall(call_for_axes(f"Global{name}Pooling#", axes, CallArgument("keepdims", True, False)))]
        if any(size % wanted for size, wanted in zip(layer.input.spatial, sizes, strict=True)):
            return [
                KerasCall(
                    call_for_axes(f"Adaptive{name}Pooling#", axes, positional("output_size", collapse_equal(sizes)))
                )
            ]
        windows = [size // wanted for size, wanted in zip(layer.input.spatial, sizes, strict=True)]
        return [KerasCall(call_for_axes(f"{name}Pooling#", axes, positional("pool_size", collapse_equal(windows))))]

    return make


WINDOW_MAKERS: dict[str, Maker] = {
    "conv": _make_conv,
    "pointwise_conv": _make_pointwise_conv,
    "depthwise_conv": _make_depthwise_conv,
    "separable_conv": _make_separable_conv,
    "conv_transpose": _make_conv_transpose,
    "maxpool": _pooling_maker("MaxPooling"),
    "avgpool": _pooling_maker("AveragePooling"),
    "global_avgpool": _global_pooling_maker("GlobalAveragePooling"),
    "global_maxpool": _global_pooling_maker("GlobalMaxPooling"),
    "adaptive_avgpool": _adaptive_pooling_maker("Average"),
    "adaptive_maxpool": _adaptive_pooling_maker("Max"),
}
