"""Quantised ONNX files and the operators of ONNX Runtime are read as the networks in floating point."""

import random
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.convert import from_onnx
from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.onnx_graph.layer_names import OnnxNames
from convcalc.convert.onnx_graph.program import read_program
from convcalc.convert.onnx_graph.translation import _RULES
from tests.support.onnx_models import imported, made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
numpy: Any = pytest.importorskip("numpy", reason="numpy is installed with onnx")

X = {"x": (1, 4, 12, 10)}
NETWORK = """
a = Conv<pads=[1,1,1,1]>(x, w1, b1)
r = Relu(a)
c = Conv<group=8, pads=[1,1,1,1]>(r, w2, b2)
s = Sigmoid(c)
m = Mul(c, s)
d = Conv(m, w3, b3)
e = Add(d, r)
f = Concat<axis=1>(e, r)
p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(f)
g = GlobalAveragePool(p)
h = Flatten(g)
i = Gemm<transB=1>(h, w4, b4)
y = Softmax<axis=1>(i)
"""
WEIGHTS = {
    "w1": (8, 4, 3, 3),
    "w2": (8, 1, 3, 3),
    "w3": (8, 8, 1, 1),
    "w4": (5, 16),
    **dict.fromkeys(("b1", "b2", "b3"), (8,)),
    "b4": (5,),
}
PARAMS = 8 * 4 * 9 + 8 + 8 * 9 + 8 + 64 + 8 + 80 + 5
BIASES = 8 + 8 + 8 + 5


def filled(model: Any, arrays: Mapping[str, Any]) -> Any:
    """The model with these initializers."""
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.asarray(array), name))
    return model


def float_network(folder: Path) -> Path:
    chance = numpy.random.default_rng(0)
    arrays = {name: chance.normal(size=sizes).astype("float32") for name, sizes in WEIGHTS.items()}
    model = filled(made(NETWORK, X), arrays)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", 1, [1, 5]))
    path = folder / "float.onnx"
    onnx.save(model, path)
    return path


class Samples:
    """Two random inputs, as ONNX Runtime reads them to calibrate."""

    def __init__(self) -> None:
        chance = numpy.random.default_rng(1)
        self.samples = iter([{"x": chance.normal(size=X["x"]).astype("float32")} for _ in range(2)])

    def get_next(self) -> Any:
        return next(self.samples, None)


