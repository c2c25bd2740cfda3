"""`convcalc rf`: shows the receptive fields of all layers, or the input region that one position depends on."""

import click

from convcalc.analysis.field_region import NoRegion, find_layer, find_region, middle_position
from convcalc.analysis.report import analyse
from convcalc.arguments import MOST_DIGITS
from convcalc.cli import common, completing, writing
from convcalc.problems import show
from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc rf example:resnet18
  convcalc rf example:unet_padded conv1 --position 100,100
  convcalc rf example:vgg16 stage5.maxpool1 -f svg -o field.svg"""


@click.command("rf", epilog=_EXAMPLES)
@common.network_options
@click.argument("layer", required=False, shell_complete=completing.complete_layer)
@click.option("--position", metavar="3,5", help="Position in LAYER's output (default: its middle).")
@click.option("--all", "every", is_flag=True, help="Also list layers that do not change the receptive field.")
@common.format_option("table", "json", "svg")
@common.output_options
@common.quiet_option()
def command(
    net: str,
    overrides: Overrides,
    layer: str | None,
    position: str | None,
    every: bool,
    format: str,
    where: writing.Output,
) -> int:
    """Show every layer's receptive field, or the input region of one position.

    The receptive field is the size of the input region on which an interior position of a layer's output depends. It is
    exact, also with strides, dilation, upsampling and merged branches. A range means that the size differs from
    position to position; ! marks merged branches whose receptive fields are not aligned.

    LAYER is the name of a layer or of a scope, such as a block. With LAYER, the input region of one position in the
    output of LAYER is shown.
    """
    if layer is None and (position is not None or format == "svg"):
        raise click.UsageError("--position and -f svg need a LAYER")
    report = analyse(common.load(net, overrides, where))
    from convcalc.render import rf

    try:
        index = None if layer is None else find_layer(report, layer)
        seen = None
        if index is not None:
            seen = find_region(
                report, index, middle_position(report, index) if position is None else _read_position(position)
            )
    except NoRegion as error:
        raise writing.Failure(str(error)) from None
    width = writing.table_width(where)
    if format == "json":
        text = rf.field_json(report, index, seen)
    elif index is None or seen is None:
        text = writing.render_text(rf.growth_lines(report, width, every), where)
    elif format == "svg":
        text = rf.region_svg(report, index, seen)
    else:
        text = writing.render_text(rf.region_lines(report, index, seen, width), where)
    writing.write_text(text, where, [net])
    return 0


def _read_position(text: str) -> tuple[int, ...]:
    """Return the indexes of a position such as `3,5`. Raises Failure if one is not a whole number."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and len(part.strip()) <= MOST_DIGITS for part in parts):
        raise writing.Failure(f"--position must be comma-separated whole numbers, such as 3,5; got {show(text)}")
    return tuple(map(int, parts))
