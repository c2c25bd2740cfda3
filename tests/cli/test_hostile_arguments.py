"""Bytes that are not UTF-8 in every argument, file name and environment variable lead to an error message at worst.

Python represents such a byte of an argument or a file name as one of 128 surrogates, which no codec can encode.
"""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from convcalc.cli.main import SECTIONS, commands, run

BROKEN = os.fsdecode(b"\xff")
NET = """\
params: {width: 4}
space: {width: [2, 4]}
input: [3, 8, 8]
layers:
  - conv: {out_channels: $width, kernel_size: 3, name: c}
"""
NEEDS = {  # arguments with which a command would succeed
    **{
        name: ["net.yaml"]
        for name in ("summary", "draw", "report", "rf", "memory", "mcu", "explain", "alternatives", "compare")
    },
    "latency": ["net.yaml", "--device", "rtx4090"],
    "check": ["net.yaml"],
    "verify": ["net.yaml"],
    "fit": ["net.yaml", "-p", "width=1,2", "--max-params", "1M"],
    "sweep": ["net.yaml", "-p", "width=1,2"],
    "merge": ["rows"],
    "space": ["net.yaml", "--sample", "2"],
    "diff": ["net.yaml", "net.yaml"],
    "import": ["model.json"],
    "export": ["net.yaml", "--to", "torch"],
    "help": ["fit"],
    "layers": ["conv"],
    "rules": ["CV201"],
    "schema": [],
    "examples": ["lenet5"],
    "init": [],
    "completion": ["bash"],
}
FORMS = (
    "{}",
    "1{}",
    "width={}",
    "width=[{}]",
    "{}=1",
    "{}=3,8,8",
    "input=3,{}",
    "separable:{}",
    "{}:c",
    "[{}",
    "CV2{}",
)
COMMANDS = list(itertools.chain.from_iterable(SECTIONS.values()))


@pytest.fixture(scope="module")
def needed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the arguments in NEEDS name."""
    made = tmp_path_factory.mktemp("needed")
    net = made / "net.yaml"
    net.write_text(NET, encoding="utf-8")
    assert run(["sweep", str(net), "-p", "width=1,2", "-o", f"{made / 'rows'}/"]) == 0
    (made / "model.json").write_text('{"class_name": "Sequential", "config": {"layers": []}}', encoding="utf-8")
    return made


@pytest.fixture(autouse=True)
def folder(needed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(needed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def said_by(arguments: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> str:
    """What a command prints for some arguments; its exit status is one of the documented ones."""
    assert run(arguments) in (0, 1, 2), arguments
    said = b"".join(capsysbinary.readouterr()).decode(errors="replace")  # a picture is not text
    assert "internal error" not in said, (arguments, said)
    return said


def options_of(command: str) -> list[str]:
    found = commands.get_command(click.Context(commands), command)
    assert found is not None
    return [option.opts[-1] for option in found.params if isinstance(option, click.Option) and not option.is_flag]


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == set(NEEDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_value_of_every_option(command: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for option, form in itertools.product(options_of(command), FORMS):
        said_by([command, *NEEDS[command], option, form.format(BROKEN)], capsysbinary)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument(command: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    needs = NEEDS[command]
    for place, form in itertools.product(range(len(needs) + 1), ("{}", "example:{}", "/{}/net.yaml", "-{}", "--{}=1")):
        said_by([command, *needs[:place], form.format(BROKEN), *needs[place + 1 :]], capsysbinary)


def test_the_name_of_a_command(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert "no command '\\xff'" in said_by([BROKEN], capsysbinary)
    assert "no layer kind '\\xff'" in said_by(["layers", BROKEN], capsysbinary)


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere refuse such names")
@pytest.mark.parametrize("command", [command for command, needs in NEEDS.items() if "net.yaml" in needs])
@pytest.mark.parametrize("text", [NET, NET.replace("kernel_size", "kernel_sze")], ids=["right", "wrong"])
def test_the_name_of_a_spec(command: str, text: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    file = f"{BROKEN}.yaml"
    Path(file).write_text(text, encoding="utf-8")
    needs = [file if word == "net.yaml" else word for word in NEEDS[command]]
    said_by([command, *needs], capsysbinary)
    for form in (
        "json",
        "csv",
        "markdown",
        "github",
        "sarif",
        "junit",
        "gitlab",
        "svg",
        "png",
        "tikz",
        "dot",
        "mermaid",
        "html",
    ):
        said_by([command, *needs, "-f", form], capsysbinary)
        said_by([command, *needs, "-f", form, "-o", f"out{BROKEN}"], capsysbinary)


def test_a_value_that_is_not_utf_8_is_named(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert (
        said_by(["summary", "net.yaml", "--set", f"width={BROKEN}"], capsysbinary)
        == "convcalc: --set: not UTF-8: \\xff\n"
    )


@pytest.mark.parametrize(
    "variable", ["COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "LANG", "_"]
)
@pytest.mark.parametrize("value", [b"\xff", b"\xc2\xb2", b"9" * 5000])
def test_the_environment(variable: str, value: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convcalc", "summary", "net.yaml"],
        capture_output=True,
        env={**os.environb, variable.encode(): value},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"internal error" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"convcalc \xff",
        b"convcalc summary \xff",
        b"convcalc layers \xff",
        b"convcalc net.yaml@\xff",
        b"convcalc \xff@w",
        b"convcalc \xff --set w",
        b"convcalc rf \xff ",
        b"convcalc rf net.yaml --set width=\xff ",
    ],
)
def test_words_that_a_shell_wants_completed(words: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from convcalc.__main__ import main; sys.argv = ['convcalc']; main()"],
        capture_output=True,
        env={**os.environb, b"_CONVCALC_COMPLETE": b"bash_complete", b"COMP_LINE": words},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["rf", "net.yaml", "c", "--position", "{},1"],
        ["check", "net.yaml", "--max-params", "{}"],
        ["diff", "net.yaml", "net.yaml", "--fail-if", "macs>{}"],
        ["summary", "net.yaml", "--set", "width={}"],
        ["summary", "net.yaml", "--input", "3,{},8"],
        ["summary", "net.yaml", "--batch", "{}"],
        ["fit", "net.yaml", "-p", "width=1:{}:1", "--max-params", "1M"],
    ],
    ids=" ".join,
)
def test_an_integer_of_more_digits_than_python_converts(
    arguments: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    said = said_by([word.format("9" * 5000) for word in arguments], capsysbinary)
    assert "set_int_max_str_digits" not in said


# `report` writes a page, and `verify` needs PyTorch
@pytest.mark.parametrize(
    "command", [name for name in NEEDS if "net.yaml" in NEEDS[name] and name not in ("report", "verify")]
)
def test_no_network_name_is_a_command_in_the_log_of_github(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    heading = 'name: "::error::pwned ##[error]pwned"\ndescription: "::warning::pwned"\n'
    Path("net.yaml").write_text(heading + NET, encoding="utf-8")
    assert run([command, *NEEDS[command]]) in (0, 1)
    said = "".join(capsys.readouterr())
    assert not [line for line in said.splitlines() if line.lstrip().startswith("::") or "##[" in line]
