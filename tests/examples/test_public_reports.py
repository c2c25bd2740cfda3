"""Networks and commands for which convcalc once gave wrong results, as reported by users.

Each case has its source and the right value, derived independently: by hand, from a published figure, or from a run of
the framework.
"""

import inspect
import io
import json
import re
import shlex
import sys
from fractions import Fraction
from importlib.util import find_spec
from io import StringIO
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.graph import Graph, Step, plain_spec
from tests.support.onnx_models import imported, made
from tests.support.specs import load, report


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


# -- shapes and inputs


IMAGE = "name: small\ninput: [3, 224, 224]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
TWO = (
    "inputs: {left: [3, 8, 8], right: [3, 8, 8]}\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3, from: left}\n"
    "  - conv: {out_channels: 4, kernel_size: 3, from: right}\n  - add: {from: [conv1, conv2]}\n"
)
READING = {  # every command with --input, and the other arguments it needs
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
def test_an_input_with_a_batch_is_refused_with_a_correction(
    command: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, image, *READING[command], "--input", "1,3,224,224"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(
        "--input has 4 sizes, but the spec's input 3×224×224 has 3; "
        "leave out the batch size: --input 3,224,224 (--batch 1)\n"
    )
    assert run([command, image, *READING[command], "--input", "3,224,224", "--batch", "1", "-o", "out"]) == 0


def test_a_named_input_with_a_batch_is_refused_with_a_correction(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["summary", "two.yaml", "--input", "left=2,8,8,3"]) == 2
    assert capsys.readouterr().err == (
        "convcalc: --input left has 4 sizes, but the spec's input left 3×8×8 has 3; "
        "leave out the batch size and put the channels first: --input left=3,8,8 (--batch 2)\n"
    )


def test_an_input_with_a_batch_is_refused_in_python() -> None:
    with pytest.raises(convcalc.InvalidSpec, match=r"leave out the batch size: input=\[3, 64, 64\], batch=1"):
        convcalc.load(io.StringIO(IMAGE), input=[1, 3, 64, 64])


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("written", ["[1, 3, 224, 224]", "[224, 224, 3]"])
def test_a_spec_with_a_batch_or_channels_last_causes_a_warning_on_standard_error(
    command: str, written: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(image).read_text(encoding="utf-8")
    Path(image).write_text(text.replace("[3, 224, 224]", written), encoding="utf-8")
    assert run([command, image, *READING[command]]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("convcalc: warning: net.yaml:3:1: input ")
    assert err.count("use input: [3, 224, 224];") == 1
    assert "CV213" not in out
    assert run(["check", image]) == 1
    assert "[CV213]" in capsys.readouterr().out


def test_a_warning_does_not_affect_json_and_can_be_ignored(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", image, "--input", "224,224,3", "-f", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["inputs"] == {"input": [224, 224, 3]}
    assert "use --input 3,224,224 if that is intended" in err
    text = Path(image).read_text(encoding="utf-8").replace("[3, 224, 224]", "[1, 64, 64, 64]")
    for silent in (
        text.replace("64]", "64]  # convcalc: ignore[CV213]"),
        text + "check: {ignore: [CV213]}\n",
        text.replace("[1, 64, 64, 64]", "{channels: 1, depth: 64, height: 64, width: 64}"),
    ):
        Path(image).write_text(silent, encoding="utf-8")
        assert run(["summary", image, "-f", "json"]) == 0
        assert capsys.readouterr().err == ""


def test_an_imported_volume_causes_no_warning() -> None:
    steps = (Step("act", "relu", {}, ("input",)),)
    text = spec_text(Graph("ct", "a test", {"input": (1, 64, 128, 128)}, steps, ("act",)))
    network = convcalc.load(io.StringIO(text))
    assert network.inputs["input"].sizes == (1, 64, 128, 128)
    assert network.misread == {}


# -- receptive field and drawings

# reported: a linear layer after a crop was said to cover its whole input; gradients show positions 18 and 19
CROPPED: dict[str, Any] = {
    "input": [1, 20],
    "layers": [
        {"conv": {"out_channels": 1, "kernel_size": 3, "padding": 1}},
        {"crop": {"amount": [[19, 0]]}},
        "flatten",
        {"linear": {"out_features": 4}},
    ],
}


def tcn(length: int, kernel_size: int = 3, blocks: int = 5) -> dict[str, Any]:
    """A classifier of the last time step: two causal convolutions per block, dilation 1, 2, 4, … (Bai et al. 2018)."""
    layers: list[Any] = []
    for block in range(blocks):
        dilation = 2**block
        one = {"conv": {"out_channels": 2, "kernel_size": kernel_size, "dilation": dilation, "padding": "causal"}}
        layers.append({"branches": [[one, "relu", one, "relu"], []], "merge": "add"})
    last_step = {"crop": {"amount": [[length - 1, 0]]}}
    return {"input": [2, length], "layers": [*layers, last_step, "flatten", {"linear": {"out_features": 3}}]}


TCN_FIELD = 1 + 2 * (3 - 1) * (1 + 2 + 4 + 8 + 16)  # 125: each of ten convolutions adds (k - 1) × dilation


def field_of(spec: dict[str, Any], layer: str) -> dict[str, Any]:
    found = {each["name"]: each["receptive_field"] for each in report(spec)["layers"]}
    return dict(found[layer])


def test_a_linear_layer_after_a_crop_depends_on_the_remaining_inputs() -> None:
    assert field_of(CROPPED, "linear1") == {"size": [2], "jump": [0], "center": ["37/2"], "aligned": True}


def test_a_temporal_classifier_reaches_as_far_back_as_its_convolutions() -> None:
    assert TCN_FIELD == 125
    assert field_of(tcn(400), "linear1")["size"] == [125]
    short = field_of(tcn(100), "linear1")
    assert (short["size"], short["global"]) == ([100], True)


def test_every_report_of_a_temporal_classifier_agrees(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tcn.yaml"
    file.write_text(json.dumps(tcn(400)), encoding="utf-8")
    field = json.loads(printed(capsys, "rf", str(file), "linear1", "-f", "json"))["layers"][0]
    summary = json.loads(printed(capsys, "summary", str(file), "-f", "json"))
    assert [field["size"], summary["layers"][-1]["receptive_field"]["size"]] == [[125], [125]]
    assert re.search("receptive field +125: ", printed(capsys, "explain", str(file), "linear1", "-q"))
    assert "length  275 … 399" in printed(capsys, "rf", str(file), "linear1")
    assert run(["check", str(file), "--min-receptive-field", "400"]) == 1
    assert "flatten1: receptive field of 125 is below the minimum of 400 by" in capsys.readouterr().out


@pytest.mark.torch
def test_gradients_of_a_temporal_classifier_reach_as_far_back() -> None:
    import torch

    value = source = torch.ones(1, 1, 400, dtype=torch.float64, requires_grad=True)
    kernel = torch.ones(1, 1, 3, dtype=torch.float64)
    for dilation in (1, 2, 4, 8, 16):
        kept = value
        for _ in range(2):
            padded = torch.nn.functional.pad(value, (2 * dilation, 0))
            value = torch.nn.functional.conv1d(padded, kernel, dilation=dilation)
        value = value + kept
    value[..., -1].sum().backward()
    seen = source.grad[0, 0].nonzero()
    assert (int(seen.min()), int(seen.max())) == (400 - TCN_FIELD, 399)


def test_a_layer_without_positions_has_no_position_to_show(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Reported: `rf NET linear1` printed "position it"."""
    first = printed(capsys, "rf", "example:lenet5", "linear1").splitlines()[0]
    assert first == "lenet5  linear1, 120"


def test_the_field_of_a_corner_is_marked_however_small_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Reported: nothing was marked, although rows 0 … 5 of 224 are covered. One of 24 lines is -5 … 4."""
    text = printed(capsys, "rf", "example:resnet50", "stage1.0.branches1.0.conv1", "--position", "0,0")
    assert "height  -5 … 5  within the input 0 … 5" in text
    rows = [line for line in text.splitlines() if line.startswith("  ") and "region" not in line]
    assert [row.count("█") > 0 for row in rows] == [True, True] + [False] * 22


@pytest.mark.parametrize("width", [40, 50, 60, 80, 120, 200])
def test_bars_of_different_fields_differ_at_every_width(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reported: at 60 columns, 172, 188 and 204 of 256 looked equal. If there is no room, there is no bar."""
    monkeypatch.setenv("COLUMNS", str(width))
    lines = printed(capsys, "rf", "example:unet_padded").splitlines()
    assert max(map(len, lines[4:])) <= width
    bars: dict[int, str] = {}
    for line in takewhile(str.strip, lines[5:]):
        field = next(word for word in line.split() if word.replace("–", "").isdecimal())
        drawn = line.rpartition("  ")[2] if set(line) & set("▏▎▍▌▋▊▉█") else ""
        bars.setdefault(int(field.rpartition("–")[2]), drawn)
    drawn_at = [bars[field] for field in (140, 156, 172, 188, 204)]
    lengths = [8 * text.count("█") + sum(" ▏▎▍▌▋▊▉".index(part) for part in text if part != "█") for text in drawn_at]
    assert lengths == sorted(set(lengths)) if width > 40 else set(drawn_at) == {""}


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("name", ["resnet50", "m5", "lenet5"])
def test_a_memory_profile_fits_and_shows_every_layer_and_points_at_the_peak(
    name: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the peak once pushed the arrow away from its column."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(capsys, "memory", f"example:{name}")
    rows = [line for line in text.splitlines() if "│" in line]
    axis = rows[0].index("│")
    [arrow] = [line.index("▲") for line in text.splitlines() if "▲" in line]
    assert rows[0][arrow] == "█"
    assert " " not in rows[-1][axis + 2 :]
    assert max(map(len, rows)) <= width


def test_the_name_of_a_scope_refers_to_its_output(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Reported: `rf NET sequence1.2`, a row of `summary`, was refused as "no layer"."""
    convolution = {"conv": {"out_channels": 2, "kernel_size": 3, "padding": 1}}
    block = [{"branches": [[convolution], []], "merge": "add"}]
    spec = {"input": [2, 32], "layers": [{"sequence": [convolution, convolution, {"sequence": block}]}]}
    file = tmp_path / "net.yaml"
    file.write_text(json.dumps(spec), encoding="utf-8")
    rows = [row["name"] for row in json.loads(printed(capsys, "summary", str(file), "-f", "json"))["layers"]]
    groups = [group.name for group in load(spec).groups]
    for group in groups:
        [layer] = json.loads(printed(capsys, "rf", str(file), group, "-f", "json"))["layers"]
        assert layer["name"] in rows
        assert layer["name"].startswith(f"{group}.")
    assert any(layer["name"].endswith(".add") for layer in report(spec)["layers"])
    [outer] = json.loads(printed(capsys, "rf", str(file), "sequence1", "-f", "json"))["layers"]
    assert outer["size"] == [7]


# -- memory and data types


def test_alternatives_distinguish_weights_from_activations(capsys: pytest.CaptureFixture[str]) -> None:
    """Reported: memory was 546.8 KiB in `summary` and 1.71 MiB in `alternatives` for the same layer.

    Output 192 × 27 × 27 float32; 192 × 64 × 5 × 5 weights and 192 biases.
    """
    found = json.loads(printed(capsys, "alternatives", "example:alexnet", "conv2", "-f", "json"))
    before = found["alternatives"][0]["before"]
    assert before["activation_memory"] == 192 * 27 * 27 * 4 == 559_872
    assert before["weight_memory"] == (192 * 64 * 25 + 192) * 4
    assert "memory" not in before
    text = printed(capsys, "alternatives", "example:alexnet", "conv2")
    assert "weights 1.17 MiB · activations 546.8 KiB" in " ".join(text.split())
    assert "memory" not in text


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", ["int8", {"weights": "int8", "activations": "float32"}, {"activations": "int8"}])
def test_integers_have_no_gradients(dtype: Any, optimizer: str) -> None:
    """Reported: int8 gradients were printed for int8 networks. PyTorch refuses integers that require gradients."""
    spec = {"input": [1, 8], "dtype": dtype, "layers": [{"conv": {"out_channels": 1, "kernel_size": 3}}]}
    found = convcalc.analyse(load(spec), optimizer=optimizer)
    training = found.training()
    assert (training.saved_for_backward, training.gradients, training.optimizer, training.total) == (None,) * 4
    assert training.weights == found.totals.weight_memory
    assert report(spec)["totals"]["training_memory"] is None


def test_integers_that_are_not_learnt_need_no_gradients() -> None:
    layers = [{"conv": {"out_channels": 1, "kernel_size": 3, "bias": False, "frozen": True}}, "relu"]
    training = convcalc.analyse(load({"input": [1, 8], "dtype": "int8", "layers": layers})).training()
    assert training == (0, 0, 0, 3, 3)


def test_no_gradients_are_printed_for_int8(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "memory", "example:ds_cnn", "--dtype", "int8")
    assert "training ? (integers have no gradients: use --dtype float32)" in text
    assert "gradients\n" not in text


# -- budgets, fit and alternatives

TWO_ENTRIES = """\
input: [16, 16, 16]
blocks:
  bottleneck: {layers: [conv: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}]}
layers:
  - sequence: [conv: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}]
  - bottleneck
  - bottleneck
"""


def test_a_row_of_alternatives_changes_no_other_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """reported: the row `*.conv1 bottleneck` promised less than what `--apply 'bottleneck:*.conv1'` changed.

    By hand, per position: a convolution 9 × 16 × 16 = 2,304 MACs, its bottleneck 16 × 4 + 9 × 4 × 4 + 4 × 16 = 272.
    """
    net = tmp_path / "net.yaml"
    net.write_text(TWO_ENTRIES, encoding="utf-8")
    assert run(["alternatives", str(net), "-f", "json", "--limit", "0"]) == 0
    rows = json.loads(capsys.readouterr().out)["alternatives"]
    promised = {row["pattern"]: row["network"]["macs"] for row in rows if row["alternative"] == "bottleneck"}
    assert promised == {
        "sequence1.conv1": 256 * (272 + 2 * 2304),
        "bottleneck*.conv1": 256 * (2304 + 2 * 272),
    }
    for pattern, macs in promised.items():
        assert run(["alternatives", str(net), "--apply", f"bottleneck:{pattern}"]) == 0
        assert convcalc.summary(io.StringIO(capsys.readouterr().out)).totals.macs == macs


def test_the_pattern_in_the_help_of_alternatives_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """reported: `alternatives example:resnet18 'stage2.*'` was refused, exit 2."""
    assert run(["alternatives", "example:resnet18", "stage2.*", "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["alternatives"]
    assert all(any(name.startswith("stage2.") for name in row["layers"]) for row in rows)
    assert len({row["pattern"] for row in rows}) == 3  # the two convolutions of a block and the one of its shortcut


def test_summary_confirms_what_fit_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """reported: `fit -q` dropped --dtype, --batch, --input and --fold-batchnorm.

    By hand, of the first layer's output of MobileNet 0.5 at 96 × 96, two samples of one byte: 2 × 16 × 48 × 48.
    """
    asked = ["-p", "width=0.5", "--input", "3,96,96", "--batch", "2", "--dtype", "int8", "--fold-batchnorm"]
    assert run(["fit", "example:mobilenet_v1", *asked, "--max-params", "5M", "--no-spec-budget", "-q"]) == 0
    options = capsys.readouterr().out
    assert run(["summary", "example:mobilenet_v1", *shlex.split(options), "-f", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["layers"][0]["activation_memory"] == 2 * 16 * 48 * 48
    # 1,331,592 (Howard et al. 2017: 1.3 million), less a scale and a bias for each of 5,472 channels, plus a bias
    assert report["totals"]["params"] == 1_331_592 - 5_472


# -- the command line


# reported: `compare X --set width=0.5 X --set width=0.75` printed one row of width 0.75, exit 0


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--set", "width=1", "--set", "width=2"],
            "--set is given twice for 'width': to compare two values, use convcalc compare NET@",
        ),
        (["--dtype", "weights=int8,weights=int4"], "--dtype is given twice for 'weights'"),
        (["--input", "3,8,8", "--input", "3,9,9"], "--input is given twice"),
        (["--input", "3,8,8", "--input", "input=3,9,9"], "--input: the shape of input is given twice"),
    ],
)
def test_an_option_given_twice_for_one_name_is_refused(
    command: str, options: list[str], said: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = [*READING[command]]
    if command == "fit":
        Path(image).write_text(Path(image).read_text(encoding="utf-8").replace("width: 4", "width: 4, w: 1"), "utf-8")
        needs[1] = "w=1,2"
    assert run([command, image, *needs, *options]) == 2
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True)


def test_two_settings_are_compared_as_the_hint_says(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", image, image, "--set-old", "width=1", "--set-new", "width=2", "-f", "json"]) == 0
    params = json.loads(capsys.readouterr().out)["totals"]["params"]
    # a 3×3 convolution of 3 channels has 27 weights and a bias for each of its output channels
    assert (params["old"], params["new"]) == (28, 2 * 28)
    assert run(["diff", image, image, "--set-old", "width=1", "--set-old", "width=2"]) == 2
    assert "--set-old is given twice for 'width'" in capsys.readouterr().err


# reported: `--set width=abc` was reported at every use in the spec, never at --set


@pytest.mark.parametrize("command", READING)
def test_a_wrong_value_of_a_param_is_reported_once_at_its_option(
    command: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(image).read_text(encoding="utf-8")
    more = "  - conv: {out_channels: $width, kernel_size: 3}\n"
    Path(image).write_text(text.replace("width: 4", "width: 4, w: 1") + more, encoding="utf-8")
    needs = ["-p", "w=1,2", "--max-params", "5M"] if command == "fit" else READING[command]
    assert run([command, image, *needs, "--set", "width=abc"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("abc") == 2  # the given value, and that it is not a number
    assert "--set width=abc: out_channels must be a positive integer; got 'abc' (first used at net.yaml:5:26)" in err


def test_a_wrong_value_is_traced_through_params_and_blocks_and_among_others(
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


def test_a_value_with_which_shapes_do_not_fit_makes_the_network_invalid(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("deep.yaml").write_text(
        "params: {k: 3}\ninput: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: $k}\n", encoding="utf-8"
    )
    assert run(["summary", "deep.yaml", "--set", "k=9"]) == 1
    assert capsys.readouterr().err.startswith("deep.yaml:4:")


def test_a_wrong_value_in_python_names_the_argument() -> None:
    text = "params: {k: 3}\ninput: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: $k}\n"
    with pytest.raises(convcalc.InvalidSpec, match=r"params\['k'\] = 'abc': kernel_size"):
        convcalc.load(io.StringIO(text), params={"k": "abc"})
    with pytest.raises(convcalc.InvalidSpec, match="batch: batch must be a positive integer; got 0"):
        convcalc.load(io.StringIO(text), batch=0)
    with pytest.raises(convcalc.InvalidSpec, match="dtype: unknown key 'wieghts' in dtype"):
        convcalc.load(io.StringIO(text), dtype={"wieghts": "int8"})


# reported: `summary bad.yaml -f json -o out.json` replaced a good earlier report


@pytest.mark.parametrize("command", [*READING, "diff"])
@pytest.mark.parametrize("form", [[], ["-f", "json"]])
def test_problems_of_a_spec_are_never_written_to_the_report_file(
    command: str, form: list[str], image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    form = [] if command == "export" else form  # it has no -f
    Path("bad.yaml").write_text("params: {width: 1}\n" + IMAGE.replace("kernel_size", "kernel_sze"), encoding="utf-8")
    Path("earlier").write_text("earlier", encoding="utf-8")
    nets = ["bad.yaml", image] if command == "diff" else ["bad.yaml"]
    assert run([command, *nets, *READING.get(command, []), *form, "-o", "earlier"]) == 1
    out, err = capsys.readouterr()
    assert Path("earlier").read_text(encoding="utf-8") == "earlier"
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
def test_a_deleted_working_folder_is_reported_as_such(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(arguments) == 2
    said = "".join(capsys.readouterr())
    assert "the current directory has been deleted: change to one that exists" in said
    assert "did you mean" not in said


# -- imports: PyTorch


def reported(name: str) -> Any:
    from tests.support import reported_modules

    return getattr(reported_modules, name)()


def import_module(name: str, shape: tuple[int, ...]) -> convcalc.Report:
    return convcalc.analyse(convcalc.from_torch(reported(name), shape))


@pytest.mark.torch
def test_views_that_are_nearly_a_pixel_unshuffle_keep_their_shape() -> None:
    """Reported: mobilevitv2 read with 8,480 params and 32×16×16.

    3·64 + 64 + 64·32 + 32 params; 1×1 convolutions keep the positions of the view, 4 × 16·16.
    """
    report = import_module("PatchesApart", (3, 32, 32))
    assert report.totals.params == 2_336
    assert [shape.sizes for shape in report.outputs().values()] == [(32, 4, 256)]
    kinds = [layer.kind for layer in report.layers]
    assert (kinds[0], {*kinds[1:-1]}, kinds[-1]) == ("conv", {"opaque"}, "conv")
    assert not report.complete


@pytest.mark.torch
def test_views_that_cut_channels_and_height_together_are_no_channel_shuffle() -> None:
    """Found by the fuzz: 341 "channel shuffles" that moved height into the channels."""
    report = import_module("HeightIntoChannels", (6, 16, 8))
    assert [layer.kind for layer in report.layers] == ["reshape", "opaque"]


@pytest.mark.torch
def test_a_check_for_an_identity_holds_while_a_module_is_traced() -> None:
    """Reported: 165,888 MACs for 82,944 (here on 16×16: 27·16 of one convolution at each of 256 positions)."""
    report = import_module("AskingForIdentity", (3, 16, 16))
    assert report.totals.macs == 27 * 16 * 256
    assert report.complete
    assert [layer.kind for layer in report.layers] == ["identity", "conv"]


@pytest.mark.torch
def test_an_hrnet_that_leaves_out_identities_is_read() -> None:
    """Reported: HRNets are refused. The params: 3·4+4, 3·8·4+8, 8·4+4 and 4·8·9+8."""
    report = import_module("Fusing", (3, 32, 32))
    assert (report.totals.params, report.complete) == (16 + 104 + 36 + 296, True)
    assert [shape.sizes for shape in report.outputs().values()] == [(4, 32, 32), (8, 16, 16)]


@pytest.mark.torch
def test_a_computing_module_named_like_dropped_paths_is_read() -> None:
    """Reported: a module of the class DropPath vanished with its params, 16·16·9 + 16 beside 3·16·9 + 16."""
    assert import_module("WithComputingPath", (3, 32, 32)).totals.params == 2_320 + 448


@pytest.mark.torch
def test_a_partly_frozen_convolution_trains_its_bias_alone() -> None:
    """Reported: 448 trainable params; PyTorch trains 16, the bias of 16 channels."""
    report = import_module("PartlyFrozen", (3, 8, 8))
    assert (report.totals.params, report.totals.trainable_params) == (448, 16)


@pytest.mark.torch
def test_running_statistics_of_a_partly_frozen_norm_are_counted_once() -> None:
    """Kind: partly frozen layers were wrong. PyTorch has one mean and one variance for each of 6 channels."""
    report = import_module("HalfFrozenNormUsedTwice", (4, 8, 8))
    params = (4 * 6 + 6) + (6 * 6 + 6) + 2 * 6
    assert (report.totals.params, report.totals.trainable_params) == (params, params - 6)
    assert (report.totals.buffers, report.totals.macs) == (2 * 6, (4 * 6 + 6 * 6) * 64)
    assert report.complete


@pytest.mark.torch
def test_weights_of_a_data_type_that_a_spec_cannot_state_are_noted() -> None:
    """Kind: the data type of a file was dropped without a word, here complex64 in place of 8 bytes per element."""
    from convcalc.convert.from_torch import read_module

    notes = read_module(reported("FilteringByFrequency"), (4, 4, 8)).notes
    assert "data types: of 80 elements of weights, 80 are complex64; all are counted as float32" in notes


@pytest.mark.torch
def test_a_product_of_weights_is_counted_before_the_layer_that_uses_it() -> None:
    """Kind: an import is believed without a check. The weights' product is 8·8·8 MACs, once for all samples."""
    from convcalc.convert.decompile.spec_writer import spec_text
    from convcalc.convert.from_torch import read_module

    graph = read_module(reported("Reweighted"), (3, 8, 8))
    assert "weights computed from other tensors" in graph.notes[-1]
    report = convcalc.summary(StringIO(spec_text(graph)))
    assert report.totals.params == 3 * 8 + 8 + 2 * 64
    assert report.totals.macs == 64 * 3 * 8 + 8 * 8 * 8 + 64 * 8 * 8


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "comment", "said"),
    [
        ("CountedByValue", "nonzero", "the size of the output of nonzero depends on the values of a tensor"),
        ("ReadingOut", "item", "depends on the values of a tensor"),
        ("Raising", "error", "KeyError: 'no such scale'"),
        ("Leaving", "exit", "SystemExit: 3"),
        ("Misfit", "misfit", "RuntimeError"),
    ],
)
def test_what_cannot_be_traced_is_an_error_that_names_the_line(
    name: str, comment: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reported: `torch.nonzero(y[0, 0] > .5)` as an output ends in an internal error."""
    module = reported(name)
    file = Path(str(inspect.getsourcefile(type(module))))
    lines = file.read_text(encoding="utf-8").splitlines()
    number = next(
        number
        for number, line in enumerate(lines, 1)
        if line.endswith((f"# the line of {comment}", f"# the line of the {comment}"))
    )
    assert run(["import", "--torch", f"tests.support.reported_modules:{name}", "--input", "3,32,32"]) == 2
    told = capsys.readouterr().err
    assert f"{file.name}:{number}: " in told
    assert said in told
    assert "internal error" not in told


@pytest.mark.torch
@pytest.mark.parametrize("name", ["Described", "WithLargestValue"])
def test_outputs_that_are_not_tensors_are_left_out(name: str) -> None:
    """Like reported outputs that could not be traced: a text once ended in a RecursionError."""
    report = import_module(name, (3, 8, 8))
    assert [shape.sizes for shape in report.outputs().values()] == [(4, 6, 6)]
    assert (report.totals.params, report.totals.macs, report.complete) == (4 * 27 + 4, 27 * 4 * 36, True)


@pytest.mark.torch
def test_a_number_read_from_a_tensor_is_part_of_the_network() -> None:
    """Kind: an import is believed without a check. The multiplication was left out, and the field was 3.

    Each of the 4·6·6 outputs is multiplied by the largest of all inputs.
    """
    report = import_module("ScaledByLargestValue", (3, 8, 8))
    assert report.totals.multiplications == 27 * 4 * 36 + 4 * 36
    assert report.layers[-1].receptive_field != report.layers[0].receptive_field
    assert not import_module("ScaledByRange", (3, 8, 8)).complete


@pytest.mark.torch
def test_a_wrong_number_of_inputs_is_told_with_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    reported("TwoInputs")
    assert run(["import", "--torch", "tests.support.reported_modules:TwoInputs", "--input", "3,32,32"]) == 2
    assert "its forward takes the inputs left, right; got 1 shape" in capsys.readouterr().err


@pytest.mark.torch
def test_summary_takes_an_imported_network() -> None:
    """Reported: `convcalc.summary(convcalc.from_torch(module, shape))` raises AttributeError."""
    network = convcalc.from_torch(reported("Small"), (3, 8, 8))
    assert convcalc.summary(network).totals.params == 224 + 16 + 90


def test_a_report_prints_as_its_table() -> None:
    """Reported: `analyse(net)` shows `<Report object>`."""
    from rich.console import Console

    network = convcalc.load({"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}]})
    report = convcalc.analyse(network)
    console = Console(file=StringIO(), width=60)
    with console.capture() as capture:
        console.print(report)
    for text in (str(report), repr(report), capture.get()):
        assert "conv1" in text
        assert "4×6×6" in text
    assert max(map(len, capture.get().splitlines())) <= 60
    assert repr(network) == "<Network network, 1 layer, input 3×8×8>"


def test_summary_refuses_to_override_a_network() -> None:
    network = convcalc.load({"input": [3], "layers": [{"linear": {"out_features": 4}}]})
    with pytest.raises(TypeError, match="pass batch to load"):
        convcalc.summary(network, batch=2)


# -- imports: ONNX and Keras


# like a batch in `summary --input`: the error came from onnx, "Attribute dilations has incorrect size"


def test_an_input_with_a_batch_is_understood_by_import(
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
        for shape in ("1,3,64,64", "3,64,64"):
            assert run(["import", file, "--input", shape, "-o", "out.yaml"]) == 0
            assert ("--input 1,3,64,64 is read as 3,64,64" in capsys.readouterr().err) == (shape == "1,3,64,64")
            assert convcalc.load("out.yaml").inputs.popitem()[1].sizes == (3, 64, 64)


@pytest.mark.parametrize("spatial", [(8, 10), (80, 100)])
def test_a_constant_with_the_size_of_the_data_is_not_a_weight(spatial: tuple[int, int], tmp_path: Path) -> None:
    """Reported: 332 params at 8×10 and 32,012 at 80×100. A 1×1 convolution of 2 to 4 channels has 2 · 4 + 4 = 12."""
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    nodes = "y = Conv(x, w, b)\ns = Shape(y)\no = ConstantOfShape(s)\nz = Mul(y, o)"
    weights = {"w": (4, 2, 1, 1), "b": (4,)}
    graph = imported(tmp_path, made(nodes, {"x": (1, 2, *spatial)}, weights, outputs=["z"]))
    assert convcalc.summary(plain_spec(graph)).totals.params == 12


def test_weights_of_half_precision_take_two_bytes(tmp_path: Path) -> None:
    """Reported: 288,936 B of weights for an fp16 file of 72,234 params; 2 · 72,234 = 144,468."""
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    nodes = "a = Conv(x, w, b)\nf = Flatten(a)\ny = Gemm(f, v, c)"
    weights = {"w": (8, 3, 3, 3), "b": (8,), "v": (7200, 10), "c": (10,)}
    model = made(nodes, {"x": (1, 3, 32, 32)}, weights)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for tensor in model.graph.initializer:
        tensor.data_type = onnx.TensorProto.FLOAT16
    totals = convcalc.summary(plain_spec(imported(tmp_path, model))).totals
    assert (totals.params, totals.weight_memory) == (72_234, 144_468)


# -- reports against other tools: what they count wrongly is right here


@pytest.mark.parametrize(
    ("arguments", "input", "batch", "params", "macs"),
    [
        # facebookresearch/fvcore issue 78: 81 in place of 32·1·3·3
        ("out_channels: 1, kernel_size: 3, bias: false", [32, 1, 1], 1, 288, 288),
        # sovrasov/flops-counter.pytorch issue 149, ultralytics/thop issue 92: 208 and 192 in place of 2·2 · 3·1·2·2
        ("out_channels: 1, kernel_size: 2, stride: 2", [3, 2, 2], 1, 3 * 4 + 1, 48),
        # deepspeedai/DeepSpeed pull request 8323: 0 in place of 2 samples · 8·8 · 4·3·3
        (
            "out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1, groups: 4",
            *([4, 8, 8], 2, 4 * 9 + 4, 4_608),
        ),
    ],
)
def test_a_transposed_convolution_multiplies_each_input_by_the_kernels_of_its_group(
    arguments: str, input: list[int], batch: int, params: int, macs: int
) -> None:
    text = f"input: {input}\nlayers:\n  - conv_transpose: {{{arguments}}}\n"
    totals = convcalc.summary(io.StringIO(text), batch=batch).totals
    assert (totals.params, totals.macs) == (params, macs)


def test_dilation_widens_the_field_and_moves_its_centre() -> None:
    """frgfm/torch-scan issue 27, Fangyh09/pytorch-receptive-field issue 6: dilation was ignored, then the start.

    Three unpadded convolutions of 3 with dilation d see 1 + 2·(1 + 2 + 3) positions, around the middle one.
    """
    convs = [{"conv": {"out_channels": 1, "kernel_size": 3, "dilation": dilation}} for dilation in (1, 2, 3)]
    fields = [layer["receptive_field"] for layer in report({"input": [1, 100], "layers": [*convs, *convs]})["layers"]]
    assert [field["size"] for field in fields] == [[3], [7], [13], [15], [19], [25]]
    assert [field["center"] for field in fields] == [[1], [3], [6], [7], [9], [12]]


def test_the_operations_of_a_scope_are_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TylerYep/torchinfo issues 39 and 60: the totals included those of scopes again.

    Each of three convolutions has 16·16·3·3 MACs per position; a map of 8×8 shrinks to 6×6, 4×4 and 2×2.
    """
    conv = "conv: {out_channels: 16, kernel_size: 3}"
    text = f"input: [16, 8, 8]\nlayers:\n  - sequence: [{conv}, sequence: [{conv}, sequence: [{conv}]]]\n"
    (tmp_path / "net.yaml").write_text(text, encoding="utf-8")
    due = [2304 * 36, 2304 * 16, 2304 * 4]
    found = json.loads(printed(capsys, "summary", str(tmp_path / "net.yaml"), "-f", "json"))
    assert [layer["macs"] for layer in found["layers"]] == due
    assert found["totals"]["macs"] == sum(due)


@pytest.mark.parametrize(
    ("name", "options", "share"),
    [
        ("yolov8n", {"params": {"size": 1280}}, Fraction(4)),
        ("yolov8n", {"params": {"size": 736}}, Fraction(736**2, 640**2)),
        ("yolov3", {"input": [3, 416, 832]}, Fraction(2)),
        ("yolov3", {"input": [3, 192, 320]}, Fraction(192 * 320, 416**2)),
    ],
)
def test_the_operations_of_a_detector_grow_with_the_area_of_its_input(
    name: str, options: dict[str, Any], share: Fraction
) -> None:
    """ultralytics/ultralytics issues 9350 and 21707: GFLOPs were those of the default size at every size.

    The networks are fully convolutional; sizes that are multiples of their largest stride, 32, leave no remainder.
    """
    default, other = (convcalc.summary(f"example:{name}", **given).totals for given in ({}, options))
    assert Fraction(other.macs or 0, default.macs or 1) == share
    assert other.params == default.params


@pytest.mark.parametrize(
    ("operator", "gates", "params", "macs"), [("LSTM", 4, 33_280, 3_276_800), ("GRU", 3, 24_960, 2_457_600)]
)
def test_a_recurrent_layer_of_an_onnx_file_is_counted_at_every_step(
    operator: str, gates: int, params: int, macs: int, tmp_path: Path
) -> None:
    """ThanatosShinji/onnx-tool issue 64: 33,280 MACs (TylerYep/torchinfo issue 32 likewise) for 100 steps.

    Each of 64 units has `gates` sums over 64 inputs and 64 states; thop adds biases and gates.
    """
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    weights = {"w": (1, gates * 64, 64), "r": (1, gates * 64, 64), "b": (1, 2 * gates * 64)}
    model = made(f"y = {operator}<hidden_size=64, layout=1>(x, w, r, b)", {"x": (1, 100, 64)}, weights)
    totals = convcalc.summary(plain_spec(imported(tmp_path, model))).totals
    assert (totals.params, totals.macs) == (params, macs)
    assert macs == 100 * gates * 64 * (64 + 64)


def keras_summary(tmp_path: Path, *layers: tuple[str, dict[str, Any]]) -> Any:
    """Return the report of a Keras Sequential with these layers (class and configuration)."""
    made = [
        {"class_name": name, "config": {"name": f"layer{place}", **config}}
        for place, (name, config) in enumerate(layers)
    ]
    file = tmp_path / "net.json"
    file.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": made}}), encoding="utf-8")
    return convcalc.summary(file)


@pytest.mark.parametrize(
    ("padding", "output_padding", "size"),
    [("same", None, 10), ("same", 0, 9), ("same", 1, 10), ("valid", None, 11), ("valid", 0, 11), ("valid", 1, 12)],
)
def test_output_padding_of_none_and_of_zero_differ_in_keras(
    padding: str, output_padding: int | None, size: int, tmp_path: Path
) -> None:
    """tensorflow/tensorflow issue 50168, keras-team/keras pull request 10246, whose author lists the sizes.

    By Keras' documentation (5 - 1)·2 + 3 - 2·(3 // 2 if same else 0) + output_padding; without it 5·2, or 5·2 + 3 - 2.
    """
    convolution = {"filters": 3, "kernel_size": [3, 3], "strides": [2, 2], "padding": padding}
    found = keras_summary(
        tmp_path,
        ("InputLayer", {"batch_shape": [None, 5, 5, 4]}),
        ("Conv2DTranspose", {**convolution, "output_padding": output_padding}),
    )
    assert [shape.sizes for shape in found.outputs().values()] == [(3, size, size)]


def test_a_frozen_part_of_a_keras_model_trains_nothing(tmp_path: Path) -> None:
    """keras-team/keras issue 8676: 3 trainable params for the 1 + 2 outside of the frozen part.

    As in Keras, the statistics of a batch norm are no params; freezing a model freezes its layers.
    """

    def part(**options: Any) -> tuple[str, dict[str, Any]]:
        layers = [
            {"class_name": "Dense", "config": {"name": "dense", "units": 1, "use_bias": False, **options}},
            {"class_name": "BatchNormalization", "config": {"name": "norm", **options}},
        ]
        return "Sequential", {"layers": layers}

    totals = keras_summary(tmp_path, ("InputLayer", {"batch_shape": [None, 1]}), part(), part(trainable=False)).totals
    assert (totals.params, totals.trainable_params, totals.buffers) == (2 * 3, 3, 2 * 2)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "shape", "params", "macs"),
    [
        ("ReZero", (2,), 2 * (4 + 2) + 2, 2 * 4),  # TylerYep/torchinfo issue 137: 12 params
        ("OneLinearInTwoModules", (10,), 110, 2 * 100),  # Lyken17/pytorch-OpCounter issue 98: 220 params, 800 MACs
        ("OneWeightOfFourConvolutions", (3, 8, 8), 81, 4 * 81 * 64),  # ultralytics/thop pull request 143: 324 params
        ("WithoutInputSize", (16,), 16 * 32 + 32, 16 * 32),  # ultralytics/thop pull request 143: 0 params
    ],
)
def test_params_are_those_of_the_whole_module_each_counted_once(
    name: str, shape: tuple[int, ...], params: int, macs: int
) -> None:
    report = import_module(name, shape)
    assert (report.totals.params, report.totals.macs, report.complete) == (params, macs, True)


@pytest.mark.torch
def test_a_frozen_encoder_in_evaluation_mode_is_counted() -> None:
    """sovrasov/flops-counter.pytorch issue 101, allenai/olmoearth_pretrain pull request 605: 0 MACs.

    64 tokens of 512: their queries, keys, values and results, the two products of attention, and two linear layers.
    """
    totals = import_module("FrozenEncoder", (64, 512)).totals
    assert totals.macs == 64 * 512 * 4 * 512 + 2 * 64 * 64 * 512 + 64 * 2 * 512 * 512
    assert (totals.params, totals.trainable_params) == (4 * 512 * 513 + 2 * 512 * 513 + 4 * 512, 0)


@pytest.mark.torch
def test_a_weight_normalised_convolution_is_a_convolution() -> None:
    """nmhkahn/torchsummaryX issue 20: no kernel, and one MAC per param (5.02 K).

    Its params are the direction 20·10·5·5, a length and a bias for each of 20 kernels. Its output is 8×8.
    """
    report = import_module("WeightNormalized", (1, 28, 28))
    assert report.totals.params == (10 * 25 + 10) + (20 * 250 + 20 + 20) + 50 * (320 + 1) + 10 * (50 + 1)
    assert [layer.macs for layer in report.layers if layer.kind == "conv"] == [10 * 25 * 24**2, 20 * 250 * 64]


@pytest.mark.torch
def test_a_factor_of_interpolation_applies_to_every_spatial_axis() -> None:
    """sovrasov/flops-counter.pytorch issue 144: OverflowError for one scale factor of several axes."""
    report = import_module("Enlarging", (3, 10, 10))
    assert [shape.sizes for shape in report.outputs().values()] == [(3, 20, 20)]
    assert (report.totals.params, report.totals.macs) == (0, 0)
