"""Transformer blocks and recurrent networks, imported from PyTorch and from its ONNX exports, are readable layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert.from_torch import read_module
from convcalc.convert.graph import Graph, plain_spec
from convcalc.convert.views import Part, compose_views, find_order, reshape_view, view_whole

PICTURE = (16, 8, 6)


def modules() -> Any:
    from tests.support import sequence_modules

    return sequence_modules


def list_layers(graph: Graph) -> list[Any]:
    return [(step.kind, dict(step.arguments)) for step in graph.steps]


def kinds(graph: Graph) -> list[str]:
    return [step.kind for step in graph.steps]


def check_against_pytorch(module: Any, graph: Graph, *inputs: Any) -> None:
    """Params and MACs of the imported network are those that PyTorch counts, and no layer's are unknown."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    report = convcalc.analyse(convcalc.load(plain_spec(graph)))
    assert report.totals.params == sum(parameter.numel() for parameter in module.parameters())
    module = module.to("meta").eval().requires_grad_(False)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*(value.to("meta") for value in inputs))
    assert report.totals.macs == counter.get_total_flops() // 2
    assert report.uncounted == ()


ATTENTION = ("attention", {"heads": 4})
NORM = ("layernorm", {"axes": "channels"})
BIAS = {
    "output_shape": [16, 8, 6], "params": 64, "multiplications": 0, "macs": 0, "additions": 768,
    "what": "bias added to the scores of an attention", "receptive_field": "same",
}  # fmt: skip
SKIPPED = [("tokens", {}), ("permute", {"order": ["length", "channels"]}), ("linear", {"out_features": 48})]
CASES: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "tokens": (
        lambda: modules().Tokens(),
        [
            ("tokens", {}), ("parameter", {"shape": [16, 1]}), ("concat", {"axis": "length"}),
            ("parameter", {"shape": [16, 49]}), ("add", {}), ATTENTION, ("add", {}), ("slice", {"length": [0, 1]}),
            ("flatten", {}), ("linear", {"out_features": 3}),
        ],
    ),
    "windows": (lambda: modules().Regions(), [NORM, ("attention", {"heads": 4, "window": 2}), ("add", {})]),
    "grid": (lambda: modules().Regions(grid=True), [NORM, ("attention", {"heads": 4, "grid": 2}), ("add", {})]),
    "relative positions": (
        lambda: modules().Regions(fused=False, relative=4),
        [NORM, ("opaque", BIAS), ("attention", {"heads": 4, "window": 2}), ("add", {})],
    ),
    "module": (lambda: modules().Crossing(crossing=False), [("tokens", {}), ATTENTION]),
    "length first": (lambda: modules().Crossing(False, False), [("tokens", {}), ATTENTION]),
    "two inputs": (lambda: modules().Crossing(), [("tokens", {}), ("crop", {"amount": [[0, 45]]}), ATTENTION]),
    "mixer": (
        lambda: modules().Mixing(),
        [*SKIPPED, ("permute", {"order": ["length", "channels"]}), ("add", {}), ("linear", {"out_features": 16}),
         ("add", {})],
    ),
    "merging": (
        lambda: modules().Merging(),
        [("pixel_unshuffle", {"downscale_factor": 2}), ("pointwise_conv", {"out_channels": 8})],
    ),
    "response norm": (lambda: modules().ResponseNorm(), [("global_response_norm", {})]),
    "reading": (
        lambda: modules().Reading(),
        [
            ("conv", {"out_channels": 8, "kernel_size": [8, 1]}), ("tokens", {}),
            ("lstm", {"hidden_size": 5, "num_layers": 2, "bidirectional": True}), ("linear", {"out_features": 7}),
        ],
    ),
    "statistics": (
        lambda: modules().Statistics(),
        [
            ("mean", {"axes": ["channels"]}), ("sum", {"axes": ["channels", "height"], "keepdims": False}),
            ("std", {"axes": ["height"], "keepdims": False}), ("slice", {"height": [1, 2]}), ("tokens", {}),
            ("slice", {"height": [0, 1]}), ("tokens", {}),
        ],
    ),
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_a_module_becomes_the_layers_that_a_person_would_write(name: str) -> None:
    import torch

    build, expected = CASES[name]
    module = build()
    graph = read_module(module, PICTURE)
    assert list_layers(graph) == expected
    assert len(graph.notes) == kinds(graph).count("opaque")
    check_against_pytorch(module, graph, torch.zeros(1, *PICTURE))


