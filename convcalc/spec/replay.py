"""Expands a block that was expanded before by copying its layers: equal uses on equal input shapes have equal layers.

A `Recording` of the first use knows its nodes, groups and names. For each later use they are copied, with the numbers
and names that they have there.
"""

from collections.abc import Callable

from convcalc.network import Node
from convcalc.spec.draft import Draft
from convcalc.spec.scopes import UNKNOWN_TENSOR, Place, Scope, Tensor, Tensors, Use


def make_replay_key(use: Use, scope: Scope) -> object | None:
    """Return a key for a use of a block: two uses with the same key expand to equal layers.

    Return None if a use cannot be copied: its parameters include lists, an input shape is unknown, or it reuses the
    weights of another.
    """
    values = tuple((value.__class__, value) for value in use.variables.values())
    shapes = tuple(tensor.shape for tensor in scope.inputs)
    if scope.twin is not None or None in shapes or any(kind not in (int, float, bool, str) for kind, _ in values):
        return None
    return use.block, values, shapes, scope.frozen, scope.depth


_Names = Callable[[], dict[str, Place]]


class Recording:
    """The result of one use of a block: a range of the draft's nodes and of its groups, and the names inside."""

    def __init__(self, draft: Draft, scope: Scope) -> None:
        self.draft = draft
        self.scope = scope
        self.start = len(draft.nodes)
        self.groups_start = len(draft.groups)
        self.entries_start = draft.entries

    def finish(self, outputs: Tensors) -> None:
        """Complete the recording once the block is expanded; `outputs` are those of the block."""
        self.outputs = outputs
        self.nodes = self.draft.nodes[self.start :]
        self.groups = self.draft.groups[self.groups_start :]
        self.entries = self.draft.entries - self.entries_start

    def replay(self, scope: Scope) -> "tuple[Tensors, _Names]":
        """Copy the layers of the block into another scope.

        Return the outputs of the copy, and a function that returns the names inside it: most are never looked up.
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
    """Return the names of a copied block."""
    return {name: _copy_place(place, renumber, offset) for name, place in places.items()}


def _copy_tensors(tensors: Tensors, renumber: Callable[[int], int]) -> Tensors:
    """Return the tensors of a copied block; the unknown tensor stays the same object, which identifies it."""
    return tuple(
        tensor if tensor is UNKNOWN_TENSOR else Tensor(renumber(tensor.number), tensor.shape) for tensor in tensors
    )


def _copy_place(place: Place, renumber: Callable[[int], int], offset: int) -> Place:
    """Return one name of a copied block; the names inside it are copied when they are first asked for."""
    outputs = _copy_tensors(place.outputs, renumber)
    below = place.children
    copy = Place(
        place.word, place.path, outputs, None if below is None else lambda: _copy_places(below, renumber, offset)
    )
    copy.node = None if place.node is None else place.node + offset
    copy.use = place.use
    copy.disabled_by = place.disabled_by
    return copy
