"""Shows on one line of a terminal what a command is doing and for how long, if its progress is unknown.

For example: `exploring: 12,000 steps between states, 8 s`. The line appears after half a second, and is erased at the
end. A thread redraws it, because a single step of the work can take seconds.
"""

from threading import Event, Thread
from time import monotonic
from typing import IO

from convcalc.render.progress import ERASE, PATIENCE, terminal_width

_PAUSE = 0.5  # seconds between two updates


class Activity:
    """The line on a terminal; use it in a `with` statement, and call it with the text to show."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._text = ""
        self._start = monotonic()
        self._ended = Event()
        self._thread = Thread(target=self._redraw, daemon=True)  # so that it cannot keep the process from ending

    def __call__(self, text: str) -> None:
        """Show another text, such as `exploring`."""
        self._text = text

    def __enter__(self) -> "Activity":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _redraw(self) -> None:
        pause, drawn = PATIENCE, False
        while not self._ended.wait(pause):
            pause, drawn = _PAUSE, True
            line = f"{self._text}, {monotonic() - self._start:.0f} s"
            self.stream.write(ERASE + line[: terminal_width(self.stream) - 1])
            self.stream.flush()
        if drawn:
            self.stream.write(ERASE)
            self.stream.flush()
