"""How ONNX nodes are imported. The shape of every imported step is compared with the shape that onnx infers."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.convert.graph import NotImported, plain_spec
from tests.support.onnx_models import entry, imported, made

pytest.importorskip("onnx", reason="the package onnx is not installed")

X = {"x": (1, 4, 12, 10)}
ONE_NODE: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, dict[str, Any]]]] = [
    (
        "y = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w, b)",
        X,
        {"w": (8, 4, 3, 3), "b": (8,)},
        ("conv", {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1}),
    ),
    (
        "y = Conv<pads=[0,1,2,3], dilations=[2,1], group=2>(x, w)",
        X,
        {"w": (8, 2, 3, 5)},
        (
            "conv",
            {
                "out_channels": 8,
                "kernel_size": [3, 5],
                "padding": [[0, 2], [1, 3]],
                "dilation": [2, 1],
                "groups": 2,
                "bias": False,
            },
        ),
    ),
    (
        'y = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w)',
        X,
        {"w": (8, 4, 3, 3)},
        ("conv", {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": "same", "bias": False}),
    ),
    (
        'y = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(x, w)',
        X,
        {"w": (8, 4, 3, 3)},
        (
            "conv",
            {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": [[1, 0], [1, 0]], "bias": False},
        ),
    ),
    (
        'y = Conv<auto_pad="VALID">(x, w)',
        X,
        {"w": (8, 4, 3, 3)},
        ("conv", {"out_channels": 8, "kernel_size": 3, "bias": False}),
    ),
    (
        "y = Conv<group=4, pads=[1,1,1,1]>(x, w)",
        X,
        {"w": (8, 1, 3, 3)},
        ("depthwise_conv", {"kernel_size": 3, "padding": 1, "multiplier": 2, "bias": False}),
    ),
    (
        "y = Conv(x, w)",
        {"x": (1, 4, 12)},
        {"w": (8, 4, 3)},
        ("conv", {"out_channels": 8, "kernel_size": 3, "bias": False}),
    ),
    (
        "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,0]>(x, w, b)",
        X,
        {"w": (4, 6, 3, 3), "b": (6,)},
        (
            "conv_transpose",
            {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": [1, 0]},
        ),
    ),
    (
        'y = ConvTranspose<strides=[2,2], auto_pad="SAME_UPPER">(x, w)',
        X,
        {"w": (4, 6, 3, 3)},
        (
            "conv_transpose",
            {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": [[0, 1], [0, 1]], "bias": False},
        ),
    ),
    (
        "y = ConvTranspose<strides=[2,2], output_shape=[24,21]>(x, w)",
        X,
        {"w": (4, 6, 3, 3)},
        (
            "conv_transpose",
            {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": [[1, 0], [0, 0]], "bias": False},
        ),
    ),
    ("y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)", X, {}, ("maxpool", {"kernel_size": 2})),
    (
        "y = MaxPool<kernel_shape=[3,2], dilations=[2,1], ceil_mode=1>(x)",
        X,
        {},
        ("maxpool", {"kernel_size": [3, 2], "stride": 1, "dilation": [2, 1], "ceil_mode": True}),
    ),
    (
        'y = AveragePool<kernel_shape=[5,5], strides=[5,5], auto_pad="SAME_UPPER">(x)',
        X,
        {},
        ("avgpool", {"kernel_size": 5, "padding": "same"}),
    ),
    ("y = LpPool<kernel_shape=[2,2], p=2>(x)", X, {}, ("lppool", {"kernel_size": 2, "stride": 1})),
    ("y = GlobalAveragePool(x)", X, {}, ("global_avgpool", {})),
    ("y = GlobalMaxPool(x)", X, {}, ("global_maxpool", {})),
    ("y = ReduceMean<axes=[2,3], keepdims=0>(x)", X, {}, ("global_avgpool", {"keepdims": False})),
    ("y = ReduceMax<axes=[-1,-2]>(x)", X, {}, ("global_maxpool", {})),
    ("y = Gemm<transB=1>(x, w, b)", {"x": (1, 7)}, {"w": (5, 7), "b": (5,)}, ("linear", {"out_features": 5})),
    ("y = Gemm(x, w)", {"x": (1, 7)}, {"w": (7, 5)}, ("linear", {"out_features": 5, "bias": False})),
    ("y = MatMul(x, w)", {"x": (1, 7)}, {"w": (7, 5)}, ("linear", {"out_features": 5, "bias": False})),
    ("y = BatchNormalization(x, s, b, m, v)", X, dict.fromkeys("sbmv", (4,)), ("batchnorm", {})),
    ("y = InstanceNormalization(x, s, b)", X, dict.fromkeys("sb", (4,)), ("instancenorm", {"affine": True})),
    ("y = LayerNormalization<axis=1>(x, s, b)", X, dict.fromkeys("sb", (4, 12, 10)), ("layernorm", {})),
    ("y = MeanVarianceNormalization<axes=[2,3]>(x)", X, {}, ("instancenorm", {})),
    ("y = MeanVarianceNormalization<axes=[1]>(x)", X, {}, ("layernorm", {"axes": "channels", "affine": False})),
    ("y = LRN<size=3>(x)", X, {}, ("local_response_norm", {"size": 3})),
    ("y = LeakyRelu<alpha=0.1>(x)", X, {}, ("leaky_relu", {"negative_slope": 0.1})),
    ("y = PRelu(x, s)", X, {"s": (4, 1, 1)}, ("prelu", {"num_parameters": 4})),
    ("y = PRelu(x, s)", X, {"s": (1,)}, ("prelu", {})),
    ("y = Softmax<axis=1>(x)", X, {}, ("softmax", {})),
    ("y = LogSoftmax(x)", {"x": (1, 9)}, {}, ("log_softmax", {})),
    ("y = Dropout(x)", X, {}, ("dropout", {})),
    ("y = Mul(x, s)", X, {"s": (4, 1, 1)}, ("scale", {})),
    ("y = Add(x, s)", X, {"s": (4, 1, 1)}, ("shift", {})),
    ("y = Concat<axis=1>(x, x)", X, {}, ("concat", {})),
    ("y = Concat<axis=-3>(x, x)", X, {}, ("concat", {})),
    ("y = Add(x, x)", X, {}, ("add", {})),
    ("y = Sum(x, x, x)", X, {}, ("add", {})),
    ("y = Mul(x, x)", X, {}, ("multiply", {})),
    ("y = Flatten(x)", X, {}, ("flatten", {})),
    ("y = DepthToSpace<blocksize=2>(x)", X, {}, ("pixel_shuffle", {"upscale_factor": 2})),
    ("y = SpaceToDepth<blocksize=2>(x)", X, {}, ("pixel_unshuffle", {"downscale_factor": 2})),
]
ACTIVATIONS = {
    "Relu": "relu",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSwish": "hardswish",
    "HardSigmoid": "hardsigmoid",
    "Mish": "mish",
    "Gelu": "gelu",
    "Identity": "identity",
}


@pytest.mark.parametrize(("node", "inputs", "weights", "expected"), ONE_NODE, ids=[case[0] for case in ONE_NODE])
def test_a_node_becomes_a_layer(node: str, inputs: Any, weights: Any, expected: Any, tmp_path: Path) -> None:
    graph = imported(tmp_path, made(node, inputs, weights))
    assert [entry(step) for step in graph.steps] == [expected]
    assert graph.notes == ()
    convcalc.load(plain_spec(graph))


@pytest.mark.parametrize("operator", ACTIVATIONS)
def test_an_activation_becomes_a_layer(operator: str, tmp_path: Path) -> None:
    graph = imported(tmp_path, made(f"y = {operator}(x)", X, version=21))
    assert [step.kind for step in graph.steps] == [ACTIVATIONS[operator]]


WITH_INTEGERS = {
    "y = Slice(x, a, b, c)": ({"a": [0], "b": [3], "c": [1]}, [("slice", {"channels": [0, 3]})]),
    "y = Slice(x, a, b, c) ": ({"a": [-3], "b": [10**9], "c": [1]}, [("slice", {"channels": [1, 4]})]),
    "y = Slice(x, a, b, c)  ": ({"a": [2, 0], "b": [-1, 7], "c": [2, 3]}, [("crop", {"amount": [[2, 1], [0, 3]]})]),
    "y = Slice(x, a, b, c)   ": (
        {"a": [1, 2], "b": [3, 9], "c": [1, 2]},
        [("slice", {"channels": [1, 3]}), ("crop", {"amount": [[2, 3], [0, 0]]})],
    ),
    "y = Slice(x, a, b, c, d)": (
        {"a": [1, 0], "b": [-1, 10**9], "c": [2, 3], "d": [3, 2]},
        [("slice", {"height": [1, 12], "step": 3}), ("slice", {"width": [0, 10], "step": 2})],
    ),
    "y, z = Split<axis=1>(x, a)": (
        {"a": [1, 3]},
        [("slice", {"channels": [0, 1]}), ("slice", {"channels": [1, 4]})],
    ),
    "y, z = Split<axis=2>(x, a)": (
        {"a": [5, 7]},
        [("crop", {"amount": [[0, 7], [0, 0]]}), ("crop", {"amount": [[5, 0], [0, 0]]})],
    ),
    "y = Pad(x, a)": ({"a": [0, 0, 1, 2, 0, 0, 3, 2]}, [("pad", {"padding": [[1, 3], [2, 2]]})]),
    "y = Pad(x, a) ": ({"a": [0, 0, -1, -2, 0, 0, -1, -2]}, [("crop", {"amount": [1, 2]})]),
    "y = Resize(x, , , a)": ({"a": [1, 4, 24, 20]}, [("upsample", {"scale_factor": 2})]),
    'y = Resize<mode="linear">(x, , , a)': (
        {"a": [1, 4, 15, 20]},
        [("upsample", {"size": [15, 20], "mode": "bilinear"})],
    ),
    'y = Resize<mode="cubic">(x, , , a)': (
        {"a": [1, 4, 24, 30]},
        [("upsample", {"scale_factor": [2, 3], "mode": "bicubic"})],
    ),
    "y = Reshape(x, a)": ({"a": [0, -1]}, [("flatten", {})]),
    "y = Reshape(x, a) ": ({"a": [0, 8, 6, 10]}, [("reshape", {"shape": [8, 6, 10]})]),
    "y = Reshape(x, a)  ": ({"a": [1, 4, 12, 10]}, []),
    "y = Unsqueeze(x, a)": ({"a": [1]}, [("reshape", {"shape": [1, 4, 12, 10]})]),
}


@pytest.mark.parametrize("node", WITH_INTEGERS)
def test_a_node_that_reads_constants_becomes_layers(node: str, tmp_path: Path) -> None:
    integers, expected = WITH_INTEGERS[node]
    outputs = ["y", "z"] if node.startswith("y, z") else ["y"]
    model = made(f"t = Relu(x)\n{node.strip().replace('(x', '(t')}", X, integers=integers, outputs=outputs)
    graph = imported(tmp_path, model)
    assert [entry(step) for step in graph.steps[1:]] == expected
    assert graph.notes == ()


# -- several nodes that form one layer

CONSTANTS = """
half = Constant<value_float=0.5>()
one = Constant<value_float=1.0>()
three = Constant<value_float=3.0>()
six = Constant<value_float=6.0>()
zero = Constant<value_float=0.0>()
sixth = Constant<value_float=0.16666667>()
root = Constant<value_float=1.4142135>()
half_root = Constant<value_float=0.7071068>()
cube = Constant<value_float=0.044715>()
pi = Constant<value_float=0.7978846>()
x = Neg(input)
"""
WRITTEN_OUT = {
    "silu": "a = Sigmoid(x)\ny = Mul(x, a)",
    "silu ": "a = Sigmoid(x)\ny = Mul(a, x)",
    "mish": "a = Softplus(x)\nb = Tanh(a)\ny = Mul(x, b)",
    "gelu": "a = Div(x, root)\nb = Erf(a)\nc = Add(b, one)\nd = Mul(x, c)\ny = Mul(d, half)",
    "gelu ": "h = Mul(x, half)\na = Div(x, root)\nb = Erf(a)\nc = Add(one, b)\ny = Mul(h, c)",
    "gelu  ": "a = Pow(x, three)\nb = Mul(a, cube)\nc = Add(x, b)\nd = Mul(c, pi)\ne = Tanh(d)\n"
    "f = Add(e, one)\ng = Mul(x, f)\ny = Mul(g, half)",
    "hardswish": "a = Add(x, three)\nb = Clip(a, zero, six)\nc = Mul(x, b)\ny = Div(c, six)",
    "hardswish ": "a = Add(x, three)\nb = Clip(a, zero, six)\nc = Mul(b, sixth)\ny = Mul(x, c)",
    "hardswish  ": "a = HardSigmoid<alpha=0.16666667, beta=0.5>(x)\ny = Mul(x, a)",
    "gelu   ": "a = Mul(x, half_root)\nb = Erf(a)\nc = Add(b, one)\nd = Mul(c, half)\ny = Mul(x, d)",
    "gelu    ": "a = Mul(x, x)\nb = Mul(a, x)\nc = Mul(b, cube)\nd = Add(x, c)\ne = Mul(d, pi)\nf = Tanh(e)\n"
    "g = Add(f, one)\nh = Mul(x, half)\ny = Mul(h, g)",
    "silu  ": "a = Neg(x)\nb = Exp(a)\nc = Add(b, one)\ny = Div(x, c)",
    "mish ": "a = Exp(x)\nb = Add(a, one)\nc = Log(b)\nd = Tanh(c)\ny = Mul(x, d)",
    "softplus": "a = Exp(x)\nb = Add(a, one)\ny = Log(b)",
    "sigmoid": "a = Neg(x)\nb = Exp(a)\nc = Add(b, one)\ny = Reciprocal(c)",
    "sigmoid ": "a = Neg(x)\nb = Exp(a)\nc = Add(b, one)\ny = Div(one, c)",
    "hardswish   ": "a = Add(x, three)\nb = Relu(a)\nc = Min(b, six)\nd = Div(c, six)\ny = Mul(d, x)",
    "hardtanh": "a = Neg(one)\nb = Max(x, a)\ny = Min(b, one)",
    "softsign": "a = Abs(x)\nb = Add(a, one)\ny = Div(x, b)",
    "hardsigmoid": "a = Add(x, three)\nb = Clip(a, zero, six)\ny = Div(b, six)",
    "relu6": "a = Max(x, zero)\ny = Min(a, six)",
    "relu6 ": "y = Clip(x, zero, six)",
    "relu": "y = Max(x, zero)",
}


@pytest.mark.parametrize("kind", WRITTEN_OUT)
def test_a_decomposed_activation_is_recognised_by_what_it_computes(kind: str, tmp_path: Path) -> None:
    graph = imported(tmp_path, made(CONSTANTS + WRITTEN_OUT[kind], {"input": (1, 4, 6, 6)}))
    assert [step.kind for step in graph.steps] == ["opaque", kind.strip()]


@pytest.mark.parametrize(
    "nodes",
    [
        "a = Sigmoid(x)\nb = Mul(x, a)\ny = Add(a, b)",  # the sigmoid is read elsewhere as well
        "a = Mul(x, root)\nb = Sigmoid(a)\ny = Mul(x, b)",  # x × sigmoid(1.4 x) is unsupported
    ],
)
def test_a_similar_expression_is_not_mistaken_for_an_activation(nodes: str, tmp_path: Path) -> None:
    graph = imported(tmp_path, made(CONSTANTS + nodes, {"input": (1, 4, 6, 6)}))
    assert "silu" not in [step.kind for step in graph.steps]
    assert "multiply" in [step.kind for step in graph.steps]


def test_a_gate_becomes_a_product_of_two_layers(tmp_path: Path) -> None:
    nodes = "p = GlobalAveragePool(x)\nc = Conv(p, w)\ns = Sigmoid(c)\ny = Mul(x, s)"
    graph = imported(tmp_path, made(nodes, X, {"w": (4, 4, 1, 1)}))
    assert [step.kind for step in graph.steps] == ["global_avgpool", "conv", "sigmoid", "multiply"]


def test_a_1x1_convolution_is_called_pointwise_next_to_depthwise_ones(tmp_path: Path) -> None:
    weights = {"w": (4, 1, 3, 3), "v": (8, 4, 1, 1)}
    graph = imported(tmp_path, made("a = Conv<group=4>(x, w)\ny = Conv<strides=[2,2]>(a, v)", X, weights))
    assert entry(graph.steps[1]) == ("pointwise_conv", {"out_channels": 8, "stride": 2, "bias": False})


def test_a_separately_added_bias_belongs_to_the_layer(tmp_path: Path) -> None:
    nodes = "a = Conv(x, w)\nb = Add(a, c)\nf = Flatten(b)\ng = MatMul(f, m)\ny = Add(n, g)"
    weights = {"w": (8, 4, 12, 10), "c": (1, 8, 1, 1), "m": (8, 3), "n": (3,)}
    graph = imported(tmp_path, made(nodes, X, weights))
    report = convcalc.summary(plain_spec(graph))
    assert [step.kind for step in graph.steps] == ["conv", "flatten", "linear"]
    assert report.totals.params == 8 * 4 * 120 + 8 + 8 * 3 + 3


def test_a_batch_norm_absorbs_the_following_scale_and_bias(tmp_path: Path) -> None:
    nodes = "a = BatchNormalization(x, s, b, m, v)\nc = Mul(a, f)\ny = Add(c, g)"
    weights = {**dict.fromkeys("sbmv", (4,)), "f": (4, 1, 1), "g": (4, 1, 1)}
    assert [step.kind for step in imported(tmp_path, made(nodes, X, weights)).steps] == ["batchnorm"]


@pytest.mark.parametrize("square", ["p = Pow(d, two)", "p = Mul(d, d)"])
def test_a_decomposed_layer_norm_after_a_transpose_is_over_the_channels(square: str, tmp_path: Path) -> None:
    nodes = f"""
    two = Constant<value_float=2.0>()
    tiny = Constant<value_float=0.000001>()
    t = Transpose<perm=[0,2,3,1]>(x)
    m = ReduceMean<axes=[-1]>(t)
    d = Sub(t, m)
    {square}
    v = ReduceMean<axes=[-1]>(p)
    e = Add(v, tiny)
    r = Sqrt(e)
    q = Div(d, r)
    f = Mul(q, s)
    g = Add(f, b)
    h = MatMul(g, w)
    i = Add(h, c)
    k = Mul(l, i)
    y = Transpose<perm=[0,3,1,2]>(k)
    """
    weights = {"s": (4,), "b": (4,), "w": (4, 6), "c": (6,), "l": (6,)}
    graph = imported(tmp_path, made(nodes, X, weights))
    assert [entry(step) for step in graph.steps] == [
        ("layernorm", {"axes": "channels"}),
        ("pointwise_conv", {"out_channels": 6}),
        ("scale", {}),
    ]
    assert convcalc.summary(plain_spec(graph)).totals.params == 2 * 4 + 4 * 6 + 6 + 6


NORMS = {
    "a division by a root": "r = Sqrt(e)\ny = Div(d, r)",
    "a product with a reciprocal": "r = Sqrt(e)\ni = Reciprocal(r)\ny = Mul(d, i)",
    "a reciprocal first": "r = Sqrt(e)\ni = Reciprocal(r)\ny = Mul(i, d)",
    "a division by a power": "r = Pow(e, half)\ny = Div(d, r)",
    "a negative power": "r = Pow(e, minus)\ny = Mul(d, r)",
    "a quotient of one": "r = Sqrt(e)\ni = Div(one, r)\ny = Mul(d, i)",
    "a cast": "f = Cast<to=1>(e)\nr = Sqrt(f)\ny = Div(d, r)",
}
NORM_BEGINS = """
two = Constant<value_float=2.0>()
one = Constant<value_float=1.0>()
half = Constant<value_float=0.5>()
minus = Constant<value_float=-0.5>()
tiny = Constant<value_float=0.00001>()
m = ReduceMean<axes=[-1]>(x)
d = Sub(x, m)
p = Pow(d, two)
v = ReduceMean<axes=[-1]>(p)
e = Add(v, tiny)
"""


@pytest.mark.parametrize("end", NORMS)
def test_a_layer_norm_is_recognised_by_what_it_computes(end: str, tmp_path: Path) -> None:
    graph = imported(tmp_path, made(f"{NORM_BEGINS.strip()}\n{NORMS[end]}", {"x": (1, 8)}))
    assert [entry(step) for step in graph.steps] == [("layernorm", {"affine": False})]


def test_a_norm_over_the_positions_is_an_instance_norm(tmp_path: Path) -> None:
    nodes = NORM_BEGINS.strip().replace("[-1]", "[2,3]") + "\nr = Sqrt(e)\ny = Div(d, r)"
    assert [entry(step) for step in imported(tmp_path, made(nodes, X)).steps] == [("instancenorm", {})]


@pytest.mark.parametrize(
    "end",
    [
        "y = Div(d, e)",  # by the variance
        "r = Sqrt(e)\ny = Mul(d, r)",
        "r = Sqrt(e)\ns = Mul(r, two)\ny = Div(d, s)",
        "r = Sqrt(e)\ny = Div(d, r)\nz = Relu(r)",  # the deviation is read elsewhere as well
        "r = Sqrt(p)\ny = Div(d, r)",
    ],
)
def test_a_similar_expression_is_not_mistaken_for_a_layer_norm(end: str, tmp_path: Path) -> None:
    outputs = ["y", "z"] if "z = " in end else ["y"]
    graph = imported(tmp_path, made(f"{NORM_BEGINS.strip()}\n{end}", {"x": (1, 8)}, outputs=outputs))
    assert "layernorm" not in [step.kind for step in graph.steps]


def test_a_group_norm_is_recognised_by_the_norm_of_its_groups(tmp_path: Path) -> None:
    """TensorFlow writes it without an operator for norms."""
    nodes = f"""
    {NORM_BEGINS.strip().replace("x)", "g)").replace("[-1]", "[2,3,4]").replace("(x,", "(g,")}
    r = Sqrt(e)
    n = Div(d, r)
    b = Reshape(n, back)
    c = Mul(b, s)
    y = Add(c, t)
    """
    nodes = "\n".join(["g = Reshape(x, to)", *(line.strip() for line in nodes.strip().splitlines())])
    weights = {"s": (4, 1, 1), "t": (4, 1, 1)}
    model = made(nodes, X, weights, integers={"to": [1, 2, 2, 12, 10], "back": [1, 4, 12, 10]})
    assert [entry(step) for step in imported(tmp_path, model).steps] == [("groupnorm", {"num_groups": 2})]


SHUFFLES = {
    "channel_shuffle": ([0, 2, 2, 12, 10], [0, 2, 1, 3, 4], [0, 4, 12, 10], {"groups": 2}),
    "pixel_shuffle": ([0, 1, 2, 2, 12, 10], [0, 1, 4, 2, 5, 3], [0, 1, 24, 20], {"upscale_factor": 2}),
    "pixel_unshuffle": ([0, 4, 6, 2, 5, 2], [0, 1, 3, 5, 2, 4], [0, 16, 6, 5], {"downscale_factor": 2}),
}


@pytest.mark.parametrize("kind", SHUFFLES)
def test_a_shuffle_is_recognised_by_its_reshapes(kind: str, tmp_path: Path) -> None:
    before, order, after, arguments = SHUFFLES[kind]
    nodes = f"a = Reshape(x, p)\nb = Transpose<perm={order}>(a)\ny = Reshape(b, q)"
    graph = imported(tmp_path, made(nodes, X, integers={"p": before, "q": after}))
    assert [entry(step) for step in graph.steps] == [(kind, arguments)]


FOCUS = """
a = Slice(x, zero, end, rows, two)
b = Slice(x, one, end, rows, two)
c = Slice(a, zero, end, columns, two)
d = Slice(b, zero, end, columns, two)
e = Slice(a, one, end, columns, two)
f = Slice(b, one, end, columns, two)
"""
STEPS = {"zero": [0], "one": [1], "two": [2], "end": [2**31], "rows": [2], "columns": [-1]}


def test_slices_of_every_second_position_are_a_pixel_unshuffle(tmp_path: Path) -> None:
    graph = imported(tmp_path, made(f"{FOCUS.strip()}\ny = Concat<axis=1>(c, d, e, f)", X, integers=STEPS))
    assert [entry(step) for step in graph.steps] == [("pixel_unshuffle", {"downscale_factor": 2})]


@pytest.mark.parametrize(
    ("joined", "inputs"),
    [
        ("y = Concat<axis=1>(c, d, e, e)", X),  # one part twice
        ("y = Concat<axis=1>(c, d, e)", X),
        ("y = Concat<axis=2>(c, d, e, f)", X),
        ("y = Concat<axis=1>(c, d, e, f)\nz = Relu(c)", X),  # a part is read elsewhere as well
        ("y = Concat<axis=1>(a, b)", X),
    ],
)
def test_other_slices_are_not_mistaken_for_a_pixel_unshuffle(joined: str, inputs: Any, tmp_path: Path) -> None:
    outputs = ["y", "z"] if "z = " in joined else ["y"]
    graph = imported(tmp_path, made(f"{FOCUS.strip()}\n{joined}", inputs, integers=STEPS, outputs=outputs))
    assert "pixel_unshuffle" not in [step.kind for step in graph.steps]


def test_a_group_norm_is_recognised_by_its_reshapes(tmp_path: Path) -> None:
    nodes = """
    one = Constant<value_floats=[1.0, 1.0]>()
    zero = Constant<value_floats=[0.0, 0.0]>()
    a = Reshape(x, p)
    b = InstanceNormalization(a, one, zero)
    c = Reshape(b, q)
    d = Mul(c, s)
    y = Add(d, t)
    """
    weights = {"s": (4, 1, 1), "t": (4, 1, 1)}
    graph = imported(tmp_path, made(nodes, X, weights, integers={"p": [0, 2, -1], "q": [0, 4, 12, 10]}))
    assert [entry(step) for step in graph.steps] == [("groupnorm", {"num_groups": 2})]


def test_a_shape_calculated_by_nodes_is_known(tmp_path: Path) -> None:
    nodes = """
    s = Shape(x)
    n = Gather(s, first)
    u = Unsqueeze(n, zero)
    t = Concat<axis=0>(u, rest)
    f = Reshape(x, t)
    y = Gemm(f, w)
    """
    integers = {"zero": [0], "rest": [-1]}
    model = made(nodes, {"x": ("batch", 4, 12, 10)}, {"w": (480, 10)}, integers=integers)
    import onnx

    model.graph.initializer.append(onnx.helper.make_tensor("first", onnx.TensorProto.INT64, [], [0]))
    graph = imported(tmp_path, model)
    assert [step.kind for step in graph.steps] == ["flatten", "linear"]


# -- inputs, weights and names


def test_an_input_with_channels_last_is_imported_with_channels_first(tmp_path: Path) -> None:
    nodes = "a = Transpose<perm=[0,3,1,2]>(x)\nb = Conv(a, w)\ny = Transpose<perm=[0,2,3,1]>(b)"
    graph = imported(tmp_path, made(nodes, {"x": (1, 20, 30, 3)}, {"w": (8, 3, 3, 3)}))
    assert graph.inputs == {"x": (3, 20, 30)}
    assert [step.kind for step in graph.steps] == ["conv"]


def test_a_given_shape_replaces_the_open_sizes_of_the_file(tmp_path: Path) -> None:
    model = made("y = Conv(x, w)", {"x": ("batch", 3, "height", "width")}, {"w": (8, 3, 3, 3)})
    assert imported(tmp_path, model, inputs={None: (3, 20, 30)}).inputs == {"x": (3, 20, 30)}
    assert imported(tmp_path, model, inputs={"x": (3, 8, 8)}).inputs == {"x": (3, 8, 8)}
    with pytest.raises(NotImported, match=r"batch × 3 × height × width.*--input x=3,H,W"):
        imported(tmp_path, model)
    with pytest.raises(NotImported, match="--input needs the name of an input; available: x"):
        imported(tmp_path, model, inputs={"z": (3, 8, 8)})


def test_weights_used_twice_are_shared_and_count_once(tmp_path: Path) -> None:
    nodes = "a = Conv<pads=[1,1,1,1]>(x, w, b)\ny = Conv<pads=[1,1,1,1]>(a, w, b)"
    graph = imported(tmp_path, made(nodes, X, {"w": (4, 4, 3, 3), "b": (4,)}))
    assert graph.steps[1].share == graph.steps[0].name
    assert convcalc.summary(plain_spec(graph)).totals.params == 4 * 4 * 9 + 4


def test_weights_used_in_two_ways_are_opaque_and_count_once(tmp_path: Path) -> None:
    nodes = "a = Conv<pads=[1,1,1,1]>(x, w)\ny = Conv<pads=[2,2,2,2], dilations=[2,2]>(a, w)"
    graph = imported(tmp_path, made(nodes, X, {"w": (4, 4, 3, 3)}))
    assert [step.kind for step in graph.steps] == ["conv", "opaque"]
    assert convcalc.summary(plain_spec(graph)).totals.params == 4 * 4 * 9


def test_equal_constants_deduplicated_by_an_exporter_are_not_shared(tmp_path: Path) -> None:
    nodes = "a = BatchNormalization(x, one, zero, zero, one)\ny = BatchNormalization(a, one, zero, zero, one)"
    graph = imported(tmp_path, made(nodes, X, {"one": (4,), "zero": (4,)}))
    assert [step.share for step in graph.steps] == [None, None]
    assert convcalc.summary(plain_spec(graph)).totals.params == 2 * 2 * 4


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("/features/features.3/features.3.1/conv/Conv", "features.3.1.conv"),
        ("/conv1/Conv", "conv1"),
        ("stem/conv", "stem/conv"),
        ("Conv_12", "conv1"),
        ("", "conv1"),
    ],
)
def test_a_layer_is_named_after_its_module(node: str, expected: str, tmp_path: Path) -> None:
    model = made("y = Conv(x, w)", X, {"w": (8, 4, 3, 3)})
    model.graph.node[0].name = node
    assert [step.name for step in imported(tmp_path, model).steps] == [expected]


def test_a_layer_is_preferably_named_after_its_weights(tmp_path: Path) -> None:
    model = made("y = Conv(x, layer1_0_conv1_weight)", X, {"layer1_0_conv1_weight": (8, 4, 3, 3)})
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "layer1.0.conv1.weight"
    assert [step.name for step in imported(tmp_path, model).steps] == ["layer1.0.conv1"]


# -- unsupported operators


@pytest.mark.parametrize(
    ("nodes", "note", "macs", "complete"),
    [
        ("y = Exp(x)", "Exp 'Exp_0': unsupported operator", 0, True),
        (
            'p = Constant<value_ints=[0,0,1,1,0,0,1,1]>()\ny = Pad<mode="mirror">(x, p)',
            "it pads with mode mirror",
            0,
            False,
        ),
        ("y = Softmax<axis=2>(x)", "over axis 2", 0, False),
        ("y = Concat<axis=0>(x, x)", "along the batch", 0, False),
        ("y = MatMul(x, x2)", "it multiplies tensors that are not sequences", 4 * 12 * 3 * 10, False),
        ("y = MaxPool<kernel_shape=[2,2], pads=[2,2,2,2]>(x)", "padding 2 exceeds half the kernel size", 0, False),
        (
            "y = MaxPool<kernel_shape=[1,1], strides=[5,5], ceil_mode=1>(x)",
            "its output has shape [1, 4, 4, 3], but maxpool",
            0,
            False,
        ),
    ],
)
def test_an_unsupported_operator_is_reported_and_keeps_its_shape_and_cost(
    nodes: str, note: str, macs: int, complete: bool, tmp_path: Path
) -> None:
    inputs = {**X, "x2": (1, 4, 10, 3)} if "x2" in nodes else X
    outputs = ["y", "z"] if "z = " in nodes else ["y"]
    model = made(nodes, inputs, {"w": (4, 4, 1, 1)}, outputs=outputs)
    graph = imported(tmp_path, model)
    report = convcalc.summary(plain_spec(graph))
    assert len(graph.notes) == 1
    assert note in graph.notes[0]
    assert [step.kind for step in graph.steps].count("opaque") == 1
    assert report.complete == complete
    assert report.totals.macs == macs


def test_an_operator_that_onnx_does_not_define_is_of_unknown_cost(tmp_path: Path) -> None:
    model = made("y = Exp(x)", X)
    model.graph.node[0].domain = "com.example"
    model.opset_import.add(domain="com.example", version=1)
    model.graph.output[0].type.tensor_type.shape.CopyFrom(model.graph.input[0].type.tensor_type.shape)
    report = convcalc.summary(plain_spec(imported(tmp_path, model)))
    assert not report.complete
    assert report.totals.macs is None


def test_the_params_of_an_unsupported_operator_count(tmp_path: Path) -> None:
    graph = imported(tmp_path, made("y = Sub(p, x)", X, {"p": (4, 12, 10)}))
    cost = {"multiplications": 0, "additions": 480, "macs": 0, "receptive_field": "same"}
    assert entry(graph.steps[0]) == ("opaque", {"output_shape": [4, 12, 10], "params": 480, **cost, "what": "Sub"})


def test_a_learnt_tensor_that_is_added_is_a_parameter(tmp_path: Path) -> None:
    graph = imported(tmp_path, made("y = Add(x, p)", X, {"p": (4, 12, 10)}))
    assert [entry(step) for step in graph.steps] == [("parameter", {"shape": [4, 12, 10]}), ("add", {})]
    assert graph.steps[1].reads == ("x", graph.steps[0].name)


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        ("y = Concat<axis=2>(x, x)", [("concat", {"axis": "height"})]),
        ("y = Softmax<axis=3>(x)", [("permute", {"order": ["width", "channels", "height"]}), ("softmax", {})]),
        (
            "t = Transpose<perm=[0,1,3,2]>(x)\ny = GlobalAveragePool(t)\nz = Conv(t, w)",
            [
                ("global_avgpool", {}),
                ("permute", {"order": ["channels", "width", "height"]}),
                ("conv", {"out_channels": 4, "kernel_size": 1, "bias": False}),
            ],
        ),
    ],
)
def test_axes_are_named_or_permuted(nodes: str, layers: Any, tmp_path: Path) -> None:
    outputs = ["y", "z"] if "z = " in nodes else ["y"]
    graph = imported(tmp_path, made(nodes, X, {"w": (4, 4, 1, 1)}, outputs=outputs))
    assert [entry(step) for step in graph.steps] == layers
    assert graph.notes == ()


def test_fused_operators_are_no_longer_reported_as_unsupported(tmp_path: Path) -> None:
    graph = imported(tmp_path, made("a = Exp(x)\ny = Conv(a, w)", X, {"w": (8, 4, 3, 3)}))
    assert [step.kind for step in graph.steps] == ["opaque", "conv"]


def test_a_branch_that_is_selected_at_runtime_is_unsupported(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    inner = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["r"])], "inner", [], [helper.make_tensor_value_info("r", 1, [1, 4, 12, 10])]
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    model = made("u = Relu(x)", X, outputs=["y"])
    model.graph.node.append(node)
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, [1, 1]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, [1, 4, 12, 10]))
    onnx.checker.check_model(model)
    graph = imported(tmp_path, model)
    assert [step.kind for step in graph.steps] == ["relu", "opaque"]
    assert graph.steps[1].reads == ("c", "x")


# -- arithmetic compared with the package's own inference


def each(axes: int, low: int, high: int) -> st.SearchStrategy[list[int]]:
    """One number per axis."""
    return st.lists(st.integers(low, high), min_size=axes, max_size=axes)


@settings(max_examples=150)
@given(data=st.data(), axes=st.integers(1, 3))
def test_windows_have_the_sizes_that_onnx_infers(data: st.DataObject, axes: int, tmp_path_factory: Any) -> None:
    kernel, stride, dilation = (data.draw(each(axes, 1, most)) for most in (4, 3, 2))
    spatial = data.draw(each(axes, 10, 19))
    operator = data.draw(st.sampled_from(["Conv", "ConvTranspose", "MaxPool"]))
    automatic = data.draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if operator == "MaxPool" and automatic == "SAME_LOWER":
        dilation = [1] * axes  # convcalc's pooling has no explicit padding of more than half its window
    pads = f", pads={[size // 2 for size in kernel * 2]}" if automatic == "NOTSET" else ""
    window = f'kernel_shape={kernel}, strides={stride}, dilations={dilation}, auto_pad="{automatic}"{pads}'
    node = f"y = {operator}<{window}>({'x' if operator == 'MaxPool' else 'x, w'})"
    model = made(node, {"x": (1, 2, *spatial)}, {} if operator == "MaxPool" else {"w": (2, 2, *kernel)})
    graph = imported(tmp_path_factory.mktemp("made"), model)
    assert graph.notes == ()


def test_parts_of_a_tensor_are_separate_weights(tmp_path: Path) -> None:
    nodes = "w, v = Split<axis=0>(p, parts)\na = Conv(x, w)\nb = Conv(x, v)\ny = Add(a, b)"
    graph = imported(tmp_path, made(nodes, X, {"p": (16, 4, 3, 3)}, integers={"parts": [8, 8]}))
    assert [step.share for step in graph.steps] == [None, None, None]
    assert convcalc.summary(plain_spec(graph)).totals.params == 16 * 4 * 9


def test_weights_used_again_with_another_bias_count_once(tmp_path: Path) -> None:
    nodes = "a = Conv(x, w, b)\nc = Conv(x, w, d)\ny = Add(a, c)"
    graph = imported(tmp_path, made(nodes, X, {"w": (8, 4, 3, 3), "b": (8,), "d": (8,)}))
    totals = convcalc.summary(plain_spec(graph)).totals
    assert (totals.params, totals.macs) == (8 * 4 * 9 + 8 + 8, 2 * 8 * 4 * 9 * 10 * 8)
    assert len(graph.notes) == 1


def test_a_batch_norm_keeps_its_own_scale_besides_a_following_one(tmp_path: Path) -> None:
    import numpy
    from onnx import numpy_helper

    nodes = "a = BatchNormalization(x, s, b, m, v)\nc = Mul(a, f)\ny = Add(c, g)"
    model = made(nodes, X, {**dict.fromkeys("bmv", (4,)), "f": (4, 1, 1), "g": (4, 1, 1)})
    model.graph.initializer.append(numpy_helper.from_array(numpy.array([0.5, 1, 2, 3], "float32"), "s"))
    assert convcalc.summary(plain_spec(imported(tmp_path, model))).totals.params == 4 * 4


def test_the_cost_of_resizing_with_antialias_is_unknown(tmp_path: Path) -> None:
    nodes = 'y = Resize<mode="linear", antialias=1>(x, , , sizes)'
    for sizes, kind in (([1, 4, 6, 5], "opaque"), ([1, 4, 24, 20], "upsample")):
        graph = imported(tmp_path, made(nodes, X, integers={"sizes": sizes}, version=18))
        assert [step.kind for step in graph.steps] == [kind]


def test_a_constant_shared_with_the_scale_of_a_norm_is_a_scale_layer(tmp_path: Path) -> None:
    nodes = "a = LayerNormalization<axis=-1>(x, g, b)\ny = Mul(a, g)"
    graph = imported(tmp_path, made(nodes, {"x": (1, 8)}, {"g": (8,), "b": (8,)}))
    assert [step.kind for step in graph.steps] == ["layernorm", "scale"]


def test_an_lp_pooling_with_p_other_than_2_is_unsupported(tmp_path: Path) -> None:
    for norm, kind in ((1, "opaque"), (2, "lppool")):
        graph = imported(tmp_path, made(f"y = LpPool<kernel_shape=[2, 2], p={norm}>(x)", X))
        assert [step.kind for step in graph.steps] == [kind]


@pytest.mark.parametrize(
    ("number", "operator", "expected"),
    [
        (0.1, "Mul", [("scale", {"factor": 0.1})]),
        (-3.0, "Add", [("shift", {"amount": -3.0})]),
        (float("nan"), "Mul", [("opaque", None)]),
        (float("inf"), "Add", [("opaque", None)]),
    ],
)
def test_a_number_is_multiplied_or_added(number: float, operator: str, expected: Any, tmp_path: Path) -> None:
    import onnx

    model = made(f"t = Relu(x)\ny = {operator}(t, c)", X)
    value = onnx.helper.make_tensor("value", 1, [], [number])
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], value=value))
    [_, step] = imported(tmp_path, model).steps
    assert [(step.kind, None if step.kind == "opaque" else dict(step.arguments))] == expected
