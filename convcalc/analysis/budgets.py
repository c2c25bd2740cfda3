"""Checks the figures of a report against the limits of the spec, the command line and the configuration.

Each violation is a `Problem`, such as "72,344 params exceed the budget of 50,000 by 44.7%".
"""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from convcalc.analysis.receptive_field import FieldReport, field_report, input_size
from convcalc.analysis.report import LayerReport, Report
from convcalc.network import Limit
from convcalc.problems import Problem
from convcalc.shape import Shape
from convcalc.units import format_bytes, format_duration

_CODE = "CV100"
_DEVICE = ("arena", "flash")
_LATENCY = "latency"  # in nanoseconds
_MEMORY = ("weight_memory", "activation_memory", "peak_memory", *_DEVICE)
_COUNTS = ("layers", "params", "trainable_params", "buffers", "multiplications", "additions", "macs", "flops")
_NAMES = {"macs": "MACs", "flops": "FLOPs", "trainable_params": "trainable params"}
_MOST_NAMED = 3  # maximum number of layers named in a hint


class BudgetUse(NamedTuple):
    """A row of the table of budgets, as texts: `params`, `72,344`, `100,000`, `72.3%`.

    If the value is unknown, `used` is `?` and `percent` is empty. `percent` is also empty for a minimum, for a maximum
    of 0, and for an output shape.
    """

    budget: str
    used: str
    limit: str
    percent: str


class _LimitedFigure(NamedTuple):
    """A value that has a limit, such as the params of `conv1`; None means unknown.

    `smallest` and `largest` differ only for a receptive field, whose size depends on axis and position. `where` is the
    start of messages about the value, such as `conv1: `; it is empty for a total.
    """

    where: str
    smallest: int | None
    largest: int | None


def find_breaches(report: Report, outside: Iterable[Limit] = ()) -> list[Problem]:
    """Return one problem per violated limit in the spec's budget and in `outside`."""
    return [problem for limit in (*report.network.budget, *outside) for problem in _check_limit(report, limit)]


def measure_budgets(report: Report, outside: Iterable[Limit] = ()) -> tuple[BudgetUse, ...]:
    """Return how much of each limit in the spec's budget and in `outside` is used, in the order of the limits.

    A limit on the layers that match a pattern gets one row, about a single layer: the first one with an unknown value
    or, if all values are known, the one with the largest value (for a maximum) or the smallest (for a minimum).
    """
    uses = (use for limit in (*report.network.budget, *outside) for use in _measure_limit(report, limit))
    return tuple(dict.fromkeys(uses))


def _measure_limit(report: Report, limit: Limit) -> Iterator[BudgetUse]:
    for name, shape in _select_limited_shapes(report, limit).items():
        required = "×".join(map(str, limit.shape or ()))
        yield BudgetUse(f"output {name}", "×".join(map(str, shape.sizes)), required, "")
    found = _select_limited_figures(report, limit)
    if limit.pattern is None:
        for one in found:
            yield from _compare_with_bounds(limit, one)
        return
    unknown = next((one for one in found if one.largest is None), None)
    largest = unknown or max(found, key=lambda one: one.largest or 0)
    smallest = unknown or min(found, key=lambda one: one.smallest or 0)
    yield from _compare_with_bounds(limit._replace(minimum=None), largest)
    yield from _compare_with_bounds(limit._replace(maximum=None), smallest)


def _select_limited_shapes(report: Report, limit: Limit) -> dict[str, Shape]:
    if limit.shape is None:
        return {}
    return {name: shape for name, shape in report.outputs().items() if limit.output in (None, name)}


def _select_limited_figures(report: Report, limit: Limit) -> list[_LimitedFigure]:
    """Return the values that a limit applies to; empty for a limit on output shapes.

    A limit with a pattern applies to each matching layer, a limit on the receptive field to each network output, and
    any other limit to the network's total.
    """
    if limit.pattern is not None:
        layers = [layer for layer in report.layers if fnmatchcase(layer.name, limit.pattern)]
        values = [(f"{layer.name}: ", layer_figure(layer, limit.metric)) for layer in layers]
        return [_LimitedFigure(where, value, value) for where, value in values]
    if limit.metric == "output_shape":
        return []
    if limit.metric == "receptive_field":
        fields = [found for name, found in output_fields(report).items() if limit.output in (None, name)]
        return [_LimitedFigure(f"{layer}: ", *_find_field_bounds(field)) for layer, field in fields]
    value = figure(report, limit.metric, limit.runtime)
    return [_LimitedFigure("", value, value)]


