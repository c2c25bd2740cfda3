"""Files that are not specs: each format is recognised, and is read or named with what to do about it."""

import inspect
import io
import json
import pickle
import struct
import zipfile
from importlib import import_module
from pathlib import Path

import click
import pytest

import convcalc
from convcalc.cli.export import command as export
from convcalc.cli.main import run
from convcalc.convert.formats import FORMATS, SPEC, Format, model_endings, recognise
from convcalc.convert.graph import Graph, Step
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


CONTENTS = {  # name of the format: ending, content, text in the suggested way forward ("" if there is a reader)
    "an ONNX model": ("onnx", onnx_bytes(), ""),
    "a Keras model": ("keras", archive("metadata.json", "config.json", "model.weights.h5"), ""),
    "a Keras model in JSON": ("json", json.dumps({"module": "keras", "class_name": "Functional"}).encode(), ""),
    "a Keras HDF5 model": ("h5", b"\x89HDF\r\n\x1a\n" + bytes(50), ""),
    "a PyTorch exported program": ("pt2", archive("net/data/weights/weight_0", "net/models/model.json"), ""),
    "a PyTorch file": ("pt", archive("archive/data.pkl", "archive/version", "archive/data/0"), "--torch"),
    "a TFLite model": ("tflite", struct.pack("<I", 28) + b"TFL3" + bytes(40), ""),
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
        "",
    ),
    "a Caffe network": ("prototxt", b'name: "LeNet"\nlayer {\n  name: "data"\n  type: "Input"\n}\n', ""),
    "an OpenVINO model": (
        "xml",
        b'<?xml version="1.0"?>\n<net name="m" version="11">\n<layers>\n</layers></net>',
        "",
    ),
    "a Python file that uses Keras": ("py", b"import keras\n\nmodel = keras.Sequential()\n", ".keras file"),
    "a Git LFS pointer": ("bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
}
BY_NAME = {"a Core ML model": "mlmodel", "a Python file": "py"}
FOLDERS = {  # name of the format: ending, files in the folder
    "a TensorFlow SavedModel": ("", ["saved_model.pb", "variables/variables.index"]),
    "a Core ML package": ("mlpackage", ["Manifest.json", "Data/model.mlmodel"]),
}
READ = [kind for kind in FORMATS if kind.reader]
REFUSED = [kind.name for kind in FORMATS if not kind.reader]
COMMANDS = ["summary", "check", "compare", "report", "rf", "memory", "explain", "alternatives"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_format_is_tested() -> None:
    assert sorted([*CONTENTS, *BY_NAME, *FOLDERS]) == sorted(kind.name for kind in FORMATS)


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


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [name for name in CONTENTS if name in REFUSED])
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


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("command", [*COMMANDS, "import"])
def test_a_model_that_is_a_folder_is_named(name: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    ending, members = FOLDERS[name]
    folder = Path(f"model.{ending}" if ending else "model")
    for member in members:
        (folder / member).parent.mkdir(parents=True, exist_ok=True)
        (folder / member).write_bytes(b"")
    assert run([command, str(folder)]) == 2
    said = "".join(capsys.readouterr())
    assert name in said
    assert "ONNX" in said


def test_a_reader_is_a_module_with_the_one_signature() -> None:
    for kind in READ:
        path, inputs, follow, *more = inspect.signature(import_module(kind.reader).read).parameters.values()
        assert [path.name, inputs.name, follow.name] == ["path", "inputs", "follow"], kind.name
        assert all(option.default is not inspect.Parameter.empty for option in more), kind.name


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.name)
@pytest.mark.parametrize("command", [*COMMANDS, "import"])
def test_every_command_reads_the_formats_that_have_a_reader(
    kind: Format, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(path: str, inputs: object, follow: object) -> Graph:
        assert path == file
        step = Step("first", "conv", {"out_channels": 8, "kernel_size": 3}, ("x",))
        return Graph("stub", path, {"x": (3, 8, 8)}, (step,), ("first",))

    monkeypatch.setattr(f"{kind.reader}.read", read)
    ending, content, _ = CONTENTS[kind.name]
    file = f"model.{ending}"
    Path(file).write_bytes(content)
    assert run([command, file]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "stub" in out or command in ("check", "alternatives")
    assert convcalc.summary(file).totals.params == 8 * 3 * 9 + 8


def test_a_format_is_read_or_comes_with_advice() -> None:
    assert [kind.name for kind in FORMATS if bool(kind.reader) == bool(kind.advice)] == []
    assert [kind.name for kind in READ if not kind.lost] == []
    assert model_endings()


def test_export_writes_the_formats_that_the_list_says_it_writes() -> None:
    [option] = [parameter for parameter in export.params if parameter.name == "to"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == {name for kind in FORMATS for name in kind.writers}


def test_a_large_model_is_recognised_before_its_size_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("large.gguf").write_bytes(b"GGUF" + bytes(5 * 2**20))
    assert run(["summary", "large.gguf"]) == 2
    assert "a GGUF file, not a spec" in capsys.readouterr().err
    with pytest.raises(InvalidSpec, match="a GGUF file, not a spec"):
        convcalc.load("large.gguf")


def test_a_model_on_standard_input_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(onnx_bytes())))
    assert run(["summary", "-"]) == 2
    assert capsys.readouterr().err == (
        "convcalc: <stdin>: an ONNX model, not a spec: model files are read only by their names: save it to a file\n"
    )
    assert run(["import", "-"]) == 2
    assert "import reads files, not standard input" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "an empty file"), (b"\x00\x01\xff", "a file"), (b"hello", "a file"), (b"{}", "a file")],
)
def test_import_of_an_unknown_format_lists_the_known_ones(
    content: bytes, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("net.bin", "net.yaml"):
        Path(name).write_bytes(content)
        assert run(["import", name]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"convcalc: {name}: {what} of an unknown format; supported are: ")
        assert "ONNX model (.onnx)" in said


def test_a_binary_file_of_an_unknown_format_is_not_said_to_need_utf_8(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.bin").write_bytes(b"\x7fELF\x00\xff\xfe")
    assert run(["summary", "net.bin"]) == 2
    assert "a binary file of an unknown format, not a spec" in capsys.readouterr().err
    Path("net.yaml").write_bytes("name: Ä\n".encode("latin-1"))
    assert run(["summary", "net.yaml"]) == 1
    assert "not UTF-8" in capsys.readouterr().err
    Path("net.yaml").write_bytes("layers: []\n".encode("utf-16"))
    assert run(["summary", "net.yaml"]) == 1
    assert "not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in CONTENTS if name in REFUSED])
def test_import_explains_what_to_do_with_unreadable_formats(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ending, content, way_on = CONTENTS[name]
    Path(f"model.{ending}").write_bytes(content)
    assert run(["import", f"model.{ending}", "-o", "net.yaml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"convcalc: model.{ending}: {name}: ")
    assert way_on in said
    assert not Path("net.yaml").exists()


def test_import_of_a_spec_reports_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.txt").write_bytes(SPEC_TEXT)
    assert run(["import", "net.txt"]) == 2
    assert capsys.readouterr().err == "convcalc: net.txt: already a spec: use convcalc summary net.txt\n"


def test_a_folder_with_specs_is_checked_although_a_model_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("nets.onnx").mkdir()
    for folder in (Path(), Path("nets.onnx")):
        (folder / "saved_model.pb").write_bytes(b"")
        (folder / "net.yaml").write_bytes(SPEC_TEXT)
    assert run(["check", "nets.onnx"]) == 0
    assert run(["check", "."]) == 0
    assert "2 files checked: no problems" in capsys.readouterr().out
    Path("empty.onnx").mkdir()
    assert run(["summary", "empty.onnx"]) == 2
    assert capsys.readouterr().err == "convcalc: empty.onnx: is a directory\n"
