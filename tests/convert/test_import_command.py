"""`convcalc import`: which reader is chosen, what is reported where, and the exit status."""

import gzip
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.convert import from_onnx
from convcalc.convert.graph import Graph, Step, plain_spec
from convcalc.convert.to_onnx import model_bytes
from convcalc.examples import find_file
from tests.support.onnx_models import made
from tests.support.places import DATA
from tests.support.terminal import on_terminal

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
KERAS = DATA / "keras" / "VGG16.json.gz"
X = {"x": (1, 4, 12, 10)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def partly() -> str:
    """A file with an unsupported operator."""
    Path("partly.onnx").write_bytes(made("a = Exp(x)\ny = Conv(a, w)", X, {"w": (8, 4, 3, 3)}).SerializeToString())
    return "partly.onnx"


def lenet() -> str:
    Path("lenet5.onnx").write_bytes(model_bytes(convcalc.load(find_file("lenet5"))))
    return "lenet5.onnx"


@pytest.mark.parametrize("file", sorted(LIGHT.glob("light_*.onnx")), ids=lambda file: file.stem)
def test_the_written_spec_is_the_network_of_the_file(file: Path) -> None:
    assert run(["import", str(file), "-o", "net.yaml"]) == 0
    written, plain = convcalc.summary("net.yaml"), convcalc.summary(plain_spec(from_onnx.read(str(file))))
    assert written.totals.params == plain.totals.params
    assert written.totals.macs == plain.totals.macs
    assert written.outputs().values() == plain.outputs().values() or list(written.outputs().values()) == list(
        plain.outputs().values()
    )


def test_resnet50_is_at_most_60_lines() -> None:
    assert run(["import", str(LIGHT / "light_resnet50.onnx"), "-o", "net.yaml"]) == 0
    assert len(Path("net.yaml").read_text(encoding="utf-8").splitlines()) <= 60


def test_a_spec_goes_to_standard_output_and_loads(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", lenet(), "--name", "mine"]) == 0
    out, err = capsys.readouterr()
    Path("net.yaml").write_text(out, encoding="utf-8")
    assert err == ""
    assert convcalc.load("net.yaml").name == "mine"
    assert convcalc.summary("net.yaml").totals.params == convcalc.summary(find_file("lenet5")).totals.params


def test_an_unsupported_operator_is_reported_and_becomes_opaque(
    partly: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", partly]) == 0
    out, err = capsys.readouterr()
    costs = "multiplications: 0, additions: 0, macs: 0, receptive_field: same"
    assert f"opaque: {{output_shape: [4, 12, 10], {costs}, what: Exp" in out
    outcome = "1 opaque layer without MACs: all totals are known"
    assert err == f"unsupported: Exp 'Exp_0': unsupported operator\n1 unsupported: {outcome}\n"


def test_strict_refuses_unsupported_operators(partly: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", partly, "--strict", "-o", "net.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Exp 'Exp_0'" in err
    assert "nothing was written" in err
    assert not Path("net.yaml").exists()


def test_quiet_reports_unsupported_operators_only_in_the_spec(partly: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", partly, "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_the_number_of_notes_shown_is_limited(capsys: pytest.CaptureFixture[str]) -> None:
    chain = "\n".join(f"t{number + 1} = Exp(t{number})" for number in range(30))
    Path("many.onnx").write_bytes(made(chain, {"t0": (1, 4)}, outputs=["t30"]).SerializeToString())
    assert run(["import", "many.onnx"]) == 0
    err = capsys.readouterr().err
    assert err.count("unsupported: Exp") == 20
    assert "and 10 more\n30 unsupported" in err


def test_strict_accepts_a_fully_supported_file() -> None:
    assert run(["import", lenet(), "--strict", "-o", "net.yaml"]) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x00\x01garbage", "a file of an unknown format"),
        (b"{}", "a file of an unknown format"),
        (b"PK\x03\x04", "a file of an unknown format"),
        (b"\x08\x09\x12\x07pytorch\x3a\xff", "not an ONNX model"),
        (b'{"class_name": 3}', "not a Keras model"),
        (b"\x89HDF\r\n", "HDF5"),
    ],
)
def test_an_invalid_file_is_refused(content: bytes, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.bin").write_bytes(content)
    assert run(["import", "net.bin"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("convcalc: net.bin: ")
    assert said in err


@pytest.mark.parametrize(
    "arguments", [[], ["net.onnx", "--torch", "a:b"], ["missing.onnx"], ["."], ["--torch", "a:b"], ["--strict"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_import_does_not_wait_for_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    assert run(["import", "pipe"]) == 2
    assert "not a regular file" in capsys.readouterr().err


def test_the_input_file_is_never_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    file = lenet()
    before = Path(file).read_bytes()
    assert run(["import", file, "-o", file]) == 2
    assert "is also an input file" in capsys.readouterr().err
    assert Path(file).read_bytes() == before


def test_a_shape_may_be_given_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", lenet(), "--input", "1,32,32", "--input", "1,40,40"]) == 2
    assert "--input is given twice" in capsys.readouterr().err


def test_a_given_shape_is_that_of_the_network() -> None:
    Path("open.onnx").write_bytes(
        made("y = Conv(x, w)", {"x": ("n", 3, "h", "w_")}, {"w": (8, 3, 3, 3)}).SerializeToString()
    )
    assert run(["import", "open.onnx", "--input", "x=3,20,30", "-o", "net.yaml"]) == 0
    assert [shape.sizes for shape in convcalc.load("net.yaml").inputs.values()] == [(3, 20, 30)]


@pytest.mark.parametrize("name", ["model.json", "model.keras", "model", "archive"])
def test_keras_is_recognised_by_name_or_content(name: str) -> None:
    config = json.dumps(json.loads(gzip.decompress(KERAS.read_bytes()))["keras"]).encode()
    if name in ("model.keras", "archive"):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("config.json", config)
    else:
        Path(name).write_bytes(config)
    assert run(["import", name, "-o", "net.yaml"]) == 0
    assert convcalc.summary("net.yaml").totals.params == 138_357_544  # Keras Applications: VGG16


def test_onnx_is_recognised_by_content() -> None:
    shutil.copy(lenet(), "model")
    assert run(["import", "model", "-o", "net.yaml"]) == 0


def test_code_is_run_only_with_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def read(factory: str, shape: tuple[int, ...], dtype: None) -> Graph:
        asked.append((factory, shape))
        return Graph(
            "small", "the factory nets:small", {"input": shape}, (Step("act", "relu", {}, ("input",)),), ("act",)
        )

    monkeypatch.setattr("convcalc.convert.from_torch.read_factory", read)
    Path("nets:small").write_bytes(Path(lenet()).read_bytes())
    assert run(["import", "nets:small", "-o", "net.yaml"]) == 0
    assert asked == []
    assert run(["import", "--torch", "nets:small", "--input", "3,8,8", "-o", "small.yaml"]) == 0
    assert asked == [("nets:small", (3, 8, 8))]
    assert convcalc.load("small.yaml").name == "small"


def test_a_missing_package_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lenet()
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert run(["import", file]) == 2
    assert "pip install 'convcalc[onnx]'" in capsys.readouterr().err
    assert run(["export", "example:lenet5", "--to", "onnx", "-o", "lenet5.onnx"]) == 2
    assert "pip install 'convcalc[onnx]'" in capsys.readouterr().err


# -- the progress bar


SCRIPT = """
from convcalc.cli.main import run
from convcalc.render import progress
progress.PATIENCE = {seconds}
assert run(["import", "lenet5.onnx"]) == 0
"""


def test_a_bar_shows_the_progress_of_a_long_read() -> None:
    count = len(onnx.load(lenet()).graph.node)
    assert f"1 of {count} nodes " in on_terminal("-c", SCRIPT.format(seconds=0))[1]


def test_a_short_read_has_no_bar() -> None:
    lenet()
    assert on_terminal("-c", SCRIPT.format(seconds=100))[1] == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("net.yaml", "net.yaml: already a spec"),
        ("net.YML", "already a spec"),
        ("net.py", "net.py: already a spec"),
        ("example:resnet18", "an example is already a spec"),
    ],
)
def test_an_unexpected_object_is_described_in_words(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    if ":" not in name:
        Path(name).write_text("layers: [relu]", encoding="utf-8")
    assert run(["import", name]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.torch
def test_several_inputs_of_a_module_need_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factory = ["import", "--torch", "tests.support.torch_modules:LeftAndRight"]
    assert run([*factory, "--input", "right=3,20,20", "--input", "left=3,8,8", "-o", "net.yaml"]) == 0
    network = convcalc.load("net.yaml")
    assert {name: shape.sizes for name, shape in network.inputs.items()} == {"left": (3, 8, 8), "right": (3, 20, 20)}
    assert run([*factory, "--input", "3,20,20", "--input", "left=3,8,8"]) == 2
    assert "with several inputs, each needs a name" in capsys.readouterr().err
