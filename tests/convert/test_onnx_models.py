"""The models shipped with the onnx package are imported with the params and multiply-adds of their graphs."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert import from_onnx
from convcalc.convert.graph import plain_spec

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("light_*.onnx"))
KINDS = {
    "Conv": ("conv", "depthwise_conv", "pointwise_conv"),
    "Gemm": ("linear",),
    "BatchNormalization": ("batchnorm",),
}
PUBLISHED = {  # params of the networks as published or as built by torchvision
    "light_resnet50": 25_557_032,
    "light_densenet121": 7_978_856,
    "light_vgg19": 143_667_240,
    "light_squeezenet": 1_235_496,
    "light_bvlc_alexnet": 60_965_224,
}


def with_weights_as_inputs(model: Any) -> Any:
    """The model with its weights as inputs, not filled by nodes, so that the package itself infers every shape."""
    shapes = {tensor.name: onnx.numpy_helper.to_array(tensor).tolist() for tensor in model.graph.initializer}
    filled = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    for node in filled:
        model.graph.node.remove(node)
        sizes = shapes[node.input[0]]
        model.graph.input.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, sizes))
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def shapes_of(model: Any) -> dict[str, list[int]]:
    infos = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    return {info.name: [size.dim_value for size in info.type.tensor_type.shape.dim] for info in infos} | {
        tensor.name: list(tensor.dims) for tensor in model.graph.initializer
    }


def counted(model: Any) -> Iterator[tuple[str, int, int]]:
    """Params and multiply-adds of convolutions, fully connected layers and batch norms, from the file's shapes."""
    inferred = with_weights_as_inputs(model)
    shapes = shapes_of(inferred)
    for node in inferred.graph.node:
        if node.op_type not in KINDS:
            continue
        params = sum(prod(shapes[name]) for name in node.input[1:3])
        weight = shapes[node.input[1]]
        if node.op_type == "Conv":
            macs = prod(shapes[node.output[0]]) * prod(weight[1:])
        else:
            macs = prod(weight) if node.op_type == "Gemm" else 0
        yield node.op_type, params, macs


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_a_shipped_model_has_the_params_and_macs_of_its_graph(path: Path) -> None:
    graph = from_onnx.read(str(path))
    report = convcalc.summary(plain_spec(graph))
    expected = list(counted(onnx.load(path)))
    assert graph.notes == ()
    for operator, kinds in KINDS.items():
        found = [(layer.params, layer.macs) for layer in report.layers if layer.kind in kinds]
        assert found == [(params, macs) for kind, params, macs in expected if kind == operator]
    assert report.totals.macs == sum(macs for _, _, macs in expected)
    assert report.totals.params == sum(params for _, params, _ in expected)
    assert report.complete


def test_all_nine_models_are_found() -> None:
    assert len(LIGHT) == 9


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_shipped_model_has_the_published_params(name: str) -> None:
    [path] = [path for path in LIGHT if path.stem == name]
    assert convcalc.summary(plain_spec(from_onnx.read(str(path)))).totals.params == PUBLISHED[name]


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_the_outputs_of_a_shipped_model_have_their_declared_shapes(path: Path) -> None:
    declared = [
        [size.dim_value for size in info.type.tensor_type.shape.dim][1:] for info in onnx.load(path).graph.output
    ]
    report = convcalc.summary(plain_spec(from_onnx.read(str(path))))
    assert [list(shape.sizes) for shape in report.outputs().values()] == declared


def test_layers_are_named_after_their_weights() -> None:
    [path] = [path for path in LIGHT if path.stem == "light_bvlc_alexnet"]
    names = [step.name for step in from_onnx.read(str(path)).steps if step.kind in ("conv", "linear")]
    assert names == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
