"""The commands as seen by a terminal, a pipe and a script."""

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from convcalc.cli.main import OTHER_WORDS, SECTIONS, commands, run
from convcalc.problems import normalise_word
from tests.support.places import DATA, ROOT
from tests.support.specs import memory
from tests.support.ultralytics_models import yolov8

GOOD = "name: small\ninput: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
# words that an example of the help contains → the package it needs
NEEDS = {"verify": "torch", "--torch": "torch", "onnx": "onnx"}
BAD = GOOD.replace("kernel_size", "kernel_sze")


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(GOOD, encoding="utf-8")
    return "net.yaml"


def convcalc(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "convcalc", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env={**os.environ, **environment}, check=False)


def epilogues() -> list[str]:
    names = [name for names in SECTIONS.values() for name in names]
    helps = [run_help([])] + [run_help([name]) for name in names]
    return [line.strip() for text in helps for line in text.split("Examples:")[-1].splitlines() if line.strip()]


def run_help(arguments: list[str]) -> str:
    return subprocess.run(
        [sys.executable, "-m", "convcalc", *arguments, "--help"], capture_output=True, text=True, check=True
    ).stdout


def make_files_of_the_help() -> None:
    """The files that examples of the help import or compare, in the current folder."""
    config = json.dumps(json.loads(gzip.decompress((DATA / "keras" / "VGG16.json.gz").read_bytes()))["keras"])
    Path("yolov8.yaml").write_text(yolov8(), encoding="utf-8")
    with zipfile.ZipFile("model.keras", "w") as archive:
        archive.writestr("config.json", config)
    Path("nets.py").write_text(
        "from torch import nn\n\n\ndef small():\n    return nn.Conv2d(3, 4, 3)\n", encoding="utf-8"
    )
    Path("accuracy.csv").write_text("width,top1\n0.5,63.3\n1,70.9\n", encoding="utf-8")
    small = "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
    Path("small.yaml").write_text(small, encoding="utf-8")
    if find_spec("onnx"):
        for file in ("resnet50.onnx", "net.onnx"):
            assert run(["export", "example:resnet50", "--to", "onnx", "-o", file]) == 0
        assert run(["import", "resnet50.onnx", "-o", "resnet50.yaml"]) == 0


def is_runnable(line: str) -> bool:
    """Whether the packages that an example of the help needs are installed."""
    return all(find_spec(package) for word, package in NEEDS.items() if word in line)


def test_examples_of_the_help_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_files_of_the_help()
    lines = epilogues()
    assert len(lines) >= 2 * len(commands.list_commands(None))  # type: ignore[arg-type]
    for number, line in enumerate(filter(is_runnable, lines)):
        arguments, _, target = line.partition(" > ")
        words = shlex.split(arguments)[1:]
        assert run(words if "-o" in words else [*words, "-o", target or f"out{number}"]) == 0, line


def test_every_command_is_listed_in_its_section_of_the_help() -> None:
    text = run_help([])
    for section, listed in SECTIONS.items():
        assert f"{section}:\n" in text
        assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in listed)


def test_commands_are_listed_with_the_first_sentence_of_their_help() -> None:
    context = click.Context(commands)
    found = {name: commands.get_command(context, name) for name in commands.list_commands(context)}
    helps = {name: command.get_short_help_str(limit=200) for name, command in found.items() if command}
    assert {name: help for listed in SECTIONS.values() for name, help in listed.items()} == helps


