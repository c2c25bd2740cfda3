"""Layers that select, move or reduce along named axes: their messages, and what they leave unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.specs import only_layer, problem


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        (
            {"slice": {"length": [0, 2]}},
            "the input of slice (4×8×9) has no length",
            "use channels, height or width",
        ),
        ({"slice": {"step": 2}}, "slice needs exactly one of channels, length, depth, height, width; got none", ""),
        (
            {"slice": {"height": [0, 2], "width": [0, 2]}},
            "slice needs exactly one of channels, length, depth, height, width; got height and width",
            "",
        ),
        (
            {"slice": {"width": [-10, -1]}},
            "slice [-10, -1] is not a range of the 9 positions of the input's width",
            "start must be before stop, and both within the size; a negative number counts from the end",
        ),
        ({"slice": {"width": [1, 2, 3]}}, "width must be a list [start, stop], or [start] for all from there on", ""),
        ({"slice": {"width": ["a", 2]}}, "each entry of width must be an integer; got 'a'", ""),
        ({"slice": {"width": [1, 2], "step": -1}}, "step must be a positive integer; got -1", ""),
    ],
)
def test_a_wrong_argument_is_explained(entry: dict[str, Any], message: str, hint: str) -> None:
    found = problem({"input": [4, 8, 9], "layers": [entry]})
    assert message in found.message
    assert (found.hint or "") == hint


def test_a_range_is_reported_with_the_numbers_that_it_stands_for() -> None:
    assert only_layer([4, 8, 9], {"slice": {"width": [-3]}})["arguments"] == {"width": [6, 9], "step": 1}
