"""Collects the problems that are found while a spec is read, each at the path of the value at fault.

A path such as ("layers", 2, "conv", "stride") becomes a line and column later, in `document.py`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from convcalc.problems import Fix, Flaw, Path, Problem, Related

if TYPE_CHECKING:
    from convcalc.spec.scopes import Expansion

MOST_PROBLEMS = 1000


class TooMuch(Exception):
    """A limit is exceeded; reading stops."""


class TooDeep(Exception):
    """Too many collections are nested; `place` is where the first one beyond the limit begins."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Problems:
    """All problems found.

    A mistake in an entry that is expanded several times is reported for the first expansion only.
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
        """Add a problem, unless another expansion of the same entry already has one at this path.

        `expansion` identifies the expansion. Raises TooMuch beyond the limit.
        """
        if self._first.setdefault(path, expansion) is not expansion:
            return
        if len(self.found) == MOST_PROBLEMS:
            raise TooMuch
        self.found.append(Problem(path, message, code, hint, on_key, within, tuple(related), fix=fix))

    def add_flaw(self, path: Path, flaw: Flaw, **context: Any) -> None:
        """Add a flaw of the value at a path."""
        place, within = (*path, *flaw.where), flaw.within
        self.add(place, flaw.message, flaw.code, flaw.hint, on_key=flaw.on_key, within=within, fix=flaw.fix, **context)


class ExpansionReporter:
    """Reports the mistakes that an expansion finds; inside a block, a report refers to the use of the block."""

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
        """Report a mistake; `related` is a place that explains it better than the use of the block."""
        self.problems.add(
            path,
            message,
            code,
            hint,
            on_key=on_key,
            related=_find_use(expansion) if related is None else [related],
            expansion=_identify_expansion(expansion),
        )

    def report_flaw(self, expansion: "Expansion", path: Path, flaw: Flaw) -> None:
        """Report a flaw of the value at a path."""
        self.problems.add_flaw(path, flaw, related=_find_use(expansion), expansion=_identify_expansion(expansion))

    def report_option(
        self, expansion: "Expansion", name: str, message: str, hint: str = "", code: str = "CV013"
    ) -> None:
        """Report a wrong value of an option."""
        self.report(expansion, expansion.entry.option_path(name), message, code, hint)


def _find_use(expansion: "Expansion") -> list[Related]:
    """Return the use of the block that an expansion is inside, as a related place; empty outside of blocks."""
    path = expansion.scope.use_path
    return [] if path is None else [Related(path, "in this use of the block")]


def _identify_expansion(expansion: "Expansion") -> object:
    """Return the object that all expansions in one scope, or in one copy of a repeat, have in common."""
    return expansion.scope if expansion.index == expansion.scope.index else expansion