def test_json_is_the_report(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", net, "-f", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "convcalc/report/2"
    assert report["file"] == "net.yaml"
    assert report["layers"] == [
        {
            "name": "conv1",
            "kind": "conv",
            "line": 4,
            "from": ["input"],
            "arguments": {
                "out_channels": 4,
                "kernel_size": [3, 3],
                "stride": [1, 1],
                "padding": [[0, 0], [0, 0]],
                "dilation": [1, 1],
                "groups": 1,
                "bias": True,
                "padding_mode": "zeros",
                "weight_standardized": False,
            },
            "input_shapes": [[3, 8, 8]],
            "output_shape": [4, 6, 6],
            "params": 112,
            "trainable_params": 112,
            "buffers": 0,
            "multiplications": 3888,
            "additions": 3888,
            "macs": 3888,
            "flops": 7776,
            "input_memory": 768,
            "weight_memory": 448,
            "activation_memory": 576,
            "live_memory": 1344,
            "receptive_field": {"size": [3, 3], "jump": [1, 1], "center": [1, 1], "aligned": True},
        }
    ]
    totals = report["totals"]
    assert (totals["input_memory"], totals["weight_memory"], totals["activation_memory"]) == (768, 448, 576)
    assert (totals["peak_memory"], totals["peak_at"]) == (1344, "conv1")
    assert report["totals"]["receptive_field"]["size"] == [3, 3]


def test_options_override_the_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "wide.yaml"
    spec.write_text(
        "params: {width: 8, act: relu}\ninput: [3, 8, 8]\nlayers:\n"
        "  - conv: {out_channels: $width, kernel_size: 3}\n  - $act\n",
        encoding="utf-8",
    )
    options = ["--set", "width=16", "--set", "act=tanh", "--input", "1,10,10", "--batch", "2", "--dtype", "int8"]
    assert run(["summary", str(spec), "-f", "json", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [layer["kind"] for layer in report["layers"]] == ["conv", "tanh"]
    assert report["layers"][0]["output_shape"] == [16, 8, 8]
    assert memory(report["layers"][0]) == {
        "input": 200,
        "weight": 16 * 9 + 16 * 4,
        "activation": 2048,
        "live": 2248,
    }
    assert (report["params"], report["batch"]) == ({"width": 16, "act": "tanh"}, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sumary", "net.yaml"], "did you mean summary?"),
        (["lint"], "did you mean check?"),
        (["Validate", "net.yaml"], "did you mean check?"),
        (["test"], "did you mean check?"),
        (["ci"], "did you mean check?"),
        (["tune"], "did you mean fit?"),
        (["scan"], "did you mean sweep?"),
        (["search"], "did you mean fit?"),
        (["flops", "net.yaml"], "did you mean summary?"),
        (["macs"], "did you mean summary?"),
        (["show"], "did you mean summary?"),
        (["visualize"], "did you mean draw?"),
        (["plot"], "did you mean draw?"),
        (["receptive"], "did you mean rf?"),
        (["receptive-field"], "did you mean rf?"),
        (["convert", "net.onnx"], "did you mean import or export?"),
        (["exprot"], "did you mean export?"),
        (["qwertz"], "convcalc --help lists the commands"),
        (["resnet18"], "no command 'resnet18': did you mean example:resnet18?"),
        (["mobilenet-v1"], "did you mean example:mobilenet_v1?"),
        (["summary", "resnet18"], "resnet18: no such file: did you mean example:resnet18?"),
        (["."], "convcalc check . checks the specs of a folder"),
        (["ne.yaml"], "no such file: did you mean net.yaml?"),
        (["example:lenet"], "did you mean lenet5?"),
        (["net.yaml", "--dept", "1"], "--depth"),
        (["net.yaml", "rf"], "unexpected extra argument"),
        (["--vrsion"], "--version"),
        (["summary", ""], "'': no such file"),
        (["summary", "net.yaml", "-o", ""], "-o takes the name of a file, not ''"),
        (["summary", "net.yaml", "-o", "out/"], "-o takes the name of a file, not 'out/'"),
        (["summary", "net.yaml", "--dtype", "fp16"], "write float16"),
        (["summary", "ne.yaml"], "no such file: did you mean net.yaml?"),
        (["summary", "resnet50"], "did you mean example:resnet50?"),
        (["summary", "example:resnet5"], "did you mean resnet50?"),
        (["summary", "."], "directory"),
        (["summary", "/dev/null"], "not a regular file"),
        (["summary", "net.yaml", "--set", "width"], "NAME=VALUE"),
        (["summary", "net.yaml", "--set", "width=2"], "no parameter 'width'"),
        (["summary", "net.yaml", "--set", "width=[1"], "--set: "),
        (["summary", "net.yaml", "--input", "left=3,8,8"], "unknown input 'left'"),
        (["summary", "net.yaml", "--columns", "name,parms"], "did you mean params?"),
        (["summary", "net.yaml", "--sort", "mcs"], "did you mean macs?"),
        (["summary", "net.yaml", "-f", "json", "--depth", "1"], "--depth cannot be combined with -f json"),
        (["summary", "net.yaml", "-o", "net.yaml"], "is also an input file"),
        (["summary", "net.yaml", "-o", "no/such/folder/out"], "no such file or directory"),
        (["summary", "net.yaml", "--batch", "0"], "x>=1"),
        (["layers", "conv2d"], "write conv"),
        (["examples", "resnet5"], "did you mean resnet50?"),
    ],
)
def test_what_cannot_be_done_is_explained_and_exits_with_2(
    arguments: list[str], said: str, net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert Path(net).read_text(encoding="utf-8") == GOOD


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("Usage: convcalc")
    assert printed.err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["net.yaml"],
        ["example:lenet5"],
        ["example:lenet5", "-f", "json"],
        ["-f", "json", "net.yaml"],
        ["--depth", "1", "example:lenet5"],
        ["-q", "./net.yaml"],
    ],
    ids=" ".join,
)
def test_a_network_in_place_of_a_command_is_summarised(
    arguments: list[str], net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 0
    short = capsys.readouterr()
    assert run(["summary", *arguments]) == 0
    assert capsys.readouterr() == short
    assert "conv1" in short.out or "params" in short.out


def test_a_command_wins_over_a_file_of_its_name(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("layers").write_text(GOOD, encoding="utf-8")
    assert run(["layers"]) == 0
    assert "conv_transpose" in capsys.readouterr().out
    Path("small").write_text(GOOD, encoding="utf-8")
    assert run(["small"]) == 0
    assert capsys.readouterr().out.startswith("small\n")


def test_other_words_for_commands_can_be_found() -> None:
    known = {name for names in SECTIONS.values() for name in names}
    assert set(OTHER_WORDS) <= known
    words = {word for line in OTHER_WORDS.values() for word in line.split()}
    assert not words & known
    assert {normalise_word(word) for word in words} == words


def test_standard_input_is_a_spec() -> None:
    good, bad = convcalc("-", stdin=GOOD.encode()), convcalc("summary", "-", stdin=BAD.encode())
    assert (good.returncode, b"112" in good.stdout) == (0, True)
    assert (bad.returncode, bad.stderr.startswith(b"<stdin>:4:29: ")) == (1, True)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="standard output has no name here")
@pytest.mark.parametrize(
    "options", [["summary", "-f", "json"], ["sweep", "-p", "width=0.5", "-f", "csv"]], ids=" ".join
)
def test_o_can_name_standard_output_that_is_a_pipe(options: list[str]) -> None:
    command = [sys.executable, "-m", "convcalc", *options, "example:mobilenet_v1"]
    done = [
        subprocess.run([*command, *more], capture_output=True, check=True, cwd=ROOT).stdout
        for more in ([], ["-o", "/dev/stdout"])
    ]
    assert done[0] == done[1] != b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is always full")
def test_a_full_disk_is_reported_in_words() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "convcalc", "summary", "example:lenet5"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (2, "convcalc: no space left on device\n")


def test_a_closed_standard_output_is_reported() -> None:
    command = f"{shlex.quote(sys.executable)} -m convcalc summary example:lenet5 >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "convcalc: standard output is closed\n")


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{shlex.quote(sys.executable)} -m convcalc summary example:resnet50 -f csv | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.startswith(b"name,")


def run_into_closed_pipe(*arguments: str) -> tuple[int, str]:
    """Return the exit status and the messages of a command whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "convcalc", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("output", ["csv", "json", "jsonl", "table"])
def test_a_sweep_into_a_closed_pipe_succeeds(output: str) -> None:
    arguments = ["sweep", "example:mobilenet_v1", "-p", "width=0.5:1:0.001", "-f", output]
    assert run_into_closed_pipe(*arguments) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["summary", "--help"], ["summary", "example:resnet50"]])
def test_text_into_a_closed_pipe_succeeds(arguments: list[str]) -> None:
    assert run_into_closed_pipe(*arguments) == (0, "")


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_closed_pipe_does_not_hide_a_failed_check(tmp_path: Path, output: str) -> None:
    bad = tmp_path / "bad.yaml"
    entries = "".join(f"  - unknown{number}\n" for number in range(300))
    bad.write_text(f"input: [1, 8, 8]\nlayers:\n{entries}", encoding="utf-8")
    status, _ = run_into_closed_pipe("check", str(bad), "-f", output)
    assert status == 1


def test_output_is_written_atomically_and_keeps_the_permissions_of_the_old_file(net: str) -> None:
    target = Path("out.json")
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    assert run(["summary", net, "-f", "json", "-o", "out.json"]) == 0
    assert json.loads(target.read_text(encoding="utf-8"))["name"] == "small"
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in Path().iterdir()) == ["net.yaml", "out.json"]


def test_an_invalid_spec_leaves_the_output_file_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")
    out = tmp_path / "out.txt"
    out.write_text("old", encoding="utf-8")
    assert run(["summary", str(tmp_path / "bad.yaml"), "-o", str(out)]) == 1
    assert out.read_text(encoding="utf-8") == "old"


def test_nothing_is_quoted_from_a_file_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("root:x:0:0\ntoken hunter2\n", encoding="utf-8")
    Path("link.yaml").symlink_to("secret")
    text = convcalc("summary", "link.yaml")
    as_json = convcalc("summary", "link.yaml", "-f", "json")
    assert (text.returncode, as_json.returncode) == (1, 1)
    printed = text.stdout + text.stderr + as_json.stdout + as_json.stderr
    assert b"link.yaml:1:" in text.stderr
    assert not re.search(rb"root|token|hunter", printed)


def test_colours_appear_on_request_and_never_from_a_file(net: str) -> None:
    always = convcalc("summary", net, "--color", "always").stdout
    plain = convcalc("summary", net).stdout
    assert re.sub(rb"\x1b\[[0-9;]*m", b"", always).split() == plain.split()
    assert b"\x1b[" in always
    assert b"\x1b" not in plain
    assert b"\x1b" in convcalc("summary", net, FORCE_COLOR="1").stdout
    assert b"\x1b" not in convcalc("summary", net, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_json_needs_no_rich(net: str) -> None:
    code = "import sys; from convcalc.cli.main import run; run(sys.argv[1:]); sys.exit('rich' in sys.modules)"
    for arguments in (["-f", "json"], []):
        subprocess.run([sys.executable, "-c", code, "summary", net, *arguments], capture_output=True, check=True)


def test_an_internal_error_shows_no_traceback(
    net: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise RuntimeError("broken \x1b[31m")

    monkeypatch.setattr("convcalc.analysis.report.analyse", fail)
    assert run(["summary", net]) == 2
    assert "internal error: RuntimeError: broken \\x1b[31m" in capsys.readouterr().err
    monkeypatch.setenv("CONVCALC_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        run(["summary", net])


def test_an_interrupt_exits_with_130(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("convcalc.analysis.report.analyse", interrupt)
    assert run(["summary", net]) == 130


INTERRUPT_AN_IMPORT = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["convcalc", "summary", "example:lenet5"]
"""
STARTS = {
    "command": "from convcalc.__main__ import main\nsys.exit(main())",
    "module": "import runpy\nrunpy.run_module('convcalc', run_name='__main__', alter_sys=True)",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "module", ["convcalc.cli.main", "click", "convcalc.cli.summary", "yaml", "convcalc.render.summary"]
)
def test_an_interrupt_during_imports_exits_with_130(module: str, start: str) -> None:
    code = INTERRUPT_AN_IMPORT.replace("MODULE", repr(module)) + STARTS[start]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")  # click ends the line that shows ^C


@pytest.mark.parametrize("module", ["convcalc", "convcalc.__main__"])
def test_little_is_imported_before_interrupts_are_handled(module: str) -> None:
    code = f"import sys; before = set(sys.modules); import {module}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"convcalc", "convcalc.version", "convcalc.__main__", "gc"}


def test_quiet_prints_only_the_totals(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", net, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "conv1  " not in printed
    assert "params" in printed


def test_the_choices_of_a_missing_option_are_on_separate_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "example:lenet5"]) == 2
    said = capsys.readouterr().err
    assert "\\x09" not in said
    assert said.split()[-3:] == ["torch,", "keras,", "onnx"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "-f", "json"],
        ["rf", "-f", "json"],
        ["memory", "-f", "json"],
        ["explain", "-f", "json"],
        ["explain", "--conventions", "-f", "json"],
        ["compare", "-f", "json"],
        ["alternatives", "-f", "json"],
        ["check", "-f", "json", "--max-params", "1"],
        ["fit", "-p", "size=160,224", "--max-params", "100M", "-f", "json"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_an_example_is_named_as_in_the_command_and_never_by_its_path(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run([arguments[0], "example:mobilenet_v1", *arguments[1:]])
    printed = capsys.readouterr().out
    assert '"file": "example:mobilenet_v1"' in printed
    assert "mobilenet_v1.yaml" not in printed


def test_the_problems_of_an_example_name_it_as_in_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", "example:alexnet", "--input", "3,8,8", "-f", "json"]) == 1
    assert '"file": "example:alexnet"' in capsys.readouterr().out
    assert run(["check", "example:alexnet", "--max-params", "1"]) == 1
    assert capsys.readouterr().out.startswith("example:alexnet:3:1: ")
    assert run(["diff", "example:lenet5", "example:unet", "-f", "json"]) == 0
    printed = capsys.readouterr().out
    assert '"example:lenet5"' in printed
    assert ".yaml" not in printed
