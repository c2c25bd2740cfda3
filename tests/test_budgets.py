"""Budgets: which figures exceed them, by how much, and where that is reported."""

import io
from typing import Any

import pytest

import convcalc
from convcalc.analysis.budgets import breaches
from convcalc.check.settings import limit_of
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
    return breaches(convcalc.summary(io.StringIO(text)))


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
        ("params: 70K", "params is 72,234 (72.23 K): at most 70,000 (70.00 K) is allowed, 3.2 % over"),
        ("params: {min: 80K}", "params is 72,234 (72.23 K): at least 80,000 (80.00 K) is due, 9.7 % under"),
        ("layers: 2", "layers is 3: at most 2 is allowed, 50.0 % over"),
        ("macs: 0", "macs is 266,400 (266.4 K): at most 0 is allowed"),
        ("peak_memory: 40 KiB", "peak_memory is 41,088 (40.12 KiB): at most 40,960 (40.00 KiB) is allowed, 0.3 % over"),
        (
            "weight_memory: 100 B",
            "weight_memory is 288,936 (282.2 KiB): at most 100 B is allowed, 288,836.0 % over",
        ),
        ("output_shape: [11]", "the output head is 10, and 11 is due"),
        ("output_shape: {head: [10, 1]}", "the output head is 10, and 10×1 is due"),
        ("receptive_field: {min: 4}", "the receptive field of flatten1 is 3: at least 4 is due, 25.0 % under"),
        ("receptive_field: {max: 2}", "the receptive field of flatten1 is 3: at most 2 is allowed, 50.0 % over"),
        ("per_layer: {'st*': {params: 200}}", "stem: params is 224: at most 200 is allowed, 12.0 % over"),
    ],
)
def test_a_violation_states_the_figure_the_limit_and_the_excess(budget: str, message: str) -> None:
    [problem] = found(budget)
    assert (problem.message, problem.code, problem.severity) == (message, "CV100", "error")
    assert problem.path[0] == "budget"


def test_a_violation_names_the_largest_layers() -> None:
    [problem] = found("params: 1K")
    assert problem.hint == "the most cost head (72,010 (72.01 K)), stem (224), flatten1 (0)"


def test_each_output_has_its_own_receptive_field() -> None:
    net = NET + "outputs: [stem, deep]\n"
    net = net.replace("  - flatten", "  - conv: {out_channels: 8, kernel_size: 5, name: deep}\n  - flatten")
    assert [problem.message for problem in found("receptive_field: {stem: {max: 2}, deep: {min: 7}}", net)] == [
        "the receptive field of stem is 3: at most 2 is allowed, 50.0 % over"
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
    limit = limit_of(name, value, "")
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
        limit_of(name, value, "")
    assert said in caught.value.hint


def test_an_external_limit_states_where_it_was_set() -> None:
    report = convcalc.summary(io.StringIO(NET))
    [problem] = breaches(report, [limit_of("max-params", "70K", "--max-params")])
    assert problem.message.endswith("3.2 % over (--max-params)")
