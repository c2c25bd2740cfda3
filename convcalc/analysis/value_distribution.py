"""Describes the values of a tensor at initialisation by their distribution: possible values and their probabilities.

A rectified normal has the mean square 1/2:

>>> round(map_values(lambda x: max(x, 0.0), NOISE).square, 6)
0.5
"""

from collections.abc import Sequence
from math import exp, sqrt
from typing import NamedTuple

from convcalc.layers.curves import Curve

LEAST = 1e-12  # smallest variance, so that nothing is divided by zero
_POINTS, _WIDEST = 240, 6.0  # points of the grid for a normal distribution, and its half width in standard deviations
_STEP = 1e-5  # difference of the arguments in a numerical derivative


class Values(NamedTuple):
    """The distribution of a tensor's values: possible values and their probabilities.

    `between` is the part of the variance that lies between channels: it is constant within a channel, so that a batch
    norm removes it.
    """

    points: tuple[float, ...]
    chances: tuple[float, ...]
    between: float = 0.0

    @property
    def mean(self) -> float:
        """The mean over all channels and positions."""
        return sum(map(float.__mul__, self.points, self.chances))

    @property
    def square(self) -> float:
        """The mean of the squares."""
        return sum([chance * point * point for point, chance in zip(self.points, self.chances, strict=True)])

    @property
    def variance(self) -> float:
        """The variance over all channels and positions."""
        return max(self.square - self.mean**2, LEAST)

    @property
    def within(self) -> float:
        """The variance within a channel."""
        return max(self.variance * (1 - self.between), LEAST)


def make_normal(mean: float, variance: float, between: float = 0.0) -> Values:
    """Return a normal distribution; `between` is the part of the variance between channels.

    Its figures are rounded, so that equal distributions are found to be equal.
    """
    mean, deviation = _round(mean), _round(sqrt(max(variance, LEAST)))
    return Values(tuple([mean + deviation * point for point in _GRID]), _CHANCES, _round(between))


def _round(figure: float) -> float:
    return float(f"{figure:.9g}")


def _make_grid() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the points of a standard normal distribution and their chances, with a variance of 1."""
    points = [_WIDEST * (2 * place + 1 - _POINTS) / _POINTS for place in range(_POINTS)]
    densities = [exp(-point * point / 2) for point in points]
    chances = tuple([density / sum(densities) for density in densities])
    deviation = sqrt(sum([chance * point * point for point, chance in zip(points, chances, strict=True)]))
    return tuple([point / deviation for point in points]), chances


_GRID, _CHANCES = _make_grid()
NOISE = make_normal(0.0, 1.0)


def standardise(values: Values, between: float) -> Values:
    """Return the values with mean 0 and variance 1, of which the part `between` is between channels."""
    mean, deviation = values.mean, sqrt(values.variance)
    return values._replace(points=tuple([(point - mean) / deviation for point in values.points]), between=between)


def map_values(curve: Curve, values: Values) -> Values:
    """Return the distribution of a function of the values."""
    return values._replace(points=tuple([float(curve(point)) for point in values.points]))


def mean_slope(curve: Curve, values: Values) -> float:
    """Return the mean of the squared derivative of a function of the values."""
    slopes = [(curve(point + _STEP) - curve(point - _STEP)) / (2 * _STEP) for point in values.points]
    return sum([chance * slope * slope for slope, chance in zip(slopes, values.chances, strict=True)])


def take_largest(values: Values, count: float) -> Values:
    """Return the distribution of the largest of `count` independent values."""
    pairs = sorted(zip(values.points, values.chances, strict=True))
    chances, below, reached = [], 0.0, 0.0
    for _, chance in pairs:
        reached += chance
        chances.append(min(reached, 1.0) ** count - below)
        below += chances[-1]
    return values._replace(points=tuple([point for point, _ in pairs]), chances=tuple(chances))


def multiply_values(inputs: Sequence[Values]) -> Values:
    """Return the product of independent values; its variance between channels comes from the channels' means."""
    mean = square = constant = 1.0
    for values in inputs:
        mean, square = mean * values.mean, square * values.square
        constant *= values.square - values.within
    variance = max(square - mean**2, LEAST)
    return make_normal(mean, variance, min(max(constant - mean**2, 0.0) / variance, 1.0))
