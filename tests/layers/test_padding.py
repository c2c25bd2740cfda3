"""`padding: causal`, compared with its definition, with PyTorch and through exports and imports."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.arithmetic import causal_padding, window_count
from convcalc.convert import from_onnx
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.to_onnx import model_bytes
from convcalc.convert.to_torch import module_text
from tests.support.specs import load, only_layer, problem, report, said

KINDS = ("conv", "depthwise_conv", "separable_conv", "locally_connected")


def causal(kind: str = "conv", **arguments: Any) -> dict[str, Any]:
    channels = {} if kind == "depthwise_conv" else {"out_channels": 4}
    return {kind: {**channels, "kernel_size": 3, "padding": "causal", **arguments}}


def test_each_causal_window_ends_at_its_own_position() -> None:
    """Window i ends at input i × stride, and there is one for every such input."""
    for size, kernel, stride, dilation in product(range(1, 12), range(1, 6), range(1, 4), range(1, 4)):
        padding = causal_padding(kernel, dilation)
        ends = [i * stride - padding[0] + dilation * (kernel - 1) for i in range(-(-size // stride))]
        assert ends == list(range(0, size, stride))
        assert window_count(size, kernel, stride, padding, dilation) == len(ends)


@pytest.mark.parametrize("kind", KINDS)
def test_a_causal_layer_sees_only_the_past(kind: str) -> None:
    layer = only_layer([4, 20], causal(kind, dilation=2, stride=3))
    assert layer["arguments"]["padding"] == [[4, 0]]
    assert layer["output_shape"][1] == 7
    assert layer["receptive_field"] == {"size": [5], "jump": [3], "center": [-2], "aligned": True}


def test_a_stack_of_causal_layers_ends_at_its_own_position() -> None:
    layers = report({"input": [4, 64], "layers": [causal(dilation=2**power) for power in range(4)]})["layers"]
    assert [layer["receptive_field"]["size"] for layer in layers] == [[3], [7], [15], [31]]
    assert [layer["receptive_field"]["center"] for layer in layers] == [[-1], [-3], [-7], [-15]]


@pytest.mark.torch
@pytest.mark.parametrize(("stride", "dilation", "kernel"), [(1, 1, 3), (1, 4, 2), (2, 3, 4), (3, 1, 1)])
def test_gradients_reach_exactly_the_receptive_field(stride: int, dilation: int, kernel: int) -> None:
    import torch

    source = torch.ones(1, 1, 40, dtype=torch.float64, requires_grad=True)
    padded = torch.nn.functional.pad(source, (dilation * (kernel - 1), 0))
    weight = torch.ones(1, 1, kernel, dtype=torch.float64)
    output = torch.nn.functional.conv1d(padded, weight, stride=stride, dilation=dilation)
    position = output.shape[2] - 1
    output[0, 0, position].backward()
    assert source.grad is not None
    read = source.grad[0, 0].nonzero().flatten().tolist()
    layer = only_layer([1, 40], causal(kernel_size=kernel, stride=stride, dilation=dilation, out_channels=1))
    field = layer["receptive_field"]
    assert layer["output_shape"] == [1, output.shape[2]]
    assert field["size"] == [read[-1] - read[0] + 1]
    assert read[-1] == position * stride


@pytest.mark.parametrize("shape", [[3, 8, 8], [3, 8, 8, 8]])
def test_causal_padding_needs_one_axis(shape: list[int]) -> None:
    found = said(problem({"input": shape, "layers": [causal()]}))
    assert f"padding: causal needs an input with one spatial axis; this one has {len(shape) - 1}" in found
    assert "give each axis its own padding" in found


@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "conv_transpose", "pad"])
def test_only_convolutions_have_causal_padding(kind: str) -> None:
    needed = {"pad": {}, "conv_transpose": {"out_channels": 2, "kernel_size": 2}}.get(kind, {"kernel_size": 2})
    arguments = {**needed, "padding": "causal"}
    found = said(problem({"input": [3, 8], "layers": [{kind: arguments}]}))
    assert "padding must be a non-negative integer" in found
    assert "got 'causal'" in found


def test_a_vector_has_no_axis_to_pad() -> None:
    assert "conv needs spatial axes" in said(problem({"input": [3], "layers": [causal()]}))


TCN = {
    "input": [4, 64],
    "layers": [causal(dilation=2**power) for power in range(4)] + [causal("depthwise_conv", kernel_size=4, stride=2)],
}


@pytest.mark.torch
def test_an_exported_module_computes_causal_convolutions_and_comes_back() -> None:
    import torch

    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(module_text(load({**TCN, "name": "tcn"})), "written.py", "exec"), space)
    module = space["Tcn"]().double().eval()
    values = torch.randn(2, 4, 64, dtype=torch.float64)
    later = values.clone()
    later[:, :, 41:] += 1
    same = (module(values) == module(later)).all(dim=1).all(dim=0).tolist()
    assert same == [True] * 21 + [False] * 11  # output i of the last layer, of stride 2, ends at input 2 i
    back = convcalc.from_torch(module.float(), (4, 64))
    assert [node.layer.arguments() for node in back.nodes] == [node.layer.arguments() for node in load(TCN).nodes]


def test_an_exported_graph_comes_back_as_causal_convolutions(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    file = tmp_path / "tcn.onnx"
    file.write_bytes(model_bytes(load(TCN)))
    text = spec_text(from_onnx.read(str(file)))
    assert text.count("padding: causal") == 5
    assert [node.layer.arguments() for node in load(text).nodes] == [node.layer.arguments() for node in load(TCN).nodes]
