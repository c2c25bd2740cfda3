"""Writes the findings of `convcalc check`, each with its line of the spec, and the spec with numbered lines.

`number` is the index of the network in the page; line 12 of the spec of the first network has the id `n0-line12`.
"""

from collections.abc import Sequence

from convcalc.check.options import SEVERITIES
from convcalc.check.rules import RULES
from convcalc.problems import Problem, shorten
from convcalc.render.excerpt import split_lines
from convcalc.render.page.markup import Markup, element, join, write_section
from convcalc.render.page.network_data import Subject

_MOST_LINES = 20_000  # limit of lines of the spec
_LONGEST_QUOTE = 160  # characters of a quoted line


def write_findings(subject: Subject, number: int) -> Markup:
    """Return the problems that `convcalc check` reports, each with its line of the spec."""
    if not subject.problems:
        ran = f"{subject.rules} lint rules" if subject.rules else "the lint rules"
        return write_section(
            "Findings", "", element("p", f"✓ No findings: {ran} and all budgets were checked.", class_="empty")
        )
    lines = split_lines(subject.text or "")
    worst_first = sorted(subject.problems, key=lambda problem: SEVERITIES.index(problem.severity))
    found = (_write_problem(problem, lines, number) for problem in worst_first)
    return write_section("Findings", f"{len(subject.problems):,}", element("ul", found, class_="findings"))


def _write_problem(problem: Problem, lines: Sequence[str], number: int) -> Markup:
    rule = RULES.get(problem.code)
    place = problem.span.line if problem.span is not None else None
    quoted = shorten(lines[place - 1].strip(), _LONGEST_QUOTE) if place is not None and place <= len(lines) else ""
    where: Markup | None = None
    if place is not None:
        target = f"#n{number}-line{place}" if place <= len(lines) else None
        where = element("a" if target else "span", f"line {place:,}", href=target)
    elif problem.path:
        where = element("span", ".".join(map(str, problem.path)))
    return element(
        "li",
        element("span", problem.severity, class_="badge"),
        element(
            "div",
            element("p", element("strong", problem.message)),
            element("p", problem.hint) if problem.hint else None,
            element(
                "p",
                join(where, " · " if where else None, f"{problem.code}{f' {rule.name}' if rule else ''}"),
                class_="note",
            ),
            element("code", quoted) if quoted else None,
        ),
        class_=f"finding is-{problem.severity}",
    )


def write_spec(subject: Subject, number: int) -> Markup:
    """Return the spec with numbered lines, or the reason why there is none."""
    if subject.text is None:
        return write_section("Spec", "", element("p", explain_missing_spec(subject), class_="empty"))
    lines = list_lines(subject.text)
    shown = (element("span", line, id=f"n{number}-line{index}") for index, line in enumerate(lines[:_MOST_LINES], 1))
    left_out = f"and {len(lines) - _MOST_LINES:,} more lines" if len(lines) > _MOST_LINES else ""
    code = element("pre", Markup("\n".join(shown)), class_="spec", tabindex=0)
    return write_section(
        "Spec", f"{len(lines):,} lines", code, element("p", left_out, class_="note") if left_out else None
    )


def list_lines(text: str) -> list[str]:
    """Return the lines of a spec, counted as in problems."""
    lines = split_lines(text)
    return lines if lines[-1] else lines[:-1]  # a final line break does not begin a further line


def explain_missing_spec(subject: Subject) -> str:
    """Return why there is no text of a spec to show."""
    if subject.source:
        return f"The network was read from {subject.source}; convcalc import writes it as a spec."
    return "The text of the spec is not part of this page."
