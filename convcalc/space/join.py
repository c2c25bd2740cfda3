"""Joins a CSV file to the rows of a sweep, on the values of spec parameters.

For example, a file with the columns width, size and top1 gives every row with its width and size a column top1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convcalc.problems import Flaw, InvalidSpec, did_you_mean, join_words, printable
from convcalc.space.csv_files import CsvFile, CsvLine, read_csv
from convcalc.spec.source import read_value

_Key = tuple[Any, ...]


class Join(NamedTuple):
    """A CSV file: the parameters on which it is joined, its other columns, and its lines by parameter values.

    `used` has the numbers of the lines that a row has matched so far, and `missing` the number of rows without a line.
    """

    file: CsvFile
    on: tuple[str, ...]
    names: tuple[str, ...]
    lines: dict[_Key, CsvLine]
    used: set[int]
    missing: list[int]

    def list_columns(self, values: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return the joined columns for rows with these parameter values; None if a row has no line."""
        places = [self.file.columns.index(name) for name in self.names]
        columns: list[list[Any]] = [[] for _ in places]
        for row in zip(*(values[name] for name in self.on), strict=True):
            line = self.lines.get(tuple(map(_make_key, row)))
            if line is None:
                self.missing[0] += 1
            else:
                self.used.add(line.number)
            for column, place in zip(columns, places, strict=True):
                column.append(None if line is None else line.values[place])
        return dict(zip(self.names, columns, strict=True))

    def list_joined_values(self) -> dict[str, list[Any]]:
        """Return the values of the joined columns in all lines of the file."""
        places = {name: self.file.columns.index(name) for name in self.names}
        return {name: [line.values[place] for line in self.lines.values()] for name, place in places.items()}

    def list_warnings(self, rows: int, combinations: int) -> list[str]:
        """Return messages on the lines that match no combination, and on the rows without a line.

        If there are fewer rows than combinations, as with --sample or --shard, another one may match a line.
        """
        is_complete = rows == combinations
        unmatched = [line.number for line in self.lines.values() if is_complete and line.number not in self.used]
        found = [self.file.describe_unmatched(unmatched, "combination")] if unmatched else []
        if self.missing[0]:
            name = printable(self.file.name)
            has = "has" if self.missing[0] == 1 else "have"
            found.append(f"{name}: {self.missing[0]:,} of {rows:,} combinations {has} no line")
        return found


def read_join(source: str | CsvFile, tried: Sequence[str], fixed: Mapping[str, Any], taken: Sequence[str]) -> Join:
    """Return the join of a CSV file, which is read unless it has been.

    `tried` are the parameters that vary and `fixed` the values of others; lines with another value are left out.
    `taken` are the names of figures, which the other columns of the file cannot have. Raises Flaw.
    """
    file = read_csv(source) if isinstance(source, str) else source
    name = file.name
    on = tuple(column for column in file.columns if column in tried)
    if not on:
        parameters = join_words(tried)
        near = next(filter(None, (did_you_mean(column, tried) for column in file.columns)), "")
        hint = near if file.quotable and near else f"rename one of the columns to {parameters}"
        raise Flaw(f"{printable(name)}:1: no column is a spec parameter of -p", hint)
    names = tuple(column for column in file.columns if column not in on and column not in fixed)
    for column in names:
        if column in taken:
            raise Flaw(f"{printable(name)}:1: the column {file.quote(column)} has the name of a figure", "rename it")
    lines: dict[_Key, CsvLine] = {}
    for line in file.lines:
        values = dict(zip(file.columns, line.values, strict=True))
        if any(
            _make_key(_read_parameter(file, line, values[known])) != _make_key(value)
            for known, value in fixed.items()
            if known in values
        ):
            continue
        key = tuple(_make_key(_read_parameter(file, line, values[parameter])) for parameter in on)
        if key in lines:
            first = lines[key].number
            raise file.make_flaw(line.number, f"line {first} has the same values of {join_words(on)}")
        lines[key] = line
    return Join(file, on, names, lines, set(), [0])


def _read_parameter(file: CsvFile, line: CsvLine, value: Any) -> Any:
    """Return the value of a spec parameter in a cell: as in a spec, so that `true` and `[3, 3]` are not texts."""
    if value is None:
        raise file.make_flaw(line.number, "the value of a spec parameter is empty")
    if not isinstance(value, str):
        return value
    try:
        return read_value(value)
    except InvalidSpec:
        return value


def _make_key(value: Any) -> Any:
    """Return a value that is equal for equal parameter values: 1 and 1.0, but not 1 and true."""
    if isinstance(value, list | tuple):
        return ("list", *map(_make_key, value))
    return (type(value).__name__, value) if isinstance(value, bool | str) else value
