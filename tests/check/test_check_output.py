"""`convcalc check`: what it prints, in which form, and how wide."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

import convcalc
from convcalc.check.runner import Checked
from convcalc.cli.main import run
from convcalc.metrics.budgets import BudgetUse, measure_budgets
from convcalc.network import Limit
from convcalc.problems import Problem
from convcalc.render.check import disarm_commands, github_summary, text_lines
from convcalc.render.lines import plain_text

# conv1: 3 × 8 × 9 + 8 = 224 params, 36 positions × 8 × 27 = 7,776 MACs
# conv2: 8 × 4 × 9 + 4 = 292 params, 16 positions × 4 × 72 = 4,608 MACs; it sees 3 + 2 = 5 elements
# peak, at conv1: (3 × 64 + 8 × 36) × 4 B = 1,920 B = 1.875 KiB, 46.875% of 4 KiB
NET = """\
input: [3, 8, 8]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - relu
  - conv: {out_channels: 4, kernel_size: 3}
"""
BUDGET = """\
budget:
  params: 1K
  macs: 100K
  peak_memory: 4KiB
  receptive_field: {min: 3}
  output_shape: [4, 4, 4]
  per_layer: {"conv*": {params: {min: 10, max: 300}}}
"""
USES = [
    ("params", "516", "1,000", "51.6%"),
    ("MACs", "12,384", "100,000", "12.4%"),
    ("peak memory", "1.88 KiB", "4.00 KiB", "46.9%"),
    ("conv2: receptive field", "5", "≥ 3", ""),
    ("output conv2", "4×4×4", "4×4×4", ""),
    ("conv2: params", "292", "300", "97.3%"),
    ("conv1: params", "224", "≥ 10", ""),
]
# the note is a bias before a batch norm: 8 × 27 + 8 + 16 = 240 params
NOTED = """\
input: [3, 8, 8]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - batchnorm
budget: {params: 1K}
"""
WRONG = NET.replace("kernel_size: 3}\n  - relu", "kernel_siez: 3}\n  - relu")
UNFIXABLE = NOTED.replace("params: 1K", "params: 100")
HOSTILE = "\x1b[31m|a`b`::error::x\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, outside GitHub Actions."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit status, standard output and standard error of `convcalc check`."""
    status = run(["check", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def write(**texts: str) -> None:
    for name, text in texts.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")


def cells(text: str) -> list[tuple[str, ...]]:
    """Return the cells of the lines of a table, without its header."""
    return [tuple(re.split(r"\s{2,}", line.strip())) for line in text.split("\n\n")[0].splitlines()[1:]]


def without_blanks(uses: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [tuple(text for text in use if text) for use in uses]


def test_the_table_shows_every_budget_in_the_order_of_the_spec(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NET + BUDGET)
    status, out, err = check(capsys, "net.yaml")
    assert (status, err) == (0, "")
    assert cells(out) == without_blanks(USES)
    assert out.splitlines()[0].split() == ["budget", "used", "limit", "%"]
    assert out.endswith("\n\n1 file checked: no problems\n")


def test_only_maximums_have_a_percentage() -> None:
    network = convcalc.summary(io.StringIO(NET + "budget: {params: {min: 100, max: 1032}, layers: {max: 3}}\n"))
    assert measure_budgets(network) == (
        BudgetUse("params", "516", "1,032", "50.0%"),
        BudgetUse("params", "516", "≥ 100", ""),
        BudgetUse("layers", "3", "3", "100.0%"),
    )


def test_a_maximum_of_zero_has_no_percentage() -> None:
    network = convcalc.summary(io.StringIO("input: [3, 8, 8]\nlayers: [relu]\nbudget: {params: 0}\n"))
    assert measure_budgets(network) == (BudgetUse("params", "0", "0", ""),)


def test_of_equal_layers_the_first_is_named() -> None:
    text = "input: [3, 8, 8]\nlayers:\n" + "  - conv: {out_channels: 3, kernel_size: 1}\n" * 3
    network = convcalc.summary(io.StringIO(text + 'budget: {per_layer: {"conv*": {params: {min: 1, max: 24}}}}\n'))
    # 3 × 3 + 3 = 12 params each
    assert measure_budgets(network) == (
        BudgetUse("conv1: params", "12", "24", "50.0%"),
        BudgetUse("conv1: params", "12", "≥ 1", ""),
    )


def test_each_output_has_its_own_row() -> None:
    outputs = "outputs: [relu1, conv2]\nbudget: {receptive_field: {relu1: {min: 2}, conv2: {max: 10}}}\n"
    network = convcalc.summary(io.StringIO(NET + outputs))
    assert measure_budgets(network) == (
        BudgetUse("relu1: receptive field", "3", "≥ 2", ""),
        BudgetUse("conv2: receptive field", "5", "10", "50.0%"),
    )


def test_an_unknown_figure_is_a_question_mark() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 3, kernel_size: 1}\n"
    network = convcalc.summary(io.StringIO(text + "  - opaque: {name: odd, output_shape: [3, 8, 8]}\n"))
    limits = [
        Limit("flops", None, 1000, ()),
        Limit("receptive_field", 3, None, ()),
        Limit("macs", None, 1000, (), pattern="*"),
    ]
    assert measure_budgets(network, limits) == (
        BudgetUse("FLOPs", "?", "1,000", ""),
        BudgetUse("odd: receptive field", "?", "≥ 3", ""),
        BudgetUse("odd: MACs", "?", "1,000", ""),
    )


def test_a_budget_whose_figure_is_unknown_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    write(net="input: [3, 8, 8]\nlayers:\n  - opaque: {output_shape: [3, 8, 8]}\nbudget: {macs: 1K}\n")
    status, out, _ = check(capsys, "net.yaml")
    assert status == 1
    assert "error: MACs are unknown, so the budget cannot be verified [CV100]" in out
    assert "no budget is set" not in out


def test_a_missing_budget_is_mentioned_once(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NET, other=NET)
    assert check(capsys, "net.yaml") == (0, "1 file checked: no problems; no budget is set\n", "")
    assert check(capsys) == (0, "2 files checked: no problems; no budget is set\n", "")


def test_several_files_have_a_column_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    write(b=NET + BUDGET, a=NET + "budget: {layers: 6}\n")
    out = check(capsys, "b.yaml", "a.yaml")[1]
    rows = [("a.yaml", "layers", "3", "6", "50.0%"), *(("b.yaml", *use) for use in USES)]
    assert cells(out) == without_blanks(rows)


def test_one_file_with_several_values_names_them_in_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    text = "params: {c: 1}\ninput: [1, 8, 8]\nlayers:\n  - conv: {out_channels: $c, kernel_size: 1}\n"
    write(net=text + "budget: {params: 8}\n")
    out = check(capsys, "net.yaml@c=1", "net.yaml@c=2")[1]
    assert sorted(row[1:] for row in cells(out)) == [
        ("params (with c=1)", "2", "8", "25.0%"),
        ("params (with c=2)", "4", "8", "50.0%"),
    ]


def test_notes_do_not_hide_the_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NOTED)
    status, out, _ = check(capsys, "net.yaml")
    assert status == 0
    assert out.startswith("net.yaml:3:5: note: ")
    assert re.search(r"^params +240 +1,000 +24\.0%$", out, re.MULTILINE)
    assert out.endswith("\n1 file: 1 note; --fix can fix 1 of them\n")


def test_an_error_in_any_file_hides_the_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NET + BUDGET, wrong=WRONG)
    status, out, _ = check(capsys)
    assert status == 1
    assert out.startswith("wrong.yaml:3:29: error: conv has no argument 'kernel_siez' [CV010]\n")
    assert "limit" not in out


