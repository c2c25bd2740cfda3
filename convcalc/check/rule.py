"""Defines the base class of lint rules."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from convcalc.analysis.report import Report
from convcalc.check.options import IntegerOption
from convcalc.problems import Path, Problem, Related


class Rule(ABC):
    """A lint rule, which finds a known mistake of network design.

    The docstring of a rule is shown to users: its first sentence says what the rule finds, the following ones give
    details. `why` explains why the mistake matters and `source` cites the evidence. `wrong` is a spec in which the rule
    finds something and `right` one in which it does not; the tests check both. In published networks, a rule that is on
    by default may report only findings of severity note.

    `options` are those options that users can set for the rule; options.py lists all. A rule is created with the values
    that users set, by option name, as in `ChannelMultiple({"channel-multiple": 16})`. If a value is left out, the
    default of the option is used.
    """

    code: ClassVar[str]
    name: ClassVar[str]  # kebab-case, for people
    severity: ClassVar[str] = "warning"  # error, warning or note
    default: ClassVar[bool] = True
    options: ClassVar[tuple[IntegerOption, ...]] = ()
    why: ClassVar[str]
    source: ClassVar[str]
    wrong: ClassVar[str]
    right: ClassVar[str]

    def __init__(self, values: Mapping[str, int] | None = None) -> None:
        self._values = values or {}

    def value(self, option: IntegerOption) -> int:
        """Return the value that the user set for an option of the rule, or else the option's default."""
        return self._values.get(option.name, option.default)

    @abstractmethod
    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield every finding of the rule in a network."""

    def finding(
        self, path: Path, message: str, hint: str = "", *, on_key: bool = True, related: tuple[Related, ...] = ()
    ) -> Problem:
        """Return a finding of this rule at a path of the spec, such as `report.network.nodes[i].path` for a layer.

        The excerpt of the spec has carets under the key at `path` or, if `on_key` is false, under its value. `related`
        holds more paths, whose lines are shown with the finding.
        """
        return Problem(path, message, self.code, hint, on_key=on_key, related=related, severity=self.severity)
