"""Draws plots of marks (candidates and their front), curves (a roofline) and rectangles (memory blocks).

For example:

    marks = [Mark(0.85e-3, 71.8, "a"), Mark(1.9e-3, 75.2, "b")]
    x, y = Axis("latency", "s", log=True), Axis("accuracy", "%")
    text = write_svg(draw_scatter("sweep", "2 networks", marks, x, y, front=[0, 1]))

Any name may come from a stranger. It is next to its mark if it has room there, and always in the tooltip.
"""

from collections.abc import Collection, Sequence
from math import inf
from typing import NamedTuple

from convcalc.problems import printable
from convcalc.render.drawing.heading import frame_picture, picture_origin
from convcalc.render.drawing.plot_marks import RADIUS, Entry, draw_legend, make_mark, series_tone
from convcalc.render.drawing.plot_names import Names
from convcalc.render.drawing.scale import HEIGHT as SCALE_HEIGHT
from convcalc.render.drawing.scale import choose_tone, draw_colors
from convcalc.render.drawing.scene import Line, Part, Point, Polygon, Scene, Shape, Text, make_box
from convcalc.render.drawing.span import (
    ABOVE,
    BELOW,
    FONT,
    Axis,
    describe_value,
    draw_axes,
    format_number,
    list_grid_lines,
    make_span,
    measure_numbers,
)
from convcalc.render.drawing.text_width import cut_text

__all__ = ["Axis", "Curve", "Mark", "Rectangle", "draw_curves", "draw_rectangles", "draw_scatter"]
WIDTH, HEIGHT = 640, 380  # size of the area inside the axes
_MOST_NAMES = 40
_LONGEST = 170  # largest width of a name
_INSIDE = 4  # distance between the edge of a rectangle and its name
_SHORTEST = 30  # a rectangle with less room for its name has none


class Mark(NamedTuple):
    """A point of a plot. Marks of one `series` share a colour and a shape; a `figure` colours a mark by a scale.

    `title` is added to the tooltip, which has the name and both values.
    """

    x: float
    y: float
    name: str = ""
    series: str = ""
    figure: float | None = None
    title: str = ""


class Curve(NamedTuple):
    """Straight lines from point to point, in the order given. `filled` colours the area between them and the axis."""

    points: Sequence[Point]
    name: str
    filled: bool = False


class Rectangle(NamedTuple):
    """An area from `left` to `right` and from `bottom` to `top`. Those of one `series` share a colour."""

    left: float
    right: float
    bottom: float
    top: float
    name: str = ""
    series: str = ""
    title: str = ""


def draw_scatter(
    title: str,
    facts: str,
    marks: Sequence[Mark],
    x: Axis,
    y: Axis,
    front: Collection[int] = (),
    color: Axis | None = None,
) -> Scene:
    """Return a plot of marks, with a line through those whose indexes are in `front`: the best trade-offs.

    `facts` is the line below the title. Only marks of the front have names, or all if there is no front. If names do
    not fit, the first marks keep theirs. `color` is the axis of the colour scale, if the figures of the marks choose
    the colours: larger figures are darker in light mode, lighter in dark mode. Raises ValueError if there are no marks,
    or if a value is not finite, a figure is negative, or a value on a logarithmic axis is not positive.
    """
    first = sorted(front)
    shown = [*(marks[index] for index in first), *(mark for index, mark in enumerate(marks) if index not in set(first))]
    line = sorted((mark.x, mark.y) for mark in shown[: len(first)])
    curves = [Curve(line, "Pareto front")] if first else []
    return _Plot(x, y, shown, curves, (), color, len(first)).draw(title, facts)


def draw_curves(title: str, facts: str, curves: Sequence[Curve], x: Axis, y: Axis, marks: Sequence[Mark] = ()) -> Scene:
    """Return a plot of curves and marks, such as a roofline and the layers below it.

    On logarithmic axes, lines are straight between their points. Raises ValueError like `draw_scatter`.
    """
    return _Plot(x, y, marks, curves).draw(title, facts)


def draw_rectangles(
    title: str, facts: str, rectangles: Sequence[Rectangle], x: Axis, y: Axis, curves: Sequence[Curve] = ()
) -> Scene:
    """Return a plot of rectangles and curves, such as the tensors of a memory arena over time.

    A name is inside its rectangle, cut to its width. Raises ValueError like `draw_scatter`.
    """
    return _Plot(x, y, (), curves, rectangles).draw(title, facts)