def test_the_job_summary_has_the_budgets(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(net=NOTED)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    check(capsys, "net.yaml", "-f", "github")
    lines = (folder / "summary.md").read_text(encoding="utf-8").splitlines()
    assert lines[:6] == [
        "### convcalc: 1 file: 1 note; --fix can fix 1 of them",
        "",
        "| budget | used | limit | % |",
        "|---|---:|---:|---:|",
        "| params | 240 | 1,000 | 24.0% |",
        "",
    ]
    assert lines[6] == "| place | severity | code | problem |"
    assert lines[8].startswith("| net.yaml:3:5 | note | CV206 | ")


def test_hostile_names_stay_in_their_cells() -> None:
    use = BudgetUse(f"{HOSTILE}: params", "1", "2", "50.0%")
    checked = [Checked(HOSTILE, (), None, budgets=(use,)), Checked("net.yaml", (), None, budgets=(use,))]
    text = plain_text(text_lines(checked))
    assert len(text.splitlines()) == 5  # header, two rows, a blank line, the summary
    assert "\x1b" not in text
    summary = github_summary(checked)
    assert "\x1b" not in summary
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    # five cells, whatever the names contain
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert not re.search(r"(?<!\\)`", summary)
    assert not any(line.lstrip().startswith("::") for line in summary.splitlines())


def test_the_log_of_github_obeys_no_name() -> None:
    use = BudgetUse("::error::x", "1", "2", "50.0%")
    text = disarm_commands(plain_text(text_lines([Checked("net.yaml", (), None, budgets=(use,))])))
    stop, *between, go = text.splitlines()
    token = stop.removeprefix("::stop-commands::")
    assert go == f"::{token}::"
    assert any(line.startswith(r"\x3a:error::x") for line in between)
    assert token not in "\n".join(between)


@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize("word", ["filter", "卷積層の名前", "é́́"])
def test_messages_and_hints_fit_the_width(width: int, word: str) -> None:
    problem = Problem(("layers",), " ".join([word] * 30), "CV100", " ".join([word] * 20))
    lines = plain_text(text_lines([Checked("net.yaml", (problem,), None)], width=width, quiet=True)).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert " ".join(" ".join(lines).split()).count(word) == 50
    # every line but the last of a paragraph is full: the next word would not have fitted
    first = cell_len(lines[0])
    assert first + 1 + cell_len(word) > width


def test_a_word_longer_than_the_line_is_not_broken() -> None:
    problem = Problem(("layers",), f"see {'x' * 70} there", "CV100", "")
    lines = plain_text(text_lines([Checked("net.yaml", (problem,), None)], width=40, quiet=True)).splitlines()
    assert "    " + "x" * 70 in lines


def test_the_width_comes_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(net=NET + "budget: {macs: 10K}\n")
    monkeypatch.setenv("COLUMNS", "40")
    assert check(capsys, "net.yaml")[1].splitlines()[:3] == [
        "net.yaml:6:16: error: 12,384 MACs exceed",
        "    the budget of 10,000 by 23.8%",
        "    [CV100]",
    ]


def test_fix_reports_fixes_per_file_and_nothing_left(capsys: pytest.CaptureFixture[str]) -> None:
    write(a=NOTED, b=WRONG)
    status, out, err = check(capsys, "--fix")
    assert (status, err) == (0, "a.yaml: 1 fix\nb.yaml: 1 fix\n2 fixes in 2 files\n")
    # without the bias of 8, the first file has 232 params
    assert cells(out) == [("a.yaml", "params", "232", "1,000", "23.2%")]
    assert check(capsys, "--fix")[2] == "nothing to fix\n"


def test_fix_fails_if_a_problem_remains(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=UNFIXABLE)
    status, out, err = check(capsys, "net.yaml", "--fix")
    assert (status, err) == (1, "1 fix in net.yaml\n")
    assert "error: 232 params exceed the budget of 100 by 132.0%" in out
    assert out.endswith("\n1 file: 1 error\n")
    status, _, err = check(capsys, "net.yaml", "--fix")
    assert (status, err) == (1, "nothing to fix\n")


def test_diff_says_if_there_is_nothing_to_fix(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NET + BUDGET)
    assert check(capsys, "net.yaml", "--diff") == (0, "", "nothing to fix\n")
    assert check(capsys, "net.yaml", "--diff", "-q") == (0, "", "")


@pytest.mark.parametrize("arguments", [(), ("-f", "text"), ("-f", "github"), ("--fix",), ("--diff",)])
def test_quiet_prints_nothing_without_problems(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NET + BUDGET)
    assert check(capsys, "net.yaml", "-q", *arguments) == (0, "", "")


@pytest.mark.parametrize("format", ["text", "github"])
def test_quiet_prints_problems_and_no_summary(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NOTED)
    out = check(capsys, "net.yaml", "-q", "-f", format)[1]
    assert "net.yaml:3:5: note: " in out
    assert "1 file" not in out
    assert "limit" not in out


@pytest.mark.parametrize("format", ["json", "sarif", "junit", "gitlab"])
def test_quiet_leaves_reports_for_programs_complete(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(net=NOTED)
    loud = check(capsys, "net.yaml", "-f", format)
    assert "CV206" in loud[1]
    assert check(capsys, "net.yaml", "-f", format, "-q") == loud


def test_quiet_fixes_print_only_what_remains(capsys: pytest.CaptureFixture[str]) -> None:
    write(net=UNFIXABLE)
    status, out, err = check(capsys, "net.yaml", "--diff", "-q")
    assert status == 1
    assert out.startswith("--- net.yaml\n")
    assert err.startswith("net.yaml:5:")
    assert "1 file" not in err
    status, out, err = check(capsys, "net.yaml", "--fix", "-q")
    assert (status, err) == (1, "")
    assert out.startswith("net.yaml:5:")
    assert "1 file" not in out


def test_no_report_is_written_over_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, encoding="utf-8")
    Path("own.toml").write_text('max-params = "1M"\n', encoding="utf-8")
    assert run(["check", "net.yaml", "--config", "own.toml", "-f", "json", "-o", "./own.toml"]) == 2
    assert "-o ./own.toml is also an input file: nothing was written" in capsys.readouterr().err
    assert Path("own.toml").read_text(encoding="utf-8") == 'max-params = "1M"\n'
