"""Puts the results of several paths together: a column per figure, and the problems and exceeded limits by row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from convcalc.problems import Problem
from convcalc.space.evaluation import Evaluated
from convcalc.space.paths import Path
from convcalc.space.sheets import Sheet
from convcalc.space.tracing import Constant, Traced

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
        rows = _place_rows(sheet, places)
        get = {step: columns.list_values(node) for step, node in path.nodes.items()}

        def get_value(value: Any, index: int) -> Any:
            return _get_at(get[value.step], index) if type(value) is Traced else value

        if path.problems:
            problems = ByRow(rows, lambda at: path.find_first_problem(lambda step: _get_at(get[step], at)))
            return cls(rows, dict.fromkeys(path.figures, Constant(None)), problems, {})
        found = {name: columns.list_values(result) for name, result in path.results.items()}
        exceeds = get[path.exceeds.step] if type(path.exceeds) is Traced else Constant(path.exceeds)
        return cls(rows, found, {}, _list_broken(path, rows, exceeds, get_value))

    @classmethod
    def take(cls, found: Evaluated, sheet: Sheet, places: Sequence[int]) -> "Piece":
        """Return results that were calculated ordinarily for the rows of a sheet."""
        rows = _place_rows(sheet, places)
        problems = {int(rows[row]): problem for row, problem in found.problems.items()}
        return cls(rows, found.columns, problems, {int(rows[row]): said for row, said in found.broken.items()})


def _place_rows(sheet: Sheet, places: Sequence[int]) -> Any:
    if isinstance(places, range) and hasattr(sheet.rows, "dtype"):
        return sheet.rows + places.start
    if hasattr(sheet.rows, "dtype"):
        import numpy as np

        return np.asarray(places)[sheet.rows]
    return [places[row] for row in sheet.rows]


def _get_at(values: Any, index: int) -> Any:
    if isinstance(values, Constant):
        return values.value
    value = values[index]
    return value.item() if hasattr(value, "item") else value


def _list_broken(path: Path, rows: Any, exceeds: Any, get_value: Callable[[Any, int], Any]) -> Mapping[int, Any]:
    if isinstance(exceeds, Constant):
        if not exceeds.value:
            return {}
        places: Any = range(len(rows))
    elif hasattr(exceeds, "nonzero"):
        [places] = exceeds.nonzero()
    else:
        places = [index for index, value in enumerate(exceeds) if value]

    def describe(index: int) -> tuple[str, ...]:
        at = int(places[index])
        return tuple(
            message for check in path.checks for message in check.find_messages(lambda value: get_value(value, at))
        )

    return ByRow([rows[place] for place in places] if not hasattr(rows, "dtype") else rows[places], describe)


class ByRow(Mapping[int, _Result], Generic[_Result]):
    """Results of some rows by their number, each calculated when it is accessed, because few of them are shown."""

    def __init__(self, rows: Any, calculate: Callable[[int], _Result]) -> None:
        self._rows = rows
        self._calculate = calculate
        self._places: dict[int, int] | None = None

    def _find_places(self) -> dict[int, int]:
        if self._places is None:
            rows = self._rows.tolist() if hasattr(self._rows, "tolist") else self._rows
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
    """Return one column; an array if it has only numbers that were calculated with arrays, otherwise a list."""
    arrays = [values for _, values in parts if hasattr(values, "dtype")]
    if arrays and all(hasattr(places, "dtype") for places, _ in parts):
        joined: Sequence[Any] = _join_arrays(parts, arrays, rows)
        return joined
    found: list[Any] = [None] * rows
    for places, values in parts:
        listed = places.tolist() if hasattr(places, "tolist") else places
        for place, value in zip(listed, _list_all(values, len(listed)), strict=True):
            found[place] = value
    return found


def _list_all(values: Any, rows: int) -> Sequence[Any]:
    if isinstance(values, Constant):
        return [values.value] * rows
    return values.tolist() if hasattr(values, "tolist") else values  # type: ignore[no-any-return]


def _join_arrays(parts: Sequence[tuple[Any, Any]], arrays: list[Any], rows: int) -> Any:
    import numpy as np

    if len(parts) == 1 and len(arrays) == 1:
        return arrays[0]
    constants = [values.value for _, values in parts if isinstance(values, Constant)]
    kinds = {array.dtype for array in arrays}
    is_plain = len(kinds) == 1 and all(hasattr(v, "dtype") or isinstance(v, Constant) for _, v in parts)
    is_plain = is_plain and all(type(value) is type(arrays[0].flat[0].item()) for value in constants if arrays[0].size)
    found: Any = np.empty(rows, dtype=arrays[0].dtype if is_plain else object)
    for places, values in parts:
        found[places] = values.value if isinstance(values, Constant) else values
    return found
