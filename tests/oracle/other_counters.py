"""Runs other tools that count operations on a module, and returns the total that each tool reports."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

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


def mmengine(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Run the analyzer of get_model_complexity_info, without its table."""
    from mmengine.analysis import FlopAnalyzer

    analysis = FlopAnalyzer(module, sample(shape)).unsupported_ops_warnings(False)
    return int(analysis.uncalled_modules_warnings(False).total())


def mmengine_complexity(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the total of mmengine's function that also makes a table, which takes long for large networks."""
    from mmengine.analysis import get_model_complexity_info

    return int(get_model_complexity_info(module, shape, show_table=False, show_arch=False)["flops"])


def mmcv(module: nn.Module, shape: tuple[int, ...]) -> int:
    from mmcv.cnn import get_model_complexity_info

    with given_params(module):
        found, _ = get_model_complexity_info(module, shape, print_per_layer_stat=False, as_strings=False)
    return int(found)


def calflops(module: nn.Module, shape: tuple[int, ...]) -> int:
    from calflops import calculate_flops

    with given_params(module):
        found, _, _ = calculate_flops(module, args=[sample(shape)], print_results=False, output_as_string=False)
    return int(found)


def deepspeed(module: nn.Module, shape: tuple[int, ...]) -> int:
    from deepspeed.profiling.flops_profiler import get_model_profile

    with torch.no_grad():
        found, _, _ = get_model_profile(module, (1, *shape), print_profile=False, as_string=False, warm_up=0)
    return int(found)


def ultralytics(module: nn.Module, shape: tuple[int, ...]) -> int:
    from thop import profile  # of the package ultralytics-thop

    found, _ = profile(module, (sample(shape),), verbose=False)
    return 2 * int(found)


@contextmanager
def given_params(module: nn.Module) -> Iterator[None]:
    """Give a module a parameter while the context lasts: calflops and mmcv need at least one."""
    module.register_parameter("unused", nn.Parameter(torch.zeros(1)))
    yield
    del module.unused


COUNTERS: dict[str, Callable[[nn.Module, tuple[int, ...]], int]] = {
    "torchinfo": torchinfo,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "thop": thop,
    "FlopCounterMode": flop_counter_mode,
    "mmengine": mmengine,
    "mmcv": mmcv,
    "calflops": calflops,
    "DeepSpeed": deepspeed,
    "Ultralytics": ultralytics,
}


def counted(tool: str, module: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the total that a tool reports, and hide its warnings about unknown layers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return COUNTERS[tool](module, shape)
