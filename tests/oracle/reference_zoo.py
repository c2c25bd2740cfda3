"""Networks of torchvision written in PyTorch, and PyTorch's counts, with which test_zoo.py compares the examples.

Written from torchvision's definitions with every channel spelt out, so that nothing is inferred as it is in a spec.
Dropout and stochastic depth are left out: they have no weights and do nothing at inference. Nothing is computed: the
networks run on the meta device.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

Kernel = int | tuple[int, int]
Activation = Callable[[], nn.Module]
Model = tuple[nn.Module, tuple[int, ...]]

CLASSES = 1000
PICTURE = (3, 224, 224)


# --- Parts used by several networks ----------------------------------------------------------------------------------


def centred(kernel: Kernel) -> Kernel:
    return (kernel[0] // 2, kernel[1] // 2) if isinstance(kernel, tuple) else kernel // 2


def unit(
    channels: int,
    out: int,
    kernel: Kernel = 1,
    stride: int = 1,
    *,
    padding: Kernel | None = None,
    groups: int = 1,
    activation: Activation = nn.ReLU,
) -> nn.Sequential:
    """Return a convolution, a batch norm and an activation. By default, the size is kept if the stride is 1."""
    around = centred(kernel) if padding is None else padding
    conv = nn.Conv2d(channels, out, kernel, stride, around, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), activation())


class Concatenated(nn.Module):
    """Branches that read the same input, concatenated along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([branch(values) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """The sum of a body and a shortcut."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        total: Tensor = self.shortcut(values) + self.body(values)
        return total


class Excited(nn.Module):
    """Squeeze-and-excite: multiplies every channel by a factor computed from all channels."""

    def __init__(self, channels: int, squeezed: int, activation: Activation, gate: Activation) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            activation(),
            nn.Conv2d(squeezed, channels, 1),
            gate(),
        )

    def forward(self, values: Tensor) -> Tensor:
        scaled: Tensor = values * self.gate(values)
        return scaled


def residual_if(same: bool, body: nn.Module) -> nn.Module:
    return Residual(body) if same else body


def head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def strides(first: int, depth: int) -> Iterator[int]:
    """Yield the strides of a stage's blocks: `first` for the first block, and 1 for all others."""
    return (first if index == 0 else 1 for index in range(depth))


# --- GoogLeNet -------------------------------------------------------------------------------------------------------


def inception(channels: int, n1: int, reduce3: int, n3: int, reduce5: int, n5: int, pool: int) -> nn.Module:
    return Concatenated(
        unit(channels, n1),
        nn.Sequential(unit(channels, reduce3), unit(reduce3, n3, 3)),
        nn.Sequential(unit(channels, reduce5), unit(reduce5, n5, 3)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(channels, pool)),
    )


def googlenet() -> Model:
    """Return GoogLeNet without the auxiliary classifiers, which are used only in training."""
    halved = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
    return nn.Sequential(
        unit(3, 64, 7, 2),
        halved(),
        unit(64, 64),
        unit(64, 192, 3),
        halved(),
        inception(192, 64, 96, 128, 16, 32, 32),
        inception(256, 128, 128, 192, 32, 96, 64),
        halved(),
        inception(480, 192, 96, 208, 16, 48, 64),
        inception(512, 160, 112, 224, 24, 64, 64),
        inception(512, 128, 128, 256, 24, 64, 64),
        inception(512, 112, 144, 288, 32, 64, 64),
        inception(528, 256, 160, 320, 32, 128, 128),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        inception(832, 256, 160, 320, 32, 128, 128),
        inception(832, 384, 192, 384, 48, 128, 128),
        head(1024),
    ), PICTURE


# --- Inception v3 ----------------------------------------------------------------------------------------------------


def pooled(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), unit(channels, out))


def inception_a(channels: int, pool: int) -> nn.Module:
    return Concatenated(
        unit(channels, 64),
        nn.Sequential(unit(channels, 48), unit(48, 64, 5)),
        nn.Sequential(unit(channels, 64), unit(64, 96, 3), unit(96, 96, 3)),
        pooled(channels, pool),
    )


def inception_b(channels: int) -> nn.Module:
    return Concatenated(
        unit(channels, 384, 3, 2, padding=0),
        nn.Sequential(unit(channels, 64), unit(64, 96, 3), unit(96, 96, 3, 2, padding=0)),
        nn.MaxPool2d(3, 2),
    )


def inception_c(channels: int, inner: int) -> nn.Module:
    return Concatenated(
        unit(channels, 192),
        nn.Sequential(unit(channels, inner), unit(inner, inner, (1, 7)), unit(inner, 192, (7, 1))),
        nn.Sequential(
            unit(channels, inner),
            unit(inner, inner, (7, 1)),
            unit(inner, inner, (1, 7)),
            unit(inner, inner, (7, 1)),
            unit(inner, 192, (1, 7)),
        ),
        pooled(channels, 192),
    )


def inception_d(channels: int) -> nn.Module:
    return Concatenated(
        nn.Sequential(unit(channels, 192), unit(192, 320, 3, 2, padding=0)),
        nn.Sequential(
            unit(channels, 192),
            unit(192, 192, (1, 7)),
            unit(192, 192, (7, 1)),
            unit(192, 192, 3, 2, padding=0),
        ),
        nn.MaxPool2d(3, 2),
    )


def inception_e(channels: int) -> nn.Module:
    def forked() -> nn.Module:
        return Concatenated(unit(384, 384, (1, 3)), unit(384, 384, (3, 1)))

    return Concatenated(
        unit(channels, 320),
        nn.Sequential(unit(channels, 384), forked()),
        nn.Sequential(unit(channels, 448), unit(448, 384, 3), forked()),
        pooled(channels, 192),
    )


def inception_v3() -> Model:
    """Return Inception v3 without the auxiliary classifier, which is used only in training."""
    return nn.Sequential(
        unit(3, 32, 3, 2, padding=0),
        unit(32, 32, 3, padding=0),
        unit(32, 64, 3),
        nn.MaxPool2d(3, 2),
        unit(64, 80),
        unit(80, 192, 3, padding=0),
        nn.MaxPool2d(3, 2),
        inception_a(192, 32),
        inception_a(256, 64),
        inception_a(288, 64),
        inception_b(288),
        inception_c(768, 128),
        inception_c(768, 160),
        inception_c(768, 160),
        inception_c(768, 192),
        inception_d(768),
        inception_e(1280),
        inception_e(2048),
        head(2048),
    ), (3, 299, 299)


# --- DenseNet --------------------------------------------------------------------------------------------------------


def preactivated(channels: int, out: int, kernel: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), conv)


