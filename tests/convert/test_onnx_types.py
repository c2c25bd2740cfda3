"""The data types and shapes declared in an ONNX file, compared with sizes in bytes counted by hand."""

import io
from math import prod
from pathlib import Path
from typing import Any

import numpy
import pytest

import convcalc
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.graph import plain_spec
from tests.support.onnx_models import imported, made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

X = {"x": (1, 4, 12, 10)}
WEIGHTS = {"w": (8, 4, 3, 3), "b": (8,), "m": (8, 5)}
NODES = "a = Conv<pads=[1,1,1,1]>(x, w, b)\nr = Relu(a)\np = GlobalAveragePool(r)\nf = Flatten(p)\ny = MatMul(f, m)"
OUTPUTS = 2 * 8 * 12 * 10 + 8 + 8 + 5
LEARNT = sum(map(prod, WEIGHTS.values()))


def typed(kind: str, nodes: str = NODES) -> Any:
    """A model whose inputs, weights and outputs all have one data type."""
    number = getattr(onnx.TensorProto, kind)
    model = made(nodes, X, WEIGHTS, version=22)
    for tensor in model.graph.initializer:
        tensor.data_type = number
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = number
    return model


def report_of(graph: Any) -> convcalc.Report:
    """The report of the written spec, which equals that of the graph itself."""
    report = convcalc.summary(io.StringIO(spec_text(graph)))
    assert report.totals_dict() == convcalc.summary(plain_spec(graph)).totals_dict()
    return report


@pytest.mark.parametrize(
    ("kind", "size", "line"),
    [
        ("FLOAT", 4, None),
        ("FLOAT16", 2, "dtype: float16"),
        ("BFLOAT16", 2, "dtype: bfloat16"),
        ("DOUBLE", 8, "dtype: float64"),
    ],
)
def test_the_data_type_of_a_file_is_imported(kind: str, size: int, line: str | None, tmp_path: Path) -> None:
    """Reported: fp16 files were reported with 288,936 B of weights instead of 144,468 B."""
    model = typed(kind)
    graph = imported(tmp_path, model)
    totals = report_of(graph).totals
    assert graph.notes == ()
    assert (totals.weight_memory, totals.activation_memory) == (size * LEARNT, size * OUTPUTS)
    assert [found for found in spec_text(graph).splitlines() if "dtype" in found] == ([line] if line else [])


def test_single_precision_inputs_and_outputs_of_a_half_precision_network_do_not_count(tmp_path: Path) -> None:
    """onnxconverter_common.float16 with keep_io_types writes such files."""
    model = typed(
        "FLOAT16", f"h = Cast<to=10>(x)\n{NODES.replace('(x', '(h').replace('y =', 'z =')}\ny = Cast<to=1>(z)"
    )
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    totals = report_of(imported(tmp_path, model)).totals
    assert (totals.weight_memory, totals.activation_memory) == (2 * LEARNT, 2 * OUTPUTS)


def test_several_types_are_noted(tmp_path: Path) -> None:
    model = typed("FLOAT16", NODES.replace("y = MatMul(f, m)", "g = Cast<to=1>(f)\ny = MatMul(g, m)"))
    model.graph.initializer[2].data_type = onnx.TensorProto.FLOAT
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    graph = imported(tmp_path, model)
    assert graph.dtype == {"weights": "float16", "activations": "float16"}
    said = [
        f"of {8 * 4 * 9 + 40} elements of weights, 40 are float32",
        f"of {OUTPUTS:,} elements of activations, 5 are",
    ]
    assert all(text in note for text, note in zip(said, graph.notes, strict=True))


def quantised() -> Any:
    """A convolution as onnxruntime.quantization writes it: integer weights, their scales, and quantised data."""
    nodes = """
    q = QuantizeLinear(x, s, z)
    d = DequantizeLinear(q, s, z)
    w = DequantizeLinear<axis=0>(wq, ws, wz)
    b = DequantizeLinear<axis=0>(bq, bs, bz)
    a = Conv(d, w, b)
    t = QuantizeLinear(a, s, z)
    y = DequantizeLinear(t, s, z)
    """
    model = made(nodes, X)
    held = {
        "s": numpy.float32(0.1),
        "z": numpy.int8(0),
        "wq": numpy.ones((8, 4, 3, 3), "int8"),
        "ws": numpy.full(8, 0.1, "float32"),
        "wz": numpy.zeros(8, "int8"),
        "bq": numpy.ones(8, "int32"),
        "bs": numpy.full(8, 0.01, "float32"),
        "bz": numpy.zeros(8, "int32"),
    }
    for name, array in held.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.asarray(array), name))
    return model


def test_a_quantised_network_has_integer_types(tmp_path: Path) -> None:
    graph = imported(tmp_path, quantised())
    totals = report_of(graph).totals
    assert [step.kind for step in graph.steps] == ["conv"]
    assert graph.notes == ()
    assert totals.weight_memory == 8 * 4 * 9 + 4 * 8  # bytes of weights, and four per 32-bit bias
    assert totals.activation_memory == 8 * 10 * 8
    assert "dtype: int8" in spec_text(graph)


# -- shapes


def test_a_shape_that_contradicts_the_file_is_noted_and_changes_no_figure(tmp_path: Path) -> None:
    model = typed("FLOAT")
    info = onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, [1, 8, 6, 10])
    model.graph.value_info.append(info)
    graph = imported(tmp_path, model)
    assert [step.kind for step in graph.steps] == ["conv", "opaque", "global_avgpool", "flatten", "linear"]
    assert graph.notes == (
        "Relu 'Relu_1': the file declares an output of 1 × 8 × 6 × 10, but its operator produces 1 × 8 × 12 × 10",
    )
    assert not report_of(graph).complete


@pytest.mark.parametrize("sizes", [[1, 8, 12, 10], [7, 8, 12, 10], ["n", 8, "h", 10]])
def test_a_shape_compatible_with_the_file_is_not_noted(sizes: Any, tmp_path: Path) -> None:
    model = typed("FLOAT")
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, sizes))
    assert imported(tmp_path, model).notes == ()


def test_shapes_for_another_input_are_not_compared(tmp_path: Path) -> None:
    model = typed("FLOAT")
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, [1, 8, 12, 10]))
    assert imported(tmp_path, model, inputs={"x": (4, 20, 20)}).notes == ()


def test_a_number_that_no_spec_can_hold_makes_its_layer_opaque(tmp_path: Path) -> None:
    """Reported: a slope of more than 18 digits led to a spec that was refused."""
    graph = imported(tmp_path, made("a = LeakyRelu<alpha=1e30>(x)\ny = Conv(a, w)", X, {"w": (8, 4, 3, 3)}))
    assert [step.kind for step in graph.steps] == ["opaque", "conv"]
    assert graph.notes == ("leaky_relu1 (leaky_relu): negative_slope has more than 18 digits",)
    assert report_of(graph).totals.params == 8 * 4 * 9
