"""Reads and writes the metadata `OfflineMemoryAllocation` of TFLite files, the offsets of tensors in the arena.

A file is extended rather than rewritten: a new root table with the plan is put before the old content. The content
moves by a multiple of 16 bytes and is otherwise unchanged, because all offsets in a FlatBuffer are relative. The fields
are numbered as in schema.fbs.
"""

import struct
from collections.abc import Sequence

from convcalc.convert.graph import NotImported
from convcalc.convert.tflite.flatbuffer import FlatBuffer, Table
from convcalc.convert.tflite.model_file import MOST_TENSORS

_NAME = b"OfflineMemoryAllocation"
_HEADER = 8  # the offset of the root table, and the identifier
_VERSION, _CODES, _SUBGRAPHS, _DESCRIPTION, _BUFFERS, _OLD_METADATA, _METADATA, _SIGNATURES = range(8)
_MOST_METADATA = 10_000
_MOST_OFFSET = 2**31 - 1


def read_offsets(root: Table, tensors: int) -> tuple[int, ...] | None:
    """Return the planned offset of each of the file's tensors, -1 if it has none; None if the file has no plan.

    Raises NotImported if the plan is malformed.
    """
    found = None
    for entry in root.tables(_METADATA, _MOST_METADATA, "metadata"):
        if entry.text(0).encode() == _NAME:
            found = entry
    if found is None:
        return None
    buffers = root.tables(_BUFFERS, MOST_TENSORS, "buffers")
    number = found.number(1, "I")
    span = buffers[number].vector(0, 1) if number < len(buffers) else None
    if span is None or span.size < 12:
        raise NotImported("malformed: its offline plan is empty")
    _, _, count = root.buffer.numbers("i", span, 3)
    if count != tensors or span.size < 4 * (3 + count):
        raise NotImported(f"malformed: its offline plan has {count:,} offsets for {tensors:,} tensors")
    return root.buffer.numbers("i", span, 3 + count)[3:]


def add_plan(content: bytes, offsets: Sequence[int]) -> bytes:
    """Return the content of a TFLite file with the given offset of each tensor, -1 for one that is not planned.

    An earlier plan in the file no longer applies. Raises NotImported if the file cannot be extended.
    """
    if max(offsets, default=0) > _MOST_OFFSET:
        raise NotImported(f"the plan has offsets above {_MOST_OFFSET:,} bytes, which a file cannot hold")
    root = FlatBuffer(content).root()
    _check_can_move(root, content)
    old = [*_list_targets(root, _BUFFERS)]
    kept = [
        target
        for target, entry in zip(
            _list_targets(root, _METADATA), root.tables(_METADATA, _MOST_METADATA, ""), strict=True
        )
        if entry.text(0).encode() != _NAME
    ]
    parts = _Front(content)
    parts.add_root(root, old, kept, struct.pack(f"<{3 + len(offsets)}i", 1, 1, len(offsets), *offsets))
    return parts.finish()


def _check_can_move(root: Table, content: bytes) -> None:
    """Raise NotImported if the file has contents at absolute positions, or fields that are not known."""
    if root.vtable_size > 4 + 2 * (_SIGNATURES + 1):
        raise NotImported("its root table has fields that are not known, so a plan cannot be added")
    if any(buffer.number(1, "Q") > 1 for buffer in root.tables(_BUFFERS, MOST_TENSORS, "buffers")):
        raise NotImported("its weights are at absolute positions, so a plan cannot be added")
    if content[4:8] != b"TFL3":
        raise NotImported("not a TFLite model: it does not have the identifier TFL3")


def _list_targets(root: Table, field: int) -> list[int]:
    """Return the positions of the tables in a vector of tables."""
    span = root.vector(field, 4)
    return [] if span is None else [root.buffer.follow(place) for place in range(span.start, span.start + span.size, 4)]


class _Front:
    """The bytes that are put before the old content, with the places of offsets that lead into it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.data = bytearray(struct.pack("<I4s", 0, b"TFL3"))
        self.old: list[tuple[int, int]] = []  # (place of an offset, position in the old content that it points to)

    def add_root(self, root: Table, buffers: Sequence[int], metadata: Sequence[int], plan: bytes) -> None:
        """Add a root table with the fields of the old one, one more buffer, and one more entry of metadata."""
        present = {field for field in range(_SIGNATURES + 1) if root.place(field) is not None}
        fields = sorted(present | {_BUFFERS, _METADATA})
        table = self._add_table(fields)
        struct.pack_into("<I", self.data, 0, table)
        places = {field: table + 4 + 4 * index for index, field in enumerate(fields)}
        for field in present - {_VERSION, _BUFFERS, _METADATA}:
            place = root.place(field)
            assert place is not None
            self.old.append((places[field], root.buffer.follow(place)))
        if _VERSION in present:
            struct.pack_into("<I", self.data, places[_VERSION], root.number(_VERSION, "I"))
        last_buffer = self._add_vector(places[_BUFFERS], buffers)
        last_entry = self._add_vector(places[_METADATA], metadata)
        self._add_buffer(last_buffer, plan)
        self._add_entry(last_entry, len(buffers))

    def _add_table(self, fields: Sequence[int], width: int = 4) -> int:
        """Add a table with fields of 4 bytes, and return its position; its table of fields comes before it."""
        self._align(4)
        start = len(self.data)
        offsets = [0] * (max(fields) + 1)
        for index, field in enumerate(fields):
            offsets[field] = 4 + width * index
        size = 4 + 2 * len(offsets)
        self.data += struct.pack(f"<HH{len(offsets)}H", size, 4 + width * len(fields), *offsets)
        self._align(4)
        table = len(self.data)
        self.data += struct.pack("<i", table - start) + bytes(width * len(fields))
        return table

    def _add_vector(self, place: int, old: Sequence[int]) -> int:
        """Add a vector of old tables and one new one, to which `place` leads; return the place of the new one."""
        self._lead(place)
        self.data += struct.pack("<I", len(old) + 1)
        for target in old:
            self.old.append((len(self.data), target))
            self.data += bytes(4)
        self.data += bytes(4)
        return len(self.data) - 4

    def _add_buffer(self, place: int, plan: bytes) -> None:
        table = self._add_table([0])
        struct.pack_into("<I", self.data, place, table - place)
        self.data += bytes(-(len(self.data) + 4) % 16)  # contents of buffers are aligned to 16 bytes
        self._lead(table + 4)
        self.data += struct.pack("<I", len(plan)) + plan

    def _add_entry(self, place: int, buffer: int) -> None:
        table = self._add_table([0, 1])
        struct.pack_into("<I", self.data, place, table - place)
        struct.pack_into("<I", self.data, table + 8, buffer)
        self._lead(table + 4)
        self.data += struct.pack("<I", len(_NAME)) + _NAME + b"\0"

    def _lead(self, place: int) -> None:
        """Align the end of the data, and let the offset at a place point to it."""
        self._align(4)
        struct.pack_into("<I", self.data, place, len(self.data) - place)

    def _align(self, size: int) -> None:
        self.data += bytes(-len(self.data) % size)

    def finish(self) -> bytes:
        """Return the whole file: this front, and the old content from its header on."""
        self.data += bytes(
            _HEADER - len(self.data) % 16 if len(self.data) % 16 <= _HEADER else 24 - len(self.data) % 16
        )
        moved = len(self.data) - _HEADER
        for place, target in self.old:
            struct.pack_into("<I", self.data, place, target + moved - place)
        return bytes(self.data) + self.content[_HEADER:]
