"""Checking many files: one after the other, or where that takes long in several processes, with the same result."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from convcalc import examples
from convcalc.check.fixing import fix, improved
from convcalc.check.rule import Rule
from convcalc.check.runner import Checked, check
from convcalc.check.settings import Settings
from convcalc.problems import InvalidSpec, Problem
from convcalc.spec.document import Document
from convcalc.spec.files import STANDARD_INPUT, read_file, why_unreadable
from convcalc.spec.inputs import Overrides

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

NOT_CHECKED = "CV000"
PATIENCE = 0.1  # seconds, about twice what it takes to start processes: less work than that is done without any
MOST_PROCESSES = 61  # Windows waits for no more
SHARES = 8  # of each process: the more, the more evenly they end, and the more is sent between them
MOST_OF_A_SHARE = 32


class Task(NamedTuple):
    """A file to check, and the settings around it."""

    file: str
    settings: Settings


class How(NamedTuple):
    """What holds for all files."""

    rules: Mapping[str, type[Rule]]
    heed_comments: bool = True
    command_line: Settings = Settings()
    fixing: bool = False


class NoProcesses(Exception):
    """Processes could not be started, or one of them was ended from outside or crashed."""


def check_all(tasks: Sequence[Task], how: How, jobs: int | None = None) -> Iterator[Checked]:
    """What is found in each file, in the order of the tasks, by so many processes at once.

    Where `jobs` is None, all usable processors are used if checking lasts long enough to pay for starting processes.
    Raises NoProcesses.
    """
    if len(tasks) > 1 and not gc.isenabled():
        collect_garbage()
    if jobs is None:
        begun, done = monotonic(), 0
        while done < len(tasks) and not is_long(monotonic() - begun, done, len(tasks)):
            yield check_file(tasks[done], how)
            done += 1
        tasks, jobs = tasks[done:], usable_processors()
    processes = min(jobs, len(tasks), MOST_PROCESSES)
    if processes > 1:
        yield from in_processes(tasks, how, processes)
    else:
        yield from (check_file(task, how) for task in tasks)


def is_long(seconds: float, done: int, total: int) -> bool:
    """Whether processes are worth while: after some patience, when as much again is to be expected."""
    return seconds > PATIENCE and seconds * (total - done) > PATIENCE * done


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def collect_garbage() -> None:
    """Have garbage collected again, that of files only: what one file leaves is little, what thousands do is not."""
    gc.freeze()
    gc.enable()


def check_file(task: Task, how: How) -> Checked:
    """What is found in one file; one that cannot be read, or fails in a way not foreseen, says so in its place."""
    try:
        found = check_document(read_file(examples.resolved(task.file)), task.settings, how)
    except InvalidSpec as error:
        found = Checked(error.file or task.file, error.problems, error.text)
    except OSError as error:
        found = not_checked(task.file, why_unreadable(task.file, error))
    except examples.NoExample as error:
        found = not_checked(task.file, str(error))
    except Exception as error:
        if "CONVCALC_TRACEBACK" in os.environ:
            raise
        said = f"internal error: {type(error).__name__}: {error}"[:500]
        found = not_checked(task.file, said, "CONVCALC_TRACEBACK=1 shows where; please report it")
    return found if found.problems else found._replace(text=None)  # of which nothing is quoted


def check_document(document: Document, settings: Settings, how: How) -> Checked:
    """What is found in a document, after fixes where they are wanted."""

    def checked(document: Document) -> Checked:
        return check(document, Overrides(), settings, how.rules, how.heed_comments, how.command_line)

    def read(document: Document) -> Checked:
        return check(document, Overrides(), settings, {}, False)

    if how.fixing:
        return fix(document, checked)
    found = checked(document)
    if not any(problem.fix for problem in found.problems):
        return found
    step = improved(document, found, read)
    return found if step is None else found._replace(fixable=step.fixes)


def not_checked(file: str, why: str, hint: str = "") -> Checked:
    """The result of a file that could not be checked."""
    return Checked(file, (Problem((), why, NOT_CHECKED, hint),), None)


# -- processes


def in_processes(tasks: Sequence[Task], how: How, processes: int) -> Iterator[Checked]:
    """What is found in each file, in the order of the tasks. No process is left behind, however this ends."""
    import multiprocessing  # only where there are many files: these cost start-up time
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    before = multiprocessing.active_children()
    executor = ProcessPoolExecutor(processes, context(), begin_process)
    sent = [task for task in tasks if task.file != STANDARD_INPUT]  # which only this process can read
    share = max(min(len(sent) // (processes * SHARES), MOST_OF_A_SHARE), 1)
    try:
        with without_interrupts():
            shares = [executor.submit(check_files, sent[at : at + share], how) for at in range(0, len(sent), share)]
        results = (checked for share in shares for checked in share.result())
        for task in tasks:
            yield check_file(task, how) if task.file == STANDARD_INPUT else next(results)
    except BaseException as error:
        for process in set(multiprocessing.active_children()).difference(before):
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise NoProcesses("a process that checked files died, perhaps for want of memory: try -j 1") from None
        if isinstance(error, OSError):
            raise NoProcesses(f"processes cannot be started ({error.strerror}): try -j 1") from None
        raise
    finally:
        executor.shutdown()


def check_files(tasks: Sequence[Task], how: How) -> list[Checked]:
    """What is found in some files."""
    return [check_file(task, how) for task in tasks]


def context() -> "BaseContext":
    """How processes are started: forked on Linux, at next to no cost, unless threads forbid it; elsewhere afresh."""
    import multiprocessing
    import threading

    forked = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if forked else "spawn")


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ctrl-C waits: a process that is just starting would say where it was interrupted."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def begin_process() -> None:
    """What a process does first: it leaves Ctrl-C to the one that started it, and sees to it that it ends with it."""
    import signal
    import threading

    collect_garbage()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the end of the process that started this one, however it ends, and end too."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
