"""Reads FlatBuffers, the binary format of TFLite files, without a library and without trusting any offset.

A table is a list of numbered fields. For example, if field 3 of a table is text, `table.text(3)` returns it. Every
position is checked against the size of the file, and the bytes that are read are limited in total, because several
offsets may lead to the same large vector. Source: flatbuffers.dev/internals.
"""

from mmap import mmap
from struct import Struct
from typing import NamedTuple

from convcalc.convert.graph import NotImported

MOST_BYTES_READ = 32 * 2**20  # of tables, vectors and texts; the contents of weights are not read
_TABLE_BYTES = 64  # the size at which a table is counted, above that of its content, because it takes memory
_STRUCTS = {code: Struct(f"<{code}") for code in "?bBhHiIqQf"}


class Span(NamedTuple):
    """A part of the file, such as the contents of a weight."""

    start: int
    size: int


class FlatBuffer:
    """A whole file."""

    def __init__(self, data: bytes | mmap) -> None:
        self.data = data
        self.size = len(data)
        self.bytes_read = 0

    def root(self) -> "Table":
        """Return the table that contains all others. Raises NotImported if its offset is wrong."""
        return self.table_at(0)

    def table_at(self, place: int) -> "Table":
        """Return the table to which the offset at a position leads."""
        self.count(_TABLE_BYTES)
        return Table(self, self.follow(place))

    def number(self, code: str, place: int) -> int:
        """Return the number at a position; `code` is its type as in the module struct."""
        self.check(place, _STRUCTS[code].size)
        found: int = _STRUCTS[code].unpack_from(self.data, place)[0]
        return found

    def numbers(self, code: str, span: Span, count: int) -> tuple[int, ...]:
        """Return `count` numbers from the start of a part of the file."""
        packed = Struct(f"<{count}{code}")
        self.count(packed.size)
        self.check(span.start, packed.size)
        return packed.unpack_from(self.data, span.start)

    def follow(self, place: int) -> int:
        """Return the position to which the offset at a position leads."""
        return place + self.number("I", place)

    def check(self, start: int, size: int) -> None:
        """Raise NotImported unless `size` bytes at position `start` are inside the file."""
        if not 0 <= start <= self.size - size:
            raise NotImported("malformed or truncated: an offset leads outside the file")

    def count(self, size: int) -> None:
        """Count bytes that are read. Raises NotImported if there are too many."""
        self.bytes_read += size
        if self.bytes_read > MOST_BYTES_READ:
            raise NotImported(f"more than {MOST_BYTES_READ // 2**20} MiB besides its weights")


class Table:
    """A table. Its fields are numbered from 0, in the order of the schema; a union has two numbers: type and value."""

    def __init__(self, buffer: FlatBuffer, start: int) -> None:
        self.buffer = buffer
        self.start = start
        self.vtable = start - buffer.number("i", start)
        self.vtable_size = buffer.number("H", self.vtable)

    def place(self, field: int) -> int | None:
        """Return the position of a field; None if the table does not have it."""
        entry = 4 + 2 * field
        if entry + 2 > self.vtable_size:
            return None
        offset = self.buffer.number("H", self.vtable + entry)
        return self.start + offset if offset else None

    def number(self, field: int, code: str, default: int = 0) -> int:
        """Return a number; `code` is its type as in the module struct."""
        place = self.place(field)
        return default if place is None else self.buffer.number(code, place)

    def real(self, field: int) -> float:
        """Return a single-precision number, 0 by default."""
        return float(self.number(field, "f"))

    def table(self, field: int) -> "Table | None":
        """Return a table; None if it is absent."""
        place = self.place(field)
        return None if place is None else self.buffer.table_at(place)

    def vector(self, field: int, element_size: int) -> Span | None:
        """Return the part of the file with the elements of a vector; None if it is absent."""
        place = self.place(field)
        if place is None:
            return None
        start = self.buffer.follow(place)
        size = self.buffer.number("I", start) * element_size
        self.buffer.check(start + 4, size)
        return Span(start + 4, size)

    def numbers(self, field: int, code: str, most: int | None = None) -> tuple[int, ...]:
        """Return a vector of numbers, empty by default; at most the first `most` of them."""
        size = _STRUCTS[code].size
        span = self.vector(field, size)
        if span is None:
            return ()
        count = span.size // size
        return self.buffer.numbers(code, span, count if most is None else min(count, most))

    def tables(self, field: int, most: int, what: str) -> list["Table"]:
        """Return a vector of tables, empty by default. Raises NotImported if it has more than `most` elements."""
        span = self.vector(field, 4)
        count = 0 if span is None else span.size // 4
        if count > most:
            raise NotImported(f"more than {most:,} {what}")
        return [self.buffer.table_at(span.start + 4 * place) for place in range(count)] if span else []

    def text(self, field: int) -> str:
        """Return a text, empty by default. Bytes that are not UTF-8 are replaced."""
        span = self.vector(field, 1)
        if span is None:
            return ""
        self.buffer.count(span.size)
        return self.buffer.data[span.start : span.start + span.size].decode("utf-8", "replace")
