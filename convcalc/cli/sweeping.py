"""Runs a sweep: shows its progress, writes its rows as they come or as a table, and stops whole after Ctrl-C."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import click

from convcalc.analysis.report import analyse
from convcalc.cli import common, writing
from convcalc.cli.interrupts import StopOnInterrupt
from convcalc.cli.staff import Staff, raise_refusals, report_loss
from convcalc.cli.streaming import Interrupted, Target, open_result
from convcalc.cli.varying import explain_invalid, show_rate
from convcalc.metrics.budgets import complete_limits, list_limits
from convcalc.metrics.device_figures import explain_unknown
from convcalc.metrics.figures import SHAPES
from convcalc.network import Limit
from convcalc.problems import Flaw, InvalidSpec, printable
from convcalc.render.shard_files import format_part
from convcalc.render.sweep_rows import RowWriter, make_writer
from convcalc.space.choosing import PARETO, Choice
from convcalc.space.chunk import Chunk, make_chunk
from convcalc.space.evaluation import Setup
from convcalc.space.ordering import Row
from convcalc.space.planning import Planned
from convcalc.space.recipes import Part, Recipe, divide_numbers, evaluate_part
from convcalc.space.scatter import Scatter
from convcalc.space.sweeping import PROBLEM, Numbers, Plan, Tally, split_numbers, sweep_chunk
from convcalc.space.values import list_kinds
from convcalc.space.workers import run_tasks
from convcalc.spec.budget_metrics import LATENCY
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
        if self._is_stream:
            self._write_rows(None, target, stop)
            return
        choice = Choice(self.job.planned, self._count_listed())
        for rows, count in self._list_chunks(stop):
            choice.add(rows, count)
        chosen = self._select_columns(choice.finish())
        if self.job.format in _PRINTED:
            target.write(self._print_rows(chosen, choice))
        else:
            self._write_rows(make_chunk(chosen, len(self._names)), target, stop)

    def _write_rows(self, chosen: Chunk | None, target: Target, stop: StopOnInterrupt) -> None:
        """Write the chosen rows; if they are None, evaluate all rows and write them one chunk at a time."""
        if self.job.format == "parquet":
            shown = len(self.job.planned.shown)
            chunks = (rows.take_columns(shown) for rows, _ in self._list_chunks(stop))
            self._write_parquet(chunks if chosen is None else [chosen], target)
            return
        writer = make_writer(self.job.format, self._names)
        texts = self._list_texts(writer, stop) if chosen is None else [writer.format_chunk(chosen)]
        self._write_texts(writer, texts, target)

    @property
    def _is_stream(self) -> bool:
        """Whether all rows are written, in the order in which they are evaluated."""
        planned = self.job.planned
        is_whole = self.job.format not in _PRINTED and self.job.listed is None
        return is_whole and not planned.order and not planned.pareto

    def _list_texts(self, writer: RowWriter, stop: StopOnInterrupt) -> Iterator[str]:
        """Yield the text of the rows that the plan keeps, piece by piece; if there are workers, they format it."""
        if self.job.staff.is_empty or self.scatter is not None:
            for rows, _ in self._list_chunks(stop):
                yield writer.format_chunk(rows.take_columns(len(self._names)))
            return
        for part in self._list_parts(stop, format_part, self.job.format, self._names):
            yield part.text

    def _list_chunks(self, stop: StopOnInterrupt) -> Iterator[tuple[Chunk, int]]:
        """Yield the rows that may be chosen, chunk by chunk, and the number of all that the plan keeps."""
        for rows, count in self._sweep_here(stop) if self.job.staff.is_empty else self._sweep_elsewhere(stop):
            if self.scatter is not None:
                self.scatter.add(rows.list_rows())
            yield rows, count

    def _sweep_here(self, stop: StopOnInterrupt) -> Iterator[tuple[Chunk, int]]:
        numbers = self.job.numbers
        for chunk in show_rate(split_numbers(numbers), len(numbers), self.where):
            rows = sweep_chunk(self.job.planned.plan, chunk, self.tally)
            yield rows, len(rows)
            if stop.is_requested:
                return

    def _sweep_elsewhere(self, stop: StopOnInterrupt) -> Iterator[tuple[Chunk, int]]:
        for part in self._list_parts(stop, evaluate_part, self._count_listed()):
            yield part.rows, part.tally.kept

    def _list_parts(
        self, stop: StopOnInterrupt, function: Callable[..., Part | Flaw], *arguments: Any
    ) -> Iterator[Part]:
        """Yield what workers return for each part of the rows, until an interrupt, and count the rows."""
        job, plan = self.job, self.job.planned.plan
        plan.evaluator.evaluate(plan.combinations.list_columns(job.numbers[:1]), ())  # raises for a wrong parameter
        with job.staff.hire() as workers:
            tasks = ((job.recipe, numbers, *arguments) for numbers in divide_numbers(job.numbers, workers.ahead))
            parts = run_tasks(workers, function, tasks, report_loss, lambda: stop.is_requested)
            for part in show_rate(raise_refusals(parts), len(job.numbers), self.where):
                part.add_to(self.tally, plan)
                yield part

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
        device = self.job.planned.list_measured()
        found = Swept(
            *(name, self._names, rows, choice.total, limits, self.tally, size, on_front, self.job.fixed, device),
            self.job.setup.target,
        )
        if self.job.format == "markdown":
            return sweep_markdown(found, self.job.exact)
        return writing.render_text(sweep_lines(found, writing.table_width(self.where), self.job.exact), self.where)

    def _write_texts(self, writer: RowWriter, texts: Iterable[str], target: Target) -> None:
        """Write each text of rows when it is ready, and at the end the facts about the sweep."""
        waiting = [writer.begin()]
        for text in texts:
            waiting.append(writer.add(text))
            if self.tally.first_valid is not None or len(waiting) > _MOST_WAITING:
                target.write("".join(waiting))
                waiting = []
        facts = self._list_facts(self._describe())  # if no row is valid, nothing has been written
        target.write("".join([*waiting, writer.end(facts)]))

    def _list_facts(self, described: Described) -> dict[str, Any]:
        from convcalc.render.limits import limit_dict, merge_limits
        from convcalc.render.values import describe_target

        tally = self.tally
        return {
            "name": described.name,
            "file": described.file,
            **describe_target(self.job.setup.target, self.job.planned.list_measured()),
            "limits": [limit_dict(limit) for limit in merge_limits(described.limits)],
            "combinations": self.job.planned.plan.combinations.size,
            "tried": tally.tried,
            "invalid": tally.invalid,
            "exceeding": tally.exceeding,
            "filtered": tally.filtered,
        }

    def _write_parquet(self, chunks: Iterable[Chunk], target: Target) -> None:
        from convcalc.render.parquet import ParquetRows, choose_kinds

        if self.where.file is None and sys.stdout.isatty():
            raise Flaw("-f parquet is binary", "write it to a file with -o FILE.parquet")
        chunks = iter(chunks)
        rows = next(chunks, make_chunk([], len(self._names)))
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
        text = plot_svg(self.title, self.scatter, plan.names, params, job.planned.axes, job.setup.target)
        writing.write_text(text, writing.Output(job.plot_file, "never", True), job.inputs)

    def report_interrupt(self) -> None:
        """Say how much was done before an interrupt, and where it is."""
        done = f"interrupted after {self.tally.tried:,} of {len(self.job.numbers):,} combinations"
        click.echo(f"convcalc: {done}{self._describe_kept()}", err=True)

    def _describe_kept(self) -> str:
        """Return where the rows before an interrupt are."""
        file = self.where.file
        if file in (None, "-"):
            return ""
        name, part = printable(str(file)), printable(f"{file}.part")
        kept = f"{name} is unchanged" if os.path.exists(str(file)) else f"{name} was not written"
        return f"; {kept}, and {part} has the rows so far; a sweep into a folder (-o FOLDER/) can be resumed"

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
            return Described(file or "network", file, complete_limits(job.setup.limits), False)
        raise explain_invalid(error, job.document, overrides, job.planned.plan.combinations) from None
    limits = list_limits(network, job.setup.limits, job.setup.spec_budget)
    return Described(network.name, network.file, limits)


def list_known_values(plan: Plan) -> dict[str, Sequence[Any]]:
    """Return values of the columns whose kind is known before there are rows."""
    joined = plan.join.list_joined_values() if plan.join else {}
    figures = {name: [""] if name in SHAPES else [0.0] if name == LATENCY else [0] for name in plan.figures}
    params = {param.name: list_kinds(param.values) for param in plan.combinations.params}
    constants = {name: [value] for name, value in plan.constants.items()}
    return {**figures, PROBLEM: [""], PARETO: [True], **constants, **joined, **params}


def list_warnings(job: Job, tally: Tally, where: writing.Output) -> list[str]:
    """Return messages on rows in which something has no value, and on lines of the CSV file without a combination."""
    found = [
        f"{text}: no result in {count:,} row{'' if count == 1 else 's'}: {message}"
        for text, (count, message) in tally.undefined.items()
    ]
    found += _explain_unknown(job, tally, where)
    join = job.planned.plan.join
    return found if join is None else found + join.list_warnings(tally.tried, job.planned.plan.combinations.size)


def _explain_unknown(job: Job, tally: Tally, where: writing.Output) -> Iterator[str]:
    """Yield, per figure of a device, in how many rows it is unknown, and the reason in the first one.

    If the arena is unknown, so is the flash.
    """
    overrides = job.setup.overrides
    for name, (count, first) in tally.unknown.items():
        if name == "flash" and "arena" in tally.unknown:
            continue
        row = job.planned.plan.combinations.get_row(first)
        network = common.make_reader(job.document, where)(overrides.with_params({**overrides.params, **row}))
        report = analyse(network, fold_batchnorm=job.setup.fold_batchnorm)
        reason = explain_unknown(report, name, job.setup.target)
        names = "arena and flash" if name == "arena" and "flash" in tally.unknown else name
        yield f"{names}: unknown in {count:,} row{'' if count == 1 else 's'}: {printable(reason)}"
