"""Copies the layers of a block that was already expanded, which is faster than expanding the block again.

Two uses of a block with equal parameters and input shapes have equal layers. A `Recording` holds the nodes, groups and
names of the first use; for each later use, `replay` copies them with new numbers and new full names.
"""

from collections.abc import Callable

from convcalc.caching import is_paused
from convcalc.network import Node
from convcalc.spec.draft import Draft
from convcalc.spec.scopes import UNKNOWN_TENSOR, Place, Scope, Tensor, Tensors, Use


def make_replay_key(use: Use, scope: Scope) -> object | None:
    """Return a key for a use of a block; uses with equal keys expand to equal layers.

    Return None if the layers cannot be copied: if a parameter is a list or unknown, if an input shape is unknown, if
    the use shares the weights of another use, or while caches are paused.
    """
    if is_paused():
        return None
    values = tuple((value.__class__, value) for value in use.variables.values())
    shapes = tuple(tensor.shape for tensor in scope.inputs)
    if scope.twin is not None or None in shapes or any(kind not in (int, float, bool, str) for kind, _ in values):
        return None
    return use.block, values, shapes, scope.frozen, scope.depth


_Names = Callable[[], dict[str, Place]]


class Recording:
    """The layers, groups and names that one use of a block expands to, to be copied for equal uses.

    Create it before the block is expanded, and call `finish` afterwards. `draft` is the network to which the layers are
    added.
    """

    def __init__(self, draft: Draft, scope: Scope) -> None:
        self.draft = draft
        self.scope = scope
        self.start = len(draft.nodes)
        self.groups_start = len(draft.groups)
        self.entries_start = draft.entries

    def copy_to(self, draft: Draft) -> "Recording":
        """Return the same recording for another draft, which has the same layers up to the end of the block."""
        copy = object.__new__(Recording)
        copy.__dict__.update(self.__dict__)
        copy.draft = draft
        return copy

    def finish(self, outputs: Tensors) -> None:
        """Store the layers that were added since the recording was created; `outputs` are the block's outputs."""
        self.outputs = outputs
        self.nodes = self.draft.nodes[self.start :]
        self.groups = self.draft.groups[self.groups_start :]
        self.entries = self.draft.entries - self.entries_start

    def replay(self, scope: Scope) -> "tuple[Tensors, _Names]":
        """Add copies of the recorded layers and groups for another use of the block, whose scope is `scope`.

        Return the outputs of the copy, and a function that returns the copied `Place`s by name. Most uses never need
        these names, so the function is called only on demand.
        """
        draft = self.draft
        offset = len(draft.nodes) - self.start
        first = len(draft.inputs) + self.start
        inputs = {old.number: new.number for old, new in zip(self.scope.inputs, scope.inputs, strict=True)}
        inputs[UNKNOWN_TENSOR.number] = UNKNOWN_TENSOR.number  # the output of an entry with a mistake

        def renumber(number: int) -> int:
            return number + offset if number >= first else inputs[number]

        cut, prefix = len(self.scope.prefix), scope.prefix
        for name, layer, reads, path, line, frozen, owner in self.nodes:
            own = None if owner is None else owner + offset
            there = tuple([renumber(number) for number in reads])
            draft.nodes.append(Node(prefix + name[cut:], layer, there, path, line, frozen, own))
        for group in self.groups:
            name, output = prefix + group.name[cut:], renumber(group.output)
            copy = group._replace(name=name, start=group.start + offset, stop=group.stop + offset, output=output)
            draft.groups.append(copy)
        outputs = _copy_tensors(self.outputs, renumber)
        return outputs, lambda: _copy_places(self.scope.places, renumber, offset)


def _copy_places(places: dict[str, Place], renumber: Callable[[int], int], offset: int) -> dict[str, Place]:
    """Return copies of `Place`s; `renumber` converts tensor numbers, and `offset` is added to node indexes."""
    return {name: _copy_place(place, renumber, offset) for name, place in places.items()}


def _copy_tensors(tensors: Tensors, renumber: Callable[[int], int]) -> Tensors:
    """Return copies of tensors with new numbers, but UNKNOWN_TENSOR itself, because it is compared with `is`."""
    return tuple(
        tensor if tensor is UNKNOWN_TENSOR else Tensor(renumber(tensor.number), tensor.shape) for tensor in tensors
    )


def _copy_place(place: Place, renumber: Callable[[int], int], offset: int) -> Place:
    """Return a copy of a `Place`; its children are copied when they are accessed."""
    outputs = _copy_tensors(place.outputs, renumber)
    below = place.children
    copy = Place(
        place.word, place.path, outputs, None if below is None else lambda: _copy_places(below, renumber, offset)
    )
    copy.node = None if place.node is None else place.node + offset
    copy.use = place.use
    copy.disabled_by = place.disabled_by
    return copy
