"""An exported graph passes the checks of the onnx package, and importing it again yields the same network."""

from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.analysis.report import LayerReport
from convcalc.convert import from_onnx
from convcalc.convert.graph import NotImported, plain_spec
from convcalc.convert.onnx_graph.onnx_writers import WRITERS
from convcalc.convert.to_onnx import model_bytes
from convcalc.examples import find_file, list_names
from convcalc.layers import KINDS

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

WITHOUT_OPERATOR = {"locally_connected", "max_unpool", "conv_lstm", "opaque"}
OTHERWISE = {
    "blurpool",
    "separable_conv",
    "adaptive_avgpool",
    "adaptive_maxpool",
    "parameter",
    "permute",
    "deform_conv",
    "unfold",
    "fold",
    "std",
}  # exported as several nodes, or without an identical kind


def round_trip(network: Any, folder: Path) -> convcalc.Report:
    """Export and import a network, in its own data types: ONNX stores only those of the values."""
    file = folder / "exported.onnx"
    file.write_bytes(model_bytes(network))
    graph = from_onnx.read(str(file))
    assert graph.notes == (), (
        "export writes an operator that import cannot read: add it to LOWERINGS in lowering/__init__.py"
    )
    dtype = {"weights": network.dtype.weights, "activations": network.dtype.activations}
    return convcalc.analyse(convcalc.load(plain_spec(graph), dtype=dtype))


def figures(layer: LayerReport) -> dict[str, Any]:
    """The cost, receptive field and output shape of a layer."""
    said = layer.to_dict()
    return {name: said[name] for name in said if name not in ("name", "kind", "line", "from", "arguments")}


def totals(report: convcalc.Report) -> dict[str, Any]:
    """All totals except the name of the layer at the peak."""
    found = report.totals_dict()
    del found["peak_at"]
    return found


@pytest.mark.parametrize("name", list_names())
def test_an_example_is_a_valid_graph_with_the_same_shapes(name: str) -> None:
    network = convcalc.load(find_file(name))
    model = onnx.load_from_string(model_bytes(network))
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    known = {info.name: info.type.tensor_type for info in (*inferred.graph.value_info, *inferred.graph.output)}
    for node in network.nodes:
        sizes = [size.dim_value for size in known[node.name].shape.dim][1:]
        assert sizes == list(node.layer.output.sizes)


# some operations of these networks are not recognised as the layers that they are in the example
IMPORTED_AS_OTHERS = {"coatnet_0", "convnext_v2_tiny", "ddpm_unet", "mobilevit_s", "segformer_b0", "tcn"}


@pytest.mark.parametrize("name", sorted({*list_names()} - IMPORTED_AS_OTHERS))
def test_an_example_round_trips_with_the_same_report(name: str, tmp_path: Path) -> None:
    network = convcalc.load(find_file(name))
    # ONNX does not say which weights are trained
    network = network._replace(nodes=tuple(node._replace(frozen=False) for node in network.nodes))
    report, back = convcalc.analyse(network), round_trip(network, tmp_path)
    assert list(map(figures, back.layers)) == list(map(figures, report.layers))
    assert totals(back) == totals(report)
    assert [list(shape) for shape in back.outputs().values()] == [list(shape) for shape in report.outputs().values()]


def of_kind(kind: str) -> dict[str, Any]:
    """A network with the layer shown in the manual of a kind."""
    import yaml

    [line] = [line for line in (KINDS[kind].__doc__ or "").splitlines() if "Example on" in line]
    shape, _, written = line.split("Example on ")[1].partition(": ")
    return {"input": yaml.safe_load(shape), "layers": [yaml.safe_load(written)]}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - WITHOUT_OPERATOR - OTHERWISE))
def test_a_kind_round_trips_with_the_same_figures(kind: str, tmp_path: Path) -> None:
    spec = of_kind(kind)
    network = convcalc.load({**spec, "layers": ["identity", *spec["layers"]]})
    onnx.checker.check_model(onnx.load_from_string(model_bytes(network)), full_check=True)
    assert totals(round_trip(network, tmp_path)) == totals(convcalc.analyse(network))


def test_a_separable_convolution_is_imported_as_two(tmp_path: Path) -> None:
    network = convcalc.load(of_kind("separable_conv"))
    back, report = round_trip(network, tmp_path), convcalc.analyse(network)
    assert [layer.kind for layer in back.layers] == ["depthwise_conv", "pointwise_conv"]
    assert (back.totals.params, back.totals.macs) == (report.totals.params, report.totals.macs)


