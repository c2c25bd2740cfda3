"""What layers are recognised by in another network: their names, their kinds, their arguments, what they give."""

from sys import intern
from typing import NamedTuple

from convcalc.network import Network
from convcalc.shape import Shape

Text = tuple[str, str, str]


class Mark(NamedTuple):
    """What one layer is recognised by. A name is `written` where a person gave it, not the kind and an ordinal."""

    name: str
    scope: str
    leaf: str
    kind: str
    arguments: str
    shape: Shape
    scope_written: bool
    leaf_written: bool

    def text(self) -> Text:
        """What orders marks."""
        return self.name, self.kind, self.arguments

    def is_like(self, other: "Mark") -> bool:
        """Whether both are the same layer but for their names and what they read."""
        return self.arguments == other.arguments and self.kind == other.kind

    def is_same(self, other: "Mark") -> bool:
        """Whether nothing at all tells them apart."""
        return self.name == other.name and self.is_like(other) and self.shape == other.shape


def marks_of(network: Network) -> list[Mark]:
    """The marks of all layers, in their order."""
    scopes = _find_named_scopes(network)
    texts: dict[int, str] = {}  # equal layers are one object
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
                not _is_ordinal(leaf, node.layer.kind),
            )
        )
    return found


def _find_named_scopes(network: Network) -> dict[str, bool]:
    """Of every scope whether a person gave it, or one around it, a name."""
    found = {"": False}
    for group in sorted(network.groups, key=lambda group: group.name.count(".")):
        around, _, last = group.name.rpartition(".")
        found[group.name] = found.get(around, False) or not (last.isdigit() or _is_ordinal(last, group.word))
    return found


def _is_ordinal(name: str, word: str) -> bool:
    """Whether a name is what an entry without a name is called: `conv2`, or of a merge its kind."""
    return name.startswith(word) and (name == word or name[len(word) :].isdigit())
