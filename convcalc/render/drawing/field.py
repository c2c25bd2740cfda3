"""Draws the input region that one position of a layer's output depends on, over the input or over an image."""

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from convcalc.analysis.field_region import Interval, NoRegion, Region
from convcalc.analysis.receptive_field import input_size
from convcalc.analysis.report import Report
from convcalc.problems import printable
from convcalc.render.columns import field_text, jump_text
from convcalc.render.drawing.axes import choose_ticks
from convcalc.render.drawing.heading import frame_picture, picture_origin
from convcalc.render.drawing.scene import Image, Line, Part, Polygon, Scene, Shape, Text, make_box
from convcalc.render.drawing.text_width import measure_text

if TYPE_CHECKING:
    from convcalc.analysis.effective_field import EffectiveFields

_LONGEST = 480  # the longest side, in pixels
_STRIP = 40  # height of the input of a network with one axis
_LEFT, _TOP, _BELOW = 40, 20, 34  # space for the numbers and the legend
_FONT = 11
_MOST_TICKS = 8
_LINE = 20  # height of each additional line of the legend


class _Axis(NamedTuple):
    """An axis of the drawing, from input position `low` to `high`; `size` is that of the input, `seen` the region."""

    low: int
    high: int
    size: int
    seen: Interval | None
    start: float
    scale: float

    def place(self, position: int) -> float:
        """Return the coordinate of the edge before an input position."""
        return self.start + (position - self.low) * self.scale

    @property
    def end(self) -> float:
        """The coordinate of the end of the axis."""
        return self.place(self.high)


def draw_field(
    report: Report, index: int, region: Region, image: str | None = None, effective: "EffectiveFields | None" = None
) -> Scene:
    """Return the drawing of a region over the last two axes of the input; `index` is the index of the layer.

    `image` is a `data:` URL of a picture that is drawn over the whole input. With `effective`, the energy of the
    gradient is drawn, and of the region only its outline. Raises NoRegion if the input is a vector, or if the effective
    receptive field is unknown.
    """
    size, layer = input_size(report.network), report.layers[index]
    if not size:
        raise NoRegion("the input is a vector: it has no positions to draw")
    left, top = picture_origin()
    x, y = _make_axes(region, size, left + _LEFT, top + _TOP)
    shapes: list[Shape] = [
        _draw_rectangle(x, y, (x.low, x.high), (y.low, y.high), "panel", "grid"),
        _draw_rectangle(x, y, (0, x.size), (0, y.size), "input", "line"),
    ]
    if image is not None:
        box = (x.place(0), y.place(0), x.place(x.size) - x.place(0), y.place(y.size) - y.place(0))
        shapes.append(Image(*box, image))
    if effective is not None:
        shapes += _draw_effective(report, index, region, effective, x, y, image is not None)
    elif x.seen is not None and y.seen is not None:
        seen = _draw_rectangle(x, y, (x.seen[0], x.seen[1] + 1), (y.seen[0], y.seen[1] + 1), "region", "region")
        shapes.append(seen._replace(clear=True))
    numbers = _draw_numbers(x, y, with_rows=len(size) > 1)
    legend, across = _draw_legend(x.start, y.end + 22, bool(region.outside[0]), outlined=effective is not None)
    facts = _describe_region(report, index, region)
    below, what = _BELOW, "receptive field"
    if effective is not None:
        from convcalc.render.drawing.heat import describe_sigma, draw_legend

        levels, wide = draw_legend(x.start, y.end + 22 + _LINE, _FONT, image is not None)
        legend, across, below, what = [*legend, *levels], max(across, wide), below + _LINE, "effective receptive field"
        facts = f"{facts} · {describe_sigma(report, index, effective)}"
    return frame_picture(
        f"{printable(report.network.name)}: {what} of {layer.name}",
        facts,
        max(x.end - left, _LEFT + across),
        y.end - top + below,
        [Part(shapes), Part(numbers), Part(legend)],
        f"the region of the input on which one position of {layer.name} depends: {facts}",
    )


