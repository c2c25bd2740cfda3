"""Pooling: sliding, adaptive and global, its inverse, and the low-pass that goes before a stride."""

from math import prod

from convcalc.arithmetic import adaptive_reads, same_padding, window_count
from convcalc.keys import Flag, Padding, PerAxis, PerAxisPadding
from convcalc.layers.base import (
    AllMacs,
    Free,
    SavesInput,
    SavesNothing,
    Kept,
    Layer,
    NoMacs,
    NoWeights,
    Reach,
    Sizes,
    check_positive,
    count_windows,
    window_reach,
    count_taps,
)
from convcalc.problems import Flaw
from convcalc.reads import adaptive, transposed
from convcalc.shape import Shape, axis_name


class _Pooling(Layer):
    """Pooling by a sliding window."""

    needs_axes = True
    kernel_size = PerAxis("size of the window", required=True)
    stride = PerAxis("step between windows", None, sign="/", default_text="kernel_size")
    ceil_mode = Flag("whether a last window may reach over the end", False, sign="ceil")

    def normalise(self) -> None:
        """Work out the stride."""
        self.fill(stride=self.stride or self.kernel_size)

    def windows(self, padding: PerAxisPadding, dilation: Sizes) -> Shape:
        """The windows that fit."""
        counts = count_windows(self, self.kernel_size, self.stride, padding, dilation, self.ceil_mode)
        return Shape(self.input.channels, counts)

    def settle(self, padding: PerAxisPadding | str, dilation: Sizes) -> None:
        """Work out `same`; refuse stated padding over half the kernel, as PyTorch does (dilation does not count)."""
        if isinstance(padding, str):
            window = (self.kernel_size, self.stride, dilation)
            self.fill(padding=tuple(map(same_padding, self.input.spatial, *window)))
            return
        for pair, kernel in zip(padding, self.kernel_size, strict=True):
            if max(pair) > kernel // 2:
                raise Flaw(
                    f"padding {max(pair)} is over half the kernel: floor({kernel} / 2) = {kernel // 2}",
                    key="padding",
                    code="CV016",
                )

    def reach(self) -> Reach:
        """A window on every axis."""
        axes = self.input.axes
        padding = getattr(self, "padding", ((0, 0),) * axes)
        dilation = getattr(self, "dilation", (1,) * axes)
        return window_reach(self.kernel_size, self.stride, padding, dilation)


class Adaptive(Layer):
    """Pooling to an output of a given size."""

    needs_axes = True
    output_size = PerAxis("size of the output", required=True, sign="→")

    def inferred_shape(self) -> Shape:
        """As asked for."""
        return Shape(self.input.channels, self.output_size)

    def reach(self) -> Reach:
        """A window that differs from position to position; everything where there is one position."""
        if self.output.positions == 1:
            return "everything"
        return tuple(map(adaptive, self.input.spatial, self.output_size))


class Global(Layer):
    """Pooling of all positions to one."""

    needs_axes = True
    keepdims = Flag("whether the axes stay, with size 1", True)

    def inferred_shape(self) -> Shape:
        """One position."""
        return Shape(self.input.channels, (1,) * self.input.axes if self.keepdims else ())

    def reach(self) -> Reach:
        """All positions."""
        return "everything"


class _SavesMaxima(Layer):
    """Pooling that takes the largest value, whose place gets the gradient."""

    def kept(self) -> Kept:
        """The input, and the place of each largest value as an integer of 64 bits."""
        return Kept(inputs=True, mask_bytes=8 * self.output.elements)


class MaxPool(_Pooling, Free, _SavesMaxima):
    """The largest value of each window.

    Output: floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1 on every axis; with ceil_mode the division rounds
    up, less one where the last window would start beyond the input and its leading padding.
    Counted: nothing; it only compares.
    Source: torch.nn.MaxPool1d, MaxPool2d, MaxPool3d.
    Example on [64, 112, 112]: maxpool: {kernel_size: 3, stride: 2, padding: 1}
    """

    kind = "maxpool"
    padding = Padding("elements before and after each axis that never win, at most half the window", 0)
    dilation = PerAxis("step between the taps of the window", 1, sign="d")

    def normalise(self) -> None:
        """Work out the stride and `same`."""
        super().normalise()
        self.settle(self.padding, self.dilation)

    def inferred_shape(self) -> Shape:
        """The windows that fit."""
        return self.windows(self.padding, self.dilation)


