"""Counts the networks of a graph whose additive figures are within bounds, without listing them.

`count_by(graph, "macs").count_at_most(300_000_000)` is the number of networks with at most 300 million MACs. The ways
from the start to a node in the middle have few different sums, which are kept in a dict; those from there to the end
have many, which are kept in slots (see slots.py).
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import floor, inf
from typing import NamedTuple

from convcalc.metrics.figures import ADDITIVE
from convcalc.space.extent import Bound, find_extent
from convcalc.space.graph import Graph
from convcalc.space.slot_grid import SlotGrid
from convcalc.space.slots import Slots, SlotSums, TooManyFigures

_MOST_JOINT_SUMS = 200_000  # limit of different combinations of several figures, over all nodes
_MOST_SUMS_BEFORE = 400_000
_FEW_SUMS = 50_000
_MOST_SLOT_BYTES = 128 * 1024**2
_MOST_ADDED_BYTES = 10 * 1024**3
_MOST_ADDITIONS = 40_000_000  # limit of additions of sums
_BYTES_OF_A_SUM = 1_000  # bytes of slots that take as long to add as two lookups of a sum
_MUCH_ADDED_BYTES = 2 * 1024**3
_LEAST_PRECISION = 50  # the largest error of rounded figures is 1 / 50 of their range
_ROUGH_BYTES = 32 * 1024**2  # limit of bytes of all slots if figures are rounded
Sums = tuple[int, ...]


class FigureCounts:
    """The networks of a graph by one additive figure, from `least` to `most`.

    If `is_rough` is true and exact figures would take more than about a second, they are rounded down by at most
    `error`, as long as this is at most a fiftieth of their range; otherwise, `error` is 0. TooManyFigures is raised if
    figures cannot be rounded and exact ones would take more than about a minute. Only figures up to `bound` are
    counted.
    """

    def __init__(self, graph: Graph, figure: str, bound: float = inf, is_rough: bool = False) -> None:
        self.bound = Bound(figure, most=bound)
        extent = find_extent(graph, figure)
        self.least, self.most = extent.least[graph.start], extent.most[graph.start]
        self.error = 0
        try:
            by_sum = sum_to_end(graph, [Bound(figure)], _FEW_SUMS)
            self._slots: SlotSums | None = None
            self._values = [value for (value,) in sorted(by_sum[graph.start])]
            self._ends = list(accumulate(by_sum[graph.start][(value,)] for value in self._values))
        except TooManyFigures:
            if not (is_rough and self._round(graph)):
                self._use_slots(graph, figure)

    def _use_slots(self, graph: Graph, figure: str) -> None:
        """Keep the sums to the first node from which slots do not cost too much, and the slots of that node."""
        extent = find_extent(graph, figure)
        found: tuple[int, int, dict[int, int]] | None = None
        for node, before in _sum_from_start(graph, figure):
            effort = Slots(graph, self.bound, node, extent).measure_effort()
            total = effort.added + len(before) * _BYTES_OF_A_SUM
            if (
                effort.largest <= _MOST_SLOT_BYTES
                and total <= _MOST_ADDED_BYTES
                and (found is None or total < found[0])
            ):
                found = total, node, before
        if found is None:
            raise TooManyFigures(
                f"the networks have too many different values of {figure} to count them: "
                f"from {self.least:,} to {self.most:,}"
            )
        _, node, self._before = found
        self._fill(Slots(graph, self.bound, node, extent))

    def _round(self, graph: Graph) -> bool:
        """Count with rounded figures if exact ones need much work; return whether they are used."""
        slots = Slots(graph, self.bound, graph.start)
        if slots.measure_effort().added <= _MUCH_ADDED_BYTES:
            return False
        slots.coarsen(_ROUGH_BYTES)
        error = slots.find_error()
        if error * _LEAST_PRECISION > self.most - self.least:
            return False
        self._before = {0: 1}
        self._fill(slots)
        self.error = error
        return True

    def _fill(self, slots: Slots) -> None:
        self._from, self._divisor = slots.extent.least[slots.first], slots.divisor
        self._slots = SlotSums(slots.fill(), slots.tops[slots.first], slots.width)

    @property
    def total(self) -> int:
        """The number of networks, up to the bound."""
        return self.count_at_most(min(self.bound.most, self.most))

    def count_at_most(self, value: float) -> int:
        """Return the number of networks whose figure is at most `value`."""
        if value < self.least:
            return 0
        value = min(value, self.most)
        if self._slots is None:
            place = bisect_right(self._values, value)
            return self._ends[place - 1] if place else 0
        rest, divisor, add_first = floor(value) - self._from, self._divisor, self._slots.add_first
        return sum(
            count * add_first((rest - before) // divisor + 1)
            for before, count in self._before.items()
            if before <= rest
        )

    def count_within(self, bound: Bound) -> int:
        """Return the number of networks whose figure is within a bound."""
        below = self.count_at_most(bound.least - 1) if bound.least > self.least else 0
        return max(self.count_at_most(bound.most) - below, 0)

    def find_smallest(self, number: int) -> int:
        """Return the figure of the network with the rank `number`, from 1 to the total, in ascending order."""
        low, high = self.least - 1, self.most
        below, above, turn = 0, self.total, 0
        while high - low > 1:
            guess = low + (high - low) * (number - below) // max(above - below, 1) if turn % 3 else (low + high) // 2
            guess, turn = min(max(guess, low + 1), high - 1), turn + 1
            reached = self.count_at_most(guess)
            if reached >= number:
                high, above = guess, reached
            else:
                low, below = guess, reached
        return high


def count_within(graph: Graph, bounds: Sequence[Bound]) -> int:
    """Return the number of networks within several bounds at once. Raises TooManyFigures."""
    try:
        return sum(sum_to_end(graph, bounds, _MOST_JOINT_SUMS)[graph.start].values())
    except TooManyFigures:
        grid = SlotGrid(graph, bounds)
        effort = grid.measure_effort()
        if effort.largest > _MOST_SLOT_BYTES or effort.added > _MOST_ADDED_BYTES:
            raise
        return grid.count()


def sum_to_end(graph: Graph, bounds: Sequence[Bound], most: int) -> list[dict[Sums, int]]:
    """Return, per node, the number of ways to the end by the sums of their figures, within the bounds.

    Raises TooManyFigures if there are more than `most` sums.
    """
    places = [ADDITIVE.index(bound.figure) for bound in bounds]
    extents = [find_extent(graph, bound.figure) for bound in bounds]
    found: list[dict[Sums, int]] = [{} for _ in graph.steps]
    found[-1][(0,) * len(places)] = 1
    size = additions = 0
    for node in range(graph.end - 1, -1, -1):
        here = found[node]
        allowed = [
            (bound.least - extent.most_before[node], bound.most - extent.least_before[node])
            for bound, extent in zip(bounds, extents, strict=True)
        ]
        for step in graph.steps[node]:
            own = [step.figures[place] for place in places]
            for sums, count in found[step.target].items():
                total = tuple(map(int.__add__, own, sums))
                if all(low <= part <= high for part, (low, high) in zip(total, allowed, strict=True)):
                    here[total] = here.get(total, 0) + count
            additions += len(found[step.target])
            if size + len(here) > most or additions > _MOST_ADDITIONS:
                names = " and ".join(bound.figure for bound in bounds)
                raise TooManyFigures(f"the networks have more than {most:,} different values of {names}")
        size += len(here)
    return found


def _sum_from_start(graph: Graph, figure: str) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield each node that all networks pass, with the number of ways to it by the sums of their figures.

    The nodes are in order, and end where there are too many sums.
    """
    place = ADDITIVE.index(figure)
    sums: dict[int, dict[int, int]] = {graph.start: {0: 1}}
    furthest = graph.start
    for node, steps in enumerate(graph.steps):
        here = sums.pop(node, None)
        if here is None:
            continue
        if furthest <= node:  # every network passes this node: no step skips it
            yield node, here
        for step in steps:
            furthest = max(furthest, step.target)
            there = sums.setdefault(step.target, {})
            own = step.figures[place]
            for before, count in here.items():
                there[own + before] = there.get(own + before, 0) + count
        if sum(map(len, sums.values())) > _MOST_SUMS_BEFORE:
            return


class Bin(NamedTuple):
    """The number of networks whose figure is from `start` to `stop` - 1."""

    start: int
    stop: int
    networks: int


def make_histogram(counts: FigureCounts, bins: int) -> list[Bin]:
    """Return at most `bins` bins of equal width that contain all networks."""
    width = max(-(-(counts.most - counts.least + 1) // bins), 1)
    starts = range(counts.least, counts.most + 1, width)
    reached = [0, *(counts.count_at_most(start + width - 1) for start in starts)]
    return [
        Bin(start, start + width, after - before)
        for start, before, after in zip(starts, reached, reached[1:], strict=False)
    ]


def find_quantile(counts: FigureCounts, percent: int) -> int:
    """Return the smallest value such that at least `percent` of the networks do not exceed it."""
    return counts.find_smallest(max(-(-counts.total * percent // 100), 1))