@pytest.mark.parametrize("kind", sorted(OTHERWISE - {"adaptive_avgpool", "adaptive_maxpool"}))  # tested below
def test_a_kind_that_is_imported_as_others_is_a_valid_graph(kind: str) -> None:
    network = convcalc.load(of_kind(kind))
    model = onnx.load_from_string(model_bytes(network))
    onnx.checker.check_model(model, full_check=True)
    assert [size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim][1:] == list(
        network.nodes[0].layer.output.sizes
    )


@pytest.mark.parametrize(("kind", "other"), [("adaptive_avgpool", "avgpool"), ("adaptive_maxpool", "maxpool")])
def test_an_adaptive_pooling_with_equal_windows_becomes_a_sliding_window(kind: str, other: str, tmp_path: Path) -> None:
    network = convcalc.load({"input": [4, 14, 21], "layers": ["identity", {kind: {"output_size": [7, 7]}}]})
    report, back = convcalc.analyse(network), round_trip(network, tmp_path)
    assert back.layers[1].kind == other
    assert totals(back) == totals(report)


@pytest.mark.parametrize("kind", ["adaptive_avgpool", "adaptive_maxpool"])
def test_an_adaptive_pooling_with_unequal_windows_has_no_operator(kind: str) -> None:
    network = convcalc.load({"input": [4, 13, 13], "layers": [{kind: {"output_size": 6}}]})
    with pytest.raises(NotImported, match=rf"{kind}1 \({kind} whose output sizes do not divide its input 4×13×13"):
        model_bytes(network)


def test_every_kind_is_exported_or_has_no_operator() -> None:
    assert set(WRITERS) == set(KINDS) - WITHOUT_OPERATOR, (
        "every kind is either in WRITERS in onnx_writers.py or in WITHOUT_OPERATOR in this file"
    )


