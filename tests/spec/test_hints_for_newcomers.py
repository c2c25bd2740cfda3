"""Tests hints for mistakes of people who know another tool or are new to YAML: each leads to a spec that is right."""

import re

import pytest

from convcalc.problems import InvalidSpec, Problem
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text


def find_problems(*lines: str) -> list[Problem]:
    text = (
        "\n".join(["input: [3, 32, 32]", "params: {w: 16, v: 1}", "layers:", *(f"  {line}" for line in lines)]) + "\n"
    )
    try:
        read_network(read_text(text, "net.yaml", True))
    except InvalidSpec as error:
        return list(error.problems)
    return []


def hint_for(*lines: str) -> str:
    [problem] = find_problems(*lines)
    return problem.hint


@pytest.mark.parametrize("key", ["out_channels", "filters"])
def test_a_depthwise_convolution_has_a_multiplier_instead_of_output_channels(key: str) -> None:
    [problem] = find_problems(f"- depthwise_conv: {{{key}: 16, kernel_size: 3}}")
    assert "multiplier" in problem.hint
    assert "conv with groups" in problem.hint
    assert problem.fix is None
    assert find_problems("- depthwise_conv: {multiplier: 5, kernel_size: 3}") == []


@pytest.mark.parametrize(
    "entry",
    [
        "linear: {out_features: 8, out_channels: 8}",
        "linear: {out_channels: 8}",
        "conv: {out_features: 8, kernel_size: 3}",
        "maxpool: {kernel_size: 2, output_size: 2}",
        "maxpool: {kernel_size: 2, out_channels: 2}",
        "upsample: {scale_factor: 2, upscale_factor: 2}",
        "pixel_shuffle: {scale_factor: 2}",
        "pixel_unshuffle: {upscale_factor: 2}",
    ],
)
def test_an_argument_of_another_kind_is_not_renamed_automatically(entry: str) -> None:
    wrong = [problem for problem in find_problems(f"- {entry}") if "has no argument" in problem.message]
    assert [problem.fix for problem in wrong] == [None]
    assert not wrong[0].hint.startswith("did you mean")


def test_a_misspelt_argument_is_still_renamed() -> None:
    [problem] = find_problems("- conv: {out_chanels: 8, kernel_size: 3}")
    assert problem.fix is not None
    assert problem.fix.text == "out_channels"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("relu", "- relu"),
        ("softmax", "- softmax"),
        ("swish", "- silu"),
        ("ReLU6", "- relu6"),
        ("LeakyReLU", "- leaky_relu"),
        ("$w", "- $w"),
    ],
)
@pytest.mark.parametrize("key", ["activation", "act"])
def test_the_hint_for_an_activation_names_its_layer_kind(key: str, written: str, expected: str) -> None:
    hint = hint_for("- flatten", f"- linear: {{out_features: 10, {key}: {written}}}")
    assert hint == f"make the activation an entry of its own: {expected}"


@pytest.mark.parametrize("written", ["null", "none", "None", "linear", "identity", "false"])
def test_no_activation_is_removed(written: str) -> None:
    assert hint_for("- flatten", f"- linear: {{out_features: 10, activation: {written}}}").startswith("remove it")


def test_an_unknown_activation_leads_to_an_example() -> None:
    assert "such as - relu" in hint_for("- flatten", "- linear: {out_features: 10, activation: qzx}")


@pytest.mark.parametrize(("sign", "start"), [(":", "a space must follow the colon"), ("=", "use a colon")])
def test_a_key_joined_to_its_value_is_taken_apart(sign: str, start: str) -> None:
    problems = find_problems(f"- conv: {{out_channels{sign}16, kernel_size{sign}3}}")
    assert [problem.hint.split(": ", 1)[1] for problem in problems] == ["out_channels: 16", "kernel_size: 3"]
    assert all(problem.hint.startswith(start) and problem.fix is None for problem in problems)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("conv: 16, 3", "conv: {out_channels: 16, kernel_size: 3}"),
        ("conv: 16,3", "conv: {out_channels: 16, kernel_size: 3}"),
        ("conv: 16, 3, 2", "conv: {out_channels: 16, kernel_size: 3, stride: 2}"),
        ("conv: [16, 3, 2]", "conv: {out_channels: 16, kernel_size: 3, stride: 2}"),
        ("conv: 16", "conv: {out_channels: 16, kernel_size: 3}"),
        ("maxpool: 2, 2", "maxpool: {kernel_size: 2, stride: 2}"),
        ("depthwise_conv: 3, 2", "depthwise_conv: {kernel_size: 3, stride: 2}"),
    ],
)
def test_numbers_separated_by_commas_are_the_first_arguments(written: str, expected: str) -> None:
    assert hint_for(f"- {written}") == f"write - {expected}"
    assert find_problems(f"- {expected}") == []


