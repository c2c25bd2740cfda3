"""`convcalc fit`: finds the values of spec parameters with which a network is within a budget."""

from typing import Any

import click

from convcalc.analysis.figures import find_figure
from convcalc.cli import common, completing, writing
from convcalc.cli.limits import limit_options
from convcalc.fitting import METRICS, Fit, Load, Order, Param, Setup, expand_values, fit
from convcalc.problems import Flaw, InvalidSpec, did_you_mean, printable, show
from convcalc.spec.blame import advise_import, blame_params
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides, WrongOverride
from convcalc.spec.source import read_value

_EXAMPLES = """\b
Examples:
  convcalc fit example:mobilenet_v1 -p width=0.25:1.5:0.05 --max-macs 300M
  convcalc fit example:mobilenet_v1 -p size=96,128,160 --max-peak-memory 2MiB
  convcalc fit example:ds_cnn -p channels=16:128:16 --max-params 50K --by -macs"""
_NONE_FITS = 1
_NO_BUDGET = "no budget: set one with an option such as --max-macs or --max-peak-memory, or in the spec (budget:)"
_USAGE = "-p must be NAME=VALUES, such as width=0.25:1.5:0.05"


@click.command("fit", epilog=_EXAMPLES)
@common.network_options
@click.option(
    "-p",
    "--param",
    "tried",
    metavar="NAME=VALUES",
    shell_complete=completing.complete_param,
    multiple=True,
    required=True,
    help="Values to try for a spec parameter: start:stop:step, or a comma-separated list. If this option is repeated, "
    "all combinations are tried.",
)
@limit_options
@click.option("--no-spec-budget", is_flag=True, help="Ignore the spec's own budget.")
@common.inference_options
@click.option(
    "--by",
    default="macs",
    metavar="METRIC",
    shell_complete=completing.complete_from(lambda: METRICS),
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
    if where.quiet and format != "table":
        raise click.UsageError(f"-q cannot be combined with {common.describe_format(format, where)}")
    order = _read_order(by)
    document, overrides = common.read_document(net, overrides, where)
    if document.model is not None:
        why = f"fit varies spec parameters, which {document.model.format} does not have"
        raise writing.Failure(f"{printable(net)}: {why}: {advise_import(document, 'and add params: to it')}")
    if not limits and (no_spec_budget or not _has_budget(document)):
        raise writing.Failure(_NO_BUDGET)
    try:
        params = _read_params(tried, overrides)
        load = common.make_reader(document, where)
        load = _drop_budget(load) if no_spec_budget else load
        found = fit(load, Setup(overrides, inplace, fold_batchnorm), params, limits, order)
    except Flaw as flaw:
        raise writing.Failure(f"-p: {flaw.message}{f': {flaw.hint}' if flaw.hint else ''}") from None
    except WrongOverride:
        raise
    except InvalidSpec as error:
        first = overrides.with_params({**overrides.params, **{param.name: param.values[0] for param in params}})
        error = blame_params(error, document, first, tuple(overrides.params))
        if not isinstance(error, WrongOverride):
            click.echo("convcalc: the spec is invalid for every combination; the first error:", err=True)
        raise error from None
    writing.write_text(_render(found, format, rows, where), where, [net])
    return 0 if found.within_budget else _NONE_FITS


def _has_budget(document: Document) -> bool:
    """Return whether a spec has a budget.

    Also True for an invalid spec, so that the user sees its errors and not the error message about a missing budget.
    """
    return not isinstance(document.root, dict) or bool(document.root.get("budget")) or bool(document.problems)


def _drop_budget(load: Load) -> Load:
    """Return a function that loads networks as `load` does, but removes their budgets."""
    return lambda overrides: load(overrides)._replace(budget=())


def _read_order(text: str) -> Order:
    """Parse --by, such as `macs` (most first) or `-params` (fewest first). Raises Failure for an unknown metric."""
    written = text.removeprefix("-")
    metric = find_figure(written) or written
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS) or f"available: {', '.join(METRICS)}"
        raise writing.Failure(f"--by: unknown metric {show(written)}: {hint}")
    return Order(metric, text.startswith("-"))


def _read_params(tried: tuple[str, ...], overrides: Overrides) -> list[Param]:
    """Return the spec parameters and values in texts such as `width=0.25:1.5:0.05` and `size=96,128`.

    Raises Failure if a text is malformed or a name is repeated, and Flaw if a range is malformed.
    """
    params: dict[str, Param] = {}
    for text in tried:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise writing.Failure(f"{_USAGE}; got {show(text)}")
        if name in params or name in overrides.params:
            raise writing.Failure(f"-p: {show(name)} is given twice")
        params[name] = Param(name, expand_values(_read_values(text, values)))
    return list(params.values())


def _read_values(text: str, values: str) -> list[Any]:
    """Parse the comma-separated values of -p. Raises Failure, with the whole text of -p, if they are malformed."""
    try:
        found = read_value(f"[{values}]")
    except InvalidSpec:
        found = None
    if not isinstance(found, list):
        raise writing.Failure(f"{_USAGE}; got {show(text)}")
    return found


def _render(found: Fit, format: str, rows: int | None, where: writing.Output) -> str:
    """Return the result in the requested format, with at most `rows` combinations (0: all).

    If `rows` is None, JSON and CSV have all combinations, and the other formats the first MOST_ROWS.
    """
    from convcalc.render import fit

    listed = rows or None
    if format == "json":
        return fit.fit_json(found, listed)
    if format == "csv":
        return fit.fit_csv(found, listed)
    if where.quiet:
        return fit.best_options(found)
    listed = fit.MOST_ROWS if rows is None else listed
    if format == "markdown":
        return fit.fit_markdown(found, listed)
    return writing.render_text(fit.fit_lines(found, writing.table_width(where), listed), where)
