"""Shows a progress bar on one line of a terminal, and erases it when the work is done."""

import os
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import IO, TypeVar

Item = TypeVar("Item")

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


def terminal_width(stream: IO[str]) -> int:
    """Return the width of a terminal in characters; 80 if it is unknown."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
