"""Networks of examples/ written by hand in PyTorch, and PyTorch's counts for them: dense prediction, audio, video.

They share nothing with the YAML: every in_channels is stated and every size is a number, so the same mistake is
unlikely to occur in a spec and here. The architectures are those of torchvision, Keras and the papers, as each
function states.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

Shape = tuple[int, ...]
Built = tuple[nn.Module, Shape]


# --- Residual networks -----------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut, in 2-D or 3-D."""

    def __init__(self, axes: int, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        conv = nn.Conv2d if axes == 2 else nn.Conv3d
        norm = nn.BatchNorm2d if axes == 2 else nn.BatchNorm3d
        self.conv1 = conv(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1 = norm(channels)
        self.conv2 = conv(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = norm(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(conv(in_channels, channels, 1, stride, bias=False), norm(channels))

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu(self.norm1(self.conv1(features)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(features))


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions with a shortcut; only the 3×3 convolution has the stride and dilation."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.middle = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.expand = nn.Conv2d(channels, channels * 4, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels * 4)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels * 4:
            projection = nn.Conv2d(in_channels, channels * 4, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels * 4))

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu(self.norm1(self.reduce(features)))
        inner = functional.relu(self.norm2(self.middle(inner)))
        return functional.relu(self.norm3(self.expand(inner)) + self.shortcut(features))


def stem() -> list[nn.Module]:
    return [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def classifier(features: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 1000)]


def bottlenecks(depths: tuple[int, int, int, int]) -> nn.Module:
    """Return a residual network of bottlenecks, with torchvision's stride in the 3×3 convolution."""
    blocks: list[nn.Module] = []
    in_channels = 64
    for channels, depth, stride in zip((64, 128, 256, 512), depths, (1, 2, 2, 2), strict=True):
        blocks.append(Bottleneck(in_channels, channels, stride))
        blocks += [Bottleneck(channels * 4, channels) for _ in range(depth - 1)]
        in_channels = channels * 4
    return nn.Sequential(*stem(), *blocks, *classifier(2048))


def resnet34() -> Built:
    """Return torchvision's ResNet-34 (He et al. 2015)."""
    blocks: list[nn.Module] = []
    in_channels = 64
    for channels, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        blocks.append(BasicBlock(2, in_channels, channels, stride))
        blocks += [BasicBlock(2, channels, channels, 1) for _ in range(depth - 1)]
        in_channels = channels
    return nn.Sequential(*stem(), *blocks, *classifier(512)), (3, 224, 224)


def resnet101() -> Built:
    """Return torchvision's ResNet-101 (He et al. 2015)."""
    return bottlenecks((3, 4, 23, 3)), (3, 224, 224)


def resnet152() -> Built:
    """Return torchvision's ResNet-152 (He et al. 2015)."""
    return bottlenecks((3, 8, 36, 3)), (3, 224, 224)


def r3d_18() -> Built:
    """Return torchvision's R3D-18 (Tran et al. 2017), which has basic blocks in 3-D.

    Its stem keeps every frame and has no pooling.
    """
    head = [nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False), nn.BatchNorm3d(64), nn.ReLU()]
    blocks = [
        BasicBlock(3, 64, 64, 1), BasicBlock(3, 64, 64, 1),
        BasicBlock(3, 64, 128, 2), BasicBlock(3, 128, 128, 1),
        BasicBlock(3, 128, 256, 2), BasicBlock(3, 256, 256, 1),
        BasicBlock(3, 256, 512, 2), BasicBlock(3, 512, 512, 1),
    ]  # fmt: skip
    module = nn.Sequential(*head, *blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(512, 400))
    return module, (3, 16, 112, 112)


# --- Segmentation ----------------------------------------------------------------------------------------------------


def dilated_backbone() -> nn.Module:
    """Return ResNet-50 without its classifier, with an output at an eighth of the input size.

    The last two stages are dilated instead of strided. The first block of a stage still has the dilation of the stage
    before.
    """
    return nn.Sequential(
        *stem(),
        Bottleneck(64, 64), *[Bottleneck(256, 64) for _ in range(2)],
        Bottleneck(256, 128, stride=2), *[Bottleneck(512, 128) for _ in range(3)],
        Bottleneck(512, 256, dilation=1), *[Bottleneck(1024, 256, dilation=2) for _ in range(5)],
        Bottleneck(1024, 512, dilation=2), *[Bottleneck(2048, 512, dilation=4) for _ in range(2)],
    )  # fmt: skip


class Segmentation(nn.Module):
    """A head on the features of a backbone, with its scores resized to the size of the input image."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.backbone = dilated_backbone()
        self.head = head

    def forward(self, picture: Tensor) -> Tensor:
        return functional.interpolate(self.head(self.backbone(picture)), size=(520, 520), mode="bilinear")


class PyramidPooling(nn.Module):
    """DeepLabv3's five branches: a 1×1 convolution, three dilated convolutions, and a global pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(2048, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU())
        self.dilated = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2048, 256, 3, padding=rate, dilation=rate, bias=False), nn.BatchNorm2d(256), nn.ReLU()
            )
            for rate in (12, 24, 36)
        )
        self.whole = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(2048, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU()
        )

    def forward(self, features: Tensor) -> Tensor:
        whole = functional.interpolate(self.whole(features), size=(65, 65), mode="bilinear")
        return torch.cat([self.one(features), *(view(features) for view in self.dilated), whole], dim=1)


