"""A problem as text: its place and message, the source line with a caret under the mistake, and a hint."""

from convcalc.problems import InvalidSpec, Problem, Span, printable
from convcalc.render.lines import Line

_WIDEST = 120
_LEAD = 30  # characters shown before the caret in a long line


def problem_lines(error: InvalidSpec) -> list[Line]:
    """Return the lines of all problems of one file."""
    lines: list[Line] = []
    source = None if error.text is None else split_lines(error.text)
    for problem in error.problems:
        lines += lines_of_problem(error, problem, source)
    return lines


def split_lines(text: str) -> list[str]:
    """Split a text at line feeds and carriage returns only, as YAML counts lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def lines_of_problem(error: InvalidSpec, problem: Problem, source: list[str] | None) -> list[Line]:
    """Return the lines of one problem, with its excerpt."""
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
    """Return the source line of a span, with carets under it."""
    from rich.cells import cell_len  # how wide a character is in a terminal

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
