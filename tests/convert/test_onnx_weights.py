"""The weights of an ONNX file and their data types. Expected counts follow from the layers' definitions."""

from math import prod
from pathlib import Path
from typing import Any

import numpy
import pytest

import convcalc
from convcalc.convert.graph import plain_spec
from tests.support.onnx_models import imported, made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

X = {"x": (1, 4, 12, 10)}
CONV = 8 * 4 * 9 + 8
CONV_WEIGHTS = {"w": (8, 4, 3, 3), "b": (8,)}


def params_of(folder: Path, model: Any) -> int | None:
    return convcalc.summary(plain_spec(imported(folder, model))).totals.params


@pytest.mark.parametrize("spatial", [(8, 10), (80, 100)])
@pytest.mark.parametrize("operator", ["Mul", "Add", "Sub", "Concat"])
def test_a_constant_with_the_shape_of_data_is_not_a_weight(operator: str, spatial: Any, tmp_path: Path) -> None:
    """Reported: `z = Mul(y, ConstantOfShape(Shape(y)))` counted one weight per element of y."""
    axis = "<axis=1>" if operator == "Concat" else ""
    nodes = f"y = Conv<pads=[1,1,1,1]>(x, w, b)\ns = Shape(y)\nc = ConstantOfShape(s)\nz = {operator}{axis}(y, c)"
    model = made(nodes, {"x": (1, 4, *spatial)}, CONV_WEIGHTS, outputs=["z"])
    assert params_of(tmp_path, model) == CONV


@pytest.mark.parametrize(
    "nodes",
    [
        "c = ConstantOfShape(n)\nz = Mul(y, c)",
        "c = ConstantOfShape(n)\nz = Add(y, c)",
        "c = Constant<value_floats=[2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]>()\nd = Reshape(c, n)\nz = Mul(y, d)",
        "s = Shape(y)\nr = ConstantOfShape(s)\nt = Gather(r, i)\nz = Add(y, t)",
        "s = Shape(w)\nr = ConstantOfShape(s)\nz = Conv(y, r)",
    ],
)
def test_a_constant_filled_by_the_graph_is_not_a_weight(nodes: str, tmp_path: Path) -> None:
    integers = {"n": [8, 1, 1], "i": [0]}
    weights = {**CONV_WEIGHTS, **({"w": (4, 4, 3, 3), "b": (4,)} if "Shape(w)" in nodes else {})}
    model = made(f"y = Conv(x, w, b)\n{nodes}", X, weights, integers=integers, outputs=["z"])
    assert params_of(tmp_path, model) == sum(map(prod, weights.values()))


def test_a_filled_constant_is_a_weight_if_its_operator_says_so(tmp_path: Path) -> None:
    """The models shipped with the onnx package have only such weights."""
    nodes = "w = ConstantOfShape(n)\nb = ConstantOfShape(m)\ny = Conv(x, w, b)"
    assert params_of(tmp_path, made(nodes, X, integers={"n": [8, 4, 3, 3], "m": [8]})) == CONV


def test_a_file_exported_by_convcalc_keeps_its_elementwise_weights(tmp_path: Path) -> None:
    from convcalc.convert.to_onnx import model_bytes

    network = convcalc.load({"input": [4, 6, 6], "layers": ["scale", {"prelu": {"num_parameters": 4}}, "scale"]})
    assert params_of(tmp_path, model_bytes(network)) == 3 * 4


def recurrent(operator: str, gates: int, state: Any, states: int, size: int = 64) -> Any:
    """A recurrent layer of 64 units on 64 values, with the batch axis first."""
    names = ["h", "c"][:states]
    inputs = ", ".join(["x", "w", "r", "b", "", *names])
    node = f"y = {operator}<hidden_size={size}, layout=1>({inputs})"
    weights = {"w": (1, gates * size, size), "r": (1, gates * size, size), "b": (1, 2 * gates * size)}
    model = made(node, {"x": (1, 10, size)}, weights)
    for name in names:
        model.graph.initializer.append(onnx.numpy_helper.from_array(state, name))
    return model


@pytest.mark.parametrize(("operator", "gates", "states"), [("LSTM", 4, 2), ("GRU", 3, 1), ("RNN", 1, 1)])
def test_a_zero_initial_state_is_not_a_weight(operator: str, gates: int, states: int, tmp_path: Path) -> None:
    """Reported: 33,344 params for an LSTM of 33,280, as counted by PyTorch: 4 · 64 · (64 + 64) + 2 · 4 · 64."""
    due = gates * 64 * (64 + 64) + 2 * gates * 64
    zeros: Any = numpy.zeros((1, 1, 64), "float32")
    assert params_of(tmp_path, recurrent(operator, gates, zeros, states)) == due
    learnt = numpy.linspace(-1, 1, 64, dtype="float32").reshape(1, 1, 64)
    assert params_of(tmp_path, recurrent(operator, gates, learnt, states)) == due + states * 64


