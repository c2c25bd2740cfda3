"""Keeps rows of a stream: the first ones, those that are first in an order, or those on the Pareto front.

Every keeper has a method `add`, which takes the next rows, and a method `list_rows`. Only the rows that may still be
needed are held.
"""

from collections.abc import Sequence
from typing import Protocol

from convcalc.problems import Flaw
from convcalc.space.ordering import Row, Signed, sort_rows

MOST_HELD = 1_000_000  # limit of rows in memory
_ADVICE = "narrow them down with --where or --top, or write them unsorted with -f csv, jsonl or parquet"
_SPARE = 10_000  # extra rows that are held before the next sort, so that sorting is rare


class Keeper(Protocol):
    """Keeps some rows of a stream, at most `most` (None: any number)."""

    most: int | None

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows of the stream. Raises Flaw if more rows are needed than can be held."""

    def list_rows(self) -> list[Row]:
        """Return the rows that are kept."""


class FirstRows:
    """Keeps the first `most` rows (None: all)."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows of the stream."""
        self.rows += rows if self.most is None else rows[: self.most - len(self.rows)]
        check_held(len(self.rows))

    def count_free(self) -> int | None:
        """Return how many more rows will be kept; None for any number."""
        return None if self.most is None else self.most - len(self.rows)

    def list_rows(self) -> list[Row]:
        """Return the rows that are kept."""
        return self.rows


class TopRows:
    """Keeps the first `most` rows (None: all) in an order of the columns `names`.

    `advice` is the hint of the error if too many rows would have to be held.
    """

    def __init__(self, most: int | None, names: Sequence[str], order: Sequence[Signed], advice: str = _ADVICE) -> None:
        self.most = most
        self.advice = advice
        self.names = names
        self.order = order
        self.rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows of the stream."""
        self.rows += rows
        if self.most is not None and len(self.rows) > 2 * self.most + _SPARE:
            self.rows = self.list_rows()
        check_held(len(self.rows), self.advice)

    def list_rows(self) -> list[Row]:
        """Return the rows that are kept, in order."""
        return sort_rows(self.rows, self.names, self.order)[: self.most]


def check_held(count: int, advice: str = _ADVICE) -> None:
    """Raise Flaw, with advice, if `count` rows are too many to be held."""
    if count > MOST_HELD:
        raise Flaw(f"more than {MOST_HELD:,} rows would have to be held in memory", advice)
