"""`convcalc export`: writes a network as a PyTorch module, a Keras model or an ONNX graph."""

from __future__ import annotations  # the types are imported only for type checkers

import sys
from typing import TYPE_CHECKING

import click

from convcalc.cli import common, writing
from convcalc.problems import NotImported

if TYPE_CHECKING:
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc export example:resnet18 --to torch -o resnet18.py
  convcalc export example:mobilenet_v1 --to torch --set width=0.5
  convcalc export example:resnet50 --to keras -o resnet50.py
  convcalc export example:resnet18 --to onnx -o resnet18.onnx"""


@click.command("export", epilog=_EXAMPLES)
@common.network_options
@click.option("--to", "to", type=click.Choice(["torch", "keras", "onnx"]), required=True, help="Output format.")
@common.output_options
@common.quiet_option()
def command(net: str, overrides: Overrides, to: str, where: writing.Output) -> int:
    """Write a network as a PyTorch module, a Keras model, or an ONNX graph without weights.

    --to torch writes a Python file with an nn.Module, in which blocks are classes and names are preserved. This does
    not need PyTorch.

    --to keras writes a Python file whose function build() returns a functional model of Keras 3, with the channels
    last. Blocks are functions. This does not need Keras.

    --to onnx writes a graph whose weights have shapes but no values. This needs the extra convcalc[onnx].
    """
    network = common.load(net, overrides, where)
    try:
        if to == "torch":
            from convcalc.convert.to_torch import module_text

            writing.write_text(module_text(network), where, [net])
        elif to == "keras":
            from convcalc.convert.to_keras import model_text

            writing.write_text(model_text(network), where, [net])
        else:
            from convcalc.convert.to_onnx import model_bytes

            if where.file is None and sys.stdout.isatty():
                raise writing.Failure("ONNX is a binary format: write it to a file with -o")
            writing.write_bytes(model_bytes(network), where, [net])
    except NotImported as error:
        raise writing.Failure(str(error)) from None
    return 0
