"""An untrusted file is refused with a message or read; it cannot exhaust memory or time, nor control the terminal."""

import contextlib
import io
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.convert import from_onnx, to_onnx
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.graph import NotImported, plain_spec
from convcalc.convert.lowering import LOWERINGS
from convcalc.convert.onnx_graph import file
from tests.convert.test_onnx_import import ONE_NODE
from tests.support.onnx_models import imported, made

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

X = {"x": (1, 4, 12, 10)}
SMALL = {
    "input": [4, 16, 16],
    "layers": [
        {"conv": {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1}},
        "batchnorm",
        "hardswish",
        {"channel_shuffle": {"groups": 2}},
        {"drop_path": {"p": 0.1}},
        {"layernorm": {"axes": "channels"}},
        {"groupnorm": {"num_groups": 2, "affine": False}},
        {"upsample": {"scale_factor": 2}},
        {"pixel_shuffle": {"upscale_factor": 2}},
        {"pad": {"padding": 1}},
        {"maxpool": {"kernel_size": 2}},
        {"slice": {"channels": [0, 1]}},
        "instancenorm",
        {"reshape": {"shape": [17, -1]}},
        {"prelu": {"num_parameters": 17}},
        {"global_avgpool": {"keepdims": False}},
        {"linear": {"out_features": 5}},
        "softmax",
    ],
}
BYTES = to_onnx.model_bytes(convcalc.load(SMALL))
NUMBERS = (0, 1, 2, 3, 7, -1, -2, 255, 2**31, 2**40, 2**62, -(2**63))
VALUES: tuple[Any, ...] = (
    *(1, -5, 0, 2**40, [1, 2], [0], [3, 3], [2**40, 1], 2.5, 1e30, -1e-40, [0.5], "x", "SAME_UPPER"),
    *(float("nan"), float("inf")),
)
FUZZED = [(node, inputs, weights) for node, inputs, weights, _ in ONE_NODE]


