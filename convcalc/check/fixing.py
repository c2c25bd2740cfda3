"""Exact rewrites of a spec that fix what was found in it, less those that would only put another error in its place.

`input: [3, 8, 8]` with `layers: [conv: {out_channels: 0, kernel_siez: 3}]` becomes `kernel_size`; that `out_channels`
must not be 0 is still reported.
"""

from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from typing import NamedTuple

from convcalc.check.runner import Checked, Rewritten
from convcalc.problems import Problem, printable
from convcalc.spec.document import Document
from convcalc.spec.edits import CannotEdit, Edit, applied, edit_of
from convcalc.spec.source import read_text

MOST_ROUNDS = 10  # an error can hide others, which are found once it is fixed
MOST_TRIED = 100  # edits that are tried one by one
UNRELATED = (
    "CV004",
    "CV016",
)  # limits and shapes: whatever a layer is called, they are checked after its name is known
Check = Callable[[Document], Checked]


class Step(NamedTuple):
    """A document after some fixes, and what is found in it then."""

    document: Document
    checked: Checked
    fixes: int


def fix(document: Document, check: Check) -> Checked:
    """What is found in a document after as many fixes as possible, with the text that they lead to."""
    done = Step(document, check(document), 0)
    for _ in range(MOST_ROUNDS):
        further = improved(done.document, done.checked, check)
        if further is None:
            break
        done = further._replace(fixes=done.fixes + further.fixes)
    if not done.fixes or document.text is None or done.document.text is None:
        return done.checked
    return done.checked._replace(rewritten=Rewritten(document.text, done.document.text, done.fixes))


def improved(document: Document, found: Checked, check: Check) -> Step | None:
    """The document after all fixes of what was found in it that do no harm; None if there are none."""
    edits = possible(document, found.problems)
    together = tried(document, found, edits, check)
    if together is not None or len(edits) < 2:
        return together
    harmless = [edit for edit in edits[:MOST_TRIED] if tried(document, found, [edit], check) is not None]
    return tried(document, found, harmless, check) or tried(document, found, harmless[:1], check)


def tried(document: Document, found: Checked, edits: Sequence[Edit], check: Check) -> Step | None:
    """The document after edits, None if there are none or one of them does harm."""
    if not edits or document.text is None:
        return None
    changed = read_text(applied(document.text, edits), document.file, document.quotable)
    checked = check(changed)
    harmed = is_valid(found) and not is_valid(checked)
    return None if harmed or is_wrong_inside(changed, checked, edits) else Step(changed, checked, len(edits))


def is_wrong_inside(changed: Document, checked: Checked, edits: Sequence[Edit]) -> bool:
    """Whether what edits wrote is itself wrong: the word that was meant was another one."""
    written, shift = [], 0
    for edit in edits:
        written.append((edit.start + shift, edit.start + shift + len(edit.text)))
        shift += len(edit.text) - (edit.stop - edit.start)
    wrong = [
        (changed.index(span.line, span.column), changed.index(span.end_line, span.end_column))
        for span in (problem.span for problem in errors(checked) if problem.code not in UNRELATED)
        if span is not None
    ]
    return any(start < end and begin < stop for start, stop in written for begin, end in wrong)


def possible(document: Document, problems: Iterable[Problem]) -> list[Edit]:
    """The edits that fix problems, in the order of the text and none into another."""
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
    return not errors(checked)


def errors(checked: Checked) -> list[Problem]:
    """The problems that keep a spec from describing a network."""
    return [problem for problem in checked.problems if problem.code < "CV100"]


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
