"""Finds the values of spec parameters for which a network is within its budget, by analysing every combination.

`fit` takes spec parameters with the values to try, limits and an order, and returns the result of each combination.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from itertools import product
from math import inf, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.analysis.budgets import figure, find_breaches, layer_figure, output_fields
from convcalc.analysis.report import Report, analyse
from convcalc.network import Limit, Network
from convcalc.problems import Flaw, InvalidSpec, Problem, printable, show
from convcalc.spec.budget import COUNTS, MEMORY
from convcalc.spec.inputs import Overrides, WrongOverride

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

METRICS = (*COUNTS, *MEMORY)
_MOST_COMBINATIONS = 10_000
_NUMBER = r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})", re.ASCII)
Load = Callable[[Overrides], Network]


class Param(NamedTuple):
    """The name of a spec parameter, and the values to try, in the order in which they are tried."""

    name: str
    values: tuple[Any, ...]


class Trial(NamedTuple):
    """One combination of parameter values, and the result of analysing the network with these values.

    `place` has one index per spec parameter: the index of its value in `Param.values`. `figures` are the network's
    totals by metric; if the spec is invalid, `figures` is None and `problem` is the first problem. `broken` has one
    message for each violated limit. `miss` is the largest violation, relative to the limit: 0.1 for 10% above a
    maximum.
    """

    place: tuple[int, ...]
    values: dict[str, Any]
    figures: dict[str, int | None] | None
    broken: tuple[str, ...] = ()
    miss: float = 0
    problem: Problem | None = None

    @property
    def is_within_budget(self) -> bool:
        """Whether the spec is valid and the network is within every limit."""
        return self.figures is not None and not self.broken


class Order(NamedTuple):
    """How to rank the combinations within the budget: by `metric`, largest first unless `smallest` is true."""

    metric: str
    smallest: bool = False


class Setup(NamedTuple):
    """The settings that all combinations share: overrides of the spec, and two arguments of `analyse`."""

    overrides: Overrides
    inplace: bool = True
    fold_batchnorm: bool = False


class Fit(NamedTuple):
    """The results of all combinations (`trials`), in the order in which they were tried.

    `network` is the network of the first valid combination. `limits` are the limits in its spec, and those passed to
    `fit`.
    """

    params: tuple[Param, ...]
    setup: Setup
    order: Order
    network: Network
    limits: tuple[Limit, ...]
    trials: tuple[Trial, ...]

    def __repr__(self) -> str:
        counts = f"{len(self.trials):,} combinations, {len(self.within_budget):,} within the budget"
        return f"<Fit of {printable(self.network.name)}: {counts}>"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.fit import MOST_ROWS, fit_lines
        from convcalc.render.lines import RichBlocks

        return RichBlocks(lambda width: fit_lines(self, width, MOST_ROWS))

    @property
    def within_budget(self) -> list[Trial]:
        """The combinations within the budget, sorted by `order.metric`; those whose metric is unknown come last.

        Combinations with the same metric are sorted by the value of the last parameter, then of the one before it, and
        so on. Parameters with values that are not numbers are skipped. As for the metric, the largest value comes
        first, or the smallest if `order.smallest` is true.
        """
        numeric = [param.name for param in reversed(self.params) if all(map(_is_number, param.values))]
        return sorted(
            (trial for trial in self.trials if trial.is_within_budget), key=partial(self._make_sort_key, numeric)
        )

    def _make_sort_key(self, numeric: Sequence[str], trial: Trial) -> tuple[Any, ...]:
        """Return the key by which `within_budget` sorts; `numeric` are the parameters that break ties, in order."""
        sign = 1 if self.order.smallest else -1
        value = _get_figure(trial, self.order.metric)
        return (value is None, sign * (value or 0), *(sign * trial.values[name] for name in numeric))

    @property
    def invalid(self) -> list[Trial]:
        """The combinations for which the spec is invalid."""
        return [trial for trial in self.trials if trial.figures is None]

    @property
    def nearest(self) -> Trial | None:
        """The combination with the smallest violation of its limits; None if no combination exceeds the budget."""
        breaking = [trial for trial in self.trials if trial.broken]
        return min(breaking, key=lambda trial: trial.miss, default=None)

    @property
    def first_exceeding(self) -> list[Trial]:
        """The combinations nearest to the best one that exceed the budget, at most two per spec parameter.

        They differ from the best combination in one parameter: its next values are tried until the budget is exceeded,
        and likewise its previous values. Empty if no combination is within the budget.
        """
        best = next(iter(self.within_budget), None)
        if best is None:
            return []
        by_place = {trial.place: trial for trial in self.trials}
        ways = [
            range_of
            for place, param in enumerate(self.params)
            for range_of in (
                _replace_index(best.place, place, range(best.place[place] + 1, len(param.values))),
                _replace_index(best.place, place, range(best.place[place] - 1, -1, -1)),
            )
        ]
        first = (next((by_place[place] for place in way if by_place[place].broken), None) for way in ways)
        return [trial for trial in first if trial is not None]


def _replace_index(place: tuple[int, ...], axis: int, indexes: Iterable[int]) -> list[tuple[int, ...]]:
    return [(*place[:axis], index, *place[axis + 1 :]) for index in indexes]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _get_figure(trial: Trial, metric: str) -> int | None:
    assert trial.figures is not None
    return trial.figures[metric]


# -- the values to try


def expand_values(written: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values to try, with ranges `start:stop:step` expanded and duplicates removed.

    Raises Flaw if a range is malformed or there are no values.
    """
    found: dict[str, Any] = {}
    for item in written:
        for value in _expand_range(item) if isinstance(item, str) else [item]:
            found.setdefault(repr(value), value)
    if not found:
        raise Flaw("no values to try")
    return tuple(found.values())


