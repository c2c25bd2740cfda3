"""Merges the operators of a multi-head attention, from the projections of its input to that of its output.

The queries, keys and values are followed back through the operators that rearrange them, so that the number of heads,
their sizes and the positions that attend to each other are known, however an exporter wrote them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from convcalc.convert.fusions.merger import PatternMerger
from convcalc.convert.fusions.tracking import UNCHANGED, Chain, follow_back, track_chain
from convcalc.convert.operators import Operation
from convcalc.convert.views import FEATURES, Part, Parts, View, compose_views, count_parts

PROJECTIONS = frozenset(("Conv", "Gemm", "MatMul"))
_HEADS = FEATURES + 1  # number of an additional axis: the heads


class _Projection(NamedTuple):
    """A linear layer for every position. `channels` is the axis of its features in its input and output."""

    place: int
    operation: Operation
    channels: int


class _Product(NamedTuple):
    """The part of an attention between its projections: the names of its inputs, and the positions of its operators.

    `transposed` says whether the last two axes of the keys are exchanged. `masks` are the constants added to the
    scores. `place` is the position of the last operator.
    """

    place: int

    queries: str
    keys: str
    values: str
    masks: tuple[str, ...]
    transposed: bool
    places: frozenset[int]


class _Heads(NamedTuple):
    """Queries, keys or values, split into heads.

    `groups` has the parts of each axis before the last two; the heads are one part, of the axis _HEADS. `positions` are
    the parts of the positions. `size` is the number of features per head.
    """

    groups: tuple[Parts, ...]
    positions: Parts
    heads: int
    size: int
    start: int


def merge_attention(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge an attention, whose last operator is its output projection, into one MultiHeadAttention.

    Its inputs are the tensor of the queries, that of keys and values if it is another one, weights and biases, and the
    constants that are added to the scores. Its attributes are `heads`, `key_dim`, `value_dim`, `out_channels` and
    `biased`; the number of `masks`, which are the last inputs; the axis `channels` of the first input; `positions`, the
    parts of its axes that attend to each other; `groups` and `key_groups`, the other parts of the axes of both inputs;
    `layout`, the axes of the output as parts of those of the first input; and `operations`, those that were merged.
    """
    last = _find_projection(merger, place, operation)
    after = None if last is None else follow_back(merger, operation.inputs[0])
    product = None if after is None else _find_product(merger, after.source)
    if last is None or after is None or product is None:
        return False
    chains = [follow_back(merger, name) for name in (product.queries, product.keys, product.values)]
    projections = [_find_projection_of(merger, chain.source) for chain in chains]
    made = [each for each in projections if each is not None]
    if len(made) < 3:
        return False
    attributes = _describe(merger, product, chains, made, after, last)
    inside = {place, *after.places, *product.places, *(place for chain in chains for place in chain.places)}
    inside |= {each.place for each in made}
    if attributes is None or not merger.has_no_outside_readers(inside, place):
        return False
    unique = [*{each.place: each for each in made}.values(), last]
    biases = [each.operation.inputs[2] if len(each.operation.inputs) > 2 else "" for each in unique]
    if not all(biases) and any(biases) and not merger.program.exact:
        return False
    queries, keys = made[0].operation.inputs[0], made[1].operation.inputs[0]
    weights = [name for each in unique for name in each.operation.inputs[1:]]
    inputs = (queries, "" if keys == queries else keys, *weights, *product.masks)
    attributes |= {"biased": all(biases), "masks": len(product.masks), "channels": made[0].channels}
    parts = [part for other in sorted(inside) if (part := merger.operations[other]) is not None]
    attributes["operations"] = parts
    name = merger.operations[product.place]
    merged = operation._replace(operator="MultiHeadAttention", attributes=attributes, inputs=inputs)
    merged = merged if name is None else merged._replace(name=name.name)
    return merger.replace(place, merged, *(inside - {place}))


