"""The latency in sweep, fit, compare and diff, compared with `convcalc latency` of every network."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from tests.cli.test_device_columns import device_memory
from tests.cli.test_sweep import MOBILENET, Capture, Row, refused, sweep

VALUES = ["-p", "width=0.25,0.5,1", "-p", "size=96,224"]
GRID = [{"width": width, "size": size} for width in (0.25, 0.5, 1.0) for size in (96, 224)]
BOARD = """description: a board
kind: microcontroller
runtime: liveness
clock: {value: 100 MHz, source: s}
cycles_per_mac:
  conv: {value: [1, 3], source: s}
  linear: {value: 2, source: s}
  depthwise_conv: {value: 5, source: s}
  pointwise_conv: {value: [1.5, 2], source: s}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find_latency(capsys: Capture, values: Row, *options: str, net: str = MOBILENET) -> float:
    """The seconds of `convcalc latency`, which is compared with published timings."""
    sets = [text for key, value in values.items() for text in ("--set", f"{key}={value}")]
    assert run(["latency", net, *sets, *options, "-f", "json"]) == 0
    found: float = json.loads(capsys.readouterr().out)["latency_max"]
    return found


def write_json(capsys: Capture, *arguments: str, status: int = 0) -> Any:
    assert run([*arguments, "-f", "json"]) == status
    return json.loads(capsys.readouterr().out)


# -- sweep


@pytest.mark.parametrize(
    "options",
    [
        ["--device", "rtx4090"],
        ["--device", "rtx4090", "--eager", "--dtype", "float16", "--batch", "256"],
        ["--device", "a100-40gb", "--fused", "--dtype", "bfloat16"],
        ["--device", "nucleo-l4r5zi"],
        ["--device", "board.yaml", "--dtype", "int8"],
    ],
    ids=" ".join,
)
def test_the_latency_column_of_sweep_equals_convcalc_latency(options: list[str], folder: Path, capsys: Capture) -> None:
    (folder / "board.yaml").write_text(BOARD, encoding="utf-8")
    rows = sweep(capsys, MOBILENET, *VALUES, *options, "--no-spec-budget")
    assert [{name: row[name] for name in ("width", "size")} for row in rows] == GRID
    for row, values in zip(rows, GRID, strict=True):
        assert row["latency"] == find_latency(capsys, values, *options)


def test_the_latency_filters_sorts_derives_and_is_on_the_front(capsys: Capture) -> None:
    options = [MOBILENET, *VALUES, "--device", "rtx4090", "--columns", "latency,macs"]
    rows = sweep(capsys, *options)
    assert all(row["latency"] > 0 for row in rows)
    chosen = sweep(capsys, *options, "--where", "latency < 60us and latency >= 0.00001 s", "--sort", "latency")
    expected = [row for row in rows if 1e-5 <= row["latency"] < 6e-5]
    assert chosen == sorted(expected, key=lambda row: -row["latency"])
    assert 0 < len(chosen) < len(rows)
    front = sweep(capsys, *options, "--pareto", "latency,-macs")
    assert front == [
        row
        for row in sorted(rows, key=lambda row: row["latency"])
        if not any(other["latency"] < row["latency"] and other["macs"] >= row["macs"] for other in rows)
    ]
    for row in sweep(capsys, *options, "--derive", "ms=latency*1000"):
        assert row["ms"] == row["latency"] * 1000


def test_the_device_is_named_wherever_its_time_is_shown(capsys: Capture, tmp_path: Path) -> None:
    plot, options = tmp_path / "plot.svg", [MOBILENET, *VALUES, "--device", "rtx4090", "--eager"]
    assert run(["sweep", *options, "--plot", "latency,macs", str(plot)]) == 0
    out = capsys.readouterr().out
    assert "latency on rtx4090 (eager)" in out
    assert " µs" in out
    assert "latency (rtx4090 eager)" in plot.read_text(encoding="utf-8")
    assert " µs</text>" in plot.read_text(encoding="utf-8")
    found = write_json(capsys, "sweep", *options)
    assert (found["device"], found["mode"]) == ("rtx4090", "eager")
    assert "runtime" not in found


def test_a_board_adds_its_memory_with_its_runtime(capsys: Capture) -> None:
    for row in sweep(capsys, MOBILENET, "-p", "width=0.25,0.5", "--set", "size=96", "--device", "nucleo-l4r5zi"):
        values = {"width": row["width"], "size": 96}
        assert (row["arena"], row["flash"]) == device_memory(capsys, MOBILENET, values, "tflm-cmsis-dsp")
        assert row["latency"] == find_latency(capsys, values, "--device", "nucleo-l4r5zi")
    [row] = sweep(capsys, MOBILENET, "-p", "width=0.25", "--device", "raspberry-pi-pico")
    assert row["arena"]
    assert "latency" not in row


