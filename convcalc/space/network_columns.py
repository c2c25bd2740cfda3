"""Adds columns to a table of networks: those of a CSV file, and derived ones.

`add_columns` takes one `Described` per network and returns one mapping from columns to values per network.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convcalc.metrics.figures import FIGURES, SHAPES
from convcalc.problems import Flaw, printable
from convcalc.space.csv_files import CsvFile, CsvLine, read_csv
from convcalc.space.planning import read_derived

_KEYS = ("name", "file")


class Described(NamedTuple):
    """A network in a table: the names and files by which it is known, its own keys, and its figures."""

    names: tuple[str, ...]
    files: tuple[str, ...]
    own: Mapping[str, Any]
    figures: Mapping[str, Any]


class Added(NamedTuple):
    """The added values of each network by column.

    `unmatched` has a message if lines of the CSV file match no network.
    """

    values: list[dict[str, Any]]
    unmatched: str


def add_columns(networks: Sequence[Described], join: str | None, derive: Sequence[str]) -> Added:
    """Return the added columns; `join` is a CSV file with a column name or file, `derive` has texts NAME=EXPRESSION.

    Raises Flaw, with the name of the option, for a mistake in the file or in an expression.
    """
    own = tuple(dict.fromkeys(key for network in networks for key in network.own))
    values: list[dict[str, Any]] = [{} for _ in networks]
    taken = ("name", "file", *own, *FIGURES, *SHAPES)
    joined = _Joined(read_csv(join), networks, taken) if join is not None else None
    for row, added in zip(values, joined.values if joined else [{}] * len(values), strict=True):
        row.update(added)
    shown = list(joined.columns if joined else ())
    columns: dict[str, Sequence[Any]] = {
        name: [
            {**network.figures, **network.own, **row}.get(name) for network, row in zip(networks, values, strict=True)
        ]
        for name in ("name", *own, *shown, *FIGURES, *SHAPES)
    }
    columns["name"] = [network.names[0] for network in networks]
    for text in derive:
        name, formula = read_derived(text, list(columns))
        columns[name], _ = formula.evaluate_rows(columns, len(networks))
        shown.append(name)
        for row, value in zip(values, columns[name], strict=True):
            row[name] = value
    return Added(values, joined.unmatched if joined else "")


class _Joined:
    """The lines of a CSV file that match networks by their names or files."""

    def __init__(self, file: CsvFile, networks: Sequence[Described], taken: Sequence[str]) -> None:
        keys = [key for key in _KEYS if key in file.columns]
        if len(keys) != 1:
            columns = "no column name or file" if not keys else "both a column name and a column file"
            raise Flaw(f"--join: {printable(file.name)}:1: there is {columns}", "name the networks in one column")
        self.file = file
        self.key = file.columns.index(keys[0])
        self.columns = [column for column in file.columns if column not in _KEYS]
        for column in self.columns:
            if column in taken:
                flaw = file.make_flaw(1, f"the column {file.quote(column)} has the name of a figure")
                raise Flaw(f"--join: {flaw.message}", "rename it")
        lines = self._index_lines()
        found = [
            next((lines[name] for name in getattr(network, f"{keys[0]}s") if name in lines), None)
            for network in networks
        ]
        self.values = [self._list_cells(line) for line in found]
        used = {line.number for line in found if line is not None}
        missed = [line.number for line in lines.values() if line.number not in used]
        self.unmatched = file.describe_unmatched(missed, "network") if missed else ""

    def _index_lines(self) -> dict[str, CsvLine]:
        lines: dict[str, CsvLine] = {}
        for line in self.file.lines:
            name = str(line.values[self.key])
            if name in lines:
                first = lines[name].number
                flaw = self.file.make_flaw(line.number, f"line {first} is also about {self.file.quote(name)}")
                raise Flaw(f"--join: {flaw.message}")
            lines[name] = line
        return lines

    def _list_cells(self, line: CsvLine | None) -> dict[str, Any]:
        places = {column: self.file.columns.index(column) for column in self.columns}
        return {column: None if line is None else line.values[place] for column, place in places.items()}
