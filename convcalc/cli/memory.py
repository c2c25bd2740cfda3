"""`convcalc memory`: shows memory use over the execution, its peak, and what would lower it."""

import click

from convcalc.analysis.report import analyse
from convcalc.cli import common
from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc memory example:mobilenet_v2
  convcalc memory example:resnet50 --no-inplace
  convcalc memory example:ds_cnn --fold-batchnorm -f json"""


@click.command("memory", epilog=_EXAMPLES)
@common.network_options
@common.memory_options
@common.format_option("table", "json")
@common.output_options
@common.quiet_option("Omit suggestions, and print no warnings.")
def command(
    net: str,
    overrides: Overrides,
    inplace: bool,
    fold_batchnorm: bool,
    optimizer: str,
    format: str,
    where: common.Output,
) -> int:
    """Show memory use layer by layer, its peak, and what would lower it.

    A tensor is live from the layer that produces it to the last layer that reads it. Only tensors are counted, not the
    scratch space of kernels. Every suggestion is applied and the peak computed again. Training memory is shown as well.
    """
    from convcalc.memory_savings import suggestions
    from convcalc.render.memory import memory_json, memory_lines

    document = common.read_document(net)
    report = analyse(
        common.build_network(document, overrides, where),
        inplace=inplace,
        fold_batchnorm=fold_batchnorm,
        optimizer=optimizer,
    )
    load = common.make_reader(document)
    suggested = [] if where.quiet else suggestions(report, load, overrides, inplace, fold_batchnorm)
    if format == "json":
        text = memory_json(report, suggested)
    else:
        text = common.render_text(memory_lines(report, suggested, common.table_width(where)), where)
    common.write_text(text, where, [net])
    return 0
