"""`convcalc memory`: the live bytes along the execution."""

import click

from convcalc.analysis.report import analyse
from convcalc.cli import common
from convcalc.spec.inputs import Overrides

EXAMPLES = """\b
Examples:
  convcalc memory example:mobilenet_v2
  convcalc memory example:resnet50 --no-inplace
  convcalc memory example:ds_cnn --fold-batchnorm -f json"""


@click.command("memory", epilog=EXAMPLES)
@common.network_options
@common.memory_options
@click.option("-f", "--format", "format", type=click.Choice(["table", "json"]), default="table")
@common.output_options
def command(
    net: str,
    overrides: Overrides,
    inplace: bool,
    fold_batchnorm: bool,
    optimizer: str,
    format: str,
    where: common.Output,
) -> int:
    """The live bytes along the execution, and the peak.

    What is live at the peak, what would lower it, and the memory of training. A tensor lives from the layer that makes
    it to its last reader. Tensors only: no scratch space of kernels. Each suggestion is made and counted again.
    """
    from convcalc.lowering import suggestions
    from convcalc.render.memory import memory_json, memory_lines

    document = common.read_document(net)
    report = analyse(
        common.network_of(document, overrides, where),
        inplace=inplace,
        fold_batchnorm=fold_batchnorm,
        optimizer=optimizer,
    )
    load = common.reader_of(document)
    suggested = [] if where.quiet else suggestions(report, load, overrides, inplace, fold_batchnorm)
    if format == "json":
        text = memory_json(report, suggested)
    else:
        text = common.as_text(memory_lines(report, suggested, common.width_of(where)), where)
    common.write_text(text, where, [net])
    return 0
