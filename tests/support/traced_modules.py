"""PyTorch modules that need something particular to be traced, such as a batch of one image or indices as input."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, spectral_norm, weight_norm


class WithConvolution(nn.Module):
    """Has a convolution of 112 params and 3,888 MACs for an input of 3×8×8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)


class Tiny(WithConvolution):
    def forward(self, x: Tensor) -> Any:
        return self.conv(x)


class ForOneImage(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).view(1, -1))


class ForEightFrames(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).view(-1, 8, 4, 6, 6).mean(1)


class ForAPair(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        left, right = x.split(1)
        return self.conv(left - right)


class FoldingFrames(Tiny):
    """Runs every frame of a clip through one convolution: 5 frames are 5 × 3,888 MACs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.flatten(0, 1)).view(x.shape[0], -1)


class ForOneImageOrMaps(nn.Module):
    """A convolution that also runs with 1×8×8 as one map without a batch axis."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ReadingRates(Tiny):
    """Reads values of a tensor when it is created."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]


class ListingRates(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.rates = torch.linspace(0, 0.1, 3).tolist()


class InitialisedByNumpy(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.conv.weight.data = torch.from_numpy(self.conv.weight.detach().numpy() * 2)


class DifferentOnMeta(nn.Module):
    """Has fewer channels on the meta device, where it does not run either."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3 if torch.empty(1).is_meta else 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).view(x.shape[0], 4, 6, 6)


class WithNumpy(Tiny):
    """Multiplies by a tensor on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x * torch.from_numpy(np.ones((3, 1, 1), np.float32)))


class UpdatingLists(nn.Module):
    """Updates its list of maps in place, as an HRNet does, and its own attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)])
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        maps = [x, x]
        for place, branch in enumerate(self.branches):
            maps[place] = branch(maps[place])
            self.seen.append(maps[place])
            self.last = maps[place]
        return maps[0] + self.last


class Lazy(nn.Module):
    """3×8×8 gives 4×6×6: 112 params of the convolution, 8 of the norm, 725 of the linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyLinear(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).flatten(1))


class HalfAndFloat(nn.Module):
    """Most params are of half precision, but the input is not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 64, 3).half()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).half())


class WithIndices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc = nn.Embedding(10, 4), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.embedding(x).mean(1))


class WithTime(WithConvolution):
    """Has a number per sample as its second input."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Linear(1, 4)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.conv(x) + self.time(time[:, None])[:, :, None, None]


class WithFactor(WithConvolution):
    """Has one number for all samples as its second input."""

    def forward(self, x: Tensor, factor: Tensor) -> Tensor:
        assert factor.dim() == 0
        return self.conv(x) * factor


class ReadingValues(WithConvolution):
    """Reads a random value, and does the same for every value."""

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * (1 + torch.rand(1).item())


class ByName(WithConvolution):
    """Has an optional input before the one that is given, which can only be given by name."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, y: Tensor) -> Tensor:
        found = self.conv(x) if mask is None else self.conv(x) * mask
        return found + self.other(y)


class Hooked(nn.Module):
    """Hooks read the result of one layer and double the input of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.results: list[Tensor] = []
        self.first.register_forward_hook(lambda inner, given, result: self.results.append(result))
        self.second.register_forward_pre_hook(lambda inner, given: (given[0] + given[0],))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class DropPath(nn.Module):
    """Another class of this name, with an attribute of another name."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.drop_rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rand(x.shape[0], 1, 1, 1) if self.training else x


class ReadingAttributes(Tiny):
    """Reads attributes of modules that return their input."""

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.path = nn.Identity(), DropPath(0.25)
        self.kept.repeats = 2

    def forward(self, x: Tensor) -> Tensor:
        found = self.path(self.kept(self.conv(x)))
        for _ in range(self.kept.repeats):
            found = found + found
        return found.view(-1, self.conv.weight.shape[0] * 36)


class UnderAutocast(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad():
            return self.conv(x)


class Checking(nn.Module):
    """Refuses everything but real tensors, so that only its calls can be recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise TypeError("a tensor, please")
        return self.fc(self.act(self.conv(x)))


class CheckingAndAdding(Checking):
    """Has an operation between its modules."""

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise TypeError("a tensor, please")
        return self.fc(self.act(self.conv(x)) + 1)


class Nested(nn.Module):
    """An inner module that is too narrow: its line and path are reported."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # the line of the misfit


class Sized(nn.Module):
    """A classifier whose sizes are arguments."""

    def __init__(self, classes: int, width: int = 4, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, bias=bias)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.conv(x)).mean((2, 3)))

    class Inner(nn.Module):
        def __init__(self, name: str, sizes: tuple[int, ...] = (4,)) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, sizes[0], 3)
            self.name = name

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)


MODULE = Tiny()
NORMED = {
    "old weight_norm": lambda: weight_norm(nn.Conv2d(3, 4, 3)),
    "new weight_norm": lambda: parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
    "old spectral_norm": lambda: spectral_norm(nn.Conv2d(3, 4, 3)),
    "new spectral_norm": lambda: parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)),
}


def scripted() -> Any:
    return torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))


def traced() -> Any:
    return torch.jit.trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), torch.zeros(1, 3, 8, 8))


def half(classes: int) -> nn.Module:
    return Sized(classes).half()
