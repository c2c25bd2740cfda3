"""Arranges the scopes of a network in a tree, and finds the input and output tensors of each scope.

A scope is a named part of the network: a block, a sequence, a set of branches or a series of repeated copies. A "child"
of a scope is a layer, given by its index in `network.nodes`, or an inner scope.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Union

from convcalc.convert.pytorch.makers import MERGES
from convcalc.convert.pytorch.names import TAKEN, make_distinct, make_identifier
from convcalc.network import Group, Network, Node

AROUND = ("_pad", "_crop")  # suffixes of the modules that pad before a layer and crop after it: `conv1_pad`
ScopeChild = Union[int, "ModuleScope"]


class ModuleScope(NamedTuple):
    """A scope: the layers with the indices from `start` up to, but not including, `stop`.

    `children` are its layers (by index) and inner scopes, in order. The scope of the whole network has an empty name.
    `word` is the scope's key in the spec. `copies` is the number of copies if the scope is a repetition, else None. For
    a use of a block, `block` is the block's name and `parameters` are the values of the block's parameters.
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
    """Return the scope of the whole network, with all inner scopes that contain layers."""
    groups = sorted(
        (group for group in network.groups if group.stop > group.start),
        key=lambda group: (group.start, -group.stop, group.name.count(".")),
    )
    count = len(network.nodes)
    return ModuleScope("", network.name, 0, count, None, _nest_groups(0, count, deque(groups)))


def _nest_groups(start: int, stop: int, groups: deque[Group]) -> tuple[ScopeChild, ...]:
    """Return the layers and scopes between two layer indices; removes the groups of these scopes from `groups`."""
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
    """The connections of a network. Tensors are numbered: inputs first, then the output of each layer.

    A child is a layer, given by its index, or a scope.
    """

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
        """Return the index of a child's first layer, and the index after its last layer."""
        return (child, child + 1) if isinstance(child, int) else (child.start, child.stop)

    def list_inputs(self, child: ScopeChild) -> tuple[int, ...]:
        """Return the tensors that a child reads and does not compute, in the order in which they are first read."""
        start, stop = self.span(child)
        first_inner = self.input_count + start
        read = (tensor for node in self.network.nodes[start:stop] for tensor in node.reads)
        return tuple(dict.fromkeys(tensor for tensor in read if tensor < first_inner))

    def list_outputs(self, child: ScopeChild) -> tuple[int, ...]:
        """Return the tensors of a child that later layers read or that are outputs of the network.

        If there are none, the output of the child's last layer is returned.
        """
        start, stop = self.span(child)
        inner = range(self.input_count + start, self.input_count + stop)
        return tuple(tensor for tensor in inner if self.last_reader[tensor] >= stop) or (inner[-1],)

    def is_merge(self, child: ScopeChild) -> bool:
        """Whether a child is an add, multiply or concat layer, which the forward writes as an expression."""
        return isinstance(child, int) and self.network.nodes[child].layer.kind in MERGES

    def is_chain(self, children: Sequence[ScopeChild]) -> bool:
        """Whether the children form a chain, as in an nn.Sequential.

        Each child reads a single tensor, which is the only output of the child before, and no child becomes an
        nn.ModuleList.
        """
        previous: tuple[int, ...] | None = None
        for child in children:
            reads = self.list_inputs(child)
            several = isinstance(child, int) and len(self.network.nodes[child].reads) > 1
            if several or self.is_list(child) or len(reads) != 1 or previous not in (None, reads):
                return False
            previous = self.list_outputs(child)
            if len(previous) != 1:
                return False
        return True

    def is_sequential(self, scope: ModuleScope) -> bool:
        """Whether a scope can be an nn.Sequential: its children form a chain, and it has only one output."""
        return self.is_chain(scope.children) and len(self.list_outputs(scope)) == 1

    def is_list(self, child: ScopeChild) -> bool:
        """Whether a child becomes an nn.ModuleList: a set of branches, or copies that cannot be an nn.Sequential.

        The forward of the surrounding class calls the list's elements one by one.
        """
        if isinstance(child, int):
            return False
        return not self.is_sequential(child) if child.copies is not None else child.word == "branches"

    def is_class(self, scope: ModuleScope) -> bool:
        """Whether a scope becomes a class: the network, a block, or any scope that is neither sequential nor a list."""
        if not scope.name or scope.block is not None:
            return True
        return not (self.is_sequential(scope) or self.is_list(scope))

    def is_frozen(self, child: ScopeChild) -> bool:
        """Whether a child has weights of its own, all of them frozen."""
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
    """Finds the module of each layer or scope in the exported classes, such as `self.stage1[0].conv1`.

    `parents` maps the name of a layer or scope to the scope around it. `keys` maps the name to the module's attribute
    name in that scope, or to its number if it is a copy or branch.
    """

    def __init__(self, root: ModuleScope, wiring: ScopeWiring) -> None:
        self.wiring = wiring
        self.keys: dict[str, str] = {}
        self.parents: dict[str, ModuleScope] = {}
        self._set_keys(root)

    def _set_keys(self, scope: ModuleScope) -> None:
        beginning = len(scope.name) + 1 if scope.name else 0
        names = [self.wiring.full_name(child) for child in scope.children]
        own = [name[beginning:] for name in names]
        if scope.copies is None and scope.word != "branches":
            reserved = {f"{make_identifier(name)}{suffix}" for name in own for suffix in AROUND}
            own = make_distinct(own, TAKEN | reserved)
        elif scope.word == "branches":
            own = self._number_branches(scope, own)
        for child, name, key in zip(scope.children, names, own, strict=True):
            self.keys[name], self.parents[name] = key, scope
            if not isinstance(child, int):
                self._set_keys(child)

    def _number_branches(self, scope: ModuleScope, names: list[str]) -> list[str]:
        """Return `names` with every branch renamed to its number; merges keep their names."""
        merges = [self.wiring.is_merge(child) for child in scope.children]
        if all(is_merge or name.isdigit() for is_merge, name in zip(merges, names, strict=True)):
            return names
        numbers = map(str, range(len(names)))
        return [name if is_merge else next(numbers) for is_merge, name in zip(merges, names, strict=True)]

    def path(self, name: str, within: ModuleScope) -> str:
        """Return the expression for a module in the class of the scope `within`, such as `self.stage1[0].conv1`."""
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
