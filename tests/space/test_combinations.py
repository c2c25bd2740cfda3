"""Row numbers, compared with `itertools.product`."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcalc.problems import Flaw
from convcalc.space.combinations import Combinations, Param
from convcalc.space.values import expand_values

COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def make_space(counts: list[int]) -> Combinations:
    return Combinations(tuple(Param(f"p{index}", tuple(range(count))) for index, count in enumerate(counts)))


@given(COUNTS, st.data())
def test_rows_are_those_of_product_in_order(counts: list[int], data: st.DataObject) -> None:
    space = make_space(counts)
    expected = list(itertools.product(*map(range, counts)))
    assert space.size == len(expected)
    first = data.draw(st.integers(0, len(expected)))
    last = data.draw(st.integers(first, len(expected)))
    for numbers in (range(first, last), list(range(first, last)), range(first, last, 2)):
        columns = space.list_columns(numbers)
        assert list(zip(*columns.values(), strict=True)) == [expected[number] for number in numbers]


@given(COUNTS, st.data())
def test_a_row_number_and_its_indexes_determine_each_other(counts: list[int], data: st.DataObject) -> None:
    space = make_space(counts)
    number = data.draw(st.integers(0, space.size - 1))
    place = space.find_place(number)
    assert space.find_number(place) == number
    assert tuple(space.get_row(number).values()) == place


def test_a_space_of_any_size_has_numbers() -> None:
    space = make_space([1000] * 20)
    assert space.size == 10**60
    assert list(space.get_row(10**60 - 1).values()) == [999] * 20
    assert list(space.get_row(123_456).values()) == [0] * 18 + [123, 456]


@given(st.integers(-1000, 1000), st.integers(1, 50), st.integers(0, 3), st.integers(10_001, 100_000))
def test_a_long_range_has_exact_steps(start: int, step: int, digits: int, count: int) -> None:
    """The values of a long range are computed one by one, those of a short one are listed."""
    first, by = (Fraction(number, 10**digits) for number in (start, step))
    texts = [f"{float(number):.{digits}f}" for number in (first, first + (count - 1) * by, by)]
    values = expand_values([":".join(texts)])
    assert len(values) == count
    number = float if digits else int
    for index in (0, 1, 17, count - 1, -1):
        assert repr(values[index]) == repr(number(first + (index % count) * by))
    assert list(values[5:8]) == [values[5], values[6], values[7]]
    with pytest.raises(IndexError):
        values[count]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["0:1:0.0000000001"], "a range of 10,000,000,001 values exceeds the limit of 1,000,000,000"),
        ([7, "1:2000000:1"], "a list of 2,000,001 values exceeds the limit of 1,000,000"),
        (["0:1:0"], "a step of 0 never leads from 0 to 1"),
    ],
)
def test_a_range_without_end_is_refused(written: list[object], message: str) -> None:
    with pytest.raises(Flaw, match=message):
        expand_values(written)
