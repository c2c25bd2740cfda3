"""Draws the memory in use while each layer runs, as steps, with the tensors that are live at the peak."""

from convcalc.analysis.report import Report
from convcalc.problems import printable
from convcalc.render.drawing.heading import frame_picture, picture_origin
from convcalc.render.drawing.scene import Part, Point, Polygon, Scene, Shape, Text, make_box
from convcalc.render.drawing.span import ABOVE, BELOW, FONT, Axis, Span, draw_axes, measure_numbers
from convcalc.render.drawing.text_width import cut_text
from convcalc.units import format_bytes

_WIDTH, _HEIGHT = 760, 260  # of the plot
_LEADING = 16
_MOST_TENSORS = 12
_MOST_STEPS = _WIDTH  # each is at least a pixel wide; if there are more layers, several share one
_NAME, _BAR = 300, 300  # widths of the columns of the list


def draw_memory(report: Report) -> Scene:
    """Return the drawing of the live bytes from the first layer to the last, and a list of the tensors at the peak."""
    left, top = picture_origin()
    total, top = report.totals, top + ABOVE
    y = Span(Axis("live memory", "B"), 0, max(total.peak_memory, 1), top + _HEIGHT, top)
    start = left + measure_numbers(y)
    layers = Axis("layer, in order of execution", whole=True)
    x = Span(layers, 0.5, len(report.layers) + 0.5, start, start + _WIDTH)
    below = y.start + BELOW + 30
    tensors = _list_peak_tensors(report, left, below)
    height = below - picture_origin()[1] + _LEADING * min(len(report.liveness.peak_tensors), _MOST_TENSORS + 1)
    facts = f"peak {total.peak_memory:,} B ({format_bytes(total.peak_memory)}) at {total.peak_at}"
    facts += f" · sum of all outputs {format_bytes(total.activation_memory)}"
    parts = [Part(draw_axes(x, y)), *_draw_steps(report, x, y), Part(_draw_peak(report, x, y)), Part(tensors)]
    described = f"the bytes that are live while each of {len(report.layers):,} layers runs: {facts}"
    title = f"{printable(report.network.name)}: live memory"
    return frame_picture(title, facts, x.end - left, height, parts, described)


def _draw_steps(report: Report, x: Span, y: Span) -> list[Part]:
    """Return one bar per layer or, if there are too many, one per group of layers in a row, with their maximum."""
    live = report.liveness.live
    count = min(len(live), _MOST_STEPS)
    parts = []
    for step in range(count):
        first, stop = step * len(live) // count, (step + 1) * len(live) // count
        index = max(range(first, stop), key=live.__getitem__)
        level = y.place(live[index])
        tone = "region" if first <= report.liveness.peak_at < stop else "step5"
        bar = make_box(x.start + step / count * _WIDTH, level, _WIDTH / count, y.start - level, tone, "")
        name = report.layers[index].name
        parts.append(Part([bar], name, f"{name}: {live[index]:,} B live ({format_bytes(live[index])})"))
    return parts


def _draw_peak(report: Report, x: Span, y: Span) -> list[Shape]:
    """Return a mark on the axis below the peak."""
    place, level = x.place(report.liveness.peak_at + 1), y.start
    corners: list[Point] = [(place, level + 1), (place - 4, level + 7), (place + 4, level + 7)]
    return [Polygon(corners, "region", "")]


def _list_peak_tensors(report: Report, x: float, y: float) -> list[Shape]:
    """Return the tensors that are live at the peak, the largest first, each with a bar for its share."""
    network, top = report.network, max(report.totals.peak_memory, 1)
    tensors = sorted(report.liveness.peak_tensors, key=lambda tensor: -report.tensor_bytes[tensor])
    shapes: list[Shape] = [Text(x, y, f"live at the peak, while {report.totals.peak_at} runs", FONT, bold=True)]
    for row, tensor in enumerate(tensors[:_MOST_TENSORS]):
        base = y + _LEADING * (row + 1)
        size = report.tensor_bytes[tensor]
        label = f"{printable(network.tensor_name(tensor))}, {network.tensor_shape(tensor)}"
        shapes += [
            Text(x, base, cut_text(label, FONT, _NAME), FONT),
            make_box(x + _NAME + 16, base - 9, size / top * _BAR, 10, "region", ""),
            Text(x + _NAME + 24 + size / top * _BAR, base, f"{format_bytes(size)} ({size / top:.1%})", FONT),
        ]
    others = tensors[_MOST_TENSORS:]
    if others:
        size = sum(report.tensor_bytes[tensor] for tensor in others)
        text = f"and {len(others):,} more, {format_bytes(size)}"
        shapes.append(Text(x, y + _LEADING * (_MOST_TENSORS + 1), text, FONT, tone="faint"))
    return shapes
