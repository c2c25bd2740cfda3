"""The JSON Schema that editors use: the zoo is valid by it, specs with a wrong structure are not."""

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
from convcalc.render.manual import page
from convcalc.spec.schema import bare, schema

SCHEMA = schema()
BAD = Path(__file__).parent / "bad"

# what is wrong with these a schema does not see
BEYOND = {
    "no YAML": """
        alias_mistakes at_sign bad_indent bare_word_with_options colon_in_text complex_key control_character not_utf8
        tab_indent tagged two_documents unclosed_bracket unclosed_quote unknown_escape
    """,
    "YAML that specs do not use": "duplicate_key yaml_directive",
    "names of blocks and layers": """
        block_of_several_inputs block_used_before byte_order_mark left_out_name name_below same_name_twice
        several_inputs_without_from unknown_kind
    """,
    "values of expressions": """
        computed_not_whole division_by_zero in_channels_outside nothing_laid unknown_expression_name unknown_function
        wrong_expressions
    """,
    "values of params": "null_parameter",
    "shapes": """
        convolution_on_vector groups_do_not_divide groups_do_not_divide_deeper kernel_too_large linear_on_map
        merge_shapes mistake_in_block_used_twice one_dimensional_padding_pair stated_channels
    """,
    "how much there is": "too_many_layers",
}
UNSEEN = {name for names in BEYOND.values() for name in names.split()}
FILES = sorted(path.stem for path in BAD.glob("*.yaml"))
RULE_SPECS = [(code, sort, getattr(rule, sort)) for code, rule in RULES.items() for sort in ("wrong", "right")]


def problems(spec: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(spec)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", examples.names())
def test_the_zoo_is_valid(name: str) -> None:
    assert problems(yaml.safe_load(Path(examples.path(name)).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_examples_of_the_manual_are_valid(kind: Any) -> None:
    found = page(kind)
    assert problems({"input": yaml.safe_load(found.example_input), "layers": [yaml.safe_load(found.example)]}) == []


@pytest.mark.parametrize(("code", "sort", "text"), RULE_SPECS)
def test_the_examples_of_the_rules_are_valid(code: str, sort: str, text: str) -> None:
    assert problems(yaml.safe_load(text)) == []


def test_what_a_schema_does_not_see_is_there() -> None:
    assert set(FILES) >= UNSEEN


@pytest.mark.parametrize("name", sorted(set(FILES) - UNSEEN))
def test_every_wrong_structure_is_not_valid(name: str) -> None:
    assert problems(yaml.safe_load((BAD / f"{name}.yaml").read_bytes())) != []


@pytest.mark.parametrize("name", sorted(UNSEEN - set(BEYOND["no YAML"].split())))
def test_what_is_said_to_be_unseen_is(name: str) -> None:
    assert problems(yaml.safe_load((BAD / f"{name}.yaml").read_bytes())) == []


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
        {"branches": [["relu"]], "merge": "add"},
        {"relu": {"repeat": -1}},
        {},
        3,
    ],
)
def test_wrong_entries_are_not_valid(entry: Any) -> None:
    assert problems({"input": [3, 8, 8], "layers": [entry]}) != []


def test_every_kind_completes_and_says_what_it_is() -> None:
    *words, _, mapping = SCHEMA["definitions"]["entry"]["anyOf"]
    properties = mapping["properties"]
    assert {word["const"] for word in words} == {name for name, kind in KINDS.items() if bare(kind)}
    assert set(KINDS) <= set(properties)
    for kind in KINDS:
        arguments = set(properties[kind]["properties"])
        assert set(KINDS[kind].keys) <= arguments
        assert properties[kind]["description"]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))
