"""Defines sliding, adaptive and global pooling, max unpooling, and blur pooling."""

from math import comb, prod
from typing import TYPE_CHECKING

from convcalc.arguments import Flag, Padding, PerAxis, PerAxisPadding
from convcalc.arithmetic import adaptive_window_total, same_padding, window_count
from convcalc.exact import largest
from convcalc.intervals import adaptive_window, spread_window
from convcalc.layers.base import (
    Filter,
    Layer,
    Reach,
    SavedForBackward,
    Sizes,
    check_positive,
    count_taps,
    count_windows,
    mean_filter,
    window_reach,
)
from convcalc.layers.mixins import AllMacs, Free, NoMacs, NoWeights, SavesInput, SavesNothing
from convcalc.problems import Flaw
from convcalc.shape import Shape, axis_name

if TYPE_CHECKING:
    from fractions import Fraction


class _Pooling(Layer):
    needs_axes = True
    kernel_size = PerAxis("window size", required=True)
    stride = PerAxis(
        "distance between neighbouring windows, in input elements", None, sign="/", default_text="kernel_size"
    )
    ceil_mode = Flag(
        "allow a last window that extends beyond the end of the padded input",
        False,
        sign="ceil",
        sign_meaning="output size rounded up",
    )

    def normalise(self) -> None:
        self.fill(stride=self.stride or self.kernel_size)

    def windows(self, padding: PerAxisPadding, dilation: Sizes) -> Shape:
        # the output shape: one position per window that fits
        counts = count_windows(self, self.kernel_size, self.stride, padding, dilation, self.ceil_mode)
        return Shape(self.input.channels, counts)

    def resolve_padding(self, padding: PerAxisPadding | str, dilation: Sizes) -> None:
        # like PyTorch, reject padding that exceeds half the kernel, whatever the dilation
        if isinstance(padding, str):
            window = (self.kernel_size, self.stride, dilation)
            self.fill(padding=tuple(map(same_padding, self.input.spatial, *window)))
            return
        for pair, kernel in zip(padding, self.kernel_size, strict=True):
            if largest(*pair) > kernel // 2:
                raise Flaw(
                    f"padding {largest(*pair)} exceeds half the kernel size: floor({kernel} / 2) = {kernel // 2}",
                    key="padding",
                    code="CV016",
                )

    def reach(self) -> Reach:
        axes = self.input.axes
        padding = getattr(self, "padding", ((0, 0),) * axes)
        dilation = getattr(self, "dilation", (1,) * axes)
        return window_reach(self.kernel_size, self.stride, padding, dilation)


class Adaptive(Layer):
    """Base class of pooling to a given output size."""

    needs_axes = True
    output_size = PerAxis("output size", required=True, sign="→")

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels and output_size."""
        return Shape(self.input.channels, self.output_size)

    def reach(self) -> Reach:
        """Return the interval of each output's window per axis; `everything` if there is only one output position."""
        if self.output.positions == 1:
            return "everything"
        return tuple(map(adaptive_window, self.input.spatial, self.output_size))


class Global(Layer):
    """Base class of pooling of all positions into one."""

    needs_axes = True
    keepdims = Flag("keep the spatial axes, with size 1; otherwise the output is a vector", True)

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels, with axes of size 1 if keepdims is set."""
        return Shape(self.input.channels, (1,) * self.input.axes if self.keepdims else ())

    def reach(self) -> Reach:
        """Return `everything`: the output depends on all positions."""
        return "everything"


class _SavesMaxima(Layer):
    def saved_for_backward(self) -> SavedForBackward:
        # the input, and the index of each maximum, which receives the gradient, as a 64-bit integer
        return SavedForBackward(inputs=True, mask_bytes=8 * self.output.elements)


class MaxPool(_Pooling, Free, _SavesMaxima):
    """Max pooling: the largest value of each window.

    Output: floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1 on every axis (symbols as in conv). With
    ceil_mode the division rounds up, but a window that would start beyond the input and its leading padding is dropped.
    Counted: nothing; comparisons are not counted.
    Source: torch.nn.MaxPool1d, MaxPool2d, MaxPool3d.
    Example on [64, 112, 112]: maxpool: {kernel_size: 3, stride: 2, padding: 1}
    """

    kind = "maxpool"
    main = "kernel_size"
    padding = Padding("-∞ values added before and after each axis, at most half the window", 0)
    dilation = PerAxis("distance between the taps of the window", 1, sign="d")

    def normalise(self) -> None:
        """Replace a missing stride and `same` padding by numbers; raises `Flaw` if the padding is too large."""
        super().normalise()
        self.resolve_padding(self.padding, self.dilation)

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels and the number of windows on every axis."""
        return self.windows(self.padding, self.dilation)


