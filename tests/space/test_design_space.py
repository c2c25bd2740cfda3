"""Figures of design spaces, compared with those of all networks, listed one by one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.metrics.figures import ADDITIVE
from convcalc.network import Limit
from convcalc.space.counting import FigureCounts, find_quantile, make_histogram
from convcalc.space.coupling import Coupled
from convcalc.space.design_space import DesignSpace, find_peak_range, read_space
from convcalc.space.extent import Aim, Bound, sum_figure
from convcalc.space.sampling import Sampler
from convcalc.space.slot_grid import SlotGrid
from convcalc.space.slots import Slots, SlotSums
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import read_text
from tests.space.brute_force import Listed, list_networks, measure
from tests.space.random_spaces import spaces

MOST = 300


def read(text: str, **params: Any) -> DesignSpace:
    return read_space(read_text(text), Overrides(params))


def list_or_reject(text: str) -> list[Listed]:
    """List the networks of a random space; give the example up if its default is invalid, or if there are too many."""
    try:
        listed = list_networks(text, MOST)
    except convcalc.InvalidSpec:
        listed = None
    assume(listed is not None)
    assert listed is not None
    return listed


def values_of(listed: Sequence[Listed], name: str) -> list[int]:
    return [one.figures[name] for one in listed]


def name(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)


def at_most(name: str, most: int) -> Limit:
    return Limit(name, None, most, ())


@settings(max_examples=15, deadline=None)
@given(spaces())
def test_figures_of_a_space_are_those_of_all_its_networks(text: str) -> None:
    listed = list_or_reject(text)
    space = read(text)
    assert space.restrict([]).count() == len(listed)
    peaks = values_of(listed, "peak_memory")
    assert find_peak_range(space) == (min(peaks), max(peaks))
    for name in ADDITIVE:
        values = values_of(listed, name)
        counts = FigureCounts(space.graph, name)
        assert (counts.least, counts.most, counts.total) == (min(values), max(values), len(values))
        assert sum_figure(space.graph, name) == sum(values)
        exactly = {value: counts.count_at_most(value) - counts.count_at_most(value - 1) for value in values}
        assert exactly == Counter(values)
        assert find_quantile(counts, 50) == sorted(values)[(len(values) - 1) // 2]
        for start, stop, count in make_histogram(counts, 7):
            assert count == sum(start <= value < stop for value in values)


@settings(max_examples=20, deadline=None)
@given(spaces(), st.data())
def test_the_networks_within_a_budget_are_counted_drawn_and_ranked(text: str, data: st.DataObject) -> None:
    listed = list_or_reject(text)
    space = read(text)
    names = data.draw(st.lists(st.sampled_from([*ADDITIVE, "peak_memory"]), max_size=3, unique=True))
    limits = [draw_limit(data, name, values_of(listed, name)) for name in names]
    kept = [one for one in listed if all(is_within(one.figures[limit.metric], limit) for limit in limits)]
    part = space.restrict(limits)
    assert part.count() == len(kept)
    drawn = part.draw(20, seed=1)
    assert len(drawn) == (20 if kept else 0)
    assert all(Listed(*one) in kept for one in drawn)
    one, other = data.draw(st.lists(st.sampled_from(ADDITIVE), min_size=2, max_size=2, unique=True))
    smallest = data.draw(st.booleans())
    best = part.find_best(Aim(one, smallest))
    if not kept:
        assert best is None
    else:
        assert best is not None
        assert Listed(*best) in kept
        assert best.figures[one] == (min if smallest else max)(values_of(kept, one))
    front = part.find_front((Aim(one, smallest), Aim(other, not smallest)))
    assert all(Listed(*found) in kept for found in front)
    assert [(found.figures[one], found.figures[other]) for found in front] == find_front(kept, one, other, smallest)


def draw_limit(data: st.DataObject, name: str, values: Sequence[int]) -> Limit:
    """Draw a limit that has a maximum, a minimum or, unless it is on the peak memory, both."""
    ends = sorted(data.draw(st.lists(st.sampled_from(values), min_size=2, max_size=2)))
    kind = "max" if name == "peak_memory" else data.draw(st.sampled_from(["max", "max", "min", "both"]))
    return Limit(name, ends[0] if kind != "max" else None, ends[1] if kind != "min" else None, ())


def is_within(value: int, limit: Limit) -> bool:
    return (limit.minimum is None or limit.minimum <= value) and (limit.maximum is None or value <= limit.maximum)


def find_front(listed: Sequence[Listed], one: str, other: str, smallest: bool) -> list[tuple[int, int]]:
    """Return the pairs that no other pair dominates, by comparing each with all others."""
    sign = 1 if smallest else -1
    pairs = {(sign * first.figures[one], -sign * first.figures[other]) for first in listed}
    kept = [pair for pair in pairs if not any(two != pair and two[0] <= pair[0] and two[1] <= pair[1] for two in pairs)]
    return [(sign * first, -sign * second) for first, second in sorted(kept)]


UNIT = """
space:
  depth: [1, 2, 3]
  kernel: {choices: [1, 3], per: copy}
