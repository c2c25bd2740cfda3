"""Finds the smallest, largest and mean figures of the networks of a graph, and their number, in one pass each.

For example, `find_extent(graph, "macs").least[0]` is the smallest number of MACs of a network.
"""

from math import inf
from typing import NamedTuple

from convcalc.metrics.figures import ADDITIVE
from convcalc.space.graph import Graph


class Bound(NamedTuple):
    """The smallest and the largest value of an additive figure that is allowed."""

    figure: str
    least: float = -inf
    most: float = inf


class Aim(NamedTuple):
    """A figure, and whether less of it is better."""

    figure: str
    smallest: bool

    @property
    def sign(self) -> int:
        """1 if less is better, otherwise -1: the figure times this sign is minimised."""
        return 1 if self.smallest else -1


class Extent(NamedTuple):
    """Per node of a graph, the bounds of a figure on the ways to the end (`least`, `most`) and from the start to it."""

    least: list[int]
    most: list[int]
    least_before: list[int]
    most_before: list[int]


def find_extent(graph: Graph, figure: str) -> Extent:
    """Return the bounds of an additive figure at every node of a graph."""
    place, size = ADDITIVE.index(figure), len(graph.steps)
    least, most = [0] * size, [0] * size
    for node in range(graph.end - 1, -1, -1):
        steps = graph.steps[node]
        least[node] = min((step.figures[place] + least[step.target] for step in steps), default=0)
        most[node] = max((step.figures[place] + most[step.target] for step in steps), default=0)
    least_before: list[int] = [-1] * size
    most_before = [0] * size
    least_before[graph.start] = 0
    for node, steps in enumerate(graph.steps):
        if least_before[node] < 0:
            continue  # no network passes this node
        for step in steps:
            known, found = least_before[step.target], least_before[node] + step.figures[place]
            least_before[step.target] = found if known < 0 else min(known, found)
            most_before[step.target] = max(most_before[step.target], most_before[node] + step.figures[place])
    return Extent(least, most, least_before, most_before)


def find_peaks(graph: Graph) -> tuple[int, int]:
    """Return the smallest and the largest peak memory of a network, in bytes."""
    least, most = [0] * len(graph.steps), [0] * len(graph.steps)
    for node in range(graph.end - 1, -1, -1):
        least[node] = min(max(step.peak, least[step.target]) for step in graph.steps[node])
        most[node] = max(max(step.peak, most[step.target]) for step in graph.steps[node])
    return least[graph.start], most[graph.start]


def count_networks(graph: Graph) -> list[int]:
    """Return the number of ways from each node of a graph to its end."""
    counts = [0] * len(graph.steps)
    counts[-1] = 1
    for node in range(graph.end - 1, -1, -1):
        counts[node] = sum(counts[step.target] for step in graph.steps[node])
    return counts


def sum_figure(graph: Graph, figure: str) -> int:
    """Return the sum of an additive figure over all networks: the mean times their number."""
    place, counts = ADDITIVE.index(figure), count_networks(graph)
    sums = [0] * len(graph.steps)
    for node in range(graph.end - 1, -1, -1):
        sums[node] = sum(sums[step.target] + step.figures[place] * counts[step.target] for step in graph.steps[node])
    return sums[graph.start]