def _draw_effective(
    report: Report, index: int, region: Region, effective: "EffectiveFields", x: _Axis, y: _Axis, clear: bool
) -> list[Shape]:
    """Return the energy of the gradient, and the outline of the region."""
    from convcalc.render.drawing.heat import Ruler, draw_energy

    across, down = (Ruler(axis.place(0), axis.scale, axis.size) for axis in (x, y))
    shapes = draw_energy(report, index, region, effective, across, down, clear)
    if x.seen is None or y.seen is None:
        return shapes
    left, right, top, bottom = x.place(x.seen[0]), x.place(x.seen[1] + 1), y.place(y.seen[0]), y.place(y.seen[1] + 1)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return [*shapes, *(Line([one, other], "region", 2) for one, other in pairwise(corners))]


def _make_axes(region: Region, size: tuple[int, ...], left: float, top: float) -> tuple[_Axis, _Axis]:
    """Return the horizontal and the vertical axis. Both have the same scale, unless the input has only one axis."""
    seen: list[Interval | None] = [None] * len(size) if region.unclipped is None else list(region.unclipped)
    ranges = [
        (0, length) if one is None else (min(one[0], 0), max(one[1] + 1, length))
        for one, length in zip(seen, size, strict=True)
    ]
    (low, high), length, one = ranges[-1], size[-1], seen[-1]
    if len(size) == 1:
        everything = None if one is None else (0, 0)
        return (
            _Axis(low, high, length, one, left, _LONGEST / (high - low)),
            _Axis(0, 1, 1, everything, top, _STRIP),
        )
    scale = _LONGEST / max(after - before for before, after in ranges[-2:])
    return (
        _Axis(low, high, length, one, left, scale),
        _Axis(*ranges[-2], size[-2], seen[-2], top, scale),
    )


def _draw_rectangle(x: _Axis, y: _Axis, columns: Interval, rows: Interval, fill: str, edge: str) -> Polygon:
    """Return the rectangle between input positions; the last position of each interval is not inside."""
    left, top = x.place(columns[0]), y.place(rows[0])
    return make_box(left, top, x.place(columns[1]) - left, y.place(rows[1]) - top, fill, edge)


def _draw_numbers(x: _Axis, y: _Axis, with_rows: bool) -> list[Shape]:
    found: list[Shape] = [
        Text(x.place(tick), y.start - 6, str(tick), _FONT, "middle", "faint")
        for tick in choose_ticks(x.low, x.high, _MOST_TICKS)
    ]
    if with_rows:
        found += [
            Text(x.start - 6, y.place(tick) + 4, str(tick), _FONT, "end", "faint")
            for tick in choose_ticks(y.low, y.high, _MOST_TICKS)
        ]
    return found


def _draw_legend(x: float, y: float, reaches_beyond: bool, outlined: bool = False) -> tuple[list[Shape], float]:
    """Return the legend and its width; `reaches_beyond` says that part of the field is beyond the input.

    `outlined` says that only the outline of the field is drawn.
    """
    shapes: list[Shape] = []
    start = x
    field = ("input", "region", "theoretical receptive field") if outlined else ("region", "region", "receptive field")
    entries = [("input", "line", "input"), field]
    if reaches_beyond:
        entries.append(("panel", "grid", "beyond the input (padding)"))
    for fill, edge, text in entries:
        box = make_box(x, y - 9, 16, 10, fill, edge)
        shapes += [box._replace(clear=fill == "region"), Text(x + 22, y, text, _FONT, tone="faint")]
        x += 22 + measure_text(text, _FONT) + 24
    return shapes, x - start


def _describe_region(report: Report, index: int, region: Region) -> str:
    """Return the facts below the title: the position, the size, the jump, the region, and the share outside."""
    layer, size = report.layers[index], input_size(report.network)
    position = f"position {', '.join(map(str, region.position))}: " if region.position else ""
    whole = "×".join(map(str, size))
    if region.unclipped is None:
        return f"{position}depends on no position of the input, {whole}"
    ranges = " × ".join(f"{low} … {high}" for low, high in region.unclipped)
    facts = [f"{position}{ranges}", f"field {field_text(layer)} of {whole}"]
    if layer.receptive_field.jump is not None:
        facts.append(f"jump {jump_text(layer)}")
    if region.outside[0]:
        facts.append(f"{region.outside[0] / region.outside[1]:.1%} beyond the input")
    return " · ".join(facts)