def test_the_device_of_a_limit_is_the_default(capsys: Capture) -> None:
    limit = ["--max-latency", "40us@rtx4090", "--columns", "latency"]
    rows = sweep(capsys, MOBILENET, *VALUES, *limit)
    times = [find_latency(capsys, values, "--device", "rtx4090") for values in GRID]
    assert [row["latency"] for row in rows] == [time for time in times if time <= 40e-6]


def test_the_reason_of_an_unknown_latency_is_reported(folder: Path, capsys: Capture) -> None:
    assert run(["sweep", MOBILENET, *VALUES, "--device", "rtx4090", "--dtype", "float64", "-f", "jsonl"]) == 0
    said = capsys.readouterr()
    assert {json.loads(line)["latency"] for line in said.out.splitlines()} == {None}
    assert said.err.startswith("convcalc: latency: unknown in 6 rows: rtx4090 has no peak for float64: use --dtype")
    spec = "params: {n: 4}\ninput: [3, $n, $n]\nlayers: [{opaque: {output_shape: [3, 2, 2], name: odd}}]\n"
    (folder / "opaque.yaml").write_text(spec, encoding="utf-8")
    assert run(["sweep", "opaque.yaml", "-p", "n=4,5", "--device", "nucleo-l4r5zi", "--columns", "latency,arena"]) == 0
    said = capsys.readouterr()
    assert "convcalc: latency: unknown in 2 rows: no time is known for odd\n" in said.err
    assert "convcalc: arena: unknown in 2 rows: layer odd (opaque)" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--columns", "latency"], "latency needs a device: add --device NAME, such as rtx4090"),
        (["--sort", "latency"], "latency needs a device: add --device NAME, such as rtx4090"),
        (["--where", "latency < 5ms"], "latency needs a device: add --device NAME, such as rtx4090"),
        (["--pareto", "latency,macs"], "latency needs a device: add --device NAME, such as rtx4090"),
        (["--columns", "latenci"], "no column 'latenci': did you mean latency?"),
        (["--device", "rtx4091"], "--device: no device 'rtx4091': did you mean rtx4090?"),
        (["--device", "rtx4090", "--columns", "macs"], "--device needs the column latency, arena or flash"),
        (["--device", "raspberry-pi-pico", "--sort", "latency"], "--device: raspberry-pi-pico has no peak"),
        (["--device", "nucleo-l4r5zi", "--dtype", "int4"], "--dtype must be int8 for nucleo-l4r5zi"),
        (["--fused"], "--fused needs --device NAME"),
        (["--device", "rtx4090", "--where", "latency < 5m"], "'m'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_explained(options: list[str], message: str, capsys: Capture) -> None:
    assert message in refused(capsys, MOBILENET, *VALUES, *options)


def test_measured_times_of_a_file_need_no_device(folder: Path, capsys: Capture) -> None:
    (folder / "timed.csv").write_text("width,latency\n0.25,7\n0.5,9\n", encoding="utf-8")
    options = [MOBILENET, "-p", "width=0.25,0.5", "--join", "timed.csv", "--columns", "latency"]
    assert [row["latency"] for row in sweep(capsys, *options)] == [7, 9]
    assert "the column 'latency' has the name of a figure" in refused(capsys, *options, "--device", "rtx4090")
    (folder / "timed.csv").write_text("name,latency\nmobilenet_v1,7\n", encoding="utf-8")
    assert run(["compare", MOBILENET, "--join", "timed.csv", "--columns", "name,latency", "-f", "csv"]) == 0
    assert capsys.readouterr().out == "name,latency\nmobilenet_v1,7\n"


def test_shards_of_another_device_are_not_continued(folder: Path, capsys: Capture) -> None:
    options = ["sweep", MOBILENET, "-p", "width=0.25,0.5", "-o", "rows/"]
    assert run([*options, "--device", "rtx4090"]) == 0
    assert run([*options, "--device", "rtx4090"]) == 0
    assert run([*options, "--device", "rtx3090"]) == 2
    assert "--runtime, --device or --eager differs" in capsys.readouterr().err
    [row, _] = csv.DictReader(io.StringIO(next(folder.glob("rows/*.csv")).read_text(encoding="utf-8")))
    values = {"width": 0.25}
    assert float(row["latency"]) == find_latency(capsys, values, "--device", "rtx4090")


# -- Python


def test_python_has_the_same_columns(capsys: Capture) -> None:
    values = [0.25, 0.5]
    expected = [find_latency(capsys, {"width": width}, "--device", "rtx4090", "--eager") for width in values]
    arena, flash = zip(
        *(device_memory(capsys, MOBILENET, {"width": width}, "liveness") for width in values), strict=True
    )
    target: dict[str, Any] = {"runtime": "liveness", "device": "rtx4090", "eager": True}
    table = convcalc.sweep(MOBILENET, {"width": values}, **target)
    assert table.columns["latency"] == expected
    assert table.columns["arena"] == list(arena)
    assert "latency on rtx4090 (eager)" in str(table)
    assert "arena and flash in int8 with liveness" in str(table.front("latency"))
    found = convcalc.Sweep(MOBILENET, **target).evaluate({"width": values}, ["flash", "latency"])
    assert (found["flash"], found["latency"]) == (list(flash), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["latency"]}, "latency needs a device: pass device, such as 'rtx4090'"),
        ({"device": "rtx4091"}, "no device 'rtx4091': did you mean rtx4090?"),
        ({"device": "raspberry-pi-pico", "columns": "latency"}, "device: raspberry-pi-pico has no peak"),
        ({"runtime": "livenes"}, "no runtime 'livenes': did you mean liveness?"),
        ({"eager": True}, "eager needs a device"),
    ],
)
def test_mistakes_in_python_are_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convcalc.sweep(MOBILENET, {"width": [0.25]}, **arguments)


