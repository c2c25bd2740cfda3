"""Rows and columns between windows, which no window reads."""

from collections.abc import Iterator
from fractions import Fraction
from math import gcd, lcm

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import readers
from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.problems import Path, Problem
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
            if reading and tensor not in leaving:
                layers = [network.nodes[index].layer for index in reading]
                gaps = [gap(layers, axis) for axis in range(network.tensor_shape(tensor).axes)]
                if any(gaps):
                    yield self.unread(network, tensor, reading, gaps)

    def unread(self, network: Network, tensor: int, reading: list[int], gaps: list[Fraction]) -> Problem:
        """The finding of a tensor of which such shares are not read on each axis."""
        share, axes = Fraction(1), []
        for axis, unread in enumerate(gaps):
            share *= 1 - unread
            if unread:
                axes.append(f"{unread.numerator} in {unread.denominator} along the {axis_name(axis, len(gaps))}")
        where: Path = network.nodes[reading[0]].path
        names = " and ".join(network.nodes[index].name for index in reading[:3])
        message = (
            f"{1 - share} of {network.tensor_name(tensor)} is never read: "
            f"{names} {'steps' if len(reading) == 1 else 'step'} over {' and '.join(axes)}"
        )
        return self.finding(where, message, "an undilated kernel at least as large as the stride reads everything")


def gap(layers: list[Layer], axis: int) -> Fraction:
    """The share of the positions of an axis that all layers step over, 0 where they read all."""
    found = [step for step in (steps(layer, axis) for layer in layers) if step is not None]
    period = lcm(*(stride for stride, _ in found))
    if len(found) < len(layers) or period > MOST_RESIDUES or period >= layers[0].input.spatial[axis]:
        return Fraction(0)
    read = {residue + turn for stride, residues in found for residue in residues for turn in range(0, period, stride)}
    return 1 - Fraction(len(read), period)


def steps(layer: Layer, axis: int) -> Steps | None:
    """Which positions the windows of a layer read, None where they read all, or the layer has no windows."""
    stride = getattr(layer, "stride", None)
    if stride is None or layer.kind in ("conv_transpose", "max_unpool", "blurpool"):
        return None
    step = stride[axis]
    kernel = getattr(layer, "kernel_size", (1,) * len(stride))[axis]
    dilation = getattr(layer, "dilation", (1,) * len(stride))[axis]
    if step > MOST_RESIDUES or (gcd(step, dilation) == 1 and kernel >= step):
        return None
    padding = getattr(layer, "padding", ((0, 0),) * len(stride))[axis][0]
    if (layer.output.spatial[axis] - 1) * step - padding < step:
        return None  # so few windows that what they leave out may be all at the far border
    return step, frozenset((tap * dilation - padding) % step for tap in range(min(kernel, step)))
