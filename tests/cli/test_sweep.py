"""The rows of a sweep, compared with `convcalc.summary` of every combination and with brute force."""

import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.problems import InvalidSpec
from convcalc.space import sweeping
from convcalc.space.ordering import Signed
from convcalc.space.scatter import MOST_POINTS, Scatter
from tests.support.places import EXAMPLES, README

MOBILENET = str(EXAMPLES / "mobilenet_v1.yaml")
NET = """
params: {width: 4, size: 8, act: relu}
x-task: "[a] classification"
x-top1: 71.5
input: [3, $size, $size]
layers:
  - conv: {out_channels: $width, kernel_size: 5}
  - $act
  - conv: {out_channels: 3, kernel_size: 3}
"""
WIDTHS, SIZES, ACTS = [1, 2, 3, 5, 8], [6, 7, 9, 12], ["relu", "hardswish"]
VALUES = ["-p", "width=1,2,3,5,8", "-p", "size=6,7,9,12", "-p", "act=relu,hardswish"]
FIGURES = ["params", "macs", "peak_memory", "flops", "layers"]
Capture = pytest.CaptureFixture[str]
Row = dict[str, Any]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, encoding="utf-8")
    return "net.yaml"


def sweep(capsys: Capture, *arguments: str, status: int = 0) -> list[Row]:
    """The rows of a sweep, from JSON lines; nothing may be on standard error."""
    assert run(["sweep", *arguments, "-f", "jsonl"]) == status
    said = capsys.readouterr()
    assert said.err == ""
    return [json.loads(line) for line in said.out.splitlines()]


def refused(capsys: Capture, *arguments: str, status: int = 2) -> str:
    assert run(["sweep", *arguments]) == status
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def summaries(net: str, **options: Any) -> list[Row]:
    """The figures of every combination, each from a summary of its own; empty for an invalid one."""
    found = []
    for width, size, act in itertools.product(WIDTHS, SIZES, ACTS):
        values = {"width": width, "size": size, "act": act}
        try:
            totals = convcalc.summary(net, params=values, **options).totals
        except InvalidSpec:
            found.append(values)
        else:
            found.append({**values, **{name: getattr(totals, name) for name in FIGURES}})
    return found


def key(row: Row) -> tuple[Any, ...]:
    return row["width"], row["size"], row["act"]


# -- rows


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {}),
        (["--batch", "3", "--dtype", "int8", "--no-inplace"], {"batch": 3, "dtype": "int8", "inplace": False}),
    ],
)
def test_every_row_has_the_figures_of_its_summary(
    options: list[str], settings: dict[str, Any], net: str, capsys: Capture
) -> None:
    rows = sweep(capsys, net, *VALUES, "--columns", ",".join(FIGURES), *options)
    expected = summaries(net, **settings)
    assert 0 < sum("macs" not in row for row in expected) < len(expected)
    assert len(rows) == len(expected)
    for row, known in zip(rows, expected, strict=True):
        problem = row.pop("problem")
        assert (problem is None) == ("macs" in known)
        assert row == {**dict.fromkeys(FIGURES), **known}


