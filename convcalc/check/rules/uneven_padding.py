"""Padding of which a stride leaves more on one side than on the other."""

from collections.abc import Iterator
from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.arithmetic import extent
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import Window
from convcalc.layers.pool import AvgPool
from convcalc.problems import Problem
from convcalc.shape import axis_name


class UnevenPadding(Rule):
    """With a stride above 1, the zeros before an axis that windows read are not as many as those after it.

    `padding: same` is found too where it pads one side more. Max pooling is left alone: its padding never wins, so
    that no zeros enter the map.
    """

    code = "CV304"
    name = "uneven-padding"
    severity = "note"
    default = False
    why = (
        "The last window ends before the padding does, so that only the other side is fully padded. Padding that is "
        "applied unevenly leads to asymmetric weights, most of all around such layers, and to places of the map where "
        "the activation is weakened. An input size that divides evenly mitigated this in ResNets."
    )
    source = 'Alsallakh et al. 2021, "Mind the pad: CNNs can develop blind spots"'
    wrong = """\
input: [3, 224, 224]
layers:
  - conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}
"""
    right = """\
input: [3, 225, 225]
layers:
  - conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Every layer with an axis that is padded unevenly, once."""
        for node in report.network.nodes:
            for axis, used in enumerate(paddings(node.layer)):
                if used.stride > 1 and used.before != used.after:
                    name = axis_name(axis, node.layer.input.axes)
                    yield self.finding(
                        node.path,
                        f"stride {used.stride} leaves {used.before} of padding before the {name} "
                        f"and {used.after} after it",
                        used.hint(name),
                    )
                    break


class Used(NamedTuple):
    """How much of the padding of one axis is read by windows; `unused` is what is left after the last one."""

    size: int
    stride: int
    before: int
    after: int
    unused: int

    def hint(self, name: str) -> str:
        """The next larger input that is used up, where padding is left over."""
        if self.unused < 1:
            return ""
        fitting = self.size + self.stride - self.unused
        return f"with a {name} of {fitting} before it the windows end where the padding ends"


def paddings(layer: Layer) -> list[Used]:
    """The padding that is read on every axis, of layers that pad with zeros."""
    if not isinstance(layer, Window | AvgPool):
        return []
    assert not isinstance(layer.padding, str)
    axes = len(layer.input.spatial)
    dilation: tuple[int, ...] = layer.dilation if isinstance(layer, Window) else (1,) * axes
    window = (layer.kernel_size, layer.stride, layer.padding, dilation)
    return list(map(used, layer.input.spatial, layer.output.spatial, *window))


def used(size: int, count: int, kernel_size: int, stride: int, padding: tuple[int, int], dilation: int) -> Used:
    """The padding that so many windows of an axis read; the last one may also end before the input does."""
    before, after = padding
    unused = before + size + after - (count - 1) * stride - extent(kernel_size, dilation)
    return Used(size, stride, before, min(max(after - unused, 0), after), unused)
