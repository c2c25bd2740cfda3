"""`convcalc sweep`: evaluates a network for many values of its spec parameters, one row per combination."""

from __future__ import annotations  # the types are imported only for type checkers

import gc
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from convcalc.cli import common, writing
from convcalc.cli.limits import limit_options
from convcalc.cli.staff import Staff, staff_options
from convcalc.cli.sweep_options import request_options, sampling_options
from convcalc.cli.target_options import Asked, target_options
from convcalc.cli.varying import list_device_limits, param_option, read_space, read_varied_document
from convcalc.problems import Flaw, printable, show

if TYPE_CHECKING:
    from convcalc.cli.sweep_options import Sampling
    from convcalc.space.planning import Request
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc sweep example:mobilenet_v1 -p width=0.25:1:0.25 -p size=96,128,160
  convcalc sweep example:mobilenet_v1 -p width=0.25:1:0.05 --where 'macs < 300M and peak_memory < 2MiB' -f csv
  convcalc sweep example:mobilenet_v1 -p width=0.25:1:0.05 -p size=96:224:32 --plot macs,params,size plot.svg
  convcalc sweep example:mobilenet_v1 -p width=0.5,1 --join accuracy.csv --derive 'score=top1/macs' --sort score
  convcalc sweep example:mobilenet_v1 -p width=0.25:1:0.001 -p size=96:224:32 -j 2 -o rows/"""


@click.command("sweep", epilog=_EXAMPLES)
@common.network_options
@param_option
@sampling_options
@partial(limit_options, runtime="")
@click.option("--no-spec-budget", is_flag=True, help="Ignore the spec's own budget.")
@request_options
@target_options
@common.memory_options
@click.option("--limit", "listed", type=click.IntRange(0), metavar="N", help="Number of rows to list; 0 for all.")
@click.option(
    "--resume", metavar="FOLDER", help="Continue a sweep: like -o FOLDER/, but fails if there is none to continue."
)
@click.option("--exact", is_flag=True, help="Print whole numbers instead of K, M and G.")
@common.format_option("table", "csv", "json", "jsonl", "parquet", "markdown")
@common.output_options
@staff_options
@common.quiet_option("Do not print warnings and progress.")
def command(
    net: str,
    overrides: Overrides,
    tried: tuple[str, ...],
    sampling: Sampling,
    limits: tuple[Any, ...],
    no_spec_budget: bool,
    request: Request,
    asked: Asked,
    plot_file: str | None,
    inplace: bool,
    fold_batchnorm: bool,
    optimizer: str,
    listed: int | None,
    resume: str | None,
    exact: bool,
    format: str,
    where: writing.Output,
    staff: Staff,
) -> int:
    """Evaluate every combination of parameter values, one row each.

    A row has the parameters, and the columns of --columns. Combinations that exceed the budget of the spec or of the
    command line are left out; those that make the spec invalid are kept with the reason. CSV, JSON and Parquet are
    written as the rows come, so that millions of rows need little memory.

    With -o FOLDER/, each part of the rows is a file of its own: the same command continues what was interrupted, and
    convcalc merge joins the files.

    The exit status is 1 if the spec is invalid for every combination.
    """
    from convcalc.cli.sharding import choose_folder, choose_shard_format, is_folder, refuse_choices, write_folder
    from convcalc.cli.sweeping import Job, run_sweep
    from convcalc.space.evaluation import Setup
    from convcalc.space.evaluators import make_evaluator
    from convcalc.space.planning import make_plan
    from convcalc.space.recipes import make_recipe
    from convcalc.space.sweeping import count_numbers

    where = where if resume is None else choose_folder(resume, where)
    in_folder = is_folder(where.file)
    if in_folder:
        format = choose_shard_format(format)
        refuse_choices(request, plot_file, listed, exact)
    elif exact and format not in ("table", "markdown"):
        raise click.UsageError(f"--exact cannot be combined with {common.describe_format(format, where)}")
    inputs = (net, *([request.join] if isinstance(request.join, str) else []))
    if plot_file is not None:
        _check_plot_file(plot_file, inputs, where)
    document, overrides = read_varied_document(net, overrides, where, "sweep varies")
    gc.enable()  # every combination leaves garbage
    target = asked.read(where, list_device_limits(document, overrides, limits, not no_spec_budget))
    limits = asked.choose_runtimes(limits, target)
    setup = Setup(overrides, inplace, fold_batchnorm, optimizer, limits, not no_spec_budget, target)
    try:
        space = read_space(tried, overrides)
        numbers = sampling.choose_all(space) if in_folder else sampling.choose_numbers(space)
    except Flaw as flaw:
        raise writing.Failure(f"-p: {flaw.text}") from None
    try:
        fixed = request.columns is not None
        added = () if fixed else asked.list_added(target)
        request = request._replace(added=added, has_device=target.device is not None)
        rows = count_numbers(numbers)
        recipe = make_recipe(document, setup, space, request, rows)
        planned = make_plan(document, overrides.params, space, make_evaluator(document, setup, rows), recipe.request)
        asked.check_used(planned.plan.figures)
        asked.check_columns(planned.plan.figures, target, overrides)
        is_shard = sampling.shard.parts > 1
        settings = (plot_file, fixed, listed, exact, format, recipe, staff)
        job = Job(inputs, document, setup, planned, numbers, is_shard, *settings)
        return write_folder(job, sampling, where) if in_folder else run_sweep(job, where)
    except Flaw as flaw:
        raise writing.Failure(flaw.text) from None


def _check_plot_file(file: str, inputs: Sequence[str], where: writing.Output) -> None:
    """Raise an error before a long sweep if its plot could not be written."""
    target = writing.resolve_target(file, inputs, "--plot")
    if where.file is not None and target == os.path.realpath(where.file):
        raise click.UsageError(f"--plot and -o name the same file {show(file)}")
    if not os.path.isdir(os.path.dirname(target)):
        raise writing.Failure(f"--plot {printable(file)}: no such folder")
