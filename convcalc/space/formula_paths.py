"""Calculates a formula for many rows at once: it is traced for one row, and the recording is replayed for all others.

`calculate(formula, columns, count)` returns what `formula.evaluate_rows` returns, but faster if numpy is installed.
Rows in which a comparison has another result take a path of their own.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from convcalc.space import lists
from convcalc.space.classes import Group, split_by_class
from convcalc.space.formulas import Formula, UnknownValue
from convcalc.space.lists import to_python_numbers
from convcalc.space.paths import Path
from convcalc.space.sheets import Sheet
from convcalc.space.steps import Constant
from convcalc.space.traced_evaluator import choose_backend
from convcalc.space.tracing import Trace
from convcalc.spec.expressions import Undefined, WrongExpression

_FEWEST = 200  # groups with fewer rows are calculated row by row
_MOST_PATHS = 12  # per group; rows that take none of them are calculated row by row
_MOST_GROUPS = 100  # groups whose paths are kept


class FormulaPath(NamedTuple):
    """A path through a formula; `message` says why the rows on this path have no result; empty if they have one."""

    path: Path
    message: str


def calculate(formula: Formula, columns: Mapping[str, Any], count: int) -> tuple[Sequence[Any], dict[int, str]]:
    """Return the value of a formula in every row, and the messages of the rows without a result.

    The values are those of `Formula.evaluate_rows`, as a list or an array. Raises WrongFormula if a value has the wrong
    type.
    """
    backend = choose_backend(count)
    if backend is lists or not formula.columns:
        return formula.evaluate_rows(
            {name: to_python_numbers(columns[name]) for name in formula.columns.values()}, count
        )
    return _Calculation(backend, formula, columns).calculate(count)


class _Calculation:
    """A calculation of one formula. `parts` are the results so far, each with the indexes of its rows."""

    def __init__(self, backend: ModuleType, formula: Formula, columns: Mapping[str, Any]) -> None:
        self.backend = backend
        self.formula = formula
        self.columns = {name: columns[name] for name in formula.columns.values()}
        self.parts: list[tuple[Any, Any]] = []
        self.failures: dict[int, str] = {}

    def calculate(self, count: int) -> tuple[Sequence[Any], dict[int, str]]:
        """Return the values and messages of all rows."""
        left: list[int] = []
        for group in split_by_class(self.columns, count):
            left += self._add_group(group)
        if left:
            self._calculate_one_by_one(sorted(left))
        values: Sequence[Any] = self.backend.join_parts(self.parts, count)
        return values, dict(sorted(self.failures.items()))

    def _add_group(self, group: Group) -> list[int]:
        """Calculate rows whose values have the same classes; return the indexes of those that remain."""
        rows = self.backend.select_integers(group.rows, self.backend.list_indexes(len(group.rows)))
        if len(rows) < _FEWEST:
            return list(group.rows)
        try:
            tables = {name: self.backend.make_column(column) for name, column in group.columns.items()}
            own = self.backend.list_indexes(len(rows))
            return self._follow_paths(Sheet(self.backend, tables, dict.fromkeys(tables, own), rows), group)
        except self.backend.TooLarge:
            return list(group.rows)

    def _follow_paths(self, sheet: Sheet, group: Group) -> list[int]:
        """Calculate the rows that take one of the first paths; return the indexes of the others.

        Raises TooLarge before anything has been added.
        """
        parts: list[tuple[Any, Any]] = []
        failures: dict[int, str] = {}
        known = self._get_paths(group)
        for number in range(_MOST_PATHS):
            if number == len(known):
                traced = _trace(self.formula, {**group.given, **sheet.get_first_values()}, group.given)
                if traced is None:
                    break
                known.append(traced)
            path, message = known[number]
            taken = path.find_rows(sheet)
            these = sheet if taken is None else sheet.select(taken)
            if len(these):
                value = path.calculate(these).get_result(path.results["value"])
                parts.append((these.rows, value.value if isinstance(value, Constant) else value))
                failures |= dict.fromkeys(these.rows.tolist(), message) if message else {}
                sheet = sheet.select(self.backend.list_indexes(0) if taken is None else self._find_others(taken, sheet))
            if not len(sheet):
                break
        self.parts += parts
        self.failures |= failures
        left: list[int] = sheet.rows.tolist()
        return left

    def _find_others(self, taken: Any, sheet: Sheet) -> Any:
        return self.backend.find_others(taken, len(sheet))

    def _get_paths(self, group: Group) -> list[FormulaPath]:
        """Return the list of known paths of a group; new ones are added to it."""
        paths = self.formula.paths
        if group.key not in paths and len(paths) >= _MOST_GROUPS:
            paths.clear()
        found: list[FormulaPath] = paths.setdefault(group.key, [])
        return found

    def _calculate_one_by_one(self, rows: list[int]) -> None:
        chosen = {name: _pick(column, rows) for name, column in self.columns.items()}
        values, failures = self.formula.evaluate_rows(chosen, len(rows))
        self.parts.append((self.backend.make_indexes(rows), self.backend.make_objects(values)))
        self.failures |= {rows[place]: message for place, message in failures.items()}


def _pick(column: Any, rows: Sequence[int]) -> list[Any]:
    plain = to_python_numbers(column)
    return [plain[row] for row in rows]


def _trace(formula: Formula, values: Mapping[str, Any], given: Mapping[str, Any]) -> FormulaPath | None:
    """Return the path that a row with these values takes; None if it cannot be traced.

    All rows of its group have the values in `given`, so these are constants of the path.
    """
    trace = Trace()
    inputs = {name: value if name in given else trace.add_input(name, value) for name, value in values.items()}
    path, message, result = Path(trace), "", None
    try:
        result = formula.evaluate(lambda name: _get_known(inputs[formula.columns[name]]))
    except UnknownValue:
        pass
    except Undefined as error:
        message = error.message
    except (WrongExpression, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError):
        return None
    if trace.fixes or trace.has_marks(message) or isinstance(result, list):
        return None
    path.figures = {"value": result}
    path.compile()
    return FormulaPath(path, message)


def _get_known(value: Any) -> Any:
    if value is None:
        raise UnknownValue
    return value