def test_an_invalid_combination_has_a_reason_unless_it_is_dropped(net: str, capsys: Capture) -> None:
    rows = sweep(capsys, net, "-p", "size=4:8:1", "--columns", "macs")
    with pytest.raises(InvalidSpec) as error:
        convcalc.load(net, params={"size": 4})
    problem = error.value.problems[0]
    assert problem.span is not None
    assert rows[0] == {"size": 4, "macs": None, "problem": f"line {problem.span.line}: {problem.message}"}
    assert [row["size"] for row in rows] == [4, 5, 6, 7, 8]
    assert sweep(capsys, net, "-p", "size=4:8:1", "--columns", "macs", "--drop-invalid") == [
        {"size": row["size"], "macs": row["macs"]} for row in rows if row["problem"] is None
    ]


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "parquet"])
def test_all_formats_have_the_same_rows(format: str, net: str, capsys: Capture) -> None:
    rows = sweep(capsys, net, *VALUES)
    file = Path(f"rows.{format}")
    assert run(["sweep", net, *VALUES, "-o", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert [path.name for path in Path().iterdir() if "part" in path.name or path.name.startswith(".")] == []
    if format == "csv":
        texts = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
        assert list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) == texts
    elif format == "json":
        document = json.loads(file.read_text(encoding="utf-8"))
        assert document["rows"] == rows
        assert document["columns"] == list(rows[0])
        assert (document["combinations"], document["tried"]) == (40, 40)
        assert document["invalid"] == sum(row["problem"] is not None for row in rows)
    elif format == "jsonl":
        assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == rows
    else:
        parquet = pytest.importorskip("pyarrow.parquet", reason="reads the file that was written")
        table = parquet.read_table(file)
        assert table.to_pylist() == rows
        assert {table.schema.field(name).type for name in ("width", "macs")} == {pytest.importorskip("pyarrow").int64()}


def test_parquet_has_the_kinds_of_the_values(net: str, capsys: Capture) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="reads the file that was written")
    Path("a.csv").write_text("size,top1,note\n6,1,a\n9,2,\n", encoding="utf-8")
    options = [
        "--join",
        "a.csv",
        "--columns",
        "macs,x-task,x-top1",
        "--derive",
        "half=size/2",
        "--derive",
        "odd=size%2==1",
    ]
    tried = ["-p", "size=6,9", "-p", "width=1,0.5,2", "-p", "act=relu,hardswish", "-o", "rows.parquet"]
    kinds = {
        "size": "int64",
        "width": "double",
        "act": "string",
        "macs": "int64",
        "x-task": "string",
        "x-top1": "double",
        "top1": "int64",
        "note": "string",
        "half": "double",
        "odd": "bool",
        "problem": "string",
    }
    assert run(["sweep", net, *tried, *options]) == 0
    schema = parquet.read_schema("rows.parquet")
    assert {name: str(schema.field(name).type) for name in schema.names} == kinds
    assert run(["sweep", net, *tried, *options, "--shard", "1/99"]) == 0  # without any row
    assert parquet.read_table("rows.parquet").num_rows == 0


def test_rows_do_not_depend_on_the_sizes_of_chunks(net: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [*VALUES, "--where", "macs > 100", "--derive", "d=macs/params", "--sort", "d,-width"]
    whole = sweep(capsys, net, *options)
    for most in (1, 3, 7):
        monkeypatch.setattr(sweeping, "_FEWEST", most)
        monkeypatch.setattr(sweeping, "_MOST", most)
        assert sweep(capsys, net, *options) == whole


# -- filters, derived columns and order


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("macs < 2K", lambda row: row["macs"] < 2000),
        ("macs < 2e3 and peak_memory <= 1KiB", lambda row: row["macs"] < 2000 and row["peak_memory"] <= 1024),
        ("params > 0.2K or act == 'relu'", lambda row: row["params"] > 200 or row["act"] == "relu"),
        ("not width < size - 6", lambda row: not row["width"] < row["size"] - 6),
        ("100 < MACs <= 3000", lambda row: 100 < row["macs"] <= 3000),
        ("peak_memory / 1KB > 1.5", lambda row: row["peak_memory"] / 1000 > 1.5),
        (
            "max(width, 3) * 2 ** 2 != 12 if size > 8 else true",
            lambda row: max(row["width"], 3) != 3 or row["size"] <= 8,
        ),
        ("act != 'relu' and width % 2", lambda row: row["act"] != "relu" and row["width"] % 2),
    ],
)
def test_a_filter_keeps_the_rows_that_python_would_keep(
    text: str, keeps: Callable[[Row], bool], net: str, capsys: Capture
) -> None:
    expected = [key(row) for row in summaries(net) if "macs" in row and keeps(row)]
    found = [key(row) for row in sweep(capsys, net, *VALUES, "--drop-invalid", "--where", text)]
    assert found == expected
    assert 0 < len(expected) < 40


