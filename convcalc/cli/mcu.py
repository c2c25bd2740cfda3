"""`convcalc mcu`: shows the RAM and flash that a network needs on a microcontroller."""

from __future__ import annotations  # the types are imported only for type checkers

from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing
from convcalc.device.runtime_names import DEFAULT_RUNTIME, RUNTIME_NAMES

if TYPE_CHECKING:
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc mcu example:ds_cnn --device nucleo-l4r5zi
  convcalc mcu example:person_detection --ram 256KiB --flash 1MiB
  convcalc mcu example:resnet8 --runtime tflm-cmsis-mve -o arena.svg"""


@click.command("mcu", epilog=_EXAMPLES)
@common.network_options
@click.option(
    "--runtime",
    metavar="NAME",
    help=f"Runtime: {', '.join(RUNTIME_NAMES)} (default: that of the device, else {DEFAULT_RUNTIME}).",
    shell_complete=completing.complete_from(lambda: RUNTIME_NAMES),
)
@click.option(
    "--device",
    metavar="NAME|FILE",
    help="Board with its RAM, flash and runtime, or a device file such as my_board.yaml.",
    shell_complete=completing.complete_device("microcontroller"),
)
@click.option("--ram", metavar="256KiB", help="RAM that is available (default: that of the device).")
@click.option("--flash", metavar="1MiB", help="Flash that is available (default: that of the device).")
@click.option("--code", metavar="64KiB", help="Flash for code (default: 16KiB, the core of TensorFlow Lite Micro).")
@click.option(
    "--plan",
    is_flag=True,
    help="Plan the offsets of tensors; with -o FILE.tflite, write the TFLite file NET with this plan.",
)
@click.option(
    "--patches",
    metavar="auto|N@LAYER",
    help="Run the layers up to LAYER on N×N patches; auto chooses the cheapest that fits --ram, or costs at most 10% "
    "more MACs. The default runtime is then tinyengine.",
)
@common.format_option("table", "json", "svg")
@common.output_options
@common.quiet_option("Omit suggestions, and print no warnings.")
def command(
    net: str,
    overrides: Overrides,
    runtime: str | None,
    device: str | None,
    ram: str | None,
    flash: str | None,
    code: str | None,
    plan: bool,
    patches: str | None,
    format: str,
    where: writing.Output,
) -> int:
    """Show the RAM and flash that a network needs on a microcontroller.

    A spec is computed in int8 with int32 biases, as TensorFlow Lite's converter writes it; --dtype float32 changes
    that. The operators of a TFLite file are taken from the file. The head of the tensor arena is exact; figures with
    "about" are estimates.
    """
    from convcalc.cli.mcu_report import Request, write_report  # imports the planner only if the command runs

    request = Request(net, overrides, runtime, device, ram, flash, code, plan, patches, format)
    return write_report(request, where)
