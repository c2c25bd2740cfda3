"""Samples: known answers that must never change, the definition of a sample, and uniformity by chi-squared."""

import hashlib
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcalc.space.combinations import Combinations, Param
from convcalc.space.draws import RandomIntegers, draw_latin_hypercube, draw_rows


def test_random_integers_follow_the_documented_algorithm() -> None:
    """The stream in the docstring, written a second time."""
    block = hashlib.shake_256(b"convcalc:7:sample:0").digest(32_768)
    integers = RandomIntegers(7, "sample")
    assert [integers.draw_below(1000) for _ in range(3)] == [
        int.from_bytes(block[start : start + 10], "big") % 1000 for start in (0, 10, 20)
    ]
    for _ in range(32_768 // 10 - 3):
        integers.draw_below(1000)
    second = hashlib.shake_256(b"convcalc:7:sample:1").digest(32_768)
    assert integers.draw_below(1000) == int.from_bytes(second[:10], "big") % 1000


@given(st.integers(1, 200), st.integers(1, 250), st.integers(0, 10**12))
def test_a_sample_has_different_rows_and_begins_with_every_smaller_sample(count: int, size: int, seed: int) -> None:
    rows = draw_rows(count, size, seed)
    assert len(rows) == len(set(rows)) == min(count, size)
    assert set(rows) <= set(range(count))
    assert draw_rows(count, size // 2, seed) == rows[: size // 2]


def test_every_ordered_sample_is_equally_likely() -> None:
    drawn = Counter(tuple(draw_rows(4, 3, seed)) for seed in range(24_000))
    assert set(drawn) == set(permutations(range(4), 3))
    chi_squared = sum((count - 1000) ** 2 / 1000 for count in drawn.values())
    assert chi_squared < 49.7  # 23 degrees of freedom: exceeded with probability 0.001


def test_rows_of_a_huge_space_are_drawn_from_all_of_it() -> None:
    count = 21_758_655_492_572_485_851**3
    rows = draw_rows(count, 1000, 1)
    eighths = Counter(row * 8 // count for row in rows)
    assert sum((eighths[part] - 125) ** 2 / 125 for part in range(8)) < 24.3  # 7 degrees of freedom, 0.001


@pytest.mark.parametrize(("size", "expected"), [(12, {1, 2, 3, 4, 6}), (60, {1, 2, 3, 4, 5, 6, 10, 12, 15, 20})])
def test_a_latin_hypercube_draws_every_value_equally_often(size: int, expected: set[int]) -> None:
    counts = sorted(expected)
    space = Combinations(tuple(Param(str(count), range(count)) for count in counts))
    columns = space.list_columns(draw_latin_hypercube(counts, size, 3))
    for count in counts:
        assert Counter(columns[str(count)]) == dict.fromkeys(range(count), size // count)


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 1000))
def test_a_latin_hypercube_of_a_long_range_has_one_value_in_every_part(size: int, times: int, seed: int) -> None:
    [*rows] = draw_latin_hypercube([size * times], size, seed)
    assert sorted(row // times for row in rows) == list(range(size))


def test_parameters_of_a_latin_hypercube_are_drawn_independently() -> None:
    pairs: Counter[tuple[int, int]] = Counter()
    for seed in range(1000):
        pairs.update(divmod(row, 3) for row in draw_latin_hypercube([3, 3], 9, seed))
    assert sum((count - 1000) ** 2 / 1000 for count in pairs.values()) < 18.5  # 4 degrees of freedom, 0.001
    assert len(pairs) == 9
