"""Commands that take a NET read model files like specs: the same figures as the imported spec, and clear refusals."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.shell_completion import ShellComplete

import convcalc
from convcalc.cli.main import commands, run
from convcalc.convert import formats
from convcalc.convert.graph import Graph, Step
from convcalc.convert.to_onnx import model_bytes
from tests.support import caffe_networks as caffe
from tests.support.onnx_models import made
from tests.support.openvino_models import Ir
from tests.support.places import DATA, ROOT

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

BIASED = """\
input: [3, 32, 32]
blocks:
  unit:
    params: {channels: }
    layers:
      - conv: {out_channels: $channels, kernel_size: 3}
      - batchnorm
      - relu
layers:
  - unit: {channels: 16, repeat: 3}
  - flatten
  - linear: 10
"""
OPAQUE = "a = Exp(x)\ny = Conv(a, w)"
CONVOLUTION = "y = Conv(x, w)"
W = {"w": (8, 4, 3, 3)}
PARAMS_OF_VGG16 = 138_357_544  # Keras Applications, keras.io/api/applications
Write = Callable[..., str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def biased() -> str:
    """A model in which every batch norm cancels a bias (lint rule CV206)."""
    Path("biased.yaml").write_text(BIASED, encoding="utf-8")
    Path("biased.onnx").write_bytes(model_bytes(convcalc.load("biased.yaml")))
    Path("biased.yaml").unlink()
    return "biased.onnx"


def write_model(nodes: str, inputs: dict[str, Any], weights: dict[str, Any] | None = None, **options: Any) -> str:
    Path("made.onnx").write_bytes(made(nodes, inputs, weights, **options).SerializeToString())
    return "made.onnx"


def write_keras() -> str:
    stored = json.loads(gzip.decompress((DATA / "keras" / "VGG16.json.gz").read_bytes()))
    Path("VGG16.json").write_text(json.dumps(stored["keras"]), encoding="utf-8")
    return "VGG16.json"


# -- the same as the imported spec


@pytest.mark.parametrize("name", ["lenet5", "mobilenet_v2", "unet"])
def test_a_model_file_has_the_report_of_the_spec_that_import_writes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(f"{name}.onnx").write_bytes(model_bytes(convcalc.load(f"example:{name}")))
    assert run(["import", f"{name}.onnx", "-o", "net.yaml"]) == 0
    reports = {}
    for file in (f"{name}.onnx", "net.yaml"):
        assert run(["summary", file, "-f", "json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report.pop("file") == file
        reports[file] = report
    for layer in reports["net.yaml"]["layers"]:
        assert layer.pop("line")
    for layer in reports[f"{name}.onnx"]["layers"]:
        assert layer.pop("line") is None
    assert reports[f"{name}.onnx"] == reports["net.yaml"]
    assert run(["diff", f"{name}.onnx", "net.yaml", "--exit-code"]) == 0
    assert "no differences" in capsys.readouterr().out


def test_a_keras_model_has_its_published_params(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", write_keras(), "example:vgg16", "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    assert [row["totals"]["params"] for row in rows] == [PARAMS_OF_VGG16] * 2
    assert rows[0]["file"] == "VGG16.json"


@pytest.mark.parametrize(
    "command",
    [
        ["summary"],
        ["rf"],
        ["rf", "linear1"],
        ["memory"],
        ["explain"],
        ["explain", "linear1"],
        ["explain", "--conventions"],
        ["alternatives"],
        ["export", "--to", "torch"],
        ["compare"],
        ["check"],
    ],
    ids=" ".join,
)
def test_a_command_shows_a_model_file_as_it_shows_its_spec(
    command: list[str], biased: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", biased, "-o", "net.yaml"]) == 0
    assert run([command[0], biased, *command[1:]]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert run([command[0], "net.yaml", *command[1:]]) == 0
    of_spec = capsys.readouterr().out
    if command[0] != "check":  # which quotes the lines of a spec
        assert re.sub(" · line [0-9]+", "", of_spec).replace("net.yaml", biased) == shown.out


def test_a_model_file_needs_no_command(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([biased]) == 0
    assert capsys.readouterr().out.startswith("biased\ninput 3×32×32")
    assert run(["missing.onnx"]) == 2
    assert capsys.readouterr().err == "convcalc: missing.onnx: no such file\n"
    assert run(["biasd.onnx"]) == 2
    assert "did you mean biased.onnx?" in capsys.readouterr().err


@pytest.mark.torch
def test_verify_compares_a_model_file_with_pytorch(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", biased]) == 0
    assert "agrees" in capsys.readouterr().out


def test_verify_compares_a_model_file_with_itself(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", biased, "--onnx", biased]) == 0
    assert "agrees" in capsys.readouterr().out


# -- options


def test_options_that_change_a_network_apply_to_a_model_file(capsys: pytest.CaptureFixture[str]) -> None:
    file = write_model(CONVOLUTION, {"x": (1, 4, 12, 10)}, W)
    assert run(["summary", file, "--batch", "3", "--dtype", "int8", "-f", "json"]) == 0
    network = json.loads(capsys.readouterr().out)
    assert network["totals"]["macs"] == 3 * 8 * 10 * 8 * 4 * 3 * 3
    assert network["totals"]["weight_memory"] == 8 * 4 * 3 * 3


@pytest.mark.parametrize("given", ["4,32,20", "x=4,32,20", "1,4,32,20", "x=5,4,32,20"])
def test_an_input_shape_replaces_that_of_a_model_file(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_model(CONVOLUTION, {"x": (1, 4, 12, 10)}, W)
    for command in ("summary", "memory", "rf", "alternatives", "compare", "import"):
        assert run([command, file, "--input", given]) == 0
        out, err = capsys.readouterr()
        batch = given.removeprefix("x=")[0] if given.count(",") == 3 else ""
        remark = f"is read as 4,32,20: the leading {batch} is taken as the batch size" if batch else ""
        assert err == (f"convcalc: --input {given} {remark}\n" if batch else "")
        assert "4×32×20" in out or "[4, 32, 20]" in out or command == "compare"
    assert convcalc.load(file, input=[4, 32, 20]).nodes[0].layer.output.sizes == (8, 30, 18)
    assert convcalc.load(file, inputs={"x": [1, 4, 32, 20]}).nodes[0].layer.output.sizes == (8, 30, 18)


def test_channels_that_come_last_are_not_taken_for_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    file = write_model(CONVOLUTION, {"x": (1, 4, 12, 10)}, W)
    for given, right in (("1,32,20,4", "4,32,20"), ("32,20", "4,32,20"), ("3,4,12,10,9", "4,12,10")):
        assert run(["summary", file, "--input", given]) == 2
        assert f": --input {right}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sizes", "hint"),
    [
        (("N", 4, 12, "width"), "--input x=4,12,W"),
        (("N", 4, "height", "width"), "--input x=4,H,W"),
        (("N", 4, "length"), "--input x=4,L"),
        (("N", "channels", "height", "width"), "--input x=3,224,224"),
        (("N", 4, "depth", 12, "width"), "--input x=4,D,12,W"),
    ],
)
def test_a_hint_for_an_unknown_size_shows_the_known_ones(
    sizes: tuple[Any, ...], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_model("y = Relu(x)", {"x": sizes})
    for command in ("summary", "import"):
        assert run([command, file]) == 2
        assert capsys.readouterr().err.rstrip().endswith(f": {hint}")


def test_a_hint_for_a_keras_model_is_channels_first(capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(write_keras()).read_text(encoding="utf-8").replace("[null, 224, 224, 3]", "[null, null, 224, 3]")
    Path("VGG16.json").write_text(text, encoding="utf-8")
    assert run(["summary", "VGG16.json"]) == 2
    assert "give --input 3,H,224\n" in capsys.readouterr().err


def test_spec_parameters_of_a_model_file_are_refused(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    advice = "run convcalc import biased.onnx -o net.yaml, and add params: to it"
    for arguments, given in (([biased, "--set", "width=2"], "--set width=2"), ([f"{biased}@width=2"], "@width=2")):
        assert run(["summary", *arguments]) == 2
        assert capsys.readouterr().err == f"convcalc: {given}: an ONNX model has no spec parameters: {advice}\n"
    assert run(["check", f"{biased}@width=2"]) == 2
    assert "@width=2: an ONNX model has no spec parameters" in capsys.readouterr().out
    assert run(["compare", biased, "example:mobilenet_v1", "--set", "width=0.5"]) == 0
    assert run(["fit", biased, "-p", "width=1,2", "--max-params", "5M"]) == 2
    assert advice in capsys.readouterr().err
    with pytest.raises(convcalc.InvalidSpec, match="has no spec parameters"):
        convcalc.load(biased, params={"width": 2})


def test_what_would_edit_a_model_file_is_refused(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(biased).read_bytes()
    for arguments in (["check", "--fix"], ["check", "--diff"], ["alternatives", "--apply", "separable:unit*"]):
        assert run([arguments[0], biased, *arguments[1:]]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "an ONNX model" in err
    assert run(["summary", biased, "-o", biased]) == 2
    assert "is also an input file" in capsys.readouterr().err
    assert Path(biased).read_bytes() == before


# -- check


def test_findings_about_a_model_file_name_its_layers(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = convcalc.load(biased).nodes[0].name
    found = f"batchnorm1 cancels the bias of {where}: 16 params without effect, also in 2 similar layers"
    assert run(["check", biased, "--max-params", "1K"]) == 1
    text = capsys.readouterr().out
    assert "biased.onnx: error: " in text
    assert f"biased.onnx:{where}: note: " in text
    assert found in text
    assert "--fix" not in text
    assert run(["check", biased, "-f", "json"]) == 0
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["path"], problem["line"]) == (biased, [where], None)
    assert run(["check", biased, "-f", "github"]) == 0
    assert f"::notice file=biased.onnx,title=convcalc CV206::{where}: " in capsys.readouterr().out
    assert run(["check", biased, "-f", "sarif"]) == 0
    [result] = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert result["message"]["text"].startswith(f"{where}: ")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "biased.onnx"}
    assert run(["check", biased, "-f", "gitlab"]) == 0
    [report] = json.loads(capsys.readouterr().out)
    assert report["description"].startswith(f"{where}: ")
    assert run(["check", biased, "-f", "junit"]) == 0
    assert f"biased.onnx: {where}: " in "".join(ElementTree.fromstring(capsys.readouterr().out).itertext())


def test_check_reads_model_files_that_are_named_and_no_others(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text("input: [3, 8, 8]\nlayers: [relu]\n", encoding="utf-8")
    expected = {
        (".",): ["net.yaml"],
        ("*",): ["net.yaml"],
        ("*.onnx",): [biased],
        (".", biased): ["net.yaml", biased],
    }
    for nets, files in expected.items():
        assert run(["check", *nets, "-f", "junit"]) == 0
        cases = ElementTree.fromstring(capsys.readouterr().out).iter("testcase")
        assert sorted(str(case.get("name")) for case in cases) == sorted(files)


def test_check_uses_several_processes_for_model_files(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_model(OPAQUE, {"x": (1, 4, 12, 10)}, W)
    Path("broken.onnx").write_bytes(Path(file).read_bytes()[:60])
    assert run(["check", biased, file, "broken.onnx", "-j", "2"]) == 2
    out, err = capsys.readouterr()
    assert "broken.onnx: error: not an ONNX model" in out
    assert "made.onnx: unsupported: Exp 'Exp_0'" in err


# -- other formats, which need no package

DARKNET = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=8\nsize=3\nactivation=leaky\n"


def write_without_packages(name: str) -> str:
    """Write a model of a convolution and an activation, in the format of the ending, and return its name."""
    if name.endswith(".xml"):
        model = Ir()
        x = model.input(1, 3, 32, 32)
        options = {"strides": "1, 1", "dilations": "1, 1", "pads_begin": "0, 0", "pads_end": "0, 0"}
        [conv] = model.add("Convolution", [x, model.weight(8, 3, 3, 3)], [(1, 8, 30, 30)], **options)
        [biased] = model.add("Add", [conv, model.weight(1, 8, 1, 1)], [(1, 8, 30, 30)])
        return model.save(Path(), *model.add("ReLU", [biased], [(1, 8, 30, 30)]))
    window = "convolution_param { num_output: 8 kernel_size: 3 }"
    layers = [caffe.layer("Convolution", "data", "conv", window), caffe.layer("ReLU", "conv", "conv")]
    text = DARKNET if name.endswith(".cfg") else caffe.net(*layers, shape=(3, 32, 32))
    Path(name).write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize("name", ["net.prototxt", "net.cfg", "net.xml"])
@pytest.mark.parametrize(
    "command",
    [
        ["summary"],
        ["check"],
        ["compare"],
        ["rf"],
        ["memory"],
        ["explain"],
        ["alternatives"],
        ["export", "--to", "torch"],
    ],
    ids=" ".join,
)
def test_every_command_reads_models_that_need_no_package(
    command: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_without_packages(name)
    assert run([command[0], file, *command[1:]]) == 0
    assert capsys.readouterr().err == ""
    assert run(["import", file, "-o", "net.yaml"]) == 0
    assert run(["diff", file, "net.yaml", "--exit-code"]) == 0
    assert convcalc.summary(file).totals.params == 8 * (3 * 9 + 1)


@pytest.mark.parametrize(
    ("name", "text", "place", "message"),
    [
        (
            "net.cfg",
            DARKNET.replace("filters=8", "filters=many"),
            "line=6,endLine=6,col=9,endColumn=13",
            "filters must be an integer of at least 1 with at most 9 digits; got 'many'",
        ),
        ("net.cfg", f"{DARKNET}[gru]\n", "line=9,endLine=9,col=1,endColumn=6", "the section [gru] is not supported"),
        (
            "net.prototxt",
            caffe.net(caffe.layer("ReLU", "dat", "out")),
            "line=10,endLine=10,col=11,endColumn=16",
            "no earlier layer produces 'dat' (did you mean data?)",
        ),
    ],
)
def test_a_mistake_in_a_model_file_is_annotated_at_its_line(
    name: str, text: str, place: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(text, encoding="utf-8")
    assert run(["check", name, "-f", "github"]) == 1
    annotation, *_ = capsys.readouterr().out.splitlines()
    assert annotation.startswith(f"::error file={name},{place},")
    assert annotation.endswith(f"::{message}")
    for command in (["summary", name], ["import", name, "-o", "net.yaml"]):
        assert run(command) == 1
        assert f"{name}:{place.partition('line=')[2].partition(',')[0]}:" in capsys.readouterr().err


# -- what is said


@pytest.mark.parametrize(
    "command", ["summary", "check", "memory", "rf", "explain", "alternatives", "compare", "report"]
)
def test_opaque_layers_are_reported_as_import_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_model(OPAQUE, {"x": (1, 4, 12, 10)}, W)
    run(["import", file, "-o", "net.yaml"])
    said = capsys.readouterr().err
    assert said.startswith("unsupported: Exp 'Exp_0'")
    assert run([command, file]) == 0
    assert capsys.readouterr().err == "".join(f"{file}: {line}\n" for line in said.splitlines())
    assert run([command, file, "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "command", ["summary", "memory", "explain", "alternatives", "compare", "report", "verify", "export"]
)
def test_a_broken_model_file_gives_the_error_of_import(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.onnx").write_bytes(Path(write_model(OPAQUE, {"x": (1, 4, 12, 10)}, W)).read_bytes()[:60])
    assert run(["import", "broken.onnx"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("convcalc: broken.onnx: not an ONNX model")
    assert run([command, "broken.onnx", *(["--to", "onnx"] if command == "export" else [])]) == 2
    if command == "verify" and "pip install" in (err := capsys.readouterr().err):
        assert "convcalc[torch]" in err
    elif command != "verify":
        assert capsys.readouterr() == ("", said)
    with pytest.raises(convcalc.NotImported, match=r"broken\.onnx: not an ONNX model"):
        convcalc.summary("broken.onnx")


def test_a_missing_extra_is_named_with_its_command(
    biased: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for command in ("summary", "import", "check"):
        assert run([command, biased]) == 2
        assert "pip install 'convcalc[onnx]'" in "".join(capsys.readouterr())


def test_a_broken_file_does_not_hide_the_others(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.onnx").write_bytes(b"\x08\x09\x12\x07")
    assert run(["compare", biased, "broken.onnx", "example:lenet5"]) == 2
    out, err = capsys.readouterr()
    assert "convcalc: broken.onnx: not an ONNX model" in err
    assert "biased" in out
    assert "lenet5" in out


def test_a_version_in_git_must_be_a_spec(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["init", "-q"], ["add", biased]):
        subprocess.run(["git", *arguments], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, "commit", "-qm", "add"], check=True)
    assert run(["diff", "--git", "HEAD", biased]) == 2
    assert "HEAD:biased.onnx: an ONNX model, not a spec: model files are read only by" in capsys.readouterr().err


# -- completion, Python and start-up


def test_the_layers_of_a_model_file_are_completed(biased: str, capsys: pytest.CaptureFixture[str]) -> None:
    complete = ShellComplete(commands, {}, "convcalc", "_CONVCALC_COMPLETE").get_completions
    assert [item.value for item in complete(["explain", biased], "lin")] == ["linear1"]
    assert [item.type for item in complete(["summary"], "bia")] == ["file"]
    assert complete(["summary", biased, "--set"], "w") == []
    assert capsys.readouterr() == ("", "")


def test_python_reads_model_files(biased: str) -> None:
    network = convcalc.load(biased, batch=2)
    assert (network.file, network.name, network.batch) == (biased, "biased", 2)
    assert convcalc.summary(Path(biased)).totals.params == convcalc.analyse(network).totals.params
    with pytest.raises(TypeError, match="a spec or a model file"):
        convcalc.load(biased, input_shape=(3, 32, 32))
    with pytest.raises(convcalc.InvalidSpec, match="input of a model file must be a list of positive integers"):
        convcalc.load(biased, input={"channels": 3, "height": 32, "width": 32})


def test_reading_a_spec_imports_no_reader(tmp_path: Path) -> None:
    code = (
        "import sys; from convcalc.cli.main import run; run(['summary', 'example:lenet5', '-o', 'out.txt']);"
        "print(*sorted(name for name in sys.modules if name.startswith('convcalc.convert.')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.split() == ["convcalc.convert.net_files"]


@pytest.mark.torch
def test_a_module_is_traced_without_a_leading_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(".")
    Path("batch_nets.py").write_text(
        "from torch import nn\ndef flat(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))\n"
        "def deep(): return nn.Conv3d(3, 4, 3)\n",
        encoding="utf-8",
    )
    assert run(["import", "--torch", "batch_nets:flat", "--input", "1,3,20,20"]) == 0
    out, err = capsys.readouterr()
    assert "input: [3, 20, 20]" in out
    assert err == "convcalc: the first size of 1,3,20,20 is read as the batch; one sample is 3,20,20\n"
    assert run(["import", "--torch", "batch_nets:deep", "--input", "3,9,20,20"]) == 0
    out, err = capsys.readouterr()
    assert "input: [3, 9, 20, 20]" in out
    assert err == ""
    assert run(["import", "--torch", "batch_nets:flat", "--input", "1,5,20,20"]) == 2
    assert "input" in capsys.readouterr().err


# -- parameters with which a file is read


@pytest.fixture
def scaled(biased: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model whose reader has the parameter `scale`, as that of a YAML with several scales has."""
    recognise, changed = formats.recognise, formats.ONNX._replace(parameters=("scale",))

    def read(path: str, inputs: object, follow: object, scale: str = "n") -> Graph:
        channels = {"n": 8, "s": 16}[scale]
        step = Step("first", "conv", {"out_channels": channels, "kernel_size": 3}, ("x",))
        return Graph("scaled", path, {"x": (3, 8, 8)}, (step,), ("first",))

    monkeypatch.setattr("convcalc.convert.from_onnx.read", read)
    monkeypatch.setattr(formats, "recognise", lambda *file: changed if file[0] == biased else recognise(*file))
    return biased


