"""Tests hints that begin with "write": put in place of what is wrong, they remove the problem."""

import re

import pytest

from convcalc.problems import InvalidSpec, Problem
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_text

CASES = [
    ("input: 3x32x32", "3x32x32"),
    ("input: 3×32×32", "3×32×32"),
    ("input: (3, 32, 32)", "(3, 32, 32)"),
    ("  - conv: {out_channels: 8, kernel_size: (3, 3)}", "(3, 3)"),
    ("  - conv: {out_channels: 8, kernel_size: (3, 1), stride: 2}", "(3, 1)"),
    ("  - conv: 64", "- conv: 64"),
    ("  - conv: [64, 3]", "- conv: [64, 3]"),
    ("  - batchnorm: 8", "- batchnorm: 8"),
    ("  - add: input", "- add: input"),
    ("  - maxpool: 2.0", "2.0"),
    ("budget: {weight_memory: 256kB}", "256kB"),
    ("budget: {weight_memory: 256kib}", "256kib"),
    *((f"  - {word}", f"- {word}") for word in ("lstm", "gru", "rnn", "attention", "multihead_attention")),
    *((f"  - {word}", f"- {word}") for word in ("embedding", "deform_conv", "permute", "transpose", "glu")),
]


def make_text(line: str) -> str:
    key = line.split(":")[0]
    lines = ["input: [3, 32, 32]", "layers:", "  - relu"]
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


@pytest.mark.parametrize(("line", "wrong"), CASES)
def test_what_a_hint_says_to_write_removes_the_problem(line: str, wrong: str) -> None:
    [problem] = find_problems(make_text(line))
    assert problem.hint.startswith("write ")
    right = re.sub(r", with the shape of its output$", "", problem.hint.removeprefix("write "))
    assert find_problems(make_text(line.replace(wrong, right))) == []
