"""The base class of lint rules."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from convcalc.analysis.report import Report
from convcalc.arguments import is_integer
from convcalc.problems import Flaw, Path, Problem, Related, show


class IntegerOption(NamedTuple):
    """An integer that users can set for a lint rule: `channel-multiple = 16` in a configuration file.

    From this declaration follow the key of the configuration file, the option of `convcalc check` with the same name
    (`--channel-multiple 16`) and the section about it on the rule's page. `help` is a phrase without a final period.
    """

    name: str  # kebab-case
    default: int
    minimum: int
    help: str

    def read(self, value: Any) -> int:
        """Return a value from a configuration file. Raises Flaw if it is not an integer or less than the minimum."""
        if not is_integer(value) or value < self.minimum:
            wanted = "a positive integer" if self.minimum == 1 else f"an integer of at least {self.minimum}"
            raise Flaw(f"{self.name} must be {wanted}; got {show(value)}")
        return int(value)


class Rule(ABC):
    """A known mistake of network design. A rule's docstring is its page: first what it finds, then details.

    `why` explains why it matters and `source` cites the evidence. `wrong` and `right` are specs with and without a
    finding; the tests run both. Rules that are on by default find nothing above a note in published networks.

    `options` are what users can set. A rule is made with the values that were set, by the names of the options:
    `ChannelMultiple({"channel-multiple": 16})`; the others have their defaults.
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
        """Return the value of one of the rule's options."""
        return self._values.get(option.name, option.default)

    @abstractmethod
    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield every finding of the rule in a network."""

    def finding(
        self, path: Path, message: str, hint: str = "", *, on_key: bool = True, related: tuple[Related, ...] = ()
    ) -> Problem:
        """Return a finding at a path of the spec; the path of a layer is `report.network.nodes[i].path`."""
        return Problem(path, message, self.code, hint, on_key=on_key, related=related, severity=self.severity)
