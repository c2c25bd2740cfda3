"""Transformer blocks and recurrent networks as people write them."""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Self-attention over tokens N×C, with one linear layer for queries, keys and values."""

    def __init__(self, fused: bool = True, relative: int = 0) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.proj = nn.Linear(16, 16)
        self.fused = fused
        self.table = nn.Parameter(torch.zeros(4, relative, relative)) if relative else None

    def forward(self, x: Tensor) -> Tensor:
        batch, count, channels = x.shape
        queries, keys, values = self.qkv(x).reshape(batch, count, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            x = functional.scaled_dot_product_attention(queries, keys, values)
        else:
            scores = (queries * 0.5) @ keys.transpose(-2, -1)
            scores = scores if self.table is None else scores + self.table
            x = scores.softmax(dim=-1) @ values
        return self.proj(x.transpose(1, 2).reshape(batch, count, channels))


class Tokens(nn.Module):
    """A class token and a position embedding, then attention over all tokens; the class token is the output."""

    def __init__(self, fused: bool = True) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 16))
        self.pos_embed = nn.Parameter(torch.zeros(1, 49, 16))
        self.attn = Attention(fused)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + self.pos_embed
        return self.head((x + self.attn(x))[:, 0])


class Regions(nn.Module):
    """Attention within windows, or between the positions of a grid, of a map."""

    def __init__(self, grid: bool = False, fused: bool = True, relative: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.attn = Attention(fused, relative)
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        batch, height, width, channels = x.shape
        split = (2, height // 2, 2, width // 2) if self.grid else (height // 2, 2, width // 2, 2)
        order = (0, 2, 4, 1, 3, 5) if self.grid else (0, 1, 3, 2, 4, 5)
        parts = self.norm(x).view(batch, *split, channels).permute(order)
        tokens = self.attn(parts.reshape(-1, 4, channels))
        back = [order.index(axis) for axis in range(6)]
        return (x + tokens.view(parts.shape).permute(back).reshape(x.shape)).permute(0, 3, 1, 2)


class Crossing(nn.Module):
    """nn.MultiheadAttention of the first three tokens to all of them."""

    def __init__(self, batch_first: bool = True, crossing: bool = True) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(16, 4, batch_first=batch_first)
        self.batch_first = batch_first
        self.crossing = crossing

    def forward(self, x: Tensor) -> Any:
        x = x.flatten(2)
        x = x.transpose(1, 2) if self.batch_first else x.permute(2, 0, 1)
        queries = x if not self.crossing else x[:, :3] if self.batch_first else x[:3]
        return self.attn(queries, x, x, need_weights=False)[0]


class Mixing(nn.Module):
    """A linear layer over the tokens of each channel, then one over the channels of each token, with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.of_tokens = nn.Linear(48, 48)
        self.of_channels = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        x = x + self.of_tokens(x.transpose(1, 2)).transpose(1, 2)
        return x + self.of_channels(x)


class Reading(nn.Module):
    """Text recognition: two layers of a bidirectional LSTM over the columns of a map, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 8, (8, 1))
        self.lstm = nn.LSTM(8, 5, 2, bidirectional=True)
        self.head = nn.Linear(10, 7)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(self.conv(x).squeeze(2).permute(2, 0, 1))
        length, batch, features = states.shape
        return self.head(states.view(length * batch, features)).view(length, batch, -1)


class Words(nn.Module):
    """An embedding, and a GRU whose last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 12)
        self.gru = nn.GRU(12, 16, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.gru(self.embedding(x))
        return self.head(state[-1])


class Statistics(nn.Module):
    """Means, sums and deviations over axes, and single positions."""

    def forward(self, x: Tensor) -> Any:
        return x.mean(1, keepdim=True), x.sum((1, 2)), x.std(2), x.select(2, 1), x.permute(0, 2, 3, 1)[:, 0]


class Merging(nn.Module):
    """The patch merging of Swin transformers: blocks of 2×2 positions become channels."""

    def __init__(self) -> None:
        super().__init__()
        self.reduction = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduction(x)


class ResponseNorm(nn.Module):
    """Global response norm with the channels last (Woo et al. 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(16))
        self.bias = nn.Parameter(torch.zeros(16))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        norm = x.norm(p=2, dim=(1, 2), keepdim=True)
        relative = norm / (norm.mean(dim=-1, keepdim=True) + 1e-6)
        return x + torch.addcmul(self.bias.view(1, 1, 1, -1), self.weight.view(1, 1, 1, -1), x * relative)
