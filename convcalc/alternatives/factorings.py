"""Defines known factorisations of convolutions: each function takes a convolution and returns entries to replace it.

For example, the factoring `separable` replaces `conv: {out_channels: 8, kernel_size: 3}` by
`separable_conv: {out_channels: 8, kernel_size: 3}`. If possible, arguments are copied as the spec writes them,
expressions included. Stride, padding and dilation are distributed over the new layers so that the output shape and, if
possible, the receptive field stay the same. No norm or activation is added between the new layers.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from convcalc.arguments import to_json_value
from convcalc.layers.base import Layer
from convcalc.problems import Path

Entry = tuple[str, dict[str, Any]]  # a kind and its arguments
_RATIO = 4  # number of channels outside a bottleneck, divided by the number inside it
_GROUPS = (2, 4, 8, 32)
_SMALLEST_KERNEL = 3  # smallest kernel size on an axis that a dilated replacement may have
_PADDING_WORDS = ("same", "valid", "causal")
_WINDOW = ("kernel_size", "stride", "padding", "dilation")
_WINDOW_AND_MODE = (*_WINDOW, "padding_mode")


class CannotChange(ValueError):
    """Raised if an entry cannot be replaced in the spec; the message is the reason."""


class Convolution(NamedTuple):
    """A convolution entry of a spec, and all layers that the network builds from it.

    An entry in a block that is used three times becomes three layers: `layers` holds them, and `nodes` the indexes of
    their nodes in the network. `path` is the path of the entry in the spec and `word` its layer kind. `written` holds
    its arguments and `options` its options (such as `name`), with their values as the spec writes them.
    """

    path: Path
    word: str
    written: dict[str, Any]
    options: dict[str, Any]
    nodes: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def kernels(self) -> set[tuple[int, ...]]:
        """The distinct kernel sizes of `layers`, each with one size per axis; () for a layer without kernel_size."""
        return {layer.__dict__.get("kernel_size", ()) for layer in self.layers}

    @property
    def slides(self) -> bool:
        """Whether every layer in `layers` has a kernel larger than 1 on at least one axis."""
        return all(prod(kernel) > 1 for kernel in self.kernels)

    @property
    def is_full(self) -> bool:
        """Whether every output channel depends on all input channels: a conv or pointwise_conv with groups = 1."""
        return self.word in ("conv", "pointwise_conv") and all(layer.__dict__["groups"] == 1 for layer in self.layers)

    def copy_arguments(self, *names: str) -> dict[str, Any]:
        """Return the arguments in `names` that the spec sets, with their values as the spec writes them."""
        return {name: self.written[name] for name in names if name in self.written}

    def get_common_value(self, name: str) -> Any:
        """Return the value of the argument `name` in all `layers`. Raises CannotChange if the values differ."""
        first, *others = (layer.__dict__[name] for layer in self.layers)
        if any(other != first for other in others):
            raise CannotChange(f"its {name} differs between its uses")
        return first

    def adapt_argument(self, name: str, reads_output: bool) -> Any:
        """Return the value of the argument `name` for a new layer that reads another new layer.

        `reads_output` is true if that other layer has as many output channels as this convolution. An expression such
        as `$(2 * in_channels)` is copied if the new layer and this convolution have equal numbers of input channels.
        Otherwise, the expression is replaced by its value. Raises CannotChange if that value differs between `layers`.
        """
        value = self.written[name]
        if not isinstance(value, str) or not re.search(r"\$.*\bin_channels\b", value):
            return value
        same = reads_output and all(layer.input.channels == layer.output.channels for layer in self.layers)
        return value if same else self.get_common_value(name)

    def select_use(self, use: int) -> "Convolution":
        """Return the convolution with only layer number `use` (from 0), no options, and all expressions evaluated."""
        layer = self.layers[use]
        written = {name: to_json_value(value) for name, value in layer.given.items() if value is not None}
        return self._replace(written=written, options={}, nodes=(self.nodes[use],), layers=(layer,))


# -- the factorings: each function returns the new entries, or None if the factoring does not apply


def _make_separable(conv: Convolution) -> list[Entry] | None:
    """Return a depthwise separable convolution.

    None for a 1×1 kernel, for groups larger than 1, and for a layer kind other than `conv`.
    """
    if not (conv.word == "conv" and conv.is_full and conv.slides):
        return None
    return [("separable_conv", conv.copy_arguments("out_channels", *_WINDOW_AND_MODE, "bias", "in_channels"))]


def _make_bottleneck(conv: Convolution) -> list[Entry] | None:
    """Return three convolutions: 1×1 to a quarter of the output channels, the original kernel, and 1×1 back.

    None for a 1×1 kernel, for groups larger than 1, for fewer than 4 output channels, and for a layer kind other than
    `conv`.
    """
    outs = [layer.output.channels for layer in conv.layers]
    if not (conv.word == "conv" and conv.is_full and conv.slides) or min(outs) < _RATIO:
        return None
    bias, out, again = (
        conv.copy_arguments("bias"),
        conv.written["out_channels"],
        conv.adapt_argument("out_channels", False),
    )
    return [
        ("pointwise_conv", {"out_channels": _quarter_channels(out), **bias}),
        ("conv", {"out_channels": _quarter_channels(again), **conv.copy_arguments(*_WINDOW_AND_MODE), **bias}),
        ("pointwise_conv", {"out_channels": again, **bias}),
    ]


def _quarter_channels(channels: Any) -> Any:
    """Return a quarter of a number of channels, rounded down; the expression `$width` becomes `$(width // 4)`.

    Raises CannotChange if `channels` is a text that is not a single expression.
    """
    if not isinstance(channels, str):
        return int(channels) // _RATIO
    expression = re.fullmatch(r"\$([A-Za-z][A-Za-z0-9_]*)|\$(\(.*\))", channels.strip(), re.DOTALL)
    if expression is None:
        raise CannotChange("its out_channels is text, not a single expression")
    return f"$({expression[1] or expression[2]} // {_RATIO})"


def _make_stacked(conv: Convolution) -> list[Entry] | None:
    """Return consecutive convolutions of size 3 that together have the receptive field of the original kernel.

    Only the last one has the stride. None if the kernel is even on an axis, or not larger than 3 on any axis.
    """
    if conv.word == "pointwise_conv" or not all(max(kernel) > 3 for kernel in conv.kernels):
        return None
    if any(size % 2 == 0 for kernel in conv.kernels for size in kernel):
        return None
    depths = [(size - 1) // 2 for size in conv.get_common_value("kernel_size")]
    entries: list[Entry] = []
    for number in range(max(depths)):
        window = {"kernel_size": _shorten([3 if number < depth else 1 for depth in depths])}
        if number == max(depths) - 1:
            window |= conv.copy_arguments("stride")
        window |= _make_padding_argument(conv, number, depths) | conv.copy_arguments("dilation", "padding_mode")
        entries.append((conv.word, {**_make_channel_arguments(conv, number), **window, **conv.copy_arguments("bias")}))
    return entries


def _make_padding_argument(conv: Convolution, number: int, depths: list[int]) -> dict[str, Any]:
    """Return the `padding` of convolution `number` (from 0) that `_make_stacked` returns; {} for padding 0.

    On each axis, the original padding is divided among the first `depths[axis]` of these convolutions, as equally as
    whole numbers allow. A word such as `same` is copied to all of them.
    """
    if conv.written.get("padding", 0) in _PADDING_WORDS:
        return conv.copy_arguments("padding")
    parts = [
        [side * (number + 1) // depth - side * number // depth if number < depth else 0 for side in sides]
        if depth
        else [side if number == 0 else 0 for side in sides]
        for sides, depth in zip(conv.get_common_value("padding"), depths, strict=True)
    ]
    items: list[Any] = [sides[0] if sides[0] == sides[1] else sides for sides in parts]
    padding = items if any(isinstance(item, list) for item in items) else _shorten(items)
    return {"padding": padding} if padding else {}


def _make_channel_arguments(conv: Convolution, number: int) -> dict[str, Any]:
    """Return out_channels and groups (for a depthwise convolution: multiplier) of new convolution `number` (from 0).

    Only the first new convolution changes the number of channels. A later depthwise convolution needs no multiplier for
    that, so the result is {}.
    """
    if conv.word == "depthwise_conv":
        return conv.copy_arguments("multiplier") if number == 0 else {}
    names = [name for name in ("out_channels", "groups") if name in conv.written]
    return {name: conv.adapt_argument(name, True) if number else conv.written[name] for name in names}


def _make_asymmetric(conv: Convolution) -> list[Entry] | None:
    """Return one convolution per axis, such as k×1 then 1×k; None if only one axis (or none) has a kernel above 1."""
    wide = {tuple(axis for axis, size in enumerate(kernel) if size > 1) for kernel in conv.kernels}
    if conv.word == "pointwise_conv" or any(len(axes) < 2 for axes in wide):
        return None
    if len(wide) > 1:
        raise CannotChange("its kernel_size differs between its uses")
    [axes] = wide
    entries: list[Entry] = []
    for number, axis in enumerate(axes):
        # the first layer also has the stride, padding and dilation of axes on which the kernel is 1
        own = {axis} | (set(range(conv.layers[0].input.axes)) - set(axes) if number == 0 else set())
        window = {name: _reset_other_axes(conv, name, own) for name in _WINDOW if name in conv.written}
        window |= conv.copy_arguments("padding_mode")
        entries.append((conv.word, {**_make_channel_arguments(conv, number), **window, **conv.copy_arguments("bias")}))
    return entries


def _reset_other_axes(conv: Convolution, name: str, own: set[int]) -> Any:
    """Return the argument `name` with its value on the axes in `own`, and 1 (for `padding`: 0) on the other axes.

    A word such as `same` is returned unchanged.
    """
    written, rest = conv.written[name], 0 if name == "padding" else 1
    if written in _PADDING_WORDS:
        return written
    values = conv.layers[0].__dict__[name]
    if not isinstance(written, list) and len(set(values)) > 1:  # the spec has an expression whose value is a list
        written = to_json_value(conv.get_common_value(name))
    return [
        (written[axis] if isinstance(written, list) else written) if axis in own else rest
        for axis in range(len(values))
    ]


def _make_grouped_factoring(groups: int) -> Callable[[Convolution], list[Entry] | None]:
    """Return a function that adds the argument `groups` to a convolution.

    That function returns None for a convolution that has groups already, or if `groups` does not divide its channels.
    """

    def make(conv: Convolution) -> list[Entry] | None:
        divided = all(layer.input.channels % groups == layer.output.channels % groups == 0 for layer in conv.layers)
        return [(conv.word, {**conv.written, "groups": groups})] if conv.is_full and divided else None

    return make


def _make_dilated_factoring(factor: int) -> Callable[[Convolution], list[Entry] | None]:
    """Return a function that makes kernels smaller and dilations `factor` times as large, such as 5×5 to a dilated 3×3.

    The new kernel covers the same positions from its first to its last element. The function returns None if that is
    impossible, or if a size of the new kernel would be less than 3.
    """

    def make(conv: Convolution) -> list[Entry] | None:
        sizes = {size for kernel in conv.kernels for size in kernel if size > 1}
        if conv.word == "pointwise_conv" or not sizes:
            return None
        if any((size - 1) % factor or (size - 1) // factor + 1 < _SMALLEST_KERNEL for size in sizes):
            return None
        kernel = [(size - 1) // factor + 1 for size in conv.get_common_value("kernel_size")]
        dilation = [step * factor for step in conv.get_common_value("dilation")]
        return [(conv.word, {**conv.written, "kernel_size": _shorten(kernel), "dilation": _shorten(dilation)})]

    return make


def _make_unshared(conv: Convolution) -> list[Entry] | None:
    """Return a locally connected layer, which has one kernel per position.

    None for groups larger than 1, and for a layer kind other than `conv`.
    """
    if conv.word != "conv" or not conv.is_full:
        return None
    return [("locally_connected", conv.copy_arguments("out_channels", *_WINDOW_AND_MODE, "bias", "in_channels"))]


def _make_dense(conv: Convolution) -> list[Entry] | None:
    """Return a flatten, a linear layer from every input value to every output value, and a reshape.

    None for groups larger than 1, and for a layer kind other than `conv`.
    """
    if conv.word != "conv" or not conv.is_full:
        return None
    first, *others = (layer.output for layer in conv.layers)
    if any(other != first for other in others):
        raise CannotChange("its output shape differs between its uses")
    return [
        ("flatten", {}),
        ("linear", {"out_features": first.elements, **conv.copy_arguments("bias")}),
        ("reshape", {"shape": list(first.sizes)}),
    ]


def _shorten(values: list[Any]) -> Any:
    """Return the first value if all values are equal, otherwise the list."""
    return values[0] if all(value == values[0] for value in values) else values


class _Factoring(NamedTuple):
    """One way to replace a convolution: its description, its source, and the function that makes the new entries."""

    what: str
    source: str
    make: Callable[[Convolution], list[Entry] | None]


_HOWARD = "Howard et al. 2017"
_YU = "Yu and Koltun 2016"
FACTORINGS: dict[str, _Factoring] = {
    "separable": _Factoring("depthwise, then 1×1", _HOWARD, _make_separable),
    "bottleneck": _Factoring("1×1, kernel on a quarter of the channels, 1×1", "He et al. 2016", _make_bottleneck),
    "stacked": _Factoring("3-wide kernels in a row", "Simonyan and Zisserman 2015", _make_stacked),
    "asymmetric": _Factoring("k×1, then 1×k", "Szegedy et al. 2016", _make_asymmetric),
    **{f"grouped{n}": _Factoring(f"in {n} groups", "Xie et al. 2017", _make_grouped_factoring(n)) for n in _GROUPS},
    **{
        f"dilated{n}": _Factoring(f"a smaller kernel, dilation × {n}", _YU, _make_dilated_factoring(n))
        for n in (2, 3, 4, 5)
    },
    "unshared": _Factoring("a kernel for every position", "Goodfellow et al. 2016, 9.5", _make_unshared),
    "dense": _Factoring("every output connected to every input", "Goodfellow et al. 2016, 9.2", _make_dense),
}
