"""Places the boxes of a graph of known sizes and routes its arrows.

Boxes are in rows, by the longest path from an input. The longest path is the spine, at the left; branches are in lanes
to its right. An arrow that skips boxes of the spine runs in a track to the left of it. A long graph wraps into columns
where a single arrow passes from one row to the next.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.render.drawing.diagram import Arrow, Scope
from convcalc.render.drawing.frames import Area, Frame, divide_scopes, measure_space, place_frames
from convcalc.render.drawing.layout_rows import Graph, Lanes, assign_lanes
from convcalc.render.drawing.scene import Point

_ROW_GAP, _LANE_GAP, _TRACK_GAP, _COLUMN_GAP = 30, 24, 12, 56
_MARGIN = 20  # space to the left and right of a graph with frames
_SIDE = 20  # distance from the spine to the first track
_BEST_RATIO = 1.5  # width / height of the drawing
_MOST_COLUMNS = 12
_LEAST_HEIGHT = 330  # a graph is not wrapped into columns that are lower on average


class Size(NamedTuple):
    """The width and height of a box."""

    width: float
    height: float


class Layout(NamedTuple):
    """The size of the drawing, the centre of each box, and the points of each arrow, in the order of the arrows.

    `frames` are those of the scopes that can have one.
    """

    width: float
    height: float
    centers: list[Point]
    routes: list[list[Point]]
    frames: list[Frame]


class _Placement(NamedTuple):
    """Lanes by box (0 is the spine), tracks by arrow, and the rows at which a new column begins.

    A positive track is a lane in which an arrow runs without a box; a negative one is to the left of the spine, where
    -1 is nearest to it.
    """

    lanes: Lanes
    tracks: dict[Arrow, int]
    columns: list[int]


def place_graph(sizes: Sequence[Size], arrows: Sequence[Arrow], scopes: Sequence[Scope] = ()) -> Layout:
    """Return the layout of a graph of boxes with these sizes; the source of each arrow is before its target."""
    graph = Graph(len(sizes), arrows)
    lanes, tracks = assign_lanes(graph)
    divisions = _list_divisions(graph, sizes)
    drawn = [_Geometry(graph, sizes, _Placement(lanes, tracks, columns), scopes) for columns in divisions]
    return min(drawn, key=_rate_geometry).make_layout()


def _rate_geometry(geometry: "_Geometry") -> float:
    """Rate a drawing, 1 at best: its distance from the best ratio of width to height, times its columns' unevenness."""
    ratio = geometry.width / geometry.height
    unevenness = geometry.measure_unevenness()
    return max(ratio / _BEST_RATIO, _BEST_RATIO / ratio) * unevenness * unevenness


def _list_divisions(graph: Graph, sizes: Sequence[Size]) -> list[list[int]]:
    """Return ways to wrap the graph: for each, the rows at which a new column begins, 0 first."""
    heights = [0.0] * (max(graph.rows) + 1)
    for box, size in enumerate(sizes):
        heights[graph.rows[box]] = max(heights[graph.rows[box]], size.height + _ROW_GAP)
    cuts = graph.find_cuts()
    most = max(min(_MOST_COLUMNS, int(sum(heights) / _LEAST_HEIGHT)), 1)
    found = [_divide_rows(heights, cuts, sum(heights) / count) for count in range(1, most + 1)]
    return [list(columns) for columns in dict.fromkeys(found)]


def _divide_rows(heights: Sequence[float], cuts: set[int], target: float) -> tuple[int, ...]:
    """Return the rows at which a new column begins, if a column ends at the first cut at which it has `target` height.

    A column also ends before a row that would make it more than half a row too high.
    """
    columns, height = [0], 0.0
    for row, own in enumerate(heights[:-1]):
        height += own
        if row in cuts and height + heights[row + 1] / 2 > target:
            columns.append(row + 1)
            height = 0.0
    return tuple(columns)


