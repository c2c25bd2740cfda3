"""Calculates with columns in numpy arrays: faster than `lists`, but only for numbers below 2^62.

Every column has a lower and an upper bound of its values. Before an operation, the bounds of its result are calculated
from those of the operands with Python's integers, which have no largest value. If they are too large for 64 bits,
`TooLarge` is raised, and the caller calculates with `lists` instead. A number never overflows unnoticed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from convcalc.space import lists
from convcalc.space.steps import COMPARISONS

_LIMIT = 2**62
_EXACT_IN_FLOATS = 2**53  # numpy compares and divides integers as floats
_SMALL = 4096  # columns of at most this length get exact bounds, which cost little
Bound = int | float
Indexes = Any  # an array of integers


class TooLarge(Exception):
    """Raised if a result may exceed 64 bits."""


class Column(NamedTuple):
    """An array with bounds: every value is at least `low` and at most `high`."""

    values: Any
    low: Bound
    high: Bound


def make_column(values: Sequence[Any]) -> Column:
    """Return a column with these values: all integers, all floats, or all booleans."""
    array = np.asarray(values)
    if array.dtype == object or array.dtype.kind == "u":
        raise TooLarge
    array = array.astype({"i": np.int64, "b": np.bool_}.get(array.dtype.kind, np.float64), copy=False)
    return _measure(array)


def _measure(array: Any) -> Column:
    low, high = (array.min().item(), array.max().item()) if array.size else (0, 0)
    return _check(Column(array, low, high))


def _check(column: Column) -> Column:
    # comparisons with nan are false, so this also raises for nan, as for infinity
    if not -_LIMIT < column.low <= column.high < _LIMIT:
        raise TooLarge
    return column


def index_values(values: Sequence[Any]) -> tuple[Column, Indexes]:
    """Return the different values of a sequence, and for each item the index of its value among them."""
    array = np.asarray(values)
    if array.dtype.kind == "i" and array.size:
        low, high = array.min().item(), array.max().item()
        if high - low < 4 * array.size:
            return _index_near_integers(array, low, high)
    found, indexes = np.unique(array, return_inverse=True)
    return make_column(found), indexes.reshape(-1)


def _index_near_integers(array: Any, low: int, high: int) -> tuple[Column, Indexes]:
    """Return the same as `index_values`, without sorting, for integers that are not far apart."""
    offsets = array - low
    is_used: Any = np.zeros(high - low + 1, dtype=bool)
    is_used[offsets] = True
    places = np.cumsum(is_used) - 1
    used: Any = np.flatnonzero(is_used)
    return make_column(used + low), places[offsets]


def select_values(column: Column, indexes: Indexes) -> Column:
    """Return the values of a column at some indexes."""
    return Column(column.values[indexes], column.low, column.high)


def get_values(column: Column) -> Any:
    """Return the values of a column, one per row."""
    return column.values


def calculate(operation: str, operands: list[Any]) -> Column:
    """Return the column of results of an operation; operands are columns of equal length, and at least one is.

    In rows in which the operation fails, such as a division by zero, the result is arbitrary. Guards exclude such rows.
    Raises TooLarge if a result may exceed 64 bits.
    """
    columns = [operand if isinstance(operand, Column) else _make_constant(operand) for operand in operands]
    if operation not in COMPARISONS:
        for column in columns:
            _check(column)
    with np.errstate(all="ignore"):
        found = (_CALCULATIONS.get(operation) or _make_elementwise(operation))(*columns)
    if isinstance(found.values, np.ndarray) and found.values.size <= _SMALL and found.values.dtype.kind in "if":
        return _measure(found.values)
    return found


def _make_constant(value: Any) -> Column:
    return Column(value, 0, 0) if isinstance(value, str | tuple) else Column(value, value, value)


# -- sums and products


def _as_integers(column: Column) -> Any:
    values = column.values
    return values.astype(np.int64) if isinstance(values, np.ndarray) and values.dtype == np.bool_ else values


def _find_product_bounds(one: Column, other: Column) -> tuple[Bound, Bound]:
    ends = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
    return min(ends), max(ends)


def _multiply(one: Column, other: Column) -> Column:
    bounds = _check(Column(None, *_find_product_bounds(one, other)))
    return bounds._replace(values=_as_integers(one) * _as_integers(other))


def _add(one: Column, other: Column) -> Column:
    bounds = _check(Column(None, one.low + other.low, one.high + other.high))
    return bounds._replace(values=_as_integers(one) + _as_integers(other))


def _subtract(one: Column, other: Column) -> Column:
    bounds = _check(Column(None, one.low - other.high, one.high - other.low))
    return bounds._replace(values=_as_integers(one) - _as_integers(other))


def _multiply_all(*columns: Column) -> Column:
    found = columns[0]
    for column in columns[1:]:
        found = _multiply(found, column)
    return found


def _add_up(constant: Column, *operands: Column) -> Column:
    total: Column | None = None
    for coefficient, column in zip(operands[::2], operands[1::2], strict=True):
        is_once = coefficient.values == 1
        part = column._replace(values=_as_integers(column)) if is_once else _multiply(column, coefficient)
        total = part if total is None else _add(total, part)
    assert total is not None
    return _add(total, constant) if constant.values else total


def _negate(one: Column) -> Column:
    return Column(-_as_integers(one), -one.high, -one.low)


# -- other operations


def _is_integer(column: Column) -> bool:
    values = column.values
    return values.dtype.kind in "ib" if isinstance(values, np.ndarray) else isinstance(values, int)


def _check_exact_in_floats(*columns: Column) -> None:
    if any(_is_integer(column) and max(-column.low, column.high) >= _EXACT_IN_FLOATS for column in columns):
        raise TooLarge


def _divide(one: Column, other: Column) -> Column:
    if _is_integer(one) and _is_integer(other):
        _check_exact_in_floats(one, other)
    return _measure_finite(np.true_divide(one.values, other.values))


def _measure_finite(array: Any) -> Column:
    # a row that a guard excludes can have an infinite result
    return _measure(np.where(np.isfinite(array), array, 0.0))


def _make_division(operation: str, function: Callable[..., Any]) -> Callable[..., Column]:
    def divide(one: Column, other: Column) -> Column:
        if not _is_integer(one) or not _is_integer(other):
            return _calculate_elementwise(operation, one, other)
        most = max(-one.low, one.high, -other.low, other.high)
        return Column(function(_as_integers(one), _as_integers(other)), -most - 1, most + 1)

    return divide


def _make_comparison(function: Callable[..., Any]) -> Callable[..., Column]:
    def compare(one: Column, other: Column) -> Column:
        if one.high < other.low or one.low > other.high:
            # the bounds decide for all values; this is also exact for integers that floats cannot hold
            shape = np.broadcast_shapes(np.shape(one.values), np.shape(other.values))
            return Column(np.broadcast_to(np.bool_(function(*_compare_bounds(one, other))), shape), 0, 1)
        _check(one)
        _check(other)
        if _is_integer(one) != _is_integer(other):
            _check_exact_in_floats(one, other)
        return Column(function(one.values, other.values), 0, 1)

    return compare


def _compare_bounds(one: Column, other: Column) -> tuple[int, int]:
    return (0, 1) if one.high < other.low else (1, 0)


def _make_selection(function: Callable[..., Any], select: Callable[..., Bound]) -> Callable[..., Column]:
    def find(*columns: Column) -> Column:
        found = columns[0].values
        for column in columns[1:]:
            found = function(found, column.values)
        return Column(found, select(column.low for column in columns), select(column.high for column in columns))

    return find


def _make_rounding(function: Callable[..., Any]) -> Callable[..., Column]:
    def round_off(one: Column) -> Column:
        if _is_integer(one):
            return one._replace(values=_as_integers(one))
        _check(one)
        return Column(function(one.values).astype(np.int64), math.floor(one.low), math.ceil(one.high))

    return round_off


def _take_absolute(one: Column) -> Column:
    return Column(np.absolute(one.values), 0, max(-one.low, one.high))


def _take_square_root(one: Column) -> Column:
    _check_exact_in_floats(one)
    return _measure_finite(np.sqrt(one.values))


def _find_common_divisor(one: Column, other: Column) -> Column:
    most = max(-one.low, one.high, -other.low, other.high)
    return Column(np.gcd(_as_integers(one), _as_integers(other)), 0, most)


def _make_elementwise(operation: str) -> Callable[..., Column]:
    return lambda *columns: _calculate_elementwise(operation, *columns)


def _find_head(*columns: Column) -> Column:
    plain = [column.values.tolist() if isinstance(column.values, np.ndarray) else column.values for column in columns]
    return _measure(np.array(lists.calculate("arena_head", plain), dtype=np.int64))


def _calculate_elementwise(operation: str, *columns: Column) -> Column:
    """Return Python's results, because numpy's may differ in the last digit, or numpy lacks the operation."""
    plain = [column.values.tolist() if isinstance(column.values, np.ndarray) else column.values for column in columns]
    found = lists.calculate(operation, plain)
    if operation == "text":
        return Column(np.array(found, dtype=object), 0, 0)
    return _measure_finite(np.array(found, dtype=np.float64))


_CALCULATIONS: dict[str, Callable[..., Column]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "product": _multiply_all,
    "sum": _add_up,
    "negate": _negate,
    "divide": _divide,
    "floor_divide": _make_division("floor_divide", np.floor_divide),
    "modulo": _make_division("modulo", np.remainder),
    "less": _make_comparison(np.less),
    "less_equal": _make_comparison(np.less_equal),
    "greater": _make_comparison(np.greater),
    "greater_equal": _make_comparison(np.greater_equal),
    "equal": _make_comparison(np.equal),
    "unequal": _make_comparison(np.not_equal),
    "largest": _make_selection(np.maximum, max),
    "least": _make_selection(np.minimum, min),
    "whole": _make_rounding(np.trunc),
    "floor": _make_rounding(np.floor),
    "ceil": _make_rounding(np.ceil),
    "round": _make_rounding(np.rint),
    "absolute": _take_absolute,
    "square_root": _take_square_root,
    "gcd": _find_common_divisor,
    "arena_head": _find_head,
    "is_integer": lambda one: Column(np.floor(one.values) == one.values, 0, 1),
}


# -- true or false per row


def is_true_for_all(column: Column) -> bool:
    """Whether all values are true."""
    return bool(column.values.all())


def is_true_for_any(column: Column) -> bool:
    """Whether any value is true."""
    return bool(column.values.any())


def combine_truths(one: Column, other: Column) -> Column:
    """Return, per row, whether both columns are true."""
    return one._replace(values=one.values & other.values)


def invert_truths(column: Column) -> Column:
    """Return, per row, whether the column is false."""
    return column._replace(values=~column.values)


def find_true(column: Column) -> Indexes:
    """Return the indexes at which a column is true."""
    return np.flatnonzero(column.values)


def find_others(indexes: Indexes, rows: int) -> Indexes:
    """Return all indexes from 0 to `rows` - 1 that are not in `indexes`."""
    is_other: Any = np.ones(rows, dtype=bool)
    is_other[indexes] = False
    return np.flatnonzero(is_other)


# -- rows


def select_integers(items: Sequence[int], indexes: Indexes) -> Indexes:
    """Return the integers at some indexes of a sequence."""
    if isinstance(items, range):
        return indexes * items.step + items.start
    return np.asarray(items)[indexes]


def make_indexes(rows: Sequence[int]) -> Indexes:
    """Return row numbers as indexes."""
    return np.asarray(rows, dtype=np.int64)


def make_objects(values: Sequence[Any]) -> Any:
    """Return values as an array of objects, so that each keeps its class."""
    found: Any = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        found[index] = value
    return found


def list_indexes(rows: int) -> Indexes:
    """Return the indexes of a number of rows, from 0."""
    return np.arange(rows)


def index_grid(numbers: range, period: int, count: int) -> Indexes:
    """Return, for rows of a grid, the indexes of values that repeat in turn, each for `period` consecutive rows."""
    return np.arange(numbers.start, numbers.stop) // period % count


def renumber(indexes: Indexes, places: Sequence[int], count: int) -> Indexes:
    """Return, for each index below `count`, its place in `places`, or -1."""
    table: Any = np.full(count, -1)
    table[places] = np.arange(len(places))
    return table[indexes]


def find_members(columns: Sequence[Indexes]) -> Indexes:
    """Return the rows in which no column is -1."""
    return np.flatnonzero(np.all([column >= 0 for column in columns], axis=0))


def join_parts(parts: Sequence[tuple[Indexes, Any]], rows: int) -> Any:
    """Return one column for all rows; each part has the numbers of its rows, and their values or a constant.

    The column is an array of numbers or truths if all values have the same class, otherwise an array of objects.
    """
    if len(parts) == 1 and isinstance(parts[0][1], np.ndarray):
        return parts[0][1]
    classes = {np.asarray(values).dtype for _, values in parts}
    [dtype] = classes if len(classes) == 1 else [np.dtype(object)]
    found: Any = np.empty(rows, dtype=dtype if dtype.kind in "ifb" else object)
    for indexes, values in parts:
        found[indexes] = values
    return found
