"""A network as an ONNX graph with shapes instead of values for weights: just what ONNX needs to infer shapes."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from math import prod
from typing import Any

helper: Any = import_module("onnx.helper")
FLOAT = import_module("onnx").TensorProto.FLOAT
OPSET = 17

Layer = dict[str, Any]
OPERATORS = {
    "add": "Add",
    "batchnorm": "BatchNormalization",
    "conv": "Conv",
    "flatten": "Flatten",
    "global_avgpool": "GlobalAveragePool",
    "linear": "Gemm",
    "maxpool": "MaxPool",
    "relu": "Relu",
}


def model(report: dict[str, Any]) -> Any:
    """The graph of a report in JSON. A tensor has the name of the layer that outputs it."""
    inputs = [tensor(name, [1, *shape]) for name, shape in report["inputs"].items()]
    outputs = [tensor(name, None) for name in report["outputs"]]
    nodes = []
    for layer in report["layers"]:
        weights = [tensor(f"{layer['name']}.{number}", shape) for number, shape in enumerate(weight_shapes(layer))]
        inputs += weights
        nodes.append(node(layer, [*layer["from"], *(weight.name for weight in weights)]))
    graph = helper.make_graph(nodes, report["name"], inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def tensor(name: str, shape: Iterable[int] | None) -> Any:
    return helper.make_tensor_value_info(name, FLOAT, shape)


def node(layer: Layer, reads: list[str]) -> Any:
    return helper.make_node(OPERATORS[layer["kind"]], reads, [layer["name"]], **attributes(layer))


def attributes(layer: Layer) -> dict[str, Any]:
    """The arguments of a layer as attributes of the ONNX operator."""
    if layer["kind"] == "linear":
        return {"transB": 1}
    if layer["kind"] not in ("conv", "maxpool"):
        return {}
    arguments = layer["arguments"]
    before, after = zip(*arguments["padding"], strict=True)
    given = {"kernel_shape": arguments["kernel_size"], "strides": arguments["stride"], "pads": [*before, *after]}
    return {**given, "dilations": arguments["dilation"]}


def weight_shapes(layer: Layer) -> list[list[int]]:
    """The shapes of the weights that a layer reads, in the order of the operator's inputs."""
    arguments, channels = layer["arguments"], layer["input_shapes"][0][0]
    if layer["kind"] == "conv":
        made = arguments["out_channels"]
        bias = [[made]] if arguments["bias"] else []
        return [[made, channels // arguments["groups"], *arguments["kernel_size"]], *bias]
    if layer["kind"] == "batchnorm":
        return [[channels]] * 4
    if layer["kind"] == "linear":
        made = arguments["out_features"]
        return [[made, prod(layer["input_shapes"][0])], [made]]
    return []


def shapes(inferred: Any) -> dict[str, tuple[int, ...]]:
    """The inferred shapes for one sample, by layer."""
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)[1:] for value in values}
