"""A progress bar on a terminal, in one line that is gone when the work is done."""

import os
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import IO, TypeVar

Item = TypeVar("Item")

PATIENCE = 0.5  # seconds before there is anything to see
_PAUSE = 0.1  # seconds between two pictures
_WIDEST = 40  # of the bar
ERASE = "\r\x1b[2K"


def followed(items: Iterable[Item], total: int, stream: IO[str], what: str = "files") -> Iterator[Item]:
    """The items as they come, with a bar on a terminal that says how many of the total have come."""
    due, drawn = monotonic() + PATIENCE, False
    try:
        for done, item in enumerate(items, 1):
            now = monotonic()
            if now >= due and done < total:
                due, drawn = now + _PAUSE, True
                stream.write(f"{ERASE}{bar(done, total, width_of(stream), what)}")
                stream.flush()
            yield item
    finally:
        if drawn:
            stream.write(ERASE)
            stream.flush()


def bar(done: int, total: int, width: int, what: str = "files") -> str:
    """How much is done, as text and as a bar, short enough not to be wrapped."""
    said = f"{done:,} of {total:,} {what} "
    room = min(width - 1 - len(said), _WIDEST)
    full = room * done // total
    return (said + "━" * full + "─" * (room - full))[: max(width - 1, 0)]


def width_of(stream: IO[str]) -> int:
    """The width of a terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
