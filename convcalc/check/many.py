"""Checks many files, one after the other or, if that would take long, in several processes with the same result."""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from convcalc import examples
from convcalc.check.fixing import apply_harmless_fixes, fix
from convcalc.check.rule import Rule
from convcalc.check.runner import Checked, check
from convcalc.check.settings import Settings
from convcalc.convert.net_files import read_net
from convcalc.problems import Flaw, InvalidSpec, NotImported, Problem, printable
from convcalc.processes import (
    MOST_PROCESSES,
    block_interrupts,
    choose_process_context,
    prepare_worker,
    resume_garbage_collection,
    usable_processors,
)
from convcalc.spec.blame import read_overridden_network
from convcalc.spec.document import Document
from convcalc.spec.files import STANDARD_INPUT, explain_unreadable
from convcalc.spec.inputs import Overrides, WrongOverride
from convcalc.spec.net_argument import read_net_params, split_net

NOT_CHECKED = "CV000"
PATIENCE = 0.1  # seconds of work before processes are started, about twice the time that starting them takes
_SHARES = 8  # shares of the files per process: with more, processes end at about the same time but communicate more
_MOST_OF_A_SHARE = 32  # maximum number of files in a share


class Task(NamedTuple):
    """A NET argument to check, and the settings from configuration files that apply to its file."""

    file: str
    settings: Settings


class How(NamedTuple):
    """The settings for checking files.

    `rules` maps codes to rules; `command_line` holds the settings from the command line. With `obey_comments`,
    comments in a spec silence findings. With `fixing`, problems that have an exact fix are fixed.
    """

    rules: Mapping[str, type[Rule]]
    obey_comments: bool = True
    command_line: Settings = Settings()
    fixing: bool = False


class NoProcesses(Exception):
    """Raised if processes cannot be started, or if one of them is killed or crashes."""


def check_all(tasks: Sequence[Task], how: How, jobs: int | None = None) -> Iterator[Checked]:
    """Yield the problems in each file, in the order of the tasks.

    At most `jobs` processes are used. If `jobs` is None, there is one per usable processor, but only if checking
    the files takes longer than starting the processes. Raises NoProcesses if a process cannot be started, is killed or
    crashes.
    """
    if len(tasks) > 1 and not gc.isenabled():
        resume_garbage_collection()
    if jobs is None:
        begun, done = monotonic(), 0
        while done < len(tasks) and not is_long(monotonic() - begun, done, len(tasks)):
            yield check_file(tasks[done], how)
            done += 1
        tasks, jobs = tasks[done:], usable_processors()
    processes = min(jobs, len(tasks), MOST_PROCESSES)
    if processes > 1:
        yield from check_in_processes(tasks, how, processes)
    else:
        yield from (check_file(task, how) for task in tasks)


def is_long(seconds: float, done: int, total: int) -> bool:
    """Whether the files took more than PATIENCE seconds so far, and the remaining files will also take more than that.

    `seconds` is the time that the first `done` of `total` files took.
    """
    return seconds > PATIENCE and seconds * (total - done) > PATIENCE * done


def check_file(task: Task, how: How) -> Checked:
    """Return the problems in one file.

    If the file cannot be read, or if checking it causes an internal error, the only problem is CV000.
    """
    net, params = split_net(task.file)
    try:
        overrides = Overrides().attach_params(read_net_params(task.file))
        document, overrides = read_net(net, overrides)
        if params:
            read_overridden_network(document, overrides)  # reports a wrong value once, at the @
        found = _add_params_to_messages(_check_document(document, overrides, task.settings, how), params)
        found = found._replace(model=document.model)
    except Flaw as flaw:
        found = _not_checked(task.file, flaw.message, flaw.hint)
    except WrongOverride as error:
        found = _not_checked(task.file, error.problems[0].message, error.problems[0].hint)
    except InvalidSpec as error:
        found = _add_params_to_messages(Checked(error.file or net, error.problems, error.text), params)
    except OSError as error:
        found = _not_checked(net, explain_unreadable(net, error))
    except (examples.NoExample, NotImported) as error:
        found = _not_checked(task.file, str(error))
    except Exception as error:
        if "CONVCALC_TRACEBACK" in os.environ:
            raise
        message = f"internal error: {type(error).__name__}: {error}"[:500]
        found = _not_checked(task.file, message, "CONVCALC_TRACEBACK=1 shows the traceback; please report it")
    return (
        found if found.problems else found._replace(text=None)
    )  # the text is needed only to quote lines with problems


def _add_params_to_messages(found: Checked, params: str) -> Checked:
    """Add the spec parameters, such as `width=0.5`, to each message and to the name of each budget.

    This distinguishes the results of `net.yaml@width=0.5` from those of `net.yaml@width=1`.
    """
    if not params:
        return found
    end = f" (with {printable(params)})"
    problems = tuple(problem._replace(message=problem.message + end) for problem in found.problems)
    budgets = tuple(use._replace(budget=use.budget + end) for use in found.budgets)
    return found._replace(problems=problems, budgets=budgets)


def _check_document(document: Document, overrides: Overrides, settings: Settings, how: How) -> Checked:
    """Return the problems in a document; with `how.fixing`, fix it first and return the remaining problems."""

    def checked(document: Document) -> Checked:
        return check(document, overrides, settings, how.rules, how.obey_comments, how.command_line)

    def read(document: Document) -> Checked:
        return check(document, overrides, settings, {}, False)

    if how.fixing and document.model is None:
        return fix(document, checked)
    found = checked(document)
    if not any(problem.fix for problem in found.problems):
        return found
    step = apply_harmless_fixes(document, found, read)
    return found if step is None else found._replace(fixable=step.fixes)


def _not_checked(file: str, why: str, hint: str = "") -> Checked:
    return Checked(file, (Problem((), why, NOT_CHECKED, hint),), None)


# -- processes


def check_in_processes(tasks: Sequence[Task], how: How, processes: int) -> Iterator[Checked]:
    """Yield the problems in each file, in the order of the tasks, using several processes.

    The processes are ended even if the generator is closed early or an error occurs. Raises NoProcesses if a process
    cannot be started, is killed or crashes.
    """
    import multiprocessing  # imported only for many files, because it slows the start
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    before = multiprocessing.active_children()
    executor = ProcessPoolExecutor(processes, choose_process_context(), prepare_worker)
    sent = [task for task in tasks if task.file != STANDARD_INPUT]  # only this process can read standard input
    share = max(min(len(sent) // (processes * _SHARES), _MOST_OF_A_SHARE), 1)
    try:
        with block_interrupts():
            shares = [executor.submit(_check_files, sent[at : at + share], how) for at in range(0, len(sent), share)]
        results = (checked for share in shares for checked in share.result())
        for task in tasks:
            yield check_file(task, how) if task.file == STANDARD_INPUT else next(results)
    except BaseException as error:
        for process in set(multiprocessing.active_children()).difference(before):
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise NoProcesses("a worker process died, possibly out of memory: try -j 1") from None
        if isinstance(error, OSError):
            raise NoProcesses(f"cannot start worker processes ({error.strerror}): try -j 1") from None
        raise
    finally:
        executor.shutdown()


def _check_files(tasks: Sequence[Task], how: How) -> list[Checked]:
    return [check_file(task, how) for task in tasks]
