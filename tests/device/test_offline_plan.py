"""Better placements are possible, as small as brute force finds, and TensorFlow Lite Micro runs files with them."""

import random
from collections.abc import Callable
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc import examples
from convcalc.cli.main import run
from convcalc.convert.graph import NotImported
from convcalc.convert.tflite.flatbuffer import FlatBuffer
from convcalc.convert.tflite.model_file import Model
from convcalc.device import placement
from convcalc.device.arena import (
    Buffer,
    measure_extent,
    measure_live_bytes,
    place_around,
    place_greedily,
    place_in_order,
)
from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import measure, measure_network
from convcalc.device.offline_plan import plan_offline
from convcalc.device.placement import improve
from convcalc.device.plan_file import add_plan, read_offsets
from convcalc.device.runtimes import RUNTIMES
from tests.device.test_arena import HEADS, overlap
from tests.support.tflite_graphs import random_network
from tests.support.tflite_other_graphs import random_other_network

REFERENCE = RUNTIMES["tflm-reference"]


def random_buffers(seed: int) -> list[Buffer]:
    source = random.Random(seed)
    count = source.randint(2, 7)
    starts = [source.randint(0, count) for _ in range(count)]
    ends = [min(start + source.choice([0, 1, 1, 2, 3]), count) for start in starts]
    return [Buffer("", 16 * source.randint(1, 6), start, end) for start, end in zip(starts, ends, strict=True)]


def measure_best(buffers: list[Buffer]) -> int:
    orders = permutations(range(len(buffers)))
    return min(measure_extent(buffers, place_in_order(buffers, order)) for order in orders)


def find_badly_planned(count: int) -> list[int]:
    """Return the first seeds of buffers that the planner of TensorFlow Lite Micro does not place best."""
    seeds = (seed for seed in range(10_000) if is_badly_planned(random_buffers(seed)))
    return list(islice(seeds, count))


def is_badly_planned(buffers: list[Buffer]) -> bool:
    live = measure_live_bytes(buffers, max(buffer.last for buffer in buffers))
    return measure_extent(buffers, place_greedily(buffers)) > max(live)


def assert_apart(buffers: list[Buffer], offsets: tuple[int, ...]) -> None:
    placed = list(zip(buffers, offsets, strict=True))
    for index, (one, start) in enumerate(placed):
        for other, offset in placed[:index]:
            assert not overlap(one, other) or start + one.size <= offset or offset + other.size <= start


@pytest.mark.parametrize("seed", range(120))
def test_a_placement_of_a_few_buffers_is_the_best_of_all_orders(seed: int) -> None:
    buffers = random_buffers(seed)
    found = improve(buffers)
    assert found.optimal
    assert found.extent == measure_extent(buffers, found.offsets) == measure_best(buffers)
    assert_apart(buffers, found.offsets)


@pytest.mark.parametrize("seed", find_badly_planned(30))
def test_the_exact_search_finds_the_best_placement_without_other_tries(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "_TRIES", 0)
    buffers = random_buffers(seed)
    found = improve(buffers)
    assert found.optimal
    assert found.extent == measure_extent(buffers, found.offsets) == measure_best(buffers)
    assert_apart(buffers, found.offsets)


def test_a_placement_is_not_called_optimal_if_the_search_was_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_TRIES", 0)
    monkeypatch.setattr(placement, "_MOST_STEPS", 1)
    (seed,) = find_badly_planned(1)
    found = improve(random_buffers(seed))
    assert not found.optimal
    assert found.extent > found.lower_bound


def test_the_plan_of_person_detection_is_a_quarter_smaller_and_optimal() -> None:
    report = measure_network(convcalc.load(examples.find_file("person_detection")), REFERENCE)
    plan = plan_offline(report)
    assert (plan.before, plan.after.head, plan.optimal) == (73_728, 55_296, True)


@pytest.mark.parametrize("name", ["densenet121", "tcn", "efficientnet_b0"])
@pytest.mark.parametrize("runtime", ["tflm-reference", "tflm-cmsis-mve"])
def test_a_plan_of_a_large_network_is_between_the_lower_bound_and_the_planner(name: str, runtime: str) -> None:
    report = measure_network(convcalc.load(examples.find_file(name)), RUNTIMES[runtime])
    plan = plan_offline(report)
    assert report.lower_bound <= plan.after.head <= report.head
    assert_apart(list(plan.after.buffers), plan.after.offsets)


def test_buffers_that_are_not_planned_fit_around_the_others() -> None:
    buffers = [Buffer("a", 32, 0, 1, 0), Buffer("b", 16, 1, 1), Buffer("c", 32, 1, 2, 1)]
    assert place_around(buffers, {0: 0, 1: 48}) == (0, 32, 48)
    assert place_around(buffers, {1: 0}) == (32, 64, 0)


