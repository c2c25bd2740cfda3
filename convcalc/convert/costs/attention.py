"""Counts attention, linear attention and rotary embeddings."""

from math import prod

from convcalc.convert.costs.cost import Attributes, Cost, Shapes, make_macs


def attend(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count scaled dot-product attention: two matrix products, the scale, and a softmax over the keys.

    A mask costs one addition per score. Keys of earlier positions, the fifth input, count too.
    """
    query, key, value = (shapes.input(place) for place in (0, 1, 2))
    if len(query) == 3:  # batch, length, heads × size
        heads, shared = int(attributes["q_num_heads"]), int(attributes["kv_num_heads"])
        rows, keys = query[0] * query[1] * heads, key[1]
        sizes = query[2] // heads, value[2] // shared
    else:
        rows, keys = prod(query[:-1]), key[-2]
        sizes = query[-1], value[-1]
    if shapes.count_input(4):
        keys += shapes.input(4)[-2]
    scores = rows * keys
    masked = scores if shapes.count_input(3) else 0
    return make_macs(scores * sum(sizes), 2 * scores, scores + masked, sums=scores + rows * sizes[1])


def attend_linearly(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count the recurrent form of linear attention, whose state is a matrix of key size × value size per head.

    Per position, the product of key and value is added to the state, and the state is multiplied by each query. If
    `update_rule` contains `delta`, the state is also multiplied by the key; if it contains `gated`, by a decay.
    """
    heads, shared = int(attributes["q_num_heads"]), int(attributes["kv_num_heads"])
    rule = attributes.get("update_rule", "gated_delta")
    batch, length, packed = shapes.input(0)
    key_size, value_size = packed // heads, shapes.input(2)[-1] // shared
    positions, state = batch * length, key_size * value_size
    delta, gated = "delta" in rule, "gated" in rule
    macs = positions * state * (heads + shared * (1 + delta))
    sums = positions * value_size * (heads + shared * delta)
    scaled = positions * (heads * value_size + shared * (delta * value_size + gated * state))
    return make_macs(macs, scaled, positions * shared * delta * value_size, sums=sums)


def rotate(attributes: Attributes, shapes: Shapes) -> Cost:
    """Count two products and a sum per rotated value: the first `rotary_embedding_dim` values of each head, or all."""
    sizes = shapes.input(0)
    size = sizes[-1] if len(sizes) == 4 else sizes[-1] // int(attributes["num_heads"])
    rotated = prod(sizes) // size * (int(attributes.get("rotary_embedding_dim", 0)) or size)
    return Cost(2 * rotated, rotated)
