"""Layers that select, move or reduce along named axes: their messages, and what they leave unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.specs import only_layer, problem, report


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
        (
            {"fold": {"kernel_size": 2, "output_size": 12}},
            "output_size 12 has 11 windows, but the input's height is 8 (input 4×8×9)",
            "",
        ),
        (
            {"reshape": {"shape": [5, -1]}},
            "shape needs a multiple of 5 elements, but the input 4×8×9 has 288",
            "",
        ),
        ({"reshape": {"shape": [5, 7]}}, "shape needs 5 × 7 = 35 elements, but the input 4×8×9 has 288", ""),
        (
            {"fold": {"kernel_size": 5, "output_size": 2}},
            "output_size 2 has 0 windows, but the input's height is 8 (input 4×8×9)",
            "",
        ),
        (
            {"fold": {"kernel_size": 3, "output_size": [10, 11]}},
            "kernel_size with 9 taps: 9 does not divide the 4 input channels",
            "",
        ),
        ({"unfold": {"kernel_size": 10}}, "kernel of 10 does not fit the input's height of 8", "output size: floor("),
        (
            {"conv": {"out_channels": 4, "kernel_size": 1, "groups": 4, "weight_standardized": True}},
            "weight_standardized needs more than one weight per output channel",
            "",
        ),
        (
            {"deform_conv": {"out_channels": 4, "kernel_size": 3, "offset_groups": 3}},
            "offset_groups 3 does not divide the 4 input channels",
            "",
        ),
        ({"deform_conv": {"out_channels": 4}}, "deform_conv needs kernel_size", "add it, as in"),
        ({"mean": {"axes": []}}, "axes must be one of channels, length, depth, height or width, or a list of them", ""),
        ({"mean": ["height", "heigth"]}, "each entry of axes must be channels, length, depth, height or width", ""),
        ({"sum": ["width", "width"]}, "axes lists an axis twice: width, width", ""),
        ({"mean": "length"}, "the input of mean (4×8×9) has no length", "use channels, height or width"),
        ({"std": {"axes": "height", "correction": 8}}, "std of 8 values needs a correction below that; got 8", ""),
        (
            {"permute": ["height", "width"]},
            "order must list every axis of the input (4×8×9) once: channels, height, width; got height, width",
            "",
        ),
    ],
)
def test_a_wrong_argument_is_explained(entry: dict[str, Any], message: str, hint: str) -> None:
    found = problem({"input": [4, 8, 9], "layers": [entry]})
    assert message in found.message
    assert (found.hint or "").startswith(hint)
    assert bool(found.hint) == bool(hint)


def test_a_range_is_reported_with_the_numbers_that_it_stands_for() -> None:
    assert only_layer([4, 8, 9], {"slice": {"width": [-3]}})["arguments"] == {"width": [6, 9], "step": 1}


def test_glu_needs_an_even_number_of_channels() -> None:
    found = problem({"input": [3, 8], "layers": ["glu"]})
    assert found.message == "glu needs an even number of channels, but its input has 3 (3×8)"


CONV = {"conv": {"out_channels": 4, "kernel_size": 3}}


@pytest.mark.parametrize(
    "entry", [{"permute": ["channels", "width", "height"]}, {"mean": {"axes": "height", "keepdims": False}}]
)
def test_the_receptive_field_is_unknown_where_positions_mean_something_else(entry: dict[str, Any]) -> None:
    found = report({"input": [4, 8, 9], "layers": [CONV, entry, "relu"]})["layers"]
    assert [layer["receptive_field"]["size"] for layer in found[1:]] == [None, None]
    whole = report({"input": [4, 8, 9], "layers": [CONV, entry, "global_avgpool"]})["layers"]
    assert whole[-1]["receptive_field"]["global"]


def test_a_part_of_a_flattened_map_that_becomes_a_map_again_has_an_unknown_field() -> None:
    """Features 4 to 11 of 2×8 are the last positions of one channel and the first of the other."""
    layers: list[Any] = ["flatten", {"slice": {"channels": [4, 12]}}, {"reshape": {"shape": [1, 8]}}]
    assert report({"input": [2, 8], "layers": layers})["layers"][-1]["receptive_field"]["size"] is None


def test_a_part_of_a_permuted_map_depends_on_an_unknown_part_of_the_input() -> None:
    layers = [{"permute": ["channels", "width", "height"]}, {"crop": [2, 0]}, "global_avgpool"]
    assert report({"input": [4, 8, 9], "layers": layers})["layers"][-1]["receptive_field"]["size"] is None


def test_the_axis_that_a_mean_keeps_still_has_positions() -> None:
    """The mean of a column depends on all 8 rows; a convolution over the columns depends on 3 of them."""
    layers: list[Any] = [{"mean": {"axes": "height"}}, {"conv": {"out_channels": 4, "kernel_size": [1, 3]}}]
    found = report({"input": [4, 8, 9], "layers": layers})["layers"]
    assert [layer["receptive_field"]["size"] for layer in found] == [[8, 1], [8, 3]]


def test_a_permutation_that_moves_nothing_keeps_the_receptive_field() -> None:
    layers = [CONV, {"permute": ["channels", "height", "width"]}]
    assert report({"input": [4, 8, 9], "layers": layers})["layers"][1]["receptive_field"]["size"] == [3, 3]


def test_a_deformable_convolution_needs_two_axes_and_has_an_unknown_field() -> None:
    entry = {"deform_conv": {"out_channels": 4, "kernel_size": 3}}
    found = problem({"input": [4, 9], "layers": [entry]})
    assert found.message == "deform_conv needs an input with two spatial axes; this one has 1 (4×9)"
    layer = report({"input": [4, 9, 9], "layers": [entry]})["layers"][0]
    assert layer["receptive_field"]["size"] is None
