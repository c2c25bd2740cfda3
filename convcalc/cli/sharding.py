"""Writes a sweep as a folder of shards: what is there is not done again, so that it can be interrupted and resumed."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import click
from click.core import ParameterSource

from convcalc.cli import writing
from convcalc.cli.interrupts import StopOnInterrupt
from convcalc.cli.staff import raise_refusals, report_loss
from convcalc.cli.sweep_options import Sampling
from convcalc.cli.sweeping import INTERRUPTED, Job, describe_network, list_known_values, list_warnings
from convcalc.cli.varying import show_rate
from convcalc.problems import Flaw, printable
from convcalc.render.shard_files import Written, write_shard
from convcalc.space.combinations import check_size
from convcalc.space.planning import Request
from convcalc.space.recipes import Recipe
from convcalc.space.shard_folder import ShardFolder, choose_size, open_folder
from convcalc.space.shard_manifest import NAME, Manifest, describe_sweep
from convcalc.space.sweeping import Numbers, Tally, count_numbers, sweep_chunk
from convcalc.space.workers import run_tasks

_FIRST = 64  # rows that are evaluated before the workers start: they show the types of derived columns


def is_folder(file: str | None) -> bool:
    """Return whether -o names a folder: one that exists, or a name with a slash at its end."""
    return file is not None and (file.endswith(("/", os.sep)) or os.path.isdir(file))


def choose_folder(resume: str, where: writing.Output) -> writing.Output:
    """Return where to write with --resume.

    Raises UsageError if -o is given too, and Failure if the folder has no sweep to resume.
    """
    if where.file is not None:
        raise click.UsageError("--resume cannot be combined with -o")
    if not os.path.isfile(os.path.join(resume, NAME)):
        raise writing.Failure(f"--resume {printable(resume)}: there is no {NAME}: start a sweep with -o FOLDER/")
    return writing.Output(os.path.join(resume, ""), where.color, where.quiet)


def choose_shard_format(format: str) -> str:
    """Return the format of shards. Raises UsageError if the user asks for one that cannot be joined."""
    if click.get_current_context().get_parameter_source("format") is not ParameterSource.COMMANDLINE:
        return "parquet" if format == "parquet" else "csv"
    if format not in ("csv", "parquet"):
        raise click.UsageError(f"-f {format} cannot be combined with a folder: use -f csv or parquet")
    return format


def refuse_choices(request: Request, plot_file: str | None, listed: int | None, exact: bool) -> None:
    """Raise UsageError for an option that needs all rows together."""
    given = {
        "--sort": request.sort,
        "--pareto": request.pareto,
        "--mark-pareto": request.mark_pareto,
        "--plot": plot_file,
        "--limit": listed is not None,
        "--exact": exact,
    }
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} cannot be combined with a folder of shards")


def write_folder(job: Job, sampling: Sampling, where: writing.Output) -> int:
    """Write the shards of a sweep that are not there yet, and return the exit status.

    Raises Flaw for a wrong request or a folder of another sweep, Failure if a file cannot be written, and InvalidSpec
    if no combination is valid.
    """
    assert where.file is not None
    try:
        folder = _open(job, sampling, where.file)
        shards = _choose_shards(folder, sampling)
        with StopOnInterrupt() as stop:
            tally, facts = _write_shards(job, folder, shards, where, stop)
            if stop.is_requested:
                done = sum(folder.read_facts(first) is not None for first in shards)
                said = f"interrupted: {done:,} of {len(shards):,} shards are complete in {printable(where.file)}"
                click.echo(f"convcalc: {said}; run the same command to resume", err=True)
                return INTERRUPTED
        folder.remove_parts()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "the complete shards are kept: run the same command to resume"
        raise writing.Failure(f"-o {printable(where.file)}: {reason}; {hint}") from None
    if not job.is_shard and facts and all(one.invalid == one.tried for one in facts):
        describe_network(job, tally, where)  # raises InvalidSpec
    for message in () if where.quiet else list_warnings(job, tally, where):
        click.echo(f"convcalc: {message}", err=True)
    return 0


def _open(job: Job, sampling: Sampling, path: str) -> ShardFolder:
    """Return the folder, after the first rows have shown that the sweep can be evaluated."""
    plan, names = job.planned.plan, job.planned.shown
    rows = sweep_chunk(plan, job.numbers[:_FIRST], Tally())
    kinds: dict[str, type] = dict.fromkeys(names, str)
    if job.format == "parquet":
        from convcalc.render.parquet import choose_kinds, require_pyarrow

        require_pyarrow()
        kinds = choose_kinds(names, rows, list_known_values(plan))
    sweep = describe_sweep(
        job.recipe, names, sampling.size, sampling.seed, sampling.latin_hypercube, bool(job.planned.list_measured())
    )
    total = count_numbers(job.numbers)
    manifest = Manifest(job.format, kinds, total, choose_size(total), sweep)
    _choose_shards(ShardFolder(path, *manifest[:-1]), sampling)  # before it is created
    folder = open_folder(path, manifest)
    return folder._replace(path=os.path.abspath(path))  # workers can have another working folder


def _choose_shards(folder: ShardFolder, sampling: Sampling) -> Sequence[int]:
    """Return the first rows of the shards that --shard chooses. Raises Flaw if they have too many rows."""
    count = -(-folder.total // folder.size)
    first, last = sampling.shard.find_bounds(count)
    rows = (last - first) * folder.size
    check_size(min(rows, folder.total), "use larger steps, draw some with --sample N, or divide them with --shard 1/N")
    return range(first * folder.size, last * folder.size, folder.size)


def _write_shards(
    job: Job, folder: ShardFolder, shards: Sequence[int], where: writing.Output, stop: StopOnInterrupt
) -> tuple[Tally, list[Any]]:
    """Write shards until an interrupt; return the counts of those that were evaluated, and the facts of all.

    Raises Flaw and OSError.
    """
    tally, facts, plan = Tally(), [], job.planned.plan
    if plan.join is not None:
        plan.join.used.clear()
        plan.join.missing[0] = 0
    total = folder.find_stop(shards[-1]) - shards[0] if shards else 0
    for written in show_rate(_list_written(job, folder, shards, stop), total, where):
        facts.append(written.facts)
        if written.part is not None:
            written.part.add_to(tally, plan)
        if folder.read_facts(written.facts.first) is None:
            hint = "all workers must share it"
            raise Flaw(f"{printable(folder.path)} lacks a shard that a worker has written", hint)
    return tally, facts


def _list_written(job: Job, folder: ShardFolder, shards: Sequence[int], stop: StopOnInterrupt) -> Iterator[Written]:
    tasks = ((job.recipe, folder, first, job.numbers[first : folder.find_stop(first)]) for first in shards)
    if job.staff.is_empty:
        yield from raise_refusals(_raise_os_errors(_write_here(tasks, stop)))
        return
    with job.staff.hire() as workers:
        results = run_tasks(workers, write_shard, tasks, report_loss, lambda: stop.is_requested)
        yield from raise_refusals(_raise_os_errors(results))


def _write_here(
    tasks: Iterator[tuple[Recipe, ShardFolder, int, Numbers]], stop: StopOnInterrupt
) -> Iterator[Written | Flaw | OSError]:
    for task in tasks:
        yield write_shard(*task)
        if stop.is_requested:
            return


def _raise_os_errors(results: Iterator[Written | Flaw | OSError]) -> Iterator[Written | Flaw]:
    for result in results:
        if isinstance(result, OSError):
            raise result
        yield result
