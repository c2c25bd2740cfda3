"""Chooses the rows that a sweep writes from those it keeps: the front, the first in an order, or the first ones.

A `Choice` has a method `add`, which takes the next rows of the stream, and `finish`, which returns the chosen ones.
"""

from convcalc.space.chunk import Chunk, make_chunk
from convcalc.space.keeping import FirstRows, Keeper, TopRows
from convcalc.space.ordering import Row, Signed, sort_rows
from convcalc.space.pareto import Front
from convcalc.space.planning import Planned

PARETO = "pareto"  # the column that marks the rows on the front


class Choice:
    """The rows of a stream that may still be chosen, of which at most `listed` are returned (None: all).

    `total` is the number of chosen rows, which can be more than those returned.
    """

    def __init__(self, planned: Planned, listed: int | None) -> None:
        self.planned = planned
        self.listed = listed
        self.count = 0
        self.total = 0
        self.front = Front(planned.plan.names, planned.pareto) if planned.pareto else None
        self.kept = self._make_keeper()

    def _make_keeper(self) -> Keeper | None:
        """Return the keeper of the rows; None if only the front is needed."""
        planned = self.planned
        if planned.is_marked:
            return FirstRows(None)
        if planned.pareto:
            return None
        most = min((limit for limit in (planned.top, self.listed) if limit is not None), default=None)
        return TopRows(most, planned.plan.names, planned.order) if planned.order else FirstRows(most)

    def add(self, chunk: Chunk, count: int) -> None:
        """Add the next `count` rows of the stream, of which the chunk has those that may be chosen.

        Raises Flaw if too many rows would have to be held.
        """
        self.count += count
        first = self.kept if self.front is None and isinstance(self.kept, FirstRows) else None
        rows = chunk.list_rows(first.count_free() if first else None)
        if self.front is not None:
            self.front.add(rows)
        if self.kept is not None:
            self.kept.add(rows)

    def finish(self) -> list[Row]:
        """Return the chosen rows; if the front is marked, with a further column: true or false."""
        planned = self.planned
        rows = self.front.list_rows() if self.kept is None and self.front is not None else self.list_kept()
        self.total = self.count if self.kept is not None else len(rows)
        if planned.pareto:
            rows = sort_rows(rows, planned.plan.names, planned.order or self._order_front())[: planned.top]
        if planned.is_marked and self.front is not None:
            best = set(map(id, self.front.list_rows()))
            rows = [(*row, id(row) in best) for row in rows]
        self.total = min(self.total, planned.top or self.total)
        return rows[: self.listed]

    def list_kept(self) -> list[Row]:
        """Return the rows that are held, except those on the front."""
        return [] if self.kept is None else self.kept.list_rows()

    def _order_front(self) -> list[Signed]:
        """Return the default order of a front: by its first objective, the best first."""
        return [] if self.planned.is_marked else [Signed(column, not minus) for column, minus in self.planned.pareto]


def condense(planned: Planned, chunk: Chunk, listed: int | None) -> Chunk:
    """Return only the rows of a chunk that a `Choice` of the whole stream may choose, without changing its result."""
    if planned.is_marked or planned.axes:
        return chunk
    choice = Choice(planned, listed)
    if choice.front is None and choice.kept is not None and choice.kept.most is None:
        return chunk
    choice.add(chunk, len(chunk))
    rows = choice.front.list_rows() if choice.front else choice.list_kept()
    return make_chunk(rows, len(chunk.columns))
