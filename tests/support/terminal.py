"""Run a command on a pseudo-terminal."""

import os
import subprocess
import sys


def on_terminal(*arguments: str) -> tuple[int, str]:
    """Run Python with a terminal as its standard error; return the exit status and what it wrote there."""
    import pty  # not available on Windows

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process:
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
