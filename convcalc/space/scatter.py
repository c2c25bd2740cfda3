"""Collects the points of a scatter plot from a stream of rows: some of them if there are many, and the whole front.

A `Scatter` has a method `add`, which takes the next rows.
"""

from collections.abc import Sequence

from convcalc.problems import Flaw, show
from convcalc.space.ordering import Row, Signed
from convcalc.space.pareto import Front

MOST_POINTS = 4000


class Scatter:
    """The points of two columns, and those on the front of both.

    `names` are the columns of a row; `axes` are the columns of x and y, which are minimised, or maximised with a
    leading minus, and a column for the colour, if there is one. If there are more than 4,000 points, every second,
    fourth, eighth, … row is a point.
    """

    def __init__(self, names: Sequence[str], axes: Sequence[Signed]) -> None:
        self.places = [names.index(axis.column) for axis in axes[:2]]
        self.front = Front(names, axes[:2])
        self.rows: list[Row] = []
        self.count = 0
        self._step = 1

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows to the stream; a row with an unknown value is left out. Raises Flaw if a value is a text."""
        known = [row for row in rows if all(row[place] is not None for place in self.places)]
        for row in known:
            for place in self.places:
                if not isinstance(row[place], int | float):
                    raise Flaw(f"the axes of a plot need numbers; got {show(row[place])}")
        self.front.add(known)
        self.rows += known[-self.count % self._step :: self._step]
        self.count += len(known)
        while len(self.rows) > MOST_POINTS:
            self.rows = self.rows[::2]
            self._step *= 2
