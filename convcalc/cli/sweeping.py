"""Runs a sweep: shows its progress, writes its rows as they come or as a table, and stops whole after Ctrl-C."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import click

from convcalc.analysis.budgets import measure_device
from convcalc.analysis.figures import SHAPES
from convcalc.cli import common, writing
from convcalc.cli.interrupts import StopOnInterrupt
from convcalc.cli.staff import Staff, raise_refusals, report_loss
from convcalc.cli.streaming import Interrupted, Target, open_result
from convcalc.cli.varying import explain_invalid, show_rate
from convcalc.network import Limit
from convcalc.problems import Flaw, InvalidSpec, printable
from convcalc.space.choosing import PARETO, Choice
from convcalc.space.evaluation import Setup
from convcalc.space.ordering import Row
from convcalc.space.planning import Planned
from convcalc.space.recipes import Recipe, divide_numbers, evaluate_part
from convcalc.space.scatter import Scatter
from convcalc.space.sweeping import PROBLEM, Numbers, Plan, Tally, split_numbers, sweep_chunk
from convcalc.space.values import list_kinds
from convcalc.space.workers import run_tasks
from convcalc.spec.document import Document

INTERRUPTED = 130
_MOST_WAITING = 100  # chunks of invalid rows that are held until there is a valid one
_PRINTED = ("table", "markdown")  # formats that show the first rows


class Job(NamedTuple):
    """What to sweep, and how to write it.

    `inputs` are the files that are read. `numbers` are the rows to evaluate, all or a shard of them. `listed` is the
    value of --limit. No column is dropped from a table if the user has chosen them (`fixed`). `recipe` describes the
    sweep to the workers of `staff`.
    """

    inputs: tuple[str, ...]
    document: Document
    setup: Setup
    planned: Planned
    numbers: Numbers
    is_shard: bool
    plot_file: str | None
    fixed: bool
    listed: int | None
    exact: bool
    format: str
    recipe: Recipe
    staff: Staff = Staff()


class Described(NamedTuple):
    """The name and the file of a network, and its limits together with those of the command line.

    They are those of a valid network, unless a shard has none (`is_valid`).
    """

    name: str
    file: str | None
    limits: tuple[Limit, ...]
    is_valid: bool = True


def run_sweep(job: Job, where: writing.Output) -> int:
    """Write the rows of a sweep and return the exit status.

    Raises Flaw for a wrong request, Failure if a file cannot be written, and InvalidSpec if no combination is valid.
    """
    run = _Run(job, where)
    try:
        with StopOnInterrupt() as stop, open_result(where, job.inputs) as target:
            run.write(target, stop)
            if stop.is_requested:
                raise Interrupted
    except Interrupted:
        run.report_interrupt()
        return INTERRUPTED
    run.draw_plot()
    run.warn()
    return 0


class _Run:
    """A sweep in progress: its counts, the points of its plot, and the name of its first valid network."""

    def __init__(self, job: Job, where: writing.Output) -> None:
        self.job = job
        self.where = where
        self.tally = Tally()
        axes = job.planned.axes
        self.scatter = Scatter(job.planned.plan.names, axes) if axes else None
        self.title: str | None = None

    def write(self, target: Target, stop: StopOnInterrupt) -> None:
        """Write all rows, or those until an interrupt."""
        job, planned = self.job, self.job.planned
        chunks = self._list_chunks(stop)
        if job.format not in _PRINTED and job.listed is None and not planned.order and not planned.pareto:
            self._write_rows(map(self._select_columns, chunks), target)
            return
        choice = Choice(planned, self._count_listed())
        for rows in chunks:
            choice.add(rows)
        chosen = self._select_columns(choice.finish())
        if job.format in _PRINTED:
            target.write(self._print_rows(chosen, choice))
        else:
            self._write_rows([chosen], target)

    def _list_chunks(self, stop: StopOnInterrupt) -> Iterator[list[Row]]:
        """Yield the rows that the plan keeps, chunk by chunk, until an interrupt."""
        for rows in self._sweep_here() if self.job.staff.is_empty else self._sweep_elsewhere(stop):
            if self.scatter is not None:
                self.scatter.add(rows)
            yield rows
            if stop.is_requested:
                return

    def _sweep_here(self) -> Iterator[list[Row]]:
        numbers = self.job.numbers
        for chunk in show_rate(split_numbers(numbers), len(numbers), self.where):
            yield sweep_chunk(self.job.planned.plan, chunk, self.tally)

    def _sweep_elsewhere(self, stop: StopOnInterrupt) -> Iterator[list[Row]]:
        job, plan = self.job, self.job.planned.plan
        plan.evaluator.evaluate(plan.combinations.list_columns(job.numbers[:1]), ())  # raises for a wrong parameter
        with job.staff.hire() as workers:
            tasks = ((job.recipe, numbers) for numbers in divide_numbers(job.numbers, workers.ahead))
            parts = run_tasks(workers, evaluate_part, tasks, report_loss, lambda: stop.is_requested)
            for part in show_rate(raise_refusals(parts), len(job.numbers), self.where):
                part.add_to(self.tally, plan)
                yield part.rows

    def _count_listed(self) -> int | None:
        """Return how many rows are listed at most; None for all."""
        if self.job.listed is not None or self.job.format not in _PRINTED:
            return self.job.listed or None
        from convcalc.render.sweep import MOST_ROWS

        return MOST_ROWS

    @property
    def _names(self) -> list[str]:
        """The columns that are written."""
        return [*self.job.planned.shown, *([PARETO] if self.job.planned.is_marked else [])]

    def _select_columns(self, rows: list[Row]) -> list[Row]:
        """Return the rows without the columns that only sort, mark or draw them; the last one marks the front."""
        planned = self.job.planned
        shown, known = len(planned.shown), len(planned.plan.names)
        return rows if shown == known else [row[:shown] + row[known:] for row in rows]

    def _describe(self) -> Described:
        described = describe_network(self.job, self.tally, self.where)
        if described.is_valid:
            self.title = described.name
        return described

    def _print_rows(self, rows: Sequence[Row], choice: Choice) -> str:
        from convcalc.render.sweep import Swept, sweep_lines, sweep_markdown

        name, _, limits, _ = self._describe()
        size = self.job.planned.plan.combinations.size
        on_front = len(choice.front.list_rows()) if choice.front else 0
        device = self.job.planned.list_device_figures()
        found = Swept(
            *(name, self._names, rows, choice.total, limits, self.tally, size, on_front, self.job.fixed, device),
            self.job.setup.runtime,
        )
        if self.job.format == "markdown":
            return sweep_markdown(found, self.job.exact)
        return writing.render_text(sweep_lines(found, writing.table_width(self.where), self.job.exact), self.where)

    def _write_rows(self, chunks: Iterable[list[Row]], target: Target) -> None:
        """Write chunks of rows as they come, and then the facts about the sweep."""
        from convcalc.render import sweep_rows

        if self.job.format == "parquet":
            self._write_parquet(chunks, target)
            return
        writer = sweep_rows.make_writer(self.job.format, self._names)
        waiting = [writer.begin()]
        for rows in chunks:
            waiting.append(writer.write(rows))
            if self.tally.first_valid is not None or len(waiting) > _MOST_WAITING:
                target.write("".join(waiting))
                waiting = []
        facts = self._list_facts(self._describe())  # if no row is valid, nothing has been written
        target.write("".join([*waiting, writer.end(facts)]))

    def _list_facts(self, described: Described) -> dict[str, Any]:
        from convcalc.render.limits import limit_dict, merge_limits

        tally = self.tally
        return {
            "name": described.name,
            "file": described.file,
            **({"runtime": self.job.setup.runtime} if self.job.planned.list_device_figures() else {}),
            "limits": [limit_dict(limit) for limit in merge_limits(described.limits)],
            "combinations": self.job.planned.plan.combinations.size,
            "tried": tally.tried,
            "invalid": tally.invalid,
            "exceeding": tally.exceeding,
            "filtered": tally.filtered,
        }

    def _write_parquet(self, chunks: Iterable[list[Row]], target: Target) -> None:
        from convcalc.render.parquet import ParquetRows, choose_kinds

        if self.where.file is None and sys.stdout.isatty():
            raise Flaw("-f parquet is binary", "write it to a file with -o FILE.parquet")
        chunks = iter(chunks)
        rows = next(chunks, [])
        file = ParquetRows(choose_kinds(self._names, rows, list_known_values(self.job.planned.plan)), target.stream)
        file.write(rows)
        for rows in chunks:
            file.write(rows)
        file.close()
        self._describe()

    def draw_plot(self) -> None:
        """Write the plot, if there is one."""
        job = self.job
        if self.scatter is None or job.plot_file is None or self.title is None:
            return
        from convcalc.render.sweep_plot import plot_svg

        plan = job.planned.plan
        params = [param.name for param in plan.combinations.params]
        text = plot_svg(self.title, self.scatter, plan.names, params, job.planned.axes, job.setup.runtime)
        writing.write_text(text, writing.Output(job.plot_file, "never", True), job.inputs)

    def report_interrupt(self) -> None:
        """Say how much was done before an interrupt, and where it is."""
        done = f"interrupted after {self.tally.tried:,} of {len(self.job.numbers):,} combinations"
        file = self.where.file
        kept = "" if file in (None, "-") else f"; {printable(str(file))} is unchanged, and {{}} has the rows so far"
        click.echo(f"convcalc: {done}{kept.format(printable(f'{file}.part'))}", err=True)

    def warn(self) -> None:
        """Report expressions without a result, and lines of the CSV file that match no combination."""
        if self.where.quiet:
            return
        for message in list_warnings(self.job, self.tally, self.where):
            click.echo(f"convcalc: {message}", err=True)


def describe_network(job: Job, tally: Tally, where: writing.Output) -> Described:
    """Return the description of the first valid network, or of the network with the defaults if a shard has none.

    Raises InvalidSpec if no combination is valid, and there are no further shards.
    """
    overrides = job.setup.overrides
    number = tally.first_valid
    if number is None and job.numbers and not job.is_shard:
        number = job.numbers[0]
    row = {} if number is None else job.planned.plan.combinations.get_row(number)
    try:
        read = common.make_reader(job.document, where)
        network = read(overrides.with_params({**overrides.params, **row}))
    except InvalidSpec as error:
        if job.is_shard:
            file = job.document.file
            return Described(file or "network", file, job.setup.limits, False)
        raise explain_invalid(error, job.document, overrides, job.planned.plan.combinations) from None
    limits = (*(network.budget if job.setup.spec_budget else ()), *job.setup.limits)
    return Described(network.name, network.file, limits)


def list_known_values(plan: Plan) -> dict[str, Sequence[Any]]:
    """Return values of the columns whose kind is known before there are rows."""
    joined = plan.join.list_values() if plan.join else {}
    figures = {name: [""] if name in SHAPES else [0] for name in plan.figures}
    params = {param.name: list_kinds(param.values) for param in plan.combinations.params}
    constants = {name: [value] for name, value in plan.constants.items()}
    return {**figures, PROBLEM: [""], PARETO: [True], **constants, **joined, **params}


def list_warnings(job: Job, tally: Tally, where: writing.Output) -> list[str]:
    """Return messages on rows in which something has no value, and on lines of the CSV file without a combination."""
    found = [
        f"{text}: no result in {count:,} row{'' if count == 1 else 's'}: {message}"
        for text, (count, message) in tally.undefined.items()
    ]
    if tally.unplanned:
        found.append(_explain_unplanned(job, tally, where))
    join = job.planned.plan.join
    return found if join is None else found + join.list_warnings(tally.tried, job.planned.plan.combinations.size)


def _explain_unplanned(job: Job, tally: Tally, where: writing.Output) -> str:
    """Return in how many rows the memory of a microcontroller is unknown, and the reason in the first one."""
    overrides = job.setup.overrides
    row = job.planned.plan.combinations.get_row(tally.first_unplanned)
    network = common.make_reader(job.document, where)(overrides.with_params({**overrides.params, **row}))
    reason = measure_device(network, job.setup.runtime)
    names = " and ".join(job.planned.list_device_figures())
    return f"{names}: unknown in {tally.unplanned:,} row{'' if tally.unplanned == 1 else 's'}: {printable(str(reason))}"
