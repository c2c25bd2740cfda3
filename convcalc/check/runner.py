"""Checks one spec: whether it is valid, whether it is within its limits, and whether a lint rule finds a mistake.

Limits come from the budget in the spec, from configuration files, and from the command line.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from convcalc.analysis.report import Report, analyse
from convcalc.check.comments import apply_ignores, find_ignores
from convcalc.check.rule import Rule
from convcalc.check.settings import Settings
from convcalc.metrics.budgets import BudgetUse, find_breaches, measure_budgets
from convcalc.network import Network
from convcalc.problems import InvalidSpec, Path, Problem
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.model_file import ModelFile
from convcalc.spec.reader import read_network


class FixedText(NamedTuple):
    """The text of a file before and after fixes, and the number of fixes."""

    before: str
    after: str
    fixes: int


class Checked(NamedTuple):
    """The problems in a file.

    `text` is the text of the spec, for excerpts; None if there are no problems, or if the file was read through a
    symbolic link (its text is then not shown). `fixable` is the number of problems that one round of --fix would fix.
    If the file was fixed, `problems` are those that remain in `rewritten.after`. `budgets` says how much of each budget
    is used; it is empty if there is an error or a warning. `model` is the model file that was checked; None for a spec.
    A problem of a model file has no line; its path is the name of a layer.
    """

    file: str
    problems: tuple[Problem, ...]
    text: str | None
    fixable: int = 0
    rewritten: FixedText | None = None
    budgets: tuple[BudgetUse, ...] = ()
    model: ModelFile | None = None


def check(
    document: Document,
    overrides: Overrides,
    settings: Settings,
    rules: Mapping[str, type[Rule]],
    obey_comments: bool = True,
    command_line: Settings | None = None,
) -> Checked:
    """Return the problems in a document: errors in the spec or, if it is valid, exceeded limits and lint findings.

    `settings` come from configuration files. Settings in the spec override them, and `command_line` overrides both.
    Comments and the key `check` in the spec silence only lint findings, never errors or exceeded limits.
    """
    try:
        report = analyse(read_network(document, overrides))
    except InvalidSpec as error:
        return Checked(document.file or "<spec>", error.problems, error.text)
    return check_report(report, document, settings, rules, obey_comments, command_line)


def check_report(
    report: Report,
    document: Document,
    settings: Settings,
    rules: Mapping[str, type[Rule]],
    obey_comments: bool = True,
    command_line: Settings | None = None,
) -> Checked:
    """Return the exceeded limits and the lint findings in the report of a document; see `check`."""
    file = document.file or "<spec>"
    last = command_line or Settings()
    own = report.network.check
    chosen = settings.with_choice(own.get("select", ()), own.get("ignore", ())).then(last)
    breached = find_breaches(report, chosen.limits)
    on = [rule(chosen.options) for rule in chosen.enabled(rules)]
    found = [
        problem
        for rule in on
        for problem in _merge_repeated_findings(rule.findings(report), document.model is not None)
    ]
    located = [document.located(problem) for problem in found]
    if obey_comments and document.text is not None:
        located = apply_ignores(located, find_ignores(document.text), set(rules))
    if document.model is not None:
        located = [_refer_to_layer(problem, report.network) for problem in located]
    problems = [*breached, *located]
    only_notes = all(problem.severity == "note" for problem in problems)
    budgets = measure_budgets(report, chosen.limits) if only_notes else ()
    if not problems:
        return Checked(file, (), document.text if document.quotable else None, budgets=budgets)
    invalid = document.invalid(problems)
    return Checked(file, invalid.problems, invalid.text, budgets=budgets)


def _refer_to_layer(problem: Problem, network: Network) -> Problem:
    """Return a finding about a model file, which refers to the name of a layer instead of a place in a spec."""
    path = problem.path
    nodes = (node for node in network.nodes if node.path[: len(path)] == path or path[: len(node.path)] == node.path)
    node = next(nodes, None)
    return problem._replace(path=() if node is None else (node.name,), related=(), fix=None)


def _merge_repeated_findings(problems: Iterable[Problem], in_model: bool) -> list[Problem]:
    """Return one finding per path of the spec; its message counts the other findings with the same path.

    A layer in a block that is used three times has three findings with the same path. If the network comes from a model
    file (`in_model`), the message does not mention an entry of a spec.
    """
    first: dict[Path, Problem] = {}
    times: dict[Path, int] = {}
    for problem in problems:
        first.setdefault(problem.path, problem)
        times[problem.path] = times.get(problem.path, 0) + 1
    return [
        problem._replace(message=problem.message + _describe_more_uses(times[path] - 1, in_model))
        for path, problem in first.items()
    ]


def _describe_more_uses(times: int, in_model: bool) -> str:
    """Return the end of a message, such as `, also in 3 more uses of this entry`; empty if `times` is 0."""
    if times == 0:
        return ""
    if in_model:
        return f", also in {times} similar layer{'' if times == 1 else 's'}"
    return f", also in {times} more use{'' if times == 1 else 's'} of this entry"
