"""The rules of the spec format: the file, entries and their options, names and scopes, blocks, branches, limits."""

from __future__ import annotations

import re
from typing import Any

import pytest

from convcalc.layers import KINDS
from convcalc.spec.entries import make_default_name
from tests.support.specs import (
    load,
    memory,
    names,
    place,
    place_of,
    places,
    problem,
    reads,
    refused,
    report,
    said,
    shapes,
)

INPUT = "input: [4, 8, 8]\n"
PW8 = {"pointwise_conv": {"out_channels": 8}}


def net(*layers: Any, **top: Any) -> dict[str, Any]:
    return {"input": [4, 8, 8], "layers": list(layers), **top}


def paths(spec: Any) -> list[tuple[str | int, ...]]:
    return [found.path for found in refused(spec)]


def related(found: Any) -> list[tuple[str | int, ...]]:
    return [one.path for one in found.related]


def find_kinds_with_numbers() -> list[tuple[str, int]]:
    """Return kinds and numbers that together spell another kind, such as relu and 6."""
    spelt = [re.fullmatch(r"(.*?)([1-9][0-9]*)", name) for name in KINDS]
    return [(found[1], int(found[2])) for found in spelt if found is not None and found[1] in KINDS]


# -- the file


MOBILENET = """
params: {width: 1.0, size: 224}
input: {channels: 3, height: $size, width: $size}
blocks:
  separable:
    params: {out_channels: , stride: 1}
    layers:
      - depthwise_conv: {kernel_size: 3, stride: $stride, padding: 1, bias: false}
      - batchnorm
      - relu
      - pointwise_conv: {out_channels: $out_channels, bias: false}
      - batchnorm
      - relu
layers:
  - conv: {out_channels: $(round8(32 * width)), kernel_size: 3, stride: 2, padding: 1, bias: false}
  - batchnorm
  - relu
  - separable: {out_channels: $(round8(64 * width))}
  - separable: {out_channels: $(round8(128 * width)), stride: $(2 if index == 0 else 1), repeat: 2}
  - separable: {out_channels: $(round8(256 * width)), stride: $(2 if index == 0 else 1), repeat: 2}
  - separable: {out_channels: $(round8(512 * width)), stride: $(2 if index == 0 else 1), repeat: 6, name: middle}
  - separable: {out_channels: $(round8(1024 * width)), stride: $(2 if index == 0 else 1), repeat: 2}
  - global_avgpool
  - flatten
  - linear: {out_features: 1000}
"""


def test_the_documented_example_has_its_figures() -> None:
    totals = report(MOBILENET)["totals"]
    assert (totals["params"], totals["macs"]) == (4_231_976, 568_740_352)


def test_a_wrong_size_of_an_axis_names_its_own_expression_in_any_order_of_the_axes() -> None:
    found = problem({"input": {"width": "$(2 - 2)", "channels": 3, "height": "$(4 + 4)"}, "layers": ["relu"]})
    assert (found.path, found.hint) == (("input", "width"), "the value comes from $(2 - 2)")


def test_a_param_is_overridden_from_outside() -> None:
    found = report(MOBILENET, params={"width": 0.5, "size": 160})
    assert found["inputs"] == {"input": [3, 160, 160]}
    assert found["layers"][0]["output_shape"] == [16, 80, 80]


def test_an_override_of_an_unknown_param_is_refused() -> None:
    assert "width" in said(problem(MOBILENET, params={"widht": 1}))


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ([7], [7]),
        ([3, 9], [3, 9]),
        ([3, 8, 9], [3, 8, 9]),
        ([3, 7, 8, 9], [3, 7, 8, 9]),
        ({"features": 7}, [7]),
        ({"length": 9, "channels": 3}, [3, 9]),
        ({"width": 9, "height": 8, "channels": 3}, [3, 8, 9]),
        ({"width": 9, "channels": 3, "depth": 7, "height": 8}, [3, 7, 8, 9]),
        (["$(1 + 2)", "$n", 9], [3, 8, 9]),
        ({"channels": 3, "height": "$n", "width": "$(n + 1)"}, [3, 8, 9]),
    ],
)
def test_an_input_is_a_list_or_a_mapping_of_axes(written: Any, shape: list[int]) -> None:
    assert report({"params": {"n": 8}, "input": written, "layers": ["relu"]})["inputs"] == {"input": shape}


@pytest.mark.parametrize(
    "written",
    [
        [],
        [3, 8, 8, 8, 8],
        [0, 8],
        [3, -1],
        [3, 8.0, 8],
        [3, "8", 8],
        [3, True, 8],
        3,
        "3, 8, 8",
        {"channels": 3},
        {"channels": 3, "height": 8},
        {"channels": 3, "length": 8, "width": 8},
        {"height": 8, "width": 8},
        {"features": 3, "channels": 3},
        {"channels": 3, "height": 8, "width": 8, "size": 8},
        {},
        ["$(7 / 2)", 8],
        ["$nope", 8],
    ],
)
def test_invalid_inputs_are_refused(written: Any) -> None:
    assert problem({"input": written, "layers": ["relu"]}).path[0] == "input"


def test_several_inputs_are_named() -> None:
    spec = {"inputs": {"left": [3, 8], "right": [5, 8]}, "layers": [{"concat": {"from": ["right", "left"]}}]}
    found = report(spec)
    assert (found["inputs"], found["outputs"]) == ({"left": [3, 8], "right": [5, 8]}, {"concat1": [8, 8]})
    assert reads(spec) == {"concat1": ["right", "left"]}


@pytest.mark.parametrize("entry", ["relu", {"add": {"from": ["input", "left"]}}, {"relu": {"from": "previous"}}])
def test_with_several_inputs_the_first_entry_needs_from(entry: Any) -> None:
    spec = {"inputs": {"left": [3, 8], "right": [3, 8]}, "layers": [entry]}
    assert "left" in said(problem(spec))


def test_after_the_first_entry_previous_is_the_entry_before() -> None:
    spec = {
        "inputs": {"left": [3, 8], "right": [3, 8]},
        "layers": [{"relu": {"from": "right"}}, "tanh", {"add": {"from": ["previous", "left"]}}],
    }
    assert reads(spec) == {"relu1": ["right"], "tanh1": ["relu1"], "add1": ["tanh1", "left"]}


@pytest.mark.parametrize("name", ["input", "previous", "1a", "a b", "", "é", "a.b", "_a"])
def test_the_name_of_an_input_is_unique(name: str) -> None:
    spec = {"inputs": {name: [3, 8], "right": [3, 8]}, "layers": [{"relu": {"from": "right"}}]}
    assert problem(spec).path == ("inputs", name)


@pytest.mark.parametrize("top", [{"inputs": {"a": [3]}, "input": [3]}, {"inputs": {}}, {"inputs": [[3]]}, {}])
def test_a_spec_has_either_input_or_inputs(top: dict[str, Any]) -> None:
    assert len(refused({**top, "layers": ["relu"]})) >= 1


BITS = {
    "float64": 64,
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "float8": 8,
    "int32": 32,
    "int16": 16,
    "int8": 8,
    "int4": 4,
    "int2": 2,
    "int1": 1,
    "uint32": 32,
    "uint16": 16,
    "uint8": 8,
    "uint4": 4,
    "uint2": 2,
    "uint1": 1,
}


@pytest.mark.parametrize("dtype", BITS)
def test_a_data_type_has_its_bits(dtype: str) -> None:
    layer = report(net("relu", dtype=dtype))["layers"][0]
    assert layer["input_memory"] == 4 * 8 * 8 * BITS[dtype] // 8


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int8", ("int8", "int8", "int32")),
        ("float16", ("float16", "float16", "float16")),
        ({"weights": "int4", "activations": "int8"}, ("int4", "int8", "int32")),
        ({"weights": "uint8", "activations": "int16"}, ("uint8", "int16", "int32")),
        ({"weights": "bfloat16", "activations": "float32"}, ("bfloat16", "float32", "bfloat16")),
        ({"weights": "int8", "activations": "int8", "bias": "int16"}, ("int8", "int8", "int16")),
    ],
)
def test_dtype_is_one_type_or_a_mapping(dtype: Any, expected: tuple[str, str, str]) -> None:
    assert load(net("relu", dtype=dtype)).dtype == expected
    assert load(net("relu"), dtype=dtype).dtype == expected


@pytest.mark.parametrize(
    "dtype",
    ["float31", "half", 32, ["float32"], {"weight": "int8"}, {"weights": "int3"}, {"weights": 8}, "Float32", "$d"],
)
def test_unknown_data_types_are_refused(dtype: Any) -> None:
    assert problem(net("relu", dtype=dtype)).path[0] == "dtype"