class _Plot:
    """Places marks, curves and rectangles between two axes. The first `emphasised` marks are those of the front."""

    def __init__(
        self,
        x: Axis,
        y: Axis,
        marks: Sequence[Mark],
        curves: Sequence[Curve],
        rectangles: Sequence[Rectangle] = (),
        color: Axis | None = None,
        emphasised: int = 0,
    ) -> None:
        self.marks, self.curves, self.rectangles = marks, curves, rectangles
        self.color, self.emphasised = color, emphasised
        self.most = _find_largest([mark.figure for mark in marks]) if color else 0
        self.left, top = picture_origin()
        self.y = make_span(y, self._list_values(1), top + ABOVE + HEIGHT, top + ABOVE)
        start = self.left + measure_numbers(self.y)
        self.x = make_span(x, self._list_values(0), start, start + WIDTH)
        self.names = Names(start, top + ABOVE, start + WIDTH, top + ABOVE + HEIGHT)
        shown = dict.fromkeys([*(mark.series for mark in marks), *(one.series for one in rectangles)])
        self.number_of = {name: number for number, name in enumerate(shown)}

    def draw(self, title: str, facts: str) -> Scene:
        """Return the plot with its title, axes and legend."""
        curves = [self._draw_curve(number, one) for number, one in enumerate(self.curves)]
        rectangles = [self._draw_rectangle(one) for one in self.rectangles]
        for line in list_grid_lines(self.x, self.y):
            self.names.occupy_line(line)
        points = [self._place((mark.x, mark.y)) for mark in self.marks]
        for point in points:
            self.names.occupy(*point, RADIUS)
        marks = [self._draw_mark(number, *point) for number, point in enumerate(points)]
        named = self.emphasised or min(len(points), _MOST_NAMES)
        names = [self._name_mark(mark, point) for mark, point in zip(self.marks[:named], points, strict=False)]
        below = self.y.start + BELOW
        legend, height = draw_legend(self._list_entries(), self.x.start, below, WIDTH)
        axes = draw_axes(self.x, self.y)
        right = max(shape.x + shape.width / 2 for shape in axes if isinstance(shape, Text) and shape.anchor == "middle")
        parts = [Part(axes), *rectangles, *curves, *marks[::-1], Part([*filter(None, names)])]
        parts += [Part(legend), *self._draw_colors(below + height + 6)]
        total = below + height - picture_origin()[1] + (6 + SCALE_HEIGHT if self.color else 0)
        what = f"{self.y.axis.label} over {self.x.axis.label}: {facts}"
        return frame_picture(title, facts, max(right, self.x.end) - self.left, total, parts, printable(what))

    def _list_values(self, axis: int) -> list[float]:
        """Return all values on the axis x (0) or y (1)."""
        corners = [((one.left, one.bottom), (one.right, one.top)) for one in self.rectangles]
        found = [(mark.x, mark.y) for mark in self.marks]
        return [point[axis] for points in (found, *(one.points for one in self.curves), *corners) for point in points]

    def _place(self, point: Point) -> Point:
        return self.x.place(point[0]), self.y.place(point[1])

    def _draw_mark(self, number: int, x: float, y: float) -> Part:
        mark = self.marks[number]
        series = self.number_of[mark.series]
        is_faint = number >= self.emphasised > 0
        tone = "input" if is_faint else series_tone(series)
        if self.color:
            tone = choose_tone(mark.figure, self.most)
        shape = make_mark(x, y, series, tone, "line" if is_faint or not self.color else "text")
        figure = [] if self.color is None or mark.figure is None else [describe_value(self.color, mark.figure)]
        lines = [
            mark.name,
            describe_value(self.x.axis, mark.x),
            describe_value(self.y.axis, mark.y),
            *figure,
            mark.title,
        ]
        return Part([shape], mark.name, "\n".join(filter(None, lines)))

    def _name_mark(self, mark: Mark, point: Point) -> Text | None:
        if not mark.name:
            return None
        return self.names.find_place(cut_text(printable(mark.name), FONT, _LONGEST), *point, RADIUS, FONT)

    def _draw_curve(self, number: int, curve: Curve) -> Part:
        points = [self._place(point) for point in curve.points]
        self.names.occupy_line(points)
        tone = len(self.number_of) + number
        foot = self.y.place(max(self.y.low, 0)) if not self.y.axis.log else self.y.start
        below = [*points, (points[-1][0], foot), (points[0][0], foot)] if points else []
        area = [Polygon(below, series_tone(tone, "area"), "")] if curve.filled and points else []
        return Part(
            [*area, *([Line(points, series_tone(tone), 2, round=False)] if len(points) > 1 else [])],
            curve.name,
            curve.name,
        )

    def _draw_rectangle(self, one: Rectangle) -> Part:
        (left, bottom), (right, top) = self._place((one.left, one.bottom)), self._place((one.right, one.top))
        tone = series_tone(self.number_of[one.series], "area")
        shapes: list[Shape] = [make_box(left, top, right - left, bottom - top, tone)]
        room = right - left - 2 * _INSIDE
        name = Text(left + _INSIDE, (top + bottom) / 2 + 4, cut_text(printable(one.name), FONT, max(room, 0)), FONT)
        if one.name and room >= min(_SHORTEST, name.width) and bottom - top > FONT + 2 and self.names.take(name):
            shapes.append(name)
        sizes = (
            f"{axis.label}: {format_number(axis, low)} to {format_number(axis, high)}"
            for axis, low, high in ((self.x.axis, one.left, one.right), (self.y.axis, one.bottom, one.top))
        )
        return Part(shapes, one.name, "\n".join(filter(None, (one.name, *sizes, one.title))))

    def _list_entries(self) -> list[Entry]:
        kind = "area" if self.rectangles else "mark"
        named = [Entry(name, number, kind) for name, number in self.number_of.items() if name]
        first = len(self.number_of)
        return named + [Entry(one.name, first + number, "line") for number, one in enumerate(self.curves) if one.name]

    def _draw_colors(self, top: float) -> list[Part]:
        if self.color is None:
            return []
        has_unknown = any(mark.figure is None for mark in self.marks)
        text = format_number(self.color, self.most)
        return [draw_colors(cut_text(printable(self.color.label), FONT, 400), text, has_unknown, self.x.start, top)]


def _find_largest(figures: Sequence[float | None]) -> float:
    """Return the largest known figure, at least 0. Raises ValueError if one is negative or not finite."""
    known = [figure for figure in figures if figure is not None]
    for figure in known:
        if not 0 <= figure < inf:
            raise ValueError(f"figures that choose colours must be finite and at least 0; got {figure}")
    return max(known, default=0)
