"""Computes how the energy of a gradient spreads along one axis: its mass, mean and variance for each output position.

The gradient of one position of a layer's output reaches many input positions. If weights are independent and have mean
0, the expected squares of the gradient (its energy) add up along all paths, so the energy of an output position is a
weighted sum of the energies of the positions that it reads. A kernel with k taps at distance d adds d² (k² - 1) / 12 to
the variance, in positions of its input:

>>> from convcalc.intervals import sliding_window
>>> spread, mass = read_spread(sliding_window(3, 2, 1, 1), None, AT_INPUT)
>>> spread.variance
(Fraction(2, 3),)

Source: Luo, Li, Urtasun and Zemel 2016, "Understanding the effective receptive field in deep convolutional neural
networks".
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import gcd, isclose, lcm
from typing import NamedTuple

from convcalc.intervals import MOST_POSITIONS, Reads, TooVaried

Number = Fraction | float  # fractions; floats after a merge of branches
# (output position modulo the period, number of taps) -> the energy weights of its taps
TapWeights = Callable[[int, int], Sequence[Number]]
_MOST_READ = 20_000  # limit of taps visited per layer
_CLOSE = 1e-12


class AxisSpread(NamedTuple):
    """The energy that the outputs 0 to period - 1 send to the network's input along one axis.

    `mass` is the energy of an output; over one period it is 1 on average. `mean` is where that energy arrives, and
    `variance` how far it spreads, in input positions. Output i + period has the mean of output i, plus `shift`.
    """

    period: int
    shift: int
    mass: tuple[Number, ...]
    mean: tuple[Number, ...]
    variance: tuple[Number, ...]

    def at(self, position: int) -> tuple[Number, Number, Number]:
        """Return the mass, mean and variance of one output."""
        turn, index = divmod(position, self.period)
        return self.mass[index], self.mean[index] + turn * self.shift, self.variance[index]


_ONE, _ZERO = Fraction(1), Fraction(0)
AT_INPUT = AxisSpread(1, 1, (_ONE,), (_ZERO,), (_ZERO,))


def read_spread(reads: Reads, weights: TapWeights | None, inner: AxisSpread) -> tuple[AxisSpread, Number]:
    """Return the spread of the outputs of a layer, and the mean energy that an output sends to the layer's input.

    `reads` are the positions that each output reads, `weights` the energy weights of these taps (None: all are equal,
    and the mean energy is 1), and `inner` is the spread of the layer's input. Raises TooVaried if the result repeats
    only after too many positions.
    """
    turns = inner.period // gcd(reads.shift, inner.period)
    period = reads.period * turns
    taps = max(reads.sizes()) // reads.step
    if period > MOST_POSITIONS or ((inner.period > 1 or weights) and period * taps > _MOST_READ):
        raise TooVaried
    found = [_add_taps(reads, weights, inner, position) for position in range(period)]
    total = sum(mass for mass, *_ in found)
    sent = sum(_sum_weights(reads, weights, position) for position in range(reads.period))
    if not total:
        raise TooVaried
    shift = reads.shift * turns // inner.period * inner.shift
    spread = AxisSpread(
        period,
        shift,
        tuple([mass * period / total for mass, *_ in found]),
        tuple([mean for _, mean, _ in found]),
        tuple([variance for *_, variance in found]),
    )
    return _simplify(spread), _ONE if weights is None else sent / reads.period


def _count_taps(reads: Reads, position: int) -> int:
    interval = reads.at(position)
    return 0 if interval is None else (interval[1] - interval[0]) // reads.step + 1


def _sum_weights(reads: Reads, weights: TapWeights | None, position: int) -> Number:
    count = _count_taps(reads, position)
    return Fraction(count) if weights is None else sum(weights(position % reads.period, count), _ZERO)


def _add_taps(
    reads: Reads, weights: TapWeights | None, inner: AxisSpread, position: int
) -> tuple[Number, Number, Number]:
    """Return the mass, mean and variance of the energy that one output sends through all its taps."""
    interval, count = reads.at(position), _count_taps(reads, position)
    if interval is None:
        return _ZERO, _ZERO, _ZERO
    if inner.period == 1 and weights is None:
        step = inner.shift * reads.step
        middle = Fraction(inner.shift * sum(interval), 2) + inner.mean[0]
        return Fraction(count), middle, inner.variance[0] + Fraction(step**2 * (count**2 - 1), 12)
    places = range(interval[0], interval[1] + 1, reads.step)
    factors = [_ONE] * count if weights is None else weights(position % reads.period, count)
    parts = zip(factors, map(inner.at, places), strict=True)
    return mix_energy([(factor * mass, mean, variance) for factor, (mass, mean, variance) in parts])


def mix_energy(parts: Sequence[tuple[Number, ...]]) -> tuple[Number, Number, Number]:
    """Return the mass, mean and variance of several energies together, each given by these three numbers."""
    total = sum((mass for mass, *_ in parts), _ZERO)
    if not total:
        return _ZERO, _ZERO, _ZERO
    mean = sum((mass * mean for mass, mean, _ in parts), _ZERO) / total
    variance = sum((mass * (own + (middle - mean) ** 2) for mass, middle, own in parts), _ZERO) / total
    return total, mean, variance


def merge_spreads(parts: Sequence[tuple[float, AxisSpread]]) -> AxisSpread:
    """Return the spread of several paths together, each with its share of the energy.

    Raises TooVaried if the paths differ in their jump, or repeat only after too many positions.
    """
    (_, first), *others = parts
    if all(one == first for _, one in others):
        return first
    if any(one.shift * first.period != first.shift * one.period for _, one in others):
        raise TooVaried
    period = lcm(*(one.period for _, one in parts))
    if period * len(parts) > MOST_POSITIONS:
        raise TooVaried
    found = []
    for position in range(period):
        at = [(share, one.at(position)) for share, one in parts]
        found.append(mix_energy([(share * mass, mean, variance) for share, (mass, mean, variance) in at]))
    total = sum(mass for mass, *_ in found) / period
    spread = AxisSpread(
        period,
        first.shift * period // first.period,
        tuple([mass / total for mass, *_ in found]),
        tuple([mean for _, mean, _ in found]),
        tuple([variance for *_, variance in found]),
    )
    return _simplify(spread)


def _simplify(spread: AxisSpread) -> AxisSpread:
    """Return the same spread, with period 1 if its positions differ only by a constant jump."""
    if spread.period == 1 or spread.shift % spread.period:
        return spread
    step = spread.shift // spread.period
    means = [mean - step * place for place, mean in enumerate(spread.mean)]
    if all(_are_close(figures) for figures in (spread.mass, means, spread.variance)):
        return AxisSpread(1, step, spread.mass[:1], spread.mean[:1], spread.variance[:1])
    return spread


def _are_close(figures: Sequence[Number]) -> bool:
    return all(isclose(figure, figures[0], rel_tol=_CLOSE, abs_tol=_CLOSE) for figure in figures)
