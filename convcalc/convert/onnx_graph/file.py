"""An ONNX file without its weights: what of it is read, and how far it is trusted.

A file may be gigabytes of weights around some kilobytes that describe the network. It is mapped into memory, not
read, and only the description is given to the parser: the wire format of protocol buffers is walked down to the
tensors, and what they hold is left out. Source: protobuf.dev/programming-guides/encoding, onnx/onnx.proto.
"""

import mmap
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported

_MOST_BYTES = 2**31  # a message of protocol buffers ends here
MOST_DESCRIPTION = 64 * 2**20
_MOST_HELD = 65_536  # bytes of a tensor that are read: the shapes that a network computes with are small
_MOST_FIELDS = 2_000_000
_MOST_NESTED = 32
_INSTALL_HINT = "ONNX files need the package onnx: pip install 'convcalc[onnx]'"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Message = dict[int, str]
_MESSAGES: dict[str, _Message] = {  # by the numbers of the fields, those that lead to what tensors hold
    "model": {7: "graph", 25: "function"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": dict.fromkeys((4, 5, 6, 7, 9, 10, 11), "held"),
}


class _ProtobufField(NamedTuple):
    """A field of a message: its number, and where it, its content and the next begin."""

    number: int
    start: int
    content: int
    stop: int
    has_length: bool


def read_model(path: str) -> Any:
    """The onnx.ModelProto of a file, its large tensors empty. Raises OSError, and NotImported where it is none."""
    onnx = import_onnx()
    description = read_description(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(description)
    except Exception as error:  # the parser's own error, which differs between its implementations
        raise NotImported(f"not an ONNX model: {str(error) or type(error).__name__}") from None
    if not model.HasField("graph") or not model.graph.output or not model.opset_import:
        raise NotImported("not an ONNX model: it has no graph with an output, or no operator set version")
    return model


def import_onnx() -> Any:
    """The package onnx. Raises NotImported, with how to install it, where it is absent."""
    try:
        import onnx
    except ImportError:
        raise NotImported(_INSTALL_HINT) from None
    return onnx


def read_description(path: str) -> bytes:
    """The bytes of a file without what its large tensors hold."""
    if stat.S_ISFIFO(os.stat(path).st_mode):
        raise NotImported("not a regular file")  # to open it would wait for someone who writes
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotImported("not a regular file")
        if status.st_size > _MOST_BYTES:
            raise NotImported("larger than 2 GiB, the limit of an ONNX file: save its weights as external data")
        if status.st_size == 0:
            raise NotImported("not an ONNX model: it is empty")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return (
                data[:] if len(data) <= _MOST_HELD else _DescriptionReader(data).without_held("model", 0, len(data), 0)
            )


class _DescriptionReader:
    """One walk through a file: how many fields were met, and how many bytes of them are kept."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.met = 0
        self.kept = 0

    def without_held(self, message: str, start: int, stop: int, depth: int) -> bytes:
        """A message without what the large tensors in it hold; small parts are taken as they are."""
        if depth > _MOST_NESTED:
            raise NotImported(f"graphs nested more than {_MOST_NESTED} deep")
        parts = []
        for field in _read_fields(self.data, start, stop):
            inner = _MESSAGES[message].get(field.number)
            large = field.stop - field.content > _MOST_HELD
            if inner == "held" and (large or not field.has_length):
                self.count(0)
            elif inner is None or not large:
                self.count(field.stop - field.start)
                parts.append(self.data[field.start : field.stop])
            else:
                self.count(0)
                content = self.without_held(inner, field.content, field.stop, depth + 1)
                parts.append(encode_varint(field.number << 3 | _BYTES) + encode_varint(len(content)) + content)
        return b"".join(parts)

    def count(self, kept: int) -> None:
        """One more field, so many bytes of which are kept. Raises NotImported at a limit."""
        self.met += 1
        self.kept += kept
        if self.kept > MOST_DESCRIPTION or self.met > _MOST_FIELDS:
            raise NotImported(
                f"more than {MOST_DESCRIPTION // 2**20} MiB or {_MOST_FIELDS:,} fields besides its weights"
            )


def _read_fields(data: mmap.mmap, position: int, end: int) -> Iterator[_ProtobufField]:
    """The fields of a message, in their order. Raises NotImported where it is cut off or malformed."""
    while position < end:
        start = position
        key, position = _read_varint(data, position, end)
        content = position
        if key & 7 == _VARINT:
            _, position = _read_varint(data, position, end)
        elif key & 7 == _BYTES:
            length, content = _read_varint(data, position, end)
            position = content + length
        elif key & 7 in (_FIXED32, _FIXED64):
            position += 4 if key & 7 == _FIXED32 else 8
        else:
            raise NotImported("not an ONNX model: malformed")
        if position > end:
            raise NotImported("not an ONNX model, or truncated: it ends inside a field")
        yield _ProtobufField(key >> 3, start, content, position, key & 7 == _BYTES)


def _read_varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """An integer of variable length, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise NotImported("not an ONNX model, or truncated: malformed integer")


def encode_varint(value: int) -> bytes:
    """An integer of variable length."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
