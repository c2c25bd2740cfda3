"""A progress bar on a terminal, in one line that is erased when the work is done."""

import os
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import IO, TypeVar

Item = TypeVar("Item")

PATIENCE = 0.5  # seconds before the bar appears
_PAUSE = 0.1  # seconds between two updates
_WIDEST = 40  # characters of the bar
ERASE = "\r\x1b[2K"


def show_progress(items: Iterable[Item], total: int, stream: IO[str], what: str = "files") -> Iterator[Item]:
    """Yield the items, and meanwhile show on the stream how many of the total are done."""
    due, drawn = monotonic() + PATIENCE, False
    try:
        for done, item in enumerate(items, 1):
            now = monotonic()
            if now >= due and done < total:
                due, drawn = now + _PAUSE, True
                stream.write(f"{ERASE}{draw_progress(done, total, width_of(stream), what)}")
                stream.flush()
            yield item
    finally:
        if drawn:
            stream.write(ERASE)
            stream.flush()


def draw_progress(done: int, total: int, width: int, what: str = "files") -> str:
    """Return the progress as text and a bar, shorter than the width so that it does not wrap."""
    said = f"{done:,} of {total:,} {what} "
    room = min(width - 1 - len(said), _WIDEST)
    full = room * done // total
    return (said + "━" * full + "─" * (room - full))[: max(width - 1, 0)]


def width_of(stream: IO[str]) -> int:
    """Return the width of a terminal; 80 if unknown."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
