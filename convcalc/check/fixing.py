"""Exact rewrites of a spec that mend what was found in it, made only where what comes of them is valid."""

from collections.abc import Callable, Iterable
from io import StringIO

from convcalc.check.runner import Checked, Rewritten
from convcalc.problems import Problem, printable
from convcalc.spec.document import Document
from convcalc.spec.edits import CannotEdit, Edit, applied, edit_of
from convcalc.spec.source import read_text

MOST_ROUNDS = 10  # what was hidden by a mistake comes to light when it is mended


def fix(document: Document, check: Callable[[Document], Checked]) -> Checked:
    """Mend a document as far as it can be mended; what comes of it is checked again, and kept only if it is valid."""
    first = found = check(document)
    fixes, mended = 0, document
    for _ in range(MOST_ROUNDS):
        edits = possible(mended, found.problems)
        if not edits or mended.text is None:
            break
        fixes += len(edits)
        mended = read_text(applied(mended.text, edits), document.file, document.quotable)
        found = check(mended)
    if fixes and is_valid(found) and document.text is not None and mended.text is not None:
        return found._replace(rewritten=Rewritten(document.text, mended.text, fixes))
    return first


def possible(document: Document, problems: Iterable[Problem]) -> list[Edit]:
    """The edits that mend problems, in the order of the text and none into another."""
    found = set()
    for problem in problems:
        try:
            found.add(edit_of(document, problem))
        except CannotEdit:
            continue
    chosen: list[Edit] = []
    for edit in sorted(found):
        if not chosen or edit.start >= chosen[-1].stop:
            chosen.append(edit)
    return chosen


def is_valid(checked: Checked) -> bool:
    """Whether a spec describes a network, whatever the linter and the budgets say."""
    return all(problem.code >= "CV100" for problem in checked.problems)


def difference(file: str, change: Rewritten) -> list[str]:
    """What changes in a file, as `diff -u` shows it, line by line and printable."""
    from difflib import unified_diff  # only where a difference is shown: it costs start-up time

    before, after = (list(StringIO(text, newline="\n")) for text in (change.before, change.after))
    return [shown for line in unified_diff(before, after, file, file) for shown in printable_line(line)]


def printable_line(line: str) -> list[str]:
    """A line of a difference, its tabs and how it ends as they are, so that `patch` takes it."""
    text = line.removesuffix("\n")
    body = text.removesuffix("\r")
    shown = "\t".join(map(printable, body.split("\t"))) + text[len(body) :]
    return [shown] if text != line else [shown, "\\ No newline at end of file"]
