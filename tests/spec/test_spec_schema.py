"""The JSON Schema for editors: all examples are valid against it, and specs with a wrong structure are not."""

import contextlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from convcalc import examples
from convcalc.check.rules import RULES
from convcalc.cli.main import run
from convcalc.layers import KINDS
from convcalc.problems import InvalidSpec
from convcalc.render.layers import parse_page
from convcalc.spec.entries import OPTIONS
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text
from convcalc.spec.spec_schema import can_be_bare, make_spec_schema
from tests.spec.test_fuzz_specs import EXAMPLES, mutants
from tests.support.places import BAD

SCHEMA = make_spec_schema()

# mistakes that a schema cannot detect
BEYOND = {
    "no YAML": """
        alias_mistakes at_sign bad_indent bare_word_with_options brackets_without_quotes colon_in_text complex_key
        control_character not_utf8 tab_indent tagged two_documents unclosed_bracket unclosed_quote unknown_escape
    """,
    "YAML that specs do not use": "duplicate_key yaml_directive",
    "names of blocks and layers": """
        block_of_several_inputs block_used_before byte_order_mark left_out_name name_below same_name_twice
        several_inputs_without_from unknown_kind
    """,
    "values of expressions": """
        computed_not_whole division_by_zero in_channels_outside nothing_laid unknown_expression_name unknown_function
        wrong_copies wrong_expressions wrong_indices
    """,
    "values of params": "null_parameter space_copies_unlike_list space_of_copies",
    "shapes": """
        convolution_on_vector groups_do_not_divide groups_do_not_divide_deeper kernel_too_large linear_on_map
        merge_shapes mistake_in_block_used_twice one_dimensional_padding_pair stated_channels
    """,
    "how much there is": "too_many_layers",
}
UNSEEN = {name for names in BEYOND.values() for name in names.split()}
FILES = sorted(path.stem for path in BAD.glob("*.yaml"))
RULE_SPECS = [(code, sort, getattr(rule, sort)) for code, rule in RULES.items() for sort in ("wrong", "right")]


# features of the spec format that the examples do not use
RIGHT = (
    """
params: {shape: [3, 8, 8], act: relu, how: add, last: tail, limit: 5, n: 2, on: 1, size: 4}
input: $shape
blocks:
  two: {params: {width: , list: [1, $n]}, inputs: [left, right], layers: [{add: {from: [left, right]}}]}
layers:
  - conv: {out_channels: $(4 * n), kernel_size: [1, $n], padding: [0, [$n, 1]], bias: $(n > 3), name: stem$n}
  - $act
  - $act: {repeat: $n, when: $on, frozen: $(n == 2)}
  - two: {width: 3, from: [previous, stem2], name: both}
  - sequence: []
    when: 0
  - upsample: {size: $size, when: $(size > 100)}
  - branches: [[relu], []]
    merge: $how
    name: tail
    repeat: 1
  - softmax:
outputs: [$last, softmax1]
budget:
  params: $(limit)M
  peak_memory: {min: 1 B, max: $(limit) MiB}
  receptive_field: {tail: {min: 1}, softmax1: {max: $limit}}
  output_shape: {tail: [8, $(4 * n), 10]}
  per_layer: {"*": {macs: 1_000.5K, weight_memory: 64KiB}}
""",
    "inputs: {left: {features: 3}, right: [3]}\nlayers: [{add: {from: [left, right]}}]",
    "params: {ends: [relu1]}\ninput: {length: 4, channels: 3}\nlayers: [relu, tanh]\noutputs: $ends",
    "input: {channels: 3, depth: 4, height: 4, width: $(2 * 2)}\nlayers: [relu]\nx-mine: {a: [~]}\ndtype: int8",
    "input: [3]\nlayers: [{sequence: [tanh], repeat: {n: 2}, name: s}, {relu: {repeat: {m: $(1 + 1)}}}, "
    "{add: {from: [s.*.tanh1, input]}}]",
    "input: [3]\nlayers: [relu]\nbudget: {params: 0, layers: {max: 3}}\ndtype: {weights: int8}\nbatch: 2\ncheck: {}",
)


