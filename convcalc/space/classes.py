"""Splits rows by the classes of their values: a trace with an integer parameter is valid only for integers.

Integers and floats can be traced. All other values, such as texts, lists, true and false, must be equal in all rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from convcalc.space.lists import to_python_numbers

Columns = Mapping[str, Sequence[Any]]


class Group(NamedTuple):
    """Rows whose values have the same classes: `columns` of numbers, and `given` values that are equal in all rows.

    `rows` are the row numbers, and `key` is a text that is equal for groups that a trace can serve together.
    """

    key: str
    columns: Columns
    given: Mapping[str, Any]
    rows: Sequence[int]


def split_by_class(values: Columns, rows: int) -> Iterator[Group]:
    """Yield the groups of rows with equal classes of values."""
    classes = {name: _find_class(column) for name, column in values.items()}
    uniform = {name: column for name, column in values.items() if classes[name]}
    key = repr({name: classes[name] for name in uniform})
    if len(uniform) == len(values):
        yield Group(key, uniform, {}, range(rows))
        return
    mixed = {name: list(to_python_numbers(column)) for name, column in values.items() if not classes[name]}
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, found in enumerate(zip(*mixed.values(), strict=True)):
        groups.setdefault(tuple(map(describe_value, found)), []).append(row)
    for found, indexes in groups.items():
        first = {name: column[indexes[0]] for name, column in mixed.items()}
        numbers = {name: [mixed[name][row] for row in indexes] for name, value in first.items() if is_traceable(value)}
        columns = {name: _pick(column, indexes) for name, column in uniform.items()} | numbers
        given = {name: value for name, value in first.items() if name not in numbers}
        yield Group(f"{key} {found}", columns, given, indexes)


def describe_columns(values: Columns) -> dict[str, str] | None:
    """Return the class of each column; None if not all values of a column are numbers of the same class."""
    classes = {name: _find_class(column) for name, column in values.items()}
    return classes if all(classes.values()) else None


def is_traceable(value: Any) -> bool:
    """Whether a value is an integer or a finite float."""
    return type(value) is int or (type(value) is float and isfinite(value))


def _find_class(column: Sequence[Any]) -> str:
    """Return "int" or "float" for a column that has only such numbers, otherwise ""."""
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind == "i":
        return "int"
    plain = list(to_python_numbers(column))
    classes = set(map(type, plain))
    if classes == {int}:
        return "int"
    return "float" if classes == {float} and all(map(isfinite, plain)) else ""


def describe_value(value: Any) -> str:
    """Return a text that is the same for all values that one trace can serve."""
    return type(value).__name__ if is_traceable(value) else repr(value)


def _pick(column: Sequence[Any], indexes: Sequence[int]) -> Sequence[Any]:
    if hasattr(column, "dtype"):
        return column[indexes]  # type: ignore[call-overload, no-any-return]
    return [column[index] for index in indexes]