def _find_field_bounds(field: FieldReport) -> tuple[int | None, int | None]:
    """Return the smallest and the largest size of a receptive field over all axes; (None, None) if it is unknown."""
    if field.size is None:
        return None, None
    return min(field.size_min or field.size, default=0), max(field.size, default=0)


def _compare_with_bounds(limit: Limit, found: _LimitedFigure) -> Iterator[BudgetUse]:
    name = found.where + _name_limit(limit)
    short = _choose_format(limit.metric)
    used = ["?" if value is None else short(value) for value in (found.smallest, found.largest)]
    if limit.maximum is not None:
        has_percent = limit.maximum and found.largest is not None
        percent = _percent_text(found.largest or 0, limit.maximum) if has_percent else ""
        yield BudgetUse(name, used[1], short(limit.maximum), percent)
    if limit.minimum is not None:
        yield BudgetUse(name, used[0], f"≥ {short(limit.minimum)}", "")


def _choose_format(metric: str) -> Callable[[int], str]:
    """Return the function that writes a value of a metric briefly."""
    if metric == _LATENCY:
        return lambda nanoseconds: format_duration(nanoseconds * 1e-9)
    return format_bytes if metric in _MEMORY else "{:,}".format


def _metric_name(metric: str) -> str:
    return _NAMES.get(metric, metric.replace("_", " "))


def _name_limit(limit: Limit) -> str:
    """Return the name of a limit's metric and its runtime or device: `arena with liveness`, `latency on rtx4090`."""
    word = "on" if limit.metric == _LATENCY else "with"
    return _metric_name(limit.metric) + (f" {word} {limit.runtime}" if limit.runtime else "")


def _check_limit(report: Report, limit: Limit) -> Iterator[Problem]:
    for name, shape in _select_limited_shapes(report, limit).items():
        if shape.sizes != limit.shape:
            required = "×".join(map(str, limit.shape or ()))
            yield _make_problem(limit, f"output {name} has shape {shape}; the budget requires {required}", "")
    for where, smallest, largest in _select_limited_figures(report, limit):
        hint = "" if where else _write_hint(report, limit)
        yield from _check_bounds(limit._replace(minimum=None), largest, where, hint)
        if smallest is not None:
            yield from _check_bounds(limit._replace(maximum=None), smallest, where, hint)


def figure(report: Report, metric: str, runtime: str = "") -> int | None:
    """Return the network's value of a metric, such as `params`; None if it is unknown.

    `runtime` names the runtime for a metric of microcontrollers, in int8; by default, it is the first one. For the
    latency, in nanoseconds, it names the device; of a range, the larger bound counts.
    """
    if metric == _LATENCY:
        time = _measure_latency(report, runtime)
        return None if isinstance(time, str) else time
    if metric in _DEVICE:
        found = _measure_device(report, runtime)
        return None if isinstance(found, str) else found[_DEVICE.index(metric)]
    value: int | None = getattr(report.totals, metric)
    return value


def _measure_device(report: Report, runtime: str) -> tuple[int, int] | str:
    """Return the bytes of the arena and of flash on a microcontroller, or why they are unknown."""
    from convcalc.device.mcu import measure_network  # imported only for budgets that need it
    from convcalc.device.program import NoOperator
    from convcalc.device.runtime_names import DEFAULT_RUNTIME
    from convcalc.device.runtimes import find_runtime

    try:
        found = measure_network(report.trained, find_runtime(runtime or DEFAULT_RUNTIME))
    except NoOperator as error:
        return str(error)
    return found.arena, found.flash.total


def _measure_latency(report: Report, device: str) -> int | str:
    """Return the nanoseconds that a batch takes on a device, fused, or why they are unknown."""
    from convcalc.device.device_file import find_device  # imported only for budgets that need it
    from convcalc.device.latency import estimate_latency
    from convcalc.problems import Flaw

    try:
        found = estimate_latency(report, find_device(device))
    except Flaw as flaw:
        return f"{flaw.message}: {flaw.hint}"
    if found.total is None:
        return f"unknown for: {', '.join(layer.name for layer in found.unknown[:_MOST_NAMED])}"
    return round(found.total.high * 1e9)


def layer_figure(layer: LayerReport, metric: str) -> int | None:
    """Return one layer's value of a metric, such as `params`; None if it is unknown."""
    found: int | None = getattr(layer, metric)
    return found


