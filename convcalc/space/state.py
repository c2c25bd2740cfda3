"""Describes the state of an expansion: everything that can influence later layers and their cost.

From equal states, the same layers follow. A `State` has the place in the spec, the tensors, names and values of
parameters that the entries after it can use, and where these tensors are in memory. Anything that no later entry can
use is left out, so that expansions with different choices can reach the same state.
"""

from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from convcalc.problems import Path
from convcalc.shape import Shape
from convcalc.space.chooser import Chooser
from convcalc.space.references import NO_USES, References, Uses
from convcalc.spec.draft import Draft
from convcalc.spec.scopes import Frame, Place, Tensors

Part = tuple[str, str, Hashable]  # what it is (`variable` or `tensor`), its name, and its value


class State(NamedTuple):
    """The place that an expansion has reached (`location`), and all that matters after it (`parts`).

    `tensors` are the numbers of the tensors that can still be read, and `past_reads` counts how many layers have read
    each of them. `path` is the entry that comes next; it follows from the location.
    """

    path: Path
    location: Hashable
    parts: tuple[Part, ...]
    tensors: tuple[int, ...]
    past_reads: tuple[int, ...]

    @property
    def key(self) -> Hashable:
        """The value in which equal states agree; the numbers of their tensors can differ."""
        return self.location, self.parts


