"""Chooses the rows that a sweep writes from those it keeps: the front, the first in an order, or the first ones.

A `Choice` has a method `add`, which takes the next rows of the stream, and `finish`, which returns the chosen ones.
"""

from collections.abc import Sequence

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

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows of the stream. Raises Flaw if too many rows would have to be held."""
        self.count += len(rows)
        if self.front is not None:
            self.front.add(rows)
        if self.kept is not None:
            self.kept.add(rows)

    def finish(self) -> list[Row]:
        """Return the chosen rows; if the front is marked, with a further column: true or false."""
        planned = self.planned
        rows = self.front.list_rows() if self.kept is None and self.front is not None else self._list_kept()
        self.total = self.count if self.kept is not None else len(rows)
        if planned.pareto:
            rows = sort_rows(rows, planned.plan.names, planned.order or self._order_front())[: planned.top]
        if planned.is_marked and self.front is not None:
            best = set(map(id, self.front.list_rows()))
            rows = [(*row, id(row) in best) for row in rows]
        self.total = min(self.total, planned.top or self.total)
        return rows[: self.listed]

    def _list_kept(self) -> list[Row]:
        return [] if self.kept is None else self.kept.list_rows()

    def _order_front(self) -> list[Signed]:
        """Return the default order of a front: by its first objective, the best first."""
        return [] if self.planned.is_marked else [Signed(column, not minus) for column, minus in self.planned.pareto]
