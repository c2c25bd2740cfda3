"""Finds the best network within limits on other figures: best-first search, with bounds from relaxed problems.

A way is a path from the start of the graph to a node: the beginning of a network. It is ranked by the best figure that
a network with this beginning can have if only one limit is enforced, or only the weighted sum of all limits. These
relaxed problems are solved once per node, as a Pareto front of two figures. As no network can beat the rank of its
beginning, the first complete network is the best.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, Union

from convcalc.metrics.figures import ADDITIVE
from convcalc.space.extent import Aim, Bound
from convcalc.space.graph import Figures, Graph, Step
from convcalc.space.sampling import Path
from convcalc.space.slots import Reachable, TooManyFigures

_MOST_WAYS = 1_000_000
_MOST_PAIRS = 3_000_000  # limit of pairs of cost and aim that are compared for one relaxed problem
_SCALE = 1 << 40
Weights = Mapping[int, int]  # the key is the index of a figure in ADDITIVE


class _Way(NamedTuple):
    """A way from the start to a node: the sums of its figures, its last step, and the way without that step."""

    node: int
    figures: Figures
    step: Step | None
    before: Union["_Way", None]

    def follow(self, step: Step) -> "_Way":
        """Return this way followed by a step."""
        return _Way(step.target, tuple(map(int.__add__, self.figures, step.figures)), step, self)


class Relaxation:
    """The best values of an aim from each node to the end if one weighted sum of figures, the cost, is at most `most`.

    The aim is also a weighted sum, and less of it is better. Raises TooManyFigures.
    """

    def __init__(self, graph: Graph, aim: Weights, cost: Weights, most: int) -> None:
        self.cost, self.most = cost, most
        self._costs: list[list[int]] = [[] for _ in graph.steps]  # in ascending order, per node
        self._aims: list[list[int]] = [[] for _ in graph.steps]  # the best values with these costs
        self._costs[-1], self._aims[-1] = [0], [0]
        compared = 0
        for node in range(graph.end - 1, -1, -1):
            pairs = []
            for step in graph.steps[node]:
                own_cost, own_aim = sum_weighted(step.figures, cost), sum_weighted(step.figures, aim)
                after = zip(self._costs[step.target], self._aims[step.target], strict=True)
                pairs += [(own_cost + rest, own_aim + value) for rest, value in after]
            compared += len(pairs)
            if compared > _MOST_PAIRS:
                raise TooManyFigures(
                    "the networks have too many different figures to find the best one: "
                    "drop a limit, or fix some of the choices with --set"
                )
            self._keep_front(node, sorted(pairs))

    def _keep_front(self, node: int, pairs: Sequence[tuple[int, int]]) -> None:
        best: float = inf
        for cost, aim in pairs:
            if aim < best:
                self._costs[node].append(cost)
                self._aims[node].append(aim)
                best = aim

    def find_best(self, node: int, figures: Figures) -> float:
        """Return the best aim from a node to the end, after a way with these figures; inf if none is within `most`."""
        place = bisect_right(self._costs[node], self.most - sum_weighted(figures, self.cost))
        return self._aims[node][place - 1] if place else inf


def sum_weighted(figures: Figures, weights: Weights) -> int:
    """Return the weighted sum of figures."""
    return sum(weight * figures[place] for place, weight in weights.items())


def search_best(graph: Graph, aim: Aim, bounds: Sequence[Bound]) -> Path | None:
    """Return the best network within the bounds; None if there is none. Raises TooManyFigures."""
    own = next((bound for bound in bounds if bound.figure == aim.figure), Bound(aim.figure))
    if aim.smallest:
        capped, others = own._replace(most=inf), [*_exclude(bounds, own), own._replace(least=-inf)]
    else:
        capped, others = own._replace(least=-inf), [*_exclude(bounds, own), own._replace(most=inf)]
    search = _Search(graph, aim, [bound for bound in others if bound.least > -inf or bound.most < inf])
    path = search.find_best()
    if path is None or capped.least <= sum(step.figures[search.place] for step in path) <= capped.most:
        return path
    return search.find_best_within(own)


def _exclude(bounds: Sequence[Bound], own: Bound) -> list[Bound]:
    return [bound for bound in bounds if bound.figure != own.figure]


class _Search:
    """A search for the best network within bounds that do not limit the better values of the aim."""

    def __init__(self, graph: Graph, aim: Aim, bounds: Sequence[Bound]) -> None:
        self.graph, self.smallest = graph, aim.smallest
        self.place, self.sign = ADDITIVE.index(aim.figure), aim.sign
        self.limits = " and ".join(bound.figure for bound in bounds)
        limits = _list_limits(graph, bounds)
        self.relaxations = [Relaxation(graph, {self.place: self.sign}, cost, most) for cost, most in limits]
        self.start = _Way(graph.start, (0,) * len(ADDITIVE), None, None)
        self.made = 0

    def find_best(self) -> Path | None:
        """Return the best network; None if there is none."""
        queue: list[tuple[float, int, int, _Way]] = []
        known: set[tuple[int, Figures]] = set()
        waiting: Iterable[_Way] = [self.start]
        while waiting or queue:
            for way in waiting:
                rank, key = self._rank(way), (way.node, way.figures)
                if rank < inf and key not in known:
                    known.add(key)
                    self._count_way()
                    heappush(queue, (rank, -way.node, self.made, way))
            if not queue:
                break
            *_, way = heappop(queue)
            if way.node == self.graph.end:
                return _trace(way)
            waiting = [way.follow(step) for step in self.graph.steps[way.node]]
        return None

    def find_best_within(self, own: Bound) -> Path | None:
        """Return the best network whose figure is within the bound `own`, which excludes better ones."""
        reachable = Reachable(self.graph, own)
        for place in reachable.list_places(self.smallest):
            path = self._find_exactly(reachable, place)
            if path is not None:
                return path
        return None

    def _find_exactly(self, reachable: Reachable, place: int) -> Path | None:
        """Return a network whose figure is exactly the one at a place in `reachable`; None if there is none.

        Ways that leave more room to the limits are tried first.
        """
        wanted = self.sign * reachable.get_figure(place)
        known: set[tuple[int, Figures]] = set()
        waiting = [(place, self.start)]
        while waiting:
            place, way = waiting.pop()
            if way.node == self.graph.end:
                return _trace(way)
            found = []
            for step in self.graph.steps[way.node]:
                rest, further = place - reachable.find_offset(way.node, step), way.follow(step)
                if not reachable.contains(step.target, rest) or (further.node, further.figures) in known:
                    continue
                rank = self._rank(further)
                if rank <= wanted:
                    known.add((further.node, further.figures))
                    self._count_way()
                    found.append((rank, self.made, rest, further))
            waiting += [(rest, further) for _, _, rest, further in sorted(found, reverse=True)]
        return None

    def _rank(self, way: _Way) -> float:
        """Return the best figure, times its sign, that a network with this beginning can have."""
        rest = max((one.find_best(way.node, way.figures) for one in self.relaxations), default=-inf)
        return self.sign * way.figures[self.place] + rest

    def _count_way(self) -> None:
        self.made += 1
        if self.made > _MOST_WAYS:
            raise TooManyFigures(
                f"the best network was not found among {_MOST_WAYS:,} partial ones within the limits on {self.limits}: "
                "drop a limit, or fix some of the choices with --set"
            )


def _list_limits(graph: Graph, bounds: Sequence[Bound]) -> list[tuple[Weights, int]]:
    """Return each limit as a weighted sum of figures and its maximum; if there are several, also their weighted sum.

    In that sum, figures that vary less between the steps have larger weights.
    """
    limits: list[tuple[Weights, int]] = []
    for bound in bounds:
        place = ADDITIVE.index(bound.figure)
        limits += [({place: 1}, int(bound.most))] if bound.most < inf else []
        limits += [({place: -1}, -int(bound.least))] if bound.least > -inf else []
    if len(bounds) < 2:
        return limits
    total: dict[int, int] = {}
    most = 0
    for weights, limit in limits:
        [(place, sign)] = weights.items()
        figures = [step.figures[place] for steps in graph.steps for step in steps]
        weight = _SCALE // (max(figures) - min(figures) + 1)
        total[place] = total.get(place, 0) + sign * weight
        most += weight * limit
    return [*limits, (total, most)]


def _trace(way: _Way) -> Path:
    path = []
    while way.step is not None and way.before is not None:
        path.append(way.step)
        way = way.before
    return path[::-1]
