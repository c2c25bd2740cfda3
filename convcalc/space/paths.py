"""Traces the reading and analysis of a network: `trace_path` takes the values of one row, and returns a `Path`.

A path is one way through the code: the steps that compute the figures, and guards: every row for which they
hold takes the same way. The path of an invalid network leads to the message of its first problem.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from types import ModuleType
from typing import Any, NamedTuple

from convcalc import caching
from convcalc.metrics.budgets import (
    LimitedFigure,
    check_limited_figure,
    check_limited_shapes,
    list_limits,
    select_limited_figures,
    select_limited_shapes,
)
from convcalc.network import Limit, Network
from convcalc.problems import InvalidSpec, Problem
from convcalc.shape import Shape
from convcalc.space.classes import is_traceable
from convcalc.space.evaluation import Load, Setup, measure
from convcalc.space.measurement import Measurement
from convcalc.space.programs import Program
from convcalc.space.sheets import Columns, Sheet
from convcalc.space.steps import Constant, Mark, Operand
from convcalc.space.tracing import Trace, Traced
from convcalc.spec.inputs import WrongOverride


class Untraceable(Exception):
    """Raised if the calculation cannot be traced; it must be done for every row."""


class LimitCheck(NamedTuple):
    """A limit, and the figures and shapes that it applies to; their numbers may be traced."""

    limit: Limit
    figures: list[LimitedFigure]
    shapes: dict[str, Shape]

    def find_messages(self, get: Callable[[Any], Any]) -> list[str]:
        """Return the messages of exceeded limits; `get` returns the plain value of a number."""
        figures = [found._replace(smallest=get(found.smallest), largest=get(found.largest)) for found in self.figures]
        shapes = {
            name: Shape(get(shape.channels), tuple(map(get, shape.spatial))) for name, shape in self.shapes.items()
        }
        problems = [*check_limited_shapes(self.limit, shapes)]
        problems += [problem for found in figures for problem in check_limited_figure(self.limit, found)]
        return [problem.message for problem in problems]

    def list_numbers(self) -> Iterable[Any]:
        """Return all numbers of the figures and shapes."""
        for found in self.figures:
            yield from (found.smallest, found.largest)
        for shape in self.shapes.values():
            yield from shape.sizes


class Text(NamedTuple):
    """A text with traced numbers: plain texts, and a mark in place of each number."""

    parts: tuple[str | Mark, ...]

    def fill(self, get: Callable[[int], Any]) -> str:
        """Return the text with numbers in place of its marks; `get` returns the value of a step."""
        return "".join(part if isinstance(part, str) else _format(get(part.step), part.format) for part in self.parts)

    def list_steps(self) -> list[int]:
        """Return the steps whose numbers are in the text."""
        return [part.step for part in self.parts if isinstance(part, Mark)]


class ProblemText(NamedTuple):
    """A problem whose message and hint may contain traced numbers."""

    problem: Problem
    message: Text
    hint: Text

    def fill(self, get: Callable[[int], Any]) -> Problem:
        """Return the problem with plain numbers; `get` returns the value of a step."""
        return self.problem._replace(message=self.message.fill(get), hint=self.hint.fill(get))


def _expect(backend: ModuleType, column: Any, expected: bool) -> Any:
    return column if expected else backend.invert_truths(column)


def _format(value: Any, format: str) -> str:
    return repr(value) if format == "!r" else f"{value:{format}}"


class Path:
    """One way through the code.

    `figures` are plain or traced numbers, texts with marks, or None, by name. `exceeds` says whether a limit is
    exceeded, and `checks` are the limits. For an invalid network, `problems` are those at the first wrong place.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.figures: dict[str, Any] = {}
        self.exceeds: Any = False
        self.checks: list[LimitCheck] = []
        self.problems: list[ProblemText] = []

    def compile(self) -> None:
        """Find the operations for the guards and the results, once the calculation has been traced."""
        trace = self.trace
        self.figures = {name: self._read_text(value) for name, value in self.figures.items()}
        steps = {value.step for value in self._list_results() if type(value) is Traced}
        texts = [value for value in self.figures.values() if isinstance(value, Text)]
        texts += [text for problem in self.problems for text in (problem.message, problem.hint)]
        steps |= {step for text in texts for step in text.list_steps()}
        self.program = Program(trace, steps)
        guards = [(self.program.find(step), expected) for step, expected in trace.guards.items()]
        self.guards = [(node, expected) for node, expected in guards if isinstance(node, int)]
        self.nodes = {step: self.program.find(step) for step in steps}
        self.results = {name: self._find_result(value) for name, value in self.figures.items()}
        self.program.forget_trace()

    def _list_results(self) -> Iterable[Any]:
        yield from self.figures.values()
        yield self.exceeds
        for check in self.checks:
            yield from check.list_numbers()

    def _read_text(self, value: Any) -> Any:
        if type(value) is str and self.trace.has_marks(value):
            return Text(tuple(self.trace.split_at_marks(value)))
        return value

    def _find_result(self, value: Any) -> Operand:
        """Return the node of a figure, or a constant."""
        if isinstance(value, Text):
            parts = [Constant(part) if isinstance(part, str) else self.nodes[part.step] for part in value.parts]
            return self.program.add_text(parts)
        return self.nodes[value.step] if type(value) is Traced else Constant(value)

    # -- rows

    def find_rows(self, sheet: Sheet) -> Any:
        """Return the indexes of the rows in a sheet that take this path; None for all rows."""
        backend = sheet.backend
        per_row: list[Any] = []
        for name, found in self._find_values(sheet).items():
            if not backend.is_true_for_all(found):
                per_row.append(backend.select_values(found, sheet.indexes[name]))
                if not backend.is_true_for_any(per_row[-1]):
                    return backend.list_indexes(0)
        mixed = [(node, expected) for node, expected in self.guards if len(self.program.nodes[node].inputs) > 1]
        if mixed:
            columns = sheet.calculate(self.program, [node for node, _ in mixed])
            per_row += [_expect(backend, columns.get_rows(node), expected) for node, expected in mixed]
        if not per_row:
            return None
        kept = reduce(backend.combine_truths, per_row)
        return None if backend.is_true_for_all(kept) else backend.find_true(kept)

    def _find_values(self, sheet: Sheet) -> dict[str, Any]:
        """Return, per input, which of its values satisfy all guards that depend on this input alone."""
        known = sheet.masks.get(self.program.number)
        if known is None:
            known = sheet.masks[self.program.number] = {}
            single = [(node, expected) for node, expected in self.guards if len(self.program.nodes[node].inputs) == 1]
            columns = sheet.calculate(self.program, [node for node, _ in single])
            for node, expected in single:
                name, table = columns.get_table(node)
                found = _expect(sheet.backend, table, expected)
                known[name] = sheet.backend.combine_truths(known[name], found) if name in known else found
        return known

    def find_first_problem(self, get: Callable[[int], Any]) -> Problem:
        """Return the first problem of a row; `get` returns the value of a step."""
        return min((problem.fill(get) for problem in self.problems), key=lambda problem: problem.message)

    def calculate(self, sheet: Sheet) -> Columns:
        """Return the columns of all results for the rows of a sheet, which take this path."""
        return sheet.calculate(self.program, [*self.results.values(), *self.nodes.values()])


