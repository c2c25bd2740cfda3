"""Where texts of a spec end and what they are on one line, from their characters alone."""

import re
from bisect import bisect_right
from math import inf

from convcalc.spec.document import Extent


def fold_lines(text: str) -> str:
    """A plain text of several lines as it is read: a blank for each end of a line, all other blanks as they are."""
    return re.sub(r"[ \t]*(?:\r\n|\r|\n)\s*", " ", text.strip())


def find_closing_parenthesis(text: str, start: int, stop: int) -> int | None:
    """The index after the parenthesis that closes the one at `start`, if it comes before `stop`.

    Brackets and a colon before a blank are no part of an expression: nothing is sought beyond them.
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
    """Whether a character stands in one of the scalars of a text, which are in its order."""
    before = bisect_right(scalars, (index, inf)) - 1
    return before >= 0 and index < scalars[before][1]