# -- files


def plan_file(folder: Path, seed: int, make: Callable[[int], bytes] = random_network) -> tuple[Path, Path]:
    """A random file, and the same with a plan that the command wrote."""
    file, planned = folder / "net.tflite", folder / "planned.tflite"
    file.write_bytes(make(seed))
    assert run(["mcu", str(file), "--plan", "-o", str(planned)]) == 0
    return file, planned


def find_large_networks(count: int) -> list[int]:
    """Seeds of random networks with more than eight operators."""
    seeds = [seed for seed in range(40) if len(Model(FlatBuffer(random_network(seed))).operators) > 8]
    return seeds[:count]


@pytest.mark.parametrize("seed", find_large_networks(12))
def test_only_the_plan_of_a_file_changes(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, planned = plan_file(tmp_path, seed)
    old, new = file.read_bytes(), planned.read_bytes()
    assert new.endswith(old[8:])  # the whole old content, after the new root table
    before, after = Model(FlatBuffer(old)), Model(FlatBuffer(new))
    moved = len(new) - len(old)
    assert [tensor._replace(contents=None) for tensor in after.tensors] == [
        tensor._replace(contents=None) for tensor in before.tensors
    ]
    for one, other in zip(before.tensors, after.tensors, strict=True):
        assert (one.contents is None) == (other.contents is None)
        if one.contents is not None and other.contents is not None:
            assert other.contents == one.contents._replace(start=one.contents.start + moved)
    assert [(op.name, op.inputs, op.outputs) for op in after.operators] == [
        (op.name, op.inputs, op.outputs) for op in before.operators
    ]
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    assert len(after.buffers) == len(before.buffers) + 1
    program = read_program(str(planned))
    assert measure(program, REFERENCE).head <= HEADS[seed]
    assert "offline plan: a head of" in capsys.readouterr().out


def test_a_new_plan_replaces_an_earlier_one() -> None:
    content = random_network(4)
    tensors = len(Model(FlatBuffer(content)).tensors)
    once = add_plan(content, [-1] * tensors)
    twice = add_plan(once, [16] * tensors)
    assert read_offsets(FlatBuffer(content).root(), tensors) is None
    assert read_offsets(FlatBuffer(once).root(), tensors) == (-1,) * tensors
    assert read_offsets(FlatBuffer(twice).root(), tensors) == (16,) * tensors
    assert len(FlatBuffer(twice).root().tables(6, 10, "metadata")) == 1


def test_a_malformed_plan_is_refused() -> None:
    content = random_network(4)
    tensors = len(Model(FlatBuffer(content)).tensors)
    with pytest.raises(NotImported, match="offsets for"):
        read_offsets(FlatBuffer(add_plan(content, [0] * (tensors - 1))).root(), tensors)


def test_a_plan_is_written_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(random_network(4))
    for arguments, message in (
        ([str(file), "--plan", "-o", str(file)], "is also an input file"),
        ([str(file), "--plan", "-o", str(tmp_path / "no" / "x.tflite")], "no such file or directory"),
        (["example:lenet5", "--plan", "-o", str(tmp_path / "x.tflite")], "only a TFLite file can be written"),
        ([str(file), "--plan", "--runtime", "liveness"], "liveness does not place buffers"),
    ):
        assert run(["mcu", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["net.tflite"]
    assert file.read_bytes() == random_network(4)


# -- the runtime itself


def invoke(content: bytes, capfd: pytest.CaptureFixture[str]) -> tuple[Any, int]:
    """The output of a file for fixed input values, and the head that TensorFlow Lite Micro reports."""
    import re

    import numpy
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=4_000_000)
    shape = interpreter.get_input_details(0)["shape"]
    values = numpy.random.default_rng(0).integers(-128, 127, size=shape).astype(numpy.int8)
    interpreter.set_input(values, 0)
    interpreter.invoke()
    capfd.readouterr()
    interpreter.print_allocations()
    head = re.search(r"head (\d+) bytes", capfd.readouterr().err)
    assert head is not None
    return interpreter.get_output(0).tolist(), int(head[1])


@pytest.mark.tflm
@pytest.mark.parametrize("make", [random_network, random_other_network])
@pytest.mark.parametrize("seed", range(80))
def test_tensorflow_lite_micro_runs_a_planned_file_with_equal_outputs(
    seed: int, make: Callable[[int], bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, planned = plan_file(tmp_path, seed, make)
    expected, before = invoke(file.read_bytes(), capfd)
    found, after = invoke(planned.read_bytes(), capfd)
    assert found == expected
    report = measure(read_program(str(planned)), REFERENCE)
    assert after == report.head <= before
    optimal = improve(measure(read_program(str(file)), REFERENCE).buffers)
    assert after == optimal.extent
