"""Results of `check` as text, JSON, and GitHub's annotations and job summary."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from convcalc.check.rule import Rule
from convcalc.check.runner import Checked
from convcalc.problems import TITLES, InvalidSpec, Problem, printable, shorten
from convcalc.render.lines import Block, Line

_SEVERITIES = ("error", "warning", "note")  # most severe first
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
MOST_ROWS, WIDEST_CELL = 500, 200  # of a job summary: GitHub rejects summaries larger than 1 MiB


def sort_problems(checked: Iterable[Checked]) -> list[Checked]:
    """Return the files sorted by name, their problems sorted by place and code, all text printable."""
    return [
        one._replace(problems=tuple(sorted(map(_printable, one.problems), key=_place)))
        for one in sorted(checked, key=lambda one: one.file)
    ]


def _place(problem: Problem) -> tuple[int, int, str, str]:
    """Return the sort key of a problem; problems of the whole file come first."""
    line, column = problem.span[:2] if problem.span else (0, 0)
    return line, column, problem.code, problem.message


def _printable(problem: Problem) -> Problem:
    related = tuple(other._replace(label=printable(other.label)) for other in problem.related)
    return problem._replace(message=printable(problem.message), hint=printable(problem.hint), related=related)


def list_problems(checked: Iterable[Checked]) -> Iterator[tuple[Checked, Problem]]:
    """Yield every problem with its file, in order."""
    return ((one, problem) for one in sort_problems(checked) for problem in one.problems)


def message_with_hint(problem: Problem) -> str:
    """Return the message, and the hint if there is one, on one line."""
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


def code_titles(rules: Mapping[str, type[Rule]]) -> dict[str, str]:
    """Return the title of every code: of invalid specs, budgets and lint rules."""
    return {**TITLES, **{code: rule.name for code, rule in rules.items()}}


def summary(checked: Sequence[Checked], passed_over: int = 0) -> str:
    """Return the last line: how many files, errors, warnings and notes, and how many YAML files were skipped."""
    files = counted(len(checked), "file")
    wrong = sum(bool(one.problems) for one in checked)
    fixable = sum(one.fixable for one in checked)
    fixes = f"; --fix can fix {fixable:,} of them" if fixable else ""
    skipped = f"; {counted(passed_over, 'YAML file')} skipped: no layers" if passed_over else ""
    if not wrong:
        return (f"{files} checked: no problems" if checked else "no files checked") + skipped
    return f"{files if len(checked) == 1 else f'{wrong} of {files}'}: {severity_counts(checked)}{fixes}{skipped}"


def severity_counts(checked: Iterable[Checked]) -> str:
    """Return the number of problems per severity: `1 error, 4 warnings`."""
    counts = Counter(problem.severity for one in checked for problem in one.problems)
    return ", ".join(counted(counts[severity], severity) for severity in _SEVERITIES if counts[severity])


def counted(number: int, what: str, several: str = "") -> str:
    """Return a number with its noun: `1 file`, `2 files`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {several or what + 's'}"


def text_lines(checked: Sequence[Checked], passed_over: int = 0) -> list[Line]:
    """Return every problem with its code, its source line and a caret; then the summary."""
    from convcalc.render.excerpt import lines_of_problem, split_lines

    lines: list[Line] = []
    for one in sort_problems(checked):
        source = split_lines(one.text) if one.text is not None and one.problems else None
        error = InvalidSpec(one.problems, one.file, one.text)
        for problem in one.problems:
            head, *rest = lines_of_problem(error, problem, source)
            lines += [[*head, (f" [{problem.code}]", "dim")], *rest]
    return [*lines, [(summary(checked, passed_over), "title")]]


def statistics_lines(
    checked: Sequence[Checked], rules: Mapping[str, type[Rule]], width: int | None = None
) -> list[Block]:
    """Return the table of codes with how often they were found and their names, the most frequent first."""
    from convcalc.render.cells import Cells, wrapped_table

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
    """Return the problems as JSON, in the schema that all commands use for problems."""
    from convcalc.render.summary_data import problems_json

    return problems_json([InvalidSpec(one.problems, one.file) for one in sort_problems(checked)])


def github_annotations(checked: Sequence[Checked]) -> str:
    """Return one workflow command per problem; GitHub shows it as an annotation of the line."""
    return "".join(f"{_command(one.file, problem)}\n" for one, problem in list_problems(checked))


def _command(file: str, problem: Problem) -> str:
    properties: dict[str, object] = {"file": PurePath(file).as_posix()}  # GitHub does not recognise ./name
    if span := problem.span:
        properties |= {"line": span.line, "endLine": span.end_line}
        if span.line == span.end_line:  # GitHub ignores columns if there are several lines
            properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = f"convcalc {problem.code}"
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{_COMMANDS[problem.severity]} {given}::{_data(message_with_hint(problem))}"


def _data(text: str) -> str:
    """Escape text for a workflow command: GitHub decodes %, CR and LF; other unprintable characters are spelt out."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    """Escape text for the value of a workflow command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def disarm_commands(text: str) -> str:
    """Return text for GitHub's log in which no line acts as a workflow command, whatever it contains.

    The token that turns commands on again is a hash of the text, so the text cannot contain it.
    """
    from hashlib import sha256

    token = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def github_summary(checked: Sequence[Checked]) -> str:
    """Return the job summary: a Markdown table of the problems."""
    from convcalc.render.summary_markdown import escape

    lines = [f"### convcalc: {summary(checked)}", ""]
    every = list(list_problems(checked))
    if every:
        lines += ["| place | severity | code | problem |", "|---|---|---|---|"]
    for one, problem in every[:MOST_ROWS]:
        line = f":{problem.span.line}:{problem.span.column}" if problem.span else ""
        cells = (_cell(one.file) + line, problem.severity, problem.code, _cell(message_with_hint(problem)))
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    if len(every) > MOST_ROWS:
        lines += ["", f"and {len(every) - MOST_ROWS:,} more"]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return shorten(text, WIDEST_CELL)
