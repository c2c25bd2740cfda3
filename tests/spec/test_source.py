"""Reading YAML: the values of scalars, anchors and merge keys, what is refused, the limits, and locations in a file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

import convcalc
from convcalc.spec import source
from tests.support.specs import load, place, place_of, places, problem, refused, said, shapes

MOST_BYTES = 4 * 1024 * 1024
BASE = "input: [3, 8, 8]\nlayers: [relu]\n"


def scalar(text: str) -> Any:
    """The value of a plain scalar as the value of a param."""
    return load(f"params:\n  value: {text}\n{BASE}").params["value"]


def param_values(text: str) -> dict[str, Any]:
    return load(f"{text}\n{BASE}").params


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PyYAML with libyaml, and without."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML has no libyaml here")
    return str(request.param)


def same(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and found == expected


# -- scalars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("1_000_000", 1000000),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        ("1.5E+2", 150.0),
        ("true", True),
        ("false", False),
    ],
)
def test_plain_scalars_are_decimal_numbers_and_booleans(text: str, expected: Any) -> None:
    assert same(scalar(text), expected)


TEXTS = [
    "010",
    "0x10",
    "0o10",
    "0b1",
    "1:30",
    "1:30:00",
    "yes",
    "no",
    "on",
    "off",
    "Yes",
    "True",
    "FALSE",
    ".inf",
    "-.inf",
    ".NaN",
    "nan",
    "inf",
    "2020-01-01",
    "2020-01-01 10:00:00",
    "1__0",
    "_1",
    "1_",
    "1.2.3",
    "1e",
    "-e3",
    "+e3",
    ".e3",
    "e3",
    "NULL1",
    "relu",
]


@pytest.mark.parametrize("text", TEXTS)
def test_other_plain_scalars_are_text(text: str) -> None:
    assert same(scalar(text), text)


@pytest.mark.parametrize("text", ["'3'", '"true"', "'null'", '"~"', "'1e-3'"])
def test_what_is_in_quotes_is_text(text: str) -> None:
    assert same(scalar(text), text[1:-1])


@pytest.mark.parametrize("text", ["~", "", "null"])
def test_null_is_not_a_valid_param(text: str) -> None:
    assert problem(f"params:\n  value: {text}\n{BASE}").code == "CV012"


@pytest.mark.parametrize("text", ["010", "0x10", "1:30", "yes", ".inf", "2020-01-01", "'8'"])
def test_a_text_instead_of_a_number_is_reported_as_text(text: str) -> None:
    found = problem(f"input: [3, 8, 8]\nlayers:\n  - pointwise_conv: {{out_channels: {text}}}\n")
    assert found.code == "CV013"
    assert text.strip("'") in found.message
    assert text == "yes" or "is text" in said(found)


@pytest.mark.parametrize("text", ["9" * 18, "-" + "9" * 18, "1_" + "000_" * 5 + "00"])
def test_integers_may_have_18_digits(text: str) -> None:
    assert scalar(text) == int(text.replace("_", ""))


@pytest.mark.parametrize(
    "text", ["1" + "0" * 18, "-1" + "0" * 18, "1_" + "000_" * 5 + "000", "1e18", "1e999", "9" * 5000]
)
def test_numbers_of_more_than_18_digits_are_refused(text: str) -> None:
    found = problem(f"params:\n  value: {text}\n{BASE}")
    assert (found.code, place(found)) == ("CV004", (2, 10))


# -- anchors, aliases, merge keys


def test_an_alias_refers_to_its_anchor() -> None:
    assert param_values("params: {a: &x [1, 2], b: *x, c: &y 3, d: *y}") == {"a": [1, 2], "b": [1, 2], "c": 3, "d": 3}


def test_an_anchor_may_be_redefined() -> None:
    assert param_values("params: {a: &x 1, b: *x, c: &x 2, d: *x}") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_entries_may_be_aliases() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - &c\n    pointwise_conv: {out_channels: 4}\n  - *c\n"
    assert shapes(text) == {"pointwise_conv1": [4, 8, 8], "pointwise_conv2": [4, 8, 8]}


def test_an_alias_may_be_a_key() -> None:
    assert param_values("x-a: &k width\nparams: {*k : 2}") == {"width": 2}


def merged(text: str) -> dict[str, Any]:
    return param_values(f"x-a: &a {{p: 1, q: 2}}\nx-b: &b {{q: 3, r: 4}}\nparams:\n  {text}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<<: *a", {"p": 1, "q": 2}),
        ("<<: *a\n  q: 5", {"p": 1, "q": 5}),
        ("q: 5\n  <<: *a", {"p": 1, "q": 5}),
        ("<<: [*a, *b]", {"p": 1, "q": 2, "r": 4}),
        ("<<: [*b, *a]", {"q": 3, "r": 4, "p": 1}),
        ("<<: [*a, *b]\n  q: 5\n  s: 6", {"p": 1, "r": 4, "q": 5, "s": 6}),
        ("<<: {z: 1}", {"z": 1}),
        ("<<: []\n  z: 1", {"z": 1}),
    ],
)
def test_merge_keys_add_only_missing_keys(text: str, expected: dict[str, Any]) -> None:
    assert merged(text) == expected


def test_a_merged_default_comes_before_the_explicit_keys() -> None:
    assert param_values("x-a: &a {p: 2}\nparams: {q: $(p * 3), <<: *a}") == {"p": 2, "q": 6}


def test_a_merge_of_a_merge_includes_both() -> None:
    assert param_values("x-a: &a {p: 1}\nx-b: &b {<<: *a, q: 2}\nparams: {<<: *b}") == {"p": 1, "q": 2}


@pytest.mark.parametrize("text", ["'<<': 1", '"<<": 1'])
def test_a_quoted_merge_key_is_an_ordinary_key(text: str) -> None:
    assert problem(f"{text}\n{BASE}").code == "CV010"


@pytest.mark.parametrize("merge", ["3", "[3]", "text", "[[{p: 1}]]", ""])
def test_merge_keys_need_mappings(merge: str) -> None:
    assert [found.code for found in refused(f"x-a:\n  <<: {merge}\n{BASE}")] == ["CV003"]


def test_a_mistake_in_an_alias_is_shown_at_its_anchor() -> None:
    text = "x-a: &a\n  kernel_size: 0\ninput: [3, 8, 8]\nlayers:\n  - maxpool: *a\n"
    assert places(text) == [place_of(text, "0")]


def test_a_mistake_in_a_merged_mapping_is_shown_at_its_anchor() -> None:
    text = "x-a: &a\n  kernel_sise: 2\ninput: [3, 8, 8]\nlayers:\n  - maxpool: {<<: *a, kernel_size: 2}\n"
    assert places(text) == [place_of(text, "kernel_sise")]


def test_a_mistake_in_an_alias_is_reported_once() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - &a {maxpool: {kernel_size: 0}}\n  - *a\n  - *a\n"
    assert places(text) == [place_of(text, "0")]


# -- refused features


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("x-a: !!str 3", "!!str"),
        ("x-a: !tag {}", "!tag"),
        ("x-a: !!python/object/apply:os.getcwd []", "!!python"),
        ("x-a: ! 3", "! 3"),
        ("!!str x-a: 3", "!!str"),
        ("x-a: *nothing", "*nothing"),
        ("x-a: &a [*a]", "*a"),
        ("x-a: &a {b: *a}", "*a"),
        ("x-a: &a {<<: *a}", "*a"),
        ("x-a: &a\n  - b: [*a]", "*a"),
    ],
)
def test_unsupported_yaml_is_refused_at_its_location(text: str, at: str) -> None:
    found = problem(f"{text}\n{BASE}")
    assert (found.code, place(found)) == ("CV003", place_of(text, at))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("x-a: {b: 1, b: 2}", "b: 2"),
        ("x-a: {b: 1, 'b': 2}", "'b'"),
        ("x-a: 1\nx-b: 2\nx-a: 3", "x-a: 3"),
        ("x-a: {1: 1, 1: 2}", "1: 2"),
        ("x-a: {b: 1}\nx-c: {<<: {d: 1}, b: 1, b: 2}", "b: 2"),
        ("x-a: &a {b: 1}\nx-c:\n  <<: *a\n  <<: {c: 1}", "<<: {c"),
    ],
)
def test_a_key_written_twice_is_refused_at_the_second(text: str, at: str) -> None:
    found = problem(f"{text}\n{BASE}")
    assert (found.code, place(found)) == ("CV003", place_of(text, at))


@pytest.mark.parametrize(
    "key", ["? [a, b]\n: 1", "? {a: b}\n: 1", "[a, b]: 1", "{a: b}: 1", "x-a: &k [a]\n*k : 1", "x-a: &k {a: 1}\n*k : 1"]
)
def test_keys_must_be_scalars(key: str) -> None:
    assert [found.code for found in refused(f"{key}\n{BASE}")] == ["CV003"]


def test_an_alias_of_a_number_as_a_key_is_not_lost() -> None:
    assert [found.code for found in refused(f"x-a: &k 3\n*k : 1\n{BASE}")] != []


def test_a_second_document_is_refused() -> None:
    text = f"{BASE}---\n{BASE}"
    found = problem(text)
    assert (found.code, place(found)) == ("CV003", (3, 1))


@pytest.mark.parametrize("text", [f"---\n{BASE}", f"---\n{BASE}...\n", f"# comment\n{BASE}"])
def test_one_document_may_be_marked(text: str) -> None:
    assert len(load(text).nodes) == 1


@pytest.mark.parametrize("text", ["%YAML 1.2\n---\n", "%TAG ! tag:x,2000:\n---\n"])
def test_directives_are_refused(text: str) -> None:
    assert problem(text + BASE).code == "CV003"


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n", "---\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert len(refused(text)) == 1


@pytest.mark.parametrize("text", ["[1, 2]", "relu", "3", "null", "- relu"])
def test_a_spec_is_a_mapping(text: str) -> None:
    assert "mapping" in problem(text).message


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2\n",
        "a: {b: 1\n",
        "a: 'b\n",
        "a: b: c\n",
        "\ta: 1\n",
        "a: @b\n",
        "a: `b\n",
        "a: %b\n",
        "]\n",
        'a: "\\q"\n',
    ],
)
def test_malformed_yaml_is_reported_once(text: str) -> None:
    assert [found.code for found in refused(f"{BASE}{text}")] == ["CV002"]


MALFORMED = [
    ("a: [1, 2", "[", "[ is never closed"),
    ("a: {b: [1, 2}", "}", "} cannot close the list that begins with ["),
    ("a: {b: 1\nc: 2\nd: 3", "{", "{ is never closed"),
    ("a: [1,\nb:\n  - c", "[", "[ is never closed"),
    ("a: [#, 2]\nb: 1", "[", "[ is never closed"),
    ("a: [1]\n  - b", "- b", "this line is indented by 2, but the keys of the mapping above by 0"),
    ("a: {b: 1\n    c: 2}", ": 2", "expected ',' or '}'; got :"),
    ("a: {b: c: d}", ": d", "expected ',' or '}'; got :"),
    ("a: ['b' c]", "c]", "expected ',' or ']'; got c"),
    ("a: [1,, 2]", ", 2", "a value is missing before the comma"),
    ("a: [- 1]", "- 1", "a list item cannot begin here"),
    ("a: [@b]", "@", "@ cannot start a value here"),
    ("a: 'b", "'", "a quote is never closed"),
    ("a: [1, 'b]", "'", "a quote is never closed"),
    ("a: 'b\n---\nc: d'", "'", "a quote is never closed"),
    ('a: "50\\% of"', "\\%", "\\% is not an escape sequence"),
    ('a: ["\\\\", "\\xg1"]', "\\xg", "\\x is not an escape sequence"),
    ('a: "\\U7fffffff"', "\\U", "\\U is not an escape sequence"),
    ("a: b: c", ": c", "unexpected ':' in a value"),
    ("a: don't 'b: c", ": c", "unexpected ':' in a value"),
    ("a: 1\nfoo\nb: 2", "foo", "a key without a colon"),
    ("a:1\nb: 2", "a:1", "a key without a colon"),
    ("a: 1\n" + "k" * 1025 + ": 2", "kk", "a key of more than 1,024 characters"),
    ("\ta: 1", "\t", "a tab is not allowed as indentation"),
    ("a:\n\t- b", "\t", "a tab is not allowed as indentation"),
    ("a: @b", "@", "@ cannot start a value here"),
    ("a: ]", "]", "unmatched ]"),
    ("a: , b", ",", ", cannot start a value here"),
    ("a: |b\n  c", "|", "only +, - or a digit can follow | here"),
    ("a: & b", "&", "& must be followed by a name"),
    ("a: [* , b]", "*", "* must be followed by a name"),
    ("a: - b", "- b", "a list item cannot begin here"),
    ("a: ? b", "? b", "a key cannot begin here"),
    ("a: 'b' c", "c", "unexpected text after the value"),
    ("a: 'b'\n c: 1", "c", "this line is indented by 1, but the keys of the mapping above by 0"),
    (" a: 1\nb: 2", "b", "this line is indented by 0, but the keys of the mapping above by 1"),
    ("a: &b\n  - c\n d: 1", "d", "this line is indented by 1, but the keys of the mapping above by 0"),
    ("a:\n   - b\n  - c", "- c", "this line is indented by 2, but the keys of the mapping above by 0"),
    ("- a\nb: 1", "b", "expected a list item like the lines above"),
    ("a: 1\n- b", "- b", "expected a key like the lines above"),
    ("{a: 1}\nb: 2", "b", "text after the end of the spec"),
]


@pytest.mark.parametrize(("text", "at", "message"), MALFORMED)
def test_malformed_yaml_is_explained_alike_by_all_parsers(text: str, at: str, message: str, parser: str) -> None:
    found = problem(text)
    assert (found.code, place(found), found.message) == ("CV002", place_of(text, at), message)
    assert found.hint


WORDS_OF_A_PARSER = "words of a parser"
SPEC = """\
name: "a\\tb"
params: {width: 1.5, sizes: [3, 5]}
input: [3, 32, 32]
blocks:
  body: &body
    params: {n: 8}
    layers:
    - conv: {out_channels: $(round_to(n, 8)), kernel_size: 3}
    - relu
