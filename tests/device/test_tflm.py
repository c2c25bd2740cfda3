"""TensorFlow Lite Micro itself reports the heads that convcalc computes."""

import re
from pathlib import Path

import pytest

from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import measure
from convcalc.device.runtimes import RUNTIMES
from tests.device.test_arena import HEADS
from tests.support.tflite_graphs import random_network
from tests.support.tflite_other_graphs import random_other_network

pytestmark = pytest.mark.tflm
ARENA = 4_000_000  # more than any network here needs


def reported_head(content: bytes, capfd: pytest.CaptureFixture[str]) -> int:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA)
    capfd.readouterr()
    interpreter.print_allocations()
    found = re.search(r"head (\d+) bytes", capfd.readouterr().err)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("seed", range(len(HEADS)))
def test_the_stored_heads_are_those_that_it_reports(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert reported_head(random_network(seed), capfd) == HEADS[seed]


@pytest.mark.parametrize("seed", range(len(HEADS), len(HEADS) + 100))
def test_the_head_of_another_random_file_is_the_one_that_it_reports(
    seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "random.tflite"
    file.write_bytes(random_network(seed))
    assert measure(read_program(str(file)), RUNTIMES["tflm-reference"]).head == reported_head(file.read_bytes(), capfd)


@pytest.mark.parametrize("seed", range(120))
def test_the_head_of_a_random_file_of_other_operators_is_the_one_that_it_reports(
    seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "random.tflite"
    file.write_bytes(random_other_network(seed))
    assert measure(read_program(str(file)), RUNTIMES["tflm-reference"]).head == reported_head(file.read_bytes(), capfd)