def test_a_batch_multiplies_activations_and_operations() -> None:
    one, three = (report(net(PW8, batch=batch))["layers"][0] for batch in (1, 3))
    assert memory(three) == {name: size * (1 if name == "weight" else 3) for name, size in memory(one).items()}
    assert (three["macs"], three["params"]) == (3 * one["macs"], one["params"])


@pytest.mark.parametrize("batch", [0, -1, 1.0, "2", True, [2], "$n"])
def test_a_batch_is_a_positive_integer(batch: Any) -> None:
    assert problem(net("relu", params={"n": 2}, batch=batch)).path == ("batch",)


def test_external_overrides_replace_the_values_of_the_file() -> None:
    found = report(net("relu", batch=2, dtype="int8"), batch=5, dtype="float64", input=[2, 3, 1])
    assert (found["batch"], found["inputs"]) == (5, {"input": [2, 3, 1]})
    assert found["layers"][0]["input_memory"] == 5 * 2 * 3 * 8


@pytest.mark.parametrize("key", ["layer", "inputt", "foo", "Layers", "blocks ", "x", "X-a"])
def test_unknown_keys_are_refused(key: str) -> None:
    assert problem(net("relu", **{key: 1})).path == (key,)


@pytest.mark.parametrize("value", [1, "$nope", "$(1", {"layers": [3]}, ["$$"], None])
def test_keys_that_begin_with_x_are_ignored(value: Any) -> None:
    assert names(net("relu", **{"x-own": value, "x-": value})) == ["relu1"]


@pytest.mark.parametrize("text", ["costs $5", "$nope", "$$", "$(1"])
def test_elsewhere_a_dollar_is_text(text: str) -> None:
    found = load(net("relu", name=text, description=text))
    assert (found.name, found.description) == (text, text)


def test_a_network_has_the_name_of_the_spec() -> None:
    assert load(net("relu", name="a net", description="b")).name == "a net"


@pytest.mark.parametrize(
    "layers", [[], [{"relu": {"when": False}}], [{"relu": {"repeat": 0}}], [{"sequence": []}], {}, "relu"]
)
def test_a_network_needs_a_layer(layers: Any) -> None:
    assert paths({"input": [3], "layers": layers}) == [("layers",)]


def test_a_spec_needs_layers() -> None:
    assert problem({"input": [3]}).code == "CV012"


# -- outputs


def test_the_output_is_the_last_layer_under_its_full_name() -> None:
    branches = {"branches": [[PW8], []], "merge": "concat"}
    spec = net({"sequence": [branches], "name": "stage"}, {"relu": {"when": False}})
    assert report(spec)["outputs"] == {"stage.branches1.concat": [12, 8, 8]}


def test_outputs_are_reported_under_their_written_names() -> None:
    stage = {"sequence": [{"maxpool": {"kernel_size": 2, "name": "pool"}}, PW8], "name": "stage", "repeat": 2}
    spec = net(stage, "relu", params={"n": "stage"}, outputs=["$n.0", "stage.0.pool", "stage"])
    assert report(spec)["outputs"] == {"stage.0": [8, 4, 4], "stage.0.pool": [4, 4, 4], "stage": [8, 2, 2]}


@pytest.mark.parametrize(
    "outputs", [["nope"], ["input"], [], "relu1", [["relu1"]], ["relu1", "relu1"], [1], ["relu1.x"]]
)
def test_outputs_are_names_of_layers(outputs: Any) -> None:
    assert problem(net("relu", outputs=outputs)).path[0] == "outputs"


def test_naming_a_disabled_output_shows_its_when() -> None:
    found = problem(net("relu", {"tanh": {"when": False}}, outputs=["tanh1"]))
    assert (found.path, related(found)) == (("outputs", 0), [("layers", 1, "tanh", "when")])


def test_a_budget_may_use_expressions() -> None:
    [limit] = load(net(PW8, params={"n": 3}, budget={"params": "$(n * 1000)"})).budget
    assert (limit.metric, limit.maximum) == ("params", 3000)


# -- an entry


@pytest.mark.parametrize("entry", ["relu", {"relu": None}, {"relu": {}}])
def test_a_bare_word_is_an_entry(entry: Any) -> None:
    assert names(net(entry)) == ["relu1"]


@pytest.mark.parametrize("entry", [3, None, [], {}, ["relu"], True, {"relu": 3}, {"relu": "x"}, {"conv": 2}])
def test_an_entry_is_one_kind_with_its_arguments(entry: Any) -> None:
    assert problem(net(entry)).path[:2] == ("layers", 0)


@pytest.mark.parametrize("option", ["name: a", "from: input", "repeat: 2", "when: true", "frozen: true", "share: a"])
def test_an_option_next_to_a_kind_suggests_moving_it_inside(option: str) -> None:
    text = f"{INPUT}layers:\n  - relu:\n    {option}\n"
    found = problem(text)
    key = option.split(":")[0]
    assert place(found) == place_of(text, option)
    assert f"relu: {{{key}: " in found.hint


def test_an_option_next_to_a_parameters_kind_suggests_moving_it_inside() -> None:
    assert problem(net({"$act": None, "name": "x"}, params={"act": "relu"})).path == ("layers", 0, "name")


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("Conv2D", "conv"),
        ("nn.MaxPool2d", "maxpool"),
        ("dense", "linear"),
        ("BatchNorm2d", "batchnorm"),
        ("rellu", "relu"),
    ],
)
def test_a_kind_of_another_framework_suggests_the_right_one(word: str, right: str) -> None:
    [found] = [found for found in refused(net({word: {"filters": 3}})) if found.code == "CV011"]
    assert right in found.hint.replace("?", "").split()


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        ({"conv": {"filters": 3, "kernel_size": 1}}, "out_channels"),
        ({"conv": {"out_channels": 3, "kernel_size": 1, "strides": 1}}, "stride"),
        ({"conv": {"out_channels": 3, "kernel_size": 1, "pad": 1}}, "padding"),
        ({"pointwise_conv": {"out_chanels": 3}}, "out_channels"),
        ({"relu": {"nam": "x"}}, "name"),
    ],
)
def test_an_argument_of_another_framework_suggests_the_right_one(entry: Any, right: str) -> None:
    found = problem(net(entry))
    assert (found.code, right in found.hint.replace("?", "").split()) == ("CV010", True)


def test_given_in_channels_are_checked() -> None:
    entry = {"conv": {"out_channels": 1, "kernel_size": 1, "in_channels": 4}}
    assert names(net(entry)) == ["conv1"]
    entry["conv"]["in_channels"] = 5
    assert problem(net(entry)).path == ("layers", 0, "conv", "in_channels")


@pytest.mark.parametrize("name", ["a", "Z9", "a-b_c", "a" * 200, "relu7"])
def test_a_layer_may_have_a_name(name: str) -> None:
    assert names(net({"relu": {"name": name}})) == [name]


@pytest.mark.parametrize(
    "name", ["1a", "_a", "-a", "a.b", "a b", "é", "", "input", "previous", "a" * 201, 3, True, ["a"], "a\n"]
)
def test_invalid_names_are_refused(name: Any) -> None:
    assert problem(net({"relu": {"name": name}})).path == ("layers", 0, "relu", "name")


@pytest.mark.parametrize("option", ["name", "from", "repeat", "when", "frozen", "share"])
def test_an_option_needs_a_value(option: str) -> None:
    assert problem(net("relu", {"relu": {option: None}})).path == ("layers", 1, "relu", option)


# -- names and scopes


def test_unnamed_entries_are_named_by_kind_and_ordinal() -> None:
    entries = ["relu", PW8, {"relu": {"name": "act"}}, {"relu": {"when": False}}, "relu", PW8]
    assert names(net(*entries)) == ["relu1", "pointwise_conv1", "act", "relu4", "pointwise_conv2"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"relu": {"name": "a"}}, {"tanh": {"name": "a"}}),
        ({"relu": {"name": "tanh1"}}, "tanh"),
        ("tanh", {"relu": {"name": "tanh1"}}),
        ({"relu": {"name": "a"}}, {"sequence": ["tanh"], "name": "a"}),
        ({"relu": {"name": "a", "repeat": 2}}, {"tanh": {"name": "a"}}),
    ],
)
def test_equal_names_are_an_error_that_shows_both(first: Any, second: Any) -> None:
    found = problem(net(first, second))
    assert (found.path[:2], [path[:2] for path in related(found)]) == (("layers", 1), [("layers", 0)])