layers:
  - body: {n: 16, repeat: 2}  # twice
  - branches:
      - - relu
        - 'identity'
      - []
    merge: add
  - x: *body
description: |
  several
  lines
"""
PIECES = [*"[]{},:'\"- #@`%&*|>\n\\ a1$(", ": ", "- ", "\n  ", "\n- ", "\n---\n", "\\ud800", "\\x4"]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A spec in which characters were removed or replaced; texts that only one of the parsers accepts are skipped."""
    text = SPEC
    for _ in range(draw(st.integers(1, 3))):
        index, stop = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:index] + draw(st.sampled_from(["", *PIECES])) + text[index + stop :]
    assume(not re.search(r":[\[\]{},]|:$|\?", text))
    return text


def words_hidden(text: str) -> Iterator[Any]:
    """The events of a text, with the wording of errors removed."""
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        error.problem = error.context = WORDS_OF_A_PARSER
        raise


def problems_of(text: str) -> list[tuple[Any, ...]]:
    return [(found.code, found.message, found.hint, found.span) for found in source.read_text(text).problems]


@given(damaged())
def test_no_result_depends_on_the_parser(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        expected = problems_of(text)
        patch.setattr(source, "parse_events", words_hidden)
        assert problems_of(text) == expected
        assert WORDS_OF_A_PARSER not in str(expected)
        patch.delattr(yaml, "CSafeLoader", raising=False)
        assert problems_of(text) == expected


@pytest.mark.parametrize("value", ["null", "~", ""])
@pytest.mark.parametrize(
    "key", ["name", "description", "params", "dtype", "batch", "blocks", "outputs", "budget", "check"]
)
def test_null_is_never_a_valid_value(key: str, value: str) -> None:
    assert [found.path for found in refused(f"{key}: {value}\n{BASE}")] == [(key,)]


@pytest.mark.parametrize("value", ["[1, null]", "[[~]]", "{a: 1}", "[{a: 1}]"])
def test_a_param_cannot_be_null_or_a_mapping(value: str) -> None:
    assert [found.path[:2] for found in refused(f"params: {{p: {value}}}\n{BASE}")] == [("params", "p")]


# -- encoding


def written(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "net.yaml"
    file.write_bytes(data)
    return file


def file_problem(tmp_path: Path, data: bytes) -> convcalc.Problem:
    with pytest.raises(convcalc.InvalidSpec) as caught:
        convcalc.load(written(tmp_path, data))
    [found] = caught.value.problems
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"description: \xe4\n", (1, 14)),
        (b"x-a: 1\ndescription: a\xff\n", (2, 15)),
        (b"description: \xc3\xa4\xc3\n", (1, 15)),
        (b"description: \xed\xa0\x80\n", (1, 14)),
        (b"description: \xc0\xaf\n", (1, 14)),
        (BASE.encode("utf-16"), (1, 1)),
    ],
)
def test_a_file_is_strictly_utf_8(tmp_path: Path, data: bytes, expected: tuple[int, int]) -> None:
    found = file_problem(tmp_path, data)
    assert (found.code, place(found)) == ("CV001", expected)


