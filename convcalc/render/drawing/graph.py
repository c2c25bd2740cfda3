"""Draws a network as a graph: a box per layer or folded scope, coloured by its share of a metric."""

from collections.abc import Sequence

from convcalc.analysis.report import Report, sum_known
from convcalc.render.drawing import scale
from convcalc.render.drawing.diagram import Box, Diagram, format_figure, metric_title
from convcalc.render.drawing.frames import FONT
from convcalc.render.drawing.heading import describe_totals, frame_picture, picture_origin
from convcalc.render.drawing.layout import Layout, Size, place_graph
from convcalc.render.drawing.scene import Line, Part, Point, Scene, Shape, Text, make_box
from convcalc.render.drawing.text_width import cut_text

_NAME, _SMALL = 12, 11  # font sizes
_LEADING = 15  # distance between base lines
_PADDING = 10
_NARROWEST, _WIDEST = 96, 280
_SHADOW = 4  # offset of each box behind a box that stands for copies
_MOST_SHADOWS = 2


def draw_graph(report: Report, diagram: Diagram, metric: str) -> Scene:
    """Return the drawing of a network as boxes and arrows. `metric` chooses the colours, such as `macs`."""
    total = sum_known([box.figures[metric] for box in diagram.boxes if not box.is_input])
    texts = [_list_texts(box, metric, total) for box in diagram.boxes]
    sizes = [_measure_box(lines, box.copies) for lines, box in zip(texts, diagram.boxes, strict=True)]
    layout = place_graph(sizes, diagram.arrows, diagram.scopes)
    left, top = picture_origin()
    figures = [box.figures[metric] for box in diagram.boxes if not box.is_input]
    most = max((figure or 0 for figure in figures), default=0)
    boxes = [
        Part(
            _draw_box(box, lines, size, (left + x, top + y), _choose_tone(box, metric, most)),
            box.name,
            _describe_box(box),
        )
        for box, lines, size, (x, y) in zip(diagram.boxes, texts, sizes, layout.centers, strict=True)
    ]
    below = top + layout.height + 8
    parts = [
        Part(_draw_frames(layout, left, top)),
        Part(_draw_arrows(layout, left, top)),
        *boxes,
        scale.draw_scale(metric, figures, left, below),
    ]
    described = f"{len(report.layers):,} layers as {len(boxes):,} boxes, coloured by {metric_title(metric)}"
    size = (max(layout.width, scale.WIDTH), layout.height + 8 + scale.HEIGHT)
    return frame_picture(report.network.name, describe_totals(report), *size, parts, described)


def _list_texts(box: Box, metric: str, total: int | None) -> list[str]:
    """Return the lines of a box: its name, layers, output shape, and its figure with its share of the total."""
    figure = box.figures.get(metric)
    words = [*box.words, str(box.output_shape)]
    if not box.is_input and figure != 0:
        words.append(format_figure(metric, figure) + _format_share(figure, total))
    words += [f"→ {box.output}"] if box.output else []
    return [
        cut_text(box.name, _NAME, _WIDEST, bold=True),
        *(cut_text(word, _SMALL, _WIDEST) for word in words),
    ]


def _format_share(figure: int | None, total: int | None) -> str:
    """Return a share such as ` (5.3%)`; empty if it is unknown or less than 0.05%."""
    share = f"{figure / total:.1%}" if figure and total else ""
    return f" ({share})" if share and share != "0.0%" else ""


def _measure_box(lines: Sequence[str], copies: int) -> Size:
    widths = [Text(0, 0, lines[0], _NAME, bold=True).width, *(Text(0, 0, line, _SMALL).width for line in lines[1:])]
    shadow = _SHADOW * min(copies - 1, _MOST_SHADOWS)
    return Size(max(*widths, _NARROWEST) + 2 * _PADDING + shadow, len(lines) * _LEADING + _PADDING + shadow)


def _choose_tone(box: Box, metric: str, most: int) -> str:
    return "input" if box.is_input else scale.choose_tone(box.figures[metric], most)


def _describe_box(box: Box) -> str:
    """Return the tooltip of a box: the layers and scopes it stands for, and all its figures."""
    figures = (format_figure(metric, figure) for metric, figure in box.figures.items())
    return "\n".join([", ".join(box.leaves) or box.name, *figures])


def _draw_box(box: Box, lines: Sequence[str], size: Size, center: Point, tone: str) -> list[Shape]:
    shadows = min(box.copies - 1, _MOST_SHADOWS)
    offset = _SHADOW * shadows
    width, height = size.width - offset, size.height - offset
    left, top = center[0] - size.width / 2, center[1] - size.height / 2
    behind = [
        make_box(left + _SHADOW * number, top + _SHADOW * number, width, height, tone, radius=5)
        for number in range(shadows, -1, -1)
    ]
    first, *others = lines
    x, y = left + width / 2, top + _LEADING
    return [
        *behind,
        Text(x, y, first, _NAME, "middle", bold=True),
        *(Text(x, y + _LEADING * (number + 1), line, _SMALL, "middle") for number, line in enumerate(others)),
    ]


def _draw_arrows(layout: Layout, left: float, top: float) -> list[Shape]:
    return [Line([(left + x, top + y) for x, y in route], arrow=True) for route in layout.routes]


def _draw_frames(layout: Layout, left: float, top: float) -> list[Shape]:
    shapes: list[Shape] = []
    for area, name, (x, y) in layout.frames:
        width, height = area.right - area.left, area.bottom - area.top
        shapes += [
            make_box(left + area.left, top + area.top, width, height, "panel", "grid", radius=8),
            Text(left + x, top + y, name, FONT, tone="faint"),
        ]
    return shapes
