"""Makes tables from ready-made texts: a table that fits a width, or Markdown."""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.render.columns import LEAST_NAME
from convcalc.render.grid import ALWAYS, Column, grid
from convcalc.render.lines import Table
from convcalc.render.summary_markdown import escape


class Cells(NamedTuple):
    """A column: its title, and one text per row.

    If the table does not fit, the columns with the lowest `weight` are dropped first; those of weight 9 always stay.
    """

    title: str
    texts: Sequence[str]
    weight: int = ALWAYS
    right: bool = True

    def column(self, cut: int) -> Column[int]:
        """Return the same column for a grid in which each row is represented by its number."""
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
    """Return the table of these columns; `first` is the style of its first row.

    To fit `width` characters, columns are dropped, and the texts in the first column are cut.
    """
    cuts = [0 if columns[0].right else LEAST_NAME, *[0] * (len(columns) - 1)]
    measured = [column.column(cut) for column, cut in zip(columns, cuts, strict=True)]
    rows = range(len(columns[0].texts))
    return grid(measured, rows, width=width, style=lambda row, column: "" if row else first)


def cell_markdown(columns: Sequence[Cells]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| " + " | ".join(escape(column.title) for column in columns) + " |"]
    lines.append("|" + "|".join("---:" if column.right else "---" for column in columns) + "|")
    rows = zip(*(column.texts for column in columns), strict=True)
    return [*lines, *("| " + " | ".join(map(escape, texts)) + " |" for texts in rows)]
