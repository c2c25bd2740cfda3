"""`convcalc verify`: our figures beside those of PyTorch."""

import click

from convcalc.cli import common
from convcalc.spec.inputs import Overrides

EXAMPLES = """\b
Examples:
  convcalc verify example:resnet50
  convcalc verify net.yaml --input 3,320,320
  convcalc verify example:lenet5 example:unet -f json"""
DIFFERENT = 1


@click.command("verify", epilog=EXAMPLES)
@click.argument("nets", metavar="NET...", nargs=-1, required=True, shell_complete=common.complete_net)
@common.override_options
@click.option("-f", "--format", "format", type=click.Choice(["table", "json"]), default="table")
@common.output_options
def command(nets: tuple[str, ...], overrides: Overrides, format: str, where: common.Output) -> int:
    """Our figures beside PyTorch's, layer by layer.

    Every layer is built in PyTorch and run on its meta device, where tensors have shapes and no values. Its output
    shape, params, running statistics and MACs are compared with ours; a difference is shown with both figures, and
    the exit status is 1. Needs the extra convcalc[torch].
    """
    from convcalc.convert.graph import NotImported
    from convcalc.convert.pytorch.verify import check_installed, verified
    from convcalc.render.verification import verification_json, verification_lines

    try:
        check_installed()
        found = [verified(common.load(net, overrides, where)) for net in nets]
    except NotImported as error:
        raise common.Failure(str(error)) from None
    if format == "json":
        text = verification_json(found)
    else:
        text = common.as_text(verification_lines(found, common.width_of(where)), where)
    common.write_text(text, where, nets)
    return DIFFERENT if any(network.differences for network in found) else 0