def test_only_enabled_entries_need_unique_names() -> None:
    one = {"relu": {"name": "act", "when": "$(not gelu)"}}
    other = {"gelu": {"name": "act", "when": "$gelu"}}
    spec = net(one, other, {"tanh": {"from": "act"}}, params={"gelu": True})
    assert reads(spec) == {"act": ["input"], "tanh1": ["act"]}
    assert [layer["kind"] for layer in report(spec, params={"gelu": False})["layers"]] == ["relu", "tanh"]


def test_names_are_local_to_their_scope() -> None:
    block = {"layers": [{"relu": {"name": "a"}}]}
    spec = net(
        {"relu": {"name": "a"}}, "b", {"b": {"name": "c"}}, {"sequence": [{"relu": {"name": "a"}}]}, blocks={"b": block}
    )
    assert names(spec) == ["a", "b1.a", "c.a", "sequence1.a"]


def test_full_names_join_scopes_with_dots() -> None:
    block = {"layers": [PW8, {"branches": [["relu", "tanh"], []], "merge": "add"}]}
    spec = net({"sequence": [{"b": {"repeat": 2}}], "name": "stage"}, blocks={"b": block})
    inside = ["pointwise_conv1", "branches1.0.relu1", "branches1.0.tanh1", "branches1.add"]
    assert names(spec) == [f"stage.b1.{copy}.{name}" for copy in (0, 1) for name in inside]


def test_the_name_of_a_scope_refers_to_its_output() -> None:
    spec = net({"sequence": ["relu", "tanh"], "name": "s"}, "gelu", {"add": {"from": ["s", "previous"]}})
    assert reads(spec)["add1"] == ["s.tanh1", "gelu1"]


DOWN = [
    ("s.0.relu1", "s.0.relu1"),
    ("s.1", "s.1.branches1.add"),
    ("s.0.branches1", "s.0.branches1.add"),
    ("s.0.branches1.0", "s.0.branches1.0.tanh1"),
    ("s.0.branches1.1", "s.0.relu1"),
    ("s.0.branches1.add", "s.0.branches1.add"),
    ("s.1.branches1.0.tanh1", "s.1.branches1.0.tanh1"),
    ("input", "input"),
    ("previous", "s.1.branches1.add"),
]


@pytest.mark.parametrize(("name", "expected"), DOWN)
def test_from_goes_down_into_finished_scopes(name: str, expected: str) -> None:
    stage = {"sequence": ["relu", {"branches": [["tanh"], []], "merge": "add"}], "name": "s", "repeat": 2}
    assert reads(net(stage, {"gelu": {"from": name}}))["gelu1"] == [expected]


@pytest.mark.parametrize(
    "name", ["s.tanh1", "s.0.nope", "s.2", "relu1", "s.0.relu1.x", "nope", "s.", ".s", "s..0", "input.x"]
)
def test_an_unknown_name_is_refused(name: str) -> None:
    stage = {"sequence": ["relu"], "name": "s", "repeat": 2}
    assert problem(net(stage, {"gelu": {"from": name}})).path == ("layers", 1, "gelu", "from")


def test_like_takes_the_size_of_a_layer_in_a_finished_scope() -> None:
    down = {"sequence": [PW8, {"maxpool": {"kernel_size": 2}}], "name": "down", "repeat": 2}
    spec = net(down, {"upsample": {"like": "down.1.pointwise_conv1"}}, {"pad": {"like": "input"}})
    assert shapes(spec)["upsample1"] == [8, 4, 4]
    assert shapes(spec)["pad1"] == [8, 8, 8]


def test_the_innermost_scope_is_searched_first_and_the_first_match_decides() -> None:
    inner = {"sequence": [{"tanh": {"name": "a"}}, {"relu": {"from": "a"}}, {"gelu": {"from": "b"}}]}
    spec = net({"relu": {"name": "a"}}, {"relu": {"name": "b"}}, inner)
    found = reads(spec)
    assert (found["sequence1.relu1"], found["sequence1.gelu1"]) == (["sequence1.a"], ["b"])


def test_only_the_first_part_of_a_name_is_searched_for() -> None:
    inner = {"sequence": [{"sequence": ["tanh"], "name": "a"}, {"relu": {"from": "a.relu1"}}]}
    found = problem(net({"sequence": ["relu"], "name": "a"}, inner))
    assert found.path == ("layers", 1, "sequence", 1, "relu", "from")


@pytest.mark.parametrize("name", ["tanh1", "later", "relu1", "s.relu1", "s"])
def test_an_entry_reads_only_entries_above_it(name: str) -> None:
    spec = net({"sequence": [{"relu": {"from": name}}], "name": "s"}, "tanh", {"gelu": {"name": "later"}})
    assert problem(spec).path == ("layers", 0, "sequence", 0, "relu", "from")


def test_a_block_cannot_use_layers_of_its_caller() -> None:
    spec = net({"relu": {"name": "a"}}, "b", blocks={"b": {"layers": [{"tanh": {"from": "a"}}]}})
    found = problem(spec)
    assert (found.path, related(found)) == (("blocks", "b", "layers", 0, "tanh", "from"), [("layers", 1)])


def test_a_block_cannot_use_the_index_of_its_caller() -> None:
    spec = net({"b": {"repeat": 2}}, blocks={"b": {"layers": [{"relu": {"when": "$(index == 0)"}}]}})
    assert problem(spec).path == ("blocks", "b", "layers", 0, "relu", "when")


def test_a_block_can_take_the_index_as_a_parameter() -> None:
    block = {"params": {"n": None}, "layers": [{"relu": {"name": "r$n"}}]}
    assert names(net({"b": {"n": "$index", "repeat": 2}}, blocks={"b": block})) == ["b1.0.r0", "b1.1.r1"]


def test_a_block_uses_only_blocks_above_it() -> None:
    a, b = {"layers": ["b"]}, {"layers": ["relu"]}
    assert names(net("a", blocks={"b": b, "a": a})) == ["a1.b1.relu1"]
    assert problem(net("a", blocks={"a": a, "b": b})).path == ("blocks", "a", "layers", 0)
    assert problem(net("b", blocks={"b": {"layers": ["b"]}})).path == ("blocks", "b", "layers", 0)


INPUT_WORDS = [
    ("input", "relu1"),
    ("previous", "s.gelu1"),
    ("relu1", "relu1"),
]


@pytest.mark.parametrize(("name", "expected"), INPUT_WORDS)
def test_input_is_the_input_of_the_innermost_scope(name: str, expected: str) -> None:
    spec = net("relu", {"sequence": ["gelu", {"tanh": {"from": name}}], "name": "s"})
    assert reads(spec)["s.tanh1"] == [expected]


def test_previous_in_a_first_entry_is_the_input_of_the_scope() -> None:
    spec = net(
        "relu",
        {"sequence": [{"tanh": {"from": "previous"}}]},
        {"branches": [[{"gelu": {"from": "previous"}}], []], "merge": "add"},
    )
    found = reads(spec)
    assert (found["sequence1.tanh1"], found["branches1.0.gelu1"]) == (["relu1"], ["sequence1.tanh1"])


def test_input_in_a_copy_is_the_input_of_the_copy() -> None:
    stage = {"sequence": ["relu", {"add": {"from": ["previous", "input"]}}], "name": "s", "repeat": 2}
    found = reads(net(stage))
    assert (found["s.0.add1"], found["s.1.add1"]) == (["s.0.relu1", "input"], ["s.1.relu1", "s.0.add1"])


# -- when


@pytest.mark.parametrize("value", [False, 0, 0.0, "$(1 > 2)", "$flag", "$(in_channels > 4)", "$(0 * 3)"])
def test_a_disabled_entry_is_as_if_not_written(value: Any) -> None:
    spec = net("relu", {"tanh": {"when": value}}, "gelu", params={"flag": False})
    assert reads(spec) == {"relu1": ["input"], "gelu1": ["relu1"]}


@pytest.mark.parametrize("value", [True, 1, 2.5, -1, "$(1 < 2)", "$(in_channels == 4)", "$(0.5)"])
def test_an_entry_with_a_true_when_is_expanded(value: Any) -> None:
    assert names(net({"tanh": {"when": value}})) == ["tanh1"]


@pytest.mark.parametrize("value", ["a > 1", "a", "not a", "a == 1 and a < 3"])
def test_a_when_without_parentheses_suggests_the_right_form(value: str) -> None:
    found = problem(net({"tanh": {"when": value}}, params={"a": 2}))
    assert (found.path, f"$({value})" in found.hint) == (("layers", 0, "tanh", "when"), True)


def test_the_suggested_form_of_a_when_keeps_its_names() -> None:
    assert "$(a > 1)" in problem(net({"tanh": {"when": "$a > 1"}}, params={"a": 2})).hint


