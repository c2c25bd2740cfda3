"""CV202 finds windows that contain only padding."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer, Sizes
from convcalc.problems import Problem
from convcalc.shape import axis_name

_HINT = "use a padding of at most dilation × (kernel_size - 1)"
_MOST_WINDOWS = 10_000  # at most this many windows that start before the input are examined


class PaddingOnlyWindow(Rule):
    """Some windows of a convolution or pooling contain only padding.

    This happens if the padding exceeds d (k - 1), where k is the kernel size and d the dilation: a 1×1 convolution with
    padding 1 has such windows on every side. It also happens if the dilation is so large that the whole input fits
    between two neighbouring elements of the kernel. Windows added by ceil_mode always overlap the input. Padding with
    copies of the input (padding_mode other than zeros) is not reported.
    """

    code = "CV202"
    name = "padding-only-window"
    why = (
        "The outputs of such windows do not depend on the input: they are always the bias or zero, but cost as much as "
        "other outputs."
    )
    source = (
        'Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", 2.2.2: full padding, k - '
        "1, already covers every partial overlap of kernel and input"
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
        """Yield a finding for each layer with windows that contain only padding.

        It names the first axis that has such windows.
        """
        for node in report.network.nodes:
            layer = node.layer
            if not hasattr(layer, "padding") or layer.kind in ("conv_transpose", "max_unpool", "pad"):
                continue
            if getattr(layer, "padding_mode", "zeros") != "zeros":
                continue  # such padding holds copies of the input, not zeros
            for axis, windows in enumerate(layer.output.spatial):
                empty = _count_empty_windows(layer, axis)
                if empty:
                    name = axis_name(axis, layer.output.axes)
                    contain = "contains" if empty == 1 else "contain"
                    message = f"{empty} of the {windows} windows of {node.name} along the {name} {contain} only padding"
                    yield self.finding(node.path, message, _HINT)
                    break


def _count_empty_windows(layer: Layer, axis: int) -> int:
    """Return how many windows along an axis read only padding."""
    size, windows = layer.input.spatial[axis], layer.output.spatial[axis]
    before, stride, dilation, reach = _get_window_sizes(layer, axis)
    wholly_before = min(windows, -(-max(before - reach, 0) // stride))
    begin_before = min(windows, -(-before // stride))
    within = max(-(-(size + before) // stride), 0)  # windows that start before the end of the input
    straddling = 0
    if dilation > size:  # the whole input may lie between two elements of the kernel
        some = range(wholly_before, min(begin_before, wholly_before + _MOST_WINDOWS))
        straddling = sum((index * stride - before) % dilation >= size for index in some)
    return wholly_before + straddling + max(windows - within, 0)


def _get_window_sizes(layer: Layer, axis: int) -> tuple[int, int, int, int]:
    """Return the padding before the input, the stride, the dilation, and the dilated kernel size minus 1."""
    kernels: Sizes = getattr(layer, "kernel_size", ())
    strides: Sizes = getattr(layer, "stride", ())
    padding: tuple[tuple[int, int], ...] = getattr(layer, "padding", ())
    dilations: Sizes = getattr(layer, "dilation", (1,) * layer.input.axes)
    return padding[axis][0], strides[axis], dilations[axis], dilations[axis] * (kernels[axis] - 1)
