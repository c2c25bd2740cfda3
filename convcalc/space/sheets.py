"""Holds rows of parameter values, and calculates the nodes of a program for them.

A `Sheet` has the different values of each input (a table), and for each row the index of its value in that table. Nodes
that depend on one input are calculated per value of the table, all others per row.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from convcalc.space.programs import Program
from convcalc.space.steps import Constant, Operand

MOST_VALUES = 16_384  # limit of values in a table for which whole columns are calculated and kept


class Sheet:
    """Some rows. `tables` and `indexes` are by input; `rows` are the row numbers in the whole grid.

    `backend` is the module that calculates: `convcalc.space.lists` or `convcalc.space.arrays`. Sheets with the same
    tables share what was calculated for them, by the number of the program: `known` has the columns of the nodes, one
    value per entry of a table, and `masks` which entries take a path. `is_lasting` is true if further sheets will have
    the same tables.
    """

    def __init__(
        self,
        backend: ModuleType,
        tables: Mapping[str, Any],
        indexes: Mapping[str, Any],
        rows: Any,
        known: "Sheet | None" = None,
    ) -> None:
        self.backend = backend
        self.tables = dict(tables)
        self.indexes = dict(indexes)
        self.rows = rows
        self.known: dict[int, dict[int, Any]] = {} if known is None else known.known
        self.masks: dict[int, dict[str, Any]] = {} if known is None else known.masks
        self.is_lasting: bool = False if known is None else known.is_lasting

    def __len__(self) -> int:
        return len(self.rows)

    def get_first_values(self) -> dict[str, Any]:
        """Return the values of the first row, as numbers of Python."""
        found = {}
        for name, table in self.tables.items():
            value = self.backend.get_values(table)[self.indexes[name][0]]
            found[name] = value.item() if hasattr(value, "item") else value
        return found

    def select(self, places: Any) -> "Sheet":
        """Return a sheet with some of the rows: those at these places in this sheet."""
        indexes = {name: self.backend.select_integers(found, places) for name, found in self.indexes.items()}
        return Sheet(self.backend, self.tables, indexes, self.backend.select_integers(self.rows, places), self)

    def compress(self) -> "Sheet":
        """Return a sheet with the same rows, without values in the tables that no row uses."""
        tables, indexes = {}, {}
        for name, table in self.tables.items():
            used, found = self.backend.index_values(self.indexes[name])
            tables[name] = self.backend.select_values(table, self.backend.get_values(used))
            indexes[name] = found
        return Sheet(self.backend, tables, indexes, self.rows)

    def cut(self, start: int, stop: int) -> "Sheet":
        """Return a sheet with the rows from `start` to `stop` - 1, and with the same tables."""
        indexes = {name: found[start:stop] for name, found in self.indexes.items()}
        return Sheet(self.backend, self.tables, indexes, self.rows[start:stop], self)

    def count_values(self) -> int:
        """Return the number of values in all tables."""
        return sum(len(self.backend.get_values(table)) for table in self.tables.values())

    def is_compact(self) -> bool:
        """Whether the tables are short enough to calculate with whole tables."""
        return all(len(self.backend.get_values(table)) <= MOST_VALUES for table in self.tables.values())

    # -- calculating

    def calculate(self, program: Program, results: Iterable[Operand]) -> "Columns":
        """Return the columns of some nodes of a program; raises `TooLarge` if the numbers are too large for arrays."""
        known = self.known.setdefault(program.number, {})
        columns = Columns(self, program, known)
        schedule, is_compact = program.schedule(results), self.is_compact()
        for number in schedule.order:
            if number not in known:
                columns.calculate(number)
            for operand in schedule.freed.get(number, ()):
                columns.forget(operand, with_table=not is_compact)
        return columns


class Columns:
    """The calculated columns of nodes: one value per row, or per entry of a table if a node depends on one input."""

    def __init__(self, sheet: Sheet, program: Program, tables: dict[int, Any]) -> None:
        self.sheet = sheet
        self.program = program
        self.tables = tables
        self._rows: dict[int, Any] = {}

    def _get_input(self, number: int) -> str:
        """Return the input on which a node depends, if it is a single one."""
        [name] = self.program.nodes[number].inputs
        return name

    def calculate(self, number: int) -> None:
        """Calculate a node whose operands are known."""
        node, backend = self.program.nodes[number], self.sheet.backend
        if len(node.inputs) == 1:
            if node.operation == "input":
                self.tables[number] = self.sheet.tables[self._get_input(number)]
                return
            operands = [_get_constant_or(self.tables.__getitem__, operand) for operand in node.operands]
            self.tables[number] = backend.calculate(node.operation, operands)
            return
        self._rows[number] = backend.calculate(
            node.operation, [_get_constant_or(self.get_rows, operand) for operand in node.operands]
        )

    def get_rows(self, number: int) -> Any:
        """Return the column of a node per row."""
        found = self._rows.get(number)
        if found is None:
            indexes = self.sheet.indexes[self._get_input(number)]
            found = self._rows[number] = self.sheet.backend.select_values(self.tables[number], indexes)
        return found

    def get_table(self, number: int) -> tuple[str, Any]:
        """Return the input of a node that depends on a single one, and its column per value."""
        return self._get_input(number), self.tables[number]

    def forget(self, number: int, with_table: bool) -> None:
        """Free the column of a node per row and, with `with_table`, that per value."""
        self._rows.pop(number, None)
        if with_table:
            self.tables.pop(number, None)

    def get_result(self, result: Operand) -> Any:
        """Return the values of a result per row, or a constant."""
        if isinstance(result, Constant):
            return result
        return self.sheet.backend.get_values(self.get_rows(result))


def _get_constant_or(get_column: Any, operand: Operand) -> Any:
    return operand.value if isinstance(operand, Constant) else get_column(operand)


def make_sheet(backend: ModuleType, columns: Mapping[str, Sequence[Any]], rows: int) -> Sheet:
    """Return a sheet with columns of values, by the name of their input."""
    tables, indexes = {}, {}
    for name, column in columns.items():
        tables[name], indexes[name] = backend.index_values(column)
    return Sheet(backend, tables, indexes, backend.list_indexes(rows))
