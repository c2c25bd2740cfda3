"""Places the boxes of a graph of known sizes and routes its arrows.

Boxes are in rows, by the longest path from an input. The longest path is the spine, at the left; branches are in lanes
to its right. An arrow that skips boxes of the spine runs in a track to the left of it. A long graph wraps into columns
where a single arrow passes from one row to the next.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from convcalc.render.drawing.diagram import Arrow
from convcalc.render.drawing.scene import Point

_ROW_GAP, _LANE_GAP, _TRACK_GAP, _COLUMN_GAP = 30, 24, 12, 56
_SIDE = 20  # distance from the spine to the first track
_BEST_RATIO = 1.5  # width / height of the drawing
_MOST_COLUMNS = 12
_LEAST_HEIGHT = 330  # a graph is not wrapped into columns that are lower on average
_LATEST = 3  # a box that could be more rows lower is placed as low as possible


class Size(NamedTuple):
    """The width and height of a box."""

    width: float
    height: float


class Layout(NamedTuple):
    """The size of the drawing, the centre of each box, and the points of each arrow, in the order of the arrows."""

    width: float
    height: float
    centers: list[Point]
    routes: list[list[Point]]


class _Chain(NamedTuple):
    """Boxes that follow each other in one lane. It occupies its lane from row `start` to row `stop`, inclusive."""

    boxes: list[int]
    start: int
    stop: int


class _Graph:
    """The boxes and arrows, with the row of each box."""

    def __init__(self, count: int, arrows: Sequence[Arrow]) -> None:
        self.count = count
        self.arrows = arrows
        self.sources: list[list[int]] = [[] for _ in range(count)]
        self.targets: list[list[int]] = [[] for _ in range(count)]
        for source, target in arrows:
            self.sources[target].append(source)
            self.targets[source].append(target)
        self.rows = self._find_rows()

    def _find_rows(self) -> list[int]:
        rows = [0] * self.count
        for box in range(self.count):
            rows[box] = max((rows[source] + 1 for source in self.sources[box]), default=0)
        for box in reversed(range(self.count)):
            latest = min((rows[target] - 1 for target in self.targets[box]), default=rows[box])
            if latest - rows[box] > _LATEST or not self.sources[box]:
                rows[box] = latest
        return rows

    def find_chains(self) -> list[_Chain]:
        """Return the chains, the spine first. Each box is in one chain."""
        ahead = [0] * self.count  # number of boxes on the longest path from a box to the end
        for box in reversed(range(self.count)):
            ahead[box] = max((ahead[target] + 1 for target in self.targets[box]), default=0)
        heir = [max(found, key=lambda box: ahead[box], default=None) for found in self.targets]
        following: dict[int, int] = {}
        for box in range(self.count):
            own = [source for source in self.sources[box] if heir[source] == box]
            if own:
                following[max(own, key=lambda source: self.rows[source])] = box
        firsts = set(range(self.count)) - set(following.values())
        chains = [self._make_chain(first, following) for first in sorted(firsts)]
        return sorted(chains, key=lambda chain: -len(chain.boxes))

    def _make_chain(self, first: int, following: dict[int, int]) -> _Chain:
        boxes = [first]
        while boxes[-1] in following:
            boxes.append(following[boxes[-1]])
        rows = self.rows
        start = min((rows[source] + 1 for source in self.sources[first]), default=rows[first])
        stop = max((rows[target] - 1 for target in self.targets[boxes[-1]]), default=rows[boxes[-1]])
        return _Chain(boxes, start, stop)

    def find_cuts(self) -> set[int]:
        """Return the rows after which the graph may be cut: the arrows that pass come from a single box."""
        change = [0] * (max(self.rows) + 2)
        for box, targets in enumerate(self.targets):
            if targets:
                change[self.rows[box]] += 1
                change[max(self.rows[target] for target in targets)] -= 1
        return {row for row, passing in enumerate(accumulate(change)) if passing == 1}


class Tracks:
    """Assigns tracks or lanes, so that ranges of rows in the same one do not overlap."""

    def __init__(self) -> None:
        self.used: list[list[tuple[int, int]]] = []

    def assign(self, start: int, stop: int) -> int:
        """Occupy the rows from `start` to `stop` in the first track in which they are free, and return the track."""
        for number, ranges in enumerate(self.used):
            if all(stop < low or high < start for low, high in ranges):
                ranges.append((start, stop))
                return number
        self.used.append([(start, stop)])
        return len(self.used) - 1


class _Placement(NamedTuple):
    """Lanes by box (0 is the spine), tracks by arrow, and the rows at which a new column begins.

    A positive track is a lane in which an arrow runs without a box; a negative one is to the left of the spine, where
    -1 is nearest to it.
    """

    lanes: "_Lanes"
    tracks: dict[Arrow, int]
    columns: list[int]


def place_graph(sizes: Sequence[Size], arrows: Sequence[Arrow]) -> Layout:
    """Return the layout of a graph of boxes with these sizes; the source of each arrow is before its target."""
    graph = _Graph(len(sizes), arrows)
    lanes, tracks = _assign_lanes(graph)
    drawn = [_Geometry(graph, sizes, _Placement(lanes, tracks, columns)) for columns in _list_divisions(graph, sizes)]
    return min(drawn, key=_rate_geometry).make_layout()


def _rate_geometry(geometry: "_Geometry") -> float:
    """Rate a drawing, 1 at best: its distance from the best ratio of width to height, times its columns' unevenness."""
    ratio = geometry.width / geometry.height
    unevenness = geometry.measure_unevenness()
    return max(ratio / _BEST_RATIO, _BEST_RATIO / ratio) * unevenness * unevenness


