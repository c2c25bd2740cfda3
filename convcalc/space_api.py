"""The Python entry point for design spaces: counts, samples and ranks the networks that the choices of a spec describe.

>>> spec = {
...     "space": {"depth": [1, 2, 3], "kernel": {"choices": [3, 5], "per": "copy"}},
...     "input": [4, 8, 8],
...     "layers": [{"conv": {"out_channels": 4, "kernel_size": "$kernel", "padding": "same", "repeat": "$depth"}}],
... }
>>> space = design_space(spec)
>>> space.networks
14
>>> space.within(params=600).count()
8
"""

from __future__ import annotations  # help() shows types by their names

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from convcalc.api import Spec, make_overrides, read_document
from convcalc.network import Limit, Network
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.space.aims import check_known, read_best, read_front
from convcalc.space.coupling import Coupled
from convcalc.space.design_space import LIMITED, DesignSpace, Found, find_peak_range, find_varying_limits, read_space
from convcalc.space.distribution import BINS, PERCENTS, Distribution, count_all, describe_figure
from convcalc.space.sampling import Estimate
from convcalc.space.slots import TooManyFigures

MOST_DRAWN = 100_000
_MOST_BINS = 10_000
_Result = TypeVar("_Result")
Range = float | tuple[float | None, float | None] | None


def design_space(
    net: Spec,
    *,
    params: Mapping[str, Any] | None = None,
    input: Sequence[int] | Mapping[str, int] | None = None,
    inputs: Mapping[str, Sequence[int] | Mapping[str, int]] | None = None,
    batch: int | None = None,
    dtype: str | Mapping[str, str] | None = None,
) -> Space:
    """Return the design space of a spec that has choices for its spec parameters (`space:`).

    `params` fixes choices, or sets other spec parameters; the other arguments are those of `load`. No network is
    listed. Raises InvalidSpec if the spec is invalid, and ValueError if it has no choices, or if its space has too many
    states because later layers depend on too many choices.
    """
    document, overrides = read_document(net, make_overrides(params, input, inputs, batch, dtype))
    if document.model is not None:
        raise ValueError(f"{document.model.format} has no spec parameters to choose values for")
    if isinstance(document.root, dict) and not document.problems and "space" not in document.root:
        raise ValueError("the spec has no choices: add them, such as space: {depth: [2, 3, 4]}")
    try:
        return Space(read_space(document, overrides))
    except Coupled as error:
        raise ValueError(f"{document.invalid([error.problem])}") from None


class Space:
    """All networks that the choices of a spec describe. `network` is the one with the default values."""

    def __init__(self, space: DesignSpace) -> None:
        self._space = space

    def __repr__(self) -> str:
        return f"<Space of {self.network.name}: {self.networks:,} networks>"

    @property
    def network(self) -> Network:
        """The network with the default values."""
        return self._space.network

    @property
    def networks(self) -> int:
        """The number of networks."""
        return count_all(self._space)

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """The values of each spec parameter that are to be chosen from."""
        return {name: choices.values for name, choices in self._space.choices.items()}

    @property
    def peak_memory(self) -> tuple[int, int]:
        """The smallest and the largest peak memory of a network, in bytes."""
        return find_peak_range(self._space)

    def describe(
        self, metric: str, *, percents: Sequence[int] = PERCENTS, bins: int = BINS, exact: bool = False
    ) -> Distribution:
        """Return the distribution of a metric, such as `macs`: min, max, mean, quantiles and a histogram.

        `percents` are the percentages of the quantiles, and `bins` is the largest number of bins. The quantiles and the
        histogram of a large space are rounded, by at most the field `error`, or missing, unless `exact` is true. Raises
        ValueError for an unknown metric, or if exact ones take too long.
        """
        aim = _explain_errors("metric", lambda: read_best(metric))
        _explain_errors("metric", lambda: check_known(aim, self._space.unknown))
        if not 1 <= bins <= _MOST_BINS:
            raise ValueError(f"bins must be from 1 to {_MOST_BINS:,}; got {bins:,}")
        if not all(0 < percent <= 100 for percent in percents):
            raise ValueError(f"percents must be more than 0 and at most 100; got {show(list(percents))}")
        return _explain_errors("describe", lambda: describe_figure(self._space, aim.figure, percents, bins, not exact))

    def within(self, *, spec_budget: bool = True, **limits: Range) -> SpacePart:
        """Return the networks within limits: `within(macs=300e6, params=(1e6, None))`.

        A limit is a maximum, or a pair of a minimum and a maximum, either of which may be None. The spec's own budget
        counts too, unless `spec_budget` is false. Raises ValueError for a metric that cannot be limited.
        """
        found = list(self.network.budget) if spec_budget else []
        varying = sorted(find_varying_limits(self._space)) if spec_budget else []
        if varying:
            raise ValueError(f"the spec's budget depends on {varying[0]}, which has choices: pass spec_budget=False")
        found += [_make_limit(name, limit) for name, limit in limits.items() if limit is not None]
        return SpacePart(self._space, found)


