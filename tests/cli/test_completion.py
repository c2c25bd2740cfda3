"""Shells complete commands, networks, layers, spec parameters, columns and data types."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from convcalc.cli.main import commands, run

NET = """\
params: {width: 1, kernels: [3, 3]}
input: [3, 8, 8]
blocks:
  pair: {layers: [{conv: {out_channels: 4, kernel_size: 1, name: left}}, {relu: {name: right}}]}
layers:
  - conv: {out_channels: 4, kernel_size: $kernels, name: stem}
  - pair: {name: body}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, encoding="utf-8")


def completions(*words: str) -> list[str]:
    """The completions of the last word, as any shell gets them."""
    *before, last = words
    found = ShellComplete(commands, {}, "convcalc", "_CONVCALC_COMPLETE").get_completions(before, last)
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sum"], ["summary"]),
        (["example:resnet50"], ["example:resnet50"]),
        (["summary", "example:resnet5"], ["example:resnet50"]),
        (["compare", "net.yaml", "example:lenet"], ["example:lenet5"]),
        (["report", "net.yaml", "example:lenet"], ["example:lenet5"]),
        (["layers", "conv_t"], ["conv_transpose"]),
        (["rf", "net.yaml", ""], ["body", "body.left", "body.right", "stem"]),
        (["explain", "net.yaml", "body."], ["body.left", "body.right"]),
        (["alternatives", "net.yaml", "st"], ["stem"]),
        (["rf", "net.yaml@kernels=[1,1]", "s"], ["stem"]),
        (["rf", "missing.yaml", ""], []),
        (["alternatives", "net.yaml", "--apply", "sep"], ["separable:"]),
        (["alternatives", "net.yaml", "--apply", "separable:st"], ["separable:stem"]),
        (["summary", "net.yaml", "--set", ""], ["width=", "kernels="]),
        (["net.yaml", "--set", "w"], ["width="]),
        (["summary", "net.yaml", "--set=ker"], ["kernels="]),
        (["compare", "net.yaml", "example:ds_cnn", "--set", ""], ["width=", "kernels=", "channels="]),
        (["diff", "net.yaml", "net.yaml", "--set-new", "w"], ["width="]),
        (["fit", "net.yaml", "-p", "w"], ["width="]),
        (["summary", "net.yaml@"], ["net.yaml@width=", "net.yaml@kernels="]),
        (["compare", "net.yaml@width=2,k"], ["net.yaml@width=2,kernels="]),
        (["example:ds_cnn@"], ["example:ds_cnn@channels="]),
        (["summary", "net.yaml", "--sort", "rec"], ["receptive_field"]),
        (["summary", "net.yaml", "--columns", "name,par"], ["name,params"]),
        (["compare", "net.yaml", "--columns", "name,pea"], ["name,peak_memory"]),
        (["compare", "net.yaml", "--sort", "inp"], ["input_shape"]),
        (["fit", "net.yaml", "--by", "par"], ["params"]),
        (["alternatives", "net.yaml", "--by", "par"], ["params"]),
        (["summary", "net.yaml", "--depth", ""], ["all"]),
        (["summary", "net.yaml", "--dtype", "float1"], ["float16"]),
        (["summary", "net.yaml", "--dtype", "weights=int8,act"], ["weights=int8,activations="]),
        (["summary", "net.yaml", "--dtype", "weights=int8,bias=int3"], ["weights=int8,bias=int32"]),
        (["completion", "z"], ["zsh"]),
    ],
    ids=" ".join,
)
def test_words_are_completed(words: list[str], expected: list[str]) -> None:
    assert completions(*words) == expected


def in_bash(line: str) -> list[str]:
    """What bash adds to a line: the completions of what follows the last character at which it splits words."""
    Path("bin").mkdir(exist_ok=True)
    program = Path("bin", "convcalc")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m convcalc "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = (
        'eval "$(convcalc completion bash)"\n'
        'COMP_LINE="$1" COMP_POINT=${#1}\n'
        "_convcalc_completion convcalc 2> /dev/null\n"  # compopt fails outside of a completion
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    environment = {**os.environ, "PATH": f"{Path('bin').resolve()}{os.pathsep}{os.environ['PATH']}"}
    breaks = "COMP_WORDBREAKS=$' \\t\\n\"\\'@><=;|&(:'\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", breaks + script, "bash", line],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("convcalc summary example:resnet5", ["resnet50"]),
        ("convcalc rf net.yaml body.", ["body.left", "body.right"]),
        ("convcalc rf net.yaml ", ["body", "body.left", "body.right", "stem"]),
        ("convcalc net.yaml --set wid", ["width="]),
        ("convcalc net.yaml --set=wid", ["width="]),
        ("convcalc compare net.yaml@wid", ["@width="]),
        ("convcalc net.yaml --dtype weights=float1", ["float16"]),
        ("convcalc net.yaml --columns name,par", ["name,params"]),
        ("convcalc net.yaml --dep", ["--depth"]),
    ],
)
def test_bash_completes_the_part_of_a_word_that_it_replaces(line: str, expected: list[str]) -> None:
    assert in_bash(line) == expected


@pytest.mark.parametrize(
    ("shell", "place"),
    [("bash", "~/.bashrc"), ("zsh", "~/.zshrc"), ("fish", "~/.config/fish/completions/convcalc.fish")],
)
def test_the_first_line_of_a_script_says_where_to_put_it(
    shell: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("# ")
    assert place in first
    script = "\n".join(others)
    assert f"_CONVCALC_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=f"{first}\n{script}\n", text=True, check=True)
