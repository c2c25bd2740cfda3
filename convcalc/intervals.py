"""Which input positions each output position reads along one axis: the arithmetic of receptive fields.

A `Reads` maps every output position to an interval of input positions, on an axis that is infinite in both directions.
The intervals are periodic: output i + period reads the interval of output i moved by `shift`. A convolution with stride
s has period 1 and shift s. After a transposed convolution or an upsampling, the interval differs from position to
position, and the period is greater than 1. For example `sliding(3, 2, 1, 1)`: output i reads 2i - 1 to 2i + 1.

Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill). Their
single number per layer is the case of period 1.
"""

from collections.abc import Callable
from math import gcd, lcm
from typing import NamedTuple

from convcalc.arithmetic import effective_kernel_size

MOST_POSITIONS = 4_096  # the longest period that is computed
MOST_READ = 100_000  # positions visited to compose two layers
Ratio = tuple[int, int]  # a fraction in lowest terms: importing fractions.Fraction would slow the start


def reduce_ratio(numerator: int, denominator: int) -> Ratio:
    """Return a fraction in lowest terms."""
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common


class TooVaried(ValueError):
    """The period is too long to be computed."""


class Reads(NamedTuple):
    """The intervals read by one period of outputs, `low` to `high` inclusive; None if an output reads nothing."""

    period: int
    shift: int
    low: tuple[int | None, ...]
    high: tuple[int | None, ...]
    step: int = 1  # distance between the inputs read within an interval (dilation)

    @property
    def jump(self) -> Ratio:
        """Input positions between neighbouring outputs: the cumulative stride."""
        return reduce_ratio(self.shift, self.period)

    def sizes(self) -> list[int]:
        """Return the interval size of each output of a period; 0 if it reads nothing."""
        pairs = zip(self.low, self.high, strict=True)
        return [0 if low is None or high is None else high - low + 1 for low, high in pairs]

    def center(self) -> Ratio:
        """Return the centre of output 0's interval: the mean over a period of output i's centre minus i × jump."""
        doubled, count = 0, 0  # twice the centres, times the period
        for position, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if low is not None and high is not None:
                doubled += (low + high) * self.period - 2 * position * self.shift
                count += 1
        return reduce_ratio(doubled, 2 * self.period * count) if count else (0, 1)

    def at(self, position: int) -> tuple[int, int] | None:
        """Return the interval that one output reads; None if it reads nothing."""
        turn, index = divmod(position, self.period)
        low, high = self.low[index], self.high[index]
        return None if low is None or high is None else (low + turn * self.shift, high + turn * self.shift)

    @property
    def is_fixed(self) -> bool:
        """Whether all outputs read the same interval."""
        return not self.shift


SAME = Reads(1, 1, (0,), (0,))


def fixed_reads(interval: tuple[int, int] | None) -> Reads:
    """All outputs read the same interval, as after global pooling; None: nothing."""
    low, high = interval or (None, None)
    return Reads(1, 0, (low,), (high,))


def sliding_window(kernel_size: int, stride: int, before: int, dilation: int) -> Reads:
    """Sliding window of k elements, stride s, padding p, dilation d: output i reads i s - p to i s - p + d (k - 1)."""
    return Reads(1, stride, (-before,), (effective_kernel_size(kernel_size, dilation) - 1 - before,), dilation)


def shifted_input(offset: int) -> Reads:
    """Output i reads input i + offset."""
    return Reads(1, 1, (offset,), (offset,))


def spread_window(kernel_size: int, stride: int, before: int, dilation: int) -> Reads:
    """Transposed window: output i reads every input j with j s - p + d t = i for a kernel position t < k.

    These t are t0, t0 + s / g, t0 + 2 s / g, … with g = gcd(s, d); an output may have none. Raises TooVaried.
    """
    if stride > MOST_POSITIONS:
        raise TooVaried
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
    """Adaptive pooling of n inputs to o outputs: output i reads floor(i n / o) to ceil((i + 1) n / o) - 1."""
    size, output_size = reduce_ratio(size, output_size)
    return _make_periodic(
        (size, output_size), lambda i: (i * size // output_size, -(-(i + 1) * size // output_size) - 1)
    )


def nearest_input(scale: Ratio) -> Reads:
    """Nearest interpolation: output i reads input floor(i × scale), with scale = input size / output size."""
    size, output_size = scale
    return _make_periodic(scale, lambda i: (i * size // output_size, i * size // output_size))


def blended_inputs(scale: Ratio, before: int) -> Reads:
    """Interpolation between the `before` + 1 nearest inputs on each side of (i + 1/2) × scale - 1/2.

    If that point falls on an input, all other inputs have weight 0. Source: torch.nn.functional.interpolate,
    align_corners false.
    """
    size, output_size = scale

    def interval(output: int) -> tuple[int, int]:
        floor, rest = divmod((2 * output + 1) * size - output_size, 2 * output_size)
        return (floor - before, floor + 1 + before) if rest else (floor, floor)

    return _make_periodic(scale, interval)


def _make_periodic(scale: Ratio, interval: Callable[[int], tuple[int, int]]) -> Reads:
    """Build periodic intervals; the period is the denominator of the scale. Raises TooVaried."""
    shift, period = scale
    if period > MOST_POSITIONS:
        raise TooVaried
    low, high = zip(*map(interval, range(period)), strict=True)
    return _simplify(Reads(period, shift, low, high))


def _simplify(reads: Reads) -> Reads:
    """Reduce the period to 1 if the intervals of all outputs differ only by the jump."""
    if reads.period == 1 or reads.shift % reads.period or None in reads.low:
        return reads
    step = reads.shift // reads.period
    for ends in (reads.low, reads.high):
        first = ends[0] or 0
        if any(end != first + position * step for position, end in enumerate(ends)):
            return reads
    return Reads(1, step, reads.low[:1], reads.high[:1], reads.step)


def compose_reads(outer: Reads, inner: Reads) -> Reads:
    """Compose two layers: what an output of the later one, `outer`, reads through `inner`. Raises TooVaried."""
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
    """Return the first and the last input read by the outputs `step` apart in an interval.

    The intervals never move backwards from one period to the next, so the first input is read within the first period
    of residues, and the last within the last.
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
    """Return the intervals that span those of both, which must have the same jump. Raises TooVaried."""
    if one == other:
        return one
    period = lcm(one.period, other.period)
    if period > MOST_POSITIONS:
        raise TooVaried
    low: list[int | None] = []
    high: list[int | None] = []
    for position in range(period):
        found = [interval for interval in (one.at(position), other.at(position)) if interval is not None]
        low.append(min((start for start, _ in found), default=None))
        high.append(max((stop for _, stop in found), default=None))
    return _simplify(Reads(period, one.shift * period // one.period, tuple(low), tuple(high)))
