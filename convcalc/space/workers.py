"""Runs tasks on workers: processes of this machine, or any executor of `concurrent.futures`.

`run_tasks(workers, function, tasks)` yields the results in the order of the tasks. A task whose worker is lost is run
again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from convcalc.problems import printable
from convcalc.processes import MOST_PROCESSES, block_interrupts, choose_process_context, prepare_worker

_Result = TypeVar("_Result")
_MOST_ATTEMPTS = 3
_SECONDS = 0.1  # between two looks at whether the user has pressed Ctrl-C


class WorkersLost(Exception):
    """Raised if a task fails several times, or if there are no workers; the message says why."""


class Workers(Protocol):
    """Runs functions elsewhere. `ahead` is the number of tasks that are sent before the first result is needed."""

    ahead: int

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any]) -> "Future[Any]":
        """Start a task."""

    def renew(self) -> None:
        """Replace workers that can no longer be used. Raises WorkersLost if that is impossible."""

    def close(self) -> None:
        """End the workers, even those with a task."""


class Processes:
    """Worker processes of this machine."""

    def __init__(self, count: int) -> None:
        self.count = min(count, MOST_PROCESSES)
        self.ahead = 3 * self.count
        self._executor: Executor | None = None
        self._before: set[Any] = set()

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any]) -> "Future[Any]":
        """Start a task; processes are started when they are needed."""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with block_interrupts():
            if self._executor is None:
                self._before = set(multiprocessing.active_children())
                self._executor = ProcessPoolExecutor(self.count, choose_process_context(), prepare_worker)
            try:
                return self._executor.submit(function, *arguments)
            except OSError as error:
                raise WorkersLost(f"cannot start worker processes ({error.strerror})") from None

    def renew(self) -> None:
        """Start new processes with the next task."""
        self.close()

    def close(self) -> None:
        """End all processes."""
        import multiprocessing

        if self._executor is None:
            return
        for process in set(multiprocessing.active_children()) - self._before:
            process.terminate()
        self._executor.shutdown(cancel_futures=True)
        self._executor = None


class GivenExecutor:
    """The workers of an executor that somebody else has made, and closes."""

    def __init__(self, executor: Executor, ahead: int = 64) -> None:
        self.executor = executor
        self.ahead = ahead

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any]) -> "Future[Any]":
        """Start a task."""
        try:
            return self.executor.submit(function, *arguments)
        except RuntimeError as error:
            raise WorkersLost(f"the executor takes no more tasks: {error}") from error

    def renew(self) -> None:
        """Raise WorkersLost: only its owner can replace the executor."""
        raise WorkersLost("the executor is broken, because a worker ended")

    def close(self) -> None:
        """Leave the executor open."""


class _Sent:
    """A task that was sent to a worker, and how often it was lost."""

    def __init__(self, arguments: Sequence[Any], future: "Future[Any]") -> None:
        self.arguments = arguments
        self.future = future
        self.lost = 0


def run_tasks(
    workers: Workers,
    function: Callable[..., _Result],
    tasks: Iterable[Sequence[Any]],
    report: Callable[[str], None] = lambda message: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[_Result]:
    """Yield the result of `function(*task)` for each task, in order, until `is_stopped`.

    Only the tasks of `workers.ahead` are held. `report` gets a message when a worker is lost. Raises WorkersLost if a
    task is lost again and again.
    """
    sent: deque[_Sent] = deque()
    waiting = iter(tasks)
    try:
        while not is_stopped():
            while len(sent) < workers.ahead and (arguments := next(waiting, None)) is not None:
                sent.append(_Sent(arguments, _submit(workers, function, arguments)))
            if not sent:
                return
            if not wait([sent[0].future], _SECONDS).done:
                continue
            try:
                result = sent[0].future.result()
            except BrokenExecutor:
                _count_loss(sent[0], "a worker process ended unexpectedly, possibly out of memory", report)
                workers.renew()
                _send_again(workers, function, sent)
            except Exception as error:
                _count_loss(sent[0], f"{type(error).__name__}: {error}", report)
                sent[0].future = _submit(workers, function, sent[0].arguments)
            else:
                sent.popleft()
                yield result
    finally:
        for one in sent:
            one.future.cancel()


def _submit(workers: Workers, function: Callable[..., Any], arguments: Sequence[Any]) -> "Future[Any]":
    """Start a task, with new workers if one of them has just ended."""
    try:
        return workers.submit(function, arguments)
    except BrokenExecutor:
        workers.renew()
        return workers.submit(function, arguments)


def _count_loss(one: _Sent, reason: str, report: Callable[[str], None]) -> None:
    one.lost += 1
    reason = printable(reason)[:300]
    if one.lost == _MOST_ATTEMPTS:
        raise WorkersLost(f"a part was lost {_MOST_ATTEMPTS} times: {reason}")
    report(f"{reason}: its part is evaluated again")


def _send_again(workers: Workers, function: Callable[..., Any], sent: Iterable[_Sent]) -> None:
    """Send all tasks that have no result once more."""
    for one in sent:
        with suppress(BaseException):
            if one.future.done() and not one.future.cancelled() and one.future.exception() is None:
                continue
        one.future = workers.submit(function, one.arguments)
