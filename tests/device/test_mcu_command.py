"""The command mcu: its options, formats and messages."""

import json
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from convcalc.cli.main import run
from tests.support.tflite_files import INT8, Op, T, tflite
from tests.support.tflite_graphs import random_network

NET = "example:person_detection"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["mcu", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["mcu", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    return found.err


def test_the_report_shows_used_and_available_memory(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, NET, "--ram", "256KiB", "--flash", "1MiB")
    assert "about 100,668" in text
    assert "262,144  38.4%" in text
    assert "does not fit" not in text


def test_the_report_says_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, NET, "--ram", "64KiB", "--flash", "1KiB")
    assert "does not fit: RAM of 100,668 B exceeds 65,536 B by 35,132 B" in text
    assert "does not fit: flash of 330,482 B exceeds 1,024 B by 329,458 B" in text


def test_a_device_gives_memory_and_runtime_which_options_replace(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, NET, "--device", "nucleo-l4r5zi", "-f", "json"))
    assert (found["runtime"], found["arena"]["available"]) == ("tflm-cmsis-dsp", 655_360)
    found = json.loads(
        printed(capsys, NET, "--device", "nucleo-l4r5zi", "--ram", "1KiB", "--runtime", "liveness", "-f", "json")
    )
    assert (found["runtime"], found["arena"]["available"], found["arena"]["head"]) == ("liveness", 1024, 55_296)


def test_the_size_of_the_code_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, NET, "--code", "100KB", "-f", "json"))["flash"]
    assert found["total"] == found["model"] + 100_000


def test_the_map_has_a_column_per_operator(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split("│ ")[1] for line in printed(capsys, "example:resnet8").splitlines() if "│ " in line]
    assert len(rows) == 12
    assert {len(row) for row in rows} == {17}
    assert rows[-1].startswith("aacc")


@pytest.mark.parametrize("columns", ["40", "60", "200"])
def test_a_long_network_fits_the_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = printed(capsys, "example:densenet121", "--runtime", "tflm-cmsis-mve", "-q")
    assert max(map(len, text.splitlines())) <= max(int(columns), 60)


def test_the_picture_has_a_rectangle_per_buffer(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, NET, "-f", "json"))
    picture = ElementTree.fromstring(printed(capsys, NET, "-f", "svg"))
    named = [group for group in picture.iter("{http://www.w3.org/2000/svg}g") if group.get("data-name")]
    assert len(named) == len(found["buffers"])


def test_the_suggestions_are_recalculated(capsys: pytest.CaptureFixture[str]) -> None:
    [smaller, *_] = json.loads(printed(capsys, NET, "-f", "json"))["suggestions"]
    assert smaller["change"] == "a smaller input (--input 3,72,72)"
    applied = json.loads(printed(capsys, NET, "--input", "3,72,72", "-f", "json"))
    assert applied["arena"]["total"] == smaller["arena"]


def test_a_float_spec_is_computed_in_int8_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the spec's data type is float32; the figures are for int8" in printed(capsys, "example:lenet5")
    text = printed(capsys, "example:lenet5", "--dtype", "float32")
    assert "37,632" in text  # 4 × 9,408
    assert "in int8, the arena would be about" in text


def test_a_file_is_taken_as_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(random_network(3))
    found = json.loads(printed(capsys, str(file), "-f", "json"))
    assert found["flash"]["exact"]
    assert found["flash"]["model"] == file.stat().st_size
    assert found["buffers"][0]["name"] == "t0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NET, "--runtime", "tflm-mve"), "--runtime: no runtime 'tflm-mve': did you mean tflm-cmsis-mve?"),
        ((NET, "--device", "nucleo"), "--device: no device 'nucleo': available: arduino-nano-33-ble"),
        ((NET, "--device", "none.yaml"), "--device none.yaml: no such file"),
        ((NET, "--ram", "256K"), "--ram: '256K' is ambiguous"),
        ((NET, "--ram", "0B"), "--ram must be more than 0 bytes"),
        ((NET, "--dtype", "int4"), "--dtype must be int8 or float32 for microcontrollers; got 'int4'"),
        (("example:vit_tiny",), "layer class_token (parameter): convcalc does not know operators of TensorFlow Lite"),
        (("example:c3d",), "TensorFlow Lite Micro has no operators in 3-D"),
        ((NET, "-f", "svg", "--runtime", "liveness"), "liveness does not place buffers"),
        (("no.tflite",), "no.tflite: no such file"),
    ],
)
def test_a_mistake_gets_a_message(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert message in refused(capsys, *arguments)


# -- files from strangers


def test_a_file_that_lies_about_sizes_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    content = bytearray(random_network(3))
    place = content.find(struct.pack("<4i", 1, *_first_dims(content)))
    struct.pack_into("<4i", content, place, 2**30, 2**30, 2**30, 2**30)
    file = tmp_path / "net.tflite"
    file.write_bytes(content)
    assert "at most 100,000,000,000 are supported" in refused(capsys, str(file))


MAP = T((1, 8, 8, 4), INT8, False, "map")
SEQUENCE = T((1, 8, 4), INT8, False, "sequence")


@pytest.mark.parametrize(
    ("tensors", "operators", "message"),
    [
        ([MAP, MAP._replace(name="o")], [Op("ADD", (0, 1), (1,), {})], "malformed: ADD reads 'o' before it is written"),
        ([MAP, MAP], [Op("SQUARE", (0,), (1,), {})], "tflm-reference has no kernel for SQUARE in int8 (layer map)"),
        ([MAP, MAP], [Op("GELU", (0,), (1,), {})], "tflm-reference has no kernel for GELU (layer map)"),
        ([SEQUENCE, SEQUENCE], [Op("UNIDIRECTIONAL_SEQUENCE_LSTM", (0,), (1,), {})], "has no cell state"),
        ([SEQUENCE, SEQUENCE], [Op("SVDF", (0, 0), (1,), {})], "the number of filters of SVDF is not a multiple"),
        (
            [MAP._replace(name="\x1b[2J\n::error::"), MAP._replace(name="\x1b[31m")],
            [Op("GELU", (0,), (1,), {})],
            "has no kernel for GELU (layer \\x1b[31m)",
        ),
    ],
)
def test_a_file_that_cannot_run_is_refused(
    tensors: list[T], operators: list[Op], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(tflite(tensors, operators))
    assert message in refused(capsys, str(file))


def test_a_plan_beyond_what_a_file_can_hold_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    large = T((1, 60_000, 60_000, 4), INT8, False, "large")
    file = tmp_path / "net.tflite"
    file.write_bytes(tflite([large, large], [Op("RELU", (0,), (1,), {})]))
    said = refused(capsys, str(file), "--plan", "-o", str(tmp_path / "planned.tflite"))
    assert "the plan has offsets above 2,147,483,647 bytes" in said
    assert [path.name for path in tmp_path.iterdir()] == ["net.tflite"]


def _first_dims(content: bytes | bytearray) -> tuple[int, int, int]:
    """The height, width and channels of the input, which `random_network(3)` also has in `GraphMaker`."""
    from tests.support.tflite_graphs import GraphMaker

    _, *dims = GraphMaker(3).tensors[0].dims
    return dims[0], dims[1], dims[2]


def test_changed_bytes_are_reported_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, file = random_network(3), tmp_path / "net.tflite"
    for step, value in ((7, 255), (11, 0), (13, 127)):
        for place in range(8, min(len(whole), 3_000), 4 * step):
            changed = bytearray(whole)
            changed[place] = value
            file.write_bytes(changed)
            assert run(["mcu", str(file), "-f", "json", "-q"]) in (0, 2)
            capsys.readouterr()
