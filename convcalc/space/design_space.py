"""The design space of a spec: counts, samples and ranks the networks that its choices (`space`) describe.

`read_space(document, overrides)` returns a `DesignSpace`, and `space.restrict(limits)` the part of it that is within a
budget. Nothing is listed, so a space of 10^19 networks takes seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf, log10
from random import Random
from typing import Any, NamedTuple

from convcalc.metrics.figures import ADDITIVE
from convcalc.network import MOST_LAYERS, Limit, Network
from convcalc.problems import InvalidSpec, Problem
from convcalc.space.chooser import Choice
from convcalc.space.counting import FigureCounts, count_within
from convcalc.space.coupling import Coupled
from convcalc.space.exploring import explore
from convcalc.space.extent import Aim, Bound, count_networks, find_extent, find_peaks
from convcalc.space.front import find_best, find_front
from convcalc.space.graph import Graph, build_graph
from convcalc.space.sampling import Estimate, Path, Sampler, sum_path
from convcalc.space.slots import TooManyFigures
from convcalc.spec.choices import Choices
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.templates import Template, compile_text
from convcalc.spec.variants import Variants

_MOST_DIGITS = 4_000  # limit of digits in the number of networks; Python writes integers of up to 4,300 digits
LIMITED = (*ADDITIVE, "peak_memory")


class WrongLimit(ValueError):
    """Raised for a limit that cannot be applied to a design space; the message says why."""


class Found(NamedTuple):
    """One network of a space: the values of its spec parameters, and its figures, None if unknown.

    A parameter with a value per copy of a repeat has a list, in the order of the copies that use it.
    """

    params: dict[str, Any]
    figures: dict[str, int | None]


class Invalid(NamedTuple):
    """Values of spec parameters that make the network invalid, and the first problem."""

    params: dict[str, Any]
    problem: Problem


class DesignSpace:
    """All networks that the choices of a spec describe.

    `network` is the network with the default values. `choices` are the spec parameters with choices that are not set by
    an override. `invalid` has some of the choices that make the network invalid, which are not part of the space.
    """

    def __init__(self, variants: Variants, graph: Graph, invalid: list[tuple[tuple[Choice, ...], Problem]]) -> None:
        self.variants = variants
        self.graph = graph
        self.network: Network = variants.network
        self.choices: dict[str, Choices] = variants.choices
        self.invalid = [
            Invalid(self._list_params((choice.name, choice.value) for choice in choices), problem)
            for choices, problem in invalid
        ]

    @property
    def unknown(self) -> dict[str, str]:
        """The figures that are unknown, each with a layer for which it is."""
        return self.graph.unknown

    def list_unused(self) -> list[str]:
        """Return the spec parameters whose choices no network uses; these choices are not counted."""
        used = {name for steps in self.graph.steps for step in steps for name, _ in step.choices}
        return [name for name in self.choices if name not in used]

    def restrict(self, limits: Sequence[Limit]) -> "Subspace":
        """Return the part of the space that is within all limits. Raises WrongLimit if one cannot be applied."""
        return Subspace(self, limits)

    def describe(self, path: Path) -> Found:
        """Return the values and figures of the network with these steps."""
        figures = {name: None if name in self.unknown else sum_path(path, name) for name in ADDITIVE}
        chosen = [choice for step in path for choice in step.choices]
        return Found(self._list_params(chosen), {**figures, "peak_memory": max(step.peak for step in path)})

    def _list_params(self, chosen: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        """Return the values by spec parameter; a parameter with a value per copy has a list of them."""
        params: dict[str, Any] = {name: [] for name, choices in self.choices.items() if choices.per_copy}
        for name, value in chosen:
            if self.choices[name].per_copy:
                params[name].append(value)
            else:
                params[name] = value
        return {name: params[name] for name in self.choices if name in params}


class Subspace:
    """The networks of a space that are within limits."""

    def __init__(self, space: DesignSpace, limits: Sequence[Limit]) -> None:
        self.space = space
        bounds: dict[str, Bound] = {}
        peak = inf
        for limit in limits:
            check_limit(limit, space)
            most = inf if limit.maximum is None else limit.maximum
            least = -inf if limit.minimum is None else limit.minimum
            if limit.metric == "peak_memory":
                peak = min(peak, most)
                continue
            known = bounds.get(limit.metric, Bound(limit.metric))
            bounds[limit.metric] = Bound(limit.metric, max(known.least, least), min(known.most, most))
        self.graph = space.graph if peak == inf else space.graph.limit_peak(int(peak))
        self.bounds = [] if self.graph is None else [bound for bound in bounds.values() if _cuts(self.graph, bound)]

    def count(self) -> int:
        """Return the number of networks. Raises TooManyFigures if that is too much work."""
        if self.graph is None:
            return 0
        if not self.bounds:
            return count_networks(self.graph)[self.graph.start]
        if len(self.bounds) == 1:
            [bound] = self.bounds
            return FigureCounts(self.graph, bound.figure, bound.most).count_within(bound)
        return count_within(self.graph, self.bounds)

    def estimate(self) -> Estimate:
        """Return the number of networks, estimated from a sample if counting them is too much work.

        Raises TooManyFigures if it cannot be estimated either, because very few networks are within the limits.
        """
        try:
            networks = self.count()
        except TooManyFigures:
            assert self.graph is not None, "an empty part is counted"
            return Sampler(self.graph, self.bounds, Random(0)).estimate()
        return Estimate(networks, networks, networks)

    def draw(self, number: int, seed: int) -> list[Found]:
        """Return networks that are drawn independently, each with the same probability; [] if there are none.

        Raises TooManyFigures.
        """
        if self.graph is None:
            return []
        sampler = Sampler(self.graph, self.bounds, Random(seed))
        return [] if sampler.is_empty else [self.space.describe(sampler.draw()) for _ in range(number)]

    def find_best(self, aim: Aim) -> Found | None:
        """Return the network with the most or least of a figure; None if there is none. Raises TooManyFigures."""
        path = None if self.graph is None else find_best(self.graph, aim, self.bounds)
        return None if path is None else self.space.describe(path)

    def find_front(self, aims: tuple[Aim, Aim]) -> list[Found]:
        """Return the Pareto front of two figures, the best by the first figure first. Raises TooManyFigures."""
        paths = [] if self.graph is None else find_front(self.graph, aims, self.bounds)
        return [self.space.describe(path) for path in paths]


def read_space(document: Document, overrides: Overrides, show: Callable[[str], None] | None = None) -> DesignSpace:
    """Return the design space of a spec, without the choices of spec parameters that are overridden.

    `show` is called with texts on the progress. Raises InvalidSpec if the spec is invalid with its default values, and
    Coupled if the space has too many states.
    """
    variants = Variants(document, overrides)
    explored = explore(variants, show)
    if show is not None:
        show(f"measuring {len(explored.legs):,} steps between states")
    graph = build_graph(explored)
    if graph is None:
        raise InvalidSpec([explored.invalid[0][1]], document.file, document.text)
    digits = int(count_networks(graph)[graph.start].bit_length() * log10(2)) + 1
    if digits > _MOST_DIGITS:
        raise Coupled(f"the space has more than 10^{digits - 1:,} networks; at most 10^{_MOST_DIGITS:,} can be counted")
    layers = find_extent(graph, "layers").most[graph.start]
    if layers > MOST_LAYERS:
        raise Coupled(f"the largest network has {layers:,} layers; at most {MOST_LAYERS:,} are allowed")
    return DesignSpace(variants, graph, explored.invalid)


def find_peak_range(space: DesignSpace) -> tuple[int, int]:
    """Return the smallest and the largest peak memory of a network, in bytes."""
    return find_peaks(space.graph)


def _cuts(graph: Graph, bound: Bound) -> bool:
    """Return whether any network exceeds a bound."""
    extent = find_extent(graph, bound.figure)
    return extent.least[graph.start] < bound.least or extent.most[graph.start] > bound.most


def check_limit(limit: Limit, space: DesignSpace) -> None:
    """Raise WrongLimit unless the limit is one on a figure that adds up, or the maximum of the peak memory."""
    figure = limit.metric
    if limit.pattern is not None or figure not in LIMITED:
        what = f"limits per layer ({limit.pattern})" if limit.pattern is not None else f"a limit on {figure}"
        raise WrongLimit(f"{what} cannot be checked for a space, only limits on {', '.join(LIMITED)}")
    if figure == "peak_memory" and limit.minimum is not None:
        raise WrongLimit("a minimum of peak_memory cannot be checked for a space, only a maximum")
    if figure in space.unknown:
        raise WrongLimit(f"{figure} is unknown for layer {space.unknown[figure]}, so its limit cannot be checked")


def find_varying_limits(space: DesignSpace) -> frozenset[str]:
    """Return the spec parameters with choices on which the budget of the spec depends."""
    varying = {*space.choices, *space.variants.derived}
    return frozenset(_find_names(space.variants.root.get("budget")) & varying)


def _find_names(value: Any) -> set[str]:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return {name for item in items for name in _find_names(item)}
    template = compile_text(value) if isinstance(value, str) else None
    return set(template.names) if isinstance(template, Template) else set()
