"""What the tests of the rules share."""

import io

import convcalc
from convcalc.check.rule import Rule
from convcalc.problems import Path


def found(rule: type[Rule], text: str) -> list[tuple[Path, str]]:
    """Where a rule finds something in a spec, and what it says."""
    return [(problem.path, problem.message) for problem in rule().findings(convcalc.summary(io.StringIO(text)))]
