"""CV305 finds even kernels for which `padding: same` pads one side by one more than the other."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import Window
from convcalc.problems import Problem
from convcalc.shape import axis_name


class EvenKernelSame(Rule):
    """A convolution with an even kernel and `padding: same` pads one side of an axis by one more than the other.

    With some dilations and strides, `padding: same` adds the same padding on both sides even for an even kernel; this
    is not reported.
    """

    code = "CV305"
    name = "even-kernel-same"
    default = False
    why = (
        "The centre of every window is half a position away from its output, always towards the same side. Over "
        "several such layers the shifts add up, and features are squeezed into a corner of the map (information "
        "erosion)."
    )
    source = 'Wu et al. 2019, "Convolution with even-sized kernels and symmetric padding"'
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 4, padding: same}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 5, padding: same}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each convolution with unequal padding; it names the first axis with unequal padding."""
        for node in report.network.nodes:
            for axis in _find_unevenly_padded_axes(node.layer):
                kernel, (before, after) = node.layer.__dict__["kernel_size"][axis], node.layer.__dict__["padding"][axis]
                name = axis_name(axis, node.layer.input.axes)
                yield self.finding(
                    node.path,
                    f"padding: same pads the {name} by {before} before and {after} after for an even kernel of "
                    f"{kernel}: a shift of half a position",
                    f"use an odd kernel, such as {kernel - 1} or {kernel + 1}",
                )
                break


def _find_unevenly_padded_axes(layer: Layer) -> list[int]:
    if not isinstance(layer, Window) or layer.given["padding"] != "same":
        return []
    per_axis = enumerate(zip(layer.kernel_size, layer.padding, strict=True))
    return [axis for axis, (kernel, (before, after)) in per_axis if kernel % 2 == 0 and before != after]
