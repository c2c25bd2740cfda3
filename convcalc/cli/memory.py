"""`convcalc memory`: shows the memory in use while each layer runs, its peak, and changes that would lower the peak."""

from __future__ import annotations  # the types are imported only for type checkers

from typing import TYPE_CHECKING

import click

from convcalc.cli import common, writing

if TYPE_CHECKING:
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
    where: writing.Output,
) -> int:
    """Show memory use layer by layer, its peak, and what would lower it.

    A tensor is live from the layer that produces it to the last layer that reads it. Only tensors are counted, not the
    scratch space that kernels need. The peak shown next to each suggestion is that of the network with the suggestion
    applied. Training memory is shown as well.
    """
    from convcalc.analysis.report import analyse
    from convcalc.memory_savings import suggest_savings
    from convcalc.render.memory import memory_json, memory_lines

    document, overrides = common.read_document(net, overrides, where)
    report = analyse(
        common.build_network(document, overrides, where),
        inplace=inplace,
        fold_batchnorm=fold_batchnorm,
        optimizer=optimizer,
    )
    load = common.make_reader(document)
    suggested = [] if where.quiet else suggest_savings(report, load, overrides, inplace, fold_batchnorm)
    if format == "json":
        text = memory_json(report, suggested)
    else:
        text = writing.render_text(memory_lines(report, suggested, writing.table_width(where)), where)
    writing.write_text(text, where, [net])
    return 0
