"""Spreads the energy of a row of output positions over the input positions that they read, along one axis.

With a kernel of 3, the energy of output 5 is divided among the inputs 4 to 6 if the padding is 1:

>>> from convcalc.intervals import sliding_window
>>> spread_rows([[3.0]], sliding_window(3, 1, 1, 1), None, 5, None, Budget())
(4, [[1.0, 1.0, 1.0]])
"""

from operator import add

from convcalc.analysis.energy_spread import TapWeights
from convcalc.intervals import Reads

MOST_STEPS = 20_000_000  # limit of additions for a map: a few seconds
_MOST_TAPS = 16  # of a kernel whose taps are added one by one
_TAP_STEPS = 20  # a tap of an irregular layer takes as long as this many additions
Row = list[float]
Size = int | None  # positions of an axis; None if the axis is unlimited
_Tap = tuple[int, float]  # an input position and its weight


class TooLarge(ValueError):
    """Raised if a map would take too long to compute."""


class Budget:
    """Counts additions."""

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Raise TooLarge if there have been more than MOST_STEPS."""
        self.left -= steps
        if self.left < 0:
            raise TooLarge


def spread_rows(
    rows: list[Row], reads: Reads, weights: TapWeights | None, start: int, size: Size, budget: Budget
) -> tuple[int, list[Row]]:
    """Return the first input position that receives energy, and for each row the energy from that position on.

    The first value of a row is the energy of output `start`. Energy outside an axis of `size` positions is lost. Raises
    TooLarge if that would take more additions than the budget allows.
    """
    if reads.period == 1 and weights is None:
        return _spread_window(rows, reads, start, size, budget)
    return _spread_taps(rows, _list_taps(reads, weights, start, len(rows[0]), size), budget)


def _spread_window(rows: list[Row], reads: Reads, start: int, size: Size, budget: Budget) -> tuple[int, list[Row]]:
    """Spread the rows over windows with equal weights, within an axis of `size` positions."""
    interval, stride = reads.at(start), reads.shift
    if interval is None:
        return 0, [[0.0] for _ in rows]
    if not stride:  # all outputs have the same window
        rows, stride = [[sum(row)] for row in rows], 1
    taps, count = (interval[1] - interval[0]) // reads.step + 1, len(rows[0])
    length = (count - 1) * stride + (taps - 1) * reads.step + 1
    budget.spend(len(rows) * (count * min(taps, _MOST_TAPS) + length))
    spread = _add_taps if taps <= _MOST_TAPS else _add_many_taps
    found = [spread(row, taps, stride, reads.step, length) for row in rows]
    if size is None:
        return interval[0], found
    low, high = max(interval[0], 0), min(interval[0] + length, size)
    if low >= high:
        return 0, [[0.0] for _ in rows]
    return low, [row[low - interval[0] : high - interval[0]] for row in found]


def _add_taps(row: Row, taps: int, stride: int, step: int, length: int) -> Row:
    shares, found = [value / taps for value in row], [0.0] * length
    for tap in range(taps):
        places = slice(tap * step, tap * step + (len(row) - 1) * stride + 1, stride)
        found[places] = map(add, found[places], shares)
    return found


def _add_many_taps(row: Row, taps: int, stride: int, step: int, length: int) -> Row:
    """Return the same as `_add_taps`, in time that does not depend on the number of taps.

    Each output adds its share at its first tap and subtracts it after its last one; the running sum is the energy.
    """
    found = [0.0] * (length + step)
    for place, value in enumerate(row):
        found[place * stride] += value / taps
        found[place * stride + taps * step] -= value / taps
    for place in range(step, length):
        found[place] = max(found[place] + found[place - step], 0.0)
    return found[:length]


def _spread_taps(rows: list[Row], taps: list[list[_Tap]], budget: Budget) -> tuple[int, list[Row]]:
    """Spread the rows over the taps of each output."""
    budget.spend(_TAP_STEPS * len(rows) * sum(map(len, taps)))
    low, high = _find_ends(taps)
    return low, [_spread_row(row, taps, low, high) for row in rows]


def _list_taps(reads: Reads, weights: TapWeights | None, first: int, count: int, size: Size) -> list[list[_Tap]]:
    """Return the taps within an axis of `size` positions of the outputs first, first + 1, …, and their weights.

    The weights of an output add up to 1 on average over all outputs.
    """
    whole = sum(weight for place in range(reads.period) for _, weight in _find_taps(reads, weights, place))
    found = []
    for place in range(first, first + count):
        taps = _find_taps(reads, weights, place)
        found.append([(at, weight * reads.period / whole) for at, weight in taps if size is None or 0 <= at < size])
    return found


def _find_taps(reads: Reads, weights: TapWeights | None, place: int) -> list[_Tap]:
    interval = reads.at(place)
    if interval is None:
        return []
    positions = range(interval[0], interval[1] + 1, reads.step)
    if weights is None:
        return [(at, 1.0) for at in positions]
    return list(zip(positions, map(float, weights(place % reads.period, len(positions))), strict=True))


def _find_ends(taps: list[list[_Tap]]) -> tuple[int, int]:
    """Return the first and the last position of all taps; (0, 0) if there are none."""
    ends = [(found[0][0], found[-1][0]) for found in taps if found]
    return min((low for low, _ in ends), default=0), max((high for _, high in ends), default=0)


def _spread_row(row: Row, taps: list[list[_Tap]], low: int, high: int) -> Row:
    found = [0.0] * (high - low + 1)
    for energy, places in zip(row, taps, strict=True):
        if energy:
            for at, weight in places:
                found[at - low] += energy * weight
    return found
