"""Run the commands in the README: the text after `$ convcalc …` must be what the command prints at 80 columns.

A block marked `console torch` or `console onnx` is run only if that package is installed, and is otherwise left alone.
`python -m tests.documented` rewrites the README with the current output; review the diff.
"""

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from convcalc.cli.main import run
from tests.support.places import README

BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def printed(arguments: list[str]) -> str:
    """Return what convcalc prints: standard output followed by standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        run(arguments)
    return out.getvalue() + err.getvalue()


def answered(console: str) -> str:
    """Return a console block with the current output of its commands."""
    lines = []
    for line in console.splitlines():
        if line.startswith("$ convcalc "):
            answer = printed(shlex.split(line)[2:]).rstrip("\n")
            lines += [line, *(answer.split("\n") if answer else [])]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def workplace(text: str) -> Iterator[None]:
    """Create a folder with the files shown in the text, and set a terminal of 80 columns without colours."""
    before, here = dict(os.environ), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        for language, name, content in BLOCK.findall(text):
            if language == "yaml" and name:
                Path(folder, name).write_text(content, encoding="utf-8")
        os.chdir(folder)
        os.environ.update(COLUMNS="80", NO_COLOR="1")
        try:
            yield
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)


def rewritten(text: str) -> str:
    """Return the text with all console blocks updated."""

    def answer(match: re.Match[str]) -> str:
        if match[1] != "console" or (match[2] and find_spec(match[2]) is None):
            return match[0]
        return f"```{f'console {match[2]}'.rstrip()}\n{answered(match[3])}```"

    with workplace(text):
        return BLOCK.sub(answer, text)


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write("README.md is written anew: read what changed\n")
