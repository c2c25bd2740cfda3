"""Fronts and orders of rows, compared with their definitions on random rows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcalc.problems import Flaw
from convcalc.space import keeping, pareto
from convcalc.space.keeping import FirstRows, TopRows
from convcalc.space.ordering import Signed, sort_rows
from convcalc.space.pareto import Front

NAMES = ("a", "b", "c")
NUMBERS = st.none() | st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 10**30])
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=40)
SIGNED = [Signed(name, minus) for name in NAMES for minus in (False, True)]
ORDERS = st.lists(st.sampled_from(SIGNED), min_size=1, unique_by=lambda signed: signed.column)


def on_front(rows: list[tuple[Any, ...]], objectives: list[Signed]) -> list[tuple[Any, ...]]:
    """By definition, over all pairs."""
    places = [(NAMES.index(column), -1 if minus else 1) for column, minus in objectives]
    known = [row for row in rows if all(row[place] is not None for place, _ in places)]
    vectors = [[sign * row[place] for place, sign in places] for row in known]
    return [
        row
        for row, mine in zip(known, vectors, strict=True)
        if not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in vectors)
    ]


@given(ROWS, ORDERS, st.integers(1, 10))
def test_the_front_of_a_stream_matches_a_comparison_of_all_pairs(rows: list[Any], objectives: Any, chunk: int) -> None:
    front = Front(NAMES, objectives)
    for start in range(0, len(rows), chunk):
        front.add(rows[start : start + chunk])
    assert sorted(map(repr, front.list_rows())) == sorted(map(repr, on_front(rows, objectives)))


@given(ROWS, ORDERS)
def test_rows_are_sorted_by_the_columns_in_turn_with_unknown_values_last(rows: list[Any], order: Any) -> None:
    def rank(row: tuple[Any, ...]) -> list[tuple[bool, float]]:
        values = [(row[NAMES.index(column)], minus) for column, minus in order]
        return [(value is None, (value or 0) if minus else -(value or 0)) for value, minus in values]

    assert sort_rows(rows, NAMES, order) == sorted(rows, key=rank)


def test_numbers_come_before_texts() -> None:
    rows = [("relu",), (1,), (None,), ("gelu",), (2.5,), (True,)]
    assert sort_rows(rows, ["a"], [Signed("a")]) == [(2.5,), (1,), (True,), ("gelu",), ("relu",), (None,)]
    assert sort_rows(rows, ["a"], [Signed("a", True)]) == [(1,), (True,), (2.5,), ("relu",), ("gelu",), (None,)]


@given(ROWS, ORDERS, st.integers(1, 10), st.integers(1, 10))
def test_the_top_rows_are_the_first_of_the_sorted_stream(rows: list[Any], order: Any, most: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "_SPARE", 3)
        top, first = TopRows(most, NAMES, order), FirstRows(most)
        for start in range(0, len(rows), chunk):
            top.add(rows[start : start + chunk])
            first.add(rows[start : start + chunk])
            assert len(top.rows) <= 2 * most + 3 + chunk
    assert top.list_rows() == sort_rows(rows, NAMES, order)[:most]
    assert first.list_rows() == rows[:most]


def test_more_rows_than_can_be_held_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_HELD", 10)
    monkeypatch.setattr(pareto, "MOST_ON_FRONT", 10)
    rows = [(1, 1, 1)] * 11
    for keeper in (FirstRows(None), TopRows(None, NAMES, [Signed("a")])):
        with pytest.raises(Flaw, match="more than 10 rows would have to be held in memory"):
            keeper.add(rows)
    with pytest.raises(Flaw, match="more than 10 rows are on the Pareto front"):
        Front(NAMES, [Signed("a")]).add(rows)
    front = Front(NAMES, [Signed("a", True)])
    for value in range(100):
        front.add([(value, 0, 0)])  # each one replaces the one before
    assert front.list_rows() == [(99, 0, 0)]
