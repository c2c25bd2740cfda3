"""Writes the figures on a runtime and a device: cards of arena, flash and latency, and the slowest layers.

It needs no script: `write_latency(subject)` returns a section with a table such as `conv1 1.23 ms 12.3% compute`.
"""

from collections.abc import Iterator
from typing import Any

from convcalc.device.latency import Latency, Range
from convcalc.metrics.device_figures import device_figure, explain_unknown, list_times, measure_latency
from convcalc.render.latency import choose_layers, describe_device, describe_total, format_time, latency_columns
from convcalc.render.page.markup import Markup, element, write_section
from convcalc.render.page.network_data import Subject
from convcalc.render.values import describe_target, device_text, device_title
from convcalc.spec.budget_metrics import LATENCY

_LISTED = 15  # layers in the table, those that take longest


def list_device_totals(subject: Subject) -> Iterator[tuple[str, str, str, str]]:
    """Yield the title, the short text, the exact text and the note of each figure that was measured."""
    for name in subject.measured:
        value = device_figure(subject.report, name, subject.target)
        note = explain_unknown(subject.report, name, subject.target)
        note = note or ("in int8" if name != LATENCY else _describe_time(subject))
        exact = "" if name == LATENCY or value is None else f"{value:,} B"
        yield device_title(name, subject.target), device_text(name, value, False) or "?", exact, note


def _describe_time(subject: Subject) -> str:
    """Return the range of the time, or that it is an estimate if it has no range."""
    found = measure_latency(subject.report, subject.target)
    if isinstance(found, Range) and found.low < found.high:
        return f"larger bound of {format_time(found)}"
    return "estimated"


def write_latency(subject: Subject) -> Markup | None:
    """Return the layers that take longest, with what limits them; None without a device or known times."""
    found = _list_times(subject)
    if found is None:
        return None
    layers = choose_layers(found, _LISTED)
    columns = latency_columns(found, layers)
    head = element("tr", (element("th", column.title, scope="col", class_=_side(column.right)) for column in columns))
    body = (
        element("tr", (element("td", column.texts[row], class_=_side(column.right)) for column in columns))
        for row in range(len(layers))
    )
    table = element("table", element("thead", head), element("tbody", body), class_="latency")
    facts = element("ul", (element("li", fact) for fact in describe_device(found)), class_="facts")
    more = len(found.layers) - len(layers)
    note = f"and {more:,} more layers, which take less time or none" if more else ""
    return write_section(
        "Latency",
        describe_total(found),
        facts,
        element("div", table, class_="scroll"),
        element("p", note, class_="note") if note else None,
    )


def device_data(subject: Subject) -> dict[str, Any]:
    """Return the figures that were measured, and the seconds of each layer, as the schema convcalc/page/1 has them."""
    if not subject.measured:
        return {}
    figures = {name: device_figure(subject.report, name, subject.target) for name in subject.measured}
    found = _list_times(subject)
    times = {} if found is None else {"layers": [layer.time and layer.time.high for layer in found.layers]}
    return {"measured": {**describe_target(subject.target, subject.measured), **figures, **times}}


def _list_times(subject: Subject) -> Latency | None:
    if LATENCY not in subject.measured:
        return None
    found = list_times(subject.report, subject.target)
    return None if isinstance(found, str) else found


def _side(right: bool) -> str | None:
    return "right" if right else None
