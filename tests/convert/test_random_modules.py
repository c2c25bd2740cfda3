"""Random PyTorch modules are imported with PyTorch's own figures; any difference is opaque and reported.

PyTorch's figures come from its flop counter and its parameters, not from anything in convcalc.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

import convcalc
from convcalc.convert.from_torch import read_module
from convcalc.convert.graph import plain_spec

SEEDS = range(120)
SHAPE = (4, 8, 8)


def pytorch_figures(module: Any) -> dict[str, Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = module.eval()(torch.empty(1, *SHAPE, device="meta"))
    learnt = list(module.parameters())
    return {
        "params": sum(parameter.numel() for parameter in learnt),
        "trainable_params": sum(parameter.numel() for parameter in learnt if parameter.requires_grad),
        "buffers": sum(buffer.numel() for name, buffer in module.named_buffers() if "running" in name),
        "macs": counter.get_total_flops() // 2,
        "sizes": sorted(output.shape[1:]),
    }


@pytest.mark.torch
def test_random_modules_have_pytorchs_figures() -> None:
    from tests.support.random_modules import RandomModule

    complete = 0
    for seed in SEEDS:
        module = RandomModule(seed)
        graph = read_module(module, SHAPE)
        report = convcalc.analyse(convcalc.load(plain_spec(graph)))
        expected = pytorch_figures(module)
        left = re.search(r"without the ([\d,]+) params", graph.origin)
        unused = int(left[1].replace(",", "")) if left else 0
        [output] = report.outputs().values()
        found = {name: getattr(report.totals, name) for name in ("params", "buffers", "macs")}
        assert found["params"] + unused == expected["params"], seed
        assert 0 <= expected["trainable_params"] - report.totals.trainable_params <= unused, seed
        assert found["buffers"] == expected["buffers"], seed
        assert sorted(output.sizes) == expected["sizes"], seed
        # a cost is unknown only with a note; a receptive field may be, after a map is reshaped to another map
        assert report.uncounted == () or graph.notes, seed
        if not report.uncounted:
            assert found["macs"] == expected["macs"], seed
            complete += 1
    assert complete == len(SEEDS)
