"""Turns the states and steps of a design space into a graph that has, per step, its figures and choices.

The additive figures of a network, such as its MACs, are the sums over the steps of its path, and its peak memory is the
largest peak of these steps. Steps without alternatives are joined with the one before, and equal nodes are merged.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from convcalc.analysis.cost import activation_bytes, count_node
from convcalc.metrics.figures import ADDITIVE
from convcalc.network import Network, Node
from convcalc.shape import Shape
from convcalc.space.exploring import END, START, Explored, Leg
from convcalc.space.peaks import Pattern, find_peak
from convcalc.space.state import freeze

Figures = tuple[int, ...]  # in the order of ADDITIVE
Chosen = tuple[str, Any]  # a spec parameter, and the value that is chosen for it


class Step(NamedTuple):
    """A step to the node `target`: its additive figures, the bytes of its peak, and the values that are chosen."""

    target: int
    figures: Figures
    peak: int
    choices: tuple[Chosen, ...]


class Graph(NamedTuple):
    """The steps from each node; every step leads to a node with a larger number.

    Every path from the node `start` to the last node is one network. `unknown` has, for each additive figure that is
    not known for every layer, the name of such a layer.
    """

    steps: list[list[Step]]
    unknown: dict[str, str]
    start: int = 0

    @property
    def end(self) -> int:
        """The last node, from which no step leads."""
        return len(self.steps) - 1

    def limit_peak(self, most: int) -> "Graph | None":
        """Return the graph without the networks whose peak memory exceeds `most` bytes; None if nothing is left."""
        kept = [[step for step in steps if step.peak <= most] for steps in self.steps]
        alive = [False] * len(kept)
        alive[-1] = True
        for node in range(len(kept) - 2, -1, -1):
            kept[node] = [step for step in kept[node] if alive[step.target]]
            alive[node] = bool(kept[node])
        return self._replace(steps=kept) if alive[self.start] else None


def build_graph(explored: Explored) -> Graph | None:
    """Return the graph of a design space; None if no choices make a valid network."""
    return _Builder(explored).build()


class _Builder:
    def __init__(self, explored: Explored) -> None:
        self.explored = explored
        self.unknown: dict[str, str] = {}
        self.steps: list[list[Step]] = [[]]  # the last node first
        self.known: dict[Hashable, int] = {}
        self.shape_bytes: dict[Shape, int] = {}

    def build(self) -> Graph | None:
        """Return the graph, or None if the end cannot be reached."""
        legs = _join_legs(self.explored.legs)
        variants: dict[int, dict[Pattern, int]] = {END: {(): 0}}
        for state in _sort_states(legs):
            if state != END:
                variants[state] = self._build_nodes(state, legs.get(state, []), variants)
        start = variants[START].get(())
        if start is None:
            return None
        return _number_forward(self.steps, start, self.unknown)

    def _build_nodes(self, state: int, legs: list[Leg], variants: dict[int, dict[Pattern, int]]) -> dict[Pattern, int]:
        """Return the nodes of a state: one for each way in which the layers after it read its tensors."""
        steps: dict[Pattern, list[Step]] = {}
        past_reads = self.explored.past_reads[state]
        for leg in legs:
            figures, choices = self._sum_figures(leg), tuple((choice.name, choice.value) for choice in leg.choices)
            for after, node in variants[leg.target].items():
                pattern = _find_pattern(leg, after, past_reads)
                peak = find_peak(leg, after, past_reads, self.explored.network, self._count_bytes)
                step = Step(node, figures, peak, choices)
                steps.setdefault(pattern, []).append(self._extend(step))
        return {pattern: self._add_node(found) for pattern, found in steps.items()}

    def _extend(self, step: Step) -> Step:
        """Return a step joined with the one after it, if that has no alternative."""
        after = self.steps[step.target]
        if len(after) != 1:
            return step
        [further] = after
        figures = tuple(map(int.__add__, step.figures, further.figures))
        return Step(further.target, figures, max(step.peak, further.peak), step.choices + further.choices)

    def _add_node(self, steps: list[Step]) -> int:
        key = tuple((step.target, step.figures, step.peak, freeze(step.choices)) for step in steps)
        if key not in self.known:
            self.known[key] = len(self.steps)
            self.steps.append(steps)
        return self.known[key]

    def _sum_figures(self, leg: Leg) -> Figures:
        network, sums = self.explored.network, [0] * len(ADDITIVE)
        for node in leg.nodes[leg.start : leg.stop]:
            for place, figure in enumerate(_measure_layer(node, network)):
                if figure is None:
                    self.unknown.setdefault(ADDITIVE[place], node.name)
                else:
                    sums[place] += figure
        return tuple(sums)

    def _count_bytes(self, shape: Shape) -> int:
        if shape not in self.shape_bytes:
            network = self.explored.network
            self.shape_bytes[shape] = activation_bytes(shape, network.dtype, network.batch)
        return self.shape_bytes[shape]


def _measure_layer(node: Node, network: Network) -> Iterator[int | None]:
    """Yield the additive figures of a layer, in the order of ADDITIVE; None if one is unknown."""
    spent = count_node(node, network.dtype, network.batch)
    known = spent.multiplications is not None and spent.additions is not None
    yield 1
    yield spent.params
    yield 0 if node.frozen else spent.params
    yield spent.buffers
    yield spent.multiplications
    yield spent.additions
    yield spent.macs
    yield (spent.multiplications or 0) + (spent.additions or 0) if known else None
    yield spent.weight_memory
    yield activation_bytes(node.layer.output, network.dtype, network.batch)


def _find_pattern(leg: Leg, after: Pattern, past_reads: Sequence[int]) -> Pattern:
    """Return how often each tensor of the state at the beginning of a step is read later.

    More than one read matters only for a tensor that a layer has read: that layer may overwrite the tensor unless it is
    read again. For any other tensor, the number is 0 or 1.
    """
    later = dict(zip(leg.after, after, strict=True))
    first = leg.tensors
    reads = dict.fromkeys(first, 0)
    for node in leg.nodes[leg.start : leg.stop]:
        for number in node.reads:
            if number in reads:
                reads[number] += 1
    for number in leg.outputs:
        if number in reads:
            reads[number] += 1
    return tuple(
        min(reads[number] + later.get(number, 0), 2 if past else 1)
        for number, past in zip(first, past_reads, strict=True)
    )


def _join_legs(legs: list[Leg]) -> dict[int, list[Leg]]:
    """Return the steps by the states at their beginnings; steps of one expansion without alternatives are joined."""
    by_source: dict[int, list[Leg]] = {}
    arrivals: dict[int, int] = {}
    for leg in legs:
        by_source.setdefault(leg.source, []).append(leg)
        arrivals[leg.target] = arrivals.get(leg.target, 0) + 1
    skipped = set()
    for source, steps in by_source.items():
        for place, step in enumerate(steps):
            joined = step
            while arrivals[joined.target] == 1 and len(after := by_source.get(joined.target, [])) == 1:
                if after[0].nodes is not joined.nodes or joined.target == source:
                    break
                skipped.add(joined.target)
                further = after[0]
                joined = joined._replace(
                    target=further.target,
                    choices=joined.choices + further.choices,
                    stop=further.stop,
                    after=further.after,
                    outputs=further.outputs,
                )
            steps[place] = joined
    return {source: steps for source, steps in by_source.items() if source not in skipped}


def _sort_states(legs: dict[int, list[Leg]]) -> Iterator[int]:
    """Yield every state that is reached from the start, after all the states that are reached from it."""
    entered = {START}
    waiting = [(START, iter(legs.get(START, [])))]
    while waiting:
        state, following = waiting[-1]
        target = next((leg.target for leg in following if leg.target not in entered), None)
        if target is None:
            waiting.pop()
            yield state
        else:
            entered.add(target)
            waiting.append((target, iter(legs.get(target, []))))


def _number_forward(steps: list[list[Step]], start: int, unknown: dict[str, str]) -> Graph:
    """Return the graph of the nodes that are reached from `start`, numbered so that steps lead to larger numbers."""
    reached = {start}
    for node in range(start, -1, -1):  # steps lead to smaller numbers here
        if node in reached:
            reached |= {step.target for step in steps[node]}
    numbers = {node: place for place, node in enumerate(sorted(reached, reverse=True))}
    return Graph([[step._replace(target=numbers[step.target]) for step in steps[node]] for node in numbers], unknown)
