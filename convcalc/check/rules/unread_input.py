"""CV201 finds rows or columns between windows, which no layer reads."""

from collections.abc import Iterator
from itertools import count
from math import gcd, lcm

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import list_readers
from convcalc.layers.base import Layer, Sizes
from convcalc.network import Network
from convcalc.problems import Problem
from convcalc.shape import axis_name

_MOST_RESIDUES = 10_000  # nothing is reported if the pattern of read positions has a longer period
_Steps = tuple[int, frozenset[int]]  # a period, and the positions within it that are read


class UnreadInput(Rule):
    """Some rows or columns of a tensor are never read: they lie between the windows of every layer that reads it.

    All layers that read the tensor are considered together. For example, a shortcut with a 1×1 convolution of stride 2
    is not reported if the main path reads the positions that the shortcut skips. Rows or columns after the last window,
    which are left over if the stride does not divide the size, are not reported either.
    """

    code = "CV201"
    name = "unread-input"
    why = (
        "Positions that are never read are computed for nothing: a 1×1 convolution with stride 2, for example, skips "
        "three quarters of its input."
    )
    source = (
        'He et al. 2019, "Bag of tricks for image classification with convolutional neural networks", 4.2 (a 1×1 '
        "convolution with stride 2 ignores three quarters of its input; ResNet-B and ResNet-D avoid this)"
    )
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - conv: {out_channels: 32, kernel_size: 1, stride: 2}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - conv: {out_channels: 32, kernel_size: 3, stride: 2, padding: 1}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each tensor with unread positions, at the first layer that reads it."""
        network = report.network
        leaving = set(network.outputs.values())
        for tensor, reading in enumerate(list_readers(network)):
            layers = [network.nodes[index].layer for index in reading]
            if not reading or tensor in leaving or not all(map(_is_strided, layers)):
                continue
            gaps = [_count_unread(layers, axis) for axis in range(layers[0].input.axes)]
            if any(unread for unread, _ in gaps):
                yield self._make_finding(network, tensor, reading, gaps)

    def _make_finding(self, network: Network, tensor: int, reading: list[int], gaps: list[tuple[int, int]]) -> Problem:
        """Return the finding for one tensor; `gaps` holds the results of `_count_unread` for all axes."""
        from fractions import Fraction  # imported only for a finding, because it slows the start

        share, axes = Fraction(1), []
        for axis, (unread, period) in enumerate(gaps):
            part = Fraction(unread, period)
            share *= 1 - part
            if part:
                axes.append(f"{part.numerator} of {part.denominator} positions along the {axis_name(axis, len(gaps))}")
        first = network.nodes[reading[0]]
        names = " and ".join(network.nodes[index].name for index in reading[:3])
        message = (
            f"{1 - share} of {network.tensor_name(tensor)} is never read: "
            f"{names} {'skips' if len(reading) == 1 else 'skip'} {' and '.join(axes)}"
        )
        what = "" if len(reading) == 1 else f" in {first.name}"
        return self.finding(first.path, message, _write_hint(first.layer, what, [unread > 0 for unread, _ in gaps]))


def _is_strided(layer: Layer) -> bool:
    return max(getattr(layer, "stride", ()), default=1) > 1


def _count_unread(layers: list[Layer], axis: int) -> tuple[int, int]:
    """Return how many positions along an axis no layer reads, per period of the windows, and the length of the period.

    (0, 1) means that every position is read.
    """
    found = [step for step in (_find_read_offsets(layer, axis) for layer in layers) if step is not None]
    period = lcm(*(stride for stride, _ in found))
    if len(found) < len(layers) or period > _MOST_RESIDUES or period >= layers[0].input.spatial[axis]:
        return 0, 1
    read = {residue + turn for stride, residues in found for residue in residues for turn in range(0, period, stride)}
    return period - len(read), period


def _find_read_offsets(layer: Layer, axis: int) -> _Steps | None:
    """Return the stride of a layer's windows, and the remainders modulo the stride of all positions in the windows.

    Returns None if the layer reads all positions, as every layer without windows does.
    """
    stride = getattr(layer, "stride", None)
    if stride is None or layer.kind in ("conv_transpose", "max_unpool", "blurpool"):
        return None
    kernel, step, dilation = _get_window_sizes(layer, axis)
    if step > _MOST_RESIDUES or (gcd(step, dilation) == 1 and kernel >= step):
        return None
    padding = getattr(layer, "padding", ((0, 0),) * len(stride))[axis][0]
    if (layer.output.spatial[axis] - 1) * step - padding < step:
        return None  # with so few windows, all unread positions may be after the last window, which is not reported
    return step, frozenset((tap * dilation - padding) % step for tap in range(min(kernel, step)))


def _get_window_sizes(layer: Layer, axis: int) -> tuple[int, int, int]:
    """Return the kernel size, stride and dilation on an axis; 1 for an argument that the layer does not have."""
    ones = (1,) * layer.input.axes
    kernel: Sizes = getattr(layer, "kernel_size", ones)
    stride: Sizes = getattr(layer, "stride", ones)
    dilation: Sizes = getattr(layer, "dilation", ones)
    return kernel[axis], stride[axis], dilation[axis]


def _write_hint(layer: Layer, what: str, gaps: list[bool]) -> str:
    """Return a hint that names a kernel size, stride or dilation with which every position is read.

    `what` follows the sizes in the hint, such as ` in conv2`. `gaps` is true for each axis on which positions are
    skipped.
    """
    by_options: dict[str, list[str]] = {}
    for axis, has_gap in enumerate(gaps):
        if has_gap:
            options = [f"{name} {size}" for name, size in _find_nearest_sizes(*_get_window_sizes(layer, axis)).items()]
            if not hasattr(layer, "kernel_size"):
                options = [option.replace("kernel_size", "a conv with kernel_size") for option in options]
            by_options.setdefault(" or ".join(options), []).append(f"the {axis_name(axis, len(gaps))}")
    parts = [f"{options}{what} reads every position along {' and '.join(axes)}" for options, axes in by_options.items()]
    return "; ".join(parts)


def _find_nearest_sizes(kernel: int, stride: int, dilation: int) -> dict[str, int]:
    """Return the nearest kernel_size, dilation and stride that leave no gaps if only that argument is changed.

    Windows read every position if the kernel is at least as large as the stride, and if stride and dilation have no
    common factor greater than 1. The offsets 0, d, 2 d, … of the kernel's elements then leave every possible remainder
    when divided by the stride.
    """
    nearest: dict[str, int] = {}
    if gcd(stride, dilation) == 1:
        nearest["kernel_size"] = stride
    elif kernel >= stride:
        around = (size for far in count(1) for size in (dilation - far, dilation + far))
        nearest["dilation"] = next(size for size in around if size > 0 and gcd(stride, size) == 1)
    nearest["stride"] = next(size for size in count(min(kernel, stride - 1), -1) if gcd(size, dilation) == 1)
    return nearest
