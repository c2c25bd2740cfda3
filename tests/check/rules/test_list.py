"""Every rule is listed under a unique code, and has tests."""

from importlib import import_module
from pathlib import Path

import pytest

from convcalc.check import rules
from convcalc.check.options import RULE_OPTIONS, IntegerOption
from convcalc.check.rule import Rule
from convcalc.check.rules import LIST, RULES, index_by_code
from convcalc.check.settings import KEYS, rule_options
from convcalc.cli.check import command
from convcalc.problems import TITLES, Flaw

FILES = sorted(path.stem for path in Path(rules.__file__).parent.glob("*.py") if path.stem != "__init__")


def rules_in(file: str) -> list[type[Rule]]:
    module = import_module(f"convcalc.check.rules.{file}")
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Rule)]
    return [found for found in classes if found.__module__ == module.__name__]


@pytest.mark.parametrize("file", FILES)
def test_the_rules_of_every_file_are_listed_and_tested(file: str) -> None:
    found = rules_in(file)
    assert found
    assert all(rule in LIST for rule in found)
    assert (Path(__file__).parent / f"test_{file}.py").is_file()


def test_every_listed_rule_is_found_by_its_code() -> None:
    assert list(RULES.values()) == list(LIST)
    assert list(RULES) == [rule.code for rule in LIST]
    assert not RULES.keys() & TITLES.keys()


@pytest.mark.parametrize("taken", ["code", "name"])
def test_a_second_rule_with_the_same_code_or_name_is_refused(taken: str) -> None:
    first = LIST[0]
    others = {"code": "CV999", "name": "another-rule", taken: getattr(first, taken)}
    second = type("Second", (first,), others)
    with pytest.raises(ValueError, match="Second"):
        index_by_code([first, second])


def test_every_option_of_a_rule_is_an_option_of_check_with_a_name_of_its_own() -> None:
    names = [option.name for rule in LIST for option in rule.options]
    assert "channel-multiple" in names
    assert len(set(names)) == len(names)
    assert not set(names) & {*KEYS, "max-params", "min-params"}
    assert list(rule_options(RULES)) == names
    assert tuple(rule_options(RULES).values()) == RULE_OPTIONS
    assert {f"--{name}" for name in names} <= {spelling for option in command.params for spelling in option.opts}


@pytest.mark.parametrize("value", [1, True, 2.0, "2"])
def test_a_wrong_value_of_an_option_is_refused(value: object) -> None:
    option = IntegerOption("size", 4, 2, "Size")
    assert option.read(2) == 2
    with pytest.raises(Flaw, match="size must be an integer of at least 2; got"):
        option.read(value)
