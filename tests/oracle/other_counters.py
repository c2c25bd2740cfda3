"""Runs other tools that count operations on a module, and returns the total that each tool reports."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.support.torchvision_operators import define_missing_operators

Built = tuple[nn.Module, tuple[int, ...]]


def sample(shape: tuple[int, ...]) -> Any:
    return torch.zeros(1, *shape)


def torchinfo(module: nn.Module, shape: tuple[int, ...]) -> int:
    import torchinfo

    found: int = torchinfo.summary(module, input_data=sample(shape), verbose=0, device="cpu").total_mult_adds
    return found


def fvcore(module: nn.Module, shape: tuple[int, ...]) -> int:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module, sample(shape)).unsupported_ops_warnings(False)
    return int(analysis.uncalled_modules_warnings(False).total())


def ptflops(module: nn.Module, shape: tuple[int, ...]) -> int:
    define_missing_operators()  # ptflops imports torchvision if it is installed
    from ptflops import get_model_complexity_info

    found, _ = get_model_complexity_info(module, shape, as_strings=False, print_per_layer_stat=False)
    return int(found)


def thop(module: nn.Module, shape: tuple[int, ...]) -> int:
    from thop import profile

    found, _ = profile(module, (sample(shape),), verbose=False)
    return int(found)


def flop_counter_mode(module: nn.Module, shape: tuple[int, ...]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(sample(shape))
    return int(counter.get_total_flops())


COUNTERS: dict[str, Callable[[nn.Module, tuple[int, ...]], int]] = {
    "torchinfo": torchinfo,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "thop": thop,
    "FlopCounterMode": flop_counter_mode,
}


def counted(tool: str, module: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the total that a tool reports, and hide its warnings about unknown layers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return COUNTERS[tool](module, shape)
