"""Writes problems as text: position and message, the line of the spec with carets under the mistake, and a hint."""

from convcalc.problems import InvalidSpec, Problem, Span, printable
from convcalc.render.lines import Line

_WIDEST = 120
_LEAD = 30  # in a long line, at most this many characters are shown before the mistake


def problem_lines(error: InvalidSpec) -> list[Line]:
    """Return all problems of one file as lines of text."""
    lines: list[Line] = []
    source = None if error.text is None else split_lines(error.text)
    for problem in error.problems:
        lines += lines_of_problem(error, problem, source)
    return lines


def split_lines(text: str) -> list[str]:
    """Split a text at line feeds and carriage returns only, which is how the YAML parser counts lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def lines_of_problem(error: InvalidSpec, problem: Problem, source: list[str] | None) -> list[Line]:
    """Return one problem as lines of text; `source` has the lines of its file, or is None if these are unknown."""
    lines: list[Line] = [[(error.place(problem), "place"), (": ", ""), (problem.message, problem.severity)]]
    if source is not None and problem.span is not None:
        lines += _excerpt_lines(source, problem.span, "")
        for other in problem.related:
            if other.span is not None:
                lines += _excerpt_lines(source, other.span, other.label)
    if problem.hint:
        lines.append([("   = ", "dim"), (problem.hint, "hint")])
    return [*lines, []]


def _excerpt_lines(source: list[str], span: Span, label: str) -> list[Line]:
    """Return the line of the spec in which `span` starts, and a line with carets and `label` below it."""
    from rich.cells import cell_len  # the width of a text in a terminal, where some characters are two columns wide

    if span.line > len(source):
        return []
    text = source[span.line - 1]
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(text)
    cut = max(0, start - _LEAD) if len(text) > _WIDEST else 0
    end = max(end, start + 1)
    before, marked = _escape_line(text[cut:start]), _escape_line(text[start : min(end, start + _WIDEST)])
    after = _escape_line(text[end : end + _WIDEST])
    if cut:
        before = "…" + before
    line = before + marked + after
    if len(line) > _WIDEST:
        line = line[: _WIDEST - 1] + "…"
    number = f"{span.line:>4} | "
    room = cell_len(line) + 1 - cell_len(before)
    caret = "^" * max(1, min(cell_len(marked), room))
    return [
        [(number, "dim"), (line, "")],
        [
            (" " * (len(number) - 2) + "| ", "dim"),
            (" " * cell_len(before) + caret, "caret"),
            (f" {label}".rstrip(), "dim"),
        ],
    ]


def _escape_line(text: str) -> str:
    return printable(text.replace("\t", " "))