class AvgPool(_Pooling, NoWeights, NoMacs, SavesInput):
    """Average pooling: the mean of each window, in which padding counts as zeros.

    Output: the same sizes as maxpool.
    Counted: k… - 1 additions and one multiplication (the division) per output value; no MACs (k…: the product of all
    kernel sizes).
    Source: torch.nn.AvgPool1d, AvgPool2d, AvgPool3d.
    Example on [64, 28, 28]: avgpool: {kernel_size: 2}
    """

    kind = "avgpool"
    main = "kernel_size"
    padding = Padding("zeros added before and after each axis, at most half the window", 0)

    def normalise(self) -> None:
        """Replace a missing stride and `same` padding by numbers; raises `Flaw` if the padding is too large."""
        super().normalise()
        self.resolve_padding(self.padding, (1,) * self.input.axes)

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels and the number of windows on every axis."""
        return self.windows(self.padding, (1,) * self.input.axes)

    def fixed_filter(self) -> tuple[Filter, ...]:
        """Return the filter of a mean."""
        return mean_filter(self.input.axes)

    def count_multiplications(self) -> int:
        """Return the number of divisions: one per output value."""
        return self.output.elements

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of kernel taps minus one."""
        return self.output.elements * (count_taps(self.kernel_size) - 1)


class LPPool(_Pooling, NoWeights, NoMacs):
    """Power-average pooling: the square root of the sum of the squares in each window (p = 2).

    Output: the same sizes as maxpool without padding.
    Counted: k… multiplications (the squares) and k… - 1 additions per output value; no MACs (k…: the product of all
    kernel sizes).
    Source: torch.nn.LPPool1d, LPPool2d, LPPool3d.
    Example on [64, 28, 28]: lppool: {kernel_size: 2}
    """

    kind = "lppool"

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels and the number of windows on every axis."""
        axes = self.input.axes
        return self.windows(((0, 0),) * axes, (1,) * axes)

    def count_multiplications(self) -> int:
        """Return the multiplications: one per kernel tap and output value."""
        return self.output.elements * count_taps(self.kernel_size)

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of kernel taps minus one."""
        return self.output.elements * (count_taps(self.kernel_size) - 1)

    def saved_for_backward(self) -> SavedForBackward:
        """The input, its squares, and four tensors of the output's size are saved.

        PyTorch composes this pooling from other functions. The four tensors are the mean of the squares, its
        sign, its absolute value, and the base of the root.
        """
        return SavedForBackward(inputs=True, values=self.input.elements + 4 * self.output.elements)


class AdaptiveMaxPool(Adaptive, Free, _SavesMaxima):
    """Adaptive max pooling to a given output size: the largest value of each window, one window per position.

    Output: output_size. Window i goes from floor(i n / o) to ceil((i + 1) n / o), the end excluded (n, o: input and
    output size).
    Counted: nothing; comparisons are not counted.
    Source: torch.nn.AdaptiveMaxPool2d.
    Example on [256, 13, 13]: adaptive_maxpool: {output_size: 6}
    """

    kind = "adaptive_maxpool"
    main = "output_size"


class AdaptiveAvgPool(Adaptive, NoWeights, NoMacs):
    """Adaptive average pooling to a given output size: the mean of each window, one window per position.

    Output: output_size. Window i goes from floor(i n / o) to ceil((i + 1) n / o), the end excluded (n, o: input and
    output size).
    Counted: one multiplication (the division) per output value, and window size - 1 additions; no MACs.
    Source: torch.nn.AdaptiveAvgPool2d.
    Example on [256, 13, 13]: adaptive_avgpool: {output_size: 6}
    """

    kind = "adaptive_avgpool"
    main = "output_size"

    window_reads: Sizes  # total length of all windows, per axis

    def normalise(self) -> None:
        """Compute, for each axis, the sum of the lengths of all windows."""
        self.fill(window_reads=tuple(map(adaptive_window_total, self.input.spatial, self.output_size)))

    def fixed_filter(self) -> tuple[Filter, ...]:
        """Return the filter of a mean."""
        return mean_filter(self.input.axes)

    def count_multiplications(self) -> int:
        """Return the number of divisions: one per output value."""
        return self.output.elements

    def count_additions(self) -> int:
        """Return the number of additions: the total size of all windows, less one per output value."""
        return self.input.channels * prod(self.window_reads) - self.output.elements

    def saved_for_backward(self) -> SavedForBackward:
        """The input is saved, unless there is a single output position, which PyTorch computes as a plain mean."""
        return SavedForBackward(inputs=self.output.positions > 1)


class GlobalMaxPool(Global, Free, _SavesMaxima):
    """Global max pooling: the largest value of each channel.

    Output: 1 on every axis; a vector with keepdims: false.
    Counted: nothing; comparisons are not counted.
    Source: Oquab et al. 2015.
    Example on [512, 7, 7]: global_maxpool
    """

    kind = "global_maxpool"


class GlobalAvgPool(Global, NoWeights, NoMacs, SavesNothing):
    """Global average pooling: the mean of each channel.

    Output: 1 on every axis; a vector with keepdims: false.
    Counted: one multiplication (the division) and positions - 1 additions per channel; no MACs.
    Source: Lin et al. 2014, "Network in network".
    Example on [2048, 7, 7]: global_avgpool
    """

    kind = "global_avgpool"

    def fixed_filter(self) -> tuple[Filter, ...]:
        """Return the filter of a mean."""
        return mean_filter(self.input.axes)

    def count_multiplications(self) -> int:
        """Return the number of divisions: one per channel."""
        return self.output.elements

    def count_additions(self) -> int:
        """Return the additions: per channel, the number of input positions minus one."""
        return self.input.elements - self.input.channels


