"""`padding: causal` and `padding_mode`, compared with definitions and PyTorch, and through exports and imports."""

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


# -- padding modes

MODES = ("reflect", "replicate", "circular")


def padded(kind: str, mode: str, padding: Any = 1, **arguments: Any) -> dict[str, Any]:
    channels = {} if kind == "depthwise_conv" else {"out_channels": 4}
    return {kind: {**channels, "kernel_size": 3, "padding": padding, "padding_mode": mode, **arguments}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mode_changes_no_figure_but_training_memory(kind: str, mode: str) -> None:
    zeros, other = (only_layer([4, 9, 8], padded(kind, each, [1, [0, 2]])) for each in ("zeros", mode))
    assert [other.pop("arguments")["padding_mode"], zeros.pop("arguments")["padding_mode"]] == [mode, "zeros"]
    assert other == zeros


@pytest.mark.parametrize(
    ("mode", "padding", "expected"),
    [
        ("reflect", [1, [0, 8]], "padding 8 is too large for padding_mode reflect: at most 7 for an input width of 8"),
        ("circular", [10, 1], "padding 10 is too large for padding_mode circular: at most 9 for an input height of 9"),
    ],
)
def test_padding_beyond_the_input_is_refused(mode: str, padding: Any, expected: str) -> None:
    assert expected in said(problem({"input": [4, 9, 8], "layers": [padded("conv", mode, padding)]}))
    assert only_layer([4, 9, 8], padded("conv", "replicate", 20))["output_shape"] == [4, 47, 46]


def test_resolved_padding_is_limited_too() -> None:
    found = problem({"input": [4, 4], "layers": [padded("conv", "reflect", "causal", dilation=2)]})
    assert "padding 4 is too large for padding_mode reflect: at most 3 for an input length of 4" in said(found)


@pytest.mark.parametrize(
    ("mode", "padding", "expected"),
    [
        ("reflect", 8, "padding 8 is too large for mode reflect: at most 7 for an input width of 8"),
        ("circular", [10, 1], "padding 10 is too large for mode circular: at most 9 for an input height of 9"),
        ("mirror", 1, "write reflect"),
        ("constant", 1, "write zeros"),
    ],
)
def test_a_pad_layer_has_modes_with_the_same_limits(mode: str, padding: Any, expected: str) -> None:
    found = problem({"input": [4, 9, 8], "layers": [{"pad": {"padding": padding, "mode": mode}}]})
    assert expected in said(found) + str(found.hint)
    assert only_layer([4, 9, 8], {"pad": {"padding": 20, "mode": "replicate"}})["output_shape"] == [4, 49, 48]


def test_the_padding_of_like_is_limited_too() -> None:
    layers = [{"crop": 4}, {"pad": {"like": "input", "mode": "reflect"}}]
    assert "padding 4 is too large for mode reflect" in said(problem({"input": [4, 9, 9], "layers": layers}))


@pytest.mark.torch
@pytest.mark.parametrize("mode", MODES)
def test_a_padding_module_is_imported_with_its_mode(mode: str) -> None:
    from torch import nn

    pads = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d, "circular": nn.CircularPad2d}
    module = nn.Sequential(pads[mode]((1, 2, 0, 3)), nn.ReLU())
    [found, _] = convcalc.from_torch(module, (4, 9, 8)).nodes
    assert found.layer.arguments() == {"padding": [[0, 3], [1, 2]], "mode": mode}


def test_a_transposed_convolution_has_only_zeros() -> None:
    found = said(problem({"input": [4, 9], "layers": [padded("conv_transpose", "reflect")]}))
    assert "padding_mode must be zeros; got 'reflect'" in found
    assert only_layer([4, 9], padded("conv_transpose", "zeros"))["output_shape"] == [4, 9]


MIXED = {
    "name": "mixed",
    "input": [4, 9, 8],
    "layers": [padded("conv", mode) for mode in MODES]
    + [padded("conv", mode, [[2, 0], 1]) for mode in MODES]
    + [padded("depthwise_conv", mode, "same", kernel_size=4) for mode in MODES],
}


def arguments_of(network: convcalc.Network) -> list[dict[str, Any]]:
    return [node.layer.arguments() for node in network.nodes]


