"""Groups: the layers that each block, sequence, branch and repeat contains, and the names visible inside them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.specs import load, names, place, place_of, problem, refused

BLOCKS = {"pair": {"layers": ["relu", "tanh"]}}


def spec(*layers: Any, **top: Any) -> dict[str, Any]:
    return {"input": [4, 8], "layers": list(layers), **top}


def groups(*layers: Any, **top: Any) -> set[tuple[Any, ...]]:
    """Name, word, first layer, layer after the last, number of the output tensor (0 is the input), and copies."""
    found = [(g.name, g.word, g.start, g.stop, g.output, g.copies) for g in load(spec(*layers, **top)).groups]
    assert len(found) == len(set(found))
    return set(found)


def test_every_scope_is_a_group_of_its_layers() -> None:
    layers = [
        {"pair": {"name": "a"}},  # layers 0, 1
        {"sequence": ["relu", {"pair": {"repeat": 2}}], "name": "s"},  # 2; 3, 4 and 5, 6
        {"branches": [["relu"], [], ["tanh", "relu"]], "merge": "add", "name": "b"},  # 7; 8, 9; 10 adds
        {"relu": {"repeat": 3, "when": "$(index != 1)", "name": "r"}},  # 11, 12
    ]
    assert len(load(spec(*layers, blocks=BLOCKS)).nodes) == 13
    assert groups(*layers, blocks=BLOCKS) == {
        ("a", "pair", 0, 2, 2, None),
        ("s", "sequence", 2, 7, 7, None),
        ("s.pair1", "pair", 3, 7, 7, 2),
        ("s.pair1.0", "pair", 3, 5, 5, None),
        ("s.pair1.1", "pair", 5, 7, 7, None),
        ("b", "branches", 7, 11, 11, None),
        ("b.0", "branch", 7, 8, 8, None),
        ("b.2", "branch", 8, 10, 10, None),
        ("r", "relu", 11, 13, 13, 2),
    }


def test_a_scope_without_layers_is_not_a_group() -> None:
    disabled = {"relu": {"when": False}}
    assert groups("tanh", {"sequence": [disabled]}, {"sequence": [disabled], "repeat": 2}) == {}.keys()
    assert groups("tanh", {"relu": {"repeat": 0}}, {"relu": {"repeat": 2, "when": False}}) == {}.keys()


def test_a_group_is_named_after_the_kind_that_its_parameter_selects() -> None:
    params = {"act": "gelu", "blk": "pair"}
    assert groups({"$act": {"repeat": 2}}, {"$blk": {"repeat": 1}}, params=params, blocks=BLOCKS) == {
        ("gelu1", "gelu", 0, 2, 2, 2),
        ("pair1", "pair", 2, 4, 4, 1),
        ("pair1.0", "pair", 2, 4, 4, None),
    }


def test_the_use_of_a_block_keeps_its_name_and_the_values_of_its_parameters() -> None:
    conv = {"pointwise_conv": {"out_channels": "$width"}}
    inner = {"params": {"width": 4}, "layers": [conv]}
    outer = {
        "params": {"width": None, "half": "$(width // 2)", "sizes": [1, 2]},
        "layers": [{"inner": {"width": "$half"}}, "inner"],
    }
    layers = [
        {"outer": {"width": "$wide", "name": "a"}},
        {"outer": {"width": 16, "name": "b"}},  # as the first: its layers are copied
        {"sequence": [{"$which": {"width": "$(index + 1)"}}], "repeat": 2, "name": "s"},
        {"branches": [["inner"], ["inner"]], "merge": "add"},
        {"inner": {"repeat": 2, "width": "$(8 if index == 0 else 6)", "name": "r"}},
    ]
    top = {"params": {"wide": 16, "which": "inner"}, "blocks": {"inner": inner, "outer": outer}}
    found = {group.name: (group.block, dict(group.parameters)) for group in load(spec(*layers, **top)).groups}
    used = {"width": 16, "half": 8, "sizes": [1, 2]}
    plain: tuple[None, dict[str, Any]] = (None, {})
    assert found == {
        "a": ("outer", used),
        "a.inner1": ("inner", {"width": 8}),
        "a.inner2": ("inner", {"width": 4}),
        "b": ("outer", used),
        "b.inner1": ("inner", {"width": 8}),
        "b.inner2": ("inner", {"width": 4}),
        "s": plain,
        "s.0": plain,
        "s.0.inner1": ("inner", {"width": 1}),
        "s.1": plain,
        "s.1.inner1": ("inner", {"width": 2}),
        "branches1": plain,
        "branches1.0": plain,
        "branches1.0.inner1": ("inner", {"width": 4}),
        "branches1.1": plain,
        "branches1.1.inner1": ("inner", {"width": 4}),
        "r": plain,
        "r.0": ("inner", {"width": 8}),
        "r.1": ("inner", {"width": 6}),
    }


def test_entries_of_different_kinds_are_numbered_separately() -> None:
    params = {"act": "relu"}
    assert names(spec("$act", "tanh", "relu", "$act", "tanh", params=params)) == [
        "relu1", "tanh1", "relu2", "relu3", "tanh2"
    ]  # fmt: skip


# -- names visible inside a block


def test_the_index_of_a_repeat_is_not_visible_inside_a_block() -> None:
    """A sequence can use the index of the repeat around it; a block can use only its own parameters."""
    conv = {"pointwise_conv": {"out_channels": "$(index + 1)"}}
    channels = [node.layer.output.channels for node in load(spec({"sequence": [conv], "repeat": 3})).nodes]
    assert channels == [1, 2, 3]
    found = problem(spec({"b": {"repeat": 3}}, blocks={"b": {"layers": [conv]}}))
    assert "index" in found.message


def test_a_block_cannot_use_names_around_it() -> None:
    found = problem(spec({"relu": {"name": "outside"}}, "b", blocks={"b": {"layers": [{"tanh": {"from": "outside"}}]}}))
    assert "outside" in found.message


def test_a_frozen_scope_freezes_all_within_it() -> None:
    conv = {"pointwise_conv": {"out_channels": 2}}
    blocks = {"b": {"layers": [conv, {"sequence": [conv]}]}}
    inner = {"branches": [[conv], ["b"]], "merge": "add"}
    layers = [conv, {"sequence": [inner, "b"], "frozen": True}, {"b": {"frozen": True, "repeat": 2}}, "b"]
    frozen = [node.frozen for node in load(spec(*layers, blocks=blocks)).nodes if node.layer.kind == "pointwise_conv"]
    assert frozen == [False] + [True] * (1 + 2 + 2) + [True] * 4 + [False] * 2


# -- where a mistake is reported

DYNAMIC = """
input: [4, 8]
params: {which: narrow}
blocks:
  narrow:
    params: {channels: , kernel: 1}
    layers:
      - conv: {out_channels: $channels, kernel_size: $kernel}
