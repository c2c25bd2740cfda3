"""A problem as people see it: where it is, what it is, the line with a caret, what would be right."""

from convcalc.problems import InvalidSpec, Problem, Span, printable
from convcalc.render.lines import Line

_WIDEST = 120
_LEAD = 30  # characters kept before the caret of a long line


def problem_lines(error: InvalidSpec) -> list[Line]:
    """All problems of one file."""
    lines: list[Line] = []
    source = None if error.text is None else split_lines(error.text)
    for problem in error.problems:
        lines += one_problem(error, problem, source)
    return lines


def split_lines(text: str) -> list[str]:
    """The lines of a text, by line feeds and carriage returns only."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def one_problem(error: InvalidSpec, problem: Problem, source: list[str] | None) -> list[Line]:
    """One problem with its excerpt."""
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
    """The line of a place, and a caret under it as long as the place is."""
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
    """A piece of a source line, tabs as one blank, printable."""
    return printable(text.replace("\t", " "))
