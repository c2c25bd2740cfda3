"""The networks of examples/ written by hand in PyTorch, and PyTorch's counts for them.

They share nothing with the YAML: every in_channels and every size of a flattened tensor is a number, so the same
mistake is unlikely to occur in a spec and here. The architectures are those of torchvision, Keras and the papers, as
each function states.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes; with it, a module's call
# returns Any.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.oracle.reference_sequences import crnn, tcn, vit_tiny

Shape = tuple[int, ...]
Built = tuple[nn.Module, Shape]


class Residual(nn.Module):
    """The sum of a body and a shortcut (by default the identity)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, value: Tensor) -> Tensor:
        return self.body(value) + self.shortcut(value)


class SideBySide(nn.Module):
    """Several modules on the same input, with their outputs concatenated along the channels."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.paths = nn.ModuleList(modules)

    def forward(self, value: Tensor) -> Tensor:
        return torch.cat([path(value) for path in self.paths], dim=1)


def lenet5() -> Built:
    """Return the dense variant of LeCun et al. 1998, which has 61,706 params."""
    module = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(),
        nn.Linear(120, 84), nn.Tanh(),
        nn.Linear(84, 10),
    )  # fmt: skip
    return module, (1, 32, 32)


def alexnet() -> Built:
    """Return torchvision's AlexNet, which has one tower (Krizhevsky 2014)."""
    module = nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, 1000),
    )  # fmt: skip
    return module, (3, 224, 224)


def vgg16() -> Built:
    """Return torchvision's VGG-16, which is configuration D without batch norms."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    last_of_stage = (1, 3, 6, 9, 12)
    features: list[nn.Module] = []
    for number in range(13):
        features += [nn.Conv2d(widths[number], widths[number + 1], 3, padding=1), nn.ReLU()]
        if number in last_of_stage:
            features.append(nn.MaxPool2d(2))
    head = [
        nn.AdaptiveAvgPool2d(7), nn.Flatten(),
        nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 1000),
    ]  # fmt: skip
    return nn.Sequential(*features, *head), (3, 224, 224)


def normalised(read: int, written: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution without a bias, and its batch norm. The size is kept if the stride is 1."""
    convolution = nn.Conv2d(read, written, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(written)]


def resnet_head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)]