def test_a_row_with_an_unknown_value_is_left_out(net: str, capsys: Capture) -> None:
    assert [row["size"] for row in sweep(capsys, net, "-p", "size=4,9", "--where", "macs >= 0")] == [9]
    assert [row["size"] for row in sweep(capsys, net, "-p", "size=4,9", "--where", "size >= 0")] == [4, 9]


def test_several_filters_and_budgets_all_apply(net: str, capsys: Capture) -> None:
    expected = [
        key(row)
        for row in summaries(net)
        if row.get("macs", 9e9) <= 5000 and row["params"] >= 150 and row["width"] > 1 and row["size"] > 6
    ]
    options = ["--max-macs", "5K", "--min-params", "150", "--where", "width > 1", "--where", "size > 6"]
    assert [key(row) for row in sweep(capsys, net, *VALUES, "--drop-invalid", *options)] == expected
    assert expected


def test_the_budget_of_the_spec_can_be_ignored(net: str, capsys: Capture) -> None:
    Path(net).write_text(NET + "budget: {params: 200}\n", encoding="utf-8")
    params = [row["params"] for row in summaries(net) if "params" in row and row["act"] == "relu" and row["size"] == 9]
    for option, expected in (([], [count for count in params if count <= 200]), (["--no-spec-budget"], params)):
        rows = sweep(capsys, net, "-p", "width=1,2,3,5,8", "--set", "size=9", "--columns", "params", *option)
        assert [row["params"] for row in rows] == expected


def test_derived_columns_can_use_each_other(net: str, capsys: Capture) -> None:
    derived = [
        "--derive",
        "ratio=macs/params",
        "--derive",
        "twice = 2 * ratio",
        "--derive",
        "big='yes' if width>2 else 'no'",
    ]
    for row in sweep(capsys, net, *VALUES, "--drop-invalid", "--columns", "params,macs", *derived):
        assert row["ratio"] == row["macs"] / row["params"]
        assert row["twice"] == 2 * row["ratio"]
        assert row["big"] == ("yes" if row["width"] > 2 else "no")


def test_a_division_by_zero_is_unknown_and_reported(net: str, capsys: Capture) -> None:
    assert run(["sweep", net, "-p", "width=1,2", "--derive", "d=1/(width-1)", "-f", "csv", "--columns", "layers"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["width,layers,d,problem", "1,3,,", "2,3,1.0,"]
    assert said.err == "convcalc: --derive d: no result in 1 row: division by zero\n"


@pytest.mark.parametrize(
    ("sort", "rank"),
    [
        ("macs", lambda row: (-row["macs"],)),
        ("-macs", lambda row: (row["macs"],)),
        ("act,-params,size", lambda row: (row["act"], row["params"], -row["size"])),
        ("-act,peak", lambda row: (row["act"] == "hardswish", -row["peak_memory"])),
    ],
)
@pytest.mark.parametrize("top", [None, 1, 7])
def test_rows_are_sorted_as_python_sorts_them(
    sort: str, rank: Callable[[Row], Any], top: int | None, net: str, capsys: Capture
) -> None:
    valid = [row for row in summaries(net) if "macs" in row]
    options = ["--sort", sort, "--columns", "params", *(["--top", str(top)] if top else [])]
    found = sweep(capsys, net, *VALUES, *options)
    assert [key(row) for row in found if not row["problem"]] == [key(row) for row in sorted(valid, key=rank)][:top]
    assert top or [row["problem"] is None for row in found].index(False) == len(valid) or "act" in sort


def beats(one: Row, other: Row, signs: dict[str, int]) -> bool:
    """By definition: at least as good in all, better in one."""
    pairs = [(sign * one[name], sign * other[name]) for name, sign in signs.items()]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("macs,-size", {"macs": 1, "size": -1}),
        ("params,-macs", {"params": 1, "macs": -1}),
        ("-macs,params,-size", {"macs": -1, "params": 1, "size": -1}),
        ("macs", {"macs": 1}),
    ],
)
def test_the_pareto_front_matches_a_comparison_of_all_pairs(
    text: str, signs: dict[str, int], net: str, capsys: Capture
) -> None:
    valid = [row for row in summaries(net) if "macs" in row]
    front = {key(row) for row in valid if not any(beats(other, row, signs) for other in valid)}
    assert 0 < len(front) < len(valid)
    rows = sweep(capsys, net, *VALUES, "--pareto", text, "--columns", "params")
    assert sorted(map(key, rows)) == sorted(front)
    marked = sweep(capsys, net, *VALUES, "--mark-pareto", text, "--columns", "params")
    assert len(marked) == 40
    assert {key(row) for row in marked if row["pareto"]} == front


