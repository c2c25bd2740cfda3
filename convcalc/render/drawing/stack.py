"""Draws a network as a row of feature maps: boxes whose sides stand for spatial sizes and channels.

If the network upsamples, maps of the same height are in one band, below those of larger maps, so that a U-Net looks
like a U; otherwise all maps are in a single band.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import log2, sqrt
from typing import NamedTuple

from convcalc.analysis.report import Report, sum_known
from convcalc.render.drawing import scale
from convcalc.render.drawing.diagram import Arrow, Diagram, metric_title
from convcalc.render.drawing.heading import describe_totals, frame_picture, picture_origin
from convcalc.render.drawing.layout import Tracks
from convcalc.render.drawing.scene import Line, Part, Point, Polygon, Scene, Shape, Text
from convcalc.render.drawing.text_width import cut_text, measure_text
from convcalc.shape import Shape as Sizes

_TALLEST, _LOWEST = 130, 12  # height of the largest map, and the minimum
_PER_DOUBLING = 6  # width for each doubling of the channels
_VECTOR = 10  # width of a vector
_SLANT_X, _SLANT_Y = 0.35, 0.25  # of the edges that lead away from the viewer, relative to the height
_FONT, _LEADING = 11, 14
_WIDEST = 120  # of a text below a map
_GAP = 26  # between maps, for the arrow
_STRAIGHT = 14  # an arrow whose ends differ less in height has no corners, for which there is no room
_TRACK = 10  # between arrows above a band
_BAND_GAP = 20
_MOST_WIDTH = 16_000  # TeX and some converters have a limit of about that size
_MEANING = "height: square root of the spatial size · width: logarithm of the channels"


class TooWide(ValueError):
    """Raised if the picture would be wider than many programs can show."""


class _Map(NamedTuple):
    """A feature map: the boxes of the diagram whose outputs have its shape, one after the other."""

    boxes: list[int]
    shape: Sizes


class _Solid(NamedTuple):
    """A drawn map: `width` for the channels and `height` of its front, and the offset of its back from its front."""

    width: float
    height: float
    back: Point


def draw_stack(report: Report, diagram: Diagram, metric: str) -> Scene:
    """Return the drawing of a network as feature maps. `metric` chooses the colours, such as `macs`.

    Raises TooWide if there are too many feature maps.
    """
    stack = _Stack(diagram)
    if stack.width > _MOST_WIDTH:
        raise TooWide(f"the picture of {len(stack.maps):,} feature maps would be {stack.width:,.0f} pixels wide")
    left, top = picture_origin()
    figures = [stack.sum_figures(one, metric) for one in stack.maps]
    most = max((figure or 0 for figure in figures), default=0)
    tones = [
        "input" if stack.is_input(one) else scale.choose_tone(figure, most)
        for one, figure in zip(stack.maps, figures, strict=True)
    ]
    below = top + stack.height + 8
    note = Text(left + scale.WIDTH + 20, below + 25, _MEANING, _FONT, tone="faint")
    parts = [
        Part([Line(stack.route(arrow, left, top), arrow=True) for arrow in stack.arrows]),
        *(stack.draw_map(index, tone, left, top) for index, tone in enumerate(tones)),
        scale.draw_scale(metric, figures, left, below),
        Part([note]),
    ]
    width = max(stack.width, scale.WIDTH + 20 + note.width)
    described = f"{len(stack.maps):,} feature maps, coloured by {metric_title(metric)}"
    size = (width, stack.height + 8 + scale.HEIGHT)
    return frame_picture(report.network.name, describe_totals(report), *size, parts, described)


class _Stack:
    """Places the feature maps of a diagram."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.maps = _join_equal_shapes(diagram)
        self.arrows = _join_arrows(diagram, self.maps)
        largest = max(max(one.shape.spatial, default=1) for one in self.maps)
        self.solids = [_measure_map(one.shape, largest) for one in self.maps]
        self.texts = [self._list_texts(one) for one in self.maps]
        self.bands = _choose_bands(diagram, self.maps)
        self.tracks = self._assign_tracks()
        self.fronts, self.width = self._place_fronts()
        self.bottoms, self.height = self._place_bands()

    def is_input(self, one: _Map) -> bool:
        """Whether a map is an input of the network."""
        return self.diagram.boxes[one.boxes[0]].is_input

    def sum_figures(self, one: _Map, metric: str) -> int | None:
        """Return the sum of a metric over the boxes of a map; None if it is unknown, and 0 for an input."""
        return sum_known([self.diagram.boxes[box].figures.get(metric, 0) for box in one.boxes])

    def _list_texts(self, one: _Map) -> list[str]:
        names = [self.diagram.boxes[box].name for box in one.boxes]
        ends = names if len(names) < 4 else [names[0], "…", names[-1]]
        output = self.diagram.boxes[one.boxes[-1]].output
        marked = [f"→ {output}"] if output else []
        return [cut_text(text, _FONT, _WIDEST, bold=True) for text in (*ends, *marked)] + [str(one.shape)]

    def _assign_tracks(self) -> dict[Arrow, int]:
        """Return the track of each arrow that does not lead to the next map; it is above the higher of two bands."""
        taken: dict[int, Tracks] = {}
        found = {}
        skipping = [arrow for arrow in self.arrows if arrow.target != arrow.source + 1]
        for arrow in sorted(skipping, key=lambda arrow: arrow.target - arrow.source):
            band = self._upper_band(arrow)
            found[arrow] = taken.setdefault(band, Tracks()).assign(arrow.source, arrow.target)
        return found

    def _upper_band(self, arrow: Arrow) -> int:
        return min(self.bands[arrow.source], self.bands[arrow.target])

    def _place_fronts(self) -> tuple[list[float], float]:
        """Return the left edge of the front of each map, and the total width."""
        lefts, x = [], 0.0
        for solid, texts in zip(self.solids, self.texts, strict=True):
            own = solid.width + solid.back[0]
            across = max(own, *(measure_text(text, _FONT, bold=True) for text in texts))
            lefts.append(x + (across - own) / 2)
            x += across + _GAP
        return lefts, x - _GAP

    def _place_bands(self) -> tuple[list[float], float]:
        """Return the bottom of the maps of each band, and the total height."""
        bottoms, y = [], 0.0
        for band in range(max(self.bands) + 1):
            members = [index for index, own in enumerate(self.bands) if own == band]
            tracks = [track for arrow, track in self.tracks.items() if self._upper_band(arrow) == band]
            y += (max(tracks) + 2) * _TRACK if tracks else 0
            y += max(self.solids[index].height - self.solids[index].back[1] for index in members)
            bottoms.append(y)
            y += max(len(self.texts[index]) for index in members) * _LEADING + _BAND_GAP
        return bottoms, y - _BAND_GAP

    def draw_map(self, index: int, tone: str, left: float, top: float) -> Part:
        """Return the solid of a map and its texts; `left` and `top` are those of the picture."""
        one, solid, texts = self.maps[index], self.solids[index], self.texts[index]
        x, bottom = left + self.fronts[index], top + self.bottoms[self.bands[index]]
        y, (across, up) = bottom - solid.height, solid.back
        right = x + solid.width
        faces = [Polygon(((x, y), (right, y), (right, bottom), (x, bottom)), tone)]
        if across:
            faces += [
                Polygon(((x, y), (x + across, y + up), (right + across, y + up), (right, y)), tone),
                Polygon(((right, y), (right + across, y + up), (right + across, bottom + up), (right, bottom)), tone),
            ]
        middle = x + (solid.width + across) / 2
        *names, shape = texts
        lines: list[Shape] = [
            Text(middle, bottom + _LEADING * (number + 1), name, _FONT, "middle", bold=True)
            for number, name in enumerate(names)
        ]
        lines.append(Text(middle, bottom + _LEADING * len(texts), shape, _FONT, "middle"))
        full = ", ".join(self.diagram.boxes[box].name for box in one.boxes)
        return Part([*faces, *lines], full, f"{full}\n{one.shape}")

    def route(self, arrow: Arrow, left: float, top: float) -> list[Point]:
        """Return the points of an arrow: straight to the next map, or along a track above the maps between."""
        source, target = arrow
        start, end = self._find_edge(source, left, top), self._find_edge(target, left, top)
        track = self.tracks.get(arrow)
        if track is None:
            solid = self.solids[source]
            from_x = start[0] + solid.width + solid.back[0]
            middle = from_x + (end[0] - from_x) / 2
            points = [(from_x, start[1]), (middle, start[1]), (middle, end[1]), end]
            return points if abs(start[1] - end[1]) > _STRAIGHT else [points[0], end]
        from_x, from_y = self._find_roof(source, left, top, 0.75)  # apart from arrows that arrive
        to_x, to_y = self._find_roof(target, left, top, 0.25)
        band = self._upper_band(arrow)
        y = top + self._find_ceiling(band) - (track + 1) * _TRACK
        return [(from_x, from_y), (from_x, y), (to_x, y), (to_x, to_y)]

    def _find_edge(self, index: int, left: float, top: float) -> Point:
        """Return the middle of the left edge of a map's front."""
        bottom = top + self.bottoms[self.bands[index]]
        return left + self.fronts[index], bottom - self.solids[index].height / 2

    def _find_roof(self, index: int, left: float, top: float, part: float) -> Point:
        """Return the point at `part` of the upper edge of a map's back."""
        solid = self.solids[index]
        across, up = solid.back
        bottom = top + self.bottoms[self.bands[index]]
        return left + self.fronts[index] + across + solid.width * part, bottom - solid.height + up

    def _find_ceiling(self, band: int) -> float:
        """Return the y of the top of the highest map in a band, in the picture."""
        members = [index for index, own in enumerate(self.bands) if own == band]
        return self.bottoms[band] - max(self.solids[index].height - self.solids[index].back[1] for index in members)