def test_an_optimiser_needs_a_device_for_latency() -> None:
    with pytest.raises(ValueError, match="latency needs a device"):
        convcalc.Sweep(MOBILENET).evaluate({"width": [0.25]}, ["latency"])


# -- fit


def test_fit_ranks_by_latency(capsys: Capture) -> None:
    options = ["--device", "rtx4090", "--eager"]
    found = write_json(capsys, "fit", MOBILENET, *VALUES, "--by", "-latency", *options)
    assert (found["by"], found["best"], found["device"], found["mode"]) == ("latency", "smallest", "rtx4090", "eager")
    times = [one["figures"]["latency"] for one in found["fits"]]
    assert times == sorted(times)
    assert len(times) == len(GRID)
    for one in found["fits"]:
        assert one["figures"]["latency"] == find_latency(capsys, one["params"], *options)


@pytest.mark.parametrize("metric", ["arena", "flash"])
def test_fit_ranks_by_the_memory_of_a_board(metric: str, capsys: Capture) -> None:
    found = write_json(capsys, "fit", MOBILENET, *VALUES, "--by", metric, "--device", "nucleo-l4r5zi")
    figures = [one["figures"][metric] for one in found["fits"]]
    assert figures == sorted(figures, reverse=True)
    for one in found["fits"]:
        expected = device_memory(capsys, MOBILENET, one["params"], "tflm-cmsis-dsp")
        assert (one["figures"]["arena"], one["figures"]["flash"]) == expected
    assert found["runtime"] == "tflm-cmsis-dsp"


def test_fit_shows_what_is_limited_with_its_runtime_or_device(capsys: Capture) -> None:
    limits = ["--max-latency", "40us@rtx4090", "--max-arena", "1GiB@liveness"]
    assert run(["fit", MOBILENET, *VALUES, *limits, "--no-spec-budget"]) == 0
    out = capsys.readouterr().out
    assert "most MACs first · arena in int8 with liveness · latency on rtx4090" in " ".join(out.split())
    assert "flash" not in out


