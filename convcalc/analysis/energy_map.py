"""Computes where the energy of the gradient of one output position arrives in a network's input.

`map_energy` goes backward from layer to layer with the same theory as `convcalc.analysis.effective_field`, and returns
the energy at every input position of one axis or of two. The 50% width of a result is the length of the shortest
interval with half of the energy.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import exp, log
from typing import NamedTuple

from convcalc.analysis.effective_field import EffectiveFields, NoSpread, Spread, find_reach, find_tap_weights
from convcalc.analysis.energy_rows import Budget, Row, Size, TooLarge, spread_rows
from convcalc.analysis.energy_spread import TapWeights
from convcalc.analysis.field_region import find_places
from convcalc.analysis.receptive_field import input_size
from convcalc.analysis.report import Report
from convcalc.intervals import SAME, Reads
from convcalc.network import Network

_ROUNDING = 1e-9


class EnergyMap(NamedTuple):
    """The energy at the input positions from `first` on, per axis. A map of one axis has one row.

    The energy adds up to 1, or to 0 if none arrives, as from an output that reads only padding.
    """

    first: tuple[int, int]
    rows: list[Row]

    def sum_columns(self) -> Row:
        """Return the energy of each column, of all rows together."""
        return [sum(column) for column in zip(*self.rows, strict=True)]


class _Energy(NamedTuple):
    """The energy at a tensor: `rows` add up to 1, and the logarithm of the whole energy is `log`."""

    first: tuple[int, int]
    rows: list[Row]
    log: float


def map_energy(
    network: Network, found: EffectiveFields, tensor: int, position: Sequence[int], axes: Sequence[int], within: bool
) -> EnergyMap:
    """Return where the energy of one position of a tensor arrives in the input, along one or two of its axes.

    `position` is the position on the axes of the input. With `within`, energy that leaves a tensor at its border is
    lost; otherwise the axes have no ends. Raises TooLarge if that would take too long.
    """
    first = (position[axes[0]] if len(axes) == 2 else 0, position[axes[-1]])
    waiting = {tensor: [_Energy(first, [[1.0]], 0.0)]}
    arrived: list[_Energy] = []
    budget = Budget()
    while waiting:
        number = max(waiting)
        energy = _add_energies(waiting.pop(number))
        index = number - len(network.inputs)
        if index < 0:
            arrived.append(energy)
            continue
        for read, sent in _send_back(network, found, index, energy, axes, within, budget):
            waiting.setdefault(read, []).append(sent)
    if not arrived:
        return EnergyMap(first, [[0.0]])
    whole = _add_energies(arrived)
    return EnergyMap(whole.first, whole.rows)


def _send_back(
    network: Network,
    found: EffectiveFields,
    index: int,
    energy: _Energy,
    axes: Sequence[int],
    within: bool,
    budget: Budget,
) -> Iterable[tuple[int, _Energy]]:
    """Yield, for every tensor to which a layer sends energy, its number and its energy."""
    node, edges = network.nodes[index], found.edges[index]
    places = [
        place
        for place, edge in enumerate(edges)
        if (index, place) not in found.ignored and not isinstance(found.states[edge.tensor], NoSpread)
    ]
    reach = find_reach(node, places)
    for place in places:
        sent = energy
        shape = network.tensor_shape(edges[place].tensor)
        state = found.states[edges[place].tensor]
        if isinstance(reach, tuple) and isinstance(state, Spread) and len(reach) == shape.axes == len(state.axes):
            weights = find_tap_weights(node.layer)
            for turn, axis in enumerate(reversed(axes)):
                size = shape.spatial[axis] if within else None
                sent = _spread_axis(sent, reach[axis], weights[axis], size, across=turn == 1, budget=budget)
        if any(map(any, sent.rows)):
            yield edges[place].tensor, sent._replace(log=sent.log + edges[place].log)


def _spread_axis(
    energy: _Energy, reads: Reads, weights: TapWeights | None, size: Size, across: bool, budget: Budget
) -> _Energy:
    """Return the energy after a layer has spread it along the columns, or, with `across`, along the rows."""
    start, count = energy.first[0 if across else 1], len(energy.rows if across else energy.rows[0])
    if reads == SAME and (size is None or 0 <= start <= start + count <= size):
        return energy
    rows = _transpose(energy.rows) if across else energy.rows
    low, found = spread_rows(rows, reads, weights, start, size, budget)
    first = (low, energy.first[1]) if across else (energy.first[0], low)
    return _normalise(_Energy(first, _transpose(found) if across else found, energy.log))


def _transpose(rows: list[Row]) -> list[Row]:
    return [list(column) for column in zip(*rows, strict=True)]


def _normalise(energy: _Energy) -> _Energy:
    """Return the same energy with rows that add up to 1, unless they are all 0."""
    total = sum(map(sum, energy.rows))
    if not total:
        return energy
    rows = [[value / total for value in row] for row in energy.rows]
    return energy._replace(rows=rows, log=energy.log + log(total))


def _add_energies(parts: Sequence[_Energy]) -> _Energy:
    """Return the sum of energies that arrive at the same tensor."""
    if len(parts) == 1:
        return parts[0]
    most = max(part.log for part in parts)
    top, left = min(part.first[0] for part in parts), min(part.first[1] for part in parts)
    height = max(part.first[0] + len(part.rows) for part in parts) - top
    width = max(part.first[1] + len(part.rows[0]) for part in parts) - left
    rows = [[0.0] * width for _ in range(height)]
    for part in parts:
        share = exp(part.log - most)
        for place, values in enumerate(part.rows, part.first[0] - top):
            row, start = rows[place], part.first[1] - left
            for at, value in enumerate(values, start):
                row[at] += share * value
    return _normalise(_Energy((top, left), rows, most))


# -- widths of a map


def find_narrowest(row: Sequence[float], share: float) -> tuple[int, int]:
    """Return the shortest interval that has at least this share of a row's energy, both ends included."""
    sums = [0.0, *accumulate(row)]
    wanted = share * sums[-1] * (1 - _ROUNDING)
    best, start = (0, len(row) - 1), 0
    for stop in range(1, len(sums)):
        while sums[stop] - sums[start + 1] >= wanted:
            start += 1
        if sums[stop] - sums[start] >= wanted and stop - 1 - start < best[1] - best[0]:
            best = (start, stop - 1)
    return best


class Widths(NamedTuple):
    """How far the energy of one position spreads: the 50% and 95% widths per axis, and the part inside the input."""

    half: tuple[int, ...]
    most: tuple[int, ...]
    inside: float


def measure_widths(report: Report, found: EffectiveFields, index: int, position: tuple[int, ...]) -> Widths | None:
    """Return the widths for a position of the layer number `index`.

    The result is None if the position sends no energy, or if the widths would take too long to compute. Energy beyond
    the border of the input counts, as in the theoretical receptive field.
    """
    network, size = report.network, input_size(report.network)
    tensor = len(network.inputs) + index
    places = find_places(position, report.fields[tensor])
    half, most, inside = [], [], 1.0
    try:
        for axis, length in enumerate(size):
            spread = map_energy(network, found, tensor, places, [axis], within=False)
            [row], first = spread.rows, spread.first[1]
            if not any(row):
                return None
            half.append(_find_width(row, 0.5))
            most.append(_find_width(row, 0.95))
            inside *= sum(value for at, value in enumerate(row, first) if 0 <= at < length)
    except TooLarge:
        return None
    return Widths(tuple(half), tuple(most), min(inside, 1.0))


def _find_width(row: Row, share: float) -> int:
    low, high = find_narrowest(row, share)
    return high - low + 1
