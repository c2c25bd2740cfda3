"""Prepares worker processes: how many, how they are started, and that they end with their parent.

For example, `ProcessPoolExecutor(usable_processors(), choose_process_context(), prepare_worker)`.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

MOST_PROCESSES = 61  # Windows cannot wait for more processes at once


def usable_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resume_garbage_collection() -> None:
    """Turn garbage collection on again, because long work leaves many unused objects in memory.

    Objects that exist already, such as modules, are exempt, which saves time.
    """
    gc.freeze()
    gc.enable()


def choose_process_context() -> "BaseContext":
    """Return the multiprocessing context: fork (fast) on Linux if this process has a single thread, otherwise spawn.

    In the fork of a process with several threads, a lock that another thread held would stay locked forever.
    """
    import multiprocessing  # imported only for processes, because it slows the start
    import threading

    forked = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if forked else "spawn")


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Block Ctrl-C inside a `with` block, because an interrupt would make a starting process print a traceback."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def prepare_worker() -> None:
    """Make a worker process ignore Ctrl-C, which its parent handles, and end when its parent ends."""
    import signal
    import threading

    resume_garbage_collection()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the parent process has ended, even if it was killed, then end this process."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