def quantise(folder: Path, how: str) -> Graph:
    """The graph of the network after quantisation by ONNX Runtime."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization = pytest.importorskip(
            "onnxruntime.quantization", reason="the package onnxruntime is not installed"
        )
        source, path = str(float_network(folder)), str(folder / f"{how}.onnx")
        weights = quantization.QuantType.QInt8
        if how == "dynamic":
            quantization.quantize_dynamic(source, path, weight_type=weights)
        else:
            form = quantization.QuantFormat[how]
            channels = how == "QDQ"
            quantization.quantize_static(
                source, path, Samples(), quant_format=form, per_channel=channels, weight_type=weights
            )
    return from_onnx.read(path)


@pytest.mark.parametrize("how", ["QDQ", "QOperator", "dynamic"])
def test_a_quantised_network_is_read_as_the_float_network(how: str, tmp_path: Path) -> None:
    plain, quantised = from_onnx.read(str(float_network(tmp_path))), quantise(tmp_path, how)
    kinds = [step.kind for step in plain.steps]
    if how != "dynamic":  # the relu became the limits of the quantised values
        kinds.remove("relu")
    assert [step.kind for step in quantised.steps] == kinds
    assert quantised.notes == ()
    before, after = (convcalc.summary(plain_spec(graph)).totals for graph in (plain, quantised))
    assert before.params == after.params == PARAMS
    assert before.macs == after.macs
    assert before.flops == after.flops
    assert after.weight_memory == PARAMS - BIASES + 4 * BIASES  # integers of 8 bits, and biases of 32
    if how == "dynamic":
        assert after.activation_memory == before.activation_memory
    else:
        assert after.activation_memory == before.activation_memory // 4 - 8 * 12 * 10


@pytest.mark.parametrize("inputs", ["c, b", "b, c"])
def test_an_integer_bias_of_a_dynamically_quantised_convolution_is_learnt(inputs: str, tmp_path: Path) -> None:
    lines = f"""
    q, s, z = DynamicQuantizeLinear(x)
    c = ConvInteger<pads=[1,1,1,1]>(q, w, z)
    b = Reshape(bias, sizes)
    a = Add({inputs})
    f = Cast<to=1>(a)
    m = Mul(s, scale)
    y = Mul(f, m)
    """
    arrays = {
        "w": numpy.ones((8, 4, 3, 3), "int8"),
        "bias": numpy.ones(8, "int32"),
        "sizes": numpy.array([1, -1, 1, 1]),
        "scale": numpy.ones(1, "float32"),
    }
    graph = imported(tmp_path, filled(made(lines, X), arrays))
    totals = convcalc.summary(plain_spec(graph)).totals
    assert graph.notes == ()
    assert (totals.params, totals.macs) == (8 * 36 + 8, 8 * 36 * 120)


# -- operators, one by one

INTEGERS = {
    "w": numpy.ones((8, 4, 3, 3), "int8"),
    "m": numpy.ones((10, 6), "int8"),
    "n": numpy.ones((6, 10), "int8"),
    "b": numpy.ones(8, "int32"),
    "c": numpy.ones(6, "int32"),
    "s": numpy.float32(0.1),
    "z": numpy.uint8(0),
    "f": numpy.ones((4, 4, 1, 1), "float32"),
    "v": numpy.ones((10, 6), "float32"),
    "g": numpy.ones(10, "float32"),
    "p": numpy.ones((10, 30), "float32"),
    "k": numpy.ones((1, 10, 20), "int8"),
    "l": numpy.ones((1, 5, 20), "int8"),
    "d": numpy.ones((1, 40), "float32"),
    "o": numpy.ones(30, "float32"),
    "b6": numpy.ones(6, "float32"),
}
ADDED: dict[str, tuple[list[str], int, int]] = {  # nodes, layers, params, MACs
    "q = QuantizeLinear(x, s, z)\nr = QLinearConv(q, s, z, w, s, z, s, z, b)\ny = DequantizeLinear(r, s, z)": (
        ["conv"],
        8 * 36 + 8,
        8 * 10 * 8 * 36,
    ),
    "q = QuantizeLinear(h, s, z)\ny = QLinearMatMul(q, s, z, m, s, z, s, z)": (["linear"], 60, 60),
    "q = QuantizeLinear(h, s, z)\ny = com.microsoft.QGemm<transB=1>(q, s, z, n, s, z, c, s, z)": (["linear"], 66, 60),
    "q = QuantizeLinear(x, s, z)\ny = com.microsoft.QLinearAdd(q, s, z, q, s, z, s, z)": (["add"], 0, 0),
    "q = QuantizeLinear(x, s, z)\ny = com.microsoft.QLinearMul(q, s, z, q, s, z, s, z)": (["multiply"], 0, 0),
    "q = QuantizeLinear(x, s, z)\ny = com.microsoft.QLinearConcat<axis=1>(s, z, q, s, z, q, s, z)": (["concat"], 0, 0),
    "q = QuantizeLinear(x, s, z)\ny = com.microsoft.QLinearLeakyRelu<alpha=0.2>(q, s, z, s, z)": (["leaky_relu"], 0, 0),
    "q = QuantizeLinear(x, s, z)\ny = com.microsoft.QLinearSigmoid(q, s, z, s, z)": (["sigmoid"], 0, 0),
    "q = QuantizeLinear(x, s, z)\ny = com.microsoft.QLinearGlobalAveragePool(q, s, z, s, z)": (
        ["global_avgpool"],
        0,
        0,
    ),
    "q = QuantizeLinear(x, s, z)\n"
    "y = com.microsoft.QLinearAveragePool<kernel_shape=[2,2], strides=[2,2]>(q, s, z, s, z)": (["avgpool"], 0, 0),
    "q, u, e = DynamicQuantizeLinear(x)\ni = ConvInteger(q, w, e, z)\na = Cast<to=1>(i)\nj = Mul(u, s)\n"
    "y = Mul(a, j)": (
        ["conv"],
        8 * 36,
        8 * 10 * 8 * 36,
    ),
    "q, u, e = DynamicQuantizeLinear(h)\ny = com.microsoft.MatMulIntegerToFloat(q, m, u, s, e, z)": (
        ["linear"],
        60,
        60,
    ),
    "y = com.microsoft.DynamicQuantizeMatMul(h, m, s, z)": (["linear"], 60, 60),
    'y = com.microsoft.FusedConv<activation="Relu">(x, f)': (["conv", "relu"], 16, 16 * 120),
    'y = com.microsoft.FusedConv<activation="LeakyRelu", activation_params=[0.2]>(x, f)': (
        ["conv", "leaky_relu"],
        16,
        16 * 120,
    ),
    'y = com.microsoft.FusedConv<activation="Relu">(x, f, , x)': (["conv", "add", "relu"], 16, 16 * 120),
    'y = com.microsoft.FusedGemm<activation="Tanh">(h, v)': (["linear", "tanh"], 60, 60),
    "y = com.microsoft.FusedMatMul(h, v)": (["linear"], 60, 60),
    "y = com.microsoft.FusedMatMul<transB=1>(t, t)": (["matmul"], 0, 6 * 6 * 10),
    "y = com.microsoft.Gelu(x)": (["gelu"], 0, 0),
    "y = com.microsoft.FastGelu(x)": (["gelu"], 0, 0),
    "y = com.microsoft.QuickGelu(x)": (["opaque"], 0, 0),
    "y = com.microsoft.QuickGelu<alpha=1.0>(x)": (["silu"], 0, 0),
    "m1 = MatMul(h, v)\ny = com.microsoft.BiasGelu(m1, b6)": (["linear", "gelu"], 66, 60),
    "y = com.microsoft.SkipLayerNormalization(h, h, g, g)": (["add", "layernorm"], 20, 0),
    "y = com.microsoft.SkipSimplifiedLayerNormalization(h, h, g)": (["add", "opaque"], 10, 0),
    "y = SimplifiedLayerNormalization<axis=-1>(h, g)": (["opaque"], 10, 0),
    # batch 1, 6 positions, 2 heads of 5: a projection to 30, then 2 · 6 · 6 · (5 + 5)
    "y = com.microsoft.Attention<num_heads=2>(t, p, o)": (
        ["permute", "linear", "slice", "slice", "slice", "opaque"],
        330,
        6 * 300 + 2 * 36 * 10,
    ),
    "y = com.microsoft.MultiHeadAttention<num_heads=2>(t, t, t, o)": (
        [*["parameter", "add"] * 3, "opaque"],
        30,
        2 * 36 * 10,
    ),
    "y = com.microsoft.DynamicQuantizeLSTM<hidden_size=5>(t, k, l, d, , , , , s, z, s, z)": (
        ["permute", "lstm"],
        200 + 100 + 40,
        1 * 6 * 20 * 15,
    ),
}


def node(line: str) -> Any:
    """A node of ONNX's text format, which may begin with the domain of its operator."""
    head, dot, tail = line.partition("= com.microsoft.")
    found = onnx.parser.parse_node(f"{head}= {tail}" if dot else line)
    found.domain = "com.microsoft" if dot else ""
    return found


