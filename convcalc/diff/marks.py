"""Collects the features by which a layer is recognised in another network: name, kind, arguments, output shape."""

from sys import intern
from typing import NamedTuple

from convcalc.network import Network
from convcalc.shape import Shape

_SortKey = tuple[str, str, str]


class Mark(NamedTuple):
    """The features of one layer.

    `leaf` is the part of the name after the last dot, and `scope` is everything before that dot. `scope_written` and
    `leaf_written` are true if the author of the spec chose that part of the name, and false for a default name such as
    conv2.
    """

    name: str
    scope: str
    leaf: str
    kind: str
    arguments: str
    shape: Shape
    scope_written: bool
    leaf_written: bool

    def sort_key(self) -> _SortKey:
        """Return name, kind and arguments, by which the layers of two networks are brought into a fixed order."""
        return self.name, self.kind, self.arguments

    def is_like(self, other: "Mark") -> bool:
        """Whether both layers have the same kind and arguments."""
        return self.arguments == other.arguments and self.kind == other.kind

    def is_same(self, other: "Mark") -> bool:
        """Whether both layers have the same name, kind, arguments and output shape."""
        return self.name == other.name and self.is_like(other) and self.shape == other.shape


def mark_layers(network: Network) -> list[Mark]:
    """Return one `Mark` per layer, in the order of the network."""
    scopes = _find_named_scopes(network)
    texts: dict[int, str] = {}  # by identity: repeated layers are the same object, and repr takes long
    found = []
    for node in network.nodes:
        same = id(node.layer)
        if same not in texts:
            texts[same] = intern(repr(node.layer.arguments()))
        scope, _, leaf = node.name.rpartition(".")
        written = scopes.get(scope, False)
        found.append(
            Mark(
                node.name,
                scope,
                leaf,
                node.layer.kind,
                texts[same],
                node.layer.output,
                written,
                not _is_default_name(leaf, node.layer.kind),
            )
        )
    return found


def _find_named_scopes(network: Network) -> dict[str, bool]:
    """Return, by name of a scope, whether the author of the spec chose any part of the name."""
    found = {"": False}
    for group in sorted(network.groups, key=lambda group: group.name.count(".")):
        around, _, last = group.name.rpartition(".")
        found[group.name] = found.get(around, False) or not (last.isdigit() or _is_default_name(last, group.word))
    return found


def _is_default_name(name: str, word: str) -> bool:
    """Whether a name is `word` (the layer kind), alone or with a number, such as `add`, `conv2` or `relu_6`."""
    return name.startswith(word) and (name == word or name[len(word) :].removeprefix("_").isdigit())
