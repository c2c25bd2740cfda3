"""Calculates with columns of Python numbers, which have no largest value: slower than `arrays`, but always exact.

>>> calculate("sum", [5, 2, [10, 20]])
[25, 45]

The operands of `sum` are a constant, then pairs of a coefficient and a column. All functions have a
counterpart in `convcalc.space.arrays`.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count, repeat
from typing import Any

from convcalc.space.steps import OPERATIONS

Column = list[Any]
Indexes = list[int]


def to_python_numbers(column: Any) -> Any:
    """Return a list or array with the numbers of Python; those of numpy would be slow one by one."""
    return column.tolist() if hasattr(column, "tolist") else column


def make_column(values: Sequence[Any]) -> Column:
    """Return a column with these values."""
    return list(values)


def index_values(values: Sequence[Any]) -> tuple[Column, Indexes]:
    """Return the different values of a sequence, and for each item the index of its value among them."""
    plain = to_python_numbers(values)
    places: dict[Any, int] = {}
    indexes = [places.setdefault(value, len(places)) for value in plain]
    return list(places), indexes


def select_values(column: Column, indexes: Indexes) -> Column:
    """Return the values of a column at some indexes."""
    return list(map(column.__getitem__, indexes))


def get_values(column: Column) -> Column:
    """Return the values of a column, one per row."""
    return column


def calculate(operation: str, operands: list[Any]) -> Column:
    """Return the column of results of an operation; operands are columns of equal length, and at least one is.

    In rows in which the operation fails, such as a division by zero, the result is 0. Guards exclude such rows.
    """
    if operation == "sum":
        return _add_up(operands[0], operands[1::2], operands[2::2])
    if operation == "product":
        return _multiply(operands)
    if operation == "text":
        return ["".join(map(str, parts)) for parts in zip(*map(_spread, operands))]  # noqa: B905 (endless constants)
    function = OPERATIONS[operation]
    spread = list(map(_spread, operands))
    try:
        return list(map(function, *spread))
    except (ArithmeticError, ValueError):
        return [_try(function, numbers) for numbers in zip(*map(_spread, operands))]  # noqa: B905


def _spread(operand: Any) -> Iterable[Any]:
    return operand if isinstance(operand, list) else repeat(operand)


def _try(function: Callable[..., Any], numbers: tuple[Any, ...]) -> Any:
    try:
        return function(*numbers)
    except (ArithmeticError, ValueError):
        return 0


def _add_up(constant: int, coefficients: Sequence[int], columns: Sequence[Column]) -> Column:
    total: Column | None = None
    for coefficient, column in zip(coefficients, columns, strict=True):
        part = column if coefficient == 1 else list(map(operator.mul, column, repeat(coefficient)))
        total = part if total is None else list(map(operator.add, total, part))
    assert total is not None
    return list(map(operator.add, total, repeat(constant))) if constant or total is columns[0] else total


def _multiply(columns: Sequence[Any]) -> Column:
    found = columns[0]
    for column in columns[1:]:
        found = list(map(operator.mul, _spread(found), _spread(column)))
    return found  # type: ignore[no-any-return]


# -- true or false per row


def is_true_for_all(column: Column) -> bool:
    """Whether all values are true."""
    return all(column)


def is_true_for_any(column: Column) -> bool:
    """Whether any value is true."""
    return any(column)


def combine_truths(one: Column, other: Column) -> Column:
    """Return, per row, whether both columns are true."""
    return list(map(operator.and_, one, other))


def invert_truths(column: Column) -> Column:
    """Return, per row, whether the column is false."""
    return list(map(operator.not_, column))


def find_true(column: Column) -> Indexes:
    """Return the indexes at which a column is true."""
    return list(compress(count(), column))


def find_others(indexes: Indexes, rows: int) -> Indexes:
    """Return all indexes from 0 to `rows` - 1 that are not in `indexes`."""
    known = set(indexes)
    return [row for row in range(rows) if row not in known]


# -- rows


def select_integers(items: Sequence[int], indexes: Indexes) -> Indexes:
    """Return the integers at some indexes of a sequence."""
    return [items[index] for index in indexes]


def list_indexes(rows: int) -> Indexes:
    """Return the indexes of a number of rows, from 0."""
    return list(range(rows))


def index_grid(numbers: range, period: int, count: int) -> Indexes:
    """Return, for rows of a grid, the indexes of values that repeat in turn, each for `period` consecutive rows."""
    return [row // period % count for row in numbers]


def renumber(indexes: Indexes, places: Sequence[int], count: int) -> Indexes:
    """Return, for each index below `count`, its place in `places`, or -1."""
    table = [-1] * count
    for place, index in enumerate(places):
        table[index] = place
    return [table[index] for index in indexes]


def find_members(columns: Sequence[Indexes]) -> Indexes:
    """Return the rows in which no column is -1."""
    return [row for row, found in enumerate(zip(*columns, strict=True)) if min(found) >= 0]


def join_parts(parts: Sequence[tuple[Indexes, Any]], rows: int) -> list[Any]:
    """Return one column for all rows; each part has the numbers of its rows, and their values or a constant."""
    found: list[Any] = [None] * rows
    for indexes, values in parts:
        for index, value in zip(indexes, _spread(values), strict=False):  # a constant has no end
            found[index] = value
    return found