class Dense(nn.Module):
    """A dense block: each layer reads the outputs of all layers before it."""

    def __init__(self, channels: int, depth: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(preactivated(channels + index * growth, 4 * growth), preactivated(4 * growth, growth, 3))
            for index in range(depth)
        )

    def forward(self, values: Tensor) -> Tensor:
        features = [values]
        for layer in self.layers:
            features.append(layer(torch.cat(features, dim=1)))
        return torch.cat(features, dim=1)


def densenet121() -> Model:
    def transition(channels: int) -> nn.Module:
        return nn.Sequential(preactivated(channels, channels // 2), nn.AvgPool2d(2))

    return nn.Sequential(
        unit(3, 64, 7, 2),
        nn.MaxPool2d(3, 2, 1),
        Dense(64, 6, 32),
        transition(256),
        Dense(128, 12, 32),
        transition(512),
        Dense(256, 24, 32),
        transition(1024),
        Dense(512, 16, 32),
        nn.BatchNorm2d(1024),
        nn.ReLU(),
        head(1024),
    ), PICTURE


# --- Inverted residuals: EfficientNet, MobileNetV3, MnasNet ----------------------------------------------------------


def mbconv(channels: int, out: int, expansion: int, kernel: int, stride: int) -> nn.Module:
    inner = channels * expansion
    layers = [
        unit(inner, inner, kernel, stride, groups=inner, activation=nn.SiLU),
        Excited(inner, channels // 4, nn.SiLU, nn.Sigmoid),
        unit(inner, out, activation=nn.Identity),
    ]
    if expansion != 1:
        layers.insert(0, unit(channels, inner, activation=nn.SiLU))
    return residual_if(stride == 1 and channels == out, nn.Sequential(*layers))


def efficientnet_b0() -> Model:
    stages = [  # expansion, kernel, stride, channels, depth
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ]
    layers, channels = [unit(3, 32, 3, 2, activation=nn.SiLU)], 32
    for expansion, kernel, first, out, depth in stages:
        for stride in strides(first, depth):
            layers.append(nn.Sequential(mbconv(channels, out, expansion, kernel, stride)))
            channels = out
    return nn.Sequential(*layers, unit(320, 1280, activation=nn.SiLU), head(1280)), PICTURE


def divisible_by_8(value: int) -> int:
    nearest = max(8, (value + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * value else nearest


def bneck(
    channels: int, kernel: int, inner: int, out: int, excited: bool, activation: Activation, stride: int
) -> nn.Module:
    layers: list[nn.Module] = []
    if inner != channels:
        layers.append(unit(channels, inner, activation=activation))
    layers.append(unit(inner, inner, kernel, stride, groups=inner, activation=activation))
    if excited:
        layers.append(Excited(inner, divisible_by_8(inner // 4), nn.ReLU, nn.Hardsigmoid))
    layers.append(unit(inner, out, activation=nn.Identity))
    return residual_if(stride == 1 and channels == out, nn.Sequential(*layers))


def mobilenet_v3_large() -> Model:
    return nn.Sequential(
        unit(3, 16, 3, 2, activation=nn.Hardswish),
        bneck(16, 3, 16, 16, False, nn.ReLU, 1),
        bneck(16, 3, 64, 24, False, nn.ReLU, 2),
        bneck(24, 3, 72, 24, False, nn.ReLU, 1),
        bneck(24, 5, 72, 40, True, nn.ReLU, 2),
        bneck(40, 5, 120, 40, True, nn.ReLU, 1),
        bneck(40, 5, 120, 40, True, nn.ReLU, 1),
        bneck(40, 3, 240, 80, False, nn.Hardswish, 2),
        bneck(80, 3, 200, 80, False, nn.Hardswish, 1),
        bneck(80, 3, 184, 80, False, nn.Hardswish, 1),
        bneck(80, 3, 184, 80, False, nn.Hardswish, 1),
        bneck(80, 3, 480, 112, True, nn.Hardswish, 1),
        bneck(112, 3, 672, 112, True, nn.Hardswish, 1),
        bneck(112, 5, 672, 160, True, nn.Hardswish, 2),
        bneck(160, 5, 960, 160, True, nn.Hardswish, 1),
        bneck(160, 5, 960, 160, True, nn.Hardswish, 1),
        unit(160, 960, activation=nn.Hardswish),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(960, 1280),
        nn.Hardswish(),
        nn.Linear(1280, CLASSES),
    ), PICTURE


def inverted_residual(channels: int, out: int, kernel: int, stride: int, expansion: int) -> nn.Module:
    inner = channels * expansion
    body = nn.Sequential(
        unit(channels, inner),
        unit(inner, inner, kernel, stride, groups=inner),
        unit(inner, out, activation=nn.Identity),
    )
    return residual_if(stride == 1 and channels == out, body)


def mnasnet1_0() -> Model:
    def stack(channels: int, out: int, kernel: int, first: int, expansion: int, depth: int) -> nn.Module:
        inputs = [channels, *[out] * (depth - 1)]
        pairs = zip(inputs, strides(first, depth), strict=True)
        return nn.Sequential(*(inverted_residual(read, out, kernel, stride, expansion) for read, stride in pairs))

    return nn.Sequential(
        unit(3, 32, 3, 2),
        unit(32, 32, 3, groups=32),
        unit(32, 16, activation=nn.Identity),
        stack(16, 24, 3, 2, 3, 3),
        stack(24, 40, 5, 2, 3, 3),
        stack(40, 80, 5, 2, 6, 3),
        stack(80, 96, 3, 1, 6, 2),
        stack(96, 192, 5, 2, 6, 4),
        stack(192, 320, 3, 1, 6, 1),
        unit(320, 1280),
        head(1280),
    ), PICTURE


# --- ShuffleNet V2 ---------------------------------------------------------------------------------------------------


def shuffled(values: Tensor) -> Tensor:
    batch, channels, height, width = values.shape
    return values.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(values.shape)


def depthwise(channels: int, stride: int) -> nn.Module:
    return unit(channels, channels, 3, stride, groups=channels, activation=nn.Identity)


def convolved(channels: int, out: int, stride: int) -> nn.Module:
    return nn.Sequential(unit(channels, out), depthwise(out, stride), unit(out, out))


class Down(nn.Module):
    """Halves the size, in two branches that are concatenated."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        half = out // 2
        self.joined = Concatenated(
            nn.Sequential(depthwise(channels, 2), unit(channels, half)), convolved(channels, half, 2)
        )

    def forward(self, values: Tensor) -> Tensor:
        return shuffled(self.joined(values))


class Split(nn.Module):
    """Half of the channels pass through unchanged; the other half pass through convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.right = convolved(channels // 2, channels // 2, 1)

    def forward(self, values: Tensor) -> Tensor:
        kept, changed = values.chunk(2, dim=1)
        return shuffled(torch.cat([kept, self.right(changed)], dim=1))


def shufflenet_v2_x1_0() -> Model:
    def stage(channels: int, out: int, depth: int) -> nn.Module:
        return nn.Sequential(Down(channels, out), *(Split(out) for _ in range(depth - 1)))

    return nn.Sequential(
        unit(3, 24, 3, 2),
        nn.MaxPool2d(3, 2, 1),
        stage(24, 116, 4),
        stage(116, 232, 8),
        stage(232, 464, 4),
        unit(464, 1024),
        head(1024),
    ), PICTURE


# --- Bottlenecks with groups: RegNet, ResNeXt ------------------------------------------------------------------------


def shortcut(channels: int, out: int, stride: int) -> nn.Module | None:
    changes = stride != 1 or channels != out
    return unit(channels, out, stride=stride, activation=nn.Identity) if changes else None


def regnet_widths(depth: int, initial: int, slope: float, factor: float) -> list[int]:
    """Return the width of every block.

    Widths grow linearly from `initial`. They are rounded to `initial` times a power of `factor`, then to a multiple of
    8.
    """
    powers = [round(math.log((initial + slope * index) / initial) / math.log(factor)) for index in range(depth)]
    return [round(initial * factor**power / 8) * 8 for power in powers]


def regnet_y_block(channels: int, out: int, stride: int) -> nn.Module:
    body = nn.Sequential(
        unit(channels, out),
        unit(out, out, 3, stride, groups=out // 8),
        Excited(out, round(0.25 * channels), nn.ReLU, nn.Sigmoid),
        unit(out, out, activation=nn.Identity),
    )
    return nn.Sequential(Residual(body, shortcut(channels, out, stride)), nn.ReLU())


def regnet_y_400mf() -> Model:
    layers, channels = [unit(3, 32, 3, 2)], 32
    for out, blocks in groupby(regnet_widths(16, 48, 27.89, 2.09)):
        for stride in strides(2, len(list(blocks))):
            layers.append(nn.Sequential(regnet_y_block(channels, out, stride)))
            channels = out
    return nn.Sequential(*layers, head(channels)), PICTURE


def resnext_block(channels: int, planes: int, stride: int) -> nn.Module:
    inner, out = planes * 4 // 64 * 32, 4 * planes
    body = nn.Sequential(
        unit(channels, inner),
        unit(inner, inner, 3, stride, groups=32),
        unit(inner, out, activation=nn.Identity),
    )
    return nn.Sequential(Residual(body, shortcut(channels, out, stride)), nn.ReLU())


def resnext50_32x4d() -> Model:
    layers: list[nn.Module] = [unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for planes, first, depth in ((64, 1, 3), (128, 2, 4), (256, 2, 6), (512, 2, 3)):
        for stride in strides(first, depth):
            layers.append(resnext_block(channels, planes, stride))
            channels = 4 * planes
    return nn.Sequential(*layers, head(channels)), PICTURE


# --- ConvNeXt --------------------------------------------------------------------------------------------------------


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position."""

    def forward(self, values: Tensor) -> Tensor:
        last = values.movedim(1, -1)
        normed: Tensor = functional.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.movedim(-1, 1)


class ConvNeXtBlock(nn.Module):
    """A ConvNeXt block, whose two linear layers work on channels-last tensors as in torchvision."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, values: Tensor) -> Tensor:
        last = self.norm(self.depthwise(values).movedim(1, -1))
        body = self.narrow(functional.gelu(self.widen(last))).movedim(-1, 1)
        total: Tensor = values + self.scale * body
        return total


def convnext_tiny() -> Model:
    def stage(channels: int, depth: int) -> nn.Module:
        return nn.Sequential(*(ConvNeXtBlock(channels) for _ in range(depth)))

    def down(channels: int, out: int) -> nn.Module:
        return nn.Sequential(ChannelNorm(channels), nn.Conv2d(channels, out, 2, 2))

    return nn.Sequential(
        nn.Conv2d(3, 96, 4, 4),
        ChannelNorm(96),
        stage(96, 3),
        down(96, 192),
        stage(192, 3),
        down(192, 384),
        stage(384, 9),
        down(384, 768),
        stage(768, 3),
        nn.AdaptiveAvgPool2d(1),
        ChannelNorm(768),
        nn.Flatten(),
        nn.Linear(768, CLASSES),
    ), PICTURE


# --- PyTorch's counts ------------------------------------------------------------------------------------------------

MODELS: dict[str, Callable[[], Model]] = {
    "googlenet": googlenet,
    "inception_v3": inception_v3,
    "densenet121": densenet121,
    "efficientnet_b0": efficientnet_b0,
    "mobilenet_v3_large": mobilenet_v3_large,
    "shufflenet_v2_x1_0": shufflenet_v2_x1_0,
    "mnasnet1_0": mnasnet1_0,
    "regnet_y_400mf": regnet_y_400mf,
    "resnext50_32x4d": resnext50_32x4d,
    "convnext_tiny": convnext_tiny,
}


def running_statistics(model: nn.Module) -> int:
    """Count the elements of running means and variances, without PyTorch's number of batches seen."""
    return sum(buffer.numel() for name, buffer in model.named_buffers() if name.endswith(("_mean", "_var")))


def figures(name: str) -> dict[str, Any]:
    """Return PyTorch's counts for a network at batch size 1."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model, shape = MODELS[name]()
        output = model.eval()(torch.empty(1, *shape))
    return {
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "buffers": running_statistics(model),
        "macs": counter.get_total_flops() // 2,
        "output_shape": list(output.shape[1:]),
    }
