"""An even kernel whose `same` padding is one more on one side."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import Window
from convcalc.problems import Problem
from convcalc.shape import axis_name


class EvenKernelSame(Rule):
    """A convolution with an even kernel and `padding: same` pads one side by one more than the other.

    Only axes on which that is so are found: dilation or a stride can make the padding of an even kernel even.
    """

    code = "CV305"
    name = "even-kernel-same"
    default = False
    why = (
        "The windows lie half a position beside what they are written to, always to the same side. Over several such "
        "layers the shifts add up, and features are pressed into a corner of the map (information erosion)."
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
        """Every such convolution, at its first such axis."""
        for node in report.network.nodes:
            for axis in shifted_axes(node.layer):
                kernel, (before, after) = node.layer.__dict__["kernel_size"][axis], node.layer.__dict__["padding"][axis]
                name = axis_name(axis, node.layer.input.axes)
                yield self.finding(
                    node.path,
                    f"same padding of the even kernel {kernel} is {before} before the {name} and {after} after it: "
                    "a shift by half a position",
                    f"a kernel of {kernel - 1} or {kernel + 1} has a centre",
                )
                break


def shifted_axes(layer: Layer) -> list[int]:
    """The axes with an even kernel that `same` pads unevenly."""
    if not isinstance(layer, Window) or layer.given["padding"] != "same":
        return []
    per_axis = enumerate(zip(layer.kernel_size, layer.padding, strict=True))
    return [axis for axis, (kernel, (before, after)) in per_axis if kernel % 2 == 0 and before != after]
