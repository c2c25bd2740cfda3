"""Small PyTorch modules of many designs, exported to ONNX by the tests."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Case(NamedTuple):
    """A module with the shapes of its inputs. `tokens` is the number of different integers if its input is integers."""

    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    tokens: int = 0


class Apply(nn.Module):
    """Modules that a function combines: `Apply(f, a, b)(x)` is `f(x, a, b)`."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, *xs: Tensor) -> Any:
        return self.function(*xs, *self.parts)


def conv_norm(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def classifier(*parts: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


def residual(x: Tensor, *parts: nn.Module) -> Tensor:
    y = x
    for part in parts:
        y = part(y)
    return functional.relu(x + y)


def squeeze_and_excite(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    gate = x.mean((2, 3), keepdim=True)
    return x * functional.hardsigmoid(second(functional.relu(first(gate))))


class ConvNextBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.gamma * self.narrow(functional.gelu(self.wide(self.norm(y))))
        return x + y.permute(0, 3, 1, 2)


def upsample_and_join(x: Tensor, down: nn.Module, inner: nn.Module, up: nn.Module, last: nn.Module) -> Tensor:
    y = up(inner(down(x)))
    z = functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
    return last(torch.cat([x, functional.max_pool2d(z, 2)], 1))


def shuffle(x: Tensor, conv: nn.Module) -> Tensor:
    batch, channels, height, width = x.shape
    y = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
    left, right = y.chunk(2, 1)
    return torch.cat([left, conv(right)], 1)


def focus(x: Tensor, conv: nn.Module) -> Tensor:
    parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
    return conv(torch.cat(parts, 1))


def pool_pyramid(x: Tensor, first: nn.Module, last: nn.Module) -> Tensor:
    y = first(x)
    pooled = [y]
    for _ in range(3):
        pooled.append(functional.max_pool2d(pooled[-1], 5, 1, 2))
    return last(torch.cat(pooled, 1))


def last_step(x: Tensor, recurrent: nn.Module, linear: nn.Module) -> Tensor:
    y, _ = recurrent(x)
    return linear(y[:, -1])


def read_columns(x: Tensor, conv: nn.Module, recurrent: nn.Module, linear: nn.Module) -> Tensor:
    y = functional.relu(conv(x)).mean(2)
    z, _ = recurrent(y.permute(0, 2, 1))
    return linear(z)


class Tokens(nn.Module):
    """A transformer of one layer on the patches of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.first = nn.Parameter(torch.randn(1, 1, 16))
        self.position = nn.Parameter(torch.randn(1, 17, 16))
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, 0.0, "gelu", batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.first.expand(len(y), -1, -1), y], 1) + self.position
        return self.head(self.norm(self.layer(y))[:, 0])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.project(x).reshape(batch, length, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.softmax(q @ k.transpose(-2, -1) * 0.5, -1)
        return self.out((scores @ v).transpose(1, 2).reshape(batch, length, width))


def causal(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    y = functional.relu(first(functional.pad(x, (2, 0))))
    return x + second(functional.pad(y, (4, 0)))


def merge(left: Tensor, right: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    y, z = first(left), second(right)
    return torch.cat([y + z, y - z, y * z], 1)


def gated(x: Tensor, conv: nn.Module) -> Tensor:
    return functional.glu(conv(x), 1)


def graph_convolution(x: Tensor, conv: nn.Module, matrix: nn.Module) -> Tensor:
    return torch.einsum("nctv,vw->nctw", conv(x), matrix.weight)


def scaled(x: Tensor, conv: nn.Module) -> Tensor:
    return torch.sigmoid(conv(x * 2 - 1)) / 3 + 0.5


CASES: dict[str, Case] = {
    "plain": Case(lambda: classifier(conv_norm(3, 8), nn.MaxPool2d(2), conv_norm(8, 8), channels=8), ((3, 16, 16),)),
    "residual": Case(
        lambda: classifier(conv_norm(3, 8, stride=2), Apply(residual, conv_norm(8, 8), conv_norm(8, 8)), channels=8),
        ((3, 16, 16),),
    ),
    "inverted": Case(
        lambda: nn.Sequential(
            conv_norm(3, 8),
            conv_norm(8, 8, groups=8),
            Apply(squeeze_and_excite, nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)),
            nn.Hardswish(),
            nn.Conv2d(8, 6, 1),
            nn.ReLU6(),
        ),
        ((3, 12, 12),),
    ),
    "convnext": Case(lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), ConvNextBlock(8)), ((3, 16, 16),)),
    "unet": Case(
        lambda: Apply(
            upsample_and_join,
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ConvTranspose2d(8, 4, 2, 2),
            nn.Conv2d(7, 2, 1),
        ),
        ((3, 16, 16),),
    ),
    "group_norm": Case(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 8, 3)), ((3, 16, 16),)
    ),
    "instance_norm": Case(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(0.2)
        ),
        ((3, 16, 16),),
    ),
    "pixel_shuffle": Case(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.PReLU(8), nn.Conv2d(8, 12, 1), nn.PixelShuffle(2)), ((3, 16, 16),)
    ),
    "pixel_unshuffle": Case(
        lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3), nn.Mish()), ((3, 16, 16),)
    ),
    "channel_shuffle": Case(lambda: Apply(shuffle, conv_norm(4, 4)), ((8, 8, 8),)),
    "focus": Case(lambda: Apply(focus, nn.Conv2d(12, 8, 3, padding=1)), ((3, 16, 16),)),
    "pool_pyramid": Case(lambda: Apply(pool_pyramid, nn.Conv2d(8, 4, 1), nn.Conv2d(16, 8, 1)), ((8, 12, 12),)),
    "lstm": Case(
        lambda: Apply(last_step, nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True), nn.Linear(32, 5)), ((10, 8),)
    ),
    "gru": Case(lambda: Apply(last_step, nn.GRU(8, 16, batch_first=True), nn.Linear(16, 5)), ((10, 8),)),
    "rnn": Case(lambda: Apply(last_step, nn.RNN(8, 16, batch_first=True), nn.Linear(16, 5)), ((10, 8),)),
    "columns": Case(
        lambda: Apply(
            read_columns,
            nn.Conv2d(1, 8, 3, padding=1),
            nn.LSTM(8, 6, batch_first=True, bidirectional=True),
            nn.Linear(12, 4),
        ),
        ((1, 8, 20),),
    ),
    "tokens": Case(Tokens, ((3, 16, 16),)),
    "attention": Case(Attention, ((6, 16),)),
    "causal": Case(lambda: Apply(causal, nn.Conv1d(4, 8, 3), nn.Conv1d(8, 4, 3, dilation=2)), ((4, 30),)),
    "volume": Case(
        lambda: nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ELU(), nn.AvgPool3d(2)),
        ((1, 8, 8, 8),),
    ),
    "two_inputs": Case(lambda: Apply(merge, nn.Conv2d(3, 4, 3), nn.Conv2d(1, 4, 3)), ((3, 8, 8), (1, 8, 8))),
    "gated": Case(lambda: Apply(gated, nn.Conv1d(4, 8, 3)), ((4, 20),)),
    "embedded": Case(
        lambda: Apply(lambda x, e, c: c(e(x).transpose(1, 2)), nn.Embedding(20, 8), nn.Conv1d(8, 4, 3)), ((12,),), 20
    ),
    "graph": Case(lambda: Apply(graph_convolution, nn.Conv2d(3, 8, 1), nn.Linear(7, 7, bias=False)), ((3, 10, 7),)),
    "squeezed": Case(
        lambda: Apply(lambda x, c, f: f(c(x).squeeze(2)), nn.Conv2d(3, 8, (6, 1)), nn.Conv1d(8, 4, 3)), ((3, 6, 20),)
    ),
    "numbers": Case(lambda: Apply(scaled, nn.Conv2d(3, 4, 3)), ((3, 8, 8),)),
}
