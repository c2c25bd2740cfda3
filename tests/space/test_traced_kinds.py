"""Every layer kind gives the same figures and messages when it is traced as when it is calculated with plain numbers.

A rule that decides something unseen is caught here: such as `type(size) is int`, or a set of sizes. The rules must use
the functions of `convcalc.exact`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcalc.layers import KINDS
from convcalc.space.evaluation import EVALUATED, OrdinaryEvaluator, Setup
from convcalc.space.paths import trace_path
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network
from tests.support.kind_specs import KindSpec, kind_specs, parametrised_example

SETUP = Setup(Overrides())
WITHOUT_FIELDS = [name for name in EVALUATED if name != "receptive_field"]


def loader(spec: dict[str, Any]) -> Any:
    return lambda overrides: read_network(Document(spec), overrides)


def columns(found: KindSpec) -> dict[str, list[Any]]:
    return {name: [row[name] for row in found.rows] for name in found.rows[0]}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_kind_gives_the_same_results_when_it_is_traced(kind: str, data: st.DataObject) -> None:
    drawn = data.draw(kind_specs(kind))
    load, rows = loader(drawn.spec), columns(drawn)
    traced = TracedEvaluator(load, SETUP, rows_per_trace=0)
    found, expected = traced.evaluate(rows, EVALUATED), OrdinaryEvaluator(load, SETUP).evaluate(rows, EVALUATED)
    assert {name: list(column) for name, column in found.columns.items()} == expected.columns
    assert dict(found.problems) == expected.problems
    assert traced.untraced_rows == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_records_everything_that_its_figures_depend_on(kind: str) -> None:
    spec, [row] = parametrised_example(kind)
    path = trace_path(loader(spec), SETUP, row, WITHOUT_FIELDS)
    assert not path.problems
    assert path.trace.fixes == 0