def test_one_byte_order_mark_is_allowed(tmp_path: Path) -> None:
    assert len(convcalc.load(written(tmp_path, BASE.encode("utf-8-sig"))).nodes) == 1


def test_locations_do_not_count_the_byte_order_mark(tmp_path: Path) -> None:
    assert place(file_problem(tmp_path, f"nam: x\n{BASE}".encode("utf-8-sig"))) == (1, 1)


def test_a_second_byte_order_mark_is_refused(tmp_path: Path) -> None:
    assert place(file_problem(tmp_path, b"\xef\xbb\xbf\xef\xbb\xbf" + BASE.encode()))[0] == 1


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x07", "\x1b", "\x7f", "\x80", "\x9f", "\ufffe", "\uffff"])
def test_control_characters_are_refused_at_their_location(character: str, parser: str) -> None:
    text = f"# ä\ndescription: ab{character}c\n{BASE}"
    found = problem(text)
    assert (found.code, place(found)) == ("CV001", (2, 16))


@pytest.mark.parametrize("character", ["\t", "é", "漢", "😀", "\u200f", "\xa0"])
def test_other_characters_are_allowed_in_text(character: str) -> None:
    assert load(f"description: 'a{character}b'\n{BASE}").description == f"a{character}b"


def test_a_lone_surrogate_is_refused(parser: str) -> None:
    found = problem(f"description: \ud800\n{BASE}")
    assert (found.code, place(found)) == ("CV001", (1, 14))


