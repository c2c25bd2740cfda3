"""Computes which input positions each output position reads along one axis, as a basis for receptive fields.

A `Reads` maps every output position to an interval of input positions, on an axis that is infinite in both directions.
The intervals are periodic: the interval of output i + period is that of output i, moved by `shift`. A convolution with
stride s has period 1 and shift s. After a transposed convolution or an upsampling, neighbouring outputs can read
intervals of different lengths, and the period is greater than 1. For example, with a kernel of 3, stride 2 and padding
1, output i reads the inputs 2i - 1 to 2i + 1:

>>> sliding_window(3, 2, 1, 1).at(5)
(9, 11)

Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill). They give
each layer one field size and one stride, which is the case of period 1.
"""

from collections.abc import Callable
from math import lcm
from typing import NamedTuple

from convcalc.arithmetic import effective_kernel_size
from convcalc.exact import all_equal, fixed, gcd

MOST_POSITIONS = 4_096  # the longest period that is computed
MOST_READ = 100_000  # most positions that are visited to compose two layers
Ratio = tuple[int, int]  # a fraction in lowest terms: importing fractions.Fraction would slow start-up


def reduce_ratio(numerator: int, denominator: int) -> Ratio:
    """Return a fraction in lowest terms."""
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common


class TooVaried(ValueError):
    """Raised if the period of a `Reads` would exceed MOST_POSITIONS, or is too expensive to compute."""


class Reads(NamedTuple):
    """The interval of input positions that each output position reads, listed for the outputs 0 to period - 1.

    Output i reads the inputs low[i] to high[i], inclusive; both are None if it reads nothing. The interval of
    output i + period is the interval of output i, moved by `shift`.
    """

    period: int
    shift: int
    low: tuple[int | None, ...]
    high: tuple[int | None, ...]
    step: int = 1  # distance between the inputs read within an interval (dilation)

    @property
    def jump(self) -> Ratio:
        """The distance, in input positions, between the intervals of neighbouring outputs: the cumulative stride."""
        return (self.shift, 1) if self.period == 1 else reduce_ratio(self.shift, self.period)

    def sizes(self) -> list[int]:
        """Return the lengths of the intervals of outputs 0 to period - 1; 0 for an output that reads nothing."""
        pairs = zip(self.low, self.high, strict=True)
        return [0 if low is None or high is None else high - low + 1 for low, high in pairs]

    def center(self) -> Ratio:
        """Return the centre of the input interval of output 0, in input positions; 0 if no output reads an input.

        For a period p greater than 1, the centres vary around multiples of the jump. The result is then the mean of
        (centre of output i) - i × jump for i from 0 to p - 1, without outputs that read no input.
        """
        if self.period == 1:  # the usual case
            (low,), (high,) = self.low, self.high
            return (0, 1) if low is None or high is None else reduce_ratio(low + high, 2)
        doubled, count = 0, 0  # twice the centres, times the period
        for position, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if low is not None and high is not None:
                doubled += (low + high) * self.period - 2 * position * self.shift
                count += 1
        return reduce_ratio(doubled, 2 * self.period * count) if count else (0, 1)

    def at(self, position: int) -> tuple[int, int] | None:
        """Return the interval of inputs that one output reads, both ends included; None if it reads no input."""
        turn, index = divmod(position, self.period)
        low, high = self.low[index], self.high[index]
        return None if low is None or high is None else (low + turn * self.shift, high + turn * self.shift)

    @property
    def is_fixed(self) -> bool:
        """Whether all outputs read the same interval."""
        return not self.shift and all_equal(zip(self.low, self.high, strict=True))


SAME = Reads(1, 1, (0,), (0,))


def fixed_reads(interval: tuple[int, int] | None) -> Reads:
    """Return `Reads` in which every output reads the same interval of inputs (None: no input), as in global pooling."""
    low, high = interval or (None, None)
    return Reads(1, 0, (low,), (high,))


