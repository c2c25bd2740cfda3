"""Draws networks from a graph, each of those within the bounds with the same probability.

If the networks have few different figures, the figures are drawn first, by the number of networks that have them, and
then each step, by the number of ways to the end that have the remaining figures. Otherwise, the figures are rounded
down to multiples of a divisor, so that networks beyond the bounds are drawn as well; these are drawn again.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from random import Random
from typing import NamedTuple

from convcalc.metrics.figures import ADDITIVE
from convcalc.space.counting import Sums, sum_to_end
from convcalc.space.extent import Bound, count_networks
from convcalc.space.graph import Graph, Step
from convcalc.space.slot_grid import SlotGrid
from convcalc.space.slots import TooManyFigures

Path = list[Step]
_FEW_SUMS = 200_000
_MOST_STORED_BYTES = 24 * 1024**2
_MOST_TRIES = 5_000  # limit of tries per network
_DRAWN_TO_ESTIMATE = 10_000
_DEVIATIONS = 1.96  # a normal variable is within this number of standard deviations with a probability of 95%


class Estimate(NamedTuple):
    """An estimated number of networks; the true one is from `low` to `high` with a probability of 95%."""

    networks: int
    low: int
    high: int

    @property
    def is_exact(self) -> bool:
        """Whether the number is known exactly."""
        return self.low == self.high


class Sampler:
    """Draws networks of a graph that are within bounds. `is_empty` is true if it is known that there is none."""

    def __init__(self, graph: Graph, bounds: Sequence[Bound], random: Random) -> None:
        self.graph, self.bounds, self.random = graph, bounds, random
        self.is_empty = False
        self._by_sum: list[dict[Sums, int]] | None = None
        self._grid: SlotGrid | None = None
        if not bounds:
            self._counts = count_networks(graph)
            return
        try:
            self._by_sum = sum_to_end(graph, bounds, _FEW_SUMS)
            self._sums, self._ends = _accumulate(self._by_sum[graph.start])
        except TooManyFigures:
            self._grid = SlotGrid(graph, bounds)
            self._grid.coarsen(_MOST_STORED_BYTES)
            self._by_node = self._grid.fill_all()
            self._ends = list(accumulate(self._grid.list_counts(self._by_node[graph.start])))
        self.is_empty = not self._ends or not self._ends[-1]

    def draw(self) -> Path:
        """Return the steps of a network. Raises TooManyFigures if none is found among thousands."""
        for _ in range(_MOST_TRIES):
            path = self._draw_path()
            if is_within(path, self.bounds):
                return path
        raise self._make_error(_MOST_TRIES)

    def _make_error(self, tries: int) -> TooManyFigures:
        return TooManyFigures(
            f"none of {tries:,} networks that are nearly within the limits is within all of them: "
            "drop a limit, or fix some of the choices with --set"
        )

    def estimate(self) -> Estimate:
        """Return an estimate of the number of networks, from many draws. Raises TooManyFigures if none is found."""
        if self.is_empty:
            return Estimate(0, 0, 0)
        drawn = _DRAWN_TO_ESTIMATE
        found = sum(is_within(self._draw_path(), self.bounds) for _ in range(drawn))
        if not found:
            raise self._make_error(drawn)
        return _estimate(self._ends[-1], found, drawn)

    def _draw_path(self) -> Path:
        if self._grid is not None:
            return self._draw_by_slot(self._grid)
        if self._by_sum is not None:
            return self._draw_by_sums(self._by_sum)
        return self._draw_any()

    def _draw_any(self) -> Path:
        node, path = self.graph.start, []
        while node != self.graph.end:
            steps = self.graph.steps[node]
            path.append(steps[self._choose([self._counts[step.target] for step in steps])])
            node = path[-1].target
        return path

    def _draw_by_sums(self, by_sum: list[dict[Sums, int]]) -> Path:
        rest = self._sums[bisect_right(self._ends, self.random.randrange(self._ends[-1]))]
        places = [ADDITIVE.index(bound.figure) for bound in self.bounds]
        node, path = self.graph.start, []
        while node != self.graph.end:
            steps = self.graph.steps[node]
            rests = [_subtract(rest, step, places) for step in steps]
            place = self._choose([by_sum[step.target].get(sums, 0) for step, sums in zip(steps, rests, strict=True)])
            path.append(steps[place])
            node, rest = steps[place].target, rests[place]
        return path

    def _draw_by_slot(self, grid: SlotGrid) -> Path:
        place = grid.find_place(bisect_right(self._ends, self.random.randrange(self._ends[-1])))
        node, path = self.graph.start, []
        while node != self.graph.end:
            following = grid.follow(node, place)
            counts = [grid.read(self._by_node[step.target], rest) for step, rest in following]
            step, place = following[self._choose(counts)]
            path.append(step)
            node = step.target
        return path

    def _choose(self, weights: Sequence[int]) -> int:
        """Return an index with a probability in proportion to its weight."""
        ends = list(accumulate(weights))
        return bisect_right(ends, self.random.randrange(ends[-1]))


def _estimate(whole: int, found: int, drawn: int) -> Estimate:
    """Return an estimate of how many of `whole` networks are within the bounds, if `found` of `drawn` draws were.

    The interval is that of Wilson (1927), which is also valid for small numbers.
    """
    square = _DEVIATIONS**2
    middle = (found + square / 2) / (drawn + square)
    spread = _DEVIATIONS * sqrt(found * (drawn - found) / drawn + square / 4) / (drawn + square)
    return Estimate(
        whole * found // drawn, _multiply(whole, max(middle - spread, 0.0)), _multiply(whole, min(middle + spread, 1.0))
    )


def _multiply(number: int, factor: float) -> int:
    """Return the rounded product of an integer of any size and a factor from 0 to 1."""
    numerator, denominator = factor.as_integer_ratio()
    return number * numerator // denominator


def is_within(path: Path, bounds: Sequence[Bound]) -> bool:
    """Return whether the figures of a network are within all bounds."""
    return all(bound.least <= sum_path(path, bound.figure) <= bound.most for bound in bounds)


def sum_path(path: Path, figure: str) -> int:
    """Return an additive figure of the network with these steps."""
    place = ADDITIVE.index(figure)
    return sum(step.figures[place] for step in path)


def _accumulate(counts: dict[Sums, int]) -> tuple[list[Sums], list[int]]:
    return list(counts), list(accumulate(counts.values()))


def _subtract(sums: Sums, step: Step, places: Sequence[int]) -> Sums:
    return tuple(part - step.figures[place] for part, place in zip(sums, places, strict=True))
