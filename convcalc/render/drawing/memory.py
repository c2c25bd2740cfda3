"""Draws the memory in use while each layer runs, as steps, with the tensors that are live at the peak."""

from convcalc.analysis.report import Report
from convcalc.problems import printable
from convcalc.render.drawing.axes import choose_binary_ticks, choose_ticks
from convcalc.render.drawing.heading import frame_picture, picture_origin
from convcalc.render.drawing.scene import Line, Part, Point, Polygon, Scene, Shape, Text, make_box
from convcalc.render.drawing.text_width import cut_text
from convcalc.units import format_bytes

_WIDTH, _HEIGHT = 760, 260  # of the plot
_LEFT, _TOP = 72, 16  # space for the numbers
_FONT, _LEADING = 11, 16
_MOST_TENSORS = 12
_MOST_STEPS = _WIDTH  # each is at least a pixel wide; if there are more layers, several share one
_NAME, _BAR = 300, 300  # widths of the columns of the list


def draw_memory(report: Report) -> Scene:
    """Return the drawing of the live bytes from the first layer to the last, and a list of the tensors at the peak."""
    left, top = picture_origin()
    x, y = left + _LEFT, top + _TOP
    tensors = _list_peak_tensors(report, left, y + _HEIGHT + 66)
    height = _TOP + _HEIGHT + 66 + _LEADING * min(len(report.liveness.peak_tensors), _MOST_TENSORS + 1)
    total = report.totals
    facts = f"peak {total.peak_memory:,} B ({format_bytes(total.peak_memory)}) at {total.peak_at}"
    facts += f" · sum of all outputs {format_bytes(total.activation_memory)}"
    parts = [Part(_draw_axes(report, x, y)), *_draw_steps(report, x, y), Part(_draw_peak(report, x, y)), Part(tensors)]
    described = f"the bytes that are live while each of {len(report.layers):,} layers runs: {facts}"
    title = f"{printable(report.network.name)}: live memory"
    return frame_picture(title, facts, _LEFT + _WIDTH, height, parts, described)


def _draw_axes(report: Report, x: float, y: float) -> list[Shape]:
    top, count = max(report.totals.peak_memory, 1), len(report.layers)
    shapes: list[Shape] = []
    for tick in choose_binary_ticks(top, 6):
        level = y + _HEIGHT - tick / top * _HEIGHT
        shapes += [
            Line([(x, level), (x + _WIDTH, level)], "grid", 1),
            Text(x - 8, level + 4, format_bytes(tick), _FONT, "end", "faint"),
        ]
    for tick in choose_ticks(1, count, 10):
        place = x + (tick - 0.5) / count * _WIDTH
        shapes.append(Text(place, y + _HEIGHT + 20, f"{tick:,}", _FONT, "middle", "faint"))
    shapes.append(Text(x + _WIDTH / 2, y + _HEIGHT + 36, "layer, in order of execution", _FONT, "middle", "faint"))
    return shapes


def _draw_steps(report: Report, x: float, y: float) -> list[Part]:
    """Return one bar per layer or, if there are too many, one per group of layers in a row, with their maximum."""
    live, top = report.liveness.live, max(report.totals.peak_memory, 1)
    count = min(len(live), _MOST_STEPS)
    parts = []
    for step in range(count):
        first, stop = step * len(live) // count, (step + 1) * len(live) // count
        index = max(range(first, stop), key=live.__getitem__)
        height = live[index] / top * _HEIGHT
        tone = "region" if first <= report.liveness.peak_at < stop else "step5"
        bar = make_box(x + step / count * _WIDTH, y + _HEIGHT - height, _WIDTH / count, height, tone, "")
        name = report.layers[index].name
        parts.append(Part([bar], name, f"{name}: {live[index]:,} B live ({format_bytes(live[index])})"))
    return parts


def _draw_peak(report: Report, x: float, y: float) -> list[Shape]:
    """Return a mark on the axis below the peak."""
    place = x + (report.liveness.peak_at + 0.5) / len(report.layers) * _WIDTH
    corners: list[Point] = [(place, y + _HEIGHT + 1), (place - 4, y + _HEIGHT + 7), (place + 4, y + _HEIGHT + 7)]
    return [Polygon(corners, "region", "")]


def _list_peak_tensors(report: Report, x: float, y: float) -> list[Shape]:
    """Return the tensors that are live at the peak, the largest first, each with a bar for its share."""
    network, top = report.network, max(report.totals.peak_memory, 1)
    tensors = sorted(report.liveness.peak_tensors, key=lambda tensor: -report.tensor_bytes[tensor])
    shapes: list[Shape] = [Text(x, y, f"live at the peak, while {report.totals.peak_at} runs", _FONT, bold=True)]
    for row, tensor in enumerate(tensors[:_MOST_TENSORS]):
        base = y + _LEADING * (row + 1)
        size = report.tensor_bytes[tensor]
        label = f"{printable(network.tensor_name(tensor))}, {network.tensor_shape(tensor)}"
        shapes += [
            Text(x, base, cut_text(label, _FONT, _NAME), _FONT),
            make_box(x + _NAME + 16, base - 9, size / top * _BAR, 10, "region", ""),
            Text(x + _NAME + 24 + size / top * _BAR, base, f"{format_bytes(size)} ({size / top:.1%})", _FONT),
        ]
    others = tensors[_MOST_TENSORS:]
    if others:
        size = sum(report.tensor_bytes[tensor] for tensor in others)
        text = f"and {len(others):,} more, {format_bytes(size)}"
        shapes.append(Text(x, y + _LEADING * (_MOST_TENSORS + 1), text, _FONT, tone="faint"))
    return shapes
