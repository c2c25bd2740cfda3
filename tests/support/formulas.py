"""Evaluate a printed formula from its text alone, either plain or LaTeX."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil, floor
from typing import Any

FUNCTIONS: dict[str, Any] = {"Fraction": Fraction, "floor": floor, "ceil": ceil, "__builtins__": {}}


def value_of(text: str, **values: float) -> Fraction:
    """Evaluate a formula given as text. `values` are the values of its symbols, if any."""
    python = text.replace("×", "*").replace("^", "**")
    python = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)", r"Fraction('\1')", python)
    named = {name: Fraction(value) if isinstance(value, int) else value for name, value in values.items()}
    return Fraction(eval(python, FUNCTIONS, named))


def value_of_latex(text: str) -> Fraction:
    """Evaluate a LaTeX formula without symbols. A command that is not in the list below is an error."""
    plain = unfolded(text)
    for command, sign in (
        (r"\left\lfloor", "floor("),
        (r"\left\lceil", "ceil("),
        (r"\right\rfloor", ")"),
        (r"\right\rceil", ")"),
        (r"\left(", "("),
        (r"\right)", ")"),
        (r"\cdot", "×"),
        ("{,}", ""),
    ):
        plain = plain.replace(command, sign)
    plain = re.sub(r"\\text\{[^{}]*\}$", "", plain)  # the unit
    assert not re.search(r"[\\{}]", plain), plain
    return value_of(plain)


def unfolded(text: str) -> str:
    """Return a LaTeX text with each fraction as a quotient in parentheses."""
    place = text.find(r"\frac")
    if place < 0:
        return text
    over, rest = group(text[place + len(r"\frac") :])
    under, rest = group(rest)
    return f"{text[:place]}(({unfolded(over)}) / ({unfolded(under)})){unfolded(rest)}"


def group(text: str) -> tuple[str, str]:
    """Split a text that begins with braces into their content and the remainder."""
    assert text[0] == "{"
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:place], text[place + 1 :]
    raise AssertionError(f"braces that are not closed: {text}")