def fcn_resnet50() -> Built:
    """Return torchvision's FCN (Long et al. 2014) on a ResNet-50, without the auxiliary classifier."""
    head = nn.Sequential(
        nn.Conv2d(2048, 512, 3, padding=1, bias=False), nn.BatchNorm2d(512), nn.ReLU(), nn.Dropout(0.1),
        nn.Conv2d(512, 21, 1),
    )  # fmt: skip
    return Segmentation(head), (3, 520, 520)


def deeplabv3_resnet50() -> Built:
    """Return torchvision's DeepLabv3 (Chen et al. 2017) on a ResNet-50, without the auxiliary classifier."""
    head = nn.Sequential(
        PyramidPooling(),
        nn.Conv2d(1280, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU(), nn.Dropout(0.5),
        nn.Conv2d(256, 256, 3, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
        nn.Conv2d(256, 21, 1),
    )  # fmt: skip
    return Segmentation(head), (3, 520, 520)


# --- Detection -------------------------------------------------------------------------------------------------------


class DarknetConv(nn.Sequential):
    """The [convolutional] section of darknet, with batch_normalize and the leaky activation."""

    def __init__(self, in_channels: int, out_channels: int, size: int, stride: int = 1) -> None:
        conv = nn.Conv2d(in_channels, out_channels, size, stride, size // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels), nn.LeakyReLU(0.1))


class DarknetShortcut(nn.Module):
    """A 1×1 and a 3×3 convolution whose output is added to their input, as by darknet's [shortcut]."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.reduce = DarknetConv(channels, inner, 1)
        self.expand = DarknetConv(inner, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        inner: Tensor = self.expand(self.reduce(features))
        return features + inner


def five_convs(in_channels: int, narrow: int, wide: int) -> nn.Module:
    return nn.Sequential(
        DarknetConv(in_channels, narrow, 1),
        DarknetConv(narrow, wide, 3),
        DarknetConv(wide, narrow, 1),
        DarknetConv(narrow, wide, 3),
        DarknetConv(wide, narrow, 1),
    )


def detector(narrow: int, wide: int) -> nn.Module:
    return nn.Sequential(DarknetConv(narrow, wide, 3), nn.Conv2d(wide, 255, 1))


class YOLOv3(nn.Module):
    """The authors' yolov3.cfg: Darknet-53 and three detectors. Layers 36 and 61 are also used by the detectors."""

    def __init__(self) -> None:
        super().__init__()
        self.to_layer_36 = nn.Sequential(
            DarknetConv(3, 32, 3),
            DarknetConv(32, 64, 3, 2), DarknetShortcut(64, 32),
            DarknetConv(64, 128, 3, 2), *[DarknetShortcut(128, 64) for _ in range(2)],
            DarknetConv(128, 256, 3, 2), *[DarknetShortcut(256, 128) for _ in range(8)],
        )  # fmt: skip
        self.to_layer_61 = nn.Sequential(
            DarknetConv(256, 512, 3, 2), *[DarknetShortcut(512, 256) for _ in range(8)]
        )  # fmt: skip
        self.to_layer_74 = nn.Sequential(
            DarknetConv(512, 1024, 3, 2), *[DarknetShortcut(1024, 512) for _ in range(4)]
        )  # fmt: skip
        self.neck_13, self.detect_13 = five_convs(1024, 512, 1024), detector(512, 1024)
        self.narrow_26, self.neck_26 = DarknetConv(512, 256, 1), five_convs(768, 256, 512)
        self.detect_26 = detector(256, 512)
        self.narrow_52, self.neck_52 = DarknetConv(256, 128, 1), five_convs(384, 128, 256)
        self.detect_52 = detector(128, 256)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        layer_36 = self.to_layer_36(picture)
        layer_61 = self.to_layer_61(layer_36)
        at_13 = self.neck_13(self.to_layer_74(layer_61))
        raised = functional.interpolate(self.narrow_26(at_13), scale_factor=2)
        at_26 = self.neck_26(torch.cat([raised, layer_61], dim=1))
        raised = functional.interpolate(self.narrow_52(at_26), scale_factor=2)
        at_52 = self.neck_52(torch.cat([raised, layer_36], dim=1))
        return self.detect_13(at_13), self.detect_26(at_26), self.detect_52(at_52)


def yolov3() -> Built:
    """Return the network of Redmon and Farhadi 2018, with 80 classes."""
    return YOLOv3(), (3, 416, 416)


class YoloConv(nn.Sequential):
    """A convolution with batch norm and SiLU."""

    def __init__(self, in_channels: int, out_channels: int, size: int = 1, stride: int = 1) -> None:
        conv = nn.Conv2d(in_channels, out_channels, size, stride, size // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels), nn.SiLU())


class C2f(nn.Module):
    """YOLOv8's stage: half of the channels pass bottlenecks, the outputs of which are all concatenated."""

    def __init__(self, in_channels: int, out_channels: int, count: int, residual: bool) -> None:
        super().__init__()
        self.half = half = out_channels // 2
        self.enter, self.leave = YoloConv(in_channels, out_channels), YoloConv((2 + count) * half, out_channels)
        self.chain = nn.ModuleList(
            nn.Sequential(YoloConv(half, half, 3), YoloConv(half, half, 3)) for _ in range(count)
        )
        self.residual = residual

    def forward(self, features: Tensor) -> Tensor:
        both = self.enter(features)
        last = both[:, self.half :]
        found = [both]
        for bottleneck in self.chain:
            last = last + bottleneck(last) if self.residual else bottleneck(last)
            found.append(last)
        left: Tensor = self.leave(torch.cat(found, dim=1))
        return left


class FastPyramidPooling(nn.Module):
    """SPPF of YOLOv5 and YOLOv8: three poolings in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = YoloConv(256, 128), YoloConv(512, 256)

    def forward(self, features: Tensor) -> Tensor:
        found = [self.enter(features)]
        for _ in range(3):
            found.append(functional.max_pool2d(found[-1], 5, 1, 2))
        left: Tensor = self.leave(torch.cat(found, dim=1))
        return left


class YOLOv8n(nn.Module):
    """Jocher et al. 2023 up to the expected sides of boxes and the scores of classes, at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.to_8 = nn.Sequential(
            YoloConv(3, 16, 3, 2),
            YoloConv(16, 32, 3, 2), C2f(32, 32, 1, True),
            YoloConv(32, 64, 3, 2), C2f(64, 64, 2, True),
        )  # fmt: skip
        self.to_16 = nn.Sequential(YoloConv(64, 128, 3, 2), C2f(128, 128, 2, True))
        self.to_32 = nn.Sequential(YoloConv(128, 256, 3, 2), C2f(256, 256, 1, True), FastPyramidPooling())
        self.finer_16, self.finer_8 = C2f(384, 128, 1, False), C2f(192, 64, 1, False)
        self.down_16, self.coarser_16 = YoloConv(64, 64, 3, 2), C2f(192, 128, 1, False)
        self.down_32, self.coarser_32 = YoloConv(128, 128, 3, 2), C2f(384, 256, 1, False)
        self.sides = nn.ModuleList(
            nn.Sequential(YoloConv(width, 64, 3), YoloConv(64, 64, 3), nn.Conv2d(64, 64, 1)) for width in (64, 128, 256)
        )
        self.scores = nn.ModuleList(
            nn.Sequential(YoloConv(width, 80, 3), YoloConv(80, 80, 3), nn.Conv2d(80, 80, 1)) for width in (64, 128, 256)
        )
        self.expectation = nn.Conv2d(16, 1, 1, bias=False).requires_grad_(False)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        at_8 = self.to_8(picture)
        at_16 = self.to_16(at_8)
        at_32 = self.to_32(at_16)
        neck_16 = self.finer_16(torch.cat([functional.interpolate(at_32, scale_factor=2), at_16], dim=1))
        small = self.finer_8(torch.cat([functional.interpolate(neck_16, scale_factor=2), at_8], dim=1))
        medium = self.coarser_16(torch.cat([self.down_16(small), neck_16], dim=1))
        large = self.coarser_32(torch.cat([self.down_32(medium), at_32], dim=1))
        levels = (small, medium, large)
        sides = [branch(features) for branch, features in zip(self.sides, levels, strict=True)]
        scores = [branch(features).sigmoid() for branch, features in zip(self.scores, levels, strict=True)]
        found = []
        for side, score in zip(sides, scores, strict=True):
            batch, _, height, width = side.shape
            bins = side.view(batch, 16, 4 * height, width).softmax(dim=1)
            found += [self.expectation(bins).view(batch, 4, height, width), score]
        return tuple(found)


def yolov8n() -> Built:
    """Jocher et al. 2023, 80 classes."""
    return YOLOv8n(), (3, 640, 640)


# --- Small networks --------------------------------------------------------------------------------------------------


def conv_autoencoder() -> Built:
    """Return the network of Keras's denoising example.

    Its transposed convolutions double the size, which needs output_padding=1 in PyTorch.
    """
    module = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.ConvTranspose2d(32, 32, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.ConvTranspose2d(32, 32, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.Conv2d(32, 1, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return module, (1, 28, 28)


def espcn() -> Built:
    """Return the network of Shi et al. 2016, which upscales luminance images by a factor of three."""
    module = nn.Sequential(
        nn.Conv2d(1, 64, 5, padding=2), nn.Tanh(),
        nn.Conv2d(64, 32, 3, padding=1), nn.Tanh(),
        nn.Conv2d(32, 9, 3, padding=1), nn.PixelShuffle(3),
    )  # fmt: skip
    return module, (1, 224, 224)


def ds_cnn() -> Built:
    """Return MLPerf Tiny's network for keyword spotting.

    For an input of 49×10, a kernel of 10×4 and stride 2, `same` padding is 4 + 5 and 1 + 1.
    """
    blocks: list[nn.Module] = []
    for _ in range(4):
        blocks += [nn.Conv2d(64, 64, 3, padding=1, groups=64), nn.BatchNorm2d(64), nn.ReLU()]
        blocks += [nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64), nn.ReLU()]
    module = nn.Sequential(
        nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), stride=2), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Dropout(0.2), *blocks, nn.Dropout(0.4),
        nn.AvgPool2d((24, 5)), nn.Flatten(), nn.Linear(64, 12), nn.Softmax(dim=1),
    )  # fmt: skip
    return module, (1, 49, 10)


MODELS: dict[str, Callable[[], Built]] = {
    build.__name__: build
    for build in (
        conv_autoencoder, deeplabv3_resnet50, ds_cnn, espcn, fcn_resnet50, r3d_18, resnet34, resnet101, resnet152,
        yolov3, yolov8n,
    )
}  # fmt: skip


def running_statistics(module: nn.Module) -> int:
    """Count the elements of running means and variances, without PyTorch's number of batches seen."""
    return sum(
        buffer.numel() for name, buffer in module.named_buffers() if name.endswith(("running_mean", "running_var"))
    )


def figures(name: str) -> dict[str, Any]:
    """Return PyTorch's counts for one sample, on the meta device: only shapes, no arithmetic.

    PyTorch's flop counter counts two operations per multiply-add of convolutions and linear layers, and ignores biases.
    For a transposed convolution, it uses the input positions.
    """
    with torch.device("meta"):
        module, shape = MODELS[name]()
        sample = torch.empty(1, *shape)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        results = module.eval()(sample)
    outputs = results if isinstance(results, tuple) else (results,)
    return {
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "buffers": running_statistics(module),
        "macs": counter.get_total_flops() // 2,
        "output_shapes": [list(output.shape[1:]) for output in outputs],
    }
