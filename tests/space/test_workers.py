"""Tasks on workers that are killed, fail or refuse: every task has one result, in order."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.problems import Flaw
from convcalc.processes import prepare_worker
from convcalc.render.shard_files import Written, merge_shards, write_shard
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import Setup
from convcalc.space.planning import Request
from convcalc.space.recipes import Recipe, divide_numbers, evaluate_part, make_recipe
from convcalc.space.shard_folder import ShardFolder, check_complete
from convcalc.space.workers import GivenExecutor, Processes, WorkersLost, run_tasks
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides

SPEC = {"params": {"width": 4}, "input": [3, 8, 8], "layers": [{"conv": {"out_channels": "$width", "kernel_size": 3}}]}


def square(number: int) -> int:
    return number * number


def die_once(mark: str, number: int) -> int:
    """Kill this process the first time that a mark does not exist."""
    if number % 5 == 3 and not os.path.exists(f"{mark}{number}"):
        Path(f"{mark}{number}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def die_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def write_or_die(mark: str, *task: Any) -> Written | Flaw | OSError:
    die_once(mark, task[2] // 10)
    return write_shard(*task)


def recipe(count: int = 100, where: tuple[str, ...] = ()) -> Recipe:
    space = Combinations((Param("width", tuple(range(1, count + 1))),))
    return make_recipe(Document(SPEC), Setup(Overrides()), space, Request("params", where=where), count)


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_results_have_the_order_of_the_tasks(count: int) -> None:
    workers = Processes(2)
    try:
        assert list(run_tasks(workers, square, ((number,) for number in range(count)))) == [
            number * number for number in range(count)
        ]
    finally:
        workers.close()


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    workers = Processes(2)
    try:
        tasks = ((str(tmp_path / "mark"), number) for number in range(14))
        assert list(run_tasks(workers, die_once, tasks, said.append)) == [number * number for number in range(14)]
    finally:
        workers.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mark13", "mark3", "mark8"]
    assert said
    assert set(said) == {"a worker process ended unexpectedly, possibly out of memory: its part is evaluated again"}


def test_shards_of_killed_workers_are_written_once(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    folder = ShardFolder(str(tmp_path / "rows"), "csv", dict.fromkeys(("width", "params", "problem"), str), 100, 10)
    one = recipe()
    tasks = ((str(tmp_path / "mark"), one, folder, first, range(first, first + 10)) for first in folder.firsts)
    workers = Processes(2)
    try:
        written = list(run_tasks(workers, write_or_die, tasks))
    finally:
        workers.close()
    assert [shard.facts.first for shard in written if isinstance(shard, Written)] == list(range(0, 100, 10))
    assert [facts.tried for facts in check_complete(folder)] == [10] * 10
    with open(tmp_path / "merged.csv", "wb") as stream:
        merge_shards(folder, stream)
    lines = [f"{width},{27 * width + width}," for width in range(1, 101)]
    assert (tmp_path / "merged.csv").read_text().splitlines() == ["width,params,problem", *lines]
    assert len(list(tmp_path.glob("mark*"))) == 2


def test_a_task_that_kills_every_worker_is_given_up() -> None:
    workers = Processes(2)
    try:
        results = run_tasks(workers, die_always, ((number,) for number in range(6)))
        found = [next(results) for _ in range(3)]
        with pytest.raises(WorkersLost, match="a part was lost 3 times: a worker process ended unexpectedly"):
            next(results)
    finally:
        workers.close()
    assert found == [0, 1, 4]


class Lossy(Executor):
    """Runs tasks at once, but the first `lost` of them fail."""

    def __init__(self, lost: int) -> None:
        self.lost = lost

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.lost -= 1
        if self.lost >= 0:
            future.set_exception(ConnectionError("the worker has gone\x1b[2J"))
        else:
            future.set_result(function(*arguments, **named))
        return future


def test_a_task_that_an_executor_loses_is_sent_again() -> None:
    said: list[str] = []
    tasks = [(number,) for number in range(5)]
    assert list(run_tasks(GivenExecutor(Lossy(4)), square, tasks, said.append)) == [0, 1, 4, 9, 16]
    assert said == [r"ConnectionError: the worker has gone\x1b[2J: its part is evaluated again"] * 4
    with pytest.raises(WorkersLost, match="lost 3 times: ConnectionError"):
        list(run_tasks(GivenExecutor(Lossy(99)), square, tasks))


def test_an_executor_that_is_closed_is_reported() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="the executor takes no more tasks"):
        convcalc.sweep(SPEC, {"width": [1, 2]}, executor=executor)


def test_a_broken_executor_of_the_user_is_reported() -> None:
    executor = ProcessPoolExecutor(1, get_context("spawn"), prepare_worker)
    with executor, pytest.raises(WorkersLost, match="the executor is broken"):
        list(run_tasks(GivenExecutor(executor), die_always, [(3,)]))


def test_a_stop_ends_between_two_results() -> None:
    stopped: list[bool] = []
    results = run_tasks(
        GivenExecutor(Lossy(0)), square, ((number,) for number in range(9)), is_stopped=lambda: bool(stopped)
    )
    assert next(results) == 0
    stopped.append(True)
    assert list(results) == []


def test_a_worker_of_another_version_is_refused() -> None:
    found = evaluate_part(recipe()._replace(version="0.0.7"), range(3))
    assert isinstance(found, Flaw)
    assert found.message == f"a worker has convcalc {convcalc.__version__} in place of 0.0.7"


@pytest.mark.parametrize("count", [1, 16, 17, 1000, 10**6])
@pytest.mark.parametrize("workers", [1, 6, 64])
def test_parts_together_are_all_rows(count: int, workers: int) -> None:
    parts = list(divide_numbers(range(count), workers))
    assert max(map(len, parts)) <= 32_768
    assert [number for part in parts for number in part] == list(range(count))