@pytest.mark.parametrize("command", ["summary", "compare", "memory", "explain", "alternatives", "check"])
def test_a_parameter_of_a_format_selects_the_network(
    command: str, scaled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for channels, arguments in ((8, [scaled]), (16, [f"{scaled}@scale=s"]), (16, [scaled, "--set", "scale=s"])):
        if command == "check" and "--set" in arguments:
            continue
        limit = ["--max-params", str(channels * 28 - 1)] if command == "check" else ["-f", "json"]
        assert run([command, *arguments, *limit]) == int(command == "check")
        out, err = capsys.readouterr()
        assert err == ""
        peak = 4 * (3 * 8 * 8 + channels * 6 * 6)
        assert str(peak if command == "memory" else channels * 28) in out
    assert run(["summary", f"{scaled}@size=s"]) == 2
    assert "@size=s: an ONNX model has no such parameter: available: scale" in capsys.readouterr().err


def test_parameters_of_a_format_apply_to_each_side_and_in_python(
    scaled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", f"{scaled}@scale=n", f"{scaled}@scale=s", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["params"]["new"] == 16 * 28
    assert run(["compare", scaled, f"{scaled}@scale=s", "example:lenet5", "-f", "json"]) == 0
    networks = json.loads(capsys.readouterr().out)["networks"]
    assert [network["totals"]["params"] for network in networks] == [8 * 28, 16 * 28, 61_706]
    assert convcalc.summary(scaled, params={"scale": "s"}).totals.params == 16 * 28


def test_many_unsupported_operations_are_grouped_by_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="reads an ONNX file")
    monkeypatch.chdir(tmp_path)
    operators = ["Exp"] * 30 + ["Erf"] * 10
    lines = [f"a{place + 1} = {operator}(a{place})" for place, operator in enumerate(operators)]
    lines += ["y = Conv(a40, w)"]
    Path("made.onnx").write_bytes(made("\n".join(lines), {"a0": (1, 3, 8, 8)}, {"w": (4, 3, 3, 3)}).SerializeToString())
    assert run(["summary", "made.onnx"]) == 0
    first, last = capsys.readouterr().err.splitlines()
    assert first == "made.onnx: unsupported: 40 × unsupported operator (30 Exp, 10 Erf)"
    assert last.startswith("made.onnx: 40 unsupported: 40 opaque layers")
    assert last.endswith("; convcalc import made.onnx lists all")
    assert run(["import", "made.onnx"]) == 0
    assert capsys.readouterr().out.count("# unsupported: ") == 40
