"""A result that is longer than the screen is shown in a pager, and only there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terminal import on_screen

pytest.importorskip("pty")
PAGER = "sed s,^,paged:,"
SUMMARY = ("-m", "convcalc", "summary", "example:lenet5")
SCREEN = {"PAGER": PAGER, "COLUMNS": "100", "NO_COLOR": ""}


def test_a_long_table_is_paged() -> None:
    status, written = on_screen(*SUMMARY, **SCREEN, LINES="20")
    assert status == 0
    assert all(line.startswith("paged:") for line in written.rstrip().splitlines())
    assert "61,706" in written


def test_less_keeps_the_colours(tmp_path: Path) -> None:
    less = tmp_path / "less"
    less.write_text('#!/bin/sh\necho "LESS=$LESS"\ncat\n', encoding="utf-8")
    less.chmod(0o755)
    status, written = on_screen(*SUMMARY, **{**SCREEN, "PAGER": str(less), "LESS": ""}, LINES="20")
    assert status == 0
    assert written.startswith("LESS=-R")
    assert re.search(r"\x1b\[[0-9;]*m", written)


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ([], {"LINES": "50"}),
        (["--no-pager"], {"LINES": "20"}),
        (["-o", "-"], {"LINES": "20"}),
        (["-q"], {"LINES": "20"}),
        ([], {"LINES": "20", "TERM": "dumb"}),
    ],
    ids=["short", "--no-pager", "-o", "-q", "dumb"],
)
def test_a_table_is_not_paged(options: list[str], environment: dict[str, str]) -> None:
    status, written = on_screen(*SUMMARY, *options, **{**SCREEN, **environment})
    assert status == 0
    assert "61,706" in written
    assert "paged:" not in written


def test_a_pipe_is_never_paged() -> None:
    done = subprocess.run([sys.executable, *SUMMARY], capture_output=True, text=True, check=True)
    assert "61,706" in done.stdout
    assert done.stderr == ""