def read(folder: Path, content: bytes) -> None:
    """Read a file; if it is accepted, its spec must load."""
    path = folder / "any.onnx"
    path.write_bytes(content)
    with contextlib.suppress(NotImported):
        graph = from_onnx.read(str(path))
        convcalc.summary(plain_spec(graph))
        convcalc.load(io.StringIO(spec_text(graph)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_are_read_or_refused(folder: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(BYTES)
    for place, byte in changes:
        content[place] = byte
    read(folder, bytes(content))


@settings(max_examples=100)
@given(st.integers(0, len(BYTES) - 1))
def test_a_truncated_file_is_read_or_refused(folder: Path, length: int) -> None:
    read(folder, BYTES[:length])


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_garbage_is_refused(folder: Path, content: bytes) -> None:
    path = folder / "garbage.onnx"
    path.write_bytes(content)
    with pytest.raises(NotImported):
        from_onnx.read(str(path))


@settings(max_examples=200)
@given(st.randoms(use_true_random=False))
def test_a_changed_graph_is_read_or_refused(folder: Path, chance: random.Random) -> None:
    model = onnx.load_from_string(BYTES)
    for _ in range(chance.randint(1, 3)):
        change(model, chance)
    read(folder, model.SerializeToString())


def change(model: Any, chance: random.Random) -> None:
    """Change an operator, an attribute, a connection, a size or the version of a model."""
    nodes, tensors = model.graph.node, model.graph.initializer
    node = chance.choice(nodes)
    what = chance.randrange(7)
    if what == 0:
        node.op_type = chance.choice([*LOWERINGS, "If", "Loop", "Erf", "Range", "Tile", "Expand", "LSTM", "TopK"])
    elif what == 1 and node.attribute:
        del node.attribute[chance.randrange(len(node.attribute))]
    elif what == 2:
        names = ("axis", "axes", "kernel_shape", "pads", "strides", "group", "perm", "blocksize", "size", "value")
        node.attribute.append(onnx.helper.make_attribute(chance.choice(names), chance.choice(VALUES)))
    elif what == 3 and node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice(chance.choice(nodes).output)
    elif what == 4 and node.input:
        del node.input[chance.randrange(len(node.input))]
    elif what == 5:
        tensor = chance.choice(tensors)
        if tensor.dims:
            tensor.dims[0] = chance.choice(NUMBERS)
    else:
        chance.choice(model.graph.input[0].type.tensor_type.shape.dim).dim_value = chance.choice(NUMBERS)


@settings(max_examples=200)
@given(st.randoms(use_true_random=False))
def test_an_operator_with_any_attribute_is_read_or_refused(folder: Path, chance: random.Random) -> None:
    node, inputs, weights = chance.choice(FUZZED)
    model = made(node, inputs, weights)
    changed = model.graph.node[0]
    known = onnx.defs.get_schema(changed.op_type).attributes
    if known:
        name = chance.choice(sorted(known))
        kept = [attribute for attribute in changed.attribute if attribute.name != name]
        alike = [value for value in VALUES if onnx.helper.make_attribute("a", value).type == known[name].type.value]
        value = chance.choice(alike or VALUES)
        del changed.attribute[:]
        changed.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    read(folder, model.SerializeToString())


# -- sizes


def test_weights_that_claim_terabytes_are_refused(tmp_path: Path) -> None:
    model = made("y = Conv(x, w)", X, {"w": (10**6, 4, 10**3, 10**3)})
    with pytest.raises(NotImported, match="'w' has 1000000 × 4 × 1000 × 1000 elements"):
        imported(tmp_path, model)


def test_a_shape_that_claims_terabytes_is_refused(tmp_path: Path) -> None:
    model = made("a = Reshape(x, p)\nb = Expand(a, q)\ny = Relu(b)", X, integers={"p": [1, -1], "q": [10**12, 1]})
    with pytest.raises(NotImported, match="'b' has"):
        imported(tmp_path, model)


def test_a_constant_that_claims_terabytes_is_not_allocated(tmp_path: Path) -> None:
    model = made("a = ConstantOfShape(p)\ny = Mul(x, a)", X, integers={"p": [10**6, 10**6]})
    with pytest.raises(NotImported, match="'a' has"):
        imported(tmp_path, model)


@pytest.mark.parametrize("operator", ["Reshape", "Expand"])
def test_a_shape_with_billions_of_axes_is_refused(operator: str, tmp_path: Path) -> None:
    model = made(f"y = {operator}(x, p)", X, integers={"p": [1]})
    model.graph.initializer[0].dims[0] = 2**31
    with pytest.raises(NotImported, match=f"{operator}.*2147483648 axes"):
        imported(tmp_path, model)


def large(floats: int) -> Any:
    """A model that contains its weights."""
    model = made("y = Conv(x, w)", X, {"w": (floats // 4, 4, 1, 1)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("data_location")
    del tensor.external_data[:]
    tensor.raw_data = bytes(4 * floats)
    return model


def test_weights_in_the_file_are_skipped_before_parsing(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    path.write_bytes(large(4_000_000).SerializeToString())
    description = file.read_description(str(path))
    assert len(description) < 1000
    assert convcalc.summary(plain_spec(from_onnx.read(str(path)))).totals.params == 4_000_000


def test_skipping_weights_changes_nothing_else(tmp_path: Path) -> None:
    model = large(40_000)
    model.producer_name = "someone"
    model.graph.doc_string = "text " * 20_000
    path = tmp_path / "large.onnx"
    path.write_bytes(model.SerializeToString())
    read_back = onnx.load_from_string(file.read_description(str(path)))
    model.graph.initializer[0].ClearField("raw_data")
    assert read_back == model


def test_a_description_above_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MOST_DESCRIPTION", 50_000)
    model = made("y = Relu(x)", X)
    model.graph.doc_string = "text " * 20_000
    with pytest.raises(NotImported, match="besides its weights"):
        imported(tmp_path, model)


def test_a_large_truncated_file_is_refused(tmp_path: Path) -> None:
    content = large(40_000).SerializeToString()
    with pytest.raises(NotImported, match="truncated"):
        imported(tmp_path, content[:-50_000])


def test_a_field_that_claims_more_than_the_file_is_refused(tmp_path: Path) -> None:
    content = bytes([7 << 3 | 2]) + file.encode_varint(2**45) + bytes(100_000)
    with pytest.raises(NotImported, match="truncated"):
        imported(tmp_path, content)


def test_a_file_of_tiny_fields_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file._MOST_FIELDS == 2_000_000
    monkeypatch.setattr(file, "_MOST_FIELDS", 100_000)
    with pytest.raises(NotImported, match="100,000 fields"):
        imported(tmp_path, bytes([1 << 3, 0]) * 100_001)


def field(number: int, content: bytes) -> bytes:
    """A field that has a length, as it is written."""
    return file.encode_varint(number << 3 | 2) + file.encode_varint(len(content)) + content


@pytest.mark.parametrize(("padding", "why"), [(0, "not an ONNX model"), (100_000, "nested more than 32 deep")])
def test_deeply_nested_graphs_are_refused(padding: int, why: str, tmp_path: Path) -> None:
    node = field(6, b"." * padding)
    for _ in range(60):
        node = field(5, field(6, field(1, node)))  # a node with a graph as an attribute
    with pytest.raises(NotImported, match=why):
        imported(tmp_path, field(7, field(1, node)))


def test_functions_that_double_are_refused(tmp_path: Path) -> None:
    model = made("y = Relu(x)", X)
    opset = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)]
    for number in range(30):
        calls = [onnx.helper.make_node(f"f{number + 1}", ["a"], [name], domain="own") for name in ("b", "c")]
        model.functions.append(onnx.helper.make_function("own", f"f{number}", ["a"], ["b"], calls, opset))
    relu = onnx.helper.make_node("Relu", ["a"], ["b"])
    model.functions.append(onnx.helper.make_function("own", "f30", ["a"], ["b"], [relu], opset))
    model.graph.node[0].op_type, model.graph.node[0].domain = "f0", "own"
    model.opset_import.append(opset[1])
    with pytest.raises(NotImported, match="after its functions are inlined"):
        imported(tmp_path, model)


def test_a_function_of_the_file_is_inlined(tmp_path: Path) -> None:
    model = made("y = Relu(x)", X)
    opset = [onnx.helper.make_opsetid("", 17)]
    body = [onnx.parser.parse_node(line) for line in ("s = Sigmoid(a)", "b = Mul(a, s)")]
    model.functions.append(onnx.helper.make_function("own", "swish", ["a"], ["b"], body, opset))
    model.graph.node[0].op_type, model.graph.node[0].domain = "swish", "own"
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    assert [step.kind for step in imported(tmp_path, model).steps] == ["silu"]


def test_a_name_cannot_control_the_terminal(tmp_path: Path) -> None:
    model = made("y = Exp(x)", X)
    model.graph.node[0].name = "\x1b[2J\u202e"
    [note] = imported(tmp_path, model).notes
    assert note == "Exp '\\x1b[2J\\u202e': unsupported operator"


def test_a_path_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        from_onnx.read(str(tmp_path))
    with pytest.raises(NotImported, match="not a regular file"):
        from_onnx.read("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotImported, match="not a regular file"):
        from_onnx.read(str(tmp_path / "pipe"))
