"""Reads an ONNX file without its weights, with limits on what an untrusted file can make it do.

A file may hold gigabytes of weights and only some kilobytes that describe the network. It is therefore mapped into
memory rather than read. A scan of its protocol buffer fields finds the tensors, and the parser receives the file
without the contents of large tensors. Source: protobuf.dev/programming-guides/encoding, onnx/onnx.proto.
"""

import mmap
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from convcalc.convert.formats import ONNX
from convcalc.convert.graph import NotImported

_MOST_BYTES = 2**31  # limit of a protocol buffer message
MOST_DESCRIPTION = 64 * 2**20
_MOST_CONTENTS = 65_536  # bytes; larger contents are dropped. The shapes that a graph computes with are smaller
_MOST_FIELDS = 2_000_000
_MOST_NESTED = 32
_INSTALL_HINT = f"ONNX files need the package onnx: pip install 'convcalc[{ONNX.extra}]'"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Message = dict[int, str]
# the fields that lead to the contents of tensors: for each type of message, their numbers and types
_MESSAGES: dict[str, _Message] = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": dict.fromkeys((4, 5, 6, 7, 9, 10, 11), "contents"),
}


class _ProtobufField(NamedTuple):
    """A field of a message: its number, and the positions in the file where it starts, its content starts, and it ends.

    `has_length` is true for strings and nested messages, whose content is preceded by its length in bytes.
    """

    number: int
    start: int
    content: int
    stop: int
    has_length: bool


def read_model(path: str) -> Any:
    """Return the onnx.ModelProto of a file, without the contents of its large tensors.

    Raises OSError if the file cannot be read, and NotImported if it is not an ONNX model or exceeds a limit.
    """
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
    """Return the package onnx. If it is missing, raises NotImported with the command that installs it."""
    try:
        import onnx
    except ImportError:
        raise NotImported(_INSTALL_HINT) from None
    return onnx


def read_description(path: str) -> bytes:
    """Return the bytes of a file without the contents of its large tensors.

    Raises OSError if the file cannot be read, and NotImported if it is malformed or exceeds a limit.
    """
    if stat.S_ISFIFO(os.stat(path).st_mode):
        raise NotImported("not a regular file")  # opening it would block until something writes to it
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
                data[:]
                if len(data) <= _MOST_CONTENTS
                else _DescriptionReader(data).strip_contents("model", 0, len(data), 0)
            )


class _DescriptionReader:
    """Copies a file without the contents of its large tensors, and limits the fields read and the bytes copied."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.fields = 0
        self.copied_bytes = 0

    def strip_contents(self, message: str, start: int, stop: int, depth: int) -> bytes:
        """Return the message at `start` to `stop` without the contents of its large tensors.

        `message` is its type, a key of _MESSAGES; `depth` is the number of messages that enclose it.
        """
        if depth > _MOST_NESTED:
            raise NotImported(f"graphs nested more than {_MOST_NESTED} deep")
        parts = []
        for field in _read_fields(self.data, start, stop):
            inner = _MESSAGES[message].get(field.number)
            large = field.stop - field.content > _MOST_CONTENTS
            if inner == "contents" and (large or not field.has_length):
                self.count_field(0)
            elif inner is None or not large:
                self.count_field(field.stop - field.start)
                parts.append(self.data[field.start : field.stop])
            else:
                self.count_field(0)
                content = self.strip_contents(inner, field.content, field.stop, depth + 1)
                parts.append(encode_varint(field.number << 3 | _BYTES) + encode_varint(len(content)) + content)
        return b"".join(parts)

    def count_field(self, copied_bytes: int) -> None:
        self.fields += 1
        self.copied_bytes += copied_bytes
        if self.copied_bytes > MOST_DESCRIPTION or self.fields > _MOST_FIELDS:
            raise NotImported(
                f"more than {MOST_DESCRIPTION // 2**20} MiB or {_MOST_FIELDS:,} fields besides its weights"
            )


def _read_fields(data: mmap.mmap, position: int, end: int) -> Iterator[_ProtobufField]:
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
    """Return the variable-length integer at a position, and the position after it."""
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
    """Return an integer in the variable-length encoding of protocol buffers."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