def test_the_budget_of_a_spec_names_the_runtime_and_the_device(folder: Path, capsys: Capture) -> None:
    spec = "params: {n: 4}\ninput: [3, 9, 9]\nlayers: [{conv: {out_channels: $n, kernel_size: 3}}]\nbudget:\n"
    spec += "  arena: {max: 1MiB, runtime: tflm-cmsis-mve}\n  latency: {max: 1s, device: nucleo-l4r5zi}\n"
    (folder / "net.yaml").write_text(spec, encoding="utf-8")
    figures = [one["figures"] for one in write_json(capsys, "fit", "net.yaml", "-p", "n=4,5")["fits"]]
    arenas = [device_memory(capsys, "net.yaml", {"n": n}, "tflm-cmsis-mve")[0] for n in (5, 4)]
    assert [one["arena"] for one in figures] == arenas
    assert figures[1]["latency"] == find_latency(capsys, {}, "--device", "nucleo-l4r5zi", net="net.yaml")
    assert [row["arena"] for row in sweep(capsys, "net.yaml", "-p", "n=5,4", "--columns", "arena")] == arenas
    assert "latency needs a device" in refused(
        capsys, "net.yaml", "-p", "n=4", "--columns", "latency", "--no-spec-budget"
    )
    (folder / "net.yaml").write_text(spec.replace("n: 4", "n: 0"), encoding="utf-8")
    assert "latency needs a device" in refused(capsys, "net.yaml", "-p", "n=4", "--columns", "latency")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "latency"], "latency needs a device: add --device NAME"),
        (["--by", "latncy"], "--by: unknown metric 'latncy': did you mean latency?"),
        (["--by", "arena", "--runtime", "tflm"], "--runtime: no runtime 'tflm': available: tflm-reference"),
    ],
)
def test_mistakes_in_fit_are_explained(options: list[str], message: str, capsys: Capture) -> None:
    assert run(["fit", MOBILENET, *VALUES, *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--max-latency", "9s@raspberry-pi-pico"], ["--max-latency", "9s@nucleo-l4r5zi"]])
def test_a_limit_needs_no_option(options: list[str], capsys: Capture) -> None:
    """The time on the first board is unknown; that on the second is for int8, whatever the data type."""
    assert run(["fit", MOBILENET, "-p", "width=0.25", "--dtype", "float16", *options]) == int("pico" in options[1])
    said = capsys.readouterr()
    assert said.err == ""
    assert ("unknown, so the budget cannot be verified" in said.out) == ("pico" in options[1])


def test_fit_says_why_a_latency_is_unknown(capsys: Capture) -> None:
    assert run(["fit", MOBILENET, *VALUES, "--device", "rtx4090", "--dtype", "float64"]) == 0
    assert "convcalc: latency: unknown: rtx4090 has no peak for float64" in capsys.readouterr().err


# -- compare


@pytest.mark.parametrize("runtime", ["tflm-reference", "tflm-cmsis-mve", "tinyengine"])
def test_compare_takes_a_runtime(runtime: str, capsys: Capture) -> None:
    nets = ["example:ds_cnn", "example:resnet8", "example:vit_tiny"]
    found = write_json(capsys, "compare", *nets, "--runtime", runtime)
    assert (found["runtime"], "device" in found) == (runtime, False)
    for net, row in zip(nets[:2], found["networks"], strict=False):
        expected = device_memory(capsys, net, {}, runtime)
        assert (row["measured"]["arena"], row["measured"]["flash"]) == expected
    assert (found["networks"][2]["measured"]["arena"] is None) == runtime.startswith("tflm")


def test_compare_measures_on_a_device_in_json(capsys: Capture) -> None:
    nets, options = ["example:ds_cnn", "example:mobilenet_v1"], ["--device", "nucleo-l4r5zi"]
    found = write_json(capsys, "compare", *nets, *options)
    for net, row in zip(nets, found["networks"], strict=True):
        assert row["measured"]["latency"] == find_latency(capsys, {}, *options, net=net)
    assert "latency" in found["networks"][0]["best"]
    assert "latency" not in found["networks"][1]["best"]


def test_compare_marks_the_best_latency(capsys: Capture) -> None:
    options = ["--device", "rtx4090", "--runtime", "liveness", "--columns", "name,latency,arena,flash"]
    assert run(["compare", "example:resnet18", "example:resnet34", *options]) == 0
    first, second = (line.split() for line in capsys.readouterr().out.splitlines()[1:3])
    assert [cell[-1] == "*" for cell in first[2::2]] == [True, False, True]  # both have the same arena
    assert not any("*" in cell for cell in second)


@pytest.mark.parametrize(("format", "sign"), [("table", ""), ("markdown", "\\"), ("latex", "(")])
def test_compare_names_the_runtime_and_the_device(format: str, sign: str, capsys: Capture) -> None:
    options = ["--device", "nucleo-l4r5zi", "--columns", "name,latency,flash", "-f", format]
    assert run(["compare", "example:ds_cnn", "example:resnet8", *options]) == 0
    out = capsys.readouterr().out
    if format == "latex":
        assert "latency (nucleo-l4r5zi) & flash (tflm-cmsis-dsp)" in out
    else:
        assert f"{sign}* best in its column · flash in int8 with tflm-cmsis-dsp · latency on nucleo-l4r5zi" in out


@pytest.mark.parametrize("width", [80, 140])
def test_columns_that_a_device_adds_fit_the_terminal(
    width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    grid = [MOBILENET, "-p", "width=0.25,0.5", "-p", "size=96"]
    for command in (["compare", MOBILENET, "example:ds_cnn"], ["sweep", *grid], ["fit", *grid]):
        assert run([*command, "--device", "nucleo-l4r5zi"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        assert any({"latency", "arena", "flash"} <= set(line.split()) for line in lines)


def test_compare_shows_a_range(capsys: Capture) -> None:
    assert run(["compare", "example:ds_cnn", "--device", "nucleo-l4r5zi", "--columns", "latency"]) == 0
    assert "31.9 to 205 ms" in capsys.readouterr().out
