"""`convcalc verify`: all examples agree with PyTorch, and deliberate errors are found."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import convcalc
from convcalc import caching, examples
from convcalc.cli.main import run
from convcalc.convert.comparison import compare_with
from convcalc.convert.onnx_graph.measure_file import measure_file
from convcalc.convert.onnx_graph.onnx_writers import WRITERS
from convcalc.json_schemas import document_schema
from convcalc.layers import KINDS
from convcalc.layers.conv import Conv
from convcalc.render.layers import parse_page
from convcalc.shape import Shape
from tests.support.specs import load

SPEC = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, name: first}\n  - relu\n"


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], None]]:
    """Install a wrong rule in conv; cached layers and costs are cleared before and after."""

    def forget() -> None:
        caching.forget()

    forget()
    yield lambda rule, replacement: monkeypatch.setattr(Conv, rule, replacement)
    forget()


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    return str(tmp_path / "net.yaml")


def test_without_pytorch_the_install_command_is_shown(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["verify", spec]) == 2
    assert "pip install 'convcalc[torch]'" in capsys.readouterr().err


@pytest.mark.torch
def test_all_examples_agree(capsys: pytest.CaptureFixture[str]) -> None:
    names = examples.list_names()
    assert run(["verify", *(f"example:{name}" for name in names), "-f", "json"]) == 0
    networks = json.loads(capsys.readouterr().out)["networks"]
    assert [network["name"] for network in networks] == names
    assert [network["name"] for network in networks if not network["agrees"] or not network["complete"]] == []
    assert all(layer["pytorch"] == layer["ours"] for network in networks for layer in network["layers"])


@pytest.mark.torch
@pytest.mark.parametrize(
    ("rule", "replacement", "said"),
    [
        ("weight_tensors", lambda self: (100,), "params 104 here, 112 in PyTorch"),
        ("count_macs", lambda self: 5, "MACs 5 here, 3,888 in PyTorch"),
        ("inferred_shape", lambda self: Shape(4, (7, 6)), "output shape 4×7×6 here, 4×6×6 in PyTorch"),
    ],
)
def test_a_wrong_figure_is_shown_next_to_the_right_one(
    rule: str, replacement: Any, said: str, spec: str, wrong: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong(rule, replacement)
    assert run(["verify", spec]) == 1
    printed = capsys.readouterr().out
    assert f"net: first (conv): {said}" in printed
    assert "1 differs" in printed  # the next layer gets convcalc's shape as its input, and agrees


@pytest.mark.torch
def test_a_layer_refused_by_pytorch_is_a_difference(spec: str, wrong: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path(spec).write_text("input: [6, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, groups: 4}\n")
    wrong("check_groups", lambda self, out_channels: None)
    assert run(["verify", spec]) == 1
    assert "PyTorch rejects it: in_channels must be divisible by groups" in capsys.readouterr().out


@pytest.mark.torch
def test_an_opaque_layer_is_unknown_and_not_a_difference(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(spec).write_text(f"{SPEC}  - opaque: {{output_shape: [10]}}\n  - linear: {{out_features: 2}}\n")
    assert run(["verify", spec]) == 0
    told = capsys.readouterr().out
    assert "agrees, 1 unknown" in told
    assert "net: not compared: opaque1 (opaque)\n" in told
    assert run(["verify", spec, "-f", "json"]) == 0
    [network] = json.loads(capsys.readouterr().out)["networks"]
    assert [layer["name"] for layer in network["layers"] if not layer["compared"]] == ["opaque1"]


@pytest.mark.torch
def test_of_many_opaque_layers_the_first_ones_are_named(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(spec).write_text(SPEC + "  - opaque: {output_shape: [10]}\n" * 13)
    assert run(["verify", spec]) == 0
    told = capsys.readouterr().out
    assert "opaque10 (opaque) and 3 more: -f json lists all\n" in told
    assert "opaque11" not in told


@pytest.mark.torch
@pytest.mark.parametrize("arguments", [[], ["--input-dtype", "int32"], ["--batch", "3"]])
def test_an_embedding_gets_integers_without_an_axis_of_channels(
    arguments: list[str], spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    embedding, conv = "embedding: {num_embeddings: 100, embedding_dim: 16}", "conv: {out_channels: 8, kernel_size: 3}"
    Path(spec).write_text(f"input: [1, 12]\nlayers:\n  - {embedding}\n  - {conv}\n")
    assert run(["verify", spec, "--torch", "tests.support.reported_modules:Words", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("agrees")


@pytest.mark.torch
def test_a_batch_and_shared_weights_are_counted_the_same_way(spec: str) -> None:
    more = "  - conv: {out_channels: 3, kernel_size: 1}\n  - conv: {out_channels: 4, kernel_size: 3, share: first}\n"
    Path(spec).write_text(SPEC + more)
    assert run(["verify", spec, "--batch", "4"]) == 0


@pytest.mark.torch
@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_a_table_is_no_wider_than_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["verify", "example:lenet5", "example:shufflenet_v2_x1_0"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


@pytest.mark.torch
def test_a_spec_is_compared_with_the_real_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, small = str(tmp_path / "small.yaml"), "tests.support.reported_modules:Small"
    assert run(["import", "--torch", small, "--input", "3,8,8", "-o", written]) == 0
    assert run(["verify", written, "--torch", small]) == 0
    assert run(["verify", written, "--torch", small, "--batch", "4", "--input", "3,9,9"]) == 0
    assert capsys.readouterr().out.count("agrees") == 2


@pytest.mark.torch
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("out_features: 10", "out_features: 11", "fc (linear): params 99 here, 90 in PyTorch"),
        ("kernel_size: 3", "kernel_size: 1", "MACs 1,616 here, 7,856 in PyTorch"),
        ("- relu", "- maxpool: {kernel_size: 2}", "agrees"),  # no figure of PyTorch's own differs
        ("{name: bn}", "{name: bn, track_running_stats: false}", "running statistics 0 here, 16 in PyTorch"),
        ("name: fc", "name: fc, frozen: true", "trainable params 240 here, 330 in PyTorch"),
    ],
)
def test_what_a_spec_has_otherwise_than_the_module_is_shown(
    before: str, after: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written, small = tmp_path / "small.yaml", "tests.support.reported_modules:Small"
    assert run(["import", "--torch", small, "--input", "3,8,8", "-o", str(written)]) == 0
    text = written.read_text(encoding="utf-8")
    assert before in text
    written.write_text(text.replace(before, after), encoding="utf-8")
    assert run(["verify", str(written), "--torch", small]) == (0 if said == "agrees" else 1)
    assert said in capsys.readouterr().out


@pytest.mark.torch
def test_the_figures_of_a_whole_comparison_are_in_the_json(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", spec, "--torch", "tests.support.reported_modules:Small", "-f", "json"]) == 1
    [network] = json.loads(capsys.readouterr().out)["networks"]
    assert network["agrees"] is False
    assert network["totals"]["params"] == {"ours": 112, "pytorch": 330}
    assert network["totals"]["outputs"] == {"ours": [[4, 6, 6]], "pytorch": [[10]]}
    only = {layer["name"]: layer["pytorch"]["params"] for layer in network["layers"] if layer["ours"] is None}
    assert only == {"conv": 224, "bn": 16, "fc": 90}


@pytest.mark.parametrize("name", examples.list_names())
def test_an_exported_file_agrees_with_its_spec(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    file = str(tmp_path / "net.onnx")
    assert run(["export", f"example:{name}", "--to", "onnx", "-o", file]) == 0
    assert run(["verify", f"example:{name}", "--onnx", file]) == 0
    assert "agrees" in capsys.readouterr().out


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_an_exported_kind_agrees_with_its_spec(kind: str, tmp_path: Path) -> None:
    """The manual's example of every kind that ONNX can express, with inputs of a size that adaptive pooling divides."""
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    about = parse_page(KINDS[kind])
    shape = "[256, 12, 12]" if kind.startswith("adaptive") else about.example_input
    spec, file = tmp_path / "net.yaml", str(tmp_path / "net.onnx")
    spec.write_text(f"input: {shape}\nlayers:\n  - {about.example}\n", encoding="utf-8")
    assert run(["export", str(spec), "--to", "onnx", "-o", file]) == 0
    network = convcalc.load(str(spec))
    found = compare_with(network, measure_file(file, network))
    totals = {total.name: (total.ours, total.theirs) for total in found.totals if total.name != "trainable_params"}
    assert all(ours == theirs for ours, theirs in totals.values()), totals


