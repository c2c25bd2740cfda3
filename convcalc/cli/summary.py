"""`convcalc summary`: shows a network as a table of its layers, with the totals."""

import click

from convcalc.analysis.report import Report, analyse
from convcalc.cli import common
from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc summary example:resnet50 --depth 1
  convcalc summary example:mobilenet_v1 --set width=0.5 --input 3,160,160
  convcalc summary example:unet -f json"""
_UNUSED = {"json": ("columns", "depth", "sort", "exact"), "csv": ("depth", "exact")}


@click.command("summary", epilog=_EXAMPLES)
@common.network_options
@common.memory_options
@common.format_option("table", "json", "csv", "markdown")
@click.option("--columns", metavar="A,B,C", help="Columns to show, such as name,kind,output_shape,params,macs.")
@click.option(
    "--depth",
    type=click.IntRange(0),
    metavar="N",
    help="Show layers nested deeper than N levels as one row per scope.",
)
@click.option("--sort", metavar="COLUMN", help="Sort all layers by a column, largest first, without nesting.")
@click.option("--exact", is_flag=True, help="Print whole numbers instead of K, M and G.")
@common.output_options
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
    where: common.Output,
) -> int:
    """Show every layer's output shape, params, MACs and memory, and the totals.

    MACs are the multiplications of convolution and linear layers; FLOPs are the multiplications and additions of all
    layers. Operations and activation memory are for the whole batch.
    """
    given = {"columns": columns is not None, "depth": depth is not None, "sort": sort is not None, "exact": exact}
    for name in _UNUSED.get(format, ()):
        if given[name]:
            raise click.UsageError(f"--{name} cannot be combined with -f {format}")
    network = common.load(net, overrides, where)
    report = analyse(network, inplace=inplace, fold_batchnorm=fold_batchnorm, optimizer=optimizer)
    text = _render(report, format, columns, depth, sort, exact, where)
    common.write_text(text, where, [net])
    return 0


def _render(
    report: Report,
    format: str,
    columns: str | None,
    depth: int | None,
    sort: str | None,
    exact: bool,
    output: common.Output,
) -> str:
    if format == "json":
        from convcalc.render.summary_data import report_json

        return report_json(report)
    from convcalc.render.columns import EVERY, SHOWN, choose_columns
    from convcalc.render.grid import UnknownColumn

    try:
        picked = choose_columns(columns, EVERY if format == "csv" else SHOWN)
        if sort is not None:
            choose_columns(sort)
    except UnknownColumn as error:
        raise click.UsageError(str(error)) from None
    if format == "csv":
        from convcalc.render.summary_data import report_csv

        return report_csv(report, picked, sort)
    if format == "markdown":
        from convcalc.render.summary_markdown import markdown_report

        return markdown_report(report, picked, depth=depth, sort=sort, exact=exact)
    from convcalc.render.summary import table

    lines = table(
        report, picked, width=common.table_width(output), depth=depth, sort=sort, exact=exact, layers=not output.quiet
    )
    return common.render_text(lines, output)
