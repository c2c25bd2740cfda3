"""Sweeps over combinations of parameter values: evaluates, joins, derives and filters their rows, chunk by chunk.

`sweep_chunk` takes a `Plan` and the numbers of some rows, and returns the rows that are kept, with a column for each of
`plan.names`. `split_numbers` yields the numbers of a space in chunks, so that only one chunk of rows is held.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from time import process_time
from typing import Any, NamedTuple

from convcalc.problems import Problem, printable, show
from convcalc.space.chunk import Chunk
from convcalc.space.combinations import Combinations
from convcalc.space.evaluation import Evaluator
from convcalc.space.formula_paths import calculate
from convcalc.space.formulas import Formula, show_mistake
from convcalc.space.join import Join
from convcalc.space.lists import to_python_numbers
from convcalc.spec.budget_metrics import MEASURED
from convcalc.spec.expressions import WrongExpression

PROBLEM = "problem"  # the column with the reason why a combination is invalid; None if it is valid
_FEWEST, _MOST = 64, 131_072  # rows of a chunk
_SHORT, _LONG = 0.4, 1.5  # seconds of CPU time that a chunk should take
Numbers = range | list[int]
Columns = dict[str, Sequence[Any]]


class Derived(NamedTuple):
    """A column that is calculated from others."""

    name: str
    formula: Formula


class Plan(NamedTuple):
    """What a sweep does with every row.

    `names` are the columns of a row. `figures` are those to evaluate, and `constants` are columns with the same value
    in every row. A row is kept if it is within the limits of the evaluator and every formula of `where` is true.
    """

    combinations: Combinations
    evaluator: Evaluator
    names: tuple[str, ...]
    figures: tuple[str, ...]
    constants: Mapping[str, Any] = {}
    join: Join | None = None
    derived: tuple[Derived, ...] = ()
    where: tuple[Formula, ...] = ()
    drop_invalid: bool = False


class Tally:
    """Counts the rows of a sweep.

    `invalid` rows have an invalid spec, `exceeding` rows exceed a limit, and `filtered` rows are left out by `where`.
    `first_valid` is the number of the first valid row. `unknown` has, per figure of a device, how many valid rows it is
    unknown in, and the number of the first of these. `undefined` has, per option and formula, how many rows have no
    result, and the first message.
    """

    def __init__(self) -> None:
        self.tried = 0
        self.invalid = 0
        self.exceeding = 0
        self.filtered = 0
        self.kept = 0
        self.first_valid: int | None = None
        self.unknown: dict[str, tuple[int, int]] = {}
        self.undefined: dict[str, tuple[int, str]] = {}

    def add_unknown(self, name: str, numbers: Sequence[int]) -> None:
        """Count the rows with these numbers, in which a figure is unknown."""
        if numbers:
            count, first = self.unknown.get(name, (0, numbers[0]))
            self.unknown[name] = (count + len(numbers), first)

    def add_undefined(self, text: str, failures: dict[int, str]) -> None:
        """Count the rows in which a formula has no result."""
        if failures:
            count, first = self.undefined.get(text, (0, next(iter(failures.values()))))
            self.undefined[text] = (count + len(failures), first)

    def merge(self, later: "Tally") -> None:
        """Add the counts of later rows."""
        self.tried += later.tried
        self.invalid += later.invalid
        self.exceeding += later.exceeding
        self.filtered += later.filtered
        self.kept += later.kept
        self.first_valid = later.first_valid if self.first_valid is None else self.first_valid
        for name, (rows, number) in later.unknown.items():
            known, earliest = self.unknown.get(name, (0, number))
            self.unknown[name] = (known + rows, earliest)
        for text, (count, message) in later.undefined.items():
            before, first = self.undefined.get(text, (0, message))
            self.undefined[text] = (before + count, first)


def count_numbers(numbers: Numbers) -> int:
    """Return how many row numbers there are, which can be too many for `len`."""
    return numbers.stop - numbers.start if isinstance(numbers, range) else len(numbers)


def split_numbers(numbers: Numbers) -> Iterator[Numbers]:
    """Yield the numbers of rows in chunks; their sizes adapt so that a chunk takes about a second."""
    done, size = 0, _FEWEST
    while done < len(numbers):
        start = process_time()
        yield numbers[done : done + size]
        done += size
        seconds = process_time() - start
        if seconds < _SHORT:
            size = min(4 * size, _MOST)
        elif seconds > _LONG:
            size = max(size // 2, _FEWEST)


def sweep_chunk(plan: Plan, numbers: Numbers, tally: Tally) -> Chunk:
    """Return the rows with these numbers that are kept, and count them.

    Raises WrongOverride if the spec has no parameter of a name, and WrongFormula if a value of a formula has the wrong
    type.
    """
    values = plan.combinations.list_columns(numbers)
    found = plan.evaluator.evaluate_rows(plan.combinations, numbers, plan.figures)
    columns: Columns = {name: [value] * len(numbers) for name, value in plan.constants.items()}
    columns |= found.columns
    columns[PROBLEM] = _list_problems(found.problems, len(numbers))
    columns |= values
    if plan.join is not None:
        columns |= plan.join.list_columns(values)
    _count_rows(tally, numbers, found.problems, found.broken)
    for name in [name for name in plan.figures if name in MEASURED]:
        unknown = [index for index, value in enumerate(columns[name]) if value is None]
        tally.add_unknown(name, [numbers[index] for index in unknown if index not in found.problems])
    dropped = {*found.broken, *(found.problems if plan.drop_invalid else ())}
    if dropped:
        columns, _ = _select_rows(columns, [index not in dropped for index in range(len(numbers))])
    return _finish_rows(plan, columns, len(numbers) - len(dropped), tally)


def _finish_rows(plan: Plan, columns: Columns, count: int, tally: Tally) -> Chunk:
    """Add the derived columns, apply the filters, and return the rows."""
    for name, formula in plan.derived:
        columns[name], failures = calculate(formula, columns, count)
        tally.add_undefined(f"{formula.option} {name}", failures)
    for formula in plan.where:
        truths, failures = calculate(formula, columns, count)
        tally.add_undefined(f"{formula.option} {formula.text}", failures)
        columns, kept = _select_rows(columns, _find_true(truths, formula))
        tally.filtered += count - kept
        count = kept
    tally.kept += count
    return Chunk([columns[name] for name in plan.names], count)


def _find_true(values: Sequence[Any], formula: Formula) -> Any:
    """Return, per row, whether a value is true, as a list or an array. Raises WrongFormula for a text or a list."""
    if hasattr(values, "dtype") and values.dtype.kind in "ifb":
        return values.astype(bool)  # type: ignore[attr-defined]
    return [_is_true(value, formula) for value in to_python_numbers(values)]


def _is_true(value: Any, formula: Formula) -> bool:
    if isinstance(value, str | list):
        error = WrongExpression(f"a filter must be true or false; got {show(value)}", 0, len(formula.text))
        raise show_mistake(formula.option, formula.text, error)
    return bool(value)


def _select_rows(columns: Columns, chosen: Any) -> tuple[Columns, int]:
    """Return the chosen rows of lists and arrays, and their number; `chosen` is true or false per row."""
    plain = to_python_numbers(chosen)
    selected: Columns = {
        name: column.compress(chosen) if hasattr(column, "compress") else list(compress(column, plain))
        for name, column in columns.items()
    }
    return selected, sum(plain)


def _list_problems(problems: Any, count: int) -> list[str | None]:
    texts: list[str | None] = [None] * count
    for index, problem in problems.items():
        texts[index] = describe_problem(problem)
    return texts


def describe_problem(problem: Problem) -> str:
    """Return a problem on one line, such as `line 7: kernel of 5 does not fit …`."""
    line = f"line {problem.span.line}: " if problem.span else ""
    return printable(line + problem.message)


def _count_rows(tally: Tally, numbers: Numbers, problems: Any, broken: Any) -> None:
    if tally.first_valid is None and len(problems) < len(numbers):
        tally.first_valid = next(number for index, number in enumerate(numbers) if index not in problems)
    tally.tried += len(numbers)
    tally.invalid += len(problems)
    tally.exceeding += len(broken)
