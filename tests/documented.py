"""Run the commands in the README and the manual: the text after `$ convcalc …` must be what the command prints.

The terminal has 80 columns. A command may end with `| head -N`, which shows its first lines, or with `> FILE`. A block
marked `console torch` or `console onnx` is run only if that package is installed, and is otherwise left alone.
`python -m tests.documented` rewrites all pages, the fields of the JSON page, the formats of the page on importing and
the README's picture; review the diff.
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

import convcalc
from convcalc.cli.main import run
from tests import format_table, json_fields, picture
from tests.support.places import README

MANUAL = Path(convcalc.__file__).parent / "manual"
PAGES = [README, *sorted(MANUAL.glob("*.md"))]
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEAD = re.compile(r"(.*) \| head -(\d+)$")


def printed(arguments: list[str]) -> str:
    """Return what convcalc prints: standard output followed by standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        run(arguments)
    return out.getvalue() + err.getvalue()


def answer(command: str) -> list[str]:
    """Return the lines that a command of a page shows."""
    first = HEAD.fullmatch(command)
    command, _, file = (first[1] if first else command).partition(" > ")
    text = printed(shlex.split(command)[1:])
    if file:
        Path(file).write_text(text, encoding="utf-8")
        return []
    lines = text.rstrip("\n").split("\n") if text.rstrip("\n") else []
    return lines[: int(first[2])] if first else lines


def answered(console: str) -> str:
    """Return a console block with the current output of its commands."""
    lines = []
    for line in console.splitlines():
        if line.startswith("$ convcalc "):
            lines += [line, *answer(line.removeprefix("$ "))]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def workplace(text: str) -> Iterator[None]:
    """Create a folder with the files shown in the text, and set a terminal of 80 columns without colours."""
    before, here = dict(os.environ), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        for language, name, content in BLOCK.findall(text):
            if language in ("yaml", "toml", "text") and name:
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

    def updated(match: re.Match[str]) -> str:
        if match[1] != "console" or (match[2] and find_spec(match[2]) is None):
            return match[0]
        return f"```{f'console {match[2]}'.rstrip()}\n{answered(match[3])}```"

    with workplace(text):
        return BLOCK.sub(updated, text)


def rewrite_all() -> None:
    json_fields.PAGE.write_text(json_fields.with_fields(json_fields.PAGE.read_text("utf-8")), encoding="utf-8")
    format_table.PAGE.write_text(format_table.with_tables(format_table.PAGE.read_text("utf-8")), encoding="utf-8")
    picture.FILE.write_text(picture.draw(), encoding="utf-8")
    for page in PAGES:
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    rewrite_all()
    sys.stdout.write("README.md, the manual and the picture are written anew: read what changed\n")
