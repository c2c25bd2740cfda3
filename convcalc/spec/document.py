"""Holds the values of a spec with their positions in the text, and translates paths into lines and columns.

A path such as ("layers", 2, "conv") leads from the root of the spec to a value or its key. An `Extent` is the part of
the text that a value or key occupies: the index of its first character, and the index after its last character.
"""

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from convcalc.problems import TITLES, InvalidSpec, Path, Problem, Related, Span, printable

if TYPE_CHECKING:
    from convcalc.spec.model_file import ModelFile

Extent = tuple[int, int]


class _Unknown:
    """The type of UNKNOWN, which replaces a value that could not be read, after the reason has been reported."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


class Mapping(dict[str, Any]):
    """A mapping in a spec: a dict that also has the extent (start and end in the text) of each key and value."""

    __slots__ = ("extent", "incomplete", "key_extents", "value_extents")

    def __init__(self, extent: Extent) -> None:
        super().__init__()
        self.extent = extent
        self.incomplete = False  # whether a part of the mapping could not be read
        self.key_extents: dict[str, Extent] = {}
        self.value_extents: dict[str, Extent] = {}


class Sequence(list[Any]):
    """A list in a spec, which also has the extent (start and end in the text) of each item."""

    __slots__ = ("extent", "item_extents")

    def __init__(self, extent: Extent) -> None:
        super().__init__()
        self.extent = extent
        self.item_extents: list[Extent] = []


class Document:
    """A spec whose YAML has been read: its values (`root`), its text, and the problems in the YAML.

    `quotable` is False if the file was reached through a symbolic link: messages do not quote the text of such a file.
    `model` is the model file that the document was imported from; None for a spec. Then there is no text.
    """

    def __init__(self, root: Any, file: str | None = None, text: str | None = None, quotable: bool = True) -> None:
        self.root = root
        self.file = file
        self.text = text
        self.quotable = quotable
        self.model: ModelFile | None = None
        self.problems: list[Problem] = []
        self._line_starts: list[int] | None = None

    @property
    def line_starts(self) -> list[int]:
        """The index of the first character of each line."""
        if self._line_starts is None:
            starts = [match.end() for match in re.finditer(r"\r\n|\r|\n", self.text or "")]
            self._line_starts = [0, *starts]
        return self._line_starts

    def line_and_column(self, index: int) -> tuple[int, int]:
        """Return the line and column, both counted from 1, of the character at an index of the text."""
        starts = self.line_starts
        line = bisect_right(starts, index)
        return line, index - starts[line - 1] + 1

    def index(self, line: int, column: int) -> int:
        """Return the index of the character at a line and column, both counted from 1."""
        return self.line_starts[line - 1] + column - 1

    def span(self, extent: Extent) -> Span:
        """Return the lines and columns of an extent; an empty extent is widened to one character."""
        line, column = self.line_and_column(extent[0])
        end_line, end_column = self.line_and_column(max(extent[1], extent[0] + 1))
        return Span(line, column, end_line, end_column)

    def line(self, path: Path) -> int | None:
        """Return the line, counted from 1, of the key or list item at a path; None if the spec has no text."""
        extent = self.find(path, on_key=True)
        return None if extent is None else self.line_and_column(extent[0])[0]

    def find(self, path: Path, on_key: bool = False, within: Extent | None = None) -> Extent | None:
        """Return the extent of the value at a path, or of its key if `on_key`; None if the root has no extent.

        If only the beginning of the path exists, return the extent of the value there. If the value is text and
        `within` is given, return the extent of that part of the text; `within` is its start and end.
        """
        extent: Extent | None = getattr(self.root, "extent", None)
        value = self.root
        for position, step in enumerate(path):
            last = position == len(path) - 1
            if isinstance(value, Mapping) and isinstance(step, str) and step in value:
                extent = (value.key_extents if last and on_key else value.value_extents)[step]
                value = value[step]
            elif isinstance(value, Sequence) and isinstance(step, int) and step < len(value):
                extent = value.item_extents[step]
                value = value[step]
            else:
                break
        if extent is not None and within is not None and isinstance(value, str):
            return self._find_part(extent, value, within)
        return extent

    def _find_part(self, extent: Extent, value: str, within: Extent) -> Extent:
        """Return the extent of a part of a scalar; `within` is the start and end of the part in `value`.

        If the scalar has escape sequences, its text differs from `value`; return the extent of the whole scalar then.
        """
        found = (self.text or "").find(value, extent[0], extent[1])
        return extent if found < 0 else (found + within[0], found + max(within[1], within[0] + 1))

    def located(self, problem: Problem) -> Problem:
        """Return the problem with the lines and columns (`span`) of its path, and of each of its `related` paths."""
        if self.text is None or problem.span is not None:
            return problem
        extent = self.find(problem.path, problem.on_key, problem.within) or (0, 1)
        related = tuple(self._locate_related(place) for place in problem.related)
        return problem._replace(span=self.span(extent), related=related)

    def _locate_related(self, place: Related) -> Related:
        extent = self.find(place.path, on_key=True)
        return place if extent is None else place._replace(span=self.span(extent))

    def invalid(self, problems: list[Problem]) -> InvalidSpec:
        """Return one error with all these problems, sorted by line and column."""
        located = [_make_printable(self.located(problem)) for problem in problems]
        if not self.quotable:
            located = [_remove_quotations(problem) for problem in located]
        located.sort(key=lambda problem: (problem.span is not None, problem.span or (), problem.message))
        # a mistake in a value with an anchor is found again for each alias, but always at the same place in the text
        distinct = {(problem.span or problem.path, problem.message): problem for problem in reversed(located)}
        return InvalidSpec(reversed(distinct.values()), self.file, self.text if self.quotable else None)


def _make_printable(problem: Problem) -> Problem:
    """Return the problem with unprintable characters escaped; its message and hint can contain text of the file."""
    return problem._replace(message=printable(problem.message), hint=printable(problem.hint))


def _remove_quotations(problem: Problem) -> Problem:
    """Return the problem with the title of its code as its message, so that nothing from the file is shown."""
    title = TITLES.get(problem.code, "a finding of the linter")
    message = f"{title} (the contents of a file behind a symbolic link are not quoted)"
    return problem._replace(message=message, hint="", path=(), related=(), fix=None)