class AvgPool(_Pooling, NoWeights, NoMacs, SavesInput):
    """The mean of each window, padding counted as zeros.

    Output: as of maxpool.
    Counted: per output value k… - 1 additions and one multiplication (the division); no MACs.
    Source: torch.nn.AvgPool1d, AvgPool2d, AvgPool3d.
    Example on [64, 28, 28]: avgpool: {kernel_size: 2}
    """

    kind = "avgpool"
    padding = Padding("zeros before and after each axis, at most half the window", 0)

    def normalise(self) -> None:
        """Work out the stride and `same`."""
        super().normalise()
        self.settle(self.padding, (1,) * self.input.axes)

    def inferred_shape(self) -> Shape:
        """The windows that fit."""
        return self.windows(self.padding, (1,) * self.input.axes)

    def multiplications(self) -> int:
        """One division an output value."""
        return self.output.elements

    def additions(self) -> int:
        """k… - 1 an output value."""
        return self.output.elements * (count_taps(self.kernel_size) - 1)


class LPPool(_Pooling, NoWeights, NoMacs):
    """The power mean of each window: the p-th root of the sum of p-th powers.

    Output: as of maxpool, without padding.
    Counted: per output value k… multiplications (the powers) and k… - 1 additions; no MACs.
    Source: torch.nn.LPPool1d, LPPool2d, LPPool3d.
    Example on [64, 28, 28]: lppool: {kernel_size: 2}
    """

    kind = "lppool"

    def inferred_shape(self) -> Shape:
        """The windows that fit."""
        axes = self.input.axes
        return self.windows(((0, 0),) * axes, (1,) * axes)

    def multiplications(self) -> int:
        """k… an output value."""
        return self.output.elements * count_taps(self.kernel_size)

    def additions(self) -> int:
        """k… - 1 an output value."""
        return self.output.elements * (count_taps(self.kernel_size) - 1)

    def kept(self) -> Kept:
        """As PyTorch composes it: the input, its powers, their mean, its sign and size, and what the root is of."""
        return Kept(inputs=True, values=self.input.elements + 4 * self.output.elements)


class AdaptiveMaxPool(Adaptive, Free, _SavesMaxima):
    """The largest value of each of as many windows as the output has positions.

    Output: output_size. Window i goes from floor(i n / o) to ceil((i + 1) n / o).
    Counted: nothing; it only compares.
    Source: torch.nn.AdaptiveMaxPool2d.
    Example on [256, 13, 13]: adaptive_maxpool: {output_size: 6}
    """

    kind = "adaptive_maxpool"


class AdaptiveAvgPool(Adaptive, NoWeights, NoMacs):
    """The mean of each of as many windows as the output has positions.

    Output: output_size. Window i goes from floor(i n / o) to ceil((i + 1) n / o).
    Counted: per output value one multiplication (the division) and one addition less than its window holds; no MACs.
    Source: torch.nn.AdaptiveAvgPool2d.
    Example on [256, 13, 13]: adaptive_avgpool: {output_size: 6}
    """

    kind = "adaptive_avgpool"

    window_reads: Sizes  # inputs that all windows read, on each axis

    def normalise(self) -> None:
        """Count what the windows read."""
        self.fill(window_reads=tuple(map(adaptive_reads, self.input.spatial, self.output_size)))

    def multiplications(self) -> int:
        """One division an output value."""
        return self.output.elements

    def additions(self) -> int:
        """What all windows read, less one an output value."""
        return self.input.channels * prod(self.window_reads) - self.output.elements

    def kept(self) -> Kept:
        """The input; nothing for one position, where PyTorch takes the mean."""
        return Kept(inputs=self.output.positions > 1)


class GlobalMaxPool(Global, Free, _SavesMaxima):
    """The largest value of each channel.

    Output: every axis 1; a vector with keepdims false.
    Counted: nothing; it only compares.
    Source: Oquab et al. 2015.
    Example on [512, 7, 7]: global_maxpool
    """

    kind = "global_maxpool"


