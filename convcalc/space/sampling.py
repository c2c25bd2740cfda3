"""Draws networks from a graph, each of those within the bounds with the same probability.

If the networks have few different figures, the figures are drawn first, by the number of networks that have them, and
then each step, by the number of ways to the end that have the remaining figures. Otherwise, the figures are rounded
down to multiples of a divisor, so that a few networks beyond the bounds are drawn as well; these are drawn again.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from convcalc.analysis.figures import ADDITIVE
from convcalc.space.counting import Sums, sum_to_end
from convcalc.space.extent import Bound, count_networks
from convcalc.space.graph import Graph, Step
from convcalc.space.slots import Slots, TooManyFigures

Path = list[Step]
_FEW_SUMS = 200_000
_MOST_STORED_BYTES = 24 * 1024**2
_MOST_TRIES = 5_000  # limit of tries per network


class Sampler:
    """Draws networks of a graph that are within bounds. `is_empty` is true if it is known that there is none."""

    def __init__(self, graph: Graph, bounds: Sequence[Bound], random: Random) -> None:
        self.graph, self.bounds, self.random = graph, bounds, random
        self.is_empty = False
        self._by_sum: list[dict[Sums, int]] | None = None
        self._slots: Slots | None = None
        if not bounds:
            self._counts = count_networks(graph)
            return
        try:
            self._by_sum = sum_to_end(graph, bounds, _FEW_SUMS)
            self._sums, self._ends = _accumulate(self._by_sum[graph.start])
            self.is_empty = not self._sums
        except TooManyFigures:
            self._choose_slots()

    def _choose_slots(self) -> None:
        """Count by the figure whose bound leaves the fewest networks, rounded down."""
        fewest = -1
        for bound in self.bounds:
            slots = Slots(self.graph, bound, self.graph.start)
            slots.coarsen(_MOST_STORED_BYTES)
            by_node = slots.fill_all()
            counts = [slots.read(by_node[self.graph.start], place) for place in range(slots.tops[self.graph.start])]
            ends = list(accumulate(counts))
            if not ends or not ends[-1]:
                self.is_empty = True
            elif fewest < 0 or ends[-1] < fewest:
                fewest = ends[-1]
                self._slots, self._by_node, self._ends = slots, by_node, ends

    def draw(self) -> Path:
        """Return the steps of a network. Raises TooManyFigures if none is found among thousands."""
        for _ in range(_MOST_TRIES):
            path = self._draw_path()
            if is_within(path, self.bounds):
                return path
        raise TooManyFigures(
            f"fewer than 1 in {_MOST_TRIES:,} of the networks within one limit are within all of them: "
            "drop a limit, or fix some of the choices with --set"
        )

    def _draw_path(self) -> Path:
        if self._slots is not None:
            return self._draw_by_slot(self._slots)
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

    def _draw_by_slot(self, slots: Slots) -> Path:
        slot = bisect_right(self._ends, self.random.randrange(self._ends[-1]))
        node, path = self.graph.start, []
        while node != self.graph.end:
            steps = self.graph.steps[node]
            rests = [slot - slots.find_excess(node, step) // slots.divisor for step in steps]
            counts = [slots.read(self._by_node[step.target], rest) for step, rest in zip(steps, rests, strict=True)]
            place = self._choose(counts)
            path.append(steps[place])
            node, slot = steps[place].target, rests[place]
        return path

    def _choose(self, weights: Sequence[int]) -> int:
        """Return an index with a probability in proportion to its weight."""
        ends = list(accumulate(weights))
        return bisect_right(ends, self.random.randrange(ends[-1]))


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