def trace_path(load: Load, setup: Setup, values: Mapping[str, Any], figures: Sequence[str]) -> Path:
    """Return the path that a row takes; `values` are the values of all its parameters.

    Integers and floats become traced numbers; the path holds for rows with equal other values. Raises WrongOverride if
    the spec has no such parameter, and Untraceable if the calculation cannot be traced.
    """
    trace = Trace()
    given = {name: trace.add_input(name, value) if is_traceable(value) else value for name, value in values.items()}
    path = Path(trace)
    with caching.pause():
        try:
            _follow(path, load, setup, given, figures)
        except WrongOverride:
            raise
        except InvalidSpec as error:
            path.figures = dict.fromkeys(figures)
            path.problems = list(_read_problems(trace, error.problems))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise Untraceable from error
        path.compile()
    return path


def _follow(path: Path, load: Load, setup: Setup, given: Mapping[str, Any], figures: Sequence[str]) -> None:
    network = load(setup.overrides.with_params({**setup.overrides.params, **given}))
    network = network if setup.spec_budget else network._replace(budget=())
    if any(path.trace.has_marks(name) for name in _list_names(network)):
        raise Untraceable
    measured = Measurement(network, setup.inplace, setup.fold_batchnorm, setup.optimizer)
    path.figures = {name: measure(measured, name, setup) for name in figures}
    for limit in list_limits(network, setup.limits):
        check = LimitCheck(limit, select_limited_figures(measured, limit), select_limited_shapes(measured, limit))
        path.checks.append(check)
    path.exceeds = sum(_list_excesses(path.checks)) > 0


def _list_names(network: Network) -> Iterable[str]:
    yield from network.inputs
    yield from network.outputs
    for node in network.nodes:
        yield node.name


def _list_excesses(checks: Iterable[LimitCheck]) -> Iterable[Any]:
    """Yield, for each comparison with a limit, whether the limit is exceeded, as a number: 0 or 1."""
    for limit, figures, shapes in checks:
        for found in figures:
            if found.largest is None or found.smallest is None:
                yield 1
                continue
            if limit.maximum is not None:
                yield (found.largest > limit.maximum) + 0
            if limit.minimum is not None:
                yield (found.smallest < limit.minimum) + 0
        for shape in shapes.values():
            yield from _compare_shapes(shape.sizes, limit.shape or ())


def _compare_shapes(sizes: tuple[Any, ...], required: tuple[Any, ...]) -> Iterable[Any]:
    if len(sizes) != len(required):
        yield 1
        return
    for size, wanted in zip(sizes, required, strict=True):
        yield (size != wanted) + 0


def _read_problems(trace: Trace, problems: Sequence[Problem]) -> Iterator[ProblemText]:
    """Yield the problems at the same place as the first one; which of them comes first depends on their messages."""
    for problem in problems:
        if problem.span == problems[0].span:
            texts = [Text(tuple(trace.split_at_marks(text))) for text in (problem.message, problem.hint)]
            yield ProblemText(problem, *texts)
