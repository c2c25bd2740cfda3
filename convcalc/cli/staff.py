"""The options -j and --dask of `convcalc sweep`, and the workers that they mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from convcalc.cli import common
from convcalc.problems import Flaw, printable

if TYPE_CHECKING:
    from convcalc.space.workers import Workers

_Result = TypeVar("_Result")


class Staff(NamedTuple):
    """Who evaluates the rows: this process, `processes` of this machine, or a cluster of Dask with this address."""

    processes: int = 1
    address: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether this process does everything itself."""
        return self.processes == 1 and self.address is None

    @contextmanager
    def hire(self) -> "Iterator[Workers]":
        """Provide the workers, and end them. Raises Flaw if Dask is missing, does not answer, or all are lost."""
        from convcalc.space.workers import GivenExecutor, Processes

        if self.address is not None:
            from convcalc.space.dask_cluster import connect

            with connect(self.address) as executor:
                yield from _watch(GivenExecutor(executor))
            return
        yield from _watch(Processes(self.processes))


def _watch(workers: "Workers") -> "Iterator[Workers]":
    from convcalc.space.workers import Processes, WorkersLost

    try:
        yield workers
    except WorkersLost as error:
        raise Flaw(str(error), "try fewer processes with -j" if isinstance(workers, Processes) else "") from None
    finally:
        workers.close()


def staff_options(function: common.Function) -> common.Function:
    """Add -j and --dask; the command receives `staff`."""

    @wraps(function)
    def run(jobs: int | None, dask: str | None, **given: Any) -> Any:
        if jobs is not None and dask is not None:
            raise click.UsageError("-j cannot be combined with --dask")
        return function(staff=Staff(jobs or 1, dask), **given)

    return common.add_options(
        run,
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(1),
            metavar="N",
            help="Number of processes (default: 1). More save time from about a million rows on.",
        ),
        click.option("--dask", metavar="ADDRESS", help="Use a Dask cluster, such as tcp://127.0.0.1:8786."),
    )


def report_loss(message: str) -> None:
    """Print on standard error that a worker was lost."""
    click.echo(f"convcalc: {message}", err=True)


def raise_refusals(results: Iterator[_Result | Flaw]) -> Iterator[_Result]:
    """Yield results, and raise the error that a worker has returned in place of one."""
    for result in results:
        if isinstance(result, Flaw):
            raise Flaw(printable(result.message) if "\n" not in result.message else result.message, result.hint)
        yield result
