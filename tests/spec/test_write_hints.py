"""Tests hints of the form "write …": put in place of what is wrong, the text removes the problem.

All problems of the specs in tests/bad are tried, and those of the lines below. If the text begins with "- ", it
replaces the whole entry.
"""

import re
from typing import NamedTuple

import pytest

from convcalc.problems import InvalidSpec, Problem
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text
from tests.support.places import BAD, ROOT

LINES = [
    "input: 3x32x32",
    "input: 3×32×32",
    "input: (3, 32, 32)",
    "budget: {weight_memory: 256kB}",
    "budget: {weight_memory: 256kib}",
    "budget: {output_shape: 10x4x4}",
    "budget: {receptive_field: 7}",
    "outputs: relu1",
    "dtype: fp16",
    "check: {ignore: CV201}",
    "  - conv: {out_channels: 8, kernel_size: (3, 3)}",
    "  - conv: {out_channels: 8, kernel_size: (3, 1), stride: 2}",
    "  - conv:\n      out_channels: 8\n      kernel_size: (3, 3)",
    "  - conv:\n      out_channels: 8\n      kernel_size: ( 3,1 )\n      stride: 2",
    "  - maxpool: (2, 2)",
    "  - maxpool: (2,)",
    "  - conv: 64",
    "  - conv: [64, 3]",
    "  - batchnorm: 8",
    "  - add: input",
    "  - maxpool: 2.0",
    "  - MaxPool2d: 2",
    "  - BatchNorm2d: 8",
    "  - Conv2d: 64",
    "  - Conv2d: [64, 3]",
    "  - Concat: input",
    "  - conv: {out_channels: 8, kernel_size: 3, padding: SAME}",
    "  - conv: {out_channels: 8, kernel_size: 3, padding: none}",
    "  - conv: {out_channels: 8, kernel_size: 3, padding_mode: mirror}",
    "  - conv: {out_channels: 8, kernel_size: 3, bias: 0}",
    "  - conv: {out_channels: 8, kernel_size: 3, bias: off}",
    "  - conv:\n      out_channels: sizes[0] * 2\n      kernel_size: 3",
    "  - conv: {out_channels: 8 * 2, kernel_size: 3, stride: [1, 2]}",
    "  - conv: {out_channels: 8, kernel_size: 3, stride: [1 + 1, 1]}",
    "  - conv:\n      out_channels: 8\n      kernel_size: (1 + 2) * 1",
    "  - conv:\n      out_channels: 8\n      kernel_size: (1+2)",
    "  - {maxpool: (2, 2)}",
    "  - {maxpool: (2,)}",
    "  - pad: [(1, 1), 2]",
    "  - conv: {kernel_size: 3, out_channels: 8, padding: [0, (1, 2)]}",
    "  - conv: {out_channels: $(sizes[0]), kernel_size: 3}",
    "  - conv: {kernel_size: 3, out_channels: $(max(8, sizes[1]))}",
    "  - conv: {kernel_size: 3, out_channels: $(max(sizes[0], sizes[1]) * 2), stride: 2}",
    "  - conv: {out_channels: 8, kernel_size: [$(sizes[0] // 8), 3]}",
    "  - rnn",
    "  - transformer",
    "  - multihead_attention: {heads: 3}",
]
PROPOSAL = r"(?:^|, )write (?P<text>.+)"


class Case(NamedTuple):
    """A spec, and one problem of it whose hint says what to write."""

    text: str
    problem: Problem


def make_text(line: str) -> str:
    key = line.split(":")[0]
    lines = ["input: [3, 32, 32]", "params: {sizes: [8, 16]}", "layers:", "  - relu"]
    if key == "input":
        lines[0] = line
    else:
        lines.append(line)
    return "\n".join(lines) + "\n"


def find_problems(text: str) -> list[Problem]:
    try:
        read_network(read_text(text, "net.yaml", True))
    except InvalidSpec as error:
        return list(error.problems)
    return []


def read_bad_specs() -> dict[str, str]:
    found = {path.stem: path.read_bytes() for path in sorted(BAD.glob("*.yaml")) if path.stem != "not_utf8"}
    return {name: content.decode("utf-8-sig") for name, content in found.items()}


def list_cases() -> list[Case]:
    texts = [*read_bad_specs().values(), *map(make_text, LINES)]
    return [Case(text, each) for text in texts for each in find_problems(text) if re.search(PROPOSAL, each.hint)]


CASES = list_cases()


def find_extent(document: Document, problem: Problem) -> tuple[int, int]:
    assert problem.span is not None
    line, column, end_line, end_column = problem.span
    return document.index(line, column), document.index(end_line, end_column)


def find_entry(text: str, start: int) -> tuple[int, int]:
    """Return the characters of the innermost entry of a list that contains a character, from its dash."""
    line_end = text.find("\n", start)
    *_, dash = re.finditer(r"^ *(?=- )", text[:line_end], re.MULTILINE)
    after = re.compile(rf"\n(?! {{{len(dash[0]) + 1}}}|\n)").search(text, start)
    assert after is not None
    return dash.end(), after.start()


def apply_hint(case: Case) -> tuple[str, int, int]:
    """Return the text with the hint applied, and where the new text is."""
    found = re.search(PROPOSAL, case.problem.hint)
    assert found is not None
    start, stop = find_extent(read_text(case.text), case.problem)
    if found["text"].startswith("- "):
        start, stop = find_entry(case.text, start)
    return case.text[:start] + found["text"] + case.text[stop:], start, start + len(found["text"])


def list_messages(text: str, start: int, stop: int) -> list[str]:
    """Return the messages of the problems that begin inside a part of a text."""
    document = read_text(text)
    return [each.message for each in find_problems(text) if start <= find_extent(document, each)[0] < stop]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.problem.hint)
def test_what_a_hint_says_to_write_removes_the_problem(case: Case) -> None:
    fixed, start, stop = apply_hint(case)
    before = [each.message for each in find_problems(case.text) if each != case.problem]
    remaining = list_messages(fixed, start, stop)
    assert case.problem.message not in remaining
    assert [message for message in remaining if message not in before] == []


@pytest.mark.parametrize("line", LINES)
def test_each_line_has_one_problem_and_is_valid_after_its_hint(line: str) -> None:
    [case] = [case for case in CASES if case.text == make_text(line)]
    assert find_problems(case.text) == [case.problem]
    assert find_problems(apply_hint(case)[0]) == []


def test_many_hints_are_tried() -> None:
    assert len(CASES) > 80
    assert len({case.problem.hint for case in CASES}) > 50


def test_a_hint_that_begins_with_write_is_complete_and_has_no_alternative() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "convcalc").rglob("*.py")]
    literal = r"[\"']write [^\n]*?[\"'][,)\s]"
    written = [hint for source in sources for hint in re.findall(literal, source)]
    assert len(written) > 15
    assert [hint for hint in written if "…" in hint or " or " in hint] == []
