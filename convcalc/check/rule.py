"""The base class of lint rules."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from convcalc.analysis.report import Report
from convcalc.problems import Path, Problem, Related

if TYPE_CHECKING:
    from convcalc.check.settings import Settings


class Rule(ABC):
    """A known mistake of network design. A rule's docstring is its page: first what it finds, then details.

    `why` explains why it matters and `source` cites the evidence. `wrong` and `right` are specs with and without a
    finding; the tests run both. Rules that are on by default find nothing above a note in published networks.
    """

    code: ClassVar[str]
    name: ClassVar[str]  # kebab-case, for people
    severity: ClassVar[str] = "warning"  # error, warning or note
    default: ClassVar[bool] = True
    why: ClassVar[str]
    source: ClassVar[str]
    wrong: ClassVar[str]
    right: ClassVar[str]

    @classmethod
    def adjusted(cls, settings: "Settings") -> "Rule":
        """Return an instance of the rule with its options from the settings; most rules have no options."""
        return cls()

    @abstractmethod
    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield every finding of the rule in a network."""

    def finding(
        self, path: Path, message: str, hint: str = "", *, on_key: bool = True, related: tuple[Related, ...] = ()
    ) -> Problem:
        """Return a finding at a path of the spec; the path of a layer is `report.network.nodes[i].path`."""
        return Problem(path, message, self.code, hint, on_key=on_key, related=related, severity=self.severity)
