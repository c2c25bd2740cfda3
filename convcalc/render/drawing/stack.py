"""Draws a network as a row of feature maps: boxes whose sides stand for spatial sizes and channels.

If the network upsamples, maps of the same height are in one band, below those of larger maps, so that a U-Net looks
like a U; otherwise all maps are in a single band. A long row wraps into lines where only arrows of one map pass.
"""

from bisect import bisect_right
from math import ceil, log2, sqrt
from typing import NamedTuple

from convcalc.analysis.report import Report, sum_known
from convcalc.render.drawing import scale
from convcalc.render.drawing.diagram import Arrow, Diagram, metric_title
from convcalc.render.drawing.heading import describe_totals, frame_picture, picture_origin
from convcalc.render.drawing.layout_rows import Tracks
from convcalc.render.drawing.scene import Line, Part, Point, Polygon, Scene, Shape, Text, scale_scene
from convcalc.render.drawing.stack_order import FeatureMap, choose_bands, divide_line, find_cuts, order_maps
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
_MARGIN, _GUTTER = 20, 24  # space to the left of wrapped lines and between them, for the arrow
_LONGEST_LINE = 2_400  # longer rows are wrapped into lines of about _LINE
_LINE = 1_700
_MOST = 16_000  # limit of width and height: TeX and some converters accept no more
_MEANING = "height: square root of the spatial size · width: logarithm of the channels"


class _Solid(NamedTuple):
    """A drawn map: `width` for the channels and `height` of its front, and the offset of its back from its front."""

    width: float
    height: float
    back: Point


_Place = tuple[int, int]  # a line and a band


class _Heights(NamedTuple):
    """The y of the bottoms and tops of the maps by line and band, of the gutter below each line, and the height."""

    bottoms: dict[_Place, float]
    ceilings: dict[_Place, float]
    gutters: list[float]
    height: float


def draw_stack(report: Report, diagram: Diagram, metric: str) -> Scene:
    """Return the drawing of a network as feature maps. `metric` chooses the colours, such as `macs`."""
    stack = _Stack(diagram)
    left, top = picture_origin()
    figures = [stack.sum_figures(one, metric) for one in stack.maps]
    most = max((figure or 0 for figure in figures), default=0)
    tones = [
        "input" if stack.is_input(one) else scale.choose_tone(figure, most)
        for one, figure in zip(stack.maps, figures, strict=True)
    ]
    below = top + stack.heights.height + 8
    note = Text(left + scale.WIDTH + 20, below + 25, _MEANING, _FONT, tone="faint")
    parts = [
        Part([Line(stack.route(arrow, left, top), arrow=True) for arrow in stack.arrows]),
        *(stack.draw_map(index, tone, left, top) for index, tone in enumerate(tones)),
        scale.draw_scale(metric, figures, left, below),
        Part([note]),
    ]
    width = max(stack.width, scale.WIDTH + 20 + note.width)
    described = f"{len(stack.maps):,} feature maps, coloured by {metric_title(metric)}"
    size = (width, stack.heights.height + 8 + scale.HEIGHT)
    scene = frame_picture(report.network.name, describe_totals(report), *size, parts, described)
    longest = max(scene.width, scene.height)
    return scale_scene(scene, _MOST / longest) if longest > _MOST else scene


