"""Measures by how much a network misses its limits.

For example, a network of 110 params with a budget of 100 misses it by 0.1, a tenth of the limit.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from math import inf

from convcalc.exact import largest
from convcalc.metrics.budgets import Figures, layer_figure, limited_total, list_limits, output_fields
from convcalc.network import Limit


def find_largest_miss(report: Figures, outside: Sequence[Limit] = ()) -> float:
    """Return the largest violation of the limits in the spec's budget and in `outside`, relative to the limit.

    Return 0 if the network is within all limits, and infinity if a value is unknown or an output has the wrong shape.
    """
    return _find_largest(_measure_miss(report, limit) for limit in list_limits(report.network, outside))


def _find_largest(misses: Iterable[float]) -> float:
    found = list(misses)
    return inf if any(miss is inf for miss in found) else largest(0.0, *found)


def _measure_miss(report: Figures, limit: Limit) -> float:
    if limit.metric == "output_shape":
        shapes = [shape for name, shape in report.outputs().items() if limit.output in (None, name)]
        return 0.0 if all(shape.sizes == limit.shape for shape in shapes) else inf
    return _find_largest(measure_relative_miss(value, limit) for value in _list_limited_figures(report, limit))


def _list_limited_figures(report: Figures, limit: Limit) -> list[int | None]:
    if limit.pattern is not None:
        named = (layer for layer in report.layers if fnmatchcase(layer.name, limit.pattern))
        return [layer_figure(layer, limit.metric) for layer in named]
    if limit.metric == "receptive_field":
        fields = [field for name, (_, field) in output_fields(report).items() if limit.output in (None, name)]
        return [size for field in fields for size in (field.size_min or field.size or (None,)) + (field.size or ())]
    return [limited_total(report, limit)]


def measure_relative_miss(value: int | None, limit: Limit) -> float:
    """Return by how much `value` violates a limit, relative to the limit: 0.1 for 110 with a maximum of 100.

    Return infinity if the value is unknown, or if the maximum is 0 and exceeded.
    """
    if value is None:
        return inf
    if limit.maximum == 0 and value > 0:
        return inf
    over = (value - limit.maximum) / limit.maximum if limit.maximum else 0.0
    under = (limit.minimum - value) / limit.minimum if limit.minimum else 0.0
    return largest(0.0, over, under)  # type: ignore[no-any-return]
