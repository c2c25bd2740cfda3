"""Windows that lie in the padding."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer, Sizes
from convcalc.problems import Problem
from convcalc.shape import axis_name

HINT = "padding up to the reach of the kernel, d (k - 1), leaves none"
MOST_WINDOWS = 10_000  # windows that begin before the input and are looked at one by one


class PaddingOnlyWindow(Rule):
    """Windows of a convolution or pooling that read nothing but padding.

    Padding as large as the reach of the kernel puts whole windows beyond the input; a 1×1 convolution with padding
    1 does so all around. Windows that ceil_mode adds always touch the input.
    """

    code = "CV202"
    name = "padding-only-window"
    why = "Such outputs do not depend on the input: they are the bias, or nothing, and cost as much as all others."
    source = (
        'Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", 2.2.2: full padding, k - 1, '
        "takes in every partial superposition of kernel and input already."
    )
    wrong = """\
input: [16, 32, 32]
layers:
  - conv: {out_channels: 32, kernel_size: 1, padding: 1}
"""
    right = """\
input: [16, 32, 32]
layers:
  - conv: {out_channels: 32, kernel_size: 1}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each layer that has such windows, with how many there are on its first such axis."""
        for node in report.network.nodes:
            layer = node.layer
            if not hasattr(layer, "padding") or layer.kind in ("conv_transpose", "max_unpool", "pad"):
                continue
            for axis, windows in enumerate(layer.output.spatial):
                empty = empty_windows(layer, axis)
                if empty:
                    name = axis_name(axis, layer.output.axes)
                    message = f"{empty} of the {windows} windows of {node.name} along the {name} lie in padding only"
                    yield self.finding(node.path, message, HINT)
                    break


def empty_windows(layer: Layer, axis: int) -> int:
    """How many windows of a layer along an axis have no tap in the input."""
    size, windows = layer.input.spatial[axis], layer.output.spatial[axis]
    before, stride, dilation, reach = window(layer, axis)
    wholly_before = min(windows, -(-max(before - reach, 0) // stride))
    begin_before = min(windows, -(-before // stride))
    within = max(-(-(size + before) // stride), 0)  # windows that begin before the end of the input
    straddling = 0
    if dilation > size:  # the input may lie between two taps
        some = range(wholly_before, min(begin_before, wholly_before + MOST_WINDOWS))
        straddling = sum((index * stride - before) % dilation >= size for index in some)
    return wholly_before + straddling + max(windows - within, 0)


def window(layer: Layer, axis: int) -> tuple[int, int, int, int]:
    """The padding before an axis, the stride, the dilation, and how far the last tap is from the first."""
    kernels: Sizes = getattr(layer, "kernel_size", ())
    strides: Sizes = getattr(layer, "stride", ())
    padding: tuple[tuple[int, int], ...] = getattr(layer, "padding", ())
    dilations: Sizes = getattr(layer, "dilation", (1,) * layer.input.axes)
    return padding[axis][0], strides[axis], dilations[axis], dilations[axis] * (kernels[axis] - 1)
