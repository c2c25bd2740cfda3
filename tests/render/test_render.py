"""The same numbers in every format, and tables that fit."""

import csv
import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import convcalc
from convcalc import examples
from convcalc.analysis.report import Report
from convcalc.cli.main import run
from convcalc.render.columns import COLUMNS, EVERY, SHOWN
from convcalc.render.lines import plain_text
from convcalc.render.rows import tree_rows
from convcalc.render.summary import table
from convcalc.render.summary_data import report_csv, report_json
from convcalc.render.summary_markdown import markdown_report

Render = Callable[[Report], dict[str, dict[str, int]]]
FIGURES = ("params", "macs", "flops", "weight_memory", "activation_memory")


@pytest.fixture(scope="module", params=["resnet50", "unet", "squeezenet1_1", "m5", "c3d"])
def report(request: pytest.FixtureRequest) -> Report:
    return convcalc.summary(str(examples.find_file(request.param)))


def from_json(report: Report) -> dict[str, dict[str, int]]:
    layers = json.loads(report_json(report))["layers"]
    return {
        layer["name"]: {
            **{name: layer[name] for name in ("params", "macs", "flops")},
            "weight_memory": layer["weight_memory"],
            "activation_memory": layer["activation_memory"],
        }
        for layer in layers
    }


def from_csv(report: Report) -> dict[str, dict[str, int]]:
    rows = csv.DictReader(io.StringIO(report_csv(report, EVERY, None)))
    return {row["name"]: {name: int(row[name]) for name in FIGURES} for row in rows}


def from_markdown(report: Report) -> dict[str, dict[str, int]]:
    columns = [COLUMNS[name] for name in ("name", *FIGURES)]
    lines = markdown_report(report, columns, exact=True).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")][1:]
    return {
        name.replace("\\", ""): dict(zip(FIGURES, (int(cell.replace(",", "")) for cell in cells), strict=True))
        for name, *cells in rows
    }


def from_table(report: Report) -> dict[str, dict[str, int]]:
    columns = [COLUMNS[name] for name in ("name", *FIGURES)]
    body = plain_text(table(report, columns, exact=True, sort="name")).split("\n\n")[1].splitlines()[1:]
    return {
        line.split()[0]: dict(zip(FIGURES, (int(cell.replace(",", "")) for cell in line.split()[1:]), strict=True))
        for line in body
    }


@pytest.mark.parametrize("render", [from_csv, from_markdown, from_table])
def test_every_format_has_the_numbers_of_the_json(report: Report, render: Render) -> None:
    assert render(report) == from_json(report)


def test_json_is_the_result_of_to_dict(report: Report) -> None:
    assert json.loads(report_json(report)) == report.to_dict()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("depth", [None, 1, 2, 3])
def test_the_table_fits(report: Report, width: int, depth: int | None) -> None:
    lines = plain_text(table(report, width=width, depth=depth)).splitlines()
    assert [line for line in lines if len(line) > width] == []
    for title in ("layer", "output", "params", "MACs"):
        assert title in lines[3] or title in lines[4], lines[:6]


def test_the_least_important_columns_are_omitted_first(report: Report) -> None:
    def titles(width: int) -> set[str]:
        lines = plain_text(table(report, width=width)).splitlines()
        head = next(line for line in lines if line.startswith("layer "))
        return set(head.split()) - {"layer"}

    widths = [300, 200, 120, 100, 80, 60]
    for wide, narrow in itertools.pairwise(widths):
        assert titles(narrow) <= titles(wide)
    assert titles(300) == {column.title for column in SHOWN} - {"layer"}
    assert {"output", "params", "MACs"} <= titles(60)


@pytest.mark.parametrize("depth", [1, 2, 3, None])
def test_a_folded_tree_adds_up_to_the_totals(report: Report, depth: int | None) -> None:
    rows = tree_rows(report, depth)
    leaves = [row for row in rows if not row.is_group]
    assert sum(row.sums["params"] or 0 for row in leaves) == report.totals.params
    assert sum(row.sums["flops"] or 0 for row in leaves) == report.totals.flops
    assert all(depth is None or row.name.count(".") < depth for row in rows)
    assert sum(row.share or 0 for row in leaves) == pytest.approx(1)


def test_scopes_show_the_sums_of_their_layers(report: Report) -> None:
    for row in tree_rows(report):
        inside = [layer for layer in report.layers if layer.name.startswith(row.name + ".")]
        if row.is_group:
            assert row.sums["macs"] == sum(layer.macs or 0 for layer in inside)
            assert row.sums["params"] == sum(layer.params for layer in inside)


def test_sorting_lists_the_largest_first(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(report, EVERY, "macs"))))
    macs = [int(row["macs"]) for row in rows]
    assert macs == sorted(macs, reverse=True)
    assert macs[0] > 0


