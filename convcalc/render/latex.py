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
_COMPARED = tuple(
    COLUMNS[name] for name in ("name", "params", "macs", "weight_memory", "peak_memory", "receptive_field")
)


def escape(text: str) -> str:
    """Return text for LaTeX. Only ASCII, accented Latin letters and the characters of `_ESCAPES` are kept."""
    found = "".join(_ESCAPES.get(character, character) for character in printable(text))
    return re.sub(rf"[^\x20-\x7e{_LETTERS}]", _UNKNOWN, found)


def architecture_latex(report: Report, depth: int | None, fold: bool, exact: bool) -> str:
    """Return the architecture as the table of a paper: a row per layer or block, and the totals.

    Scopes are folded to `depth` (None: all layers have rows); with `fold`, to about 30 rows.
    """
    boxes = (choose_fold(report) if fold else fold_network(report, depth)).boxes
    columns = [
        Cells("layer", [*(escape(box.name) for box in boxes), "total"], right=False),
        Cells("type", [*(escape(_describe_type(box)) for box in boxes), ""], right=False),
        Cells("output", [*(escape(str(box.output_shape)) for box in boxes), ""]),
        _count_column("params", "params", boxes, report.totals.params, exact),
        _count_column("MACs", "macs", boxes, report.totals.macs, exact),
    ]
    return _write_table(report.network.name, columns, totals=True)


def _describe_type(box: Box) -> str:
    """Return the words of a box; without words, its name without the number, which is its kind."""
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


def _write_table(name: str, columns: Sequence[Cells], totals: bool = False) -> str:
    """Return a `tabular` environment; with `totals`, a rule separates the last row."""
    aligned = "".join("r" if column.right else "l" for column in columns)
    rows = [" & ".join(texts) + r" \\" for texts in zip(*(column.texts for column in columns), strict=True)]
    head = " & ".join(column.title for column in columns) + r" \\"
    lines = [
        f"% {escape(name)}",
        rf"\begin{{tabular}}{{{aligned}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows[: -1 if totals else None],
        *([r"\midrule", rows[-1]] if totals else []),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