@pytest.mark.parametrize("value", ["true", "yes", [True], "$text", "$(text)", ""])
def test_a_when_is_true_or_false(value: Any) -> None:
    assert problem(net({"tanh": {"when": value}}, params={"text": "true"})).path == ("layers", 0, "tanh", "when")


@pytest.mark.parametrize("option", [{"when": False}, {"repeat": 0}, {"repeat": 2, "when": "$(index > 5)"}])
def test_naming_a_disabled_entry_shows_why(option: dict[str, Any]) -> None:
    found = problem(net("relu", {"tanh": {"name": "t", **option}}, {"gelu": {"from": "t"}}))
    key = "when" if "when" in option else "repeat"
    assert (found.path, related(found)) == (("layers", 2, "gelu", "from"), [("layers", 1, "tanh", key)])


def test_when_is_evaluated_before_from_is_resolved() -> None:
    assert names(net({"tanh": {"when": False, "from": "nope"}}, "relu")) == ["relu1"]


@pytest.mark.parametrize(
    "empty",
    [
        {"sequence": []},
        {"sequence": [{"tanh": {"when": False}}]},
        {"sequence": [{"sequence": []}], "repeat": 2},
        "b",
        {"b": {"repeat": 2}},
    ],
)
def test_an_empty_scope_passes_its_input_on(empty: Any) -> None:
    spec = net(PW8, empty, "relu", blocks={"b": {"layers": []}})
    assert reads(spec)["relu1"] == ["pointwise_conv1"]


@pytest.mark.parametrize("body", [{"sequence": []}, {"branches": [[], ["add"]], "merge": "add"}])
def test_an_empty_scope_with_several_inputs_is_refused(body: dict[str, Any]) -> None:
    spec = net("relu", {**body, "from": ["previous", "input"]})
    assert problem(spec).path[:2] == ("layers", 1)


def test_an_empty_block_with_several_inputs_is_refused() -> None:
    spec = net("relu", {"b": {"from": ["previous", "input"]}}, blocks={"b": {"inputs": ["l", "r"], "layers": []}})
    assert problem(spec).path[:2] == ("layers", 1)


# -- repeat


def test_a_repeat_makes_consecutive_copies() -> None:
    assert reads(net({"relu": {"repeat": 3}}, "tanh")) == {
        "relu1.0": ["input"],
        "relu1.1": ["relu1.0"],
        "relu1.2": ["relu1.1"],
        "tanh1": ["relu1.2"],
    }


@pytest.mark.parametrize("times", [1, "$(4 / 4)", "$n"])
def test_a_repeat_of_one_is_also_a_scope(times: Any) -> None:
    assert names(net({"relu": {"repeat": times}}, params={"n": 1})) == ["relu1.0"]


def test_a_repeat_of_zero_makes_no_copies() -> None:
    assert reads(net("relu", {"tanh": {"repeat": 0}}, "gelu")) == {"relu1": ["input"], "gelu1": ["relu1"]}


@pytest.mark.parametrize("times", [-1, 2.0, "2", True, [2], "$(5 / 2)", "$(1 < 2)"])
def test_a_repeat_is_a_non_negative_integer(times: Any) -> None:
    assert problem(net({"relu": {"repeat": times}})).path == ("layers", 0, "relu", "repeat")


def test_when_is_evaluated_per_copy_and_disabled_numbers_stay_free() -> None:
    spec = net({"relu": {"repeat": 4, "when": "$(index % 2 == 1)", "name": "r"}}, {"tanh": {"from": "r.1"}})
    assert reads(spec) == {"r.1": ["input"], "r.3": ["r.1"], "tanh1": ["r.1"]}


def test_naming_a_disabled_copy_shows_its_when() -> None:
    spec = net({"relu": {"repeat": 2, "when": "$(index > 0)", "name": "r"}}, {"tanh": {"from": "r.0"}})
    assert related(problem(spec)) == [("layers", 0, "relu", "when")]


def test_later_copies_read_the_previous_copy_instead_of_the_first_name() -> None:
    skip = {"relu": {"name": "skip"}}
    spec = net(skip, "tanh", {"add": {"from": ["tanh1", "skip"], "repeat": 3, "name": "a"}})
    found = reads(spec)
    assert [found[f"a.{n}"] for n in range(3)] == [["tanh1", "skip"], ["a.0", "skip"], ["a.1", "skip"]]


def test_the_first_enabled_copy_reads_from() -> None:
    spec = net("relu", "tanh", {"gelu": {"from": "relu1", "repeat": 3, "when": "$(index > 0)", "name": "g"}})
    found = reads(spec)
    assert (found["g.1"], found["g.2"]) == (["relu1"], ["g.1"])


def test_the_other_names_are_resolved_for_each_copy() -> None:
    skips = {"sequence": ["relu"], "repeat": 2, "name": "s"}
    spec = net(skips, {"add": {"from": ["previous", "s.$index"], "repeat": 2, "name": "a"}})
    found = reads(spec)
    assert (found["a.0"], found["a.1"]) == (["s.1.relu1", "s.0.relu1"], ["a.0", "s.1.relu1"])


def test_a_repeat_evaluates_its_options_in_the_surrounding_scope() -> None:
    spec = net("relu", {"sequence": [{"add": {"from": ["previous", "input"], "repeat": 2}}]})
    found = reads(spec)
    assert (found["sequence1.add1.0"], found["sequence1.add1.1"]) == (["relu1"] * 2, ["sequence1.add1.0", "relu1"])


def test_the_index_of_several_repeats_is_ambiguous() -> None:
    inner = {"relu": {"repeat": 2, "when": "$(index > 0)"}}
    found = problem(net({"sequence": [inner], "repeat": 2}))
    assert found.path == ("layers", 0, "sequence", 0, "relu", "when")
    assert found.message == "$index is ambiguous: more than one repeat is around it"
    assert found.hint == "name the counts, such as repeat: {level: 3}, and write $level"


def test_a_repeat_evaluates_its_count_and_name_with_the_index_around_it() -> None:
    inner = {"sequence": ["relu"], "repeat": "$(index + 1)", "name": "i$index"}
    spec = net({"sequence": [inner], "repeat": 2, "name": "o"})
    assert names(spec) == ["o.0.i0.0.relu1", "o.1.i1.0.relu1", "o.1.i1.1.relu1"]


def test_named_counts_of_nested_repeats_are_both_available() -> None:
    inner = {"sequence": [{"relu": {"name": "r$(n)_$level"}}], "repeat": {"level": "$(n + 1)"}}
    spec = net({"sequence": [{**inner, "name": "i"}], "repeat": {"n": 2}, "name": "o"})
    assert names(spec) == ["o.0.i.0.r0_0", "o.1.i.0.r1_0", "o.1.i.1.r1_1"]


def test_a_single_named_repeat_still_has_an_index() -> None:
    entry = {"relu": {"repeat": {"level": 3}, "when": "$(index == level)", "name": "r"}}
    assert names(net(entry)) == ["r.0", "r.1", "r.2"]


def test_branches_and_arguments_can_use_a_named_count() -> None:
    layer = {"pointwise_conv": {"out_channels": "$(level + 1)"}}
    spec = net({"branches": [[layer], [layer]], "merge": "concat", "repeat": {"level": 2}, "name": "b"})
    assert shapes(spec)["b.1.concat"] == [4, 8, 8]


def test_a_block_does_not_see_the_named_count_of_its_use() -> None:
    block = {"layers": [{"relu": {"when": "$(level > 0)"}}]}
    assert problem(net({"b": {"repeat": {"level": 2}}}, blocks={"b": block})).path[0] == "blocks"


def test_a_block_can_have_a_parameter_named_like_the_count_of_its_use() -> None:
    block = {"params": {"level": 7, "n": "$level"}, "layers": [{"relu": {"name": "r$n"}}]}
    assert names(net({"b": {"repeat": {"level": 2}}}, blocks={"b": block})) == ["b1.0.r7", "b1.1.r7"]
    own = {"b": {"level": "$level", "repeat": {"level": 2}}}
    assert names(net(own, blocks={"b": block})) == ["b1.0.r0", "b1.1.r1"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("width", "'width' is already a parameter"),
        ("outer", "'outer' is already the count of a repeat around this one"),
        ("index", "index is reserved and cannot be the name of a count"),
        ("len", "len is reserved and cannot be the name of a count"),
        ("a-b", "'a-b' is not a valid count name"),
    ],
)
def test_wrong_names_of_counts(name: str, message: str) -> None:
    inner = {"relu": {"repeat": {name: 2}}}
    found = problem(net({"sequence": [inner], "repeat": {"outer": 2}}, params={"width": 1}))
    assert (found.message, found.path[-2:]) == (message, ("repeat", name))


