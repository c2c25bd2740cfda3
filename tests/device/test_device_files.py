"""Device files: those of the package state a source for every number, and a wrong file is refused with its line."""

from pathlib import Path

import pytest

from convcalc.cli.main import run
from convcalc.device.device_file import DEVICE_KINDS, find_device, read_device
from convcalc.device.device_names import list_device_names
from convcalc.problems import Flaw, InvalidSpec
from convcalc.spec.source import read_text

BOARD = "description: board\nkind: microcontroller\n"
GPU = "description: gpu\nkind: gpu\ndense: true\n"


@pytest.mark.parametrize("name", list_device_names())
def test_bundled_devices_state_sources(name: str) -> None:
    device = find_device(name)
    assert device.description
    figures = [*device.figures.values(), *device.peak.values(), *device.cycles_per_mac.values()]
    assert all(figure.source for figure in figures if figure is not None)
    assert device.kind != "microcontroller" or (device.figures["ram"] and device.figures["flash"])


def test_the_reference_board_of_mlperf_tiny_has_the_memory_of_its_data_sheet() -> None:
    """STM32L4R5ZI: 640 Kbytes of SRAM, 2 Mbytes of flash."""
    board = find_device("nucleo-l4r5zi")
    ram, flash = board.figures["ram"], board.figures["flash"]
    assert ram is not None
    assert flash is not None
    assert (ram.value, flash.value, board.runtime) == (640 * 1024, 2 * 1024**2, "tflm-cmsis-dsp")


def test_figures_are_read_with_their_units() -> None:
    text = GPU + (
        "memory: {value: 24 GiB, source: s}\nbandwidth: {value: 1008 GB/s, source: s}\n"
        "efficiency: {value: 0.6, source: s}\nclock: {value: 2.52GHz, source: s}\n"
        "peak: {float16: {value: 165.2 TFLOPS, source: s}, int8: {value: 330 TOPS, source: t}}\n"
        "cycles_per_mac: {conv: {value: [1.5, 2], source: u}}\n"
    )
    device = read_device(read_text(text), "mine")
    figures = {name: figure.low for name, figure in device.figures.items() if figure is not None}
    expected = {"memory": 24 * 2**30, "bandwidth": 1008 * 10**9, "efficiency": 0.6, "clock": 2_520_000_000}
    assert figures == expected
    assert {name: figure.value for name, figure in device.peak.items()} == {
        "float16": 165_200_000_000_000,
        "int8": 330 * 10**12,
    }
    assert device.cycles_per_mac["conv"][:2] == (1.5, 2)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (BOARD + "ram: {value: 640 KiB}\n", "3:6", "ram has no source"),
        (BOARD + "ram: 640 KiB\n", "3:6", "ram must be a mapping with value and source; got '640 KiB'"),
        (BOARD + "ram: {value: -5 KiB, source: s}\n", "3:14", "ram must be a positive number with a unit"),
        (BOARD + "ram: {value: 0 KiB, source: s}\n", "3:14", "ram must be a positive number with a unit"),
        (BOARD + "ram: {value: 640 kib, source: s}\n", "3:14", "ram has the unknown unit 'kib'"),
        (BOARD + "ram: {value: 640, source: s}\n", "3:14", "ram must be a number with a unit; got 640"),
        (BOARD + "ram: {value: 640 KiB, sauce: s}\n", "3:23", "unknown key 'sauce' in a device file"),
        (BOARD + "rma: {value: 640 KiB, source: s}\n", "3:1", "unknown key 'rma' in a device file"),
        (BOARD + "runtime: tflm-cmsis-dps\n", "3:10", "runtime must be tflm-reference"),
        (BOARD + "efficiency: {value: 1.5, source: s}\n", "3:21", "efficiency must be at most 1; got 1.5"),
        (BOARD + "efficiency: {value: 1.0e-300, source: s}\n", "3:21", "efficiency must be at least 0.0001"),
        (BOARD + "cycles_per_mac: {conv: {value: 2000000, source: s}}\n", "3:32", "at most 1,000,000"),
        (BOARD + "cycles_per_mac: {conv: {value: [2, 1], source: s}}\n", "3:32", "a range ascending"),
        (BOARD + "cycles_per_mac: {convv: {value: 2, source: s}}\n", "3:18", "unknown key 'convv'"),
        (BOARD + "peak: {int8: {value: 1 TOPS, source: s}}\n", "3:1", "peak needs `dense: true`"),
        (BOARD + "dense: false\n", "3:8", "dense must be true; got false"),
        (GPU + "peak: {int9: {value: 1 TOPS, source: s}}\n", "4:8", "unknown key 'int9'"),
        (GPU + "bandwidth: {value: 1008 GB, source: s}\n", "4:20", "bandwidth has the unknown unit 'GB'"),
        ("kind: gpu\n", "1:1", "description must be a text of at most 500 characters; it is missing"),
        ("description: x\nkind: fpga\n", "2:7", "kind must be microcontroller, gpu or cpu; got 'fpga'"),
        ("- 1\n", "1:1", "a device file must be a mapping"),
        ("a: [\n", "1:4", "[ is never closed"),
        ("", "1:1", "the file is empty; a device file needs description and kind"),
        (BOARD + f"ram: {{value: 1 KiB, source: {'s' * 501}}}\n", "3:29", "has a source of more than 500 characters"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        read_device(read_text(text, "board.yaml"), "board")
    said = str(caught.value)
    assert f"board.yaml:{place}: " in said
    assert message in said


def test_a_number_that_cannot_be_read_is_reported_once() -> None:
    text = BOARD + "cycles_per_mac: {conv: {value: 1.0e+300, source: s}}\n"
    with pytest.raises(InvalidSpec) as caught:
        read_device(read_text(text, "board.yaml"), "board")
    assert len(caught.value.problems) == 1
    assert "UNKNOWN" not in str(caught.value)


def test_an_unknown_device_gets_the_nearest_name_and_the_list() -> None:
    with pytest.raises(Flaw) as caught:
        find_device("nucleo-l4r5")
    assert caught.value.hint.startswith("did you mean nucleo-l4r5zi?")
    assert "raspberry-pi-pico" in caught.value.hint


def test_a_binary_file_is_not_a_device_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "board.yaml"
    file.write_bytes(b"\x00\x01\x02")
    assert run(["mcu", "example:ds_cnn", "--device", str(file)]) == 2
    assert "board.yaml: a binary file of an unknown format, not a device file" in capsys.readouterr().err


def test_the_command_quotes_the_wrong_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "board.yaml"
    file.write_text(BOARD + "ram: {value: 640 KiB}\n", encoding="utf-8")
    assert run(["mcu", "example:ds_cnn", "--device", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "board.yaml:3:6: ram has no source" in said.err
    assert "3 | ram: {value: 640 KiB}" in said.err


@pytest.mark.parametrize("kind", DEVICE_KINDS)
def test_devices_are_listed_by_kind(kind: str) -> None:
    assert list_device_names((kind,)) == [name for name in list_device_names() if find_device(name).kind == kind]
