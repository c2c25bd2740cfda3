"""Networks of examples/ that mix convolutions with attention, or follow those, written by hand in PyTorch.

They share nothing with the YAML: every number of channels is stated, and attention works on tokens N×C, into which a
map is unfolded. The architectures are those of the papers and of timm, as each function states.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tests.oracle.reference_sequences import SelfAttention

Shape = tuple[int, ...]
Built = tuple[nn.Module, tuple[Shape, ...]]  # a network, and the shape of each of its inputs


class Residual(nn.Module):
    """The sum of its body and its input."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + x
        return total


class ChannelNorm(nn.LayerNorm):
    """Layer norm of the channels of a map."""

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = super().forward(x.movedim(1, -1)).movedim(-1, 1)
        return moved


# --- ConvNeXt V2 -----------------------------------------------------------------------------------------------------


class ResponseNorm(nn.Module):
    """Woo et al. 2023, algorithm 1, channels last, in timm's operations."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        norms = x.norm(p=2, dim=(1, 2), keepdim=True)
        return x + torch.addcmul(self.bias, self.scale, x * (norms / (norms.mean(dim=-1, keepdim=True) + 1e-6)))


class ConvNeXtBlock(nn.Module):
    """As the authors of ConvNeXt V2 write it, with linear layers over the channels moved to the end."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 4 * channels)
        self.response = ResponseNorm(4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        moved = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        moved = self.narrow(self.response(functional.gelu(self.wide(moved))))
        return x + moved.permute(0, 3, 1, 2)


def convnext_v2_tiny(width: int = 96, depths: Sequence[int] = (3, 3, 9, 3)) -> Built:
    """Return ConvNeXt V2 of Woo et al. 2023."""
    widths = [width * 2**stage for stage in range(4)]
    modules: list[nn.Module] = [nn.Conv2d(3, width, 4, 4), ChannelNorm(width)]
    for stage, (channels, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage:
            modules += [ChannelNorm(channels // 2), nn.Conv2d(channels // 2, channels, 2, 2)]
        modules += [ConvNeXtBlock(channels) for _ in range(depth)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(widths[-1]), nn.Linear(widths[-1], 1000)]
    return nn.Sequential(*modules, *head), ((3, 224, 224),)


# --- MobileViT -------------------------------------------------------------------------------------------------------


def unit(channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution without a bias, its batch norm, and SiLU."""
    convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.SiLU()]


def inverted_residual(channels: int, out: int, stride: int) -> nn.Module:
    wide = 4 * channels
    body = [*unit(channels, wide), *unit(wide, wide, 3, stride, groups=wide), *unit(wide, out)[:2]]
    return Residual(*body) if stride == 1 and channels == out else nn.Sequential(*body)


class PatchTransformer(nn.Module):
    """Convolutions around a transformer whose tokens are the pixels of the same place in all patches of 2×2."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.local = nn.Sequential(*unit(channels, channels, 3), nn.Conv2d(channels, width, 1, bias=False))
        self.bodies = nn.Sequential()
        for _ in range(depth):
            self.bodies.append(Residual(nn.LayerNorm(width), SelfAttention(width, 4)))
            wide = [nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)]
            self.bodies.append(Residual(nn.LayerNorm(width), *wide))
        self.bodies.append(nn.LayerNorm(width))
        self.back = nn.Sequential(*unit(width, channels))
        self.fuse = nn.Sequential(*unit(2 * channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        local = self.local(x)
        height, width = local.shape[2] // 2, local.shape[3] // 2
        patches = local.unflatten(3, (width, 2)).unflatten(2, (height, 2))  # B, C, rows, 2, columns, 2
        tokens = patches.permute(0, 3, 5, 2, 4, 1).flatten(3, 4).flatten(0, 2)
        attended = self.bodies(tokens).unflatten(1, (height, width)).unflatten(0, (len(x), 2, 2))
        folded = attended.permute(0, 5, 3, 1, 4, 2).flatten(4, 5).flatten(2, 3)
        result: Tensor = self.fuse(torch.cat([x, self.back(folded)], dim=1))
        return result


def mobilevit_s(size: int = 256) -> Built:
    """Return MobileViT-S of Mehta and Rastegari 2021, table 4."""
    module = nn.Sequential(
        *unit(3, 16, 3, 2),
        inverted_residual(16, 32, 1),
        inverted_residual(32, 64, 2),
        inverted_residual(64, 64, 1),
        inverted_residual(64, 64, 1),
        inverted_residual(64, 96, 2),
        PatchTransformer(96, 144, 2),
        inverted_residual(96, 128, 2),
        PatchTransformer(128, 192, 4),
        inverted_residual(128, 160, 2),
        PatchTransformer(160, 240, 3),
        *unit(160, 640),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(640, 1000),
    )
    return module, ((3, size, size),)


# --- SegFormer -------------------------------------------------------------------------------------------------------


class ReducedAttention(nn.Module):
    """Attention of tokens to a map that a convolution with equal kernel and stride has reduced, as in PVT."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.pair = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        given = tokens
        if self.reduce is not None and self.norm is not None:
            given = self.norm(self.reduce(tokens.transpose(1, 2).unflatten(2, size)).flatten(2).transpose(1, 2))
        query = self.query(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = self.pair(given).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return result


class MixTransformerLayer(nn.Module):
    """Attention, then two linear layers with a depthwise convolution between them."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = ReducedAttention(width, heads, reduction)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.depthwise = nn.Conv2d(4 * width, 4 * width, 3, 1, 1, groups=4 * width)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        tokens = tokens + self.attend(self.first(tokens), size)
        wide = self.depthwise(self.wide(self.second(tokens)).transpose(1, 2).unflatten(2, size))
        result: Tensor = tokens + self.narrow(functional.gelu(wide.flatten(2).transpose(1, 2)))
        return result


class MixTransformerStage(nn.Module):
    """Overlapping patches, layers, and a norm."""

    def __init__(self, convolution: nn.Conv2d, heads: int, reduction: int, depth: int) -> None:
        super().__init__()
        width = convolution.out_channels
        self.patches, self.first, self.last = convolution, nn.LayerNorm(width), nn.LayerNorm(width)
        self.layers = nn.ModuleList(MixTransformerLayer(width, heads, reduction) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x)
        size = (patches.shape[2], patches.shape[3])
        tokens = self.first(patches.flatten(2).transpose(1, 2))
        for layer in self.layers:
            tokens = layer(tokens, size)
        result: Tensor = self.last(tokens).transpose(1, 2).unflatten(2, size)
        return result


class SegFormer(nn.Module):
    """A hierarchical transformer, and a decoder that only mixes channels."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], decoder: int, classes: int) -> None:
        super().__init__()
        read = [3, *widths[:-1]]
        convolutions = [nn.Conv2d(read[0], widths[0], 7, 4, 3)]
        convolutions += [nn.Conv2d(read[stage], widths[stage], 3, 2, 1) for stage in (1, 2, 3)]
        self.stages = nn.ModuleList(
            MixTransformerStage(convolution, heads, reduction, depth)
            for convolution, heads, reduction, depth in zip(
                convolutions, (1, 2, 5, 8), (8, 4, 2, 1), depths, strict=True
            )
        )
        self.projections = nn.ModuleList(nn.Linear(width, decoder) for width in widths)
        self.fuse = nn.Sequential(
            nn.Conv2d(4 * decoder, decoder, 1, bias=False), nn.BatchNorm2d(decoder), nn.ReLU(),
            nn.Dropout(0.1), nn.Conv2d(decoder, classes, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        scores: list[Tensor] = []
        for stage, project in zip(self.stages, self.projections, strict=True):
            x = stage(x)
            made = project(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])
            if scores:
                made = functional.interpolate(made, scores[0].shape[2:], mode="bilinear", align_corners=False)
            scores.append(made)
        result: Tensor = self.fuse(torch.cat(scores[::-1], dim=1))
        return result


def segformer_b0(
    widths: Sequence[int] = (32, 64, 160, 256),
    depths: Sequence[int] = (2, 2, 2, 2),
    decoder: int = 256,
    classes: int = 150,
    size: int = 512,
) -> Built:
    """Return SegFormer of Xie et al. 2021, as in transformers."""
    return SegFormer(widths, depths, decoder, classes), ((3, size, size),)


# --- The U-Net of DDPM -----------------------------------------------------------------------------------------------


class TimedResidual(nn.Module):
    """Two convolutions with a shortcut; the first output is moved by an amount computed from the time."""

    def __init__(self, channels: int, out: int, time: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, channels), nn.GroupNorm(32, out)
        self.conv1, self.conv2 = nn.Conv2d(channels, out, 3, 1, 1), nn.Conv2d(out, out, 3, 1, 1)
        self.moved = nn.Linear(time, out)
        self.dropout = nn.Dropout(0.1)
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.conv1(functional.silu(self.norm1(x)))
        inner = inner + self.moved(functional.silu(time))[:, :, None, None]
        inner = self.conv2(self.dropout(functional.silu(self.norm2(inner))))
        result: Tensor = inner + self.shortcut(x)
        return result


class MapAttention(nn.Module):
    """Attention of one head between the positions of a map, after a group norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels)
        self.attend = SelfAttention(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        result: Tensor = x + self.attend(tokens).transpose(1, 2).unflatten(2, x.shape[2:])
        return result


class TimedUNet(nn.Module):
    """Four resolutions, each with two residual blocks down and three up; every output on the way down is a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths, time = [width, 2 * width, 2 * width, 2 * width], 4 * width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.entry = nn.Conv2d(3, width, 3, 1, 1)
        self.down, self.up, skips, read = nn.ModuleList(), nn.ModuleList(), [width], width
        for level, channels in enumerate(widths):
            for _ in range(2):
                self.down.append(nn.ModuleList([TimedResidual(read, channels, time)]))
                if level == 1:
                    self.down[-1].append(MapAttention(channels))
                read = channels
                skips.append(read)
            if level < 3:
                self.down.append(nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(read, read, 3, 2)))
                skips.append(read)
        self.middle = nn.ModuleList([TimedResidual(read, read, time), MapAttention(read)])
        self.last_middle = TimedResidual(read, read, time)
        for level in (3, 2, 1, 0):
            for _ in range(3):
                self.up.append(nn.ModuleList([TimedResidual(read + skips.pop(), widths[level], time)]))
                if level == 1:
                    self.up[-1].append(MapAttention(widths[level]))
                read = widths[level]
            if level:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(read, read, 3, 1, 1)))
        self.exit = nn.Sequential(nn.GroupNorm(32, width), nn.SiLU(), nn.Conv2d(width, 3, 3, 1, 1))

    def forward(self, image: Tensor, time: Tensor) -> Tensor:
        time = self.time(time)
        x = self.entry(image)
        skips = [x]
        for part in self.down:
            x = part(x) if isinstance(part, nn.Sequential) else self.run(part, x, time)
            skips.append(x)
        x = self.last_middle(self.run(self.middle, x, time), time)
        for part in self.up:
            joined = isinstance(part, nn.ModuleList)
            x = self.run(part, torch.cat([x, skips.pop()], dim=1), time) if joined else part(x)
        result: Tensor = self.exit(x)
        return result

    def run(self, part: Any, x: Tensor, time: Tensor) -> Tensor:
        x = part[0](x, time)
        return part[1](x) if len(part) > 1 else x


def ddpm_unet(width: int = 128, size: int = 32) -> Built:
    """Return the network of Ho et al. 2020 for CIFAR-10; its second input is the embedding of the time."""
    return TimedUNet(width), ((3, size, size), (width,))


# --- CoAtNet ---------------------------------------------------------------------------------------------------------


class Excited(nn.Module):
    """A map times a factor per channel, computed from its means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.factors = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.SiLU(),
            nn.Conv2d(squeezed, channels, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x * self.factors(x)
        return result


def halved(channels: int, out: int) -> nn.Module:
    """Return CoAtNet's shortcut of a block with stride 2."""
    return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1))


class InvertedConvolution(nn.Module):
    """A pre-normalised inverted residual, 4 times as wide as its output."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        wide = 4 * out
        self.shortcut = halved(channels, out) if stride == 2 else nn.Identity()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.GELU(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.GELU(),
            Excited(wide, out // 4), nn.Conv2d(wide, out, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.shortcut(x) + self.body(x)
        return result


class BiasedAttention(nn.Module):
    """Attention with heads of 32 between the positions of a square map, with a bias per head and distance."""

    def __init__(self, channels: int, out: int, side: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(channels, 3 * out), nn.Linear(out, out)
        rows, columns = torch.arange(side * side) // side, torch.arange(side * side) % side
        distances = (rows[:, None] - rows + side - 1) * (2 * side - 1) + columns[:, None] - columns + side - 1
        self.register_buffer("distances", distances, persistent=False)
        self.table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, out // 32))

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(2, (3, -1, 32)).permute(2, 0, 3, 1, 4)
        bias = self.table[self.distances].permute(2, 0, 1)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        result: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return result


class BiasedTransformer(nn.Module):
    """Attention, then two linear layers; with stride 2, only the attention reads the halved map."""

    def __init__(self, channels: int, out: int, stride: int, side: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.pool = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.attend = BiasedAttention(channels, out, side)
        self.shortcut = halved(channels, out) if stride == 2 else nn.Identity()
        self.wide = Residual(ChannelNorm(out), nn.Conv2d(out, 4 * out, 1), nn.GELU(), nn.Conv2d(4 * out, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pool(self.norm(x))
        attended = self.attend(pooled.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, pooled.shape[2:])
        result: Tensor = self.wide(self.shortcut(x) + attended)
        return result


def coatnet_0(depths: Sequence[int] = (2, 3, 5, 2), size: int = 224) -> Built:
    """Return CoAtNet of Dai et al. 2021, as timm builds coatnet_0_224."""
    modules: list[nn.Module] = [
        nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.GELU(), nn.Conv2d(64, 64, 3, 1, 1, bias=False)
    ]  # fmt: skip
    channels = 64
    for stage, (out, depth) in enumerate(zip((96, 192, 384, 768), depths, strict=True)):
        for number in range(depth):
            stride = 1 if number else 2
            if stage < 2:
                modules.append(InvertedConvolution(channels, out, stride))
            else:
                modules.append(BiasedTransformer(channels, out, stride, size // 2 ** (stage + 2)))
            channels = out
    head = [nn.LayerNorm(768), nn.Linear(768, 768), nn.Tanh(), nn.Linear(768, 1000)]
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head), ((3, size, size),)


# --- PyTorch's counts ------------------------------------------------------------------------------------------------

MODELS: dict[str, Callable[..., Built]] = {
    build.__name__: build for build in (coatnet_0, convnext_v2_tiny, mobilevit_s, segformer_b0, ddpm_unet)
}


def running_statistics(module: nn.Module) -> int:
    """Count the elements of running means and variances, without PyTorch's number of batches seen."""
    return sum(
        buffer.numel() for name, buffer in module.named_buffers() if name.endswith(("running_mean", "running_var"))
    )


def count(module: nn.Module, shapes: Sequence[Shape]) -> dict[str, Any]:
    """Return PyTorch's counts of a network on the meta device for one sample."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = module.eval()(*(torch.empty(1, *shape) for shape in shapes))
    return {
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "buffers": running_statistics(module),
        "macs": counter.get_total_flops() // 2,
        "output_shape": list(output.shape[1:]),
    }


def figures(name: str, **options: Any) -> dict[str, Any]:
    """Return PyTorch's counts of the network written by hand."""
    with torch.device("meta"):
        module, shapes = MODELS[name](**options)
    return count(module, shapes)
