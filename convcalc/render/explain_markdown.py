"""Writes explanations as Markdown with LaTeX formulas, for GitHub and Jupyter.

GitHub and Jupyter parse a formula as Markdown before they treat it as LaTeX. The formulas therefore have no backslash
before punctuation and no index without a letter before it, which could be mistaken for Markdown syntax.
"""

from convcalc.analysis.report import Report
from convcalc.explain.derived_figures import DerivedFigure, Explanation
from convcalc.explain.totals import list_remarks
from convcalc.metrics.figures import FIGURES
from convcalc.render.cells import cell_markdown
from convcalc.render.explain import format_result, list_facts, share_cells
from convcalc.render.layers import parse_page
from convcalc.render.markdown import escape
from convcalc.render.summary_markdown import totals_line
from convcalc.symbolic import Latex


def explanation_markdown(found: list[Explanation]) -> str:
    """Return the explanations of several layers as Markdown text."""
    return "\n".join(_layer_markdown(explanation) for explanation in found)


def _layer_markdown(explanation: Explanation) -> str:
    about = parse_page(type(explanation.layer.layer))
    lines = [f"### {escape(explanation.layer.name)}", "", escape(" · ".join(list_facts(explanation))), ""]
    lines += [escape(about.summary), ""]
    for note in explanation.notes:
        lines += [f"> {escape(note)}", ""]
    for figure in explanation.figures:
        lines += [*_figure_markdown(figure), ""]
    legend = [
        f"{', '.join(map(_inline_symbol, names))} {escape(meaning)}" for meaning, names in explanation.legend().items()
    ]
    lines += [f"Where {'; '.join(legend)}.", ""] if legend else []
    for section in ("Counted", "Source"):
        if section in about.sections:
            lines += [f"*{section}*: {escape(about.sections[section])}", ""]
    return "\n".join(lines)


def _inline_symbol(name: str) -> str:
    return f"${Latex(False).symbol(name)}$"


def _figure_markdown(figure: DerivedFigure) -> list[str]:
    # a line with the title and the result, then the derivation as a displayed equation
    result = "" if figure.value is None else format_result(figure.value, figure.unit)
    first = f"**{escape(figure.title)}**: {escape(', '.join(filter(None, (result, figure.words))))}"
    if figure.formula is None or figure.value is None:
        return [first]
    symbols = Latex(False, figure.one_axis).write(figure.formula)
    numbers = Latex(True).write(figure.formula)
    steps = dict.fromkeys([symbols, *([numbers] if numbers != str(figure.value) else []), _format_quantity(figure)])
    return [first, "", f"$${' = '.join(steps)}$$"] if len(steps) > 1 else [first]


def _format_quantity(figure: DerivedFigure) -> str:
    return f"{figure.value:,}".replace(",", "{,}") + (rf"\text{{ {figure.unit}}}" if figure.unit else "")


def totals_markdown(report: Report) -> str:
    """Return a table with the contribution of each layer kind to the totals, the totals, and remarks, as Markdown."""
    lines = [f"### {escape(report.network.name)}: how the totals are composed", ""]
    lines += [*cell_markdown(share_cells(report)), "", totals_line(report), ""]
    return "\n".join(
        [*lines, *(f"- *{FIGURES.get(name, name)}*: {escape(text)}" for name, text in list_remarks(report)), ""]
    )