layers:
  - USE
"""


def test_a_block_selected_by_a_parameter_needs_its_required_parameters() -> None:
    text = DYNAMIC.replace("USE", "$which: {kernel: 3}")
    found = problem(text)
    assert (found.code, place(found)) == ("CV012", place_of(text, "$which: {"))
    assert "narrow here; narrow needs channels" in found.message


def test_a_block_selected_by_a_parameter_takes_no_other_arguments() -> None:
    text = DYNAMIC.replace("USE", "$which: {channels: 2, width: 3}")
    found = problem(text)
    assert (found.code, place(found)) == ("CV010", place_of(text, "width"))
    [node] = load(DYNAMIC.replace("USE", "$which: {channels: 2, kernel: 3}")).nodes
    assert node.layer.output.sizes == (2, 6)


@pytest.mark.parametrize(
    ("entries", "second"),
    [
        ("[relu: {name: a}, tanh: {name: a}]", "a}]"),
        ("[tanh: {name: relu1}, relu: {}]", "relu: {}]"),
    ],
)
def test_the_second_of_two_equal_names_is_reported_at_its_location(entries: str, second: str) -> None:
    """At the name, or for an automatic name at the kind."""
    text = f"input: [4, 8]\nlayers: {entries}\n"
    found = problem(text)
    assert (found.code, place(found)) == ("CV015", place_of(text, second))


def test_the_name_of_a_disabled_entry_may_be_used_again() -> None:
    disabled = {"relu": {"name": "a", "when": False}}
    enabled = {"tanh": {"name": "a"}}
    for layers in ([disabled, enabled], [enabled, disabled], [disabled, disabled, enabled]):
        assert names(spec(*layers, {"gelu": {"from": "a"}})) == ["a", "gelu1"]
    assert [found.code for found in refused(spec(disabled, enabled, enabled))] == ["CV015"]


@pytest.mark.parametrize(("length", "fits"), [(200, True), (201, False)])
def test_a_name_may_have_200_characters(length: int, fits: bool) -> None:
    entry = {"relu": {"name": "a" * length}}
    if fits:
        assert names(spec(entry)) == ["a" * length]
    else:
        found = problem(spec(entry))
        assert (found.code, found.hint) == ("CV015", "use at most 200 characters")


def test_a_wrong_name_of_200_characters_is_not_too_long() -> None:
    found = problem({"input": [2], "layers": [{"relu": {"name": "1" * 200}}]})
    assert (found.code, found.hint) == ("CV015", "use a letter, then letters, digits, _ and -")
