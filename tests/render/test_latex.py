"""Tables in LaTeX have the figures of the report, compile, and contain nothing that LaTeX would run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.examples import list_names
from convcalc.render.latex import architecture_latex, escape


def list_rows(text: str) -> list[list[str]]:
    return [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]


def test_the_architecture_has_a_row_per_block_and_the_totals() -> None:
    report = convcalc.analyse(convcalc.load("example:resnet50"))
    head, *rows, total = list_rows(architecture_latex(report, 2, fold=False, exact=True))
    assert head == ["layer", "type", "output", "params", "MACs"]
    assert total == ["total", "", "", "25,557,032", "4,089,184,256"]  # PyTorch's count of torchvision's resnet50
    assert rows[0] == ["input", "", r"3$\times$224$\times$224", "", ""]
    assert [row[0] for row in rows if row[0].startswith("stage3")] == ["stage3.0", "stage3.1--5"]
    for column, whole in ((3, 25_557_032), (4, 4_089_184_256)):
        assert sum(int(row[column].replace(",", "")) for row in rows if row[column]) == whole


def test_the_best_figures_of_a_comparison_are_bold(capsys: pytest.CaptureFixture[str]) -> None:
    nets = ["example:resnet18", "example:resnet50"]
    assert run(["compare", *nets, "--columns", "name,params,receptive_field", "-f", "latex"]) == 0
    assert list_rows(capsys.readouterr().out) == [
        ["network", "params", "field"],
        ["resnet18", r"\textbf{11.69 M}", r"\textbf{435}"],
        ["resnet50", "25.56 M", "427"],
    ]


@pytest.mark.parametrize("option", ["--columns", "--sort"])
def test_options_of_other_tables_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", "example:lenet5", option, "macs", "-f", "latex"]) == 2
    assert f"{option} cannot be combined with -f latex" in capsys.readouterr().err


def test_text_is_escaped() -> None:
    assert escape("a_b\\input{x}%$&#^~") == (
        r"a\_b\textbackslash{}input\{x\}\%\$\&\#\textasciicircum{}\textasciitilde{}"
    )
    assert escape("漢\u202e") == r"?\textbackslash{}u202e"


def test_tables_of_all_examples_fit_the_text_of_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    monkeypatch.chdir(tmp_path)
    lines = [r"\documentclass[11pt]{article}\usepackage{booktabs}\newsavebox\measured\begin{document}"]
    for name in list_names():
        report = convcalc.analyse(convcalc.load(f"example:{name}"))
        Path(f"{name}.tex").write_text(architecture_latex(report, None, fold=True, exact=False), encoding="ascii")
        lines.append(rf"\sbox\measured{{\input{{{name}}}}}\usebox\measured\clearpage")
        size = r"\the\wd\measured,\the\ht\measured,\the\dp\measured"
        lines.append(rf"\typeout{{}}\typeout{{SIZE,{size},\the\textwidth,\the\textheight}}")
    Path("all.tex").write_text("\n".join([*lines, r"\end{document}"]), encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    found = [line.replace("pt", "").split(",")[1:] for line in done.stdout.splitlines() if line.startswith("SIZE,")]
    assert len(found) == len(list_names())
    for name, sizes in zip(list_names(), found, strict=True):
        width, above, below, text_width, text_height = map(float, sizes)
        assert text_width == 360
        assert width <= text_width, name
        assert above + below <= text_height, name


def test_only_long_names_and_types_are_on_several_lines() -> None:
    report = convcalc.analyse(convcalc.load("example:lenet5"))
    text = architecture_latex(report, None, fold=True, exact=False)
    assert r"\begin{tabular}{llrrr}" in text
    assert "raggedright" not in text
    long = {"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3, "name": "a_long_name" * 12}}]}
    text = architecture_latex(convcalc.analyse(convcalc.load(long)), None, fold=True, exact=False)
    assert re.search(r"\\begin\{tabular\}\{p\{\d+pt\}", text)
    assert r"a\_\allowbreak{}long\_\allowbreak{}name" in text


def test_latex_compiles_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    monkeypatch.chdir(tmp_path)
    assert run(["summary", "example:mobilenet_v2", "-o", "one.tex"]) == 0
    assert run(["compare", "example:resnet*", "-o", "two.tex"]) == 0
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{one}\input{two}\end{document}"
    Path("all.tex").write_text(document, encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