@pytest.mark.parametrize("written", ["conv: 16, abc", "conv: 16, 0", "conv: 16x3", "linear: 10, 5", "conv: true"])
def test_no_arguments_are_suggested_that_are_not_valid(written: str) -> None:
    hint = hint_for("- flatten" if written.startswith("linear") else "- relu", f"- {written}")
    assert not hint.startswith("write ")
    assert "by name" in hint


def test_a_branch_written_as_an_entry_becomes_a_list() -> None:
    wrong = ["- branches:", "    - conv: {out_channels: 8, kernel_size: 1}", "    - relu", "  merge: concat"]
    hints = [problem.hint for problem in find_problems(*wrong)]
    assert [hint.split(" begin it with ")[1] for hint in hints] == [
        "- - conv: …, or name the branches",
        "- - relu, or name the branches",
    ]
    assert find_problems(*(line.replace("    - ", "    - - ") for line in wrong)) == []


def test_a_named_branch_written_as_an_entry_begins_with_a_dash() -> None:
    wrong = ["- branches:", "    a: {conv: {out_channels: 8, kernel_size: 1}}", "    b: [relu]", "  merge: concat"]
    assert hint_for(*wrong) == "begin each entry with -"


@pytest.mark.parametrize("merge", ["add", "multiply", "concat"])
def test_branches_are_no_argument_of_a_merge(merge: str) -> None:
    hints = [problem.hint for problem in find_problems(f"- {merge}: {{branches: [[relu], [tanh]]}}")]
    assert f"branches is an entry: - branches: […] and, on the next line, merge: {merge}" in hints


@pytest.mark.parametrize("key", ["layers", "entries", "body", "modules"])
def test_a_list_of_entries_beside_a_repeat_is_a_sequence(key: str) -> None:
    [problem] = find_problems("- repeat: 3", f"  {key}:", "    - relu")
    assert problem.hint == "use sequence: - sequence: […] and, on the next line, repeat: 3"
    assert problem.fix is not None
    assert find_problems("- repeat: 3", f"  {problem.fix.text}:", "    - relu") == []


@pytest.mark.parametrize("lines", [["- repeat: {count: 3, layers: [relu]}"], ["- repeat: 3", "- relu"]])
def test_a_repeat_on_its_own_leads_to_a_sequence(lines: list[str]) -> None:
    assert "- sequence: […] and, on the next line, repeat: 3" in hint_for(*lines)


@pytest.mark.parametrize(
    ("written", "right"),
    [("False", "false"), ("no", "false"), ("off", "false"), ("FALSE", "false"), ("True", "true"), ("yes", "true")],
)
def test_another_word_for_true_or_false_is_replaced(written: str, right: str) -> None:
    entry = "- conv: {{out_channels: 8, kernel_size: 3, bias: {}}}"
    assert hint_for(entry.format(written)) == f"write {right}"
    assert find_problems(entry.format(right)) == []


def test_quotes_around_true_or_false_are_removed() -> None:
    assert hint_for('- conv: {out_channels: 8, kernel_size: 3, bias: "false"}') == "remove the quotes"


@pytest.mark.parametrize(
    ("key", "written", "right"),
    [
        ("kernel_size", "3x3", "[3, 3]"),
        ("kernel_size", "3 × 1", "[3, 1]"),
        ("kernel_size", '"3, 3"', "[3, 3]"),
        ("out_channels", "16*2", "$(16*2)"),
        ("out_channels", "16 * 2", "$(16 * 2)"),
        ("out_channels", "2 * (w - 4)", "$(2 * (w - 4))"),
        ("out_channels", "$w * 2", "$(w * 2)"),
        ("out_channels", "2 * $w", "$(2 * w)"),
        ("out_channels", "$(w + 1) * 2", "$((w + 1) * 2)"),
        ("out_channels", "w", "$w"),
        ("kernel_size", "[3, v]", "$v"),
        ("kernel_size", "[$w / 8, 3]", "$(w / 8)"),
    ],
)
def test_a_size_in_another_notation_is_rewritten(key: str, written: str, right: str) -> None:
    arguments = {"out_channels": "8", "kernel_size": "3", key: written}
    assert hint_for(_write_conv(arguments)) == f"write {right}"
    in_list = written.startswith("[")
    arguments[key] = re.sub(r"v(?=\])|\$w / 8", lambda _: right, written) if in_list else right
    assert find_problems(_write_conv(arguments)) == []


