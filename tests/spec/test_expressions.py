"""Arithmetic in a spec: operators, functions, limits, and that no code is ever executed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from tests.support.specs import load, names, only_layer, place, place_of, problem, refused, said


def spec(params: dict[str, Any]) -> dict[str, Any]:
    return {"params": params, "input": [3, 8, 8], "layers": ["relu"]}


def text_value(text: str, **params: Any) -> Any:
    return load(spec({**params, "result": text})).params["result"]


def value(expression: str, **params: Any) -> Any:
    return text_value(f"$({expression})", **params)


def flaw(expression: str, **params: Any) -> Any:
    return problem(spec({**params, "result": f"$({expression})"}))


def same(found: Any, expected: Any) -> bool:
    """Equal and of the same type: 1, 1.0 and true are three values."""
    return type(found) is type(expected) and found == expected


VALUES = [
    ("7", 7),
    ("1_000", 1000),
    ("0.5", 0.5),
    (".5", 0.5),
    ("1e-3", 0.001),
    ("true", True),
    ("false", False),
    ("'relu'", "relu"),
    ("1 + 2 - 4", -1),
    ("3 * 5", 15),
    ("7 / 2", 3.5),
    ("7 // 2", 3),
    ("-7 // 2", -4),
    ("7 % 4", 3),
    ("-7 % 4", 1),
    ("2 ** 10", 1024),
    ("2 ** -1", 0.5),
    ("9 ** 0.5", 3),
    ("+5", 5),
    ("--5", 5),
    ("1 < 2", True),
    ("2 <= 1", False),
    ("2 > 1", True),
    ("1 >= 2", False),
    ("1 == 1.0", True),
    ("1 != 1", False),
    ("not 0", True),
    ("1 and 0", False),
    ("0 or 2", True),
    ("1 if 2 > 1 else 3", 1),
    ("1 if 2 < 1 else 3", 3),
    ("(1 + 2) * 3", 9),
    (" 1+ 2 ", 3),
]


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_operators_have_their_usual_values(expression: str, expected: Any) -> None:
    assert same(value(expression), expected)


PRECEDENCE = [
    ("1 + 2 * 3", 7),
    ("2 * 3 ** 2", 18),
    ("2 ** 3 ** 2", 512),
    ("-2 ** 2", -4),
    ("2 ** -2 * 8", 2),
    ("10 - 3 - 2", 5),
    ("64 / 4 / 2", 8),
    ("7 // 2 * 2", 6),
    ("1 + 1 < 3", True),
    ("not 1 == 2", True),
    ("not 0 and 0", False),
    ("1 or 1 and 0", True),
    ("1 < 2 < 3", True),
    ("3 > 2 > 2", False),
    ("0 if 1 else 0 + 5", 0),
    ("1 if 0 else 2 if 0 else 3", 3),
    ("2 if 1 or 0 else 3", 2),
]


@pytest.mark.parametrize(("expression", "expected"), PRECEDENCE)
def test_operators_bind_as_in_python(expression: str, expected: Any) -> None:
    assert same(value(expression), expected)


FUNCTIONS = [
    ("min(3, 1, 2)", 1),
    ("max(3, 1, 2)", 3),
    ("abs(-4)", 4),
    ("round(2.5)", 2),
    ("round(3.5)", 4),
    ("round(2.6)", 3),
    ("floor(2.9)", 2),
    ("floor(-2.1)", -3),
    ("ceil(2.1)", 3),
    ("int(2.9)", 2),
    ("int(-2.9)", -2),
    ("sqrt(16)", 4),
    ("log2(1024)", 10),
    ("round_to(33, 8)", 32),
    ("round_to(36, 8)", 40),
    ("round_to(1, 8)", 8),
    ("round_to(11, 8)", 16),
    ("round8(32 * 0.75)", 24),
    ("max(abs(-2), min(7, 3))", 3),
]


@pytest.mark.parametrize(("expression", "expected"), FUNCTIONS)
def test_functions_have_their_values(expression: str, expected: int) -> None:
    assert same(value(expression), expected)


def make_divisible(v: float, divisor: int) -> int:
    """As published with MobileNet (tensorflow/models, research/slim/nets/mobilenet/conv_blocks.py)."""
    new_v = max(divisor, int(v + divisor / 2) // divisor * divisor)
    if new_v < 0.9 * v:
        new_v += divisor
    return new_v


SIZES = st.integers(0, 10**6) | st.floats(0, 10**6, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(size=SIZES, divisor=st.integers(1, 512))
def test_round_to_is_the_published_make_divisible(size: float, divisor: int) -> None:
    assert value("round_to(size, divisor)", size=size, divisor=divisor) == make_divisible(size, divisor)


@settings(max_examples=100, deadline=None)
@given(size=SIZES)
def test_round8_is_round_to_with_8(size: float) -> None:
    assert value("round8(size)", size=size) == make_divisible(size, 8)


@pytest.mark.parametrize("divisor", ["0", "-8", "2.5", "0.5"])
def test_round_to_takes_a_positive_whole_divisor(divisor: str) -> None:
    assert "divisor" in flaw(f"round_to(33, {divisor})").message


WRONG_CALLS = ["min()", "abs()", "abs(1, 2)", "round(2.5, 1)", "round_to(1)", "round_to(1, 2, 3)", "log2(8, 2)", "abs"]


@pytest.mark.parametrize("expression", WRONG_CALLS)
def test_functions_take_a_fixed_number_of_values(expression: str) -> None:
    assert flaw(expression).code == "CV014"


# -- whole numbers


@pytest.mark.parametrize("expression", ["64.0", "32 * 2.0", "128 / 2", "8 ** 2.0", "sqrt(4096)"])
def test_a_whole_value_is_accepted_as_an_integer(expression: str) -> None:
    layer = only_layer([3, 8, 8], {"pointwise_conv": {"out_channels": f"$({expression})"}})
    assert layer["output_shape"] == [64, 8, 8]


def test_a_fraction_instead_of_an_integer_is_shown_with_its_expression() -> None:
    entry = {"pointwise_conv": {"out_channels": "$(127 / 2)"}}
    found = said(problem({"input": [3, 8, 8], "layers": [entry]}))
    assert "63.5" in found
    assert "$(127 / 2)" in found


@pytest.mark.parametrize("written", [3.0, True, "3", "$(1 < 2)", "$(true)", "$flag", "$text"])
def test_only_integers_are_accepted_as_integers(written: Any) -> None:
    entry = {"pointwise_conv": {"out_channels": written}}
    found = problem({"params": {"flag": True, "text": "3"}, "input": [3, 8, 8], "layers": [entry]})
    assert (found.code, found.path) == ("CV013", ("layers", 0, "pointwise_conv", "out_channels"))


# -- limits


LONGEST = "1" + "+1" * 499 + " "


def test_an_expression_of_1000_characters_is_accepted() -> None:
    assert (len(LONGEST), value(LONGEST)) == (1000, 500)


def test_an_expression_of_1001_characters_is_too_long() -> None:
    assert "1000" in flaw(LONGEST + " ").message.replace(",", "")


CHAINS = {
    "sum": ("1" + "+1" * 490, 491),
    "difference": ("0" + "-1" * 490, -490),
    "product": ("1" + "*1" * 490, 1),
    "quotient": ("1" + "/1" * 490, 1),
    "power": ("1" + "**1" * 330, 1),
    "and": ("1" + " and 1" * 165, True),
    "or": ("0" + " or 0" * 198, False),
    "not": ("not " * 246 + "0", False),
    "minus": ("-" * 990 + "1", 1),
    "comparison": ("1" + "<=1" * 330, True),
    "conditional": ("2 if 0 else " * 82 + "3", 3),
    "arguments": ("max(" + "1," * 490 + "2)", 2),
    "sum of parentheses": ("(1)" + "+(1)" * 246, 247),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_may_be_as_long_as_an_expression(name: str) -> None:
    expression, expected = CHAINS[name]
    assert same(value(expression), expected)


NESTED = [
    ("(", 1),
    ("abs(", 1),
    ("-(", 1),
    ("1+(", 33),
    ("1**(", 1),
    ("not (", True),
    ("1 and (", True),
    ("1 if 0 else (", 1),
    ("max(1, (", 1),
]


def nested(opening: str, depth: int) -> str:
    repeats = depth // opening.count("(")
    return opening * repeats + "1" + ")" * depth


@pytest.mark.parametrize(("opening", "expected"), NESTED)
def test_parentheses_nested_32_deep_are_accepted(opening: str, expected: Any) -> None:
    assert same(value(nested(opening, 32)), expected)


@pytest.mark.parametrize("opening", [opening for opening, _ in NESTED if opening.count("(") == 1])
def test_parentheses_nested_33_deep_are_refused(opening: str) -> None:
    assert "32 levels deep" in flaw(nested(opening, 33)).message


def test_consecutive_parentheses_are_not_nested() -> None:
    assert value("+".join(["(1)"] * 40)) == 40


def test_parentheses_in_a_text_do_not_count() -> None:
    assert value("'" + "(" * 40 + "' == ')'") is False


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("999999999999999999", 10**18 - 1),
        ("999999999999999998 + 1", 10**18 - 1),
        ("-999999999999999998 - 1", 1 - 10**18),
        ("333333333333333333 * 3", 10**18 - 1),
        ("2 ** 59", 2**59),
        ("1 ** 99999999999999999", 1),
        ("(-1) ** 99999999999999999", -1),
        ("0 ** 99999999999999999", 0),
    ],
)
def test_results_of_18_digits_are_accepted(expression: str, expected: int) -> None:
    assert same(value(expression), expected)


@pytest.mark.parametrize(
    "expression",
    [
        "1000000000000000000",
        "1e18",
        "999999999999999999 + 1",
        "-999999999999999999 - 1",
        "10 ** 17 * 10",
        "2 ** 60",
        "10 ** 18",
        "0.1 ** -19",
        "(10 ** 18) // 10",
        "1e17 / 1e-17",
    ],
)
def test_results_of_more_than_18_digits_are_refused(expression: str) -> None:
    assert "18 digits" in flaw(expression).message


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "9 ** 9 ** 9 ** 9 ** 9",
        "2 ** 99999999999999999",
        "(-3) ** 99999999999999999",
        "1.5 ** 99999999999999999",
        "0.5 ** -99999999999999999",
    ],
)
def test_an_exponent_is_checked_before_the_power_is_calculated(expression: str) -> None:
    assert "18 digits" in flaw(expression).message  # calculating these powers would take hours


# -- texts


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("act == 'relu'", True),
        ('act == "relu"', True),
        ("act != 'gelu'", True),
        ("act == 'gelu'", False),
        ("2 if act == 'relu' else 3", 2),
        ("act == 'relu' == 'relu'", True),
    ],
)
def test_texts_can_be_compared(expression: str, expected: Any) -> None:
    assert same(value(expression, act="relu"), expected)


@pytest.mark.parametrize(
    "expression",
    [
        "act + 'x'",
        "act * 2",
        "-act",
        "not act",
        "act and 1",
        "1 if act else 2",
        "act < 'z'",
        "act >= 1",
        "abs(act)",
        "max(1, act)",
        "sizes + 1",
        "sizes == 1",
        "not sizes",
    ],
)
def test_arithmetic_needs_numbers_and_booleans(expression: str) -> None:
    assert flaw(expression, act="relu", sizes=[1, 2]).code == "CV014"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n$depth", "n2"),
        ("n$(depth / 4)", "n0.5"),
        ("n$(depth)x$depth", "n2x2"),
        ("n$flag", "ntrue"),
        ("n$(not flag)", "nfalse"),
        ("n$act", "nrelu"),
        ("$$depth", "$depth"),
        ("$$$depth", "$2"),
        ("a$$b$$", "a$b$"),
    ],
)
def test_expressions_may_be_part_of_a_text(text: str, expected: str) -> None:
    assert text_value(text, depth=2.0, flag=True, act="relu") == expected


def test_a_list_cannot_be_part_of_a_text() -> None:
    assert problem(spec({"sizes": [1, 2], "result": "n$sizes"})).code == "CV014"


@pytest.mark.parametrize("given", [2, 2.5, True, "relu", [1, [2, 3]]])
def test_a_single_name_passes_its_value_on_unchanged(given: Any) -> None:
    assert same(text_value("$given", given=given), given)


@pytest.mark.parametrize("text", ["5$", "$ 5", "$5", "$-", "a $ b"])
def test_a_stray_dollar_shows_how_to_write_one(text: str) -> None:
    assert "$$" in said(problem(spec({"result": text})))


@pytest.mark.parametrize("text", ["$(1", "$(1 + (2)", "$('a)", "$("])
def test_an_expression_must_be_closed(text: str) -> None:
    assert problem(spec({"result": text})).code == "CV014"


# -- locations


@pytest.mark.parametrize(
    ("text", "at_fault"),
    [
        ("$(1 + nope)", "nope"),
        ("$nope", "nope"),
        ("n$nope", "nope"),
        ("a$(nope)b", "nope"),
        ("$(2 * (3 + ))", ")"),
        ("$(1 2)", "2"),
        ("$(1 // 0)", "//"),
        ("$(1 + 2 % 0)", "%"),
        ("$(1 - sqrt(-1))", "sqrt"),
        ("$(2 * log2(0))", "log2"),
        ("$(1 + foo(1))", "foo"),
        ("$(1 ? 2)", "?"),
        ("$(1 = 2)", "="),
        ("$(1 + 010)", "010"),
    ],
)
def test_a_mistake_is_shown_at_its_characters(text: str, at_fault: str) -> None:
    found = problem(spec({"result": text}))
    assert found.within is not None
    start, end = found.within
    assert (text[start:end], start) == (at_fault, text.index(at_fault))


@pytest.mark.parametrize(
    "line",
    ["params: {ä: 1}", "params:\n  a: $(1 + nope)", 'params:\n  é: 1\n  a: "$(1 + nope)"', "params:\n  a: 'x $nope'"],
)
def test_a_mistake_is_shown_at_its_column_of_the_file(line: str) -> None:
    text = f"# ü\n{line}\ninput: [3]\nlayers: [relu]\n"
    needle = "nope" if "nope" in line else "ä"
    found = refused(text)
    assert place_of(text, needle) in [place(one) for one in found]


def test_a_mistyped_name_suggests_the_nearest_one() -> None:
    assert "width" in flaw("widht * 2", width=1).hint


@pytest.mark.parametrize("expression", ["1 +", "", "1 if 2", "1 else 2", "(1", "()", "1,2", "and", "if", "1 not 2"])
def test_invalid_expressions_are_refused(expression: str) -> None:
    assert {one.code for one in refused(spec({"result": f"$({expression})"}))} == {"CV014"}


@pytest.mark.parametrize("expression", ["1/0", "1//0", "1%0", "0**-1", "log2(0)", "log2(-1)", "sqrt(-1)", "(-8)**0.5"])
def test_expressions_without_a_value_are_refused(expression: str) -> None:
    assert flaw(expression).code == "CV014"


# -- no code is executed


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "open('x')",
        "eval('1')",
        "exec('1')",
        "print(1)",
        "getattr(1, 'real')",
        "(1).real",
        "width.real",
        "width[0]",
        "().__class__",
        "[1, 2]",
        "{1: 2}",
        "lambda: 1",
        "(x := 1)",
        "1; 2",
        "f'{1}'",
        "b'1'",
        "1 is 1",
        "1 in 2",
        "~1",
        "1 & 2",
        "1 << 2",
        "1j",
        "0x10",
        "None",
        "True",
        "`ls`",
        "width()",
        "$width",
        "@width",
    ],
)
def test_nothing_but_arithmetic_is_an_expression(expression: str) -> None:
    assert flaw(expression, width=1).code == "CV014"


def test_an_expression_is_evaluated_once_per_copy_where_it_is_used() -> None:
    entry = {"relu": {"name": "n", "repeat": "$(1 + 2)", "when": "$(index != 1)"}}
    assert names({"input": [3], "layers": [entry]}) == ["n.0", "n.2"]


LISTS = {"kernels": [3, 5, 7], "nested": [[1, 2], [3]], "empty": [], "names": ["relu", "tanh"]}


@pytest.mark.parametrize(
    "expression",
    [
        "kernels[0]",
        "kernels[2]",
        "kernels[-1]",
        "kernels[-3]",
        "kernels[len(kernels) - 1]",
        "len(nested)",
        "len(nested[0])",
        "nested[0][1]",
        "nested[1]",
        "nested[-2][-1]",
        "names[1]",
        "len(empty)",
        "-kernels[0] ** 2",
        "kernels[0] ** kernels[1]",
        "kernels[kernels[0] - 2]",
        "(kernels)[1]",
        "names[0] == 'relu'",
        "max(kernels[0], kernels[1])",
    ],
)
def test_lists_are_indexed_as_in_python(expression: str) -> None:
    assert value(expression, **LISTS) == eval(expression, dict(LISTS))


def test_an_index_without_a_fraction_is_an_integer() -> None:
    assert value("kernels[4 / 2]", **LISTS) == 7


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("kernels[3]", "index 3 is out of range: the list has 3 items"),
        ("kernels[-4]", "index -4 is out of range: the list has 3 items"),
        ("nested[1][1]", "index 1 is out of range: the list has 1 item"),
        ("empty[0]", "index 0 is out of range: the list has 0 items"),
        ("kernels[0.5]", "an index must be an integer; got 0.5"),
        ("kernels['a']", "an index must be an integer; got 'a'"),
        ("kernels[true]", "an index must be an integer; got true"),
        ("kernels[0][0]", "only a list can be indexed; got 3"),
        ("names[0][0]", "only a list can be indexed; got 'relu'"),
        ("len(3)", "len needs a list; got 3"),
        ("len('abc')", "len needs a list; got 'abc'"),
        ("len(kernels, kernels)", "len needs 1 argument; got 2"),
        ("kernels[0", "expected ']'; got the end of the expression"),
        ("kernels[]", "expected a value; got ']'"),
        ("kernels + 1", "arithmetic needs numbers; got the list [3, 5, 7]"),
        ("min(kernels, 1)", "arithmetic needs numbers; got the list [3, 5, 7]"),
        ("kernels[0:2]", "unexpected ':' in an expression"),
    ],
)
def test_wrong_indices(expression: str, message: str) -> None:
    assert flaw(expression, **LISTS).message == message


def test_brackets_are_limited_like_parentheses() -> None:
    assert value("kernels" + "[-1]" * 1, **LISTS) == 7
    assert "levels deep" in flaw("kernels[" * 33 + "0" + "]" * 33, **LISTS).message


def test_a_list_of_a_parameter_can_be_replaced() -> None:
    spec = {
        "params": {"kernels": [3, 5, 7]},
        "input": [4, 32],
        "layers": [{"conv": {"out_channels": 4, "kernel_size": "$(kernels[index])", "repeat": "$(len(kernels))"}}],
    }
    kernels = [node.layer.arguments()["kernel_size"] for node in convcalc.load(spec).nodes]
    assert kernels == [[3], [5], [7]]
    assert len(convcalc.load(spec, params={"kernels": [3, 5]}).nodes) == 2