@pytest.mark.torch
def test_words_become_an_embedding_and_the_last_state_a_slice() -> None:
    import torch

    module = modules().Words()
    graph = read_module(module, (7,), input_dtype="int64")
    assert list_layers(graph) == [
        ("reshape", {"shape": [1, 7]}), ("embedding", {"num_embeddings": 100, "embedding_dim": 12}),
        ("gru", {"hidden_size": 16}), ("slice", {"length": [-1]}), ("flatten", {}), ("linear", {"out_features": 3}),
    ]  # fmt: skip
    check_against_pytorch(module, graph, torch.zeros(1, 7, dtype=torch.int64))


@pytest.mark.torch
def test_a_recurrent_layer_that_runs_over_the_batch_is_remarked_on() -> None:
    from torch import nn

    graph = read_module(nn.LSTM(5, 6), (9, 5))
    assert [remark.partition(":")[0] for remark in graph.remarks if "batch_first=True" in remark] == ["lstm1"]
    assert read_module(nn.LSTM(5, 6, batch_first=True), (9, 5)).remarks == ()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["tokens", "windows", "grid", "two inputs", "mixer", "merging", "reading"])
def test_an_onnx_export_has_the_params_and_macs_of_the_module(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from convcalc.convert import from_onnx

    module = CASES[name][0]().eval()
    file, example = tmp_path / "net.onnx", torch.zeros(1, *PICTURE)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(module, (example,), str(file), dynamo=False, opset_version=17)
    graph = from_onnx.read(str(file))
    assert "opaque" not in kinds(graph), graph.notes
    check_against_pytorch(module, graph, example)


# -- views: windows of 2×3 of a map of 4×6 with 5 channels and a batch of 7

WHOLE = view_whole((7, 5, 4, 6))


def test_a_reshape_divides_and_joins_axes() -> None:
    split = reshape_view(WHOLE, (7, 5, 2, 2, 2, 3))
    assert split is not None
    assert split[2:] == ((Part(2, 2, 2),), (Part(2, 1, 2),), (Part(3, 3, 2),), (Part(3, 1, 3),))
    assert reshape_view(split, (7, 5, 4, 6)) == WHOLE
    assert reshape_view(WHOLE, (35, 24)) == ((Part(0, 1, 7), Part(1, 1, 5)), (Part(2, 1, 4), Part(3, 1, 6)))
    assert reshape_view(WHOLE, (7, 4, 5, 6)) is None
    assert reshape_view(WHOLE, (7, 5, 4)) is None


def test_a_view_of_a_view_is_a_view() -> None:
    tokens = reshape_view(WHOLE, (7, 5, 24))
    assert tokens is not None
    halves = reshape_view(view_whole((7, 5, 24)), (7, 5, 2, 12))
    assert halves is not None
    assert compose_views(halves, tokens) == reshape_view(WHOLE, (7, 5, 2, 12))


def test_the_axes_of_a_permuted_tensor_are_found_and_those_of_a_divided_one_are_not() -> None:
    assert find_order((WHOLE[0], WHOLE[2], WHOLE[3], WHOLE[1]), (7, 5, 4, 6)) == (0, 2, 3, 1)
    assert find_order(view_whole((7, 1, 4)), (7, 1, 4)) == (0, 1, 2)
    assert find_order(WHOLE[:3], (7, 5, 4, 6)) is None
    assert find_order((WHOLE[0], WHOLE[1], (Part(2, 2, 2),), WHOLE[3]), (7, 5, 4, 6)) is None