def _join_equal_shapes(diagram: Diagram) -> list[_Map]:
    """Return the maps: boxes in a row that pass on a tensor of the same shape are one map."""
    readers = [0] * len(diagram.boxes)
    sources: list[list[int]] = [[] for _ in diagram.boxes]
    for source, target in diagram.arrows:
        readers[source] += 1
        sources[target].append(source)
    maps: list[_Map] = []
    for index, box in enumerate(diagram.boxes):
        joins = maps and sources[index] == [index - 1] == maps[-1].boxes[-1:] and readers[index - 1] == 1
        if joins and maps[-1].shape == box.output_shape and not diagram.boxes[maps[-1].boxes[0]].is_input:
            maps[-1].boxes.append(index)
        else:
            maps.append(_Map([index], box.output_shape))
    return maps


def _join_arrows(diagram: Diagram, maps: list[_Map]) -> list[Arrow]:
    map_of = {box: number for number, one in enumerate(maps) for box in one.boxes}
    found = {Arrow(map_of[source], map_of[target]) for source, target in diagram.arrows}
    return sorted(arrow for arrow in found if arrow.source != arrow.target)


def _measure_map(shape: Sizes, largest: int) -> _Solid:
    """Return the size of a map in pixels. `largest` is the largest spatial size of the network."""
    if not shape.spatial:
        return _Solid(_VECTOR, _LOWEST + _PER_DOUBLING * log2(shape.channels), (0, 0))
    height = max(_TALLEST * sqrt(shape.spatial[-1 if len(shape.spatial) == 1 else -2] / largest), _LOWEST)
    width = _VECTOR + _PER_DOUBLING * log2(shape.channels)
    if len(shape.spatial) == 1:
        return _Solid(width, height, (0, 0))
    depth = max(_TALLEST * sqrt(shape.spatial[-1] / largest), _LOWEST)
    return _Solid(width, height, (depth * _SLANT_X, -depth * _SLANT_Y))


