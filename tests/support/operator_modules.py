"""Modules whose operations no layer kind covers, or whose weights are computed from others."""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Windows(nn.Module):
    """Attention in windows of 4×4 positions, which are folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(12, 36)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = x.view(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, channels)
        q, k, v = self.qkv(x).view(-1, 16, 3, 2, 6).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, 4, 16, 12)
        return self.head(y.mean((1, 2)))


class Standardised(nn.Module):
    """A plain convolution, one with weight normalisation, and one with scaled weights."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 5, 3))
        self.weight = nn.Parameter(torch.ones(6, 5, 1, 1))
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight - self.weight.mean((1, 2, 3), keepdim=True)) * self.gain
        return functional.conv2d(self.normed(self.plain(x)), weight)


class LowRank(nn.Module):
    """A frozen linear layer with a trained update of rank 2, merged before use."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 5).requires_grad_(False)
        self.down = nn.Parameter(torch.zeros(2, 6))
        self.up = nn.Parameter(torch.zeros(5, 2))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.base.weight + self.up @ self.down, self.base.bias)


class Recurrent(nn.Module):
    """Recurrent layers, whole and step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True, proj_size=3)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.cell = nn.LSTMCell(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(x.transpose(1, 2))
        z, _ = self.gru(y)
        return self.cell(z[:, 0])[0]


class PositionTable(nn.Module):
    """A table of offsets is computed by a linear layer from numbers that no input reaches, once per batch."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.arange(24.0).view(12, 2))
        self.table = nn.Linear(2, 12, bias=False)
        self.linear = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x + self.table(self.places).mean(0))


class Gated(nn.Module):
    """A gated linear unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.glu(self.conv(x), 1)


class Joined(nn.Module):
    """A product of two maps as einsum, a product with a batch of matrices, and distances."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2)
        y = torch.einsum("bcn,bdn->bcd", x, x) @ x
        return torch.cdist(y, x).var(2)


class Numbers(nn.Module):
    """A sum that begins with 0, a difference, a quotient, and gelu by its formula."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        one, other = (conv(x) for conv in self.convs)
        total = sum([one, other])
        y = (total - one) / other * 1.0
        return y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))


class Regions(nn.Module):
    """Computes parts without autocast and without gradients, as code for half precision does."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(8, 4, 3)
        self.other = nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            x = self.one(x.float()).relu()
        with torch.no_grad():
            return self.other(x)
