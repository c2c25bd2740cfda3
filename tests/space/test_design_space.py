"""What is computed without listing a design space is what listing all its networks gives."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.network import Limit
from convcalc.space.counting import Tally, find_quantile, make_histogram
from convcalc.space.design_space import Aim, DesignSpace, find_peak_range, read_space
from convcalc.space.extent import sum_figure
from convcalc.space.graph import ADDITIVE
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text
from tests.space.brute_force import Listed, list_networks, measure
from tests.space.random_spaces import spaces

MOST = 3_000


def read(text: str) -> DesignSpace:
    return read_space(read_text(text), Overrides())


def list_or_skip(text: str) -> list[Listed]:
    try:
        listed = list_networks(text, MOST)
    except convcalc.InvalidSpec:
        listed = None  # with the default values
    assume(listed is not None)
    assert listed is not None
    return listed


@settings(max_examples=60, deadline=None)
@given(spaces(), st.data())
def test_figures_of_a_space_are_those_of_all_its_networks(text: str, data: st.DataObject) -> None:
    listed = list_or_skip(text)
    space = read(text)
    assert space.restrict([]).count() == len(listed)
    for name in (*ADDITIVE, "peak_memory"):
        values = [one.figures[name] for one in listed]
        if name == "peak_memory":
            assert find_peak_range(space) == (min(values), max(values))
            continue
        tally = Tally(space.graph, name)
        assert (tally.least, tally.most, tally.total) == (min(values), max(values), len(values))
        assert sum_figure(space.graph, name) == sum(values)
        assert Counter({value: tally.count_at_most(value) - tally.count_at_most(value - 1) for value in set(values)}) == Counter(values)
        assert find_quantile(tally, 50) == sorted(values)[(len(values) - 1) // 2]
        for start, stop, count in make_histogram(tally, 7):
            assert count == sum(start <= value < stop for value in values)