def _find_projection(merger: PatternMerger, place: int, operation: Operation) -> _Projection | None:
    """Return an operation as a projection; None unless it multiplies the channels by a weight matrix."""
    if len(operation.inputs) < 2 or not merger.is_constant(operation.inputs[1]):
        return None
    if merger.is_constant(operation.inputs[0]) or not merger.is_weight(operation.inputs[1]):
        return None
    sizes, attributes = merger.dims(operation.inputs[1]), operation.attributes
    if operation.operator in ("MatMul", "Gemm") and len(sizes) == 2 and not attributes.get("transA"):
        return _Projection(place, operation, len(merger.dims(operation.inputs[0])) - 1)
    if operation.operator == "Conv" and set(sizes[2:]) == {1} and merger.dims(operation.outputs[0])[1] == sizes[0]:
        rank = len(sizes)
        pointwise = merger.dims(operation.outputs[0])[2:] == merger.dims(operation.inputs[0])[2:]
        plain = attributes.get("group", 1) == 1 and pointwise and not any(attributes.get("pads") or ())
        return _Projection(place, operation, 1) if plain and rank > 2 else None
    return None


def _find_projection_of(merger: PatternMerger, name: str) -> _Projection | None:
    made = merger.find_producer(name)
    return None if made is None else _find_projection(merger, *made)


def _find_product(merger: PatternMerger, name: str) -> _Product | None:
    """Return the attention whose output is the tensor `name`: one operator, or two products and a softmax."""
    made = merger.find_producer(name, "Attention", "MatMul")
    if made is None:
        return None
    place, operation = made
    if operation.operator == "Attention":
        if len(merger.dims(operation.inputs[0])) == 3 and operation.attributes.get("q_num_heads", 1) != 1:
            return None
        masks = tuple(filter(None, operation.inputs[3:]))
        if not all(map(merger.is_constant, masks)):
            return None
        queries, keys, values = operation.inputs[:3]
        return _Product(place, queries, keys, values, masks, False, frozenset({place}))
    weights, values, *_ = operation.inputs
    found = _find_scores(merger, weights)
    return None if found is None else found._replace(place=place, values=values, places=found.places | {place})


def _find_scores(merger: PatternMerger, name: str) -> _Product | None:
    """Return the attention whose softmax weights are the tensor `name`; its values are still empty."""
    places: set[int] = set()
    masks: list[str] = []
    softmax = False
    size = merger.dims(name)[-1:]
    while (made := merger.find_producer(name)) is not None:
        place, operation = made
        places.add(place)
        if merger.dims(operation.inputs[0])[-1:] != size and operation.operator != "MatMul":
            return None
        if operation.operator == "MatMul" and softmax:
            queries, keys = operation.inputs[:2]
            return _Product(place, queries, keys, "", tuple(masks), True, frozenset(places))
        if operation.operator == "Softmax":
            if softmax or operation.attributes.get("axis", -1) not in (-1, len(merger.dims(name)) - 1):
                return None
            softmax = True
        elif operation.operator == "Add" and softmax:
            mask = next((each for each in operation.inputs if merger.is_constant(each)), "")
            if not mask:
                return None
            masks.append(mask)
        elif operation.operator not in UNCHANGED and not (
            softmax and (operation.operator == "Reshape" or _scales(merger, operation))
        ):
            return None
        name = next(each for each in operation.inputs if not merger.is_constant(each))
    return None


def _scales(merger: PatternMerger, operation: Operation) -> bool:
    return operation.operator in ("Mul", "Div") and any(
        merger.read_scalar(name) is not None for name in operation.inputs
    )


