"""CV203 finds transposed convolutions whose windows overlap unevenly."""

from collections.abc import Iterator
from math import gcd

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import list_readers
from convcalc.layers.base import Layer
from convcalc.layers.conv import ConvTranspose
from convcalc.network import Network, Node
from convcalc.problems import Problem
from convcalc.shape import axis_name


class Checkerboard(Rule):
    """The stride of a transposed convolution does not divide its kernel size, and no layer smooths its output.

    Different output positions then sum different numbers of products, in a pattern that repeats with the stride. A
    convolution or pooling with a kernel larger than 1 smooths this pattern, so nothing is reported if there is one on
    every path from the transposed convolution to an output.
    """

    code = "CV203"
    name = "checkerboard"
    why = "The uneven overlap appears in the output as a checkerboard pattern, which training rarely removes."
    source = (
        'Odena, Dumoulin and Olah 2016, "Deconvolution and checkerboard artifacts" (Distill): the overlap is uneven '
        "if the stride does not divide the kernel size; a final layer with stride 1 reduces the artifacts."
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
        """Yield a finding for each transposed convolution whose uneven pattern reaches an output."""
        network = report.network
        undamped = _find_unsmoothed_tensors(network)
        for index, node in enumerate(network.nodes):
            if isinstance(node.layer, ConvTranspose) and len(network.inputs) + index in undamped:
                axis = _find_uneven_axis(node.layer)
                if axis is not None:
                    yield self._overlap_finding(node, node.layer, axis)

    def _overlap_finding(self, node: Node, layer: ConvTranspose, axis: int) -> Problem:
        kernel, stride = layer.kernel_size[axis], layer.stride[axis]
        message = (
            f"the windows of {node.name} overlap unevenly along the {axis_name(axis, layer.input.axes)}: "
            f"stride {stride} does not divide kernel size {kernel}"
        )
        hint = f"use kernel_size {max(-(-kernel // stride), 2) * stride}, or upsample and then use a convolution"
        if gcd(layer.dilation[axis], stride) > 1:
            message = (
                f"some outputs of {node.name} along the {axis_name(axis, layer.input.axes)} depend on no input value: "
                f"stride {stride} and dilation {layer.dilation[axis]} have a common factor"
            )
            hint = "use dilation 1, or upsample and then use a convolution"
        return self.finding(node.path, message, hint)


def _find_uneven_axis(layer: ConvTranspose) -> int | None:
    """Return the first axis on which outputs sum different numbers of products; None if there is no such axis."""
    for axis, (kernel, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    ):
        if kernel % stride or gcd(dilation, stride) > 1:
            return axis
    return None


def _find_unsmoothed_tensors(network: Network) -> set[int]:
    """Return the numbers of tensors with a path to a network output on which no layer combines neighbours."""
    found, reading = set(network.outputs.values()), list_readers(network)
    first = len(network.inputs)
    for tensor in range(first + len(network.nodes) - 1, -1, -1):
        if any(
            first + index in found and not _combines_neighbours(network.nodes[index].layer) for index in reading[tensor]
        ):
            found.add(tensor)
    return found


def _combines_neighbours(layer: Layer) -> bool:
    """Whether a layer combines neighbouring positions, which smooths a checkerboard pattern."""
    if isinstance(layer, ConvTranspose):
        return all(stride == 1 for stride in layer.stride) and min(layer.kernel_size) > 1
    return layer.reach() == "everything" or min(getattr(layer, "kernel_size", (1,)), default=1) > 1
