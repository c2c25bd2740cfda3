"""Places the axes of a plot: from labels, units and values to coordinates, grid lines and numbers.

An `Axis` is a label with a unit; `make_span` places it: `span.place(value)` is the coordinate of a value.
"""

from collections.abc import Iterable, Sequence
from math import log
from typing import NamedTuple

from convcalc.problems import printable
from convcalc.render.drawing.axes import choose_binary_ticks, choose_log_ticks, choose_steps, choose_ticks
from convcalc.render.drawing.scene import Line, Point, Shape, Text
from convcalc.render.drawing.text_width import cut_text, measure_text
from convcalc.units import format_bytes, format_count

FONT = 11
_PADDING = 0.05  # part of the range that is added at both ends
_EQUAL = 1e-9  # values with a smaller relative difference are drawn at the same place
_SMALLEST, _LARGEST = 1e-290, 1e300  # floats outside this range lose precision
_BETWEEN = 12  # smallest distance between two numbers of an axis
_MOST_TICKS = 8
_PREFIXES = {"s": ("n", "µ", "m")}  # prefixes for values below 1, by unit
_RANGES = (1e-9, 1e-6, 1e-3)
ABOVE, BELOW = 22, 40  # space for the label of the y axis, and for the numbers and label of the x axis


class Axis(NamedTuple):
    """The label and unit of an axis. `unit` is `B` for bytes, with prefixes in powers of 1024, or another, such as `s`.

    `whole` numbers have no decimals and no K or M; a `log` axis has only positive values.
    """

    label: str
    unit: str = ""
    log: bool = False
    from_zero: bool = False
    whole: bool = False


class Span(NamedTuple):
    """An axis from the value `low` at the coordinate `start` to the value `high` at `end`; `end` may be smaller."""

    axis: Axis
    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return the coordinate of a value."""
        share = _share(value, self.low, self.high) if self.axis.log else (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def choose_ticks(self, most: int = _MOST_TICKS) -> list[float]:
        """Return the values that have numbers, about `most` at most."""
        if self.axis.log:
            return choose_log_ticks(self.low, self.high, most, base=2 if self.axis.unit == "B" else 10)
        if self.axis.unit == "B":
            return [*map(float, choose_binary_ticks(self.high, most, self.low))]
        if self.axis.whole:
            return [*map(float, choose_ticks(self.low, self.high, most))]
        return choose_steps(self.low, self.high, most)

    def format(self, value: float) -> str:
        """Return the number of a tick with its unit."""
        return format_number(self.axis, value)


def make_span(axis: Axis, values: Iterable[float], start: float, end: float) -> Span:
    """Return the axis with all values in its range, and some room beyond them.

    Raises ValueError if there are no values, or one is infinite, not a number, or, on a logarithmic axis, not positive.
    """
    known = list(values)
    if not known:
        raise ValueError(f"the axis {printable(axis.label)} has no values")
    for value in known:
        if not abs(value) < _LARGEST or (axis.log and value <= 0):
            kind = "positive" if axis.log else "finite"
            raise ValueError(f"values on the axis {printable(axis.label)} must be {kind} numbers; got {value}")
    return Span(axis, *_find_range(axis, min(known), max(known)), start, end)


def format_value(value: float, unit: str = "") -> str:
    """Return a number with its unit, without decimals that are 0: `10 M`, `2.5 MiB`, `40 µs`, `0.75`.

    >>> format_value(20e6), format_value(2.5 * 2**20, "B"), format_value(4e-5, "s"), format_value(3e11, "FLOP/s")
    ('20 M', '2.5 MiB', '40 µs', '300 GFLOP/s')
    """
    if unit == "B" and value == int(value):
        return _drop_zeros(format_bytes(int(value)))
    for prefix, scale in zip(_PREFIXES.get(unit, ()), _RANGES, strict=False):
        if 0 < abs(value) < scale * 1000:
            return f"{value / scale:.4g} {prefix}{unit}"
    text = _drop_zeros(format_count(int(value))) if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
    return f"{text}{unit}" if text[-1].isalpha() or unit in ("", "%") else f"{text} {unit}"


def format_number(axis: Axis, value: float) -> str:
    """Return a value as the numbers of an axis are written."""
    return f"{value:,.0f}" if axis.whole else format_value(value, axis.unit)


def describe_value(axis: Axis, value: float) -> str:
    """Return a value with the label of its axis, as in tooltips: `latency: 1.5 ms`."""
    return f"{axis.label}: {format_number(axis, value)}"


def draw_axes(x: Span, y: Span) -> list[Shape]:
    """Return the grid lines, the numbers and the labels of two axes. The numbers of y are to the left of `x.start`."""
    shapes: list[Shape] = []
    for tick, line in zip(y.choose_ticks(), list_grid_lines(x, y), strict=True):
        shapes += [
            Line(line, "grid", 1),
            Text(x.start - 8, y.place(tick) + 4, y.format(tick), FONT, "end", "faint"),
        ]
    for tick in _choose_apart(x):
        place = x.place(tick)
        shapes += [
            Line([(place, y.start), (place, y.start + 4)], "grid", 1),
            Text(place, y.start + 18, x.format(tick), FONT, "middle", "faint"),
        ]
    room = x.end - x.start
    left = x.start - measure_numbers(y)
    return [
        *shapes,
        Line([(x.start, y.start), (x.end, y.start)], "line", 1),
        Text(left, y.end - 10, cut_text(printable(y.axis.label), FONT, room), FONT, tone="faint"),
        Text(
            (x.start + x.end) / 2, y.start + 36, cut_text(printable(x.axis.label), FONT, room), FONT, "middle", "faint"
        ),
    ]


def list_grid_lines(x: Span, y: Span) -> list[tuple[Point, Point]]:
    """Return the ends of a horizontal line per number of the y axis."""
    return [((x.start, level), (x.end, level)) for level in map(y.place, y.choose_ticks())]


def measure_numbers(span: Span) -> float:
    """Return the width of the numbers of a vertical axis, with the gap between them and the axis."""
    return max((measure_text(span.format(tick), FONT) for tick in span.choose_ticks()), default=0) + 8


def _find_range(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis: beyond the smallest and the largest value, but not beyond 0."""
    if axis.log:
        factor = (high / low) ** _PADDING if high > low * (1 + _EQUAL) else 2.0
        return low / factor, high * factor
    if axis.from_zero:
        low, high = min(low, 0), max(high, 0)
    length, size = high - low, max(abs(low), abs(high))
    padding = length * _PADDING if length > max(size * _EQUAL, _SMALLEST) else size / 2 if size > _SMALLEST else 1
    return (0 if 0 <= low < padding else low - padding), (0 if -padding < high < 0 else high + padding)


def _choose_apart(span: Span) -> Sequence[float]:
    """Return as many ticks of a horizontal axis as fit side by side."""
    for most in range(_MOST_TICKS, 0, -1):
        ticks = span.choose_ticks(most)
        widths = [measure_text(span.format(tick), FONT) for tick in ticks]
        places = [span.place(tick) for tick in ticks]
        rooms = [places[number + 1] - places[number] for number in range(len(places) - 1)]
        if all(
            room >= (one + other) / 2 + _BETWEEN for room, one, other in zip(rooms, widths, widths[1:], strict=False)
        ):
            return ticks
    return []


def _share(value: float, low: float, high: float) -> float:
    return log(value / low) / log(high / low)


def _drop_zeros(text: str) -> str:
    """Return a number with its unit without decimals that are 0: `2.50 MiB` is `2.5 MiB`."""
    number, _, unit = text.partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {unit}".rstrip()
