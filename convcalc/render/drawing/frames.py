"""Places frames around the boxes of open scopes in a graph, with the name of the scope inside at the top.

A frame is left out if it would enclose or cross other boxes or frames, or if arrows leave no room for its name. In a
graph that is wrapped into columns, a scope has a frame per column.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from convcalc.render.drawing.diagram import Scope
from convcalc.render.drawing.scene import Point
from convcalc.render.drawing.text_width import cut_text, measure_text

FONT = 11
TITLE, BOTTOM = 20, 6  # height of a frame's name, and distance from the last row to the frame's bottom
_ABOVE = 12  # distance between a frame's name and its first row, where arrows have corners
_SIDE, _NESTED = 8, 6  # distance from a frame to its boxes, and to a frame inside it
_BASE = 14  # distance from the top of a frame to the base line of its name
_LEAST_NAME = 30  # a name is not cut to less than this width
_CLEAR = 4  # distance between a name and an arrow
_NEAR = 1e-6
_STRIP = 100  # height of the strips in which areas are looked up


class Area(NamedTuple):
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Area") -> bool:
        """Whether the rectangles have a common part."""
        return (
            self.left < other.right - _NEAR
            and other.left < self.right - _NEAR
            and self.top < other.bottom - _NEAR
            and other.top < self.bottom - _NEAR
        )

    def is_crossed(self, line: "Area") -> bool:
        """Whether a horizontal or vertical line has points inside; its area has no width or no height."""
        return line.left < self.right and self.left < line.right and line.top < self.bottom and self.top < line.bottom


class Frame(NamedTuple):
    """The rectangle around a scope, and its name, which begins at `place` and may be cut."""

    area: Area
    name: str
    place: Point


class Piece(NamedTuple):
    """The part of a scope that is in one column: its boxes, in the rows from `first` to `last`.

    `above` is the number of frames that begin at its first row, from the innermost to this one; `below` is the number
    of those that end at its last row.
    """

    scope: Scope
    column: int
    boxes: frozenset[int]
    first: int
    last: int
    above: int = 1
    below: int = 1

    def contains(self, other: "Piece") -> bool:
        """Whether the other piece is that of a scope inside this one, which may have more boxes in other columns."""
        return self.column == other.column and other.boxes <= self.boxes and other.scope.boxes < self.scope.boxes


def divide_scopes(scopes: Iterable[Scope], rows: Sequence[int], columns: Sequence[int]) -> list[Piece]:
    """Return the pieces of scopes, inner ones first; `rows` are those of the boxes, `columns` those of the rows."""
    pieces: list[Piece] = []
    of_box: dict[int, list[Piece]] = {}
    for scope in sorted(scopes, key=lambda scope: len(scope.boxes)):
        by_column: dict[int, list[int]] = {}
        for box in scope.boxes:
            by_column.setdefault(columns[rows[box]], []).append(box)
        for column, boxes in sorted(by_column.items()):
            first, last = min(rows[box] for box in boxes), max(rows[box] for box in boxes)
            inside = [other for box in boxes for other in of_box.get(box, [])]
            above = max((other.above for other in inside if other.first == first), default=0)
            below = max((other.below for other in inside if other.last == last), default=0)
            pieces.append(Piece(scope, column, frozenset(boxes), first, last, above + 1, below + 1))
            for box in boxes:
                of_box.setdefault(box, []).append(pieces[-1])
    return pieces


def measure_space(pieces: Iterable[Piece]) -> tuple[dict[int, float], dict[int, float]]:
    """Return the space that frames need above and below rows, by row."""
    above: dict[int, float] = {}
    below: dict[int, float] = {}
    for piece in pieces:
        above[piece.first] = max(above.get(piece.first, 0), piece.above * TITLE)
        below[piece.last] = max(below.get(piece.last, 0), piece.below * BOTTOM)
    return above, below


def place_frames(
    pieces: Sequence[Piece],
    boxes: Sequence[Area],
    rows: Sequence[tuple[float, float]],
    routes: Mapping[tuple[int, int], Sequence[Point]],
) -> list[Frame]:
    """Return the frames of the scopes that can have one, outer ones first.

    `boxes` are the places of the boxes, `rows` the tops and bottoms of the rows, and `routes` the points of the arrows
    by their source and target.
    """
    areas: list[Area] = []
    leaving: dict[int, list[tuple[int, Sequence[Point]]]] = {}
    lines = _Strips()
    for (source, target), route in routes.items():
        leaving.setdefault(source, []).append((target, route))
        for (x0, y0), (x1, y1) in pairwise(route):
            lines.add(Area(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), source)
    for piece in pieces:
        inside = [area for other, area in zip(pieces, areas, strict=False) if piece.contains(other)]
        kept = (route for box in piece.boxes for target, route in leaving.get(box, []) if target in piece.boxes)
        areas.append(_measure_area(piece, inside, boxes, rows, [x for route in kept for x, _ in route]))
    names = [_place_name(piece, area, lines) for piece, area in zip(pieces, areas, strict=True)]
    return _choose_frames(pieces, areas, names, boxes)


def _choose_frames(
    pieces: Sequence[Piece], areas: Sequence[Area], names: Sequence[Frame | None], boxes: Sequence[Area]
) -> list[Frame]:
    """Return the frames without those of scopes that have no room for a name or overlap something, outer ones first."""
    places = _Strips()
    for number, box in enumerate(boxes):
        places.add(box, number)
    accepted: list[int] = []
    refused = {piece.scope for piece, name in zip(pieces, names, strict=True) if name is None}
    for index, piece in reversed(list(enumerate(pieces))):
        area = areas[index]
        others = (number for number in accepted if areas[number].overlaps(area))
        outside = (number for box, number in places.find_near(area) if number not in piece.boxes and box.overlaps(area))
        if any(True for _ in outside) or not all(pieces[number].contains(piece) for number in others):
            refused.add(piece.scope)
        else:
            accepted.append(index)
    return [name for index in accepted if pieces[index].scope not in refused and (name := names[index]) is not None]


class _Strips:
    """Finds the areas near a given one without looking at all: those in the same horizontal strips."""

    def __init__(self) -> None:
        self.areas: dict[int, list[tuple[Area, int]]] = {}

    def add(self, area: Area, number: int) -> None:
        """Add an area with the number of its box."""
        for strip in self._list_strips(area):
            self.areas.setdefault(strip, []).append((area, number))

    def find_near(self, area: Area) -> Iterator[tuple[Area, int]]:
        """Yield the areas in the strips of an area, with their numbers; some more than once."""
        for strip in self._list_strips(area):
            yield from self.areas.get(strip, [])

    def _list_strips(self, area: Area) -> range:
        return range(int(area.top // _STRIP), int(area.bottom // _STRIP) + 1)


def _measure_area(
    piece: Piece,
    inside: Sequence[Area],
    boxes: Sequence[Area],
    rows: Sequence[tuple[float, float]],
    across: Sequence[float],
) -> Area:
    """Return the rectangle around the boxes of a piece, the frames `inside`, and the arrows at the x of `across`."""
    own = [boxes[box] for box in piece.boxes]
    lefts = [area.left - _SIDE for area in own] + [x - _NESTED for x in (*across, *(one.left for one in inside))]
    rights = [area.right + _SIDE for area in own] + [x + _NESTED for x in (*across, *(one.right for one in inside))]
    top = rows[piece.first][0] - _ABOVE - piece.above * TITLE
    return Area(min(lefts), top, max(rights), rows[piece.last][1] + piece.below * BOTTOM)


def _place_name(piece: Piece, area: Area, lines: _Strips) -> Frame | None:
    """Return the frame with its name where no arrow crosses it; None if there is no room."""
    name = piece.scope.name
    band = Area(area.left, area.top, area.right, area.top + TITLE)
    crossed = {line for line, _ in lines.find_near(band) if band.is_crossed(line)}
    start, gaps = band.left + _CLEAR, []
    for line in sorted(crossed):
        gaps.append((start, line.left - _CLEAR))
        start = max(start, line.right + _CLEAR)
    gaps.append((start, band.right - _CLEAR))
    width = measure_text(name, FONT)
    left, right = max(gaps, key=lambda gap: (min(gap[1] - gap[0], width), -gap[0]))
    if right - left < min(width, _LEAST_NAME):
        return None
    return Frame(area, _shorten_name(name, right - left), (left, area.top + _BASE))


def _shorten_name(name: str, room: float) -> str:
    """Return the name without as many outer scopes as needed to fit: `stage2` for `model.features.stage2`."""
    parts = name.split(".")
    inner = [".".join(parts[start:]) for start in range(len(parts)) if not parts[start].isdecimal()]
    return next((text for text in inner if measure_text(text, FONT) <= room), cut_text(name, FONT, room))
