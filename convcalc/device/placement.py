"""Searches for a better placement of buffers than the planner of TensorFlow Lite Micro finds.

`improve(buffers)` returns a `Placement`. For a few buffers it is the best one; for many, the best of several thousand
that were tried, with the lower bound that none can beat.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from convcalc.device.arena import Buffer, measure_extent, measure_live_bytes, place_greedily, place_in_order

_MOST_STEPS = 60_000  # limit of placed buffers in the exact search
_MOST_EXACT = 14  # limit of buffers for an exact search
_TRIES = 3_000  # orders that are tried
_MOST_COMPARED = 20_000_000  # limit of compared pairs of buffers over all orders


class Placement(NamedTuple):
    """Offsets of buffers, and the bytes up to the end of the last one.

    `lower_bound` is the largest sum of live bytes. If `optimal` is true, no placement has a smaller extent.
    """

    offsets: tuple[int, ...]
    extent: int
    lower_bound: int
    optimal: bool


def improve(buffers: Sequence[Buffer]) -> Placement:
    """Return the best placement found: that of the planner, of an order that was tried, or of an exact search."""
    bound = max(measure_live_bytes(buffers, max((buffer.last for buffer in buffers), default=0)), default=0)
    best = place_greedily(buffers)
    extent = measure_extent(buffers, best)
    tries = min(_TRIES, _MOST_COMPARED // max(len(buffers), 1) ** 2 + 1)
    for order in islice(_list_orders(buffers), tries):
        if extent == bound:
            break
        offsets = place_in_order(buffers, order)
        found = measure_extent(buffers, offsets)
        if found < extent:
            best, extent = offsets, found
    if extent == bound or len(buffers) > _MOST_EXACT:
        return Placement(best, extent, bound, extent == bound)
    search = _ExactSearch(buffers, extent)
    exact = search.run()
    return Placement(search.best or best, min(search.extent, extent), bound, exact)


def _list_orders(buffers: Sequence[Buffer]) -> Iterator[list[int]]:
    """Yield orders in which to place the buffers: by size, time, duration and area, then random variations of these."""
    from random import Random  # with a fixed seed: the same network always has the same plan

    indexes = range(len(buffers))
    durations = [buffer.last - buffer.first + 1 for buffer in buffers]
    yield sorted(indexes, key=lambda index: -buffers[index].size)
    yield sorted(indexes, key=lambda index: -durations[index])
    yield sorted(indexes, key=lambda index: -buffers[index].size * durations[index])
    yield sorted(indexes, key=lambda index: buffers[index].first)
    yield sorted(indexes, key=lambda index: -buffers[index].last)
    source = Random(0)
    for step in range(_TRIES):
        spread = (0.2, 0.5, 1.0)[step % 3]
        weights = [buffer.size * (1 - spread + 2 * spread * source.random()) for buffer in buffers]
        if step % 2:
            weights = [weight * duration for weight, duration in zip(weights, durations, strict=True)]
        yield sorted(indexes, key=lambda index: -weights[index])


class _ExactSearch:
    """Tries all orders in which offsets never decrease; one of them gives the smallest extent.

    If a placement is sorted by offset and its buffers are placed in this order, each at the lowest free offset, none
    ends higher than before. `best` and `extent` are those of the best placement below the extent given.
    """

    def __init__(self, buffers: Sequence[Buffer], extent: int) -> None:
        self.buffers = buffers
        self.extent = extent
        self.best: tuple[int, ...] | None = None
        self.steps = 0
        self.offsets = [0] * len(buffers)

    def run(self) -> bool:
        """Search; return whether all orders were covered."""
        self._extend(frozenset(range(len(self.buffers))), 0)
        return self.steps <= _MOST_STEPS

    def _extend(self, left: frozenset[int], lowest: int) -> None:
        """Place one more of the buffers in `left`, at `lowest` or above."""
        if not left:
            self.best, self.extent = tuple(self.offsets), measure_extent(self.buffers, self.offsets)
            return
        placed = [index for index in range(len(self.buffers)) if index not in left]
        starts = {index: self._find_lowest(index, placed, lowest) for index in left}
        if any(start + self.buffers[index].size >= self.extent for index, start in starts.items()):
            return  # a buffer that is placed later starts no lower
        for index in sorted(left, key=lambda index: (starts[index], -self.buffers[index].size)):
            self.steps += 1
            if self.steps > _MOST_STEPS:
                return
            if starts[index] + self.buffers[index].size < self.extent:
                self.offsets[index] = starts[index]
                self._extend(left - {index}, starts[index])

    def _find_lowest(self, index: int, placed: Sequence[int], lowest: int) -> int:
        """Return the lowest offset, at least `lowest`, above all placed buffers that are live at the same time."""
        buffer = self.buffers[index]
        met = (
            self.offsets[other] + self.buffers[other].size
            for other in placed
            if self.buffers[other].first <= buffer.last and buffer.first <= self.buffers[other].last
        )
        return max(lowest, *met, 0) if placed else lowest
