"""The manual's page on the language, which is the contract, names everything that a spec may contain, and no more."""

import re

import pytest

from convcalc.manual import read_page
from convcalc.spec import budget_metrics, entries, expressions, functions, problem_list, reader, templates, tree
from convcalc.units import BITS, COUNT_SUFFIXES, MEMORY_SUFFIXES

PAGE = read_page("language")
LIMITS = read_page("limits-and-security")


def first_cells(title: str) -> set[str]:
    """The names in the first column of the first table that follows a text."""
    rows = re.search(r"^\|[^\n]*\n\|[-|]+\n((?:\|.*\n)+)", PAGE[PAGE.index(title) :], re.MULTILINE)
    assert rows
    return {name for row in rows[1].splitlines() for name in re.findall(r"`([\w…-]+)", row.split("|")[1])}


def test_all_keys_of_a_spec_are_listed() -> None:
    assert first_cells("## Keys of a spec") == {*reader.TOP_KEYS, "x-…"}


def test_all_options_of_an_entry_are_listed() -> None:
    assert first_cells("These **options**") == set(entries.OPTIONS)


def test_all_keys_of_a_block_are_listed() -> None:
    assert first_cells("## Blocks") == {"layers", "params", "inputs"}


def test_all_limits_of_a_budget_are_listed() -> None:
    assert first_cells("## Budget") == {*budget_metrics.METRICS, "per_layer"}
    assert all(f"{suffix}," in PAGE or f"{suffix} " in PAGE for suffix in (*COUNT_SUFFIXES, *MEMORY_SUFFIXES) if suffix)


def test_all_functions_are_listed() -> None:
    table = PAGE[PAGE.index("| in an expression |") :].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)(?:\(|`)", table)) - {"true", "false", "and", "or", "not", "in_channels", "index"}
    assert named == set(functions.FUNCTIONS)
    assert all(sign in table for sign in functions.OPERATORS)
    assert named <= expressions.RESERVED


@pytest.mark.parametrize("dtype", [dtype for dtype in BITS if not dtype.startswith("u")])
def test_all_data_types_are_listed(dtype: str) -> None:
    assert re.search(rf"\b{dtype}\b", PAGE)


def test_the_limits_are_those_of_the_code() -> None:
    def number(text: str) -> int:
        return int(text.replace(",", ""))

    assert [
        number(found) for found in re.findall(r"\| ([\d,]+) characters, parentheses ([\d]+) levels", LIMITS)[0]
    ] == [
        templates._MOST_CHARACTERS,
        expressions._MOST_PARENTHESES,
    ]
    assert re.findall(r"\| a name \| (\d+) characters", LIMITS) == [str(entries.MOST_NAME)]
    [inserted] = re.findall(r"\| ([\d,]+) characters, ([\d,]+) items", LIMITS)
    assert tuple(map(number, inserted)) == (templates._MOST_TEXT, templates._MOST_ITEMS)
    assert re.findall(r"\| problems reported at once \| ([\d,]+)", LIMITS) == [f"{problem_list.MOST_PROBLEMS:,}"]
    assert f"{tree.MOST_NESTING} levels of nesting, {tree._MOST_NODES:,} YAML nodes" in LIMITS
