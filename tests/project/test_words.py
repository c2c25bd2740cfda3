"""Plain words: a short list of phrases that must not occur in anything a person reads.

Checked are the strings, docstrings and comments of the package, the examples, the README, the guide for contributors
and the descriptions of the action and the pre-commit hook. An earlier version was full of these phrases, and its
readers had to read them twice. Text in backquotes is code and is not checked.

Each row is a regular expression and what to write instead.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

UNIT = "axis|batch|channel|dimension|element|filter|input|layer|node|output|position|row|sample|value|weight|window"
PHRASES = {
    rf"(?:\d|\b(?:one|two|each|entry|factor|mean|module|pair|scale|shift|size|slope|text)) an? (?:{UNIT})\b": "per",
    r"\bby (?:itself|themselves)\b|\bof (?:its|their) own accord\b": "by default; alone",
    r"\b(?:is|are|was|were) (?:said|told)\b": "is reported",
    r"\b(?:laid|lays)\b": "expanded, expands to",
    r"\bours?\b": "convcalc's; none of ours: unsupported",
    r"\bwhat (?:it|they|(?:an?|the|each|every|no) \w+) (?:gives?|holds?|makes?|reads?|sees?|takes?)\b": "its input",
    r"\bso (?:many|much)\b": "the number, the limit",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bstands?\b(?! for)": "is, appears, is listed",
    r"\bbeside\b": "next to, in addition to",
    r"\b(?:has|have) not (?!been\b)": "does not have, lacks",
    r"(?<!there\s)\b(?:is|are) no (?!longer|more than)[a-z]": "is not a",
    r"\bkeeps? (?:a|its|the) budgets?\b|\bbudgets? (?:is|are) kept\b": "is within, exceeds",
    r"\bfactors? and shifts?\b": "scale and bias",
    r"\b(?:integers?|sizes?|divisors?|numbers?) from [01]\b(?! (?:to|on)\b)": "positive, at least 1",
    r"\bheed\b|\bas may be\b": "ignore; as possible",
}
PATTERNS = {re.compile(phrase.replace(" ", r"\s+"), re.IGNORECASE): instead for phrase, instead in PHRASES.items()}
READ = {".py", ".md", ".yaml", ".yml"}
FILES = [
    *sorted(file for folder in ("convcalc", "examples", ".github") for file in (ROOT / folder).rglob("*")),
    *(ROOT / name for name in ("README.md", "action.yml", ".pre-commit-hooks.yaml")),
]


def strings(source: str) -> Iterator[tuple[int, str]]:
    """The texts of Python code with their lines. {} replaces what an f-string inserts; a single word may be a name."""
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in parts
            and " " in node.value
        ):
            yield node.lineno, node.value


def comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def odd_phrases(text: str, line: int = 1) -> list[str]:
    """Each odd phrase with its line and what to write instead; a phrase may continue on the next line."""
    prose = re.sub(r"`[^`\n]*`", lambda code: "`" * len(code[0]), text)
    return [
        f"line {line + prose.count(chr(10), 0, match.start())}: {match[0]!r}: write {instead}"
        for pattern, instead in PATTERNS.items()
        for match in pattern.finditer(prose)
    ]


def odd_phrases_in(file: Path) -> list[str]:
    source = file.read_text(encoding="utf-8")
    texts = [*strings(source), *comments(source)] if file.suffix == ".py" else [(1, source)]
    return [found for line, text in texts for found in odd_phrases(text, line)]


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.suffix in READ], ids=lambda file: str(file.relative_to(ROOT))
)
def test_a_file_is_written_in_plain_words(file: Path) -> None:
    assert odd_phrases_in(file) == []


@pytest.mark.parametrize(
    "text",
    [
        "a list with one an axis",
        "1 a value",
        "reads a factor a channel",
        "Parallel processes; by itself as many as pay.",
        "The problem is said once.",
        "laid 8 times",
        "none of ours",
        "our language",
        "What it reads.",
        "what an operation gives",
        "At most so much",
        "no more than what was mended",
        "stands twice",
        "is no key",
        "it has not as many axes",
        "an integer from 1, or a list",
        "one\n    an axis",
    ],
)
def test_an_odd_phrase_is_found(text: str) -> None:
    assert odd_phrases(text)


@pytest.mark.parametrize(
    "text",
    [
        "a list with one per axis",
        "opaque stands for an unsupported operation",
        "there is no importer for it",
        "`ours` and `what it reads` are names",
        "an amendment that is no longer needed",
        "integers from 0 to 9",
    ],
)
def test_plain_text_passes(text: str) -> None:
    assert odd_phrases(text) == []
