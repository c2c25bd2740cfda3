"""Places names next to the marks of a plot, where they cover neither marks nor curves nor other names.

For example, `names.find_place("resnet18", 120, 80, 6)` returns the Text, or None if there is no room.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from convcalc.render.drawing.scene import Point, Text

_ABOVE, _BELOW = 0.75, 0.25  # height above and below the base line of a text, relative to the font size
_GAP = 3


class _Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "_Area") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def contains(self, other: "_Area") -> bool:
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )

    def is_crossed(self, start: Point, end: Point) -> bool:
        """Whether a straight line has points inside. The line is cut at each edge in turn (Liang and Barsky 1984)."""
        first, last = 0.0, 1.0
        for low, high, position, step in (
            (self.left, self.right, start[0], end[0] - start[0]),
            (self.top, self.bottom, start[1], end[1] - start[1]),
        ):
            if step:
                enters, leaves = sorted(((low - position) / step, (high - position) / step))
                first, last = max(first, enters), min(last, leaves)
            elif not low < position < high:
                return False
        return first < last


class Names:
    """Records the occupied parts of a plot, and places names inside the plot's `left`, `top`, `right`, `bottom`."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        self.inside = _Area(left, top, right, bottom)
        self.occupied: list[_Area] = []
        self.lines: list[tuple[Point, Point]] = []

    def occupy(self, x: float, y: float, radius: float) -> None:
        """Keep names away from a mark around x and y."""
        self.occupied.append(_Area(x - radius, y - radius, x + radius, y + radius))

    def occupy_line(self, points: Iterable[Point]) -> None:
        """Keep names away from the straight lines from point to point."""
        corners = list(points)
        self.lines += pairwise(corners)

    def find_place(self, text: str, x: float, y: float, radius: float, size: float) -> Text | None:
        """Return the text of a name next to, above or below a mark around x and y; None if there is no room."""
        distance, middle = radius + _GAP, y + size * (_ABOVE - _BELOW) / 2
        above, below = y - distance - size * _BELOW, y + distance + size * _ABOVE
        for right, base, anchor in (
            (distance, middle, "start"),
            (-distance, middle, "end"),
            (0, above, "middle"),
            (0, below, "middle"),
            (0, above, "end"),
            (0, below, "start"),
            (0, above, "start"),
            (0, below, "end"),
        ):
            candidate = Text(x + right, base, text, size, anchor)
            if self.take(candidate):
                return candidate
        return None

    def take(self, text: Text) -> bool:
        """Occupy the place of a text if it is free and inside the plot, and return whether it was."""
        area = _measure_area(text)
        is_free = (
            self.inside.contains(area)
            and not any(area.overlaps(other) for other in self.occupied)
            and not any(area.is_crossed(*line) for line in self.lines)
        )
        if is_free:
            self.occupied.append(area)
        return is_free


def _measure_area(text: Text) -> _Area:
    left = text.x - {"start": 0, "middle": 0.5, "end": 1}[text.anchor] * text.width
    return _Area(left, text.y - text.size * _ABOVE, left + text.width, text.y + text.size * _BELOW)
