"""Writes the heading of a network, its totals as cards, and how much of its budgets is used, as bars.

None of it needs a script: `write_totals(subject)` returns a list whose first card is `MACs 4.09 G 4,089,184,256`.
"""

from collections.abc import Iterable, Iterator, Mapping

from convcalc.analysis.report import Report
from convcalc.metrics.budgets import LimitUse, format_limit
from convcalc.problems import shorten
from convcalc.render.columns import field_text
from convcalc.render.page.markup import Markup, element, join, write_section
from convcalc.render.page.network_data import Subject
from convcalc.render.summary import unknown_costs
from convcalc.render.values import value_text
from convcalc.shape import Shape
from convcalc.units import format_bytes, format_count, format_exact

_LONGEST = 300  # limit of characters of the description and of each fact


def write_heading(subject: Subject) -> Markup:
    """Return the name, the description, and the facts of a network."""
    network = subject.report.network
    description = shorten(" ".join(network.description.split()), _LONGEST)
    return element(
        "header",
        element("h1", subject.label),
        element("p", description, class_="lead") if description else None,
        element("ul", (element("li", shorten(fact, _LONGEST)) for fact in _list_facts(subject)), class_="facts"),
    )


def _list_facts(subject: Subject) -> Iterator[str]:
    """Yield the shapes, the data types, the batch size, the spec parameters and the file."""
    report, network = subject.report, subject.report.network
    yield f"{_name_shapes(network.inputs)} → {_name_shapes(report.outputs())}"
    weights, activations = network.dtype.weights, network.dtype.activations
    yield weights if weights == activations else f"{weights} weights, {activations} activations"
    yield f"batch {network.batch:,}"
    yield f"{len(report.layers):,} {'layer' if len(report.layers) == 1 else 'layers'}"
    yield from (f"{name} = {value_text(value)}" for name, value in network.params.items())
    if network.file is not None:
        yield f"{network.file} ({subject.source})" if subject.source else network.file


def _name_shapes(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def write_summary(subject: Subject) -> Markup:
    """Return the line that is shown for a network while its section of the page is folded."""
    total = subject.report.totals
    counts = f"{format_count(total.params)} params · {format_count(total.macs)} MACs"
    broken = sum(not use.is_kept for use in subject.limits)
    warning = f"✕ {broken} {'budget' if broken == 1 else 'budgets'} not kept" if broken else ""
    return element(
        "summary",
        subject.label,
        element("span", f"{counts} · peak {format_bytes(total.peak_memory)}", class_="note"),
        element("span", warning, class_="bad") if warning else None,
    )


def write_totals(subject: Subject) -> Markup:
    """Return one card per total: its title, the number in short, the exact number, and a note."""
    cards = (
        element(
            "li",
            element("p", title, class_="title"),
            element("p", number, element("small", f" {unit}") if unit else None, class_="big"),
            element("p", exact, class_="exact") if exact else None,
            element("p", _allow_breaks(note), class_="note") if note else None,
        )
        for title, short, exact, note in (*_list_totals(subject.report), *_list_measured(subject))
        for number, _, unit in [short.partition(" ")]
    )
    return element("ul", cards, class_="cards")


def _allow_breaks(text: str) -> Markup:
    """Return a text that can be broken after the dots of a name."""
    first, *others = text.split(".")
    return join(first, [join(".", element("wbr"), other) for other in others])


def _list_totals(report: Report) -> Iterator[tuple[str, str, str, str]]:
    total = report.totals
    unknown = f"unknown: {unknown_costs(report)}" if report.uncounted else ""
    yield "MACs", *_count_texts(total.macs), unknown if total.macs is None else "multiply-accumulates"
    yield "FLOPs", *_count_texts(total.flops), unknown if total.flops is None else "multiplications + additions"
    yield "params", *_count_texts(total.params), _describe_params(report)
    yield "weights", *_byte_texts(total.weight_memory), "params and buffers"
    yield "peak memory", *_byte_texts(total.peak_memory), f"at {total.peak_at}"
    yield "activations", *_byte_texts(total.activation_memory), "sum of all outputs"
    yield "training", *_byte_texts(report.training().total), f"with {report.optimizer}"
    field = field_text(total)
    seen = "the whole input" if total.receptive_field.whole else f"at {total.receptive_field_at}"
    yield "receptive field", field, "", seen if field != "?" else "unknown"


def _list_measured(subject: Subject) -> Iterable[tuple[str, str, str, str]]:
    if not subject.measured:
        return ()
    from convcalc.render.page.device import list_device_totals  # few pages need the devices

    return list_device_totals(subject)


def _count_texts(number: int | None) -> tuple[str, str]:
    short, exact = format_count(number), format_exact(number)
    return short, "" if short == exact else exact


def _byte_texts(number: int | None) -> tuple[str, str]:
    return format_bytes(number), "" if number is None or number < 1000 else f"{number:,} B"


def _describe_params(report: Report) -> str:
    total = report.totals
    trainable = "" if total.trainable_params == total.params else f"{total.trainable_params:,} trainable"
    buffers = f"and {total.buffers:,} in buffers" if total.buffers else ""
    return ", ".join(filter(None, (trainable, buffers))) or "learnt elements"


# -- budgets


def write_budgets(subject: Subject) -> Markup | None:
    """Return how much of each budget is used, with bars; None if the network has no budget."""
    if not subject.limits:
        return None
    return write_section("Budgets", "", element("ul", map(_write_limit, subject.limits), class_="budgets"))


def _write_limit(use: LimitUse) -> Markup:
    texts = format_limit(use)
    state = "within budget" if use.is_kept else "not known" if use.used is None else _describe_breach(use)
    return element(
        "li",
        element("span", texts.budget, class_="name"),
        element("span", f"{texts.used} {_compare(use)} {texts.limit}".replace("  ", " "), class_="number"),
        write_bar(use.share, texts.percent) if use.share is not None else element("span", class_="bar"),
        element("span", f"{'✓' if use.is_kept else '✕'} {state}", class_="state"),
        class_="kept" if use.is_kept else "broken",
    )


def _compare(use: LimitUse) -> str:
    """Return the sign between a value and its limit; the text of a minimum has its sign already."""
    if isinstance(use.limit, tuple):
        return "=" if use.is_kept else "≠"
    return "" if use.is_minimum else "/"


def _describe_breach(use: LimitUse) -> str:
    if use.share is None or use.share <= 1:
        return "below the minimum" if use.is_minimum else "not met"
    return f"over budget by {100 * (use.share - 1):,.1f}%"


def write_bar(share: float, text: str) -> Markup:
    """Return a bar that is full at a share of 1, with its value as a text next to it."""
    length = f"{100 * min(max(share, 0), 1):.2f}"
    drawn = element(
        "svg",
        element("rect", width="100", height="6", class_="track"),
        element("rect", width=length, height="6", class_="fill"),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    return element("span", drawn, element("span", text), class_="bar")
