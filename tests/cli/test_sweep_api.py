"""`convcalc.sweep` and `convcalc.Sweep`, compared with a summary of every network."""

import itertools
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import convcalc
from tests.support.places import EXAMPLES

SPEC = {
    "name": "small",
    "params": {"width": 4, "size": 8, "act": "relu"},
    "input": [3, "$size", "$size"],
    "layers": [{"conv": {"out_channels": "$width", "kernel_size": 5}}, "$act"],
}
PARAMS = {"width": [1, 2, 5], "size": "3:9:2", "act": ["relu", "gelu"]}


def expected() -> list[dict[str, Any]]:
    found = []
    for width, size, act in itertools.product([1, 2, 5], [3, 5, 7, 9], ["relu", "gelu"]):
        values = {"width": width, "size": size, "act": act}
        try:
            totals = convcalc.summary(SPEC, params=values).totals
        except convcalc.InvalidSpec:
            found.append({**values, "params": None, "macs": None})
        else:
            found.append({**values, "params": totals.params, "macs": totals.macs})
    return found


def test_the_rows_are_those_of_summaries() -> None:
    table = convcalc.sweep(SPEC, PARAMS, columns=["params", "macs"])
    records = table.to_records()
    assert [bool(record.pop("problem")) for record in records] == [record["macs"] is None for record in records]
    assert records == expected()
    assert table.columns["macs"] == [row["macs"] for row in expected()]
    assert (len(table), table.tried, table.combinations, table.invalid) == (24, 24, 24, 6)
    assert table.names == ("width", "size", "act", "params", "macs", "problem")


@pytest.mark.parametrize("options", [{}, {"where": "macs > 500", "derive": "r=macs/params"}, {"sample": 9, "seed": 4}])
def test_workers_return_the_same_rows(options: dict[str, Any]) -> None:
    alone = convcalc.sweep(SPEC, PARAMS, **options)
    assert len(alone) > 5
    with ThreadPoolExecutor(3) as threads:
        assert convcalc.sweep(SPEC, PARAMS, executor=threads, **options).rows == alone.rows
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        assert convcalc.sweep(SPEC, PARAMS, executor=processes, **options).rows == alone.rows


