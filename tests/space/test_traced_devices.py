"""Rows that are evaluated together have the arena, flash and latency of `convcalc mcu` and `convcalc latency`."""

from random import Random
from typing import Any

import pytest

from convcalc.analysis.report import analyse
from convcalc.device.device_file import find_device
from convcalc.device.device_names import list_device_names
from convcalc.device.latency import EAGER, FUSED, estimate_latency
from convcalc.device.mcu import measure_network
from convcalc.device.program import NoOperator
from convcalc.device.runtime_names import RUNTIME_NAMES
from convcalc.device.runtimes import find_runtime
from convcalc.metrics.target import Target
from convcalc.network import Limit, Network
from convcalc.problems import Flaw, InvalidSpec
from convcalc.space import traced_evaluator
from convcalc.space.evaluation import MISS, OrdinaryEvaluator, Setup
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.budget_metrics import MEASURED
from convcalc.spec.inputs import Overrides
from tests.space.test_traced_evaluator import EXPLORES, WITH_PARAMS, loader, of_spec, vary

ROWS = 40 if EXPLORES else 2


def find_memory(network: Network, runtime: str) -> tuple[int | None, int | None]:
    """Return the figures of `convcalc mcu`, which are compared with those of TensorFlow Lite Micro itself."""
    try:
        found = measure_network(network, find_runtime(runtime))
    except NoOperator:
        return None, None
    return found.arena, found.flash.total


def find_latency(network: Network, target: Target) -> float | None:
    assert target.device is not None
    try:
        found = estimate_latency(analyse(network), target.device, EAGER if target.eager else FUSED).total
    except Flaw:
        return None
    return found and found.high


def draw_target(random: Random) -> Target:
    return Target(random.choice(RUNTIME_NAMES), find_device(random.choice(list_device_names())), random.random() < 0.5)


def check_rows(load: Any, values: dict[str, list[Any]], target: Target) -> TracedEvaluator:
    """Compare rows with networks that are read and measured on their own, and return the evaluator."""
    traced = TracedEvaluator(load, Setup(Overrides(), target=target), rows_per_trace=0)
    found = traced.evaluate(values, MEASURED)
    for index in range(len(next(iter(values.values())))):
        try:
            network = load(Overrides({name: column[index] for name, column in values.items()}))
        except InvalidSpec:
            assert index in found.problems
            continue
        expected = (*find_memory(network, target.runtime), find_latency(network, target))
        assert tuple(found.columns[name][index] for name in MEASURED) == expected
    assert traced.untraced_rows == 0
    return traced


@pytest.mark.parametrize("name", WITH_PARAMS)
def test_random_rows_of_the_examples(name: str) -> None:
    load, random = loader(name), Random(name)
    rows = [{key: vary(random, value) for key, value in load(Overrides()).params.items()} for _ in range(ROWS)]
    check_rows(load, {key: [row[key] for row in rows] for key in rows[0]}, draw_target(random))


@pytest.mark.parametrize("runtime", RUNTIME_NAMES)
@pytest.mark.parametrize("backend", ["lists", "arrays"])
def test_a_grid_of_sizes_is_one_path_for_most_rows(backend: str, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "arrays":
        pytest.importorskip("numpy")
        monkeypatch.setattr(traced_evaluator, "_ROWS_FOR_ARRAYS", 0)
    widths = [0.25, 0.33, 1.3]
    values: dict[str, list[Any]] = {"width": widths * 2, "size": [size for size in (96, 160) for _ in widths]}
    traced = check_rows(loader("mobilenet_v1"), values, Target(runtime, find_device("rtx4090")))
    assert [len(solver.paths) for solver in traced.solvers.values()] <= [2]


def test_the_order_of_the_buffers_may_differ_between_rows_of_a_path() -> None:
    """Which of two tensors is larger decides which is placed first, without another path."""
    layers = [{"conv": {"out_channels": f"${name}", "kernel_size": 1}} for name in ("first", "second", "third")]
    spec = {"params": {"first": 8, "second": 8, "third": 8}, "input": [3, 16, 16], "layers": layers}
    random = Random(0)
    values = {name: [random.randint(2, 40) for _ in range(30)] for name in ("first", "second", "third")}
    traced = check_rows(of_spec(spec), values, Target("tflm-reference", find_device("nucleo-l4r5zi")))
    assert [len(solver.paths) for solver in traced.solvers.values()] == [1]


@pytest.mark.parametrize(
    "limit",
    [
        Limit("arena", None, 40_000, (), runtime="tflm-cmsis-dsp"),
        Limit("arena", None, 30_000, (), runtime="liveness"),
        Limit("flash", 30_000, 70_000, (), device="nucleo-l4r5zi"),
        Limit("arena", None, None, (), device="arduino-nano-33-ble"),
        Limit("latency", None, 90_000_000, (), device="nucleo-l4r5zi"),
        Limit("latency", 1_900, 3_000, (), device="rtx4090"),
    ],
    ids=lambda limit: f"{limit.metric}-{limit.runtime or limit.device}",
)
def test_a_limit_is_exceeded_by_the_rows_that_exceed_it_on_their_own(limit: Limit) -> None:
    load, setup = loader("ds_cnn"), Setup(Overrides(), limits=(limit,))
    values = {"channels": [*range(8, 1_500, 120)]}
    traced, ordinary = TracedEvaluator(load, setup, rows_per_trace=0), OrdinaryEvaluator(load, setup)
    found, expected = traced.evaluate(values, (MISS,)), ordinary.evaluate(values, (MISS,))
    assert list(found.columns[MISS]) == expected.columns[MISS]
    assert dict(found.broken) == expected.broken
    assert 0 < len(expected.broken) < len(values["channels"])
    assert traced.untraced_rows == 0