def with_added_operators(lines: str, inputs: Mapping[str, Sequence[int]]) -> Any:
    model = made("y = Relu(x)", inputs)
    del model.graph.node[:]
    model.graph.node.extend(node(line) for line in lines.splitlines())
    model.opset_import.add(domain="com.microsoft", version=1)
    read = {name for one in model.graph.node for name in one.input}
    return filled(model, {name: array for name, array in INTEGERS.items() if name in read and name not in inputs})


@pytest.mark.parametrize("lines", ADDED)
def test_an_operator_of_onnx_runtime_is_read_as_standard_ones(lines: str, tmp_path: Path) -> None:
    kinds, params, macs = ADDED[lines]
    inputs = {"x": (1, 4, 12, 10), "h": (1, 10), "t": (1, 6, 10)}
    used = next(name for name in inputs if f"({name}" in lines)
    graph = imported(tmp_path, with_added_operators(lines, {used: inputs[used]}))
    totals = convcalc.summary(plain_spec(graph)).totals
    assert [step.kind for step in graph.steps] == kinds
    assert (totals.params, totals.macs) == (params, macs)
    assert totals.flops is not None


@pytest.mark.parametrize(
    "line",
    [
        "y = com.microsoft.QLinearAdd(x)",
        "y = com.microsoft.QLinearConcat(x)",
        "y = com.microsoft.FusedConv(x)",
        'y = com.microsoft.FusedConv<activation="NoSuch">(x, f)',
        "y = com.microsoft.FusedMatMul<transB=1>(x)",
        "y = com.microsoft.Attention(x)",
        "y = com.microsoft.MultiHeadAttention(x)",
        "y = com.microsoft.DynamicQuantizeLSTM(x)",
        "y = com.microsoft.SkipLayerNormalization(x)",
        "y = com.microsoft.RotaryEmbedding(x)",
        "y = com.microsoft.NoSuchOperator(x)",
        "y, u = DynamicQuantizeLinear(x)",
        "y = QuantizeLinear(x)",
        "y = Mul(x)",
        "y = If(x)",
    ],
)
def test_a_malformed_operator_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(NotImported) as error:
        imported(tmp_path, with_added_operators(line, X))
    assert "\n" not in str(error.value)


