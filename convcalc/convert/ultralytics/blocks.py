"""Adds the blocks of Ultralytics networks: Bottleneck, C1, C2, C2f, C3 and its variants, SPP, SPPF, ELAN and others.

Every function adds one module to a scope and returns its output; see `convolutions` for the names of parameters.
"""

from collections.abc import Callable
from itertools import accumulate

from convcalc.convert.ultralytics.attention import add_area_block, add_psa_block, check_same_channels, count_heads
from convcalc.convert.ultralytics.convolutions import (
    Sizes,
    add_conv,
    add_dw_conv,
    add_ghost_conv,
    add_rep_conv,
    check_input,
    convolve,
    halve,
)
from convcalc.convert.ultralytics.scope import Scope, Tensor
from convcalc.problems import Flaw

Part = Callable[[Scope, Tensor], Tensor]
_SQUARE = (3, 3)
_AREA_HEAD = 32  # channels per head of area attention


def chain(at: Scope, x: Tensor, n: int, part: Part) -> Tensor:
    """Apply `part` n times in a row, in the scopes 0, 1, …, and return the last output."""
    for index in range(n):
        x = part(at.inner(index), x)
    return x


def add_bottleneck(
    at: Scope,
    x: Tensor,
    c2: int,
    shortcut: bool = True,
    g: int = 1,
    k: tuple[Sizes, Sizes] = _SQUARE,
    e: float = 0.5,
    *,
    first: Callable[..., Tensor] = add_conv,
) -> Tensor:
    """Add two convolutions, the first one with the function `first`.

    If `shortcut` is set and `c2` is the number of input channels, the result is the sum of their output and the input.
    """
    y = add_conv(at.inner("cv2"), first(at.inner("cv1"), x, int(c2 * e), k[0], 1), c2, k[1], 1, None, g)
    return at.sum("add", x, y) if shortcut and x.shape.channels == c2 else y


def add_bottleneck_csp(
    at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
) -> Tensor:
    """Add n bottlenecks in a row and a 1×1 convolution in parallel; concatenate both and apply a batch norm."""
    hidden = int(c2 * e)
    y = add_conv(at.inner("cv1"), x, hidden)
    y = chain(at.inner("m"), y, n, lambda at, x: add_bottleneck(at, x, hidden, shortcut, g, e=1.0))
    both = at.concatenate("concat", convolve(at, "cv3", y, hidden), convolve(at, "cv2", x, hidden))
    return add_conv(at.inner("cv4"), at.add("act", "silu", at.add("bn", "batchnorm", both)), c2)


def add_c1(at: Scope, x: Tensor, c2: int, n: int = 1) -> Tensor:
    """Add a 1×1 convolution, then n 3×3 convolutions with one shortcut around all of them."""
    y = add_conv(at.inner("cv1"), x, c2)
    return at.sum("add", chain(at.inner("m"), y, n, lambda at, x: add_conv(at, x, c2, 3)), y)


def add_c2(at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5) -> Tensor:
    """Add n bottlenecks on the first half of the hidden channels; the second half is concatenated unchanged."""
    hidden = int(c2 * e)
    y = add_conv(at.inner("cv1"), x, 2 * hidden)
    first, second = at.select("first", y, 0, hidden), at.select("second", y, hidden, 2 * hidden)
    first = chain(at.inner("m"), first, n, lambda at, x: add_bottleneck(at, x, hidden, shortcut, g, e=1.0))
    return add_conv(at.inner("cv2"), at.concatenate("concat", first, second), c2)


def add_stages(at: Scope, x: Tensor, c2: int, n: int, e: float, part: Part) -> Tensor:
    """Add C2f with `part` in place of its bottlenecks: n parts in a row, whose outputs are all concatenated."""
    hidden = int(c2 * e)
    y = add_conv(at.inner("cv1"), x, 2 * hidden)
    parts = [y]
    y = at.select("second", y, hidden, 2 * hidden)
    for index in range(n):
        y = part(at.inner("m", index), y)
        parts.append(y)
    return add_conv(at.inner("cv2"), at.concatenate("concat", *parts), c2)


def add_c2f(at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = False, g: int = 1, e: float = 0.5) -> Tensor:
    """Add C2f: n bottlenecks in a row, whose outputs are all concatenated."""
    return add_stages(at, x, c2, n, e, lambda at, x: add_bottleneck(at, x, int(c2 * e), shortcut, g, e=1.0))


def add_branches(at: Scope, x: Tensor, c2: int, n: int, e: float, part: Part) -> Tensor:
    """Add C3 with `part` in place of its bottlenecks: n parts in a row, and a 1×1 convolution in parallel."""
    y = chain(at.inner("m"), add_conv(at.inner("cv1"), x, int(c2 * e)), n, part)
    return add_conv(at.inner("cv3"), at.concatenate("concat", y, add_conv(at.inner("cv2"), x, int(c2 * e))), c2)


