"""The writer of YAML: every value that it writes is read back as the same value, by convcalc and by PyYAML."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convcalc.spec.emit import format_item, format_scalar, format_value, quote
from convcalc.spec.source import read_text

AMBIGUOUS = ["yes", "No", "null", "~", "", "1e3", "0x10", "1:30", "2020-01-01", "1_000", ".5", "-", "--- a", "...", "="]
INDICATORS = ["a: b", "a:", "a #b", "- a", "? a", "<<", "&a", "*a", "!x", "%a", "@a", "`a", "| a", "a b", " a", "a  b "]
EXPRESSIONS = ["$a", "$$a", "a$b", "$", "$(a // 2)", "$(1 if index == 0 else 2)", "$(min(a, 2))", "$(a", "$(a))"]
QUOTES = ["$(a == 'b')", '$(a == "b")', "it's", 'say "a"', '\\"', "'", "a\nb", "$('a)", "$(')' == a)"]
TOO_LONG = f"$({'a + ' * 999}a)"
TEXT = st.text() | st.sampled_from(AMBIGUOUS + INDICATORS + EXPRESSIONS + QUOTES + [TOO_LONG])
MIXED = st.lists(st.sampled_from(["$", "(", ")", "a", " ", "'", '"', ",", "+", ":", "#", "\\", "\n", "\t"])).map(
    "".join
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e17, max_value=1e17)
SCALARS = TEXT | MIXED | st.integers(-(10**18) + 1, 10**18 - 1) | FLOATS | st.booleans() | st.none()


def collections(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.text(max_size=20) | st.sampled_from([*AMBIGUOUS, *INDICATORS, "out_channels", "$act"])
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)


VALUES = st.recursive(SCALARS, collections, max_leaves=8)


def types(value: Any) -> Any:
    """The type of a value and of all values in it: 1, 1.0 and True are equal."""
    if isinstance(value, dict):
        return {key: types(item) for key, item in value.items()}
    return [types(item) for item in value] if isinstance(value, list) else type(value)


def read(text: str) -> Any:
    document = read_text(text, "x", True)
    assert document.problems == []
    return document.root


@given(VALUES)
@settings(max_examples=300, deadline=None)
@example(-0.0)
@example(1e-05)
@example({"a": {}, "b": [], "c": [[]], "d": [{}], "e": [{"f": {"g": 1}}]})
def test_a_value_is_read_back_unchanged(value: Any) -> None:
    text = f"a: {format_value(value)}\nb:\n  - {format_item(value)}\n  - {format_value([value])}\n"
    assert text.count("\n") == 4
    expected = {"a": value, "b": [value, [value]]}
    back = read(text)
    assert back == expected
    assert str(types(back["a"])) == str(types(value))
    assert yaml.safe_load(text) == expected


@given(TEXT | MIXED)
@settings(deadline=None)
def test_quoted_text_is_read_back_unchanged(text: str) -> None:
    assert read(f"a: {quote(text)}\nb: [{quote(text)}]\n") == {"a": text, "b": [text]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("out_channels", "out_channels"),
        ("global average", "global average"),
        ("$width", "$width"),
        ("$(width // 2)", "$(width // 2)"),
        ("$(min(a, b))", '"$(min(a, b))"'),
        ("yes", '"yes"'),
        ("8", '"8"'),
        ('a "b"', "'a \"b\"'"),
        (True, "true"),
        (None, "null"),
        (1e-05, "1.0e-05"),
        (0.1, "0.1"),
    ],
)
def test_scalars_are_quoted_only_if_needed(value: Any, text: str) -> None:
    assert format_scalar(value) == text


def test_a_mapping_with_one_key_needs_no_braces_in_a_list() -> None:
    conv = {"conv": {"out_channels": 8, "kernel_size": (3, 1)}}
    assert format_item(conv) == "conv: {out_channels: 8, kernel_size: [3, 1]}"
    assert format_value([conv, "relu"]) == "[conv: {out_channels: 8, kernel_size: [3, 1]}, relu]"
    assert format_value(conv) == "{conv: {out_channels: 8, kernel_size: [3, 1]}}"
    assert format_item({"a": 1, "b": {}}) == "{a: 1, b: {}}"
