"""Writes the results of `convcalc check` as text, JSON, and GitHub annotations with a job summary."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from convcalc.check.rule import Rule
from convcalc.check.runner import Checked
from convcalc.problems import TITLES, InvalidSpec, Problem, message_with_hint, printable, shorten
from convcalc.render.cells import Cells, cell_markdown, cell_table, wrapped_table
from convcalc.render.lines import Block, Line
from convcalc.render.markdown import escape

_SEVERITIES = ("error", "warning", "note")  # most severe first
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
MOST_ROWS, WIDEST_CELL = 500, 200  # limits of a job summary, because GitHub rejects summaries larger than 1 MiB


def sort_problems(checked: Iterable[Checked]) -> list[Checked]:
    """Return the files sorted by name, each with its problems sorted by line and column.

    Unprintable characters in the problems are escaped.
    """
    return [
        one._replace(problems=tuple(sorted(map(_make_printable, one.problems), key=_sort_key)))
        for one in sorted(checked, key=lambda one: one.file)
    ]


def _sort_key(problem: Problem) -> tuple[int, int, str, str]:
    """Return line, column, code and message; problems of the whole file have no line and come first."""
    line, column = problem.span[:2] if problem.span else (0, 0)
    return line, column, problem.code, problem.message


def _make_printable(problem: Problem) -> Problem:
    related = tuple(other._replace(label=printable(other.label)) for other in problem.related)
    return problem._replace(message=printable(problem.message), hint=printable(problem.hint), related=related)


def list_problems(checked: Iterable[Checked]) -> Iterator[tuple[Checked, Problem]]:
    """Yield every problem together with its file, sorted by file name, line and column."""
    return ((one, problem) for one in sort_problems(checked) for problem in one.problems)


def describe_problem(one: Checked, problem: Problem) -> str:
    """Return the message and hint of a problem; in a model file, which has no lines, after the name of the layer."""
    layer = f"{problem.path[0]}: " if one.model is not None and problem.path else ""
    return layer + message_with_hint(problem)


def code_titles(rules: Mapping[str, type[Rule]]) -> dict[str, str]:
    """Return the titles of all problem codes: invalid specs, exceeded budgets, and lint rules."""
    return {**TITLES, **{code: rule.name for code, rule in rules.items()}}


def summary(checked: Sequence[Checked], skipped_files: int = 0) -> str:
    """Return one line with the number of files checked and the number of problems per severity.

    `skipped_files` is the number of YAML files that were skipped because they have no layers.
    """
    files = counted(len(checked), "file")
    wrong = sum(bool(one.problems) for one in checked)
    fixable = sum(one.fixable for one in checked)
    fixes = f"; --fix can fix {fixable:,} of them" if fixable else ""
    skipped = f"; {counted(skipped_files, 'YAML file')} skipped: no layers" if skipped_files else ""
    if not wrong:
        budget = "" if any(one.budgets for one in checked) else "; no budget is set"
        return (f"{files} checked: no problems{budget}" if checked else "no files checked") + skipped
    return f"{files if len(checked) == 1 else f'{wrong} of {files}'}: {severity_counts(checked)}{fixes}{skipped}"


def severity_counts(checked: Iterable[Checked]) -> str:
    """Return the number of problems per severity, such as `1 error, 4 warnings`."""
    counts = Counter(problem.severity for one in checked for problem in one.problems)
    return ", ".join(counted(counts[severity], severity) for severity in _SEVERITIES if counts[severity])


def counted(number: int, what: str, several: str = "") -> str:
    """Return a number with a noun, such as `2 files`; `several` is the plural, by default the noun with an s."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {several or what + 's'}"


def text_lines(
    checked: Sequence[Checked], skipped_files: int = 0, width: int | None = None, quiet: bool = False
) -> list[Block]:
    """Return the problems, a table of the budgets, and a summary line.

    Each problem is shown with its severity, its code and an excerpt of the spec. Its message is wrapped to `width`
    characters (None: unlimited). The table of the budgets is left out if there is an error or a warning. With `quiet`,
    only the problems are returned.
    """
    problems: list[Block] = [*_problem_lines(checked, width)]
    if quiet:
        return problems
    budgets = _budget_columns(checked)
    table: list[Block] = [cell_table(budgets, width, first=""), []] if budgets else []
    return [*problems, *table, [(summary(checked, skipped_files), "title")]]


def _problem_lines(checked: Sequence[Checked], width: int | None) -> list[Line]:
    from convcalc.render.excerpt import lines_of_problem, split_lines

    lines: list[Line] = []
    for one in sort_problems(checked):
        source = split_lines(one.text) if one.text is not None and one.problems else None
        error = InvalidSpec(one.problems, one.file, one.text)
        for problem in one.problems:
            (place, *_), *rest = lines_of_problem(error, problem, source)
            severity = problem.severity
            head = [place, (":", ""), (f" {severity}:", severity), (f" {problem.message}", severity)]
            lines += _wrap_line([*head, (f" [{problem.code}]", "dim")], width, 4)
            if problem.hint:
                *rest, hint, _ = rest
                rest = [*rest, *_wrap_line(hint, width, 5), []]
            lines += rest
    return lines


