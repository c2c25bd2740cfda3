"""CV301 finds strides without a low-pass filter before them."""

from collections.abc import Iterator

from convcalc.analysis.low_pass import samples_without_low_pass
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.problems import Problem


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
            if samples_without_low_pass(report.network, node):
                stride = _format_sizes(node.layer.__dict__["stride"])
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} has stride {stride} and no low-pass filter before it",
                    "use stride 1 here, and a blurpool with this stride after it (and after its activation)",
                )


def _format_sizes(strides: tuple[int, ...]) -> str:
    return str(strides[0]) if len(set(strides)) == 1 else "×".join(map(str, strides))
