"""Files that are not specs: each format is recognised, and both kinds of commands say which command reads it."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.convert.formats import FORMATS, SPEC, recognise
from convcalc.problems import InvalidSpec

SPEC_TEXT = b"input: [3, 8, 8]\nlayers:\n  - relu\n"


def archive(*members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for member in members:
            written.writestr(member, "{}")
    return stream.getvalue()


def onnx_bytes() -> bytes:
    """The start of an onnx.ModelProto in wire format: ir_version 9, producer_name "pytorch", an empty graph."""
    return b"\x08\x09\x12\x07pytorch\x3a\x00" + b"\x00" * 100


class Bomb:
    """Unpickling it would fail the test."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


CONTENTS = {  # name of the format: ending, content, text in the suggested way forward
    "an ONNX model": ("onnx", onnx_bytes(), "convcalc import"),
    "a Keras model": ("keras", archive("metadata.json", "config.json", "model.weights.h5"), "convcalc import"),
    "a Keras model in JSON": ("json", json.dumps({"module": "keras", "class_name": "Functional"}).encode(), "import"),
    "a Keras HDF5 model": ("h5", b"\x89HDF\r\n\x1a\n" + bytes(50), "model.to_json()"),
    "a PyTorch file": ("pt", archive("archive/data.pkl", "archive/version", "archive/data/0"), "--torch"),
    "a TFLite model": ("tflite", struct.pack("<I", 28) + b"TFL3" + bytes(40), "tf2onnx"),
    "a TensorFlow graph": ("pb", b"\x08\x01\x12\x02\x0a\x00" + bytes(40), "tf2onnx"),
    "a safetensors file": ("safetensors", struct.pack("<Q", 2) + b"{}", "--torch"),
    "a GGUF file": ("gguf", b"GGUF\x03\x00\x00\x00" + bytes(40), "weights"),
    "an Ultralytics model YAML": (
        "yaml",
        b"nc: 80\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\nhead:\n  - [[15, 18, 21], 1, Detect, [nc]]\n",
        "convcalc import",
    ),
    "a Darknet configuration": (
        "cfg",
        b"[net]\nbatch=64\nwidth=416\n\n[convolutional]\nfilters=32\nsize=3\n",
        "ONNX",
    ),
    "a Caffe network": ("prototxt", b'name: "LeNet"\nlayer {\n  name: "data"\n  type: "Input"\n}\n', "ONNX"),
    "an OpenVINO model": (
        "xml",
        b'<?xml version="1.0"?>\n<net name="m" version="11">\n<layers>\n</layers></net>',
        "ONNX",
    ),
    "a Git LFS pointer": ("bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
}
BY_NAME = {"a Core ML model": "mlmodel", "a Python file": "py"}
READERS = {kind.name: kind.reader for kind in FORMATS}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_format_is_tested() -> None:
    assert sorted([*CONTENTS, *BY_NAME]) == sorted(kind.name for kind in FORMATS)


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("stem", ["model.{ending}", "model", "net.yaml", "net.convcalc.yaml"])
def test_a_format_is_recognised_by_its_content_whatever_its_name(name: str, stem: str) -> None:
    ending, content, _ = CONTENTS[name]
    found = recognise(stem.format(ending=ending), content)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", BY_NAME)
def test_a_format_without_characteristic_content_is_recognised_by_its_name(name: str) -> None:
    found = recognise(f"model.{BY_NAME[name]}", b"\x08\x01\x12\x00")
    assert found is not None
    assert found.name == name


def test_files_that_begin_alike_are_distinguished_by_version_then_name() -> None:
    first = b"\x08\x01\x12\x00"
    told = {
        name: recognise(name, data) for name, data in {"a.pb": onnx_bytes(), "b.onnx": first, "c.pb": b"\x0a"}.items()
    }
    assert {name: found and found.name for name, found in told.items()} == {
        "a.pb": "an ONNX model",
        "b.onnx": "an ONNX model",
        "c.pb": "a TensorFlow graph",
    }


def test_a_pickle_is_recognised_and_never_unpickled(capsys: pytest.CaptureFixture[str]) -> None:
    for protocol in (2, 3, 4, 5):
        Path("weights.bin").write_bytes(pickle.dumps(Bomb(), protocol))
        for command in ("summary", "import"):
            assert run([command, "weights.bin"]) == 2
            assert "a PyTorch file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [SPEC_TEXT, b"\xef\xbb\xbf" + SPEC_TEXT, b'"layers": [relu]\n', b"# nc:\nlayers:\n- relu"]
)
def test_a_spec_is_a_spec_whatever_its_name(text: bytes) -> None:
    assert all(recognise(name, text) is SPEC for name in ("net.yaml", "net", "net.onnx", "net.py", "net.json"))


@pytest.mark.parametrize("command", ["summary", "check", "compare", "rf", "memory", "explain", "alternatives"])
@pytest.mark.parametrize("name", CONTENTS)
def test_commands_for_specs_name_the_format_of_another_file(
    name: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ending, content, way_on = CONTENTS[name]
    file = f"model.{ending}"
    Path(file).write_bytes(content)
    assert run([command, file]) == 2
    said = "".join(capsys.readouterr())
    assert f"{name}, not a spec" in said
    assert way_on in said
    assert said.count(file) >= 1


def test_a_large_model_is_recognised_before_its_size_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("large.onnx").write_bytes(onnx_bytes() + bytes(5 * 2**20))
    assert run(["summary", "large.onnx"]) == 2
    assert capsys.readouterr().err == (
        "convcalc: large.onnx: an ONNX model, not a spec: import it with convcalc import large.onnx\n"
    )
    with pytest.raises(InvalidSpec, match="an ONNX model, not a spec"):
        convcalc.load("large.onnx")


@pytest.mark.parametrize("name", [name for name in CONTENTS if not READERS[name]])
def test_import_explains_what_to_do_with_unreadable_formats(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ending, content, way_on = CONTENTS[name]
    Path(f"model.{ending}").write_bytes(content)
    assert run(["import", f"model.{ending}", "-o", "net.yaml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"convcalc: model.{ending}: {name}: ")
    assert way_on in said
    assert not Path("net.yaml").exists()


@pytest.mark.parametrize("name", [name for name in CONTENTS if READERS[name]])
def test_import_reads_the_formats_that_other_commands_refer_to_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ending, content, _ = CONTENTS[name]
    Path(f"model.{ending}").write_bytes(content)
    run(["import", f"model.{ending}"])
    said = capsys.readouterr().err
    assert {"onnx": "ONNX", "keras": "Keras", "ultralytics": "Detect"}[READERS[name]] in said
    assert "protobuf" not in said.lower()


def test_import_of_a_spec_reports_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.txt").write_bytes(SPEC_TEXT)
    assert run(["import", "net.txt"]) == 2
    assert capsys.readouterr().err == "convcalc: net.txt: already a spec: use convcalc summary net.txt\n"
