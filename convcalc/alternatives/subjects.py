"""The convolutions of a network, as entries of its spec: one entry may be laid many times."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from convcalc.alternatives.factorings import CannotChange, Convolution
from convcalc.layers import KINDS
from convcalc.network import Network
from convcalc.problems import Path, did_you_mean, shortened, shown
from convcalc.spec.document import Document
from convcalc.spec.entries import OPTIONS

WORDS = ("conv", "pointwise_conv", "depthwise_conv")
MOST_NAMED = 3  # uses of an entry that an error names


class NoSuchLayer(ValueError):
    """No convolution, or only some of the uses of an entry, go by a name."""


def convolutions(document: Document, network: Network) -> list[Convolution]:
    """Every entry that is a convolution, in the order in which they are first laid."""
    uses: dict[Path, list[int]] = {}
    for index, node in enumerate(network.nodes):
        if node.layer.kind in WORDS and is_entry(document.root, node.path):
            uses.setdefault(node.path, []).append(index)
    return [convolution(document, network, path, nodes) for path, nodes in uses.items()]


def is_entry(root: Any, path: Path) -> bool:
    """Whether a path leads to the word of an entry that has arguments."""
    return (
        path[-1] != "merge" and isinstance(value_at(root, path[:-1]), dict) and isinstance(value_at(root, path), dict)
    )


def value_at(value: Any, path: Path) -> Any:
    """The value that a path leads to."""
    for step in path:
        value = value[step]
    return value


def convolution(document: Document, network: Network, path: Path, nodes: Sequence[int]) -> Convolution:
    """The convolution that is written at a path."""
    arguments = value_at(document.root, path)
    return Convolution(
        path[:-1],
        str(path[-1]),
        {name: value for name, value in arguments.items() if name not in OPTIONS},
        {name: value for name, value in arguments.items() if name in OPTIONS},
        tuple(nodes),
        tuple(network.nodes[node].layer for node in nodes),
    )


def sharers(network: Network) -> dict[int, list[int]]:
    """The nodes that use the weights of another, by that other."""
    found: dict[int, list[int]] = {}
    for index, node in enumerate(network.nodes):
        if node.owner is not None:
            found.setdefault(node.owner, []).append(index)
    return found


def check_changeable(conv: Convolution, network: Network, sharing: Mapping[int, Sequence[int]]) -> None:
    """An entry stands for itself: no other decides what it is or has its weights. Raises CannotChange."""
    if conv.word not in KINDS:
        raise CannotChange(f"its kind is the parameter {conv.word}")
    if "share" in conv.options:
        raise CannotChange("it uses the weights of another layer (share)")
    own = set(conv.nodes)
    for user in (user for node in conv.nodes for user in sharing.get(node, ())):
        if user not in own:
            raise CannotChange(f"{network.nodes[user].name} uses its weights too (share)")


def named(convs: Sequence[Convolution], network: Network, pattern: str) -> list[Convolution]:
    """The convolutions that a name, a pattern, or the name of a scope stands for.

    Raises NoSuchLayer where there is none, and where only some of the uses of an entry go by it.
    """
    names = [network.nodes[node].name for conv in convs for node in conv.nodes]
    chosen = {name for name in names if matches(name, pattern)}
    if not chosen:
        raise NoSuchLayer(no_such_layer(names, network, pattern))
    found = []
    for conv in convs:
        own = [network.nodes[node].name for node in conv.nodes]
        others = [name for name in own if name not in chosen]
        if others and len(others) < len(own):
            raise NoSuchLayer(only_some(own, others))
        if not others:
            found.append(conv)
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a layer goes by a pattern, or is inside of a scope of that name."""
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")


def no_such_layer(names: Sequence[str], network: Network, pattern: str) -> str:
    """The message that a pattern names no convolution."""
    for node in network.nodes:
        if node.name == pattern:
            return f"{pattern} is {node.layer.kind}: only {', '.join(WORDS)} have alternatives"
    hint = did_you_mean(pattern, names) or (
        f"there are {', '.join(names[:MOST_NAMED])}, …" if names else "the network has none"
    )
    return f"no convolution {shown(pattern)}: {hint}"


def only_some(own: Sequence[str], others: Sequence[str]) -> str:
    """The message that an entry is laid elsewhere too, with a pattern that names all its uses."""
    chosen = next(name for name in own if name not in others)
    rest = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    every = common_pattern(own)
    return (
        f"{chosen} is written once and laid {len(own)} times: what changes it changes "
        f"{', '.join(map(shortened, others[:MOST_NAMED]))}{rest} too; name them all: '{every}'"
    )


def common_pattern(names: Sequence[str]) -> str:
    """A pattern of what names have in common at their beginning and at their end, part by part."""
    parts = [name.split(".") for name in names]
    start = 0
    while all(len(one) > start + 1 and one[: start + 1] == parts[0][: start + 1] for one in parts):
        start += 1
    stop = 0
    shortest = min(map(len, parts)) - start
    while stop < shortest and len({tuple(one[len(one) - stop - 1 :]) for one in parts}) == 1:
        stop += 1
    return ".".join([*parts[0][:start], "*", *parts[0][len(parts[0]) - stop :]])
