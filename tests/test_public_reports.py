"""Networks and commands on which convcalc was once wrong, as strangers reported them.

Each case has its source and the right value, derived independently: by hand, by a published figure, or by a run of
the framework.
"""

import io
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.convert.graph import Graph, Step
from convcalc.convert.writer import spec_text

# -- shapes and inputs


IMAGE = "name: small\ninput: [3, 224, 224]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
TWO = (
    "inputs: {left: [3, 8, 8], right: [3, 8, 8]}\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, from: left}\n"
    "  - conv: {out_channels: 4, kernel_size: 3, from: right}\n  - add: {from: [conv1, conv2]}\n"
)
READING = {  # every command that takes --input, with what else it needs
    "summary": [],
    "rf": [],
    "memory": [],
    "explain": [],
    "alternatives": [],
    "compare": [],
    "export": ["--to", "torch"],
    "fit": ["-p", "width=1,2", "--max-params", "5M"],
}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    text = IMAGE.replace("input:", "params: {width: 4}\ninput:").replace("out_channels: 4", "out_channels: $width")
    Path("net.yaml").write_text(text, encoding="utf-8")
    Path("two.yaml").write_text(TWO, encoding="utf-8")
    return "net.yaml"


# reported: `--input 1,3,224,224` printed a 3-D ResNet-18 of 33,673,000 params, exit 0


@pytest.mark.parametrize("command", READING)
def test_an_input_with_a_batch_is_refused_with_the_right_form(
    command: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, image, *READING[command], "--input", "1,3,224,224"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(
        "--input has 4 sizes, the spec's input 3×224×224 has 3; leave out the batch: --input 3,224,224 (--batch 1)\n"
    )
    assert run([command, image, *READING[command], "--input", "3,224,224", "--batch", "1", "-o", "out"]) == 0


def test_a_named_input_with_a_batch_is_refused_with_the_right_form(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["summary", "two.yaml", "--input", "left=2,8,8,3"]) == 2
    assert capsys.readouterr().err == (
        "convcalc: --input left has 4 sizes, the spec's input left 3×8×8 has 3; "
        "leave out the batch and put the channels first: --input left=3,8,8 (--batch 2)\n"
    )


def test_an_input_with_a_batch_is_refused_in_python() -> None:
    with pytest.raises(convcalc.InvalidSpec, match=r"leave out the batch: input=\[3, 64, 64\], batch=1"):
        convcalc.load(io.StringIO(IMAGE), input=[1, 3, 64, 64])


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("written", ["[1, 3, 224, 224]", "[224, 224, 3]"])
def test_a_spec_with_a_batch_or_channels_last_is_warned_of_on_standard_error(
    command: str, written: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(image).read_text(encoding="utf-8")
    Path(image).write_text(text.replace("[3, 224, 224]", written), encoding="utf-8")
    assert run([command, image, *READING[command]]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("convcalc: warning: net.yaml:3:1: input ")
    assert err.count("write input: [3, 224, 224];") == 1
    assert "CV213" not in out
    assert run(["check", image]) == 1
    assert "[CV213]" in capsys.readouterr().out


def test_a_warning_leaves_json_alone_and_can_be_ignored(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", image, "--input", "224,224,3", "-f", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["inputs"] == {"input": [224, 224, 3]}
    assert "give --input 3,224,224 if that is meant" in err
    text = Path(image).read_text(encoding="utf-8").replace("[3, 224, 224]", "[1, 64, 64, 64]")
    for silent in (
        text.replace("64]", "64]  # convcalc: ignore[CV213]"),
        text + "check: {ignore: [CV213]}\n",
        text.replace("[1, 64, 64, 64]", "{channels: 1, depth: 64, height: 64, width: 64}"),
    ):
        Path(image).write_text(silent, encoding="utf-8")
        assert run(["summary", image, "-f", "json"]) == 0
        assert capsys.readouterr().err == ""


def test_what_import_writes_of_a_volume_is_not_warned_of() -> None:
    steps = (Step("act", "relu", {}, ("input",)),)
    text = spec_text(Graph("ct", "a test", {"input": (1, 64, 128, 128)}, steps, ("act",)))
    network = convcalc.load(io.StringIO(text))
    assert network.inputs["input"].sizes == (1, 64, 128, 128)
    assert network.misread == {}


# -- receptive field and drawings


# -- memory and data types


# -- budgets, fit and alternatives


# -- the command line


# reported: `compare X --set width=0.5 X --set width=0.75` printed one row of width 0.75, exit 0


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "width=1", "--set", "width=2"], "--set gives 'width' twice: to compare two values, convcalc diff"),
        (["--dtype", "weights=int8,weights=int4"], "--dtype gives 'weights' twice"),
        (["--input", "3,8,8", "--input", "3,9,9"], "--input gives the shape twice"),
        (["--input", "3,8,8", "--input", "input=3,9,9"], "--input gives the shape of input twice"),
    ],
)
def test_an_option_that_is_given_twice_for_one_name_is_refused(
    command: str, options: list[str], said: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = [*READING[command]]
    if command == "fit":
        Path(image).write_text(Path(image).read_text(encoding="utf-8").replace("width: 4", "width: 4, w: 1"), "utf-8")
        needs[1] = "w=1,2"
    assert run([command, image, *needs, *options]) == 2
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True)


