"""Budgets: which figures exceed them, by how much, and where that is reported."""

import io
from typing import Any

import pytest

import convcalc
from convcalc.check.settings import read_limit
from convcalc.metrics.budgets import find_breaches, measure_limits
from convcalc.problems import Flaw, Problem

# conv: 3 × 8 × 9 + 8 = 224 params, 900 positions × 216 = 194,400 MACs; linear: 7,200 × 10 + 10 = 72,010 params
NET = """
input: [3, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, name: stem}
  - flatten
  - linear: {out_features: 10, name: head}
"""


def found(budget: str, net: str = NET) -> list[Problem]:
    text = f"{net}budget:\n  {budget}\n" if budget else net
    return find_breaches(convcalc.summary(io.StringIO(text)))


@pytest.mark.parametrize(
    "budget",
    [
        "params: 72234",
        "params: {min: 72234, max: 73K}",
        "macs: 266400",
        "layers: 3",
        "output_shape: [10]",
        "peak_memory: 41088 B",
        "weight_memory: 288936 B",
        "activation_memory: 1 MiB",
        "receptive_field: {min: 3, max: 3}",
        "per_layer: {stem: {params: 224}, 'h*': {params: 73K}}",
        "output_shape: {head: [10]}",
        "flops: 1M",
        "multiplications: 266400",
    ],
)
def test_a_budget_that_is_met_is_not_mentioned(budget: str) -> None:
    assert found(budget) == []


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("params: 70K", "72,234 params exceed the budget of 70,000 by 3.2%"),
        ("params: {min: 80K}", "72,234 params are below the minimum of 80,000 by 9.7%"),
        ("layers: 2", "3 layers exceed the budget of 2 by 50.0%"),
        ("macs: 0", "266,400 MACs exceed the budget of 0"),
        (
            "peak_memory: 40 KiB",
            "peak memory of 41,088 B (40.12 KiB) exceeds the budget of 40,960 B (40.00 KiB) by 0.3%",
        ),
        (
            "weight_memory: 100 B",
            "weight memory of 288,936 B (282.2 KiB) exceeds the budget of 100 B by 288,836.0%",
        ),
        ("output_shape: [11]", "output head has shape 10; the budget requires 11"),
        ("output_shape: {head: [10, 1]}", "output head has shape 10; the budget requires 10×1"),
        ("receptive_field: {min: 4}", "flatten1: receptive field of 3 is below the minimum of 4 by 25.0%"),
        ("receptive_field: {max: 2}", "flatten1: receptive field of 3 exceeds the budget of 2 by 50.0%"),
        ("per_layer: {'st*': {params: 200}}", "stem: 224 params exceed the budget of 200 by 12.0%"),
    ],
)
def test_a_violation_states_the_figure_the_limit_and_the_excess(budget: str, message: str) -> None:
    [problem] = found(budget)
    assert (problem.message, problem.code, problem.severity) == (message, "CV100", "error")
    assert problem.path[0] == "budget"


def test_a_violation_names_the_largest_layers() -> None:
    [problem] = found("params: 1K")
    assert problem.hint == "largest: head 72,010, stem 224, flatten1 0"


@pytest.mark.parametrize(
    ("layers", "names"), [(2, "o1, o2"), (3, "o1, o2, o3"), (4, "o1, o2, o3 and 1 more"), (5, "o1, o2, o3 and 2 more")]
)
def test_of_the_layers_that_make_a_figure_unknown_three_are_named(layers: int, names: str) -> None:
    opaque = "".join(f"  - opaque: {{output_shape: [4], name: o{number}}}\n" for number in range(1, layers + 1))
    [problem] = found("macs: 100", f"input: [4]\nlayers:\n{opaque}")
    assert problem.hint == f"unknown for: {names}"


