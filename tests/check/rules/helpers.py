"""Helpers for the tests of the rules."""

import io

import convcalc
from convcalc.check.rule import Rule
from convcalc.problems import Path


def found(rule: type[Rule], text: str) -> list[tuple[Path, str]]:
    """The locations and messages of a rule's findings in a spec."""
    return [(problem.path, problem.message) for problem in rule().findings(convcalc.summary(io.StringIO(text)))]