def test_two_settings_are_compared_by_what_the_hint_says(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", image, image, "--set-old", "width=1", "--set-new", "width=2", "-f", "json"]) == 0
    params = json.loads(capsys.readouterr().out)["totals"]["params"]
    # a 3×3 convolution of 3 channels has 27 weights and a bias for each of its output channels
    assert (params["old"], params["new"]) == (28, 2 * 28)
    assert run(["diff", image, image, "--set-old", "width=1", "--set-old", "width=2"]) == 2
    assert "--set-old gives 'width' twice" in capsys.readouterr().err


# reported: `--set width=abc` was reported at every use in the spec, never at --set


@pytest.mark.parametrize("command", READING)
def test_a_wrong_value_of_a_param_is_reported_once_where_it_was_given(
    command: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(image).read_text(encoding="utf-8")
    more = "  - conv: {out_channels: $width, kernel_size: 3}\n"
    Path(image).write_text(text.replace("width: 4", "width: 4, w: 1") + more, encoding="utf-8")
    needs = ["-p", "w=1,2", "--max-params", "5M"] if command == "fit" else READING[command]
    assert run([command, image, *needs, "--set", "width=abc"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("abc") == 2  # what was given, and that it is no number
    assert "--set width=abc: out_channels takes an integer from 1, not 'abc' (first used at net.yaml:5:26)" in err


def test_a_wrong_value_is_found_through_params_and_blocks_and_among_others(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("deep.yaml").write_text(
        "params: {base: 4, twice: $(2 * base), act: relu, needed: }\ninput: [3, 8, 8]\n"
        "blocks:\n  unit:\n    params: {size: }\n    layers:\n"
        "      - conv: {out_channels: $size, kernel_size: 1}\n      - $act\n"
        "layers:\n  - unit: {size: $twice}\n  - unit: {size: $needed}\n",
        encoding="utf-8",
    )
    good = {"base": "2", "act": "tanh", "needed": "3"}
    for name, value, place in (("base", "x", "1:30"), ("act", "relo", "8:9"), ("needed", "0.5", "7:30")):
        options = [word for key, text in {**good, name: value}.items() for word in ("--set", f"{key}={text}")]
        assert run(["summary", "deep.yaml", *options]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"convcalc: --set {name}={value}: ")
        assert f"(first used at deep.yaml:{place})" in err
        assert len(err.splitlines()) == 1


def test_a_wrong_value_for_an_example_names_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", "example:mobilenet_v1", "--set", "width=abc"]) == 2
    assert "(first used at example:mobilenet_v1:" in capsys.readouterr().err


def test_a_value_for_which_the_shapes_do_not_fit_is_a_wrong_network(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("deep.yaml").write_text(
        "params: {k: 3}\ninput: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: $k}\n", encoding="utf-8"
    )
    assert run(["summary", "deep.yaml", "--set", "k=9"]) == 1
    assert capsys.readouterr().err.startswith("deep.yaml:4:")


def test_a_wrong_value_in_python_names_the_argument() -> None:
    text = "params: {k: 3}\ninput: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: $k}\n"
    with pytest.raises(convcalc.InvalidSpec, match=r"params\['k'\] = 'abc': kernel_size takes"):
        convcalc.load(io.StringIO(text), params={"k": "abc"})
    with pytest.raises(convcalc.InvalidSpec, match="batch: batch takes an integer from 1, not 0"):
        convcalc.load(io.StringIO(text), batch=0)
    with pytest.raises(convcalc.InvalidSpec, match="dtype: dtype has weights"):
        convcalc.load(io.StringIO(text), dtype={"wieghts": "int8"})


# reported: `summary bad.yaml -f json -o out.json` replaced a good earlier report


@pytest.mark.parametrize("command", [*READING, "diff"])
@pytest.mark.parametrize("form", [[], ["-f", "json"]])
def test_problems_of_a_spec_never_go_to_the_file_of_a_report(
    command: str, form: list[str], image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    form = [] if command == "export" else form  # which has no -f
    Path("bad.yaml").write_text("params: {width: 1}\n" + IMAGE.replace("kernel_size", "kernel_sze"), encoding="utf-8")
    Path("out.json").write_text("earlier", encoding="utf-8")
    nets = ["bad.yaml", image] if command == "diff" else ["bad.yaml"]
    assert run([command, *nets, *READING.get(command, []), *form, "-o", "out.json"]) == 1
    out, err = capsys.readouterr()
    assert Path("out.json").read_text(encoding="utf-8") == "earlier"
    assert "kernel_sze" in (out if form else err)
    assert not form or json.loads(out)["schema"].startswith("convcalc/")


# reported: `check` in a folder that was deleted said "did you mean (the same name)?"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be deleted there")
@pytest.mark.parametrize(
    "arguments",
    [
        *([command, "net.yaml", *needs] for command, needs in READING.items()),
        ["check", "net.yaml"],
        ["check", "."],
        ["check", "*.yaml"],
        ["compare", "*.yaml"],
        ["diff", "net.yaml", "net.yaml"],
        ["diff", "--git", "HEAD", "net.yaml"],
        ["import", "net.onnx"],
        ["init", "-o", "net.yaml"],
        ["schema", "-o", "schema.json"],
        ["summary", "example:lenet5", "-o", "out"],
    ],
    ids=" ".join,
)
def test_a_deleted_working_folder_is_what_is_reported(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(arguments) == 2
    said = "".join(capsys.readouterr())
    assert "the folder that you are in has been deleted: cd to one that exists" in said
    assert "did you mean" not in said


# -- imports: PyTorch


# -- imports: ONNX and Keras


# the same kind as a batch in `summary --input`: the error was one of onnx, "Attribute dilations has incorrect size"


def test_an_input_with_a_batch_is_refused_by_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    files = ["net.json"]
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, None, None, 3], "name": "image"}},
        {"class_name": "ReLU", "config": {"name": "relu"}},
    ]
    Path("net.json").write_text(json.dumps({"class_name": "Sequential", "config": {"layers": layers}}), "utf-8")
    if find_spec("onnx"):
        Path("net.yaml").write_text(IMAGE, encoding="utf-8")
        assert run(["export", "net.yaml", "--to", "onnx", "-o", "net.onnx"]) == 0
        files.append("net.onnx")
    for file in files:
        assert run(["import", file, "--input", "1,3,64,64"]) == 2
        assert "--input has 4 sizes" in (said := capsys.readouterr().err)
        assert "leave out the batch" in said
        assert run(["import", file, "--input", "3,64,64", "-o", "out.yaml"]) == 0
        assert convcalc.load("out.yaml").inputs.popitem()[1].sizes == (3, 64, 64)