AFFINE = [
    {"groupnorm": {"num_groups": 2, "affine": False}},
    {"instancenorm": {"affine": True}},
    {"layernorm": {"affine": False}},
    {"layernorm": {"axes": "channels", "affine": False}},
    {"batchnorm": {"affine": False}},
    {"batchnorm": {"scale": False}},
    {"batchnorm": {"center": False}},
    {"global_avgpool": {"keepdims": False}},
    {"global_maxpool": {"keepdims": False}},
    {"maxpool": {"kernel_size": 4, "stride": 4, "padding": [[1, 2], [1, 2]], "ceil_mode": True}},
    {"avgpool": {"kernel_size": 3, "stride": 2, "ceil_mode": True}},
    {"upsample": {"size": [20, 13], "mode": "bilinear"}},
    {"conv": {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": "same"}},
    {"conv_transpose": {"out_channels": 6, "kernel_size": 3, "stride": 2, "output_padding": 1, "groups": 2}},
    {"dropout": {"p": 0.15}},
    {"scale": 0.3},
    {"shift": -2},
    {"slice": {"channels": [-3], "step": 2}},
    {"slice": {"height": [1, -2], "step": 3}},
    *({"pad": {"padding": [[0, 2], 1], "mode": mode}} for mode in ("reflect", "replicate", "circular")),
    {"leaky_relu": {"negative_slope": 0.3}},
]


@pytest.mark.parametrize("entry", AFFINE, ids=str)
def test_arguments_round_trip(entry: dict[str, Any], tmp_path: Path) -> None:
    network = convcalc.load({"input": [4, 14, 14], "layers": [{"conv": {"out_channels": 4, "kernel_size": 1}}, entry]})
    report, back = convcalc.analyse(network), round_trip(network, tmp_path)
    assert totals(back) == totals(report)
    assert back.layers[1].kind == report.layers[1].kind


def test_standardised_weights_are_imported_as_plain_ones(tmp_path: Path) -> None:
    entry = {"conv": {"out_channels": 6, "kernel_size": 3, "weight_standardized": True}}
    network = convcalc.load({"input": [4, 8, 8], "layers": [entry]})
    report, back = convcalc.analyse(network), round_trip(network, tmp_path)
    assert (back.totals.params, back.totals.macs) == (report.totals.params, report.totals.macs)


def test_shared_weights_stay_shared(tmp_path: Path) -> None:
    conv = {"out_channels": 4, "kernel_size": 3, "padding": 1}
    layers = [{"conv": {**conv, "name": "one"}}, {"conv": {**conv, "share": "one"}}]
    network = convcalc.load({"input": [4, 8, 8], "layers": layers})
    assert round_trip(network, tmp_path).totals.params == 4 * 4 * 9 + 4


def test_names_inputs_and_outputs_are_preserved_and_the_batch_is_open() -> None:
    layers = [
        {"conv": {"out_channels": 4, "kernel_size": 1, "name": "stem", "from": "left"}},
        {"add": {"from": ["stem", "right"], "name": "both"}},
    ]
    network = convcalc.load(
        {"inputs": {"left": [3, 8, 8], "right": [4, 8, 8]}, "layers": layers, "outputs": ["both", "stem"]}
    )
    graph = onnx.load_from_string(model_bytes(network)).graph
    assert [info.name for info in graph.input] == ["left", "right"]
    assert [info.name for info in graph.output] == ["both", "stem"]
    assert [node.name for node in graph.node if node.op_type in ("Conv", "Add")] == ["stem", "both"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_all_layers_without_an_onnx_operator_are_named() -> None:
    layers = [
        {"locally_connected": {"out_channels": 2, "kernel_size": 3, "name": "local"}},
        {"max_unpool": {"kernel_size": 2, "name": "unpool"}},
    ]
    network = convcalc.load({"input": [3, 8, 8], "layers": layers})
    with pytest.raises(NotImported, match=r"local \(locally_connected\), unpool \(max_unpool\)"):
        model_bytes(network)


def test_a_graph_runs_in_the_onnx_reference_implementation() -> None:
    import numpy
    from onnx.reference import ReferenceEvaluator

    network = convcalc.load(find_file("lenet5"))
    [output] = ReferenceEvaluator(onnx.load_from_string(model_bytes(network))).run(
        None, {"input": numpy.zeros((2, 1, 32, 32), numpy.float32)}
    )
    assert output.shape == (2, 10)


VALUES: list[tuple[list[int], Any]] = [
    ([6, 5], {"attention": {"heads": 2, "value_dim": 4, "out_channels": 5}}),
    ([6, 4, 6], {"attention": {"heads": 3, "bias": False}}),
    ([6, 4, 6], {"attention": {"heads": 2, "window": [2, 3]}}),
    ([6, 4, 6], {"attention": {"heads": 2, "grid": [2, 3]}}),
    ([6, 5], {"attention": {"heads": 2, "relative_position_bias": True}}),
    ([6, 4, 6], {"attention": {"heads": 3, "relative_position_bias": True}}),
    ([6, 4, 6], {"attention": {"heads": 2, "window": [2, 3], "relative_position_bias": True}}),
    ([6, 4, 6], {"attention": {"heads": 2, "grid": [2, 3], "relative_position_bias": True}}),
    ([6, 5], {"attention": {"heads": 2, "kv_stride": 2}}),
    ([6, 4, 7], {"attention": {"heads": 3, "kv_stride": [2, 3], "bias": False}}),
    ([6, 5], {"linear": 3}),
    ([6, 5], {"matmul": {"from": ["input", "input"], "transpose_first": True}}),
    ([6, 5, 4], {"softmax": {"axes": "positions"}}),
    ([6, 5, 4], "global_response_norm"),
]


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "entry"), VALUES, ids=str)
def test_an_exported_graph_computes_the_values_of_the_exported_module(shape: list[int], entry: Any) -> None:
    """Both with the same random weights, in place of those with which ConstantOfShape fills the graph."""
    import numpy
    import torch
    from onnx.reference import ReferenceEvaluator

    from convcalc.convert.pytorch.makers import make_modules
    from convcalc.convert.pytorch.module_builder import build_module

    network = convcalc.load({"input": shape, "layers": [entry]})
    torch.manual_seed(0)
    module = build_module(make_modules(network.nodes[0]).module).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    model = onnx.load_from_string(model_bytes(network))
    weights = {f"{network.nodes[0].name}.{name}": value.detach() for name, value in module.named_parameters()}
    dims = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "ConstantOfShape"}
    sizes = {tensor.name: onnx.numpy_helper.to_array(tensor).flatten().tolist() for tensor in model.graph.initializer}
    assert dims.keys() == weights.keys()
    for name, size in dims.items():
        value = weights[name]
        value = value.T if name.endswith("weight") and value.dim() == 2 else value  # transposed for MatMul
        array = value.reshape(sizes[size]).contiguous().numpy()
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    filled = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    for node in filled:
        model.graph.node.remove(node)
    read = torch.rand(2, *shape)
    with torch.no_grad():
        expected = module(*[read] * len(network.nodes[0].reads))
    [found] = ReferenceEvaluator(model).run(None, {"input": read.numpy()})
    assert numpy.allclose(found, expected.numpy(), atol=1e-5)
