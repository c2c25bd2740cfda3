"""Describes how a figure is distributed over the networks of a space: its range, mean, quantiles and histogram.

For example, `describe_figure(space, "macs").quantiles[50]` is the median of the MACs.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.space.counting import Bin, FigureCounts, find_quantile, make_histogram
from convcalc.space.design_space import DesignSpace
from convcalc.space.extent import count_networks, find_extent, sum_figure
from convcalc.space.slots import TooManyFigures

PERCENTS = (5, 50, 95)
BINS = 12


class Distribution(NamedTuple):
    """The distribution of a figure: its range and mean, its quantiles by percent, and a histogram.

    `error` is by how much the figures of networks were at most rounded for the quantiles and the histogram; 0 if they
    are exact. Both are empty if they would take too long.
    """

    min: int
    max: int
    mean: float
    quantiles: dict[int, int]
    histogram: list[Bin]
    error: int


def describe_figure(
    space: DesignSpace, figure: str, percents: Sequence[int] = PERCENTS, bins: int = BINS, is_rough: bool = True
) -> Distribution:
    """Return the distribution of an additive figure that is known for all layers; `bins` is the largest number of bins.

    If `is_rough` is true, the quantiles and the histogram may be rounded, or missing. Otherwise, TooManyFigures is
    raised if exact ones would take more than about a minute.
    """
    mean = sum_figure(space.graph, figure) / count_all(space)
    try:
        counts = FigureCounts(space.graph, figure, is_rough=is_rough)
    except TooManyFigures:
        if not is_rough:
            raise
        extent, start = find_extent(space.graph, figure), space.graph.start
        return Distribution(extent.least[start], extent.most[start], mean, {}, [], 0)
    # figures are rounded down, on average by half of the largest error
    quantiles = {percent: min(find_quantile(counts, percent) + counts.error // 2, counts.most) for percent in percents}
    return Distribution(counts.least, counts.most, mean, quantiles, make_histogram(counts, bins), counts.error)


def count_all(space: DesignSpace) -> int:
    """Return the number of networks of a space."""
    return count_networks(space.graph)[space.graph.start]
