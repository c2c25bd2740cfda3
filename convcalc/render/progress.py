"""A bar for work that takes a while, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import IO, Any

SECONDS_UNSEEN = 0.5  # what is done sooner needs no bar
Advance = Callable[[int, int], None]


@contextmanager
def progress(label: str, stream: IO[str]) -> Iterator[Advance]:
    """Gives a function that is told how much of how much is done; nothing is shown where the stream is no terminal."""
    if not stream.isatty():
        yield lambda done, total: None
        return
    bar = Bar(label, stream)
    try:
        yield bar.advance
    finally:
        bar.close()


class Bar:
    """A bar that appears once the work has taken half a second, and goes when it is done."""

    def __init__(self, label: str, stream: IO[str]) -> None:
        self.label = label
        self.stream = stream
        self.begun = monotonic()
        self.shown: Any = None

    def advance(self, done: int, total: int) -> None:
        """So much is done."""
        if self.shown is None and monotonic() - self.begun > SECONDS_UNSEEN:
            self.shown = self.made()
            self.shown.add_task(self.label)
            self.shown.start()
        if self.shown is not None:
            self.shown.update(self.shown.task_ids[0], completed=done, total=total)

    def made(self) -> Any:
        """The bar of rich, which is imported here."""
        from rich.console import Console
        from rich.progress import Progress

        return Progress(console=Console(file=self.stream), transient=True)

    def close(self) -> None:
        """Take the bar away."""
        if self.shown is not None:
            self.shown.stop()
