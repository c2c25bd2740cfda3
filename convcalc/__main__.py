"""Runs the command `convcalc`, also as `python -m convcalc`.

Only `gc`, `os` and `sys`, which Python itself loads, are imported before interrupts are handled, so Ctrl-C also ends
the command quietly during the other imports, which take most of the time of a short run.
"""

import gc
import os
import sys

INTERRUPTED = 130
_NEED_AN_ORDERLY_EXIT = {"coverage", "multiprocessing"}  # names of modules


def main() -> None:
    """Run the command line and exit: 0 success, 1 invalid or failing network, 2 could not run, 130 interrupted."""
    gc.disable()  # the process ends soon, and collecting garbage would take a third of the time for a large file
    try:
        from convcalc.cli.main import run

        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    _exit(status)


def _exit(status: int) -> None:
    """End the process without freeing every object, which takes 5% of a short run.

    It ends as usual if a debugger, a profiler or coverage observes it, so that they can write their results, or if
    other processes may have to be ended.
    """
    if sys.gettrace() or sys.getprofile() or not _NEED_AN_ORDERLY_EXIT.isdisjoint(sys.modules):
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it is None if the process was started with the stream closed
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
