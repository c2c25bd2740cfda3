"""Checks the figures of a report against the limits of the spec, the command line and the configuration.

Each violation is a `Problem`, such as "72,344 params exceed the budget of 50,000 by 44.7%".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol

from convcalc.analysis.receptive_field import Field, FieldReport, field_report, input_size
from convcalc.analysis.report import LayerReport, Report
from convcalc.analysis.training import Training
from convcalc.exact import largest, least
from convcalc.metrics.figures import figure
from convcalc.network import Limit, Network
from convcalc.problems import Problem
from convcalc.shape import Shape
from convcalc.spec.budget_metrics import DEVICE, LATENCY, MEASURED
from convcalc.units import format_bytes, format_duration

_CODE = "CV100"
_MEMORY = ("weight_memory", "activation_memory", "peak_memory", *DEVICE)
_COUNTS = ("layers", "params", "trainable_params", "buffers", "multiplications", "additions", "macs", "flops")
_NAMES = {"macs": "MACs", "flops": "FLOPs", "trainable_params": "trainable params"}
_MOST_NAMED = 3  # maximum number of layers named in a hint


class Figures(Protocol):
    """The parts of a `Report` that budgets need; any other object with these attributes can be checked too."""

    @property
    def network(self) -> Network:
        """The network."""

    @property
    def trained(self) -> Network:
        """The network as written, before batch norms are folded."""

    @property
    def layers(self) -> Sequence[Any]:
        """The figures of each layer, with its name."""

    @property
    def totals(self) -> Any:
        """The figures of the whole network."""

    @property
    def tensor_bytes(self) -> tuple[int, ...]:
        """The bytes of all tensors, by tensor number."""

    @property
    def fields(self) -> Sequence[Field]:
        """The receptive fields of all tensors."""

    def outputs(self) -> dict[str, Shape]:
        """Return the shapes of the network's outputs by name."""

    def training(self) -> Training:
        """Return the memory for training."""

    def __hash__(self) -> int:
        """Return the hash of an object that is equal only to itself."""


class BudgetUse(NamedTuple):
    """A row of the table of budgets, as texts: `params`, `72,344`, `100,000`, `72.3%`.

    If the value is unknown, `used` is `?` and `percent` is empty. `percent` is also empty for a minimum, for a maximum
    of 0, and for an output shape.
    """

    budget: str
    used: str
    limit: str
    percent: str


class LimitUse(NamedTuple):
    """A value and the limit that applies to it: a number (None: unknown) and its bound, or two output shapes.

    `name` is that of the metric, after the name of the layer if there is one, such as `conv1: MACs`.
    """

    name: str
    metric: str
    used: int | tuple[int, ...] | None
    limit: int | tuple[int, ...]
    is_minimum: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the limit is respected; False if the value is unknown."""
        if not (isinstance(self.used, int) and isinstance(self.limit, int)):
            return self.used == self.limit
        return self.used >= self.limit if self.is_minimum else self.used <= self.limit

    @property
    def share(self) -> float | None:
        """The value in proportion to the limit; None if it is unknown, or if the limit is a minimum, 0 or a shape."""
        if self.is_minimum or not (isinstance(self.used, int) and isinstance(self.limit, int)) or not self.limit:
            return None
        return self.used / self.limit


class LimitedFigure(NamedTuple):
    """A value that has a limit, such as the params of `conv1`; None means unknown.

    `smallest` and `largest` differ only for a receptive field, whose size depends on axis and position. `where` is the
    start of messages about the value, such as `conv1: `; it is empty for a total.
    """

    where: str
    smallest: int | None
    largest: int | None


def find_breaches(report: Report, outside: Iterable[Limit] = ()) -> list[Problem]:
    """Return one problem per violated limit in the spec's budget and in `outside`."""
    limits = list_limits(report.network, outside)
    return [problem for limit in limits for problem in _check_limit(report, limit)]


def list_limits(network: Network, outside: Iterable[Limit] = (), spec_budget: bool = True) -> tuple[Limit, ...]:
    """Return the limits of the spec's budget, unless it is ignored, and those in `outside`; see `complete_limits`."""
    return complete_limits((*(network.budget if spec_budget else ()), *outside))


