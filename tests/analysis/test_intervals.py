"""Which inputs an output reads: every window slides over a long signal, and the inputs it touches are marked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from itertools import product
from math import ceil, floor, gcd
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcalc.intervals import (
    MOST_POSITIONS,
    SAME,
    Ratio,
    Reads,
    TooVaried,
    adaptive_window,
    blended_inputs,
    compose_reads,
    nearest_input,
    reduce_ratio,
    shifted_input,
    sliding_window,
    spread_window,
    unite_reads,
)
from tests.support.dependence import cubic, triangle

Marked = Callable[[int], Iterable[int]]  # the inputs that an output reads
Interval = tuple[int, int] | None
POSITIONS = range(-24, 25)


def ends(marked: Iterable[int]) -> Interval:
    found = set(marked)
    return (min(found), max(found)) if found else None


def fraction(ratio: Ratio) -> Fraction:
    assert ratio == reduce_ratio(*ratio)
    return Fraction(*ratio)


def assert_reads(reads: Reads, marked: Marked, note: object = "") -> None:
    """Every position reads from the first to the last marked input, and the period states when that repeats."""
    expected = [ends(marked(position)) for position in POSITIONS]
    assert [reads.at(position) for position in POSITIONS] == expected, note
    assert len(reads.low) == len(reads.high) == reads.period, note
    assert_figures(reads, marked, note)


def assert_figures(reads: Reads, marked: Marked, note: object) -> None:
    """Sizes, jump and centre by definition, over one period of the marked inputs."""
    spans = [ends(marked(position)) for position in range(reads.period)]
    assert reads.sizes() == [0 if span is None else span[1] - span[0] + 1 for span in spans], note
    known = [(position, span) for position, span in enumerate(spans) if span is not None]
    later = [ends(marked(position + reads.period)) for position, _ in known]
    jumps = {Fraction(after[0] - span[0], reads.period) for (_, span), after in zip(known, later, strict=True) if after}
    if known:
        assert jumps == {fraction(reads.jump)}, note
        offsets = [Fraction(sum(span), 2) - position * fraction(reads.jump) for position, span in known]
        assert fraction(reads.center()) == sum(offsets) / len(offsets), note


# -- the windows of the layers


def slid(kernel_size: int, stride: int, before: int, dilation: int) -> Marked:
    return lambda i: {i * stride - before + dilation * tap for tap in range(kernel_size)}


def test_a_sliding_window_reads_its_taps() -> None:
    for window in product(range(1, 5), range(1, 5), range(4), range(1, 4)):
        reads = sliding_window(*window)
        assert_reads(reads, slid(*window), window)
        assert reads.period == 1


def scattered(kernel_size: int, stride: int, before: int, dilation: int) -> Marked:
    """Every nearby input is scattered through the whole kernel; those that contribute to the output are marked."""

    def marked(output: int) -> set[int]:
        reach = dilation * (kernel_size - 1) + before + stride
        near = range((output - reach) // stride, (output + reach) // stride + 1)
        taps = range(kernel_size)
        return {place for place in near if any(place * stride - before + dilation * t == output for t in taps)}

    return marked


def test_a_transposed_window_reads_the_inputs_scattered_to_an_output() -> None:
    for window in product(range(1, 7), range(1, 6), range(4), range(1, 6)):
        assert_reads(spread_window(*window), scattered(*window), window)


@pytest.mark.parametrize(
    ("window", "sizes"),
    [
        ((2, 4, 0, 1), [1, 1, 0, 0]),  # a kernel smaller than the stride leaves outputs that read nothing
        ((3, 4, 0, 2), [2, 0, 1, 0]),  # so do a stride and a dilation with a common factor
        ((1, 3, 1, 1), [0, 0, 1]),
        ((2, 2, 0, 1), [1, 1]),
        ((4, 2, 1, 1), [2, 2]),
        ((3, 2, 1, 1), [1, 2]),
        ((3, 2, 1, 2), [0, 3]),
    ],
)
def test_sizes_of_a_transposed_window(window: tuple[int, int, int, int], sizes: list[int]) -> None:
    assert spread_window(*window).sizes() == sizes


def pooled(size: int, output_size: int) -> Marked:
    """From floor(i n / o) to ceil((i + 1) n / o), exclusive: torch.nn.AdaptiveAvgPool1d."""
    step = Fraction(size, output_size)
    return lambda i: range(floor(i * step), ceil((i + 1) * step))


def test_an_adaptive_pooling_reads_its_windows() -> None:
    for size, output_size in product(range(1, 14), repeat=2):
        reads = adaptive_window(size, output_size)
        assert_reads(reads, pooled(size, output_size), (size, output_size))
        assert (output_size // gcd(size, output_size)) % reads.period == 0


def picked(scale: Ratio) -> Marked:
    return lambda i: {floor(i * Fraction(*scale))}


SCALES = sorted({reduce_ratio(size, output_size) for size, output_size in product(range(1, 9), repeat=2)})


def test_nearest_interpolation_reads_one_input() -> None:
    for scale in SCALES:
        assert_reads(nearest_input(scale), picked(scale), scale)


def weighed(scale: Ratio, weight: Callable[[Fraction], Fraction]) -> Marked:
    """The inputs with a non-zero weight at the centre of an output."""

    def marked(output: int) -> set[int]:
        middle = (output + Fraction(1, 2)) * Fraction(*scale) - Fraction(1, 2)
        near = range(floor(middle) - 4, floor(middle) + 6)
        return {position for position in near if weight(middle - position)}

    return marked


@pytest.mark.parametrize(("before", "weight"), [(0, triangle), (1, cubic)], ids=["linear", "cubic"])
def test_interpolation_reads_the_inputs_with_a_weight(before: int, weight: Callable[[Fraction], Fraction]) -> None:
    for scale in SCALES:
        assert_reads(blended_inputs(scale, before), weighed(scale, weight), scale)


def test_shifting_reads_a_neighbour() -> None:
    for offset in range(-3, 4):
        assert_reads(shifted_input(offset), lambda i, offset=offset: {i + offset})  # type: ignore[misc]
    assert shifted_input(0) == SAME == sliding_window(1, 1, 0, 1)


def test_uniform_reads_have_period_1() -> None:
    assert adaptive_window(12, 4) == sliding_window(3, 3, 0, 1)
    assert nearest_input((3, 1)) == sliding_window(1, 3, 0, 1)
    assert blended_inputs((2, 1), 0) == sliding_window(2, 2, 0, 1)
    assert spread_window(3, 1, 1, 1) == sliding_window(3, 1, 1, 1)


# -- chained and parallel layers


class Step(NamedTuple):
    """One layer, as convcalc represents it and as it is marked here. Its windows have no gaps, except with `gapped`."""

    reads: Reads
    marked: Marked
    name: str


def step(make: Callable[..., Reads], mark: Callable[..., Marked], *arguments: object) -> Step:
    return Step(make(*arguments), mark(*arguments), f"{make.__name__}{arguments}")


SMALL = st.integers(1, 4)
SCALE = st.sampled_from([scale for scale in SCALES if max(scale) <= 4])
SLIDING = st.builds(lambda k, s, p: step(sliding_window, slid, k, s, p, 1), SMALL, st.integers(1, 3), st.integers(0, 2))
TRANSPOSED = st.builds(
    lambda s, more, p: step(spread_window, scattered, s + more, s, p, 1),
    st.integers(1, 3), st.integers(0, 3), st.integers(0, 2),
)  # fmt: skip
SOLID = st.one_of(
    SLIDING,
    TRANSPOSED,
    st.builds(lambda n, o: step(adaptive_window, pooled, n, o), st.integers(1, 6), SMALL),
    st.builds(lambda scale: step(nearest_input, picked, scale), SCALE),
    st.builds(lambda scale: Step(blended_inputs(scale, 0), weighed(scale, triangle), f"linear{scale}"), SCALE),
    st.builds(
        lambda offset: Step(shifted_input(offset), lambda i: {i + offset}, f"moved({offset})"), st.integers(-3, 3)
    ),
)
GAPPED = st.one_of(
    st.builds(lambda k, s, p, d: step(sliding_window, slid, k, s, p, d), SMALL, SMALL, st.integers(0, 3), SMALL),
    st.builds(lambda k, s, p, d: step(spread_window, scattered, k, s, p, d), SMALL, SMALL, st.integers(0, 3), SMALL),
    st.builds(lambda scale: Step(blended_inputs(scale, 1), weighed(scale, cubic), f"cubic{scale}"), SCALE),
)


def chained(steps: list[Step]) -> tuple[Reads, Marked]:
    """The first step is the nearest to the input. Sets of positions are marked, never intervals."""
    reads, marked = steps[0].reads, steps[0].marked
    for later in steps[1:]:
        reads = compose_reads(later.reads, reads)
        marked = after(later.marked, marked)
    return reads, marked


def after(later: Marked, earlier: Marked) -> Marked:
    @cache
    def marked(position: int) -> frozenset[int]:
        return frozenset(source for middle in later(position) for source in earlier(middle))

    return marked


def assert_chain(reads: Reads, marked: Marked, note: object) -> None:
    around = range(-3, 9)
    assert [reads.at(position) for position in around] == [ends(marked(position)) for position in around], note
    if reads.period <= 40:
        assert_figures(reads, marked, note)


@settings(max_examples=150, deadline=None)
@given(st.one_of(GAPPED, SOLID), st.lists(SOLID, min_size=1, max_size=3))
def test_a_chain_reads_what_its_layers_read_in_turn(first: Step, later: list[Step]) -> None:
    reads, marked = chained([first, *later])
    assert_chain(reads, marked, [step.name for step in (first, *later)])


@settings(max_examples=100, deadline=None)
@given(SOLID, SOLID, SOLID)
def test_a_chain_can_be_taken_from_either_end(first: Step, second: Step, third: Step) -> None:
    nested = compose_reads(third.reads, compose_reads(second.reads, first.reads))
    other = compose_reads(compose_reads(third.reads, second.reads), first.reads)
    assert [nested.at(position) for position in POSITIONS] == [other.at(position) for position in POSITIONS]


@settings(max_examples=50, deadline=None)
@given(st.one_of(GAPPED, SOLID))
def test_chaining_with_the_identity_changes_nothing(only: Step) -> None:
    for reads in (compose_reads(only.reads, SAME), compose_reads(SAME, only.reads)):
        assert [reads.at(position) for position in POSITIONS] == [only.reads.at(position) for position in POSITIONS]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SMALL, SMALL, st.integers(0, 2)), min_size=1, max_size=3), st.data())
def test_two_paths_with_one_jump_read_what_either_reads(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Both paths go up by one factor and down by another, each with its own kernels."""
    paths = [chained(data.draw(path_of(rows))) for _ in range(2)]
    (one, one_marked), (other, other_marked) = paths
    assert one.jump == other.jump
    assert_chain(unite_reads(one, other), lambda i: {*one_marked(i), *other_marked(i)}, rows)


