"""The memory of microcontrollers in a sweep and in fit, compared with `convcalc mcu` of every combination."""

import itertools
import json
from pathlib import Path

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.device.runtime_names import RUNTIME_NAMES
from convcalc.network import Limit
from convcalc.space.misses import find_largest_miss
from tests.cli.test_sweep import MOBILENET, Capture, Row, refused, sweep

DEVICE = ["--columns", "arena,flash"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def device_memory(capsys: Capture, name: str, values: Row, runtime: str) -> tuple[int, int]:
    """The arena and flash of `convcalc mcu`."""
    sets = [text for key, value in values.items() for text in ("--set", f"{key}={value}")]
    assert run(["mcu", name, *sets, "--runtime", runtime, "-f", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return found["arena"]["total"], found["flash"]["total"]


@pytest.mark.parametrize("runtime", RUNTIME_NAMES)
@pytest.mark.parametrize(
    ("name", "varied"),
    [
        ("mobilenet_v1", {"width": "0.25,0.3,0.75", "size": "96,160"}),
        ("ds_cnn", {"channels": "16,64,100"}),
        ("person_detection", {"classes": "2,9"}),
    ],
)
def test_memory_of_a_microcontroller_is_that_of_mcu(
    capsys: Capture, name: str, varied: dict[str, str], runtime: str
) -> None:
    options = [text for key, values in varied.items() for text in ("-p", f"{key}={values}")]
    rows = sweep(capsys, f"example:{name}", *options, *DEVICE, "--runtime", runtime, "--no-spec-budget")
    assert len(rows) == len(list(itertools.product(*(values.split(",") for values in varied.values()))))
    for row in rows:
        values = {key: row[key] for key in varied}
        assert (row["arena"], row["flash"]) == device_memory(capsys, f"example:{name}", values, runtime)


def test_memory_of_a_microcontroller_filters_sorts_and_is_on_the_front(capsys: Capture) -> None:
    values = ["-p", "width=0.25:1:0.25", "-p", "size=96,128,160", *DEVICE]
    rows = sweep(capsys, MOBILENET, *values)
    chosen = sweep(capsys, MOBILENET, *values, "--where", "arena <= 256KiB and flash < 1.5MiB", "--sort", "arena")
    expected = [row for row in rows if row["arena"] <= 256 * 1024 and row["flash"] < 1.5 * 1024**2]
    assert chosen == sorted(expected, key=lambda row: -row["arena"])
    assert 0 < len(chosen) < len(rows)
    smallest = sweep(capsys, MOBILENET, *values, "--pareto", "arena,flash")
    assert smallest == [row for row in rows if row["width"] == 0.25 and row["size"] == 96]


def test_the_runtime_is_named_wherever_its_memory_is_shown(capsys: Capture, tmp_path: Path) -> None:
    values = [MOBILENET, "-p", "width=0.25,0.5", "-p", "size=96", "--runtime", "tflm-cmsis-dsp"]
    plot = tmp_path / "plot.svg"
    assert run(["sweep", *values, *DEVICE, "--plot", "arena,flash", str(plot)]) == 0
    out = capsys.readouterr().out
    assert "2 combinations · arena and flash in int8 with tflm-cmsis-dsp" in out
    assert "KiB" in out
    assert "arena (tflm-cmsis-dsp)" in plot.read_text(encoding="utf-8")
    assert run(["sweep", *values, *DEVICE, "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["runtime"] == "tflm-cmsis-dsp"
    assert run(["sweep", *values[:-2], "--columns", "macs", "-f", "json"]) == 0
    assert "runtime" not in json.loads(capsys.readouterr().out)


def test_limits_with_different_runtimes_are_listed_apart(capsys: Capture) -> None:
    limits = ["--max-arena", "256KiB@tflm-reference", "--max-flash", "1MiB@liveness", "--no-spec-budget"]
    assert run(["sweep", MOBILENET, "-p", "width=0.25,0.5", "--set", "size=96", *limits]) == 0
    out = capsys.readouterr().out
    assert "arena with tflm-reference ≤ 256.0 KiB · flash with liveness ≤ 1.00 MiB" in out


def test_the_reason_of_an_unknown_memory_is_reported(folder: Path, capsys: Capture) -> None:
    spec = "params: {size: 4}\ninput: [3, $size, $size]\nlayers: [{opaque: {output_shape: [3, 2, 2]}}]\n"
    (folder / "opaque.yaml").write_text(spec, encoding="utf-8")
    assert run(["sweep", "opaque.yaml", "-p", "size=4,5", *DEVICE, "-f", "jsonl"]) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["arena"] for line in said.out.splitlines()] == [None, None]
    assert said.err.startswith("convcalc: arena and flash: unknown in 2 rows: layer opaque1 (opaque): ")


def test_a_spec_parameter_named_arena_is_no_memory(folder: Path, capsys: Capture) -> None:
    spec = "params: {arena: 4}\ninput: [3, 9, 9]\nlayers: [{conv: {out_channels: $arena, kernel_size: 3}}]\n"
    (folder / "arena.yaml").write_text(spec, encoding="utf-8")
    assert run(["sweep", "arena.yaml", "-p", "arena=4,5", "--columns", "arena,params"]) == 0
    out = capsys.readouterr().out
    assert "tflm" not in out
    assert "4 B" not in out


def test_a_wrong_runtime_is_refused(capsys: Capture) -> None:
    values = [MOBILENET, "-p", "width=0.25,0.5"]
    assert "no runtime 'livenes': did you mean liveness?" in refused(capsys, *values, *DEVICE, "--runtime", "livenes")
    assert "--runtime needs the column arena or flash" in refused(
        capsys, *values, "--runtime", "liveness", "--columns", "macs"
    )


@pytest.mark.parametrize("runtime", RUNTIME_NAMES)
def test_the_miss_of_a_limit_is_that_of_its_runtime(capsys: Capture, runtime: str) -> None:
    report = convcalc.summary("example:ds_cnn")
    arena, flash = device_memory(capsys, "example:ds_cnn", {}, runtime)
    limits = (Limit("arena", None, arena // 2, (), runtime=runtime), Limit("flash", None, flash, (), runtime=runtime))
    assert find_largest_miss(report, limits) == (arena - arena // 2) / (arena // 2)
    assert find_largest_miss(report, limits[1:]) == 0
    assert find_largest_miss(report, (Limit("flash", flash + 100, None, (), runtime=runtime),)) == 100 / (flash + 100)


def test_fit_keeps_what_is_within_the_limit_of_a_runtime(capsys: Capture) -> None:
    rows: list[Row] = [{"width": width, "size": 128} for width in (0.5, 1)]
    for runtime in ("liveness", "tflm-cmsis-dsp"):
        most = device_memory(capsys, MOBILENET, rows[0], runtime)[0]
        limit = ["--max-arena", f"{most}B@{runtime}", "--no-spec-budget", "-f", "json"]
        assert run(["fit", MOBILENET, "-p", "width=0.5,1", "-p", "size=128", *limit]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [one["params"] for one in found["fits"]] == rows[:1]
        assert found["limits"] == [{"metric": "arena", "max": most, "runtime": runtime}]


def test_fit_names_the_runtime_of_a_limit_in_bytes(capsys: Capture) -> None:
    limits = ["--max-arena", "96KiB@tflm-cmsis-dsp", "--no-spec-budget"]
    assert run(["fit", MOBILENET, "-p", "width=0.25,0.5", "--set", "size=64", *limits]) == 0
    assert "arena with tflm-cmsis-dsp ≤ 96.00 KiB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "with tflm-reference"),
        (["--runtime", "tflm-cmsis-mve"], "with tflm-cmsis-mve"),
        (["--device", "nucleo-l4r5zi"], "with tflm-cmsis-dsp"),
        (["--device", "rtx4090"], "with tflm-reference"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "sweep"])
def test_a_limit_without_a_runtime_has_that_of_the_options(
    capsys: Capture, command: str, options: list[str], named: str
) -> None:
    asked = [command, "example:ds_cnn", "-p", "channels=16", *options]
    limits = ["--max-arena", "1MiB", "--max-flash", "1MiB@liveness", "--min-arena", "1B@tinyengine"]
    assert run([*asked, *limits]) == 0
    facts = " ".join(capsys.readouterr().out.split())
    assert f"arena {named} ≤ 1.00 MiB" in facts
    assert "flash with liveness ≤ 1.00 MiB" in facts
    assert "arena with tinyengine ≥ 1 B" in facts


def test_fit_lists_no_network_whose_arena_exceeds_the_limit(capsys: Capture) -> None:
    """With tflm-cmsis-mve, a network of 32 channels needs more than 16 KiB, and with tflm-reference less."""
    asked = ["fit", "example:ds_cnn", "-p", "channels=16,32", "--max-arena", "16KiB", "-f", "json"]
    assert run(asked) == 0
    assert len(json.loads(capsys.readouterr().out)["fits"]) == 2
    assert run([*asked, "--runtime", "tflm-cmsis-mve"]) == 0
    [found] = json.loads(capsys.readouterr().out)["fits"]
    assert found["params"] == {"channels": 16}
    assert (
        found["figures"]["arena"]
        <= 16 * 1024
        < device_memory(capsys, "example:ds_cnn", {"channels": 32}, "tflm-cmsis-mve")[0]
    )


@pytest.mark.parametrize("command", ["compare", "diff"])
def test_the_reason_of_an_unknown_figure_of_a_network_is_reported(capsys: Capture, command: str) -> None:
    asked = [command, "example:crnn", "example:ds_cnn", "--device", "nucleo-l4r5zi"]
    assert run(asked) == 0
    said = capsys.readouterr().err.splitlines()
    label = "crnn" if command == "compare" else "old"
    assert len(said) == 2
    assert said[0].startswith(f"convcalc: {label}: arena and flash: unknown: layer lstm1 (lstm): ")
    assert said[1] == f"convcalc: {label}: latency: unknown: no time is known for lstm1, lstm2"
    assert run([*asked, "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert run([command, "example:crnn", "example:ds_cnn"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["mcu", MOBILENET],
        ["latency", MOBILENET, "-f", "json"],
        ["compare", MOBILENET],
        ["diff", MOBILENET, MOBILENET],
        ["report", MOBILENET],
        ["sweep", MOBILENET, "-p", "width=1"],
        ["fit", MOBILENET, "-p", "width=1"],
        ["draw", MOBILENET, "--color", "latency"],
    ],
)
def test_no_result_is_written_over_a_device_file(arguments: list[str], folder: Path, capsys: Capture) -> None:
    (folder / "board.yaml").write_text("description: mine\nkind: microcontroller\n", encoding="utf-8")
    assert run([*arguments, "--device", "board.yaml", "-o", "./board.yaml"]) == 2
    assert "-o ./board.yaml is also an input file: nothing was written" in capsys.readouterr().err
    assert (folder / "board.yaml").read_text(encoding="utf-8").startswith("description: mine")
