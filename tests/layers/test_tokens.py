"""Tokens of a map and a map of tokens: shapes, refusals, and the receptive field of each token."""

from __future__ import annotations

from typing import Any

import pytest

import convcalc
from convcalc.analysis.field_region import find_region
from tests.support.specs import memory, only_layer, problem, report, said

PATCHES: dict[str, Any] = {"conv": {"out_channels": 6, "kernel_size": 4, "stride": 4}}


@pytest.mark.parametrize(("shape", "tokens"), [([6, 5], 5), ([6, 5, 4], 20), ([6, 5, 4, 3], 60)])
def test_every_position_becomes_a_token(shape: list[int], tokens: int) -> None:
    layer = only_layer(shape, "tokens")
    assert (layer["output_shape"], layer["params"], layer["flops"]) == ([6, tokens], 0, 0)


def test_tokens_become_a_map_of_the_size_of_a_layer() -> None:
    layers = [{"conv": {"out_channels": 6, "kernel_size": 1, "name": "before"}}, "tokens", {"map": {"like": "before"}}]
    assert report({"input": [3, 5, 4], "layers": layers})["layers"][-1]["output_shape"] == [6, 5, 4]


@pytest.mark.parametrize(
    ("shape", "entry", "message"),
    [
        ([6, 20], {"map": [5, 5]}, "6×5×5 has 25 positions, but the input 6×20 has 20 tokens"),
        ([6, 5, 4], {"map": [5, 4]}, "map needs tokens (C×N), but its input is 6×5×4"),
        ([6, 20], {"map": {}}, "map needs exactly one of size, like; got none"),
        ([6, 20], {"map": 5}, "size must be a list of 2 to 3 positive integers; got 5"),
        ([6, 20], {"map": [20]}, "size must be a list of 2 to 3 positive integers; got the list [20]"),
    ],
)
def test_a_map_that_cannot_be_made_is_refused(shape: list[int], entry: dict[str, Any], message: str) -> None:
    assert said(problem({"input": shape, "layers": [entry]})).startswith(message)


@pytest.mark.parametrize(("tokens", "hint"), [(17, "remove a class token with crop before map"), (18, ""), (15, "")])
def test_a_class_token_must_be_removed_before_map(tokens: int, hint: str) -> None:
    """Only one token more than positions can be a class token."""
    assert problem({"input": [6, tokens], "layers": [{"map": [4, 4]}]}).hint == hint


@pytest.mark.parametrize(("entry", "argument"), [({"size": [4, 4]}, "size"), ({"like": "before"}, "like")])
def test_a_map_of_the_wrong_size_is_reported_at_the_argument_that_gives_it(
    entry: dict[str, Any], argument: str
) -> None:
    before = {"conv": {"out_channels": 6, "kernel_size": 1, "name": "before"}}
    layers = [before, "tokens", {"crop": {"amount": [[1, 1]]}}, {"map": entry}]
    assert problem({"input": [3, 4, 4], "layers": layers}).path == ("layers", 3, "map", argument)


def test_a_token_has_the_receptive_field_of_its_position() -> None:
    spec = {"input": [3, 32, 24], "layers": [PATCHES, "tokens", {"layernorm": {"axes": "channels"}}]}
    found = convcalc.analyse(convcalc.load(spec))
    for token in range(8 * 6):
        row, column = divmod(token, 6)
        region = find_region(found, 2, (token,))
        assert region.clipped == ((4 * row, 4 * row + 3), (4 * column, 4 * column + 3))


def test_a_map_of_tokens_has_the_receptive_fields_of_the_map_before() -> None:
    conv = {"conv": {"out_channels": 6, "kernel_size": 3}}
    between = ["tokens", "relu", {"add": {"from": ["relu1", "tokens1"]}}, {"map": [8, 6]}]
    fields = report({"input": [3, 32, 24], "layers": [PATCHES, *between, conv]})["layers"]
    without = report({"input": [3, 32, 24], "layers": [PATCHES, conv]})["layers"]
    assert fields[-1]["receptive_field"] == without[-1]["receptive_field"]


@pytest.mark.parametrize(
    "layers", [["tokens", {"map": [6, 8]}], ["tokens", {"conv": {"out_channels": 1, "kernel_size": 3}}]]
)
def test_the_receptive_field_of_rearranged_tokens_is_unknown(layers: list[Any]) -> None:
    fields = report({"input": [3, 32, 24], "layers": [PATCHES, *layers]})["layers"]
    assert fields[-1]["receptive_field"] is None or fields[-1]["receptive_field"]["size"] is None


@pytest.mark.parametrize(("shape", "entry"), [([2, 4, 4], "tokens"), ([2, 16], {"map": [4, 4]})])
def test_tokens_and_maps_are_views_without_memory_of_their_own(shape: list[int], entry: Any) -> None:
    assert memory(only_layer(shape, entry))["live"] == 2 * 16 * 4


def test_a_pooling_of_tokens_depends_on_the_positions_that_they_come_from() -> None:
    layers = [{"crop": {"amount": [[0, 8], 0]}}, "tokens", {"global_avgpool": {"keepdims": False}}]
    fields = report({"input": [3, 32, 24], "layers": layers})["layers"]
    assert fields[-1]["receptive_field"]["size"] == [24, 24]