def test_threads_can_sweep_two_networks_at_once() -> None:
    nets = [{**SPEC, "input": [channels, "$size", "$size"]} for channels in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as outer, ThreadPoolExecutor(4) as inner:
        found = list(outer.map(lambda net: convcalc.sweep(net, PARAMS, executor=inner).rows, nets))
    assert found == [convcalc.sweep(net, PARAMS).rows for net in nets]


def test_the_front_is_that_of_all_pairs() -> None:
    table = convcalc.sweep(SPEC, PARAMS, columns=["params", "macs"], drop_invalid=True)
    rows = table.to_records()
    front = [
        row
        for row in rows
        if not any(
            other["params"] <= row["params"]
            and other["macs"] >= row["macs"]
            and (other["params"], other["macs"]) != (row["params"], row["macs"])
            for other in rows
        )
    ]
    found = table.front("params,-macs").to_records()
    assert found == sorted(front, key=lambda row: row["params"])
    assert (
        found
        == convcalc.sweep(SPEC, PARAMS, columns="params,macs", drop_invalid=True, pareto="params,-macs").to_records()
    )
    with pytest.raises(ValueError, match="no column 'mac'"):
        table.front("mac")
    with pytest.raises(ValueError, match="needs numbers"):
        table.front("macs,act")


def test_the_values_to_try_may_be_an_array() -> None:
    array = pytest.importorskip("numpy", reason="makes the array").array([1, 2, 5])
    assert convcalc.sweep(SPEC, {"width": array}).rows == convcalc.sweep(SPEC, {"width": [1, 2, 5]}).rows


def test_a_table_of_invalid_networks_has_a_row_for_each() -> None:
    table = convcalc.sweep(SPEC, {"size": [1, 2, 3, 4]}, columns="macs")
    assert (table.columns["macs"], table.invalid) == ([None] * 4, 4)
    assert repr(table) == "<SweepTable of network: 4 rows of 4 combinations>"


def test_sorted_rows_are_cut() -> None:
    macs = sorted((row["macs"] for row in expected() if row["macs"]), reverse=True)
    assert convcalc.sweep(SPEC, PARAMS, sort="macs", top=3).columns["macs"] == macs[:3]


def test_a_table_displays_itself() -> None:
    table = convcalc.sweep(SPEC, {"width": range(1, 31)}, columns="macs")
    assert repr(table) == "<SweepTable of small: 30 rows of 30 combinations>"
    lines = str(table).splitlines()
    assert lines[:2] == ["small", "30 combinations"]
    assert lines[-1] == "and 10 more: to_records() returns all"
    assert table._repr_markdown_().startswith("### small\n")
    empty = convcalc.sweep(SPEC, {"width": [1]}, where="macs < 0")
    assert (empty.rows, empty.columns["macs"], empty.to_records()) == ([], [], [])
    assert "1 left out by --where" in str(empty)


def test_evaluate_takes_lists_and_arrays() -> None:
    numpy = pytest.importorskip("numpy", reason="makes the arrays")
    sweep = convcalc.Sweep(SPEC, params={"act": "gelu"})
    lists = sweep.evaluate({"width": [1, 2, 5], "size": [9, 3, 7]}, ["params", "macs", "output_shape"])
    reports = [convcalc.summary(SPEC, params={"width": width, "size": size}).totals for width, size in ((1, 9), (5, 7))]
    assert [lists["params"][0], lists["params"][2]] == [totals.params for totals in reports]
    assert [lists["macs"][0], lists["macs"][2]] == [totals.macs for totals in reports]
    assert lists["output_shape"] == ["1×5×5", None, "5×3×3"]
    assert [problem is None for problem in lists["problem"]] == [True, False, True]
    assert "kernel of 5 does not fit" in lists["problem"][1]
    arrays = {"width": numpy.array([1, 2, 5]), "size": numpy.array([9, 3, 7])}
    assert sweep.evaluate(arrays, ["params", "macs", "output_shape"]) == lists
    assert {type(value) for value in sweep.evaluate(arrays, ["macs"])["macs"]} == {int, type(None)}


def test_evaluate_of_many_rows_equals_the_summaries() -> None:
    numpy = pytest.importorskip("numpy", reason="makes the arrays")
    random = numpy.random.default_rng(7)
    values = {"width": random.uniform(0.2, 2, 500).round(3), "size": random.integers(32, 300, 500)}
    net = str(EXAMPLES / "mobilenet_v1.yaml")
    found = convcalc.Sweep(net).evaluate(values, ["params", "macs"])
    for row in random.integers(0, 500, 20).tolist():
        given = {"width": float(values["width"][row]), "size": int(values["size"][row])}
        totals = convcalc.summary(net, params=given).totals
        assert (found["params"][row], found["macs"][row]) == (totals.params, totals.macs)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"params": {"widht": [1]}}, convcalc.InvalidSpec, "no parameter 'widht'"),
        ({"params": {}}, ValueError, "at least one spec parameter must vary"),
        ({"params": {"width": []}}, ValueError, r"params\['width'\]: no values to try"),
        ({"params": {"width": "1:2:0"}}, ValueError, "a step of 0 never leads"),
        ({"params": {"width": [1]}, "columns": ["mac"]}, ValueError, "columns: no column 'mac': did you mean macs?"),
        ({"params": {"width": [1]}, "where": "macs <"}, ValueError, "where: expected a value"),
        ({"params": {"width": [1]}, "sample": 0}, ValueError, "sample must be from 1 to"),
        ({"params": {"width": "1:2000000000:1"}}, ValueError, "exceeds the limit"),
        ({"params": {"width": "1:2000000:1"}, "columns": ["layers"]}, ValueError, "more than 1,000,000 rows"),
        ({"params": {"width": [1]}, "join": "nowhere.csv"}, ValueError, "join: nowhere.csv: no such file"),
    ],
)
def test_mistakes_are_explained(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    if "2000000:1" in str(arguments):
        pytest.importorskip("convcalc.space.traced_evaluator", reason="one by one, it would take an hour")
    with pytest.raises(error, match=message):
        convcalc.sweep(SPEC, **arguments)


def test_mistakes_in_the_values_are_explained() -> None:
    sweep = convcalc.Sweep(SPEC)
    with pytest.raises(ValueError, match="the same number of values each; got 2 of width, 1 of size"):
        sweep.evaluate({"width": [1, 2], "size": [9]})
    with pytest.raises(ValueError, match=r"'width'.* must be a list or an array; got '1:2:1'"):
        sweep.evaluate({"width": "1:2:1"})
    with pytest.raises(ValueError, match="did you mean macs"):
        sweep.evaluate({"width": [1]}, ["mac"])
    with pytest.raises(convcalc.InvalidSpec, match="no parameter 'depth'"):
        sweep.evaluate({"depth": [1]})


def test_a_model_file_has_no_parameters(tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\nsize=3\n")
    with pytest.raises(ValueError, match="has no spec parameters that could vary"):
        convcalc.Sweep(str(tmp_path / "net.cfg"))
