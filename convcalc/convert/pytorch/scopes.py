"""The scopes of a network as a tree, and what each reads from outside and gives to the outside."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Union

from convcalc.convert.pytorch.calls import MERGES
from convcalc.network import Group, Network

Child = Union[int, "Scope"]


class Scope(NamedTuple):
    """A scope with its layers (by number) and inner scopes in their order. The network itself has no name."""

    name: str
    word: str
    start: int
    stop: int
    copies: int | None
    children: tuple[Child, ...]


def tree(network: Network) -> Scope:
    """The network as a scope; scopes in which nothing is laid are left out."""
    laid = sorted(
        (group for group in network.groups if group.stop > group.start),
        key=lambda group: (group.start, -group.stop, group.name.count(".")),
    )
    count = len(network.nodes)
    return Scope("", network.name, 0, count, None, inside(0, count, deque(laid)))


def inside(start: int, stop: int, groups: deque[Group]) -> tuple[Child, ...]:
    """The layers and scopes of a stretch."""
    found: list[Child] = []
    index = start
    while index < stop:
        if groups and groups[0].start == index and groups[0].stop <= stop:
            group = groups.popleft()
            inner = inside(group.start, group.stop, groups)
            found.append(Scope(group.name, group.word, group.start, group.stop, group.copies, inner))
            index = group.stop
        else:
            found.append(index)
            index += 1
    return tuple(found)


class Wiring:
    """Who reads what in a network: tensors are numbered, the inputs first."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.first = len(network.inputs)
        self.last_reader = [-1] * (self.first + len(network.nodes))
        for index, node in enumerate(network.nodes):
            for tensor in node.reads:
                self.last_reader[tensor] = index
        for tensor in network.outputs.values():
            self.last_reader[tensor] = len(network.nodes)

    def span(self, child: Child) -> tuple[int, int]:
        """The layers of a child, from and up to."""
        return (child, child + 1) if isinstance(child, int) else (child.start, child.stop)

    def reads(self, child: Child) -> tuple[int, ...]:
        """The tensors from outside that a child reads, each once, in the order of reading."""
        start, stop = self.span(child)
        born = self.first + start
        read = (tensor for node in self.network.nodes[start:stop] for tensor in node.reads)
        return tuple(dict.fromkeys(tensor for tensor in read if tensor < born))

    def gives(self, child: Child) -> tuple[int, ...]:
        """The tensors of a child that are read after it or leave the network; its last where none is."""
        start, stop = self.span(child)
        inner = range(self.first + start, self.first + stop)
        return tuple(tensor for tensor in inner if self.last_reader[tensor] >= stop) or (inner[-1],)

    def is_merge(self, child: Child) -> bool:
        """Whether a child is a layer that merges."""
        return isinstance(child, int) and self.network.nodes[child].layer.kind in MERGES

    def is_chain(self, children: Sequence[Child]) -> bool:
        """Whether each child reads just what the one before gives, so that they can stand in an nn.Sequential."""
        given: tuple[int, ...] | None = None
        for child in children:
            reads = self.reads(child)
            if self.is_merge(child) or is_branches(child) or len(reads) != 1 or given not in (None, reads):
                return False
            given = self.gives(child)
            if len(given) != 1:
                return False
        return True

    def full_name(self, child: Child) -> str:
        """The name of a layer or scope."""
        return self.network.nodes[child].name if isinstance(child, int) else child.name


def is_branches(child: Child) -> bool:
    """Whether a child is a set of branches, whose layers and scopes stand in the forward of what they are in."""
    return isinstance(child, Scope) and child.word == "branches" and child.copies is None


def own_names(scope: Scope, wiring: Wiring) -> list[str]:
    """The names of the children in their scope."""
    beginning = len(scope.name) + 1 if scope.name else 0
    return [wiring.full_name(child)[beginning:] for child in scope.children]
