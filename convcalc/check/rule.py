"""What a rule of the linter is made of."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from convcalc.analysis.report import Report
from convcalc.problems import Path, Problem, Related

if TYPE_CHECKING:
    from convcalc.check.settings import Settings


class Rule(ABC):
    """One known mistake of network design. Its docstring's first line is what it finds; the rest says more.

    `why` says why it matters and `source` where that is known from; `wrong` and `right` are specs that show it
    (the tests run both). Of the rules that are `default` only notes find something in published networks.
    """

    code: ClassVar[str]
    name: ClassVar[str]  # kebab-case, what people call it
    severity: ClassVar[str] = "warning"  # error, warning or note
    default: ClassVar[bool] = True
    why: ClassVar[str]
    source: ClassVar[str]
    wrong: ClassVar[str]
    right: ClassVar[str]

    @classmethod
    def adjusted(cls, settings: "Settings") -> "Rule":
        """The rule as settings adjust it; most have nothing to adjust."""
        return cls()

    @abstractmethod
    def findings(self, report: Report) -> Iterator[Problem]:
        """What the rule finds in a network."""

    def finding(
        self, path: Path, message: str, hint: str = "", *, on_key: bool = True, related: tuple[Related, ...] = ()
    ) -> Problem:
        """A finding at a place of the spec (of a layer: `report.network.nodes[i].path`)."""
        return Problem(path, message, self.code, hint, on_key=on_key, related=related, severity=self.severity)
