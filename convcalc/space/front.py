"""Finds the best networks of a graph: the one with the most or fewest of a figure, and the Pareto front of two figures.

A network is on the front if no other has a better value of one figure and at least as good a value of the other. The
front to each node is made from the fronts of the nodes before it, so no network is ever listed. A limit on another
figure is a further objective: of two ways to a node with equal figures, the one that is further from the limit is
better.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple, Union

from convcalc.metrics.figures import ADDITIVE
from convcalc.space.best_first import search_best
from convcalc.space.extent import Aim, Bound, find_extent
from convcalc.space.graph import Graph, Step
from convcalc.space.pareto import Archive, Staircase
from convcalc.space.sampling import Path
from convcalc.space.slots import Reachable, TooManyFigures

_MOST_LABELS = 2_000_000
_MOST_COMPARED = 100_000  # limit of labels of one node that are compared in more than three figures


class _Objective(NamedTuple):
    """A figure, times a sign so that less is better.

    `least` and `most` are limits of a way, per node: beyond them, no network that begins with the way is within the
    bound. `is_exact` is true if neither less nor more is better, because both the smallest and the largest value are
    limited.
    """

    place: int
    sign: int
    is_exact: bool
    least: list[float]
    most: list[float]


class _Label(NamedTuple):
    """A way from the start to a node: its figures times their signs, its last step, and the way without that step."""

    values: tuple[int, ...]
    step: Step | None
    before: Union["_Label", None]


def find_front(graph: Graph, aims: tuple[Aim, Aim], bounds: Sequence[Bound]) -> list[Path]:
    """Return the networks of the Pareto front of two figures, the best by the first figure first.

    Of several networks with equal figures, one is returned. Raises TooManyFigures.
    """
    objectives = _list_objectives(graph, aims, bounds)
    waiting: dict[int, list[_Label]] = {graph.start: [_Label((0,) * len(objectives), None, None)]}
    made = 0
    for node, steps in enumerate(graph.steps[:-1]):
        here = _select_front(waiting.pop(node, ()), objectives)
        made += len(here) * len(steps)
        if made > _MOST_LABELS:
            names = ", ".join(ADDITIVE[objective.place] for objective in objectives)
            raise TooManyFigures(
                f"more than {_MOST_LABELS:,} partial networks differ in {names}, so that the best cannot be found: "
                "drop a limit, or fix some of the choices with --set"
            )
        for step in steps:
            own = [objective.sign * step.figures[objective.place] for objective in objectives]
            ranges = [(objective.least[step.target], objective.most[step.target]) for objective in objectives]
            there = waiting.setdefault(step.target, [])
            for label in here:
                values = tuple(map(int.__add__, label.values, own))
                if all(low <= value <= high for value, (low, high) in zip(values, ranges, strict=True)):
                    there.append(_Label(values, step, label))
    complete = [(label.values[:2], label) for label in waiting.get(graph.end, ())]
    return [_trace(label) for label in _select_unbeaten(complete, 2)]


def _list_objectives(graph: Graph, aims: Sequence[Aim], bounds: Sequence[Bound]) -> list[_Objective]:
    """Return an objective for each aim and, after these, for each further figure that has a bound."""
    limited = {bound.figure: bound for bound in bounds}
    signs = {aim.figure: aim.sign for aim in aims}
    names = [*signs, *(name for name in limited if name not in signs)]
    return [_make_objective(graph, limited.get(name, Bound(name)), signs.get(name)) for name in names]


def _make_objective(graph: Graph, bound: Bound, aimed: int | None) -> _Objective:
    """Return the objective for a figure with a bound; `aimed` is the sign of its aim, None if it is only limited."""
    extent = find_extent(graph, bound.figure)
    least = [bound.least - rest for rest in extent.most]
    most = [bound.most - rest for rest in extent.least]
    sign = aimed or (1 if bound.least == -inf else -1)
    is_exact = (bound.least if sign == 1 else -bound.most) > -inf
    if sign == -1:
        least, most = [-value for value in most], [-value for value in least]
    return _Objective(ADDITIVE.index(bound.figure), sign, is_exact, least, most)


def _select_front(labels: Iterable[_Label], objectives: Sequence[_Objective]) -> list[_Label]:
    """Return the labels that no other one beats; only labels whose exact figures are equal are compared."""
    exact = [place for place, objective in enumerate(objectives) if objective.is_exact]
    free = [place for place, objective in enumerate(objectives) if not objective.is_exact]
    groups: dict[tuple[int, ...], list[tuple[tuple[int, ...], _Label]]] = {}
    for label in labels:
        key = tuple(label.values[place] for place in exact)
        groups.setdefault(key, []).append((tuple(label.values[place] for place in free), label))
    return [label for group in groups.values() for label in _select_unbeaten(group, len(free))]


def _select_unbeaten(labels: list[tuple[tuple[int, ...], _Label]], figures: int) -> list[_Label]:
    """Return the labels that no other one beats: none has values at least as good for all of the `figures` figures."""
    labels.sort(key=lambda item: item[0])
    if figures < 2:
        return [label for _, label in labels[:1]]
    if figures == 2:
        return _select_descending(labels)
    if figures > 3 and len(labels) > _MOST_COMPARED:
        raise TooManyFigures(
            f"{len(labels):,} partial networks differ in {figures} figures, so that the best cannot be found: "
            "drop a limit, or fix some of the choices with --set"
        )
    # an earlier label is at least as good in the first figure, so that only the others are compared
    others = Staircase() if figures == 3 else Archive()
    known: set[tuple[int, ...]] = set()
    found = []
    for values, label in labels:
        rest = values[1:]
        if rest not in known and others.insert(rest) is not None:
            known.add(rest)
            found.append(label)
    return found


def _select_descending(labels: Iterable[tuple[tuple[int, ...], _Label]]) -> list[_Label]:
    """Return the labels whose second value is smaller than that of every label before."""
    best: float = inf
    found = []
    for (_, second), label in labels:
        if second < best:
            found.append(label)
            best = second
    return found


def _trace(label: _Label) -> Path:
    path = []
    while label.step is not None and label.before is not None:
        path.append(label.step)
        label = label.before
    return path[::-1]


def find_best(graph: Graph, aim: Aim, bounds: Sequence[Bound]) -> Path | None:
    """Return the best network within the bounds; None if there is none. Raises TooManyFigures."""
    if not bounds:
        return _find_extreme(graph, aim)
    if all(bound.figure == aim.figure for bound in bounds):
        return Reachable(graph, bounds[0]).find_extreme(aim.smallest)
    return search_best(graph, aim, bounds)


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
