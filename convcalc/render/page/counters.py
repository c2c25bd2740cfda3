"""Writes the figures that other tools would print for a network, with reasons, and how convcalc counts."""

from convcalc.explain.conventions import ASSUMPTIONS, PAGE, list_cautions
from convcalc.explain.counters import Reconciled, reconcile_tools
from convcalc.render.page.markup import Markup, element, join, write_section
from convcalc.render.page.network_data import Subject

_COLUMNS = ("tool", "prints", "total", "why it differs from convcalc")


def write_counters(subject: Subject) -> Markup:
    """Return the figures that other tools would print for the network, with reasons, and how convcalc counts."""
    report = subject.report
    found = reconcile_tools(report)
    head = element(
        "tr", (element("th", text, scope="col", class_="right" if text == "total" else None) for text in _COLUMNS)
    )
    table = element("table", element("thead", head), element("tbody", map(_write_tool, found)), class_="counters")
    notes = element("ul", (element("li", text) for text in (*list_cautions(report), ASSUMPTIONS)), class_="notes")
    conventions = element(
        "dl", (join(element("dt", name), element("dd", text)) for name, text in PAGE), class_="conventions"
    )
    return join(
        write_section("Other tools", "", element("div", table, class_="scroll"), notes),
        write_section("Conventions", "", element("details", element("summary", "How convcalc counts"), conventions)),
    )


def _write_tool(found: Reconciled) -> Markup:
    terms = element(
        "ul",
        (element("li", element("span", f"{amount:+,}", class_="number"), f" {what}") for what, amount in found.terms),
    )
    same = element("span", f"equals convcalc's {found.basis}", class_="note")
    return element(
        "tr",
        element("th", found.tool.name, element("span", found.tool.version, class_="note"), scope="row"),
        element("td", found.tool.prints),
        element("td", f"{found.total:,}", class_="right"),
        element("td", element("details", element("summary", _count_terms(found)), terms) if found.terms else same),
    )


def _count_terms(found: Reconciled) -> str:
    count = len(found.terms)
    return f"{found.total - found.ours:+,} in {count} {'term' if count == 1 else 'terms'}"
