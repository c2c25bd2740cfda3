"""Writes a scene as a self-contained SVG picture, with colours for light and dark backgrounds."""

from collections.abc import Sequence, Set
from html import escape

from convcalc.problems import printable
from convcalc.render.drawing.palette import TONES
from convcalc.render.drawing.scene import Image, Line, Part, Point, Polygon, Scene, Shape, Text

_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_CORNER = 6  # radius of the corners of lines
_HEAD, _HALF_HEAD = 7, 3.5  # length and half the width of an arrow head


def write_svg(scene: Scene, standalone: bool = True) -> str:
    """Return the text of an SVG file, or, unless `standalone`, an element for an HTML page.

    It needs no font, script or other file, and every text in it is escaped.
    """
    namespace = 'xmlns="http://www.w3.org/2000/svg" ' if standalone else ""
    width, height = _number(scene.width), _number(scene.height)
    parts = [
        f'<svg {namespace}width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="{_FONT}">',
        f"<title>{_escape(scene.title)}</title>",
        f"<desc>{_escape(scene.description)}</desc>",
        f"<style>{_write_style(_list_tones(scene))}</style>",
        f'<rect class="cc-back" width="{width}" height="{height}"/>',
        *(_write_part(part) for part in scene.parts),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _list_tones(scene: Scene) -> set[str]:
    found = {"back"}
    for part in scene.parts:
        for shape in part.shapes:
            if isinstance(shape, Polygon):
                found |= {shape.fill, shape.edge}
            elif not isinstance(shape, Image):
                found.add(shape.tone)
    return found


def _write_style(used: Set[str]) -> str:
    """Return one fill and one stroke per used tone. No CSS variables: many converters do not support them."""
    light = "".join(_write_rules(tone, colors[0]) for tone, colors in TONES.items() if tone in used)
    dark = "".join(_write_rules(tone, colors[1]) for tone, colors in TONES.items() if tone in used)
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _write_rules(tone: str, color: str) -> str:
    return f".cc-{tone}{{fill:{color}}}.cc-{tone}-line{{stroke:{color}}}"


def _write_part(part: Part) -> str:
    name = f' data-name="{_escape(part.name)}"' if part.name else ""
    title = f"<title>{chr(10).join(map(_escape, part.title.splitlines()))}</title>" if part.title else ""
    shapes = "".join(map(_write_shape, part.shapes))
    return f"<g{name}>{title}{shapes}</g>" if name or title else shapes


def _write_shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        return _write_text(shape)
    if isinstance(shape, Polygon):
        return _write_polygon(shape)
    if isinstance(shape, Image):
        box = f'x="{_number(shape.x)}" y="{_number(shape.y)}" width="{_number(shape.width)}"'
        return (
            f'<image {box} height="{_number(shape.height)}" preserveAspectRatio="none" href="{_escape(shape.data)}"/>'
        )
    return _write_line(shape)


def _write_text(text: Text) -> str:
    """Return a text that is as wide as computed, whatever font is available."""
    place = f'x="{_number(text.x)}" y="{_number(text.y)}"'
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    bold = ' font-weight="bold"' if text.bold else ""
    fit = f' textLength="{_number(text.width)}" lengthAdjust="spacingAndGlyphs"' if len(text.text) > 1 else ""
    size = f'font-size="{_number(text.size)}"'
    return f'<text class="cc-{text.tone}" {place} {size}{anchor}{bold}{fit}>{_escape(text.text)}</text>'


def _write_polygon(polygon: Polygon) -> str:
    line = f" cc-{polygon.edge}-line" if polygon.edge else ""
    clear = ' fill-opacity="0.45"' if polygon.clear else ""
    if polygon.radius:
        (left, top), _, (right, bottom), _ = polygon.points
        box = f'x="{_number(left)}" y="{_number(top)}" width="{_number(right - left)}" height="{_number(bottom - top)}"'
        return f'<rect class="cc-{polygon.fill}{line}" {box} rx="{_number(polygon.radius)}"{clear}/>'
    points = " ".join(f"{_number(x)},{_number(y)}" for x, y in polygon.points)
    return f'<polygon class="cc-{polygon.fill}{line}" points="{points}"{clear}/>'


def _write_line(line: Line) -> str:
    path = f'<path class="cc-{line.tone}-line" d="{_write_path(line)}" fill="none"'
    path += f' stroke-width="{_number(line.width)}"/>'
    if not line.arrow:
        return path
    head = " ".join(f"{_number(x)},{_number(y)}" for x, y in make_arrow_head(line.points[-2], line.points[-1]))
    return f'{path}<polygon class="cc-{line.tone}" points="{head}"/>'


def make_arrow_head(start: Point, end: Point) -> tuple[Point, Point, Point]:
    """Return the corners of the head of an arrow from `start` to `end`."""
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5 or 1
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    back = (end[0] - along[0] * _HEAD, end[1] - along[1] * _HEAD)
    across = (-along[1] * _HALF_HEAD, along[0] * _HALF_HEAD)
    return end, (back[0] + across[0], back[1] + across[1]), (back[0] - across[0], back[1] - across[1])


def _write_path(line: Line) -> str:
    return _round_corners(line.points) if line.round else "M" + "L".join(map(_pair, line.points))


def _round_corners(points: Sequence[Point]) -> str:
    """Return the path through the points, in which a quarter of a curve replaces each corner."""
    path = [f"M{_pair(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        first, second = _step_towards(corner, before), _step_towards(corner, after)
        path.append(f"L{_pair(first)}Q{_pair(corner)} {_pair(second)}")
    return "".join([*path, f"L{_pair(points[-1])}"])


def _step_towards(corner: Point, other: Point) -> Point:
    """Return the point at the radius of a corner, but at most half way, from `corner` towards `other`."""
    length = ((other[0] - corner[0]) ** 2 + (other[1] - corner[1]) ** 2) ** 0.5
    part = min(_CORNER, length / 2) / length if length else 0
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    """Return a length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _escape(text: str) -> str:
    return escape(printable(text))
