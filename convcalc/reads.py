"""Which inputs an output reads, on one axis, over all positions at once: the arithmetic of receptive fields.

A `Reads` maps an output position to an interval of input positions, as if the axis had no ends. It repeats:
output i + period reads the interval of output i, moved on by shift. A convolution with stride s has period 1
and shift s; after a transposed convolution or an upsampling the interval differs from position to position,
and the period is more than 1.

Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill),
whose one number a layer is the case of period 1.
"""

from collections.abc import Callable
from math import gcd, lcm
from typing import NamedTuple

from convcalc.arithmetic import extent

MOST_POSITIONS = 4_096  # of a period that is followed
_MOST_READ = 100_000  # positions that are looked at to put two layers together
Ratio = tuple[int, int]  # a fraction in lowest terms: fractions.Fraction costs start-up time


def reduced(numerator: int, denominator: int) -> Ratio:
    """A fraction in lowest terms."""
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common


class TooVaried(ValueError):
    """The period is so long that it is not followed."""


class Reads(NamedTuple):
    """The intervals of one period of outputs, from `low` to `high` inclusive; None where an output reads nothing."""

    period: int
    shift: int
    low: tuple[int | None, ...]
    high: tuple[int | None, ...]
    step: int = 1  # from one input that is read to the next, where a layer passes some over

    @property
    def jump(self) -> Ratio:
        """Input positions between neighbouring outputs."""
        return reduced(self.shift, self.period)

    def sizes(self) -> list[int]:
        """The size of the interval of each output of a period, 0 where it reads nothing."""
        pairs = zip(self.low, self.high, strict=True)
        return [0 if low is None or high is None else high - low + 1 for low, high in pairs]

    def center(self) -> Ratio:
        """The middle of what output 0 reads: the mean over a period of the middle of output i, less i × jump."""
        doubled, count = 0, 0  # twice the middles, times the period
        for position, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if low is not None and high is not None:
                doubled += (low + high) * self.period - 2 * position * self.shift
                count += 1
        return reduced(doubled, 2 * self.period * count) if count else (0, 1)

    def at(self, position: int) -> tuple[int, int] | None:
        """The interval that one output reads, None where it reads nothing."""
        turn, index = divmod(position, self.period)
        low, high = self.low[index], self.high[index]
        return None if low is None or high is None else (low + turn * self.shift, high + turn * self.shift)

    @property
    def is_fixed(self) -> bool:
        """Whether every output reads the same."""
        return not self.shift


SAME = Reads(1, 1, (0,), (0,))


def fixed(interval: tuple[int, int] | None) -> Reads:
    """Every output reads the same interval, as after global pooling."""
    low, high = interval or (None, None)
    return Reads(1, 0, (low,), (high,))


def sliding(kernel_size: int, stride: int, before: int, dilation: int) -> Reads:
    """A window: output i reads from i s - p to i s - p + d (k - 1)."""
    return Reads(1, stride, (-before,), (extent(kernel_size, dilation) - 1 - before,), dilation)


def moved(offset: int) -> Reads:
    """Output i reads input i + offset."""
    return Reads(1, 1, (offset,), (offset,))


def transposed(kernel_size: int, stride: int, before: int, dilation: int) -> Reads:
    """A transposed window: output i reads the inputs j for which j s - p + d t = i for a tap t under k.

    Taps that meet output i are t0, t0 + s / g, t0 + 2 s / g, … with g = gcd(s, d); some outputs may have none.
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


def adaptive(size: int, output_size: int) -> Reads:
    """An adaptive pooling: output i reads from floor(i n / o) to ceil((i + 1) n / o) - 1."""
    size, output_size = reduced(size, output_size)
    return _make_periodic(
        (size, output_size), lambda i: (i * size // output_size, -(-(i + 1) * size // output_size) - 1)
    )


def nearest(scale: Ratio) -> Reads:
    """Nearest interpolation: output i reads floor(i × scale), scale being input size over output size."""
    size, output_size = scale
    return _make_periodic(scale, lambda i: (i * size // output_size, i * size // output_size))


def interpolated(scale: Ratio, before: int) -> Reads:
    """Interpolation between the `before` + 1 nearest inputs on each side of (i + 1/2) × scale - 1/2.

    Where that falls on an input, the others have no weight. Source: torch.nn.functional.interpolate,
    align_corners false.
    """
    size, output_size = scale

    def interval(output: int) -> tuple[int, int]:
        floor, rest = divmod((2 * output + 1) * size - output_size, 2 * output_size)
        return (floor - before, floor + 1 + before) if rest else (floor, floor)

    return _make_periodic(scale, interval)


def _make_periodic(scale: Ratio, interval: Callable[[int], tuple[int, int]]) -> Reads:
    """Intervals that repeat every denominator of the scale."""
    shift, period = scale
    if period > MOST_POSITIONS:
        raise TooVaried
    low, high = zip(*map(interval, range(period)), strict=True)
    return _simplify(Reads(period, shift, low, high))


def _simplify(reads: Reads) -> Reads:
    """The same with period 1 where every output reads alike."""
    if reads.period == 1 or reads.shift % reads.period or None in reads.low:
        return reads
    step = reads.shift // reads.period
    for ends in (reads.low, reads.high):
        first = ends[0] or 0
        if any(end != first + position * step for position, end in enumerate(ends)):
            return reads
    return Reads(1, step, reads.low[:1], reads.high[:1], reads.step)


def through(outer: Reads, inner: Reads) -> Reads:
    """What an output reads through two layers: `outer` of the later, `inner` of what it reads. Raises TooVaried."""
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
    if period > MOST_POSITIONS or period * longest > _MOST_READ:
        raise TooVaried
    spans = [_find_hull(outer.at(position), inner, outer.step) for position in range(period)]
    shift = outer.shift * turns // inner.period * inner.shift
    low_ends = tuple(None if span is None else span[0] for span in spans)
    high_ends = tuple(None if span is None else span[1] for span in spans)
    return _simplify(Reads(period, shift, low_ends, high_ends))


def _find_hull(interval: tuple[int, int] | None, reads: Reads, step: int = 1) -> tuple[int, int] | None:
    """From the first to the last input that outputs read: those of an interval that are a step apart.

    Later periods read no earlier, so the first lies in the first turn of the outputs' residues, the last in the last.
    """
    if interval is None:
        return None
    start, stop = interval
    turn = (reads.period // gcd(step, reads.period) - 1) * step
    firsts = filter(None, map(reads.at, range(start, min(stop, start + turn) + 1, step)))
    lasts = filter(None, map(reads.at, range(stop, max(start, stop - turn) - 1, -step)))
    lows, highs = [low for low, _ in firsts], [high for _, high in lasts]
    return (min(lows), max(highs)) if lows and highs else None


def union(one: Reads, other: Reads) -> Reads:
    """From the first to the last input that either reads; both have the same jump. Raises TooVaried."""
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
