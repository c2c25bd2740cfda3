"""Shows a progress bar on one line of a terminal, and erases it when the work is done."""

import os
from collections.abc import Iterable, Iterator, Sized
from time import monotonic
from typing import IO, TypeVar

Item = TypeVar("Item")
Chunk = TypeVar("Chunk", bound=Sized)

PATIENCE = 0.5  # seconds before the bar appears
_PAUSE = 0.1  # seconds between two updates
_WIDEST = 40  # maximum length of the bar in characters
ERASE = "\r\x1b[2K"


def show_progress(items: Iterable[Item], total: int, stream: IO[str], what: str = "files") -> Iterator[Item]:
    """Yield the items unchanged, and show on a terminal how many items have been yielded.

    `total` is the number of items, and `what` is a plural noun for them.
    """
    due, drawn = monotonic() + PATIENCE, False
    try:
        for done, item in enumerate(items, 1):
            now = monotonic()
            if now >= due and done < total:
                due, drawn = now + _PAUSE, True
                stream.write(f"{ERASE}{draw_progress(done, total, terminal_width(stream), what)}")
                stream.flush()
            yield item
    finally:
        if drawn:
            stream.write(ERASE)
            stream.flush()


def draw_progress(done: int, total: int, width: int, what: str = "files") -> str:
    """Return a text such as `3 of 10 files ━━━───`, shorter than `width` so that the terminal does not wrap it."""
    said = f"{done:,} of {total:,} {what} "
    room = min(width - 1 - len(said), _WIDEST)
    full = room * done // total
    return (said + "━" * full + "─" * (room - full))[: max(width - 1, 0)]


def show_chunk_progress(chunks: Iterable[Chunk], total: int, stream: IO[str]) -> Iterator[Chunk]:
    """Yield the chunks unchanged, and show on a terminal how many of their rows are done, the rate and the time left.

    `total` is the number of rows in all chunks. A chunk is done when the next one is requested.
    """
    start, done, drawn = monotonic(), 0, False
    try:
        for chunk in chunks:
            seconds = monotonic() - start
            if done and seconds >= PATIENCE:
                drawn = True
                stream.write(f"{ERASE}{draw_rate(done, total, seconds, terminal_width(stream))}")
                stream.flush()
            yield chunk
            done += len(chunk)
    finally:
        if drawn:
            stream.write(ERASE)
            stream.flush()


def draw_rate(done: int, total: int, seconds: float, width: int) -> str:
    """Return a text such as `3,000 of 10,000 rows ━━━─── 1,500/s, 5 s left`, shorter than `width`."""
    rate = done / max(seconds, 1e-9)
    said = f" {rate:,.0f}/s, {_format_seconds((total - done) / rate)} left"
    bar = draw_progress(done, total, width - len(said), "rows")
    return (bar + said)[: max(width - 1, 0)]


def _format_seconds(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:,.0f} h"


def terminal_width(stream: IO[str]) -> int:
    """Return the width of a terminal in characters; 80 if it is unknown."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
