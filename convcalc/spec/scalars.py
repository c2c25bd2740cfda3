"""Where the scalars of a spec end and what their text is on one line, from their characters only."""

import re
from bisect import bisect_right
from math import inf

from convcalc.spec.document import Extent


def fold_lines(text: str) -> str:
    """Return an unquoted value of several lines as one line.

    Line breaks become a space, together with the whitespace and blank lines around them; other spaces are kept.
    """
    return re.sub(r"[ \t]*(?:\r\n|\r|\n)\s*", " ", text.strip())


def find_closing_parenthesis(text: str, start: int, stop: int) -> int | None:
    """Return the index after the parenthesis that closes the one at `start`, if that is before `stop`; else None.

    Brackets, braces and a colon before a space cannot be part of an expression, so the search ends there.
    """
    depth, quote = 0, ""
    for index in range(start, min(stop, start + 2000)):
        character = text[index]
        if quote:
            quote = "" if character == quote else quote
        elif character in "{}[]" or text.startswith(": ", index):
            return None
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return index + 1
    return None


def is_inside(index: int, scalars: list[Extent]) -> bool:
    """Whether a character is inside one of the scalars of a text; these are sorted by place."""
    before = bisect_right(scalars, (index, inf)) - 1
    return before >= 0 and index < scalars[before][1]
