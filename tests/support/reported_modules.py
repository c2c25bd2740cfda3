"""Small versions of modules that users reported because convcalc once imported them wrongly."""

# PyTorch is not among the tests' requirements: without it its classes are unknown to mypy.

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.parametrizations import weight_norm


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


class Described(nn.Module):
    """Returns a dict with a text, as detection models do with the names of their maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Any:
        return {"map": self.conv(x), "names": ["first"], "stride": 1, "mask": None}


class WithLargestValue(nn.Module):
    """Returns a number that depends on values beside its tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Any:
        return self.conv(x), x.max().item()


class ScaledByLargestValue(nn.Module):
    """Multiplies by a Python number that depends on the values of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * x.max().item()


class ScaledByRange(nn.Module):
    """Computes with such numbers in Python before it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * (x.max().item() + 2 * x.min().item())


class ReZero(nn.Sequential):
    """Weights each of its blocks by one element of a parameter of its own."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 2), nn.Linear(2, 2))
        self.weights = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        for place, block in enumerate(self):
            x = x + self.weights[place] * block(x)
        return x


class OneLinearInTwoModules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Sequential(nn.Linear(10, 10)), nn.Sequential(nn.Linear(10, 10))
        self.second[0] = self.first[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class OneWeightOfFourConvolutions(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(*(nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(4)))
        for conv in self:
            conv.weight = self[0].weight


class WithoutInputSize(nn.Sequential):
    """Learns the size of its input when it is first called."""

    def __init__(self) -> None:
        super().__init__(nn.LazyLinear(32))


class FrozenEncoder(nn.TransformerEncoder):
    """Takes PyTorch's fused path, which counters of modules or operations do not see."""

    def __init__(self) -> None:
        super().__init__(nn.TransformerEncoderLayer(512, 4, 512, batch_first=True), 1)
        self.requires_grad_(False).eval()


class WeightNormalized(nn.Module):
    """The digit classifier of PyTorch's first examples, with a weight norm at its second convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 5), weight_norm(nn.Conv2d(10, 20, 5))
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout2d()
        self.fc1, self.fc2 = nn.Linear(320, 50), nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.pool(self.conv1(x)))
        x = torch.relu(self.pool(self.drop(self.conv2(x))))
        x = torch.relu(self.fc1(x.view(-1, 320)))
        return torch.log_softmax(self.fc2(x), dim=1)


class Enlarging(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class FilteringByFrequency(nn.Module):
    """The global filter of GFNet (Rao et al. 2021): learnt complex numbers, which take eight bytes each."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(4, 4, 5, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.weights)


class HalfFrozenNormUsedTwice(nn.Module):
    """A batch norm of which only the scale is frozen, and which two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 1)
        self.norm = nn.BatchNorm2d(6)
        self.norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.second(self.norm(self.first(x))))
