"""`convcalc compare`: many networks in one table, with the best of each column marked; also the list of examples."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc import examples
from convcalc.cli.main import run
from convcalc.render.compare import BEST, COLUMNS, EVERY, GALLERY, gallery_lines, network_rows, networks_lines
from convcalc.render.lines import plain_text

NAMES = ("mobilenet_v1", "mobilenet_v2", "resnet50", "unet")
WIDTHS = [40, 80, 200]
WRONG = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4}\n"


@pytest.fixture(scope="module")
def reports() -> dict[str, convcalc.Report]:
    return {name: convcalc.analyse(convcalc.load(examples.find_file(name))) for name in NAMES}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert run(["compare", *arguments]) == status
    return capsys.readouterr().out


def nets(*names: str) -> list[str]:
    return [f"example:{name}" for name in names]


def test_the_table_has_a_row_per_network_with_the_best_marked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    # figures from the networks' papers and from torchvision
    assert printed(capsys, *nets("mobilenet_v1", "mobilenet_v2", "resnet50")).splitlines() == [
        "network       input        params      MACs     weights       peak  field",
        "mobilenet_v1  3×224×224   4.23 M   568.7 M   16.23 MiB   4.59 MiB*   315",
        "mobilenet_v2  3×224×224   3.50 M*  300.8 M*  13.50 MiB*  5.74 MiB    491*",
        "resnet50      3×224×224  25.56 M    4.09 G   97.69 MiB   6.89 MiB    427",
        "",
        "* best in its column",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_tables_fit(width: int, reports: dict[str, convcalc.Report]) -> None:
    named = list(reports.items())
    for lines in (networks_lines(network_rows(named), width, exact=False), gallery_lines(named, width)):
        text = plain_text(lines).splitlines()
        assert [line for line in text if len(line) > width] == []
        assert {"params", "MACs"} <= set(text[0].split())
        assert [line.split()[0] for line in text[1 : len(named) + 1]] == list(reports)


def test_all_columns_are_shown_if_there_is_room(reports: dict[str, convcalc.Report]) -> None:
    text = plain_text(networks_lines(network_rows(list(reports.items())), None, exact=True))
    assert text.splitlines()[0].split() == [column.title for column in EVERY]
    assert "25,557,032" in text


def test_the_least_cost_and_the_widest_field_are_the_best(reports: dict[str, convcalc.Report]) -> None:
    rows = {row.name: row for row in network_rows(list(reports.items()))}
    best = {column: [name for name, row in rows.items() if row.best and column in row.best] for column in COLUMNS}
    for column in ("params", "macs", "flops"):
        assert best[column] == [min(reports, key=lambda name: getattr(reports[name].totals, column))]
    assert best["peak_memory"] == [min(reports, key=lambda name: reports[name].totals.peak_memory)]
    assert best["receptive_field"] == [
        max(reports, key=lambda name: max(reports[name].totals.receptive_field.size or (0,)))
    ]
    assert best["layers"] == best["name"] == []


def test_no_best_is_marked_if_all_are_equal_or_one_is_unknown() -> None:
    def row(*layers: Any) -> convcalc.Report:
        return convcalc.summary({"input": [3, 8, 8], "layers": ["relu", *layers]})

    assert [one.best for one in network_rows([("a", row()), ("b", row())])] == [frozenset()] * 2
    unknown = {"opaque": {"output_shape": [3, 8, 8], "params": 3}}
    first, second = network_rows([("a", row()), ("b", row(unknown))])
    assert first.best is not None
    assert "params" in first.best
    assert not {"macs", "flops"} & (first.best | (second.best or frozenset()))


def test_formats_have_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, *nets(*NAMES), "-f", "json"))
    assert found["schema"] == "convcalc/compare/2"
    rows = list(csv.DictReader(io.StringIO(printed(capsys, *nets(*NAMES), "-f", "csv"))))
    assert [row["name"] for row in rows] == [network["name"] for network in found["networks"]] == list(NAMES)
    for row, network in zip(rows, found["networks"], strict=True):
        totals = network["totals"]
        assert [int(row[name]) for name in ("params", "macs", "layers")] == [
            totals[name] for name in ("params", "macs", "layers")
        ]
        assert int(row["training_memory"]) == totals["training_memory"]
        assert totals == convcalc.summary(examples.find_file(network["name"])).to_dict()["totals"]
    markdown = printed(capsys, *nets(*NAMES), "-f", "markdown", "--exact").splitlines()
    assert len(markdown) == 2 + len(NAMES) + 2
    assert "| mobilenet\\_v2 | 3×224×224 | 1000 | 153 | 3,504,872\\* |" in markdown[3]


def test_rows_are_sorted_by_a_column_the_largest_first(capsys: pytest.CaptureFixture[str]) -> None:
    rows = csv.DictReader(io.StringIO(printed(capsys, *nets(*NAMES), "-f", "csv", "--sort", "params")))
    params = [int(row["params"]) for row in rows]
    assert params == sorted(params, reverse=True)
    rows = csv.DictReader(io.StringIO(printed(capsys, *nets(*reversed(NAMES)), "-f", "csv", "--sort", "name")))
    assert [row["name"] for row in rows] == sorted(NAMES)


def test_patterns_select_networks_by_example_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text("name: same\ninput: [3, 8, 8]\nlayers: [relu]\n", encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "example:mobilenet*", "*.yaml", "-f", "csv"))))
    # named by their files if two have the same name
    assert [row["name"] for row in rows] == ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "a.yaml", "b.yaml"]


def test_params_are_set_only_on_networks_that_have_them(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, *nets("mobilenet_v1", "lenet5"), "--set", "width=0.5", "-f", "json"))
    params = [network["totals"]["params"] for network in found["networks"]]
    assert params == [1_331_592, 61_706]  # 1.3 M (Howard et al. 2017, table 6), and 61,706 (LeCun et al. 1998)


def test_an_invalid_network_is_reported_and_the_others_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text(WRONG, encoding="utf-8")
    Path("broken.yaml").write_text("layers: [", encoding="utf-8")
    assert run(["compare", "wrong.yaml", "example:lenet5", "broken.yaml"]) == 1
    shown = capsys.readouterr()
    assert "lenet5" in shown.out
    assert "wrong.yaml:3:5: " in shown.err
    assert "broken.yaml:1:" in shown.err
    assert run(["compare", "wrong.yaml", "example:lenet5", "absent.yaml"]) == 2
    shown = capsys.readouterr()
    assert "lenet5" in shown.out
    assert "convcalc: absent.yaml: no such file" in shown.err
    assert run(["compare", "wrong.yaml", "broken.yaml", "-f", "json"]) == 1
    shown = capsys.readouterr()
    assert {problem["file"] for problem in json.loads(shown.out)["problems"]} == {"wrong.yaml", "broken.yaml"}
    assert shown.err == ""
    assert run(["compare", "wrong.yaml", "example:lenet5", "-f", "json"]) == 1
    shown = capsys.readouterr()
    assert [network["name"] for network in json.loads(shown.out)["networks"]] == ["lenet5"]
    assert "wrong.yaml:3:5: " in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["example:lenet5", "--sort", "parms"], "did you mean params?"),
        (["example:lenet5", "--columns", "name,parms"], "did you mean params?"),
        (["example:lenet5", "--columns", "params", "-f", "json"], "--columns cannot be combined with -f json"),
        (["example:lenet5", "--set", "width=1"], "no network has the spec parameter 'width'"),
        (["example:mobilenet_v1", "--set", "widht=1"], "did you mean width?"),
        (["example:nosuch*"], "the pattern 'example:nosuch*' matches no example"),
        (["example:lenet5", "-f", "csv", "--exact"], "--exact cannot be combined with -f csv"),
        (["no/such/*.yaml"], "nothing to compare"),
        (["example:lenet5", "--input", "left=3,8,8"], "example:lenet5: "),
        ([], "Missing argument 'NET...'"),
    ],
)
def test_what_cannot_be_done_is_explained_and_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err


def test_names_cannot_control_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = 'name: "<script>|`x`"\ninput: [3, 8, 8]\nlayers: [relu]\n'
    for name in ("a.yaml", "b\x1b[31m\n|.yaml"):
        Path(name).write_text(text, encoding="utf-8")
    for form in ("table", "markdown"):
        out = printed(capsys, "a.yaml", "b\x1b[31m\n|.yaml", "-f", form)
        assert "\x1b" not in out
        assert "\n|.yaml" not in out
    assert "<script>" not in printed(capsys, "a.yaml", "-f", "markdown")


def test_the_list_of_examples_is_the_table_without_marks(reports: dict[str, convcalc.Report]) -> None:
    text = plain_text(gallery_lines(list(reports.items()), None))
    assert text.splitlines()[0].split() == [column.title for column in GALLERY]
    assert BEST not in text
    assert "25.56 M" in text


@pytest.mark.parametrize(("header", "name"), [("peak", "peak_memory"), ("Field", "receptive_field"), ("MACs", "macs")])
def test_headers_are_accepted_as_names_of_columns(header: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    for column in (header, name):
        assert run(["compare", "example:*net*", "--sort", column, "--columns", f"network,{column}"]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
    assert tables[0].split("\n", 1)[0].split() == ["network", {"Field": "field"}.get(header, header)]


def test_columns_and_rows_can_be_limited(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "example:lenet5", "example:resnet18", "example:vgg16", "--sort", "params", "-f", "csv"]
    assert run([*arguments, "--columns", "name,params", "--limit", "2"]) == 0
    # published params: VGG-16 138,357,544 and ResNet-18 11,689,512 (torchvision)
    assert capsys.readouterr().out == "name,params\nvgg16,138357544\nresnet18,11689512\n"
    assert run([*arguments, "--columns", "name", "--limit", "0"]) == 0
    assert capsys.readouterr().out == "name\nvgg16\nresnet18\nlenet5\n"


def test_the_memory_of_microcontrollers_is_a_column_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """As TensorFlow Lite Micro reports it for MLPerf Tiny; unknown for a network without operators for it."""
    nets = ["example:ds_cnn", "example:person_detection", "example:vit_tiny"]
    assert run(["compare", *nets, "--columns", "name,arena", "--sort", "arena", "-f", "csv"]) == 0
    lines = capsys.readouterr().out.split()
    assert sorted(lines) == ["ds_cnn,22780", "name,arena", "person_detection,100668", "vit_tiny,"]
    assert run(["compare", *nets]) == 0
    assert "arena" not in capsys.readouterr().out


# -- the user's own columns

TOP1 = "name,top1,family\nresnet50,76.13,resnet\nmobilenet_v1,70.6,mobilenet\nvgg16,71.59,vgg\n"


@pytest.fixture
def accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("accuracy.csv").write_text(TOP1, encoding="utf-8")
    return "accuracy.csv"


def test_columns_of_a_csv_file_are_joined_on_the_names_and_used_by_derived_ones(
    accuracy: str, capsys: pytest.CaptureFixture[str], reports: dict[str, convcalc.Report]
) -> None:
    known = {"resnet50": (76.13, "resnet"), "mobilenet_v1": (70.6, "mobilenet")}
    options = ["--join", accuracy, "--derive", "score=top1/macs", "--derive", "wide=receptive_field > 400"]
    assert run(["compare", *nets(*NAMES), *options, "-f", "csv", "--sort", "top1"]) == 0
    said = capsys.readouterr()
    assert said.err == "convcalc: accuracy.csv: 1 line matches no network: 4\n"
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(said.out))}
    for name, row in rows.items():
        top1, family = known.get(name, (None, ""))
        macs = reports[name].totals.macs
        assert macs is not None
        assert (row["top1"], row["family"]) == ("" if top1 is None else str(top1), family)
        assert row["score"] == ("" if top1 is None else repr(top1 / macs))
        assert row["wide"] == str(max(reports[name].totals.receptive_field.size or ()) > 400)
    assert [name for name in rows if name in known] == ["resnet50", "mobilenet_v1"]


def test_added_columns_are_in_every_format_and_fit_the_terminal(
    accuracy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    options = ["compare", *nets("resnet50", "mobilenet_v1"), "--join", accuracy, "-q"]
    assert run(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert "top1" in lines[0]
    assert "76.13" in lines[1]
    for format in ("markdown", "latex"):
        assert run([*options, "-f", format, "--columns", "name,top1,x-task"]) == 0
        assert "76.13" in capsys.readouterr().out
    assert run([*options, "-f", "json"]) == 0
    networks = json.loads(capsys.readouterr().out)["networks"]
    assert networks[0]["added"] == {"x-task": "image classification", "top1": 76.13, "family": "resnet"}


def test_networks_are_matched_by_their_files(accuracy: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text("input: [3, 8, 8]\nlayers: [relu]\nx-note: mine\n", encoding="utf-8")
    Path("files.csv").write_text("file,top1\nnet.yaml,50\nexample:lenet5,99\n", encoding="utf-8")
    options = ["--join", "files.csv", "--columns", "name,top1,x-note,buffers"]
    assert printed(capsys, "net.yaml", "example:lenet5", *options, "-f", "csv").splitlines() == [
        "name,top1,x-note,buffers",
        "net,50,mine,0",
        "lenet5,99,,0",
    ]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("top1\n1\n", [], "--join: a.csv:1: there is no column name or file: name the networks in one column"),
        ("name,file\na,b\n", [], "--join: a.csv:1: there is both a column name and a column file"),
        ("name,macs\na,b\n", [], "--join: a.csv:1: the column 'macs' has the name of a figure: rename it"),
        ("name,b\nc,1\n\nc,2\n", [], "--join: a.csv:4: line 2 is also about 'c'"),
        ("name,b\nc\n", [], "a.csv:2: 1 cell instead of 2, one per column"),
        ("name,top1\nc,1\n", ["--derive", "d=1+top5"], "no column 'top5': did you mean top1?\n  1+top5\n    ^^^^\n"),
        ("name,b\nc,1\n", ["--columns", "c"], "no column 'c': available: name, "),
    ],
)
def test_mistakes_in_added_columns_are_explained(
    text: str, options: list[str], message: str, accuracy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.csv").write_text(text, encoding="utf-8")
    assert run(["compare", "example:lenet5", "--join", "a.csv", "-q", *options]) == 2
    said = capsys.readouterr()
    assert (said.out, message in said.err) == ("", True), said.err
