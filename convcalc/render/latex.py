r"""Writes tables for papers: LaTeX with the rules of the package booktabs.

A document needs `\usepackage{booktabs}`. Every text is escaped; characters that a font may not have become `?`.
"""

import re
from collections.abc import Sequence

from convcalc.analysis.report import Report
from convcalc.problems import printable
from convcalc.render.cells import Cells
from convcalc.render.compare import BEST, COLUMNS, NetworkRow
from convcalc.render.drawing.diagram import Box, choose_fold, fold_network
from convcalc.render.drawing.text_width import measure_text
from convcalc.render.grid import Column
from convcalc.units import format_count, format_exact

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    '"': "{''}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "√": r"$\surd$",
    "…": r"\dots{}",
    "–": "--",
}
_LETTERS = "".join(chr(code) for code in range(0xC0, 0x100) if chr(code) not in "ÐÞðþ×÷")  # in every font encoding
_UNKNOWN = "?"
_MOST_ROWS = 22  # by default, a network is folded to about this many rows
_TEXT_WIDTH = 345  # points: the class article has 345 pt at a font size of 10 pt, and 360 pt at 11 pt
_FONT = 10  # size in points of small text at 11 pt
_LEAST_TYPE = 90  # points: the smallest width of the column of types
_COLUMN_SPACE = 4  # points of space on each side of a column
_COMPARED = tuple(
    COLUMNS[name] for name in ("name", "params", "macs", "weight_memory", "peak_memory", "receptive_field")
)


def escape(text: str) -> str:
    """Return text for LaTeX. Only ASCII, accented Latin letters and the characters of `_ESCAPES` are kept."""
    found = "".join(_ESCAPES.get(character, character) for character in printable(text))
    return re.sub(rf"[^\x20-\x7e{_LETTERS}]", _UNKNOWN, found)


def architecture_latex(report: Report, depth: int | None, fold: bool, exact: bool) -> str:
    """Return the architecture as a table for a paper: one row per layer or block, and the totals.

    Scopes are folded to `depth` (None: all layers have rows); with `fold`, to about 20 rows. Long names and types are
    on several lines, so that the table fits the text of the class article.
    """
    boxes = (choose_fold(report, _MOST_ROWS) if fold else fold_network(report, depth)).boxes
    names, types = [*(box.name for box in boxes), "total"], [*map(_describe_type, boxes), ""]
    numbers = [
        Cells("output", [*(str(box.output_shape) for box in boxes), ""]),
        _count_column("params", "params", boxes, report.totals.params, exact),
        _count_column("MACs", "macs", boxes, report.totals.macs, exact),
    ]
    room = _TEXT_WIDTH - sum(_measure_column(column.texts) for column in numbers)
    of_names, of_types = _share_room(room, _measure_column(names), _measure_column(types))
    columns = [
        Cells("layer", [_break_text(name, of_names) for name in names], right=False),
        Cells("type", [_break_text(text, of_types) for text in types], right=False),
        *(column._replace(texts=[*map(escape, column.texts)]) for column in numbers),
    ]
    return _write_table(report.network.name, columns, [of_names, of_types], totals=True)


def _measure_column(texts: Sequence[str]) -> float:
    """Return the width of a column in points, a little more than in TeX's font, with the space between columns."""
    return max(measure_text(text, _FONT) for text in texts) + 2 * _COLUMN_SPACE


def _share_room(room: float, names: float, types: float) -> tuple[float | None, float | None]:
    """Return the widths of the columns of names and types, or None for a column that needs no limit.

    Names are broken only if types would have little room.
    """
    if names + types <= room:
        return None, None
    of_types = min(max(room - names, _LEAST_TYPE), types)
    of_names = room - of_types
    return (
        None if names <= of_names else of_names - 2 * _COLUMN_SPACE,
        None if types <= of_types else of_types - 2 * _COLUMN_SPACE,
    )


def _break_text(text: str, room: float | None) -> str:
    """Return escaped text which, if it is wider than `room`, may be broken after dots and underscores and at blanks."""
    if room is None or measure_text(text, _FONT) <= room:
        return escape(text)
    return r"\raggedright " + r"\allowbreak{}".join(map(escape, re.split(r"(?<=[._/])(?=\w)", text)))


def _describe_type(box: Box) -> str:
    """Return the words of a box; without words, its name without the number, which is its kind."""
    if box.copies > 1:
        return box.words[0].partition(",")[0]
    kind = "" if box.is_input else box.name.rpartition(".")[2].rstrip("0123456789_")
    return ", ".join(box.words) or kind


def _count_column(title: str, metric: str, boxes: Sequence[Box], total: int | None, exact: bool) -> Cells:
    """Return a column of counts with their total; the cells of inputs and of boxes without a count are empty."""
    count = format_exact if exact else format_count
    figures = [0 if box.is_input else box.figures[metric] for box in boxes]
    return Cells(title, [*("" if figure == 0 else count(figure) for figure in figures), count(total)])


def networks_latex(rows: Sequence[NetworkRow], exact: bool, columns: Sequence[Column[NetworkRow]] | None = None) -> str:
    """Return a table of networks, in which the best figure of a column is bold."""
    cells = [
        Cells(column.title, [_network_cell(column, row, exact) for row in rows], right=column.right)
        for column in (_COMPARED if columns is None else columns)
    ]
    return _write_table("comparison", cells)


def _network_cell(column: Column[NetworkRow], row: NetworkRow, exact: bool) -> str:
    text = column.text(row, exact).strip()
    best = column.name in (row.best or ())
    return rf"\textbf{{{escape(text.removesuffix(BEST))}}}" if best else escape(text)


def _write_table(name: str, columns: Sequence[Cells], widths: Sequence[float | None] = (), totals: bool = False) -> str:
    """Return a `tabular` environment; `widths` limits the first columns, and `totals` separates the last row.

    With `widths`, its font is small and its columns are close.
    """
    limits = [*widths, *[None] * (len(columns) - len(widths))]
    aligned = "".join(
        ("r" if column.right else "l") if limit is None else f"p{{{limit:.0f}pt}}"
        for column, limit in zip(columns, limits, strict=True)
    )
    rows = [" & ".join(texts) + r" \\" for texts in zip(*(column.texts for column in columns), strict=True)]
    head = " & ".join(column.title for column in columns) + r" \\"
    lines = [
        f"% {escape(name)}",
        *([rf"{{\small\setlength{{\tabcolsep}}{{{_COLUMN_SPACE}pt}}%"] if widths else []),
        rf"\begin{{tabular}}{{{aligned}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows[: -1 if totals else None],
        *([r"\midrule", rows[-1]] if totals else []),
        r"\bottomrule",
        r"\end{tabular}" + ("}" if widths else ""),
    ]
    return "\n".join(lines) + "\n"