@st.composite
def path_of(draw: st.DrawFn, rows: list[tuple[int, int, int]]) -> list[Step]:
    steps = []
    for up, down, before in rows:
        steps.append(step(spread_window, scattered, up + draw(st.integers(-up + 1, 2)), up, before, 1))
        steps.append(step(sliding_window, slid, draw(SMALL), down, draw(st.integers(0, 2)), 1))
    return steps


def test_a_union_includes_what_lies_between() -> None:
    """0 to 4 and -2 to 0 together span 7."""
    assert unite_reads(sliding_window(5, 1, 0, 1), sliding_window(3, 1, 2, 1)).sizes() == [7]
    assert unite_reads(shifted_input(-9), shifted_input(9)).at(0) == (-9, 9)


def test_a_union_includes_what_only_one_path_reads() -> None:
    together = unite_reads(spread_window(1, 2, 0, 1), spread_window(1, 2, 1, 1))
    assert [together.at(position) for position in range(4)] == [(0, 0), (1, 1), (1, 1), (2, 2)]


# -- numbers too large to be followed one by one


HUGE = 10**18 - 1


def test_windows_of_18_digits_are_exact() -> None:
    once = sliding_window(HUGE, HUGE, 3, HUGE)
    assert once.at(2) == (2 * HUGE - 3, 2 * HUGE - 3 + HUGE * (HUGE - 1))
    twice = compose_reads(once, once)
    assert twice.jump == (HUGE**2, 1)
    assert twice.sizes() == [HUGE * (HUGE - 1) * (1 + HUGE) + 1]
    assert spread_window(HUGE, 2, 0, 1).sizes() == [HUGE // 2 + 1, HUGE // 2]
    assert shifted_input(-HUGE).center() == (-HUGE, 1)


def up_again(factor: int) -> Reads:
    """Down by a factor and up by the same factor: the jump is 1, the period is the factor."""
    return compose_reads(nearest_input((1, factor)), sliding_window(1, factor, 0, 1))


def test_a_period_up_to_the_limit_is_followed() -> None:
    reads = nearest_input((1, MOST_POSITIONS))
    assert reads.period == MOST_POSITIONS
    assert reads.at(MOST_POSITIONS - 1) == (0, 0)


@pytest.mark.parametrize(
    "build",
    [
        lambda: spread_window(3, HUGE, 0, 1),
        lambda: spread_window(HUGE, HUGE, HUGE, HUGE - 1),
        lambda: spread_window(1, MOST_POSITIONS + 1, 0, 1),
        lambda: adaptive_window(HUGE, HUGE - 1),
        lambda: nearest_input((1, MOST_POSITIONS + 1)),
        lambda: blended_inputs((HUGE, HUGE - 1), 1),
        lambda: compose_reads(nearest_input((1, 331)), nearest_input((1, 337))),
        lambda: unite_reads(up_again(331), up_again(337)),
    ],
)
def test_a_period_above_the_limit_is_refused(build: Callable[[], Reads]) -> None:
    with pytest.raises(TooVaried):
        build()


SLOW = [
    "compose_reads(sliding_window(10**17, 1, 0, 1), nearest_input((99991, 99989)))",
    "compose_reads(sliding_window(10**17, 10**17 + 1, 0, 10**17), spread_window(3, 50_021, 0, 1))",
    "compose_reads(spread_window(10**17, 3, 0, 1), blended_inputs((30_011, 30_013), 1))",
    "compose_reads(adaptive_window(10**17, 7), adaptive_window(10_007, 10_009))",
]


@pytest.mark.parametrize("expression", SLOW)
def test_a_long_period_under_a_large_kernel_does_not_hang(expression: str) -> None:
    """A window may span every position of a long period at each of the positions of another."""
    program = (
        "from convcalc.intervals import *\n"
        f"try: {expression}\n"
        "except TooVaried: pass\n"
    )  # fmt: skip
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
