"""Applies the comments in specs that silence lint findings on their own line: `# convcalc: ignore[CV201]`."""

import re
from typing import NamedTuple

from convcalc.problems import Problem, Span, did_you_mean, show
from convcalc.spec.document import Document
from convcalc.spec.scalars import is_inside
from convcalc.spec.source import scalar_extents

_COMMENT = r"(?:^|(?<=\s))#[ \t]*convcalc:[ \t]*ignore\b(?:\[([^\]\n]*)\])?"
_UNUSED = "CV199"


class Ignore(NamedTuple):
    """A rule code in an ignore comment, and its position; line and column count from 1.

    Findings of that rule on that line are silenced. `code` is empty if the comment does not contain a code.
    """

    line: int
    column: int
    code: str


def find_ignores(text: str) -> list[Ignore]:
    """Return the rule codes in the ignore comments of a spec, in the order of the text.

    Text inside a YAML scalar is not a comment, even if it looks like one.
    """
    if "convcalc:" not in text:
        return []
    inside, document = scalar_extents(text), Document(None, None, text)
    found = []
    for match in re.finditer(_COMMENT, text, re.MULTILINE):
        if not is_inside(match.start(), inside):
            codes = [(match.start(1) + code.start(), code[0]) for code in re.finditer(r"[^\s,]+", match[1] or "")]
            for place, code in codes or [(match.start(), "")]:
                found.append(Ignore(*document.line_and_column(place), code))
    return found


def apply_ignores(problems: list[Problem], found: list[Ignore], known: set[str]) -> list[Problem]:
    """Return the problems that no comment silences, followed by one CV199 problem per code that silences nothing.

    `found` are the codes in comments, and `known` are the codes of all rules.
    """
    wanted = {(ignore.line, ignore.code) for ignore in found}
    used = {(problem.span.line, problem.code) for problem in problems if problem.span is not None} & wanted
    remaining = [
        problem for problem in problems if problem.span is None or (problem.span.line, problem.code) not in used
    ]
    return remaining + [_unused_code(ignore, known) for ignore in found if (ignore.line, ignore.code) not in used]


def _unused_code(ignore: Ignore, known: set[str]) -> Problem:
    span = Span(ignore.line, ignore.column, ignore.line, ignore.column + max(len(ignore.code), 1))
    if not ignore.code:
        message, hint = "the comment has no rule code and silences nothing", "add a code: # convcalc: ignore[CV201]"
        return Problem((), message, _UNUSED, hint, span=span, severity="warning")
    hint = "remove it" if ignore.code in known else did_you_mean(ignore.code, known) or "convcalc rules lists the codes"
    message = f"the comment ignores {show(ignore.code)}, which is not reported on this line"
    return Problem((), message, _UNUSED, hint, span=span, severity="warning")
