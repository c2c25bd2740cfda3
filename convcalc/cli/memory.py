"""`convcalc memory`: the live bytes along the execution."""

import click

from convcalc.analysis.report import analyse
from convcalc.cli import common
from convcalc.problems import InvalidSpec
from convcalc.spec.reader import read_network

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
    params: tuple[str, ...],
    inputs: tuple[str, ...],
    batch: int | None,
    dtype: str | None,
    inplace: bool,
    fold_batchnorm: bool,
    format: str,
    output: str | None,
    color: str,
    quiet: bool,
) -> int:
    """The live bytes along the execution, what is live at the peak, and what would lower it.

    A tensor lives from the layer that makes it to its last reader. Tensors only: no scratch space of kernels. Each
    suggestion is made and counted again.
    """
    from convcalc.lowering import suggestions
    from convcalc.render.memory import memory_json, memory_lines

    where = common.Output(output, color, quiet)
    overrides = common.read_overrides(params, inputs, batch, dtype)
    document = common.read_document(net)
    try:
        network = read_network(document, overrides)
    except InvalidSpec as error:
        return common.report_invalid(error, where, as_json=format == "json")
    report = analyse(network, inplace=inplace, fold_batchnorm=fold_batchnorm)
    load = common.reader_of(document)
    suggested = [] if quiet else suggestions(report, load, overrides, inplace, fold_batchnorm)
    if format == "json":
        text = memory_json(report, suggested)
    else:
        text = common.as_text(memory_lines(report, suggested, common.width_of(where)), where)
    common.write_text(text, where, [net])
    return 0
