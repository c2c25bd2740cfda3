"""Adds the modules of torch.nn that Ultralytics networks use: Upsample, MaxPool2d, ConvTranspose2d and others.

Every function adds one module to a scope and returns its output; parameters have the names and order that they have in
torch.nn.
"""

from typing import Any

from convcalc.convert.ultralytics.convolutions import Sizes, list_sizes
from convcalc.convert.ultralytics.scope import Scope, Tensor
from convcalc.problems import Flaw


def add_upsample(
    at: Scope,
    x: Tensor,
    size: Sizes | None = None,
    scale_factor: float | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Add an interpolation. `align_corners` is ignored, because it changes no shape and no count."""
    target: dict[str, Any] = {}
    if scale_factor is not None:
        target["scale_factor"] = int(scale_factor) if float(scale_factor).is_integer() else scale_factor
    if size is not None:
        target["size"] = list_sizes(size)
    return at.add("", "upsample", x, mode=mode, **target)


def add_max_pool(
    at: Scope,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    return_indices: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Add a max pooling."""
    window = _make_window(kernel_size, stride, padding, ceil_mode)
    return at.add("", "maxpool", x, dilation=list_sizes(dilation), **window)


def add_avg_pool(
    at: Scope,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Add an average pooling. `count_include_pad` is ignored, because it changes no shape and no count."""
    return at.add("", "avgpool", x, **_make_window(kernel_size, stride, padding, ceil_mode))


def _make_window(kernel_size: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool) -> dict[str, Any]:
    steps = kernel_size if stride is None else stride
    return {
        "kernel_size": list_sizes(kernel_size),
        "stride": list_sizes(steps),
        "padding": list_sizes(padding),
        "ceil_mode": ceil_mode,
    }


def add_adaptive_avg_pool(at: Scope, x: Tensor, output_size: Sizes) -> Tensor:
    """Add an adaptive average pooling."""
    return at.add("", "adaptive_avgpool", x, output_size=list_sizes(output_size))


def add_zero_pad(at: Scope, x: Tensor, padding: Sizes) -> Tensor:
    """Add zeros at the borders. `padding` is one number, or the numbers for left, right, top and bottom."""
    sides = (padding,) * 4 if isinstance(padding, int) else padding
    if len(sides) != 4:
        raise Flaw(f"padding must be an integer or [left, right, top, bottom]; got {list(sides)}")
    left, right, top, bottom = sides
    return at.add("", "pad", x, padding=[[top, bottom], [left, right]])


def add_conv_transpose2d(
    at: Scope,
    x: Tensor,
    out_channels: int,
    kernel_size: Sizes,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: Sizes = 1,
) -> Tensor:
    """Add a transposed convolution."""
    window = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "output_padding": output_padding,
        "dilation": dilation,
    }
    sizes: dict[str, Any] = {name: list_sizes(value) for name, value in window.items()}
    return at.add("", "conv_transpose", x, out_channels=out_channels, groups=groups, bias=bias, **sizes)


def add_batch_norm(at: Scope, x: Tensor, num_features: int = 0) -> Tensor:
    """Add a batch norm of all input channels. As in Ultralytics, `num_features` has no effect."""
    return at.add("", "batchnorm", x)


def add_identity(at: Scope, x: Tensor) -> Tensor:
    """Add an identity."""
    return at.add("", "identity", x)


def add_dropout(at: Scope, x: Tensor, p: float = 0.5, inplace: bool = False) -> Tensor:
    """Add a dropout."""
    return at.add("", "dropout", x, p=p)


def add_relu(at: Scope, x: Tensor, inplace: bool = False) -> Tensor:
    """Add a ReLU."""
    return at.add("", "relu", x)


def add_silu(at: Scope, x: Tensor, inplace: bool = False) -> Tensor:
    """Add a SiLU."""
    return at.add("", "silu", x)


def add_leaky_relu(at: Scope, x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Add a leaky ReLU."""
    return at.add("", "leaky_relu", x, negative_slope=negative_slope)


def add_sigmoid(at: Scope, x: Tensor) -> Tensor:
    """Add a sigmoid."""
    return at.add("", "sigmoid", x)