def _assign_lanes(graph: _Graph) -> tuple["_Lanes", dict[Arrow, int]]:
    spine, *branches = graph.find_chains()
    chosen = [0] * graph.count
    taken = Tracks()
    following = {pair for chain in (spine, *branches) for pair in pairwise(chain.boxes)}
    for chain in sorted(branches, key=lambda chain: (chain.start, -len(chain.boxes))):
        lane = 1 + taken.assign(chain.start, chain.stop)
        for box in chain.boxes:
            chosen[box] = lane
    lanes = _Lanes(graph, chosen)
    tracks: dict[Arrow, int] = {}
    beside = Tracks()
    skipping = [arrow for arrow in graph.arrows if arrow not in following and _is_blocked(graph, lanes, arrow)]
    for arrow in sorted(skipping, key=lambda arrow: graph.rows[arrow.target] - graph.rows[arrow.source]):
        start, stop = graph.rows[arrow.source], graph.rows[arrow.target]
        if chosen[arrow.source] == chosen[arrow.target] == 0:
            tracks[arrow] = -1 - beside.assign(start, stop)
        else:
            tracks[arrow] = 1 + taken.assign(start + 1, stop - 1)
    return lanes, tracks


def _is_blocked(graph: _Graph, lanes: "_Lanes", arrow: Arrow) -> bool:
    """Whether an arrow needs a track: neither the lane of its source nor that of its target is free for it."""
    start, stop = graph.rows[arrow.source], graph.rows[arrow.target]
    return not any(lanes.is_free(lanes.of[box], start, stop) for box in arrow)


class _Lanes:
    """The lane of each box, and the rows in which a lane has boxes."""

    def __init__(self, graph: _Graph, lanes: Sequence[int]) -> None:
        self.of = lanes
        self.rows: dict[int, list[int]] = {}
        for box in sorted(range(graph.count), key=graph.rows.__getitem__):
            self.rows.setdefault(lanes[box], []).append(graph.rows[box])

    def is_free(self, lane: int, start: int, stop: int) -> bool:
        """Whether a lane has no box strictly between two rows."""
        rows = self.rows.get(lane, [])
        return bisect_right(rows, start) == bisect_left(rows, stop)


def _list_divisions(graph: _Graph, sizes: Sequence[Size]) -> list[list[int]]:
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

    def __init__(self, graph: _Graph, sizes: Sequence[Size], placement: _Placement) -> None:
        self.graph, self.sizes, self.placement = graph, sizes, placement
        starts = placement.columns
        self.column_of_row = [
            sum(row >= start for start in starts) - 1 for row in range(max(graph.rows, default=0) + 1)
        ]
        self.tops, self.heights = self._place_rows()
        self.lane_centers, self.spine_left, self.width = self._place_lanes()

    @property
    def height(self) -> float:
        """The height of the drawing: that of its highest column."""
        return max(top + own for top, own in zip(self.tops, self.heights, strict=True)) + _ROW_GAP / 2

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
        return Layout(self.width, self.height, centers, routes)

    def _place_rows(self) -> tuple[list[float], list[float]]:
        heights = [0.0] * len(self.column_of_row)
        for box, size in enumerate(self.sizes):
            heights[self.graph.rows[box]] = max(heights[self.graph.rows[box]], size.height)
        tops, y = [], _ROW_GAP / 2
        for row, height in enumerate(heights):
            if row in self.placement.columns:
                y = _ROW_GAP / 2
            tops.append(y)
            y += height + _ROW_GAP
        return tops, heights

    def _place_lanes(self) -> tuple[list[dict[int, float]], list[float], float]:
        """Return, per column, the centre of each lane and the left edge of the spine; and the total width."""
        centers, lefts, x = [], [], 0.0
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
        return centers, lefts, x

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
        below = self.tops[row] + self.heights[row] + _ROW_GAP / 3
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
