"""The line on a terminal that shows what a command is doing, and for how long."""

import io
import threading

import pytest

from convcalc.render import activity
from convcalc.render.activity import Activity
from convcalc.render.progress import ERASE


class Terminal(io.StringIO):
    """Counts what is written to it."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.wanted = wanted
        self.is_filled = threading.Event()

    def flush(self) -> None:
        if self.getvalue().count(ERASE) >= self.wanted:
            self.is_filled.set()


def test_the_line_is_redrawn_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "PATIENCE", 0.001)
    monkeypatch.setattr(activity, "_PAUSE", 0.001)
    terminal = Terminal(3)
    with Activity(terminal) as show:
        show("exploring " + "x" * 100)
        assert terminal.is_filled.wait(30)
    first, *lines, last = terminal.getvalue().split(ERASE)
    assert (first, last) == ("", "")
    assert lines[-1] == ("exploring " + "x" * 100)[:79]  # no wider than the terminal


def test_nothing_is_written_for_quick_work() -> None:
    terminal = Terminal(1)
    with Activity(terminal) as show:
        show("exploring")
    assert terminal.getvalue() == ""
