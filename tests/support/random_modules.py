"""Random PyTorch modules: convolutions mixed with views, permutes, chunks, arithmetic, branches and class checks."""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional


class DropPath(nn.Module):
    """Has the same interface as timm's DropPath, but returns its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def computing_path(channels: int) -> nn.Module:
    """Return a convolution whose class is named DropPath."""
    inner: type[nn.Module] = type("DropPath", (nn.Conv2d,), {})
    return inner(channels, channels, 1)


def split(size: int, source: Random) -> tuple[int, int]:
    """Split a size into two random factors."""
    factor = source.choice([number for number in range(1, size + 1) if size % number == 0])
    return factor, size // factor


Shape = tuple[int, ...]
Step = Callable[["RandomModule", Tensor], Tensor]


class RandomModule(nn.Module):
    """A sequence of random steps on tensors of shape (batch, channels, height, width)."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.source = Random(seed)
        self.layers = nn.ModuleList()
        self.steps: list[Step] = []
        x = torch.empty(2, 4, 8, 8, device="meta")
        for _ in range(self.source.randint(2, 5)):
            step = self.source.choice(STEPS)(self, tuple(x.shape[1:]))
            with torch.no_grad():
                x = step(self, x)
            self.steps.append(step)
            if x.numel() > 2**14:
                break
        for layer in self.layers:
            if self.source.random() < 0.1:
                layer.requires_grad_(False)
        for parameter in self.layers.parameters():
            if self.source.random() < 0.02:
                parameter.requires_grad_(False)

    def add(self, layer: nn.Module) -> Step:
        """Register a layer as an attribute of the module, so that a copy of the module has it as well."""
        self.layers.append(layer.to("meta").eval())
        place = len(self.layers) - 1
        return lambda module, x: module.layers[place](x)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(self, x)
        return x


def conv(module: RandomModule, shape: Shape) -> Step:
    source = module.source
    groups = source.choice([1, 1, shape[0], split(shape[0], source)[0]])
    channels, kernel, stride = groups * source.randint(1, 3), source.choice([1, 3]), source.randint(1, 2)
    return module.add(nn.Conv2d(shape[0], channels, kernel, stride, 1, groups=groups, bias=source.random() < 0.5))


def transposed(module: RandomModule, shape: Shape) -> Step:
    return module.add(nn.ConvTranspose2d(shape[0], module.source.randint(1, 6), 2, 2))


def norm(module: RandomModule, shape: Shape) -> Step:
    source = module.source
    kinds = [
        nn.BatchNorm2d(shape[0]),
        nn.BatchNorm2d(shape[0], affine=False),
        nn.InstanceNorm2d(shape[0], track_running_stats=True),
        nn.GroupNorm(split(shape[0], source)[0], shape[0]),
    ]
    return module.add(source.choice(kinds))


def moved(module: RandomModule, shape: Shape) -> Step:
    """Split some axes in two by a view, permute the axes, and restore three axes by another view."""
    source = module.source
    cut = [part for size in shape for part in (split(size, source) if source.random() < 0.7 else (size,))]
    order = list(range(1, len(cut) + 1))
    usual = [order, [1, 3, 5, 2, 4], [1, 2, 4, 3, 5], [2, 1, 3, 4], [2, 1, 3, 4, 5]]
    order = source.choice([*(each for each in usual if len(each) == len(cut)), source.sample(order, len(order))])
    first, rest = split(shape[0] * shape[1] * shape[2], source)
    target = source.choice([(first, *split(rest, source)), shape])
    return lambda module, x: x.reshape(x.shape[0], *cut).permute(0, *order).reshape(x.shape[0], *target)


