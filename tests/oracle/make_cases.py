"""Create cases.jsonl: thousands of single layers with the output shape and counts that PyTorch reports for each.

Run as ``python -m tests.oracle.make_cases`` with PyTorch 2.13. The table is the same on every run.

Layers run on the CPU, because tensors on the meta device skip some checks (output_padding not less than stride or
dilation, kernels and dilations of 0, negative padding). The table leaves out what PyTorch cannot decide:

- sizes of 0, which its adaptive pooling, padding and linear layers accept and a spec does not;
- 3-D average pooling on an axis shorter than the kernel, which it refuses regardless of padding and ceil_mode;
- padding that differs before and after in a pooling with ceil_mode, or that exceeds half the kernel there: its
  pooling has no such padding, and separate padding before the layer would follow neither rule;
- layers with spatial axes on a vector, which its pooling and instance normalisation treat as a sample without
  a batch, and linear layers on more than a vector, which they treat as a batch of vectors;
- normalisation over a single value, which it refuses although the shapes are right.
"""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tests.support import activations

TABLE = Path(__file__).parent / "cases.jsonl"

Case = dict[str, Any]
Arguments = dict[str, Any]
Shape = list[int]
Request = tuple[Shape, Arguments]
Pairs = list[tuple[int, int]]

AXES = (1, 2, 3)
REFUSALS = (RuntimeError, ValueError, ZeroDivisionError)
WITH_MACS = {"conv", "conv_transpose", "pointwise_conv", "depthwise_conv", "separable_conv", "linear", "deform_conv"}
WITH_MACS |= {"attention", "matmul", "lstm", "gru", "conv_lstm"}


class UndecidedError(Exception):
    """Raised if PyTorch cannot decide whether a layer is valid."""


# --- The layers in PyTorch -------------------------------------------------------------------------------------------


class Call(nn.Module):
    """Wraps a function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values)


class Scale(nn.Module):
    """A learnt factor per channel, as in Touvron et al. 2021 (timm's LayerScale, channels first)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(shape[0], *[1] * (len(shape) - 1)))

    def forward(self, values: Tensor) -> Tensor:
        return values * self.gamma


class Shift(nn.Module):
    """A learnt bias per channel."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(shape[0], *[1] * (len(shape) - 1)))

    def forward(self, values: Tensor) -> Tensor:
        return values + self.beta


class LocallyConnected(nn.Module):
    """A convolution with separate weights at every position, computed from unfolded windows."""

    def __init__(self, shape: Shape, arguments: Arguments) -> None:
        super().__init__()
        axes = len(shape) - 1
        self.kernel = each_axis(arguments["kernel_size"], axes)
        self.stride = each_axis(arguments.get("stride", 1), axes)
        self.dilation = each_axis(arguments.get("dilation", 1), axes)
        windows = self.windows(torch.zeros(1, *shape))
        self.positions = windows.shape[2 : 2 + axes]
        self.out_channels = arguments["out_channels"]
        taps = shape[0] * product_of(self.kernel)
        self.weight = nn.Parameter(torch.zeros(product_of(self.positions), self.out_channels, taps))
        if arguments.get("bias", True):
            self.bias = nn.Parameter(torch.zeros(self.out_channels, *self.positions))

    def windows(self, values: Tensor) -> Tensor:
        """Return the windows, as a tensor of batch, channels, output positions and kernel positions."""
        for axis, (kernel, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True)):
            values = values.unfold(2 + axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        return values

    def forward(self, values: Tensor) -> Tensor:
        channels = values.shape[1]
        windows = self.windows(values).reshape(channels, len(self.weight), -1)
        taps = windows.permute(1, 0, 2).flatten(1)
        products = torch.einsum("pt,pot->op", taps, self.weight)
        return products.reshape(1, self.out_channels, *self.positions)


def product_of(values: Iterable[int]) -> int:
    total = 1
    for value in values:
        total *= value
    return total


def each_axis(value: Any, axes: int) -> list[Any]:
    return list(value) if isinstance(value, list) else [value] * axes


def torch_layer(name: str, axes: int) -> Callable[..., nn.Module]:
    layer: Callable[..., nn.Module] = getattr(nn, f"{name}{axes}d")
    return layer


def same_pairs(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the `same` padding by TensorFlow's rule, which equals PyTorch's rule if the stride is 1."""
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def causal_pairs(shape: Shape, arguments: Arguments) -> Pairs:
    """Return the causal padding as in Keras, whose Conv1D has a single axis.

    The start is padded so that the last input of window i is input i × stride.
    """
    [(_, kernel, _, dilation)] = geometry(shape, arguments, 1)
    return [(dilation * (kernel - 1), 0)]


def geometry(shape: Shape, arguments: Arguments, stride: Any) -> list[tuple[int, int, int, int]]:
    """Return the size, kernel, stride and dilation of every axis."""
    axes = len(shape) - 1
    kernels = each_axis(arguments["kernel_size"], axes)
    dilations = each_axis(arguments.get("dilation", 1), axes)
    return list(zip(shape[1:], kernels, each_axis(stride, axes), dilations, strict=True))


def pair_of(entry: Any) -> tuple[int, int]:
    return (entry[0], entry[1]) if isinstance(entry, list) else (entry, entry)


def spread_pairs(padding: Any, axes: int) -> Pairs:
    return [pair_of(entry) for entry in each_axis(padding, axes)]


def padding_layer(name: str, pairs: Pairs, *fill: float) -> nn.Module:
    """Return a padding module. PyTorch lists the padding of the last axis first."""
    sides = [side for pair in reversed(pairs) for side in pair]
    return torch_layer(name, len(pairs))(sides, *fill)


def own_padding(shape: Shape, arguments: Arguments, stride: Any, fill: float) -> tuple[list[nn.Module], Any]:
    """Return the padding modules that must precede a layer, and the padding that the layer can do itself."""
    padding = arguments.get("padding", 0)
    if padding == "valid":
        return [], 0
    if padding == "same":
        pairs = [same_pairs(*axis) for axis in geometry(shape, arguments, stride)]
    elif padding == "causal":
        pairs = causal_pairs(shape, arguments)
    elif isinstance(padding, list) and any(isinstance(entry, list) for entry in padding):
        pairs = spread_pairs(padding, len(shape) - 1)
    else:
        return [], padding
    if all(before == after for before, after in pairs):
        return [], [before for before, _ in pairs]
    return [fill_padding(arguments, pairs, fill)], 0


PADDING_LAYERS = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


def fill_padding(arguments: Arguments, pairs: Pairs, fill: float) -> nn.Module:
    mode = arguments.get("padding_mode", "zeros")
    if mode == "zeros":
        return padding_layer("ConstantPad", pairs, fill)
    if mode not in PADDING_LAYERS:
        raise ValueError(mode)
    return padding_layer(PADDING_LAYERS[mode], pairs)


def convolution(shape: Shape, arguments: Arguments, out_channels: int, groups: int, bias: bool) -> nn.Module:
    stride = arguments.get("stride", 1)
    before: list[nn.Module] = []
    padding: Any = "same"
    if arguments.get("padding") != "same" or set(each_axis(stride, 1)) != {1}:
        before, padding = own_padding(shape, arguments, stride, 0.0)
    layer = torch_layer("Conv", len(shape) - 1)
    dilation = arguments.get("dilation", 1)
    return nn.Sequential(
        *before,
        layer(
            shape[0],
            out_channels,
            arguments["kernel_size"],
            stride,
            padding,
            dilation,
            groups,
            bias,
            arguments.get("padding_mode", "zeros") if not before else "zeros",
        ),
    )


class StandardizedConv(nn.Module):
    """A convolution with standardised weights, as timm's StdConv2d."""

    def __init__(self, conv: Any) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, values: Tensor) -> Tensor:
        weight = self.conv.weight
        flat = functional.batch_norm(weight.reshape(1, weight.shape[0], -1), None, None, training=True, eps=1e-6)
        return self.conv._conv_forward(values, flat.reshape_as(weight), self.conv.bias)


def conv(shape: Shape, arguments: Arguments) -> nn.Module:
    groups, bias = arguments.get("groups", 1), arguments.get("bias", True)
    made: Any = convolution(shape, arguments, arguments["out_channels"], groups, bias)
    if arguments.get("weight_standardized", False):
        made[-1] = StandardizedConv(made[-1])
    return made


def pointwise_conv(shape: Shape, arguments: Arguments) -> nn.Module:
    return conv(shape, arguments | {"kernel_size": 1})


def depthwise_conv(shape: Shape, arguments: Arguments) -> nn.Module:
    out_channels = shape[0] * arguments.get("multiplier", 1)
    return convolution(shape, arguments, out_channels, shape[0], arguments.get("bias", True))


def separable_conv(shape: Shape, arguments: Arguments) -> nn.Module:
    between = [shape[0] * arguments.get("multiplier", 1), *shape[1:]]
    pointwise: Arguments = {name: arguments[name] for name in ("out_channels", "bias") if name in arguments}
    return nn.Sequential(
        depthwise_conv(shape, arguments | {"bias": False}),
        pointwise_conv(between, pointwise),
    )


