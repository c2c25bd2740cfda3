"""The JSON Schema that editors use: the zoo is valid by it, specs with a wrong structure are not."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from convcalc import examples
from convcalc.cli.main import run
from convcalc.layers import KINDS
from convcalc.render.manual import page
from convcalc.spec.schema import schema

SCHEMA = schema()
BAD = Path(__file__).parent / "bad"
# what is wrong with these lies in their structure, not in values, names, shapes or YAML
STRUCTURAL = (
    "misspelt_argument", "keras_filters", "layers_missing", "input_missing", "layers_a_mapping", "one_branch_only",
    "keys_of_other_dialects", "quoted_number", "written_float", "octal_number", "yes_for_true", "dtype_mistakes",
    "arguments_no_mapping", "options_of_branches_inside",
)  # fmt: skip


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


@pytest.mark.parametrize("name", [name for name in STRUCTURAL if (BAD / f"{name}.yaml").exists()])
def test_a_wrong_structure_is_not_valid(name: str) -> None:
    assert problems(yaml.safe_load((BAD / f"{name}.yaml").read_text(encoding="utf-8"))) != []


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
    properties = SCHEMA["definitions"]["entry"]["anyOf"][1]["properties"]
    assert set(KINDS) <= set(properties)
    for kind in KINDS:
        arguments = set(properties[kind]["properties"])
        assert set(KINDS[kind].keys) <= arguments
        assert properties[kind]["description"]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))
