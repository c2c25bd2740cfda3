"""The limits of an expanded network, on both sides: exactly at the limit is fine, one more is refused.

The limits on entries and layers are lowered here so that they are reached quickly; the manual states the real ones.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

import convcalc
from convcalc import network
from convcalc.manual import read_page
from convcalc.spec import draft, expand
from tests.support.specs import load, problem, said

Entries = list[Any]


def test_the_limits_are_those_in_the_manual() -> None:
    [limits] = re.findall(
        r"^To make it safe to open untrusted files, .*?\.$",
        read_page("limits-and-security"),
        re.MULTILINE | re.DOTALL,
    )
    assert f"{network.MOST_LAYERS:,} layers" in limits
    assert f"{draft.MOST_ENTRIES:,} expanded entries" in limits
    assert f"scopes {expand.MOST_SCOPES} levels deep" in limits


# -- expanded entries: those of every list that is expanded, and the copies of every repeat

THREE = {"three": {"layers": ["relu", "tanh", "sigmoid"]}}
FOUR_IN_ALL = {**THREE, "outer": {"layers": ["three"]}}  # 1 + 3
COUNTED: dict[str, tuple[dict[str, Any], Entries, int]] = {
    "one after the other": ({}, ["relu"] * 5, 5),
    "in a sequence": ({}, ["relu", {"sequence": ["relu", "relu"]}], 2 + 2),
    "in branches": ({}, [{"branches": [["relu", "relu"], ["relu"]], "merge": "add"}], 1 + 2 + 1),
    "in branches without entries": ({}, [{"branches": [["relu"], []], "merge": "add"}], 1 + 1),
    "a repeated layer": ({}, [{"relu": {"repeat": 4}}, "relu"], 2 + 4),
    "a repeated sequence": ({}, [{"sequence": ["relu", "relu"], "repeat": 3}], 1 + 3 + 3 * 2),
    "repeats within repeats": ({}, [{"sequence": [{"relu": {"repeat": 2}}], "repeat": 3}], 1 + 3 + 3 * (1 + 2)),
    "a block": (THREE, ["three"], 1 + 3),
    "a block that is used again": (THREE, ["three"] * 3, 3 + 3 * 3),
    "a repeated block": (THREE, [{"three": {"repeat": 3}}], 1 + 3 + 3 * 3),
    "a block that is used again on a condition": (THREE, [{"three": {"when": "$(1 == 1)"}}] * 3, 3 + 3 * 3),
    "a block repeated by an expression": (THREE, [{"three": {"repeat": "$(1 + 2)"}}], 1 + 3 + 3 * 3),
    "a sequence repeated by an expression": ({}, [{"sequence": ["relu", "relu"], "repeat": "$(1 + 2)"}], 1 + 3 + 3 * 2),
    "a block within a block": (FOUR_IN_ALL, ["outer"] * 2, 2 + 2 * 4),
    "disabled": ({}, [{"relu": {"when": False}}, "relu"], 2),
    "a disabled sequence": ({}, [{"sequence": ["relu"] * 9, "when": False}, "relu"], 2),
    "disabled copies": ({}, [{"relu": {"repeat": 4, "when": False}}, "relu"], 2 + 4),
    "a repeated sequence of which one copy is enabled": (
        {},
        [{"sequence": ["relu"] * 9, "repeat": 4, "when": "$(index == 0)"}],
        1 + 4 + 9,
    ),
}


def spec(blocks: dict[str, Any], layers: Entries) -> dict[str, Any]:
    return {"input": [2, 4], "blocks": blocks, "layers": layers} if blocks else {"input": [2, 4], "layers": layers}


@pytest.mark.parametrize(("blocks", "layers", "entries"), COUNTED.values(), ids=COUNTED)
def test_entries_up_to_the_limit_are_expanded_and_not_one_more(
    blocks: dict[str, Any], layers: Entries, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "MOST_ENTRIES", entries)
    assert load(spec(blocks, layers)).nodes
    monkeypatch.setattr(draft, "MOST_ENTRIES", entries - 1)
    found = problem(spec(blocks, layers))
    assert (found.code, f"more than {entries - 1} entries" in found.message) == ("CV004", True)


# -- layers

LAYERS: dict[str, tuple[dict[str, Any], Entries, int]] = {
    "one after the other": ({}, ["relu"] * 5, 5),
    "a repeated layer": ({}, [{"relu": {"repeat": 5}}], 5),
    "branches and the layer that merges them": ({}, [{"branches": [["relu"], ["relu"]], "merge": "add"}], 3),
    "a block that is used again": (THREE, ["three"] * 3, 9),
    "a block that is used again and a layer": (THREE, ["three", "three", "relu"], 7),
}


@pytest.mark.parametrize(("blocks", "layers", "count"), LAYERS.values(), ids=LAYERS)
def test_layers_up_to_the_limit_are_expanded_and_not_one_more(
    blocks: dict[str, Any], layers: Entries, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "MOST_LAYERS", count)
    assert len(load(spec(blocks, layers)).nodes) == count
    monkeypatch.setattr(draft, "MOST_LAYERS", count - 1)
    found = problem(spec(blocks, layers))
    assert (found.code, f"more than {count - 1} layers" in found.message) == ("CV004", True)


# -- nested scopes: blocks nest them deeper than a file may be nested

DEEPENING: dict[str, tuple[Any, int]] = {
    "a layer": ("relu", 0),
    "a repeated layer": ({"relu": {"repeat": 2}}, 1),
    "a sequence": ({"sequence": ["relu"]}, 1),
    "a repeated sequence": ({"sequence": ["relu"], "repeat": 2}, 2),
    "branches": ({"branches": [["relu"], ["tanh"]], "merge": "add"}, 2),
}


def nested_blocks(depth: int, inmost: Any) -> dict[str, Any]:
    """Blocks each of which uses the one before it, nested `depth` levels deep."""
    blocks: dict[str, Any] = {"b1": {"layers": [inmost]}}
    for number in range(2, depth + 1):
        blocks[f"b{number}"] = {"layers": [f"b{number - 1}"]}
    return {"input": [2, 4], "blocks": blocks, "layers": [f"b{depth}"]}


@pytest.mark.parametrize(("inmost", "scopes"), DEEPENING.values(), ids=DEEPENING)
def test_scopes_up_to_64_deep_are_expanded_and_not_one_more(inmost: Any, scopes: int) -> None:
    assert convcalc.load(nested_blocks(64 - scopes, inmost)).nodes
    found = problem(nested_blocks(65 - scopes, inmost))
    assert (found.code, "more than 64 levels deep" in said(found)) == ("CV004", True)