NAMES = ("x", "t", "h", "w", "m", "b", "s", "z", "v", "y0", "")
VALUES: dict[str, list[Any]] = {
    "axis": [0, -1, 99, 1.5, "x"],
    "alpha": [0.5, "a", [2.0]],
    "transA": [0, 1],
    "transB": [0, 7],
    "activation": ["Relu", "Clip", "", "None", 3],
    "activation_params": [[1.0, 2.0], [0.0] * 9, "z"],
    "num_heads": [2, 0, -1, "q"],
    "qkv_hidden_sizes": [[10, 10, 10], [1], [-5, 20, 15]],
    "channels_last": [0, 1],
    "to": [1, 99],
    "then_branch": [1, "x"],
}


@settings(max_examples=200)
@given(st.randoms(use_true_random=False))
def test_any_translated_operator_is_read_or_refused(chance: random.Random) -> None:
    lines = "y0 = Relu(x)"
    model = with_added_operators(lines, {"x": (1, 4, 6, 6), "t": (1, 6, 10), "h": (1, 10)})
    model = filled(model, {name: INTEGERS[name] for name in NAMES if name in INTEGERS})
    for number in range(chance.randint(1, 3)):
        domain, operator = chance.choice(sorted(_RULES))
        inputs = [chance.choice(NAMES) for _ in range(chance.randint(0, 9))]
        outputs = [f"o{number}_{place}" for place in range(chance.choice((0, 1, 1, 1, 4)))]
        made_node = onnx.helper.make_node(operator, inputs, outputs, domain=domain)
        for name in chance.sample(sorted(VALUES), chance.randint(0, 4)):
            made_node.attribute.append(onnx.helper.make_attribute(name, chance.choice(VALUES[name])))
        model.graph.node.append(made_node)
        model.graph.output[0].name = chance.choice([*outputs, "y0"])
    try:
        graph = build_graph(read_program(model, {}), "net", "", OnnxNames)
    except NotImported:
        return
    convcalc.load(plain_spec(graph))
