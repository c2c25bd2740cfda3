"""Budgets: is every limit of a spec, and every limit from outside, kept by the figures of a report."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from convcalc.analysis.receptive_field import FieldReport, field_report, input_size
from convcalc.analysis.report import LayerReport, Report
from convcalc.network import Limit
from convcalc.problems import Problem
from convcalc.units import format_bytes, format_count

_CODE = "CV100"
_MEMORY = {"weight_memory": "weight_bytes", "activation_memory": "activation_bytes", "peak_memory": "peak_bytes"}
_LAYER_MEMORY = {"weight_memory": "weight_bytes", "activation_memory": "output_bytes"}
_MOST_NAMED = 3  # layers that are named with a breach


def breaches(report: Report, outside: Iterable[Limit] = ()) -> list[Problem]:
    """Every limit that is not kept: those of the spec, and those from outside of it."""
    return [problem for limit in (*report.network.budget, *outside) for problem in _check_limit(report, limit)]


def _check_limit(report: Report, limit: Limit) -> Iterator[Problem]:
    """The breach of one limit, or of one pattern's layers."""
    if limit.pattern is not None:
        for layer in report.layers:
            if fnmatchcase(layer.name, limit.pattern):
                yield from _check_bounds(limit, layer_figure(layer, limit.metric), f"{layer.name}: {limit.metric}", "")
    elif limit.metric == "output_shape":
        yield from _check_output_shapes(report, limit)
    elif limit.metric == "receptive_field":
        yield from _check_receptive_fields(report, limit)
    else:
        yield from _check_bounds(limit, figure(report, limit.metric), limit.metric, _largest_hint(report, limit.metric))


def figure(report: Report, metric: str) -> int | None:
    """The network's figure of a metric, None where it is not known."""
    found: int | None = getattr(report.totals, _MEMORY.get(metric, metric))
    return found


def layer_figure(layer: LayerReport, metric: str) -> int | None:
    """One layer's figure of a metric, None where it is not known."""
    found: int | None = getattr(layer, _LAYER_MEMORY.get(metric, metric))
    return found


def _check_bounds(limit: Limit, value: int | None, what: str, hint: str) -> Iterator[Problem]:
    """A figure over its maximum or under its minimum, or one that is not known: then no budget is kept."""
    if value is None:
        yield _make_problem(limit, f"{what} is not known", hint)
        return
    if limit.maximum is not None and value > limit.maximum:
        excess = f", {_percent_text(value - limit.maximum, limit.maximum)} over" if limit.maximum else ""
        most = _figure_text(limit.metric, limit.maximum)
        yield _make_problem(
            limit, f"{what} is {_figure_text(limit.metric, value)}: at most {most} is allowed{excess}", hint
        )
    if limit.minimum is not None and value < limit.minimum:
        lack = _percent_text(limit.minimum - value, limit.minimum)
        least = _figure_text(limit.metric, limit.minimum)
        yield _make_problem(
            limit, f"{what} is {_figure_text(limit.metric, value)}: at least {least} is due, {lack} under", ""
        )


def _make_problem(limit: Limit, message: str, hint: str) -> Problem:
    """A breach at its budget's line."""
    origin = f" ({limit.origin})" if limit.origin else ""
    return Problem(limit.path, message + origin, _CODE, hint)


def _figure_text(metric: str, value: int | None) -> str:
    """A figure, exact and in short where it is large."""
    short = format_bytes(value) if metric in _MEMORY else format_count(value)
    if value is None or (metric in _MEMORY and value < 1000):
        return short  # bytes with their unit
    return f"{value:,}" if value < 1000 else f"{value:,} ({short})"


def _percent_text(part: int, whole: int) -> str:
    """A share in per cent."""
    return f"{100 * part / whole:,.1f} %"


def _largest_hint(report: Report, metric: str) -> str:
    """The layers that cost most."""
    if metric == "layers":
        return ""
    if metric == "peak_memory":
        return f"the peak is at {report.totals.peak_at}: convcalc memory says what would lower it"
    if figure(report, metric) is None:
        return _unknown_hint(report, metric)
    layers = sorted(report.layers, key=lambda layer: -(layer_figure(layer, metric) or 0))[:_MOST_NAMED]
    named = [f"{layer.name} ({_figure_text(metric, layer_figure(layer, metric))})" for layer in layers]
    return f"the most cost {', '.join(named)}"


def _unknown_hint(report: Report, metric: str) -> str:
    """The layers whose figure of a metric is not known."""
    names = [layer.name for layer in report.layers if layer_figure(layer, metric) is None]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"the {metric} of {', '.join(names[:_MOST_NAMED])}{more} cannot be counted"


def _check_output_shapes(report: Report, limit: Limit) -> Iterator[Problem]:
    """Outputs of another shape than is due."""
    for name, shape in report.outputs().items():
        if limit.output in (None, name) and limit.shape is not None and shape.sizes != limit.shape:
            due = "×".join(map(str, limit.shape))
            yield _make_problem(limit, f"the output {name} is {shape}, and {due} is due", "")


def _check_receptive_fields(report: Report, limit: Limit) -> Iterator[Problem]:
    """Outputs whose receptive field is too small or too large along an axis."""
    for name, (layer, field) in output_fields(report).items():
        if limit.output not in (None, name):
            continue
        what = f"the receptive field of {layer}"
        if field.size is None:
            yield _make_problem(limit, f"{what} is not known", "")
            continue
        largest, smallest = max(field.size, default=0), min(field.size_min or field.size, default=0)
        yield from _check_bounds(limit._replace(minimum=None), largest, what, "")
        yield from _check_bounds(limit._replace(maximum=None), smallest, what, "")


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