def _expand_range(text: str) -> list[Any]:
    """Return the values of a range such as `0.25:1.5:0.05`; any other text is returned as the only value.

    The stop is included if a step reaches it. Steps are exact: 0.25 + 0.05 is 0.3. The values are integers if start,
    stop and step are. Raises Flaw if the range is malformed or too long.
    """
    from fractions import Fraction

    match = _RANGE.fullmatch(text)
    if match is None:
        if (":" in text or ".." in text) and re.fullmatch(r"[-+.:0-9eE ]+", text):
            raise Flaw(f"{show(text)} is not a range", "use start:stop:step, such as 0.25:1.5:0.05")
        return [text]
    start, stop, step = map(Fraction, match.groups())
    if not step or (stop - start) / step < 0:
        raise Flaw(f"a step of {match[3]} never leads from {match[1]} to {match[2]}")
    count = (stop - start) // step + 1
    if count > _MOST_COMBINATIONS:
        raise _too_many(count)
    number = float if "." in text else int
    return [number(start + index * step) for index in range(count)]


def _too_many(count: int) -> Flaw:
    return Flaw(f"{count:,} combinations exceed the limit of {_MOST_COMBINATIONS:,}", "use a larger step")


# -- analysing the combinations


def fit(load: Load, setup: Setup, params: Sequence[Param], outside: Sequence[Limit], order: Order) -> Fit:
    """Analyse every combination of the parameters' values and return the results.

    `load` returns the network for given overrides. `outside` are limits that apply in addition to those in the spec.
    `order` is the order of the combinations in `Fit.within_budget`. Raises Flaw if there are too many combinations,
    WrongOverride if the spec has no such parameter, and InvalidSpec if the spec is invalid for every combination.
    """
    count = prod(len(param.values) for param in params)
    if count > _MOST_COMBINATIONS:
        raise _too_many(count)
    overrides, network, errors, trials = setup.overrides, None, [], []
    for place in product(*(range(len(param.values)) for param in params)):
        values = {param.name: param.values[index] for param, index in zip(params, place, strict=True)}
        given = overrides.with_params({**overrides.params, **values})
        try:
            found = load(given)
        except WrongOverride:
            raise
        except InvalidSpec as error:
            errors.append(error)
            trials.append(Trial(place, values, None, problem=error.problems[0]))
            continue
        network = network or found
        report = analyse(found, inplace=setup.inplace, fold_batchnorm=setup.fold_batchnorm)
        trials.append(_analyse_trial(place, values, report, outside))
    if network is None:
        raise errors[0]
    return Fit(tuple(params), setup, order, network, (*network.budget, *outside), tuple(trials))


def _analyse_trial(place: tuple[int, ...], values: dict[str, Any], report: Report, outside: Sequence[Limit]) -> Trial:
    broken = tuple(problem.message for problem in find_breaches(report, outside))
    miss = max(_measure_miss(report, limit) for limit in (*report.network.budget, *outside)) if broken else 0
    return Trial(place, values, {metric: figure(report, metric) for metric in METRICS}, broken, miss)


def _measure_miss(report: Report, limit: Limit) -> float:
    """Return the largest violation of a limit, relative to the limit: 0.1 for 10% above a maximum, 0 for none.

    Return infinity if a value is unknown or an output has the wrong shape.
    """
    if limit.metric == "output_shape":
        shapes = [shape for name, shape in report.outputs().items() if limit.output in (None, name)]
        return 0 if all(shape.sizes == limit.shape for shape in shapes) else inf
    return max((_relative_miss(value, limit) for value in _list_limited_figures(report, limit)), default=0)


def _list_limited_figures(report: Report, limit: Limit) -> list[int | None]:
    if limit.pattern is not None:
        named = (layer for layer in report.layers if fnmatchcase(layer.name, limit.pattern))
        return [layer_figure(layer, limit.metric) for layer in named]
    if limit.metric == "receptive_field":
        fields = [field for name, (_, field) in output_fields(report).items() if limit.output in (None, name)]
        return [size for field in fields for size in (field.size_min or field.size or (None,)) + (field.size or ())]
    return [figure(report, limit.metric)]


def _relative_miss(value: int | None, limit: Limit) -> float:
    """Return by how much `value` violates a limit, relative to the limit: 0.1 for 110 with a maximum of 100.

    Return infinity if the value is unknown, or if the maximum is 0 and exceeded.
    """
    if value is None:
        return inf
    if limit.maximum is not None and value > limit.maximum:
        return (value - limit.maximum) / limit.maximum if limit.maximum else inf
    if limit.minimum is not None and value < limit.minimum:
        return (limit.minimum - value) / limit.minimum
    return 0