class MaxUnpool(Free, SavesNothing):
    """The inverse of max pooling: each value returns to the position it came from, all others are zero.

    Output: (n - 1) s - p_before - p_after + k on every axis (n, k, s, p: input size, kernel size, stride, padding).
    Counted: nothing; values are only moved.
    Source: torch.nn.MaxUnpool2d.
    Example on [64, 14, 14]: max_unpool: {kernel_size: 2}
    """

    kind = "max_unpool"
    main = "kernel_size"
    needs_axes = True
    kernel_size = PerAxis("window size of the pooling that is undone", required=True)
    stride = PerAxis("stride of the pooling that is undone", None, sign="×", default_text="kernel_size")
    padding = Padding("padding of the pooling that is undone", 0, named=())

    def normalise(self) -> None:
        """Replace a missing stride by the kernel size."""
        self.fill(stride=self.stride or self.kernel_size)

    def inferred_shape(self) -> Shape:
        """Return the output shape, which is the input shape of the max pooling that is inverted."""
        per_axis = list(zip(self.input.spatial, self.kernel_size, self.stride, self.padding, strict=True))
        sizes = tuple((n - 1) * s - p[0] - p[1] + k for n, k, s, p in per_axis)
        formulas = [
            f"({n} - 1) × {s} - {p[0]} - {p[1]} + {k} = {(n - 1) * s - p[0] - p[1] + k}" for n, k, s, p in per_axis
        ]
        return Shape(self.input.channels, check_positive(self, sizes, formulas, "padding"))

    def reach(self) -> Reach:
        """Return, per axis, the interval of inputs that each output position may come from."""
        before = [padding for padding, _ in self.padding]
        return tuple(map(spread_window, self.kernel_size, self.stride, before, (1,) * self.input.axes))


class BlurPool(NoWeights, AllMacs):
    """Anti-aliased downsampling: a fixed binomial low-pass filter with reflect padding, then every s-th value.

    For max blur pooling, put `maxpool: {kernel_size: 2, stride: 1}` before it.
    Output: floor((n - 1) / s) + 1 on every axis (n: input size, s: stride).
    Counted: k… multiplications per output value, which are MACs (a depthwise convolution with fixed weights), and
    k… - 1 additions (k…: the product of all kernel sizes).
    Source: Zhang 2019, "Making convolutional networks shift-invariant again".
    Example on [64, 112, 112]: blurpool
    """

    kind = "blurpool"
    needs_axes = True
    kernel_size = PerAxis("size of the filter", 3)
    stride = PerAxis("distance between neighbouring windows, in input elements", 2, sign="/")

    def inferred_shape(self) -> Shape:
        """Return the output shape: the input's channels, and the number of windows that fit with reflect padding."""
        padding = self._reflect_padding()
        self._check_reflection(padding)
        spatial = tuple(
            map(window_count, self.input.spatial, self.kernel_size, self.stride, padding, (1,) * len(padding))
        )
        return Shape(self.input.channels, spatial)

    def _reflect_padding(self) -> PerAxisPadding:
        return tuple(((k - 1) // 2, k // 2) for k in self.kernel_size)

    def reach(self) -> Reach:
        """Return, per axis, the interval of inputs in the window of each output position."""
        return window_reach(self.kernel_size, self.stride, self._reflect_padding(), (1,) * self.input.axes)

    def fixed_filter(self) -> tuple[Filter, ...]:
        """Return the binomial coefficients, divided by their sum."""
        return (_weigh_binomially,) * self.input.axes

    def _check_reflection(self, padding: PerAxisPadding) -> None:
        for axis, (size, (_, after)) in enumerate(zip(self.input.spatial, padding, strict=True)):
            if after >= size:
                name = axis_name(axis, self.input.axes)
                raise Flaw(
                    f"blurpool cannot reflect {after} elements of a {name} of {size}; "
                    "reflect padding must be less than the size",
                    code="CV016",
                )

    def count_multiplications(self) -> int:
        """Return the multiplications: one per kernel tap and output value."""
        return self.output.elements * count_taps(self.kernel_size)

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of kernel taps minus one."""
        return self.output.elements * (count_taps(self.kernel_size) - 1)

    def saved_for_backward(self) -> SavedForBackward:
        """The input and its padded copy are saved."""
        sides = zip(self.input.spatial, self._reflect_padding(), strict=True)
        return SavedForBackward(inputs=True, values=self.input.channels * prod(n + a + b for n, (a, b) in sides))


def _weigh_binomially(place: int, taps: int) -> "list[Fraction]":
    from fractions import Fraction  # imported when needed, because it slows down the start

    return [Fraction(comb(taps - 1, tap), 2 ** (taps - 1)) for tap in range(taps)]
