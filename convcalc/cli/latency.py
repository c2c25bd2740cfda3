"""`convcalc latency`: estimates how long a network takes on a device, layer by layer."""

from __future__ import annotations  # the types are imported only for type checkers

from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing

if TYPE_CHECKING:
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc latency example:resnet50 --device rtx4090 --dtype float16 --batch 256
  convcalc latency example:mobilenet_v2 --device h200 --eager -o roofline.svg
  convcalc latency example:ds_cnn --device nucleo-l4r5zi --energy"""
_LISTED = 20


@click.command("latency", epilog=_EXAMPLES)
@common.network_options
@click.option(
    "--device",
    required=True,
    metavar="NAME|FILE",
    help="Device such as rtx4090, or a device file such as my_board.yaml.",
    shell_complete=completing.complete_device(),
)
@click.option(
    "--fused/--eager",
    default=True,
    help="Batch norms and activations are part of the layer before them (default), or kernels of their own.",
)
@click.option("--energy", is_flag=True, help="Add a lower bound of the energy: arithmetic and DRAM only.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    help=f"List the N layers that take longest (default: {_LISTED} in text and Markdown); 0 for all that take time.",
)
@common.format_option("table", "json", "csv", "markdown", "svg")
@common.output_options
@common.quiet_option("Print no notes and no warnings.")
def command(
    net: str,
    overrides: Overrides,
    device: str,
    fused: bool,
    energy: bool,
    limit: int | None,
    format: str,
    where: writing.Output,
) -> int:
    """Estimate how long a network takes on a device, layer by layer.

    The roofline model: a layer takes as long as its operations at the peak of the device, or as its tensors and weights
    at the bandwidth, whichever is longer. The sum is divided by the efficiency of the device, which is fitted to
    published timings; see convcalc help latency for its error. On microcontrollers, a range of cycles per
    multiply-accumulate is used.
    """
    from convcalc.cli.latency_report import Request, write_report  # imports the model only if the command runs

    if limit is not None and format in ("json", "csv", "svg"):
        raise click.UsageError(f"--limit cannot be combined with {common.describe_format(format, where)}")
    most = _LISTED if limit is None else limit or None
    request = Request(net, overrides, device, "fused" if fused else "eager", energy, most, format)
    return write_report(request, where)
