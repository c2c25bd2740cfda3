"""The convolutions of a network, as entries of its spec: one entry may be laid many times."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from convcalc.alternatives.factorings import CannotChange, Convolution
from convcalc.layers import KINDS
from convcalc.network import Network, goes_by
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
    """The convolutions of which at least one use goes by a name, a pattern or the name of a scope.

    Several with commas between are all of them. Raises NoSuchLayer if one of these matches no convolution.
    """
    names = [network.nodes[node].name for conv in convs for node in conv.nodes]
    chosen: set[str] = set()
    for part in pattern.split(","):
        matching = {name for name in names if goes_by(name, part)}
        if not matching:
            raise NoSuchLayer(no_such_layer(names, network, part))
        chosen |= matching
    return [conv for conv in convs if not chosen.isdisjoint(names_of(conv, network))]


def wholly_named(convs: Sequence[Convolution], network: Network, pattern: str) -> list[Convolution]:
    """The convolutions of which every use goes by a pattern, as `named` takes it.

    Raises NoSuchLayer if there is none, or if only some of the uses of an entry go by it.
    """
    found = named(convs, network, pattern)
    parts = pattern.split(",")
    for conv in found:
        others = [name for name in names_of(conv, network) if not any(goes_by(name, part) for part in parts)]
        if others:
            raise NoSuchLayer(only_some(conv, network, others))
    return found


def names_of(conv: Convolution, network: Network) -> list[str]:
    """The names of the layers that are laid from an entry."""
    return [network.nodes[node].name for node in conv.nodes]


def no_such_layer(names: Sequence[str], network: Network, pattern: str) -> str:
    """The message that a pattern names no convolution."""
    for node in network.nodes:
        if node.name == pattern:
            return f"{pattern} is {node.layer.kind}: only {', '.join(WORDS)} have alternatives"
    hint = did_you_mean(pattern, names) or (
        f"there are {', '.join(names[:MOST_NAMED])}, …" if names else "the network has none"
    )
    return f"no convolution {shown(pattern)}: {hint}"


def only_some(conv: Convolution, network: Network, others: Sequence[str]) -> str:
    """The message that an entry has further uses, with a pattern that names all of them."""
    own = names_of(conv, network)
    chosen = next(name for name in own if name not in others)
    rest = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    return (
        f"{chosen} is written once and laid {len(own)} times: what changes it changes "
        f"{', '.join(map(shortened, others[:MOST_NAMED]))}{rest} too; name them all: '{pattern_of(conv, network)}'"
    )


# -- a name for an entry


def pattern_of(conv: Convolution, network: Network) -> str:
    """A name for all uses of an entry, and for no other convolution: a name, a pattern, or several with commas."""
    own = names_of(conv, network)
    if len(own) == 1:
        return own[0]
    others = {node.name for node in network.nodes if node.layer.kind in WORDS}.difference(own)
    return ",".join(patterns(own, others))


def patterns(names: Sequence[str], others: Iterable[str]) -> list[str]:
    """A few patterns that together match names, and none of some others."""
    if len(names) == 1:
        return list(names)
    for pattern in (common_pattern(names), common_letters(names)):
        if all(goes_by(name, pattern) for name in names) and not any(goes_by(name, pattern) for name in others):
            return [pattern]
    start = common_start([name.split(".") for name in names])
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(".".join(name.split(".")[: start + 1]), []).append(name)
    return [pattern for group in groups.values() for pattern in patterns(group, others)]


def common_pattern(names: Sequence[str]) -> str:
    """A pattern of what names have in common at their beginning and at their end, part by part."""
    parts = [name.split(".") for name in names]
    start = min(common_start(parts), min(map(len, parts)) - 1)
    stop = common_start([one[start:][::-1] for one in parts])
    return ".".join([*parts[0][:start], "*", *parts[0][len(parts[0]) - stop :]])


def common_letters(names: Sequence[str]) -> str:
    """A pattern of what names have in common at their beginning and at their end, letter by letter."""
    start = common_start(names)
    stop = common_start([name[start:][::-1] for name in names])
    return f"{names[0][:start]}*{names[0][len(names[0]) - stop :]}"


def common_start(sequences: Sequence[Sequence[str]]) -> int:
    """How many items all of some sequences begin with."""
    return sum(1 for _ in takewhile(lambda items: len(set(items)) == 1, zip(*sequences, strict=False)))
