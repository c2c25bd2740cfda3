"""Writes explanations as text: for each figure, its formula in symbols, the formula with values, and the result.

For example, params are explained by three lines: `C_out × (k_h × k_w × C_in) + C_out`, `= 64 × (3 × 3 × 3) + 64`, and
`= 1,792`.
"""

import re
from textwrap import wrap

from convcalc.analysis.report import Report
from convcalc.explain.derived_figures import DerivedFigure, Explanation
from convcalc.explain.totals import list_remarks, sum_by_kind
from convcalc.metrics.figures import FIGURES
from convcalc.render.cells import Cells, cell_table
from convcalc.render.layers import hang_text, parse_page
from convcalc.render.lines import GAP, NO_BREAK, Block, Line, wrap_facts
from convcalc.render.rows import layer_row
from convcalc.render.summary import format_totals, heading_lines
from convcalc.symbolic import Notation
from convcalc.units import format_bytes, format_count, format_exact

_PAGE = 100
_NARROW = 60  # in a terminal with fewer columns, formulas go below the names of their figures
_WORDS = 23  # characters for the names of figures, to the left of the formulas


def explanation_lines(found: list[Explanation], width: int | None, in_words: bool = True) -> list[Line]:
    """Return the explanations of several layers; without `in_words`, only the titles and formulas."""
    lines: list[Line] = []
    for explanation in found:
        lines += (
            [[], *_layer_lines(explanation, width, in_words)] if lines else _layer_lines(explanation, width, in_words)
        )
    return lines


def _lead_width(width: int | None) -> int:
    return _WORDS if (width or _PAGE) >= _NARROW else 2


def _layer_lines(explanation: Explanation, width: int | None, in_words: bool) -> list[Line]:
    """Return the explanation of one layer; without `in_words`, only its title and formulas."""
    lead, about = _lead_width(width), parse_page(type(explanation.layer.layer))
    lines = [*_title_lines(explanation, width), []]
    if in_words:
        lines += hang_text("", about.summary, width)
        lines += [line for note in explanation.notes for line in hang_text("", note, width, style="hint")]
        lines.append([])
    lines += [line for figure in explanation.figures for line in _figure_lines(figure, width, lead)]
    if in_words:
        lines += [[], *_legend_lines(explanation, width, lead)]
        for name in ("Counted", "Source"):
            if name in about.sections:
                lines += _named_lines(name.lower(), about.sections[name], width, lead, "dim")
    return lines


def list_facts(explanation: Explanation) -> list[str]:
    """Return the facts about a layer: its kind and arguments, its shapes, and (if known) its line in the spec."""
    layer = explanation.layer
    shapes = " + ".join(map(str, layer.layer.inputs))
    line = f"line {layer.line}" if layer.line else ""
    return [*filter(None, (layer_row(layer, layer.name, 0, 0).what, f"{shapes} → {layer.output_shape}", line))]


def _title_lines(explanation: Explanation, width: int | None) -> list[Line]:
    # the facts are placed below the name if they do not fit next to it
    name = explanation.layer.name
    line = " · ".join(list_facts(explanation))
    if width is None or len(name) + len(GAP) + len(line) <= width:
        return [[(name, "title"), (GAP + line, "")]]
    return [[(name, "title")], *wrap_facts(list_facts(explanation), width)]


def _figure_lines(figure: DerivedFigure, width: int | None, lead: int) -> list[Line]:
    texts = _derivation_lines(figure)
    lines: list[Line] = []
    for place, text in enumerate(texts):
        style = "title" if place == len(texts) - 1 and figure.value is not None else ""
        kept = text if figure.formula is None else _protect_blanks(text, _text_width(width, lead))
        lines += _named_lines("" if place else figure.title, kept, width, lead, style)
    return lines


def _protect_blanks(text: str, room: int) -> str:
    """Replace spaces by no-break spaces where a formula must not be broken.

    A formula may be broken only before an operator other than `/`. Parentheses that fit on one line are never broken.
    """
    text = re.sub(r"(?<=[×/+=-]) | (?=/)| (?=[KMGTP]i?B?\))| (?=B\b)", NO_BREAK, text)
    groups = re.findall(r"\([^()]*\)", text)
    for group in groups:
        text = text.replace(group, group.replace(" ", NO_BREAK)) if len(group) < room - 4 else text
    return text


