"""Combines the results of several paths: one column per figure, and the problems and exceeded limits by row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from convcalc.problems import Problem
from convcalc.space import lists
from convcalc.space.evaluation import Evaluated
from convcalc.space.paths import Path
from convcalc.space.sheets import Sheet
from convcalc.space.steps import Constant
from convcalc.space.tracing import Traced

_Result = TypeVar("_Result")


class Piece(NamedTuple):
    """The results of some rows. `rows` are their numbers, in ascending order; None for all rows, in order.

    `columns` has a column or a constant per figure. `problems` and `broken` are by row.
    """

    rows: Any
    columns: Mapping[str, Any]
    problems: Mapping[int, Problem]
    broken: Mapping[int, tuple[str, ...]]

    @classmethod
    def calculate(cls, path: Path, sheet: Sheet, places: Sequence[int]) -> "Piece":
        """Return the results of the rows of a sheet, which all take this path."""
        columns = path.calculate(sheet)
        rows = sheet.backend.select_integers(places, sheet.rows)
        get = {step: columns.get_result(node) for step, node in path.nodes.items()}

        def get_value(value: Any, index: int) -> Any:
            return _get_at(get[value.step], index) if type(value) is Traced else value

        if path.problems:
            problems = ByRow(rows, lambda at: path.find_first_problem(lambda step: _get_at(get[step], at)))
            return cls(rows, dict.fromkeys(path.figures, Constant(None)), problems, {})
        found = {name: columns.get_result(result) for name, result in path.results.items()}
        exceeds = get[path.exceeds.step] if type(path.exceeds) is Traced else Constant(path.exceeds)
        return cls(rows, found, {}, _list_broken(path, rows, exceeds, get_value))

    @classmethod
    def from_evaluated(cls, found: Evaluated, sheet: Sheet, places: Sequence[int]) -> "Piece":
        """Return the results of the rows of a sheet that were evaluated without tracing."""
        rows = sheet.backend.select_integers(places, sheet.rows)
        problems = {int(rows[row]): problem for row, problem in found.problems.items()}
        return cls(rows, found.columns, problems, {int(rows[row]): said for row, said in found.broken.items()})


def _get_at(values: Any, index: int) -> Any:
    if isinstance(values, Constant):
        return values.value
    value = values[index]
    return value.item() if hasattr(value, "item") else value


def _list_broken(path: Path, rows: Any, exceeds: Any, get_value: Callable[[Any, int], Any]) -> Mapping[int, Any]:
    """Return the messages of exceeded limits by row; `exceeds` says for each of `rows` whether a limit is exceeded."""
    if isinstance(exceeds, Constant):
        places: Any = range(len(rows)) if exceeds.value else ()
    else:
        places = exceeds.nonzero()[0] if hasattr(exceeds, "nonzero") else lists.find_true(exceeds)
    if not len(places):
        return {}

    def describe(index: int) -> tuple[str, ...]:
        at = int(places[index])
        return tuple(
            message for check in path.checks for message in check.find_messages(lambda value: get_value(value, at))
        )

    return ByRow([int(rows[place]) for place in places], describe)


class ByRow(Mapping[int, _Result], Generic[_Result]):
    """Results of some rows by their number, each calculated when it is accessed, because few of them are shown."""

    def __init__(self, rows: Any, calculate: Callable[[int], _Result]) -> None:
        self._rows = rows
        self._calculate = calculate
        self._places: dict[int, int] | None = None

    def _find_places(self) -> dict[int, int]:
        if self._places is None:
            rows = lists.to_python_numbers(self._rows)
            self._places = {row: place for place, row in enumerate(rows)}
        return self._places

    def __getitem__(self, row: int) -> _Result:
        return self._calculate(self._find_places()[row])

    def __iter__(self) -> Iterator[int]:
        return iter(self._find_places())

    def __len__(self) -> int:
        return len(self._rows)


class _Joined(Mapping[int, _Result], Generic[_Result]):
    """The results of several pieces by row, in ascending order."""

    def __init__(self, parts: Sequence[Mapping[int, _Result]]) -> None:
        self._parts = parts
        self._by_row: dict[int, Mapping[int, _Result]] | None = None

    def _find_parts(self) -> dict[int, Mapping[int, _Result]]:
        if self._by_row is None:
            pairs = sorted((row, number) for number, part in enumerate(self._parts) for row in part)
            self._by_row = {row: self._parts[number] for row, number in pairs}
        return self._by_row

    def __getitem__(self, row: int) -> _Result:
        return self._find_parts()[row][row]

    def __iter__(self) -> Iterator[int]:
        return iter(self._find_parts())

    def __len__(self) -> int:
        return sum(map(len, self._parts))


def assemble(pieces: Sequence[Piece], figures: Sequence[str], rows: int) -> Evaluated:
    """Return the results of all pieces; together, these have every row once."""
    return Evaluated(
        {name: _join_columns([(piece.rows, piece.columns[name]) for piece in pieces], rows) for name in figures},
        _join([piece.problems for piece in pieces]),
        _join([piece.broken for piece in pieces]),
    )


def _join(parts: Sequence[Mapping[int, _Result]]) -> Mapping[int, _Result]:
    kept = [part for part in parts if len(part)]
    return kept[0] if len(kept) == 1 else _Joined(kept) if kept else {}


def _join_columns(parts: Sequence[tuple[Any, Any]], rows: int) -> Sequence[Any]:
    """Return one column: an array if all rows were calculated with arrays, otherwise a list."""
    plain = [(indexes, values.value if isinstance(values, Constant) else values) for indexes, values in parts]
    if plain and all(hasattr(indexes, "dtype") for indexes, _ in plain):
        from convcalc.space import arrays

        joined: Sequence[Any] = arrays.join_parts(plain, rows)
        return joined
    return lists.join_parts(
        [(lists.to_python_numbers(indexes), lists.to_python_numbers(values)) for indexes, values in plain], rows
    )
