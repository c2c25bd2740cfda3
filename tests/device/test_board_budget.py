"""Budgets of arena and flash that name a board, in the spec, on the command line and in a configuration."""

import json
from pathlib import Path

import pytest

from convcalc import load
from convcalc.cli.main import run
from convcalc.device.device_file import find_device
from convcalc.device.device_names import list_board_names, list_device_names
from convcalc.metrics.budgets import list_limits

Capture = pytest.CaptureFixture[str]
SPEC = "input: [3, 96, 96]\nlayers:\n  - conv: {out_channels: CHANNELS, kernel_size: 3}\nbudget:\n  BUDGET\n"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "net.convcalc.yaml"


def check(spec: Path, budget: str, *options: str, channels: int = 8) -> int:
    spec.write_text(SPEC.replace("BUDGET", budget).replace("CHANNELS", str(channels)), encoding="utf-8")
    return run(["check", spec.name, *options])


def arena(spec: Path, capsys: Capture, *options: str) -> int:
    capsys.readouterr()
    assert run(["mcu", spec.name, *options, "-f", "json"]) == 0
    found: int = json.loads(capsys.readouterr().out)["arena"]["total"]
    return found


def test_every_board_has_the_memory_and_runtime_that_budgets_need() -> None:
    boards = [find_device(name) for name in list_device_names() if find_device(name).kind == "microcontroller"]
    assert [board.name for board in boards] == list_board_names()
    assert all(board.runtime and board.figures["ram"] and board.figures["flash"] for board in boards)


def test_a_limit_that_only_names_a_board_is_its_memory(spec: Path, capsys: Capture) -> None:
    """640 KiB are enough for 8 maps of 94×94, and too little for 80."""
    assert check(spec, "arena: {device: nucleo-l4r5zi}") == 0
    used = arena(spec, capsys, "--runtime", "tflm-cmsis-dsp")
    assert check(spec, "arena: {device: nucleo-l4r5zi}") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"arena on nucleo-l4r5zi {used / 1024:.2f} KiB 640.0 KiB {used / 6553.6:.1f}%" in said
    assert check(spec, "arena: {device: nucleo-l4r5zi}", channels=80) == 1
    said = capsys.readouterr().out
    assert "exceeds the budget of 655,360 B (640.0 KiB)" in said
    assert "convcalc mcu --device nucleo-l4r5zi shows what would lower it" in said
    assert check(spec, "flash: {device: nucleo-l4r5zi}") == 0
    assert "2.00 MiB" in capsys.readouterr().out


def test_bounds_and_a_runtime_override_those_of_the_board(spec: Path, capsys: Capture) -> None:
    board = "device: nucleo-l4r5zi"
    check(spec, f"arena: {{{board}}}")
    dsp, reference = (arena(spec, capsys, "--runtime", f"tflm-{name}") for name in ("cmsis-dsp", "reference"))
    assert reference < dsp
    assert check(spec, f"arena: {{max: {dsp}B, {board}}}") == 0
    assert check(spec, f"arena: {{max: {dsp - 1}B, {board}}}") == 1
    assert check(spec, f"arena: {{max: {reference}B, {board}, runtime: tflm-reference}}") == 0
    assert check(spec, f"arena: {{max: {reference - 1}B, {board}, runtime: tflm-reference}}") == 1
    assert "arena on nucleo-l4r5zi with tflm-reference" in capsys.readouterr().out
    assert check(spec, f"arena: {{min: {dsp + 1}B, {board}}}") == 1
    assert check(spec, f"arena: {{{board}, runtime: tflm-reference}}") == 0
    assert list_limits(load(spec))[0].maximum == 640 * 1024


@pytest.mark.parametrize(
    ("budget", "place", "message"),
    [
        ("arena: {device: nucleo-l4r5z}", "5:19", "no device 'nucleo-l4r5z' (did you mean nucleo-l4r5zi?)"),
        ("arena: {device: rtx4090}", "5:19", "'rtx4090' is not a microcontroller (available: arduino-nano-33-ble, "),
        (
            "flash: {device: board.yaml}",
            "5:19",
            "no device 'board.yaml' (a limit cannot name a device file; available: arduino-nano-33-ble, ",
        ),
        (
            "arena: 9KiB",
            "5:10",
            "the limit of arena must name a runtime or a device; got '9KiB' (name one, as in {max: 9KiB, ru",
        ),
        ("arena: {runtime: liveness}", "5:10", "the limit of arena is empty: it needs min, max or both ("),
        ("arena: {device: nucleo-l4r5zi, most: 1}", "5:34", "unknown key 'most' in a limit (available: min, max"),
    ],
)
def test_a_wrong_limit_is_refused(budget: str, place: str, message: str, spec: Path, capsys: Capture) -> None:
    assert check(spec, budget, "-f", "json") == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [f"{one['line']}:{one['column']}" for one in problems] == [place]
    assert f"{problems[0]['message']} ({problems[0]['hint']})".startswith(message)


def test_the_command_line_and_a_configuration_name_a_board(spec: Path, capsys: Capture) -> None:
    wide = "arena: {max: 1GiB, runtime: liveness}"
    assert check(spec, wide, "--max-arena", "@nucleo-l4r5zi", channels=80) == 1
    assert "arena on nucleo-l4r5zi" in capsys.readouterr().out
    assert check(spec, wide, "--max-arena", "1MiB@nucleo-l4r5zi", channels=80) == 0
    assert check(spec, wide, "--max-flash", "@nucleo-l4r5zi", channels=80) == 0
    spec.with_name("convcalc.toml").write_text('max-arena = "@nucleo-l4r5zi"\n', encoding="utf-8")
    assert check(spec, wide, channels=80) == 1
    capsys.readouterr()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("@nucleo", "no runtime or device 'nucleo'"),
        ("1MiB@tflm-referenc", "no runtime or device 'tflm-referenc': did you mean tflm-reference?"),
        ("1MiB@rtx4090", "'rtx4090' is not a microcontroller: available: arduino-nano-33-ble"),
        ("@tflm-reference", "--max-arena must be a number with one of the suffixes B KB"),
    ],
)
def test_a_wrong_option_is_refused(value: str, message: str, capsys: Capture) -> None:
    assert run(["check", "example:lenet5", "--max-arena", value]) == 2
    assert message in capsys.readouterr().err


def test_fit_and_sweep_keep_what_fits_a_board(capsys: Capture) -> None:
    net = ["example:mobilenet_v1", "-p", "width=0.25,0.5,1", "-p", "size=224", "-f", "json", "--no-spec-budget"]
    fits = []
    for width in (0.25, 0.5, 1):
        sets = ["--set", f"width={width}", "--runtime", "tflm-cmsis-dsp", "-f", "json"]
        assert run(["mcu", "example:mobilenet_v1", *sets]) == 0
        fits += [width] if json.loads(capsys.readouterr().out)["arena"]["total"] <= 640 * 1024 else []
    assert 0 < len(fits) < 3
    limit = {"metric": "arena", "device": "nucleo-l4r5zi", "max": 640 * 1024}
    assert run(["fit", *net, "--max-arena", "@nucleo-l4r5zi"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(one["params"]["width"] for one in found["fits"]) == fits
    assert found["limits"] == [limit]
    assert run(["sweep", *net, "--max-arena", "@nucleo-l4r5zi"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["width"] for one in found["rows"]] == fits
    assert found["limits"] == [limit]
