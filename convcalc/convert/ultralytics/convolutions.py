"""Adds the convolutional modules of Ultralytics networks: Conv, DWConv, GhostConv, RepConv, SCDown, ADown and others.

Every function adds one module to a scope and returns its output. The names of parameters are those in the documentation
of the modules: c2 output channels, k kernel size, s stride, p padding, g groups, d dilation, act whether an activation
follows, n number of repeats, e hidden channels per output channel.
"""

from math import gcd
from typing import Any

from convcalc.convert.ultralytics.scope import Scope, Tensor
from convcalc.problems import Flaw

Sizes = int | tuple[int, ...]


def convolve(
    at: Scope,
    name: str,
    x: Tensor,
    c2: int,
    k: Sizes = 1,
    s: Sizes = 1,
    p: Sizes | None = None,
    g: int = 1,
    d: Sizes = 1,
    bias: bool = False,
) -> Tensor:
    """Add a convolution. If `p` is None, the padding keeps the size of the input at stride 1."""
    padding = _keep_size(k, d) if p is None else p
    window: dict[str, Any] = {
        "kernel_size": list_sizes(k),
        "stride": list_sizes(s),
        "padding": list_sizes(padding),
        "dilation": list_sizes(d),
    }
    if g > 1 and g == x.shape.channels and c2 % g == 0 and c2:
        return at.add(name, "depthwise_conv", x, multiplier=c2 // g, bias=bias, **window)
    return at.add(name, "conv", x, out_channels=c2, groups=g, bias=bias, **window)


def _keep_size(k: Sizes, d: Sizes) -> Sizes:
    """Return the padding with which a convolution of stride 1 with an odd kernel keeps the size of its input."""
    if isinstance(k, int) and isinstance(d, int):
        return d * (k - 1) // 2 if d > 1 else k // 2
    kernels = (k, k) if isinstance(k, int) else k
    dilations = (d,) * len(kernels) if isinstance(d, int) else d
    return tuple((dilation * (kernel - 1) + 1) // 2 for kernel, dilation in zip(kernels, dilations, strict=False))


def list_sizes(sizes: Sizes) -> int | list[int]:
    """Return sizes as an argument of a layer: an integer, or a list with one per axis."""
    return sizes if isinstance(sizes, int) else list(sizes)


def halve(at: Scope, channels: int, what: str) -> int:
    """Return half of `channels`; raises Flaw if it is odd. `what` describes the number in the message."""
    if channels % 2:
        raise Flaw(f"{at.name}: {what} must be even to be split in two; got {channels}", code="CV016")
    return channels // 2


def add_conv(
    at: Scope,
    x: Tensor,
    c2: int,
    k: Sizes = 1,
    s: Sizes = 1,
    p: Sizes | None = None,
    g: int = 1,
    d: Sizes = 1,
    act: bool = True,
) -> Tensor:
    """Add a convolution, a batch norm and, if `act` is set, the activation."""
    x = at.add("bn", "batchnorm", convolve(at, "conv", x, c2, k, s, p, g, d))
    return at.activate(x) if act else x


def add_dw_conv(at: Scope, x: Tensor, c2: int, k: Sizes = 1, s: Sizes = 1, d: Sizes = 1, act: bool = True) -> Tensor:
    """Add a convolution whose number of groups is the greatest common divisor of the input and output channels."""
    return add_conv(at, x, c2, k, s, None, gcd(x.shape.channels, c2), d, act)


def add_conv_transpose(
    at: Scope, x: Tensor, c2: int, k: Sizes = 2, s: Sizes = 2, p: Sizes = 0, bn: bool = True, act: bool = True
) -> Tensor:
    """Add a transposed convolution, a batch norm if `bn` is set, and the activation if `act` is set."""
    window: dict[str, Any] = {"kernel_size": list_sizes(k), "stride": list_sizes(s), "padding": list_sizes(p)}
    x = at.add("conv_transpose", "conv_transpose", x, out_channels=c2, bias=not bn, **window)
    x = at.add("bn", "batchnorm", x) if bn else x
    return at.activate(x) if act else x


def add_dw_conv_transpose(
    at: Scope, x: Tensor, c2: int, k: Sizes = 1, s: Sizes = 1, p1: Sizes = 0, p2: Sizes = 0
) -> Tensor:
    """Add a transposed convolution with padding `p1` and output padding `p2`.

    Its number of groups is the greatest common divisor of the input and output channels.
    """
    window: dict[str, Any] = {
        "kernel_size": list_sizes(k),
        "stride": list_sizes(s),
        "padding": list_sizes(p1),
        "output_padding": list_sizes(p2),
    }
    return at.add("", "conv_transpose", x, out_channels=c2, groups=gcd(x.shape.channels, c2), bias=True, **window)


def add_focus(
    at: Scope, x: Tensor, c2: int, k: Sizes = 1, s: Sizes = 1, p: Sizes | None = None, g: int = 1, act: bool = True
) -> Tensor:
    """Turn each 2×2 block of positions into channels of one position, then add a convolution."""
    return add_conv(
        at.inner("conv"), at.add("blocks", "pixel_unshuffle", x, downscale_factor=2), c2, k, s, p, g, 1, act
    )


def add_ghost_conv(at: Scope, x: Tensor, c2: int, k: Sizes = 1, s: Sizes = 1, g: int = 1, act: bool = True) -> Tensor:
    """Add a convolution for half of the output channels; a depthwise 5×5 convolution of its output makes the rest."""
    half = c2 // 2
    y = add_conv(at.inner("cv1"), x, half, k, s, None, g, 1, act)
    return at.concatenate("concat", y, add_conv(at.inner("cv2"), y, half, 5, 1, None, half, 1, act))


def add_rep_conv(
    at: Scope,
    x: Tensor,
    c2: int,
    k: int = 3,
    s: int = 1,
    p: int = 1,
    g: int = 1,
    d: int = 1,
    act: bool = True,
    bn: bool = False,
) -> Tensor:
    """Add a k×k convolution and a parallel 1×1 convolution, whose outputs are summed.

    If `bn` is set, a batch norm of the input is summed with them. For inference, Ultralytics can fuse these branches
    into one convolution; here they stay separate, as in training.
    """
    branches = [
        add_conv(at.inner("conv1"), x, c2, k, s, p, g, 1, act=False),
        add_conv(at.inner("conv2"), x, c2, 1, s, p - k // 2, g, 1, act=False),
    ]
    if bn and x.shape.channels == c2 and s == 1:
        branches.append(at.add("bn", "batchnorm", x))
    total = at.sum("add", *branches)
    return at.activate(total) if act else total


def add_sc_down(at: Scope, x: Tensor, c2: int, k: Sizes, s: Sizes) -> Tensor:
    """Add a 1×1 convolution, then a depthwise convolution of kernel size k and stride s."""
    return add_conv(at.inner("cv2"), add_conv(at.inner("cv1"), x, c2), c2, k, s, None, c2, 1, act=False)


def add_a_conv(at: Scope, x: Tensor, c2: int) -> Tensor:
    """Add an average pooling of stride 1 and a convolution of stride 2."""
    x = at.add("pool", "avgpool", x, kernel_size=2, stride=1)
    return add_conv(at.inner("cv1"), x, c2, 3, 2, 1)


def add_a_down(at: Scope, x: Tensor, c2: int) -> Tensor:
    """Add an average pooling, then a convolution for half of its channels and a max pooling for the other half.

    The convolution and the max pooling have stride 2.
    """
    half = halve(at, x.shape.channels, "the number of input channels")
    x = at.add("pool", "avgpool", x, kernel_size=2, stride=1)
    y1 = add_conv(at.inner("cv1"), at.select("first", x, 0, half), c2 // 2, 3, 2, 1)
    x2 = at.add("maxpool", "maxpool", at.select("second", x, half, 2 * half), kernel_size=3, stride=2, padding=1)
    return at.concatenate("concat", y1, add_conv(at.inner("cv2"), x2, c2 // 2, 1, 1, 0))


def check_input(at: Scope, x: Tensor, c1: int) -> None:
    """Raise Flaw unless `c1` is the number of input channels."""
    if x.shape.channels != c1:
        raise Flaw(f"{at.name}: its input has {x.shape.channels} channels, but c1 is {c1}", where=(0,), code="CV016")


def add_stated_conv2(
    at: Scope,
    x: Tensor,
    c1: int,
    c2: int,
    k: Sizes = 3,
    s: Sizes = 1,
    p: Sizes | None = None,
    g: int = 1,
    d: Sizes = 1,
    act: bool = True,
) -> Tensor:
    """Add a k×k and a parallel 1×1 convolution, whose outputs are summed; `c1` must be the input's channels."""
    check_input(at, x, c1)
    both = at.sum("add", convolve(at, "conv", x, c2, k, s, p, g, d), convolve(at, "cv2", x, c2, 1, s, None, g, d))
    x = at.add("bn", "batchnorm", both)
    return at.activate(x) if act else x


def add_stated_rep_conv(
    at: Scope,
    x: Tensor,
    c1: int,
    c2: int,
    k: int = 3,
    s: int = 1,
    p: int = 1,
    g: int = 1,
    d: int = 1,
    act: bool = True,
    bn: bool = False,
) -> Tensor:
    """Add RepConv; `c1` must be the number of input channels."""
    check_input(at, x, c1)
    return add_rep_conv(at, x, c2, k, s, p, g, d, act, bn)