def _describe(
    merger: PatternMerger,
    product: _Product,
    chains: list[Chain],
    made: list[_Projection],
    after: Chain,
    last: _Projection,
) -> dict[str, Any] | None:
    """Return the attributes of a merged attention; None if it is not one."""
    split = [_split_heads(merger, chain, each) for chain, each in zip(chains, made, strict=True)]
    if product.transposed:
        split[1] = _split_heads(merger, chains[1], made[1], True)
    if split[0] is None or split[1] is None or split[2] is None:
        return None
    queries, keys, values = split[0], split[1], split[2]
    if not (queries.heads == keys.heads == values.heads) or queries.size != keys.size:
        return None
    sources = [each.operation.inputs[0] for each in made]
    if keys.positions != values.positions or keys.groups != values.groups or sources[1] != sources[2]:
        return None
    same = sources[0] == sources[1] and queries.positions == keys.positions
    if (queries.groups if same else _list_sizes(queries)) != (keys.groups if same else _list_sizes(keys)):
        return None
    if not _takes_all(merger, made, (queries, keys, values)):
        return None
    layout = _find_layout(merger, after, last, queries, values)
    if layout is None:
        return None
    return {
        "heads": queries.heads,
        "key_dim": queries.size,
        "value_dim": values.size,
        "out_channels": merger.dims(last.operation.outputs[0])[last.channels],
        "positions": queries.positions,
        "groups": _list_groups(queries),
        "key_groups": _list_groups(keys),
        "layout": layout,
    }


def _split_heads(
    merger: PatternMerger, chain: Chain, projection: _Projection, transposed: bool = False
) -> _Heads | None:
    """Return the heads of a projection; None if the last two axes are not positions and features of a head."""
    tracked = track_chain(merger, chain, projection.channels)
    if tracked is None or len(tracked.view) < 2:
        return None
    *groups, positions, features = tracked.view
    if transposed:
        positions, features = features, positions
    axis = projection.channels
    if any(part.axis != axis for part in features) or any(part.axis == axis for part in positions):
        return None
    heads = count_parts(part for parts in groups for part in parts if part.axis == axis)
    named = tuple(tuple(_name_heads(part, axis) for part in parts) for parts in groups)
    return _Heads(named, positions, heads, count_parts(features), tracked.start)


def _name_heads(part: Part, axis: int) -> Part:
    return Part(_HEADS, 1, part.size) if part.axis == axis else part


def _list_sizes(found: _Heads) -> list[list[int]]:
    return [[part.size for part in parts] for parts in found.groups]


def _list_groups(found: _Heads) -> Parts:
    return tuple(part for parts in found.groups for part in parts if part.axis != _HEADS)


def _takes_all(merger: PatternMerger, made: list[_Projection], split: tuple[_Heads, ...]) -> bool:
    """Whether queries, keys and values together are all channels of their projections, each taken once."""
    taken: Mapping[int, list[tuple[int, int]]] = {each.place: [] for each in made}
    for each, found in zip(made, split, strict=True):
        taken[each.place].append((found.start, found.heads * found.size))
    return all(
        len({start for start, _ in taken[each.place]}) == len(taken[each.place])
        and sum(size for _, size in taken[each.place]) == merger.dims(each.operation.outputs[0])[each.channels]
        for each in made
    )


def _find_layout(
    merger: PatternMerger, after: Chain, last: _Projection, queries: _Heads, values: _Heads
) -> View | None:
    """Return the axes of the output as parts of the axes of the input, with the features as one part of FEATURES.

    None if the output projection does not read all heads of a position together.
    """
    inner = (*queries.groups, queries.positions, (Part(FEATURES, 1, values.size),))
    tracked = track_chain(merger, after)
    view = (
        None if tracked is None or len(inner) != len(merger.dims(after.source)) else compose_views(tracked.view, inner)
    )
    if view is None:
        return None
    for axis, parts in enumerate(view):
        of_heads = [part.axis in (_HEADS, FEATURES) for part in parts]
        if not all(of_heads) if axis == last.channels else any(of_heads):
            return None
    features = (Part(FEATURES, 1, merger.dims(last.operation.outputs[0])[last.channels]),)
    return tuple(features if axis == last.channels else parts for axis, parts in enumerate(view))
