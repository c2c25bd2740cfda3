"""Writes the rows of `convcalc sweep` as Parquet, with pyarrow (`pip install convcalc[parquet]`).

`ParquetRows(kinds, stream)` writes rows as they come; `close` completes the file.
"""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from convcalc.problems import Flaw, printable, show
from convcalc.space.chunk import CODES, Chunk
from convcalc.space.lists import to_python_numbers

_DTYPES = {int: "i", float: "f"}  # of arrays of numpy, which have no unknown values
_MISFIT = object()  # a value that no column of numbers takes
_ADVICE = "-f parquet needs pyarrow: pip install 'convcalc[parquet]'"


def require_pyarrow() -> Any:
    """Return the package pyarrow with its module for Parquet. Raises Flaw if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Flaw(_ADVICE) from None
    return pyarrow


class ParquetRows:
    """A Parquet file that is written to a binary stream.

    `kinds` maps each column to `int`, `float`, `bool` or `str`; a list is written as its JSON text. Raises Flaw if
    pyarrow is not installed.
    """

    def __init__(self, kinds: dict[str, type], stream: IO[bytes]) -> None:
        pyarrow = require_pyarrow()
        types = {int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_(), str: pyarrow.string()}
        self.kinds = kinds
        self.arrow = pyarrow
        self.schema = pyarrow.schema([(name, types[kind]) for name, kind in kinds.items()])
        self.file = pyarrow.parquet.ParquetWriter(stream, self.schema)

    def write(self, rows: Chunk) -> None:
        """Write the next rows. Raises Flaw if a value does not have the kind of its column."""
        if not rows:
            return
        arrays = [
            self._make_array(name, kind, column)
            for (name, kind), column in zip(self.kinds.items(), rows.columns, strict=True)
        ]
        self.file.write_table(self.arrow.Table.from_arrays(arrays, schema=self.schema))

    def _make_array(self, name: str, kind: type, column: Any) -> Any:
        if getattr(getattr(column, "dtype", None), "kind", "") == _DTYPES.get(kind):
            return self.arrow.array(column, type=self.schema.field(name).type)
        if isinstance(column, array) and column.typecode == CODES.get(kind):
            buffers = [None, self.arrow.py_buffer(column)]
            return self.arrow.Array.from_buffers(self.schema.field(name).type, len(column), buffers)
        values = [None if value is None else _convert(value, kind) for value in to_python_numbers(column)]
        try:
            return self.arrow.array(values, type=self.schema.field(name).type)
        except (OverflowError, self.arrow.lib.ArrowException):
            kind_name = {int: "an integer of 64 bits", float: "a number", bool: "true or false"}.get(kind, "text")
            message = f"a value of {show(name)} is not {kind_name}, which the column has in Parquet"
            raise Flaw(message, "use -f csv or jsonl") from None

    def close(self) -> None:
        """Complete the file; the stream stays open."""
        self.file.close()


def _convert(value: Any, kind: type) -> Any:
    """Return a value for a column of a kind; unchanged, so that it is refused, if it would lose something."""
    if kind is str and not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    if not isinstance(value, int | float) or kind is str:
        return value
    return kind(value) if kind is float or kind(value) == value else _MISFIT


def merge_files(names: Iterable[str], kinds: dict[str, type], stream: IO[bytes]) -> None:
    """Write the rows of several Parquet files with the same columns to a binary stream.

    Only one group of rows is held. Raises Flaw if pyarrow is not installed, or a file has other columns.
    """
    merged = ParquetRows(kinds, stream)
    for name in names:
        with merged.arrow.parquet.ParquetFile(name) as file:
            if not file.schema_arrow.equals(merged.schema):
                raise Flaw(f"{printable(name)} has other columns")
            for batch in file.iter_batches():
                merged.file.write_batch(batch)
    merged.close()


def choose_kinds(names: Sequence[str], rows: Chunk, known: Mapping[str, Sequence[Any]]) -> dict[str, type]:
    """Return the kind of each column: of the values in `known`, or otherwise of its values in the first rows."""
    columns = dict(zip(names, rows.list_columns(), strict=True))
    return {name: _choose_kind(known.get(name, columns[name])) for name in names}


def _choose_kind(values: Sequence[Any]) -> type:
    """Return the narrowest kind that all values have; `float` if all are unknown."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return float
    if len(kinds) == 1 and kinds <= {bool, int, float}:
        return kinds.pop()
    return float if kinds <= {int, float} else str
