"""The figures of many rows, compared with `convcalc.summary` of every row."""

from math import inf
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.metrics.figures import FIGURES
from convcalc.network import Limit
from convcalc.space.evaluation import EVALUATED, Setup
from convcalc.space.evaluators import make_evaluator
from convcalc.spec.files import read_net
from convcalc.spec.inputs import Overrides, WrongOverride
from tests.support.places import EXAMPLES

MOBILENET = str(EXAMPLES / "mobilenet_v1.yaml")
VALUES = {"width": [0.5, 1.0, 1.0], "size": [128, 160, 0]}


def evaluate(values: dict[str, Any], figures: Any = EVALUATED, **setup: Any) -> Any:
    document = read_net(MOBILENET)
    return make_evaluator(document, Setup(Overrides(), **setup)).evaluate(values, figures)


@pytest.mark.parametrize("settings", [{}, {"inplace": False, "fold_batchnorm": True, "optimizer": "adam"}])
def test_every_figure_is_that_of_the_summary(settings: dict[str, Any]) -> None:
    found = evaluate(VALUES, **settings)
    assert list(found.columns) == list(EVALUATED)
    for index, (width, size) in enumerate([(0.5, 128), (1.0, 160)]):
        report = convcalc.summary(MOBILENET, params={"width": width, "size": size}, **settings)
        for name in set(FIGURES) - {"receptive_field", "training_memory"}:
            assert found.columns[name][index] == getattr(report.totals, name), name
        assert report.totals.receptive_field.size is not None
        assert found.columns["receptive_field"][index] == max(report.totals.receptive_field.size)
        assert found.columns["training_memory"][index] == report.training().total
        assert found.columns["input_shape"][index] == f"3×{size}×{size}"
        assert found.columns["output_shape"][index] == "1000"


def test_an_invalid_row_has_no_figures_and_its_first_problem() -> None:
    found = evaluate(VALUES)
    with pytest.raises(convcalc.InvalidSpec) as error:
        convcalc.load(MOBILENET, params={"width": 1.0, "size": 0})
    assert list(found.problems) == [2]
    assert found.problems[2].message in error.value.problems[0].message
    assert {column[2] for column in found.columns.values()} == {None}


def test_exceeded_limits_are_listed_with_the_relative_miss() -> None:
    params = [convcalc.summary(MOBILENET, params={"width": width}).totals.params for width in (0.5, 1.0)]
    limit = Limit("params", None, params[0], ())
    found = evaluate({"width": [0.5, 1.0]}, ["miss"], limits=(limit,), spec_budget=False)
    assert list(found.broken) == [1]
    assert f"{params[1]:,} params exceed the budget of {params[0]:,}" in found.broken[1][0]
    assert found.columns["miss"] == [0, (params[1] - params[0]) / params[0]]
    unreachable = Limit("output_shape", None, None, (), shape=(3,))
    assert evaluate({"width": [1.0]}, ["miss"], limits=(unreachable,)).columns["miss"] == [inf]


def test_the_budget_of_the_spec_can_be_ignored(tmp_path: Path) -> None:
    text = "params: {width: 2}\ninput: [3, 8, 8]\nbudget: {params: 100}\nlayers:\n  - conv: {out_channels: $width}\n"
    file = tmp_path / "net.yaml"
    file.write_text(text.replace("$width}", "$width, kernel_size: 5}"), encoding="utf-8")
    document = read_net(str(file))
    for own, rows in ((True, [1]), (False, [])):  # 76 params per channel
        evaluator = make_evaluator(document, Setup(Overrides(), spec_budget=own))
        assert list(evaluator.evaluate({"width": [1, 2]}, ["params"]).broken) == rows


def test_an_unknown_parameter_is_an_error() -> None:
    with pytest.raises(WrongOverride, match="did you mean width"):
        evaluate({"widht": [1]})
