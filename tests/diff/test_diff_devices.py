"""Arena, flash and latency in `convcalc diff`, compared with `convcalc mcu` and `convcalc latency` of both networks."""

import json
from pathlib import Path
from typing import Any

import pytest

from convcalc.cli.main import run

Capture = pytest.CaptureFixture[str]
OLD, NEW = "example:mobilenet_v1", "example:mobilenet_v1@width=0.5"
BOARD, GPU = ["--device", "nucleo-l4r5zi"], ["--device", "rtx4090", "--eager"]


def read_json(capsys: Capture, *arguments: str) -> Any:
    capsys.readouterr()
    assert run([*arguments, "-f", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_totals_are_those_of_mcu_and_latency(capsys: Capture) -> None:
    found = read_json(capsys, "diff", OLD, NEW, *BOARD)
    memory = [read_json(capsys, "mcu", net, "--runtime", "tflm-cmsis-dsp") for net in (OLD, NEW)]
    times = [round(read_json(capsys, "latency", net, *BOARD)["latency_max"], 9) for net in (OLD, NEW)]
    assert (found["runtime"], found["device"], found["mode"]) == ("tflm-cmsis-dsp", "nucleo-l4r5zi", "fused")
    for name in ("arena", "flash"):
        old, new = (one[name]["total"] for one in memory)
        relative = round((new - old) / old, 9)
        assert found["totals"][name] == {"old": old, "new": new, "change": new - old, "relative": relative}
    total = found["totals"]["latency"]
    assert [total["old"], total["new"]] == times
    assert total["change"] == pytest.approx(times[1] - times[0], abs=1e-9)
    assert total["relative"] == pytest.approx(times[1] / times[0] - 1, abs=1e-8)


def test_the_eager_latency_is_that_of_convcalc_latency(capsys: Capture) -> None:
    found = read_json(capsys, "diff", OLD, NEW, *GPU)
    expected = round(read_json(capsys, "latency", OLD, *GPU)["latency_max"], 9)
    assert (found["totals"]["latency"]["old"], found["mode"]) == (expected, "eager")
    assert {"arena", "runtime"}.isdisjoint({*found, *found["totals"]})


def test_without_options_nothing_is_measured(capsys: Capture) -> None:
    found = read_json(capsys, "diff", OLD, NEW)
    assert {"arena", "flash", "latency", "runtime", "device"}.isdisjoint({*found, *found["totals"]})


@pytest.mark.parametrize(
    ("condition", "options", "status"),
    [
        ("latency > -50%", GPU, 0),
        ("latency > -70%", GPU, 1),
        ("latency < -10us", GPU, 1),
        ("latency < -1s", GPU, 0),
        ("arena < -800KiB", BOARD, 1),
        ("arena < -900KiB", BOARD, 0),
        ("arena < -49.8%", [], 1),
        ("flash != 0", ["--runtime", "liveness"], 1),
    ],
)
def test_conditions(condition: str, options: list[str], status: int, capsys: Capture) -> None:
    assert run(["diff", OLD, NEW, *options, "-q", "--fail-if", condition]) == status
    said = capsys.readouterr()
    assert (f"convcalc: {condition}: {condition.split()[0]} (" in said.err) == bool(status)


def test_a_failed_condition_names_the_device(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "diff.html"
    options = ["--device", "rtx4090", "--fail-if", "latency != 0"]
    assert run(["diff", OLD, NEW, *options, "-o", str(page)]) == 1
    said = "latency (rtx4090) changed by -58.3 µs (-54.9%), from 106 µs to 47.9 µs"
    assert capsys.readouterr().err == f"convcalc: latency != 0: {said}\n"
    text = page.read_text(encoding="utf-8")
    assert f"latency != 0: {said}" in text
    assert '<p class="title">latency (rtx4090)</p><p class="big">47.9<small> µs</small></p>' in text
    assert run(["diff", OLD, NEW, *options, "-f", "markdown"]) == 1
    assert "| latency (rtx4090) | 106 µs | 47.9 µs | -58.3 µs | -54.9% |" in capsys.readouterr().out


def test_an_unknown_figure_fails_with_the_reason(capsys: Capture) -> None:
    assert run(["diff", "example:ds_cnn", "example:vit_tiny", "--fail-if", "arena > +5%", "-q"]) == 1
    said = capsys.readouterr()
    assert "arena > +5%: the change in arena (tflm-reference) is unknown: layer " in said.err
    assert "arena (tflm-reference)  " in said.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-if", "latency > +5%"], "latency needs a device: add --device NAME, such as rtx4090"),
        (["--fail-if", "latency > 5", *GPU], "latency must be a number with one of the suffixes ns us ms s; got '5'"),
        (["--fail-if", "arena > 5K"], "is ambiguous"),
        (["--fail-if", "arna > 5%"], "no metric 'arna': did you mean arena?"),
        (["--device", "rtx409"], "--device: no device 'rtx409': did you mean rtx4090?"),
        (["--runtime", "tflm-cmsis"], "--runtime: no runtime 'tflm-cmsis'"),
        (["--eager"], "--eager needs --device NAME"),
    ],
)
def test_mistakes_are_explained(options: list[str], message: str, capsys: Capture) -> None:
    assert run(["diff", OLD, NEW, *options]) == 2
    assert message in capsys.readouterr().err
