"""Networks of the search spaces in examples/, written in PyTorch for any choices, and PyTorch's counts of them.

The choices are lists with a value for each layer. Nothing is computed: the networks run on the meta device.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.examples.test_search_spaces import FBNET_C
from tests.oracle.reference_zoo import CLASSES, PICTURE, bneck, head, residual_if, shuffled, strides, unit

OFA_UNITS = (
    # channels, stride, squeeze-and-excite, activation
    (24, 2, False, nn.ReLU),
    (40, 2, True, nn.ReLU),
    (80, 2, False, nn.Hardswish),
    (112, 1, True, nn.Hardswish),
    (160, 2, True, nn.Hardswish),
)
FBNET_STAGES = ((16, 1, 1), (24, 2, 4), (32, 2, 4), (64, 2, 4), (112, 1, 4), (184, 2, 4), (352, 1, 1))
FBNET_BLOCKS = {
    # kernel, expansion, groups
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
}


def ofa_mobilenet_v3(depths: Sequence[int], kernels: Sequence[int], expansions: Sequence[int]) -> nn.Module:
    """Return a network of Cai et al. 2019, as OFAMobileNetV3 of the authors' code samples it."""
    layers: list[nn.Module] = [unit(3, 16, 3, 2, activation=nn.Hardswish), bneck(16, 3, 16, 16, False, nn.ReLU, 1)]
    choices = iter(zip(kernels, expansions, strict=True))
    channels = 16
    for (out, first, excited, activation), depth in zip(OFA_UNITS, depths, strict=True):
        for stride in strides(first, depth):
            kernel, expansion = next(choices)
            layers.append(bneck(channels, kernel, expansion * channels, out, excited, activation, stride))
            channels = out
    assert next(choices, None) is None
    tail = [nn.Conv2d(960, 1280, 1, bias=False), nn.Hardswish(), nn.Flatten(), nn.Linear(1280, CLASSES)]
    return nn.Sequential(*layers, unit(160, 960, activation=nn.Hardswish), nn.AdaptiveAvgPool2d(1), *tail)


class Shuffle(nn.Module):
    """Shuffles the channels of two groups."""

    def forward(self, values: Tensor) -> Tensor:
        return shuffled(values)


def fbnet_block(name: str, channels: int, out: int, stride: int) -> nn.Module:
    """Return a block of table 2 in Wu et al. 2018; where the shape changes, skip is a convolution."""
    same = stride == 1 and channels == out
    if name == "skip":
        return nn.Identity() if same else unit(channels, out, stride=stride)
    kernel, expansion, groups = FBNET_BLOCKS[name]
    inner = expansion * channels
    body = nn.Sequential(
        unit(channels, inner, groups=groups),
        Shuffle() if groups == 2 else nn.Identity(),
        unit(inner, inner, kernel, stride, groups=inner),
        unit(inner, out, groups=groups, activation=nn.Identity),
    )
    return residual_if(same, body)


def fbnet(blocks: Sequence[str], last: int = 1984) -> nn.Module:
    """Return a network of the search space of Wu et al. 2018, table 1."""
    layers: list[nn.Module] = [unit(3, 16, 3, 2)]
    chosen = iter(blocks)
    channels = 16
    for out, first, depth in FBNET_STAGES:
        for stride in strides(first, depth):
            layers.append(fbnet_block(next(chosen), channels, out, stride))
            channels = out
    assert next(chosen, None) is None
    return nn.Sequential(*layers, unit(352, last), head(last))


MODELS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    # with the defaults of the examples
    "ofa_mobilenet_v3": lambda: (ofa_mobilenet_v3([4] * 5, [7] * 20, [6] * 20), PICTURE),
    "fbnet": lambda: (fbnet(FBNET_C), PICTURE),
}


def figures(module: nn.Module) -> dict[str, Any]:
    """Return the params, elements of running statistics, MACs and output shape that PyTorch counts for a picture."""
    with torch.device("meta"):
        moved = module.to("meta").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            output = moved(torch.empty(1, *PICTURE, device="meta"))
    buffers = {name: buffer for name, buffer in moved.named_buffers() if not name.endswith("num_batches_tracked")}
    return {
        "params": sum(parameter.numel() for parameter in moved.parameters()),
        "buffers": sum(buffer.numel() for buffer in buffers.values()),
        "macs": counter.get_total_flops() // 2,
        "output_shape": list(output.shape[1:]),
    }
