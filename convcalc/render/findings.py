"""What `check` found, for people and for what reads over their shoulder: text, JSON and GitHub's annotations."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from convcalc.check.rule import Rule
from convcalc.check.runner import Checked
from convcalc.problems import TITLES, InvalidSpec, Problem, printable, shortened
from convcalc.render.lines import Line

SEVERITIES = ("error", "warning", "note")  # the worst first
COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
MOST_ROWS, WIDEST_CELL = 500, 200  # of a summary: GitHub takes none of one over 1 MiB


def ordered(checked: Iterable[Checked]) -> list[Checked]:
    """The files by name, their problems by place and code, all that is said of them printable."""
    return [
        one._replace(problems=tuple(sorted(map(_printable, one.problems), key=_place)))
        for one in sorted(checked, key=lambda one: one.file)
    ]


def _place(problem: Problem) -> tuple[int, int, str, str]:
    """What problems of a file are sorted by; those of the whole file come first."""
    line, column = problem.span[:2] if problem.span else (0, 0)
    return line, column, problem.code, problem.message


def _printable(problem: Problem) -> Problem:
    related = tuple(other._replace(label=printable(other.label)) for other in problem.related)
    return problem._replace(message=printable(problem.message), hint=printable(problem.hint), related=related)


def found(checked: Iterable[Checked]) -> Iterator[tuple[Checked, Problem]]:
    """Every problem with its file, in order."""
    return ((one, problem) for one in ordered(checked) for problem in one.problems)


def told(problem: Problem) -> str:
    """The message, and the hint if there is one, on one line."""
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


def names(rules: Mapping[str, type[Rule]]) -> dict[str, str]:
    """What the codes stand for: those of wrong specs, of budgets and of the rules."""
    return {**TITLES, **{code: rule.name for code, rule in rules.items()}}


def summary(checked: Sequence[Checked], passed_over: int = 0) -> str:
    """How many files, errors, warnings and notes there are, and how many YAML files were passed over as no specs."""
    files = counted(len(checked), "file")
    wrong = sum(bool(one.problems) for one in checked)
    fixable = sum(one.fixable for one in checked)
    mend = f"; --fix may fix {fixable:,} of them" if fixable else ""
    rest = f"; {counted(passed_over, 'YAML file')} passed over: no layers" if passed_over else ""
    if not wrong:
        return (f"{files} checked: all well" if checked else "no files checked") + rest
    return f"{files if len(checked) == 1 else f'{wrong} of {files}'}: {severities(checked)}{mend}{rest}"


def severities(checked: Iterable[Checked]) -> str:
    """`1 error, 4 warnings`."""
    counts = Counter(problem.severity for one in checked for problem in one.problems)
    return ", ".join(counted(counts[severity], severity) for severity in SEVERITIES if counts[severity])


def counted(number: int, what: str, several: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {several or what + 's'}"


def text_lines(checked: Sequence[Checked], passed_over: int = 0) -> list[Line]:
    """Every problem with its code, the line it is in and a caret; then the summary."""
    from convcalc.render.excerpt import one_problem, split_lines

    lines: list[Line] = []
    for one in ordered(checked):
        source = split_lines(one.text) if one.text is not None and one.problems else None
        error = InvalidSpec(one.problems, one.file, one.text)
        for problem in one.problems:
            head, *rest = one_problem(error, problem, source)
            lines += [[*head, (f" [{problem.code}]", "dim")], *rest]
    return [*lines, [(summary(checked, passed_over), "title")]]


def statistics_lines(checked: Sequence[Checked], rules: Mapping[str, type[Rule]]) -> list[Line]:
    """A line a code: how often it was found, and its name; the most frequent first."""
    counts = Counter(problem.code for one in checked for problem in one.problems)
    width = max((len(f"{count:,}") for count in counts.values()), default=0)
    known = names(rules)
    return [
        [(f"{count:>{width},}", ""), (f"  {code}", "place"), (f"  {known.get(code, '')}", "")]
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def findings_json(checked: Sequence[Checked]) -> str:
    """The problems as JSON, in the schema of every command's problems."""
    from convcalc.render.data import problems_json

    return problems_json([InvalidSpec(one.problems, one.file) for one in ordered(checked)])


def github(checked: Sequence[Checked]) -> str:
    """A workflow command a problem, which GitHub shows as an annotation of the line."""
    return "".join(f"{_command(one.file, problem)}\n" for one, problem in found(checked))


def _command(file: str, problem: Problem) -> str:
    properties: dict[str, object] = {"file": PurePath(file).as_posix()}  # GitHub finds no file by ./name
    if span := problem.span:
        properties |= {"line": span.line, "endLine": span.end_line}
        if span.line == span.end_line:  # GitHub drops the columns of several lines
            properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = f"convcalc {problem.code}"
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{COMMANDS[problem.severity]} {given}::{_data(told(problem))}"


def _data(text: str) -> str:
    """Text as a workflow command holds it: GitHub turns the three back, the rest that is unprintable is spelt out."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    """Text as the value of a workflow command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def without_commands(text: str) -> str:
    """Text for GitHub's log in which no line is a workflow command, whatever files and their lines are called.

    The token that lets commands through again is a hash of the text, so that the text cannot hold it.
    """
    from hashlib import sha256

    token = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def github_summary(checked: Sequence[Checked]) -> str:
    """The summary of a job: a Markdown table of what was found."""
    from convcalc.render.markdown import escaped

    lines = [f"### convcalc: {summary(checked)}", ""]
    every = list(found(checked))
    if every:
        lines += ["| place | severity | code | problem |", "|---|---|---|---|"]
    for one, problem in every[:MOST_ROWS]:
        line = f":{problem.span.line}:{problem.span.column}" if problem.span else ""
        cells = (_cell(one.file) + line, problem.severity, problem.code, _cell(told(problem)))
        lines.append(f"| {' | '.join(map(escaped, cells))} |")
    if len(every) > MOST_ROWS:
        lines += ["", f"and {len(every) - MOST_ROWS:,} more"]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return shortened(text, WIDEST_CELL)
