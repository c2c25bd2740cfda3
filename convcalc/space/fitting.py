"""Finds the values of spec parameters for which a network is within its budget, by analysing every combination.

`fit` takes spec parameters with the values to try, an evaluator with limits, and an order, and returns the best
combinations, and some that exceed the budget.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.metrics.budgets import list_limits
from convcalc.network import Limit, Network
from convcalc.problems import Problem, printable
from convcalc.space.combinations import Combinations, Param
from convcalc.space.evaluation import MISS, Evaluated, Evaluator, Load, Setup
from convcalc.space.keeping import TopRows, check_held
from convcalc.space.lists import to_python_numbers
from convcalc.space.ordering import Signed
from convcalc.space.sweeping import Numbers, describe_problem, split_numbers
from convcalc.space.values import are_numbers
from convcalc.spec.budget_metrics import OF_NETWORK
from convcalc.spec.inputs import Overrides

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

_ADVICE = "list fewer with --limit, or use convcalc sweep"
_MOST_TRIED = 10_000  # values beyond the best that are evaluated together


class Trial(NamedTuple):
    """One combination of parameter values, and the result of analysing the network with these values.

    `figures` are the network's totals by metric; if the spec is invalid, `figures` is None and `problem` is the first
    problem. `broken` has one message for each violated limit.
    """

    values: dict[str, Any]
    figures: dict[str, Any] | None
    broken: tuple[str, ...] = ()
    problem: Problem | None = None


class Invalid(NamedTuple):
    """A problem that makes combinations invalid: the text, the values of the first one, and how many there are."""

    problem: str
    values: dict[str, Any]
    combinations: int


class Order(NamedTuple):
    """How to rank the combinations within the budget: by `metric`, largest first unless `smallest` is true."""

    metric: str
    smallest: bool = False


class Fit(NamedTuple):
    """The result of trying all combinations.

    `metrics` are the names of the figures of a trial. `network` is the network of the first valid combination, and
    `limits` are the limits in its spec and those of `setup`. `tried` and `within` are the numbers of all combinations
    and of those within the budget. `best` are the combinations within the budget, sorted by `order`, or as many as were
    asked for. `exceeding` are those nearest to the best one that exceed the budget, at most two per spec parameter:
    they differ from it in one parameter, whose next or previous values are tried until the budget is exceeded.
    `nearest` is the combination with the smallest violation of its limits; None if no combination exceeds the budget.
    `problems` are the problems that make combinations invalid; `invalid` are these combinations, if they were asked
    for.
    """

    params: tuple[Param, ...]
    setup: Setup
    order: Order
    metrics: tuple[str, ...]
    network: Network
    limits: tuple[Limit, ...]
    tried: int
    within: int
    best: tuple[Trial, ...]
    exceeding: tuple[Trial, ...]
    nearest: Trial | None
    problems: tuple[Invalid, ...]
    invalid: tuple[Trial, ...]

    def __repr__(self) -> str:
        counts = f"{self.tried:,} combinations, {self.within:,} within the budget"
        return f"<Fit of {printable(self.network.name)}: {counts}>"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.fit import MOST_ROWS, fit_lines
        from convcalc.render.lines import RichBlocks

        return RichBlocks(lambda width: fit_lines(self, width, MOST_ROWS))


class _Search:
    """The rows seen so far: the best ones, the nearest miss, and the invalid ones, if they are to be held."""

    def __init__(
        self, space: Combinations, order: Order, metrics: Sequence[str], most: int | None, holds_invalid: bool
    ) -> None:
        self.space = space
        self.metrics = metrics
        self.holds_invalid = holds_invalid
        # a row ends with its number; a parameter can have the name of a metric
        names = [*metrics, *(f"-p {param.name}" for param in space.params), "number"]
        self.top = TopRows(most, names, self._list_order(order), _ADVICE)
        self.within = 0
        self.first_valid: int | None = None
        self.nearest: tuple[float, int] | None = None
        self.invalid: list[tuple[int, Problem]] = []
        self.problems: dict[str, tuple[int, int]] = {}  # the first row of each problem, and the number of rows

    def _list_order(self, order: Order) -> list[Signed]:
        """Return the columns by which rows are sorted; equal figures are sorted by the last numeric parameter first."""
        numeric = [f"-p {param.name}" for param in self.space.params if are_numbers(param.values)]
        return [Signed(column, order.smallest) for column in (order.metric, *reversed(numeric))]

    def add(self, numbers: Numbers, values: dict[str, list[Any]], found: Evaluated) -> None:
        """Add the rows of a chunk."""
        columns = [*(to_python_numbers(found.columns[metric]) for metric in self.metrics), *values.values(), numbers]
        rows = list(zip(*columns, strict=True))
        within = [row for index, row in enumerate(rows) if index not in found.broken and index not in found.problems]
        self.within += len(within)
        self.top.add(within)
        self._add_invalid(numbers, found.problems)
        if self.first_valid is None and len(found.problems) < len(rows):
            self.first_valid = next(number for index, number in enumerate(numbers) if index not in found.problems)
        if found.broken:
            misses = to_python_numbers(found.columns[MISS])
            nearest = min((misses[index], numbers[index]) for index in found.broken)
            self.nearest = nearest if self.nearest is None else min(self.nearest, nearest)

    def _add_invalid(self, numbers: Numbers, problems: Mapping[int, Problem]) -> None:
        for index, problem in problems.items():
            text = describe_problem(problem)
            first, count = self.problems.get(text, (numbers[index], 0))
            self.problems[text] = (first, count + 1)
        if self.holds_invalid:
            self.invalid += [(numbers[index], problem) for index, problem in problems.items()]
            check_held(len(self.invalid), _ADVICE)


def fit(
    load: Load,
    evaluator: Evaluator,
    setup: Setup,
    space: Combinations,
    order: Order,
    most: int | None = None,
    chunks: Iterable[Numbers] | None = None,
    holds_invalid: bool = True,
    measured: Sequence[str] = (),
) -> Fit:
    """Analyse every combination of a space and return the results.

    `load` returns the network for given overrides, and `evaluator` the figures of many rows; both use `setup`. At most
    `most` combinations are returned (None: all), and the invalid ones only if `holds_invalid` is true. `chunks` are the
    numbers of all rows in chunks. `measured` are the figures on a device that each trial has in addition.

    Raises Flaw if there are too many combinations to be held, WrongOverride if the spec has no such parameter, and
    InvalidSpec if the spec is invalid for every combination.
    """
    metrics = (*OF_NETWORK, *measured)
    search = _Search(space, order, metrics, most, holds_invalid)
    for numbers in split_numbers(range(space.size)) if chunks is None else chunks:
        values = space.list_columns(numbers)
        search.add(numbers, values, evaluator.evaluate_rows(space, numbers, (*metrics, MISS)))
    network = load(_override(setup, space.get_row(search.first_valid or 0)))  # raises InvalidSpec if none is valid
    best = search.top.list_rows()
    return Fit(
        space.params,
        setup,
        order,
        metrics,
        network,
        list_limits(network, setup.limits, setup.spec_budget),
        space.size,
        search.within,
        tuple(Trial(space.get_row(row[-1]), dict(zip(metrics, row, strict=False))) for row in best),
        tuple(_find_exceeding(space, evaluator, metrics, best[0][-1])) if best else (),
        _make_trial(space, evaluator, metrics, search.nearest[1]) if search.nearest else None,
        tuple(Invalid(text, space.get_row(first), count) for text, (first, count) in search.problems.items()),
        tuple(Trial(space.get_row(number), None, problem=problem) for number, problem in search.invalid),
    )


def _override(setup: Setup, values: dict[str, Any]) -> Overrides:
    return setup.overrides.with_params({**setup.overrides.params, **values})


def _make_trial(space: Combinations, evaluator: Evaluator, metrics: Sequence[str], number: int) -> Trial:
    """Return the result of a valid combination, with its violated limits."""
    found = evaluator.evaluate(space.list_columns([number]), metrics)
    figures = {metric: to_python_numbers(found.columns[metric])[0] for metric in metrics}
    return Trial(space.get_row(number), figures, found.broken.get(0, ()))


def _find_exceeding(space: Combinations, evaluator: Evaluator, metrics: Sequence[str], best: int) -> Iterator[Trial]:
    """Yield the combinations nearest to the best one that exceed the budget; see `Fit.exceeding`."""
    place = space.find_place(best)
    for axis, param in enumerate(space.params):
        for indexes in (range(place[axis] + 1, len(param.values)), range(place[axis] - 1, -1, -1)):
            number = next(_Way(space, place, axis, indexes).find_broken(evaluator), None)
            if number is not None:
                yield _make_trial(space, evaluator, metrics, number)


class _Way(NamedTuple):
    """The combinations that differ from the one at `place` in one parameter, whose values have the given indexes."""

    space: Combinations
    place: tuple[int, ...]
    axis: int
    indexes: range

    def find_broken(self, evaluator: Evaluator) -> Iterator[int]:
        """Yield the numbers of the combinations that exceed the budget, in the order of the indexes."""
        start = 0
        while chunk := self.indexes[start : start + min(start + 1, _MOST_TRIED)]:
            places = ((*self.place[: self.axis], index, *self.place[self.axis + 1 :]) for index in chunk)
            numbers = [self.space.find_number(place) for place in places]
            broken = evaluator.evaluate(self.space.list_columns(numbers), ()).broken
            yield from (number for index, number in enumerate(numbers) if index in broken)
            start += len(chunk)
