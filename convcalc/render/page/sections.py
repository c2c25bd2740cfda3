"""Writes the parts of a page that need no script: the heading, totals, budgets, outermost layers, findings and spec.

Each function takes a `Subject` and returns markup. `number` is the index of the network in the page; the ids in its
part begin with `n` and that number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from convcalc.analysis.budgets import LimitUse, format_limit
from convcalc.analysis.report import Report
from convcalc.check.rules import RULES
from convcalc.explain.conventions import ASSUMPTIONS, PAGE, list_cautions
from convcalc.explain.counters import Reconciled, reconcile_tools
from convcalc.problems import Problem
from convcalc.render.columns import COLUMNS, field_text
from convcalc.render.page.markup import Markup, element, join
from convcalc.render.page.network_data import Subject
from convcalc.render.rows import describe_rows, tree_rows
from convcalc.render.summary import unknown_costs
from convcalc.shape import Shape
from convcalc.units import format_bytes, format_count, format_exact

_MOST_ROWS = 400  # of the table that is shown without scripts
_MOST_LINES = 20_000  # of the spec
_OUTERMOST = tuple(
    COLUMNS[name] for name in ("name", "what", "output_shape", "params", "macs", "receptive_field", "activation_memory")
)


# -- heading and totals


def write_heading(subject: Subject) -> Markup:
    """Return the name, the description, and the facts of a network."""
    network = subject.report.network
    description = " ".join(network.description.split())
    return element(
        "header",
        element("h1", subject.label),
        element("p", description, class_="lead") if description else None,
        element("ul", (element("li", fact) for fact in _list_facts(subject)), class_="facts"),
    )


def _list_facts(subject: Subject) -> Iterator[str]:
    """Yield the shapes, the data types, the batch size, the spec parameters and the file."""
    report, network = subject.report, subject.report.network
    yield f"{_name_shapes(network.inputs)} → {_name_shapes(report.outputs())}"
    weights, activations = network.dtype.weights, network.dtype.activations
    yield weights if weights == activations else f"{weights} weights, {activations} activations"
    yield f"batch {network.batch:,}"
    yield f"{len(report.layers):,} {'layer' if len(report.layers) == 1 else 'layers'}"
    yield from (f"{name} = {value}" for name, value in network.params.items())
    if network.file is not None:
        yield f"{network.file} ({subject.source})" if subject.source else network.file


def _name_shapes(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def write_totals(subject: Subject) -> Markup:
    """Return one card per total: its title, the number in short, the exact number, and a note."""
    cards = (
        element(
            "li",
            element("h3", title),
            element("p", short, class_="big"),
            element("p", exact, class_="exact") if exact else None,
            element("p", note, class_="note") if note else None,
        )
        for title, short, exact, note in _list_totals(subject.report)
    )
    return element("ul", cards, class_="cards")


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
    return _section("Budgets", "", element("ul", map(_write_limit, subject.limits), class_="budgets"))


def _write_limit(use: LimitUse) -> Markup:
    texts = format_limit(use)
    state = "within budget" if use.is_kept else "not known" if use.used is None else _describe_breach(use)
    return element(
        "li",
        element("span", texts.budget, class_="name"),
        element("span", f"{texts.used} / {texts.limit}", class_="number"),
        write_bar(use.share, texts.percent) if use.share is not None else element("span", class_="bar"),
        element("span", f"{'✓' if use.is_kept else '✕'} {state}", class_="state"),
        class_="kept" if use.is_kept else "broken",
    )


def _describe_breach(use: LimitUse) -> str:
    if use.share is None or use.share <= 1:
        return "below the minimum" if use.is_minimum else "not met"
    return f"over budget by {100 * (use.share - 1):,.1f}%"


def write_bar(share: float, text: str) -> Markup:
    """Return a bar that is full at a share of 1, with its value as a text beside it."""
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


# -- layers


def write_outermost(subject: Subject) -> Markup:
    """Return the table of the outermost level, which scripts replace by a table with all levels."""
    rows = tree_rows(subject.report, 1)
    described = zip(rows[:_MOST_ROWS], describe_rows(subject.report, rows[:_MOST_ROWS]), strict=True)
    head = element(
        "tr", (element("th", column.title, scope="col", class_=_side(column.right)) for column in _OUTERMOST)
    )
    body = (
        element(
            "tr",
            (
                element(
                    "th" if column.name == "name" else "td",
                    what if column.name == "what" else column.text(row, False),
                    class_=_side(column.right),
                    scope="row" if column.name == "name" else None,
                )
                for column in _OUTERMOST
            ),
        )
        for row, what in described
    )
    left_out = len(rows) - _MOST_ROWS
    note = f"{left_out:,} more rows are shown with scripts only" if left_out > 0 else ""
    table = element("table", element("thead", head), element("tbody", body), class_="layers")
    return join(element("div", table, class_="scroll"), element("p", note, class_="note") if note else None)


def _side(right: bool) -> str | None:
    return "right" if right else None


# -- findings


def write_findings(subject: Subject, number: int) -> Markup:
    """Return the problems that `convcalc check` reports, each with its line of the spec."""
    if not subject.problems:
        ran = f"{subject.rules} lint rules" if subject.rules else "the lint rules"
        return _section(
            "Findings", "", element("p", f"✓ No findings: {ran} and all budgets were checked.", class_="empty")
        )
    lines = (subject.text or "").splitlines()
    found = (_write_problem(problem, lines, number) for problem in subject.problems)
    return _section("Findings", f"{len(subject.problems):,}", element("ul", found, class_="findings"))


def _write_problem(problem: Problem, lines: Sequence[str], number: int) -> Markup:
    rule = RULES.get(problem.code)
    place = problem.span.line if problem.span is not None else None
    quoted = lines[place - 1].strip() if place is not None and place <= len(lines) else ""
    where: Markup | None = None
    if place is not None:
        where = (
            element("a", f"line {place:,}", href=f"#n{number}-line{place}")
            if lines
            else element("span", f"line {place:,}")
        )
    elif problem.path:
        where = element("span", ".".join(map(str, problem.path)))
    return element(
        "li",
        element("span", problem.severity, class_="badge"),
        element(
            "div",
            element("p", element("strong", problem.message)),
            element("p", problem.hint) if problem.hint else None,
            element(
                "p",
                join(where, " · " if where else None, f"{problem.code}{f' {rule.name}' if rule else ''}"),
                class_="note",
            ),
            element("code", quoted) if quoted else None,
        ),
        class_=f"finding {problem.severity}",
    )


# -- other tools and conventions


def write_tools(subject: Subject) -> Markup:
    """Return what other tools would print for the network and why, and how convcalc counts."""
    report = subject.report
    found = reconcile_tools(report)
    head = element("tr", (element("th", text, scope="col", class_=_side(text == "total")) for text in _TOOL_COLUMNS))
    table = element("table", element("thead", head), element("tbody", map(_write_tool, found)), class_="counters")
    notes = element("ul", (element("li", text) for text in (*list_cautions(report), ASSUMPTIONS)), class_="notes")
    conventions = element(
        "dl", (join(element("dt", name), element("dd", text)) for name, text in PAGE), class_="conventions"
    )
    return join(
        _section("Other tools", "", element("div", table, class_="scroll"), notes),
        _section("Conventions", "", element("details", element("summary", "How convcalc counts"), conventions)),
    )


_TOOL_COLUMNS = ("tool", "prints", "total", "why it differs from convcalc")


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


# -- spec


def write_spec(subject: Subject, number: int) -> Markup:
    """Return the spec with numbered lines, or what there is in place of it."""
    if subject.text is None:
        return _section("Spec", "", element("p", _explain_missing_spec(subject), class_="empty"))
    lines = subject.text.splitlines()
    shown = (element("span", line, id=f"n{number}-line{index}") for index, line in enumerate(lines[:_MOST_LINES], 1))
    left_out = f"and {len(lines) - _MOST_LINES:,} more lines" if len(lines) > _MOST_LINES else ""
    code = element("pre", Markup("\n".join(shown)), class_="spec", tabindex=0)
    return _section("Spec", f"{len(lines):,} lines", code, element("p", left_out, class_="note") if left_out else None)


def _explain_missing_spec(subject: Subject) -> str:
    if subject.source:
        return f"The network was read from {subject.source}; convcalc import writes it as a spec."
    return "The text of the spec is not part of this page."


def _section(title: str, count: str, *content: Markup | Iterable[Markup] | None) -> Markup:
    heading = element("h2", title, element("span", count, class_="count") if count else None)
    return element("section", heading, *content)
