"""Warns that the axes of an input look swapped (channels last, for example), in commands that print figures."""

import sys

from convcalc.check.rules.misread_input import MisreadInput
from convcalc.check.runner import check
from convcalc.check.settings import Settings
from convcalc.problems import printable
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides


def warn_of_misread_inputs(document: Document, overrides: Overrides) -> None:
    """Print the finding of rule CV213 on standard error, unless the spec ignores that rule."""
    code = MisreadInput.code
    for problem in check(document, overrides, Settings(), {code: MisreadInput}).problems:
        if problem.code == code:
            place = printable(document.file or "<spec>")
            if problem.span is not None and not overrides.inputs:
                place += f":{problem.span.line}:{problem.span.column}"
            sys.stderr.write(f"convcalc: warning: {place}: {problem.message}: {problem.hint} [{code}]\n")