input: [4, 8, 8]
layers:
  - conv: {out_channels: 4, kernel_size: $kernel, padding: same, repeat: $depth}
"""


def test_a_space_has_a_network_for_each_way_to_choose() -> None:
    """Two kernels per copy: 2 + 4 + 8."""
    assert read(UNIT).restrict([]).count() == 14
    assert read(UNIT, depth=2).restrict([]).count() == 4
    assert read(UNIT, depth=2, kernel=[3, 1]).restrict([]).count() == 1
    assert read(UNIT.replace("[1, 2, 3]", "[2, 1, 3]"), kernel=[3, 1]).restrict([]).count() == 1  # with two copies


# the 0.1% quantiles of chi² with 13 and 8 degrees of freedom
@pytest.mark.parametrize(("limits", "critical"), [([], 34.53), ([at_most("params", 200)], 26.12)])
def test_networks_are_drawn_uniformly(limits: list[Limit], critical: float) -> None:
    kept = [one.params for one in list_networks(UNIT, 100) or () if not limits or one.figures["params"] <= 200]
    number = 1_000 * len(kept)
    drawn = Counter(name(found.params) for found in read(UNIT).restrict(limits).draw(number, seed=7))
    assert set(drawn) == {name(params) for params in kept}
    chi = sum((count - 1_000) ** 2 / 1_000 for count in drawn.values())
    assert len(kept) == (9 if limits else 14)
    assert chi < critical


def test_networks_are_drawn_uniformly_from_rounded_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few bytes for slots, figures are rounded and networks beyond the limit are drawn again."""
    monkeypatch.setattr("convcalc.space.sampling._FEW_SUMS", 0)
    monkeypatch.setattr("convcalc.space.sampling._MOST_STORED_BYTES", 12)
    kept = [one.params for one in list_networks(UNIT, 100) or () if one.figures["params"] <= 200]
    drawn = Counter(name(found.params) for found in read(UNIT).restrict([at_most("params", 200)]).draw(9_000, seed=3))
    assert set(drawn) == {name(params) for params in kept}
    assert sum((count - 1_000) ** 2 / 1_000 for count in drawn.values()) < 26.12


def test_the_same_seed_draws_the_same_networks() -> None:
    part = read(UNIT).restrict([])
    assert part.draw(10, seed=4) == part.draw(10, seed=4) != part.draw(10, seed=5)


