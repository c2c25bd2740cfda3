"""Rows that are evaluated together have the figures and messages of a network that is read and analysed on its own."""

from __future__ import annotations

import gc
import os
from itertools import product
from math import inf, nan
from random import Random
from typing import Any

import pytest

import convcalc
from convcalc.network import Limit
from convcalc.space import grids, lists, traced_evaluator
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import EVALUATED, Evaluated, OrdinaryEvaluator, Setup
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.document import Document
from convcalc.spec.files import read_net
from convcalc.spec.inputs import Overrides, WrongOverride
from convcalc.spec.reader import read_network
from tests.support.places import EXAMPLES

# `HYPOTHESIS_PROFILE=explore` draws more rows, and others every time
EXPLORES = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
ROWS = 80 if EXPLORES else 12
WITH_PARAMS = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if "\nparams:" in path.read_text(encoding="utf-8"))
EMPTY = Setup(Overrides())


def loader(name: str) -> Any:
    document = read_net(str(EXAMPLES / f"{name}.yaml"))
    return lambda overrides: read_network(document, overrides)


def of_spec(spec: dict[str, Any]) -> Any:
    return lambda overrides: read_network(Document(spec), overrides)


def vary(random: Random, value: Any) -> Any:
    """Return a value near another one; for most networks, some are invalid."""
    if isinstance(value, list):
        return [vary(random, item) if random.random() < 0.3 else item for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float):
        return random.choice([value, round(value * random.uniform(0.3, 2), 2), round(random.uniform(0.1, 2), 2)])
    near = [value + random.randint(-3, 3), random.randint(1, 2 * value), 2 * value, value // 2, value]
    return random.choice(near)


def compare(load: Any, values: dict[str, Any], setup: Setup = EMPTY) -> Evaluated:
    """Return the traced results, after comparing them with those of every row on its own."""
    traced = TracedEvaluator(load, setup, rows_per_trace=0)
    found, expected = traced.evaluate(values, EVALUATED), OrdinaryEvaluator(load, setup).evaluate(values, EVALUATED)
    assert {name: list(column) for name, column in found.columns.items()} == expected.columns
    assert dict(found.problems) == expected.problems
    assert dict(found.broken) == expected.broken
    assert traced.untraced_rows == 0
    return found


@pytest.mark.parametrize("name", WITH_PARAMS)
def test_random_rows_of_an_example_are_those_of_the_summary(name: str) -> None:
    load = loader(name)
    random = Random(None if EXPLORES else name)
    params = load(Overrides()).params
    rows = [{key: vary(random, value) for key, value in params.items()} for _ in range(ROWS)]
    compare(load, {key: [row[key] for row in rows] for key in params})


@pytest.mark.parametrize(
    "setup",
    [
        Setup(Overrides(), inplace=False, fold_batchnorm=True, optimizer="adam"),
        Setup(Overrides(batch=7, dtype="int8")),
        Setup(Overrides(), limits=(Limit("macs", None, 200_000_000, ()), Limit("params", 3_000_000, None, ()))),
        Setup(Overrides(), limits=(Limit("macs", None, 10_000_000, (), pattern="separable*.conv*"),)),
        Setup(Overrides(), limits=(Limit("receptive_field", 300, 320, ()),), spec_budget=False),
        Setup(Overrides(), limits=(Limit("output_shape", None, None, (), shape=(1000,)), Limit("macs", None, 0, ()))),
    ],
)
def test_settings_and_limits_apply(setup: Setup) -> None:
    sizes = [(width, size) for width in (0.25, 0.5, 0.75, 1.0, 1.5) for size in (96, 128, 161, 224, 0, -5)]
    found = compare(
        loader("mobilenet_v1"), dict(zip(("width", "size"), map(list, zip(*sizes, strict=True)), strict=True)), setup
    )
    assert len(found.problems) == 10


def test_texts_booleans_lists_and_mixed_numbers_are_traced_separately() -> None:
    spec = {
        "params": {"act": "relu", "bias": True, "kernels": [3, 5], "width": 8},
        "input": [3, 32, 32],
        "layers": [
            {"conv": {"out_channels": "$width", "kernel_size": "$(kernels[0])", "bias": "$bias"}},
            {"$act": {}},
            {"conv": {"out_channels": "$(2 * width)", "kernel_size": "$(kernels[1])", "when": "$(width > 8)"}},
        ],
    }
    values = {
        "act": ["relu", "hardswish", "relu", "missing", "softmax", "relu", "relu", "relu", 3],
        "bias": [True, False, 1, True, False, True, True, True, True],
        "kernels": [[3, 5], [3, 5], [5, 3], [1, 1], [3, 3], [3], [3, 40], [3, 5], [3, 5]],
        "width": [8, 16, 16.0, 9, 2.5, 7, True, inf, 8],
    }
    assert len(compare(of_spec(spec), values).problems) == 6


def test_an_unknown_figure_stays_unknown_and_breaks_its_limit() -> None:
    spec = {
        "params": {"size": 8},
        "input": [3, "$size", "$size"],
        "layers": [{"opaque": {"output_shape": [3, "$size"], "params": "$(10 * size)"}}],
        "budget": {"macs": "1M", "params": "$(50 + size)"},
    }
    found = compare(of_spec(spec), {"size": [4, 5, 6]})
    assert list(found.columns["macs"]) == list(found.columns["receptive_field"]) == [None] * 3
    assert list(found.columns["params"]) == [40, 50, 60]
    assert found.broken[0] == ("MACs are unknown, so the budget cannot be verified",)
    assert list(found.columns["miss"]) == [inf] * 3


def test_a_name_that_contains_a_number_is_that_of_every_row() -> None:
    spec = {
        "params": {"width": 8},
        "input": [3, 8, 8],
        "layers": [
            {"conv": {"out_channels": "$width", "kernel_size": 3, "name": "conv$width"}},
            {"relu": {"from": "conv8"}},
        ],
    }
    found = compare(of_spec(spec), {"width": [8, 9, 8, 10]})
    assert list(found.problems) == [1, 3]


def test_a_message_contains_the_numbers_of_its_row() -> None:
    spec = {
        "params": {"size": 8},
        "input": [3, "$size", "$size"],
        "layers": [{"conv": {"out_channels": 8, "kernel_size": 9}}],
    }
    found = compare(of_spec(spec), {"size": [4, 9, 8, 7]})
    assert [problem.message for problem in found.problems.values()] == [
        f"kernel of 9 does not fit the input's height of {size} (input 3×{size}×{size})" for size in (4, 8, 7)
    ]


def test_numbers_of_any_size_are_exact() -> None:
    # the products exceed 64 bits, with and without numpy
    spec = {
        "params": {"width": 8},
        "input": ["$width", "$width", "$width"],
        "layers": [{"pointwise_conv": {"out_channels": "$width"}}],
    }
    widths = [3, 10**6, 10**12, 10**17 + 1, 10**18 - 1, 10**18, 7]
    found = compare(of_spec(spec), {"width": widths})
    assert found.columns["macs"][3] == (10**17 + 1) ** 4


@pytest.mark.parametrize("width", [nan, inf, -inf, 10**30, 1e300, -1, 0])
def test_an_odd_number_is_invalid_in_its_row_only(width: float) -> None:
    found = compare(loader("ds_cnn"), {"channels": [64, width, 32]})
    assert list(found.problems) == [1]


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(WrongOverride):
        TracedEvaluator(loader("ds_cnn"), EMPTY).evaluate({"missing": [1, 2]}, ["params"])


def test_no_rows_have_no_results() -> None:
    found = TracedEvaluator(loader("ds_cnn"), EMPTY).evaluate({"channels": []}, ["params"])
    assert (list(found.columns["params"]), dict(found.problems), dict(found.broken)) == ([], {}, {})


# -- many rows


def grid(widths: int, sizes: int) -> dict[str, list[Any]]:
    rows = [(round(0.1 + 0.01 * i, 2), 20 + j) for i in range(widths) for j in range(sizes)]
    return {"width": [width for width, _ in rows], "size": [size for _, size in rows]}


@pytest.mark.parametrize("converted", [False, True])
def test_many_rows_are_the_same_with_numpy_and_without(converted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    np = pytest.importorskip("numpy", exc_type=ImportError)
    values = grid(200, 150)
    values["size"][7] = 0
    load, limits = loader("mobilenet_v1"), (Limit("macs", None, 10**9, ()),)
    given = {name: np.array(column) for name, column in values.items()} if converted else values
    fast = TracedEvaluator(load, Setup(Overrides(), limits=limits)).evaluate(given, EVALUATED)
    monkeypatch.setattr(traced_evaluator, "choose_backend", lambda rows, expected: lists)
    slow = TracedEvaluator(load, Setup(Overrides(), limits=limits)).evaluate(values, EVALUATED)
    assert type(fast.columns["activation_memory"]) is np.ndarray
    assert type(slow.columns["activation_memory"]) is list
    for name in EVALUATED:
        column: Any = fast.columns[name]
        assert column.tolist() == list(slow.columns[name])
    assert dict(fast.problems) == dict(slow.problems)
    assert list(fast.broken) == list(slow.broken)
    assert all(fast.broken[row] == slow.broken[row] for row in list(slow.broken)[::97])


def test_many_rows_of_huge_numbers_are_exact() -> None:
    spec = {
        "params": {"a": 8, "b": 8},
        "input": ["$a", "$b"],
        "layers": [{"pointwise_conv": {"out_channels": "$(a + b)"}}],
    }
    values = {"a": [10**9 + i % 100 for i in range(25_000)], "b": [10**10 + i for i in range(25_000)]}
    found = TracedEvaluator(of_spec(spec), EMPTY).evaluate(values, ["macs"])
    expected = [a * b * (a + b) for a, b in zip(values["a"], values["b"], strict=True)]
    assert list(found.columns["macs"]) == expected


def test_one_trace_serves_all_sizes_and_widths() -> None:
    evaluator = TracedEvaluator(loader("mobilenet_v1"), EMPTY)
    evaluator.evaluate(grid(100, 100), EVALUATED)
    assert sum(solver.traces for solver in evaluator.solvers.values()) <= 2


def test_rows_that_each_need_a_trace_are_evaluated_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced_evaluator, "_FREE_TRACES", 3)
    spec = {"params": {"n": 1}, "input": [3], "layers": [{"linear": {"out_features": 3, "repeat": "$n"}}]}
    evaluator = TracedEvaluator(of_spec(spec), EMPTY, rows_per_trace=0)
    found = evaluator.evaluate({"n": list(range(1, 20))}, ["params", "layers"])
    assert found.columns["layers"] == list(range(1, 20))
    assert found.columns["params"] == [12 * n for n in range(1, 20)]
    assert evaluator.untraced_rows == 16


def test_few_rows_are_not_traced() -> None:
    spec = {"params": {"width": 8}, "input": [3], "layers": [{"linear": "$width"}]}
    evaluator = TracedEvaluator(of_spec(spec), EMPTY, rows_per_trace=8)
    for width in range(8, 20):
        assert evaluator.evaluate({"width": [width]}, ["params"]).columns["params"] == [4 * width]
    assert evaluator.untraced_rows == 7
    [solver] = evaluator.solvers.values()
    assert solver.traces == 1


def test_the_memory_for_rows_of_many_classes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced_evaluator, "_MOST_SOLVERS", 3)
    spec = {"params": {"sizes": [3]}, "input": "$sizes", "layers": ["relu"]}
    evaluator = TracedEvaluator(of_spec(spec), EMPTY, rows_per_trace=0)
    found = evaluator.evaluate({"sizes": [[3, size] for size in range(1, 9)] * 2}, ["activation_memory"])
    assert found.columns["activation_memory"] == [12 * size for size in range(1, 9)] * 2
    assert len(evaluator.solvers) == 3


