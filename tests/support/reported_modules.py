"""Small versions of modules that users reported because convcalc once imported them wrongly."""

# PyTorch is not among the tests' requirements: without it its classes are unknown to mypy.

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class PatchesApart(nn.Module):
    """The unfolding of MobileViT v2: almost a pixel unshuffle, but the patches do not become channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 1)
        self.second = nn.Conv2d(64, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(n, c, 4, -1)
        return self.second(x)


class HeightIntoChannels(nn.Module):
    """Begins like a channel shuffle, but the groups are made from channels and height together."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], 4, 6, 4, 8).transpose(1, 2).reshape(x.shape)


class AskingForIdentity(nn.Module):
    """Runs one branch only if the other branch is not an identity."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.Identity()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.extra = nn.Conv2d(3, 16, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.skip(x))
        if not isinstance(self.skip, nn.Identity):
            y = y + self.extra(x)
        return y


class Fusing(nn.Module):
    """Fuses two resolutions as HRNet does, and skips the identities."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 8, 2, 2)
        up = nn.Sequential(nn.Conv2d(8, 4, 1), nn.Upsample(scale_factor=2))
        down = nn.Conv2d(4, 8, 3, 2, 1)
        self.fuse = nn.ModuleList([nn.ModuleList([nn.Identity(), up]), nn.ModuleList([down, nn.Identity()])])

    def forward(self, x: Tensor) -> Any:
        maps = [self.high(x), self.low(x)]
        results = []
        for row in self.fuse:
            moved = [y if isinstance(layer, nn.Identity) else layer(y) for layer, y in zip(row, maps, strict=True)]
            results.append(moved[0] + moved[1])
        return results


class DropPath(nn.Module):
    """A convolution, despite its name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class WithComputingPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        return self.path(self.first(x))


class PartlyFrozen(nn.Module):
    """A convolution whose weight is frozen; only its bias is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.conv.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Reweighted(nn.Module):
    """Multiplies two learnt matrices with each other, which no layer kind does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.left, self.right = nn.Parameter(torch.zeros(8, 8)), nn.Parameter(torch.zeros(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).flatten(2).transpose(1, 2) @ (self.left @ self.right)


class CountedByValue(nn.Module):
    """The shape of its second output depends on how many values are large."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        return y, torch.nonzero(y[0, 0] > 0.5)  # the line of nonzero


class Raising(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("no such scale")  # the line of the error


class Leaving(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise SystemExit(3)  # the line of the exit


class ReadingOut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, : int(x.sum().item())]  # the line of item


class TwoInputs(nn.Module):
    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left + right


class Misfit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(5, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # the line of the misfit


class Words(nn.Module):
    """An embedding of integers, and a convolution over it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.conv = nn.Conv1d(16, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.embedding(x).transpose(1, 2))


class Small(nn.Module):
    """A convolution, a batch norm and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.bn(self.conv(x))).mean((2, 3)))
