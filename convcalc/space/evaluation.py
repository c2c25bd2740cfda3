"""Evaluates a network for many values of its spec parameters: one row per combination of values.

An `Evaluator` takes columns of parameter values and names of figures, and returns columns of figures. For example,
`evaluate({"width": [0.5, 1.0]}, ["params"])` returns the params of two networks. The rows are a chunk of a design
space; nothing is held between two chunks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from convcalc.analysis.report import Report, analyse
from convcalc.gc_pause import collect_recent_garbage, defer_garbage_collection
from convcalc.metrics.budgets import Figures, find_breaches
from convcalc.metrics.figures import FIGURES, SHAPES, figure
from convcalc.metrics.target import Target
from convcalc.network import Limit, Network
from convcalc.problems import InvalidSpec, Problem
from convcalc.shape import Shape
from convcalc.space.combinations import Combinations
from convcalc.space.lists import to_python_numbers
from convcalc.space.misses import find_largest_miss
from convcalc.spec.budget_metrics import MEASURED
from convcalc.spec.inputs import Overrides, WrongOverride

Load = Callable[[Overrides], Network]
_ROWS_PER_COLLECTION = 100
MISS = "miss"  # the largest violation of a limit, relative to the limit; 0 within all limits, infinity if unknown
EVALUATED = (*FIGURES, *SHAPES, MISS)


class Setup(NamedTuple):
    """The settings that all rows share.

    `overrides` are overrides of the spec; `inplace`, `fold_batchnorm` and `optimizer` are arguments of `analyse`.
    `limits` are tested in addition to the spec's own budget, which is ignored if `spec_budget` is false. `target`
    has the runtime and the device of `MEASURED` figures.
    """

    overrides: Overrides
    inplace: bool = True
    fold_batchnorm: bool = False
    optimizer: str = "sgd"
    limits: tuple[Limit, ...] = ()
    spec_budget: bool = True
    target: Target = Target()


class Evaluated(NamedTuple):
    """The figures of some rows.

    `columns` maps each figure to one value per row; an unknown value, and every value of an invalid row, is None.
    `problems` maps the index of each invalid row to its first problem, and `broken` the index of each row that exceeds
    a limit to its messages. Both list their rows in ascending order. The values of `broken` may be computed on access,
    which saves time because few messages are shown.
    """

    columns: Mapping[str, Sequence[Any]]
    problems: Mapping[int, Problem]
    broken: Mapping[int, tuple[str, ...]]


class Evaluator(Protocol):
    """Returns figures of many rows."""

    def evaluate(self, values: Mapping[str, Sequence[Any]], figures: Sequence[str]) -> Evaluated:
        """Return the figures of all rows.

        `values` maps spec parameters to one value per row, as a list or an array; `figures` are some of `EVALUATED` and
        `SWEPT`. Raises WrongOverride if the spec has no such parameter.
        """

    def evaluate_rows(self, space: Combinations, numbers: Sequence[int], figures: Sequence[str]) -> Evaluated:
        """Return the figures of the rows of a space that have these numbers, as `evaluate` does for their values.

        The numbers are a list, or a range with the step 1.
        """


class OrdinaryEvaluator:
    """Reads and analyses the network of every row: slow, but it needs nothing but the rules of the layers.

    `load` returns the network for given overrides.
    """

    def __init__(self, load: Load, setup: Setup) -> None:
        self.load = load
        self.setup = setup

    @defer_garbage_collection
    def evaluate(self, values: Mapping[str, Sequence[Any]], figures: Sequence[str]) -> Evaluated:
        """Return the figures of all rows; see `Evaluator`."""
        columns: dict[str, list[Any]] = {name: [] for name in figures}
        problems: dict[int, Problem] = {}
        broken: dict[int, tuple[str, ...]] = {}
        for index, row in enumerate(list_rows(values)):
            if index % _ROWS_PER_COLLECTION == 0:
                collect_recent_garbage()
            report = self._analyse_row(row)
            if isinstance(report, Problem):
                problems[index] = report
            elif breaches := find_breaches(report, self.setup.limits):
                broken[index] = tuple(problem.message for problem in breaches)
            for name, column in columns.items():
                column.append(None if isinstance(report, Problem) else measure(report, name, self.setup))
        return Evaluated(columns, problems, broken)

    def evaluate_rows(self, space: Combinations, numbers: Sequence[int], figures: Sequence[str]) -> Evaluated:
        """Return the figures of the rows of a space that have these numbers; see `Evaluator`."""
        return self.evaluate(space.list_columns(numbers), figures)

    def _analyse_row(self, row: dict[str, Any]) -> Report | Problem:
        """Return the report of one row, or the first problem of an invalid spec."""
        setup = self.setup
        try:
            network = self.load(setup.overrides.with_params({**setup.overrides.params, **row}))
        except WrongOverride:
            raise
        except InvalidSpec as error:
            return error.problems[0]
        network = network if setup.spec_budget else network._replace(budget=())
        return analyse(network, inplace=setup.inplace, fold_batchnorm=setup.fold_batchnorm, optimizer=setup.optimizer)


def measure(report: Figures, name: str, setup: Setup) -> Any:
    """Return a figure of a network, by its name in `EVALUATED` or `SWEPT`; None if it is unknown."""
    if name == MISS:
        return find_largest_miss(report, setup.limits)
    if name == "input_shape":
        return join_shapes(report.network.inputs.values())
    if name == "output_shape":
        return join_shapes(report.outputs().values())
    if name in MEASURED:
        from convcalc.metrics.device_figures import device_figure

        return device_figure(report, name, setup.target)
    return figure(report, name)


def join_shapes(shapes: Iterable[Shape]) -> str:
    """Return shapes as text, such as `3×224×224` or `64 + 3×8×8`."""
    return " + ".join(map(str, shapes))


def list_rows(values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield each row of columns as a mapping from names to values, with Python numbers for those of numpy."""
    columns = list(map(to_python_numbers, values.values()))
    for row in zip(*columns, strict=True):
        yield dict(zip(values, row, strict=True))
