"""Specs with a few random changes: the result is always a report or an InvalidSpec that says where and why."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from random import Random

import pytest

import convcalc
from convcalc.render.excerpt import problem_lines
from convcalc.render.lines import plain_text
from tests.support.places import TESTS

EXAMPLES = sorted((TESTS.parent / "examples").glob("*.yaml"))
WRONG = sorted((TESTS / "bad").glob("*.yaml"))
MOST_SECONDS = 5.0

NUMBERS = "0 -1 1 3 7 64 1000 3.0 0.5 1e3 1e30 123456789012345678901 010 0x10 .inf 5M 256KiB true false yes null ~ '3'"
COMPUTED = "$ $$ $width $( $(1) $(1/0) $(1/3) $(index) $(in_channels) $(10**17) $(2**60) $(1 $in_channels $index $act"
TEXTS = "text same input previous conv1 relu1 x.y . .. * & ! | > ? *a &a !!int @ ` % # - : ] } [] {} [1] {a: \" ' \\ <<"
SPACED = ("[1, 2]", "[[1, 2]]", "[[1, 2], 3]", "[1, 2, 3, 4, 5]", "{a: 1}", "{conv: {}}", "$(1 if 2)", "\t", "")
VALUES = (*NUMBERS.split(), *COMPUTED.split(), *TEXTS.split(), *SPACED)
NAMES = """
    name from repeat when frozen share conv relu branches sequence merge add concat flatten linear out_channels
    kernel_size stride padding groups like params input inputs layers blocks budget outputs dtype check x-mine min max
"""
KEYS = NAMES.split()
CHARACTERS = "\t\n\r \x00\x1b\x7f\x85\u2028\u202e\ufeff🙂é()[]{}<>:,-#&*!|?%@`'\"\\$.0123456789abcxyz_=+/"
VALUE = re.compile(r"(?<=[:\[,] )[^\s,\[\]{}]+|(?<=\[)[^\s,\[\]{}]+")
KEY = re.compile(r"[A-Za-z_$]+(?=:)|(?<=- )\w+")


NASTY = (
    "input: [3]\nlayers: [relu]\ndtype: [int8]",
    "input: [3]\nlayers: [relu]\ndtype: {weights: {a: 1}}",
    'input: [3]\nblocks: {b: {params: {"a\\ufeffb": }, layers: [relu]}}\nlayers: [b]',
    "input: [3]\nlayers:\n  - linear: {units: 3}\n  - conv: {out_channels:8, kernel_size: 3}",
    "x",
    "~",
    "!",
)


def delete_line(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    del lines[random.randrange(len(lines))]
    return "".join(lines)


def copy_line(random: Random, text: str) -> str:
    """Duplicate a line at a random position."""
    lines = text.splitlines(keepends=True)
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    return "".join(lines)


def move_line(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    line = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randint(0, len(lines)), line)
    return "".join(lines)


def indent_line(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    index = random.randrange(len(lines))
    lines[index] = random.choice(["  ", " ", "\t", "    ", "- "]) + lines[index]
    return "".join(lines)


def change_character(random: Random, text: str) -> str:
    index = random.randrange(len(text))
    return text[:index] + random.choice(CHARACTERS) + text[index + 1 :]


def drop_characters(random: Random, text: str) -> str:
    index = random.randrange(len(text))
    return text[:index] + text[index + random.randint(1, 5) :]


def insert_value(random: Random, text: str) -> str:
    index = random.randrange(len(text))
    return f"{text[:index]}{random.choice(VALUES)}{text[index:]}"


def replaced(random: Random, text: str, pattern: re.Pattern[str], words: Sequence[str]) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = random.choice(found)
    return text[: match.start()] + random.choice(words) + text[match.end() :]


def change_value(random: Random, text: str) -> str:
    return replaced(random, text, VALUE, VALUES)


def change_key(random: Random, text: str) -> str:
    return replaced(random, text, KEY, KEYS)


def swap_values(random: Random, text: str) -> str:
    return replaced(random, text, VALUE, VALUE.findall(text) or [""])


def add_argument(random: Random, text: str) -> str:
    """Add an argument or option at the beginning of a mapping."""
    starts = [match.end() for match in re.finditer("{", text)] or [0]
    start = random.choice(starts)
    return f"{text[:start]}{random.choice(KEYS)}: {random.choice(VALUES)}, {text[start:]}"


MUTATIONS: tuple[Callable[[Random, str], str], ...] = (
    delete_line,
    copy_line,
    move_line,
    indent_line,
    change_character,
    drop_characters,
    insert_value,
    change_value,
    change_value,
    change_key,
    swap_values,
    add_argument,
)


def mutants(text: str, count: int, seed: str) -> Iterator[str]:
    """Yield `count` reproducible texts, each one to three changes away from the given text."""
    random = Random(seed)
    for _ in range(count):
        mutant = text
        for _ in range(random.choice((1, 1, 2, 3))):
            mutant = random.choice(MUTATIONS)(random, mutant or "\n")
        yield mutant


def complaint(text: str) -> str:
    """Describe what is wrong with the result for a text; empty if it is a report or problems with locations."""
    start = time.monotonic()
    try:
        convcalc.summary(StringIO(text)).to_dict()
    except convcalc.InvalidSpec as error:
        if not error.problems or any(problem.span is None or not problem.message for problem in error.problems):
            return f"a problem without its place: {error}"
        if not all(line.isprintable() for line in plain_text(problem_lines(error)).split("\n")):
            return "not printable"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "too slow" if time.monotonic() - start > MOST_SECONDS else ""


def complaints(spec: Path, count: int) -> dict[str, str]:
    text = spec.read_text(encoding="utf-8", errors="replace")
    return {mutant: said for mutant in mutants(text, count, spec.stem) if (said := complaint(mutant))}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_changed_example_is_a_report_or_an_invalid_spec(example: Path) -> None:
    assert complaints(example, 25) == {}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda path: path.stem)
def test_a_wrong_spec_made_worse_is_still_an_invalid_spec(wrong: Path) -> None:
    assert complaints(wrong, 4) == {}


@pytest.mark.parametrize("text", NASTY)
def test_a_hostile_spec_is_an_invalid_spec(text: str) -> None:
    assert complaint(text) == ""


def test_the_unchanged_examples_are_valid() -> None:
    assert len(EXAMPLES) > 10
    assert [example.stem for example in EXAMPLES if complaint(example.read_text(encoding="utf-8"))] == []
