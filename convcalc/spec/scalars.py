"""Reads scalars (single values) from YAML text: finds their values, and where the expressions in them end.

Plain scalars are decimal integers and floats, true, false, null and text; everything else that YAML 1.1 knows (octal,
hexadecimal and sexagesimal numbers, dates, yes and no) stays text.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from math import inf
from typing import Any

from convcalc.arguments import MOST_DIGITS
from convcalc.problems import Flaw
from convcalc.spec.document import Extent

# compiled when first used, so that convcalc starts faster
_INTEGER = r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)"
_FLOAT = r"[-+]?((0|[1-9][0-9]*(_[0-9]+)*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER_STARTS = frozenset("0123456789+-.")


def fold_lines(text: str) -> str:
    """Return an unquoted text of several lines as one line, as YAML reads it.

    A line break becomes one space, together with the blanks and empty lines around it; other spaces are kept.
    """
    return re.sub(r"[ \t]*(?:\r\n|\r|\n)\s*", " ", text.strip())


def read_plain_scalar(text: str) -> Any:
    """Return the value of a scalar without quotes: 8, 0.5, true, None, or the text itself.

    Raises Flaw if a number has too many digits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if text.isdigit() and len(text) < MOST_DIGITS and text[0] != "0" and text.isascii():
        return int(text)
    if _is_plain_decimal(text):
        return float(text)
    if re.fullmatch(_INTEGER, text, re.ASCII):
        digits = text.replace("_", "")
        if len(digits.lstrip("+-")) > MOST_DIGITS:
            raise Flaw(f"the integer has more than {MOST_DIGITS} digits", code="CV004")
        return int(digits)
    if re.fullmatch(_FLOAT, text, re.ASCII):
        value = float(text.replace("_", ""))
        if abs(value) >= 10**MOST_DIGITS:
            raise Flaw(f"the number has more than {MOST_DIGITS} digits", code="CV004")
        return value
    return text


def _is_plain_decimal(text: str) -> bool:
    """Whether a text is a number such as 0.25, for which no regular expression needs to be compiled."""
    whole, _, rest = text.partition(".")
    is_short = len(text) < MOST_DIGITS and text.isascii()
    return is_short and whole.isdigit() and rest.isdigit() and (whole == "0" or whole[0] != "0")


def walk_outside_quotes(text: str, start: int, stop: int) -> Iterator[tuple[int, str]]:
    """Yield the index and the character of each character that is not in quotes; the quotes are not yielded either.

    An opening quote without a closing one is yielded as the last character.
    """
    index = start
    while index < stop:
        character = text[index]
        if character in "'\"":
            closing = text.find(character, index + 1, stop)
            if closing < 0:
                yield index, character
                return
            index = closing
        else:
            yield index, character
        index += 1


def find_closing_parenthesis(text: str, start: int, stop: int) -> int | None:
    """Return the index after the parenthesis that closes the one at `start`; None if there is none before `stop`.

    Also return None if one of these is in between, as it cannot be part of an expression: a brace, a bracket that does
    not match, or a colon and a space.
    """
    expected: list[str] = []  # the closing characters of the open parentheses and brackets
    for index, character in walk_outside_quotes(text, start, min(stop, start + 2000)):
        if character in "{}" or text.startswith(": ", index):
            return None
        if character in "([":
            expected.append(")" if character == "(" else "]")
        elif character in ")]":
            if expected.pop() != character:
                return None
            if not expected:
                return index + 1
    return None


def is_inside(index: int, scalars: list[Extent]) -> bool:
    """Return whether an index is inside a scalar; `scalars` are the sorted extents of all scalars in the text."""
    before = bisect_right(scalars, (index, inf)) - 1
    return before >= 0 and index < scalars[before][1]
