"""CV301 finds strides without a low-pass filter before them."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import PointwiseConv, Window
from convcalc.layers.pool import AvgPool, BlurPool, MaxPool
from convcalc.network import Network, Node
from convcalc.problems import Problem

_STRIDED = (Window, PointwiseConv, MaxPool)


class Aliasing(Rule):
    """A convolution or max pooling has a stride greater than 1 and no low-pass filter before it.

    Average pooling is not reported, because it is itself a low-pass filter (a box filter, the weakest one; Zhang
    replaces it with a stronger one). A convolution directly after a blurpool or avgpool with stride 1 is not reported
    either: convolutions are linear, so a blur before the convolution is as good as a blur after it. Max pooling is not
    linear and is reported even after a blur. A stride that leaves only one position is not reported, because a shift of
    the input then cannot move values between positions.
    """

    code = "CV301"
    name = "aliasing"
    default = False
    why = (
        "A stride of 2 uses only every second value of a map. Detail finer than that reappears as false coarse detail "
        "(sampling theorem), and a shift of the input by one pixel can change the output considerably. With a low-pass "
        "filter before the stride, published networks were more stable under shifts and usually more accurate."
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
        """Yield a finding for each strided layer without a low-pass filter before it."""
        for node in report.network.nodes:
            if (
                isinstance(node.layer, _STRIDED)
                and _skips_positions(node.layer)
                and not _follows_low_pass(report.network, node)
            ):
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} has stride {_format_sizes(node.layer.stride)} and no low-pass filter before it",
                    "use stride 1 here, and a blurpool with this stride after it (and after its activation)",
                )


def _skips_positions(layer: Layer) -> bool:
    """Whether the layer has a stride greater than 1 on an axis with more than one output position."""
    strides: tuple[int, ...] = layer.__dict__["stride"]
    return any(stride > 1 and size > 1 for stride, size in zip(strides, layer.output.spatial, strict=True))


def _follows_low_pass(network: Network, node: Node) -> bool:
    """Whether the node is a convolution directly after a low-pass filter with stride 1.

    A filter with a larger stride does not count: it removes only detail that is too fine for its own stride.
    """
    number = node.reads[0] - len(network.inputs)
    if number < 0 or isinstance(node.layer, MaxPool):
        return False
    before = network.nodes[number].layer
    if not isinstance(before, AvgPool | BlurPool):
        return False
    strides: tuple[int, ...] = node.layer.__dict__["stride"]
    axes = zip(strides, before.kernel_size, before.stride, strict=True)
    return all(kernel > 1 and own == 1 for stride, kernel, own in axes if stride > 1)


def _format_sizes(strides: tuple[int, ...]) -> str:
    return str(strides[0]) if len(set(strides)) == 1 else "×".join(map(str, strides))
