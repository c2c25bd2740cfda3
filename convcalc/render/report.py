"""Writes the page of `convcalc report`: one network with everything about it, or several with a comparison.

`report_html([Subject("lenet5", analyse(network))])` returns the text of an HTML file that loads nothing.
"""

from collections.abc import Sequence

from convcalc.render.page import sections
from convcalc.render.page.comparison import write_comparison
from convcalc.render.page.document import write_document
from convcalc.render.page.markup import Markup, element, join
from convcalc.render.page.network_data import Subject, network_data
from convcalc.version import __version__

_SCHEMA = "convcalc/page/1"
_SCRIPTS = ("text.js", "dom.js", "network.js", "table.js", "graph.js", "memory.js", "field.js", "layer.js", "report.js")


def report_html(subjects: Sequence[Subject]) -> str:
    """Return the page of one or more networks as the text of an HTML file."""
    several = len(subjects) > 1
    parts = [_write_network(subject, number, several) for number, subject in enumerate(subjects)]
    title = f"{len(subjects)} networks" if several else subjects[0].label
    body = join(
        element("main", write_comparison(subjects) if several else None, parts),
        element("footer", f"convcalc {__version__}"),
    )
    data = {"schema": _SCHEMA, "version": __version__, "networks": [network_data(subject) for subject in subjects]}
    return write_document(f"{title} · convcalc", body, data, _SCRIPTS)


def _write_network(subject: Subject, number: int, several: bool) -> Markup:
    """Return the part of one network; each of several can be folded."""
    layers = element("section", element("h2", "Layers"), sections.write_outermost(subject), class_="work")
    content = join(
        sections.write_heading(subject),
        sections.write_totals(subject),
        sections.write_budgets(subject),
        layers,
        sections.write_findings(subject, number),
        sections.write_tools(subject),
        sections.write_spec(subject, number),
    )
    part = element("article", content, id=f"n{number}", data_network=number)
    if not several:
        return part
    return element("details", element("summary", subject.label), part, class_="network")