def problems(spec: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(spec)]


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", examples.list_names())
def test_the_examples_are_valid(name: str) -> None:
    assert problems(yaml.safe_load(Path(examples.find_file(name)).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_examples_of_the_manual_are_valid(kind: Any) -> None:
    found = parse_page(kind)
    assert problems({"input": yaml.safe_load(found.example_input), "layers": [yaml.safe_load(found.example)]}) == []


@pytest.mark.parametrize(("code", "sort", "text"), RULE_SPECS)
def test_the_examples_of_the_rules_are_valid(code: str, sort: str, text: str) -> None:
    assert problems(yaml.safe_load(text)) == []


def test_specs_with_undetectable_mistakes_exist() -> None:
    assert set(FILES) >= UNSEEN


@pytest.mark.parametrize("name", sorted(set(FILES) - UNSEEN))
def test_every_wrong_structure_is_invalid(name: str) -> None:
    assert problems(yaml.safe_load((BAD / f"{name}.yaml").read_bytes())) != []


@pytest.mark.parametrize("name", sorted(UNSEEN - set(BEYOND["no YAML"].split())))
def test_undetectable_mistakes_are_not_detected(name: str) -> None:
    assert problems(yaml.safe_load((BAD / f"{name}.yaml").read_bytes())) == []


def test_a_changed_example_without_mistakes_is_valid() -> None:
    accepted = 0
    for example in EXAMPLES:
        for text in mutants(example.read_text(encoding="utf-8"), 12, f"schema {example.stem}"):
            with contextlib.suppress(InvalidSpec):
                document = read_text(text)
                read_network(document)
                accepted += 1
                assert problems(document.root) == [], text
    assert accepted > 50


@pytest.mark.parametrize("text", RIGHT)
def test_all_features_of_the_spec_format_are_valid(text: str) -> None:
    document = read_text(text)
    read_network(document)
    assert problems(document.root) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"budget": {"params": "5m"}},
        {"budget": {"peak_memory": "256K"}},
        {"budget": {"peak_memory": 1024}},
        {"budget": {"macs": {"most": 3}}},
        {"budget": {"receptive_field": 224}},
        {"budget": {"per_layer": {"head": {"layers": 3}}}},
        {"outputs": ["first", "first"]},
        {"params": {"a-b": 3}},
        {"blocks": {"conv": {"layers": ["relu"]}}},
        {"check": {"select": ["no-bias"]}},
        {"name": ""},
    ],
)
def test_wrong_keys_are_invalid(keys: Any) -> None:
    assert problems({"input": [3, 8, 8], "layers": ["relu"], **keys}) != []


@pytest.mark.parametrize(
    "entry",
    [
        {"conv": {"out_channels": 0, "kernel_size": 3}},
        {"conv": {"kernel_size": 3}},
        {"conv": None},
        {"conv": {"out_channels": 8, "kernel_size": [3, 3, 3, 3]}},
        {"conv": {"out_channels": 8, "kernel_size": 3, "padding": "smae"}},
        {"relu": {"inplace": True}},
        {"dropout": {"p": 2}},
        {"upsample": {"mode": "cubic", "scale_factor": 2}},
        {"upsample": {"size": 4, "scale_factor": 2}},
        "upsample",
        "conv",
        "branches",
        {"crop": {"name": "cropped"}},
        "nn.ReLU",
        {"relu": None, "name": "first"},
        {"name": "first"},
        {"relu": {"name": "input"}},
        {"relu": {"name": "2nd"}},
        {"block": [3]},
        {"branches": [["relu"], []]},
        {"branches": [["relu"], []], "merge": "add", "share": "first"},
        {"sequence": ["relu"], "merge": "add"},
        {"branches": [["relu"]], "merge": "add"},
        {"relu": {"repeat": -1}},
        {},
        3,
    ],
)
def test_wrong_entries_are_invalid(entry: Any) -> None:
    assert problems({"input": [3, 8, 8], "layers": [entry]}) != []


def test_every_kind_is_completed_and_described() -> None:
    *words, _, mapping = SCHEMA["definitions"]["entry"]["anyOf"]
    properties = mapping["properties"]
    assert {word["const"] for word in words} == {name for name, kind in KINDS.items() if can_be_bare(kind)}
    assert set(KINDS) <= set(properties)
    for kind in KINDS:
        long_form = properties[kind]["anyOf"][0] if KINDS[kind].main else properties[kind]
        arguments = set(long_form["properties"])
        assert {*KINDS[kind].keys, *OPTIONS} == arguments
        assert properties[kind]["description"]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))
