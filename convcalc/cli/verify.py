"""`convcalc verify`: compares convcalc's figures with those of PyTorch, a real module or an ONNX file."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convcalc.cli import common, completing, torch_options, writing
from convcalc.problems import NotImported, printable

if TYPE_CHECKING:
    from convcalc.network import Network
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc verify example:resnet50
  convcalc verify net.yaml --input 3,320,320
  convcalc verify small.yaml --torch nets:small
  convcalc verify resnet50.yaml --onnx resnet50.onnx
  convcalc verify example:lenet5 example:unet -f json"""
_DIFFERENT = 1


@click.command("verify", epilog=_EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=completing.complete_net)
@torch_options.factory_option("Compare with")
@torch_options.input_dtype_option
@click.option("--onnx", "file", metavar="FILE", type=click.Path(), help="Compare with an ONNX file.")
@common.override_options
@common.format_option("table", "json")
@common.output_options
@common.quiet_option()
def command(
    nets: tuple[str, ...],
    factory: str | None,
    dtypes: tuple[str, ...],
    file: str | None,
    overrides: Overrides,
    format: str,
    where: writing.Output,
) -> int:
    """Check a spec against PyTorch, or against a real module or ONNX file.

    By default, every layer is built in PyTorch and run on the meta device, where tensors have shapes but no values. Its
    output shape, params, running statistics and MACs are compared with those that convcalc computes.

    With --torch, the whole module is run instead. Compared are the totals, trainable params, output shapes, and the
    layers, which are paired by name or by their figures. With --onnx, the nodes of the file are counted.

    If figures differ, both values are listed and the exit status is 1. This needs the extra convcalc[torch]; --onnx
    needs convcalc[onnx].
    """
    from convcalc.render.verify import verification_json, verification_lines
    from convcalc.spec.net_argument import split_net

    if factory is not None and file is not None:
        raise click.UsageError("verify takes --torch or --onnx, not both")
    if dtypes and factory is None:
        raise click.UsageError("--input-dtype is only for --torch")
    if (factory or file) and len(nets) > 1:
        raise click.UsageError(f"{'--torch' if factory else '--onnx'} compares one NET; got {len(nets)}")
    try:
        found = _compare(nets, factory, torch_options.read_input_types(dtypes), file, overrides, where)
    except NotImported as error:
        about = factory or file
        raise writing.Failure(f"{printable(about)}: {printable(str(error))}" if about else str(error)) from None
    if format == "json":
        text = verification_json(found)
    else:
        text = writing.render_text(verification_lines(found, writing.table_width(where)), where)
    writing.write_text(text, where, (*(split_net(net)[0] for net in nets), *([file] if file else [])))
    return 0 if all(network.agrees for network in found) else _DIFFERENT


def _compare(
    nets: Sequence[str],
    factory: str | None,
    dtypes: str | dict[str, str] | None,
    file: str | None,
    overrides: Overrides,
    where: writing.Output,
) -> list[Any]:
    """Return one comparison per spec. Raises NotImported if PyTorch, the module or the file cannot be used."""
    if file is not None:
        return [_compare_with_file(common.load_argument(nets[0], overrides, where), file)]
    from convcalc.convert.pytorch.layerwise import check_installed, verify_network

    check_installed()
    networks = [common.load_argument(net, overrides, where) for net in nets]
    if factory is None:
        return [verify_network(network) for network in networks]
    from convcalc.convert.comparison import compare_with
    from convcalc.convert.from_torch import load_module
    from convcalc.convert.pytorch.measure_module import measure_module

    return [compare_with(network, measure_module(load_module(factory), network, dtypes)) for network in networks]


def _compare_with_file(network: Network, file: str) -> Any:
    """Return the comparison with an ONNX file.

    Raises NotImported if the file is not a supported ONNX graph, and Failure if it cannot be opened.
    """
    from convcalc.convert.comparison import compare_with
    from convcalc.convert.onnx_graph.measure_file import measure_file
    from convcalc.spec.files import explain_unreadable

    try:
        return compare_with(network, measure_file(file, network))
    except OSError as error:
        raise writing.Failure(f"{printable(file)}: {explain_unreadable(file, error)}") from None
