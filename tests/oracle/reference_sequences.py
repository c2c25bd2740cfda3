"""Networks over sequences in PyTorch: a vision transformer, a recurrent text recogniser, causal convolutions."""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

Built = tuple[nn.Module, tuple[int, ...]]


class SelfAttention(nn.Module):
    """As in timm: one linear layer for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return result


class VisionTransformer(nn.Module):
    """Patches, a class token, position embeddings, blocks with the norm first, and a head on the class token."""

    def __init__(self, width: int, heads: int, depth: int, patches: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, patches + 1, width))
        self.bodies = nn.ModuleList()
        for _ in range(depth):
            self.bodies.append(nn.Sequential(nn.LayerNorm(width), SelfAttention(width, heads)))
            wide = [nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)]
            self.bodies.append(nn.Sequential(nn.LayerNorm(width), *wide))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], dim=1) + self.places
        for body in self.bodies:
            x = x + body(x)
        result: Tensor = self.head(self.norm(x)[:, 0])
        return result


def vit_tiny() -> Built:
    return VisionTransformer(192, 3, 12, 14 * 14), (3, 224, 224)


class Crnn(nn.Module):
    """Shi, Bai and Yao 2015, as github.com/meijieru/crnn.pytorch builds it for 36 characters and the blank."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            *(nn.Conv2d(1, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2)),
            *(nn.Conv2d(64, 128, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2)),
            *(nn.Conv2d(128, 256, 3, 1, 1), nn.BatchNorm2d(256), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d((2, 2), (2, 1), (0, 1))),
            *(nn.Conv2d(256, 512, 3, 1, 1), nn.BatchNorm2d(512), nn.ReLU()),
            *(nn.Conv2d(512, 512, 3, 1, 1), nn.ReLU(), nn.MaxPool2d((2, 2), (2, 1), (0, 1))),
            *(nn.Conv2d(512, 512, 2, 1, 0), nn.BatchNorm2d(512), nn.ReLU()),
        )
        self.first = nn.LSTM(512, 256, bidirectional=True)
        self.between = nn.Linear(512, 256)
        self.second = nn.LSTM(256, 256, bidirectional=True)
        self.characters = nn.Linear(512, 37)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maps(x).squeeze(2).permute(2, 0, 1)
        x = self.between(self.first(x)[0])
        x = self.characters(self.second(x)[0])
        return x.permute(1, 2, 0)  # the batch first, then the channels as in a spec


def crnn() -> Built:
    return Crnn(), (1, 32, 100)


class CausalLevel(nn.Module):
    """Two dilated convolutions that see only earlier steps, and a shortcut."""

    def __init__(self, channels: int, out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        before = nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0)
        self.body = nn.Sequential(
            *(before, nn.Conv1d(channels, out, kernel, dilation=dilation), nn.ReLU(), nn.Dropout(0.05)),
            *(before, nn.Conv1d(out, out, kernel, dilation=dilation), nn.ReLU(), nn.Dropout(0.05)),
        )
        self.shortcut = nn.Identity() if channels == out else nn.Conv1d(channels, out, 1)


class Tcn(nn.Module):
    """Bai, Kolter and Koltun 2018, optionally with the sum of the levels that keras-tcn adds."""

    def __init__(self, channels: int, kernel: int, levels: int, sums: bool) -> None:
        super().__init__()
        self.sums = sums
        self.levels = nn.ModuleList(
            CausalLevel(channels if level else 1, channels, kernel, 2**level) for level in range(levels)
        )
        self.classes = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level in self.levels:
            skips.append(level.body(x))
            if not self.sums or len(skips) < len(self.levels):
                x = functional.relu(skips[-1] + level.shortcut(x))
        summed = sum(skips[1:], skips[0]) if self.sums else x
        result: Tensor = self.classes(summed[:, :, -1:].flatten(1))
        return result


def tcn(channels: int = 25, kernel_size: int = 7, levels: int = 8, sum_levels: bool = True) -> Built:
    return Tcn(channels, kernel_size, levels, sum_levels), (1, 784)
