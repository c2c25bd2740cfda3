"""`convcalc summary`: shows a network as a table of its layers, with the totals."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from convcalc.cli import common, writing

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc example:resnet50 --depth 1
  convcalc summary example:mobilenet_v1 --set width=0.5 --input 3,160,160
  convcalc summary example:unet -f json"""
_UNUSED = {
    "json": ("columns", "depth", "sort", "exact"),
    "csv": ("depth", "exact"),
    "latex": ("columns", "sort"),
}


def _list_columns() -> Iterable[str]:
    from convcalc.cli.completed_names import LAYER_COLUMNS

    return LAYER_COLUMNS


@click.command("summary", epilog=_EXAMPLES)
@common.network_options
@common.memory_options
@common.format_option("table", "json", "csv", "markdown", "latex")
@common.columns_option(_list_columns, "Columns to show: name, kind, what, output, params, macs, flops, …")
@common.depth_option("as many as needed for about 60 rows of text and 30 of LaTeX; other formats list all layers")
@common.sort_option(_list_columns, "List layers and folded groups sorted by a column, largest first.")
@click.option("--exact", is_flag=True, help="Print whole numbers instead of K, M and G.")
@common.pager_option
@common.output_options
@common.quiet_option("Print only the totals (text and Markdown), and no warnings.")
def command(
    net: str,
    overrides: Overrides,
    inplace: bool,
    fold_batchnorm: bool,
    optimizer: str,
    format: str,
    columns: str | None,
    depth: int | None,
    sort: str | None,
    exact: bool,
    pager: bool,
    where: writing.Output,
) -> int:
    """Show every layer's output shape, params, MACs and memory, and the totals.

    MACs are the multiplications of convolution and linear layers; FLOPs are the multiplications and additions of all
    layers. Operations and activation memory are for the whole batch.
    """
    from convcalc.analysis.report import analyse

    given = {"columns": columns is not None, "depth": depth is not None, "sort": sort is not None, "exact": exact}
    for name in _UNUSED.get(format, ()):
        if given[name]:
            raise click.UsageError(f"--{name} cannot be combined with {common.describe_format(format, where)}")
    network = common.load(net, overrides, where)
    report = analyse(network, inplace=inplace, fold_batchnorm=fold_batchnorm, optimizer=optimizer)
    text = _render(report, format, columns, depth, sort, exact, where)
    writing.write_text(text, where, [net], pager)
    return 0


def _render(
    report: Report,
    format: str,
    columns: str | None,
    depth: int | None,
    sort: str | None,
    exact: bool,
    output: writing.Output,
) -> str:
    if format == "json":
        from convcalc.render.summary_data import report_json

        return report_json(report)
    from convcalc.render.columns import EVERY, SHOWN, choose_columns
    from convcalc.render.grid import UnknownColumn

    fold, depth = depth is None, None if depth == common.ALL_LEVELS else depth
    try:
        picked = choose_columns(columns, EVERY if format == "csv" else SHOWN)
        if sort is not None:
            choose_columns(sort)
    except UnknownColumn as error:
        raise click.UsageError(str(error)) from None
    if format == "latex":
        from convcalc.render.latex import architecture_latex

        return architecture_latex(report, depth, fold, exact)
    if format == "csv":
        from convcalc.render.summary_data import report_csv

        return report_csv(report, picked, sort)
    if format == "markdown":
        from convcalc.render.summary_markdown import markdown_report

        return markdown_report(report, picked, depth=0 if output.quiet else depth, sort=sort, exact=exact)
    from convcalc.render.summary import table

    lines = table(
        report,
        picked,
        width=writing.table_width(output),
        depth=depth,
        fold=fold,
        sort=sort,
        exact=exact,
        layers=not output.quiet,
    )
    return writing.render_text(lines, output)