@pytest.mark.parametrize("count", [-1, "x", 1.5, "$(1 / 2)"])
def test_a_wrong_named_count_is_reported_at_its_value(count: Any) -> None:
    found = problem(net({"relu": {"repeat": {"level": count}}}))
    assert found.message.startswith("repeat must be a non-negative integer; got ")
    assert found.path[-2:] == ("repeat", "level")


@pytest.mark.parametrize("repeat", [{}, {"a": 1, "b": 2}])
def test_a_repeat_has_a_single_name(repeat: Any) -> None:
    assert problem(net({"relu": {"repeat": repeat}})).hint == "write {level: 3}"


# -- layers of every copy


COPIES: dict[str, Any] = {"sequence": ["relu", "tanh"], "repeat": 3, "name": "s"}


def test_a_star_reads_a_layer_of_every_copy() -> None:
    spec = net(COPIES, {"add": {"from": ["s.*.relu1", "input"], "name": "a"}})
    assert reads(spec)["a"] == ["s.0.relu1", "s.1.relu1", "s.2.relu1", "input"]
    whole = net(COPIES, {"concat": {"from": "s.*", "name": "a"}})
    assert reads(whole)["a"] == ["s.0.tanh1", "s.1.tanh1", "s.2.tanh1"]


def test_a_star_reads_the_copies_of_a_block() -> None:
    block = {"layers": [{"relu": {"name": "skip"}}, "tanh"]}
    spec = net({"b": {"repeat": 2, "name": "s"}}, {"add": {"from": "s.*.skip", "name": "a"}}, blocks={"b": block})
    assert reads(spec)["a"] == ["s.0.skip", "s.1.skip"]


def test_several_stars_read_all_combinations_in_the_order_of_the_file() -> None:
    outer = {"sequence": [COPIES], "repeat": 2, "name": "o"}
    spec = net(outer, {"add": {"from": "o.*.s.*.relu1", "name": "a"}})
    assert reads(spec)["a"] == [f"o.{one}.s.{other}.relu1" for one in range(2) for other in range(3)]


def test_a_star_leaves_out_disabled_layers() -> None:
    copies = {"sequence": ["relu", {"tanh": {"when": "$(index != 1)"}}], "repeat": 3, "name": "s"}
    assert reads(net(copies, {"add": {"from": "s.*.tanh1", "name": "a"}}))["a"] == ["s.0.tanh1", "s.2.tanh1"]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("s.*.gelu1", "s.*.gelu1 matches no layer: s.* contains no enabled 'gelu1'", "available: relu1, tanh1"),
        ("t.*.relu1", "t has no copies: * stands for the copies of a repeat", "available: relu1"),
        ("s.*.relu1.x", "s.*.relu1.x matches no layer: s.*.relu1 contains no enabled 'x'", "it is a single layer"),
        ("none.*.x", "no layer named 'none' above", ""),
    ],
)
def test_a_star_without_a_match_lists_what_there_is(name: str, message: str, hint: str) -> None:
    spec = net(COPIES, {"sequence": ["relu"], "name": "t"}, {"add": {"from": [name, "input"]}})
    assert (problem(spec).message, problem(spec).hint) == (message, hint)


def test_a_star_cannot_read_the_repeat_that_it_is_in() -> None:
    spec = net({"sequence": ["relu", {"add": {"from": ["s.*.relu1", "input"]}}], "repeat": 2, "name": "s"})
    assert problem(spec).message == "s is not complete here; an entry can read only entries above it"


def test_stars_are_limited() -> None:
    copies = {"relu": {"repeat": 1000, "name": "s"}}
    spec = net(copies, {"sequence": [{"add": {"from": "s.*"}}], "repeat": 501})
    assert problem(spec).message == "more than 500,000 inputs are collected with *"


# -- default names


@pytest.mark.parametrize(("kind", "number"), find_kinds_with_numbers())
def test_a_default_name_never_spells_another_kind(kind: str, number: int) -> None:
    assert make_default_name(kind, number) == f"{kind}_{number}"


@pytest.mark.parametrize("kind", KINDS)
def test_other_default_names_are_the_kind_and_its_number(kind: str) -> None:
    found = {make_default_name(kind, number) for number in range(1, 200)}
    assert len(found) == 199
    assert not found & set(KINDS)


def test_the_sixth_relu_is_relu_6() -> None:
    spec = net(*["relu"] * 7, {"tanh": {"from": "relu_6"}})
    assert names(spec) == ["relu1", "relu2", "relu3", "relu4", "relu5", "relu_6", "relu7", "tanh1"]
    assert names(net(*["$act"] * 6, params={"act": "relu"}))[-1] == "relu_6"


@pytest.mark.parametrize("option", [{"name": "r$index"}, {"repeat": "$(index + 1)"}])
def test_name_and_repeat_cannot_use_their_own_index(option: dict[str, Any]) -> None:
    assert problem(net({"relu": {"repeat": 2, **option}})).code == "CV014"


def test_index_is_undefined_outside_a_repeat() -> None:
    assert problem(net({"relu": {"when": "$(index == 0)"}})).path == ("layers", 0, "relu", "when")


def test_options_may_use_the_index() -> None:
    entry = {
        "pointwise_conv": {"out_channels": "$(8 * (index + 1))", "frozen": "$(index == 0)", "repeat": 2, "name": "c"}
    }
    found = report(net(entry))["layers"]
    assert [(layer["output_shape"][0], layer["trainable_params"]) for layer in found] == [(8, 0), (16, 16 * 8 + 16)]


# -- blocks with several inputs


MERGE = {
    "inputs": ["deep", "skip"],
    "layers": [{"upsample": {"from": "deep", "like": "skip"}}, {"concat": {"from": ["previous", "skip"]}}],
}


def test_a_block_reads_its_inputs_by_name_in_the_order_of_from() -> None:
    pool = {"maxpool": {"kernel_size": 2}}
    spec = net(PW8, pool, {"up": {"from": ["previous", "pointwise_conv1"]}}, blocks={"up": MERGE})
    found = reads(spec)
    assert found["up1.upsample1"] == ["maxpool1"]
    assert found["up1.concat1"] == ["up1.upsample1", "pointwise_conv1"]


@pytest.mark.parametrize("source", [None, "previous", ["previous"], ["previous", "input", "input"]])
def test_a_block_with_several_inputs_needs_exactly_that_many(source: Any) -> None:
    use = {"up": {} if source is None else {"from": source}}
    assert "2" in problem(net("relu", use, blocks={"up": MERGE})).message


def test_a_block_without_declared_inputs_reads_exactly_one() -> None:
    spec = net("relu", {"b": {"from": ["previous", "input"]}}, blocks={"b": {"layers": ["add"]}})
    assert problem(spec).path[:2] == ("layers", 1)


@pytest.mark.parametrize("entry", ["add", {"relu": {"from": "input"}}, {"relu": {"from": "previous"}}])
def test_a_block_with_several_inputs_has_no_input_name(entry: Any) -> None:
    spec = net("relu", {"b": {"from": ["previous", "input"]}}, blocks={"b": {"inputs": ["l", "r"], "layers": [entry]}})
    assert problem(spec).path[:4] == ("blocks", "b", "layers", 0)


@pytest.mark.parametrize(
    "layers",
    [
        ["add"],
        [{"add": {"from": "input"}}],
        [{"add": {"from": "previous"}}],
        [{"relu": {"from": "skip"}}, {"add": {"from": "input"}}],
    ],
)
def test_a_sequence_may_have_several_inputs(layers: list[Any]) -> None:
    spec = net({"relu": {"name": "skip"}}, "tanh", {"sequence": layers, "from": ["previous", "skip"]})
    assert reads(spec)["sequence1.add1"] == ["tanh1", "skip"]


def test_branches_may_have_several_inputs() -> None:
    spec = net(
        {"relu": {"name": "skip"}},
        "tanh",
        {"branches": [["add"], ["multiply"]], "merge": "concat", "from": ["previous", "skip"]},
    )
    found = reads(spec)
    assert found["branches1.0.add1"] == found["branches1.1.multiply1"] == ["tanh1", "skip"]


@pytest.mark.parametrize("name", ["index", "previous", "input", "name", "from", "max", "in_channels", "1a", "a-b", ""])
def test_the_name_of_a_block_input_is_unique(name: str) -> None:
    block = {"inputs": [name, "r"], "layers": [{"relu": {"from": "r"}}]}
    assert problem(net("relu", blocks={"b": block})).path[:2] == ("blocks", "b")


@pytest.mark.parametrize("inputs", ["deep", [], [1], ["a", "a"], {"a": 1}, [["a"]]])
def test_block_inputs_are_a_list_of_names(inputs: Any) -> None:
    assert problem(net("relu", blocks={"b": {"inputs": inputs, "layers": ["relu"]}})).path[:3] == (
        "blocks",
        "b",
        "inputs",
    )