def resnet_stem() -> list[nn.Module]:
    return [*normalised(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def resnet_shortcut(read: int, written: int, stride: int) -> nn.Module | None:
    return None if read == written and stride == 1 else nn.Sequential(*normalised(read, written, 1, stride))


def resnet18() -> Built:
    """Return torchvision's ResNet-18, with two basic blocks per stage."""
    modules = resnet_stem()
    read = 64
    for channels, first_stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first_stride, 1):
            body = [*normalised(read, channels, 3, stride), nn.ReLU(), *normalised(channels, channels, 3)]
            modules += [Residual(nn.Sequential(*body), resnet_shortcut(read, channels, stride)), nn.ReLU()]
            read = channels
    return nn.Sequential(*modules, *resnet_head(512)), (3, 224, 224)


def bottleneck(read: int, inner: int, written: int, stride: int) -> list[nn.Module]:
    body = [
        *normalised(read, inner, 1), nn.ReLU(),
        *normalised(inner, inner, 3, stride), nn.ReLU(),
        *normalised(inner, written, 1),
    ]  # fmt: skip
    return [Residual(nn.Sequential(*body), resnet_shortcut(read, written, stride)), nn.ReLU()]


def resnet50(width: float = 1.0) -> Built:
    """Return torchvision's ResNet-50, with the stride in the 3×3 convolution. Width 2 is wide_resnet50_2."""
    modules = resnet_stem()
    read = 64
    for channels, first_stride, depth in ((64, 1, 3), (128, 2, 4), (256, 2, 6), (512, 2, 3)):
        for number in range(depth):
            stride = first_stride if number == 0 else 1
            modules += bottleneck(read, int(channels * width), 4 * channels, stride)
            read = 4 * channels
    return nn.Sequential(*modules, *resnet_head(2048)), (3, 224, 224)


def mobilenet_v1(width: float = 1.0, size: int = 224) -> Built:
    """Return Keras's MobileNet (Howard et al. 2017). Numbers of channels are rounded down to integers."""
    read = int(32 * width)
    modules = [*normalised(3, read, 3, 2), nn.ReLU()]
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    widths = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for channels, stride in zip(widths, strides, strict=True):
        written = int(channels * width)
        modules += [*normalised(read, read, 3, stride, groups=read), nn.ReLU()]
        modules += [*normalised(read, written, 1), nn.ReLU()]
        read = written
    return nn.Sequential(*modules, *resnet_head(read)), (3, size, size)


def inverted_residual(read: int, written: int, expansion: int, stride: int) -> nn.Module:
    hidden = read * expansion
    body = [*normalised(read, hidden, 1), nn.ReLU6()] if expansion > 1 else []
    body += [*normalised(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6(), *normalised(hidden, written, 1)]
    keeps_shape = stride == 1 and read == written
    return Residual(nn.Sequential(*body)) if keeps_shape else nn.Sequential(*body)


def nearest_eighth(channels: float) -> int:
    """Return the nearest multiple of 8, as in the authors' code.

    If that is less than 90 % of the channels, return the next larger multiple.
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def mobilenet_v2(width: float = 1.0) -> Built:
    """Return torchvision's MobileNetV2 (Sandler et al. 2018, table 2)."""
    read = nearest_eighth(32 * width)
    modules = [*normalised(3, read, 3, 2), nn.ReLU6()]
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, channels, depth, first_stride in rows:
        written = nearest_eighth(channels * width)
        for number in range(depth):
            modules.append(inverted_residual(read, written, expansion, first_stride if number == 0 else 1))
            read = written
    last = max(1280, nearest_eighth(1280 * width))
    modules += [*normalised(read, last, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*modules, nn.Dropout(0.2), nn.Linear(last, 1000)), (3, 224, 224)


def fire(read: int, squeeze: int, expand: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(read, squeeze, 1),
        nn.ReLU(),
        SideBySide(
            nn.Sequential(nn.Conv2d(squeeze, expand, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(squeeze, expand, 3, padding=1), nn.ReLU()),
        ),
    )


def squeezenet_pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def squeezenet_head() -> list[nn.Module]:
    return [nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def squeezenet1_0() -> Built:
    """Return torchvision's SqueezeNet 1.0."""
    module = nn.Sequential(
        nn.Conv2d(3, 96, 7, 2), nn.ReLU(), squeezenet_pool(),
        fire(96, 16, 64), fire(128, 16, 64), fire(128, 32, 128), squeezenet_pool(),
        fire(256, 32, 128), fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), squeezenet_pool(),
        fire(512, 64, 256),
        *squeezenet_head(),
    )  # fmt: skip
    return module, (3, 224, 224)


def squeezenet1_1() -> Built:
    """Return torchvision's SqueezeNet 1.1."""
    module = nn.Sequential(
        nn.Conv2d(3, 64, 3, 2), nn.ReLU(), squeezenet_pool(),
        fire(64, 16, 64), fire(128, 16, 64), squeezenet_pool(),
        fire(128, 32, 128), fire(256, 32, 128), squeezenet_pool(),
        fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), fire(512, 64, 256),
        *squeezenet_head(),
    )  # fmt: skip
    return module, (3, 224, 224)


def plain_pair(read: int, written: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(read, written, 3), nn.ReLU(), nn.Conv2d(written, written, 3), nn.ReLU())


def padded_pair(read: int, written: int) -> nn.Module:
    return nn.Sequential(*normalised(read, written, 3), nn.ReLU(), *normalised(written, written, 3), nn.ReLU())


def centre(value: Tensor, height: int, width: int) -> Tensor:
    top, left = (value.shape[-2] - height) // 2, (value.shape[-1] - width) // 2
    return value[..., top : top + height, left : left + width]


class UNet(nn.Module):
    """Four stages down and four up.

    Each skip connection is cropped to the size of the tensor it is concatenated with.
    """

    def __init__(self, read: int, classes: int, pair: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.down = nn.ModuleList(pair(*widths) for widths in ((read, 64), (64, 128), (128, 256), (256, 512)))
        self.middle = pair(512, 1024)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * half, half, 2, 2) for half in (512, 256, 128, 64))
        self.up = nn.ModuleList(pair(2 * half, half) for half in (512, 256, 128, 64))
        self.classes = nn.Conv2d(64, classes, 1)

    def forward(self, value: Tensor) -> Tensor:
        skips = []
        for pair in self.down:
            skips.append(pair(value))
            value = nn.functional.max_pool2d(skips[-1], 2)
        value = self.middle(value)
        for grow, pair, skip in zip(self.grow, self.up, reversed(skips), strict=True):
            value = grow(value)
            value = pair(torch.cat([centre(skip, *value.shape[-2:]), value], dim=1))
        return self.classes(value)


def unet() -> Built:
    """Return the network in figure 1 of Ronneberger et al. 2015."""
    return UNet(1, 2, plain_pair), (1, 572, 572)


def unet_padded(size: int = 256) -> Built:
    """Return a U-Net with padding and batch norms, for RGB images and two classes, as in PyTorch implementations."""
    return UNet(3, 2, padded_pair), (3, size, size)


def dcgan_generator() -> Built:
    """Return the generator of the PyTorch DCGAN tutorial, for images of 64×64."""
    module = nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, 512, 4, bias=False), nn.BatchNorm2d(512), nn.ReLU(),
        nn.ConvTranspose2d(512, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    return module, (100,)


def m5() -> Built:
    """Return the M5 of PyTorch's audio tutorial: 32 and 64 channels, first stride 16, one second at 8 kHz."""
    module = nn.Sequential(
        nn.Conv1d(1, 32, 80, 16), nn.BatchNorm1d(32), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(32, 32, 3), nn.BatchNorm1d(32), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(32, 64, 3), nn.BatchNorm1d(64), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(64, 64, 3), nn.BatchNorm1d(64), nn.ReLU(), nn.MaxPool1d(4),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 35), nn.LogSoftmax(dim=1),
    )  # fmt: skip
    return module, (1, 8000)


class GatedUnit(nn.Module):
    """A dilated causal convolution with a gate: the values passed on, if any, and the skip output."""

    def __init__(self, channels: int, skip: int, dilation: int, has_residual: bool) -> None:
        super().__init__()
        self.before = nn.ConstantPad1d((dilation, 0), 0.0)
        self.filter, self.gate = (nn.Conv1d(channels, channels, 2, dilation=dilation) for _ in range(2))
        self.skip = nn.Conv1d(channels, skip, 1)
        self.residual = nn.Conv1d(channels, channels, 1) if has_residual else None

    def forward(self, value: Tensor) -> tuple[Tensor, Tensor]:
        padded = self.before(value)
        gated = torch.tanh(self.filter(padded)) * torch.sigmoid(self.gate(padded))
        skip = self.skip(gated)
        return value if self.residual is None else value + self.residual(gated), skip


class WaveNet(nn.Module):
    """Stacks of gated units with doubling dilations, whose skip outputs are added up."""

    def __init__(self, channels: int, skip: int, values: int, dilations: list[int]) -> None:
        super().__init__()
        self.entry = nn.Sequential(nn.ConstantPad1d((1, 0), 0.0), nn.Conv1d(values, channels, 2))
        last = len(dilations) - 1
        self.units = nn.ModuleList(
            GatedUnit(channels, skip, dilation, place < last) for place, dilation in enumerate(dilations)
        )
        self.exit = nn.Sequential(
            nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, values, 1), nn.Softmax(dim=1)
        )

    def forward(self, value: Tensor) -> Tensor:
        value, skips = self.entry(value), []
        for unit in self.units:
            value, skip = unit(value)
            skips.append(skip)
        return self.exit(sum(skips[1:], skips[0]))


