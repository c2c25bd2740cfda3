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
    """Raised to stop reading a spec that exceeds a limit, such as the limit on layers."""


class TooDeep(Exception):
    """Raised if lists and mappings are nested too deeply; `place` is the index of the first one that is too deep."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Problems:
    """The problems found so far.

    If an entry is expanded several times, as in a repeat, only the mistakes in its first expansion are added.
    """

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._first: dict[Path, object] = {}

    def clear(self) -> None:
        """Forget all problems."""
        self.found.clear()
        self._first.clear()

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
        """Add a problem, unless there is one at the same path from another expansion of the entry.

        `expansion` is any object that is different for each expansion, None for a problem that is found before
        expansion. Raises TooMuch if there are too many problems.
        """
        if self._first.setdefault(path, expansion) is not expansion:
            return
        if len(self.found) == MOST_PROBLEMS:
            raise TooMuch
        self.found.append(Problem(path, message, code, hint, on_key, within, tuple(related), fix=fix))

    def add_flaw(self, path: Path, flaw: Flaw, **context: Any) -> None:
        """Add a problem for a `Flaw` in the value at a path; `context` are arguments that are passed on to `add`."""
        place, within = (*path, *flaw.where), flaw.within
        self.add(place, flaw.message, flaw.code, flaw.hint, on_key=flaw.on_key, within=within, fix=flaw.fix, **context)


class ExpansionReporter:
    """Reports mistakes in entries that are being expanded; in a block, with the place where the block is used."""

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
        """Report a mistake at a path, and show another part of the spec with it: `related`.

        By default, this is the use of the block that contains the entry, or nothing outside of blocks.
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
        """Report a `Flaw` in the value at a path."""
        self.problems.add_flaw(
            path, flaw, related=_locate_use_of_block(expansion), expansion=_identify_expansion(expansion)
        )

    def report_option(
        self, expansion: "Expansion", name: str, message: str, hint: str = "", code: str = "CV013"
    ) -> None:
        """Report a wrong value of the entry's option `name`."""
        self.report(expansion, expansion.entry.option_path(name), message, code, hint)


def _locate_use_of_block(expansion: "Expansion") -> list[Related]:
    """Return a list with the use of the block that contains the entry; [] for an entry outside of blocks."""
    path = expansion.scope.use_path
    return [] if path is None else [Related(path, "in this use of the block")]


def _identify_expansion(expansion: "Expansion") -> object:
    """Return the object by which `Problems.add` distinguishes expansions of an entry.

    It is the scope of the entry or, for a copy of a repeated entry, the expansion of that copy.
    """
    return expansion.scope if expansion.index == expansion.scope.index else expansion
