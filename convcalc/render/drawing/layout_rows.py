"""Assigns the boxes of a graph to rows and lanes, and its arrows to tracks, for `layout`.

The longest path is the spine, lane 0; branches are in lanes to its right. An arrow that skips boxes of the spine runs
in a track to the left of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from convcalc.render.drawing.diagram import Arrow

_LATEST = 3  # a box that could be more rows lower is placed as low as possible


class _Chain(NamedTuple):
    """Boxes that follow each other in one lane. It occupies its lane from row `start` to row `stop`, inclusive."""

    boxes: list[int]
    start: int
    stop: int


class Graph:
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


def assign_lanes(graph: Graph) -> tuple["Lanes", dict[Arrow, int]]:
    """Return the lanes of the boxes, and the tracks of the arrows that have no free lane.

    A positive track is a lane in which an arrow runs without a box; a negative one is to the left of the spine, where
    -1 is nearest to it.
    """
    spine, *branches = graph.find_chains()
    chosen = [0] * graph.count
    taken = Tracks()
    following = {pair for chain in (spine, *branches) for pair in pairwise(chain.boxes)}
    for chain in sorted(branches, key=lambda chain: (chain.start, -len(chain.boxes))):
        lane = 1 + taken.assign(chain.start, chain.stop)
        for box in chain.boxes:
            chosen[box] = lane
    lanes = Lanes(graph, chosen)
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


def _is_blocked(graph: Graph, lanes: "Lanes", arrow: Arrow) -> bool:
    """Whether an arrow needs a track: neither the lane of its source nor that of its target is free for it."""
    start, stop = graph.rows[arrow.source], graph.rows[arrow.target]
    return not any(lanes.is_free(lanes.of[box], start, stop) for box in arrow)


class Lanes:
    """The lane of each box, and the rows in which a lane has boxes."""

    def __init__(self, graph: Graph, lanes: Sequence[int]) -> None:
        self.of = lanes
        self.rows: dict[int, list[int]] = {}
        for box in sorted(range(graph.count), key=graph.rows.__getitem__):
            self.rows.setdefault(lanes[box], []).append(graph.rows[box])

    def is_free(self, lane: int, start: int, stop: int) -> bool:
        """Whether a lane has no box strictly between two rows."""
        rows = self.rows.get(lane, [])
        return bisect_right(rows, start) == bisect_left(rows, stop)
