"""CV304 finds layers with a stride whose windows read more padding on one side than on the other."""

from collections.abc import Iterator
from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.arithmetic import effective_kernel_size
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import Window
from convcalc.layers.pool import AvgPool
from convcalc.problems import Problem
from convcalc.shape import axis_name


class UnevenPadding(Rule):
    """With a stride greater than 1, windows read more padding on one side of an axis than on the other.

    An uneven `padding: same` is also reported. Causal padding is not reported: it is on one side on purpose. Max
    pooling is not reported: its padding is never the maximum, so no zeros enter the map.
    """

    code = "CV304"
    name = "uneven-padding"
    severity = "note"
    default = False
    why = (
        "The last window ends before the end of the padding, so only the padding on the other side is fully used. "
        "Uneven padding leads to asymmetric weights, most of all around such layers, and to places in the map where "
        "the activation is weakened. In ResNets, an input size at which the padding is even reduced this effect."
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
        """Yield a finding for each layer with uneven padding; it names the first axis with uneven padding."""
        for node in report.network.nodes:
            for axis, used in enumerate(_measure_paddings(node.layer)):
                if used.stride > 1 and used.before != used.after:
                    name = axis_name(axis, node.layer.input.axes)
                    yield self.finding(
                        node.path,
                        f"with stride {used.stride}, windows read {used.before} of the padding before the {name} "
                        f"and {used.after} of the padding after it",
                        used.suggest_size(name),
                    )
                    break


class _UsedPadding(NamedTuple):
    """How many padding positions the windows along one axis read before and after the input.

    `size` is the size of the input. `unused` is the number of positions after the last window, padding included; it
    is negative if that window ends beyond the padding.
    """

    size: int
    stride: int
    before: int
    after: int
    unused: int

    def suggest_size(self, axis: str) -> str:
        """Return a hint with the next larger input size at which all padding is read; "" if it is read now."""
        if self.unused < 1:
            return ""
        fitting = self.size + self.stride - self.unused
        return f"with an input {axis} of {fitting}, the last window would end at the end of the padding"


def _measure_paddings(layer: Layer) -> list[_UsedPadding]:
    """Return the padding that the windows read on each axis.

    Empty for all layers except convolutions and average poolings. Also empty for causal padding, and for a padding_mode
    other than zeros.
    """
    if not isinstance(layer, Window | AvgPool):
        return []
    if isinstance(layer, Window) and (layer.is_causal or layer.padding_mode != "zeros"):
        return []
    assert not isinstance(layer.padding, str)
    axes = len(layer.input.spatial)
    dilation: tuple[int, ...] = layer.dilation if isinstance(layer, Window) else (1,) * axes
    window = (layer.kernel_size, layer.stride, layer.padding, dilation)
    return list(map(_measure_padding, layer.input.spatial, layer.output.spatial, *window))


def _measure_padding(
    size: int, count: int, kernel_size: int, stride: int, padding: tuple[int, int], dilation: int
) -> _UsedPadding:
    """Return how much padding `count` windows read before and after the input on one axis."""
    before, after = padding
    unused = before + size + after - (count - 1) * stride - effective_kernel_size(kernel_size, dilation)
    return _UsedPadding(size, stride, before, min(max(after - unused, 0), after), unused)