def _check_bounds(limit: Limit, value: int | None, where: str, hint: str) -> Iterator[Problem]:
    """Yield a problem if `value` is unknown, above the limit's maximum, or below its minimum.

    `where` is the start of the message, such as `conv1: `. The `hint` is not added to a problem about the minimum.
    """
    metric = limit.metric
    name = _name_limit(limit)
    is_count = metric in _COUNTS
    if value is None:
        message = f"{where}{name} {'are' if is_count else 'is'} unknown, so the budget cannot be verified"
        yield _make_problem(limit, message, hint)
        return
    shown = (
        f"{value:,} {name if value != 1 else name[:-1]}" if is_count else f"{name} of {_format_figure(metric, value)}"
    )
    if limit.maximum is not None and value > limit.maximum:
        verb = "exceed" if is_count and value != 1 else "exceeds"
        by = f" by {_percent_text(value - limit.maximum, limit.maximum)}" if limit.maximum else ""
        most = _format_figure(metric, limit.maximum)
        yield _make_problem(limit, f"{where}{shown} {verb} the budget of {most}{by}", hint)
    if limit.minimum is not None and value < limit.minimum:
        verb = "are" if is_count and value != 1 else "is"
        by = _percent_text(limit.minimum - value, limit.minimum)
        least = _format_figure(metric, limit.minimum)
        yield _make_problem(limit, f"{where}{shown} {verb} below the minimum of {least} by {by}", "")


def _make_problem(limit: Limit, message: str, hint: str) -> Problem:
    origin = f" ({limit.origin})" if limit.origin else ""
    return Problem(limit.path, message + origin, _CODE, hint)


def _format_figure(metric: str, value: int | None) -> str:
    """Return a value as text; for memory, in bytes and a larger unit: `262,144 B (256.0 KiB)`; `?` if unknown.

    All digits are shown, so that a value just above its limit differs visibly from the limit.
    """
    if value is None:
        return "?"
    if metric == _LATENCY:
        return format_duration(value * 1e-9) if value < 1000 else f"{format_duration(value * 1e-9)} ({value:,} ns)"
    if metric not in _MEMORY:
        return f"{value:,}"
    return format_bytes(value) if value < 1000 else f"{value:,} B ({format_bytes(value)})"


def _percent_text(part: int, whole: int) -> str:
    return f"{100 * part / whole:,.1f}%"


def _write_hint(report: Report, limit: Limit) -> str:
    """Return a hint for a violated limit."""
    if limit.metric == _LATENCY:
        time = _measure_latency(report, limit.runtime)
        advice = f"convcalc latency --device {limit.runtime} shows the layers that take longest"
        return time if isinstance(time, str) else advice
    if limit.metric not in _DEVICE:
        return _write_hint_on_largest(report, limit.metric)
    found = _measure_device(report, limit.runtime)
    return found if isinstance(found, str) else f"convcalc mcu --runtime {limit.runtime} shows what would lower it"


def _write_hint_on_largest(report: Report, metric: str) -> str:
    """Return a hint such as `largest: fc1 4,096, conv2 512`; "" for the metric `layers`.

    If the metric is unknown, the hint names the layers that cause this; for peak memory, it names the layer at the
    peak.
    """
    if metric == "layers":
        return ""
    if metric == "peak_memory":
        return f"the peak is at {report.totals.peak_at}: convcalc memory shows what would lower it"
    if figure(report, metric) is None:
        return _unknown_hint(report, metric)
    layers = sorted(report.layers, key=lambda layer: -(layer_figure(layer, metric) or 0))[:_MOST_NAMED]
    short = format_bytes if metric in _MEMORY else "{:,}".format
    named = [f"{layer.name} {short(layer_figure(layer, metric) or 0)}" for layer in layers]
    return f"largest: {', '.join(named)}"


def _unknown_hint(report: Report, metric: str) -> str:
    names = [layer.name for layer in report.layers if layer_figure(layer, metric) is None]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"unknown for: {', '.join(names[:_MOST_NAMED])}{more}"


def output_fields(report: Report) -> dict[str, tuple[str, FieldReport]]:
    """Return, by name of a network output, the name of a layer and its receptive field.

    The layer is the one that produces the output. However, if the network has a single output, and that output has no
    positions (after global pooling), the layer is the last one with positions.
    """
    network, whole = report.network, input_size(report.network)
    found = {}
    for name, tensor in network.outputs.items():
        if report.fields[tensor].collapsed and len(network.outputs) == 1:
            found[name] = (report.totals.receptive_field_at, report.totals.receptive_field)
        else:
            field = field_report(report.fields[tensor], network.tensor_shape(tensor).spatial, whole)
            found[name] = (name, field)
    return found