class StateReader:
    """Reads the state of one expansion, whose layers are added to a draft."""

    def __init__(self, references: References, chooser: Chooser) -> None:
        self.references = references
        self.chooser = chooser
        self._reads: list[int] = []  # tensor number -> how many layers read it
        self._counted = 0
        self._numbers: dict[int, int] = {}
        self._parts: list[Part] = []

    def read_state(self, frames: list[Frame], draft: Draft) -> State:
        """Return the state before the next entry; `frames` are the open frames, outermost first."""
        self._count_reads(draft)
        self._numbers, self._parts = {}, []
        self._draft = draft
        uses = self._find_uses(frames)
        for place, frame in enumerate(frames):
            self._add_frame(frame, frames[place + 1] if place + 1 < len(frames) else None, *uses[place])
        self._add_parameters(frames, [own for own, _ in uses])
        location = (tuple(map(_locate, frames)), self.chooser.count_given())
        tensors = tuple(self._numbers)
        return State(
            _find_next_path(frames[-1]),
            location,
            tuple(self._parts),
            tensors,
            tuple(min(self._reads[number], 2) for number in tensors),
        )

    def _count_reads(self, draft: Draft) -> None:
        self._reads += [0] * (len(draft.inputs) + len(draft.nodes) - len(self._reads))
        for node in draft.nodes[self._counted :]:
            for number in node.reads:
                self._reads[number] += 1
        self._counted = len(draft.nodes)

    def _find_uses(self, frames: list[Frame]) -> list[tuple[Uses, Uses]]:
        """Return, per frame, what its own remaining entries use, and what these and the entries inside them use."""
        found = []
        inside = NO_USES
        for place in range(len(frames) - 1, -1, -1):
            own = self._find_remaining(frames[place], is_last=place == len(frames) - 1)
            if place == 0:
                own = own.join(self.references.outputs)
            inside = inside.join(own)
            found.append((own, inside))
            if frames[place].scope.outer is None:
                inside = NO_USES  # a block cannot use the layers around it
        return found[::-1]

    def _find_remaining(self, frame: Frame, is_last: bool) -> Uses:
        """Return the uses of the remaining entries of a frame, and of the remaining copies of a repeat."""
        if frame.body is not None:
            return self.references.find_remaining(frame.body, frame.position + (not is_last))
        assert frame.entry is not None
        coming = frame.position + (not is_last)
        if not frame.is_repeat:
            return self.references.find_merge_uses(frame.entry, coming)
        return self.references.find_uses(frame.entry) if coming < frame.stop else NO_USES

    # -- what is added to the state

    def _add_frame(self, frame: Frame, inner: Frame | None, own: Uses, visible: Uses) -> None:
        """Add the tensors and names of a frame that can still be used; `inner` is the frame inside it, if any."""
        scope = frame.scope
        begins = scope.previous is scope.inputs
        self._parts.append(("scope", "", (scope.frozen, scope.has_named_inputs, begins)))
        if frame.is_repeat:
            # a copy that has begun will replace the output of the one before
            self._add_tensors("previous", frame.previous_copy or () if inner is None else ())
        else:
            if inner is None or _may_read_previous(inner):
                self._add_tensors("previous", scope.previous)
            if frame.entry is not None or begins or own.any_layer or "input" in own.layers:
                self._add_tensors("input", scope.inputs)
        self._add_places(frame, own, visible)
        if scope.twin is not None:
            self._parts.append(("scope", "share", self._describe_place(scope.twin, deep=True)))

    def _add_places(self, frame: Frame, own: Uses, visible: Uses) -> None:
        places = frame.scope.places
        around = frame.scope.prefix.split(".")[:-1]
        everything = visible.any_layer or any(map(self.references.is_entered, around))
        is_branches = frame.entry is not None and not frame.is_repeat
        for name, place in places.items():
            deep = everything or name in visible.scopes
            if deep or is_branches or name in visible.layers:
                self._parts.append(("tensor", name, self._describe_place(place, deep)))
            elif own.names_vary:
                self._parts.append(("name", name, place.disabled_by is not None))

    def _add_tensors(self, name: str, tensors: Tensors) -> None:
        self._parts.append(("tensor", name, tuple(self._describe_tensor(tensor.number) for tensor in tensors)))

    def _describe_place(self, place: Place, deep: bool) -> Hashable:
        """Return the tensors of a place; if `deep`, also its layer and all that is inside it."""
        outputs = tuple(self._describe_tensor(tensor.number) for tensor in place.outputs)
        if not deep:
            return place.word, place.disabled_by is not None, outputs
        layer = None
        if place.node is not None:
            made = self._draft.nodes[place.node].layer
            layer = (made.kind, freeze(made.given), made.inputs)
        use = None if place.use is None else freeze(place.use.variables)
        children = tuple((name, self._describe_place(child, deep)) for name, child in (place.children or {}).items())
        return place.word, place.disabled_by is not None, outputs, layer, use, children

    def _describe_tensor(self, number: int) -> Hashable:
        """Return the shape of a tensor and its place in memory; if it has been described, only its index in the state.

        A view is in the memory of the tensor that it views, which may in turn be a view: they are all described.
        """
        if number in self._numbers:
            return self._numbers[number]
        return tuple(self._describe_viewed(number))

    def _describe_viewed(self, number: int) -> Iterator[Hashable]:
        """Yield the index of a tensor and of those that it views, their shapes, and how often they have been read."""
        first = len(self._draft.inputs)
        while True:
            self._numbers.setdefault(number, len(self._numbers))
            yield self._numbers[number], self._find_shape(number), min(self._reads[number], 2)
            node = self._draft.nodes[number - first] if number >= first else None
            if node is None or not node.layer.is_view:
                return
            number = node.reads[0]

    def _find_shape(self, number: int) -> Shape | None:
        first = len(self._draft.inputs)
        return self._draft.nodes[number - first].layer.output if number >= first else self._draft.inputs[number].shape

    def _add_parameters(self, frames: list[Frame], uses: list[Uses]) -> None:
        """Add the values of parameters: those of blocks and counts, and those chosen, if an entry can use them."""
        for frame, own in zip(frames, uses, strict=True):
            scope = frame.scope.outer if frame.is_repeat else frame.scope
            assert scope is not None
            for name in sorted(own.names & scope.variables.keys()):
                self._parts.append(("parameter", name, freeze(scope.variables[name])))
            copy = None if frame.is_repeat else frame.scope.copy
            for name in sorted(self._find_chosen(own.names)):
                for key in ((name, ""), (name, copy)):
                    if key in self.chooser.values:
                        self._parts.append(("parameter", name, freeze(self.chooser.values[key])))

    def _find_chosen(self, names: frozenset[str]) -> frozenset[str]:
        """Return the spec parameters with choices on which any of the names depends."""
        variants = self.chooser.variants
        found, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name in variants.derived:
                waiting += variants.uses[name]
            elif name in variants.choices:
                found.add(name)
        return frozenset(found)


def _find_next_path(frame: Frame) -> Path:
    if frame.body is not None:
        return frame.body.entries[frame.position].path
    return () if frame.entry is None else frame.entry.path


def _may_read_previous(inner: Frame) -> bool:
    """Return whether the entry that the frame `inner` is inside can still read, or return, the entry before it."""
    if not inner.is_repeat or inner.entry is None:
        return False
    return inner.previous_copy is None or "from" in inner.entry.options


def _locate(frame: Frame) -> Hashable:
    if frame.body is not None:
        ordinals = tuple(sorted(frame.ordinals.items())) if frame.body.dynamic else ()
        return id(frame.body), frame.position, frame.scope.depth, ordinals
    return id(frame.entry), frame.position, frame.stop, frame.is_repeat


def freeze(value: Any) -> Hashable:
    """Return a hashable value that is equal for equal values of equal types."""
    if isinstance(value, list | tuple):
        return (value.__class__, tuple(map(freeze, value)))
    if isinstance(value, dict):
        return tuple((key, freeze(item)) for key, item in value.items())
    return value.__class__, value
