"""`convcalc fit`: finds the values of spec parameters with which a network is within a budget."""

from __future__ import annotations  # the types are imported only for type checkers

import gc
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from convcalc.cli import common, completing, writing
from convcalc.cli.limits import limit_options
from convcalc.cli.target_options import Asked, target_options, warn_of_unknown
from convcalc.cli.varying import (
    explain_invalid,
    list_device_limits,
    param_option,
    read_space,
    read_varied_document,
    show_rate,
)
from convcalc.metrics.figures import find_figure
from convcalc.problems import Flaw, InvalidSpec, did_you_mean, show
from convcalc.spec.budget_metrics import LATENCY, MEASURED, RANKED

if TYPE_CHECKING:
    from convcalc.space.fitting import Fit, Order
    from convcalc.spec.document import Document
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc fit example:mobilenet_v1 -p width=0.25:1.5:0.05 --max-macs 300M
  convcalc fit example:mobilenet_v1 -p size=96,128,160 --max-peak-memory 2MiB
  convcalc fit example:ds_cnn -p channels=16:128:16 --max-params 50K --by -macs"""
_NONE_FITS = 1
_NO_BUDGET = "no budget: set one with an option such as --max-macs or --max-peak-memory, or in the spec (budget:)"


@click.command("fit", epilog=_EXAMPLES)
@common.network_options
@param_option
@partial(limit_options, runtime="")
@click.option("--no-spec-budget", is_flag=True, help="Ignore the spec's own budget.")
@common.inference_options
@target_options
@click.option(
    "--by",
    default="macs",
    metavar="METRIC",
    shell_complete=completing.complete_from(lambda: RANKED),
    help="Metric to maximise within the budget, such as params or peak_memory (default: macs). A leading minus "
    "minimises it: -params.",
)
@click.option("--limit", "rows", type=click.IntRange(0), metavar="N", help="Number of combinations to list; 0 for all.")
@common.format_option("table", "json", "csv", "markdown")
@common.output_options
@common.quiet_option("Print only the best combination, as options for other commands; with the default format only.")
def command(
    net: str,
    overrides: Overrides,
    tried: tuple[str, ...],
    limits: tuple[Any, ...],
    no_spec_budget: bool,
    inplace: bool,
    fold_batchnorm: bool,
    asked: Asked,
    by: str,
    rows: int | None,
    format: str,
    where: writing.Output,
) -> int:
    """Find the largest network within a budget.

    NET is analysed with every combination of the values of -p. The combinations within the budget are listed, best
    first. The list is followed by combinations that exceed the budget and differ from the best one in a single value.
    The budget consists of the limits in the spec and on the command line. The exit status is 1 if no combination is
    within the budget.

    With -q, only the best combination is printed, as options for other commands:

    \b
      convcalc summary NET $(convcalc fit NET … -q)

    If values contain spaces, use xargs instead:

    \b
      convcalc fit NET … -q | xargs convcalc summary NET
    """  # noqa: D301 (click preserves the line breaks of a paragraph after this backspace character)
    from convcalc.space.combinations import check_size
    from convcalc.space.evaluation import Setup
    from convcalc.space.evaluators import make_evaluator
    from convcalc.space.fitting import fit
    from convcalc.space.keeping import check_held
    from convcalc.space.sweeping import split_numbers
    from convcalc.spec.inputs import WrongOverride

    if where.quiet and format != "table":
        raise click.UsageError(f"-q cannot be combined with {common.describe_format(format, where)}")
    order = _read_order(by)
    document, overrides = read_varied_document(net, overrides, where, "fit varies")
    if not limits and (no_spec_budget or not _has_budget(document)):
        raise writing.Failure(_NO_BUDGET)
    gc.enable()  # every combination leaves garbage
    on_device = list_device_limits(document, overrides, limits, not no_spec_budget)
    target = asked.read(where, on_device)
    limits = asked.choose_runtimes(limits, target)
    used = (order.metric, *(limit.metric for limit in on_device), *asked.list_added(target))
    known = [name for name in MEASURED if name != LATENCY or target.device is not None or order.metric == LATENCY]
    measured = tuple(name for name in known if name in used)
    asked.check_columns(measured, target, overrides)
    setup = Setup(overrides, inplace, fold_batchnorm, limits=limits, spec_budget=not no_spec_budget, target=target)
    try:
        space = read_space(tried, overrides)
        check_size(space.size, "use a larger step")
        check_held(max(len(param.values) for param in space.params) if format == "json" else 0)
        chunks = show_rate(split_numbers(range(space.size)), space.size, where)
        load = common.make_reader(document, where)
        most = _count_rows(format, rows, where)
        evaluator = make_evaluator(document, setup, space.size)
        found = fit(load, evaluator, setup, space, order, most, chunks, format == "json", measured)
    except Flaw as flaw:
        raise writing.Failure(f"-p: {flaw.text}") from None
    except WrongOverride:
        raise
    except InvalidSpec as error:
        raise explain_invalid(error, document, overrides, space) from None
    if measured and not where.quiet:
        from convcalc.analysis.report import analyse

        report = analyse(found.network, fold_batchnorm=fold_batchnorm)  # the first valid combination
        warn_of_unknown([("", report)], measured, target, where)
    writing.write_text(_render(found, format, most, where), where, [net])
    return 0 if found.within else _NONE_FITS


def _count_rows(format: str, rows: int | None, where: writing.Output) -> int | None:
    """Return how many combinations are listed; None for all.

    If `rows`, the value of --limit, is None, JSON and CSV have all combinations, and the other formats the first few.
    """
    if where.quiet:
        return 1
    if rows is not None:
        return rows or None
    from convcalc.render.fit import MOST_ROWS

    return None if format in ("json", "csv") else MOST_ROWS


def _has_budget(document: Document) -> bool:
    """Return whether a spec has a budget.

    Also True for an invalid spec, so that the user sees its errors and not the error message about a missing budget.
    """
    return not isinstance(document.root, dict) or bool(document.root.get("budget")) or bool(document.problems)


def _read_order(text: str) -> Order:
    """Parse --by, such as `macs` (most first) or `-params` (fewest first). Raises Failure for an unknown metric."""
    from convcalc.space.fitting import Order

    written = text.removeprefix("-")
    metric = find_figure(written) or written
    if metric not in RANKED:
        hint = did_you_mean(metric, RANKED) or f"available: {', '.join(RANKED)}"
        raise writing.Failure(f"--by: unknown metric {show(written)}: {hint}")
    return Order(metric, text.startswith("-"))


def _render(found: Fit, format: str, listed: int | None, where: writing.Output) -> str:
    """Return the result in the requested format, with at most `listed` combinations (None: all)."""
    from convcalc.render import fit

    if format == "json":
        return fit.fit_json(found, listed)
    if format == "csv":
        return fit.fit_csv(found, listed)
    if where.quiet:
        return fit.best_options(found)
    if format == "markdown":
        return fit.fit_markdown(found, listed)
    return writing.render_text(fit.fit_lines(found, writing.table_width(where), listed), where)
