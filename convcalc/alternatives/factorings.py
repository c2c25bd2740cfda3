"""What may stand in the place of a convolution: entries that give an output of the same shape, by known papers.

Arguments are kept as they are written, expressions too, wherever the entries allow it; the stride, the padding and the
dilation are dealt out so that the output and, where that is possible, the receptive field stay what they were. No norm
or activation is put between the new layers.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from convcalc.keys import plain
from convcalc.layers.base import Layer
from convcalc.problems import Path

Entry = tuple[str, dict[str, Any]]  # a kind and its arguments
RATIO = 4  # of a bottleneck: channels outside to channels inside
GROUPS = (2, 4, 8, 32)
SMALLEST_KERNEL = 3  # of a dilated kernel
WINDOW = ("kernel_size", "stride", "padding", "dilation")


class CannotChange(ValueError):
    """A layer cannot be changed where it is written; the message says why."""


class Convolution(NamedTuple):
    """An entry of a spec that is a convolution, and the layers that are laid from it.

    `written` are its arguments, `options` its options as written; `nodes` and `layers` are all its uses.
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
        """Whether every use reads more than one position."""
        return all(prod(kernel) > 1 for kernel in self.kernels)

    @property
    def is_full(self) -> bool:
        """Whether every use mixes all its channels."""
        return self.word in ("conv", "pointwise_conv") and all(layer.__dict__["groups"] == 1 for layer in self.layers)

    def keep(self, *names: str) -> dict[str, Any]:
        """Arguments as they are written."""
        return {name: self.written[name] for name in names if name in self.written}

    def fixed(self, name: str) -> Any:
        """The value of an argument, which every use has in common. Raises CannotChange."""
        first, *others = (layer.__dict__[name] for layer in self.layers)
        if any(other != first for other in others):
            raise CannotChange(f"its {name} differs from use to use")
        return first

    def later(self, name: str, reads_output: bool) -> Any:
        """An argument as it is written, for a layer that reads the convolution's output, or other channels."""
        value = self.written[name]
        if not isinstance(value, str) or not re.search(r"\$.*\bin_channels\b", value):
            return value
        same = reads_output and all(layer.input.channels == layer.output.channels for layer in self.layers)
        return value if same else self.fixed(name)

    def literal(self, use: int) -> "Convolution":
        """One of its uses by itself, every argument as the number it is."""
        layer = self.layers[use]
        written = {name: plain(value) for name, value in layer.given.items() if value is not None}
        return self._replace(written=written, options={}, nodes=(self.nodes[use],), layers=(layer,))


# -- the factorings; each gives None where it is none of this convolution


def separable(conv: Convolution) -> list[Entry] | None:
    """A depthwise convolution, then a pointwise one."""
    if not (conv.word == "conv" and conv.is_full and conv.slides):
        return None
    return [("separable_conv", conv.keep("out_channels", *WINDOW, "bias", "in_channels"))]


def bottleneck(conv: Convolution) -> list[Entry] | None:
    """1×1 to a quarter of the channels, the kernel there, 1×1 back."""
    outs = [layer.output.channels for layer in conv.layers]
    if not (conv.word == "conv" and conv.is_full and conv.slides) or min(outs) < RATIO:
        return None
    bias, out, again = conv.keep("bias"), conv.written["out_channels"], conv.later("out_channels", False)
    return [
        ("pointwise_conv", {"out_channels": part(out), **bias}),
        ("conv", {"out_channels": part(again), **conv.keep(*WINDOW), **bias}),
        ("pointwise_conv", {"out_channels": again, **bias}),
    ]


def part(channels: Any) -> Any:
    """A quarter of a number of channels, of an expression as an expression. Raises CannotChange."""
    if not isinstance(channels, str):
        return int(channels) // RATIO
    expression = re.fullmatch(r"\$([A-Za-z][A-Za-z0-9_]*)|\$(\(.*\))", channels.strip(), re.DOTALL)
    if expression is None:
        raise CannotChange("its out_channels is not one expression")
    return f"$({expression[1] or expression[2]} // {RATIO})"