# -- samples


def test_a_sample_is_a_part_of_all_rows(net: str, capsys: Capture) -> None:
    rows = sweep(capsys, net, *VALUES)
    drawn = sweep(capsys, net, *VALUES, "--sample", "12", "--seed", "5")
    assert len({key(row) for row in drawn}) == 12
    assert all(row in rows for row in drawn)
    assert sweep(capsys, net, *VALUES, "--sample", "5", "--seed", "5") == drawn[:5]
    assert sweep(capsys, net, *VALUES, "--sample", "5", "--seed", "6") != drawn[:5]
    assert sorted(map(key, sweep(capsys, net, *VALUES, "--sample", "1000"))) == sorted(map(key, rows))


def test_a_latin_hypercube_has_every_value_equally_often(net: str, capsys: Capture) -> None:
    rows = sweep(capsys, net, *VALUES, "--sample", "20", "--lhs")
    for name, values in (("width", WIDTHS), ("size", SIZES), ("act", ACTS)):
        found = [row[name] for row in rows]
        assert {found.count(value) for value in values} == {20 // len(values)}


@pytest.mark.parametrize("count", [1, 3, 7, 40, 50])
@pytest.mark.parametrize("sample", [[], ["--sample", "23", "--seed", "9"]])
def test_shards_together_are_all_rows(count: int, sample: list[str], net: str, capsys: Capture) -> None:
    options = [net, *VALUES, "--columns", "params", *sample]
    shards = [sweep(capsys, *options, "--shard", f"{index}/{count}") for index in range(1, count + 1)]
    assert list(itertools.chain.from_iterable(shards)) == sweep(capsys, *options)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_shard_of_invalid_rows_is_not_an_error(net: str, capsys: Capture) -> None:
    """Other shards may be valid, so that a job of a cluster must not fail."""
    for options in ([], ["--set", "width=0"]):
        rows = sweep(capsys, net, "-p", "size=1:8:1", "--shard", "1/4", *options)
        assert [row["size"] for row in rows] == [1, 2]
        assert all(row["problem"] for row in rows)


def test_a_shard_of_a_huge_space_can_be_evaluated(net: str, capsys: Capture) -> None:
    ranges = ["-p", "width=1:1000000:1", "-p", "size=1:1000000:1", "--columns", "params"]
    rows = sweep(capsys, net, *ranges, "--shard", "500000000/500000000")
    assert [(row["width"], row["size"]) for row in rows] == [(10**6, size) for size in range(998_001, 10**6 + 1)]
    assert "2,000,000,000 combinations exceed" in refused(capsys, net, *ranges, "--shard", "3/500")


def test_a_huge_space_can_be_sampled(net: str, capsys: Capture) -> None:
    ranges = ["-p", "width=1:1000000:1", "-p", "size=6:1000000:1"]
    said = refused(capsys, net, *ranges)
    assert "999,995,000,000 combinations exceed the limit of 1,000,000,000" in said
    for row in sweep(capsys, net, *ranges, "--sample", "3", "--columns", "params"):
        values = {"width": row["width"], "size": row["size"]}
        assert row["params"] == convcalc.summary(net, params=values).totals.params


# -- the CSV file of measurements

ACCURACY = "width,size,top1,note\n1,9,60.5,a\n2,9,,\n3.0,9,65,c\n"


def test_a_csv_file_is_joined_on_its_columns_of_parameters(net: str, capsys: Capture) -> None:
    Path("accuracy.csv").write_text(ACCURACY + "7,9,1,\n", encoding="utf-8-sig")
    options = ["-p", "width=1,2,3,5", "-p", "size=9,12", "--join", "accuracy.csv", "--derive", "score=top1/params"]
    assert run(["sweep", net, *options, "--columns", "params", "-f", "jsonl"]) == 0
    said = capsys.readouterr()
    known = {(1, 9): (60.5, "a"), (2, 9): (None, None), (3, 9): (65, "c")}
    for row in map(json.loads, said.out.splitlines()):
        assert (row["top1"], row["note"]) == known.get((row["width"], row["size"]), (None, None))
        assert row["score"] == (None if row["top1"] is None else row["top1"] / row["params"])
    assert said.err.splitlines() == [
        "convcalc: accuracy.csv: 1 line matches no combination: 5",
        "convcalc: accuracy.csv: 5 of 8 combinations have no line",
    ]


@pytest.mark.parametrize("option", [["--sample", "4"], ["--shard", "1/3"]])
def test_lines_of_combinations_that_were_not_tried_are_not_reported(
    option: list[str], net: str, capsys: Capture
) -> None:
    lines = "".join(f"{width},50\n" for width in range(1, 13))  # one line for each of the 12 combinations
    Path("accuracy.csv").write_text(f"width,top1\n{lines}", encoding="utf-8")
    assert run(["sweep", net, "-p", "width=1:12:1", "--join", "accuracy.csv", "-f", "jsonl", *option]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 4
    assert said.err == ""


@pytest.mark.parametrize("option", [[], ["--set", "size=9"]])
def test_a_parameter_that_does_not_vary_also_has_to_match(option: list[str], net: str, capsys: Capture) -> None:
    Path(net).write_text(NET.replace("size: 8", "size: 9"), encoding="utf-8")
    Path("accuracy.csv").write_text(ACCURACY + "1,12,99,z\n", encoding="utf-8")
    options = ["-p", "width=1,2,3", "--join", "accuracy.csv", "--columns", "top1", *option]
    assert [row["top1"] for row in sweep(capsys, net, *options)] == [60.5, None, 65]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv is empty: its first line must have the names of the columns"),
        ("a,b\n1,2\n", "a.csv:1: no column is a spec parameter of -p"),
        ("widht,top1\n1,2\n", "a.csv:1: no column is a spec parameter of -p: did you mean width?"),
        ("width;top1\n1;2\n", "a.csv:1: the columns are separated by semicolons: separate them by commas"),
        ("width,top1\n1,2\n1,2,3\n", "a.csv:3: 3 cells instead of 2, one per column"),
        ("width,top1\n1,2\n\n1.0,3\n", "a.csv:4: line 2 has the same values of width"),
        ("width,top1\n,2\n", "a.csv:2: the value of a spec parameter is empty"),
        ("width,top1,top1\n1,2,3\n", "a.csv:1: two columns have the name 'top1'"),
        ("width,\n1,2\n", "a.csv:1: a column has no name"),
        ("width,macs\n1,2\n", "a.csv:1: the column 'macs' has the name of a figure: rename it"),
        ("width,problem\n1,2\n", "a.csv:1: the column 'problem' has the name of a figure: rename it"),
        ('width,top1\n1,"2\n', "a.csv:2: not valid CSV: unexpected end of data"),
        ("width,top1\n1,inf\n", "a.csv:2: 'inf' is not a finite number"),
        ("width,\x1b[2J\n1,2\n\x1b]0;x\x07,2,3\n", "a.csv:3: 3 cells instead of 2"),
    ],
)
def test_a_mistake_in_the_csv_file_is_reported_with_its_line(
    text: str, message: str, net: str, capsys: Capture
) -> None:
    Path("a.csv").write_text(text, encoding="utf-8")
    said = refused(capsys, net, "-p", "width=1,2", "--join", "a.csv")
    assert said.startswith(f"convcalc: --join: {message}")
    assert "\x1b" not in said