class _Geometry:
    """Computes coordinates from a placement."""

    def __init__(self, graph: Graph, sizes: Sequence[Size], placement: _Placement, scopes: Sequence[Scope]) -> None:
        self.graph, self.sizes, self.placement = graph, sizes, placement
        starts = placement.columns
        self.column_of_row = [
            sum(row >= start for start in starts) - 1 for row in range(max(graph.rows, default=0) + 1)
        ]
        self.pieces = divide_scopes(scopes, graph.rows, self.column_of_row)
        self.above, self.below = measure_space(self.pieces)
        self.tops, self.heights = self._place_rows()
        self.lane_centers, self.spine_left, self.width = self._place_lanes()

    @property
    def height(self) -> float:
        """The height of the drawing: that of its highest column."""
        bottoms = (self._find_row_end(row) for row in range(len(self.tops)))
        return max(bottoms) + _ROW_GAP / 2

    def measure_unevenness(self) -> float:
        """Return the height of the highest column in proportion to the mean height of all columns."""
        bottoms: list[float] = [0.0] * len(self.placement.columns)
        for row, column in enumerate(self.column_of_row):
            bottoms[column] = self.tops[row] + self.heights[row]
        mean = sum(bottoms) / len(bottoms)
        return max(bottoms) / mean

    def make_layout(self) -> Layout:
        """Return the layout."""
        routes = [self.route(arrow) for arrow in self.graph.arrows]
        centers = [self.find_center(box) for box in range(self.graph.count)]
        boxes = [
            Area(x - size.width / 2, y - size.height / 2, x + size.width / 2, y + size.height / 2)
            for (x, y), size in zip(centers, self.sizes, strict=True)
        ]
        rows = [(top, top + height) for top, height in zip(self.tops, self.heights, strict=True)]
        frames = place_frames(self.pieces, boxes, rows, dict(zip(self.graph.arrows, routes, strict=True)))
        return Layout(self.width, self.height, centers, routes, frames)

    def _place_rows(self) -> tuple[list[float], list[float]]:
        heights = [0.0] * len(self.column_of_row)
        for box, size in enumerate(self.sizes):
            heights[self.graph.rows[box]] = max(heights[self.graph.rows[box]], size.height)
        tops: list[float] = []
        y = 0.0
        for row, height in enumerate(heights):
            y = (_ROW_GAP / 2 if row in self.placement.columns else y) + self.above.get(row, 0)
            tops.append(y)
            y += height + self.below.get(row, 0) + _ROW_GAP
        return tops, heights

    def _find_row_end(self, row: int) -> float:
        """Return the bottom of a row and of the frames that end at it."""
        return self.tops[row] + self.heights[row] + self.below.get(row, 0)

    def _place_lanes(self) -> tuple[list[dict[int, float]], list[float], float]:
        """Return, per column, the centre of each lane and the left edge of the spine; and the total width."""
        margin = _MARGIN if self.pieces else 0
        centers, lefts, x = [], [], float(margin)
        for column in range(len(self.placement.columns)):
            x += _COLUMN_GAP if column else 0
            tracks = self._list_tracks(column)
            outermost = -min(tracks, default=0)
            x += max(outermost, 0) * _TRACK_GAP + (_SIDE if outermost > 0 else 0)
            lefts.append(x)
            own: dict[int, float] = {}
            widths = self._lane_widths(column, tracks)
            for lane in range(max(widths, default=0) + 1):
                width = widths.get(lane, 0)
                own[lane] = x + width / 2
                x += width + (_LANE_GAP if width and lane < max(widths) else 0)
            centers.append(own)
        return centers, lefts, x + margin

    def _lane_widths(self, column: int, tracks: Sequence[int]) -> dict[int, float]:
        widths: dict[int, float] = {track: _TRACK_GAP for track in tracks if track > 0}
        for box, size in enumerate(self.sizes):
            if self._column(box) == column:
                lane = self.placement.lanes.of[box]
                widths[lane] = max(widths.get(lane, 0), size.width)
        return widths

    def _column(self, box: int) -> int:
        return self.column_of_row[self.graph.rows[box]]

    def find_center(self, box: int) -> Point:
        """Return the centre of a box."""
        row = self.graph.rows[box]
        x = self.lane_centers[self._column(box)][self.placement.lanes.of[box]]
        return x, self.tops[row] + self.heights[row] / 2

    def route(self, arrow: Arrow) -> list[Point]:
        """Return the points of an arrow."""
        track = self.placement.tracks.get(arrow)
        wraps = self._column(arrow.source) != self._column(arrow.target)
        if track is not None and track < 0 and not wraps:
            return self._route_beside(arrow, track)
        x, y = self._find_bottom(arrow.source)
        row = self.graph.rows[arrow.source]
        below = self._find_row_end(row) + _ROW_GAP / 3
        points = [(x, y), (x, below)]
        if wraps:
            gutter = self._find_gutter(self._column(arrow.target))
            points += [(gutter, below), (gutter, 0)]
            below = 0
        if track is not None and track < 0:
            end = self._find_left(arrow.target, -0.25)
            across = self._find_track(arrow, track)
            return _drop_repeated([*points, (across, below), (across, end[1]), end])
        end = self._find_top(arrow.target)
        above = self.tops[self.graph.rows[arrow.target]] - _ROW_GAP / 3
        across = self.lane_centers[self._column(arrow.target)][self._choose_lane(arrow, track, wraps)]
        return _drop_repeated([*points, (across, below), (across, above), (end[0], above), end])

    def _choose_lane(self, arrow: Arrow, track: int | None, wraps: bool) -> int:
        """Return the lane in which an arrow runs down."""
        lanes = self.placement.lanes
        start, stop = self.graph.rows[arrow.source], self.graph.rows[arrow.target]
        if track is not None:
            return track
        return lanes.of[
            arrow.target if wraps or not lanes.is_free(lanes.of[arrow.source], start, stop) else arrow.source
        ]

    def _route_beside(self, arrow: Arrow, track: int) -> list[Point]:
        start, end = self._find_left(arrow.source, 0.25), self._find_left(arrow.target, -0.25)
        x = self._find_track(arrow, track)
        return [start, (x, start[1]), (x, end[1]), end]

    def _find_left(self, box: int, part: float) -> Point:
        """Return a point on the left edge of a box, `part` of its height below the middle."""
        x, y = self.find_center(box)
        return x - self.sizes[box].width / 2, y + self.sizes[box].height * part

    def _find_top(self, box: int) -> Point:
        x, y = self.find_center(box)
        return x, y - self.sizes[box].height / 2

    def _find_bottom(self, box: int) -> Point:
        x, y = self.find_center(box)
        return x, y + self.sizes[box].height / 2

    def _find_track(self, arrow: Arrow, track: int) -> float:
        return self.spine_left[self._column(arrow.target)] - _SIDE + (track + 1) * _TRACK_GAP

    def _find_gutter(self, column: int) -> float:
        """Return the x of the line that leads from the column before to this column."""
        outermost = max((-track for track in self._list_tracks(column)), default=0)
        tracks = _SIDE + outermost * _TRACK_GAP if outermost > 0 else 0
        return self.spine_left[column] - tracks - _COLUMN_GAP / 2

    def _list_tracks(self, column: int) -> list[int]:
        return [track for arrow, track in self.placement.tracks.items() if self._column(arrow.target) == column]


def _drop_repeated(points: Sequence[Point]) -> list[Point]:
    """Return the points without those that equal or lie straight between their neighbours."""
    found: list[Point] = []
    for point in points:
        if found and found[-1] == point:
            continue
        if len(found) > 1 and found[-2][0] == found[-1][0] == point[0]:
            found.pop()
        found.append(point)
    return found