@settings(max_examples=15, deadline=None)
@given(spaces(), st.integers(8, 4096))
def test_slots_count_what_dicts_count(text: str, stored: int) -> None:
    """Spaces this small use dicts; here they use slots, exact and rounded."""
    listed = list_or_reject(text)
    graph = read(text).graph
    for name in ("params", "macs", "peak_memory")[:2]:
        values = values_of(listed, name)
        exact = Slots(graph, Bound(name), graph.start)
        sums = SlotSums(exact.fill(), exact.tops[graph.start], exact.width)
        for value in values:
            assert sums.add_first((value - min(values)) // exact.divisor + 1) == sum(one <= value for one in values)
        if len(graph.steps) * exact.width > stored:
            continue
        rounded = Slots(graph, Bound(name), graph.start)
        rounded.coarsen(stored)
        sums = SlotSums(rounded.fill(), rounded.tops[graph.start], rounded.width)
        for value in values:
            found = sums.add_first((value - min(values)) // rounded.divisor + 1)
            least = sum(one <= value for one in values)
            # a network counts at its rounded figure, which is lower by at most the error and the rest of the slot
            assert least <= found <= sum(one <= value + rounded.find_error() + rounded.divisor for one in values)


@settings(max_examples=10, deadline=None)
@given(spaces(), st.integers(8, 4096), st.data())
def test_a_grid_of_slots_counts_and_draws_what_is_within_several_limits(
    text: str, stored: int, data: st.DataObject
) -> None:
    """Spaces this small use dicts; here they use a grid of slots, exact and rounded."""
    listed = list_or_reject(text)
    graph = read(text).graph
    names = data.draw(st.lists(st.sampled_from(["params", "macs", "layers"]), min_size=1, max_size=3, unique=True))
    limits = [draw_limit(data, name, values_of(listed, name)) for name in names]
    bounds = [
        Bound(
            limit.metric,
            -inf if limit.minimum is None else limit.minimum,
            inf if limit.maximum is None else limit.maximum,
        )
        for limit in limits
    ]
    peak = data.draw(st.sampled_from(values_of(listed, "peak_memory")))
    limited = graph.limit_peak(peak)
    assert limited is not None
    graph = limited
    limits.append(at_most("peak_memory", peak))
    kept = [one for one in listed if all(is_within(one.figures[limit.metric], limit) for limit in limits)]
    assert SlotGrid(graph, bounds).count() == len(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convcalc.space.sampling._FEW_SUMS", 0)
        patch.setattr("convcalc.space.sampling._MOST_STORED_BYTES", stored)
        patch.setattr("convcalc.space.sampling._DRAWN_TO_ESTIMATE", 200)
        sampler = Sampler(graph, bounds, Random(1))
        if sampler.is_empty:
            assert not kept
        elif len(kept) * 10 > len(listed):  # with fewer, none of the 200 draws might be within the limits
            estimate = sampler.estimate()
            # wider than the interval of 95%, which would exclude the number in one of twenty spaces
            spread = 4 * (estimate.high - estimate.low) + 1
            assert estimate.low - spread <= len(kept) <= estimate.high + spread
            assert sampler.draw()


def test_sums_of_slots_are_exact_in_long_sums() -> None:
    counts = [(index * 7919) % 251 for index in range(1000)]
    slots = sum(count << (24 * index) for index, count in enumerate(counts))
    sums = SlotSums(slots, len(counts), 3)
    assert [sums.add_first(number) for number in range(1001)] == [sum(counts[:number]) for number in range(1001)]
    assert sums.add_first(5000) == sum(counts)


def test_slots_from_a_middle_node_on_give_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcalc.space.counting._FEW_SUMS", 0)
    monkeypatch.setattr("convcalc.space.counting._BYTES_OF_A_SUM", -1_000)  # as many sums as possible
    text = UNIT + 2 * UNIT[UNIT.index("  - conv") :]
    listed = list_networks(text, 5_000)
    assert listed is not None
    values = values_of(listed, "macs")
    counts = FigureCounts(read(text).graph, "macs")
    assert {value: counts.count_at_most(value) for value in values} == {
        value: sum(one <= value for one in values) for value in values
    }
    assert counts.count_within(Bound("macs", values[0], inf)) == sum(value >= values[0] for value in values)


COUPLED = """
space:
  growth: {choices: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512], per: copy}
input: [3, 8, 8]
layers:
  - conv: {out_channels: $growth, kernel_size: 1, repeat: 12, name: body}
  - concat: [body.*, previous]
"""


def test_a_space_with_too_many_states_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcalc.space.exploring.MOST_STATES_OF_A_PLACE", 300)
    with pytest.raises(Coupled, match=r"has too many states: .* the output shape of 'body'") as caught:
        read(COUPLED)
    assert caught.value.problem.path[0] == "layers"


def test_copies_that_are_known_are_not_expanded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that, 200 copies with 3 choices would take 400 expansions of 100 layers each."""
    monkeypatch.setattr("convcalc.space.exploring.MOST_LAYERS_EXPANDED", 2_000)
    copies = {"conv": {"out_channels": 4, "kernel_size": "$kernel", "padding": "same", "repeat": 200}}
    text = json.dumps({"space": {"kernel": {"choices": [1, 3, 5], "per": "copy"}}, "input": [4, 8], "layers": [copies]})
    space = read(text)
    assert space.restrict([]).count() == 3**200
    assert sum_figure(space.graph, "params") == 3**200 * (200 * 4 * (4 * (1 + 3 + 5) // 3 + 1))


def test_choices_that_make_the_network_invalid_are_not_counted() -> None:
    layer = {"conv": {"out_channels": 1, "kernel_size": "$kernel", "repeat": 2}}
    choices = {"choices": [1, 3, 5], "per": "copy"}
    space = read(json.dumps({"space": {"kernel": choices}, "input": [1, 5], "layers": [layer]}))
    assert space.restrict([]).count() == 6  # 1-1 1-3 1-5 3-1 3-3 5-1
    assert all(one.params["kernel"] in ([3, 5], [5, 3], [5, 5]) for one in space.invalid)
    assert all("does not fit" in one.problem.message for one in space.invalid)
    assert space.invalid


def test_a_network_of_a_space_is_that_of_its_values() -> None:
    for found in read(UNIT).restrict([]).draw(20, seed=2):
        assert measure(UNIT, found.params) == Listed(*found)
