"""A layer exported to PyTorch and to ONNX computes the values of a formula written with PyTorch's functions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

import convcalc
from convcalc.convert.to_onnx import model_bytes
from convcalc.convert.to_torch import module_text
from tests.convert.test_onnx_export import WITHOUT_OPERATOR

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.torch

Function = Callable[[Any], Any]
Case = tuple[list[int], dict[str, Any], Function]

CASES: list[Case] = [
    *(
        ([2, 5, 6], {"pad": {"padding": [[2, 0], 1], "mode": mode}}, lambda x, mode=mode: padded(x, (1, 1, 2, 0), mode))
        for mode in ("reflect", "replicate", "circular")
    ),
    ([4, 5, 6], {"slice": [-3, -1]}, lambda x: x[:, -3:-1]),
    ([7], {"slice": {"channels": [1], "step": 2}}, lambda x: x[:, 1::2]),
    ([2, 9], {"slice": {"length": [-4]}}, lambda x: x[:, :, -4:]),
    ([2, 5, 9], {"slice": {"width": [1, -1], "step": 3}}, lambda x: x[..., 1:-1:3]),
    ([3, 4, 5], {"scale": 0.3}, lambda x: x * 0.3),
    ([3], {"shift": -2}, lambda x: x - 2),
    ([3, 4, 5], {"scale": {}}, lambda x: x * torch.ones(3, 1, 1)),
    ([3, 4], {"shift": {}}, lambda x: x + torch.zeros(3, 1)),
    ([4, 5, 6], {"glu": {}}, lambda x: x[:, :2] * x[:, 2:].sigmoid()),
    ([2, 7, 8], {"unfold": {"kernel_size": [3, 2], "padding": 1, "dilation": [2, 1]}}, lambda x: unfolded(x)),
    ([2, 9], {"unfold": {"kernel_size": 3, "stride": 2}}, lambda x: x.unfold(2, 3, 2).transpose(2, 3).flatten(1, 2)),
    (
        [8, 4, 3],
        {"fold": {"kernel_size": [2, 2], "stride": [2, 1], "padding": [0, 1], "output_size": [8, 2]}},
        lambda x: torch.nn.functional.fold(x.flatten(2), (8, 2), 2, stride=(2, 1), padding=(0, 1)),
    ),
    ([3, 4, 5], {"permute": ["width", "channels", "height"]}, lambda x: x.permute(0, 3, 1, 2)),
    ([3, 4, 5], {"mean": ["width", "height"]}, lambda x: x.mean((2, 3), keepdim=True)),
    ([3, 4, 5], {"sum": {"axes": ["height"], "keepdims": False}}, lambda x: x.sum(2)),
    ([3, 4, 5], {"mean": {"axes": ["height", "channels"], "keepdims": False}}, lambda x: x.mean((1, 2)).unsqueeze(1)),
    ([3, 4, 5], {"sum": {"axes": ["channels"], "keepdims": False}}, lambda x: x.sum(1, keepdim=True)),
    ([3, 4], {"std": "length"}, lambda x: x.std(2, keepdim=True)),
    ([3, 4, 5], {"std": {"axes": ["width"], "correction": 0, "keepdims": False}}, lambda x: x.std(3, correction=0)),
    ([2, 5, 9, 3], {"slice": {"depth": [0, 5], "step": 2}}, lambda x: x[:, :, ::2]),
]


def unfolded(x: Any) -> Any:
    return torch.nn.functional.unfold(x, (3, 2), padding=1, dilation=(2, 1)).unflatten(2, (5, 9))


def padded(x: Any, sides: tuple[int, ...], mode: str) -> Any:
    return torch.nn.functional.pad(x, sides, mode=mode)


def module_of(network: convcalc.Network) -> Any:
    """The module that the exported file defines, with its learnt tensors filled as in the exported graph."""
    text = module_text(network)
    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(text, "written.py", "exec"), space)
    [*_, last] = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    return space[last]().eval()


def values_of_graph(network: convcalc.Network, values: Any) -> Any:
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(model_bytes(network)))
    [found] = evaluator.run(None, {evaluator.input_names[0]: values.numpy()})
    return torch.from_numpy(found)


@pytest.mark.parametrize(("shape", "entry", "function"), CASES, ids=[str(entry) for _, entry, _ in CASES])
def test_exports_compute_the_formula(shape: list[int], entry: dict[str, Any], function: Function) -> None:
    network = convcalc.load({"name": "net", "input": shape, "layers": [entry]})
    torch.manual_seed(1)
    values = torch.randn(2, *shape)
    expected = function(values)
    with torch.no_grad():
        assert torch.allclose(module_of(network)(values), expected, atol=1e-5)
    if network.nodes[0].layer.kind not in WITHOUT_OPERATOR:
        found = values_of_graph(network, values)
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, atol=1e-5)


def test_the_shape_of_the_formula_is_that_of_the_layer() -> None:
    for shape, entry, function in CASES:
        network = convcalc.load({"input": shape, "layers": [entry]})
        assert tuple(function(torch.zeros(2, *shape)).shape[1:]) == network.nodes[0].layer.output.sizes


def test_standardised_weights_have_mean_0_and_variance_1() -> None:
    entry = {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "weight_standardized": True}}
    module = module_of(convcalc.load({"name": "net", "input": [2, 5, 6], "layers": [entry]}))
    [weight, bias] = module.parameters()
    flat = weight.flatten(1)
    deviation = (flat.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
    standardised = ((flat - flat.mean(1, keepdim=True)) / deviation).reshape_as(weight)
    values = torch.randn(2, 2, 5, 6)
    expected = torch.nn.functional.conv2d(values, standardised, bias, padding=1)
    assert torch.allclose(module(values), expected, atol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": [3, 2], "padding": 1, "stride": [2, 1], "groups": 2, "offset_groups": 2, "mask": True},
        {"kernel_size": 3, "dilation": 2, "padding": [[1, 2], 3], "bias": False},
    ],
)
def test_a_deformable_convolution_is_that_of_onnx(arguments: dict[str, Any]) -> None:
    """With random weights, the exported module computes what onnx's own DeformConv does."""
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    from onnx.reference import ReferenceEvaluator

    layers = [{"deform_conv": {"out_channels": 4, "name": "deform", **arguments}}]
    network = convcalc.load({"name": "net", "input": [4, 9, 8], "layers": layers})
    torch.manual_seed(1)
    module, values = module_of(network), torch.randn(2, 4, 9, 8)
    model = onnx.load_from_string(model_bytes(network))
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            parameter.mul_(3).add_(0.1)
        model.graph.initializer.append(onnx.numpy_helper.from_array(parameter.detach().numpy(), name))
    [expected] = ReferenceEvaluator(model).run(None, {"input": values.numpy()})
    with torch.no_grad():
        assert torch.allclose(module(values), torch.from_numpy(expected), atol=1e-4)
