"""Reads CSV files of measurements, such as accuracies, whose columns are joined to those of a table.

`read_csv("accuracy.csv")` returns the names of the columns, and the cells of each line as numbers and texts.
"""

import csv
import io
import re
from collections.abc import Sequence
from math import isfinite, isnan
from typing import Any, NamedTuple

from convcalc.arguments import MOST_DIGITS
from convcalc.problems import Flaw, printable, show
from convcalc.spec.files import explain_unreadable, reached_through_link

_MOST_BYTES = 64 * 2**20
_MOST_LINES = 5  # limit of line numbers in a message
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MOST_DIGITS}}}", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf(?:inity)?)", re.ASCII | re.I
)


class CsvLine(NamedTuple):
    """One line of a CSV file: the number of its last line of text, and its cells as values."""

    number: int
    values: tuple[Any, ...]


class CsvFile(NamedTuple):
    """The contents of a CSV file; `quotable` is whether messages may quote them."""

    name: str
    columns: tuple[str, ...]
    lines: tuple[CsvLine, ...]
    quotable: bool

    def quote(self, value: object) -> str:
        """Return a value for a message, or a word for it if the file was reached through a symbolic link."""
        return show(value) if self.quotable else "a value"

    def describe_unmatched(self, numbers: Sequence[int], what: str) -> str:
        """Return a message on the lines that match no combination or network (`what`)."""
        lines = ", ".join(map(str, numbers[:_MOST_LINES])) + (", …" if len(numbers) > _MOST_LINES else "")
        verb = "line matches" if len(numbers) == 1 else "lines match"
        return f"{printable(self.name)}: {len(numbers):,} {verb} no {what}: {lines}"

    def make_flaw(self, line: int, message: str, hint: str = "") -> Flaw:
        """Return an error at a line of the file."""
        return Flaw(f"{printable(self.name)}:{line}: {message}", hint)


def read_csv(name: str) -> CsvFile:
    """Return the contents of a CSV file in UTF-8, whose first line has the names of the columns.

    A number is read as a number, an empty cell and `nan` as None (unknown), and any other cell as text. Raises Flaw,
    with the line, if the file is malformed, and without it if the file cannot be read.
    """
    text = _read_text(name)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found = CsvFile(name, (), (), not reached_through_link(name))
    lines: list[CsvLine] = []
    try:
        for cells in reader:
            if not found.columns:
                found = found._replace(columns=_read_header(found, cells, reader.line_num))
            elif cells:
                lines.append(_read_line(found, cells, reader.line_num))
    except csv.Error as error:
        raise found.make_flaw(reader.line_num, f"not valid CSV: {error}") from None
    if not found.columns:
        raise Flaw(f"{printable(name)} is empty: its first line must have the names of the columns")
    return found._replace(lines=tuple(lines))


def _read_text(name: str) -> str:
    try:
        with open(name, "rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Flaw(f"{printable(name)}: {explain_unreadable(name, error)}") from None
    if len(data) > _MOST_BYTES:
        raise Flaw(f"{printable(name)} exceeds the limit of {_MOST_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Flaw(f"{printable(name)}:{line}: not valid UTF-8", "save the file as UTF-8") from None


def _read_header(file: CsvFile, cells: list[str], line: int) -> tuple[str, ...]:
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        mark = "semicolons" if ";" in names[0] else "tabs"
        raise file.make_flaw(line, f"the columns are separated by {mark}", "separate them by commas")
    for name in names:
        if not name:
            raise file.make_flaw(line, "a column has no name")
        if names.count(name) > 1:
            raise file.make_flaw(line, f"two columns have the name {file.quote(name)}")
    return tuple(names)


def _read_line(file: CsvFile, cells: list[str], line: int) -> CsvLine:
    if len(cells) != len(file.columns):
        count = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
        raise file.make_flaw(line, f"{count} instead of {len(file.columns)}, one per column")
    return CsvLine(line, tuple(_read_cell(file, cell.strip(), line) for cell in cells))


def _read_cell(file: CsvFile, cell: str, line: int) -> Any:
    if not cell:
        return None
    if _INTEGER.fullmatch(cell):
        return int(cell)
    if _FLOAT.fullmatch(cell):
        value = float(cell)
        if not isfinite(value) and not isnan(value):
            raise file.make_flaw(line, f"{file.quote(cell)} is not a finite number")
        return None if isnan(value) else value
    return cell