@pytest.mark.torch
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [1, [[2, 0], 1]])
def test_an_exported_module_pads_as_pytorch_does_in_that_mode(mode: str, padding: Any) -> None:
    import torch

    network = load({"name": "one", "input": [4, 9, 8], "layers": [padded("conv", mode, padding)]})
    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(module_text(network), "written.py", "exec"), space)
    module = space["One"]()
    values = torch.randn(2, 4, 9, 8)
    sides = (1, 1, 1, 1) if padding == 1 else (1, 1, 2, 0)
    filled = torch.nn.functional.pad(values, sides, mode=mode)
    expected = torch.nn.functional.conv2d(filled, module.conv1.weight, module.conv1.bias)
    assert torch.allclose(module(values), expected, atol=1e-6)


@pytest.mark.torch
def test_an_exported_module_comes_back_with_its_modes() -> None:
    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(module_text(load(MIXED)), "written.py", "exec"), space)
    assert arguments_of(convcalc.from_torch(space["Mixed"](), (4, 9, 8))) == arguments_of(load(MIXED))


@pytest.mark.torch
def test_padding_by_a_module_of_its_own_is_that_of_the_convolution_or_a_layer() -> None:
    """nn.Conv2d with padding_mode pads its input in the same way as the module before it."""
    from torch import nn

    pad = nn.ReflectionPad2d(1)
    back = convcalc.from_torch(nn.Sequential(pad, nn.Conv2d(4, 4, 3)), (4, 9, 8))
    assert [node.layer.kind for node in back.nodes] == ["conv"]
    assert back.nodes[0].layer.arguments()["padding_mode"] == "reflect"
    assert back.nodes[0].layer.output.sizes == (4, 9, 8)
    back = convcalc.from_torch(nn.Sequential(pad, nn.ReLU(), nn.Conv2d(4, 4, 3)), (4, 9, 8))
    assert [node.layer.kind for node in back.nodes] == ["pad", "relu", "conv"]
    assert back.nodes[0].layer.arguments()["mode"] == "reflect"


def test_an_exported_graph_comes_back_with_its_modes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    file = tmp_path / "mixed.onnx"
    file.write_bytes(model_bytes(load(MIXED)))
    onnx.checker.check_model(onnx.load(file), full_check=True)
    graph = from_onnx.read(str(file))
    assert graph.notes == ()
    assert arguments_of(load(spec_text(graph))) == arguments_of(load(MIXED))


@pytest.mark.torch
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["conv", "separable_conv"])
def test_an_exported_graph_pads_with_the_same_values(mode: str, kind: str) -> None:
    """All weights of an exported graph are equal, so PyTorch computes the same with constant ones."""
    import torch

    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    network = load({"input": [2, 5, 6], "layers": [padded(kind, mode, [[2, 0], 1], out_channels=1)]})
    evaluator = ReferenceEvaluator(onnx.load_from_string(model_bytes(network)))
    values = torch.randn(1, 2, 5, 6)
    [found] = evaluator.run(None, {evaluator.input_names[0]: values.numpy()})
    filled = torch.nn.functional.pad(values, (1, 1, 2, 0), mode=mode)
    weight = torch.full((1, 2, 3, 3), 0.02 if kind == "conv" else 0.02**2)
    assert torch.allclose(torch.from_numpy(found), torch.nn.functional.conv2d(filled, weight), atol=1e-5)


