"""The README is correct: its commands print what it shows, and its Python code returns what it shows."""

import doctest
import re

import pytest

from tests.documented import BLOCK, rewritten
from tests.support.places import README

TEXT = README.read_text(encoding="utf-8")


def test_commands_print_what_the_readme_shows() -> None:
    assert rewritten(TEXT) == TEXT


@pytest.mark.torch
def test_commands_that_need_pytorch_print_what_the_readme_shows() -> None:
    assert "```console torch\n" in TEXT
    assert rewritten(TEXT) == TEXT


def test_python_returns_what_the_readme_shows() -> None:
    examples = "\n".join(content for language, _, content in BLOCK.findall(TEXT) if language == "python")
    test = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_set_up_is_two_commands() -> None:
    commands = [line for line in TEXT.splitlines() if re.match(r"python3 -m venv ", line)]
    assert len(commands) == 2
    assert "summary example:resnet50" in commands[0]
    assert "-m pytest" in commands[1]
