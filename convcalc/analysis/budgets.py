"""Compare the figures of a report with the limits of the spec's budget and with limits from elsewhere.

For example: `72,344 params exceed the budget of 50,000 by 44.7%`.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from convcalc.analysis.receptive_field import FieldReport, field_report, input_size
from convcalc.analysis.report import LayerReport, Report
from convcalc.network import Limit
from convcalc.problems import Problem
from convcalc.units import format_bytes

CODE = "CV100"
MEMORY = {"weight_memory": "weight_bytes", "activation_memory": "activation_bytes", "peak_memory": "peak_bytes"}
LAYER_MEMORY = {"weight_memory": "weight_bytes", "activation_memory": "output_bytes"}
NOUNS = {"macs": "MACs", "flops": "FLOPs"}
COSTLIEST = 3  # layers that are listed in a hint


def breaches(report: Report, outside: Iterable[Limit] = ()) -> list[Problem]:
    """Return a problem for every limit that is not met: those of the spec's budget, and `outside` ones."""
    return [problem for limit in (*report.network.budget, *outside) for problem in broken(report, limit)]


def broken(report: Report, limit: Limit) -> Iterator[Problem]:
    """Yield a problem for each figure that does not meet a limit."""
    if limit.pattern is not None:
        for layer in report.layers:
            if fnmatchcase(layer.name, limit.pattern):
                yield from over(limit, layer_figure(layer, limit.metric), layer.name)
    elif limit.metric == "output_shape":
        yield from wrong_shapes(report, limit)
    elif limit.metric == "receptive_field":
        yield from wrong_fields(report, limit)
    else:
        yield from over(limit, figure(report, limit.metric), hint=costliest(report, limit.metric))


def figure(report: Report, metric: str) -> int | None:
    """Return the network's figure of a metric, None if it is unknown."""
    found: int | None = getattr(report.totals, MEMORY.get(metric, metric))
    return found


def layer_figure(layer: LayerReport, metric: str) -> int | None:
    """Return one layer's figure of a metric, None if it is unknown."""
    found: int | None = getattr(layer, LAYER_MEMORY.get(metric, metric))
    return found


def over(limit: Limit, value: int | None, layer: str = "", hint: str = "") -> Iterator[Problem]:
    """Yield a problem if a figure exceeds its maximum or falls short of its minimum, or is unknown."""
    if value is None:
        yield breach(limit, f"{unknown_subject(limit.metric, layer)} unknown, so the budget cannot be checked", hint)
        return
    what, is_plural = subject(limit.metric, value, layer)
    if limit.maximum is not None and value > limit.maximum:
        excess = f" by {percent(value - limit.maximum, limit.maximum)}" if limit.maximum else ""
        most = shown(limit.metric, limit.maximum)
        yield breach(limit, f"{what} {'exceed' if is_plural else 'exceeds'} the budget of {most}{excess}", hint)
    if limit.minimum is not None and value < limit.minimum:
        lack, least = percent(limit.minimum - value, limit.minimum), shown(limit.metric, limit.minimum)
        yield breach(limit, f"{what} {'fall' if is_plural else 'falls'} short of the required {least} by {lack}", "")


def subject(metric: str, value: int, layer: str) -> tuple[str, bool]:
    """Return a figure as the subject of a sentence, and whether it is plural: `72,344 params`."""
    if metric == "receptive_field":
        return f"receptive field of {value:,} at {layer}", False
    inside = f" in {layer}" if layer else ""
    if metric in MEMORY:
        return f"{metric.replace('_', ' ')} of {shown(metric, value)}{inside}", False
    return f"{value:,} {NOUNS.get(metric, metric)}{inside}", True


def unknown_subject(metric: str, layer: str) -> str:
    """Return a figure as the subject of a sentence, with its verb: `the MACs of conv1 are`."""
    of = f" of {layer}" if layer else ""
    verb = "is" if metric in MEMORY or metric == "receptive_field" else "are"
    return f"the {NOUNS.get(metric, metric.replace('_', ' '))}{of} {verb}"


def breach(limit: Limit, message: str, hint: str) -> Problem:
    """Return the problem of a limit that is not met, placed at the limit."""
    origin = f" ({limit.origin})" if limit.origin else ""
    return Problem(limit.path, message + origin, CODE, hint)


def shown(metric: str, value: int | None) -> str:
    """Return a figure: an exact number; memory with its unit, and also rounded if it is large."""
    if value is None:
        return "?"
    if metric not in MEMORY:
        return f"{value:,}"
    return format_bytes(value) if value < 1000 else f"{value:,} B ({format_bytes(value)})"


def percent(part: int, whole: int) -> str:
    """Return a fraction as a percentage: `44.7%`."""
    return f"{100 * part / whole:,.1f}%"


def costliest(report: Report, metric: str) -> str:
    """Return a hint with the layers that contribute most."""
    if metric == "layers":
        return ""
    if metric == "peak_memory":
        return f"the peak is at {report.totals.peak_at}: convcalc memory shows what would lower it"
    if figure(report, metric) is None:
        return unknown_hint(report, metric)
    layers = sorted(report.layers, key=lambda layer: -(layer_figure(layer, metric) or 0))[:COSTLIEST]
    named = [f"{layer.name} {shown(metric, layer_figure(layer, metric))}" for layer in layers]
    return f"largest: {', '.join(named)}"


def unknown_hint(report: Report, metric: str) -> str:
    """Return a hint with the layers whose figure is unknown."""
    names = [layer.name for layer in report.layers if layer_figure(layer, metric) is None]
    more = f" and {len(names) - COSTLIEST} more" if len(names) > COSTLIEST else ""
    return f"cannot be counted for {', '.join(names[:COSTLIEST])}{more}"


def wrong_shapes(report: Report, limit: Limit) -> Iterator[Problem]:
    """Yield a problem for each output whose shape is not the required one."""
    for name, shape in report.outputs().items():
        if limit.output in (None, name) and limit.shape is not None and shape.sizes != limit.shape:
            required = "×".join(map(str, limit.shape))
            yield breach(limit, f"the output {name} has shape {shape}; the budget requires {required}", "")


def wrong_fields(report: Report, limit: Limit) -> Iterator[Problem]:
    """Yield a problem for each output whose receptive field is too small or too large along an axis."""
    for name, (layer, field) in output_fields(report).items():
        if limit.output not in (None, name):
            continue
        if field.size is None:
            yield from over(limit, None, layer)
            continue
        largest, smallest = max(field.size, default=0), min(field.size_min or field.size, default=0)
        yield from over(limit._replace(minimum=None), largest, layer)
        yield from over(limit._replace(maximum=None), smallest, layer)


def output_fields(report: Report) -> dict[str, tuple[str, FieldReport]]:
    """Return for each output, by name, the layer that has its receptive field, and that field.

    If the only output has no positions left, these are of the last layer that has positions.
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