def test_a_pad_that_several_layers_read_is_not_merged(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"], mode="reflect"),
        helper.make_node("Conv", ["p", "w"], ["y"], name="conv"),
        helper.make_node("Relu", ["p"], ["z"], name="relu"),
    ]
    info = [helper.make_tensor_value_info(name, 1, [1, 2, 8, 8]) for name in ("x",)]
    outputs = [helper.make_tensor_value_info(name, 1, None) for name in ("y", "z")]
    weights = [
        helper.make_tensor("pads", 7, [8], [0, 0, 1, 1, 0, 0, 1, 1]),
        helper.make_tensor("w", 1, [2, 2, 3, 3], [0.1 * value for value in range(36)]),
    ]
    file = tmp_path / "two.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "two", info, outputs, weights)), file)
    graph = from_onnx.read(str(file))
    assert [(step.kind, step.arguments.get("mode")) for step in graph.steps] == [
        ("pad", "reflect"),
        ("conv", None),
        ("relu", None),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_lint_rules_about_zeros_leave_other_modes_alone(mode: str) -> None:
    from convcalc.check.rules.padding_only_window import PaddingOnlyWindow
    from convcalc.check.rules.uneven_padding import UnevenPadding

    spec = {"input": [4, 33, 33], "layers": [padded("conv", mode, 3, stride=2, kernel_size=2)]}
    assert [list(rule().findings(convcalc.summary(spec))) for rule in (PaddingOnlyWindow, UnevenPadding)] == [[], []]
    spec["layers"] = [padded("conv", "zeros", 3, stride=2, kernel_size=2)]
    assert all(list(rule().findings(convcalc.summary(spec))) for rule in (PaddingOnlyWindow, UnevenPadding))


# -- words of other tools


def hint_of(word: str, kind: str = "conv", key: str = "padding") -> str:
    needed: dict[str, Any] = {"maxpool": {"kernel_size": 3}}.get(kind, {"out_channels": 4, "kernel_size": 3})
    found = problem({"input": [4, 9, 9], "layers": [{kind: {**needed, key: word}}]})
    assert found.hint is not None
    return found.hint


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("SAME", "same"),
        ("VALID", "valid"),
        ("Same", "same"),
        ("SAME_UPPER", "same"),
        ("auto", "same"),
        ("CAUSAL", "causal"),
        ("none", "0"),
    ],
)
def test_a_padding_of_another_tool_has_an_exact_counterpart(word: str, right: str) -> None:
    assert hint_of(word) == f"write {right}"
    load({"input": [4, 9], "layers": [padded("conv", "zeros", 0 if right == "0" else right)]})


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("full", "dilation × (kernel_size - 1) on both sides"),
        ("half", "kernel_size // 2 on both sides"),
        ("SAME_LOWER", "to add it at the start, give a [before, after] pair per axis"),
        ("EXPLICIT", "give the amounts"),
        ("symmetric", "padding_mode: reflect"),
        ("reflect", "padding_mode: reflect"),
        ("edge", "padding_mode: replicate"),
        ("wrap", "padding_mode: circular"),
        ("zeros", "padding_mode: zeros"),
    ],
)
def test_a_padding_of_another_tool_is_explained(word: str, expected: str) -> None:
    assert expected in hint_of(word)


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("constant", "zeros"),
        ("REFLECT", "reflect"),
        ("mirror", "reflect"),
        ("symmetric", "reflect"),
        ("edge", "replicate"),
        ("wrap", "circular"),
        ("periodic", "circular"),
    ],
)
def test_a_padding_mode_of_another_tool_has_a_counterpart(word: str, mode: str) -> None:
    assert hint_of(word, key="padding_mode") == f"write {mode}"
    assert only_layer([4, 9], padded("conv", mode))["arguments"]["padding_mode"] == mode


def test_poolings_are_not_sent_to_arguments_they_do_not_have() -> None:
    assert hint_of("SAME", "maxpool") == "write same"
    assert "padding_mode" not in hint_of("reflect", "maxpool")
    assert "only conv, depthwise_conv, separable_conv and locally_connected" in hint_of("causal", "maxpool")
    assert "only conv, depthwise_conv, separable_conv and locally_connected" in hint_of("causal", "conv_transpose")
    assert hint_of("mirror", "conv_transpose", "padding_mode") == ""


def test_a_word_inside_a_list_is_not_suggested() -> None:
    [found] = [problem({"input": [4, 9, 9], "layers": [padded("conv", "zeros", ["same", 1])]})]
    assert "each entry of padding must be a non-negative integer or a [before, after] pair; got 'same'" in found.message
    assert not found.hint


@pytest.mark.torch
@pytest.mark.parametrize("merged", [False, True])
def test_an_exported_module_pads_at_every_use_of_shared_weights(merged: bool) -> None:
    """Reported: the second use had no padding."""
    import torch

    layers: list[Any] = [causal(name="first"), causal(share="first")]
    if merged:
        layers.append({"add": {"from": ["previous", "input"]}})
    network = load({"name": "shared", "input": [4, 9], "layers": layers})
    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(module_text(network), "written.py", "exec"), space)
    module, values = space["Shared"](), torch.randn(1, 4, 9)
    expected = values
    for _ in range(2):
        expected = module.first(torch.nn.functional.pad(expected, (2, 0)))
    assert torch.allclose(module(values), expected + values if merged else expected, atol=1e-6)
    assert sum(each.numel() for each in module.parameters()) == 4 * 4 * 3 + 4
