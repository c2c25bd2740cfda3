"""Tables whose cells are texts: lines that fit a width, and Markdown."""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.problems import shortened
from convcalc.render.lines import Line
from convcalc.render.markdown import escaped
from convcalc.render.table import GAP, LEAST_NAME


class Cells(NamedTuple):
    """A column: its title and a text a row. Of columns that do not fit the least `weight` falls away first; 9 stays."""

    title: str
    texts: Sequence[str]
    weight: int = 9
    right: bool = True

    @property
    def width(self) -> int:
        """As wide as its widest text."""
        return max(map(len, [self.title, *self.texts]))

    def aligned(self, text: str) -> str:
        """A text as wide as the column."""
        return text.rjust(self.width) if self.right else text.ljust(self.width)


def fitting(columns: Sequence[Cells], width: int | None) -> list[Cells]:
    """The columns that fit; where those that must stay do not, the texts of the first are cut."""
    kept = list(columns)
    if width is None:
        return kept
    for column in sorted(columns, key=lambda column: column.weight):
        if column.weight >= 9 or taken(kept) <= width:
            break
        kept.remove(column)
    room = max(LEAST_NAME, kept[0].width + width - taken(kept))
    if room < kept[0].width and not kept[0].right:
        kept[0] = kept[0]._replace(texts=[shortened(text, room) for text in kept[0].texts])
    return kept


def taken(columns: Sequence[Cells]) -> int:
    """The width of the columns with the gaps between them."""
    return sum(column.width + len(GAP) for column in columns) - len(GAP)


def cell_lines(columns: Sequence[Cells], width: int | None, first: str = "title") -> list[Line]:
    """The titles, and a line a row; `first` is the style of the first row."""
    kept = fitting(columns, width)
    lines: list[Line] = [[(GAP.join(column.aligned(column.title) for column in kept), "head")]]
    for number, texts in enumerate(zip(*(column.texts for column in kept), strict=True)):
        row = GAP.join(column.aligned(text) for column, text in zip(kept, texts, strict=True))
        lines.append([(row, "" if number else first)])
    return lines


def cell_markdown(columns: Sequence[Cells]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| " + " | ".join(escaped(column.title) for column in columns) + " |"]
    lines.append("|" + "|".join("---:" if column.right else "---" for column in columns) + "|")
    rows = zip(*(column.texts for column in columns), strict=True)
    return [*lines, *("| " + " | ".join(map(escaped, texts)) + " |" for texts in rows)]
