"""Finds the best networks of a graph: the one with the most or fewest of a figure, and the Pareto front of two figures.

A network is on the front if no other has a better value of one figure and at least as good a value of the other. The
front to each node is made from the fronts of the nodes before it, so no network is ever listed.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple, Union

from convcalc.analysis.figures import ADDITIVE
from convcalc.space.counting import MOST_SUMS, Sums, sum_to_end
from convcalc.space.extent import Bound, find_extent
from convcalc.space.graph import Graph, Step
from convcalc.space.sampling import Path
from convcalc.space.slots import Reachable, TooManyFigures

_MOST_LABELS = 2_000_000


class Aim(NamedTuple):
    """A figure, and whether less of it is better."""

    figure: str
    smallest: bool

    @property
    def sign(self) -> int:
        """1 if less is better, otherwise -1: the figure times this factor is to be minimised."""
        return 1 if self.smallest else -1


class _Label(NamedTuple):
    """A way from the start to a node: its two figures times their signs, its last step, and the way before that."""

    first: int
    second: int
    step: Step | None
    before: Union["_Label", None]


def find_front(graph: Graph, aims: tuple[Aim, Aim], bounds: Sequence[Bound]) -> list[Path]:
    """Return the networks of the Pareto front of two figures, the best by the first figure first.

    Of several networks with equal figures, one is returned. Raises TooManyFigures.
    """
    if not all(_can_prune(bound, aims) for bound in bounds):
        return _find_front_of_all(graph, aims, bounds)
    first, second = (ADDITIVE.index(aim.figure) for aim in aims)
    limits = [_find_limits(graph, aim, bounds) for aim in aims]
    waiting: dict[int, list[_Label]] = {graph.start: [_Label(0, 0, None, None)]}
    made = 0
    for node, steps in enumerate(graph.steps[:-1]):
        here = _select_front(waiting.pop(node, ()))
        made += len(here) * len(steps)
        if made > _MOST_LABELS:
            raise TooManyFigures(f"the Pareto front of {aims[0].figure} and {aims[1].figure} is too long")
        for step in steps:
            one, other = aims[0].sign * step.figures[first], aims[1].sign * step.figures[second]
            most, other_most = (limit[step.target] for limit in limits)
            waiting.setdefault(step.target, []).extend(
                _Label(label.first + one, label.second + other, step, label)
                for label in here
                if label.first + one <= most and label.second + other <= other_most
            )
    return [_trace(label) for label in _select_front(waiting.get(graph.end, ()))]


def _can_prune(bound: Bound, aims: Sequence[Aim]) -> bool:
    """Return whether a bound limits the worse values of a figure, so that no better network can exceed it."""
    for aim in aims:
        if aim.figure == bound.figure:
            return bound.least == -inf if aim.smallest else bound.most == inf
    return False


def _find_limits(graph: Graph, aim: Aim, bounds: Sequence[Bound]) -> list[float]:
    """Return, per node, the worst sum up to that node with which a network can still be within the bound."""
    extent = find_extent(graph, aim.figure)
    bound = next((bound for bound in bounds if bound.figure == aim.figure), Bound(aim.figure))
    if aim.smallest:
        return [bound.most - rest for rest in extent.least]
    return [rest - bound.least for rest in extent.most]


def _select_front(labels: Iterable[_Label]) -> list[_Label]:
    best: float = inf
    found = []
    for label in sorted(labels, key=lambda label: label[:2]):
        if label.second < best:
            found.append(label)
            best = label.second
    return found


def _trace(label: _Label) -> Path:
    path = []
    while label.step is not None and label.before is not None:
        path.append(label.step)
        label = label.before
    return path[::-1]


def _find_front_of_all(graph: Graph, aims: Sequence[Aim], bounds: Sequence[Bound]) -> list[Path]:
    """Return the front among all different figures of the networks within the bounds."""
    names = dict.fromkeys([*(aim.figure for aim in aims), *(bound.figure for bound in bounds)])
    limited = {bound.figure: bound for bound in bounds}
    every = [limited.get(name, Bound(name)) for name in names]
    by_sum = sum_to_end(graph, every, MOST_SUMS)
    order = sorted(
        by_sum[graph.start], key=lambda sums: [aim.sign * part for aim, part in zip(aims, sums, strict=False)]
    )
    best: float = inf
    found = []
    for sums in order:
        value = aims[-1].sign * sums[len(aims) - 1]
        if value < best:
            found.append(_follow(graph, by_sum, sums, [bound.figure for bound in every]))
            best = value
    return found


def _follow(graph: Graph, by_sum: list[dict[Sums, int]], sums: Sums, names: Sequence[str]) -> Path:
    """Return the first network with exactly these figures."""
    places = [ADDITIVE.index(name) for name in names]
    node, path = graph.start, []
    while node != graph.end:
        for step in graph.steps[node]:
            rest = tuple(part - step.figures[place] for part, place in zip(sums, places, strict=True))
            if rest in by_sum[step.target]:
                break
        path.append(step)
        node, sums = step.target, rest
    return path


def find_best(graph: Graph, aim: Aim, bounds: Sequence[Bound]) -> Path | None:
    """Return the best network within the bounds; None if there is none. Raises TooManyFigures."""
    others = [bound for bound in bounds if bound.figure != aim.figure]
    own = next((bound for bound in bounds if bound.figure == aim.figure), Bound(aim.figure))
    if not bounds:
        return _find_extreme(graph, aim)
    if not others:
        return Reachable(graph, own).find_extreme(aim.smallest)
    other = Aim(others[0].figure, smallest=others[0].least == -inf)
    if len(others) == 1 and _can_prune(own, [aim]) and _can_prune(others[0], [other]):
        front = find_front(graph, (aim, other), bounds)
    else:
        front = _find_front_of_all(graph, [aim], bounds)
    return front[0] if front else None


def _find_extreme(graph: Graph, aim: Aim) -> Path:
    """Return the network with the smallest or largest figure of all."""
    extent = find_extent(graph, aim.figure)
    rest = extent.least if aim.smallest else extent.most
    place, node, path = ADDITIVE.index(aim.figure), graph.start, []
    while node != graph.end:
        step = min(graph.steps[node], key=lambda step: aim.sign * (step.figures[place] + rest[step.target]))
        path.append(step)
        node = step.target
    return path