# -- locations


PLACES = [
    "# ä漢😀\nnam: x",
    "x-a: äöü\nnam: x",
    "x-😀: {}\nx-b: '😀😀'\nnam: x",
    "x-a: 'b\u2028c'\nnam: x",
    "x-a: 'b\u2029c\u0085d'\nnam: x",
    "x-a: 1\r\nx-b: 2\r\nnam: x",
    "x-a: 1\rx-b: 2\rnam: x",
    "x-a: |\n  1\n  2\n\nnam: x",
    "x-a: >-\n  1\n\n  2\nnam: x",
]


@pytest.mark.parametrize("text", PLACES)
def test_lines_and_columns_are_those_of_an_editor(text: str) -> None:
    assert places(f"{text}\n{BASE}") == [place_of(text, "nam:")]


@pytest.mark.parametrize("before", ["é", "漢字", "😀", "'\u2028'", "'a\u0085'"])
def test_columns_count_characters(before: str) -> None:
    text = f"input: [3, 8, 8]\nlayers:\n  - maxpool: {{x: {before}, kernel_size: 0}}\n"
    assert places(text) == [place_of(text, "x:"), place_of(text, "0}")]


def test_a_file_with_the_line_ends_of_windows_reads_the_same() -> None:
    text = "params:\n  a: 1\n  b: |\n    x\n    y\n" + BASE
    assert load(text.replace("\n", "\r\n")).params == load(text).params == {"a": 1, "b": "x\ny\n"}