def test_each_output_has_its_own_receptive_field() -> None:
    net = NET + "outputs: [stem, deep]\n"
    net = net.replace("  - flatten", "  - conv: {out_channels: 8, kernel_size: 5, name: deep}\n  - flatten")
    assert [problem.message for problem in found("receptive_field: {stem: {max: 2}, deep: {min: 7}}", net)] == [
        "stem: receptive field of 3 exceeds the budget of 2 by 50.0%"
    ]


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("max-params", "5M", (None, 5_000_000)),
        ("min-receptive-field", 224, (224, None)),
        ("max-peak-memory", "1KiB", (None, 1024)),
    ],
)
def test_external_limits_are_read_like_those_of_a_budget(name: str, value: Any, bounds: tuple[Any, Any]) -> None:
    limit = read_limit(name, value, "")
    assert (limit.minimum, limit.maximum) == bounds


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("max-parms", 5, "max-params"),
        ("most-params", 5, ""),
        ("max-params", "5Q", ""),
        ("max-peak-memory", "256K", "KiB"),
    ],
)
def test_wrong_external_limits_are_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(Flaw) as caught:
        read_limit(name, value, "")
    assert said in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "correct"),
    [
        ("max-params", "5e6", "5M"),
        ("max-params", "5MB", "5M"),
        ("max-params", "5MiB", "5M"),
        ("max-params", "5,000,000", "5M"),
        ("max-params", "-5M", "5M"),
        ("max-params", "5m", "5M"),
        ("max-params", "7B", "7G"),
        ("max-params", "5,250,000", "5.25M"),
        ("max-params", "5,000,001", "5000001"),
        ("max-params", "1.5e3", "1.5K"),
        ("max-params", "9007199254740993e0", "9007199254740993"),
        ("max-params", "2e14", "200T"),
        ("max-peak-memory", "5e6", "5MB"),
        ("max-peak-memory", "262144", "262144B"),
        ("max-peak-memory", "256kb", "256KiB"),
        ("max-peak-memory", "-256KiB", "256KiB"),
    ],
)
def test_a_malformed_limit_is_refused_with_its_correct_form(name: str, value: str, correct: str) -> None:
    with pytest.raises(Flaw) as caught:
        read_limit(name, value, f"--{name}")
    assert caught.value.message.startswith(f"--{name} must be a number")
    assert ("plain or with" in caught.value.message) is (name == "max-params")
    assert caught.value.hint == f"write {correct}"
    limit = read_limit(name, correct, f"--{name}")
    assert limit.maximum is not None
    assert limit.maximum > 0


@pytest.mark.parametrize("value", ["5,5", "1.5", "abc", "-", "5e-3", "5Q", "1e99Q", "1e99", "9" * 50])
def test_no_correct_form_is_invented(value: str) -> None:
    with pytest.raises(Flaw) as caught:
        read_limit("max-params", value, "--max-params")
    assert caught.value.message.startswith("--max-params must be ")
    assert caught.value.hint == ""


def test_an_external_limit_states_where_it_was_set() -> None:
    report = convcalc.summary(io.StringIO(NET))
    [problem] = find_breaches(report, [read_limit("max-params", "70K", "--max-params")])
    assert problem.message.endswith("by 3.2% (--max-params)")


def test_of_several_outputs_one_without_positions_has_its_own_receptive_field() -> None:
    """The head sees all 32 × 32; it does not stand for the stem, as it does where it is the only output."""
    net = NET + "outputs: [stem, head]\n"
    assert found("receptive_field: {stem: {min: 3, max: 3}, head: {min: 32, max: 32}}", net) == []
    assert found("receptive_field: {head: {max: 3}}") == []
    assert len(found("receptive_field: {head: {max: 31}}", net)) == 1


@pytest.mark.parametrize(
    ("budget", "is_kept", "share"),
    [
        ({"params": 112}, True, 1.0),  # 3 × 3 × 3 × 4 + 4
        ({"params": 100}, False, 1.12),
        ({"params": 0}, False, None),
        ({"receptive_field": {"min": 3}}, True, None),
        ({"receptive_field": {"min": 4}}, False, None),
        ({"output_shape": {"conv1": [4, 6, 6]}}, True, None),
        ({"output_shape": {"conv1": [4, 6, 7]}}, False, None),
    ],
)
def test_the_use_of_a_limit_is_measured(budget: dict[str, Any], is_kept: bool, share: float | None) -> None:
    layers = [{"conv": {"out_channels": 4, "kernel_size": 3}}]
    report = convcalc.summary({"input": [3, 8, 8], "layers": layers, "budget": budget})
    (use,) = measure_limits(report)
    assert (use.is_kept, use.share) == (is_kept, share)
    assert use.is_kept == (not find_breaches(report))


def test_a_limit_of_an_unknown_figure_is_not_kept() -> None:
    layers = [{"opaque": {"output_shape": [8, 4, 4]}}]
    (use,) = measure_limits(convcalc.summary({"input": [3, 8, 8], "layers": layers, "budget": {"macs": 5}}))
    assert (use.used, use.is_kept, use.share) == (None, False, None)
