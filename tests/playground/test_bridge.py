"""What the page asks convcalc for, without a browser: answers, messages, and limits."""

from __future__ import annotations

import doctest
import gzip
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.playground import bridge
from tests.playground.bridge import MOST_PROBLEMS, answer
from tests.support.places import DATA, EXAMPLES

SPEC = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
CFG = "[net]\nwidth=8\nheight=8\nchannels=3\n\n[convolutional]\nfilters=4\nsize=3\nstride=1\nactivation=linear\n"
KERAS = gzip.decompress((DATA / "keras" / "MobileNet.json.gz").read_bytes())


def ask(question: str, **arguments: Any) -> dict[str, Any]:
    answered: dict[str, Any] = json.loads(answer(json.dumps({"ask": question, **arguments})))
    return answered


def drop(folder: Path, name: str, content: bytes, **arguments: Any) -> dict[str, Any]:
    file = folder / name
    file.write_bytes(content)
    answered = ask("convert", path=str(file), **arguments)
    assert not file.exists()
    return answered


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(bridge) == doctest.TestResults(failed=0, attempted=1)


def test_the_page_is_described_before_a_spec_is_read() -> None:
    facts = ask("describe")
    assert facts["examples"].keys() == {path.stem for path in EXAMPLES.glob("*.yaml")}
    assert facts["schema"]["$id"] == "convcalc/spec/1"
    assert {".keras", ".cfg", ".tflite"} <= set(facts["imported"])
    assert {".onnx", ".h5"} <= set(facts["elsewhere"])
    assert ask("update", text=facts["start"])["problems"] == []
    assert "yaml-language-server" not in facts["start"]


def test_a_valid_spec_has_figures_and_a_table() -> None:
    found = ask("update", text=SPEC, name="tiny")
    assert found["problems"] == []
    assert ["params", "112", "112"] in found["headline"]  # 4 × 3 × 3 × 3 weights and 4 biases
    assert ["MACs", "3,888", "3.89 K"] in found["headline"]  # 6 × 6 positions × 108
    assert "tiny" in found["table"]
    assert "<script" not in found["table"]
    assert found["layer"] == "conv1"


def test_an_invalid_spec_has_problems_with_places_and_no_table() -> None:
    found = ask("update", text=SPEC.replace("kernel_size", "kernal_size"))
    [problem] = found["problems"]
    assert (problem["line"], problem["column"], problem["severity"]) == (3, 29, "error")
    assert problem["hint"] == "did you mean kernel_size?"
    assert "table" not in found
    assert ask("picture", text="layers: [", kind="graph") == {"error": "the spec is invalid"}


def test_the_number_of_returned_problems_is_limited() -> None:
    found = ask("update", text="input: [3, 8, 8]\nlayers:\n" + "  - rleu\n" * 500)
    assert len(found["problems"]) == MOST_PROBLEMS
    assert found["problems_left_out"] == 500 - MOST_PROBLEMS


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("graph", {"metric": "params", "depth": "1"}),
        ("graph", {"depth": "all"}),
        ("stack", {}),
        ("memory", {}),
        ("field", {"layer": "conv1", "position": " 2, 3"}),
        ("field", {"layer": "conv1"}),
    ],
)
def test_pictures_are_svg(kind: str, arguments: dict[str, str]) -> None:
    svg = ask("picture", text=SPEC, kind=kind, **arguments)["svg"]
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "field", "layer": "conv7"}, "no layer 'conv7'"),
        ({"kind": "field", "layer": "conv1", "position": "2,x"}, "comma-separated whole numbers, such as 3,5"),
        ({"kind": "field", "layer": "conv1", "position": "90,90"}, "90"),
        ({"kind": "graph", "metric": "beauty"}, "color must be one of"),
        ({"kind": "graph", "depth": "-1"}, "depth must be"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_an_error(arguments: dict[str, str], message: str) -> None:
    assert message in ask("picture", text=SPEC, **arguments)["error"]


def test_a_network_that_is_too_large_to_draw_is_an_error() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 3, kernel_size: 1, repeat: 2100}\n"
    assert "at most 2,000 are drawn" in ask("picture", text=text, kind="graph", depth="all")["error"]


@pytest.mark.parametrize("name", ["--fix", "", ".", "a@b=c", "größer"])
def test_every_name_of_a_file_is_accepted(name: str) -> None:
    found = ask("update", text=SPEC.replace("kernel_size", "kernal_size"), name=name)
    assert [problem["code"] for problem in found["problems"]] == ["CV010"]
    assert "/" not in found["problems"][0]["file"]


def test_names_do_not_become_paths_or_markup(tmp_path: Path) -> None:
    found = ask("update", text=SPEC, name=f"../../{tmp_path}/<img src=x>")
    assert list(tmp_path.iterdir()) == []
    assert "<img" not in found["table"]


def test_a_dropped_spec_is_returned_unchanged(tmp_path: Path) -> None:
    text = "# größer → 模型\r\n" + SPEC
    assert drop(tmp_path, "net.yaml", text.encode()) == {"text": text, "said": ""}


@pytest.mark.parametrize(
    ("name", "content", "params"),
    [
        ("tiny.cfg", CFG.encode(), "112"),
        ("mobilenet.json", json.dumps(json.loads(KERAS)["keras"]).encode(), "4,231,976"),
    ],
)
def test_a_dropped_model_file_becomes_a_spec(tmp_path: Path, name: str, content: bytes, params: str) -> None:
    text = drop(tmp_path, name, content)["text"]
    assert params in [exact for _, exact, _ in ask("update", text=text)["headline"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("weights.safetensors", b"\x10\0\0\0\0\0\0\0{}", "weights.safetensors is a safetensors file: it contains only"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(range(32)), "photo.jpg is a file of an unknown format"),
        ("model.pt", b"PK\x03\x04 archive/data.pkl", "it is or contains a pickle, which is not read"),
        ("net.cfg", b"[net]\nwidth=8\n[convolutional]\nfilters=x\n", "net.cfg"),
        ("net.yaml", "input: [3, 8, 8] # größer".encode("latin-1"), "net.yaml is not text in UTF-8"),
    ],
)
def test_other_dropped_files_are_errors_with_advice(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    found = drop(tmp_path, name, content)
    assert message in found["error"]
    assert str(tmp_path) not in found["error"]


def test_a_file_that_needs_a_package_says_how_to_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.playground.bridge._has_extra", lambda _extra: False)
    said = drop(tmp_path, "net.onnx", b"")["error"]
    assert "pip install 'convcalc[onnx]' and convcalc import net.onnx -o net.yaml" in said


def test_a_file_without_the_shape_of_its_input_asks_for_it(tmp_path: Path) -> None:
    text = 'name: "n"\ninput: "data"\nlayer { name: "c" type: "ReLU" bottom: "data" top: "c" }\n'
    found = drop(tmp_path, "net.prototxt", text.encode())
    assert found["shape"]
    assert "conv" not in drop(tmp_path, "net.prototxt", text.encode(), shape="3,8,8").get("error", "")
