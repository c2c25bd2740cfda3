"""Budgets: is every limit of a spec, and every limit from outside, kept by the figures of a report."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from convcalc.analysis.receptive_field import FieldReport, field_report, input_size
from convcalc.analysis.report import LayerReport, Report
from convcalc.network import Limit
from convcalc.problems import Problem
from convcalc.units import format_bytes, format_count

CODE = "CV100"
MEMORY = {"weight_memory": "weight_bytes", "activation_memory": "activation_bytes", "peak_memory": "peak_bytes"}
LAYER_MEMORY = {"weight_memory": "weight_bytes", "activation_memory": "output_bytes"}
COSTLIEST = 3  # layers that are named with a breach


def breaches(report: Report, outside: Iterable[Limit] = ()) -> list[Problem]:
    """Every limit that is not kept: those of the spec, and those from outside of it."""
    return [problem for limit in (*report.network.budget, *outside) for problem in broken(report, limit)]


def broken(report: Report, limit: Limit) -> Iterator[Problem]:
    """The breach of one limit, or of one pattern's layers."""
    if limit.pattern is not None:
        for layer in report.layers:
            if fnmatchcase(layer.name, limit.pattern):
                yield from over(limit, layer_figure(layer, limit.metric), f"{layer.name}: {limit.metric}", "")
    elif limit.metric == "output_shape":
        yield from wrong_shapes(report, limit)
    elif limit.metric == "receptive_field":
        yield from wrong_fields(report, limit)
    else:
        yield from over(limit, figure(report, limit.metric), limit.metric, costliest(report, limit.metric))


def figure(report: Report, metric: str) -> int | None:
    """The network's figure of a metric, None where it is not known."""
    found: int | None = getattr(report.totals, MEMORY.get(metric, metric))
    return found


def layer_figure(layer: LayerReport, metric: str) -> int | None:
    """One layer's figure of a metric, None where it is not known."""
    found: int | None = getattr(layer, LAYER_MEMORY.get(metric, metric))
    return found


def over(limit: Limit, value: int | None, what: str, hint: str) -> Iterator[Problem]:
    """A figure over its maximum or under its minimum, or one that is not known: then no budget is kept."""
    if value is None:
        yield breach(limit, f"{what} is not known", hint)
        return
    if limit.maximum is not None and value > limit.maximum:
        excess = f", {percent(value - limit.maximum, limit.maximum)} over" if limit.maximum else ""
        most = shown(limit.metric, limit.maximum)
        yield breach(limit, f"{what} is {shown(limit.metric, value)}: at most {most} is allowed{excess}", hint)
    if limit.minimum is not None and value < limit.minimum:
        lack = percent(limit.minimum - value, limit.minimum)
        least = shown(limit.metric, limit.minimum)
        yield breach(limit, f"{what} is {shown(limit.metric, value)}: at least {least} is due, {lack} under", "")


def breach(limit: Limit, message: str, hint: str) -> Problem:
    """A breach at its budget's line."""
    origin = f" ({limit.origin})" if limit.origin else ""
    return Problem(limit.path, message + origin, CODE, hint)


def shown(metric: str, value: int | None) -> str:
    """A figure, exact and in short where it is large."""
    short = format_bytes(value) if metric in MEMORY else format_count(value)
    if value is None or (metric in MEMORY and value < 1000):
        return short  # bytes with their unit
    return f"{value:,}" if value < 1000 else f"{value:,} ({short})"


def percent(part: int, whole: int) -> str:
    """A share in per cent."""
    return f"{100 * part / whole:,.1f} %"


def costliest(report: Report, metric: str) -> str:
    """The layers that cost most."""
    if metric == "layers":
        return ""
    if metric == "peak_memory":
        return f"the peak is at {report.totals.peak_at}: convcalc memory says what would lower it"
    if figure(report, metric) is None:
        return unknown_hint(report, metric)
    layers = sorted(report.layers, key=lambda layer: -(layer_figure(layer, metric) or 0))[:COSTLIEST]
    named = [f"{layer.name} ({shown(metric, layer_figure(layer, metric))})" for layer in layers]
    return f"the most cost {', '.join(named)}"


def unknown_hint(report: Report, metric: str) -> str:
    """The layers whose figure of a metric is not known."""
    names = [layer.name for layer in report.layers if layer_figure(layer, metric) is None]
    more = f" and {len(names) - COSTLIEST} more" if len(names) > COSTLIEST else ""
    return f"the {metric} of {', '.join(names[:COSTLIEST])}{more} cannot be counted"


def wrong_shapes(report: Report, limit: Limit) -> Iterator[Problem]:
    """Outputs of another shape than is due."""
    for name, shape in report.outputs().items():
        if limit.output in (None, name) and limit.shape is not None and shape.sizes != limit.shape:
            due = "×".join(map(str, limit.shape))
            yield breach(limit, f"the output {name} is {shape}, and {due} is due", "")


def wrong_fields(report: Report, limit: Limit) -> Iterator[Problem]:
    """Outputs whose receptive field is too small or too large along an axis."""
    for name, (layer, field) in output_fields(report).items():
        if limit.output not in (None, name):
            continue
        what = f"the receptive field of {layer}"
        if field.size is None:
            yield breach(limit, f"{what} is not known", "")
            continue
        largest, smallest = max(field.size, default=0), min(field.size_min or field.size, default=0)
        yield from over(limit._replace(minimum=None), largest, what, "")
        yield from over(limit._replace(maximum=None), smallest, what, "")


def output_fields(report: Report) -> dict[str, tuple[str, FieldReport]]:
    """The receptive field of every output, by its name, and the layer that has it.

    If the only output has no positions left, that of the last layer that has positions.
    """
    network, whole = report.network, input_size(report.network)
    found = {}
    for name, tensor in network.outputs.items():
        if report.fields[tensor].collapsed and len(network.outputs) == 1:
            found[name] = (report.totals.field_at, report.totals.field)
        else:
            field = field_report(report.fields[tensor], network.tensor_shape(tensor).spatial, whole)
            found[name] = (name, field)
    return found
