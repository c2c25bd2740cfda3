"""-o chooses the format by the suffix of its file, and -q does what the help of each command says."""

import json
from pathlib import Path

import pytest

from convcalc.cli.main import commands, run

# what each command needs to write each of its formats
ARGUMENTS = {
    "summary": ["example:lenet5"],
    "draw": ["example:lenet5"],
    "rf": ["example:lenet5", "conv2"],
    "memory": ["example:lenet5"],
    "report": ["example:lenet5"],
    "mcu": ["example:lenet5"],
    "latency": ["example:lenet5", "--device", "rtx4090"],
    "explain": ["example:lenet5"],
    "alternatives": ["example:lenet5"],
    "fit": ["example:mobilenet_v1", "-p", "width=0.5", "--max-params", "5M"],
    "space": ["example:fbnet", "--sample", "1"],
    "sweep": ["example:mobilenet_v1", "-p", "width=0.5"],
    "diff": ["example:lenet5", "example:alexnet"],
    "compare": ["example:lenet5", "example:alexnet"],
    "check": ["example:lenet5"],
}
SUFFIXES = {
    "html": ".html",
    "json": ".json",
    "csv": ".csv",
    "markdown": ".md",
    "svg": ".svg",
    "sarif": ".sarif",
    "dot": ".dot",
    "latex": ".tex",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parameter(command: str, name: str) -> object:
    found = commands.get_command(None, command)  # type: ignore[arg-type]
    assert found is not None
    return next((parameter for parameter in found.params if parameter.name == name), None)


def formats(command: str) -> list[str]:
    option = parameter(command, "format")
    return list(option.type.choices) if option else []  # type: ignore[attr-defined]


def test_every_command_with_formats_is_tested() -> None:
    names = commands.list_commands(None)  # type: ignore[arg-type]
    assert {name for name in names if formats(name)} == {*ARGUMENTS, "verify"}  # which needs PyTorch


@pytest.mark.parametrize(
    ("command", "format"),
    [(command, format) for command in ARGUMENTS for format in SUFFIXES if format in formats(command)],
)
def test_the_suffix_chooses_the_format(command: str, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("out" + SUFFIXES[format])
    assert run([command, *ARGUMENTS[command], "-o", str(file)]) == 0
    assert run([command, *ARGUMENTS[command], "-f", format]) == 0
    assert file.read_text(encoding="utf-8") == capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "formats"), [("report", "formats are html, json"), ("draw", "formats are svg, png")]
)
def test_a_text_file_is_refused_by_commands_that_write_no_text(
    command: str, formats: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "example:lenet5", "-o", "out.TXT"]) == 2
    said = capsys.readouterr().err
    assert f"-o out.TXT: {command} has no format txt" in said
    assert formats in said
    assert not Path("out.TXT").exists()
    if command == "report":
        assert run([command, "example:lenet5", "-o", "out.txt", "-f", "html"]) == 0


