"""Arranges the scopes of a network in a tree, and finds the tensors that enter and leave each scope."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Union

from convcalc.convert.pytorch.makers import MERGES
from convcalc.convert.pytorch.names import TAKEN, make_distinct, make_identifier
from convcalc.network import Group, Network, Node

AROUND = ("_pad", "_crop")  # suffixes of a layer's name: the modules before and after it
ScopeChild = Union[int, "ModuleScope"]


class ModuleScope(NamedTuple):
    """A scope with its layers (by index) and inner scopes, in order. The network itself has an empty name.

    `word` is the scope's key in the spec. For a use of a block, `block` is its name and `parameters` are the values of
    its parameters.
    """

    name: str
    word: str
    start: int
    stop: int
    copies: int | None
    children: tuple[ScopeChild, ...]
    block: str | None = None
    parameters: Mapping[str, Any] = {}


def build_scope_tree(network: Network) -> ModuleScope:
    """Return the network as a scope; scopes without layers are left out."""
    groups = sorted(
        (group for group in network.groups if group.stop > group.start),
        key=lambda group: (group.start, -group.stop, group.name.count(".")),
    )
    count = len(network.nodes)
    return ModuleScope("", network.name, 0, count, None, _nest_groups(0, count, deque(groups)))


def _nest_groups(start: int, stop: int, groups: deque[Group]) -> tuple[ScopeChild, ...]:
    """Return the layers and scopes of a range of layers."""
    found: list[ScopeChild] = []
    index = start
    while index < stop:
        if groups and groups[0].start == index and groups[0].stop <= stop:
            group = groups.popleft()
            inner = _nest_groups(group.start, group.stop, groups)
            bounds = (group.start, group.stop, group.copies)
            found.append(ModuleScope(group.name, group.word, *bounds, inner, group.block, group.parameters))
            index = group.stop
        else:
            found.append(index)
            index += 1
    return tuple(found)


class ScopeWiring:
    """The connections of a network. Tensors are numbered, the network's inputs first."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.input_count = len(network.inputs)
        self.last_reader = [-1] * (self.input_count + len(network.nodes))
        for index, node in enumerate(network.nodes):
            for tensor in node.reads:
                self.last_reader[tensor] = index
        for tensor in network.outputs.values():
            self.last_reader[tensor] = len(network.nodes)

    def span(self, child: ScopeChild) -> tuple[int, int]:
        """Return the range of layers of a child: first, and last plus one."""
        return (child, child + 1) if isinstance(child, int) else (child.start, child.stop)

    def list_inputs(self, child: ScopeChild) -> tuple[int, ...]:
        """Return the tensors that enter a child, each once, in the order in which they are used."""
        start, stop = self.span(child)
        first_inner = self.input_count + start
        read = (tensor for node in self.network.nodes[start:stop] for tensor in node.reads)
        return tuple(dict.fromkeys(tensor for tensor in read if tensor < first_inner))

    def list_outputs(self, child: ScopeChild) -> tuple[int, ...]:
        """Return the tensors that leave a child, because later layers or the network's outputs use them.

        If none does, its last tensor is returned.
        """
        start, stop = self.span(child)
        inner = range(self.input_count + start, self.input_count + stop)
        return tuple(tensor for tensor in inner if self.last_reader[tensor] >= stop) or (inner[-1],)

    def is_merge(self, child: ScopeChild) -> bool:
        """Whether a child is a layer that merges its inputs."""
        return isinstance(child, int) and self.network.nodes[child].layer.kind in MERGES

    def is_chain(self, children: Sequence[ScopeChild]) -> bool:
        """Whether each child's only input is the output of the one before, as in an nn.Sequential."""
        previous: tuple[int, ...] | None = None
        for child in children:
            reads = self.list_inputs(child)
            if self.is_merge(child) or self.is_list(child) or len(reads) != 1 or previous not in (None, reads):
                return False
            previous = self.list_outputs(child)
            if len(previous) != 1:
                return False
        return True

    def is_list(self, child: ScopeChild) -> bool:
        """Whether a child is an nn.ModuleList: branches, or copies that do not form a chain.

        The forward of the surrounding class calls its elements.
        """
        if isinstance(child, int):
            return False
        return not self.is_chain(child.children) if child.copies is not None else child.word == "branches"

    def is_class(self, scope: ModuleScope) -> bool:
        """Whether a scope becomes a class: the network, a block, or any scope that is neither a chain nor a list."""
        if not scope.name or scope.block is not None:
            return True
        return not (self.is_chain(scope.children) or self.is_list(scope))

    def is_frozen(self, child: ScopeChild) -> bool:
        """Whether a child has weights, and none of them is trained."""
        start, stop = self.span(child)
        learning = [node for node in self.network.nodes[start:stop] if node.owner is None and has_weights(node)]
        return bool(learning) and all(node.frozen for node in learning)

    def full_name(self, child: ScopeChild) -> str:
        """Return the name of a layer or scope."""
        return self.network.nodes[child].name if isinstance(child, int) else child.name


def has_weights(node: Node) -> bool:
    """Whether a layer has weights, biases or buffers."""
    layer = node.layer
    return bool(layer.weight_tensors() or layer.bias_tensors() or layer.buffer_tensors())


class ModulePlaces:
    """Where the module of each layer and scope is: its key in its parent (`keys`), and the parent (`parents`)."""

    def __init__(self, root: ModuleScope, wiring: ScopeWiring) -> None:
        self.wiring = wiring
        self.keys: dict[str, str] = {}
        self.parents: dict[str, ModuleScope] = {}
        self._set_keys(root)

    def _set_keys(self, scope: ModuleScope) -> None:
        """Set the keys of a scope's children: numbers for copies and branches, attribute names for others."""
        beginning = len(scope.name) + 1 if scope.name else 0
        names = [self.wiring.full_name(child) for child in scope.children]
        own = [name[beginning:] for name in names]
        if scope.copies is None and scope.word != "branches":
            reserved = {f"{make_identifier(name)}{suffix}" for name in own for suffix in AROUND}
            own = make_distinct(own, TAKEN | reserved)
        for child, name, key in zip(scope.children, names, own, strict=True):
            self.keys[name], self.parents[name] = key, scope
            if not isinstance(child, int):
                self._set_keys(child)

    def path(self, name: str, within: ModuleScope) -> str:
        """Return the expression for a module within a class, such as `self.stage1[0].conv1`."""
        steps = []
        while True:
            key, scope = self.keys[name], self.parents[name]
            steps.append(f"[{key}]" if key.isdigit() else f".{key}")
            if scope.name == within.name:
                return "self" + "".join(reversed(steps))
            name = scope.name

    def ancestors(self, name: str) -> list[ModuleScope]:
        """Return the scopes around a layer or scope, the innermost first."""
        found = []
        while name:
            found.append(self.parents[name])
            name = found[-1].name
        return found