def spread(module: RandomModule, shape: Shape) -> Step:
    """Split height and width in two, and move one part of each to the channels.

    This is a pixel unshuffle or, with another final shape, almost one.
    """
    channels, height, width = shape
    if height % 2 or width % 2:
        return lambda module, x: torch.sigmoid(x)
    target = module.source.choice([(4 * channels, height // 2, width // 2), (channels, 4, -1)])

    def run(module: RandomModule, x: Tensor) -> Tensor:
        parts = x.reshape(x.shape[0], channels, height // 2, 2, width // 2, 2)
        return parts.permute(0, 1, 3, 5, 2, 4).reshape(x.shape[0], *target)

    return run


def shuffled(module: RandomModule, shape: Shape) -> Step:
    channels, height, width = shape
    groups, each = split(channels, module.source)
    return lambda module, x: x.view(x.shape[0], groups, each, height, width).transpose(1, 2).reshape(x.shape)


def chunked(module: RandomModule, shape: Shape) -> Step:
    axis = module.source.choice([1, 2, 3])
    if shape[axis - 1] % 2:
        return lambda module, x: torch.relu(x)
    joined = module.source.choice([lambda a, b: a + b, lambda a, b: a * b, lambda a, b: torch.cat([b, a], 1)])
    return lambda module, x: joined(*x.chunk(2, axis))


def branched(module: RandomModule, shape: Shape) -> Step:
    left, right = module.add(nn.Conv2d(shape[0], shape[0], 3, padding=1)), conv_like(module, shape)
    if module.source.random() < 0.5:
        return lambda module, x: left(module, x) + right(module, x)
    return lambda module, x: torch.cat([x, left(module, x) - right(module, x)], 1)


def conv_like(module: RandomModule, shape: Shape) -> Step:
    return module.add(nn.Conv2d(shape[0], shape[0], 1, bias=False))


def checked(module: RandomModule, shape: Shape) -> Step:
    """Return a step that depends on the class of a module."""
    skip = module.add(module.source.choice([nn.Identity(), DropPath(), nn.Dropout(0.1), nn.ReLU()]))
    place, extra = len(module.layers) - 1, conv_like(module, shape)

    def run(module: RandomModule, x: Tensor) -> Tensor:
        y = skip(module, x)
        return y if isinstance(module.layers[place], nn.Identity | DropPath) else y + extra(module, x)

    return run


def dropped(module: RandomModule, shape: Shape) -> Step:
    path = module.add(module.source.choice([DropPath(), computing_path(shape[0]), nn.Identity()]))
    return lambda module, x: x + path(module, x)


def arithmetic(module: RandomModule, shape: Shape) -> Step:
    chosen = module.source.choice(
        [
            lambda x: x * torch.sigmoid(x),
            lambda x: x * torch.sigmoid(x),
            lambda x: x + x,
            lambda x: x * x.mean((2, 3), keepdim=True).expand_as(x),
            lambda x: x * x.mean((2, 3), keepdim=True),
            lambda x: x[:, :1] * x,
            lambda x: 2 * x - 1,
            lambda x: x / (1 + x.abs()),
            lambda x: x @ x.transpose(2, 3),
            lambda x: x.mean(1, keepdim=True) + x,
            lambda x: x[:, :, ::2],
        ]
    )
    return lambda module, x: chosen(x)


def linear(module: RandomModule, shape: Shape) -> Step:
    """Return a linear layer over the channels or over the last axis."""
    if module.source.random() < 0.7:
        layer = module.add(nn.Linear(shape[0], 3))
        return lambda module, x: layer(module, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return module.add(nn.Linear(shape[2], 5))


def twice(module: RandomModule, shape: Shape) -> Step:
    layer = module.add(module.source.choice([nn.BatchNorm2d(shape[0]), nn.Conv2d(shape[0], shape[0], 1)]))
    return lambda module, x: layer(module, torch.relu(layer(module, x)))


def reweighted(module: RandomModule, shape: Shape) -> Step:
    """Return a convolution whose weight is computed from a learnt parameter."""
    module.add(nn.Conv2d(shape[0], 2, 1))
    place = len(module.layers) - 1

    def run(module: RandomModule, x: Tensor) -> Tensor:
        layer = module.layers[place]
        return functional.conv2d(x, layer.weight * 2, layer.bias)

    return run


def unread(module: RandomModule, shape: Shape) -> Step:
    """Return a convolution whose output is not used."""
    layer = module.add(nn.Conv2d(shape[0], 2, 1))

    def run(module: RandomModule, x: Tensor) -> Tensor:
        layer(module, x)
        return torch.relu(x)

    return run


STEPS: list[Callable[[RandomModule, Shape], Step]] = [
    *[conv, chunked, branched, checked, dropped, arithmetic, linear, twice, reweighted] * 2,
    *[transposed, norm, moved, spread, shuffled, unread],
]
