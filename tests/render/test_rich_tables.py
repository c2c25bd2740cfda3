"""Coloured text has the cells of the plain text; results print themselves through rich, as rich tables."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.table import Table as RichTable

import convcalc
from convcalc import examples
from convcalc.cli.main import run
from convcalc.convert.comparison import Verification
from convcalc.diff.difference import compare_reports
from convcalc.explain.derived_figures import explain_layers
from convcalc.render.cells import Cells, wrapped_table
from convcalc.render.lines import MOST_RICH_ROWS, RichBlocks, Table, plain_text, styled_text
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import OrdinaryEvaluator, Setup
from convcalc.space.fitting import Order, fit
from convcalc.spec.inputs import Overrides

WIDTHS = (40, 60, 80, 120, 200)
HOSTILE = "[bold]a[/bold] :smile: [link=x]b"
WIDE = "畳み込み"


def without_styles(text: str) -> str:
    """Return the text without escape sequences and trailing blanks."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in plain
    return "".join(f"{line.rstrip()}\n" for line in plain.splitlines())


def printed_by_rich(result: object, width: int) -> str:
    """Return what `rich.print` writes on a console of that width without colours."""
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(result)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def printed_in_colour(result: object, width: int) -> str:
    """Return what `rich.print` writes on a terminal of that width."""
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system="standard", _environ={})
    console.print(result, end="", crop=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def layer(name: str) -> dict[str, Any]:
    return {"conv": {"out_channels": 4, "kernel_size": 3, "name": name}}


def chain(count: int) -> convcalc.Report:
    """Return the report of a network with so many layers."""
    return convcalc.summary({"input": [4], "layers": [{"relu": {}}] * count})


@pytest.fixture
def rich_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows of the rich tables that are made."""
    rows: list[int] = []
    original = RichTable.__rich_console__

    def record(table: RichTable, *arguments: Any) -> Any:
        rows.append(table.row_count)
        return original(table, *arguments)

    monkeypatch.setattr(RichTable, "__rich_console__", record)
    return rows


# -- the same cells


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("summary", "example:resnet18"),
    ("summary", "example:m5", "--columns", "name,kind,what,share,receptive_field"),
    ("summary", "example:unet", "--sort", "params", "--exact"),
    ("compare", "example:resnet18", "example:alexnet", "example:mobilenet_v2"),
    ("diff", "example:resnet18", "example:resnet50"),
    ("explain", "example:resnet18"),
    ("alternatives", "example:resnet18"),
    ("fit", "example:mobilenet_v1", "-p", "width=0.25,0.5,1", "--max-params", "5M"),
    ("rf", "example:unet"),
    ("memory", "example:googlenet", "--batch", "2"),
    ("rules",),
    ("layers",),
    ("examples",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_both_writers_show_the_same_cells_at_every_width(
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for width in (40, 80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        assert run([*command, "--color", "never"]) == 0
        plain = capsys.readouterr().out
        assert run([*command, "--color", "always"]) == 0
        styled = capsys.readouterr().out
        assert "\x1b[" in styled
        assert without_styles(styled) == plain


@pytest.mark.parametrize(
    "name", [HOSTILE, "ä" * 90, "x" * 150, "a_b" * 30, "µ×…"], ids=["markup", "ä", "x", "a_b", "signs"]
)
@pytest.mark.parametrize("width", [30, *WIDTHS])
def test_names_are_shown_as_they_are(name: str, width: int) -> None:
    from convcalc.render.compare import network_rows, networks_lines

    report = convcalc.summary({"name": name, "description": name, "input": [3, 8, 8], "layers": [layer("one")]})
    blocks = networks_lines(network_rows([(name, report), ("other", chain(2))]), width, exact=False)
    assert without_styles(styled_text(blocks)) == plain_text(blocks)


def test_cells_survive_one_by_one() -> None:
    cells = ["", " ", "  indented", "trailing ", "1.2M*", "1.2M ", HOSTILE, "\\[x]", "é", "…", "x" * 300, "5 %"]
    for right in (True, False):
        rows = [[(cell, ""), (cell, "bar"), ("|", "")] for cell in cells]
        table = Table(["a", "", "b "], [right, not right, True], rows)
        plain, styled = plain_text([table]), without_styles(styled_text([table]))
        assert styled == plain == without_styles(printed_in_colour(RichBlocks(lambda width: [table]), 10_000))  # noqa: B023


@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_colours_are_those_that_rich_writes(command: tuple[str, ...]) -> None:
    from convcalc.render.summary import table

    blocks = table(convcalc.summary(str(examples.find_file(command[1].partition(":")[2]))))
    lines = [block for block in blocks if not isinstance(block, Table)]
    assert styled_text(lines) == printed_in_colour(RichBlocks(lambda width: lines), 10_000)


# -- a column of text


@pytest.mark.parametrize("width", [*range(20, 60), 80, None])
def test_a_column_of_text_is_wrapped_and_complete(width: int | None) -> None:
    texts = ["one two three four five six seven eight nine ten", "", "a b c"]
    columns = [
        Cells("code", ["A1", "A2", "A3"], right=False),
        Cells("name", ["first-name", "second", "third"], 8, right=False),
        Cells("finds", texts, right=False),
    ]
    table = wrapped_table(columns, width)
    assert width is None or width < 22 or table.width <= width
    assert ("name" in table.titles) == (width is None or width >= 4 + 2 + 10 + 2 + 24)
    starts = [row for row, cells in enumerate(table.rows) if cells[0][0]]
    assert [table.rows[row][0][0] for row in starts] == ["A1", "A2", "A3"]
    found = [
        " ".join(cells[-1][0] for cells in table.rows[start:stop])
        for start, stop in itertools.pairwise([*starts, len(table.rows)])
    ]
    assert found == texts
    assert width is not None or len(table.rows) == 3


def test_lists_have_headers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text("input: [3, 8, 8]\nlayers: [relu, relu]\n", encoding="utf-8")
    headers = {
        ("memory", "example:lenet5"): ["tensor shape memory", "part memory", "peak change suggestion"],
        ("rules",): ["code name severity finds"] * 2,
        ("layers",): ["kind arguments"],
        ("check", "net.yaml", "--statistics"): ["count code problem"],
    }
    for command, expected in headers.items():
        run([*command, "--color", "always"])
        lines = capsys.readouterr().out.splitlines()
        titles = [" ".join(re.sub(r"\x1b\[[0-9;]*m", "", line).split()) for line in lines if line.startswith("\x1b[2m")]
        assert [title for title in titles if title in expected] == expected, command


def test_wide_characters_are_aligned() -> None:
    table = Table(["name", "n"], [False, True], [[(WIDE, ""), ("1", "")], [("abc", ""), ("23", "")]])
    styled = re.sub(r"\x1b\[[0-9;]*m", "", styled_text([table])).splitlines()
    assert {cell_len(line) for line in styled} == {len("  23") + cell_len(WIDE)}
    assert styled == plain_text([table]).splitlines()


# -- which writer


@pytest.mark.parametrize(("count", "rich"), [(MOST_RICH_ROWS, True), (MOST_RICH_ROWS + 1, False)])
def test_rich_prints_long_tables_without_rich_tables(count: int, rich: bool, rich_rows: list[int]) -> None:
    from convcalc.render.summary import table

    blocks = table(chain(count), width=100)
    assert without_styles(printed_in_colour(RichBlocks(lambda width: blocks), 100)) == plain_text(blocks)
    assert rich_rows == ([count] if rich else [])


@pytest.mark.parametrize("color", ["never", "always"])
@pytest.mark.parametrize("command", COMMANDS[:4], ids=" ".join)
def test_tables_need_nothing_of_rich(command: tuple[str, ...], color: str) -> None:
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "convcalc", *command, "--color", color],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"\| +(rich(?:\.[\w.]+)?)$", found.stderr, re.MULTILINE) == []


# -- results


@pytest.fixture(scope="module")
def report() -> convcalc.Report:
    return convcalc.summary(str(examples.find_file("resnet18")))


@pytest.mark.parametrize("width", [*WIDTHS, 20])
def test_a_report_fits_the_console(report: convcalc.Report, width: int) -> None:
    from convcalc.render.summary import table

    text = printed_by_rich(report, width)
    assert max(map(cell_len, text.splitlines())) <= width
    expected = plain_text(table(report, width=width))
    if width >= 40:
        assert without_styles(text) == expected
    else:  # the columns that are always shown do not fit: rich crops the lines
        cropped = "".join(f"{line[:width].rstrip()}\n" for line in expected.splitlines())
        assert without_styles(text) == cropped


@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_fits_what_surrounds_it(report: convcalc.Report, width: int) -> None:
    inside = [line[2:-2].rstrip() for line in printed_by_rich(Panel(report), width).splitlines()[1:-1]]
    assert "".join(f"{line}\n" for line in inside) == without_styles(printed_by_rich(report, width - 4))


def test_a_network_prints_as_a_line() -> None:
    layers = [{"linear": {"out_features": 2, "from": "b"}}]
    network = convcalc.load({"name": "[red]net", "inputs": {"a": [3, 8, 8], "b": [1]}, "layers": layers})
    assert printed_by_rich(network, 80) == "[red]net · 1 layer · a 3×8×8 · b 1\n"
    assert printed_by_rich(network, 22) == "[red]net · 1 layer\na 3×8×8 · b 1\n"


def results() -> dict[str, object]:
    """Return one result of each kind."""
    path = str(examples.find_file("mobilenet_v1"))
    report = convcalc.summary(path)
    evaluator = OrdinaryEvaluator(lambda _: report.network, Setup(Overrides()))
    return {
        "report": report,
        "network": report.network,
        "difference": compare_reports(report, convcalc.summary(path, batch=2)),
        "explanation": explain_layers(report, report.layers[0].name)[0],
        "verification": Verification(report, ()),
        "fit": fit(
            evaluator.load, evaluator, evaluator.setup, Combinations((Param("width", (1,)),)), Order("macs", False)
        ),
    }


RESULTS = results()


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_result_prints_itself(kind: str, width: int) -> None:
    text = printed_by_rich(RESULTS[kind], width)
    assert text.strip()
    assert f"<{type(RESULTS[kind]).__name__}" not in text
    assert max(map(cell_len, text.splitlines())) <= width


def test_an_invalid_spec_prints_its_excerpts(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("input: [3, 8, 8]\nlayers:\n  - cov: {}\n", encoding="utf-8")
    with pytest.raises(convcalc.InvalidSpec) as caught:
        convcalc.load(tmp_path / "net.yaml")
    text = printed_by_rich(caught.value, 200)
    assert "   3 |   - cov: {}\n" in text
    assert "^^^" in text
    assert "did you mean conv?" in text


def test_results_do_not_import_rich_until_they_are_printed() -> None:
    code = """
import sys, convcalc
report = convcalc.summary({"input": [4], "layers": [{"relu": {}}]})
str(report), repr(report), report.network.__rich__(), report.__rich__()
sys.exit("rich" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