class SpacePart:
    """The networks of a space within limits. Its methods raise ValueError if they would take too long."""

    def __init__(self, space: DesignSpace, limits: list[Limit]) -> None:
        self._space, self._part = space, space.restrict(limits)

    def count(self) -> int:
        """Return the number of networks. Raises ValueError if counting takes too long; see `estimate`."""
        return _explain_errors("count", self._part.count)

    def estimate(self) -> Estimate:
        """Return the number of networks (`networks`), and an interval that contains it (`low`, `high`).

        The three are equal if the number is exact. If counting would take too long, which is rare with a single limit,
        the number is estimated from a sample, and the interval contains it with a probability of 95%.
        """
        return _explain_errors("estimate", self._part.estimate)

    def share(self) -> float:
        """Return the share of the networks of the space that are within the limits, from 0 to 1; see `estimate`."""
        return self.estimate().networks / count_all(self._space)

    def sample(self, number: int, seed: int = 0) -> list[Found]:
        """Return networks that are drawn independently, each with the same probability; [] if there are none."""
        if not 1 <= number <= MOST_DRAWN:
            raise ValueError(f"sample draws from 1 to {MOST_DRAWN:,} networks; got {number:,}")
        return _explain_errors("sample", lambda: self._part.draw(number, seed))

    def best(self, metric: str) -> Found | None:
        """Return the network with the most of a metric or, with a leading minus, the least; None if there is none."""
        aim = _explain_errors("best", lambda: read_best(metric))
        _explain_errors("best", lambda: check_known(aim, self._space.unknown))
        return _explain_errors("best", lambda: self._part.find_best(aim))

    def front(self, metrics: str) -> list[Found]:
        """Return the Pareto front of two metrics, such as `macs,-params`: the fewest MACs, and the most params."""
        aims = _explain_errors("front", lambda: read_front(metrics))
        for aim in aims:
            _explain_errors("front", lambda: check_known(aim, self._space.unknown))  # noqa: B023 (called at once)
        return _explain_errors("front", lambda: self._part.find_front(aims))


def _explain_errors(what: str, calculate: Callable[[], _Result]) -> _Result:
    """Return the result of a calculation. Raises ValueError if it fails."""
    try:
        return calculate()
    except Flaw as flaw:
        raise ValueError(f"{what}: {flaw.message}") from None
    except TooManyFigures as error:
        raise ValueError(f"{what}: {error}") from None


def _make_limit(name: str, limit: Range) -> Limit:
    if name not in LIMITED:
        hint = did_you_mean(name, LIMITED) or f"available: {', '.join(LIMITED)}"
        raise ValueError(f"within: {name} cannot be limited: {hint}")
    least, most = limit if isinstance(limit, tuple) else (None, limit)
    return Limit(name, _round_limit(name, least, up=True), _round_limit(name, most, up=False), ())


def _round_limit(name: str, value: float | None, up: bool) -> int | None:
    from math import ceil, floor

    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise ValueError(f"within: a limit of {name} must be a number that is not negative; got {show(value)}")
    return ceil(value) if up else floor(value)
