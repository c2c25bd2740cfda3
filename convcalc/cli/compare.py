"""`convcalc compare`: shows several networks in one table."""

from collections.abc import Iterable, Sequence
from typing import Any

import click

from convcalc.cli import common, completing, several, writing
from convcalc.spec.inputs import Overrides
from convcalc.spec.net_argument import split_net

_EXAMPLES = """\b
Examples:
  convcalc compare example:resnet18 example:mobilenet_v1 example:mobilenet_v2
  convcalc compare 'example:mobilenet*' --input 3,160,160 --sort peak_memory
  convcalc compare example:mobilenet_v1 example:mobilenet_v1@width=0.5,size=160"""


def _list_columns() -> Iterable[str]:
    from convcalc.render.compare import COLUMNS

    return COLUMNS


@click.command("compare", epilog=_EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=completing.complete_net)
@common.override_options
@common.memory_options
@common.format_option("table", "json", "csv", "markdown", "latex")
@common.columns_option(_list_columns, "Columns to show: name, input_shape, params, macs, peak_memory, …")
@common.sort_option(_list_columns, "Sort by a column, largest first: params, macs, peak_memory, …")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show only the first N networks.")
@click.option("--exact", is_flag=True, help="Print whole numbers instead of K, M and G.")
@common.output_options
@common.quiet_option()
def command(
    nets: tuple[str, ...],
    overrides: Overrides,
    format: str,
    columns: str | None,
    sort: str | None,
    limit: int | None,
    exact: bool,
    where: writing.Output,
    **memory: Any,
) -> int:
    """Compare networks in one table, one row per network.

    A star marks the best value of each column: the lowest cost, the largest receptive field. --set sets a spec
    parameter of all networks that have it; NET@NAME=VALUE,… sets it for one NET only. A network that cannot be
    read is reported, and the others are shown.
    """
    from convcalc.render.compare import network_rows, sort_network_rows

    shown = _read_columns(columns, sort, exact, format, where)
    files = several.list_nets(nets)
    reports, wrong, status = several.read_networks(files, overrides, where, memory)
    if wrong and not reports and format == "json":
        return max(status, writing.report_invalid([error for _, error in wrong], where, as_json=True))
    status = max([status, *(several.report_problem(name, error, where) for name, error in wrong)])
    if reports:
        labels = several.label_networks(reports)
        named = [(label, one.report) for label, one in zip(labels, reports, strict=True)]
        rows = sort_network_rows(network_rows(named), sort)[:limit]
        text = _render(rows, shown, format, exact, where)
        writing.write_text(text, where, [split_net(file)[0] for file in files])
    elif not files:
        raise writing.Failure("nothing to compare")
    return status


def _read_columns(
    columns: str | None, sort: str | None, exact: bool, format: str, where: writing.Output
) -> Sequence[Any] | None:
    """Return the columns that --columns lists; None without that option.

    Raises UsageError if --columns or --sort names an unknown column, if --columns is combined with JSON (which has all
    figures), or if --exact is combined with JSON or CSV (which are always exact).
    """
    from convcalc.render.compare import COLUMNS
    from convcalc.render.grid import UnknownColumn, find_column, find_columns

    if exact and format in ("json", "csv"):
        raise click.UsageError(f"--exact cannot be combined with {common.describe_format(format, where)}")
    if columns is not None and format == "json":
        chosen = common.describe_format(format, where)
        raise click.UsageError(f"--columns cannot be combined with {chosen}, which has every figure")
    try:
        if sort is not None:
            find_column(sort, COLUMNS)
        return None if columns is None else find_columns(columns, COLUMNS, ())
    except UnknownColumn as error:
        raise click.UsageError(str(error)) from None


def _render(rows: Sequence[Any], columns: Sequence[Any] | None, format: str, exact: bool, where: writing.Output) -> str:
    from convcalc.render import compare

    if format == "json":
        return compare.networks_json(rows)
    if format == "csv":
        return compare.networks_csv(rows, columns)
    if format == "markdown":
        return compare.networks_markdown(rows, exact, columns)
    if format == "latex":
        from convcalc.render.latex import networks_latex

        return networks_latex(rows, exact, columns)
    return writing.render_text(compare.networks_lines(rows, writing.table_width(where), exact, columns), where)
