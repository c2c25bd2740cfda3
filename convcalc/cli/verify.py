"""`convcalc verify`: our figures beside those of PyTorch, layer by layer, or of a real module or ONNX file."""

from collections.abc import Sequence
from typing import Any

import click

from convcalc.cli import common
from convcalc.network import Network
from convcalc.problems import printable
from convcalc.spec.inputs import Overrides

EXAMPLES = """\b
Examples:
  convcalc verify example:resnet50
  convcalc verify net.yaml --input 3,320,320
  convcalc verify small.yaml --torch nets:small
  convcalc verify resnet50.yaml --onnx resnet50.onnx
  convcalc verify example:lenet5 example:unet -f json"""
DIFFERENT = 1


@click.command("verify", epilog=EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=common.complete_net)
@click.option(
    "--torch",
    "factory",
    metavar="PACKAGE.MODULE:FACTORY",
    help="Compare with the torch.nn.Module that this function or class gives. This runs its code.",
)
@click.option("--onnx", "file", metavar="FILE", type=click.Path(), help="Compare with an ONNX file.")
@common.override_options
@click.option("-f", "--format", "format", type=click.Choice(["table", "json"]), default="table")
@common.output_options
def command(
    nets: tuple[str, ...],
    factory: str | None,
    file: str | None,
    overrides: Overrides,
    format: str,
    where: common.Output,
) -> int:
    """Compare a spec with PyTorch, or with the real module or ONNX file.

    Every layer is built in PyTorch and run on its meta device, where tensors have shapes and no values. Its output
    shape, params, running statistics and MACs are compared with ours. Under --torch the whole module is run instead
    and compared: totals, trainable params, output shapes, and the layers whose names or figures pair them; under --onnx
    the nodes of the file are counted. A difference is shown with both figures, and the exit status is 1. Needs the
    extra convcalc[torch], or convcalc[onnx] under --onnx.
    """
    from convcalc.convert.graph import NotImported
    from convcalc.render.verification import verification_json, verification_lines

    if factory is not None and file is not None:
        raise click.UsageError("verify takes --torch or --onnx, not both")
    if (factory or file) and len(nets) > 1:
        raise click.UsageError(f"{'--torch' if factory else '--onnx'} compares one NET; got {len(nets)}")
    try:
        found = compare(nets, factory, file, overrides, where)
    except NotImported as error:
        about = factory or file
        raise common.Failure(f"{printable(about)}: {printable(str(error))}" if about else str(error)) from None
    if format == "json":
        text = verification_json(found)
    else:
        text = common.as_text(verification_lines(found, common.width_of(where)), where)
    common.write_text(text, where, (*nets, *([file] if file else [])))
    return 0 if all(network.agrees for network in found) else DIFFERENT


def compare(
    nets: Sequence[str], factory: str | None, file: str | None, overrides: Overrides, where: common.Output
) -> list[Any]:
    """Each spec compared. Raises NotImported if there is nothing to compare it with."""
    if file is not None:
        return [compare_with_file(common.load(nets[0], overrides, where), file)]
    from convcalc.convert.pytorch.verify import check_installed, verified

    check_installed()
    networks = [common.load(net, overrides, where) for net in nets]
    if factory is None:
        return [verified(network) for network in networks]
    from convcalc.convert.comparison import compare_with
    from convcalc.convert.from_torch import module_of
    from convcalc.convert.pytorch.measuring import model_of

    return [compare_with(network, model_of(module_of(factory), network)) for network in networks]


def compare_with_file(network: Network, file: str) -> Any:
    """A network compared with an ONNX file. Raises NotImported."""
    from convcalc.convert.comparison import compare_with
    from convcalc.convert.onnx_graph.measuring import model_of
    from convcalc.spec.files import why_unreadable

    try:
        return compare_with(network, model_of(file, network))
    except OSError as error:
        raise common.Failure(f"{printable(file)}: {why_unreadable(file, error)}") from None
