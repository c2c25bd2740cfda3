"""The rows of a sweep as a value for Python, which displays itself.

`table.columns["macs"]` are the MACs of all networks, and `table.front("macs,-params")` those on a Pareto front.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcalc.metrics.target import DEFAULT_TARGET, Target
from convcalc.network import Limit
from convcalc.problems import printable
from convcalc.space.ordering import Row, Signed, read_signed, sort_rows
from convcalc.space.pareto import Front
from convcalc.space.sweeping import Tally

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks
    from convcalc.render.sweep import Swept


class SweepTable:
    """The rows of a sweep, one per network that was kept.

    `name` is the name of the network, `names` are the columns and `rows` the values of each row; an unknown value is
    None. `combinations` is the number of all combinations, `tried` of those that were evaluated, `invalid` of those
    that make the spec invalid, `exceeding` of those left out by the spec's budget, `filtered` of those left out by
    `where`.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        rows: Sequence[Row],
        tally: Tally,
        combinations: int,
        limits: Sequence[Limit] = (),
        measured: Sequence[str] = (),
        target: Target = DEFAULT_TARGET,
    ) -> None:
        self.name = name
        self.names = tuple(names)
        self.rows = list(rows)
        self.combinations = combinations
        self.tried = tally.tried
        self.invalid = tally.invalid
        self.exceeding = tally.exceeding
        self.filtered = tally.filtered
        self._tally = tally
        self._limits = limits
        self._measured, self._target = measured, target

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The values of each column."""
        values = zip(*self.rows, strict=True) if self.rows else [()] * len(self.names)
        return dict(zip(self.names, map(list, values), strict=True))

    def to_records(self) -> list[dict[str, Any]]:
        """Return one dict per row, for `pandas.DataFrame` or `polars.DataFrame`."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]

    def front(self, columns: str) -> "SweepTable":
        """Return the rows on the Pareto front: no other row is at least as good in all columns and better in one.

        A column is minimised, or maximised with a leading minus, as in `macs,-top1`. The best row in the first column
        comes first. Raises ValueError if a column is unknown, or has texts.
        """
        from convcalc.problems import Flaw

        try:
            objectives = read_signed(columns, self.names)
            found = Front(self.names, objectives)
            found.add(self.rows)
        except Flaw as flaw:
            raise ValueError(flaw.text) from None
        order = [Signed(column, not minus) for column, minus in objectives]
        rows = sort_rows(found.list_rows(), self.names, order)
        settings = (self._limits, self._measured, self._target)
        return SweepTable(self.name, self.names, rows, self._tally, self.combinations, *settings)

    def __repr__(self) -> str:
        return f"<SweepTable of {printable(self.name)}: {len(self.rows):,} rows of {self.tried:,} combinations>"

    def __str__(self) -> str:
        from convcalc.render.lines import plain_text
        from convcalc.render.sweep import sweep_lines

        return plain_text(sweep_lines(self._cut(), None, False)).rstrip("\n")

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.lines import RichBlocks
        from convcalc.render.sweep import sweep_lines

        return RichBlocks(lambda width: sweep_lines(self._cut(), width, False))

    def _repr_markdown_(self) -> str:
        from convcalc.render.sweep import sweep_markdown

        return sweep_markdown(self._cut(), False)

    def _cut(self) -> "Swept":
        """Return the first rows, to display them."""
        from convcalc.render.sweep import MOST_ROWS, Swept

        rows = self.rows[:MOST_ROWS]
        more = "to_records() returns all"
        counts = (len(self.rows), self._limits, self._tally, self.combinations)
        return Swept(
            *(self.name, self.names, rows, *counts), device=self._measured, target=self._target, more=more, choose=more
        )
