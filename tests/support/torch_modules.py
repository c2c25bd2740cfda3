"""Modules that a user might import; some of them cannot be expressed as a spec."""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attending(nn.Module):
    """A block of a vision transformer, with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.norm = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.wide = nn.Linear(16, 64)
        self.narrow = nn.Linear(64, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        y = self.norm(x)
        x = x + self.attention(y, y, y)[0]
        x = x + self.narrow(functional.gelu(self.wide(self.norm(x))))
        return self.head(x.mean(1))


class Recurrent(nn.Module):
    """A convolution, then an LSTM whose output at the last step and hidden state are used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Any:
        y, (hidden, _) = self.lstm(self.conv(x).transpose(1, 2))
        return self.head(y[:, -1]), hidden


class Projecting(nn.Module):
    """An LSTM that projects its state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, proj_size=4, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.lstm(x)


class Einsum(nn.Module):
    """Mixes the channels by a learnt matrix, written as einsum, between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.zeros(8, 8))
        self.before = nn.Conv2d(3, 8, 3)
        self.after = nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.einsum("bchw,cd->bdhw", self.before(x), self.mixing))


class ByValue(nn.Module):
    """Its output shape depends on the values of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.sum() > 0 else x


class Pair(nn.Module):
    """Passes two inputs through the same encoder; the first input is also an output."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 3)
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        joined = torch.cat([self.encoder(left), self.encoder(right)], dim=1)
        return {"head": self.head(joined), "left": left}


class Frozen(nn.Module):
    """A network whose first convolution and norm are not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 8, 3, bias=False)
        for frozen in (self.conv, self.norm):
            frozen.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)))


class HalfTied(nn.Module):
    """Two linear layers that share a weight but have separate biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class InPlace(nn.Module):
    """Overwrites tensors in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.second = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x.relu_()
        y = self.second(x)
        y += x
        return y


class Composed(nn.Module):
    """Activations written as several operations."""

    def forward(self, x: Tensor) -> Any:
        gate = functional.relu6(x + 3)
        swish = x * torch.sigmoid(x)
        mish = x * torch.tanh(functional.softplus(x))
        return x * functional.relu6(x + 3) / 6, x * (functional.relu6(x + 3) / 6), gate / 6, swish, mish


class Rearranging(nn.Module):
    """Channel shuffles and similar permutations written with views, and slices along several axes."""

    def forward(self, x: Tensor) -> Any:
        batch, channels, height, width = x.shape
        dealt = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(x.shape)
        spread = (
            x.view(batch, 2, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, 2 * height, 2 * width)
        )
        gathered = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
        there_and_back = functional.relu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        first, second = x.chunk(2, dim=1)
        return (
            dealt,
            spread,
            gathered.reshape(batch, 4 * channels, height // 2, width // 2),
            there_and_back,
            first + second,
            x[..., 1:-1, 2:5],
            functional.pad(x, (-1, -1, 0, 0)),
            functional.interpolate(x, scale_factor=2, mode="bilinear"),
        )


class LeavingNoTrace(nn.Module):
    """Contains modules that run no operation, and modules that run several."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Identity(), nn.Dropout(0.2), nn.LocalResponseNorm(3), nn.Softsign(), nn.LPPool2d(2, 2), nn.Mish()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class NotATensor:
    """An object that is not a tensor."""


@dataclass
class Result:
    """A result type that torch.fx can trace, but torch.export cannot."""

    logits: Tensor
    features: Tensor


class WithDataclass(nn.Module):
    """Returns its tensors in a dataclass."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Identity())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x: Tensor) -> Any:
        features = self.stem(x)
        return Result(logits=self.head(features), features=features)


class Odd(nn.Module):
    """Returns an object that is not a tensor."""

    def forward(self, x: Tensor) -> Any:
        return NotATensor()


def failing() -> nn.Module:
    raise ValueError("no weights here")


def pair() -> nn.Module:
    return Pair()


number = 3


class InParts(nn.Module):
    """Two convolutions each write to a part of one tensor, which a third convolution reads."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.other = nn.Conv2d(3, 4, 3)
        self.last = nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.zeros(x.shape[0], 8, 30, 30)
        whole[:, :4] = self.one(x)
        whole[:, 4:] = self.other(x)
        return self.last(whole)


class OverAView(nn.Module):
    """Overwrites a view in place; nothing else reads the original tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.relu = nn.ReLU(inplace=True)
        self.linear = nn.Linear(7200, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.conv(x).chunk(2, 1)
        x = torch.cat([self.relu(left), right], 1)
        return self.linear(self.relu(x.view(x.size(0), -1)))


class Softsign(nn.Module):
    """A convolution, despite its name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class NamedLikeAnother(nn.Module):
    """Contains a module whose class has the same name as a torch.nn class."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Softsign()
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.inner(x))


class TurnedOver(nn.Module):
    """Multiplies its output by its own transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return x @ (x.t() @ x)


class LeftAndRight(nn.Module):
    """Has two inputs that could be swapped by mistake."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.two = nn.Conv2d(3, 4, 5)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.one(left) * self.two(right).mean((2, 3), keepdim=True)


class Squeezing(nn.Module):
    """Squeeze and excitation as it is usually written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Linear(16, 4), nn.ReLU(inplace=True), nn.Linear(4, 16), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        batch, channels, _, _ = x.size()
        y = self.fc(self.pool(x).view(batch, channels)).view(batch, channels, 1, 1)
        return x * y.expand_as(x)


class TwiceExpanded(nn.Module):
    """Expands two means to the size of the input, and adds them.

    Without the expansions, their sum would not have that size.
    """

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        most = x.amax((2, 3), keepdim=True)
        return mean.expand_as(x) + most.expand_as(x)


class Lazy(nn.Module):
    """A convolution that infers its input channels from its first input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.LazyConv2d(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class WithHead(nn.Module):
    """Has a head that is used only in training, not in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.auxiliary = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class WithFunction(nn.Module):
    """Calls its convolution through a lambda that it stores as an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.call = lambda x: self.conv(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


class ScaledAndShifted(nn.Module):
    """Sums and products with numbers and with a learnt value per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (2 * x / 4 - 1 + self.bias) * 0.5 + 3


class Complement(nn.Module):
    """A number minus a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return 1 - torch.relu(x)
