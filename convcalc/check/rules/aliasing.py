"""A stride without a low-pass before it."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import PointwiseConv, Window
from convcalc.layers.pool import AvgPool, BlurPool, MaxPool
from convcalc.network import Network, Node
from convcalc.problems import Problem

STRIDED = (Window, PointwiseConv, MaxPool)


class Aliasing(Rule):
    """A convolution or max pooling has a stride above 1 and no low-pass before it.

    Average pooling is left alone: it is itself a low-pass (a box, the weakest; Zhang replaces it with a stronger one).
    So is a convolution that reads a blurpool or avgpool of stride 1: a blur before it does what a blur after it does.
    That holds of nothing that is not linear, so a max pooling is found there too. A stride that gives one position
    skips nothing that another position would show, and is left alone.
    """

    code = "CV301"
    name = "aliasing"
    default = False
    why = (
        "A stride keeps every second value of a map that may change faster than that: what is lost comes back as "
        "something else (the sampling theorem), and a shift of the input by one pixel can change the output much. "
        "With a low-pass before the stride, published networks were steadier under shifts, and as a rule more accurate."
    )
    source = 'Zhang 2019, "Making convolutional networks shift-invariant again"'
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - maxpool: {kernel_size: 2}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - maxpool: {kernel_size: 2, stride: 1}
  - blurpool: {kernel_size: 3, stride: 2}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Every stride that subsamples what no low-pass has smoothed."""
        for node in report.network.nodes:
            if isinstance(node.layer, STRIDED) and subsamples(node.layer) and not smoothed(report.network, node):
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} has stride {stride_text(node.layer.stride)} without a low-pass before it",
                    "stride 1 here, and a blurpool with the stride after it (and after its activation)",
                )


def subsamples(layer: Layer) -> bool:
    """Whether a stride skips positions on an axis that keeps more than one."""
    strides: tuple[int, ...] = layer.__dict__["stride"]
    return any(stride > 1 and size > 1 for stride, size in zip(strides, layer.output.spatial, strict=True))


def smoothed(network: Network, node: Node) -> bool:
    """Whether a convolution reads a low-pass that has not used itself up for a stride of its own."""
    number = node.reads[0] - len(network.inputs)
    if number < 0 or isinstance(node.layer, MaxPool):
        return False
    before = network.nodes[number].layer
    if not isinstance(before, AvgPool | BlurPool):
        return False
    strides: tuple[int, ...] = node.layer.__dict__["stride"]
    axes = zip(strides, before.kernel_size, before.stride, strict=True)
    return all(kernel > 1 and own == 1 for stride, kernel, own in axes if stride > 1)


def stride_text(strides: tuple[int, ...]) -> str:
    """`2`, or `2×1` where the axes differ."""
    return str(strides[0]) if len(set(strides)) == 1 else "×".join(map(str, strides))
