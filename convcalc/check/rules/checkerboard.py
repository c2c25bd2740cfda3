"""Transposed convolutions that overlap unevenly."""

from collections.abc import Iterator
from math import gcd

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import readers
from convcalc.layers.base import Layer
from convcalc.layers.conv import ConvTranspose
from convcalc.network import Network, Node
from convcalc.problems import Problem
from convcalc.shape import axis_name


class Checkerboard(Rule):
    """A transposed convolution whose kernel its stride does not divide, where no convolution comes after it.

    Its outputs then get products from different numbers of inputs, in a pattern that repeats with the stride. A
    convolution with a kernel over 1 between it and the output dampens the pattern, and there is no finding.
    """

    code = "CV203"
    name = "checkerboard"
    why = "The uneven overlap shows in the output as a checkerboard, which training hardly removes."
    source = (
        'Odena, Dumoulin and Olah 2016, "Deconvolution and checkerboard artifacts" (Distill): overlap is uneven where '
        "the stride does not divide the kernel; a last layer of stride 1 dampens it."
    )
    wrong = """\
input: [64, 16, 16]
layers:
  - conv_transpose: {out_channels: 3, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}
  - tanh
"""
    right = """\
input: [64, 16, 16]
layers:
  - conv_transpose: {out_channels: 3, kernel_size: 4, stride: 2, padding: 1}
  - tanh
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each transposed convolution whose pattern reaches an output."""
        network = report.network
        undamped = undamped_tensors(network)
        for index, node in enumerate(network.nodes):
            if isinstance(node.layer, ConvTranspose) and len(network.inputs) + index in undamped:
                axis = uneven_axis(node.layer)
                if axis is not None:
                    yield self.uneven(node, node.layer, axis)

    def uneven(self, node: Node, layer: ConvTranspose, axis: int) -> Problem:
        """The finding of a layer that overlaps unevenly along an axis."""
        kernel, stride = layer.kernel_size[axis], layer.stride[axis]
        message = (
            f"the windows of {node.name} overlap unevenly along the {axis_name(axis, layer.input.axes)}: "
            f"its stride {stride} does not divide its kernel size {kernel}"
        )
        hint = f"kernel_size {max(-(-kernel // stride), 2) * stride}, or upsample before a convolution"
        if gcd(layer.dilation[axis], stride) > 1:
            message = f"{node.name} leaves outputs between its taps along the {axis_name(axis, layer.input.axes)}: "
            message += f"its stride {stride} and dilation {layer.dilation[axis]} have a common factor"
            hint = "dilation 1, or upsample before a convolution"
        return self.finding(node.path, message, hint)


def uneven_axis(layer: ConvTranspose) -> int | None:
    """The first axis along which outputs get products from different numbers of inputs."""
    for axis, (kernel, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    ):
        if kernel % stride or gcd(dilation, stride) > 1:
            return axis
    return None


def undamped_tensors(network: Network) -> set[int]:
    """The tensors from which a path leads to an output without a convolution or pooling of several positions."""
    found, reading = set(network.outputs.values()), readers(network)
    first = len(network.inputs)
    for tensor in range(first + len(network.nodes) - 1, -1, -1):
        if any(first + index in found and not dampens(network.nodes[index].layer) for index in reading[tensor]):
            found.add(tensor)
    return found


def dampens(layer: Layer) -> bool:
    """Whether a layer puts neighbouring positions together."""
    if isinstance(layer, ConvTranspose):
        return all(stride == 1 for stride in layer.stride) and min(layer.kernel_size) > 1
    return layer.reach() == "everything" or min(getattr(layer, "kernel_size", (1,)), default=1) > 1
