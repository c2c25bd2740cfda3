"""Adds the attention of Ultralytics networks: PSA, C2PSA, and the blocks of C2fPSA, C3k2 and A2C2f.

The products of an attention, `softmax(q kᵀ) v`, are an opaque layer with its exact cost; all else are layers. Queries,
keys and values are consecutive channels here and interleaved by heads in the package, which differs only in the order
of the weights.
"""

from collections.abc import Callable
from math import prod

from convcalc.convert.ultralytics.convolutions import add_conv
from convcalc.convert.ultralytics.scope import Scope, Tensor
from convcalc.problems import Flaw

_PSA_HEAD = 64  # channels per head


def count_heads(at: Scope, channels: int) -> int:
    """Return the number of heads; raises Flaw if there are too few channels for one."""
    if channels < _PSA_HEAD:
        raise Flaw(f"{at.name}: attention needs at least {_PSA_HEAD} hidden channels; got {channels}", code="CV016")
    return channels // _PSA_HEAD


def attend(at: Scope, qkv: Tensor, heads: int, key: int, value: int, areas: int = 1) -> Tensor:
    """Add an attention layer that reads `qkv`, without the convolutions around it.

    `key` and `value` are channels per head. A position attends only to the positions of its area. Raises Flaw if
    `areas` does not divide the positions.
    """
    queries = prod(qkv.shape.spatial)
    if queries % areas:
        raise Flaw(f"{at.name}: {areas} areas do not divide the {queries} positions of {qkv.shape}", code="CV016")
    keys = queries // areas
    scores = heads * queries * keys
    macs = scores * (key + value)
    sums = scores * (key - 1) + heads * queries * value * (keys - 1)
    return at.add(
        "attention",
        "opaque",
        qkv,
        output_shape=[heads * value, *qkv.shape.spatial],
        macs=macs,
        multiplications=macs + 2 * scores,  # the scale, and the division of softmax
        additions=sums + scores,  # the sum of softmax
        receptive_field="all",
        what=f"attention with {heads} head{'' if heads == 1 else 's'}" + (f" in {areas} areas" if areas > 1 else ""),
    )


def add_attention(at: Scope, x: Tensor, heads: int) -> Tensor:
    """Add attention whose keys have half the channels of the values, plus a depthwise convolution of the values."""
    channels = x.shape.channels
    value = channels // heads
    key = value // 2
    qkv = add_conv(at.inner("qkv"), x, channels + 2 * key * heads, act=False)
    y = attend(at, qkv, heads, key, value)
    v = at.select("values", qkv, 2 * key * heads, 2 * key * heads + channels)
    pe = add_conv(at.inner("pe"), v, channels, 3, 1, None, channels, act=False)
    return add_conv(at.inner("proj"), at.sum("add", y, pe), channels, act=False)


def add_psa_block(at: Scope, x: Tensor, heads: int) -> Tensor:
    """Add attention with a shortcut, then two 1×1 convolutions with one shortcut around both."""
    channels = x.shape.channels
    x = at.sum("add1", x, add_attention(at.inner("attn"), x, heads))
    y = add_conv(at.inner("ffn", 0), x, 2 * channels)
    return at.sum("add2", x, add_conv(at.inner("ffn", 1), y, channels, act=False))


def add_psa(at: Scope, x: Tensor, c2: int, e: float = 0.5) -> Tensor:
    """Add attention on one half of the hidden channels. `c2` must be the number of input channels."""
    return _add_beside(at, x, c2, e, lambda y: add_psa_block(at, y, count_heads(at, y.shape.channels)))


def add_c2_psa(at: Scope, x: Tensor, c2: int, n: int = 1, e: float = 0.5) -> Tensor:
    """Add n blocks of attention on one half of the hidden channels. `c2` must be the number of input channels."""

    def add_blocks(y: Tensor) -> Tensor:
        for index in range(n):
            y = add_psa_block(at.inner("m", index), y, count_heads(at, y.shape.channels))
        return y

    return _add_beside(at, x, c2, e, add_blocks)


def _add_beside(at: Scope, x: Tensor, c2: int, e: float, part: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `part` to the second half of the hidden channels, and concatenate the first half with its output."""
    check_same_channels(at, x, c2)
    hidden = int(c2 * e)
    y = add_conv(at.inner("cv1"), x, 2 * hidden)
    first, second = at.select("first", y, 0, hidden), at.select("second", y, hidden, 2 * hidden)
    return add_conv(at.inner("cv2"), at.concatenate("concat", first, part(second)), c2)


def check_same_channels(at: Scope, x: Tensor, c2: int) -> None:
    """Raise Flaw unless `c2` is the number of input channels."""
    if x.shape.channels != c2:
        raise Flaw(f"{at.name}: the output must have the {x.shape.channels} channels of the input; got {c2}")


def add_area_block(at: Scope, x: Tensor, heads: int, ratio: float, areas: int) -> Tensor:
    """Add attention within areas, with a shortcut, then two 1×1 convolutions with one shortcut around both."""
    channels = x.shape.channels
    value = channels // heads
    inside = at.inner("attn")
    qkv = add_conv(inside.inner("qkv"), x, 3 * heads * value, act=False)
    y = attend(inside, qkv, heads, value, value, areas)
    v = inside.select("values", qkv, 2 * heads * value, 3 * heads * value)
    pe = add_conv(inside.inner("pe"), v, channels, 7, 1, 3, channels, act=False)
    x = at.sum("add1", x, add_conv(inside.inner("proj"), inside.sum("add", y, pe), channels, act=False))
    y = add_conv(at.inner("mlp", 0), x, int(channels * ratio))
    return at.sum("add2", x, add_conv(at.inner("mlp", 1), y, channels, act=False))