def test_text_of_a_spec_cannot_control_a_terminal_or_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {
        "name": "a|b<script>[bold]",
        "description": "red \x1b[31m \u202e turned \n over",
        "input": [3],
        "layers": [{"linear": {"out_features": 2}}],
    }
    report = convcalc.summary(spec)
    for text in (str(report), markdown_report(report), report_json(report)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "a\\|b\\<script\\>\\[bold\\]" in markdown_report(report)
    assert "[bold]" in str(report)


def test_a_notebook_shows_the_table() -> None:
    summary = convcalc.summary({"input": [3], "layers": [{"linear": {"out_features": 2}}]})
    assert "| linear1 | 2 | 2 | 8 | 6 |" in summary._repr_markdown_()
    assert "linear1" in str(summary)


def test_requested_columns_are_shown_however_narrow_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert run(["summary", "example:lenet5", "--columns", "name,input,output,params,macs,flops"]) == 0
    head = capsys.readouterr().out.splitlines()[4]
    assert head.split() == ["layer", "input", "output", "params", "MACs", "FLOPs"]


PERCENT = re.compile(r"[+-]?(<?[0-9][0-9,]*\.[0-9])%")
RATIO = re.compile(r"<0\.001|0\.0[0-9]{2}|[0-9]\.[0-9]{2}|[1-9][0-9]{1,2}\.[0-9]|[1-9][0-9,]{3,}")


@pytest.mark.parametrize(
    "command",
    [
        "summary example:alexnet",
        "rf example:alexnet",
        "rf example:alexnet conv2",
        "memory example:googlenet",
        "alternatives example:alexnet",
        "diff example:alexnet example:lenet5",
        "fit example:mobilenet_v1 -p width=0.5,1 --max-macs 300M",
    ],
)
def test_percentages_have_one_style(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command.split()) == 0
    found = re.findall(r"\S*%", capsys.readouterr().out)
    assert found
    assert [text for text in found if not PERCENT.fullmatch(text.lstrip("("))] == []


def test_ratios_have_one_style_and_are_those_of_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["alternatives", "example:alexnet", "--limit", "0"]
    assert run([*command, "-f", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["alternatives"]
    assert run(command) == 0
    rows = capsys.readouterr().out.split("\n\n")[1].splitlines()[1:]
    for row, one in zip(rows, found, strict=True):
        ratios = re.findall(r"(\S+)× ", row)
        for text, name in zip(ratios, ("params", "macs", "weight_memory", "activation_memory"), strict=True):
            assert RATIO.fullmatch(text), row
            exact = one["after"][name] / one["before"][name]
            assert float(text.strip("<").replace(",", "")) == pytest.approx(exact, rel=0.05, abs=0.001)


@pytest.mark.parametrize(
    ("name", "depth", "rows"),
    [
        ("lenet5", None, 12),
        ("alexnet", None, 22),
        ("vgg16", None, 58),  # all of it: 60 rows fit
        ("unet", 2, 50),  # one level more would be 66 rows
        ("resnet50", 3, 55),
        ("resnet152", 2, 57),
        ("inception_v3", 2, 42),
    ],
)
def test_a_table_of_more_than_60_rows_is_folded_to_the_largest_depth_that_fits(
    name: str, depth: int | None, rows: int
) -> None:
    report = convcalc.summary(str(examples.find_file(name)))
    text = plain_text(table(report, fold=True))
    shown = text.split("\n\n")[1].splitlines()[1:]
    assert len(shown) == rows
    assert len(shown) == len(tree_rows(report, depth))
    assert ("--depth all" in text) == (depth is not None)


def test_the_line_about_folding_says_how_far_and_how_to_see_everything() -> None:
    report = convcalc.summary(str(examples.find_file("resnet50")))
    assert "\nfolded to depth 3 of 5; --depth all shows 175 layers\n" in plain_text(table(report, fold=True))
    assert "folded" not in plain_text(table(report, depth=3))
    assert "folded" not in plain_text(table(report, fold=True, layers=False))


def test_a_flat_network_is_never_folded() -> None:
    report = convcalc.summary({"input": [3, 8, 8], "layers": [*["relu"] * 100]})
    text = plain_text(table(report, fold=True))
    assert "folded" not in text
    assert "relu100" in text


def test_a_network_whose_outermost_level_is_too_long_is_folded_to_it() -> None:
    block = {"params": {}, "layers": ["relu", "sigmoid"]}
    report = convcalc.summary({"input": [3, 8, 8], "blocks": {"pair": block}, "layers": [*["pair"] * 70]})
    text = plain_text(table(report, fold=True))
    assert "folded to depth 1 of 2; --depth all shows 140 layers" in text
    assert len(text.split("\n\n")[1].splitlines()) == 71


def test_sorting_lists_folded_scopes_as_one_row(report: Report) -> None:
    for depth in (1, 2, None):
        lines = plain_text(table(report, [COLUMNS["name"], COLUMNS["params"]], sort="params", exact=True, depth=depth))
        rows = [line.split() for line in lines.split("\n\n")[1].splitlines()[1:]]
        leaves = {row.name: row.sums["params"] for row in tree_rows(report, depth) if not row.is_group}
        numbers = {name: int(number.replace(",", "")) for name, number in rows}
        assert numbers == leaves
        assert list(numbers.values()) == sorted(numbers.values(), reverse=True)


@pytest.mark.parametrize("sort", [[], ["--sort", "macs"]])
def test_only_the_text_table_is_folded_by_default(sort: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*options: str) -> str:
        assert run(["summary", "example:resnet50", *sort, *options]) == 0
        return capsys.readouterr().out

    assert "stage1.0.branches1.0.conv1" not in printed()
    assert printed("--depth", "3" if not sort else "4").split("\n\n")[1] == printed().split("\n\n")[1]
    assert sort or "0.branches1" in printed("--depth", "all")
    assert "folded to depth" not in printed("--depth", "all")
    assert len(printed("-f", "csv").splitlines()) == 176
    assert printed("-f", "markdown").count("\n| ") == 176
    assert printed("-f", "markdown", "--depth", "1").count("\n| ") == 12


def test_values_of_spec_parameters_are_written_as_in_a_spec(tmp_path: Path) -> None:
    text = "params: {flag: true, sizes: [3, 5], act: relu}\ninput: [3]\nlayers: [relu]\n"
    report = convcalc.summary(io.StringIO(text))
    assert "flag true · sizes [3,5] · act relu" in str(report)
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f">{fact}<" in page for fact in ("flag = true", "sizes = [3,5]", "act = relu"))
