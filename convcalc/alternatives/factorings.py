"""Defines known factorisations of convolutions; each function returns the spec entries that could replace one.

For example, `conv: {out_channels: 8, kernel_size: 3}` could become `separable_conv: {out_channels: 8, kernel_size: 3}`.
If possible, arguments are copied as they are in the spec, expressions included. Stride, padding and dilation are
distributed so that the output shape and, if possible, the receptive field stay the same. No norm or activation is added
between the new layers.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from convcalc.arguments import to_json_value
from convcalc.layers.base import Layer
from convcalc.problems import Path

Entry = tuple[str, dict[str, Any]]  # a kind and its arguments
_RATIO = 4  # channels outside a bottleneck / channels inside it
_GROUPS = (2, 4, 8, 32)
_SMALLEST_KERNEL = 3  # smallest size of a dilated kernel
_PADDING_WORDS = ("same", "valid", "causal")
_WINDOW = ("kernel_size", "stride", "padding", "dilation")
_WINDOW_AND_MODE = (*_WINDOW, "padding_mode")


class CannotChange(ValueError):
    """An entry cannot be replaced in the spec; the message is the reason."""


class Convolution(NamedTuple):
    """An entry of a spec that is a convolution, and the layers that it expands to.

    `path` leads to the entry and `word` is its layer kind as in the spec. `written` holds its arguments and `options`
    its options (such as `name`), as in the spec. `nodes` (indexes) and `layers` are all uses of the entry: there are
    several if it is in a block that is used several times.
    """

    path: Path
    word: str
    written: dict[str, Any]
    options: dict[str, Any]
    nodes: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def kernels(self) -> set[tuple[int, ...]]:
        """The kernel sizes of all uses."""
        return {layer.__dict__.get("kernel_size", ()) for layer in self.layers}

    @property
    def slides(self) -> bool:
        """Whether the kernel of every use is larger than 1 on some axis."""
        return all(prod(kernel) > 1 for kernel in self.kernels)

    @property
    def is_full(self) -> bool:
        """Whether every use connects all input channels with all output channels."""
        return self.word in ("conv", "pointwise_conv") and all(layer.__dict__["groups"] == 1 for layer in self.layers)

    def copy_arguments(self, *names: str) -> dict[str, Any]:
        """Return those of the named arguments that the entry has, as in the spec."""
        return {name: self.written[name] for name in names if name in self.written}

    def get_common_value(self, name: str) -> Any:
        """Return the value of an argument; raises CannotChange if it is not the same for every use."""
        first, *others = (layer.__dict__[name] for layer in self.layers)
        if any(other != first for other in others):
            raise CannotChange(f"its {name} differs between its uses")
        return first

    def adapt_argument(self, name: str, reads_output: bool) -> Any:
        """Return an argument for a layer that follows the first of several new layers.

        An expression with `$in_channels` could have another value there; it is then replaced by its value. Pass
        `reads_output` if the later layer's input has as many channels as the convolution's output. Raises CannotChange
        if the value differs between the uses.
        """
        value = self.written[name]
        if not isinstance(value, str) or not re.search(r"\$.*\bin_channels\b", value):
            return value
        same = reads_output and all(layer.input.channels == layer.output.channels for layer in self.layers)
        return value if same else self.get_common_value(name)

    def select_use(self, use: int) -> "Convolution":
        """Return a convolution with only one of the uses, and with values in place of expressions."""
        layer = self.layers[use]
        written = {name: to_json_value(value) for name, value in layer.given.items() if value is not None}
        return self._replace(written=written, options={}, nodes=(self.nodes[use],), layers=(layer,))


# -- the factorings: each function returns the new entries, or None if it does not apply to the convolution


def _make_separable(conv: Convolution) -> list[Entry] | None:
    """Return a depthwise separable convolution; None if the convolution is not a full one with a kernel."""
    if not (conv.word == "conv" and conv.is_full and conv.slides):
        return None
    return [("separable_conv", conv.copy_arguments("out_channels", *_WINDOW_AND_MODE, "bias", "in_channels"))]


def _make_bottleneck(conv: Convolution) -> list[Entry] | None:
    """Return a 1×1 convolution to a quarter of the channels, the same kernel on these, and a 1×1 convolution back."""
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
    """Return a quarter of a number of channels; for an expression, the expression `// 4`. Raises CannotChange."""
    if not isinstance(channels, str):
        return int(channels) // _RATIO
    expression = re.fullmatch(r"\$([A-Za-z][A-Za-z0-9_]*)|\$(\(.*\))", channels.strip(), re.DOTALL)
    if expression is None:
        raise CannotChange("its out_channels is text, not a single expression")
    return f"$({expression[1] or expression[2]} // {_RATIO})"


def _make_stacked(conv: Convolution) -> list[Entry] | None:
    """Return 3-wide kernels in a row that together have the receptive field of the larger kernel.

    The last one has the stride.
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
        window |= _split_padding(conv, number, depths) | conv.copy_arguments("dilation", "padding_mode")
        entries.append((conv.word, {**_keep_channels(conv, number), **window, **conv.copy_arguments("bias")}))
    return entries


