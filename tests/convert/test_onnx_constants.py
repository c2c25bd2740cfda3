"""Constants that an ONNX graph computes are evaluated, within limits that a file cannot raise."""

import contextlib
import tracemalloc
from typing import Any

import pytest

from convcalc.convert.graph import NotImported
from convcalc.convert.onnx_graph import constants
from convcalc.convert.onnx_graph.constants import MOST_ELEMENTS
from convcalc.convert.onnx_graph.program import read_program
from tests.support.onnx_models import made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
numpy: Any = pytest.importorskip("numpy", reason="numpy is installed with onnx")

X = {"x": (2, 3, 4, 5)}


def contents(nodes: str, name: str = "c", *, version: int = 17, **arrays: Any) -> Any:
    """The contents of a constant that the nodes of a model compute; None if they are not known."""
    model = made(f"{nodes}\ny = Relu(x)", X, version=version)
    for key, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.asarray(array), key))
    found = read_program(model, {}).values[name].contents
    return None if found is None else found.tolist()


@pytest.mark.parametrize(
    ("nodes", "version", "expected"),
    [
        ("c = Shape(x)", 17, [2, 3, 4, 5]),
        ("c = Shape<start=1, end=-1>(x)", 17, [3, 4]),
        ("c = Size(x)", 17, 120),
        ("s = Shape(x)\nc = Gather(s, two)", 17, 4),
        ("s = Shape(x)\nd = Gather(s, two)\nc = Div(d, three)", 17, 1),
        ("s = Shape(x)\nd = Slice(s, list, ends)\nc = ReduceProd<keepdims=0>(d)", 17, 12),
        ("s = Shape(x)\nu = Unsqueeze<axes=[0]>(s)\nc = Squeeze<axes=[0]>(u)", 11, [2, 3, 4, 5]),
        ("s = Shape(x)\nc = Slice<starts=[1], ends=[3]>(s)", 9, [3, 4]),
        ("s = Shape(x)\nc, d = Split<axis=0, split=[1, 3]>(s)", 11, [2]),
        ("c = Range(two, six, two)", 17, [2, 4]),
        ("f = Cast<to=1>(six)\ng = Div(f, f)\nc = Cast<to=7>(g)", 17, 1),
        ("s = Shape(x)\nm = Neg(s)\na = Abs(m)\nc = Equal(s, a)", 17, [True] * 4),
        ("f = ConstantOfShape<value=int64[1]{7}>(ends)\nc = Transpose(f)", 17, [7, 7, 7]),
        ("s = Shape(x)\nc = ReduceMax<keepdims=0>(s)", 17, 5),
        ("s = Shape(x)\ng = Greater(s, three)\nc = NonZero(g)", 17, [[2, 3]]),
    ],
)
def test_arithmetic_on_shapes_is_evaluated(nodes: str, version: int, expected: Any) -> None:
    arrays = {"two": numpy.int64(2), "three": numpy.int64(3), "six": numpy.int64(6)}
    arrays |= {"list": numpy.array([1]), "ends": numpy.array([3])}
    assert contents(nodes, version=version, **arrays) == expected


@pytest.mark.parametrize(
    "node",
    [
        "c = Div(one, zero)",
        "c = Mod(one, zero)",
        "c = Cast<to=8>(one)",
        "c = Gather(one, far)",
        "c = Reshape(one, far)",
        "c = Log(minus)",
        "c = Pow(zero, minus)",
    ],
)
def test_an_error_of_the_evaluation_does_not_escape(node: str) -> None:
    arrays = {"one": numpy.array([1]), "zero": numpy.array([0]), "far": numpy.array([77])}
    with contextlib.suppress(NotImported):
        contents(node, minus=numpy.array([-1.0], "float32"), **arrays)


def test_a_constant_is_evaluated_up_to_a_number_of_elements() -> None:
    for size, known in ((MOST_ELEMENTS, True), (MOST_ELEMENTS + 1, False)):
        found = contents("c = Range(zero, size, one)", zero=numpy.int64(0), one=numpy.int64(1), size=numpy.int64(size))
        assert (found is not None) == known
        assert not known or found == list(range(size))


def test_a_declared_shape_is_not_trusted_in_evaluating() -> None:
    """Without the size of a part, onnx infers nothing; the file then declares a small shape for a large result."""
    nodes = "c = Expand(a, b)\nd = Mul(a, a)"
    model = made(f"{nodes}\ny = Relu(x)", X)
    model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.ones((4000, 1), "float32"), "a"))
    large = onnx.helper.make_tensor("b", onnx.TensorProto.INT64, [2], [4000, 10**6])
    model.graph.initializer.append(large)
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [2, 2]))
    tracemalloc.start()
    program = read_program(model, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert program.values["c"].contents is None
    assert peak < 50 * 2**20


def test_range_of_a_type_that_onnx_does_not_infer_is_not_evaluated() -> None:
    model = made("c = Range(a, b, d)\ny = Relu(x)", X)
    for name, value in (("a", 0), ("b", 30_000), ("d", 1)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.int16(value), name))
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("c", onnx.TensorProto.INT16, [2]))
    assert read_program(model, {}).values["c"].contents is None


def test_a_number_of_nodes_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "MOST_EVALUATIONS", 2)
    nodes = "a = Shape(x)\nb = Neg(a)\nc = Neg(b)\nd = Neg(c)"
    assert contents(nodes, "c") == [2, 3, 4, 5]
    assert contents(nodes, "d") is None