@pytest.mark.parametrize(("written", "right"), [("0x20", 32), ("0o20", 16), ("0b11", 3)])
def test_another_base_is_rewritten_as_a_decimal_number(written: str, right: int) -> None:
    hint = hint_for(_write_conv({"out_channels": written, "kernel_size": "3"}))
    assert hint == f"'{written}' is text: write {right}"


@pytest.mark.parametrize(("written", "zeros"), [("010", True), ("1:30", False), ("16px", False), ("1_000_", False)])
def test_leading_zeros_are_mentioned_only_if_there_are_some(written: str, zeros: bool) -> None:
    hint = hint_for(_write_conv({"out_channels": written, "kernel_size": "3"}))
    assert hint.endswith("write a decimal number without leading zeros" if zeros else "write a decimal number")


def test_a_parameter_without_its_dollar_sign_is_recognised_as_a_repeat() -> None:
    assert hint_for("- relu: {repeat: w}") == "write $w"


def _write_conv(arguments: dict[str, str]) -> str:
    return f"- conv: {{{', '.join(f'{key}: {value}' for key, value in arguments.items())}}}"


@pytest.mark.parametrize(
    ("written", "wrong", "right"),
    [
        ("${w}", "${w}", "$w"),
        ('"${w}"', "${w}", "$w"),
        ("${ w }", "${ w }", "$w"),
        ("${w * 2}", "${w * 2}", "$(w * 2)"),
        ('"${w * 2}"', "${w * 2}", "$(w * 2)"),
    ],
)
@pytest.mark.parametrize("in_braces", [True, False])
def test_an_expression_in_braces_is_rewritten(written: str, wrong: str, right: str, in_braces: bool) -> None:
    lines = ["- conv:", f"    out_channels: {written}", "    kernel_size: 3"]
    if in_braces:
        lines = [_write_conv({"out_channels": written, "kernel_size": "3"})]
    assert hint_for(*lines) == f"write {right}"
    assert find_problems(*(line.replace(wrong, right) for line in lines)) == []


def hint_without_params(expression: str, repeat: str = "") -> str:
    entry = f"pointwise_conv: {{out_channels: {expression}{repeat}}}"
    with pytest.raises(InvalidSpec) as caught:
        read_network(read_text(f"input: [3, 32, 32]\nlayers:\n  - {entry}\n", "net.yaml", True))
    [problem] = caught.value.problems
    return problem.hint


def test_an_unknown_name_in_a_repeat_leads_to_the_name_of_its_count() -> None:
    hint = hint_without_params("$(2 ** level)", ", repeat: 3")
    assert hint == "available: index; to name the count, use repeat: {level: 3}"


@pytest.mark.parametrize("expression", ["$(2 ** level)", "$level", "$(level + 1)", "$(2 * level == 8)"])
def test_an_unknown_name_in_arithmetic_is_not_taken_for_text(expression: str) -> None:
    assert hint_without_params(expression) == "declare it, as in params: {level: 8}"


@pytest.mark.parametrize("expression", ["$(8 if 'a' == level else 4)", "$(8 if level != 'a' else 4)"])
def test_an_unknown_name_that_is_compared_may_be_text(expression: str) -> None:
    assert hint_without_params(expression) == "put text in quotes: 'level'"
    assert "put text in quotes" in hint_for(_write_conv({"out_channels": expression, "kernel_size": "3"}))


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        (["- maxpool:2"], "a space must follow the colon: maxpool: 2"),
        (["- relu:{}"], "a space must follow the colon: relu: {}"),
        (["- maxpool=2"], "use a colon in place of =: maxpool: 2"),
        (["- conv:{stride: 2}"], "a space must follow the colon: conv: {…}"),
        (["- conv:", "    stride:2", "    kernel_size: 3"], "a space must follow the colon: stride: 2"),
        (["- conv:", "    kernel_size: 3", "    stride:2"], "a space must follow the colon: stride: 2"),
        (["- conv:", "    kernel_size: 3", "    stride=2"], "use a colon in place of =: stride: 2"),
    ],
)
def test_a_key_joined_to_its_value_is_taken_apart_in_any_place(lines: list[str], hint: str) -> None:
    problem = find_problems(*lines)[0]
    assert problem.hint == hint
    assert problem.fix is None


def test_a_text_with_a_colon_is_still_put_in_quotes() -> None:
    [problem] = find_problems("- relu: {}", "- identity:", "    name: a:b: c")
    assert problem.hint == "put a value that holds ': ' in quotes"