def test_all_mistakes_are_reported_in_file_order() -> None:
    text = "nam: x\nx-a: {b: 1, b: 2}\ninput: [3, 8, 8]\nlayers:\n  - reluu\n  - maxpool: {kernel_size: 0}\nbatch: 0\n"
    assert places(text) == [place_of(text, word) for word in ("nam", "b: 2", "reluu", "0}", "0\n")]


# -- likely mistakes


UNQUOTED = [
    "pointwise_conv: {out_channels: $(max(8, 16))}",
    "pointwise_conv: {out_channels: $(max(8,16)), bias: false}",
    "pointwise_conv: {bias: false, out_channels: $(max(8, min(16, 32)))}",
    "maxpool: {kernel_size: [$(max(1, 2)), 2]}",
    "maxpool: {kernel_size: [2, $(max(1, 2))], ceil_mode: true}",
    "pointwise_conv: {out_channels: $(round_to(8 * (1 + 1), 8)), bias: true}",
    "relu: {when: $('a,b' == 'a,b'), name: x}",
]


@pytest.mark.parametrize("entry", UNQUOTED)
def test_an_expression_with_a_comma_in_a_flow_mapping_needs_quotes(entry: str) -> None:
    text = f"input: [3, 8, 8]\nlayers:\n  - {entry}\n"
    found = problem(text)
    assert (found.code, place(found)) == ("CV014", place_of(text, "$("))
    assert "quotes" in said(found)