def add_c3(at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5) -> Tensor:
    """Add C3: n bottlenecks in a row, each with a 1×1 and a 3×3 kernel, and a 1×1 convolution in parallel."""
    kernels = (1, 3)
    return add_branches(at, x, c2, n, e, lambda at, x: add_bottleneck(at, x, int(c2 * e), shortcut, g, kernels, 1.0))


def add_c3x(at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5) -> Tensor:
    """Add C3 with a 1×3 and a 3×1 kernel in each bottleneck."""
    kernels = ((1, 3), (3, 1))
    return add_branches(at, x, c2, n, e, lambda at, x: add_bottleneck(at, x, int(c2 * e), shortcut, g, kernels, 1.0))


def add_c3k(
    at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5, k: int = 3
) -> Tensor:
    """Add C3 with two kernels of size k in each bottleneck."""
    return add_branches(at, x, c2, n, e, lambda at, x: add_bottleneck(at, x, int(c2 * e), shortcut, g, (k, k), 1.0))


def add_c3_ghost(
    at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
) -> Tensor:
    """Add C3 with ghost bottlenecks; shortcut and g have no effect."""
    return add_branches(at, x, c2, n, e, lambda at, x: add_ghost_bottleneck(at, x, int(c2 * e)))


def add_c3k2(
    at: Scope,
    x: Tensor,
    c2: int,
    n: int = 1,
    c3k: bool = False,
    e: float = 0.5,
    attn: bool = False,
    g: int = 1,
    shortcut: bool = True,
) -> Tensor:
    """Add C2f whose parts are bottlenecks, C3k blocks (`c3k`), or bottlenecks followed by attention (`attn`)."""
    hidden = int(c2 * e)

    def add_part(at: Scope, x: Tensor) -> Tensor:
        if attn:
            y = add_bottleneck(at.inner(0), x, hidden, shortcut, g)
            return add_psa_block(at.inner(1), y, max(hidden // 64, 1))
        return add_c3k(at, x, hidden, 2, shortcut, g) if c3k else add_bottleneck(at, x, hidden, shortcut, g)

    return add_stages(at, x, c2, n, e, add_part)


def add_c2f_cib(
    at: Scope, x: Tensor, c2: int, n: int = 1, shortcut: bool = False, lk: bool = False, g: int = 1, e: float = 0.5
) -> Tensor:
    """Add C2f with CIB blocks in place of bottlenecks. `lk` gives them a 7×7 kernel; g has no effect."""
    return add_stages(at, x, c2, n, e, lambda at, x: add_cib(at, x, shortcut, lk))


def add_c2f_psa(at: Scope, x: Tensor, c2: int, n: int = 1, e: float = 0.5) -> Tensor:
    """Add C2f with blocks of attention in place of bottlenecks. `c2` must be the number of input channels."""
    check_same_channels(at, x, c2)
    return add_stages(at, x, c2, n, e, lambda at, x: add_psa_block(at, x, count_heads(at, x.shape.channels)))


def add_cib(at: Scope, x: Tensor, shortcut: bool, lk: bool) -> Tensor:
    """Add three depthwise convolutions and, between them, 1×1 convolutions that double and halve the channels.

    With `lk`, the second depthwise convolution has a 7×7 kernel.
    """
    channels = x.shape.channels
    inside = at.inner("cv1")
    y = add_conv(inside.inner(0), x, channels, 3, 1, None, channels)
    y = add_conv(inside.inner(1), y, 2 * channels)
    y = add_rep_vgg_dw(inside.inner(2), y) if lk else add_conv(inside.inner(2), y, 2 * channels, 3, g=2 * channels)
    y = add_conv(inside.inner(3), y, channels)
    y = add_conv(inside.inner(4), y, channels, 3, 1, None, channels)
    return at.sum("add", x, y) if shortcut else y


def add_rep_vgg_dw(at: Scope, x: Tensor) -> Tensor:
    """Add a 7×7 and a parallel 3×3 depthwise convolution, whose outputs are summed."""
    channels = x.shape.channels
    large = add_conv(at.inner("conv"), x, channels, 7, 1, 3, channels, act=False)
    small = add_conv(at.inner("conv1"), x, channels, 3, 1, 1, channels, act=False)
    return at.add("act", "silu", at.sum("add", large, small))


def add_ghost_bottleneck(at: Scope, x: Tensor, c2: int, k: Sizes = 3, s: int = 1) -> Tensor:
    """Add two ghost convolutions with a shortcut.

    At stride 2, there is a depthwise convolution between the two, and another one in the shortcut.
    """
    inside, around = at.inner("conv"), at.inner("shortcut")
    y = add_ghost_conv(inside.inner(0), x, c2 // 2)
    y = add_dw_conv(inside.inner(1), y, c2 // 2, k, s, act=False) if s == 2 else y
    y = add_ghost_conv(inside.inner(2), y, c2, act=False)
    if s == 2:
        x = add_dw_conv(around.inner(0), x, x.shape.channels, k, s, act=False)
        x = add_conv(around.inner(1), x, c2, act=False)
    return at.sum("add", y, x)


def add_rep_c3(at: Scope, x: Tensor, c2: int, n: int = 3, e: float = 1.0) -> Tensor:
    """Add n RepConv in a row and a parallel 1×1 convolution; both outputs are summed."""
    hidden = int(c2 * e)
    y = chain(at.inner("m"), add_conv(at.inner("cv1"), x, hidden), n, lambda at, x: add_rep_conv(at, x, hidden))
    y = at.sum("add", y, add_conv(at.inner("cv2"), x, hidden))
    return add_conv(at.inner("cv3"), y, c2) if hidden != c2 else y


def add_rep_ncsp_elan4(at: Scope, x: Tensor, c2: int, c3: int, c4: int, n: int = 1) -> Tensor:
    """Add two stages in a row, each of RepCSP and a 3×3 convolution, and concatenate their outputs with the input."""

    def add_stage(at: Scope, x: Tensor) -> Tensor:
        return add_conv(at.inner(1), add_rep_csp(at.inner(0), x, c4, n), c4, 3, 1)

    return _add_elan(at, x, c2, c3, add_stage)


def add_rep_csp(at: Scope, x: Tensor, c2: int, n: int) -> Tensor:
    """Add C3 whose bottlenecks begin with a RepConv."""
    hidden = c2 // 2
    return add_branches(at, x, c2, n, 0.5, lambda at, x: add_bottleneck(at, x, hidden, e=1.0, first=add_rep_conv))


def add_elan1(at: Scope, x: Tensor, c2: int, c3: int, c4: int) -> Tensor:
    """Add two 3×3 convolutions in a row, and concatenate their outputs with their input."""
    return _add_elan(at, x, c2, c3, lambda at, x: add_conv(at, x, c4, 3, 1))


def _add_elan(at: Scope, x: Tensor, c2: int, c3: int, stage: Part) -> Tensor:
    whole = add_conv(at.inner("cv1"), x, c3)
    second = at.select("second", whole, halve(at, c3, "c3"), c3)
    y2 = stage(at.inner("cv2"), second)
    y3 = stage(at.inner("cv3"), y2)
    return add_conv(at.inner("cv4"), at.concatenate("concat", whole, y2, y3), c2)


def add_spp(at: Scope, x: Tensor, c2: int, k: tuple[int, ...] = (5, 9, 13)) -> Tensor:
    """Add parallel max poolings with the kernel sizes `k`, and concatenate their outputs with their input."""
    x = add_conv(at.inner("cv1"), x, x.shape.channels // 2)
    pools = [_pool(at, f"m.{index}", x, size) for index, size in enumerate(k)]
    return add_conv(at.inner("cv2"), at.concatenate("concat", x, *pools), c2)


def add_sppf(at: Scope, x: Tensor, c2: int, k: int = 5, n: int = 3, shortcut: bool = False) -> Tensor:
    """Add n max poolings in a row, and concatenate their outputs with the input of the first."""
    y = add_conv(at.inner("cv1"), x, x.shape.channels // 2)
    parts = [y]
    for index in range(n):
        parts.append(_pool(at, f"m.{index}", parts[-1], k))
    y = add_conv(at.inner("cv2"), at.concatenate("concat", *parts), c2)
    return at.sum("add", y, x) if shortcut and x.shape.channels == c2 else y


def add_spp_elan(at: Scope, x: Tensor, c2: int, c3: int, k: int = 5) -> Tensor:
    """Add three max poolings in a row, and concatenate their outputs with the input of the first."""
    parts = [add_conv(at.inner("cv1"), x, c3)]
    for name in ("cv2", "cv3", "cv4"):
        parts.append(_pool(at, name, parts[-1], k))
    return add_conv(at.inner("cv5"), at.concatenate("concat", *parts), c2)


def _pool(at: Scope, name: str, x: Tensor, k: int) -> Tensor:
    """Add a max pooling of stride 1, whose output has the size of its input."""
    return at.add(name, "maxpool", x, kernel_size=k, stride=1, padding=k // 2)


def add_a2c2f(
    at: Scope,
    x: Tensor,
    c2: int,
    n: int = 1,
    a2: bool = True,
    area: int = 1,
    residual: bool = False,
    mlp_ratio: float = 2.0,
    e: float = 0.5,
    g: int = 1,
    shortcut: bool = True,
) -> Tensor:
    """Add n parts in a row, whose outputs are all concatenated.

    A part is two blocks of area attention or, if `a2` is false, C3k. If `residual` and `a2` are set, the input is
    summed with the output.
    """
    hidden = int(c2 * e)
    if hidden < _AREA_HEAD or hidden % _AREA_HEAD:
        raise Flaw(f"{at.name}: {_AREA_HEAD} must divide the hidden channels; got {hidden}", code="CV016")

    def add_part(at: Scope, x: Tensor) -> Tensor:
        if not a2:
            return add_c3k(at, x, hidden, 2, shortcut, g)
        heads = hidden // _AREA_HEAD
        return chain(at, x, 2, lambda at, x: add_area_block(at, x, heads, mlp_ratio, max(area, 1)))

    parts = [add_conv(at.inner("cv1"), x, hidden)]
    for index in range(n):
        parts.append(add_part(at.inner("m", index), parts[-1]))
    y = add_conv(at.inner("cv2"), at.concatenate("concat", *parts), c2)
    return at.sum("add", x, at.add("gamma", "scale", y)) if a2 and residual else y


def _add_resnet_block(at: Scope, x: Tensor, c2: int, s: int, e: int) -> Tensor:
    y = add_conv(at.inner("cv2"), add_conv(at.inner("cv1"), x, c2), c2, 3, s, 1)
    y = add_conv(at.inner("cv3"), y, e * c2, act=False)
    if s != 1 or x.shape.channels != e * c2:
        x = add_conv(at.inner("shortcut", 0), x, e * c2, 1, s, act=False)
    return at.add("relu", "relu", at.sum("add", y, x))


def add_cb_linear(
    at: Scope, x: Tensor, c2s: tuple[int, ...], k: Sizes = 1, s: Sizes = 1, p: Sizes | None = None, g: int = 1
) -> list[Tensor]:
    """Add a convolution whose output channels are split into several tensors."""
    y = convolve(at, "conv", x, sum(c2s), k, s, p, g, bias=True)
    stops = list(accumulate(c2s))
    if len(stops) == 1:
        return [y]
    return [at.select(f"split.{i}", y, stop - c2s[i], stop) for i, stop in enumerate(stops)]


def add_cb_fuse(at: Scope, xs: list[list[Tensor]], idx: tuple[int, ...]) -> Tensor:
    """Resize one tensor of each CBLinear to the size of the last input, and sum these and the last input.

    `idx` has, for each CBLinear in `xs`, the index of that tensor.
    """
    *lists, ends = xs
    if len(ends) != 1:
        raise Flaw("the last input of CBFuse must have one output")
    [last] = ends
    if len(idx) != len(lists):
        raise Flaw(f"idx must have one number per input but the last, {len(lists)}; got {len(idx)}", where=(0,))
    size = list(last.shape.spatial)
    chosen = []
    for number, (tensors, index) in enumerate(zip(lists, idx, strict=True)):
        if not 0 <= index < len(tensors):
            raise Flaw(f"input {number} of CBFuse has {len(tensors)} tensors, numbered from 0; got {index}", where=(0,))
        x = tensors[index]
        resized = at.add(f"resize.{number}", "upsample", x, size=size) if x.shape.spatial != last.shape.spatial else x
        chosen.append(resized)
    return at.sum("add", *chosen, last)


def add_stated_rep_vgg_dw(at: Scope, x: Tensor, ed: int) -> Tensor:
    """Add parallel depthwise convolutions; `ed` must be the number of input channels."""
    check_input(at, x, ed)
    return add_rep_vgg_dw(at, x)


def add_stated_resnet_layer(
    at: Scope, x: Tensor, c1: int, c2: int, s: int = 1, is_first: bool = False, n: int = 1, e: int = 4
) -> Tensor:
    """Add the stem of a ResNet if `is_first` is set, otherwise n bottlenecks with e × c2 output channels.

    `c1` must be the number of input channels.
    """
    check_input(at, x, c1)
    inside = at.inner("layer")
    if is_first:
        y = add_conv(inside.inner(0), x, c2, 7, 2, 3)
        return inside.add("1", "maxpool", y, kernel_size=3, stride=2, padding=1)
    for index in range(n):
        x = _add_resnet_block(inside.inner(index), x, c2, s if index == 0 else 1, e)
    return x


def add_concat(at: Scope, xs: list[Tensor], dimension: int = 1) -> Tensor:
    """Add a concatenation along the channels."""
    if dimension != 1:
        raise Flaw(f"only dimension 1 (the channels) is supported; got {dimension}", where=(0,))
    return at.concatenate("", *xs)
