"""The energy of a gradient along one axis, by following every single connection of a chain of layers.

Nothing of convcalc is used. A layer states from which input positions an output position is computed, as in
`tests.support.dependence`, and how the squares of the weights are divided among them (by default, equally for all
connections). Energies are fractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from tests.support.dependence import Axis

Squares = Callable[[int, int], Fraction]  # of the weight of an input position for an output position
Energy = dict[int, Fraction]


class Step(NamedTuple):
    """One axis of a layer, the size of its input, and its squared weights (None: all are equal)."""

    axis: Axis
    size: int
    squares: Squares | None = None


def arrive(steps: Sequence[Step], position: int, within: bool) -> Energy:
    """Return the energy that an output position of the last step sends to each input position of the first.

    With `within`, positions beyond the ends of a layer's input receive nothing.
    """
    energy: Energy = {position: Fraction(1)}
    for step in reversed(steps):
        found: Energy = defaultdict(Fraction)
        for output, value in energy.items():
            for read in step.axis.taps(output):
                if not within or 0 <= read < step.size:
                    found[read] += value * (1 if step.squares is None else step.squares(output, read))
        energy = found
    return energy


class Moments(NamedTuple):
    mass: Fraction
    mean: Fraction
    variance: Fraction


def moments(energy: Energy) -> Moments:
    mass = sum(energy.values(), Fraction(0))
    if not mass:
        return Moments(mass, mass, mass)
    mean = sum((at * value for at, value in energy.items()), Fraction(0)) / mass
    return Moments(mass, mean, sum(((at - mean) ** 2 * value for at, value in energy.items()), Fraction(0)) / mass)