UNCLOSED = [
    "pointwise_conv: {out_channels: $(max(8, 16), bias: false}",
    "pointwise_conv: {out_channels: $(max(8, 16}",
    "maxpool: {kernel_size: [$(max(1, 2), 2]}",
    "pointwise_conv: {out_channels: $(max(8,\n      16)), bias: false}",
]


@pytest.mark.parametrize("entry", UNCLOSED)
def test_an_unclosed_expression_in_a_flow_collection_is_reported_once(entry: str) -> None:
    text = f"input: [3, 8, 8]\nlayers:\n  - {entry}\n"
    found = problem(text)
    assert (found.code, place(found)) == ("CV014", place_of(text, "$("))
    assert "quotes" in said(found)


def test_two_expressions_without_quotes_are_two_problems() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - lppool: {kernel_size: $(max(1, 2)), stride: $(min(1, 2))}\n"
    assert places(text) == [place_of(text, "$(max"), place_of(text, "$(min")]


@pytest.mark.parametrize("quoted", ["'$(max(8, 16))'", '"$(max(8, 16))"'])
def test_a_quoted_expression_may_contain_a_comma(quoted: str) -> None:
    text = f"input: [3, 8, 8]\nlayers:\n  - pointwise_conv: {{out_channels: {quoted}}}\n"
    assert shapes(text) == {"pointwise_conv1": [16, 8, 8]}


def test_an_expression_with_a_comma_needs_no_quotes_in_a_block_mapping() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - pointwise_conv:\n      out_channels: $(max(8, 16))\n"
    assert shapes(text) == {"pointwise_conv1": [16, 8, 8]}


BARE_WORDS = [
    "layers:\n  - relu\n  - batchnorm\n    name: body\n",
    "layers:\n- batchnorm\n  name: body\n",
    "layers:\n  - batchnorm\n      name: body\n  - relu\n",
    "layers:\n  - batchnorm\n\n    name: body\n",
    "layers:\r\n  - batchnorm\r\n    name: body\r\n",
    "layers:\n  - batchnorm # a comment\n    name: body\n",
    "layers:\n  - branches:\n      - - batchnorm\n          name: body\n      - []\n    merge: add\n",
    "layers:\n  - batchnorm:\n    name: body\n",
]


