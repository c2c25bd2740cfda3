"""`convcalc help`: the list of topics, the pages, and the hints for other words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convcalc.cli.main import SECTIONS, run
from convcalc.manual import PAGE_OF_COMMAND, TOPICS, read_page
from tests.documented import printed


def test_the_list_has_a_line_per_topic() -> None:
    lines = [line.split() for line in printed(["help"]).splitlines()]
    assert [line[0] for line in lines if line and line[0] in TOPICS] == list(TOPICS)
    assert printed(["help", "-q"]).split() == list(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_pipe_receives_the_page_as_markdown(topic: str) -> None:
    done = subprocess.run([sys.executable, "-m", "convcalc", "help", topic], capture_output=True, check=True)
    assert done.stdout.decode("utf-8") == read_page(topic)


def test_a_page_can_be_written_to_a_file(tmp_path: Path) -> None:
    assert run(["help", "fit", "-o", str(tmp_path / "fit.md")]) == 0
    assert (tmp_path / "fit.md").read_text(encoding="utf-8") == read_page("fit")


@pytest.mark.parametrize("command", [name for names in SECTIONS.values() for name in names if name not in TOPICS])
def test_a_command_without_a_page_shows_its_options_and_the_page_that_covers_it(command: str) -> None:
    text = printed(["help", command])
    assert text.startswith(f"Usage: convcalc {command}")
    assert "--help" in text
    topic = PAGE_OF_COMMAND.get(command)
    assert ("Manual: " in text) == (topic is not None)
    assert topic is None or text.endswith(f"\nManual: convcalc help {topic}\n")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("tutorail", "no topic 'tutorail': did you mean tutorial?"),
        ("receptive_field", "did you mean receptive-field?"),
        ("sumary", "did you mean summary?"),
        ("pandas", "no topic 'pandas': did you mean python?"),
        ("notebook", "did you mean python?"),
        ("HTML", "did you mean python?"),
        ("to_records", "did you mean python?"),
        ("conv", "convcalc layers conv shows this layer kind"),
        ("CV206", "convcalc rules CV206 explains this rule"),
        ("xyzzy", "convcalc help lists the topics"),
    ],
)
def test_another_word_is_answered_with_a_suggestion(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", word]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def on_terminal(*arguments: str, **environment: str) -> str:
    """Run convcalc with a terminal as its standard output, and return what arrives there."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "72", **environment}
    settings.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "convcalc", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings | environment) as process:
        os.close(theirs)
        written = b""
        while part := _read_part(ours):
            written += part
        os.close(ours)
        assert process.wait(timeout=60) == 0
    return written.decode("utf-8").replace("\r\n", "\n")


def _read_part(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def test_a_terminal_shows_the_page_rendered_and_through_its_pager() -> None:
    text = on_terminal("help", "fit", PAGER="sed s/^/paged:/")
    assert all(line.startswith("paged:") for line in text.splitlines())
    assert "\x1b[" in text
    assert "# The largest" not in text
    assert "The largest network that fits" in text


def test_a_terminal_without_colours_shows_the_page_rendered() -> None:
    text = on_terminal("help", "fit", PAGER="cat", NO_COLOR="1")
    assert "\x1b[" not in text
    assert "## Traps" not in text
    assert max(map(len, text.split("\n\n")[1].splitlines())) <= 72


def test_output_in_a_page_is_never_wrapped() -> None:
    text = on_terminal("help", "tutorial", PAGER="cat", COLUMNS="40", NO_COLOR="1")
    tables = [line for line in read_page("tutorial").splitlines() if line.startswith(("stage4 ", "global_avgpool1"))]
    assert len(tables) == 2
    assert all(line in text for line in tables)


def test_the_list_is_not_paged() -> None:
    assert "paged:" not in on_terminal("help", PAGER="sed s/^/paged:/")