@pytest.mark.parametrize("evaluator", [OrdinaryEvaluator, TracedEvaluator])
def test_memory_does_not_grow_with_the_number_of_networks(evaluator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # every network is a trace of its own here
    monkeypatch.setattr(traced_evaluator, "_ROWS_PER_PATH", 0)
    spec = {
        "params": {"n": 1},
        "input": [3],
        "layers": [{"linear": {"out_features": 3, "repeat": "$(1 + n % 2 ** 20)"}}],
    }
    few, many = (count_objects(evaluator(of_spec(spec), EMPTY), rows) for rows in (201, 801))
    assert many < 1.5 * few


def count_objects(evaluator: Any, rows: int) -> int:
    """Return how many objects are left after evaluating rows while the garbage collector is off, as in a command."""
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        evaluator.evaluate({"n": [row % 8 for row in range(rows)]}, ["params"])
        return len(gc.get_objects()) - before
    finally:
        gc.enable()


def test_the_summary_of_a_row_is_the_public_one() -> None:
    evaluator = TracedEvaluator(loader("resnet50"), EMPTY, rows_per_trace=1)
    found = evaluator.evaluate({"width": [0.5, 2.0]}, EVALUATED)
    assert evaluator.untraced_rows == 0
    for index, width in enumerate((0.5, 2.0)):
        report = convcalc.summary("example:resnet50", params={"width": width})
        assert report.totals.receptive_field.size is not None
        assert {name: column[index] for name, column in found.columns.items()} == {
            **{name: getattr(report.totals, name) for name in EVALUATED[:11]},
            "training_memory": report.training().total,
            "receptive_field": max(report.totals.receptive_field.size),
            "input_shape": "3×224×224",
            "output_shape": "1000",
            "miss": 0,
        }


@pytest.mark.parametrize(
    "axes",
    [
        {"width": [0.25, 0.5, 1.0], "size": [96, 128, 7, 0, 224]},
        {"size": [96, 128, 0.5, True, 224], "width": [0.25, 1, "wide"]},
    ],
)
def test_the_rows_of_a_space_can_be_evaluated_in_parts(axes: dict[str, list[Any]]) -> None:
    load = loader("mobilenet_v1")
    rows = list(product(*axes.values()))
    values = {name: [row[place] for row in rows] for place, name in enumerate(axes)}
    expected = OrdinaryEvaluator(load, EMPTY).evaluate(values, EVALUATED)
    found: dict[str, list[Any]] = {name: [] for name in EVALUATED}
    problems: dict[int, Any] = {}
    evaluator, space = TracedEvaluator(load, EMPTY), make_space(axes)
    for first in range(0, len(rows), 6):
        part = evaluator.evaluate_rows(space, range(first, min(first + 6, len(rows))), EVALUATED)
        for name, column in part.columns.items():
            found[name] += list(column)
        problems |= {first + row: problem for row, problem in part.problems.items()}
    assert found == expected.columns
    assert problems == expected.problems


def make_space(axes: dict[str, list[Any]]) -> Combinations:
    return Combinations(tuple(Param(name, values) for name, values in axes.items()))


@pytest.mark.parametrize("most", [10, 10**7])  # the limit of values that are kept
def test_consecutive_rows_of_a_space_are_the_same_with_numpy(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "_MOST_KNOWN", most)
    axes: dict[str, list[Any]] = {"width": [0.1 + i / 100 for i in range(200)], "size": list(range(20, 170))}
    evaluator, space = TracedEvaluator(loader("mobilenet_v1"), EMPTY, 30_000), make_space(axes)
    found: list[Any] = []
    for first in range(0, 30_000, 9_000):
        part = evaluator.evaluate_rows(space, range(first, min(first + 9_000, 30_000)), ["macs", "peak_memory"])
        found += list(part.columns["macs"])
    expected = evaluator.evaluate(dict(zip(axes, zip(*product(*axes.values()), strict=True), strict=True)), ["macs"])
    assert found == list(expected.columns["macs"])


@pytest.mark.parametrize("without_numpy", [False, True])
def test_parameters_with_values_of_several_classes_share_tables(
    without_numpy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_numpy:
        monkeypatch.setattr(traced_evaluator, "choose_backend", lambda rows, expected: lists)
    spec = {
        "params": {"n": 1, "act": "relu", "wide": True, "scale": 1},
        "input": [3],
        "layers": [{"linear": "$(n * 2 if wide else n)"}, "$act", {"linear": "$(int(n * scale))"}],
    }
    axes: dict[str, list[Any]] = {
        "act": ["relu", "silu"],
        "scale": [1, 0.5, 2, 2.5],
        "n": list(range(1, 151)),
        "wide": [True, False, True],
    }
    space = make_space(axes)
    evaluator, chunk = TracedEvaluator(of_spec(spec), EMPTY, 10**6), 1_100
    figures = ("params", "flops", "output_shape", "receptive_field")
    found: dict[str, list[Any]] = {name: [] for name in figures}
    problems = 0
    for first in range(0, space.size, chunk):
        part = evaluator.evaluate_rows(space, range(first, min(first + chunk, space.size)), figures)
        problems += len(part.problems)
        for name in figures:
            found[name] += list(part.columns[name])
    expected = TracedEvaluator(of_spec(spec), EMPTY).evaluate(space.list_columns(range(space.size)), figures)
    assert found == {name: list(expected.columns[name]) for name in figures}
    assert problems == len(expected.problems)
    texts = make_space({"act": ["relu", "silu"]})
    assert list(evaluator.evaluate_rows(texts, range(2), ["flops"]).columns["flops"]) == [
        convcalc.summary(spec, params={"act": act}).totals.flops for act in ("relu", "silu")
    ]


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("vit_tiny", {"width": list(range(24, 264, 12)), "depth": [1, 2, 3], "heads": [1, 2, 3, 4]}),
        ("crnn", {"hidden": list(range(1, 60)), "characters": [2, 37]}),
    ],
)
def test_receptive_fields_of_vectors_need_no_trace_per_size(name: str, axes: dict[str, list[Any]]) -> None:
    space, load = make_space(axes), loader(name)
    evaluator = TracedEvaluator(load, EMPTY)
    found = evaluator.evaluate_rows(space, range(space.size), ["receptive_field", "params"])
    assert evaluator.untraced_rows == 0
    assert sum(solver.traces for solver in evaluator.solvers.values()) <= 7
    some = sorted(Random(3).sample(range(space.size), 12))
    expected = OrdinaryEvaluator(load, EMPTY).evaluate(space.list_columns(some), ["receptive_field", "params"])
    assert {key: [column[row] for row in some] for key, column in found.columns.items()} == expected.columns


def test_rows_with_huge_numbers_are_evaluated() -> None:
    values = list(range(1, 10_001))
    space = make_space(dict.fromkeys("abcde", values))
    spec = {
        "params": dict.fromkeys("abcde", 1),
        "input": [3],
        "layers": [{"linear": f"${name}"} for name in "abcde"],
    }
    first = space.size - 3
    found = TracedEvaluator(of_spec(spec), EMPTY, 10**6).evaluate_rows(space, range(first, space.size), ["params"])
    assert found.columns["params"] == [40_000 + 3 * 10_001 * 10_000 + 10_001 * n for n in (9_998, 9_999, 10_000)]
