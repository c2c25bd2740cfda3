"""Every operation of PyTorch's core has a cost, and costs are those of PyTorch where PyTorch counts them."""

from __future__ import annotations

from typing import Any

import pytest

import convcalc
from convcalc.convert import operator_costs
from convcalc.convert.from_torch import read_module
from convcalc.convert.pytorch.aten_to_onnx import CONSTANT, RULES, UNCHANGED

# the operations of the core without a cost, by reason
TRAINING = "its gradient is not part of a forward"
NO_TENSOR = "it returns a number"
UNKNOWN = {
    "_adaptive_avg_pool2d_backward": TRAINING,
    "avg_pool2d_backward": TRAINING,
    "convolution_backward": TRAINING,
    "embedding_dense_backward": TRAINING,
    "max_pool2d_with_indices_backward": TRAINING,
    "native_group_norm_backward": TRAINING,
    "native_layer_norm_backward": TRAINING,
    "_local_scalar_dense": NO_TENSOR,
    "sym_is_contiguous": NO_TENSOR,
    "sym_numel": NO_TENSOR,
    "sym_size": NO_TENSOR,
    "sym_storage_offset": NO_TENSOR,
    "sym_stride": NO_TENSOR,
    "_embedding_bag": "the number of rows that it adds depends on values",
    "_fft_c2r": "the algorithm of a Fourier transform depends on its length",
    "_fft_r2c": "the algorithm of a Fourier transform depends on its length",
}


def core_operations() -> set[str]:
    import torch

    found = set()
    for name in torch._C._dispatch_get_all_op_names():
        library, _, rest = name.partition("::")
        word, _, overload = rest.partition(".")
        operation = getattr(getattr(torch.ops.aten, word, None), overload or "default", None)
        if library == "aten" and operation is not None and torch.Tag.core in operation.tags:
            found.add(word.rstrip("_"))
    return found


@pytest.mark.torch
def test_every_core_operation_has_a_cost() -> None:
    known = RULES.keys() | UNCHANGED | CONSTANT
    core = core_operations()
    assert len(core) > 150
    assert {name for name in core if name not in known and f"aten.{name}" not in operator_costs._ROWS} == set(UNKNOWN)


def pytorch_macs(module: Any, shape: tuple[int, ...]) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta").eval()(torch.empty(1, *shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def imported(module: Any, shape: tuple[int, ...]) -> convcalc.Report:
    from convcalc.convert.graph import plain_spec

    return convcalc.analyse(convcalc.load(plain_spec(read_module(module, shape))))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Windows", (12, 8, 8)),
        ("Standardised", (3, 8, 8)),
        ("LowRank", (6,)),
        ("Recurrent", (8, 20)),
        ("PositionTable", (8, 12)),
        ("Gated", (8, 6, 6)),
        ("Joined", (8, 6, 6)),
        ("Numbers", (8, 6, 6)),
        ("Regions", (8, 6, 6)),
    ],
)
def test_params_and_macs_are_those_of_pytorch(name: str, shape: tuple[int, ...]) -> None:
    from tests.support import operator_modules

    module = getattr(operator_modules, name)()
    report = imported(module, shape)
    assert report.totals.params == sum(parameter.numel() for parameter in module.parameters())
    assert report.totals.trainable_params == sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert report.totals.macs == pytorch_macs(module, shape)
    assert report.uncounted == ()


@pytest.mark.torch
def test_a_convolution_with_computed_weights_is_a_convolution() -> None:
    from tests.support import operator_modules

    report = imported(operator_modules.Standardised(), (3, 8, 8))
    assert [(layer.kind, layer.params) for layer in report.layers] == [
        ("conv", 3 * 4 * 9 + 4), ("opaque", 5), ("conv", 4 * 5 * 9 + 5), ("opaque", 1), ("conv", 5 * 6),
    ]  # fmt: skip


@pytest.mark.torch
def test_frozen_weights_under_an_adapter_stay_frozen() -> None:
    from tests.support import operator_modules

    report = imported(operator_modules.LowRank(), (6,))
    assert [(layer.kind, layer.params, layer.frozen) for layer in report.layers] == [
        ("opaque", 2 * 6 + 2 * 5, False), ("linear", 6 * 5 + 5, True),
    ]  # fmt: skip


@pytest.mark.torch
def test_a_gated_linear_unit_is_one_layer() -> None:
    from tests.support import operator_modules

    report = imported(operator_modules.Gated(), (8, 6, 6))
    assert [layer.kind for layer in report.layers] == ["conv", "glu"]


@pytest.mark.torch
def test_arithmetic_with_neutral_numbers_is_no_layer() -> None:
    from tests.support import operator_modules

    report = imported(operator_modules.Numbers(), (8, 6, 6))
    assert [layer.kind for layer in report.layers] == ["conv", "conv", "add", "add", "multiply", "gelu"]


@pytest.mark.torch
def test_regions_without_autocast_or_gradients_become_layers() -> None:
    from tests.support import operator_modules

    graph = read_module(operator_modules.Regions(), (8, 6, 6))
    assert graph.notes == ()
    assert [step.kind for step in graph.steps] == ["conv", "relu", "conv"]


@pytest.mark.torch
def test_an_lstm_that_projects_its_state_costs_what_its_steps_do() -> None:
    """Counted by hand for 20 steps of 8 features, 16 units and a projection to 4."""
    from tests.support.torch_modules import Projecting

    totals = convcalc.analyse(convcalc.from_torch(Projecting(), (20, 8))).totals
    gates, units, features, projected = 4 * 16, 16, 8, 4
    macs = gates * (features + projected) + projected * units
    inner = gates * (features - 1 + projected - 1) + projected * (units - 1)
    assert totals.macs == 20 * macs
    # three products and a sum per unit; a gate adds both products and two biases
    assert totals.flops == 20 * (macs + 3 * units + inner + 3 * gates + units)
