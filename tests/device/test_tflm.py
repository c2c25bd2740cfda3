"""TensorFlow Lite Micro itself reports the heads that convcalc computes."""

import re
from pathlib import Path

import pytest

from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import measure
from convcalc.device.runtimes import RUNTIMES
from tests.device.test_arena import HEADS
from tests.support.tflite_files import INT8, Op, T, flag, tflite
from tests.support.tflite_graphs import random_network
from tests.support.tflite_other_graphs import random_other_network

pytestmark = pytest.mark.tflm
ARENA = 4_000_000  # more than any network here needs


def reported_sizes(content: bytes, capfd: pytest.CaptureFixture[str]) -> tuple[int, int]:
    """The head and the tail that it reports; the tail is that of a 64-bit build."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA)
    capfd.readouterr()
    interpreter.print_allocations()
    said = capfd.readouterr().err
    head, tail = re.search(r"head (\d+) bytes", said), re.search(r"tail (\d+) bytes", said)
    assert head is not None
    assert tail is not None
    return int(head[1]), int(tail[1])


def reported_head(content: bytes, capfd: pytest.CaptureFixture[str]) -> int:
    return reported_sizes(content, capfd)[0]


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
def test_the_head_of_a_random_file_of_other_operators_is_the_reported_one(
    seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "random.tflite"
    file.write_bytes(random_other_network(seed))
    assert measure(read_program(str(file)), RUNTIMES["tflm-reference"]).head == reported_head(file.read_bytes(), capfd)


@pytest.mark.parametrize(("flags", "copies"), [((1, 0), 2), ((0, 0), 1), ((1, 1), 1)])
def test_a_batch_matmul_keeps_copies_of_the_inputs_that_it_transposes(
    flags: tuple[int, int], copies: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rows of the first matrix are multiplied by those of the second, so that this one is transposed by default."""
    sizes = []
    for options in (flags, (0, 1)):
        matrices = [T((1, 32, 32), INT8, False, name, scales=(0.1,), zeros=(0,)) for name in ("a", "b", "c")]
        product = Op("BATCH_MATMUL", (0, 1), (2,), {place: flag(bool(value)) for place, value in enumerate(options)})
        file = tmp_path / "product.tflite"
        file.write_bytes(tflite(matrices, [product], inputs=(0, 1)))
        own = measure(read_program(str(file)), RUNTIMES["tflm-reference"]).tail
        sizes.append((own or 0, reported_sizes(file.read_bytes(), capfd)[1]))
    own, reported = (sizes[0][place] - sizes[1][place] for place in (0, 1))
    assert own == copies * 32 * 32
    assert own <= reported <= own + copies * 64  # with the shape of each copy