def test_a_block_input_must_differ_from_the_names_of_entries() -> None:
    block = {"inputs": ["a", "b"], "layers": [{"relu": {"from": "a", "name": "b"}}]}
    spec = net("relu", {"m": {"from": ["previous", "input"]}}, blocks={"m": block})
    assert problem(spec).path[:4] == ("blocks", "m", "layers", 0)


# -- share, frozen


def shared(*layers: Any, **top: Any) -> list[tuple[int, int]]:
    """Params and weight bytes of each layer."""
    return [(layer["params"], layer["weight_memory"]) for layer in report(net(*layers, **top))["layers"]]


PW4 = {"out_channels": 4, "bias": False}


def test_shared_weights_count_once() -> None:
    spec = [{"pointwise_conv": {**PW4, "name": "a"}}, "relu", {"pointwise_conv": {**PW4, "share": "a"}}]
    assert shared(*spec) == [(16, 64), (0, 0), (0, 0)]
    assert report(net(*spec))["totals"]["params"] == 16


def test_a_third_layer_shares_with_the_first() -> None:
    entries = [{"pointwise_conv": {**PW4, **({"share": f"pointwise_conv{n}"} if n else {})}} for n in range(3)]
    assert [params for params, _ in shared(*entries)] == [16, 0, 0]


SIAMESE = {"params": {"c": None}, "layers": [{"pointwise_conv": {"out_channels": "$c"}}, "batchnorm"]}


def test_a_block_shares_the_weights_of_an_earlier_use() -> None:
    uses = [{"tower": {"c": 4, "from": "input", "name": "left"}}, {"tower": {"c": 4, "from": "input", "share": "left"}}]
    assert [params for params, _ in shared(*uses, blocks={"tower": SIAMESE})] == [20, 8, 0, 0]


@pytest.mark.parametrize(
    "second",
    [
        {"tower": {"c": 5, "from": "input", "share": "left"}},
        {"tower": {"c": 4, "from": "wide", "share": "left"}},
        {"other": {"c": 4, "from": "input", "share": "left"}},
        {"pointwise_conv": {"out_channels": 4, "share": "left"}},
        {"tower": {"c": 4, "from": "input", "share": "wide"}},
        {"tower": {"c": 4, "from": "input", "share": "nope"}},
        {"tower": {"c": 4, "from": "input", "share": 3}},
        {"tower": {"c": 4, "from": "input", "share": "tower2"}},
    ],
)
def test_only_equal_uses_of_a_block_share(second: Any) -> None:
    wide = {"pointwise_conv": {"out_channels": 6, "name": "wide"}}
    spec = net(
        wide, {"tower": {"c": 4, "from": "input", "name": "left"}}, second, blocks={"tower": SIAMESE, "other": SIAMESE}
    )
    assert problem(spec).path[:2] == ("layers", 2)


@pytest.mark.parametrize(
    "second",
    [
        {"pointwise_conv": {"out_channels": 4, "share": "a"}},
        {"pointwise_conv": {**PW4, "share": "a", "stride": 2}},
        {"conv": {**PW4, "kernel_size": 1, "share": "a"}},
        {"pointwise_conv": {**PW4, "share": "a", "from": "wide"}},
        {"pointwise_conv": {**PW4, "share": "relu1"}},
        {"pointwise_conv": {**PW4, "share": "input"}},
        {"pointwise_conv": {**PW4, "share": "s"}},
        {"pointwise_conv": {**PW4, "share": "r"}},
        {"sequence": [{"pointwise_conv": PW4}], "share": "s"},
        {"branches": [["relu"], []], "merge": "add", "share": "s"},
    ],
)
def test_only_layers_of_the_same_kind_and_arguments_share(second: Any) -> None:
    above = [
        {"pointwise_conv": {**PW4, "name": "a"}},
        {"pointwise_conv": {"out_channels": 6, "name": "wide"}},
        "relu",
        {"sequence": [{"pointwise_conv": PW4}], "name": "s"},
        {"pointwise_conv": {**PW4, "repeat": 2, "name": "r"}},
    ]
    assert problem(net(*above, second)).path[:2] == ("layers", 5)


def test_a_copy_of_a_repeat_can_share() -> None:
    above = {"pointwise_conv": {**PW4, "repeat": 2, "name": "r"}}
    assert [params for params, _ in shared(above, {"pointwise_conv": {**PW4, "share": "r.1"}})] == [16, 16, 0]