class GlobalAvgPool(Global, NoWeights, NoMacs, SavesNothing):
    """The mean of each channel.

    Output: every axis 1; a vector with keepdims false.
    Counted: per channel one multiplication (the division) and positions - 1 additions; no MACs.
    Source: Lin et al. 2014, "Network in network".
    Example on [2048, 7, 7]: global_avgpool
    """

    kind = "global_avgpool"

    def multiplications(self) -> int:
        """One division a channel."""
        return self.output.elements

    def additions(self) -> int:
        """Positions - 1 a channel."""
        return self.input.elements - self.input.channels


class MaxUnpool(Free, SavesNothing):
    """The inverse of max pooling: each value goes back to where it came from, the rest is zero.

    Output: (n - 1) s - 2 p + k on every axis.
    Counted: nothing; it only moves values.
    Source: torch.nn.MaxUnpool2d.
    Example on [64, 14, 14]: max_unpool: {kernel_size: 2}
    """

    kind = "max_unpool"
    needs_axes = True
    kernel_size = PerAxis("size of the window", required=True)
    stride = PerAxis("step between windows", None, sign="×", default_text="kernel_size")
    padding = Padding("the padding of the pooling that is undone", 0, named=())

    def normalise(self) -> None:
        """Work out the stride."""
        self.fill(stride=self.stride or self.kernel_size)

    def inferred_shape(self) -> Shape:
        """The size that the pooling had before it."""
        per_axis = list(zip(self.input.spatial, self.kernel_size, self.stride, self.padding, strict=True))
        sizes = tuple((n - 1) * s - p[0] - p[1] + k for n, k, s, p in per_axis)
        formulas = [
            f"({n} - 1) × {s} - {p[0]} - {p[1]} + {k} = {(n - 1) * s - p[0] - p[1] + k}" for n, k, s, p in per_axis
        ]
        return Shape(self.input.channels, check_positive(self, sizes, formulas, "padding"))

    def reach(self) -> Reach:
        """The pooled values whose windows hold an output."""
        before = [padding for padding, _ in self.padding]
        return tuple(map(transposed, self.kernel_size, self.stride, before, (1,) * self.input.axes))


class BlurPool(NoWeights, AllMacs):
    """Anti-aliased downsampling: a fixed binomial low-pass, reflect padding, then every stride-th value.

    Output: floor((n - 1) / s) + 1 on every axis (n, s: input size, stride).
    Counted: per output value k… multiplications, which are MACs (a depthwise convolution with fixed weights), and
    k… - 1 additions.
    Source: Zhang 2019, "Making convolutional networks shift-invariant again".
    Example on [64, 112, 112]: blurpool
    """

    kind = "blurpool"
    needs_axes = True
    kernel_size = PerAxis("size of the low-pass", 3)
    stride = PerAxis("step between windows", 2, sign="/")

    def inferred_shape(self) -> Shape:
        """The windows that fit after reflecting the border."""
        padding = self._reflected()
        self._check_reflection(padding)
        spatial = tuple(
            map(window_count, self.input.spatial, self.kernel_size, self.stride, padding, (1,) * len(padding))
        )
        return Shape(self.input.channels, spatial)

    def _reflected(self) -> PerAxisPadding:
        return tuple(((k - 1) // 2, k // 2) for k in self.kernel_size)

    def reach(self) -> Reach:
        """A window on every axis."""
        return window_reach(self.kernel_size, self.stride, self._reflected(), (1,) * self.input.axes)

    def _check_reflection(self, padding: PerAxisPadding) -> None:
        for axis, (size, (_, after)) in enumerate(zip(self.input.spatial, padding, strict=True)):
            if after >= size:
                name = axis_name(axis, self.input.axes)
                raise Flaw(
                    f"blurpool reflects {after} elements of a {name} of {size}: reflect padding is under the size",
                    code="CV016",
                )

    def multiplications(self) -> int:
        """k… an output value."""
        return self.output.elements * count_taps(self.kernel_size)

    def additions(self) -> int:
        """k… - 1 an output value."""
        return self.output.elements * (count_taps(self.kernel_size) - 1)

    def kept(self) -> Kept:
        """The input, of which the border is reflected, and the reflected, which a convolution reads."""
        sides = zip(self.input.spatial, self._reflected(), strict=True)
        return Kept(inputs=True, values=self.input.channels * prod(n + a + b for n, (a, b) in sides))