def test_a_csv_file_that_cannot_be_read_is_reported(net: str, capsys: Capture) -> None:
    Path("latin.csv").write_bytes(b"width,top1\n1,2\n2,\xe9\n")
    assert "latin.csv:3: not valid UTF-8" in refused(capsys, net, "-p", "width=1", "--join", "latin.csv")
    assert "missing.csv: no such file" in refused(capsys, net, "-p", "width=1", "--join", "missing.csv")


def test_the_users_own_keys_are_columns(net: str, capsys: Capture) -> None:
    options = ["-p", "width=1", "--columns", "x-task,params", "--derive", "score=x_top1/params"]
    [row] = sweep(capsys, net, *options, "--where", "x_task != 'detection'")
    assert row["x-task"] == "[a] classification"
    assert row["score"] == 71.5 / row["params"]


# -- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "mac"], "--columns: no column 'mac': did you mean macs?"),
        (["--columns", "act"], "--columns: no column 'act': vary it with -p act=…"),
        (["--sort", "macs,-mac"], "--sort: no column 'mac': did you mean macs?"),
        (["--sort", "macs,MACs"], "--sort: 'MACs' is given twice"),
        (["--pareto", "macs,acc"], "--pareto: no column 'acc'"),
        (["--where", "macs <"], "--where: expected a value; got the end of the expression\n  macs <\n"),
        (["--where", "macs < 3 nad 4"], "--where: expected an operator; got 'nad'\n  macs < 3 nad 4\n           ^^^\n"),
        (["--where", "depth < 3"], "--where: no column 'depth'"),
        (["--where", "peak_memory < 256K"], "256K is ambiguous: K can mean KB (powers of 1000) or KiB"),
        (["--where", "output_shape < 3"], "cannot be compared with <\n  output_shape < 3\n               ^\n"),
        (["--where", "output_shape"], "--where: a filter must be true or false; got '3×2×2'\n  output_shape\n  ^^^^"),
        (["--where", "__import__('os')"], "--where: unknown function __import__"),
        (["--derive", "score"], "--derive: a derived column must be NAME=EXPRESSION"),
        (["--derive", "a==b"], "--derive: a derived column must be NAME=EXPRESSION"),
        (["--derive", "macs=params"], "--derive: there is already a column 'macs'"),
        (["--derive", "peak=params"], "--derive: there is already a column 'peak'"),
        (["--derive", "max=params"], "--derive: 'max' is reserved"),
        (["--derive", "a=b", "--derive", "b=a"], "--derive: no column 'b'"),
        (["--pareto", "macs,output_shape"], "a Pareto front needs numbers; got '3×2×2'"),
        (["--sample", "1000001"], "--sample draws at most 1,000,000 combinations"),
        (["--sample", "2", "-p", "act=1:2:0"], "-p act: a step of 0 never leads from 1 to 2"),
        (["--plot", "macs,output_shape", "a.svg"], "the axes of a plot need numbers; got '3×2×2'"),
        (["--plot", "macs", "a.svg"], "--plot: expected two columns, or three, the last as colour; got 1"),
        (["-p", "width=5"], "-p: 'width' is given twice"),
        (["-f", "csv", "-o", "net.yaml"], "-o net.yaml is also an input file"),
        (["--plot", "macs,params", "nowhere/a.svg"], "--plot nowhere/a.svg: no such folder"),
    ],
)
def test_an_impossible_request_is_explained(arguments: list[str], message: str, net: str, capsys: Capture) -> None:
    said = refused(capsys, net, "-p", "width=1,2", *arguments)
    assert message in said
    assert said.startswith("convcalc: ")
    assert sorted(path.name for path in Path().iterdir()) == ["net.yaml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top", "3"], "--top needs --sort"),
        (["--seed", "3"], "--seed needs --sample N"),
        (["--lhs"], "--lhs needs --sample N"),
        (["--shard", "3"], "--shard must be a part and their number, such as 2/8; got '3'"),
        (["--shard", "0/3"], "--shard must be a part and their number, such as 2/8; got '0/3'"),
        (["--shard", "4/3"], "--shard must be a part and their number, such as 2/8; got '4/3'"),
        (["--pareto", "macs", "--mark-pareto", "macs"], "--pareto cannot be combined with --mark-pareto"),
        (["--exact", "-f", "csv"], "--exact cannot be combined with -f csv"),
        (["-o", "rows.html"], "sweep has no format html"),
        (["--plot", "macs,params", "a.png"], "--plot writes SVG: name the file *.svg, not 'a.png'"),
        (["--plot", "macs,params", "a.svg", "-f", "csv", "-o", "./a.svg"], "--plot and -o name the same file 'a.svg'"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    arguments: list[str], message: str, net: str, capsys: Capture
) -> None:
    assert message in refused(capsys, net, "-p", "width=1,2", *arguments)