def test_weights_can_be_shared_between_input_sizes() -> None:
    conv = {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": "same", "bias": False}
    spec = [
        {"conv": {**conv, "name": "a"}},
        {"crop": {"amount": [[0, 1], [0, 1]], "from": "input"}},
        {"conv": {**conv, "share": "a"}},
    ]
    assert [params for params, _ in shared(*spec)] == [144, 0, 0]


@pytest.mark.parametrize("frozen", [True, "$(1 > 0)", "$flag"])
def test_frozen_params_are_not_trainable(frozen: Any) -> None:
    [layer] = report(net({"pointwise_conv": {"out_channels": 8, "frozen": frozen}}, params={"flag": True}))["layers"]
    assert (layer["params"], layer["trainable_params"]) == (40, 0)


@pytest.mark.parametrize(
    "scope",
    [
        {"b": {"frozen": True}},
        {"b": {"frozen": True, "repeat": 1}},
        {"sequence": ["b"], "frozen": True},
        {"branches": [["b"], [PW8]], "merge": "add", "frozen": True},
    ],
)
def test_a_frozen_scope_freezes_all_inside(scope: Any) -> None:
    totals = report(net(scope, "batchnorm", blocks={"b": {"layers": [PW8]}}))["totals"]
    assert (totals["trainable_params"], totals["params"] > 40) == (16, True)


@pytest.mark.parametrize("frozen", [1, 0, "true", "yes", [True], "$(1)"])
def test_frozen_is_true_or_false(frozen: Any) -> None:
    assert problem(net({"relu": {"frozen": frozen}})).path == ("layers", 0, "relu", "frozen")


# -- branches, sequences


@pytest.mark.parametrize(("merge", "shape"), [("add", [8, 8, 8]), ("multiply", [8, 8, 8]), ("concat", [16, 8, 8])])
def test_branches_read_the_same_input_and_are_merged(merge: str, shape: list[int]) -> None:
    spec = net("relu", {"branches": [[PW8], ["tanh", PW8]], "merge": merge})
    found = reads(spec)
    assert found["branches1.0.pointwise_conv1"] == found["branches1.1.tanh1"] == ["relu1"]
    assert found[f"branches1.{merge}"] == ["branches1.0.pointwise_conv1", "branches1.1.pointwise_conv1"]
    assert shapes(spec)[f"branches1.{merge}"] == shape


def test_an_empty_branch_is_the_identity() -> None:
    spec = net("relu", {"branches": [["tanh"], []], "merge": "$m"}, params={"m": "add"})
    assert reads(spec)["branches1.add"] == ["branches1.0.tanh1", "relu1"]


@pytest.mark.parametrize(
    "entry",
    [
        {"branches": [["relu"], []]},
        {"branches": [["relu"], []], "merge": None},
        {"branches": [["relu"], []], "merge": "mean"},
        {"branches": [["relu"], []], "merge": True},
        {"branches": [["relu"], []], "merge": ["add"]},
        {"branches": [["relu"], []], "merge": "$text"},
        {"branches": [["relu"]], "merge": "add"},
        {"branches": [], "merge": "add"},
        {"branches": ["relu", "tanh"], "merge": "add"},
        {"branches": None, "merge": "add"},
        {"branches": {"a": ["relu"]}, "merge": "add"},
        {"sequence": "relu"},
        {"sequence": None},
        {"sequence": {"relu": None}},
        {"sequence": ["relu"], "merge": "add"},
        {"sequence": ["relu"], "foo": 1},
    ],
)
def test_invalid_branches_and_sequences_are_refused(entry: Any) -> None:
    assert {path[:2] for path in paths(net(entry, params={"text": "relu"}))} == {("layers", 0)}


def test_branches_that_do_not_fit_are_reported_at_their_merge() -> None:
    assert problem(net({"branches": [[PW8], []], "merge": "add"})).path == ("layers", 0, "merge")


def test_a_sequence_can_be_named_and_repeated() -> None:
    stage = {"sequence": [PW8, "relu"], "name": "stage2", "repeat": 2}
    assert names(net(stage)) == [f"stage2.{n}.{kind}1" for n in (0, 1) for kind in ("pointwise_conv", "relu")]


@pytest.mark.parametrize("entry", [{"relu": {"from": ["input", "input"]}}, {"add": {"from": "input"}}, "add", "concat"])
def test_kinds_have_a_fixed_number_of_inputs(entry: Any) -> None:
    assert problem(net(entry)).code == "CV016"


@pytest.mark.parametrize("source", [[], 3, True, [3], {"a": 1}, [["input"]], ""])
def test_from_is_a_name_or_a_list_of_names(source: Any) -> None:
    assert problem(net({"relu": {"from": source}})).path[:4] == ("layers", 0, "relu", "from")


# -- blocks and parameters


def test_parameters_have_defaults_and_hide_those_of_the_file() -> None:
    block = {
        "params": {"a": 8, "b": "$(a * 2)"},
        "layers": [
            {"pointwise_conv": {"out_channels": "$a"}},
            {"pointwise_conv": {"out_channels": "$b"}},
            {"pointwise_conv": {"out_channels": "$c"}},
        ],
    }
    spec = net("blk", {"blk": {"a": "$(a + 2)"}}, params={"a": 1, "c": 5}, blocks={"blk": block})
    assert [shape[0] for shape in shapes(spec).values()] == [8, 16, 5, 3, 6, 5]


def test_a_default_may_use_only_the_parameters_above_it() -> None:
    block = {"params": {"a": "$b", "b": 2}, "layers": ["relu"]}
    assert problem(net("blk", blocks={"blk": block})).path == ("blocks", "blk", "params", "a")
    assert problem(net("relu", params={"a": "$b", "b": 2})).path == ("params", "a")


def test_a_default_may_use_a_param_of_the_file_of_the_same_name() -> None:
    block = {"params": {"a": "$(b + 1)", "b": 2}, "layers": [{"pointwise_conv": {"out_channels": "$a"}}]}
    assert shapes(net("blk", params={"b": 10}, blocks={"blk": block}))["blk1.pointwise_conv1"] == [11, 8, 8]


def test_params_use_the_overridden_values_of_those_above() -> None:
    spec = net({"pointwise_conv": {"out_channels": "$b"}}, params={"a": 1, "b": "$(a * 2)"})
    assert shapes(spec, params={"a": 5}) == {"pointwise_conv1": [10, 8, 8]}


def test_a_required_parameter_must_be_given() -> None:
    spec = net("blk", blocks={"blk": {"params": {"out": None}, "layers": ["relu"]}})
    found = problem(spec)
    assert (found.path[:2], "out" in found.message) == (("layers", 0), True)


@pytest.mark.parametrize("given", [None, {"a": 1}, [1, None], [{"a": 1}]])
def test_a_parameter_cannot_be_null_or_a_mapping(given: Any) -> None:
    spec = net({"blk": {"p": given}}, blocks={"blk": {"params": {"p": 1}, "layers": ["relu"]}})
    assert problem(spec).path[:4] == ("layers", 0, "blk", "p")


def test_a_parameter_may_be_a_list() -> None:
    block = {"params": {"k": [1, 3]}, "layers": [{"maxpool": {"kernel_size": "$k", "stride": 1}}]}
    assert shapes(net("blk", {"blk": {"k": [3, "$(1 + 0)"]}}, blocks={"blk": block})) == {
        "blk1.maxpool1": [4, 8, 6],
        "blk2.maxpool1": [4, 6, 6],
    }


RESERVED = [
    "name",
    "from",
    "repeat",
    "when",
    "frozen",
    "share",
    "index",
    "in_channels",
    "input",
    "previous",
    "true",
    "false",
]
RESERVED += ["and", "or", "not", "if", "else", "min", "max", "abs", "round", "floor", "ceil", "int", "sqrt", "log2"]
RESERVED += ["round_to", "round8"]
NO_NAMES = ["1a", "_a", "a-b", "a b", "é", "", "a.b", "a" * 201]


@pytest.mark.parametrize("name", RESERVED + NO_NAMES)
def test_reserved_words_cannot_name_a_parameter(name: str) -> None:
    block = {"params": {name: 1}, "layers": ["relu"]}
    assert paths(net("relu", params={name: 1}, blocks={"b": block})) == [
        ("params", name),
        ("blocks", "b", "params", name),
    ]


@pytest.mark.parametrize("name", [*RESERVED, *NO_NAMES, "relu", "conv", "branches", "sequence", "merge"])
def test_reserved_words_cannot_name_a_block(name: str) -> None:
    assert problem(net("relu", blocks={name: {"layers": ["tanh"]}})).path == ("blocks", name)


@pytest.mark.parametrize("name", ["merge", "relu", "branches", "A", "a" * 200])
def test_other_words_can_name_a_parameter(name: str) -> None:
    assert shapes(net({"pointwise_conv": {"out_channels": f"${name}"}}, params={name: 5})) == {
        "pointwise_conv1": [5, 8, 8]
    }


@pytest.mark.parametrize(
    "block", [None, 3, [], ["relu"], {}, {"layers": None}, {"layers": "relu"}, {"layers": [], "foo": 1}, {"params": {}}]
)
def test_invalid_blocks_are_refused(block: Any) -> None:
    assert problem(net("relu", blocks={"b": block})).path[:2] == ("blocks", "b")


# -- $in_channels, entries whose kind is a parameter


def test_in_channels_is_that_of_the_entrys_input() -> None:
    entries = [
        {"pointwise_conv": {"out_channels": "$(in_channels * 2)"}},
        {"relu": {"name": "r$in_channels"}},
        {"tanh": {"repeat": "$(in_channels // 4)"}},
        {"gelu": {"when": "$(in_channels == 4)"}},
        {"slice": {"channels": [0, "$(in_channels - 1)"], "frozen": "$(in_channels == 8)"}},
        {"pointwise_conv": {"out_channels": "$in_channels", "from": ["r8"]}},
    ]
    assert shapes(net(*entries)) == {
        "pointwise_conv1": [8, 8, 8],
        "r8": [8, 8, 8],
        "tanh1.0": [8, 8, 8],
        "tanh1.1": [8, 8, 8],
        "slice1": [7, 8, 8],
        "pointwise_conv2": [8, 8, 8],
    }


def test_in_channels_of_several_inputs_is_that_of_the_first() -> None:
    entry = {
        "sequence": [{"concat": {"name": "n$in_channels"}}],
        "name": "s$in_channels",
        "from": ["previous", "input"],
    }
    assert names(net(PW8, entry)) == ["pointwise_conv1", "s8.n8"]


def test_in_channels_in_a_default_is_that_of_the_blocks_input() -> None:
    block = {
        "params": {"c": "$in_channels"},
        "layers": [
            PW8,
            {"pointwise_conv": {"out_channels": "$c"}},
            {"pointwise_conv": {"out_channels": "$(in_channels + 1)"}},
        ],
    }
    assert [shape[0] for shape in shapes(net("b", blocks={"b": block})).values()] == [8, 4, 5]


def test_in_channels_in_an_argument_of_a_block_is_that_of_the_uses_input() -> None:
    block = {"params": {"c": None}, "layers": [{"pointwise_conv": {"out_channels": "$c"}}]}
    assert shapes(net(PW8, {"b": {"c": "$(in_channels // 2)"}}, blocks={"b": block}))["b1.pointwise_conv1"] == [4, 8, 8]


def test_in_channels_of_a_copy_is_that_of_the_copys_input() -> None:
    entry = {"pointwise_conv": {"out_channels": "$(in_channels * 2)", "repeat": 3, "name": "c"}}
    assert [shape[0] for shape in shapes(net(entry)).values()] == [8, 16, 32]


@pytest.mark.parametrize(
    "top", [{"params": {"a": "$in_channels"}}, {"outputs": ["r$in_channels"]}, {"budget": {"params": "$in_channels"}}]
)
def test_in_channels_is_undefined_outside_of_entries(top: dict[str, Any]) -> None:
    assert problem(net("relu", **top)).code == "CV014"


def test_the_kind_of_an_entry_may_be_a_parameter() -> None:
    entries = ["$act", {"$act": {"name": "a"}}, "relu", "$act", {"$pool": {"kernel_size": 2}}, "$blk"]
    params = {"act": "relu", "pool": "avgpool", "blk": "b"}
    assert names(net(*entries, params=params, blocks={"b": {"layers": ["tanh"]}})) == [
        "relu1",
        "a",
        "relu3",
        "relu4",
        "avgpool1",
        "b1.tanh1",
    ]


def test_a_block_can_take_its_activation_as_a_parameter() -> None:
    block = {"params": {"activation": "relu"}, "layers": ["$activation"]}
    spec = net("b", {"b": {"activation": "gelu"}}, blocks={"b": block})
    assert names(spec) == ["b1.relu1", "b2.gelu1"]


@pytest.mark.parametrize(
    "entry", ["$nope", "$(act)", "x$act", "$act1", "$number", "$wrong", {"$act": {"foo": 1}}, "$list", "$conv", "$$act"]
)
def test_invalid_entries_of_parameters_are_refused(entry: Any) -> None:
    params = {"act": "relu", "number": 3, "wrong": "reluu", "list": ["relu"], "conv": "conv"}
    assert problem(net(entry, params=params)).path[:2] == ("layers", 0)


def test_a_parameter_selects_only_blocks_above_its_own() -> None:
    blocks = {"a": {"layers": ["$which"]}, "b": {"layers": ["relu"]}}
    assert problem(net("a", params={"which": "b"}, blocks=blocks)).path == ("blocks", "a", "layers", 0)
    assert names(net("$which", params={"which": "b"}, blocks=blocks)) == ["b1.relu1"]


# -- reporting


def test_an_invalid_layer_does_not_hide_the_next() -> None:
    entries = [
        {"conv": {"out_channels": 0, "kernel_size": 3}},
        {"relu": {"foo": 1}},
        {"linear": {"out_features": 3}},
        {"conv": {"out_channels": "x", "kernel_size": 3}},
        {"groupnorm": {"num_groups": 3}},
        {"maxpool": {"kernel_size": 20, "from": "input"}},
        {"batchnorm": {"from": "nope"}},
        {"pointwise_conv": {"out_channels": "$in_channels"}},
        "reluu",
    ]
    assert set(paths(net(*entries))) == {
        ("layers", 0, "conv", "out_channels"),
        ("layers", 1, "relu", "foo"),
        ("layers", 3, "conv", "out_channels"),
        ("layers", 5, "maxpool", "kernel_size"),
        ("layers", 6, "batchnorm", "from"),
        ("layers", 8),
    }


@pytest.mark.parametrize(
    "bad",
    [
        {"conv": {"out_channels": 0, "kernel_size": 1}},
        {"maxpool": {"kernel_size": 9}},
        {"conv": {"kernel_size": 1}},
        "reluu",
        {"relu": {"from": "nope"}},
        {"relu": {"when": "x"}},
        {"relu": {"repeat": "x"}},
        {"relu": {"share": "nope"}},
        {"branches": [[PW8], []], "merge": "add"},
        {"sequence": [{"maxpool": {"kernel_size": 9}}]},
        {"b": {"p": "$nope"}},
    ],
)
def test_consequences_of_an_unknown_shape_are_not_reported(bad: Any) -> None:
    after = [
        {"linear": {"out_features": 3}},
        {"groupnorm": {"num_groups": 3}},
        {"pointwise_conv": {"out_channels": "$in_channels"}},
        {"add": {"from": ["previous", "input"]}},
        {"upsample": {"like": "previous"}},
        {"b": {"p": "$in_channels"}},
        {"sequence": ["relu"], "repeat": 2},
        {"branches": [["relu"], []], "merge": "concat"},
    ]
    blocks = {"b": {"params": {"p": 1}, "layers": [{"pointwise_conv": {"out_channels": "$p"}}]}}
    assert len(refused(net(bad, *after, blocks=blocks))) == 1


def test_a_mistake_in_a_block_is_reported_once_with_its_first_use() -> None:
    block = {"params": {"k": None}, "layers": [{"maxpool": {"kernel_size": "$k", "stride": 1}}]}
    uses = [{"b": {"k": 2}}, {"b": {"k": 9}}, {"b": {"k": 10, "from": "input"}}]
    found = problem(net(*uses, blocks={"b": block}))
    assert (found.path[:4], [path[:2] for path in related(found)]) == (("blocks", "b", "layers", 0), [("layers", 1)])


def test_a_mistake_in_a_repeat_is_reported_once() -> None:
    found = problem(net({"maxpool": {"kernel_size": 5, "stride": 1, "repeat": 9}}))
    assert (found.path, "4×4×4" in found.message) == (("layers", 0, "maxpool", "kernel_size"), True)


UNUSED = [
    ("reluu", ()),
    ({"relu": {"foo": 1}}, ("relu", "foo")),
    ({"pointwise_conv": {}}, ("pointwise_conv",)),
    ({"relu": {"name": "$nope"}}, ("relu", "name")),
]


@pytest.mark.parametrize(("entry", "where"), UNUSED)
def test_an_unused_block_is_checked(entry: Any, where: tuple[str, ...]) -> None:
    spec = net("relu", blocks={"b": {"layers": [entry]}})
    assert paths(spec) == [("blocks", "b", "layers", 0, *where)]


@pytest.mark.parametrize("option", [{"when": False}, {"repeat": 0}])
@pytest.mark.parametrize("word", ["reluu", "relu"])
def test_a_disabled_entry_is_checked(word: str, option: dict[str, Any]) -> None:
    found = paths(net("tanh", {word: {**option, "foo": 1}}))
    assert found == [("layers", 1, word, "foo") if word == "relu" else ("layers", 1, word)]


def test_the_contents_of_a_disabled_sequence_are_checked() -> None:
    spec = net("tanh", {"sequence": ["reluu", {"relu": {"foo": 1}}], "when": False})
    assert set(paths(spec)) == {("layers", 1, "sequence", 0), ("layers", 1, "sequence", 1, "relu", "foo")}


def test_all_mistakes_are_reported_in_file_order() -> None:
    text = f"batch: 0\n{INPUT}layers:\n  - reluu\n  - maxpool: {{kernel_size: 9, from: input}}\ndtype: f3\nfoo: 1\n"
    assert places(text) == [place_of(text, word) for word in ("0", "reluu", "9", "f3", "foo")]


# -- limits


def test_a_network_may_have_50_000_layers() -> None:
    assert len(load(net({"relu": {"repeat": 50_000}})).nodes) == 50_000


def test_a_network_may_not_have_more_layers() -> None:
    found = problem(net({"relu": {"repeat": 50_001}}))
    assert (found.code, "50,000" in found.message) == ("CV004", True)


def test_up_to_500_000_entries_are_expanded() -> None:
    # two entries are written, one of which is expanded that many times
    assert names(net({"sequence": [], "repeat": 499_998}, "relu")) == ["relu1"]


@pytest.mark.parametrize(
    "entry",
    [
        {"sequence": [], "repeat": 499_999},
        {"relu": {"when": False, "repeat": 499_999}},
        {"relu": {"repeat": 10**17}},
    ],
)
def test_more_entries_are_refused(entry: dict[str, Any]) -> None:
    assert problem(net(entry, "relu")).code == "CV004"


@pytest.mark.parametrize("body", [{}, {"repeat": 1}, {"when": True}])
def test_blocks_that_double_are_refused_immediately(body: dict[str, Any]) -> None:
    blocks = {"b0": {"layers": []}, **{f"b{n}": {"layers": [{f"b{n - 1}": body}] * 2} for n in range(1, 23)}}
    assert problem(net("b22", "relu", blocks=blocks)).code == "CV004"


def nested_blocks(depth: int, **options: Any) -> dict[str, Any]:
    blocks: dict[str, Any] = {"b1": {"layers": ["relu"]}}
    for n in range(2, depth + 1):
        blocks[f"b{n}"] = {"layers": [{f"b{n - 1}": options}]}
    return net(f"b{depth}", blocks=blocks)


def test_scopes_may_be_64_deep() -> None:
    assert names(nested_blocks(64)) == [".".join(f"b{n}1" for n in range(64, 0, -1)) + ".relu1"]


@pytest.mark.parametrize("options", [{}, {"repeat": 1}])
def test_deeper_scopes_are_refused(options: dict[str, Any]) -> None:
    found = problem(nested_blocks(65, **options))
    assert (found.code, "64" in found.message) == ("CV004", True)


def test_a_calculated_size_may_have_18_digits() -> None:
    big = {"pointwise_conv": {"out_channels": 10**18 - 1}}
    [layer] = report({"input": [10**18 - 1, 1], "layers": [big]})["layers"]
    assert layer["params"] == (10**18 - 1) ** 2 + 10**18 - 1


@pytest.mark.parametrize(
    "entry", ["flatten", {"upsample": {"scale_factor": 10}}, {"concat": {"from": ["input", "input"]}}]
)
def test_a_calculated_size_of_more_digits_is_refused(entry: Any) -> None:
    assert problem({"input": [6 * 10**17, 6 * 10**17], "layers": [entry]}).code == "CV004"


def test_a_kind_from_a_parameter_without_value_is_reported_once() -> None:
    found = problem({"params": {"act": None}, "input": [4], "layers": ["$act"]})
    assert (found.path, found.message) == (("params", "act"), "spec parameter act needs a value")