def sliding_window(kernel_size: int, stride: int, before: int, dilation: int) -> Reads:
    """Return the `Reads` of a sliding window: output i reads the inputs i s - p to i s - p + d (k - 1).

    Here k is the kernel size, s the stride, p the padding before the axis, and d the dilation.
    """
    return Reads(1, stride, (-before,), (effective_kernel_size(kernel_size, dilation) - 1 - before,), dilation)


def shifted_input(offset: int) -> Reads:
    """Return the `Reads` of a layer whose output i reads only input i + offset."""
    return Reads(1, 1, (offset,), (offset,))


def spread_window(kernel_size: int, stride: int, before: int, dilation: int) -> Reads:
    """Return the `Reads` of a transposed convolution with kernel size k, stride s, padding p and dilation d.

    Input j is added to the outputs j s - p + d t, for t from 0 to k - 1. Output i therefore reads every input j for
    which i = j s - p + d t for one of these t. Outputs without such an input read nothing. The argument `before` is p,
    the padding at the start of the axis. Raises TooVaried if s is larger than MOST_POSITIONS.
    """
    if stride > MOST_POSITIONS:
        raise TooVaried
    kernel_size, stride, before, dilation = fixed((kernel_size, stride, before, dilation))
    common = gcd(stride, dilation)
    step = stride // common
    inverse = pow(dilation // common, -1, step)
    low: list[int | None] = []
    high: list[int | None] = []
    for output in range(before, before + stride):
        first = output // common * inverse % step
        if output % common or first >= kernel_size:
            low.append(None)
            high.append(None)
        else:
            last = first + (kernel_size - 1 - first) // step * step
            low.append((output - dilation * last) // stride)
            high.append((output - dilation * first) // stride)
    return _simplify(Reads(stride, 1, tuple(low), tuple(high), dilation // common))


def adaptive_window(size: int, output_size: int) -> Reads:
    """Return the `Reads` of adaptive pooling from n (`size`) inputs to o (`output_size`) outputs.

    Output i reads the inputs floor(i n / o) to ceil((i + 1) n / o) - 1. Raises TooVaried if the windows repeat only
    after more than MOST_POSITIONS outputs.
    """
    size, output_size = reduce_ratio(size, output_size)
    return _make_periodic(
        (size, output_size), lambda i: (i * size // output_size, -(-(i + 1) * size // output_size) - 1)
    )


def nearest_input(scale: Ratio) -> Reads:
    """Return the `Reads` of nearest-neighbour interpolation: output i reads input floor(i × scale).

    The scale is input size / output size in lowest terms. Raises TooVaried if its denominator exceeds MOST_POSITIONS.
    """
    size, output_size = scale
    return _make_periodic(scale, lambda i: (i * size // output_size, i * size // output_size))


def blended_inputs(scale: Ratio, before: int) -> Reads:
    """Return the `Reads` of linear (`before` = 0) or cubic (`before` = 1) interpolation.

    The centre of output i is at the input position (i + 1/2) × scale - 1/2. Output i reads the nearest `before` + 1
    inputs on each side of this position. If the position is an integer, output i reads only the input at that position.
    Raises TooVaried if the denominator of the scale (in lowest terms) exceeds MOST_POSITIONS.

    Source: torch.nn.functional.interpolate, align_corners false.
    """
    size, output_size = scale

    def interval(output: int) -> tuple[int, int]:
        floor, rest = divmod((2 * output + 1) * size - output_size, 2 * output_size)
        return (floor - before, floor + 1 + before) if rest else (floor, floor)

    return _make_periodic(scale, interval)


def _make_periodic(scale: Ratio, interval: Callable[[int], tuple[int, int]]) -> Reads:
    """Return the `Reads` in which output i reads the inputs `first` to `last`, where `interval(i)` is (first, last).

    The scale is input size / output size in lowest terms; its denominator is the period. Raises TooVaried if the period
    exceeds MOST_POSITIONS.
    """
    shift, period = scale
    if period > MOST_POSITIONS:
        raise TooVaried
    low, high = zip(*map(interval, range(period)), strict=True)
    return _simplify(Reads(period, shift, low, high))


def _simplify(reads: Reads) -> Reads:
    """Return equal `Reads` with period 1, if there are any; otherwise, return `reads`.

    For example, period 3, shift 6 and low (0, 2, 4) are equal to period 1, shift 2 and low (0,).
    """
    if reads.period == 1 or reads.shift % reads.period or None in reads.low:
        return reads
    step = reads.shift // reads.period
    for ends in (reads.low, reads.high):
        first = ends[0] or 0
        if any(end != first + position * step for position, end in enumerate(ends)):
            return reads
    return Reads(1, step, reads.low[:1], reads.high[:1], reads.step)


def compose_reads(outer: Reads, inner: Reads) -> Reads:
    """Return the `Reads` of two layers in a row: `inner` is the first layer, `outer` the second.

    Raises TooVaried if the period of the result is too long.
    """
    if outer.period == inner.period == 1:
        (low,), (high,) = outer.low, outer.high
        (inner_low,), (inner_high,) = inner.low, inner.high
        if low is None or high is None or inner_low is None or inner_high is None:
            return Reads(1, outer.shift * inner.shift, (None,), (None,))
        step = inner.shift
        return Reads(1, outer.shift * step, (inner_low + low * step,), (inner_high + high * step,))
    turns = inner.period // gcd(outer.shift, inner.period)
    period = outer.period * turns
    longest = min(max(outer.sizes()) // outer.step, inner.period)
    if period > MOST_POSITIONS or period * longest > MOST_READ:
        raise TooVaried
    spans = [_find_hull(outer.at(position), inner, outer.step) for position in range(period)]
    shift = outer.shift * turns // inner.period * inner.shift
    low_ends = tuple(None if span is None else span[0] for span in spans)
    high_ends = tuple(None if span is None else span[1] for span in spans)
    return _simplify(Reads(period, shift, low_ends, high_ends))


def _find_hull(interval: tuple[int, int] | None, reads: Reads, step: int = 1) -> tuple[int, int] | None:
    """Return the first and the last input that outputs in `interval` read; None if they read no input.

    These outputs are the first one of the interval and every `step`-th one after it.
    """
    if interval is None:
        return None
    start, stop = interval
    turn = (reads.period // gcd(step, reads.period) - 1) * step
    firsts = filter(None, map(reads.at, range(start, min(stop, start + turn) + 1, step)))
    lasts = filter(None, map(reads.at, range(stop, max(start, stop - turn) - 1, -step)))
    lows, highs = [low for low, _ in firsts], [high for _, high in lasts]
    return (min(lows), max(highs)) if lows and highs else None


def unite_reads(one: Reads, other: Reads) -> Reads:
    """Return, for each output, the smallest interval that contains the output's intervals in both `Reads`.

    Both `Reads` must have the same jump. Raises TooVaried if their common period exceeds MOST_POSITIONS.
    """
    if one == other:
        return one
    period = lcm(one.period, other.period)
    if period == 1:  # the usual case, for which the loop below is slow
        interval, other_interval = one.at(0), other.at(0)
        if interval is None or other_interval is None:
            return one if other_interval is None else other
        (start, stop), (other_start, other_stop) = interval, other_interval
        return Reads(1, one.shift, (min(start, other_start),), (max(stop, other_stop),))
    if period > MOST_POSITIONS:
        raise TooVaried
    low: list[int | None] = []
    high: list[int | None] = []
    for position in range(period):
        found = [interval for interval in (one.at(position), other.at(position)) if interval is not None]
        low.append(min((start for start, _ in found), default=None))
        high.append(max((stop for _, stop in found), default=None))
    return _simplify(Reads(period, one.shift * period // one.period, tuple(low), tuple(high)))
