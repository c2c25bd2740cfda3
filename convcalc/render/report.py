"""Writes the page of `convcalc report`: one network with everything about it, or several with a comparison.

`report_html([Subject("lenet5", analyse(network))])` returns the text of an HTML file that loads nothing.
"""

import os
from collections.abc import Sequence
from typing import Any

from convcalc.analysis.report import Report
from convcalc.check.rules import RULES
from convcalc.check.runner import check_report
from convcalc.check.settings import Settings
from convcalc.metrics.budgets import measure_limits
from convcalc.render.page.comparison import write_comparison
from convcalc.render.page.counters import write_counters
from convcalc.render.page.document import VIEW_SCRIPTS, write_document, write_json
from convcalc.render.page.findings import write_findings, write_spec
from convcalc.render.page.markup import Markup, element, join
from convcalc.render.page.network_data import Subject, network_data
from convcalc.render.page.outermost import write_outermost
from convcalc.render.page.totals import write_budgets, write_heading, write_summary, write_totals
from convcalc.spec.document import Document
from convcalc.version import __version__

_SCHEMA = "convcalc/page/1"
_SCRIPTS = (
    *VIEW_SCRIPTS,
    "memory.js",
    "field.js",
    "layer.js",
    "theme.js",
    "report.js",
)


def save_report(report: Report, file: str | os.PathLike[str]) -> None:
    """Write the page of a report to a file; see `Report.save_html`."""
    checked = check_report(report, Document({}, report.network.file), Settings(), RULES)
    limits = measure_limits(report)
    subject = Subject(report.network.name, report, checked.problems, limits, rules=len(Settings().enabled(RULES)))
    text = report_html([subject])
    with open(file, "w", encoding="utf-8", errors="replace", newline="\n") as stream:
        stream.write(text)


def report_json(subjects: Sequence[Subject]) -> str:
    """Return the data of the page as JSON text with the schema convcalc/page/1."""
    return write_json(_make_data(subjects)) + "\n"


def report_html(subjects: Sequence[Subject]) -> str:
    """Return the page of one or more networks as the text of an HTML file."""
    several = len(subjects) > 1
    parts = [_write_network(subject, number, several) for number, subject in enumerate(subjects)]
    title = f"{len(subjects)} networks" if several else subjects[0].label
    body = join(
        element("main", write_comparison(subjects) if several else None, parts),
        element("footer", f"convcalc {__version__}"),
    )
    return write_document(f"{title} · convcalc", body, _make_data(subjects), _SCRIPTS)


def _make_data(subjects: Sequence[Subject]) -> dict[str, Any]:
    networks = [{**network_data(subject), **_device_data(subject)} for subject in subjects]
    return {"schema": _SCHEMA, "version": __version__, "networks": networks}


def _device_data(subject: Subject) -> dict[str, Any]:
    if not subject.measured:
        return {}
    from convcalc.render.page.device import device_data  # few pages need the devices

    return device_data(subject)


def _write_latency(subject: Subject) -> Markup | None:
    if not subject.measured:
        return None
    from convcalc.render.page.device import write_latency  # few pages need the devices

    return write_latency(subject)


def _write_network(subject: Subject, number: int, several: bool) -> Markup:
    """Return the part of one network; each of several can be folded."""
    layers = element("section", element("h2", "Layers"), write_outermost(subject), class_="work")
    content = join(
        write_heading(subject),
        write_totals(subject),
        write_budgets(subject),
        layers,
        _write_latency(subject),
        write_findings(subject, number),
        write_counters(subject),
        write_spec(subject, number),
    )
    part = element("article", content, id=f"n{number}", data_network=number)
    if not several:
        return part
    return element("details", write_summary(subject), part, class_="network")
