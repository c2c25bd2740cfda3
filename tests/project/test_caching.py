"""Results are remembered for a run, and forgotten by the next one if there are many."""

from __future__ import annotations

from collections.abc import Callable

import convcalc
from convcalc import caching
from convcalc.layers.make import make_layer


def make_function() -> tuple[Callable[[int], int], list[int]]:
    """Return a function whose results are remembered, and the list of its calls."""
    calls: list[int] = []

    @caching.remember
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    return double, calls


def test_a_result_is_calculated_once() -> None:
    double, calls = make_function()
    assert [double(3), double(3), double(4)] == [6, 6, 8]
    assert calls == [3, 4]
    caching.forget()
    assert double(3) == 6
    assert calls == [3, 4, 3]


def test_nothing_is_remembered_while_the_cache_is_paused() -> None:
    double, calls = make_function()
    with caching.pause():
        assert [double(3), double(3)] == [6, 6]
    assert not caching.is_paused()
    assert len(calls) == 2


def test_a_run_remembers_more_than_is_kept_for_the_next_one() -> None:
    double, calls = make_function()
    count = caching.MOST_KEPT + 1
    for _ in range(2):
        for number in range(count):
            double(number)
    assert len(calls) == count
    caching.begin_run()
    double(0)
    assert len(calls) == count + 1


def test_equal_layers_of_two_networks_are_the_same_object() -> None:
    spec = {"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}, "relu"]}
    one, other = convcalc.load(spec), convcalc.load(dict(spec))
    assert one.nodes[0].layer is other.nodes[0].layer
    assert make_layer.__wrapped__ is not make_layer  # type: ignore[attr-defined]
