"""Checking one file: its spec, its budgets and those from outside, and the rules that are on."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from convcalc.analysis.budgets import breaches
from convcalc.analysis.report import analyse
from convcalc.check.comments import ignores, silenced
from convcalc.check.rule import Rule
from convcalc.check.settings import Settings
from convcalc.problems import InvalidSpec, Path, Problem
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network


class Rewritten(NamedTuple):
    """The text of a file before and after so many fixes."""

    before: str
    after: str
    fixes: int


class Checked(NamedTuple):
    """What was found in a file, in its order; `text` is what may be quoted of it.

    `fixable` is how many fixes --fix would begin with. If some were made, what was found is that of `rewritten.after`.
    """

    file: str
    problems: tuple[Problem, ...]
    text: str | None
    fixable: int = 0
    rewritten: Rewritten | None = None


def check(
    document: Document,
    overrides: Overrides,
    settings: Settings,
    rules: Mapping[str, type[Rule]],
    heed_comments: bool = True,
    command_line: Settings | None = None,
) -> Checked:
    """Everything that is wrong with a document: `settings` are those around it, the command line's win over its own.

    Comments and the spec's own `check` silence only the linter, never an error of the spec or a budget.
    """
    file = document.file or "<spec>"
    try:
        report = analyse(read_network(document, overrides))
    except InvalidSpec as error:
        return Checked(file, error.problems, error.text)
    last = command_line or Settings()
    own = report.network.check
    chosen = settings.with_choice(own.get("select", ()), own.get("ignore", ())).then(last)
    kept = breaches(report, chosen.limits)
    on = [rule.adjusted(chosen) for rule in chosen.enabled(rules)]
    found = [problem for rule in on for problem in once_a_place(rule.findings(report))]
    located = [document.located(problem) for problem in found]
    if heed_comments and document.text is not None:
        located = silenced(located, ignores(document.text), set(rules))
    problems = [*kept, *located]
    if not problems:
        return Checked(file, (), document.text if document.quotable else None)
    told = document.invalid(problems)
    return Checked(file, told.problems, told.text)


def once_a_place(problems: Iterable[Problem]) -> list[Problem]:
    """The first finding of each place, with how many more layers it holds for: a block is laid more than once."""
    first: dict[Path, Problem] = {}
    times: dict[Path, int] = {}
    for problem in problems:
        first.setdefault(problem.path, problem)
        times[problem.path] = times.get(problem.path, 0) + 1
    return [problem._replace(message=problem.message + and_more(times[path] - 1)) for path, problem in first.items()]


def and_more(times: int) -> str:
    """`, and 3 times more here`."""
    return "" if times == 0 else f", and {'once' if times == 1 else f'{times} times'} more here"
