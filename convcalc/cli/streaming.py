"""Writes a result piece by piece, to standard output or to a file that is replaced only when the result is complete.

with open_result(where, [net]) as target:
target.write("text")
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from convcalc.cli.writing import Failure, Output, read_umask, resolve_target
from convcalc.problems import printable


class Target:
    """Where a result is written: a binary stream; None for standard output."""

    def __init__(self, stream: IO[bytes] | None = None) -> None:
        self._stream = stream

    @property
    def stream(self) -> IO[bytes]:
        """The binary stream of the result."""
        return sys.stdout.buffer if self._stream is None else self._stream

    def write(self, text: str) -> None:
        """Write the next piece of a text; a file is in UTF-8."""
        if self._stream is None:
            sys.stdout.write(text)
        else:
            # a lone surrogate cannot be encoded: it becomes a question mark, as on a terminal
            self._stream.write(text.encode("utf-8", "replace"))


class Interrupted(Exception):
    """Raised inside `open_result` after Ctrl-C: what was written is kept next to the file, with the ending `.part`."""


@contextmanager
def open_result(output: Output, inputs: Iterable[str]) -> Iterator[Target]:
    """Open standard output or the file of -o. The file is replaced when the block ends without an exception.

    After `Interrupted`, what was written is renamed to FILE.part. Raises Failure if the file is an input or cannot be
    written.
    """
    if output.file in (None, "-"):
        yield Target()
        sys.stdout.flush()
        return
    assert output.file is not None
    target = resolve_target(output.file, inputs)
    try:
        if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe
            with open(target, "wb") as stream:
                yield Target(stream)
            return
        yield from _replace_when_complete(target)
    except OSError as error:
        raise Failure(f"-o {printable(output.file)}: {(error.strerror or str(error)).lower()}") from None


def _replace_when_complete(target: str) -> Iterator[Target]:
    import tempfile  # importing it at the top would slow the start

    mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o666 & ~read_umask()
    handle, partial = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".convcalc-", suffix=".part")
    try:
        with open(handle, "wb") as stream:
            yield Target(stream)
        os.chmod(partial, mode)
        os.replace(partial, target)
    except Interrupted:
        os.chmod(partial, mode)
        os.replace(partial, f"{target}.part")
        raise
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
