"""Rows and columns between windows, which no window reads."""

from collections.abc import Iterator
from itertools import count
from math import gcd, lcm

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import readers
from convcalc.layers.base import Layer, Sizes
from convcalc.network import Network
from convcalc.problems import Problem
from convcalc.shape import axis_name

MOST_RESIDUES = 10_000  # a larger common stride is not followed
Steps = tuple[int, frozenset[int]]  # of every so many positions the ones that are read


class UnreadInput(Rule):
    """Rows or columns of a tensor that no reader reads, because they lie between the windows of all of them.

    All readers of a tensor count together: a 1×1 convolution of stride 2 as a shortcut is fine where the other path
    reads the rest. Rows cut off at the far border, where a stride leaves a remainder, are no finding.
    """

    code = "CV201"
    name = "unread-input"
    why = "What lies between the windows was computed for nothing: 3/4 of the input of a 1×1 convolution of stride 2."
    source = (
        'He et al. 2019, "Bag of tricks for image classification with convolutional neural networks", 4.2 '
        "(a 1×1 convolution of stride 2 ignores three quarters of its input; ResNet-B and ResNet-D)."
    )
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - conv: {out_channels: 32, kernel_size: 1, stride: 2}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - conv: {out_channels: 32, kernel_size: 3, stride: 2, padding: 1}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each tensor with rows that all its readers step over, at the first of them."""
        network = report.network
        leaving = set(network.outputs.values())
        for tensor, reading in enumerate(readers(network)):
            layers = [network.nodes[index].layer for index in reading]
            if not reading or tensor in leaving or not all(map(is_strided, layers)):
                continue
            gaps = [gap(layers, axis) for axis in range(layers[0].input.axes)]
            if any(unread for unread, _ in gaps):
                yield self.unread(network, tensor, reading, gaps)

    def unread(self, network: Network, tensor: int, reading: list[int], gaps: list[tuple[int, int]]) -> Problem:
        """The finding of a tensor of which so many of so many positions are not read on each axis."""
        from fractions import Fraction  # only where something is found: it costs start-up time

        share, axes = Fraction(1), []
        for axis, (unread, period) in enumerate(gaps):
            part = Fraction(unread, period)
            share *= 1 - part
            if part:
                axes.append(f"{part.numerator} in {part.denominator} along the {axis_name(axis, len(gaps))}")
        first = network.nodes[reading[0]]
        names = " and ".join(network.nodes[index].name for index in reading[:3])
        message = (
            f"{1 - share} of {network.tensor_name(tensor)} is never read: "
            f"{names} {'steps' if len(reading) == 1 else 'step'} over {' and '.join(axes)}"
        )
        what = "" if len(reading) == 1 else f" of {first.name}"
        return self.finding(first.path, message, remedy(first.layer, what, [unread > 0 for unread, _ in gaps]))


def is_strided(layer: Layer) -> bool:
    """Whether a layer has windows that move on by more than a position."""
    return max(getattr(layer, "stride", ()), default=1) > 1


def gap(layers: list[Layer], axis: int) -> tuple[int, int]:
    """How many positions of an axis all layers step over, in every so many; none in 1 where they read all."""
    found = [step for step in (steps(layer, axis) for layer in layers) if step is not None]
    period = lcm(*(stride for stride, _ in found))
    if len(found) < len(layers) or period > MOST_RESIDUES or period >= layers[0].input.spatial[axis]:
        return 0, 1
    read = {residue + turn for stride, residues in found for residue in residues for turn in range(0, period, stride)}
    return period - len(read), period


def steps(layer: Layer, axis: int) -> Steps | None:
    """Which positions the windows of a layer read, None where they read all, or the layer has no windows."""
    stride = getattr(layer, "stride", None)
    if stride is None or layer.kind in ("conv_transpose", "max_unpool", "blurpool"):
        return None
    kernel, step, dilation = window(layer, axis)
    if step > MOST_RESIDUES or (gcd(step, dilation) == 1 and kernel >= step):
        return None
    padding = getattr(layer, "padding", ((0, 0),) * len(stride))[axis][0]
    if (layer.output.spatial[axis] - 1) * step - padding < step:
        return None  # so few windows that what they leave out may be all at the far border
    return step, frozenset((tap * dilation - padding) % step for tap in range(min(kernel, step)))


def window(layer: Layer, axis: int) -> tuple[int, int, int]:
    """Kernel size, stride and dilation along an axis."""
    ones = (1,) * layer.input.axes
    kernel: Sizes = getattr(layer, "kernel_size", ones)
    stride: Sizes = getattr(layer, "stride", ones)
    dilation: Sizes = getattr(layer, "dilation", ones)
    return kernel[axis], stride[axis], dilation[axis]


def remedy(layer: Layer, what: str, gaps: list[bool]) -> str:
    """The nearest sizes with which the windows of a layer leave nothing out on the axes that have gaps."""
    by_options: dict[str, list[str]] = {}
    for axis, has_gap in enumerate(gaps):
        if has_gap:
            options = [f"{name} {size}" for name, size in nearest_sizes(*window(layer, axis)).items()]
            if not hasattr(layer, "kernel_size"):
                options = [option.replace("kernel_size", "a conv with kernel_size") for option in options]
            by_options.setdefault(" or ".join(options), []).append(f"the {axis_name(axis, len(gaps))}")
    parts = [f"{options}{what} leaves nothing out along {' and '.join(axes)}" for options, axes in by_options.items()]
    return "; ".join(parts)


def nearest_sizes(kernel: int, stride: int, dilation: int) -> dict[str, int]:
    """The sizes nearest to those of a window with gaps, each of which alone closes them.

    A window leaves nothing out if its kernel is at least as large as its stride and no number above 1 divides both
    stride and dilation: the taps t d then meet every remainder by the stride.
    """
    nearest: dict[str, int] = {}
    if gcd(stride, dilation) == 1:
        nearest["kernel_size"] = stride
    elif kernel >= stride:
        around = (size for far in count(1) for size in (dilation - far, dilation + far))
        nearest["dilation"] = next(size for size in around if size > 0 and gcd(stride, size) == 1)
    nearest["stride"] = next(size for size in count(min(kernel, stride - 1), -1) if gcd(size, dilation) == 1)
    return nearest