def _wrap_line(line: Line, width: int | None, indent: int) -> list[Line]:
    """Break a line at blanks so that it fits `width`; later lines begin with `indent` blanks."""
    if width is None:
        return [line]
    from rich.cells import cell_len

    lines: list[Line] = [[]]
    used = 0
    for text, style in line:
        for piece in re.findall(r" *[^ ]+| +", text):
            if used > indent and piece.startswith(" ") and used + cell_len(piece) > width:
                lines.append([(" " * indent, "")])
                piece, used = piece.lstrip(), indent
            lines[-1].append((piece, style))
            used += cell_len(piece)
    return lines


def _budget_columns(checked: Sequence[Checked]) -> list[Cells]:
    """Return the columns of the table of budgets; none if no budget is set, or if there is an error or a warning."""
    rows = [(one.file, use) for one in sort_problems(checked) for use in one.budgets]
    if not rows or any(problem.severity != "note" for one in checked for problem in one.problems):
        return []
    columns = [
        Cells("budget", [printable(use.budget) for _, use in rows], right=False),
        Cells("used", [use.used for _, use in rows]),
        Cells("limit", [use.limit for _, use in rows]),
        Cells("%", [use.percent for _, use in rows]),
    ]
    files = Cells("file", [printable(file) for file, _ in rows], right=False)
    return [files, *columns] if len(checked) > 1 else columns


def statistics_lines(
    checked: Sequence[Checked], rules: Mapping[str, type[Rule]], width: int | None = None
) -> list[Block]:
    """Return a table with the count, code and title of every kind of problem, most frequent first.

    Return no table if there are no problems.
    """
    counts = Counter(problem.code for one in checked for problem in one.problems)
    known = code_titles(rules)
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    columns = [
        Cells("count", [f"{count:,}" for _, count in found]),
        Cells("code", [code for code, _ in found], right=False),
        Cells("problem", [known.get(code, "") for code, _ in found], right=False),
    ]
    return [wrapped_table(columns, width)] if found else []


def findings_json(checked: Sequence[Checked]) -> str:
    """Return the problems as JSON text, with the schema convcalc/problems/1."""
    from convcalc.render.summary_data import problems_json

    return problems_json([InvalidSpec(one.problems, one.file) for one in sort_problems(checked)])


def github_annotations(checked: Sequence[Checked]) -> str:
    """Return one GitHub workflow command per problem; GitHub shows it as an annotation of a line of the spec."""
    return "".join(f"{_annotation_text(one, problem)}\n" for one, problem in list_problems(checked))


def _annotation_text(one: Checked, problem: Problem) -> str:
    properties: dict[str, object] = {"file": PurePath(one.file).as_posix()}  # GitHub does not recognise ./name
    if span := problem.span:
        properties |= {"line": span.line, "endLine": span.end_line}
        if span.line == span.end_line:  # GitHub ignores columns if a problem spans several lines
            properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = f"convcalc {problem.code}"
    given = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items())
    return f"::{_COMMANDS[problem.severity]} {given}::{_escape_data(describe_problem(one, problem))}"


def _escape_data(text: str) -> str:
    """Percent-encode %, CR and LF, as workflow commands require, and escape other control characters."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escape_property(text: str) -> str:
    """Escape a property of a workflow command, in which colons and commas are percent-encoded too."""
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def disarm_commands(text: str) -> str:
    """Return the text between two lines that keep GitHub Actions from running workflow commands in it.

    The first line turns workflow commands off until a line with a certain token follows; the last line is that line.
    The token is a hash of the text, so the text cannot contain it. Empty text is returned unchanged.
    """
    if not text:
        return ""
    from hashlib import sha256

    token = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def github_summary(checked: Sequence[Checked]) -> str:
    """Return the job summary as Markdown: a table of budgets and a table of problems.

    The budgets are left out if there is an error or a warning.
    """
    lines = [f"### convcalc: {summary(checked)}", ""]
    every = list(list_problems(checked))
    if budgets := _budget_columns(checked):
        limited = [column._replace(texts=[*map(_shorten_cell, column.texts[:MOST_ROWS])]) for column in budgets]
        lines += cell_markdown(limited)
        if len(budgets[0].texts) > MOST_ROWS:
            lines += ["", f"and {len(budgets[0].texts) - MOST_ROWS:,} more"]
        lines += [""] if every else []
    if every:
        lines += ["| place | severity | code | problem |", "|---|---|---|---|"]
    for one, problem in every[:MOST_ROWS]:
        line = f":{problem.span.line}:{problem.span.column}" if problem.span else ""
        cells = (
            _shorten_cell(one.file) + line,
            problem.severity,
            problem.code,
            _shorten_cell(describe_problem(one, problem)),
        )
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    if len(every) > MOST_ROWS:
        lines += ["", f"and {len(every) - MOST_ROWS:,} more"]
    return "\n".join([*lines, ""])


def _shorten_cell(text: str) -> str:
    return shorten(text, WIDEST_CELL)
