"""Expands a block again by copying: equal uses on equal shapes have equal layers.

A `Recording` of the nodes, groups and names of the first use is copied with new numbers and names.
"""

from collections.abc import Callable

from convcalc.network import Node
from convcalc.spec.draft import Draft
from convcalc.spec.scopes import UNKNOWN_TENSOR, Place, Scope, Tensor, Tensors, Use


def make_replay_key(use: Use, scope: Scope) -> object | None:
    """Return what equal uses of a block have in common, None if that is not known.

    It is not known with lists, unknown shapes and shared weights.
    """
    values = tuple((value.__class__, value) for value in use.variables.values())
    shapes = tuple(tensor.shape for tensor in scope.given)
    if scope.twin is not None or None in shapes or any(kind not in (int, float, bool, str) for kind, _ in values):
        return None
    return use.block, values, shapes, scope.frozen, scope.depth


_Names = Callable[[], dict[str, Place]]


class Recording:
    """The result of expanding a block: a range of nodes, a range of groups, and names."""

    def __init__(self, draft: Draft, scope: Scope) -> None:
        self.draft = draft
        self.scope = scope
        self.start = len(draft.nodes)
        self.groups_start = len(draft.groups)
        self.entries_start = draft.entries

    def finish(self, outputs: Tensors) -> None:
        """Record the results once the block is expanded."""
        self.outputs = outputs
        self.nodes = self.draft.nodes[self.start :]
        self.groups = self.draft.groups[self.groups_start :]
        self.entries = self.draft.entries - self.entries_start

    def replay(self, scope: Scope) -> "tuple[Tensors, _Names]":
        """Copy the layers of the block into another scope; return the outputs there, and its names when asked for."""
        draft = self.draft
        offset = len(draft.nodes) - self.start
        first = len(draft.inputs) + self.start
        given = {old.number: new.number for old, new in zip(self.scope.given, scope.given, strict=True)}
        given[UNKNOWN_TENSOR.number] = UNKNOWN_TENSOR.number  # the output of an entry with a mistake

        def moved(number: int) -> int:
            return number + offset if number >= first else given[number]

        cut, prefix = len(self.scope.prefix), scope.prefix
        for name, layer, reads, path, line, frozen, owner in self.nodes:
            own = None if owner is None else owner + offset
            there = tuple([moved(number) for number in reads])
            draft.nodes.append(Node(prefix + name[cut:], layer, there, path, line, frozen, own))
        for group in self.groups:
            name, output = prefix + group.name[cut:], moved(group.output)
            moved_group = group._replace(name=name, start=group.start + offset, stop=group.stop + offset, output=output)
            draft.groups.append(moved_group)
        outputs = _copy_tensors(self.outputs, moved)
        return outputs, lambda: _copy_places(self.scope.places, moved, offset)


def _copy_places(places: dict[str, Place], moved: Callable[[int], int], offset: int) -> dict[str, Place]:
    """Return the names of a copied block."""
    return {name: _copy_place(place, moved, offset) for name, place in places.items()}


def _copy_tensors(tensors: Tensors, moved: Callable[[int], int]) -> Tensors:
    """Return the tensors of a copied block; the unknown tensor stays the same object, which identifies it."""
    return tuple(
        tensor if tensor is UNKNOWN_TENSOR else Tensor(moved(tensor.number), tensor.shape) for tensor in tensors
    )


def _copy_place(place: Place, moved: Callable[[int], int], offset: int) -> Place:
    """Return one name of a copied block; the names inside it are copied when they are first asked for."""
    outputs = _copy_tensors(place.outputs, moved)
    below = place.children
    copy = Place(place.word, place.path, outputs, None if below is None else lambda: _copy_places(below, moved, offset))
    copy.node = None if place.node is None else place.node + offset
    copy.signature = place.signature
    copy.left_out = place.left_out
    return copy
