"""Networks of timm that nobody wrote for this: their params and MACs are PyTorch's, and the reports are complete.

Needs the extra `zoo`. Each network has the input size for which timm configures it.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import convcalc
from tests.support.torchvision_operators import define_missing_operators

# at least one network per family, and a small one; most are convolutional, some also attend or mix tokens
NAMES = ["NAMELIST"]

# what is not yet complete, and the first operation whose cost is unknown
INCOMPLETE: dict[str, str] = {}


def build(name: str) -> Any:
    """The network on the meta device. Skips the test if timm cannot be imported."""
    import torch

    define_missing_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import timm
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"timm cannot be imported (pip install 'convcalc[zoo]'): {error}")
        with torch.device("meta"):
            return timm.create_model(name).eval()


def count_macs(module: Any, shape: tuple[int, ...]) -> int:
    """PyTorch's MACs for one sample."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    module.requires_grad_(False)  # the counter requires gradients of modules that get tuples
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.empty(1, *shape))
    total: int = counter.get_total_flops()
    assert total % 2 == 0
    return total // 2


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # those of timm and PyTorch about their own code
@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_the_params_and_macs_of_pytorch(name: str) -> None:
    module = build(name)
    shape = tuple(module.pretrained_cfg["input_size"])
    report = convcalc.analyse(convcalc.from_torch(module, shape))
    assert report.totals.params == sum(parameter.numel() for parameter in module.parameters())
    if name in INCOMPLETE:
        assert not report.complete, f"{name} is now complete: remove it from INCOMPLETE"
        return
    assert report.totals.macs == count_macs(module, shape)
    assert report.complete, [layer.name for layer in report.layers if layer.macs is None]


def test_the_families_are_many_and_what_is_incomplete_is_listed() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 60
    assert set(INCOMPLETE) <= set(NAMES)