def test_an_initial_state_with_the_batch_size_is_not_a_weight(tmp_path: Path) -> None:
    model = recurrent("LSTM", 4, numpy.zeros((1, 1, 64), "float32"), 0)
    fill = "s = Shape<end=1>(x)\nt = Concat<axis=0>(s, n)\nh = ConstantOfShape(t)"
    model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.array([1, 64]), "n"))
    for line in reversed(fill.splitlines()):
        model.graph.node.insert(0, onnx.parser.parse_node(line))
    model.graph.node[-1].input.extend(["", "h", "h"])
    assert params_of(tmp_path, model) == 33_280


def test_running_statistics_of_unsupported_operators_are_not_weights(tmp_path: Path) -> None:
    nodes = "t = ReduceMean<axes=[0, 2, 3], keepdims=0>(x)\ny = BatchNormalization(x, t, b, m, v)"
    assert params_of(tmp_path, made(nodes, X, dict.fromkeys("bmv", (4,)))) == 4


def test_scales_of_quantised_weights_are_not_weights(tmp_path: Path) -> None:
    nodes = "w = DequantizeLinear<axis=0>(q, s, z)\nb = DequantizeLinear<axis=0>(p, s)\ny = Conv(x, w, b)"
    model = made(nodes, X, {"s": (8,)})
    for name, shape, kind in (("q", (8, 4, 3, 3), "int8"), ("z", (8,), "int8"), ("p", (8,), "int32")):
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.ones(shape, kind), name))
    assert params_of(tmp_path, model) == CONV
    with_bias_apart = "w = DequantizeLinear<axis=0>(q, s, z)\na = Conv<pads=[1,1,1,1]>(x, w)\ny = Exp(a)"
    del model.graph.node[:]
    model.graph.node.extend(onnx.parser.parse_node(line) for line in with_bias_apart.splitlines())
    assert params_of(tmp_path, model) == 8 * 4 * 9


def test_the_bias_of_a_product_along_positions_is_a_weight(tmp_path: Path) -> None:
    """The product is opaque: it multiplies the last axis of data whose channels are first."""
    nodes = "a = MatMul(x, w)\ny = Add(a, b)"
    assert params_of(tmp_path, made(nodes, X, {"w": (10, 6), "b": (6,)})) == 66


def two_norms(*names: str) -> Any:
    """Two layer norms around a convolution, with these scales and biases."""
    first, second, third, fourth = names
    nodes = f"""
    a = LayerNormalization<axis=1>(x, {first}, {second})
    y = LayerNormalization<axis=1>(a, {third}, {fourth})
    """
    return made(nodes, {"x": (1, 8)})


def hold(model: Any, **arrays: Any) -> Any:
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.asarray(array, "float32"), name))
    return model


def test_equal_weights_of_an_untrained_network_are_noted(tmp_path: Path) -> None:
    ones, zeros, varied = numpy.ones(8), numpy.zeros(8), numpy.arange(8)
    graph = imported(tmp_path, hold(two_norms("s", "b", "s", "b"), s=ones, b=zeros))
    assert graph.notes == (
        "1 layer shares weights that all have one value, such as layernorm1: an exporter stores equal weights of an "
        "untrained network once, 16 params fewer",
    )
    assert imported(tmp_path, hold(two_norms("s", "b", "s", "b"), s=varied, b=zeros)).notes == ()
    assert imported(tmp_path, hold(two_norms("s", "b", "t", "b"), s=ones, t=varied, b=zeros)).notes == ()


def test_a_tensor_computed_from_numbers_is_not_learnt(tmp_path: Path) -> None:
    """The positions of anchors: stored numbers that Range and Expand make longer, added to data. 3·8·27 params."""
    nodes = "y0 = Conv(x, w)\nr = Range(zero, ten, one)\nr4 = Reshape(r, s)\ny = Add(y0, r4)"
    model = made(nodes, {"x": (1, 3, 12, 12)}, {"w": (8, 3, 3, 3)}, integers={"s": [1, 1, 1, 10]})
    for name, value in (("zero", 0.0), ("ten", 10.0), ("one", 1.0)):
        model.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, (), [value]))
    assert convcalc.summary(plain_spec(imported(tmp_path, model))).totals.params == 8 * 27