@pytest.mark.parametrize(("operator", "gates", "states"), [("LSTM", 4, 2), ("GRU", 3, 1), ("RNN", 1, 1)])
def test_a_recurrent_layer_is_counted_without_its_zero_states(
    operator: str, gates: int, states: int, tmp_path: Path
) -> None:
    """A step of 7 features to 3: gates × 3 × (7 + 3) MACs. Biases that another program fills are weights."""
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    import numpy
    from onnx import numpy_helper

    from tests.support.onnx_models import made

    states_read = ", h" * states
    text = f"b = ConstantOfShape(size)\ny = {operator}<hidden_size=3>(x, w, r, b, {states_read})"
    weights = {"w": (1, gates * 3, 7), "r": (1, gates * 3, 3)}
    model = made(text, {"x": (1, 1, 7)}, weights, integers={"size": [1, gates * 6]})
    model.graph.initializer.append(numpy_helper.from_array(numpy.zeros((1, 1, 3), "float32"), "h"))
    file = tmp_path / "net.onnx"
    network = load({"input": [1, 7], "layers": ["identity"]})
    due = gates * 3 * (7 + 3 + 2)
    file.write_bytes(model.SerializeToString())
    found = measure_file(str(file), network)
    assert (found.params, found.macs) == (due, gates * 3 * (7 + 3))
    model.graph.initializer[-1].CopyFrom(
        numpy_helper.from_array(numpy.arange(3, dtype="float32").reshape(1, 1, 3), "h")
    )
    file.write_bytes(model.SerializeToString())
    assert measure_file(str(file), network).params == due + 3  # learnt, and the same for both states


