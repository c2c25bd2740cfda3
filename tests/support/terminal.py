"""Run a command on a pseudo-terminal."""

import os
import subprocess
import sys


def on_terminal(*arguments: str) -> tuple[int, str]:
    """Run Python with a terminal as its standard error. Return the exit status and what it wrote to the terminal."""
    return _run(arguments, {}, only_errors=True)


def on_screen(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run Python with a terminal as its input, output and standard error.

    Return the exit status and what it wrote to the terminal.
    """
    return _run(arguments, environment, only_errors=False)


def _run(arguments: tuple[str, ...], environment: dict[str, str], only_errors: bool) -> tuple[int, str]:
    import pty  # not available on Windows

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **environment}
    command = [sys.executable, *arguments]
    inputs = None if only_errors else theirs
    outputs = subprocess.DEVNULL if only_errors else theirs
    with subprocess.Popen(command, stdin=inputs, stdout=outputs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            written += part
        os.close(ours)
        return process.wait(timeout=60), written.decode("utf-8")
