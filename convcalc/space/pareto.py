"""Finds the Pareto front of rows: those that no other row beats in every objective.

For example, with the objectives params and MACs, (1, 5) and (2, 3) are on the front of (1, 5), (2, 3), (2, 6).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import le

from convcalc.problems import Flaw, show
from convcalc.space.ordering import Row, Signed

Vector = tuple[float, ...]
MOST_ON_FRONT = 1_000_000  # limit of rows, which are all held in memory


class Front:
    """The rows of a stream that are on the front so far.

    A row is on the front if no other row is at least as good in all objectives and better in one, so of equal rows,
    either all or none are on the front. An objective is minimised, or maximised with a leading minus. A row in which
    one of them is unknown is not on the front.
    """

    def __init__(self, names: Sequence[str], objectives: Sequence[Signed]) -> None:
        self.objectives = [(names.index(column), minus) for column, minus in objectives]
        self.vectors: Staircase | Archive = Staircase() if len(objectives) == 2 else Archive()
        self.count = 0
        self.members: dict[Vector, list[Row]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows to the stream. Raises Flaw if an objective is a text, or if the front becomes too large."""
        for row in rows:
            vector = self._make_vector(row)
            if vector is None:
                continue
            beaten = self.vectors.insert(vector)
            if beaten is None:
                continue
            for other in beaten:
                del self.members[other]
            self.members.setdefault(vector, []).append(row)
            self.count += 1
            if self.count > MOST_ON_FRONT:
                self._recount()

    def _make_vector(self, row: Row) -> Vector | None:
        """Return the objectives of a row as numbers that are smaller for a better row; None if one is unknown."""
        values = [row[index] for index, _ in self.objectives]
        if None in values:
            return None
        for value in values:
            if not isinstance(value, int | float):
                raise Flaw(f"a Pareto front needs numbers; got {show(value)}")
        return tuple(-value if minus else value for value, (_, minus) in zip(values, self.objectives, strict=True))

    def _recount(self) -> None:
        self.count = sum(map(len, self.members.values()))
        if self.count > MOST_ON_FRONT:
            raise Flaw(f"more than {MOST_ON_FRONT:,} rows are on the Pareto front", "narrow it down with --where")

    def list_rows(self) -> list[Row]:
        """Return the rows on the front, grouped by equal objectives."""
        return [row for rows in self.members.values() for row in rows]


class Staircase:
    """The different vectors of a front of two objectives, sorted: the second objective falls as the first grows."""

    def __init__(self) -> None:
        self.firsts: list[float] = []
        self.seconds: list[float] = []

    def insert(self, vector: Vector) -> list[Vector] | None:
        """Insert a vector and return those that it beats; None if another one beats it."""
        first, second = vector
        before = bisect_right(self.firsts, first) - 1
        if before >= 0 and self.seconds[before] <= second:
            return [] if (self.firsts[before], self.seconds[before]) == vector else None
        start = stop = bisect_left(self.firsts, first)
        while stop < len(self.seconds) and self.seconds[stop] >= second:
            stop += 1
        beaten: list[Vector] = list(zip(self.firsts[start:stop], self.seconds[start:stop], strict=True))
        self.firsts[start:stop] = [first]
        self.seconds[start:stop] = [second]
        return beaten


class Archive:
    """The different vectors of a front of any number of objectives; those that beat many others come first."""

    def __init__(self) -> None:
        self.vectors: list[Vector] = []

    def insert(self, vector: Vector) -> list[Vector] | None:
        """Insert a vector and return those that it beats; None if another one beats it."""
        for index, other in enumerate(self.vectors):
            if all(map(le, other, vector)):
                self.vectors.insert(0, self.vectors.pop(index))
                return [] if other == vector else None
        beaten = [other for other in self.vectors if all(map(le, vector, other))]
        if beaten:
            self.vectors = [other for other in self.vectors if other not in beaten]
        self.vectors.append(vector)
        return beaten
