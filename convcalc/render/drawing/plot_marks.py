"""Draws the marks of plots, and the legend that names series and curves."""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.problems import printable
from convcalc.render.drawing.palette import SERIES
from convcalc.render.drawing.scene import Line, Polygon, Shape, Text, make_box
from convcalc.render.drawing.text_width import cut_text, measure_text

RADIUS = 4.5
_CORNERS = (  # corners of a square, a diamond and two triangles, relative to the radius
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    ((0, -1.2), (1.2, 0.9), (-1.2, 0.9)),
    ((0, 1.2), (1.2, -0.9), (-1.2, -0.9)),
)
_FONT, _ROW = 11, 18
_SIGN, _BETWEEN = 22, 24  # width of the sign of an entry, and the gap after its name
_LONGEST = 200  # largest width of a name
_MOST_ENTRIES = 12


class Entry(NamedTuple):
    """A line of the legend. `number` is that of the series; `kind` is `mark`, `area` or `line`."""

    name: str
    number: int
    kind: str


def series_tone(number: int, kind: str = "series") -> str:
    """Return the tone of a series of marks and lines, or with `area` of an area; the tones repeat after six."""
    return f"{kind}{number % SERIES}"


def make_mark(x: float, y: float, number: int, tone: str, edge: str = "line") -> Polygon:
    """Return the mark of a series around x and y. The shapes repeat after five, so that 30 series differ."""
    shape = number % (len(_CORNERS) + 1)
    if shape == 0:
        return make_box(x - RADIUS, y - RADIUS, 2 * RADIUS, 2 * RADIUS, tone, edge, RADIUS)
    return Polygon(tuple((x + RADIUS * right, y + RADIUS * down) for right, down in _CORNERS[shape - 1]), tone, edge)


def draw_legend(entries: Sequence[Entry], left: float, top: float, width: float) -> tuple[list[Shape], float]:
    """Return the legend, in rows of at most `width`, and its height: 0 without entries."""
    shapes: list[Shape] = []
    x, row = left, 0
    for entry in entries[:_MOST_ENTRIES]:
        name = cut_text(printable(entry.name), _FONT, _LONGEST)
        across = _SIGN + measure_text(name, _FONT)
        if x > left and x + across > left + width:
            x, row = left, row + 1
        y = top + row * _ROW + _ROW / 2
        shapes += [_draw_sign(entry, x + _SIGN / 2 - 3, y), Text(x + _SIGN, y + 4, name, _FONT, tone="faint")]
        x += across + _BETWEEN
    if len(entries) > _MOST_ENTRIES:
        row += 1
        text = f"and {len(entries) - _MOST_ENTRIES:,} more"
        shapes.append(Text(left, top + row * _ROW + _ROW / 2 + 4, text, _FONT, tone="faint"))
    return shapes, (row + 1) * _ROW if entries else 0


def _draw_sign(entry: Entry, x: float, y: float) -> Shape:
    if entry.kind == "line":
        return Line([(x - 8, y), (x + 8, y)], series_tone(entry.number), 2)
    if entry.kind == "area":
        return make_box(x - 8, y - 5, 16, 10, series_tone(entry.number, "area"))
    return make_mark(x, y, entry.number, series_tone(entry.number))