def test_an_embedding_of_a_file_gets_integers_without_an_axis_of_channels(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    from tests.support.onnx_models import made

    model = made("y = Gather(table, x)", {"x": ("batch", 12)}, {"table": (100, 16)})
    model.graph.input[0].type.tensor_type.elem_type = 7
    file = tmp_path / "net.onnx"
    file.write_bytes(model.SerializeToString())
    entry = {"embedding": {"num_embeddings": 100, "embedding_dim": 16}}
    network = load({"input": [1, 12], "layers": [entry]})
    assert compare_with(network, measure_file(str(file), network)).agrees


def test_a_file_is_counted_without_the_importer(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A weight of 4×3×3×3, a bias of 4: 112 params, 27 MACs for each of 4×6×6 outputs; computed ones are no params."""
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    from tests.support.onnx_models import made

    text = "a = Conv(x, w, b)\ns = Shape(a)\none = ConstantOfShape(s)\nm = Mul(a, one)\ny = Relu(m)"
    model = made(text, {"x": (1, 3, 8, 8)}, {"w": (4, 3, 3, 3), "b": (4,)})
    file = tmp_path / "net.onnx"
    file.write_bytes(model.SerializeToString())
    assert run(["verify", spec, "--onnx", str(file)]) == 0
    Path(spec).write_text(SPEC.replace("out_channels: 4", "out_channels: 5"), encoding="utf-8")
    assert run(["verify", spec, "--onnx", str(file)]) == 1
    told = capsys.readouterr().out
    assert "net: params 140 here, 112 in ONNX" in told
    assert "net: MACs 4,860 here, 3,888 in ONNX" in told
    assert "net: outputs 5×6×6 here, 4×6×6 in ONNX" in told


@pytest.mark.parametrize(("filling", "state"), [(0.0, 0), (1.0, 8)])
def test_a_uniform_start_state_is_not_counted_in_a_file(
    filling: float, state: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kind: a start state of zeros was counted as params, here by `verify`. 3·8·(5 + 8) + 2·3·8 params of a GRU."""
    onnx = pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    from tests.support.onnx_models import made

    weights = {"w": (1, 24, 5), "r": (1, 24, 8), "b": (1, 48)}
    model = made("y = GRU<hidden_size=8, layout=1>(x, w, r, b, , h)", {"x": (1, 6, 5)}, weights)
    values = [filling, *[0.0] * 7]
    model.graph.initializer.append(onnx.helper.make_tensor("h", onnx.TensorProto.FLOAT, (1, 1, 8), values))
    (tmp_path / "gru.onnx").write_bytes(model.SerializeToString())
    written = str(tmp_path / "gru.yaml")
    assert run(["import", str(tmp_path / "gru.onnx"), "-o", written]) == 0
    assert run(["verify", written, "--onnx", str(tmp_path / "gru.onnx"), "-f", "json"]) == 0
    params = json.loads(capsys.readouterr().out)["networks"][0]["totals"]["params"]
    assert params == dict.fromkeys(("ours", "onnx"), 3 * 8 * (5 + 8) + 2 * 3 * 8 + state)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ("y = QLinearConv(x, s, z, w, s, z, s, z, b)", {"w": (8, 3, 3, 3), "b": (8,)}),
        ("y = ConvInteger(x, w)", {"w": (8, 3, 3, 3)}),
    ],
)
def test_integer_convolutions_are_counted_in_a_file(
    nodes: str, weights: dict[str, tuple[int, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """8·3·3·3 weights, used at each of 30·30 positions."""
    onnx = pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    import numpy

    from tests.support.onnx_models import made

    model = made(nodes, {"x": (1, 3, 32, 32)}, {"s": ()})
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT8
    tensors: dict[str, Any] = {
        name: numpy.ones(sizes, "int32" if name == "b" else "int8") for name, sizes in weights.items()
    }
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in {**tensors, "z": numpy.array(0, "int8")}.items()
    )
    model.graph.output[0].type.tensor_type.elem_type = (
        onnx.TensorProto.INT8 if "b" in weights else onnx.TensorProto.INT32
    )
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    layer = f"conv: {{out_channels: 8, kernel_size: 3, bias: {'true' if 'b' in weights else 'false'}}}"
    (tmp_path / "net.yaml").write_text(f"input: [3, 32, 32]\nlayers:\n  - {layer}\n", encoding="utf-8")
    assert run(["verify", str(tmp_path / "net.yaml"), "--onnx", str(tmp_path / "net.onnx"), "-f", "json"]) == 0
    totals = json.loads(capsys.readouterr().out)["networks"][0]["totals"]
    assert totals["params"]["onnx"] == 8 * 27 + (8 if "b" in weights else 0)
    assert totals["macs"]["onnx"] == 8 * 27 * 900


def test_outputs_of_unknown_shape_are_no_difference(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown is not zero: onnx infers no shape if the file declares another type than the operator has."""
    onnx = pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    from tests.support.onnx_models import made

    model = made("y = Conv(x, w, b)", {"x": (1, 3, 8, 8)}, {"w": (4, 3, 3, 3), "b": (4,)})
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    Path(spec).write_text(SPEC.replace("  - relu\n", ""), encoding="utf-8")
    assert run(["verify", spec, "--onnx", str(tmp_path / "net.onnx"), "-f", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["networks"][0]["totals"]["outputs"] == {"ours": [[4, 6, 6]], "onnx": None}
    jsonschema.validate(document, document_schema("verify"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--torch", "a:b", "--onnx", "c.onnx"], "verify takes --torch or --onnx, not both"),
        (["example:unet", "--onnx", "c.onnx"], "--onnx compares one NET; got 2"),
        (["--onnx", "no_such_file.onnx"], "no_such_file.onnx: no such file"),
    ],
)
def test_what_verify_cannot_compare_is_an_error(
    arguments: list[str], said: str, spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    assert run(["verify", spec, *arguments]) == 2
    assert said in capsys.readouterr().err