def _choose_bands(diagram: Diagram, maps: list[_Map]) -> list[int]:
    """Return the band of each map: 0, unless the network upsamples.

    Vectors, and maps of one position such as those of squeeze-and-excite, are in the band of the map before.

    A band has the maps of one resolution: of one jump, or if a jump is unknown, of about the same spatial size.
    """
    sizes = [one.shape.spatial[-1] if one.shape.positions > 1 else 0 for one in maps]
    known = [size for size in sizes if size]
    if not any(later > earlier for earlier, later in pairwise(known)):
        return [0] * len(maps)
    jumps = [diagram.boxes[one.boxes[-1]].jump for one in maps]
    if all(jump is not None or not size for jump, size in zip(jumps, sizes, strict=True)):
        fine = [Fraction(jump[1], jump[0]) if jump and size else 0 for jump, size in zip(jumps, sizes, strict=True)]
    else:
        fine = [Fraction(size) for size in sizes]
    levels = _group_resolutions([resolution for resolution in fine if resolution])
    bands: list[int] = []
    for resolution in fine:
        bands.append(levels[resolution] if resolution else bands[-1] if bands else 0)
    return bands


def _group_resolutions(resolutions: Sequence[Fraction | int]) -> dict[Fraction | int, int]:
    """Return the band of each resolution: those that differ by less than a factor of √2 share one."""
    found: dict[Fraction | int, int] = {}
    finest: Fraction | int = 0
    band = -1
    for resolution in sorted(set(resolutions), reverse=True):
        if band < 0 or resolution * sqrt(2) < finest:
            finest, band = resolution, band + 1
        found[resolution] = band
    return found
