"""Makes tables whose cells are given as texts, either to fit a width in characters or as Markdown."""

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import NamedTuple

from convcalc.render.grid import ALWAYS, LEAST_NAME, Column, grid
from convcalc.render.lines import GAP, NO_BREAK, Table
from convcalc.render.markdown import escape

_WANTED_ROOM, _LEAST_ROOM = 24, 16  # preferred and minimum width of the wrapped column, in characters


class Cells(NamedTuple):
    """A table column: its title, and one text per row, aligned to the right if `right` is true.

    If the table is too wide, the columns with the lowest `weight` are dropped first. A column of weight 9 is never
    dropped.
    """

    title: str
    texts: Sequence[str]
    weight: int = ALWAYS
    right: bool = True

    @property
    def width(self) -> int:
        """The number of characters in the title or in the longest text, whichever is longer."""
        return max(map(len, [self.title, *self.texts]))

    def column(self, cut: int) -> Column[int]:
        """Return this column as a `Column` for `grid`, whose texts may be cut to `cut` characters (0: never)."""
        return Column(
            self.title,
            self.title,
            self.weight,
            self.texts.__getitem__,
            lambda row, exact: self.texts[row],
            self.right,
            cut,
        )


def cell_table(columns: Sequence[Cells], width: int | None, first: str = "title") -> Table:
    """Return the table with these columns; `first` is the style of its first row.

    To fit `width` characters (None: unlimited), columns are dropped; the texts of a left-aligned first column may also
    be cut.
    """
    cuts = [0 if columns[0].right else LEAST_NAME, *[0] * (len(columns) - 1)]
    measured = [column.column(cut) for column, cut in zip(columns, cuts, strict=True)]
    rows = range(len(columns[0].texts))
    return grid(measured, rows, width=width, style=lambda row, column: "" if row else first)


def wrapped_table(columns: Sequence[Cells], width: int | None, style: Callable[[int], str] = lambda row: "") -> Table:
    """Return a table that fits `width` characters (None: unlimited), with the texts of its last column wrapped.

    The second and later lines of a wrapped text become rows whose other cells are empty. To leave 24 characters for the
    last column, other columns are dropped, the lowest weight first. `style` takes the index of a row and returns the
    style of the first cell in that row.
    """
    *others, last = columns
    kept = _choose_columns_beside_text(others, last, width)
    used = sum(column.width + len(GAP) for column in kept)
    room = None if width is None else max(width - used, _LEAST_ROOM)
    rows = []
    for row, text in enumerate(last.texts):
        first, *further = [text] if room is None else wrap(text, room, break_on_hyphens=False) or [""]
        first, *further = (piece.replace(NO_BREAK, " ") for piece in (first, *further))
        cells = [(column.texts[row], "" if place else style(row)) for place, column in enumerate(kept)]
        rows.append([*cells, (first, "")])
        rows += [[*(("", "") for _ in kept), (piece, "")] for piece in further]
    shown = [*kept, last]
    return Table([column.title for column in shown], [column.right for column in shown], rows)


def _choose_columns_beside_text(columns: Sequence[Cells], text: Cells, width: int | None) -> list[Cells]:
    kept = list(columns)
    wanted = min(text.width, _WANTED_ROOM)
    for column in sorted(columns, key=lambda column: column.weight):
        used = sum(other.width + len(GAP) for other in kept)
        if width is None or used + wanted <= width or column.weight >= ALWAYS:
            break
        kept.remove(column)
    return kept


def cell_markdown(columns: Sequence[Cells]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| " + " | ".join(escape(column.title) for column in columns) + " |"]
    lines.append("|" + "|".join("---:" if column.right else "---" for column in columns) + "|")
    rows = zip(*(column.texts for column in columns), strict=True)
    return [*lines, *("| " + " | ".join(map(escape, texts)) + " |" for texts in rows)]