def complete_limits(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Return the limits; one that only names a board gets the memory of the board as its maximum."""
    if not any(limit.device for limit in limits):
        return limits
    from convcalc.metrics.device_figures import complete_limit

    return tuple(map(complete_limit, limits))


def measure_budgets(report: Report, outside: Iterable[Limit] = ()) -> tuple[BudgetUse, ...]:
    """Return `measure_limits` as texts, in the order of the limits."""
    return tuple(dict.fromkeys(map(format_limit, measure_limits(report, outside))))


def format_limit(use: LimitUse) -> BudgetUse:
    """Return how much of a limit is used, as texts."""
    used, limit = (_format_short(use.metric, value) for value in (use.used, use.limit))
    percent = "" if use.share is None else f"{100 * use.share:,.1f}%"
    return BudgetUse(use.name, used, f"≥ {limit}" if use.is_minimum else limit, percent)


def _format_short(metric: str, value: int | tuple[int, ...] | None) -> str:
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    if value is None:
        return "?"
    if metric == LATENCY:
        return format_duration(value * 1e-9)
    return format_bytes(value) if metric in _MEMORY else f"{value:,}"


def measure_limits(report: Report, outside: Iterable[Limit] = ()) -> tuple[LimitUse, ...]:
    """Return how much of each limit in the spec's budget and in `outside` is used, in the order of the limits.

    A limit on the layers that match a pattern gets one row, about a single layer: the first one with an unknown value
    or, if all values are known, the one with the largest value (for a maximum) or the smallest (for a minimum).
    """
    limits = list_limits(report.network, outside)
    uses = (use for limit in limits for use in _measure_limit(report, limit))
    return tuple(dict.fromkeys(uses))


def _measure_limit(report: Report, limit: Limit) -> Iterator[LimitUse]:
    for name, shape in select_limited_shapes(report, limit).items():
        yield LimitUse(f"output {name}", limit.metric, shape.sizes, limit.shape or ())
    found = select_limited_figures(report, limit)
    if limit.pattern is None:
        for one in found:
            yield from _compare_with_bounds(limit, one)
        return
    unknown = next((one for one in found if one.largest is None), None)
    largest = unknown or max(found, key=lambda one: one.largest or 0)
    smallest = unknown or min(found, key=lambda one: one.smallest or 0)
    yield from _compare_with_bounds(limit._replace(minimum=None), largest)
    yield from _compare_with_bounds(limit._replace(maximum=None), smallest)


def select_limited_shapes(report: Figures, limit: Limit) -> dict[str, Shape]:
    """Return the shapes of the outputs that a limit applies to, by name; empty for a limit on anything else."""
    if limit.shape is None:
        return {}
    return {name: shape for name, shape in report.outputs().items() if limit.output in (None, name)}


def select_limited_figures(report: Figures, limit: Limit) -> list[LimitedFigure]:
    """Return the values that a limit applies to; empty for a limit on output shapes.

    A limit with a pattern applies to each matching layer, a limit on the receptive field to each network output, and
    any other limit to the network's total.
    """
    if limit.pattern is not None:
        layers = [layer for layer in report.layers if fnmatchcase(layer.name, limit.pattern)]
        values = [(f"{layer.name}: ", layer_figure(layer, limit.metric)) for layer in layers]
        return [LimitedFigure(where, value, value) for where, value in values]
    if limit.metric == "output_shape":
        return []
    if limit.metric == "receptive_field":
        fields = [found for name, found in output_fields(report).items() if limit.output in (None, name)]
        return [LimitedFigure(f"{layer}: ", *_find_field_bounds(field)) for layer, field in fields]
    value = limited_total(report, limit)
    return [LimitedFigure("", value, value)]


def limited_total(report: Figures, limit: Limit) -> int | None:
    """Return the network's value of the metric of a limit; None if it is unknown. Latency is in nanoseconds."""
    if limit.metric not in MEASURED:
        return figure(report, limit.metric)
    from convcalc.metrics.device_figures import find_target, whole_device_figure

    return whole_device_figure(report, limit.metric, find_target(limit))


def _find_field_bounds(field: FieldReport) -> tuple[int | None, int | None]:
    """Return the smallest and the largest size of a receptive field over all axes; (None, None) if it is unknown."""
    if field.size is None:
        return None, None
    return least(*(field.size_min or field.size)) if field.size else 0, largest(0, *field.size)


def _compare_with_bounds(limit: Limit, found: LimitedFigure) -> Iterator[LimitUse]:
    name = found.where + _name_limit(limit)
    if limit.maximum is not None:
        yield LimitUse(name, limit.metric, found.largest, limit.maximum)
    if limit.minimum is not None:
        yield LimitUse(name, limit.metric, found.smallest, limit.minimum, is_minimum=True)


def _metric_name(metric: str) -> str:
    return _NAMES.get(metric, metric.replace("_", " "))


def _name_limit(limit: Limit) -> str:
    """Return the name of a limit's metric, its device and its runtime: `latency on rtx4090`, `arena with liveness`."""
    where = (f" on {limit.device}" if limit.device else "") + (f" with {limit.runtime}" if limit.runtime else "")
    return _metric_name(limit.metric) + where


def _check_limit(report: Report, limit: Limit) -> Iterator[Problem]:
    yield from check_limited_shapes(limit, select_limited_shapes(report, limit))
    for found in select_limited_figures(report, limit):
        hint = "" if found.where else _write_hint(report, limit)
        yield from check_limited_figure(limit, found, hint)


def check_limited_shapes(limit: Limit, shapes: Mapping[str, Shape]) -> Iterator[Problem]:
    """Yield a problem for each output, by name, whose shape is not the required one."""
    for name, shape in shapes.items():
        if shape.sizes != limit.shape:
            required = "×".join(map(str, limit.shape or ()))
            yield _make_problem(limit, f"output {name} has shape {shape}; the budget requires {required}", "")


def check_limited_figure(limit: Limit, found: LimitedFigure, hint: str = "") -> Iterator[Problem]:
    """Yield a problem if a value is unknown or above the maximum of its limit, and one if it is below the minimum."""
    yield from _check_bounds(limit._replace(minimum=None), found.largest, found.where, hint)
    if found.smallest is not None:
        yield from _check_bounds(limit._replace(maximum=None), found.smallest, found.where, hint)


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
    if metric == LATENCY:
        return format_duration(value * 1e-9) if value < 1000 else f"{format_duration(value * 1e-9)} ({value:,} ns)"
    if metric not in _MEMORY:
        return f"{value:,}"
    return format_bytes(value) if value < 1000 else f"{value:,} B ({format_bytes(value)})"


def _percent_text(part: int, whole: int) -> str:
    return f"{100 * part / whole:,.1f}%"


def _write_hint(report: Report, limit: Limit) -> str:
    if limit.metric not in MEASURED:
        return _write_hint_on_largest(report, limit.metric)
    from convcalc.metrics.device_figures import explain_unknown, find_target

    options = (f" --device {limit.device}" if limit.device else "") + (
        f" --runtime {limit.runtime}" if limit.runtime else ""
    )
    advice = (
        f"convcalc latency{options} shows the layers that take longest"
        if limit.metric == LATENCY
        else f"convcalc mcu{options} shows what would lower it"
    )
    return explain_unknown(report, limit.metric, find_target(limit)) or advice


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


def output_fields(report: Figures) -> dict[str, tuple[str, FieldReport]]:
    """Return, by name of a network output, the name of a layer and its receptive field.

    The layer is the one that produces the output. However, if the network has a single output, and that output has no
    positions (after global pooling), the layer is the last one with positions, unless the field of that one is unknown.
    """
    network, whole = report.network, input_size(report.network)
    found = {}
    for name, tensor in network.outputs.items():
        is_known = report.totals.receptive_field.size is not None
        if report.fields[tensor].collapsed and len(network.outputs) == 1 and is_known:
            found[name] = (report.totals.receptive_field_at, report.totals.receptive_field)
        else:
            field = field_report(report.fields[tensor], network.tensor_shape(tensor).spatial, whole)
            found[name] = (name, field)
    return found
