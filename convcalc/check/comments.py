"""Comments that silence findings of the linter on their own line: `# convcalc: ignore[CV201]`."""

import re
from typing import NamedTuple

from convcalc.problems import Problem, Span, did_you_mean, shown
from convcalc.spec.document import Document
from convcalc.spec.scalars import is_inside
from convcalc.spec.source import scalar_extents

COMMENT = r"(?:^|(?<=\s))#[ \t]*convcalc:[ \t]*ignore\b(?:\[([^\]\n]*)\])?"
UNUSED = "CV199"


class Ignore(NamedTuple):
    """One code that a comment silences on a line; `column` is where it stands. Of a comment without it is empty."""

    line: int
    column: int
    code: str


def ignores(text: str) -> list[Ignore]:
    """The codes that comments silence; what stands inside a scalar is no comment."""
    if "convcalc:" not in text:
        return []
    inside, document = scalar_extents(text), Document(None, None, text)
    found = []
    for match in re.finditer(COMMENT, text, re.MULTILINE):
        if not is_inside(match.start(), inside):
            codes = [(match.start(1) + code.start(), code[0]) for code in re.finditer(r"[^\s,]+", match[1] or "")]
            for place, code in codes or [(match.start(), "")]:
                found.append(Ignore(*document.line_and_column(place), code))
    return found


def silenced(problems: list[Problem], found: list[Ignore], known: set[str]) -> list[Problem]:
    """The findings that no comment silences, and a finding for each code that silences nothing."""
    wanted = {(ignore.line, ignore.code) for ignore in found}
    used = {(problem.span.line, problem.code) for problem in problems if problem.span is not None} & wanted
    kept = [problem for problem in problems if problem.span is None or (problem.span.line, problem.code) not in used]
    return kept + [unused(ignore, known) for ignore in found if (ignore.line, ignore.code) not in used]


def unused(ignore: Ignore, known: set[str]) -> Problem:
    """A code in a comment that silences nothing."""
    span = Span(ignore.line, ignore.column, ignore.line, ignore.column + max(len(ignore.code), 1))
    if not ignore.code:
        message, hint = "the comment names no rule: it silences nothing", "write # convcalc: ignore[CV201]"
        return Problem((), message, UNUSED, hint, span=span, severity="warning")
    hint = (
        "take it away" if ignore.code in known else did_you_mean(ignore.code, known) or "convcalc rules lists the codes"
    )
    message = f"the comment ignores {shown(ignore.code)}, which is not found here"
    return Problem((), message, UNUSED, hint, span=span, severity="warning")