@pytest.mark.parametrize("layers", BARE_WORDS)
def test_options_below_a_bare_word_are_shown_inside_it(layers: str) -> None:
    found = problem("input: [3, 8, 8]\n" + layers)
    assert place(found)[0] == place_of("input: [3, 8, 8]\n" + layers, "name")[0]
    assert "- batchnorm: {name: " in found.hint


# -- limits


def nested(depth: int, opening: str, closing: str) -> str:
    """A text with collections nested `depth` levels deep, its own mapping included."""
    inner = depth - 1
    return f"x-a: {opening * inner}{closing * inner}\n{BASE}"


NESTED = [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")]


@pytest.mark.parametrize(("opening", "closing"), NESTED[:2])
def test_collections_may_be_nested_64_deep(opening: str, closing: str, parser: str) -> None:
    assert len(load(nested(64, opening, closing)).nodes) == 1


@pytest.mark.parametrize(("opening", "closing"), NESTED[:2])
def test_deeper_collections_are_refused(opening: str, closing: str, parser: str) -> None:
    text = nested(65, opening, closing)
    found = problem(text)
    assert (found.code, "64" in found.message) == ("CV004", True)
    assert place(found) == (1, len("x-a: ") + 63 * len(opening) + 1)


@pytest.mark.parametrize(("opening", "closing"), NESTED)
@pytest.mark.parametrize("depth", [999, 5_000, 200_000])
def test_a_very_deep_file_is_refused_immediately(depth: int, opening: str, closing: str, parser: str) -> None:
    text = "x-a:\n  " + opening * depth
    found = problem(text)
    assert (found.code, place(found)) == ("CV004", (2, 3 + 63 * len(opening)))


def test_the_number_of_problems_is_limited_even_if_the_text_is_malformed(parser: str) -> None:
    assert len(refused("x-a: [" + "!!str 1, " * 999 + "@]")) == 1000


def test_a_limit_of_the_parser_is_not_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser may look far ahead before it returns an event, and fail on what it finds there."""
    text = "x-a: " + "[" * 90

    def limited(text: str) -> Iterator[Any]:
        yield from list(yaml.parse("x-a: 1"))[:4]  # up to the key
        mark = yaml.Mark("", 80, 0, 80, None, 0)
        raise yaml.scanner.ScannerError("while looking ahead", mark, WORDS_OF_A_PARSER, mark)

    monkeypatch.setattr(source, "parse_events", limited)
    found = problem(text)
    assert (found.code, place(found)) == ("CV004", (1, len("x-a: ") + 64))
    assert WORDS_OF_A_PARSER not in said(found)


def of_bytes(size: int) -> str:
    """A text of a given number of bytes, with some multibyte characters."""
    start = f"# ä漢\n{BASE}#"
    return start + "x" * (size - len(start.encode()))


def test_a_file_may_have_4_mib() -> None:
    assert len(load(of_bytes(MOST_BYTES)).nodes) == 1


@pytest.mark.parametrize("size", [MOST_BYTES + 1, MOST_BYTES * 2])
def test_a_text_of_more_than_4_mib_is_refused(size: int) -> None:
    found = problem(of_bytes(size))
    assert (found.code, "4 MiB" in found.message) == ("CV004", True)


def test_a_file_on_disk_of_more_than_4_mib_is_refused(tmp_path: Path) -> None:
    assert file_problem(tmp_path, of_bytes(MOST_BYTES + 1).encode()).code == "CV004"


def of_nodes(nodes: int) -> str:
    """A text of a given number of nodes: BASE has 9 of them, the key x-a and its list are 2."""
    return f"x-a: [{'0,' * (nodes - 11)}]\n{BASE}"


def test_a_file_may_have_500_000_nodes() -> None:
    assert len(load(of_nodes(500_000)).nodes) == 1


def test_a_file_with_more_nodes_is_refused() -> None:
    found = problem(of_nodes(500_001))
    assert (found.code, "500,000" in found.message) == ("CV004", True)


def bomb(first: str, each: str) -> str:
    """Collections each of which contains the one before ten times."""
    lines = [
        f"x-{i}: &a{i} {each.replace('*', ','.join([f'*a{i - 1}'] * 10)).replace('%', str(i))}" for i in range(1, 12)
    ]
    return "\n".join([f"x-0: &a0 {first}", *lines, BASE])


BOMBS = {
    "lists": bomb("[0]", "[*]"),
    "mappings": bomb("{a: 0}", "{a: [*]}"),
    "merges": bomb("{a: 0}", "{<<: [*], k%: 0}"),
    "merges of many keys": "x-a: &a {"
    + ", ".join(f"k{i}: 0" for i in range(1000))
    + "}\nx-b:\n"
    + "- {<<: *a}\n" * 250
    + BASE,
    "one list merged often": "x-a: &a {k: 0}\nx-b: &b ["
    + ", ".join(["*a"] * 1000)
    + "]\nx-c:\n"
    + "- {<<: *b}\n" * 1000
    + BASE,
}


@pytest.mark.parametrize("name", BOMBS)
def test_aliases_count_as_all_the_nodes_they_refer_to(name: str) -> None:
    assert problem(BOMBS[name]).code == "CV004"  # fully expanded, they would be practically endless


def test_aliases_below_the_limit_are_accepted() -> None:
    few = "x-a: &a [" + "0," * 1000 + "]\nx-b: [" + "*a," * 450 + f"]\n{BASE}"
    assert len(load(few).nodes) == 1


@pytest.mark.parametrize("name", ["n" * 200, "ä" * 200, "a b-c.d/e"])
def test_a_network_may_have_a_name_of_200_printable_characters(name: str) -> None:
    assert load(f"name: '{name}'\n{BASE}").name == name


@pytest.mark.parametrize("name", ["'" + "n" * 201 + "'", '"a\\nb"', '"\\e[31m"', '"\\u202e"', "''", "3", "1.5", "true"])
def test_other_network_names_are_refused(name: str) -> None:
    assert [found.path for found in refused(f"name: {name}\n{BASE}")] == [("name",)]


def test_a_number_as_a_network_name_must_be_quoted() -> None:
    assert "quote" in said(problem(f"name: 50\n{BASE}"))


def test_a_spec_may_be_a_stream_a_path_or_a_mapping(tmp_path: Path) -> None:
    mapping = {"input": (3, 8, 8), "layers": ["relu"]}
    file = written(tmp_path, BASE.encode())
    found = [convcalc.load(spec).nodes[0].layer.output for spec in (io.StringIO(BASE), file, str(file), mapping)]
    assert found == [convcalc.Shape(3, (8, 8))] * 4


@pytest.mark.parametrize("power", [18, 5000, 10**5])
def test_integers_of_python_that_no_file_could_hold_are_refused(power: int) -> None:
    entry = {"pointwise_conv": {"out_channels": 10**power}}
    assert [found.path for found in refused({"input": [3, 8, 8], "layers": [entry]})] == [
        ("layers", 0, "pointwise_conv", "out_channels")
    ]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), float("-inf")])
def test_floats_of_python_that_no_file_could_hold_are_refused(value: float) -> None:
    spec = {"params": {"p": value, "text": "n$p"}, "input": [3, 8, 8], "layers": [{"relu": {"name": "$text"}}]}
    assert refused(spec)[0].path[0] == "params"


def test_tuples_in_own_keys_are_not_an_error() -> None:
    document = source.read_text("x-notes: [(1, 2), {sizes: (3, 4)}]\n")
    assert document.problems == []
    assert document.root == {"x-notes": ["(1", "2)", {"sizes": "(3", "4)": None}]}


@pytest.mark.parametrize("value", ["$(sizes[0]", "$(max(sizes[0], 3)", "$(sizes[0", "$(max(3, sizes[0)"])
def test_an_unclosed_expression_with_brackets_is_one_problem(value: str) -> None:
    [problem] = source.read_text(f"layers:\n  - conv: {{out_channels: 8, kernel_size: {value}}}\n").problems
    assert problem.span is not None
    assert (problem.code, problem.span[:2]) == ("CV014", (2, 42))
