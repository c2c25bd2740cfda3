"""Inputs of ONNX files that are not a batch of images, and branches that their sizes decide."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert.graph import NotImported, plain_spec
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network
from tests.support.onnx_models import imported, made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
numpy: Any = pytest.importorskip("numpy", reason="numpy is installed with onnx")

CONV = "y = Conv(x, w)"
WEIGHTS = {"w": (8, 3, 3, 3)}
MACS = 8 * 10 * 10 * 27


def with_batch(size: int) -> Any:
    model = made(CONV, {"x": (1, 3, 12, 12)}, WEIGHTS)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    return model


@pytest.mark.parametrize("size", [-1, 0, 1, 4])
def test_an_unknown_batch_may_be_written_as_a_number(size: int, tmp_path: Path) -> None:
    for given in ({}, {"x": (3, 12, 12)}):
        graph = imported(tmp_path, with_batch(size), inputs=given)
        assert graph.inputs == {"x": (3, 12, 12)}
        assert convcalc.summary(plain_spec(graph)).totals.macs == MACS


@pytest.mark.parametrize(
    ("sizes", "weights", "form", "given"),
    [
        (("n", 3, "h", "w"), (8, 3, 3, 3), "x=3,H,W", (3, 20, 20)),
        (("n", 1, 32, "w"), (8, 1, 3, 3), "x=1,32,W", (1, 32, 20)),
        (("n", 1, 64, -1), (8, 1, 3, 3), "x=1,64,W", (1, 64, 20)),
        (("n", 40, "length"), (8, 40, 3), "x=40,L", (40, 20)),
        (("n", 2, "d", 32, 32), (8, 2, 3, 3, 3), "x=2,D,32,32", (2, 8, 32, 32)),
    ],
)
def test_the_advice_has_the_sizes_of_the_file(sizes: Any, weights: Any, form: str, given: Any, tmp_path: Path) -> None:
    model = made(CONV, {"x": [1 if size == -1 else size for size in sizes]}, {"w": weights})
    if -1 in sizes:
        model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = -1
    with pytest.raises(NotImported, match=f"--input {form}$"):
        imported(tmp_path, model)
    assert imported(tmp_path, model, inputs={"x": given}).notes == ()


def streaming(batch: int, batch_first: bool) -> Any:
    """An LSTM with its state as inputs and outputs, as streaming models have it."""
    sizes = (batch, 5, 16) if batch_first else (5, batch, 16)
    moved = "t = Transpose<perm=[1,0,2]>(x)" if batch_first else "t = Identity(x)"
    nodes = f"{moved}\ny, hn, cn = LSTM<hidden_size=32>(t, w, r, b, , h, c)"
    weights = {"w": (1, 128, 16), "r": (1, 128, 32), "b": (1, 256)}
    return made(nodes, {"x": sizes, "h": (1, batch, 32), "c": (1, batch, 32)}, weights, outputs=["y", "hn", "cn"])


STATE = "c = Conv(x, w)\nr = Relu(state)\ny = Identity(c)\nz = Identity(r)"


def test_a_state_has_the_batch_that_the_other_inputs_have(tmp_path: Path) -> None:
    model = made(STATE, {"x": ("batch", 3, 12, 12), "state": (2, "batch", 128)}, WEIGHTS, outputs=["y", "z"])
    assert imported(tmp_path, model).inputs == {"x": (3, 12, 12), "state": (2, 1, 128)}


def test_a_state_with_an_open_size_is_given_whole(tmp_path: Path) -> None:
    model = made(STATE, {"x": ("batch", 3, 12, 12), "state": (2, "other", 128)}, WEIGHTS, outputs=["y", "z"])
    with pytest.raises(NotImported, match=r"2 × other × 128\): give all of its sizes: --input state=2,H,128$"):
        imported(tmp_path, model)
    graph = imported(tmp_path, model, inputs={"state": (2, 1, 128)})
    assert graph.inputs == {"x": (3, 12, 12), "state": (2, 1, 128)}


def test_a_branch_that_values_decide_is_refused_with_the_reason(tmp_path: Path) -> None:
    model = made(
        "s = ReduceSum<keepdims=0>(x)\nd = Cast<to=9>(s)\n"
        "y = If(d) <then_branch = g () => (float[N] t) { t = Relu(x) }, else_branch = h () => (float[N] e)"
        " { e = Flatten(x) }>",
        {"x": (1, 3, 12, 12)},
    )
    with pytest.raises(NotImported, match=r"the values of the inputs decide which branch runs$"):
        imported(tmp_path, model)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 8), (8_000, 4)])
def test_the_value_of_a_number_decides_which_branch_is_read(rate: int, channels: int, tmp_path: Path) -> None:
    model = made(
        "d = Equal(sr, k)\ny = If(d) <then_branch = g () => (float[N] t) { t = Conv(x, w) },"
        " else_branch = h () => (float[N] e) { e = Conv(x, v) }>",
        {"x": (1, 3, 12, 12), "sr": ()},
        {"w": (8, 3, 3, 3), "v": (4, 3, 3, 3)},
    )
    model.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.INT64
    model.graph.initializer.append(onnx.helper.make_tensor("k", onnx.TensorProto.INT64, (), [16_000]))
    with pytest.raises(NotImported, match=r"which branch runs; give the value of sr, such as --input sr=1$"):
        imported(tmp_path, model)
    graph = imported(tmp_path, model, inputs={"sr": (rate,)})
    assert graph.inputs == {"x": (3, 12, 12)}
    assert convcalc.summary(plain_spec(graph)).totals.macs == channels * 10 * 10 * 27


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_state_is_an_input(batch: int, batch_first: bool, tmp_path: Path) -> None:
    report = convcalc.summary(plain_spec(imported(tmp_path, streaming(batch, batch_first))))
    assert report.totals.params == 128 * 48 + 256
    assert report.totals.macs == 5 * batch * 128 * 48


def test_a_number_is_an_input(tmp_path: Path) -> None:
    model = made("a = Conv(x, w)\ny = Mul(a, rate)", {"x": (1, 3, 12, 12), "rate": ()}, WEIGHTS)
    graph = imported(tmp_path, model)
    assert graph.inputs == {"x": (3, 12, 12), "rate": (1,)}
    assert convcalc.summary(plain_spec(graph)).totals.macs == MACS


def test_a_time_step_per_sample_is_an_input(tmp_path: Path) -> None:
    nodes = "u = Unsqueeze(t, one)\nl = MatMul(u, v)\nm = Unsqueeze(l, places)\na = Conv(x, w)\ny = Add(a, m)"
    inputs = {"x": (1, 3, 12, 12), "t": (1,)}
    weights = {**WEIGHTS, "v": (1, 8)}
    graph = imported(tmp_path, made(nodes, inputs, weights, integers={"one": [1], "places": [2, 3]}))
    assert graph.inputs["t"] == (1,)
    assert convcalc.summary(plain_spec(graph)).totals.macs == MACS + 8


def test_integers_are_an_input(tmp_path: Path) -> None:
    nodes = "e = Gather(table, x)\nt = Transpose<perm=[0,2,1]>(e)\ny = Conv(t, w)"
    model = made(nodes, {"x": ("n", 12)}, {"table": (100, 16), "w": (8, 16, 3)})
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    totals = convcalc.summary(plain_spec(imported(tmp_path, model))).totals
    assert (totals.params, totals.macs) == (1600 + 8 * 48, 8 * 10 * 48)


@pytest.mark.parametrize("sizes", [(16,), (), (1, 0, 3)])
def test_an_only_input_without_samples_is_refused(sizes: Sequence[int], tmp_path: Path) -> None:
    with pytest.raises(NotImported):
        imported(tmp_path, made("y = Relu(x)", {"x": sizes}))


# -- branches


def graph_of(lines: str, output: str, *held: Any) -> Any:
    """A subgraph, as the branch of an If."""
    nodes = [onnx.parser.parse_node(line) for line in lines.splitlines()]
    return onnx.helper.make_graph(nodes, "branch", [], [onnx.helper.make_tensor_value_info(output, 1, None)], held)


def with_if(then: Any, other: Any, after: str = "y = Relu(s)", size: int = 1) -> Any:
    """A network that squeezes an axis if its size is 1, as torch.onnx.export writes squeeze()."""
    before = "a = Conv(x, w)\nn = Shape(a)\nd = Gather(n, place)\nc = Equal(d, one)\n"
    model = made(f"{before}{after}", {"x": (1, 3, 2 + size, 12)}, WEIGHTS)
    for name, value in (("place", 2), ("one", 1), ("axes", [2])):
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.array(value), name))
    chosen = onnx.helper.make_node("If", ["c"], ["s"], then_branch=then, else_branch=other)
    model.graph.node.insert(4, chosen)
    return model


@pytest.mark.parametrize(("size", "shape"), [(1, (8, 10)), (2, (8, 2, 10))])
def test_a_branch_that_a_size_decides_is_inlined(size: int, shape: Any, tmp_path: Path) -> None:
    model = with_if(graph_of("q = Squeeze(a, axes)", "q"), graph_of("q = Identity(a)", "q"), size=size)
    graph = imported(tmp_path, model)
    layers = [node.layer for node in read_network(Document(plain_spec(graph))).nodes]
    assert "opaque" not in [layer.kind for layer in layers]
    assert layers[-1].output.sizes == shape


def test_the_tensors_of_a_branch_do_not_collide_with_others(tmp_path: Path) -> None:
    """The names n and w exist outside the branch as well, and a branch inside the branch reads them."""
    weights = onnx.numpy_helper.from_array(numpy.ones((4, 8, 1, 1), "float32"), "v")
    inner = onnx.helper.make_node(
        "If", ["c"], ["k"], then_branch=graph_of("z = Conv(m, v)", "z"), else_branch=graph_of("z = Relu(m)", "z")
    )
    then = graph_of("m = Relu(a)\nq = Sigmoid(k)", "q", weights)
    then.node.insert(1, inner)
    model = with_if(then, graph_of("q = Relu(a)", "q"), "m = Tanh(s)\ny = Exp(m)")
    graph = imported(tmp_path, model)
    assert [step.kind for step in graph.steps] == ["conv", "relu", "conv", "sigmoid", "tanh", "opaque"]
    assert graph.steps[2].arguments["out_channels"] == 4


def test_a_branch_may_return_a_tensor_from_outside(tmp_path: Path) -> None:
    empty = graph_of("q = Relu(a)", "a")
    graph = imported(tmp_path, with_if(empty, empty))
    assert [step.kind for step in graph.steps][0::2] == ["conv", "relu"]
    as_output = with_if(empty, empty, "t = Relu(s)")
    as_output.graph.output[0].name = "s"
    found = imported(tmp_path, as_output)
    assert [step.kind for step in found.steps if step.name in found.outputs] in (["conv"], ["identity"])