class _GroupedNotation(Notation):
    """Writes integers with their digits in groups of three, as in `64 × 1,024`."""

    def number(self, value: int | float) -> str:
        return f"{value:,}" if isinstance(value, int) else super().number(value)


def _derivation_lines(figure: DerivedFigure) -> list[str]:
    """Return the formula in symbols, the formula with values, and the result, one per line.

    A line that would repeat another is left out. For a figure without formula, the only line has the result and its
    explanation in words.
    """
    result = "" if figure.value is None else format_result(figure.value, figure.unit)
    if figure.formula is None:
        return [": ".join(filter(None, (result, figure.words)))]
    symbols = _GroupedNotation(False, figure.one_axis).write(figure.formula)
    numbers = _GroupedNotation(True).write(figure.formula)
    if symbols == numbers:
        return [result]
    if figure.value is not None and numbers == f"{figure.value:,}":
        return [f"{symbols} = {result}"]
    return [symbols, f"= {numbers}", f"= {result}"]


def format_result(value: int, unit: str) -> str:
    """Return a result as an exact number and, unless it is small, a rounded one, such as `37,632 B (36.75 KiB)`."""
    exact = f"{value:,} {unit}".rstrip()
    short = format_bytes(value) if unit == "B" else format_count(value)
    return exact if short.replace(" ", "") == exact.replace(" ", "") or value < 1000 else f"{exact} ({short})"


def _named_lines(name: str, text: str, width: int | None, lead: int, style: str = "") -> list[Line]:
    # the text is to the right of the name, or below it if the name is longer than `lead` characters
    pieces = _wrap_text(text, _text_width(width, lead))
    lines: list[Line] = [[(" " * lead, ""), (piece, style)] for piece in pieces]
    if len(name) >= lead:
        return [[(name, "head")], *lines]
    lines[0][0] = (f"{name:<{lead}}", "head")
    return lines


def _text_width(width: int | None, lead: int) -> int:
    return max((width or _PAGE) - lead, 20)


def _wrap_text(text: str, room: int) -> list[str]:
    """Split a text into lines of at most `room` characters; if it begins with `=`, later lines are indented."""
    later = "  " if text.startswith("=") else ""
    pieces = wrap(text, room, subsequent_indent=later, break_long_words=False, break_on_hyphens=False)
    return [piece.replace(NO_BREAK, " ") for piece in pieces] or [""]


def _legend_lines(explanation: Explanation, width: int | None, lead: int) -> list[Line]:
    lines: list[Line] = []
    for meaning, names in explanation.legend().items():
        lines += _named_lines("" if lines else "where", f"{', '.join(names)}  {meaning}", width, lead, "dim")
    return lines


# -- totals


def totals_lines(report: Report, width: int | None) -> list[Block]:
    """Return a table with the contribution of each layer kind to the totals, then the totals and remarks on them."""
    lines: list[Block] = [*heading_lines(report, width), [], cell_table(share_cells(report), width, first=""), []]
    lines += [*format_totals(report, width), []]
    for name, text in list_remarks(report):
        lines += hang_text(f"{FIGURES.get(name, name):<11}{GAP}", text, width, "head", "dim")
    return [
        *lines,
        [],
        *hang_text("", "convcalc explain NET LAYER shows how a layer's figures are calculated.", width, style="dim"),
    ]


def share_cells(report: Report) -> list[Cells]:
    """Return a column with the layer kinds, then one column per figure, such as MACs; the last row has the sums."""
    found, total = sum_by_kind(report), report.totals
    columns = [Cells("kind", [*(share.kind for share in found), "sum"], right=False)]
    titles = (("layers", 4), ("params", 9), ("MACs", 9), ("multiplications", 3), ("additions", 2))
    for title, weight in titles:
        name = title.lower()
        figures = [*(getattr(share, name) for share in found), getattr(total, name)]
        columns.append(Cells(title, ["·" if figure == 0 else format_exact(figure) for figure in figures], weight))
    return columns
