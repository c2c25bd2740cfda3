"""The progress of a sweep on a terminal: rows done, rate and time left."""

import io
import re

import pytest

from convcalc.render import progress
from convcalc.render.progress import ERASE, draw_rate, show_chunk_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    time = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: time[0])
    return time


def test_a_sweep_shows_its_rate_and_the_time_left(clock: list[float]) -> None:
    stream, seen = io.StringIO(), []
    for chunk in show_chunk_progress([range(100), range(200), range(700)], 1000, stream):
        seen.append(len(chunk))
        clock[0] += 2
    assert seen == [100, 200, 700]
    assert [re.sub("[━─]+", "", line) for line in stream.getvalue().split(ERASE)] == [
        "",
        "100 of 1,000 rows  50/s, 18 s left",
        "300 of 1,000 rows  75/s, 9 s left",
        "",
    ]


def test_a_short_sweep_shows_nothing(clock: list[float]) -> None:
    stream = io.StringIO()
    for _ in show_chunk_progress([range(100)] * 4, 400, stream):
        clock[0] += 0.1
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("done", "total", "seconds", "left"),
    [
        (1, 100, 1, "99 s left"),
        (1, 101, 1, "2 min left"),
        (1, 7200, 1, "120 min left"),
        (1, 10**9, 1, "277,778 h left"),
    ],
)
def test_the_time_left_has_a_fitting_unit(done: int, total: int, seconds: float, left: str) -> None:
    assert draw_rate(done, total, seconds, 80).endswith(left.replace("120 min", "2 h"))


@pytest.mark.parametrize("width", [0, 1, 10, 40, 200])
def test_the_progress_is_shorter_than_the_terminal(width: int) -> None:
    assert len(draw_rate(123_456, 999_999_999, 7.5, width)) <= max(width - 1, 0)