def same_transposed(shape: Shape, arguments: Arguments) -> Arguments:
    """Return the padding and output padding for an output size of input size × stride.

    Surplus output is cropped, with the larger half at the end. If the kernel is smaller than the stride, output padding
    is added.
    """
    axes = geometry(shape, arguments, arguments.get("stride", 1))
    surplus = [dilation * (kernel - 1) + 1 - stride for _, kernel, stride, dilation in axes]
    cuts = [max(total, 0) for total in surplus]
    return {
        "padding": [[cut // 2, cut - cut // 2] for cut in cuts],
        "output_padding": [max(-total, 0) for total in surplus],
    }


class DeformConv(nn.Module):
    """The two convolutions of torchvision's layer; its operator only moves the taps, which no figure depends on."""

    def __init__(self, shape: Shape, arguments: Arguments) -> None:
        super().__init__()
        groups = arguments.get("offset_groups", 1)
        if shape[0] % groups:
            raise ValueError(groups)
        own = {name: value for name, value in arguments.items() if name not in ("mask", "offset_groups")}
        predicted = (3 if arguments.get("mask") else 2) * groups * product_of(each_axis(arguments["kernel_size"], 2))
        self.offset = conv(shape, {**own, "out_channels": predicted, "groups": 1, "bias": True})
        self.taps = conv(shape, own)

    def forward(self, values: Tensor) -> Tensor:
        self.offset(values)
        return self.taps(values)


def deform_conv(shape: Shape, arguments: Arguments) -> nn.Module:
    if len(shape) != 3 or arguments.get("padding_mode", "zeros") != "zeros":
        raise ValueError(shape)
    return DeformConv(shape, arguments)


def conv_transpose(shape: Shape, arguments: Arguments) -> nn.Module:
    """Return a transposed convolution.

    If padding differs before and after, the layer has no padding and its output is cropped instead.
    """
    if arguments.get("padding") == "same":
        arguments = arguments | same_transposed(shape, arguments)
    axes, padding = len(shape) - 1, arguments.get("padding", 0)
    after: list[nn.Module] = []
    if padding == "valid":
        padding = 0
    if isinstance(padding, list) and any(isinstance(entry, list) for entry in padding):
        pairs = [(-before, -behind) for before, behind in spread_pairs(padding, axes)]
        after, padding = [padding_layer("ConstantPad", pairs, 0.0)], 0
    layer = torch_layer("ConvTranspose", axes)(
        shape[0],
        arguments["out_channels"],
        arguments["kernel_size"],
        arguments.get("stride", 1),
        padding,
        arguments.get("output_padding", 0),
        arguments.get("groups", 1),
        arguments.get("bias", True),
        arguments.get("dilation", 1),
        arguments.get("padding_mode", "zeros"),
    )
    return nn.Sequential(layer, *after)


def locally_connected(shape: Shape, arguments: Arguments) -> nn.Module:
    axes = len(shape) - 1
    before, padding = own_padding(shape, arguments, arguments.get("stride", 1), 0.0)
    before = before or [fill_padding(arguments, spread_pairs(padding, axes), 0.0)]
    padded = before[0](torch.zeros(1, *shape))
    return nn.Sequential(*before, LocallyConnected(list(padded.shape[1:]), arguments))


def pooling(name: str, fill: float, shape: Shape, arguments: Arguments, **options: Any) -> nn.Module:
    kernel, ceil_mode = arguments["kernel_size"], arguments.get("ceil_mode", False)
    stride = arguments.get("stride", kernel)
    before, padding = own_padding(shape, arguments, stride, fill)
    if ceil_mode and (before or arguments.get("padding") == "same"):
        raise UndecidedError
    if before and not within_half(shape, arguments, stride):
        raise UndecidedError
    layer = torch_layer(name, len(shape) - 1)
    return nn.Sequential(*before, layer(kernel, stride, padding, ceil_mode=ceil_mode, **options))


def within_half(shape: Shape, arguments: Arguments, stride: Any) -> bool:
    axes = geometry(shape, arguments, stride)
    if arguments["padding"] == "same":
        pairs = [same_pairs(*axis) for axis in axes]
    else:
        pairs = spread_pairs(arguments["padding"], len(axes))
    return all(2 * max(pair) <= kernel for pair, (_, kernel, _, _) in zip(pairs, axes, strict=True))


def maxpool(shape: Shape, arguments: Arguments) -> nn.Module:
    return pooling("MaxPool", -float("inf"), shape, arguments, dilation=arguments.get("dilation", 1))


def avgpool(shape: Shape, arguments: Arguments) -> nn.Module:
    layer = pooling("AvgPool", 0.0, shape, arguments)
    leave_out_short_axes(shape, arguments)
    return layer


def leave_out_short_axes(shape: Shape, arguments: Arguments) -> None:
    """Raise UndecidedError if a 3-D pooling with padding or ceil_mode has an axis shorter than its kernel.

    PyTorch always rejects such axes in 3-D average pooling, and in layers that it builds on average pooling.
    """
    if len(shape) < 4:
        return
    kernels = each_axis(arguments["kernel_size"], 3)
    short = any(size < kernel for size, kernel in zip(shape[1:], kernels, strict=False))
    if short and (arguments.get("ceil_mode", False) or arguments.get("padding", 0) != 0):
        raise UndecidedError


def lppool(shape: Shape, arguments: Arguments) -> nn.Module:
    leave_out_short_axes(shape, arguments)
    axes = len(shape) - 1
    # In 1-D, PyTorch takes plain integers only.
    sizes = {
        name: value[0] if axes == 1 and isinstance(value, list) else value
        for name, value in arguments.items()
        if name != "ceil_mode"
    }
    return torch_layer("LPPool", axes)(2, **sizes, ceil_mode=arguments.get("ceil_mode", False))


def adaptive_pool(name: str) -> Callable[[Shape, Arguments], nn.Module]:
    def build(shape: Shape, arguments: Arguments) -> nn.Module:
        return torch_layer(name, len(shape) - 1)(arguments["output_size"])

    return build


def global_pool(name: str) -> Callable[[Shape, Arguments], nn.Module]:
    def build(shape: Shape, arguments: Arguments) -> nn.Module:
        pool = torch_layer(name, len(shape) - 1)(1)
        return pool if arguments.get("keepdims", True) else nn.Sequential(pool, nn.Flatten())

    return build


def max_unpool(shape: Shape, arguments: Arguments) -> nn.Module:
    layer = torch_layer("MaxUnpool", len(shape) - 1)(
        arguments["kernel_size"], arguments.get("stride"), arguments.get("padding", 0)
    )
    return Call(lambda values: layer(values, torch.zeros_like(values, dtype=torch.int64)))


def blurpool(shape: Shape, arguments: Arguments) -> nn.Module:
    """Return reflection padding and a fixed low-pass filter. The filter is not learnt, and its values do not matter."""
    axes = len(shape) - 1
    kernels, strides = each_axis(arguments.get("kernel_size", 3), axes), each_axis(arguments.get("stride", 2), axes)
    pad = padding_layer("ReflectionPad", [((kernel - 1) // 2, kernel // 2) for kernel in kernels])
    weight = torch.zeros(shape[0], 1, *kernels, dtype=torch.float64)
    convolve = getattr(functional, f"conv{axes}d")
    return Call(lambda values: convolve(pad(values), weight, stride=strides, groups=shape[0]))


def upsample(_: Shape, arguments: Arguments) -> nn.Module:
    """Return nn.Upsample, which needs tuples instead of the spec's lists."""
    written: Arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
    return nn.Upsample(**written)


def pad(shape: Shape, arguments: Arguments) -> nn.Module:
    mode = {"padding_mode": arguments["mode"]} if "mode" in arguments else {}
    return fill_padding(mode, spread_pairs(arguments["padding"], len(shape) - 1), 0.0)


def crop(shape: Shape, arguments: Arguments) -> nn.Module:
    pairs = spread_pairs(arguments["amount"], len(shape) - 1)
    return padding_layer("ConstantPad", [(-before, -after) for before, after in pairs], 0.0)


def sliced(shape: Shape, arguments: Arguments) -> nn.Module:
    """Unlike a slice of Python, narrow refuses a range that the axis does not have."""
    names = NAMES[len(shape) - 1]
    [(name, bounds)] = [(name, value) for name, value in arguments.items() if name != "step"]
    if name not in names:
        raise ValueError(name)
    axis = names.index(name)
    start, stop = (place + shape[axis] if place < 0 else place for place in (*bounds, shape[axis])[:2])
    step = arguments.get("step", 1)
    return Call(lambda values: values.narrow(axis + 1, start, stop - start).unfold(axis + 1, 1, step).squeeze(-1))


def reshape(_: Shape, arguments: Arguments) -> nn.Module:
    return Call(lambda values: values.reshape(1, *arguments["shape"]))


def tokens(_: Shape, arguments: Arguments) -> nn.Module:
    return nn.Flatten(2)


def to_map(_: Shape, arguments: Arguments) -> nn.Module:
    return nn.Unflatten(2, arguments["size"])


def linear(shape: Shape, arguments: Arguments) -> nn.Module:
    layer = nn.Linear(shape[0], **arguments)
    if len(shape) == 1:
        return layer
    if len(shape) > 2:  # the features are last on three axes too, but a spec has no such tokens
        raise UndecidedError
    return nn.Sequential(Call(lambda values: values.mT), layer, Call(lambda values: values.mT))


def batchnorm(shape: Shape, arguments: Arguments) -> nn.Module:
    return torch_layer("BatchNorm", max(len(shape) - 1, 1))(shape[0], **arguments)


def instancenorm(shape: Shape, arguments: Arguments) -> nn.Module:
    return torch_layer("InstanceNorm", len(shape) - 1)(shape[0], **arguments)


def groupnorm(shape: Shape, arguments: Arguments) -> nn.Module:
    return nn.GroupNorm(arguments["num_groups"], shape[0], affine=arguments.get("affine", True))


def layernorm(shape: Shape, arguments: Arguments) -> nn.Module:
    affine = arguments.get("affine", True)
    if arguments.get("axes", "all") == "all":
        return nn.LayerNorm(shape, elementwise_affine=affine)
    channels_last = Call(lambda values: values.movedim(1, -1))
    channels_first = Call(lambda values: values.movedim(-1, 1))
    return nn.Sequential(channels_last, nn.LayerNorm(shape[0], elementwise_affine=affine), channels_first)


def scaled(shape: Shape, arguments: Arguments) -> nn.Module:
    return Call(lambda values: values * arguments["factor"]) if "factor" in arguments else Scale(shape)


def shifted(shape: Shape, arguments: Arguments) -> nn.Module:
    return Call(lambda values: values + arguments["amount"]) if "amount" in arguments else Shift(shape)


NAMES = {
    0: ("channels",),
    1: ("channels", "length"),
    2: ("channels", "height", "width"),
    3: ("channels", "depth", "height", "width"),
}


def places(shape: Shape, names: list[str]) -> list[int]:
    """The numbers of axes, counted with the batch; raises ValueError if the input has no such axis."""
    return [NAMES[len(shape) - 1].index(name) + 1 for name in names]


def reduction(name: str) -> Callable[[Shape, Arguments], nn.Module]:
    def build(shape: Shape, arguments: Arguments) -> nn.Module:
        axes = places(shape, each_axis(arguments["axes"], 1))
        options = {"correction": arguments["correction"]} if "correction" in arguments else {}
        if name == "std" and product_of(shape[axis - 1] for axis in axes) <= arguments.get("correction", 1):
            raise ValueError  # PyTorch divides by zero
        dropped = [] if arguments.get("keepdims", True) else [axis for axis in axes if axis > 1]
        return Call(lambda values: getattr(values, name)(axes, keepdim=True, **options).squeeze(dropped))

    return build


def permute(shape: Shape, arguments: Arguments) -> nn.Module:
    return Call(lambda values: values.permute(0, *places(shape, arguments["order"])))


def unfold(shape: Shape, arguments: Arguments) -> nn.Module:
    """One window after another, with Tensor.unfold; nn.Unfold has 2-D windows only."""
    before, padding = own_padding(shape, arguments, arguments.get("stride", 1), 0.0)
    axes = len(shape) - 1
    before = before or [padding_layer("ConstantPad", spread_pairs(padding, axes), 0.0)]
    stride, dilation = (each_axis(arguments.get(name, 1), axes) for name in ("stride", "dilation"))
    if axes == 2:
        fold = nn.Unfold(arguments["kernel_size"], arguments.get("dilation", 1), 0, arguments.get("stride", 1))
        counts = [
            (size + sum(pair) - d * (k - 1) - 1) // s + 1
            for (size, k, s, d), pair in zip(geometry(shape, arguments, stride), paddings_of(before[0]), strict=True)
        ]
        return nn.Sequential(*before, fold, Call(lambda values: values.unflatten(2, counts)))

    def windows(values: Tensor) -> Tensor:
        for axis, kernel in enumerate(each_axis(arguments["kernel_size"], axes)):
            values = values.unfold(2 + axis, dilation[axis] * (kernel - 1) + 1, stride[axis])[..., :: dilation[axis]]
        return values.permute(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)).flatten(1, 1 + axes)

    return nn.Sequential(*before, Call(windows))


def paddings_of(layer: Any) -> Pairs:
    """The padding before and after each axis of a padding layer, first axis first."""
    sides = list(layer.padding)
    return [(sides[place], sides[place + 1]) for place in range(0, len(sides), 2)][::-1]


def fold(shape: Shape, arguments: Arguments) -> nn.Module:
    """nn.Fold; a length is folded as the width of a map of height 1, and 3-D is left out."""
    if len(shape) > 3:
        raise UndecidedError
    options = {name: arguments.get(name, default) for name, default in FOLD_DEFAULTS.items()}
    if len(shape) == 3:
        options["padding"] = [before for before, _ in spread_pairs(options["padding"], 2)]
        layer = nn.Fold(arguments["output_size"], arguments["kernel_size"], **options)
        return nn.Sequential(Call(lambda values: values.flatten(2)), layer)
    flat = {name: (value if name == "padding" else 1, value) for name, value in options.items()}
    flat["padding"] = (0, options["padding"])
    layer = nn.Fold((1, arguments["output_size"]), (1, arguments["kernel_size"]), **flat)
    return nn.Sequential(layer, Call(lambda values: values.squeeze(2)))


FOLD_DEFAULTS = {"dilation": 1, "padding": 0, "stride": 1}


def plain(layer: Callable[..., nn.Module], **fixed: Any) -> Callable[[Shape, Arguments], nn.Module]:
    """Return a function that creates a layer with the spec's arguments unchanged."""

    def build(_: Shape, arguments: Arguments) -> nn.Module:
        return layer(**fixed, **arguments)

    return build


def softmax(layer: Callable[..., nn.Module]) -> Callable[[Shape, Arguments], nn.Module]:
    """Over all positions: on a view with one axis of positions."""

    def build(shape: Shape, arguments: Arguments) -> nn.Module:
        if arguments.get("axes", "channels") == "channels":
            return layer(dim=1)
        if len(shape) == 1:
            raise ValueError(shape)  # a vector has no positions
        return nn.Sequential(nn.Flatten(2), layer(dim=-1), nn.Unflatten(2, shape[1:]))

    return build


class ResponseNorm(nn.Module):
    """timm's GlobalResponseNorm, channels first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.spatial = tuple(range(2, len(shape) + 1))
        self.weight = nn.Parameter(torch.zeros(shape[0]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, values: Tensor) -> Tensor:
        sizes = (1, -1, *[1] * len(self.spatial))
        norms = values.norm(p=2, dim=self.spatial, keepdim=True)
        quotients = norms / (norms.mean(dim=1, keepdim=True) + 1e-6)
        return values + torch.addcmul(self.bias.view(sizes), self.weight.view(sizes), values * quotients)


class RelativeBias(nn.Module):
    """As in Swin: a table with a number per head and pair of distances, and the row of each pair of positions."""

    def __init__(self, heads: int, sizes: list[int]) -> None:
        super().__init__()
        places = torch.stack(torch.meshgrid(*map(torch.arange, sizes), indexing="ij")).flatten(1)
        distances = places[:, :, None] - places[:, None, :]
        rows = torch.zeros_like(distances[0])
        for distance, size in zip(distances, sizes, strict=True):
            rows = rows * (2 * size - 1) + distance + size - 1
        self.register_buffer("rows", rows, persistent=False)
        self.table = nn.Parameter(torch.zeros(math.prod(2 * size - 1 for size in sizes), heads))

    def forward(self) -> Tensor:
        return self.table[self.rows].permute(2, 0, 1)


class Attention(nn.Module):
    """Attention of tokens N×C: nn.MultiheadAttention if it has the sizes, else four linear layers and its function."""

    def __init__(self, channels: int, arguments: Arguments, sizes: list[int]) -> None:
        super().__init__()
        self.heads = arguments["heads"]
        own, bias = (
            {"key_dim", "value_dim", "out_channels", "relative_position_bias", "kv_stride"},
            arguments.get("bias", True),
        )
        if not own & arguments.keys():
            self.whole = nn.MultiheadAttention(channels, self.heads, bias=bias, batch_first=True)
            return
        self.whole = None
        key_dim = arguments.get("key_dim", channels // self.heads)
        value_dim = arguments.get("value_dim", key_dim)
        self.query, self.key, self.value = (
            nn.Linear(channels, size * self.heads, bias=bias) for size in (key_dim, key_dim, value_dim)
        )
        self.out = nn.Linear(value_dim * self.heads, arguments.get("out_channels", channels), bias=bias)
        self.relative = RelativeBias(self.heads, sizes) if arguments.get("relative_position_bias") else None

    def forward(self, tokens: Tensor, given: Tensor | None = None) -> Tensor:
        if self.whole is not None:
            torch.backends.mha.set_fastpath_enabled(False)  # its operator is not counted
            attended: Tensor = self.whole(tokens, tokens, tokens)[0]
            return attended
        count, given = len(tokens), tokens if given is None else given
        query, key, value = (
            part(read).view(count, read.shape[1], self.heads, -1).transpose(1, 2)
            for part, read in ((self.query, tokens), (self.key, given), (self.value, given))
        )
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        weights = (scores if self.relative is None else scores + self.relative()).softmax(dim=3)
        result: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return result


def cut_windows(values: Tensor, region: list[int], grid: bool) -> Tensor:
    """Swin's window_partition or MaxViT's grid_partition of a map, as B × groups… × positions… × C."""
    axes = len(region)
    sizes = []
    for size, part in zip(values.shape[2:], region, strict=True):
        if size % part:
            raise ValueError(region)
        sizes += [part, size // part] if grid else [size // part, part]
    first, second = [1 + 2 * axis for axis in range(axes)], [2 + 2 * axis for axis in range(axes)]
    order = [0, *second, *first] if grid else [0, *first, *second]
    return values.movedim(1, -1).reshape(len(values), *sizes, values.shape[1]).permute(*order, 2 * axes + 1)


def attention(shape: Shape, arguments: Arguments) -> nn.Module:
    axes = len(shape) - 1
    region, grid = arguments.get("window", arguments.get("grid")), "grid" in arguments
    layer = Attention(shape[0], arguments, shape[1:] if region is None else each_axis(region, axes))
    if "window" in arguments and grid:
        raise ValueError(arguments)
    if set(each_axis(arguments.get("kv_stride", 1), axes)) != {1}:
        return reduced_attention(layer, shape, arguments)

    def attend(values: Tensor) -> Tensor:
        if region is None:
            return layer(values.flatten(2).mT).mT.reshape(1, -1, *shape[1:])
        groups = cut_windows(values, each_axis(region, axes), grid)
        attended = layer(groups.flatten(axes + 1, -2).flatten(0, axes))
        channels = attended.shape[-1]
        groups = attended.reshape(*groups.shape[:-1], channels)
        first = [1 + axis for axis in range(axes)]
        pairs = [place for axis in first for place in ((axis + axes, axis) if grid else (axis, axis + axes))]
        return groups.permute(0, 2 * axes + 1, *pairs).reshape(1, channels, *shape[1:])

    return WithWeights(attend, layer)


def reduced_attention(layer: Attention, shape: Shape, arguments: Arguments) -> nn.Module:
    """As in SegFormer: keys and values of a map that a convolution with equal kernel and stride has reduced."""
    if "window" in arguments or "grid" in arguments or "relative_position_bias" in arguments:
        raise ValueError(arguments)
    stride = tuple(each_axis(arguments["kv_stride"], len(shape) - 1))
    convolution = torch_layer("Conv", len(stride))(shape[0], shape[0], stride, stride, bias=arguments.get("bias", True))
    layer.reduction = nn.Sequential(convolution, nn.Flatten(2))
    layer.norm = nn.LayerNorm(shape[0])

    def attend(values: Tensor) -> Tensor:
        given = layer.norm(layer.reduction(values).mT)
        return layer(values.flatten(2).mT, given).mT.reshape(1, -1, *shape[1:])

    return WithWeights(attend, layer)


class WithWeights(Call):
    """A function that runs a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor], layer: nn.Module) -> None:
        super().__init__(function)
        self.layer = layer


def matmul(_: Shape, arguments: Arguments) -> nn.Module:
    """The input with itself, either one transposed."""

    def multiply(values: Tensor) -> Tensor:
        if values.dim() != 3:
            raise ValueError(values.shape)
        one = values.mT if arguments.get("transpose_first") else values
        return one @ (values.mT if arguments.get("transpose_second") else values)

    return Call(multiply)


def embedding(shape: Shape, arguments: Arguments) -> nn.Module:
    if shape[0] != 1:
        raise ValueError(shape)
    layer = nn.Embedding(arguments["num_embeddings"], arguments["embedding_dim"])
    return WithWeights(lambda values: layer(values[:, 0].long()).movedim(-1, 1), layer)


def recurrent(module: Callable[..., nn.Module]) -> Callable[[Shape, Arguments], nn.Module]:
    def build(shape: Shape, arguments: Arguments) -> nn.Module:
        if len(shape) != 2:
            raise ValueError(shape)
        layer = module(shape[0], batch_first=True, **arguments)
        return WithWeights(lambda values: layer(values.mT)[0].mT, layer)

    return build


class ConvLstm(nn.Module):
    """Keras's ConvLSTM: one convolution of the input with biases, and one of the state without."""

    def __init__(self, shape: Shape, arguments: Arguments) -> None:
        super().__init__()
        hidden, kernel = arguments["hidden_size"], arguments.get("kernel_size", 3)
        if len(shape) < 3 or kernel % 2 == 0:
            raise ValueError(shape)
        convolution = torch_layer("Conv", len(shape) - 2)
        bias = arguments.get("bias", True)
        self.of_input = convolution(shape[0], 4 * hidden, kernel, padding="same", bias=bias)
        self.of_state = convolution(hidden, 4 * hidden, kernel, padding="same", bias=False)
        self.state = [1, hidden, *shape[2:]]

    def forward(self, values: Tensor) -> Tensor:
        state, cell = (torch.zeros(self.state, dtype=values.dtype) for _ in range(2))
        states = []
        for time in range(values.shape[2]):
            one, two, new, three = (self.of_input(values[:, :, time]) + self.of_state(state)).chunk(4, 1)
            cell = torch.sigmoid(one) * cell + torch.sigmoid(two) * torch.tanh(new)
            state = torch.sigmoid(three) * torch.tanh(cell)
            states.append(state)
        return torch.stack(states, 2)


class Learnt(nn.Module):
    """A learnt tensor; the input is not read."""

    def __init__(self, sizes: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, *sizes))

    def forward(self, _: Tensor) -> Tensor:
        return self.weight


def concat(_: Shape, arguments: Arguments) -> nn.Module:
    names = {1: ["length"], 2: ["height", "width"], 3: ["depth", "height", "width"]}

    def join(values: Tensor) -> Tensor:
        axis = arguments.get("axis", "channels")
        place = 1 if axis == "channels" else 2 + names.get(values.dim() - 2, []).index(axis)
        return torch.cat([values] * len(arguments["from"]), place)

    return Call(join)


ACTIVATIONS: dict[str, Callable[[Shape, Arguments], nn.Module]] = {
    kind: softmax(getattr(nn, about.torch)) if kind in activations.OVER_CHANNELS else plain(getattr(nn, about.torch))
    for kind, about in activations.ACTIVATIONS.items()
}

BUILDERS: dict[str, Callable[[Shape, Arguments], nn.Module]] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "pointwise_conv": pointwise_conv,
    "depthwise_conv": depthwise_conv,
    "separable_conv": separable_conv,
    "locally_connected": locally_connected,
    "deform_conv": deform_conv,
    "maxpool": maxpool,
    "avgpool": avgpool,
    "lppool": lppool,
    "adaptive_avgpool": adaptive_pool("AdaptiveAvgPool"),
    "adaptive_maxpool": adaptive_pool("AdaptiveMaxPool"),
    "global_avgpool": global_pool("AdaptiveAvgPool"),
    "global_maxpool": global_pool("AdaptiveMaxPool"),
    "max_unpool": max_unpool,
    "blurpool": blurpool,
    "upsample": upsample,
    "pixel_shuffle": plain(nn.PixelShuffle),
    "pixel_unshuffle": plain(nn.PixelUnshuffle),
    "channel_shuffle": plain(nn.ChannelShuffle),
    "pad": pad,
    "crop": crop,
    "slice": sliced,
    "tokens": tokens,
    "map": to_map,
    "permute": permute,
    "unfold": unfold,
    "fold": fold,
    "mean": reduction("mean"),
    "sum": reduction("sum"),
    "std": reduction("std"),
    "glu": plain(nn.GLU, dim=1),
    "linear": linear,
    "flatten": plain(nn.Flatten),
    "reshape": reshape,
    "batchnorm": batchnorm,
    "layernorm": layernorm,
    "groupnorm": groupnorm,
    "instancenorm": instancenorm,
    "local_response_norm": lambda _, arguments: nn.LocalResponseNorm(arguments.get("size", 5)),
    "global_response_norm": lambda shape, arguments: ResponseNorm(shape),
    "prelu": plain(nn.PReLU),
    "dropout": plain(nn.Dropout),
    "identity": plain(nn.Identity),
    **ACTIVATIONS,
    "drop_path": lambda shape, arguments: nn.Identity(),  # of Huang et al. 2016; at inference every path is kept
    "scale": lambda shape, arguments: scaled(shape, arguments),
    "shift": lambda shape, arguments: shifted(shape, arguments),
    "add": lambda shape, arguments: Call(lambda values: sum([values] * len(arguments["from"]))),
    "multiply": lambda shape, arguments: Call(lambda values: values ** len(arguments["from"])),
    "concat": concat,
    "attention": attention,
    "matmul": matmul,
    "embedding": embedding,
    "lstm": recurrent(nn.LSTM),
    "gru": recurrent(nn.GRU),
    "conv_lstm": ConvLstm,
    "parameter": lambda _, arguments: Learnt(arguments["shape"]),
}


