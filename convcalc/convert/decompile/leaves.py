"""Turns the layers of a network into entries of a spec, with arguments as short as possible and legal names.

A kernel of 3×3 becomes `kernel_size: 3`. Arguments that convcalc infers are dropped, and so are generated
names such as `node_conv2d_12`.
"""

import re
from functools import lru_cache
from typing import Any

from convcalc.arguments import IntegerList, Key
from convcalc.convert.decompile.items import LayerItem, Reference, Value
from convcalc.convert.graph import Graph, legal_names
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.layers.conv import Window
from convcalc.network import Network, Node
from convcalc.problems import Flaw, normalise_word
from convcalc.shape import Shape
from convcalc.spec.entries import RESERVED_NAMES

_MAX_SCOPES = 12  # of a dotted name; any further parts form one name
MAX_PART_LENGTH = 40
_OPERATOR_WORDS = """
    argmax activation averagepool averagepooling avgpool batchnorm batchnormalization cat clip concatenate conv
    convolution convtranspose dense dropout div gemm globalaveragepool globalaveragepooling globalmaxpool input
    layer layernormalization leakyrelu lrn matmul maxpool maxpooling mean mul node op output pad permute reducemean
    relu reshape resize squeeze sub subsample transpose unsqueeze upsampling view zeropadding
"""
_GENERATED_WORDS = frozenset({*_OPERATOR_WORDS.split(), *map(normalise_word, KINDS)})
"""Words from which exporters generate node names by appending a number."""


def make_layer_items(graph: Graph, network: Network) -> list[tuple[tuple[str, ...], LayerItem]]:
    """Return each layer of a network as a spec entry, together with the scopes in its name: `("stage1", "0")`."""
    first = len(network.inputs)
    names = legal_names([*graph.inputs, *(step.name for step in graph.steps)])
    numbers = {name: number for number, name in enumerate(names.values())}
    found = []
    for number, (step, node) in enumerate(zip(graph.steps, network.nodes, strict=True), first):
        scopes, name = _split_layer_name(step.name) if step.named else ((), None)
        found.append((scopes, _make_layer_item(node, number, name, first, numbers)))
    return found


def _make_layer_item(node: Node, number: int, name: str | None, first: int, numbers: dict[str, int]) -> LayerItem:
    layer = node.layer
    names, values = _shorten_arguments(layer)
    if name is not None and normalise_word(name) == normalise_word(layer.kind) and not layer.weight_tensors():
        name = None  # the automatic name is just as informative
    if "like" in names:
        place = names.index("like")
        values = (*values[:place], Reference(numbers[values[place].name]), *values[place + 1 :])
    return LayerItem(
        layer.kind,
        names,
        values,
        node.reads,
        number,
        name,
        frozen=node.frozen,
        share=None if node.owner is None else first + node.owner,
    )


def _shorten_arguments(layer: Layer) -> tuple[tuple[str, ...], tuple[Value, ...]]:
    """Return the names and values of a layer's arguments, without those that the layer would infer.

    Arguments that equal a constant default, such as `stride: 1`, are kept.
    """
    given = {name: value for name, value in layer.given.items() if value is not None}
    if isinstance(layer, Window) and layer.is_causal and any(map(any, layer.padding)):
        given["padding"] = "causal"
    kept = {name: value for name, value in given.items() if not _is_inferred(type(layer), layer.inputs, given, name)}
    return tuple(kept), tuple(_shorten_value(layer.keys[name], value) for name, value in kept.items())


def _is_inferred(kind: type[Layer], inputs: tuple[Shape, ...], given: dict[str, Any], name: str) -> bool:
    """Whether the layer would infer the same value, such as `in_channels`, if the argument `name` were omitted."""
    key = kind.keys[name]
    if key.required or key.default is not None:
        return False
    try:
        return _infer_arguments(kind, inputs, given) == _infer_arguments(kind, inputs, {**given, name: None})
    except Flaw:
        return False


def _infer_arguments(kind: type[Layer], inputs: tuple[Shape, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of a layer, including those that it infers. Raises Flaw."""
    return kind(inputs, {**dict.fromkeys(kind.keys), **given}).arguments()


def _shorten_value(key: Key[Any], value: Any) -> Value:
    """Return one integer for equal values, such as 3 for ((3, 3), (3, 3)), otherwise the value as a short tuple."""
    if value.__class__ is not tuple or isinstance(key, IntegerList):
        return value
    items = [item[0] if item.__class__ is tuple and item[0] == item[1] else item for item in value]
    alike = items[0].__class__ is not tuple and len(set(items)) == 1
    return items[0] if alike else tuple(items)


@lru_cache(maxsize=1_000)
def find_default(kind: str, name: str) -> Value:
    """Return the default of an argument in its shortest form; None if it has no default."""
    key = KINDS[kind].keys[name]
    return None if key.default is None else _shorten_value(key, key.default_for(None))


def _split_layer_name(name: str) -> tuple[tuple[str, ...], str | None]:
    """Return the scopes and the last part of a dotted name: ("layer1", "0") and "conv1" for `layer1.0.conv1`.

    The last part is None if it is a number or an exporter generated it. A scope that is a number is kept, because it
    numbers a copy or an unnamed module.
    """
    *scopes, last = name.split(".", _MAX_SCOPES)
    legal = tuple(part if part.isdigit() else _make_legal_name(part) or "scope" for part in scopes)
    return legal, _make_legal_name(last)


def _make_legal_name(part: str) -> str | None:
    """Return `part` as a name that is valid in a spec: `block_a` for `block/a`.

    None if `part` is a number, or if an exporter generated it, such as `Conv_0`.
    """
    word = re.sub(r"[^A-Za-z0-9_-]+", "_", part[:MAX_PART_LENGTH]).strip("_-")
    if not word or word.isdigit() or _is_generated_name(word):
        return None
    if not word[0].isalpha():
        word = f"layer_{word}"
    return f"{word}_" if word in RESERVED_NAMES else word


def _is_generated_name(word: str) -> bool:
    """Whether a name is only an operator and a number, such as `Conv_0`, `node_conv2d_12` or `max_pooling2d_3`."""
    match = re.fullmatch(r"(node_)?(.+?)((?:_?[123]d)?(?:_[0-9]+)?)", word, re.IGNORECASE)
    return match is not None and bool(match[1] or match[3]) and normalise_word(match[2]) in _GENERATED_WORDS
