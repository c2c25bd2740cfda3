"""Collects the problems that are found while a spec is read, each with the path of the value at fault.

Later, `document.py` finds the line and column of a path such as ("layers", 2, "conv", "stride").
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from convcalc.problems import Fix, Flaw, Path, Problem, Related

if TYPE_CHECKING:
    from convcalc.spec.scopes import Expansion

MOST_PROBLEMS = 1000


class TooMuch(Exception):
    """Raised if a limit on size is exceeded, to stop reading the spec."""


class TooDeep(Exception):
    """Raised if lists and mappings are nested too deeply; `place` is the index where they exceed the limit."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Problems:
    """The problems found so far.

    If an entry is expanded several times, a mistake in it is reported only for its first expansion.
    """

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._first: dict[Path, object] = {}

    def add(
        self,
        path: Path,
        message: str,
        code: str,
        hint: str = "",
        *,
        on_key: bool = False,
        within: tuple[int, int] | None = None,
        related: Iterable[Related] = (),
        expansion: object = None,
        fix: Fix | None = None,
    ) -> None:
        """Add a problem, unless a different expansion has already added a problem at this path.

        `expansion` is any object that identifies the expansion of an entry, None outside of expansions. Raises TooMuch
        if there are too many problems.
        """
        if self._first.setdefault(path, expansion) is not expansion:
            return
        if len(self.found) == MOST_PROBLEMS:
            raise TooMuch
        self.found.append(Problem(path, message, code, hint, on_key, within, tuple(related), fix=fix))

    def add_flaw(self, path: Path, flaw: Flaw, **context: Any) -> None:
        """Add a problem for a `Flaw` in the value at a path; `context` are further arguments of `add`."""
        place, within = (*path, *flaw.where), flaw.within
        self.add(place, flaw.message, flaw.code, flaw.hint, on_key=flaw.on_key, within=within, fix=flaw.fix, **context)


class ExpansionReporter:
    """Reports mistakes in entries that are being expanded; in a block, it also shows where the block is used."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def report(
        self,
        expansion: "Expansion",
        path: Path,
        message: str,
        code: str,
        hint: str = "",
        *,
        on_key: bool = False,
        related: Related | None = None,
    ) -> None:
        """Report a mistake at a path.

        The report also shows another part of the spec: `related`, or by default the use of the block that contains the
        entry.
        """
        self.problems.add(
            path,
            message,
            code,
            hint,
            on_key=on_key,
            related=_locate_use_of_block(expansion) if related is None else [related],
            expansion=_identify_expansion(expansion),
        )

    def report_flaw(self, expansion: "Expansion", path: Path, flaw: Flaw) -> None:
        """Report a flaw in the value at a path."""
        self.problems.add_flaw(
            path, flaw, related=_locate_use_of_block(expansion), expansion=_identify_expansion(expansion)
        )

    def report_option(
        self, expansion: "Expansion", name: str, message: str, hint: str = "", code: str = "CV013"
    ) -> None:
        """Report a wrong value of the option `name` of the entry."""
        self.report(expansion, expansion.entry.option_path(name), message, code, hint)


def _locate_use_of_block(expansion: "Expansion") -> list[Related]:
    """Return where the block around an entry is used; [] for an entry outside of blocks."""
    path = expansion.scope.use_path
    return [] if path is None else [Related(path, "in this use of the block")]


def _identify_expansion(expansion: "Expansion") -> object:
    """Return an object that identifies the expansion of an entry, for `Problems.add`.

    It is the scope of the entry or, for each copy of a repeated entry, the expansion of that copy.
    """
    return expansion.scope if expansion.index == expansion.scope.index else expansion
