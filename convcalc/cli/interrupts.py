"""Lets a long command stop at a good place after Ctrl-C: between two chunks of work, so that its result is whole."""

import signal
import threading
from types import FrameType
from typing import Any


class StopOnInterrupt:
    """While it is active, the first Ctrl-C sets `is_requested`; the second one interrupts as usual."""

    def __init__(self) -> None:
        self.is_requested = False
        self._before: Any = None

    def __enter__(self) -> "StopOnInterrupt":
        if threading.current_thread() is threading.main_thread():  # others cannot set a handler
            self._before = signal.signal(signal.SIGINT, self._request)
        return self

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.is_requested = True
        self._restore()

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def __exit__(self, *error: object) -> None:
        self._restore()
