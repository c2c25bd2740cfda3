"""Draws where the energy of a gradient arrives in the input, as areas that hold a given part of it.

`draw_heat` returns boxes in five tones: the darkest (on dark backgrounds, the brightest) together hold 25% of the
energy on as few positions as possible, the next one raises this to 50%, and the last to 99%. An image is veiled
instead: it fades where its influence ends.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf
from typing import NamedTuple

from convcalc.analysis.effective_field import EffectiveFields, NoSpread
from convcalc.analysis.energy_map import EnergyMap, map_energy
from convcalc.analysis.energy_rows import TooLarge
from convcalc.analysis.field_region import NoRegion, Region, find_places
from convcalc.analysis.report import Report
from convcalc.render.drawing.scene import Shape, Text, make_box
from convcalc.render.drawing.text_width import measure_text
from convcalc.render.rf_effective import format_spread

_TONES = {0.25: "step7", 0.5: "step6", 0.75: "step5", 0.95: "step3", 0.99: "step2"}  # part of the energy -> tone
_VEILED = (0.5, 0.95, 0.99)  # parts of the energy; an image gets one more veil beyond each
_VEIL = "back"  # tone of the veils over an image
_LEGEND = "energy within:"
_MOST_CELLS = 96  # limit of cells per axis; larger inputs have several positions per cell
_ROUNDING = 1e-9
_Ranges = list[tuple[int, int]]


class Ruler(NamedTuple):
    """Where input positions are drawn along an axis: position p begins at start + p × scale."""

    start: float
    scale: float
    size: int

    def place(self, position: int) -> int:
        """Return the coordinate of a position, in whole pixels, so that neighbouring boxes have no seam."""
        return round(self.start + position * self.scale)


def describe_sigma(report: Report, index: int, effective: EffectiveFields) -> str:
    """Return the standard deviation of a layer's effective receptive field as text: `sigma 42.9`."""
    return f"sigma {format_spread(effective.states[len(report.network.inputs) + index])}"


def draw_energy(
    report: Report, index: int, region: Region, effective: EffectiveFields, x: Ruler, y: Ruler, clear: bool
) -> list[Shape]:
    """Return the energy of one position of the layer number `index`, over the last two axes of the input.

    Energy that leaves a tensor at its border is lost, as in the network. Raises NoRegion if the energy is unknown or
    takes too long to compute.
    """
    network, name = report.network, report.layers[index].name
    tensor = len(network.inputs) + index
    state = effective.states[tensor]
    if isinstance(state, NoSpread):
        raise NoRegion(f"the effective receptive field of {name} is unknown: {state.reason}")
    axes = range(len(state.axes))[-2:]
    places = find_places(region.position, report.fields[tensor])
    try:
        energy = map_energy(network, effective, tensor, places, axes, within=True)
    except TooLarge:
        raise NoRegion(f"the effective receptive field of {name} is too large to draw; rf prints its figures") from None
    return draw_heat(energy, x, y, clear)


def draw_heat(energy: EnergyMap, x: Ruler, y: Ruler, clear: bool) -> list[Shape]:
    """Return the boxes of all areas or, with `clear`, the veils over an image, denser from level to level."""
    cells, across, down = _collect_cells(energy, x, y)
    levels = _choose_levels(cells, across, down, list(_VEILED if clear else _TONES))
    columns = [(x.place(start), x.place(stop)) for start, stop in across]
    rows = [(y.place(start), y.place(stop)) for start, stop in down]
    if not clear:
        tones = [*_TONES.values(), ""]
        return list(_draw_runs([[tones[level] for level in line] for line in levels], columns, rows, clear=False))
    veils = [[[_VEIL * (level > step) for level in line] for line in levels] for step in range(len(_VEILED))]
    return [shape for veil in veils for shape in _draw_runs(veil, columns, rows, clear=True)]


def _draw_runs(tones: list[list[str]], columns: _Ranges, rows: _Ranges, clear: bool) -> Iterator[Shape]:
    """Yield a box for all neighbouring cells of a row that have the same tone."""
    for line, (top, bottom) in zip(tones, rows, strict=True):
        column = 0
        for tone, group in groupby(line):
            first, column = column, column + len(list(group))
            if tone:
                left, right = columns[first][0], columns[column - 1][1]
                yield make_box(left, top, right - left, bottom - top, tone, "")._replace(clear=clear)


def _divide(size: int) -> list[tuple[int, int]]:
    """Return the first position of each cell along an axis, and the one after its last position."""
    step = -(-size // _MOST_CELLS)
    return [(first, min(first + step, size)) for first in range(0, size, step)]


def _collect_cells(energy: EnergyMap, x: Ruler, y: Ruler) -> tuple[list[list[float]], _Ranges, _Ranges]:
    """Return the energy in every cell of the input, and the positions of the columns and rows of cells."""
    across, down = _divide(x.size), _divide(y.size)
    top, left = energy.first
    cells = []
    for first, stop in down:
        rows = energy.rows[max(first - top, 0) : max(stop - top, 0)]
        columns = [sum(column) for column in zip(*rows, strict=True)]
        cells.append([sum(columns[max(start - left, 0) : max(end - left, 0)]) for start, end in across])
    return cells, across, down


def _choose_levels(
    cells: Sequence[Sequence[float]], across: _Ranges, down: _Ranges, parts: Sequence[float]
) -> list[list[int]]:
    """Return, for every cell, the index of the smallest part of the energy that includes it; len(parts) if none does.

    The densest cells come first, and equally dense cells are on the same level.
    """
    places = [
        (value / ((stop - first) * (end - start)), value, row, column)
        for row, ((first, stop), values) in enumerate(zip(down, cells, strict=True))
        for column, ((start, end), value) in enumerate(zip(across, values, strict=True))
    ]
    whole = sum(value for _, value, _, _ in places)
    shares = [share * whole * (1 - _ROUNDING) for share in parts]
    levels = [[len(parts)] * len(across) for _ in down]
    reached, level, before = 0.0, 0, inf
    for density, value, row, column in sorted(places, reverse=True):
        if density < before * (1 - _ROUNDING):
            level, before = bisect_right(shares, reached), density
        if density:
            levels[row][column] = level
        reached += value
    return levels


def draw_legend(x: float, y: float, size: float, clear: bool) -> tuple[list[Shape], float]:
    """Return the legend of the levels and its width; `size` is that of the font. For `clear`, see `draw_heat`."""
    shapes: list[Shape] = [Text(x, y, _LEGEND, size, tone="faint")]
    start, x = x, x + measure_text(_LEGEND, size) + 24
    for level, share in enumerate(_VEILED if clear else _TONES):
        text = f"{share:.0%}"
        box = make_box(x, y - 9, 16, 10, "text" if clear else _TONES[share])
        veils = [box._replace(fill=_VEIL, clear=True)] * (level if clear else 0)
        shapes += [box, *veils, Text(x + 20, y, text, size, tone="faint")]
        x += 20 + measure_text(text, size) + 12
    return shapes, x - start
