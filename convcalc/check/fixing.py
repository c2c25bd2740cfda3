"""Applies exact fixes to the text of a spec, except for fixes that would only cause another error.

For example, `kernel_siez` in `conv: {out_channels: 0, kernel_siez: 3}` becomes `kernel_size`, while the wrong value of
`out_channels` is still reported.
"""

from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from typing import NamedTuple

from convcalc.check.runner import Checked, FixedText
from convcalc.problems import Problem, printable
from convcalc.spec.document import Document
from convcalc.spec.edits import CannotEdit, Edit, apply_edits, make_edit
from convcalc.spec.source import read_text

_MOST_ROUNDS = 10  # several rounds are needed, because an error can hide others until it is fixed
_MOST_TRIED = 100  # at most this many edits are tried one by one
# exceeded limits and wrong shapes are found only after a name is corrected: they do not mean that the fix was wrong
_UNRELATED = ("CV004", "CV016")
_Check = Callable[[Document], Checked]


class _FixedState(NamedTuple):
    """A document after some fixes, its remaining problems, and the number of fixes that were made."""

    document: Document
    checked: Checked
    fixes: int


def fix(document: Document, check: _Check) -> Checked:
    """Apply every fix that causes no new error, and return the remaining problems with the fixed text (`rewritten`).

    `check` is a function that returns the problems in a document.
    """
    done = _FixedState(document, check(document), 0)
    for _ in range(_MOST_ROUNDS):
        further = apply_harmless_fixes(done.document, done.checked, check)
        if further is None:
            break
        done = further._replace(fixes=done.fixes + further.fixes)
    if not done.fixes or document.text is None or done.document.text is None:
        return done.checked
    return done.checked._replace(rewritten=FixedText(document.text, done.document.text, done.fixes))


def apply_harmless_fixes(document: Document, found: Checked, check: _Check) -> _FixedState | None:
    """Return the document after every fix for `found` that causes no new error; None if there is no such fix.

    All fixes are tried together first. If together they cause a new error, each one is tried alone.
    """
    edits = _list_edits(document, found.problems)
    together = _try_edits(document, found, edits, check)
    if together is not None or len(edits) < 2:
        return together
    harmless = [edit for edit in edits[:_MOST_TRIED] if _try_edits(document, found, [edit], check) is not None]
    return _try_edits(document, found, harmless, check) or _try_edits(document, found, harmless[:1], check)


def _try_edits(document: Document, found: Checked, edits: Sequence[Edit], check: _Check) -> _FixedState | None:
    """Return the document after all these edits; None if there are no edits or if they cause a new error."""
    if not edits or document.text is None:
        return None
    changed = read_text(apply_edits(document.text, edits), document.file, document.quotable)
    checked = check(changed)
    harmed = _is_valid(found) and not _is_valid(checked)
    return None if harmed or _has_error_inside(changed, checked, edits) else _FixedState(changed, checked, len(edits))


def _has_error_inside(changed: Document, checked: Checked, edits: Sequence[Edit]) -> bool:
    """Whether the text that an edit inserted contains an error, which shows that the correction is wrong."""
    written, shift = [], 0
    for edit in edits:
        written.append((edit.start + shift, edit.start + shift + len(edit.text)))
        shift += len(edit.text) - (edit.stop - edit.start)
    wrong = [
        (changed.index(span.line, span.column), changed.index(span.end_line, span.end_column))
        for span in (problem.span for problem in _list_errors(checked) if problem.code not in _UNRELATED)
        if span is not None
    ]
    return any(start < end and begin < stop for start, stop in written for begin, end in wrong)


def _list_edits(document: Document, problems: Iterable[Problem]) -> list[Edit]:
    """Return the edits that fix these problems, in the order of the text; only the first one of overlapping edits."""
    found = set()
    for problem in problems:
        try:
            found.add(make_edit(document, problem))
        except CannotEdit:
            continue
    chosen: list[Edit] = []
    for edit in sorted(found):
        if not chosen or edit.start >= chosen[-1].stop:
            chosen.append(edit)
    return chosen


def _is_valid(checked: Checked) -> bool:
    return not _list_errors(checked)


def _list_errors(checked: Checked) -> list[Problem]:
    """Return the problems that make a spec invalid; lint findings and exceeded budgets are left out."""
    return [problem for problem in checked.problems if problem.code < "CV100"]


def diff_lines(file: str, change: FixedText) -> list[str]:
    """Return the changes in a file as lines in the format of `diff -u`, with unprintable characters escaped."""
    from difflib import unified_diff  # imported only to show a difference, because it slows the start

    before, after = (list(StringIO(text, newline="\n")) for text in (change.before, change.after))
    return [shown for line in unified_diff(before, after, file, file) for shown in _printable_line(line)]


def _printable_line(line: str) -> list[str]:
    """Return a line with unprintable characters escaped, except tabs and the line ending, which `patch` needs.

    If the line ending is missing, a second line says so, as in `diff -u`.
    """
    text = line.removesuffix("\n")
    body = text.removesuffix("\r")
    shown = "\t".join(map(printable, body.split("\t"))) + text[len(body) :]
    return [shown] if text != line else [shown, "\\ No newline at end of file"]
