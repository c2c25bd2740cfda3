"""`convcalc latency` as users run it: text, other formats, and mistakes."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from convcalc.cli.main import run

NET = ["latency", "example:mobilenet_v2", "--dtype", "float16", "--batch", "512", "--device"]
GPU = "description: gpu\nkind: gpu\ndense: true\nbandwidth: {value: 1 TB/s, source: s}\n"
PEAK = "peak: {float16: {value: 100 TFLOPS, source: s}}\n"
Capture = pytest.CaptureFixture[str]


def test_the_table_has_the_total_and_the_slowest_layers(capsys: Capture) -> None:
    assert run([*NET, "rtx4090", "--limit", "3"]) == 0
    said = capsys.readouterr().out
    assert "latency about " in said
    assert "divided by the efficiency of 0.54" in said
    assert "… and 150 more layers" in said
    assert "compiled networks of depthwise convolutions reached" in said
    assert "may not fill the device" not in said


def test_all_layers_that_take_time_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["latency", "example:resnet50", "--device", "rtx4090"]
    assert run([*arguments, "-f", "json"]) == 0
    timed = [layer["name"] for layer in json.loads(capsys.readouterr().out)["layers"] if layer["latency_max"] > 0]
    assert run([*arguments, "--limit", "0", "-f", "markdown"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ") and " layer " not in line]
    assert len(rows) == len(timed) > 20


@pytest.mark.parametrize("width", ["40", "60", "120"])
def test_the_table_fits_the_terminal(width: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert run([*NET, "rtx4090", "--energy", "--color", "never"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= max(int(width), 62)  # a table keeps its columns of names and times


def test_shares_and_times_add_up(capsys: Capture) -> None:
    assert run([*NET, "rtx4090", "-f", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(layer["latency_max"] for layer in found["layers"]) == pytest.approx(found["latency_max"])
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1)
    assert found["ridge"] == pytest.approx(found["peak"] / found["bandwidth"])


def test_csv_has_a_line_per_layer(capsys: Capture) -> None:
    assert run([*NET, "rtx4090", "-f", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 153
    assert rows[0]["name"] == "conv1"
    assert int(rows[0]["macs"]) == 512 * 10_838_016  # 112² · 32 · 27


def test_markdown_and_the_picture_name_the_device(capsys: Capture, tmp_path: Path) -> None:
    assert run([*NET, "rtx4090", "-f", "markdown"]) == 0
    assert "| layer | kind | time | share |" in capsys.readouterr().out
    file = tmp_path / "roofline.svg"
    assert run([*NET, "rtx4090", "-o", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert "rtx4090" in text
    assert "memory bound" in text
    assert text.count("<circle") + text.count("<path") + text.count("<polygon") > 5


def test_eager_mode_takes_longer(capsys: Capture) -> None:
    totals = []
    for mode in ("--fused", "--eager"):
        assert run([*NET, "rtx5090", mode, "-f", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        totals.append(found["latency_max"] * found["efficiency"]["min"])
    assert totals[1] > 1.5 * totals[0]


def test_small_batches_and_memory_that_is_too_small_are_noted(capsys: Capture) -> None:
    assert run(["latency", "example:vgg16", "--device", "rtx4090", "--batch", "8000"]) == 0
    assert "the device has 25,769,803,776 B" in capsys.readouterr().out
    assert run(["latency", "example:vgg16", "--device", "rtx4090"]) == 0
    assert "a batch of 1 may not fill the device" in " ".join(capsys.readouterr().out.split())


def test_a_board_gives_a_range_in_int8(capsys: Capture) -> None:
    assert run(["latency", "example:resnet8", "--device", "nucleo-h7a3zi-q"]) == 0
    said = capsys.readouterr().out
    found = re.search(r"latency about ([\d.]+) to ([\d.]+) ms", said)
    assert found is not None
    # measured; the few 1×1 convolutions have the cycles of another network
    assert [float(found[1]), float(found[2])] == pytest.approx([1000 / 24.483, 1000 / 11.833], rel=0.02)
    assert "int8" in said


def test_an_unknown_time_is_explained(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "net.yaml"
    up, opaque = "conv_transpose: {out_channels: 4, kernel_size: 2, stride: 2}", "opaque: {output_shape: [4, 8, 8]}"
    file.write_text(f"input: [4, 8, 8]\ndtype: int8\nlayers:\n- {up}\n- {up}\n- {opaque}\n", encoding="utf-8")
    assert run(["latency", str(file), "--device", "nucleo-l4r5zi"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "latency ?" in said
    reason = "nucleo-l4r5zi has no cycles_per_mac for conv_transpose"
    assert f"{reason}: conv_transpose1 (conv_transpose), conv_transpose2 (conv_transpose)" in said
    assert "the multiply-accumulates are unknown: opaque1 (opaque)" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "rtx409"], "no device 'rtx409': did you mean rtx4090? available: a100-40gb"),
        (["--device", "rtx4090", "--dtype", "float64"], "rtx4090 has no peak for float64"),
        (["--device", "nucleo-l4r5zi", "--dtype", "float32"], "--dtype must be int8 for nucleo-l4r5zi"),
        (["--device", "raspberry-pi-pico"], "raspberry-pi-pico has no peak"),
        (["--device", "nobody.yaml"], "nobody.yaml: "),
        (["--device", "nucleo-l4r5zi", "-f", "svg"], "nucleo-l4r5zi has no roofline"),
        (["--device", "rtx4090", "-f", "csv", "--limit", "3"], "--limit cannot be combined with -f csv"),
        (["--device", "rtx4090", "--energy", "--dtype", "bfloat16"], "energy of an operation in bfloat16 is unknown"),
        ([], "Missing option '--device'"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["latency", "example:lenet5", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GPU + PEAK.replace(", source: s", ""), "board.yaml:5:17: peak.float16 has no source"),
        (GPU + PEAK.replace("100", "-100"), "peak.float16 must be a positive number with a unit"),
        (GPU + PEAK.replace("TFLOPS", "TFLOP"), "peak.float16 has the unknown unit 'TFLOP'"),
        (GPU.replace("dense: true\n", "") + PEAK, "peak needs `dense: true`"),
        (GPU + "eager_efficiency: {value: 2, source: s}\n", "eager_efficiency must be at most 1"),
    ],
)
def test_a_wrong_device_file_is_quoted(text: str, message: str, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "board.yaml"
    file.write_text(text, encoding="utf-8")
    assert run([*NET, str(file)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "^" in said.err
    assert said.out == ""


def test_a_file_cannot_steer_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "board.yaml"
    evil = '"\\e[31mred\\n::error::x"'
    file.write_text(
        GPU.replace("description: gpu", f"description: {evil}") + PEAK.replace("source: s", f"source: {evil}")
    )
    for format in ("table", "markdown", "svg"):
        assert run([*NET, str(file), "-f", format]) == 0
        said = capsys.readouterr().out
        assert "\x1b" not in said
        assert "\n::error::" not in said


def test_a_file_without_efficiency_gives_the_roofline_itself(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "board.yaml"
    file.write_text(GPU + PEAK, encoding="utf-8")
    assert run([*NET, str(file)]) == 0
    assert "the roofline itself, a lower bound" in capsys.readouterr().out


def test_a_cpu_is_not_to_be_trusted(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "board.yaml"
    file.write_text((GPU + PEAK).replace("kind: gpu", "kind: cpu"), encoding="utf-8")
    assert run([*NET, str(file)]) == 0
    assert "make no decision by it" in " ".join(capsys.readouterr().out.split())


def test_the_memory_of_a_gpu_is_not_that_of_a_microcontroller(capsys: Capture) -> None:
    assert run(["mcu", "example:ds_cnn", "--device", "rtx4090"]) == 2
    assert "'rtx4090' is a gpu, not a microcontroller: available: arduino-nano-33-ble" in capsys.readouterr().err


# -- other commands


def compare(capsys: Capture, *options: str) -> list[dict[str, str]]:
    nets = ["example:resnet18", "example:mobilenet_v2", "example:vgg16"]
    assert run(["compare", *nets, "--dtype", "float16", "-f", "csv", *options]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_compare_shows_the_latency_of_each_network(capsys: Capture) -> None:
    rows = compare(capsys, "--device", "rtx4090", "--batch", "512", "--sort", "latency")
    assert [row["name"] for row in rows] == ["vgg16", "mobilenet_v2", "resnet18"]
    assert run([*NET, "rtx4090", "-f", "json"]) == 0
    alone = json.loads(capsys.readouterr().out)["latency_max"]
    assert float(rows[1]["latency"]) == pytest.approx(alone)
    assert "latency" not in compare(capsys)[0]
    assert list(compare(capsys, "--device", "h200", "--columns", "latency,name")[0]) == ["latency", "name"]


def test_compare_calculates_with_the_latency(capsys: Capture) -> None:
    for row in compare(capsys, "--device", "rtx4090", "--derive", "ms=latency*1000", "--columns", "latency,ms"):
        assert float(row["ms"]) == pytest.approx(1000 * float(row["latency"]))


def test_compare_shows_measured_times_beside_the_latency(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("timed.csv").write_text("name,measured,latency\nresnet18,0.01,1\n", encoding="utf-8")
    arguments = ["compare", "example:resnet18", "--device", "rtx4090", "--join", "timed.csv", "-f", "csv"]
    assert run(arguments) == 2
    assert "the column 'latency' has the name of a figure: rename it" in capsys.readouterr().err
    Path("timed.csv").write_text("name,measured\nresnet18,0.01\n", encoding="utf-8")
    assert run(arguments) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (list(row)[:2], row["measured"]) == (["name", "latency"], "0.01")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "example:lenet5", "--columns", "latency"], "latency needs a device: add --device NAME, such as"),
        (["compare", "example:lenet5", "--columns", "latenzy"], "no column 'latenzy': did you mean latency?"),
        (
            ["compare", "example:lenet5", "--device", "rtx4090", "--columns", "macs"],
            "--device needs the column latency",
        ),
        (["compare", "example:lenet5", "--eager"], "--eager needs --device NAME"),
        (
            ["compare", "example:lenet5", "--runtime", "livenes"],
            "--runtime: no runtime 'livenes': did you mean liveness?",
        ),
        (
            ["compare", "example:lenet5", "--device", "raspberry-pi-pico", "--columns", "latency"],
            "raspberry-pi-pico has no peak",
        ),
        (
            ["compare", "example:lenet5", "--device", "nucleo-l4r5zi", "--dtype", "float32"],
            "--dtype must be int8 for nucleo-l4r5zi, which has cycles only for int8; got 'float32'",
        ),
        (["draw", "example:lenet5", "--color", "latency"], "--color latency and --device need each other"),
        (["draw", "example:lenet5", "--device", "rtx4090"], "--color latency and --device need each other"),
        (["draw", "example:lenet5", "--color", "latency", "--device", "rtx40"], "did you mean rtx4090?"),
    ],
)
def test_mistakes_in_other_commands_are_explained(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_wrong_device_file_is_quoted_by_other_commands(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "board.yaml"
    file.write_text(GPU + PEAK.replace(", source: s", ""), encoding="utf-8")
    for command in (["compare", "example:lenet5"], ["draw", "example:lenet5", "--color", "latency"]):
        assert run([*command, "--device", str(file)]) == 2
        assert "board.yaml:5:17: peak.float16 has no source" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["-f", "mermaid"], ["-f", "dot"], ["--as", "stack"], []])
def test_draw_colours_boxes_by_latency(options: list[str], tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / ("picture.txt" if "-f" in options else "picture.svg")
    net = ["draw", "example:resnet8", "--color", "latency", "--device", "nucleo-h7a3zi-q", "--depth", "all"]
    assert run([*net, *options, "-o", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    # conv1: 32² · 16 · 27 multiply-accumulates · 1.89 cycles / 280 MHz
    assert "2.99 ms latency" in text or "stack" in options
    assert "latency on nucleo-h7a3zi-q" in text or "-f" in options


def test_the_largest_network_on_the_slowest_device_has_a_time(tmp_path: Path, capsys: Capture) -> None:
    most = 10**18 - 1
    net, device = tmp_path / "net.yaml", tmp_path / "board.yaml"
    conv = f"conv: {{out_channels: {most}, kernel_size: {most}, padding: same}}"
    net.write_text(f"input: {[most] * 4}\nbatch: {most}\nlayers:\n  - {conv}\n  - {conv}\n", encoding="utf-8")
    device.write_text(
        "description: slow\nkind: gpu\ndense: true\nbandwidth: {value: 1 B/s, source: s}\n"
        "peak: {float32: {value: 1 FLOPS, source: s}}\nefficiency: {value: 0.0001, source: s}\n",
        encoding="utf-8",
    )
    arguments = ["latency", str(net), "--device", str(device), "--energy"]
    for format in ("table", "csv", "markdown", "svg"):
        assert run([*arguments, "-f", format]) == 0
        assert "inf" not in capsys.readouterr().out.lower().replace("info", "")
    assert run([*arguments, "-f", "json"]) == 0
    json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert run(["check", str(net), "--max-latency", "1s@rtx4090"]) == 1
