"""Budgets of latency, in the spec, on the command line and in a configuration."""

import csv
import io
import json
from pathlib import Path

import pytest

from convcalc import summary
from convcalc.cli.main import run
from convcalc.network import Limit
from convcalc.render.limits import limit_text, merge_limits
from convcalc.space.misses import find_largest_miss

Capture = pytest.CaptureFixture[str]
# 10² · 8 · 9 · 2 = 14,400 multiply-accumulates · 6.76 cycles / 120 MHz = 811.2 µs
SPEC = """input: [2, 10, 10]
dtype: int8
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
budget:
  latency: LIMIT
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "net.convcalc.yaml"


def check(spec: Path, limit: str, *options: str) -> int:
    spec.write_text(SPEC.replace("LIMIT", limit), encoding="utf-8")
    return run(["check", spec.name, *options])


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ("{max: 812us, device: nucleo-l4r5zi}", 0),
        ("{max: 811us, device: nucleo-l4r5zi}", 1),
        ("{max: 0.8112ms, device: nucleo-l4r5zi}", 0),
        ("{max: 811199ns, device: nucleo-l4r5zi}", 1),
        ("{max: 1s, device: nucleo-l4r5zi}", 0),
        ("{min: 900us, device: nucleo-l4r5zi}", 1),
    ],
)
def test_the_larger_bound_is_compared_with_the_limit(limit: str, status: int, spec: Path, capsys: Capture) -> None:
    assert check(spec, limit) == status
    said = capsys.readouterr().out
    assert "latency on nucleo-l4r5zi" in said
    assert "811 µs" in said


@pytest.mark.parametrize(
    ("limit", "place", "message"),
    [
        ("5ms", "6:12", "the limit of latency must name a device; got '5ms' (write {max: 5ms, device: rtx4090})"),
        ("{max: 5ms, device: rtx409}", "6:31", "no device 'rtx409' (did you mean rtx4090?)"),
        (
            "{max: 5ms, device: my_board.yaml}",
            "6:31",
            "no device 'my_board.yaml' (a limit cannot name a device file; available: a100-40gb",
        ),
        ("{max: 5, device: rtx4090}", "6:18", "latency must be a number with one of the suffixes ns us ms s; got 5"),
        ("{max: [], device: rtx4090}", "6:18", "latency must be a quantity such as 5ms; got an empty list"),
        ("{device: rtx4090}", "6:12", "the limit of latency is empty"),
    ],
)
def test_a_wrong_limit_is_refused(limit: str, place: str, message: str, spec: Path, capsys: Capture) -> None:
    assert check(spec, limit, "-f", "json") == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [f"{one['line']}:{one['column']}" for one in problems] == [place]
    assert f"{problems[0]['message']} ({problems[0]['hint']})".startswith(message)


def test_a_limit_per_layer_is_refused(spec: Path, capsys: Capture) -> None:
    limit = "{max: 1s, device: rtx4090}\n  per_layer: {conv*: {latency: 5ms}}"
    assert check(spec, limit) == 1
    assert "unknown limit 'latency' for a layer" in capsys.readouterr().out


def test_an_unknown_time_is_a_problem(spec: Path, capsys: Capture) -> None:
    assert check(spec, "{max: 1s, device: raspberry-pi-pico}") == 1
    said = capsys.readouterr().out
    assert "latency on raspberry-pi-pico is unknown, so the budget cannot be verified" in said
    assert "raspberry-pi-pico has no peak" in said


def test_a_breach_says_how_to_look_further(spec: Path, capsys: Capture) -> None:
    assert check(spec, "{max: 700us, device: nucleo-l4r5zi}") == 1
    said = capsys.readouterr().out
    assert "latency on nucleo-l4r5zi of 811 µs (811,200 ns) exceeds the budget of 700 µs (700,000 ns) by 15.9%" in said
    assert "convcalc latency --device nucleo-l4r5zi shows the layers that take longest" in said


def test_the_command_line_and_a_configuration_limit_the_latency(spec: Path, capsys: Capture) -> None:
    wide = "{max: 1s, device: nucleo-l4r5zi}"
    assert check(spec, wide, "--max-latency", "700us@nucleo-l4r5zi") == 1
    assert check(spec, wide, "--max-latency", "820us@nucleo-l4r5zi") == 0
    spec.with_name("convcalc.toml").write_text('max-latency = "700us@nucleo-l4r5zi"\n', encoding="utf-8")
    assert check(spec, wide) == 1
    capsys.readouterr()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("5ms", "the limit of latency must name a device, such as 5ms@rtx4090"),
        ("5ms@rtx", "no device 'rtx'"),
        ("5@rtx4090", "--max-latency must be a number with one of the suffixes ns us ms s"),
    ],
)
def test_a_wrong_option_is_refused(value: str, message: str, capsys: Capture) -> None:
    assert run(["check", "example:lenet5", "--max-latency", value]) == 2
    assert message in capsys.readouterr().err


def test_fit_finds_the_largest_network_within_a_latency(capsys: Capture) -> None:
    net = ["fit", "example:mobilenet_v1", "-p", "width=0.25,0.5,1.0", "--max-latency", "60us@rtx4090", "-f", "json"]
    assert run(net) == 0
    best = json.loads(capsys.readouterr().out)
    capsys.readouterr()
    for width, fits in ((0.25, True), (0.5, True), (1.0, False)):
        assert run(["latency", f"example:mobilenet_v1@width={width}", "--device", "rtx4090", "-f", "json"]) == 0
        assert (json.loads(capsys.readouterr().out)["latency_max"] <= 60e-6) == fits
    assert '"width": 0.5' in json.dumps(best)


def test_sweep_lists_the_networks_within_a_latency(spec: Path, capsys: Capture) -> None:
    text = SPEC.partition("budget")[0].replace("out_channels: 8", "out_channels: $width")
    spec.write_text(f"params: {{width: 1}}\n{text}", encoding="utf-8")
    sweep = ["sweep", spec.name, "-p", "width=1:100:1", "--max-latency", "810us@nucleo-l4r5zi"]
    assert run([*sweep, "-f", "csv", "--columns", "width"]) == 0
    widths = [row["width"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert widths == [*map(str, range(1, 8))]  # 101.4 µs per channel
    assert run(sweep) == 0
    assert "latency on nucleo-l4r5zi ≤ 810 µs\n100 combinations · 93 exceed the budget" in capsys.readouterr().out
    assert run([*sweep, "-f", "json"]) == 0
    limit = {"metric": "latency", "device": "nucleo-l4r5zi", "max": 0.00081}
    assert json.loads(capsys.readouterr().out)["limits"] == [limit]


def test_a_limit_is_missed_on_its_own_device_or_runtime(spec: Path) -> None:
    spec.write_text(SPEC.partition("budget")[0], encoding="utf-8")
    report = summary(spec)
    slow = Limit("latency", None, 700_000, (), device="nucleo-l4r5zi")  # takes 811,200 ns
    fast = Limit("latency", None, 700_000, (), device="nucleo-h7a3zi-q")  # 1.89 cycles at 280 MHz: 97 µs
    assert find_largest_miss(report, [slow]) == pytest.approx(811_200 / 700_000 - 1)
    assert find_largest_miss(report, [fast]) == 0
    assert merge_limits([slow, fast]) == [slow, fast]


def test_limits_that_depend_on_a_runtime_or_device_name_it() -> None:
    assert limit_text(Limit("latency", None, 5_000_000, (), device="rtx4090")) == "latency on rtx4090 ≤ 5.00 ms"
    assert limit_text(Limit("arena", 1, 2048, (), runtime="liveness")) == (
        "arena with liveness ≥ 1 B, arena with liveness ≤ 2.00 KiB"
    )
