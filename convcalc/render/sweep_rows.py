"""Writes the rows of `convcalc sweep` as CSV or JSON, chunk by chunk, so that any number of rows can be written.

A writer returns pieces of text: call `begin()`, then `add(format_chunk(rows))` any number of times, then `end(facts)`.
Other processes can call `format_chunk`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from convcalc.render.csv_text import guard_text, join_cells
from convcalc.render.values import value_text
from convcalc.space.chunk import Chunk

_SCHEMA = "convcalc/sweep/1"
_PLAIN = {int, float, type(None)}
_TEXTS = {str, type(None)}


class RowWriter(Protocol):
    """Returns rows as pieces of text."""

    def begin(self) -> str:
        """Return the text before the rows."""

    def format_chunk(self, rows: Chunk) -> str:
        """Return the text of rows, which does not depend on the rows before them."""

    def add(self, text: str) -> str:
        """Return the text of the next rows, preceded by a separator if one is needed after the rows before."""

    def end(self, facts: Mapping[str, Any]) -> str:
        """Return the text after the rows; `facts` are the counts and limits of the sweep."""


class CsvRows:
    """Writes CSV: the names of the columns, then one line per row with exact numbers; an unknown value is empty."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def begin(self) -> str:
        """Return the line of names."""
        return self.format_chunk(Chunk([[name] for name in self.names], 1))

    def format_chunk(self, rows: Chunk) -> str:
        """Return one line per row."""
        return join_cells(zip(*map(_list_cells, rows.list_columns()), strict=True))

    def add(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def end(self, facts: Mapping[str, Any]) -> str:
        """Return an empty text: CSV has nothing after the rows."""
        return ""


class JsonLines:
    """Writes one JSON object per row and line."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        pairs = ", ".join(f"{json.dumps(name)}: ".replace("%", "%%") + "%s" for name in names)
        self._template = f"{{{pairs}}}"

    def begin(self) -> str:
        """Return an empty text: JSON Lines have only rows."""
        return ""

    def format_chunk(self, rows: Chunk) -> str:
        """Return one line per row."""
        return "".join(f"{text}\n" for text in self.list_objects(rows))

    def add(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def list_objects(self, rows: Chunk) -> list[str]:
        """Return the JSON object of each row."""
        columns = map(_list_json, rows.list_columns())
        return [self._template % cells for cells in zip(*columns, strict=True)]

    def end(self, facts: Mapping[str, Any]) -> str:
        """Return an empty text: JSON Lines have only rows."""
        return ""


class JsonDocument:
    """Writes a JSON document with the columns, the list of rows, and the facts about the sweep."""

    def __init__(self, names: Sequence[str]) -> None:
        self.lines = JsonLines(names)
        self.is_empty = True

    def begin(self) -> str:
        """Return the names of the columns and the start of the list of rows."""
        columns = json.dumps(list(self.lines.names))
        return f'{{"schema": {json.dumps(_SCHEMA)}, "columns": {columns}, "rows": ['

    def format_chunk(self, rows: Chunk) -> str:
        """Return the rows, each on a line."""
        return ",\n  ".join(self.lines.list_objects(rows))

    def add(self, text: str) -> str:
        """Return the text, preceded by a comma unless it has the first rows."""
        if not text:
            return ""
        comma = "\n  " if self.is_empty else ",\n  "
        self.is_empty = False
        return comma + text

    def end(self, facts: Mapping[str, Any]) -> str:
        """Return the end of the list of rows, and the facts."""
        return "],\n " + json.dumps(facts, indent=1)[3:] + "\n"


def make_writer(format: str, names: Sequence[str]) -> RowWriter:
    """Return the writer of a format: csv, jsonl or json."""
    if format == "csv":
        return CsvRows(names)
    return JsonLines(names) if format == "jsonl" else JsonDocument(names)


def _list_cells(column: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a column for the csv module, which writes numbers and None as they are."""
    kinds = set(map(type, column))
    if kinds <= _PLAIN:
        return column
    if kinds <= _TEXTS:  # few different values: each is written once
        texts = {value: guard_text(value_text(value)) for value in set(column)}
        return [texts[value] for value in column]
    return [guard_text(value_text(value)) for value in column]


def _list_json(column: Sequence[Any]) -> list[str]:
    """Return each value of a column as JSON; one call for a column of numbers is much faster than one per value."""
    kinds = set(map(type, column))
    if kinds <= _PLAIN:
        return json.dumps(column)[1:-1].split(", ") if column else []
    if kinds <= _TEXTS:
        texts = {value: json.dumps(value) for value in set(column)}  # few different values: each is written once
        return [texts[value] for value in column]
    return [json.dumps(value) for value in column]
