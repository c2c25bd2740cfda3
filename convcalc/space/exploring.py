"""Explores a design space: expands the spec with different choices, and merges expansions that reach the same state.

The result is a graph: its nodes are states (see state.py), and its steps lead from one state to the next with the
choices that are made and the layers that are added between them. Every path from the start to the end is one network.
From equal states, the same layers follow, so each state is expanded only once: a unit with 7,371 variants takes
about thirty expansions.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from convcalc.network import Network, Node
from convcalc.problems import Problem
from convcalc.shape import Shape
from convcalc.space.chooser import Choice, Chooser, Stop
from convcalc.space.coupling import Coupled, explain_coupling
from convcalc.space.references import References
from convcalc.space.resuming import Mark, Marks
from convcalc.space.state import State, StateReader
from convcalc.spec.draft import Draft
from convcalc.spec.scopes import Frame
from convcalc.spec.variants import Variants

MOST_STATES_OF_A_PLACE = 5_000
MOST_STATES = 150_000
MOST_STEPS = 300_000
MOST_LAYERS_EXPANDED = 1_000_000
_MOST_INVALID = 3
START = 0
END = 1


class Leg(NamedTuple):
    """A step from one state to another: the choices that are made, and the layers `nodes[start:stop]` that are added.

    `nodes` are also the layers before, of one expansion that reaches this step, and `inputs` its inputs. `tensors` and
    `after` are the numbers of the tensors of the states at the beginning and at the end. `outputs` are the outputs of
    the network if the step completes it.
    """

    source: int
    target: int
    choices: tuple[Choice, ...]
    nodes: list[Node]
    start: int
    stop: int
    inputs: dict[str, Shape]
    tensors: tuple[int, ...]
    after: tuple[int, ...]
    outputs: tuple[int, ...] = ()


class Explored(NamedTuple):
    """The states and steps of a design space.

    `past_reads` has, per state, how often its tensors have been read. `invalid` has some choices that make the network
    invalid, with the first problem; they are not part of the space.
    """

    network: Network
    past_reads: list[tuple[int, ...]]
    legs: list[Leg]
    invalid: list[tuple[tuple[Choice, ...], Problem]]


class _Task(NamedTuple):
    """A sequence of choices to follow from the state `source`, which step number `step` of the expansion reaches.

    The choices are given by the indexes of their options: those in `before` up to the index `place`, and then `option`.
    The options after it, up to `options` - 1, are still to be followed. `chosen` is the number of choices before the
    state, and `marks` say how far an earlier expansion had come in the repeats that are open there.
    """

    before: tuple[int, ...]
    place: int
    option: int
    options: int
    source: int
    step: int
    chosen: int
    marks: tuple[Mark, ...] = ()


def explore(variants: Variants, show: Callable[[str], None] | None = None) -> Explored:
    """Return the states and steps of a design space; `show` is called with texts on the progress.

    Raises Coupled if there are too many states.
    """
    explorer = _Explorer(variants, show)
    _Run(explorer, (), _Task((), 0, 0, 0, START, 0, 0)).follow()
    while explorer.tasks:
        task = explorer.tasks.pop()
        if task.option + 1 < task.options:
            explorer.tasks.append(task._replace(option=task.option + 1))
        _Run(explorer, (*task.before[: task.place], task.option), task).follow()
    return Explored(variants.network, explorer.past_reads, explorer.legs, explorer.invalid)


class _Explorer:
    """What is known about a design space so far; `tasks` are the trails that have not been followed."""

    def __init__(self, variants: Variants, show: Callable[[str], None] | None) -> None:
        self.variants = variants
        self.show = show
        self.references = References(variants.body, variants.root.get("outputs"))
        self.tasks: list[_Task] = []
        self.numbers: dict[Hashable, int] = {}
        self.states: dict[Hashable, list[State]] = {}  # by location
        self.past_reads: list[tuple[int, ...]] = [(), ()]
        self.legs: list[Leg] = []
        self.invalid: list[tuple[tuple[Choice, ...], Problem]] = []
        self.expanded = 0

    def number_state(self, state: State) -> tuple[int, bool]:
        """Return the number of a state, and whether it is new. Raises Coupled if its place has too many states."""
        number = self.numbers.get(state.key)
        if number is not None:
            return number, False
        number = self.numbers[state.key] = len(self.past_reads)
        self.past_reads.append(state.past_reads)
        there = self.states.setdefault(state.location, [])
        there.append(state)
        if len(there) > MOST_STATES_OF_A_PLACE or number > MOST_STATES:
            raise explain_coupling(self.variants, max(self.states.values(), key=len))
        return number, True

    def count_layers(self, layers: int) -> None:
        """Count layers that were expanded. Raises Coupled if there are too many in total, or too many steps."""
        self.expanded += layers
        if self.show is not None:
            self.show(f"exploring: {len(self.legs):,} steps between {len(self.numbers):,} states")
        if self.expanded > MOST_LAYERS_EXPANDED or len(self.legs) > MOST_STEPS:
            raise Coupled(
                f"the space is too large to explore: stopped after {len(self.legs):,} steps between states and "
                f"{self.expanded:,} expanded layers"
            )


class _Run:
    """One expansion of the spec, which follows the trail of a task, and then takes the first option of each choice."""

    def __init__(self, explorer: _Explorer, trail: tuple[int, ...], task: _Task) -> None:
        self.explorer = explorer
        self.trail = trail
        self.chooser = Chooser(explorer.variants, trail)
        self.reader = StateReader(explorer.references, self.chooser)
        self.source = task.source
        self.source_step = task.step
        self.chosen = task.chosen  # the number of options chosen at the state `source`
        self.marks = Marks(task.marks, self.chooser)
        self.source_marks = task.marks
        self.steps = 0
        self.start = 0
        self.tensors: tuple[int, ...] = ()
        self.nodes: list[Node] = []
        self.inputs: dict[str, Shape] = {}
        self.scheduled = len(trail)  # no tasks have been added for the alternatives of the choices after these

    def follow(self) -> None:
        """Expand the spec until a known state is reached, or to the end; add the steps, and tasks for other options."""
        network: Network | None = None
        problems: list[Problem] = []
        try:
            network, problems = self.explorer.variants.expand(self.chooser, self._take_step)
            if network is not None and not self.chooser.is_complete():
                network, problems = None, list(self.explorer.variants.problems.found)
        except Stop:
            problems = list(self.explorer.variants.problems.found)
        self._schedule_alternatives()
        if network is not None:
            self.nodes, self.inputs = self.nodes or list(network.nodes), network.inputs
            outputs = tuple(network.outputs.values())
            self._add_leg(END, len(self.nodes), (), outputs)
        elif problems and len(self.explorer.invalid) < _MOST_INVALID:
            located = self.explorer.variants.document.located(problems[0])
            self.explorer.invalid.append((tuple(self.chooser.made), located))
        self.explorer.count_layers(len(self.nodes) - self.marks.skipped)

    def _take_step(self, frames: list[Frame], draft: Draft) -> None:
        """Add the step to the state before the next entry. Raises Stop if it is known, or if the spec is invalid."""
        self.steps = self.marks.pass_step(self.steps + 1, frames, draft)
        if self.steps < self.source_step:
            return
        self.nodes = draft.nodes
        if not self.inputs:
            shapes = [tensor.shape for tensor in draft.inputs if tensor.shape is not None]
            self.inputs = {str(place): shape for place, shape in enumerate(shapes)}
        if self.explorer.variants.problems.found:
            raise Stop
        if self.steps == self.source_step:
            state = self.reader.read_state(frames, draft)
            assert self.explorer.numbers[state.key] == self.source, "an expansion with the same choices is the same"
            self.start, self.tensors = len(draft.nodes), state.tensors
            return
        state = self.reader.read_state(frames, draft)
        number, is_new = self.explorer.number_state(state)
        self._schedule_alternatives()
        self._add_leg(number, len(draft.nodes), state.tensors)
        if not is_new:
            raise Stop
        self.source, self.chosen, self.start, self.tensors = number, self._count_made(), len(draft.nodes), state.tensors
        self.source_step, self.source_marks = self.steps, self.marks.list_open(frames)

    def _count_made(self) -> int:
        return len(self.chooser.made)

    def _add_leg(self, target: int, stop: int, after: tuple[int, ...], outputs: tuple[int, ...] = ()) -> None:
        choices = tuple(self.chooser.made[self.chosen :])
        leg = Leg(self.source, target, choices, self.nodes, self.start, stop, self.inputs, self.tensors, after, outputs)
        self.explorer.legs.append(leg)

    def _schedule_alternatives(self) -> None:
        """Add a task for each other option of the choices made since the last state."""
        if self._count_made() <= self.scheduled:
            return
        before = (*self.trail, *[0] * (self._count_made() - len(self.trail)))
        for place in range(self.scheduled, self._count_made()):
            options = self.chooser.count_options(place)
            if options > 1:
                task = _Task(before, place, 1, options, self.source, self.source_step, self.chosen, self.source_marks)
                self.explorer.tasks.append(task)
        self.scheduled = self._count_made()
