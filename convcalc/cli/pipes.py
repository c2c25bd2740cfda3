"""What to do when the reader of a pipe has gone, as in `convcalc sweep NET … | head`.

A result that is written in one piece is complete by then, so that its exit status stays; a longer one stops.

    with ignore_closed_pipe():
        sys.stdout.write(text)
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import UnsupportedOperation


@contextmanager
def ignore_closed_pipe() -> Iterator[None]:
    """Ignore a BrokenPipeError inside the block, and discard all later output."""
    try:
        yield
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Redirect standard output to the null device; otherwise Python fails when it flushes the stream at exit."""
    with suppress(UnsupportedOperation):  # the stream is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
