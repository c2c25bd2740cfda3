"""The layers of a network as entries: their arguments as short as a spec may have them, their names as they may be."""

import re
from functools import lru_cache
from typing import Any

from convcalc.convert.graph import Graph, legal_names
from convcalc.convert.writing.items import Leaf, Reference, Value
from convcalc.keys import IntegerList, Key
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.network import Network, Node
from convcalc.problems import Flaw, fold
from convcalc.shape import Shape
from convcalc.spec.entries import RESERVED_NAMES

MOST_SCOPES = 12  # parts of a name that are scopes
LONGEST_PART = 40
WORDS = """
    argmax activation averagepool averagepooling avgpool batchnorm batchnormalization cat clip concatenate conv
    convolution convtranspose dense dropout div gemm globalaveragepool globalaveragepooling globalmaxpool input
    layer layernormalization leakyrelu lrn matmul maxpool maxpooling mean mul node op output pad permute reducemean
    relu reshape resize squeeze sub subsample transpose unsqueeze upsampling view zeropadding
"""
MADE_UP = frozenset({*WORDS.split(), *map(fold, KINDS)})
"""What exporters call a node by, with a number after it."""


def leaves_of(graph: Graph, network: Network) -> list[tuple[tuple[str, ...], Leaf]]:
    """The layers of a network with the scopes of their names."""
    first = len(network.inputs)
    names = legal_names([*graph.inputs, *(step.name for step in graph.steps)])
    numbers = {name: number for number, name in enumerate(names.values())}
    found = []
    for number, (step, node) in enumerate(zip(graph.steps, network.nodes, strict=True), first):
        scopes, name = name_of(step.name) if step.named else ((), None)
        found.append((scopes, leaf_of(node, number, name, first, numbers)))
    return found


def leaf_of(node: Node, number: int, name: str | None, first: int, numbers: dict[str, int]) -> Leaf:
    """One layer as an entry."""
    layer = node.layer
    names, values = arguments_of(layer)
    if name is not None and fold(name) == fold(layer.kind) and not layer.weight_tensors():
        name = None  # its ordinal says as much
    if "like" in names:
        place = names.index("like")
        values = (*values[:place], Reference(numbers[values[place].name]), *values[place + 1 :])
    return Leaf(
        layer.kind,
        names,
        values,
        node.reads,
        number,
        name,
        frozen=node.frozen,
        share=None if node.owner is None else first + node.owner,
    )


def arguments_of(layer: Layer) -> tuple[tuple[str, ...], tuple[Value, ...]]:
    """The arguments that make a layer what it is, those at a default value among them."""
    given = {name: value for name, value in layer.given.items() if value is not None}
    kept = {name: value for name, value in given.items() if not is_needless(type(layer), layer.inputs, given, name)}
    return tuple(kept), tuple(shortest(layer.keys[name], value) for name, value in kept.items())


def is_needless(kind: type[Layer], inputs: tuple[Shape, ...], given: dict[str, Any], name: str) -> bool:
    """Whether an argument that has no default value of its own says what the layer works out without it."""
    key = kind.keys[name]
    if key.required or key.default is not None:
        return False
    try:
        return plain_arguments(kind, inputs, given) == plain_arguments(kind, inputs, {**given, name: None})
    except Flaw:
        return False


def plain_arguments(kind: type[Layer], inputs: tuple[Shape, ...], given: dict[str, Any]) -> dict[str, Any]:
    """All arguments of a layer as they come out. Raises Flaw."""
    return kind(inputs, {**dict.fromkeys(kind.keys), **given}).arguments()


def shortest(key: Key[Any], value: Any) -> Value:
    """A normal value as it is written at its shortest: one integer where all axes agree, lists as tuples."""
    if value.__class__ is not tuple or isinstance(key, IntegerList):
        return value
    items = [item[0] if item.__class__ is tuple and item[0] == item[1] else item for item in value]
    alike = items[0].__class__ is not tuple and len(set(items)) == 1
    return items[0] if alike else tuple(items)


@lru_cache(maxsize=1_000)
def default_of(kind: str, name: str) -> Value:
    """The default of an argument as it is written, None where there is none."""
    key = KINDS[kind].keys[name]
    return None if key.default is None else shortest(key, key.default_for(None))


def name_of(name: str) -> tuple[tuple[str, ...], str | None]:
    """The scopes and the name of a step of the source, None where the name says nothing.

    Scopes that are numbers stay as they are: they are copies or have no name.
    """
    *scopes, last = name.split(".", MOST_SCOPES)
    return tuple(part if part.isdigit() else legal(part) or "scope" for part in scopes), legal(last)


def legal(part: str) -> str | None:
    """A part of a name as a spec may hold it, None where it says nothing."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "_", part[:LONGEST_PART]).strip("_-")
    if not word or word.isdigit() or is_made_up(word):
        return None
    if not word[0].isalpha():
        word = f"layer_{word}"
    return f"{word}_" if word in RESERVED_NAMES else word


def is_made_up(word: str) -> bool:
    """Whether a name is a word for what the layer does and a number: `Conv_0`, `node_conv2d_12`, `max_pooling2d_3`."""
    match = re.fullmatch(r"(node_)?(.+?)((?:_?[123]d)?(?:_[0-9]+)?)", word, re.IGNORECASE)
    return match is not None and bool(match[1] or match[3]) and fold(match[2]) in MADE_UP
