"""`convcalc rf`: shows the receptive fields of all layers, or the input region that one position depends on."""

from __future__ import annotations  # the types are imported only for type checkers

from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing

if TYPE_CHECKING:
    from convcalc.analysis.field_region import Region
    from convcalc.analysis.report import Report
    from convcalc.render.rf_effective import EffectiveFacts
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc rf example:resnet18
  convcalc rf example:unet_padded conv1 --position 100,100
  convcalc rf example:resnet50 stage4 --effective
  convcalc rf example:vgg16 stage5.maxpool1 -f svg -o field.svg"""


@click.command("rf", epilog=_EXAMPLES)
@common.network_options
@click.argument("layer", required=False, shell_complete=completing.complete_layer)
@click.option("--position", metavar="3,5", help="Position in LAYER's output (default: its middle).")
@click.option("--all", "every", is_flag=True, help="Also list layers that do not change the receptive field.")
@click.option("--effective", is_flag=True, help="Also show the effective receptive field at initialisation.")
@common.format_option("table", "json", "svg")
@common.output_options
@common.quiet_option()
def command(
    net: str,
    overrides: Overrides,
    layer: str | None,
    position: str | None,
    every: bool,
    effective: bool,
    format: str,
    where: writing.Output,
) -> int:
    """Show every layer's receptive field, or the input region of one position.

    The receptive field is the size of the input region on which an interior position of a layer's output depends. It is
    exact, also with strides, dilation, upsampling and merged branches. A range means that the size differs from
    position to position; ! marks merged branches whose receptive fields are not aligned.

    LAYER is the name of a layer or of a scope, such as a block. With LAYER, the input region of one position in the
    output of LAYER is shown.

    With --effective, sigma is the standard deviation of the influence of the input positions (Luo et al. 2016): the
    expected squared gradient at initialisation, computed from the spec alone.
    """
    from convcalc.analysis.field_region import NoRegion, find_layer, find_region, middle_position
    from convcalc.analysis.report import analyse
    from convcalc.render import rf

    if layer is None and (position is not None or format == "svg"):
        raise click.UsageError("--position and -f svg need a LAYER")
    report = analyse(common.load(net, overrides, where))
    try:
        index = None if layer is None else find_layer(report, layer)
        seen = None
        if index is not None:
            seen = find_region(
                report, index, middle_position(report, index) if position is None else common.read_position(position)
            )
    except NoRegion as error:
        raise writing.Failure(str(error)) from None
    spread = _find_effective(report) if effective else None
    width = writing.table_width(where)
    if format == "json":
        text = rf.field_json(report, index, seen, spread)
    elif index is None or seen is None:
        text = writing.render_text(rf.growth_lines(report, width, every, spread), where)
    elif format == "svg":
        text = _draw_svg(report, index, seen, spread)
    else:
        text = writing.render_text(rf.region_lines(report, index, seen, width, spread), where)
    writing.write_text(text, where, [net])
    return 0


def _find_effective(report: Report) -> EffectiveFacts:
    """Return the effective receptive fields of all layers. Raises Failure if the input has no positions."""
    from convcalc.analysis.receptive_field import input_size
    from convcalc.render.rf_effective import EffectiveFacts

    if not input_size(report.network):
        raise writing.Failure("--effective needs an input with positions; the input is a vector")
    return EffectiveFacts(report)


def _draw_svg(report: Report, index: int, seen: Region, effective: EffectiveFacts | None) -> str:
    from convcalc.analysis.field_region import NoRegion
    from convcalc.render.drawing.field import draw_field
    from convcalc.render.drawing.svg import write_svg

    try:
        return write_svg(draw_field(report, index, seen, effective=None if effective is None else effective.found))
    except NoRegion as error:
        raise writing.Failure(str(error)) from None