def answer(kind: str, shape: Shape, arguments: Arguments) -> Case:
    """Return PyTorch's output shape and counts for a layer. Raises UndecidedError if PyTorch decides nothing.

    Double precision makes PyTorch use its own kernels. The kernels of oneDNN are used on some processors only, and
    check less.
    """
    counter = FlopCounterMode(display=False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            layer = BUILDERS[kind](shape, arguments).double().eval()
            with counter:
                output = list(layer(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:])
    except REFUSALS:
        return {"refused": True}
    if min(output) < 1:
        raise UndecidedError
    case: Case = {"output": output, "params": sum(weights.numel() for weights in layer.parameters())}
    statistics = (values for name, values in layer.named_buffers() if name.endswith(("running_mean", "running_var")))
    case["buffers"] = sum(values.numel() for values in statistics)
    if kind in WITH_MACS:
        case["macs"] = counter.get_total_flops() // 2
    return case


# --- Boundary cases --------------------------------------------------------------------------------------------------


def uneven(axes: int, size: int, channels: int = 2) -> Shape:
    """Return a shape whose sizes differ from axis to axis."""
    return [channels, *(size + axis for axis in range(axes))]


def around_the_fit() -> Iterator[Request]:
    """Yield kernels that just fit the padded input, and kernels that are one smaller or larger.

    A stride shows whether the size is rounded down or truncated.
    """
    for axes, kernel, padding, dilation in product(AXES, (1, 2, 3, 5), (0, 1, 2), (1, 2)):
        reach = dilation * (kernel - 1) + 1 - 2 * padding
        for size, stride in product((reach - 1, reach, reach + 1), (1, 2)):
            if size >= 1:
                sizes = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
                yield [2] + [size] * axes, sizes


def wrong_lengths(names: Iterable[str]) -> Iterator[Request]:
    for axes, name in product(AXES, names):
        yield [4] + [8] * axes, {"kernel_size": 3} | {name: [1] * (axes + 1)}
        if axes == 3:
            yield [4] + [8] * axes, {"kernel_size": 3} | {name: [1] * (axes - 1)}


def wrong_values(names: Iterable[str]) -> Iterator[Request]:
    for axes, name in product(AXES, names):
        yield [4] + [8] * axes, {"kernel_size": 3} | {name: -1 if name == "padding" else 0}


def same_sweep(dilations: Iterable[int]) -> Iterator[Request]:
    for size, kernel, stride, dilation in product((7, 8), range(1, 7), (1, 2, 3), dilations):
        yield [3, size], {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": "same"}
    for kernel, stride in product((2, 3, 4), (1, 2)):
        yield [3, 9, 10], {"kernel_size": [kernel, 3], "stride": [stride, 1], "padding": "same"}
        yield [2, 5, 6, 7], {"kernel_size": kernel, "stride": stride, "padding": "same"}


def causal_sweep() -> Iterator[Request]:
    for size, kernel, stride, dilation in product((1, 8), (1, 2, 3, 5), (1, 2, 3), (1, 2, 4)):
        yield [4, size], {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": "causal"}
    yield [4, 8], {"kernel_size": [3], "padding": "causal"}
    for axes in (2, 3):
        yield [4] + [8] * axes, {"kernel_size": 3, "padding": "causal"}


def mode_sweep() -> Iterator[Request]:
    """Yield padding modes with padding smaller than, equal to and larger than the input, on one or both sides."""
    for axes, mode in product(AXES, PADDING_LAYERS):
        for size, amount in product((1, 4), (1, 3, 4, 5)):
            sizes = [4] + [5] * (axes - 1) + [size]
            last: Any
            for last in (amount, [amount, 0], [0, amount]):
                padding = [1] * (axes - 1) + [last]
                yield sizes, {"kernel_size": 2, "padding": padding, "padding_mode": mode}
        yield [4] + [5] * axes, {"kernel_size": 4, "padding": "same", "padding_mode": mode}
    for size, mode in product((3, 4, 5), PADDING_LAYERS):
        written = {"kernel_size": 3, "dilation": 2, "padding": "causal", "padding_mode": mode}
        yield [4, size], written
        yield [4, size], written | {"padding": "same", "stride": 2}
    for mode in ("zeros", "constant"):
        yield [4, 5], {"kernel_size": 2, "padding": 1, "padding_mode": mode}


def add_to(requests: Iterable[Request], **arguments: Any) -> Iterator[Request]:
    for shape, written in requests:
        yield shape, arguments | written


def without_dilation(requests: Iterable[Request]) -> Iterator[Request]:
    for shape, written in requests:
        if written.get("dilation", 1) == 1:
            yield shape, {name: value for name, value in written.items() if name != "dilation"}


def conv_boundaries() -> Iterator[Request]:
    yield [64, 14, 14], {"out_channels": 128, "kernel_size": 3, "padding": 1, "groups": 32, "bias": True}
    yield [3, 224, 224], {"out_channels": 64, "kernel_size": 7, "stride": 2, "padding": 3, "bias": False}
    yield [3, 32, 31], {"out_channels": 8, "kernel_size": 3}
    yield [1, 28, 28], {"out_channels": 6, "kernel_size": 5, "padding": "valid"}
    yield [4, 9, 7], {"out_channels": 4, "kernel_size": 3, "stride": 4, "padding": [[1, 2], 0]}
    yield [4, 9], {"out_channels": 4, "kernel_size": 3, "padding": [[1, 2]]}
    yield [4, 9, 9], {"out_channels": 4, "kernel_size": 3, "padding": [1, [0, 1]]}
    for channels, out_channels, groups in product((4, 6), (4, 6), (1, 2, 3, 4, 6, 8)):
        yield [channels, 9, 8], {"out_channels": out_channels, "kernel_size": 3, "groups": groups}
    yield [4, 9, 8], {"out_channels": 4, "kernel_size": 3, "groups": 0}
    yield [4, 9, 8], {"out_channels": 0, "kernel_size": 3}
    every_size = ("kernel_size", "stride", "padding", "dilation")
    yield from add_to(around_the_fit(), out_channels=4)
    yield from add_to(wrong_lengths(every_size), out_channels=4)
    yield from add_to(wrong_values(every_size), out_channels=4)
    yield from add_to(same_sweep((1, 2)), out_channels=2, bias=False)
    yield from add_to(causal_sweep(), out_channels=2, groups=2)
    yield from add_to(mode_sweep(), out_channels=2)
    for axes, kernel, groups, bias in product(AXES, (1, 3), (1, 2, 4), (True, False)):
        sizes = {"out_channels": 4, "kernel_size": kernel, "groups": groups, "bias": bias}
        yield [4] + [5] * axes, sizes | {"weight_standardized": True}
    yield [4, 5, 6], {"out_channels": 4, "kernel_size": 3, "padding": [[1, 0], 1], "weight_standardized": True}


def conv_transpose_boundaries() -> Iterator[Request]:
    yield [16, 7, 7], {"out_channels": 32, "kernel_size": 4, "stride": 2, "padding": 1}
    yield [16, 7], {"out_channels": 32, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
    for axes, stride, dilation, extra in product(AXES, (1, 2, 3), (1, 2, 3), (0, 1, 2, 3)):
        sizes = {"kernel_size": 3, "stride": stride, "dilation": dilation, "output_padding": extra}
        yield uneven(axes, 3), {"out_channels": 3} | sizes
    for extra_axes in ([1, 1], [1, 0], [0, 1], [0, 0], [2, 0]):
        written = {"out_channels": 4, "kernel_size": 3, "stride": [2, 1], "output_padding": extra_axes}
        yield [4, 5, 6], written
        yield [4, 5, 6], written | {"dilation": [1, 2]}
    for axes, size, padding in product(AXES, (1, 2, 5), (1, 2, 3, 4)):
        yield [2] + [size] * axes, {"out_channels": 2, "kernel_size": 3, "padding": padding}
    for groups, out_channels in product((1, 2, 3, 4, 0), (4, 6)):
        yield [4, 6, 5], {"out_channels": out_channels, "kernel_size": 2, "stride": 2, "groups": groups}
    every_size = ("kernel_size", "stride", "padding", "output_padding", "dilation")
    yield from add_to(wrong_lengths(every_size), out_channels=4)
    yield from add_to(wrong_values(every_size[:3] + every_size[4:]), out_channels=4)
    yield from add_to(same_sweep((1, 2)), out_channels=2)
    for axes, mode in product(AXES, ("zeros", *PADDING_LAYERS)):
        yield [4] + [5] * axes, {"out_channels": 2, "kernel_size": 3, "padding_mode": mode}


def pointwise_boundaries() -> Iterator[Request]:
    yield [1024, 7, 7], {"out_channels": 1000}
    yield [64, 56, 56], {"out_channels": 256, "bias": False}
    yield [240, 28, 28], {"out_channels": 60, "groups": 3, "bias": False}
    for axes, stride in product(AXES, (1, 2, 3, 4)):
        yield uneven(axes, 4, 3), {"out_channels": 5, "stride": stride}
    yield [4, 8, 9], {"out_channels": 4, "stride": 0}
    yield [4, 8, 9], {"out_channels": 0}


def depthwise_boundaries() -> Iterator[Request]:
    yield from causal_sweep()
    yield from mode_sweep()
    yield [32, 112, 112], {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False}
    yield [4, 8, 9], {"kernel_size": 3, "multiplier": 0}
    for axes, multiplier in product(AXES, (1, 2, 3)):
        yield uneven(axes, 6, 4), {"kernel_size": 3, "multiplier": multiplier}
    yield from without_dilation(same_sweep((1,)))


def locally_connected_boundaries() -> Iterator[Request]:
    yield from add_to(without_dilation(around_the_fit()), out_channels=3)
    yield from add_to(causal_sweep(), out_channels=3)
    yield from add_to(mode_sweep(), out_channels=3)


def deform_boundaries() -> Iterator[Request]:
    for groups, offset_groups, mask, bias in product((1, 2, 3), (1, 2, 3, 0), (True, False), (True, False)):
        sizes = {"kernel_size": [3, 2], "stride": [2, 1], "padding": 1, "groups": groups, "bias": bias}
        yield [4, 9, 8], {"out_channels": 6, **sizes, "offset_groups": offset_groups, "mask": mask}
    yield [4, 9, 8], {"out_channels": 6, "kernel_size": 3, "padding": [[0, 2], 1], "dilation": 2}
    yield [4, 9, 8], {"out_channels": 6, "kernel_size": 10}
    yield [4, 9, 8], {"out_channels": 6, "kernel_size": 3, "padding": "same", "padding_mode": "zeros"}
    yield [4, 9, 8], {"out_channels": 6, "kernel_size": 3, "padding": 1, "padding_mode": "reflect"}
    yield [4, 9], {"out_channels": 6, "kernel_size": 3}
    yield [4, 5, 6, 7], {"out_channels": 6, "kernel_size": 3}


def half_kernel_padding(dilations: Iterable[int]) -> Iterator[Request]:
    """Yield paddings around half the kernel, the most that pooling allows, whatever its dilation."""
    for axes, kernel, dilation in product(AXES, range(1, 6), dilations):
        written = {"kernel_size": kernel, "stride": 2, "padding": kernel // 2, "dilation": dilation}
        yield uneven(axes, 14), written
        yield uneven(axes, 13), written | {"ceil_mode": True}
        yield uneven(axes, 14), written | {"padding": kernel // 2 + 1}


def ceil_sweep() -> Iterator[Request]:
    for size, kernel, stride in product(range(1, 9), range(1, 5), range(1, 5)):
        yield [2, size], {"kernel_size": kernel, "stride": stride, "ceil_mode": True}
    for size, kernel, stride in product(range(3, 8), (2, 3), (2, 3)):
        yield [2, size, size + 1], {"kernel_size": kernel, "stride": stride, "padding": 1, "ceil_mode": True}


def pool_boundaries(sizes: tuple[str, ...]) -> Iterator[Request]:
    yield [3, 9, 8], {"kernel_size": 3}
    yield [3, 9, 8], {"kernel_size": [3, 2]}
    yield [3, 9, 8], {"kernel_size": 2, "stride": 5}
    yield [3, 9, 8], {"kernel_size": 2, "stride": 2, "padding": "valid"}
    yield [3, 9, 8], {"kernel_size": 3, "stride": 2, "padding": [[0, 1], [1, 0]]}
    yield from wrong_lengths(sizes)
    yield from wrong_values(sizes)


def maxpool_boundaries() -> Iterator[Request]:
    yield [64, 112, 112], {"kernel_size": 3, "stride": 2, "padding": 1}
    yield from pool_boundaries(("kernel_size", "stride", "padding", "dilation"))
    yield from ceil_sweep()
    yield from half_kernel_padding((1, 2, 3))
    yield from without_dilation(same_sweep((1,)))


def avgpool_boundaries() -> Iterator[Request]:
    yield from pool_boundaries(("kernel_size", "stride", "padding"))
    yield from ceil_sweep()
    yield from without_dilation(half_kernel_padding((1,)))
    yield from without_dilation(same_sweep((1,)))


def lppool_boundaries() -> Iterator[Request]:
    for shape, written in ceil_sweep():
        if "padding" not in written and shape[1] > 3:
            yield shape, written
    for axes, size in product(AXES, (4, 5, 6)):
        yield [2] + [size] * axes, {"kernel_size": 5, "stride": 2}


def adaptive_boundaries() -> Iterator[Request]:
    for axes, size in product(AXES, (1, 2, 5, 6, 9, -1)):
        yield uneven(axes, 6, 3), {"output_size": size}
    for axes in AXES:
        yield uneven(axes, 6, 3), {"output_size": [3] * (axes + 1)}
        yield uneven(axes, 6, 3), {"output_size": [2 + axis for axis in range(axes)]}


def global_boundaries() -> Iterator[Request]:
    for axes, written in product(AXES, ({}, {"keepdims": True}, {"keepdims": False})):
        yield uneven(axes, 5, 6), dict(written)
        yield [4] + [1] * axes, dict(written)


def unpool_boundaries() -> Iterator[Request]:
    for axes, kernel, stride in product(AXES, (1, 2, 3), (1, 2, 3)):
        for padding in range(kernel // 2 + 1):
            yield uneven(axes, 4), {"kernel_size": kernel, "stride": stride, "padding": padding}
    for axes in AXES:
        yield uneven(axes, 4), {"kernel_size": 2}
        yield [2] + [2] * axes, {"kernel_size": 2, "stride": 2, "padding": 7}


def blurpool_boundaries() -> Iterator[Request]:
    """Yield axes around the size of the padding, because reflection needs an axis longer than the padding."""
    for axes in AXES:
        yield uneven(axes, 8, 3), {}
        for kernel, size in product(range(1, 8), (1, 2, 3, 4, 5)):
            yield [2] + [size] * axes, {"kernel_size": kernel, "stride": 2}


UPSAMPLE_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear")


def upsample_boundaries() -> Iterator[Request]:
    for shape, mode in product(([6], [2, 6], [2, 6, 5], [2, 4, 3, 5]), UPSAMPLE_MODES):
        yield shape, {"scale_factor": 2, "mode": mode}
        yield shape, {"size": 7, "mode": mode}
    # Products that a float misses or exceeds by its last bit.
    for size, factor in ((100, 0.29), (100, 0.57), (100, 1.15), (100, 2.3), (10, 1.1), (3, 1.1), (50, 0.58), (7, 0.1)):
        yield [1, size], {"scale_factor": factor}
        yield [1, size, size], {"scale_factor": factor, "mode": "bilinear"}
    for written in ({}, {"scale_factor": 2, "size": 4}, {"scale_factor": 0.0}, {"scale_factor": -1.0}, {"size": 0}):
        yield [2, 6, 5], dict(written)
    for axes in AXES:
        yield uneven(axes, 4), {"scale_factor": [1.5] * axes}
        yield uneven(axes, 4), {"scale_factor": [1.5] * (axes + 1)}
        yield uneven(axes, 4), {"size": [5 + axis for axis in range(axes)]}
        yield uneven(axes, 4), {"size": [5] * (axes + 1)}


def shuffle_boundaries(name: str, shapes: Iterable[Shape]) -> Iterator[Request]:
    for shape, factor in product(([36], *shapes), (1, 2, 3, 4, 0, -1)):
        if len(shape) > 1 or factor == 2:
            yield shape, {name: factor}


def channel_shuffle_boundaries() -> Iterator[Request]:
    for axes, channels, groups in product(AXES, (4, 6), (1, 2, 3, 4, 6, 0)):
        yield uneven(axes, 3, channels), {"groups": groups}


def pad_boundaries() -> Iterator[Request]:
    yield [3, 5, 7], {"padding": [[1, 2], [3, 4]]}
    yield [3, 5, 7], {"padding": [1, [0, 2]]}
    yield [3, 5, 7], {"padding": [1, 2]}
    yield [3, 5], {"padding": [[2, 0]]}
    yield [3, 4, 5, 6], {"padding": [1, 2, 3]}
    for shape, written in mode_sweep():
        if "padding_mode" in written and isinstance(written["padding"], list):
            yield shape, {"padding": written["padding"], "mode": written["padding_mode"]}
    yield [4, 5], {"padding": 1, "mode": "zeros"}
    yield [4, 5], {"padding": 1, "mode": "constant"}


def crop_boundaries() -> Iterator[Request]:
    for axes, amount in product(AXES, (1, 2, 3, 4)):
        yield [2] + [5] * axes, {"amount": amount}
    yield [3, 9, 8], {"amount": [[1, 2], [3, 4]]}
    yield [3, 9, 8], {"amount": [1, [0, 2]]}
    yield [3, 9, 8], {"amount": [[4, 6], 0]}


def slice_boundaries() -> Iterator[Request]:
    for shape, channels in product(([8], [8, 5], [8, 5, 4]), ([0, 8], [0, 3], [3, 8], [7, 8], [2, 9], [8, 10], [5, 2])):
        yield shape, {"channels": channels}
    for shape, bounds, step in product(([8], [8, 5], [8, 5, 4]), ([0], [-3], [-3, -1], [1, -1], [-9]), (1, 2, 5)):
        yield shape, {"channels": bounds, "step": step}
    for shape, name in product(([3, 7], [3, 7, 6], [3, 7, 6, 5]), ("length", "depth", "height", "width")):
        for bounds, step in product(([0, 5], [1, -1], [-2], [-1], [2, 9], [4, 2]), (1, 2, 3, 0)):
            yield shape, {name: bounds, "step": step}


def reduction_boundaries(**options: tuple[Any, ...]) -> Iterator[Request]:
    named = ("channels", "length", "height", "width", ["depth"], ["width", "channels"], ["height", "width"])
    for shape, axes in product(([7], [4, 9], [3, 5, 6], [2, 1, 4, 5], [3, 1, 1]), named):
        yield shape, {"axes": axes}
        yield shape, {"axes": axes, "keepdims": False}
        for name, values in options.items():
            for value in values:
                yield shape, {"axes": axes, name: value}


def permute_boundaries() -> Iterator[Request]:
    for shape in ([7], [4, 9], [3, 5, 6], [2, 3, 4, 5]):
        for order in permutations(NAMES[len(shape) - 1]):
            yield shape, {"order": list(order)}
    yield [3, 5, 6], {"order": ["height", "width"]}
    yield [3, 5, 6], {"order": ["channels", "length", "width"]}


def unfold_boundaries() -> Iterator[Request]:
    yield from around_the_fit()
    yield from same_sweep((1, 2))
    yield from wrong_values(("kernel_size", "stride", "dilation"))
    yield [3, 9, 7], {"kernel_size": [3, 2], "stride": [2, 1], "padding": [[1, 0], 2]}


def fold_boundaries() -> Iterator[Request]:
    for axes, kernel, stride, padding, dilation in product((1, 2), (1, 2, 3), (1, 2), (0, 1), (1, 2)):
        for size in (5, 8):
            count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            sizes = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
            for channels, positions in (
                (2 * kernel**axes, count),
                (kernel**axes + 1, count),
                (kernel**axes, count + 1),
            ):
                yield [channels] + [positions] * axes, {"output_size": size, **sizes}
    yield [12, 3, 2], {"output_size": [5, 4], "kernel_size": [2, 3], "stride": [2, 1], "padding": [1, 0]}


def glu_boundaries() -> Iterator[Request]:
    for shape in ([8], [7], [4, 9], [6, 5, 6], [3, 4, 5], [2, 3, 4, 5]):
        yield shape, {}


SHAPES = ([7], [4, 9], [3, 5, 6], [2, 3, 4, 5])
MAPS = SHAPES[1:]


def token_boundaries() -> Iterator[Request]:
    for shape in (*MAPS, [192, 14, 14], [1, 1, 1]):
        yield shape, {}


def map_boundaries() -> Iterator[Request]:
    for sizes in ([4, 6], [3, 8], [2, 3, 4], [5, 5], [25, 1], [1, 24], [0, 24]):
        yield [5, 24], {"size": sizes}
    yield [192, 196], {"size": [14, 14]}


def linear_boundaries() -> Iterator[Request]:
    for features, out_features in product((1, 7, 512, 2048), (1, 10, 100, 1000)):
        yield [features], {"out_features": out_features}
        yield [features], {"out_features": out_features, "bias": False}
    for shape in ([192, 197], [1, 5], [7, 1]):
        yield shape, {"out_features": 10}
        yield shape, {"out_features": 3, "bias": False}


def flatten_boundaries() -> Iterator[Request]:
    for shape in (*SHAPES, [1, 1], [512, 7, 7], [16, 1, 1], [1, 28, 28], [8, 2, 1, 3]):
        yield shape, {}


def reshape_boundaries() -> Iterator[Request]:
    shapes = ([24], [-1], [4, -1], [-1, 6], [2, 3, 4], [2, -1, 2], [2, 3, 2, 2], [1, 2, -1, 4], [5, -1], [25], [-1, -1])
    for shape, new in product(([24], [4, 6], [2, 3, 4], [2, 3, 2, 2]), shapes):
        yield shape, {"shape": new}
    yield [24], {"shape": [-2, -12]}


def batchnorm_boundaries() -> Iterator[Request]:
    switches = (None, True, False)
    for shape, affine, track in product(SHAPES, switches, switches):
        if len(shape) > 1 or track is not False:
            yield shape, chosen(affine=affine, track_running_stats=track)


def chosen(**arguments: Any) -> Arguments:
    return {name: value for name, value in arguments.items() if value is not None}


def layernorm_boundaries() -> Iterator[Request]:
    for shape, axes, affine in product((*SHAPES, [96, 7, 7]), (None, "all", "channels"), (None, True, False)):
        yield shape, chosen(axes=axes, affine=affine)


def groupnorm_boundaries() -> Iterator[Request]:
    for shape, groups in product(([12], [6, 5], [6, 5, 4], [6, 3, 2, 3]), (1, 2, 3, 4, 5, 6, 0)):
        yield shape, {"num_groups": groups}
        if groups in (2, 4):
            yield shape, {"num_groups": groups, "affine": False}
            yield shape, {"num_groups": groups, "affine": True}


def instancenorm_boundaries() -> Iterator[Request]:
    for shape, affine in product((*MAPS, [6, 2], [5, 1, 2], [2, 1, 2, 1]), (None, True, False)):
        yield shape, chosen(affine=affine)


def local_response_norm_boundaries() -> Iterator[Request]:
    for shape, size in product(MAPS, (None, 1, 2, 4, 9, 0)):
        yield shape, chosen(size=size)


def merge_boundaries() -> Iterator[Request]:
    """Yield merges of the input with itself, because a case has only one input."""
    for shape, count in product(SHAPES, (2, 3)):
        yield shape, {"from": ["input"] * count}


def drop_path_boundaries() -> Iterator[Request]:
    for shape, share in product(SHAPES, (None, 0.1)):
        yield shape, chosen(p=share)


def number_boundaries(name: str) -> Iterator[Request]:
    for shape, number in product(SHAPES, (None, 0.5, -2, 0)):
        yield shape, chosen(**{name: number})


def bare_boundaries() -> Iterator[Request]:
    for shape in SHAPES:
        yield shape, {}


def softmax_boundaries() -> Iterator[Request]:
    for shape, axes in product(SHAPES, (None, "channels", "positions")):
        yield shape, chosen(axes=axes)


def concat_boundaries() -> Iterator[Request]:
    yield from merge_boundaries()
    for shape, axis in product(SHAPES, ("channels", "length", "depth", "height", "width")):
        yield shape, {"from": ["input"] * 2, "axis": axis}


def attention_boundaries() -> Iterator[Request]:
    for heads in (1, 2, 3, 4, 6):
        yield [12, 10], {"heads": heads}
        yield [12, 4, 6], {"heads": heads, "bias": False}
        yield [12, 4, 2, 3], {"heads": heads, "key_dim": 5}
    yield [192, 197], {"heads": 3}
    yield [12, 10], {"heads": 3, "value_dim": 7}
    yield [12, 10], {"heads": 2, "key_dim": 3, "value_dim": 8, "out_channels": 20}
    yield [12, 10], {"heads": 2, "out_channels": 6, "bias": False}
    yield [12, 10], {"heads": 2, "from": ["input", "input"]}
    for name, size in product(("window", "grid"), (1, 2, 3, 4, 6, [2, 3], [4, 6], [3, 2], 12)):
        yield [6, 4, 6], {"heads": 2, name: size}
        yield [6, 4, 6], {"heads": 3, name: size, "relative_position_bias": True}
        if not isinstance(size, list):
            yield [6, 12], {"heads": 3, name: size, "key_dim": 4}
            yield [6, 4, 4, 4], {"heads": 1, name: size}
            yield [6, 4, 4, 4], {"heads": 2, name: size, "relative_position_bias": True}
    for shape, bias in product(([6, 5], [6, 3, 4], [6, 2, 3, 4]), (True, False)):
        yield shape, {"heads": 3, "relative_position_bias": bias, "bias": not bias}
        yield shape, {"heads": 2, "relative_position_bias": True, "key_dim": 5, "out_channels": 4}
    yield [6, 4, 4], {"heads": 1, "window": 2, "grid": 2}
    for stride, bias in product((1, 2, 3, 4, 5, [1, 2], [4, 3]), (True, False)):
        yield [6, 4, 6], {"heads": 2, "kv_stride": stride, "bias": bias}
        if not isinstance(stride, list):
            yield [6, 11], {"heads": 3, "kv_stride": stride, "key_dim": 4, "bias": bias}
            yield [6, 4, 4, 4], {"heads": 1, "kv_stride": stride}
    for other in ({"window": 2}, {"grid": 2}, {"relative_position_bias": True}):
        yield [6, 4, 4], {"heads": 1, "kv_stride": 2} | other


def matmul_boundaries() -> Iterator[Request]:
    for shape, first, second in product(([6, 6], [4, 7], [3, 1], [4, 4, 4]), (None, True, False), (None, True)):
        yield shape, {"from": ["input"] * 2} | chosen(transpose_first=first, transpose_second=second)


def embedding_boundaries() -> Iterator[Request]:
    for shape in ([1, 9], [1, 4, 5], [1, 1], [2, 9]):
        yield shape, {"num_embeddings": 100, "embedding_dim": 16}


def recurrent_boundaries() -> Iterator[Request]:
    for shape, hidden in product(([5, 7], [1, 3], [8, 1]), (1, 6)):
        yield shape, {"hidden_size": hidden}
        for layers, bias, both in product((1, 2, 3), (True, False), (True, False)):
            yield shape, {"hidden_size": hidden, "num_layers": layers, "bias": bias, "bidirectional": both}
    yield [5, 7, 7], {"hidden_size": 4}


def conv_lstm_boundaries() -> Iterator[Request]:
    for shape, kernel in product(([3, 5, 6], [2, 4, 5, 6], [2, 1, 1, 1], [3, 5]), (None, 1, 2, 3, 5)):
        yield shape, {"hidden_size": 4} | chosen(kernel_size=kernel)
        yield shape, {"hidden_size": 1, "bias": False} | chosen(kernel_size=kernel)


def parameter_boundaries() -> Iterator[Request]:
    for sizes in SHAPES:
        yield [3, 4], {"shape": sizes}


def leaky_relu_boundaries() -> Iterator[Request]:
    for shape, slope in product(SHAPES, (None, 0.2)):
        yield shape, chosen(negative_slope=slope)


def prelu_boundaries() -> Iterator[Request]:
    for shape in SHAPES:
        for count in (None, 1, shape[0], shape[0] + 1):
            yield shape, chosen(num_parameters=count)


def dropout_boundaries() -> Iterator[Request]:
    for shape, probability in product(SHAPES, (None, 0.0, 0.2, 1.0, 1.5, -0.1)):
        yield shape, chosen(p=probability)


BOUNDARIES: dict[str, Callable[[], Iterator[Request]]] = {
    "conv": conv_boundaries,
    "conv_transpose": conv_transpose_boundaries,
    "pointwise_conv": pointwise_boundaries,
    "depthwise_conv": depthwise_boundaries,
    "separable_conv": lambda: add_to(depthwise_boundaries(), out_channels=6),
    "locally_connected": locally_connected_boundaries,
    "deform_conv": deform_boundaries,
    "maxpool": maxpool_boundaries,
    "avgpool": avgpool_boundaries,
    "lppool": lppool_boundaries,
    "adaptive_avgpool": adaptive_boundaries,
    "adaptive_maxpool": adaptive_boundaries,
    "global_avgpool": global_boundaries,
    "global_maxpool": global_boundaries,
    "max_unpool": unpool_boundaries,
    "blurpool": blurpool_boundaries,
    "upsample": upsample_boundaries,
    "pixel_shuffle": lambda: shuffle_boundaries("upscale_factor", ([4, 5, 6], [9, 5, 6], [36, 2, 3], [144, 3, 4])),
    "pixel_unshuffle": lambda: shuffle_boundaries("downscale_factor", ([1, 12, 24], [3, 6, 8], [2, 9, 6], [4, 5, 8])),
    "channel_shuffle": channel_shuffle_boundaries,
    "pad": pad_boundaries,
    "crop": crop_boundaries,
    "slice": slice_boundaries,
    "tokens": token_boundaries,
    "map": map_boundaries,
    "permute": permute_boundaries,
    "unfold": unfold_boundaries,
    "fold": fold_boundaries,
    **dict.fromkeys(("mean", "sum"), reduction_boundaries),
    "std": lambda: reduction_boundaries(correction=(0, 1, 5)),
    "glu": glu_boundaries,
    "linear": linear_boundaries,
    "flatten": flatten_boundaries,
    "reshape": reshape_boundaries,
    "batchnorm": batchnorm_boundaries,
    "layernorm": layernorm_boundaries,
    "groupnorm": groupnorm_boundaries,
    "instancenorm": instancenorm_boundaries,
    "local_response_norm": local_response_norm_boundaries,
    "prelu": prelu_boundaries,
    "dropout": dropout_boundaries,
    "leaky_relu": leaky_relu_boundaries,
    "drop_path": drop_path_boundaries,
    "scale": lambda: number_boundaries("factor"),
    "shift": lambda: number_boundaries("amount"),
    **dict.fromkeys(activations.OVER_CHANNELS, softmax_boundaries),
    "global_response_norm": lambda: ((shape, {}) for shape in MAPS),
    **dict.fromkeys(("add", "multiply"), merge_boundaries),
    "concat": concat_boundaries,
    "attention": attention_boundaries,
    "matmul": matmul_boundaries,
    "embedding": embedding_boundaries,
    **dict.fromkeys(("lstm", "gru"), recurrent_boundaries),
    "conv_lstm": conv_lstm_boundaries,
    "parameter": parameter_boundaries,
}


# --- Random cases ----------------------------------------------------------------------------------------------------

CHANNELS = (1, 2, 3, 4, 6, 8, 12, 16)
KERNELS = (1, 2, 3, 3, 3, 4, 5, 5, 7)
STRIDES = (1, 1, 2, 2, 3, 4)
DILATIONS = (1, 1, 1, 2, 3)
PADDINGS = (0, 1, 1, 2, 3)
LARGEST = {1: 40, 2: 24, 3: 11}


def sizes(generator: random.Random, axes: int) -> list[int]:
    largest = 6 if generator.random() < 0.15 else LARGEST[axes]
    return [generator.randint(1, largest) for _ in range(axes)]


def spread(generator: random.Random, axes: int, choices: tuple[Any, ...]) -> Any:
    """Return one random value for all axes, or a list with one per axis; a spec accepts both."""
    if generator.random() < 0.6:
        return generator.choice(choices)
    return [generator.choice(choices) for _ in range(axes)]


def some(generator: random.Random, **arguments: Any) -> Arguments:
    """Return some of the arguments; the others keep their defaults."""
    return {name: value for name, value in arguments.items() if generator.random() < 0.6}


def padding_entry(generator: random.Random, choices: tuple[int, ...]) -> Any:
    if generator.random() < 0.3:
        return generator.choice(choices)
    return [generator.choice(choices), generator.choice(choices)]


def paddings(generator: random.Random, axes: int, choices: tuple[int, ...]) -> Any:
    form = generator.random()
    if form < 0.08:
        return "same"
    if form < 0.12:
        return "valid"
    if form < 0.35:
        return [padding_entry(generator, choices) for _ in range(axes)]
    return spread(generator, axes, choices)


def group_count(generator: random.Random, channels: int, out_channels: int) -> int:
    if generator.random() < 0.15:
        return generator.choice((2, 3, 4, 5))
    shared = [count for count in range(1, channels + 1) if channels % count == 0 and out_channels % count == 0]
    return generator.choice(shared)


def window(generator: random.Random, axes: int) -> Arguments:
    """Return random arguments that all layers with a sliding kernel have."""
    return {"kernel_size": spread(generator, axes, KERNELS)} | some(
        generator,
        stride=spread(generator, axes, STRIDES),
        padding=paddings(generator, axes, PADDINGS),
        dilation=spread(generator, axes, DILATIONS),
    )


def feature_map(generator: random.Random) -> tuple[int, Shape]:
    axes = generator.choice((1, 2, 2, 3))
    return axes, [generator.choice(CHANNELS), *sizes(generator, axes)]


def draw_conv(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    out_channels = generator.choice(CHANNELS)
    groups = group_count(generator, shape[0], out_channels)
    options = some(generator, groups=groups, bias=generator.random() < 0.5)
    return shape, {"out_channels": out_channels} | window(generator, axes) | options


def draw_conv_transpose(generator: random.Random) -> Request:
    shape, written = draw_conv(generator)
    shape = [shape[0], *(min(size, 9) for size in shape[1:])]
    if written.get("padding") != "same" and generator.random() < 0.4:
        written["output_padding"] = spread(generator, len(shape) - 1, (0, 1, 1))
    return shape, written


def draw_pointwise(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    out_channels = generator.choice(CHANNELS)
    groups = group_count(generator, shape[0], out_channels)
    stride = spread(generator, axes, STRIDES)
    return shape, {"out_channels": out_channels} | some(generator, stride=stride, groups=groups, bias=False)


def draw_depthwise(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    options = some(generator, multiplier=generator.choice((1, 2, 3, 4)), bias=generator.random() < 0.5)
    return shape, window(generator, axes) | options


def draw_separable(generator: random.Random) -> Request:
    shape, written = draw_depthwise(generator)
    return shape, {"out_channels": generator.choice(CHANNELS)} | written


def draw_locally_connected(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    shape = [min(shape[0], 4), *(min(size, 14) for size in shape[1:])]
    written = {"out_channels": generator.choice((1, 2, 3, 5))} | window(generator, axes)
    return shape, written | some(generator, bias=generator.random() < 0.5)


def draw_maxpool(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    written = {"kernel_size": spread(generator, axes, KERNELS)} | some(
        generator,
        stride=spread(generator, axes, STRIDES),
        padding=paddings(generator, axes, (0, 1, 1, 2)),
        ceil_mode=generator.random() < 0.7,
        dilation=spread(generator, axes, DILATIONS),
    )
    if written.get("padding") == "same":
        written.pop("dilation", None)
    return shape, written


def draw_avgpool(generator: random.Random) -> Request:
    shape, written = draw_maxpool(generator)
    written.pop("dilation", None)
    return shape, written


def draw_lppool(generator: random.Random) -> Request:
    shape, written = draw_avgpool(generator)
    written.pop("padding", None)
    return shape, written


def draw_adaptive(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    return shape, {"output_size": spread(generator, axes, (1, 2, 3, 4, 7, 12))}


def draw_unpool(generator: random.Random) -> Request:
    """Return an unpooling that reverses a pooling, so its padding is at most half the kernel.

    PyTorch accepts any padding for unpooling.
    """
    axes, shape = feature_map(generator)
    kernels = spread(generator, axes, (1, 2, 2, 3, 4))
    padding = [generator.randint(0, kernel // 2) for kernel in each_axis(kernels, axes)]
    options = some(generator, stride=spread(generator, axes, STRIDES), padding=padding)
    return [shape[0], *(min(size, 8) for size in shape[1:])], {"kernel_size": kernels} | options


def draw_blurpool(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    kernel, stride = spread(generator, axes, (2, 3, 4, 5, 6, 7)), spread(generator, axes, (1, 2, 3))
    return shape, some(generator, kernel_size=kernel, stride=stride)


def draw_upsample(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    shape = [min(shape[0], 4), *shape[1:]]
    fitting = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}[axes]
    mode = some(generator, mode=generator.choice((*fitting, "nearest")))
    if generator.random() < 0.3:
        return shape, {"size": spread(generator, axes, (1, 2, 5, 8, 16))} | mode
    factors = (2, 3, 2.0, 1.5, 0.5, round(generator.uniform(0.1, 3.0), 2), round(generator.uniform(0.1, 3.0), 1))
    return shape, {"scale_factor": spread(generator, axes, factors)} | mode


def draw_pad(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    return shape, {"padding": edges(generator, axes)}


def draw_crop(generator: random.Random) -> Request:
    axes, shape = feature_map(generator)
    return shape, {"amount": edges(generator, axes)}


def edges(generator: random.Random, axes: int) -> Any:
    if generator.random() < 0.4:
        return spread(generator, axes, PADDINGS)
    return [padding_entry(generator, PADDINGS) for _ in range(axes)]


DRAWS: dict[str, tuple[Callable[[random.Random], Request], int]] = {
    "conv": (draw_conv, 600),
    "conv_transpose": (draw_conv_transpose, 350),
    "pointwise_conv": (draw_pointwise, 120),
    "depthwise_conv": (draw_depthwise, 200),
    "separable_conv": (draw_separable, 150),
    "locally_connected": (draw_locally_connected, 120),
    "maxpool": (draw_maxpool, 240),
    "avgpool": (draw_avgpool, 200),
    "lppool": (draw_lppool, 80),
    "adaptive_avgpool": (draw_adaptive, 40),
    "adaptive_maxpool": (draw_adaptive, 40),
    "max_unpool": (draw_unpool, 70),
    "blurpool": (draw_blurpool, 80),
    "upsample": (draw_upsample, 150),
    "pad": (draw_pad, 80),
    "crop": (draw_crop, 60),
}


# --- The table -------------------------------------------------------------------------------------------------------


def requests(kind: str) -> Iterator[Request]:
    """Yield the boundary cases of a kind, then random ones. Each kind has its own random generator."""
    yield from BOUNDARIES.get(kind, bare_boundaries)()
    if kind in DRAWS:
        draw, count = DRAWS[kind]
        generator = random.Random(f"oracle {kind}")
        for _ in range(count):
            yield draw(generator)


def line_of(case: Case) -> str:
    return json.dumps(case, sort_keys=True, separators=(",", ":"))


def cases() -> Iterator[Case]:
    seen: set[str] = set()
    for kind in BUILDERS:
        for shape, arguments in requests(kind):
            case: Case = {"kind": kind, "input": shape, "arguments": arguments}
            if line_of(case) in seen:
                continue
            seen.add(line_of(case))
            try:
                yield case | answer(kind, shape, arguments)
            except UndecidedError:
                continue
            except TypeError as error:
                error.add_note(f"kind {kind}: if it needs arguments, list some in BOUNDARIES")
                raise


def main() -> None:
    TABLE.write_text("".join(f"{line_of(case)}\n" for case in cases()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
