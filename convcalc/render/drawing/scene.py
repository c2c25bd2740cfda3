"""Defines a `Scene`: a drawing as shapes with positions, which `svg` and `tikz` write.

Lengths are in pixels, y grows downwards. A shape has a tone, not a colour: the light and
the dark form of a drawing have different colours for the same tone.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.render.drawing.text_width import measure_text

STEPS = 8  # number of tones `step0`, `step1`, … of a scale from low to high
Point = tuple[float, float]


class Text(NamedTuple):
    """A line of text. `y` is its base line; `anchor` is `start`, `middle` or `end`."""

    x: float
    y: float
    text: str
    size: float = 12
    anchor: str = "start"
    tone: str = "text"
    bold: bool = False

    @property
    def width(self) -> float:
        """The length of the text along its base line."""
        return measure_text(self.text, self.size, self.bold)


class Polygon(NamedTuple):
    """A filled area. `edge` is the tone of its outline, empty if it has none; `radius` rounds the corners of a box."""

    points: Sequence[Point]
    fill: str
    edge: str = "line"
    radius: float = 0
    clear: bool = False  # whether what is behind it shows through


class Line(NamedTuple):
    """A line through points; `arrow` adds an arrow head at its end, and corners are rounded unless it plots data."""

    points: Sequence[Point]
    tone: str = "line"
    width: float = 1.2
    arrow: bool = False
    round: bool = True


class Image(NamedTuple):
    """A picture, given as the text of a `data:` URL. TikZ draws its frame only."""

    x: float
    y: float
    width: float
    height: float
    data: str


Shape = Text | Polygon | Line | Image


class Part(NamedTuple):
    """Shapes that belong together; `name` is that of the layer or scope they stand for, `title` is their tooltip."""

    shapes: Sequence[Shape]
    name: str = ""
    title: str = ""


class Scene(NamedTuple):
    """A drawing of the given size. `title` and `description` are also read out by screen readers."""

    width: float
    height: float
    title: str
    description: str
    parts: Sequence[Part]


def make_box(
    x: float, y: float, width: float, height: float, fill: str, edge: str = "line", radius: float = 0
) -> Polygon:
    """Return a rectangle; `x` and `y` are its top left corner."""
    return Polygon(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), fill, edge, radius)


def scale_scene(scene: Scene, factor: float) -> Scene:
    """Return a scene whose lengths, also those of texts, are multiplied by a factor."""
    parts = [part._replace(shapes=[_scale_shape(shape, factor) for shape in part.shapes]) for part in scene.parts]
    return scene._replace(width=scene.width * factor, height=scene.height * factor, parts=parts)


def _scale_shape(shape: Shape, factor: float) -> Shape:
    if isinstance(shape, Polygon):
        return shape._replace(points=_scale_points(shape.points, factor), radius=shape.radius * factor)
    if isinstance(shape, Line):
        return shape._replace(points=_scale_points(shape.points, factor), width=shape.width * factor)
    x, y = shape.x * factor, shape.y * factor
    if isinstance(shape, Text):
        return shape._replace(x=x, y=y, size=shape.size * factor)
    return shape._replace(x=x, y=y, width=shape.width * factor, height=shape.height * factor)


def _scale_points(points: Sequence[Point], factor: float) -> list[Point]:
    return [(x * factor, y * factor) for x, y in points]