def test_a_spec_that_is_invalid_for_all_values_is_reported_and_nothing_is_written(net: str, capsys: Capture) -> None:
    for format in ("table", "csv", "jsonl", "parquet"):
        said = refused(capsys, net, "-p", "size=1,2,3", "-f", format, "-o", "rows", status=1)
        assert "convcalc: the spec is invalid for every combination; the first error:\nnet.yaml:7:" in said
        assert not Path("rows").exists()
    assert run(["sweep", net, "-p", "size=1,2,3", "-f", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["schema"] == "convcalc/problems/1"
    assert "the spec has no parameter 'siez': did you mean size?" in refused(capsys, net, "-p", "siez=1")


def test_a_model_file_has_no_parameters_to_vary(net: str, capsys: Capture) -> None:
    Path("net.cfg").write_text(
        "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\nsize=3\n", encoding="utf-8"
    )
    assert "net.cfg: sweep varies spec parameters" in refused(capsys, "net.cfg", "-p", "width=1")


def test_a_full_disk_leaves_the_file_as_it_was(net: str, capsys: Capture) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    said = refused(capsys, net, *VALUES, "-f", "csv", "-o", "/dev/full")
    assert said == "convcalc: -o /dev/full: no space left on device\n"


# -- interrupts


def interrupt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a sweep that would take minutes, and press Ctrl-C when it has written the first rows."""
    command = [sys.executable, "-m", "convcalc", "sweep", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(convcalc.__file__).parent.parent)}
    with open(folder / "out", "w", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=out, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(file.stat().st_size for file in (folder / "out", *folder.glob(".convcalc-*"))):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    text = (folder / "out").read_text(encoding="utf-8")
    (folder / "out").unlink()
    return subprocess.CompletedProcess(command, process.returncode, text, err)


SLOW = [MOBILENET, "-p", "width=0.25:1:0.000001", "-p", "size=96:224:1", "--columns", "macs"]


def test_an_interrupt_keeps_whole_rows(tmp_path: Path) -> None:
    done = interrupt(tmp_path, *SLOW, "-f", "jsonl")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stdout[-1:]) == (130, "\n")
    assert rows
    assert f"convcalc: interrupted after {len(rows):,} of 96,750,129 combinations" in done.stderr


def test_an_interrupt_leaves_the_file_and_keeps_the_rows_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("before", encoding="utf-8")
    done = interrupt(tmp_path, *SLOW, "-o", "rows.csv")
    assert done.returncode == 130
    assert file.read_text(encoding="utf-8") == "before"
    rows = (tmp_path / "rows.csv.part").read_text(encoding="utf-8").splitlines()
    assert f"interrupted after {len(rows) - 1:,} of 96,750,129 combinations" in done.stderr
    assert "; rows.csv is unchanged, and rows.csv.part has the rows so far; a sweep into a folder" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.csv.part"]
    file.unlink()
    done = interrupt(tmp_path, *SLOW, "-o", "rows.csv")
    assert "; rows.csv was not written, and rows.csv.part has the rows so far" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv.part"]


# -- the table


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
def test_the_table_fits_the_terminal(columns: str, net: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["sweep", net, *VALUES, "--drop-invalid", "--max-macs", "100K"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert lines[:3] == ["net", "MACs ≤ 100.0 K", "40 combinations · 10 invalid"]
    assert lines[-1] == "and 10 more: --limit 0 lists all"
    hidden = " ".join(lines[3 + 1 + 1 + 20 : -1])
    titles = lines[4].split()
    for title in ("params", "MACs", "weights", "peak", "field", "output"):
        assert (title in titles) != (title in hidden.split(";")[0].replace(",", " ").split())
    assert hidden == "" or hidden.endswith("; --columns shows those that it names")
    assert (hidden == "") == (int(columns) >= 80)


@pytest.mark.parametrize("columns", ["60", "80"])
def test_long_problems_are_cut_to_leave_room_for_figures(
    columns: str, net: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["sweep", net, "-p", "size=0:8:1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert {"size", "params", "MACs", "problem"} <= set(lines[3].split())
    assert lines[4].endswith("…")


def test_listed_rows_are_the_first_of_all(net: str, capsys: Capture) -> None:
    rows = sweep(capsys, net, *VALUES)
    assert sweep(capsys, net, *VALUES, "--limit", "7") == rows[:7]
    assert sweep(capsys, net, *VALUES, "--limit", "0") == rows
    assert run(["sweep", net, *VALUES, "--limit", "0"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 1 + 1 + 40


def test_markdown_is_escaped(net: str, capsys: Capture) -> None:
    Path(net).write_text(NET.replace("params:", "name: a|b*\nparams:"), encoding="utf-8")
    assert run(["sweep", net, "-p", "size=4,9", "--columns", "x-task,macs", "-f", "markdown"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("### a\\|b\\*\n\n2 combinations, 1 invalid\n")
    assert "\\[a\\] classification" in text


# -- the plot


def plot(arguments: list[str], capsys: Capture) -> tuple[str, list[str]]:
    """The text of a plot, and the tooltips of its marks."""
    assert run(["sweep", *arguments]) == 0
    assert capsys.readouterr().err == ""
    text = Path("plot.svg").read_text(encoding="utf-8")
    return text, [
        element.text or "" for element in ElementTree.fromstring(text).iter() if element.tag.endswith("title")
    ]


def test_a_plot_shows_every_network_and_the_front_of_both_axes(net: str, capsys: Capture) -> None:
    valid = [row for row in summaries(net) if "macs" in row]
    text, titles = plot([net, *VALUES, "--plot", "macs,-params,act", "plot.svg"], capsys)
    assert f"{len(valid)} networks · front: least MACs and most params" in text
    for row in valid:
        name = f"width {row['width']}, size {row['size']}, act {row['act']}"
        assert [title for title in titles if name in title], name
    front = [row for row in valid if not any(beats(other, row, {"macs": 1, "params": -1}) for other in valid)]
    assert 1 < len({(row["macs"], row["params"]) for row in front}) < len(valid)


def test_a_plot_of_many_networks_keeps_the_whole_front(net: str) -> None:
    """Brute force: the front of all rows is in the plot, whatever rows are left out."""
    rows = [(number * 7919 % 10_007, number * 104_729 % 20_011) for number in range(20_000)]
    found = Scatter(("x", "y"), (Signed("x"), Signed("y", minus=True)))
    for start in range(0, len(rows), 37):
        found.add(rows[start : start + 37])
    assert found.count == len(rows)
    assert MOST_POINTS / 2 <= len(found.rows) <= MOST_POINTS
    assert found.rows == rows[:: len(rows) // len(found.rows)][: len(found.rows)]
    best: list[tuple[int, int]] = []
    for x, y in sorted(rows, key=lambda row: (row[0], -row[1])):
        if not best or y > best[-1][1]:
            best.append((x, y))
    assert sorted(found.front.list_rows()) == best


def test_the_picture_in_the_readme_is_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(convcalc.__file__).parent / "manual" / "sweep.md").read_text(encoding="utf-8")
    block = page.partition("```text accuracy.csv\n")[2].partition("```")[0]
    Path("accuracy.csv").write_text(block, encoding="utf-8")
    command = README.read_text(encoding="utf-8").partition("Here `")[2].partition("`")[0].split()
    assert run(["sweep", "example:mobilenet_v1", *command, "-q"]) == 0
    assert Path("sweep.svg").read_bytes() == (README.parent / ".github" / "sweep.svg").read_bytes()