def wavenet(stacks: int = 3, levels: int = 10) -> Built:
    """van den Oord et al. 2016 on one-hot samples; the last unit, whose values nothing reads, has no residual."""
    return WaveNet(32, 256, 256, [2**level for level in range(levels)] * stacks), (256, 16000)


def c3d(classes: int = 487) -> Built:
    """Return the C3D of Tran et al. 2015 as in PyTorch implementations.

    The last pooling is padded, so that 7×7 becomes 4×4.
    """
    module = nn.Sequential(
        nn.Conv3d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(128, 256, 3, padding=1), nn.ReLU(), nn.Conv3d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(256, 512, 3, padding=1), nn.ReLU(), nn.Conv3d(512, 512, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(512, 512, 3, padding=1), nn.ReLU(), nn.Conv3d(512, 512, 3, padding=1), nn.ReLU(),
        nn.MaxPool3d(2, padding=(0, 1, 1)), nn.Flatten(),
        nn.Linear(8192, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, classes),
    )  # fmt: skip
    return module, (3, 16, 112, 112)


NETWORKS: dict[str, Callable[..., Built]] = {
    build.__name__: build
    for build in (
        alexnet, c3d, crnn, dcgan_generator, lenet5, m5, mobilenet_v1, mobilenet_v2, resnet18, resnet50,
        squeezenet1_0, squeezenet1_1, tcn, unet, unet_padded, vgg16, vit_tiny, wavenet,
    )
}  # fmt: skip


def running_statistics(module: nn.Module) -> int:
    """Count the elements of running means and variances, without PyTorch's number of batches seen."""
    return sum(
        buffer.numel() for name, buffer in module.named_buffers() if name.endswith(("running_mean", "running_var"))
    )


def figures(name: str, **options: float) -> dict[str, Any]:
    """Return PyTorch's counts for one sample, on the meta device: only shapes, no arithmetic.

    PyTorch's flop counter counts two operations per multiply-add of convolutions and linear layers, and ignores biases.
    For a transposed convolution, it uses the input positions.
    """
    with torch.device("meta"):
        module, shape = NETWORKS[name](**options)
        sample = torch.empty(1, *shape)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        output = module.eval()(sample)
    return {
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "buffers": running_statistics(module),
        "macs": counter.get_total_flops() // 2,
        "output_shape": list(output.shape[1:]),
    }
