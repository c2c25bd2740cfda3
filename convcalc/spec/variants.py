"""Expands one spec many times, each time with other values of the spec parameters that have choices (`space`).

`Variants(document, overrides).expand(choices)` returns the network for the values that `choices` returns. The text is
read and compiled only once.
"""

from typing import Any

from convcalc.network import Network
from convcalc.problems import Problem
from convcalc.spec.blame import read_overridden_network
from convcalc.spec.choices import Choices, CopyValues
from convcalc.spec.document import Document
from convcalc.spec.entries import Body
from convcalc.spec.expand import OnStep
from convcalc.spec.inputs import Overrides
from convcalc.spec.problem_list import TooMuch
from convcalc.spec.reader import SpecReader
from convcalc.spec.resolve import ChosenValues
from convcalc.spec.values import list_names


class Variants:
    """A compiled spec, with the choices of its spec parameters.

    `network` is the network with the default values. `choices` are the spec parameters with choices, without those that
    an override sets. `derived` are the defaults of further spec parameters that depend on them, directly or not, and
    `uses` the names in these defaults. `body` are the entries of the network. Raises InvalidSpec if the spec is invalid
    with the default values.
    """

    def __init__(self, document: Document, overrides: Overrides) -> None:
        self.network = read_overridden_network(document, overrides)
        self.document = document
        self._reader = SpecReader(document, overrides)
        body = self._reader.compile()
        assert body is not None, "the default network has been expanded"
        self.body: Body = body
        params = self._reader.params
        self.choices: dict[str, Choices] = {
            name: choices for name, choices in params.space.items() if name not in overrides.params
        }
        self.derived: dict[str, Any] = {}
        self.uses: dict[str, frozenset[str]] = {}
        for name, default in params.defaults.items():
            used = list_names(default)
            if name not in self.choices and not used.isdisjoint({*self.choices, *self.derived}):
                self.derived[name] = default
                self.uses[name] = used
        self.problems = self._reader.problems

    @property
    def root(self) -> dict[str, Any]:
        """The top-level keys of the spec with their values."""
        return self._reader.root

    def expand(self, choices: ChosenValues, on_step: OnStep | None = None) -> tuple[Network | None, list[Problem]]:
        """Return the network with the values in `choices`, without its budget, and no problems.

        If the values make the spec invalid, return None and the problems. `on_step` is called before each entry; what
        it raises is passed on.
        """
        self.problems.clear()
        try:
            network = self._reader.expand(self.body, choices, on_step)
        except TooMuch:
            return None, list(self.problems.found)
        return (None if self.problems.found else network), list(self.problems.found)

    def evaluate_derived(self, name: str) -> Any:
        """Return the value of a spec parameter in `derived`; UNKNOWN after a mistake in its expression.

        It can be called only while a network is expanded, whose choices it uses.
        """
        return self._reader.params.evaluate_default(name)

    def list_given_copies(self) -> CopyValues | None:
        """Return the values of the spec parameters that are set to a list with one value per copy of a repeat."""
        copies = self._reader.params.list_copy_values()
        if copies is None:
            return None
        lists = {name: values for name, values in copies.lists.items() if name not in self.choices}
        return CopyValues(lists, copies.per_copy)

    def check_given_copies(self, copies: CopyValues) -> list[Problem]:
        """Return the problems of lists with a wrong number of values for the copies in the last expansion."""
        copies.report_lengths(self.problems, {name: self._reader.params.find_path(name) for name in copies.lists})
        return list(self.problems.found)