def stacked(conv: Convolution) -> list[Entry] | None:
    """As many 3-wide kernels one after the other as see what a larger one sees; the last has the stride."""
    if conv.word == "pointwise_conv" or not all(max(kernel) > 3 for kernel in conv.kernels):
        return None
    if any(size % 2 == 0 for kernel in conv.kernels for size in kernel):
        return None
    depths = [(size - 1) // 2 for size in conv.fixed("kernel_size")]
    entries: list[Entry] = []
    for number in range(max(depths)):
        window = {"kernel_size": shortest([3 if number < depth else 1 for depth in depths])}
        if number == max(depths) - 1:
            window |= conv.keep("stride")
        window |= padding_part(conv, number, depths) | conv.keep("dilation")
        entries.append((conv.word, {**channels_of(conv, number), **window, **conv.keep("bias")}))
    return entries


def padding_part(conv: Convolution, number: int, depths: list[int]) -> dict[str, Any]:
    """The part of the padding that one of several stacked kernels has: together they have all of it."""
    if isinstance(conv.written.get("padding", 0), str) and conv.written["padding"] in ("same", "valid"):
        return conv.keep("padding")
    parts = [
        [side * (number + 1) // depth - side * number // depth if number < depth else 0 for side in sides]
        if depth
        else [side if number == 0 else 0 for side in sides]
        for sides, depth in zip(conv.fixed("padding"), depths, strict=True)
    ]
    items: list[Any] = [sides[0] if sides[0] == sides[1] else sides for sides in parts]
    padding = items if any(isinstance(item, list) for item in items) else shortest(items)
    return {"padding": padding} if padding else {}


def channels_of(conv: Convolution, number: int) -> dict[str, Any]:
    """The channels of one of several layers in a row: the first changes them, the others keep them."""
    if conv.word == "depthwise_conv":
        return conv.keep("multiplier") if number == 0 else {}
    names = [name for name in ("out_channels", "groups") if name in conv.written]
    return {name: conv.later(name, True) if number else conv.written[name] for name in names}


def asymmetric(conv: Convolution) -> list[Entry] | None:
    """The kernel along one axis at a time: k×1, then 1×k."""
    wide = {tuple(axis for axis, size in enumerate(kernel) if size > 1) for kernel in conv.kernels}
    if conv.word == "pointwise_conv" or any(len(axes) < 2 for axes in wide):
        return None
    if len(wide) > 1:
        raise CannotChange("its kernel_size differs from use to use")
    [axes] = wide
    entries: list[Entry] = []
    for number, axis in enumerate(axes):
        # what of the window lies along an axis on which the kernel is 1 stays with the first
        own = {axis} | (set(range(conv.layers[0].input.axes)) - set(axes) if number == 0 else set())
        window = {name: along(conv, name, own) for name in WINDOW if name in conv.written}
        entries.append((conv.word, {**channels_of(conv, number), **window, **conv.keep("bias")}))
    return entries


def along(conv: Convolution, name: str, own: set[int]) -> Any:
    """An argument along some axes, on the others what leaves them alone."""
    written, rest = conv.written[name], 0 if name == "padding" else 1
    if written in ("same", "valid"):
        return written
    values = conv.layers[0].__dict__[name]
    if not isinstance(written, list) and len(set(values)) > 1:  # a parameter that holds a list
        written = plain(conv.fixed(name))
    return [
        (written[axis] if isinstance(written, list) else written) if axis in own else rest
        for axis in range(len(values))
    ]


def grouped(groups: int) -> Callable[[Convolution], list[Entry] | None]:
    """The same in groups of channels that are convolved apart."""

    def make(conv: Convolution) -> list[Entry] | None:
        divided = all(layer.input.channels % groups == layer.output.channels % groups == 0 for layer in conv.layers)
        return [(conv.word, {**conv.written, "groups": groups})] if conv.is_full and divided else None

    return make


def dilated(factor: int) -> Callable[[Convolution], list[Entry] | None]:
    """A smaller kernel, its taps further apart, that reaches as far."""

    def make(conv: Convolution) -> list[Entry] | None:
        sizes = {size for kernel in conv.kernels for size in kernel if size > 1}
        if conv.word == "pointwise_conv" or not sizes:
            return None
        if any((size - 1) % factor or (size - 1) // factor + 1 < SMALLEST_KERNEL for size in sizes):
            return None
        kernel = [(size - 1) // factor + 1 for size in conv.fixed("kernel_size")]
        dilation = [step * factor for step in conv.fixed("dilation")]
        return [(conv.word, {**conv.written, "kernel_size": shortest(kernel), "dilation": shortest(dilation)})]

    return make


def unshared(conv: Convolution) -> list[Entry] | None:
    """The same without weight sharing."""
    if conv.word != "conv" or not conv.is_full:
        return None
    return [("locally_connected", conv.keep("out_channels", *WINDOW, "bias", "in_channels"))]


def dense(conv: Convolution) -> list[Entry] | None:
    """Every output connected to every input."""
    if conv.word != "conv" or not conv.is_full:
        return None
    first, *others = (layer.output for layer in conv.layers)
    if any(other != first for other in others):
        raise CannotChange("its output shape differs from use to use")
    return [
        ("flatten", {}),
        ("linear", {"out_features": first.elements, **conv.keep("bias")}),
        ("reshape", {"shape": list(first.sizes)}),
    ]


def shortest(values: list[Any]) -> Any:
    """One value where all axes agree, else the list."""
    return values[0] if all(value == values[0] for value in values) else values


class Factoring(NamedTuple):
    """A way to change a convolution: what comes of it, who proposed it, and the entries."""

    what: str
    source: str
    make: Callable[[Convolution], list[Entry] | None]


HOWARD = "Howard et al. 2017"
YU = "Yu and Koltun 2016"
FACTORINGS: dict[str, Factoring] = {
    "separable": Factoring("depthwise, then 1×1", HOWARD, separable),
    "bottleneck": Factoring("1×1, kernel on a quarter of the channels, 1×1", "He et al. 2016", bottleneck),
    "stacked": Factoring("3-wide kernels one after the other", "Simonyan and Zisserman 2015", stacked),
    "asymmetric": Factoring("k×1, then 1×k", "Szegedy et al. 2016", asymmetric),
    **{f"grouped{n}": Factoring(f"in {n} groups", "Xie et al. 2017", grouped(n)) for n in GROUPS},
    **{f"dilated{n}": Factoring(f"a smaller kernel, dilation × {n}", YU, dilated(n)) for n in (2, 3, 4, 5)},
    "unshared": Factoring("a kernel for every position", "Goodfellow et al. 2016, 9.5", unshared),
    "dense": Factoring("every output reads every input", "Goodfellow et al. 2016, 9.2", dense),
}