class _Stack:
    """Places the feature maps of a diagram."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.maps, self.arrows = order_maps(diagram)
        largest = max(max(one.shape.spatial, default=1) for one in self.maps)
        self.solids = [_measure_map(one.shape, largest) for one in self.maps]
        self.texts = [self._list_texts(one) for one in self.maps]
        self.bands = choose_bands(diagram, self.maps)
        self.widths = [self._measure_column(index) for index in range(len(self.maps))]
        self.starts = self._divide_lines()
        self.lines = [bisect_right(self.starts, index) - 1 for index in range(len(self.maps))]
        self.tracks = self._assign_tracks()
        self.lefts, self.width = self._place_columns()
        self.heights = self._place_bands()

    def is_input(self, one: FeatureMap) -> bool:
        """Whether a map is an input of the network."""
        return self.diagram.boxes[one.boxes[0]].is_input

    def sum_figures(self, one: FeatureMap, metric: str) -> int | None:
        """Return the sum of a metric over the boxes of a map; None if it is unknown, and 0 for an input."""
        return sum_known([self.diagram.boxes[box].figures.get(metric, 0) for box in one.boxes])

    def _list_texts(self, one: FeatureMap) -> list[str]:
        names = [self.diagram.boxes[box].name for box in one.boxes]
        ends = names if len(names) < 4 else [names[0], "…", names[-1]]
        output = self.diagram.boxes[one.boxes[-1]].output
        marked = [f"→ {output}"] if output else []
        return [cut_text(text, _FONT, _WIDEST, bold=True) for text in (*ends, *marked)] + [str(one.shape)]

    def _measure_column(self, index: int) -> float:
        """Return the width of a map with its texts."""
        solid = self.solids[index]
        texts = (measure_text(text, _FONT, bold=True) for text in self.texts[index])
        return max(solid.width + solid.back[0], *texts)

    def _divide_lines(self) -> list[int]:
        """Return the index of the first map of each line."""
        widths = [width + _GAP for width in self.widths]
        total = sum(widths)
        if total <= _LONGEST_LINE:
            return [0]
        return divide_line(widths, find_cuts(len(self.maps), self.arrows), total / ceil(total / _LINE) + _GAP)

    def _assign_tracks(self) -> dict[Arrow, int]:
        """Return the track of each arrow that does not lead to the next map; it is above the higher of two bands."""
        taken: dict[tuple[int, int], Tracks] = {}
        found = {}
        skipping = [arrow for arrow in self.arrows if arrow.target != arrow.source + 1]
        for arrow in sorted(skipping, key=lambda arrow: arrow.target - arrow.source):
            line = self.lines[arrow.target]
            start = max(arrow.source, self.starts[line])
            found[arrow] = taken.setdefault((line, self._upper_band(arrow)), Tracks()).assign(start, arrow.target)
        return found

    def _wraps(self, arrow: Arrow) -> bool:
        return self.lines[arrow.source] != self.lines[arrow.target]

    def _upper_band(self, arrow: Arrow) -> int:
        """Return the band above which an arrow runs; an arrow from the line before runs above all bands."""
        return 0 if self._wraps(arrow) else min(self.bands[arrow.source], self.bands[arrow.target])

    def _place_columns(self) -> tuple[list[float], float]:
        """Return the left edge of the column of each map, and the total width."""
        margin = _MARGIN if len(self.starts) > 1 else 0
        lefts: list[float] = []
        for index in range(len(self.maps)):
            lefts.append(margin if index in self.starts else lefts[-1] + self.widths[index - 1] + _GAP)
        wrapped = _GAP if len(self.starts) > 1 else 0
        return lefts, max(left + width for left, width in zip(lefts, self.widths, strict=True)) + wrapped

    def _place_bands(self) -> _Heights:
        tracks: dict[_Place, int] = {}
        for arrow, track in self.tracks.items():
            place = self.lines[arrow.target], self._upper_band(arrow)
            tracks[place] = max(tracks.get(place, 0), track + 2)
        members: dict[_Place, list[int]] = {}
        for index, place in enumerate(zip(self.lines, self.bands, strict=True)):
            members.setdefault(place, []).append(index)
        found = _Heights({}, {}, [], 0)
        y = 0.0
        for place in sorted(tracks.keys() | members.keys()):
            if len(found.gutters) < place[0]:
                found.gutters.append(y - _BAND_GAP + _GUTTER / 2)
                y += _GUTTER
            own = members.get(place, [])
            found.ceilings[place] = y = y + tracks.get(place, 0) * _TRACK
            y += max((self.solids[index].height - self.solids[index].back[1] for index in own), default=0)
            found.bottoms[place] = y
            y += max((len(self.texts[index]) for index in own), default=0) * _LEADING + _BAND_GAP
        return found._replace(height=y - _BAND_GAP)

    def draw_map(self, index: int, tone: str, left: float, top: float) -> Part:
        """Return the solid of a map and its texts; `left` and `top` are those of the picture."""
        one, solid, texts = self.maps[index], self.solids[index], self.texts[index]
        x, bottom = left + self._find_front(index), top + self._find_bottom(index)
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
        """Return the points of an arrow: straight to the next map, along a track above, or around to the next line."""
        points = self._route_wrapped(arrow) if self._wraps(arrow) else self._route_in_line(arrow)
        return [(left + x, top + y) for x, y in points]

    def _route_in_line(self, arrow: Arrow) -> list[Point]:
        source, target = arrow
        if arrow not in self.tracks:
            start, end = self._find_right(source), self._find_left(target)
            middle = self.lefts[target] - _GAP / 2
            points = [start, (middle, start[1]), (middle, end[1]), end]
            return points if abs(start[1] - end[1]) > _STRAIGHT else [start, end]
        start, end = self._find_roof(source, 0.75), self._find_roof(target, 0.25)  # apart from arrows that arrive
        y = self._find_track(arrow)
        return [start, (start[0], y), (end[0], y), end]

    def _route_wrapped(self, arrow: Arrow) -> list[Point]:
        source, target = arrow
        start, line = self._find_right(source), self.lines[arrow.source]
        right, gutter, margin = (
            self.lefts[source] + self.widths[source] + _GAP / 2,
            self.heights.gutters[line],
            _MARGIN / 3,
        )
        points = [start, (right, start[1]), (right, gutter), (margin, gutter)]
        if arrow not in self.tracks:
            end = self._find_left(target)
            return [*points, (margin, end[1]), end]
        end, y = self._find_roof(target, 0.25), self._find_track(arrow)
        return [*points, (margin, y), (end[0], y), end]

    def _find_front(self, index: int) -> float:
        """Return the left edge of the front of a map, which is in the middle of its column."""
        solid = self.solids[index]
        return self.lefts[index] + (self.widths[index] - solid.width - solid.back[0]) / 2

    def _find_bottom(self, index: int) -> float:
        return self.heights.bottoms[self.lines[index], self.bands[index]]

    def _find_left(self, index: int) -> Point:
        """Return the middle of the left edge of a map's front."""
        return self._find_front(index), self._find_bottom(index) - self.solids[index].height / 2

    def _find_right(self, index: int) -> Point:
        """Return the point on the right edge of a map at the height of the middle of its front."""
        (x, y), solid = self._find_left(index), self.solids[index]
        return x + solid.width + solid.back[0], y

    def _find_roof(self, index: int, part: float) -> Point:
        """Return the point at `part` of the upper edge of a map's back."""
        solid = self.solids[index]
        across, up = solid.back
        return self._find_front(index) + across + solid.width * part, self._find_bottom(index) - solid.height + up

    def _find_track(self, arrow: Arrow) -> float:
        return (
            self.heights.ceilings[self.lines[arrow.target], self._upper_band(arrow)] - (self.tracks[arrow] + 1) * _TRACK
        )


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
