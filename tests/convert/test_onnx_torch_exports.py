"""ONNX files that PyTorch exports have the params of the module, and the MACs that PyTorch counts."""

import warnings
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert import from_onnx
from convcalc.convert.graph import Graph, NotImported, plain_spec

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnx", reason="the package onnx is not installed")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402 (torch may be missing)

from tests.support.exported_modules import CASES, Case  # noqa: E402

OLDEST = {"graph": 12, "tokens": 14}  # operator sets
pytestmark = pytest.mark.torch


def build(case: Case) -> tuple[Any, tuple[Any, ...]]:
    """A module with random weights, so that no two of them are equal, and inputs for it."""
    torch.manual_seed(0)
    module = case.make().eval()
    with torch.no_grad():
        for tensor in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
            tensor.uniform_(0.1, 0.9)
    if case.tokens:
        return module, tuple(torch.randint(0, case.tokens, (1, *shape)) for shape in case.shapes)
    return module, tuple(torch.rand(1, *shape) for shape in case.shapes)


def count_macs(module: Any, inputs: tuple[Any, ...]) -> int:
    """The MACs that PyTorch counts if attention and recurrent layers run as matrix products."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            FlopCounterMode(display=False) as counter,
            torch.backends.mkldnn.flags(enabled=False),
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
            torch.no_grad(),
        ):
            module(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return int(counter.get_total_flops()) // 2


def count_params(module: Any, folded: bool) -> int:
    """The params of a module; `folded` if batch norms are merged into the convolutions before them, as their bias."""
    total = int(sum(parameter.numel() for parameter in module.parameters()))
    norms = [part for part in module.modules() if "BatchNorm" in type(part).__name__]
    unbiased = [part for part in module.modules() if "Conv" in type(part).__name__ and getattr(part, "bias", 0) is None]
    merged = 2 * sum(norm.num_features for norm in norms) - sum(conv.out_channels for conv in unbiased)
    return total - int(merged) if folded else total


def export(module: Any, inputs: tuple[Any, ...], path: Path, opset: int, new: bool, **more: Any) -> Graph:
    with warnings.catch_warnings(action="ignore"):
        if new:
            torch.onnx.export(module, inputs, path, dynamo=True, opset_version=opset, verbose=False, **more)
        else:
            keep = torch.onnx.TrainingMode.PRESERVE  # a batch norm stays apart from its convolution
            torch.onnx.export(module, inputs, path, dynamo=False, opset_version=opset, training=keep, **more)
    return from_onnx.read(str(path))


def check(graph: Graph, module: Any, inputs: tuple[Any, ...], folded: bool = False) -> None:
    totals = convcalc.summary(plain_spec(graph)).totals
    assert totals.params == count_params(module, folded)
    assert totals.macs == count_macs(module, inputs)
    assert totals.flops is not None


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("opset", [11, 17])
def test_a_module_exported_by_the_old_exporter_is_exact(name: str, opset: int, tmp_path: Path) -> None:
    if opset < OLDEST.get(name, 0):
        pytest.skip(f"PyTorch exports it from operator set {OLDEST[name]}")
    module, inputs = build(CASES[name])
    check(export(module, inputs, tmp_path / "net.onnx", opset, False), module, inputs)


@pytest.mark.parametrize("name", CASES)
def test_a_module_exported_by_the_new_exporter_is_exact(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the package onnxscript is not installed")
    module, inputs = build(CASES[name])
    graph = export(module, inputs, tmp_path / "net.onnx", 20, True)
    if name == "rnn":  # the exporter replaces the product of the zero start state by a constant of 16 elements
        totals = convcalc.summary(plain_spec(graph)).totals
        assert totals.params == count_params(module, True) + 16
        assert totals.macs == count_macs(module, inputs) - 16 * 16
    else:
        check(graph, module, inputs, folded=True)


def test_open_sizes_are_given_for_a_file_with_dynamic_axes(tmp_path: Path) -> None:
    """squeeze() becomes an If here, as the exporter does not know the size of the axis."""
    module, inputs = build(CASES["squeezed"])
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module,
            inputs,
            path,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch", 2: "height", 3: "width"}},
        )
    with pytest.raises(NotImported, match="batch × 3 × height × width"):
        from_onnx.read(str(path))
    check(from_onnx.read(str(path), inputs={"x": (3, 6, 20)}), module, inputs)


def test_open_sizes_are_given_for_a_file_of_the_new_exporter(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the package onnxscript is not installed")
    module, inputs = build(CASES["plain"])
    path = tmp_path / "net.onnx"
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module,
            (torch.rand(2, 3, 18, 20),),
            path,
            dynamo=True,
            opset_version=18,
            verbose=False,
            dynamic_shapes=(sizes,),
        )
    check(from_onnx.read(str(path), inputs={None: (3, 16, 16)}), module, inputs, folded=True)
