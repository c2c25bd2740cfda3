"""Texts in CSV that a spreadsheet would run as a formula, and numbers, which stay numbers."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from convcalc.cli.main import run
from convcalc.render.csv_text import guard_text, write_csv

SPEC = """
params: {act: relu, width: 2}
x-task: "=HYPERLINK(A1)"
input: [3]
layers: [{linear: $width}]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=cmd()", "'=cmd()"),
        ("+1+cmd()", "'+1+cmd()"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-5", "-5"),
        ("+.5", "+.5"),
        ("-1e-9", "-1e-9"),
        ("-", "-"),
        ("relu", "relu"),
        ("a=b", "a=b"),
        ("", ""),
        (" =1", " =1"),
    ],
)
def test_a_formula_begins_with_a_quote(text: str, expected: str) -> None:
    assert guard_text(text) == expected
    assert list(csv.reader(io.StringIO(write_csv([[text, -5, None, 0.5]])))) == [[expected, "-5", "", "0.5"]]


def test_no_csv_of_a_command_has_a_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(SPEC, encoding="utf-8")
    Path("a.csv").write_text("act,=note,top1\n=cmd(),@x,-3\n", encoding="utf-8")
    varied = ["-p", "act='=cmd()',relu", "-p", "width=2,3"]
    joined = ["--join", "a.csv", "--columns", "x-task,macs"]
    cases: list[list[Any]] = [
        ["sweep", "net.yaml", *varied, *joined],
        ["fit", "net.yaml", *varied, "--max-macs", "100"],
        ["compare", "net.yaml", "--columns", "name,macs,x-task"],
    ]
    for arguments in cases:
        assert run([*arguments, "-f", "csv"]) == 0
        rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
        assert arguments[0] == "compare" or "'=cmd()" in cells
    assert run([*cases[0], "-f", "csv", "-o", "rows/"]) == 0
    assert run(["merge", "rows"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "act,width,x-task,macs,'=note,top1,problem",
        "'=cmd(),2,'=HYPERLINK(A1),6,'@x,-3,",
    ]
