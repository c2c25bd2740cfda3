"""`convcalc check`: what is checked, what is suppressed, what fails."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convcalc.analysis.report import Report
from convcalc.check import configuration
from convcalc.check.comments import Ignore, find_ignores
from convcalc.check.rule import Rule
from convcalc.check.rules import RULES
from convcalc.cli.main import run
from convcalc.problems import Problem
from convcalc.spec.source import scalar_extents
from tests.support.places import EXAMPLES

# the finding here is a bias before a batch norm, on line 4
BIASED = """\
name: net
input: [3, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3}
  - batchnorm
  - global_avgpool
  - flatten
  - linear: {out_features: 10}
"""
CLEAN = BIASED.replace("kernel_size: 3}", "kernel_size: 3, bias: false}")
WRONG = BIASED.replace("kernel_size", "kernel_sze")
STACKED = CLEAN + "  - linear: {out_features: 10}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    for name, text in (
        ("clean.yaml", CLEAN),
        ("biased.yaml", BIASED),
        ("wrong.yaml", WRONG),
        ("stacked.yaml", STACKED),
    ):
        Path(name).write_text(text, encoding="utf-8")
    return tmp_path


def codes(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """The exit status and the codes of the findings."""
    status = run(["check", *arguments, "-f", "json"])
    return status, [problem["code"] for problem in json.loads(capsys.readouterr().out)["problems"]]


@pytest.mark.parametrize(
    ("arguments", "status", "found"),
    [
        (["clean.yaml"], 0, []),
        (["biased.yaml"], 0, ["CV206"]),
        (["biased.yaml", "--fail-on", "note"], 1, ["CV206"]),
        (["stacked.yaml"], 1, ["CV208"]),
        (["stacked.yaml", "--fail-on", "error"], 0, ["CV208"]),
        (["stacked.yaml", "--exit-zero"], 0, ["CV208"]),
        (["wrong.yaml"], 1, ["CV010"]),
        (["clean.yaml", "wrong.yaml", "biased.yaml"], 1, ["CV206", "CV010"]),
        (["biased.yaml", "--ignore", "CV206"], 0, []),
        (["biased.yaml", "--ignore", "CV2"], 0, []),
        (["biased.yaml", "--fail-on", "note", "--exit-zero"], 0, ["CV206"]),
        (["wrong.yaml", "--exit-zero"], 1, ["CV010"]),
        (["clean.yaml", "--max-params", "100"], 1, ["CV100"]),
        (["clean.yaml", "--max-params", "1K", "--min-receptive-field", "3"], 0, []),
        (["clean.yaml", "--select", "CV307"], 0, ["CV307"]),
        (["clean.yaml", "--select", "CV307", "--fail-on", "note"], 1, ["CV307"]),
    ],
)
def test_findings_and_whether_they_fail(
    arguments: list[str], status: int, found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = CLEAN.replace("out_channels: 8", "out_channels: 12")
    Path("stacked.yaml").write_text(STACKED, encoding="utf-8")
    if "CV307" in arguments:
        Path("clean.yaml").write_text(text, encoding="utf-8")
    assert codes(capsys, *arguments) == (status, found)


def test_the_spec_selects_rules_and_the_command_line_takes_precedence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.yaml").write_text(BIASED + "check: {ignore: [CV206]}\n", encoding="utf-8")
    assert codes(capsys, "own.yaml") == (0, [])
    assert codes(capsys, "own.yaml", "--select", "CV206") == (0, ["CV206"])


@pytest.mark.parametrize("file", ["convcalc.toml", "pyproject.toml"])
def test_the_nearest_configuration_above_a_file_applies(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    head = "[tool.convcalc]\n" if file == "pyproject.toml" else ""
    inner = "[tool.convcalc.per-path.'models/*']\n" if head else "[per-path.'models/*']\n"
    Path(file).write_text(f'{head}ignore = ["CV206"]\n{inner}max-params = 100\n', encoding="utf-8")
    Path("models").mkdir()
    Path("models/net.yaml").write_text(BIASED, encoding="utf-8")
    assert codes(capsys, "biased.yaml") == (0, [])
    assert codes(capsys, "models/net.yaml") == (1, ["CV100"])
    assert codes(capsys, "models/net.yaml", "--isolated") == (0, ["CV206"])


def test_a_file_cannot_loosen_an_external_limit(capsys: pytest.CaptureFixture[str]) -> None:
    Path("convcalc.toml").write_text("max-params = 100\n", encoding="utf-8")
    text = CLEAN + "check: {ignore: [CV1]}\nbudget: {params: 1G}  # convcalc: ignore[CV100]\n"
    Path("sly.yaml").write_text(text, encoding="utf-8")
    status, found = codes(capsys, "sly.yaml")
    assert (status, sorted(found)) == (1, ["CV100", "CV199"])


def test_external_limits_of_the_command_line_precede_those_of_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    table = 'max-params = 100\nmax-layers = 1\n[per-path."cl*"]\nmax-layers = 10\n'
    Path("convcalc.toml").write_text(table, encoding="utf-8")
    assert codes(capsys, "clean.yaml") == (1, ["CV100"])
    assert codes(capsys, "clean.yaml", "--max-params", "1M") == (0, [])
    assert codes(capsys, "clean.yaml", "--max-params", "1M", "--max-layers", "1") == (1, ["CV100"])
    assert codes(capsys, "clean.yaml", "--min-params", "1") == (1, ["CV100"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max-parms = 5\n", "convcalc.toml:1: unknown setting 'max-parms' (did you mean max-params?)"),
        ('ignore = ["CV999"]\n', "unknown rule 'CV999'"),
        ('fail-on = "eror"\n', "did you mean error?"),
        ("select = 3\n", "must be a list of rule codes"),
        ("max-params = [\n", "convcalc.toml"),
        (f"max-params = {'9' * 5000}\n", "convcalc.toml: Exceeds the limit"),
        (f"max-params = {'[' * 5000}\n", "convcalc.toml: maximum recursion depth"),
        ("channel-multiple = 0\n", "convcalc.toml:1: channel-multiple must be a positive integer; got 0"),
        ('[per-path."*"]\nchannel-multiple = true\n', "convcalc.toml:2: channel-multiple must be a positive integer"),
    ],
)
def test_a_wrong_configuration_exits_with_2(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("convcalc.toml").write_text(text, encoding="utf-8")
    assert run(["check", "clean.yaml"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# max-params\nmax-layers = 3\nmax-params = true\n", "convcalc.toml:3: params must be"),
        ('max-params = 1\n[per-path."a"]\nmax-params = 1\n[per-path."b"]\nmax-params = true\n', "convcalc.toml:5: "),
        ("per-path = {b = {max-params = true}}\n", "convcalc.toml:1: "),
        (
            '[per-path."a"]\nselect = []\n[per-path."a".per-path."b"]\nselect = []\n',
            "convcalc.toml:1: per-path cannot be nested",
        ),
    ],
)
def test_a_mistake_in_a_configuration_is_reported_at_its_own_line(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    test_a_wrong_configuration_exits_with_2(text, said, capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tool.lint]\nselect = ["E"]\n[tool.convcalc]\nselect = ["CV999"]\n', "pyproject.toml:4: unknown rule"),
        ("[tool]\nconvcalc = 3\n", "tool.convcalc must be a table; got 3"),
    ],
)
def test_a_wrong_pyproject_exits_with_2(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    assert run(["check", "clean.yaml"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--select", "cv206"], "convcalc: --select: unknown rule 'cv206': did you mean CV206?"),
        (["--ignore", "CV206,X"], "convcalc: --ignore: unknown rule 'X': convcalc rules lists them"),
    ],
)
def test_a_wrong_code_on_the_command_line_exits_with_2_and_a_hint(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "clean.yaml", *arguments]) == 2
    assert capsys.readouterr().err == said + "\n"


def test_codes_may_be_separated_by_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert codes(capsys, "biased.yaml", "--ignore", "CV201, CV206") == (0, [])


def test_a_job_summary_that_cannot_be_written_exits_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "nowhere/summary.md")
    assert run(["check", "clean.yaml", "-f", "github"]) == 2
    assert capsys.readouterr().err == "convcalc: GITHUB_STEP_SUMMARY: nowhere/summary.md: no such file\n"


def test_comments_suppress_findings_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(BIASED.replace("3}", "3}  # convcalc: ignore[CV206]"), encoding="utf-8")
    assert codes(capsys, "net.yaml") == (0, [])
    assert codes(capsys, "net.yaml", "--no-ignores") == (0, ["CV206"])


def test_a_comment_that_suppresses_nothing_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(
        CLEAN.replace("3, ", "3, ").replace("- batchnorm", "- batchnorm  # convcalc: ignore[CV206]")
    )
    assert codes(capsys, "net.yaml") == (1, ["CV199"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: b  # convcalc: ignore[CV201]", [Ignore(1, 26, "CV201")]),
        ("a: b\nc: d # convcalc: ignore[CV201, CV202]", [Ignore(2, 25, "CV201"), Ignore(2, 32, "CV202")]),
        ("a: 'b # convcalc: ignore[CV201]'", []),
        ("a: |\n  b # convcalc: ignore[CV201]\n", []),
        ("a: b#convcalc:ignore[CV201]", []),
        ("a: b  # convcalc: ignored", []),
        ("a: b  # convcalc: ignore[]", [Ignore(1, 7, "")]),
        ("a: b  # convcalc: ignore CV201", [Ignore(1, 7, "")]),
        ("a: b\rc: d # convcalc: ignore[CV201]", [Ignore(2, 25, "CV201")]),
        ("a: '# b' # convcalc: ignore[CV201]", [Ignore(1, 29, "CV201")]),
    ],
)
def test_text_that_looks_like_a_comment_suppresses_nothing(text: str, found: list[Ignore]) -> None:
    assert find_ignores(text) == found


def test_a_comment_with_an_unknown_rule_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(BIASED.replace("3}", "3}  # convcalc: ignore CV206"), encoding="utf-8")
    assert run(["check", "net.yaml"]) == 1
    out = capsys.readouterr().out
    assert "the comment has no rule code and silences nothing [CV199]" in out
    assert "[CV206]" in out


def test_thousands_of_comments_take_no_quadratic_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    text = "a:\n" + "  - b # convcalc: ignore[CV201]\n" * 2_000

    class Extents(list[tuple[int, int]]):
        def __getitem__(self, index: Any) -> Any:
            asked.append(index)
            return super().__getitem__(index)

        def __iter__(self) -> Any:
            for extent in super().__iter__():
                asked.append(0)
                yield extent

    found = Extents(scalar_extents(text))
    monkeypatch.setattr("convcalc.check.comments.scalar_extents", lambda text: found)
    assert len(find_ignores(text)) == 2_000
    assert len(asked) < 2_000 * 40


def test_folders_and_patterns_are_searched_for_specs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/deep").mkdir(parents=True)
    Path("models/deep/a.yaml").write_text(BIASED, encoding="utf-8")
    Path("models/b.convcalc.yaml").write_text("input: [3]\n", encoding="utf-8")
    Path("models/other.yml").write_text("jobs: []\n", encoding="utf-8")
    assert sorted(codes(capsys, "models")[1]) == ["CV012", "CV206"]
    assert codes(capsys, "models/**/a.yaml")[1] == ["CV206"]
    assert run(["check", "models/other.*"]) == 2
    assert "no specs to check (1 YAML file skipped: no layers)" in capsys.readouterr().err


def test_a_file_found_under_several_names_is_checked_once(capsys: pytest.CaptureFixture[str]) -> None:
    here = os.getcwd()
    assert codes(capsys, "biased.yaml", "./biased.yaml", f"{here}/biased.yaml", ".//biased.yaml", "*sed.yaml")[1] == [
        "CV206"
    ]
    assert run(["check", "./biased.yaml", "biased.yaml", "--fix"]) == 0


def test_the_target_of_a_link_is_another_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other/inner").mkdir(parents=True)
    Path("other/biased.yaml").write_text(CLEAN, encoding="utf-8")
    os.symlink("other/inner", "link")
    assert codes(capsys, "link/../biased.yaml", "biased.yaml") == (0, ["CV206"])


@pytest.mark.parametrize("text", ["\ufefflayers:\n", "input: [3, 8, 8]\nlayers :\n"])
def test_a_spec_is_recognised_despite_a_byte_order_mark_or_unusual_spacing(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("models").mkdir()
    Path("models/net.yaml").write_text(text + "  - conv: {}\n", encoding="utf-8")
    assert codes(capsys, "models")[0] == 1


def test_special_files_in_a_folder_are_reported_and_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models").mkdir()
    os.mkfifo("models/net.yaml")
    assert codes(capsys, "models") == (2, ["CV000"])


def test_an_unreadable_folder_is_not_skipped_silently(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("models/shut").mkdir(parents=True)
    Path("models/net.yaml").write_text(CLEAN, encoding="utf-8")
    scandir = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert run(["check", "models"]) == 2
    assert "models/shut: error: permission denied [CV000]" in capsys.readouterr().out


def test_an_unreadable_file_is_reported_and_the_others_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert codes(capsys, "no.yaml", "biased.yaml", "clean.yaml") == (2, ["CV206", "CV000"])
    assert run(["check", "clean.yml", "--exit-zero"]) == 2
    assert "clean.yml: error: no such file: did you mean clean.yaml? [CV000]" in capsys.readouterr().out
    Path("folder.yaml").mkdir()
    os.symlink("nowhere", "folder.yaml/link.convcalc.yaml")
    assert codes(capsys, "folder.yaml", "wrong.yaml") == (2, ["CV000", "CV010"])


def test_findings_behind_a_symbolic_link_quote_nothing_of_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    os.symlink("biased.yaml", "link.yaml")
    assert run(["check", "link.yaml", "--fail-on", "note"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("link.yaml:4:5: note: a finding of the linter (the contents")
    assert "CV206" in told
    assert "conv" not in told


def test_an_unknown_example_is_reported_like_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "example:lenet", "clean.yaml"]) == 2
    assert "example:lenet: error: unknown example 'lenet': did you mean lenet5?" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["text", "json", "github", "sarif", "junit", "gitlab"])
def test_every_format_reports_an_unreadable_file(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "no.yaml", "biased.yaml", "-f", format]) == 2
    told = capsys.readouterr().out
    assert all(word in told for word in ("no.yaml", "no such file", "CV206"))


def test_a_crashing_rule_affects_only_its_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def findings(self: Rule, report: Report) -> Iterator[Problem]:
        if report.network.name == "net":
            raise ZeroDivisionError("by zero")
        return iter(())

    monkeypatch.delenv("CONVCALC_TRACEBACK", raising=False)
    monkeypatch.setattr(RULES["CV206"], "findings", findings)
    assert codes(capsys, "biased.yaml", "wrong.yaml") == (2, ["CV000", "CV010"])
    assert run(["check", "biased.yaml"]) == 2
    assert "biased.yaml: error: internal error: ZeroDivisionError: by zero" in capsys.readouterr().out


def test_the_summary_counts_the_files_that_are_not_specs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ci.yml").write_text("jobs: []\n", encoding="utf-8")
    Path("wrong.yaml").unlink()
    Path("stacked.yaml").unlink()
    assert run(["check", ".", "*.yml", "clean.yaml", "--ignore", "CV206"]) == 0
    assert capsys.readouterr().out == "2 files checked: no problems; no budget is set; 1 YAML file skipped: no layers\n"
    Path("biased.yaml").unlink()
    assert run(["check", "clean.yaml"]) == 0
    assert capsys.readouterr().out == "1 file checked: no problems; no budget is set\n"


def test_the_multiple_of_channels_can_be_configured(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models").mkdir()
    for file in ("net.yaml", "models/net.yaml"):
        Path(file).write_text(CLEAN.replace("out_channels: 8", "out_channels: 24"), encoding="utf-8")
    assert codes(capsys, "net.yaml", "--select", "CV307") == (0, [])
    assert codes(capsys, "net.yaml", "--select", "CV307", "--channel-multiple", "16") == (0, ["CV307"])
    text = 'select = ["CV307"]\nchannel-multiple = 16\n[per-path."models/*"]\nchannel-multiple = 12\n'
    Path("convcalc.toml").write_text(text, encoding="utf-8")
    assert codes(capsys, "net.yaml") == (0, ["CV307"])
    assert codes(capsys, "models/net.yaml") == (0, [])
    assert codes(capsys, "models/net.yaml", "--channel-multiple", "5") == (0, ["CV307"])
    assert run(["check", "net.yaml"]) == 0
    assert "24 output channels, not a multiple of 16" in capsys.readouterr().out


def test_a_table_for_a_path_inherits_what_it_does_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    text = 'fail-on = "error"\n[per-path."biased.yaml"]\nmax-params = "1M"\n'
    Path("convcalc.toml").write_text(text, encoding="utf-8")
    assert codes(capsys, "biased.yaml") == (0, ["CV206"])


def test_a_configuration_is_read_once_for_all_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("convcalc.toml").write_text('ignore = ["CV206"]\n', encoding="utf-8")
    for folder in ("a", "a/b"):
        Path(folder).mkdir()
        for number in range(3):
            Path(f"{folder}/net{number}.yaml").write_text(BIASED, encoding="utf-8")
    Path("a/b/pyproject.toml").write_text("[tool.convcalc]\nignore = ['CV206']\n", encoding="utf-8")
    reads: list[str] = []
    table_of = configuration.read_table

    def read(path: str) -> dict[str, object] | None:
        reads.append(os.path.relpath(path))
        return table_of(path)

    monkeypatch.setattr(configuration, "read_table", read)
    assert codes(capsys, "a") == (0, [])
    assert sorted(reads) == ["a/b/pyproject.toml", "convcalc.toml"]


def test_github_actions_get_annotations_text_and_a_summary(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    assert run(["check", "biased.yaml", "--fail-on", "note"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("::notice file=biased.yaml,line=4,")
    assert "biased.yaml:4:5: " in printed
    assert "CV206" in (here / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("format", ["text", "json", "github", "sarif", "junit", "gitlab"])
def test_every_format_reports_the_finding(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "biased.yaml", "--fail-on", "note", "-f", format]) == 1
    assert "CV206" in capsys.readouterr().out


def test_statistics_count_the_codes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("again.yaml").write_text(BIASED, encoding="utf-8")
    assert run(["check", "biased.yaml", "again.yaml", "--statistics"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines() if "CV206" in line] == [["2", "CV206"]]


def test_the_zoo_passes() -> None:
    command = [sys.executable, "-m", "convcalc", "check", str(EXAMPLES), "--isolated"]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