def test_a_given_format_wins_over_the_suffix_and_an_unknown_suffix_keeps_the_default() -> None:
    assert run(["summary", "example:lenet5", "-o", "out.json", "-f", "csv"]) == 0
    assert Path("out.json").read_text(encoding="utf-8").startswith("name,")
    assert run(["summary", "example:lenet5", "-o", "out.txt"]) == 0
    assert Path("out.txt").read_text(encoding="utf-8").startswith("lenet5 ")
    assert run(["summary", "example:lenet5", "-o", "OUT.JSON"]) == 0
    assert json.loads(Path("OUT.JSON").read_text(encoding="utf-8"))["name"] == "lenet5"
    assert run(["schema", "-o", "schema.json"]) == 0
    assert run(["summary", "example:lenet5", "-o", "out.png", "-f", "csv"]) == 0
    assert Path("out.png").read_text(encoding="utf-8").startswith("name,")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rf", "example:lenet5", "-o", "out.csv"], "rf has no format csv; its formats are table, json, svg"),
        (["memory", "example:lenet5", "-o", "out.md"], "memory has no format markdown; its formats are table, json"),
        (["check", "example:lenet5", "-o", "out.csv"], "its formats are text, json, github, sarif, junit, gitlab"),
        (["examples", "lenet5", "-o", "out.json"], "examples has no format json; it writes text"),
        (["init", "-o", "out.json"], "init has no format json; it writes text"),
        (["schema", "-o", "out.md"], "schema has no format markdown; it writes json"),
        (["rf", "example:lenet5", "-o", "out.svg"], "-f svg need a LAYER"),
        (
            ["summary", "example:lenet5", "--depth", "1", "-o", "out.csv"],
            "--depth cannot be combined with -o out.csv (CSV)",
        ),
        (["compare", "example:lenet5", "--exact", "-o", "out.json"], "cannot be combined with -o out.json (JSON)"),
        (["compare", "example:lenet5", "--columns", "macs", "-o", "out.json"], "-o out.json (JSON), which has every"),
        (
            ["fit", "example:ds_cnn", "-p", "channels=16", "--max-params", "1M", "-q", "-o", "out.md"],
            "-q cannot be combined with -o out.md (Markdown)",
        ),
        (
            ["summary", "example:lenet5", "-o", "out.xlsx"],
            "no format xlsx; its formats are table, json, csv,",
        ),
        (["summary", "example:lenet5", "-o", "out.XLS"], "summary has no format xls; its formats are table, json,"),
        (["compare", "example:lenet5", "-o", "out.html"], "compare has no format html; its formats are table, json,"),
        (["memory", "example:lenet5", "-o", "out.pdf"], "memory has no format pdf; its formats are table, json"),
        (["rf", "example:lenet5", "conv1", "-o", "out.png"], "rf has no format png; its formats are table, json, svg"),
    ],
)
def test_a_suffix_without_a_format_is_an_error(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
    assert list(Path().iterdir()) == []


SWAPPED = "input: [32, 32, 3]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"


@pytest.mark.parametrize("command", ["summary", "rf", "memory", "explain", "alternatives", "compare", "export", "diff"])
def test_quiet_prints_no_warnings(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(SWAPPED, encoding="utf-8")
    more = {"export": ["--to", "torch"], "diff": ["net.yaml"]}.get(command, [])
    assert run([command, "net.yaml", *more]) == 0
    assert "CV213" in capsys.readouterr().err
    assert run([command, "net.yaml", *more, "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "omitted", "kept"),
    [
        (["summary", "example:lenet5"], "conv1 ", "61,706"),
        (["summary", "example:lenet5", "-f", "markdown"], "| conv1", "61,706"),
        (["memory", "example:resnet18"], "a smaller input", "peak"),
        (["explain", "example:lenet5", "conv1"], "source  ", "params"),
        (["diff", "example:resnet18", "example:resnet34"], "added", "params"),
        (["diff", "example:resnet18", "example:resnet34", "-f", "markdown"], "<details>", "params"),
        (["fit", *ARGUMENTS["fit"]], "mobilenet_v1", "--set width=0.5\n"),
    ],
    ids=lambda part: " ".join(part[:2]) if isinstance(part, list) else "",
)
def test_quiet_omits_what_the_help_says(
    arguments: list[str], omitted: str, kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 0
    assert omitted in capsys.readouterr().out
    assert run([*arguments, "-q"]) == 0
    printed = capsys.readouterr().out
    assert omitted not in printed
    assert kept in printed


def test_quiet_is_not_offered_where_it_would_do_nothing() -> None:
    for command in ("layers", "rules", "schema", "examples", "init"):
        assert parameter(command, "quiet") is None


def test_quiet_fit_has_one_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", *ARGUMENTS["fit"], "-q", "-f", "json"]) == 2
    assert "-q cannot be combined with -f json" in capsys.readouterr().err