def _split_padding(conv: Convolution, number: int, depths: list[int]) -> dict[str, Any]:
    """Return the padding of stacked kernel `number`; the kernels share the convolution's padding equally."""
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


def _keep_channels(conv: Convolution, number: int) -> dict[str, Any]:
    """Return the channel arguments of layer `number` in a row; only the first layer changes the channels."""
    if conv.word == "depthwise_conv":
        return conv.copy_arguments("multiplier") if number == 0 else {}
    names = [name for name in ("out_channels", "groups") if name in conv.written]
    return {name: conv.adapt_argument(name, True) if number else conv.written[name] for name in names}


def _make_asymmetric(conv: Convolution) -> list[Entry] | None:
    """Return one convolution per axis: k×1, then 1×k."""
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
        window = {name: _restrict_to_axes(conv, name, own) for name in _WINDOW if name in conv.written}
        window |= conv.copy_arguments("padding_mode")
        entries.append((conv.word, {**_keep_channels(conv, number), **window, **conv.copy_arguments("bias")}))
    return entries


def _restrict_to_axes(conv: Convolution, name: str, own: set[int]) -> Any:
    """Return an argument for the axes in `own`, with a neutral value on the other axes."""
    written, rest = conv.written[name], 0 if name == "padding" else 1
    if written in _PADDING_WORDS:
        return written
    values = conv.layers[0].__dict__[name]
    if not isinstance(written, list) and len(set(values)) > 1:  # written as a parameter whose value is a list
        written = to_json_value(conv.get_common_value(name))
    return [
        (written[axis] if isinstance(written, list) else written) if axis in own else rest
        for axis in range(len(values))
    ]


def _make_grouped_factoring(groups: int) -> Callable[[Convolution], list[Entry] | None]:
    """Return a function that makes the same convolution with a number of groups."""

    def make(conv: Convolution) -> list[Entry] | None:
        divided = all(layer.input.channels % groups == layer.output.channels % groups == 0 for layer in conv.layers)
        return [(conv.word, {**conv.written, "groups": groups})] if conv.is_full and divided else None

    return make


def _make_dilated_factoring(factor: int) -> Callable[[Convolution], list[Entry] | None]:
    """Return a function that makes a smaller kernel with `factor` times the dilation.

    The effective kernel size stays the same.
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
    """Return the same convolution without weight sharing, with a kernel per position."""
    if conv.word != "conv" or not conv.is_full:
        return None
    return [("locally_connected", conv.copy_arguments("out_channels", *_WINDOW_AND_MODE, "bias", "in_channels"))]


def _make_dense(conv: Convolution) -> list[Entry] | None:
    """Return a linear layer that connects every output with every input."""
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
    """Return one value if the values of all axes are equal, otherwise the list."""
    return values[0] if all(value == values[0] for value in values) else values


class _Factoring(NamedTuple):
    """A way to replace a convolution: its description, its source, and the function that makes the entries."""

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
