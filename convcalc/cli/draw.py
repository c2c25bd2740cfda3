"""`convcalc draw`: draws a network as a graph or as feature maps, a layer's receptive field, or memory use."""

from __future__ import annotations  # the types are imported only for type checkers

import sys
from typing import TYPE_CHECKING

import click

from convcalc.cli import common, completing, writing
from convcalc.problems import printable

if TYPE_CHECKING:
    from convcalc.analysis.report import Report
    from convcalc.spec.inputs import Overrides

_EXAMPLES = """\b
Examples:
  convcalc draw example:resnet50 -o resnet50.svg
  convcalc draw example:unet --as stack -o unet.svg
  convcalc draw example:resnet50 stage3.0 --as field --position 0,3 -o field.svg
  convcalc draw example:resnet50 stage4 --as field --effective -o effective.svg
  convcalc draw example:googlenet --depth 2 --color params -f mermaid"""
_GRAPH_ONLY = ("dot", "mermaid")
_FOLDED = ("graph", "stack")


@click.command("draw", epilog=_EXAMPLES)
@common.network_options
@click.argument("layer", required=False, shell_complete=completing.complete_layer)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["graph", "stack", "field", "memory"]),
    default="graph",
    help="What to draw (default: graph).",
)
@click.option(
    "--color",
    "metric",
    type=click.Choice(["macs", "params", "flops", "activation_memory", "weight_memory", "latency"]),
    default="macs",
    help="Metric that colours the boxes of graph and stack (default: macs). latency needs --device.",
)
@click.option(
    "--device",
    metavar="NAME|FILE",
    help="Device of --color latency, such as rtx4090; see convcalc latency.",
    shell_complete=completing.complete_device(),
)
@common.depth_option("as many as needed for about 30 boxes; only for graph and stack")
@click.option("--position", metavar="3,5", help="Position in LAYER's output, for field (default: the middle).")
@click.option("--effective", is_flag=True, help="Show the effective receptive field at initialisation, for field.")
@click.option("--image", metavar="FILE", help="PNG or JPEG image to show as the input of field.")
@common.inference_options
@common.format_option("svg", "png", "tikz", "dot", "mermaid")
@common.picture_options
@common.quiet_option()
def command(
    net: str,
    overrides: Overrides,
    layer: str | None,
    kind: str,
    metric: str,
    device: str | None,
    depth: int | None,
    position: str | None,
    effective: bool,
    image: str | None,
    inplace: bool,
    fold_batchnorm: bool,
    format: str,
    where: writing.Output,
) -> int:
    """Draw a network, a receptive field, or memory use.

    graph draws layers and folded blocks as boxes, with their kinds, shapes and shares. stack draws feature maps, whose
    sides stand for spatial sizes and channels: a U-Net looks like a U. field draws the input region on which one
    position of LAYER depends, with --effective also how strongly. memory draws the bytes that are live while each layer
    runs.

    SVG pictures need no other file and follow the light or dark mode of their viewer. TikZ is a LaTeX document for
    pdflatex. DOT (Graphviz) and Mermaid are for graph only.
    """
    from convcalc.analysis.report import analyse

    _check_options(kind, format, layer, position, effective, image, depth)
    if format in ("svg", "png") and where.file is None and sys.stdout.isatty():
        raise writing.Failure("a picture cannot be shown in a terminal: add -o FILE.svg or -o FILE.png")
    if (device is not None) != (metric == "latency"):
        raise click.UsageError("--color latency and --device need each other")
    data_url = None if image is None else _read_image(image)
    report = analyse(common.load(net, overrides, where), inplace=inplace, fold_batchnorm=fold_batchnorm)
    times = None if device is None else _estimate_times(report, device, where)
    picture = _draw(report, kind, metric, times, depth, layer, position, effective, data_url, format)
    inputs = [net] if image is None else [net, image]
    if isinstance(picture, str):
        writing.write_text(picture, where, inputs)
    else:
        writing.write_bytes(picture, where, inputs)
    return 0


def _check_options(
    kind: str,
    format: str,
    layer: str | None,
    position: str | None,
    effective: bool,
    image: str | None,
    depth: int | None,
) -> None:
    """Raise UsageError for a combination of options that has no meaning."""
    if format in _GRAPH_ONLY and kind != "graph":
        raise click.UsageError(f"-f {format} draws only --as graph; {kind} can be svg, png or tikz")
    if kind == "field" and layer is None:
        raise click.UsageError("--as field needs a LAYER: draw NET LAYER --as field; convcalc rf NET lists the layers")
    if kind != "field" and (layer, position, image) != (None, None, None):
        raise click.UsageError("only --as field takes a LAYER, --position or --image; draw takes one NET")
    if kind != "field" and effective:
        raise click.UsageError("--effective is only for --as field")
    if kind not in _FOLDED and depth is not None:
        raise click.UsageError(f"--depth is for --as graph and stack, not {kind}")
    if image is not None and format == "tikz":
        raise click.UsageError("--image cannot be combined with -f tikz: use svg or png")


def _read_image(file: str) -> str:
    """Return the data URL of an image file. Raises Failure if the file cannot be read or shown."""
    from convcalc.render.drawing.photo import MOST_BYTES, NoImage, make_data_url
    from convcalc.spec.files import explain_unreadable

    try:
        with open(file, "rb") as stream:
            return make_data_url(stream.read(MOST_BYTES + 1))
    except NoImage as error:
        raise writing.Failure(f"--image {printable(file)}: {error}") from None
    except OSError as error:
        raise writing.Failure(f"--image {printable(file)}: {explain_unreadable(file, error)}") from None


def _estimate_times(report: Report, name: str, where: writing.Output) -> tuple[str, list[int | None]]:
    """Return the name of a device, and the nanoseconds of each layer on it; for a range, those of the larger bound.

    Raises Failure if the device has no figures for this network.
    """
    from convcalc.cli.devices import fail_option, read_timed_device  # imported only for --color latency
    from convcalc.device.latency import estimate_latency
    from convcalc.problems import Flaw

    device = read_timed_device(name, where)
    try:
        found = estimate_latency(report, device)
    except Flaw as flaw:
        raise fail_option("--device", flaw) from None
    return device.name, [None if layer.time is None else round(layer.time.high * 1e9) for layer in found.layers]


def _draw(
    report: Report,
    kind: str,
    metric: str,
    times: tuple[str, list[int | None]] | None,
    depth: int | None,
    layer: str | None,
    position: str | None,
    effective: bool,
    image: str | None,
    format: str,
) -> str | bytes:
    """Return the picture as the content of a file. Raises Failure if it cannot be drawn."""
    from convcalc.analysis.field_region import NoRegion
    from convcalc.render import draw
    from convcalc.render.drawing.diagram import add_latency

    try:
        if kind in _FOLDED:
            diagram = draw.fold_report(report, None if depth == common.ALL_LEVELS else depth, fold=depth is None)
            if times is not None:
                diagram, metric = add_latency(diagram, *times)
            if format in _GRAPH_ONLY:
                return draw.write_diagram(report, format, diagram, metric)
            scene = draw.draw_folded(report, kind, diagram, metric)
        elif layer is None:
            scene = draw.plot_memory(report).scene
        else:
            place = None if position is None else common.read_position(position)
            scene = draw.plot_field(report, layer, place, image, effective).scene
        return draw.write_png(scene) if format == "png" else draw.write_scene(scene, format)
    except (NoRegion, draw.NotDrawn) as error:
        raise writing.Failure(str(error)) from None
