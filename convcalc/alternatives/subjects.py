"""Finds the convolution entries of a spec, each with all layers that the network builds from it.

Also selects convolutions by name or pattern, and makes a pattern that matches all layers of an entry.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from convcalc.alternatives.factorings import CannotChange, Convolution
from convcalc.layers import KINDS
from convcalc.network import Network, matches_pattern
from convcalc.problems import Path, did_you_mean, shorten, show
from convcalc.spec.document import Document
from convcalc.spec.entries import OPTIONS, name_arguments

_WORDS = ("conv", "pointwise_conv", "depthwise_conv")
_MOST_NAMED = 3  # maximum number of layers that an error message lists


class NoSuchLayer(ValueError):
    """Raised if LAYER, such as `stage1.*`, matches no convolution, or only some of the layers of one entry."""


def list_convolutions(document: Document, network: Network) -> list[Convolution]:
    """Return every convolution entry of a spec, in the order of the first layers that are built from them."""
    uses: dict[Path, list[int]] = {}
    for index, node in enumerate(network.nodes):
        if node.layer.kind in _WORDS and _has_arguments(document.root, node.path):
            uses.setdefault(node.path, []).append(index)
    return [_make_convolution(document, network, path, nodes) for path, nodes in uses.items()]


def _has_arguments(root: Any, path: Path) -> bool:
    """Whether `path` leads to arguments, as in `conv: {out_channels: 8}`; False for a bare word and the key `merge`."""
    if path[-1] == "merge" or not isinstance(value_at(root, path[:-1]), dict):
        return False
    return value_at(root, path) is not None


def value_at(value: Any, path: Path) -> Any:
    """Return the value at a path inside nested mappings and lists, such as `value["layers"][0]` for ("layers", 0)."""
    for step in path:
        value = value[step]
    return value


def _make_convolution(document: Document, network: Network, path: Path, nodes: Sequence[int]) -> Convolution:
    """Return the convolution with arguments at `path`; `nodes` are the indexes of the nodes that are built from it."""
    arguments = name_arguments(str(path[-1]), value_at(document.root, path))
    return Convolution(
        path[:-1],
        str(path[-1]),
        {name: value for name, value in arguments.items() if name not in OPTIONS},
        {name: value for name, value in arguments.items() if name in OPTIONS},
        tuple(nodes),
        tuple(network.nodes[node].layer for node in nodes),
    )


def map_sharers(network: Network) -> dict[int, list[int]]:
    """Return, by index of a node, the indexes of the other nodes that use its weights."""
    found: dict[int, list[int]] = {}
    for index, node in enumerate(network.nodes):
        if node.owner is not None:
            found.setdefault(node.owner, []).append(index)
    return found


def check_changeable(conv: Convolution, network: Network, sharing: Mapping[int, Sequence[int]]) -> None:
    """Raise CannotChange if the layer kind of `conv` is a spec parameter, or if another entry uses the same weights.

    `sharing` is the result of `map_sharers`.
    """
    if conv.word not in KINDS:
        raise CannotChange(f"its kind is set by the parameter {conv.word}")
    if "share" in conv.options:
        raise CannotChange("it uses the weights of another layer (share)")
    own = set(conv.nodes)
    for user in (user for node in conv.nodes for user in sharing.get(node, ())):
        if user not in own:
            raise CannotChange(f"{network.nodes[user].name} also uses its weights (share)")


def select_by_any_use(convs: Sequence[Convolution], network: Network, pattern: str) -> list[Convolution]:
    """Return the convolutions of which `pattern` matches at least one layer.

    `pattern` is the name of a layer or scope, a glob such as `stage1.*`, or several of these separated by commas.
    Raises NoSuchLayer if a name or glob in `pattern` matches no convolution.
    """
    names = [network.nodes[node].name for conv in convs for node in conv.nodes]
    chosen: set[str] = set()
    for part in pattern.split(","):
        matching = {name for name in names if matches_pattern(name, part)}
        if not matching:
            raise NoSuchLayer(_describe_no_match(names, network, part))
        chosen |= matching
    return [conv for conv in convs if not chosen.isdisjoint(names_of(conv, network))]


def select_by_all_uses(convs: Sequence[Convolution], network: Network, pattern: str) -> list[Convolution]:
    """Return the convolutions of which `pattern` matches all layers (see `select_by_any_use`).

    Raises NoSuchLayer if a name or glob matches no convolution, or if `pattern` misses some layers of a convolution.
    """
    found = select_by_any_use(convs, network, pattern)
    parts = pattern.split(",")
    for conv in found:
        others = [name for name in names_of(conv, network) if not any(matches_pattern(name, part) for part in parts)]
        if others:
            raise NoSuchLayer(_describe_missed_uses(conv, network, others))
    return found


def names_of(conv: Convolution, network: Network) -> list[str]:
    """Return the names of all layers that are built from an entry."""
    return [network.nodes[node].name for node in conv.nodes]


def _describe_no_match(names: Sequence[str], network: Network, pattern: str) -> str:
    for node in network.nodes:
        if node.name == pattern:
            return f"{pattern} is {node.layer.kind}; only {', '.join(_WORDS)} have alternatives"
    hint = did_you_mean(pattern, names) or (
        f"available: {', '.join(names[:_MOST_NAMED])}{', …' * (len(names) > _MOST_NAMED)}"
        if names
        else "the network has none"
    )
    return f"no convolution {show(pattern)}: {hint}"


def _describe_missed_uses(conv: Convolution, network: Network, others: Sequence[str]) -> str:
    """Return the error message for a LAYER that does not match all layers of an entry; `others` are the missed layers.

    The message suggests a LAYER that matches all of them.
    """
    own = names_of(conv, network)
    chosen = next(name for name in own if name not in others)
    place = f" in block {show(conv.path[1])}" if conv.path[0] == "blocks" else ""
    rest = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return (
        f"{chosen} is defined once{place} and used {len(own)} times; a change affects all of them, also "
        f"{', '.join(map(shorten, others[:_MOST_NAMED]))}{rest}: select them with '{pattern_of(conv, network)}'"
    )


# -- a name for an entry


def pattern_of(conv: Convolution, network: Network) -> str:
    """Return a LAYER, such as `conv1` or `stage1.*.conv1`, that matches all layers of an entry and nothing else.

    The LAYER can consist of several patterns separated by commas.
    """
    own = names_of(conv, network)
    if len(own) == 1:
        return own[0]
    others = {node.name for node in network.nodes if node.layer.kind in _WORDS}.difference(own)
    return ",".join(make_patterns(own, others))


def make_patterns(names: Sequence[str], others: Iterable[str]) -> list[str]:
    """Return patterns, such as `stage1.*`, that together match every name in `names` and none in `others`."""
    if len(names) == 1:
        return list(names)
    for pattern in (common_pattern(names), _common_letters(names)):
        if all(matches_pattern(name, pattern) for name in names) and not any(
            matches_pattern(name, pattern) for name in others
        ):
            return [pattern]
    start = _count_common_start([name.split(".") for name in names])
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(".".join(name.split(".")[: start + 1]), []).append(name)
    return [pattern for group in groups.values() for pattern in make_patterns(group, others)]


def common_pattern(names: Sequence[str]) -> str:
    """Return a pattern with the first and last dot-separated parts that all names share, such as `stage1.*.conv1`."""
    parts = [name.split(".") for name in names]
    start = min(_count_common_start(parts), min(map(len, parts)) - 1)
    stop = _count_common_start([one[start:][::-1] for one in parts])
    return ".".join([*parts[0][:start], "*", *parts[0][len(parts[0]) - stop :]])


def _common_letters(names: Sequence[str]) -> str:
    """Return a pattern with the first and last characters that all names share, such as `stage*.conv1`."""
    start = _count_common_start(names)
    stop = _count_common_start([name[start:][::-1] for name in names])
    return f"{names[0][:start]}*{names[0][len(names[0]) - stop :]}"


def _count_common_start(sequences: Sequence[Sequence[str]]) -> int:
    """Return the number of leading items that all sequences have in common."""
    return sum(1 for _ in takewhile(lambda items: len(set(items)) == 1, zip(*sequences, strict=False)))
