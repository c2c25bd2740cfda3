"""Writes small TFLite files: FlatBuffers with the fields numbered as in TensorFlow's schema.fbs.

The reader in convcalc has no part in it. A table is a mapping from field numbers to values: a `Scalar`, bytes or text,
a list of scalars (`Vector`), another table, or a list of tables.
"""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

FLOAT32, FLOAT16, INT32, UINT8, INT8 = 0, 1, 2, 3, 9
_SIZES = {FLOAT32: 4, FLOAT16: 2, INT32: 4, UINT8: 1, INT8: 1, 4: 8, 7: 2}
CODES = {
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "DEPTH_TO_SPACE": 5,
    "DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "L2_NORMALIZATION": 11, "L2_POOL_2D": 12,
    "LOCAL_RESPONSE_NORMALIZATION": 13, "LOGISTIC": 14, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU6": 21,
    "RESHAPE": 22, "RESIZE_BILINEAR": 23, "SOFTMAX": 25, "SPACE_TO_DEPTH": 26, "SVDF": 27, "TANH": 28, "CUSTOM": 32,
    "PAD": 34, "GATHER": 36, "BATCH_TO_SPACE_ND": 37, "SPACE_TO_BATCH_ND": 38, "TRANSPOSE": 39, "MEAN": 40, "SUB": 41,
    "DIV": 42, "SQUEEZE": 43, "UNIDIRECTIONAL_SEQUENCE_LSTM": 44, "STRIDED_SLICE": 45, "SPLIT": 49, "CAST": 53,
    "PRELU": 54, "PADV2": 60, "SLICE": 65, "TRANSPOSE_CONV": 67, "TILE": 69, "EXPAND_DIMS": 70, "SUM": 74,
    "RSQRT": 76, "SHAPE": 77, "ARG_MAX": 56, "REDUCE_MAX": 82, "PACK": 83, "UNPACK": 88,
    "SQUARE": 92,
    "RESIZE_NEAREST_NEIGHBOR": 97, "LEAKY_RELU": 98, "SQUARED_DIFFERENCE": 99, "MIRROR_PAD": 100, "SPLIT_V": 102,
    "ELU": 111, "QUANTIZE": 114, "HARD_SWISH": 117, "WHILE": 119, "BATCH_MATMUL": 126, "CONV_3D": 132, "GELU": 150,
}  # fmt: skip


_UNIONS = {  # the number of the kind of attributes, which convcalc does not read, but TensorFlow Lite Micro does
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 2, "AVERAGE_POOL_2D": 5, "MAX_POOL_2D": 5, "FULLY_CONNECTED": 8, "SOFTMAX": 9,
    "CONCATENATION": 10, "ADD": 11, "RESHAPE": 17, "PAD": 22, "MEAN": 27, "SUM": 27, "TRANSPOSE_CONV": 49,
    "RESIZE_BILINEAR": 15, "MUL": 21, "TRANSPOSE": 26, "STRIDED_SLICE": 32, "RESIZE_NEAREST_NEIGHBOR": 74,
    "LEAKY_RELU": 75, "MIRROR_PAD": 77, "HARD_SWISH": 91, "BATCH_MATMUL": 101,
}  # fmt: skip


class Scalar(NamedTuple):
    """A number, with its type as in the module struct."""

    code: str
    value: Any


class Vector(NamedTuple):
    """A list of numbers of one type."""

    code: str
    values: Sequence[Any]


class T(NamedTuple):
    """A tensor: `data` are the bytes of a constant; True for zeros of the right size."""

    dims: tuple[int, ...]
    kind: int = FLOAT32
    data: bytes | bool = False
    name: str = ""
    signature: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    zeros: tuple[int, ...] = ()


class Op(NamedTuple):
    """An operator: its name in CODES or the name of a custom operator; `options` are the fields of its attributes."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[int, Any] | None = None


def integers(*values: int, dims: tuple[int, ...] | None = None) -> T:
    """A constant of 32-bit integers."""
    return T((len(values),) if dims is None else dims, INT32, struct.pack(f"<{len(values)}i", *values))


def i(value: int) -> Scalar:
    return Scalar("i", value)


def flag(value: bool) -> Scalar:
    return Scalar("?", value)


def byte(value: int) -> Scalar:
    return Scalar("b", value)


def real(value: float) -> Scalar:
    return Scalar("f", value)


def window(
    strides: tuple[int, int] = (1, 1), same: bool = False, activation: int = 0, dilations: tuple[int, int] = (1, 1)
) -> dict[int, Scalar]:
    """The attributes of CONV_2D."""
    height, width = strides
    return {
        0: byte(not same),
        1: i(width),
        2: i(height),
        3: byte(activation),
        4: i(dilations[1]),
        5: i(dilations[0]),
    }


def depthwise_window(strides: tuple[int, int] = (1, 1), same: bool = False, activation: int = 0) -> dict[int, Scalar]:
    height, width = strides
    return {0: byte(not same), 1: i(width), 2: i(height), 3: i(1), 4: byte(activation)}


def pool_window(
    kernel: tuple[int, int], strides: tuple[int, int], same: bool = False, activation: int = 0
) -> dict[int, Scalar]:
    return {
        0: byte(not same),
        1: i(strides[1]),
        2: i(strides[0]),
        3: i(kernel[1]),
        4: i(kernel[0]),
        5: byte(activation),
    }


def tflite(
    tensors: Sequence[T],
    operators: Sequence[Op],
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] = (),
    *others: Any,
) -> bytes:
    """A file with one subgraph, or more: `others` are (tensors, operators, inputs, outputs) of the further ones."""
    outputs = outputs or operators[-1].outputs
    names = list(dict.fromkeys(op.name for _, ops, *_ in ((0, operators), *others) for op in ops))
    buffers: list[dict[int, Any]] = [{}]
    graphs = [_graph(names, buffers, *each) for each in ((tensors, operators, inputs, outputs), *others)]
    codes = [_code(name) for name in names]
    return pack({0: Scalar("I", 3), 1: codes, 2: graphs, 4: buffers})


def _code(name: str) -> dict[int, Any]:
    number = CODES.get(name, CODES["CUSTOM"])
    found: dict[int, Any] = {0: byte(min(number, 127)), 3: i(number)}
    return found if name in CODES else {**found, 1: name}


def _graph(
    names: list[str], buffers: list[dict[int, Any]], tensors: Any, operators: Any, inputs: Any, outputs: Any
) -> Any:
    return {
        0: [_tensor(tensor, place, buffers) for place, tensor in enumerate(tensors)],
        1: Vector("i", inputs),
        2: Vector("i", outputs),
        3: [_operator(op, names.index(op.name)) for op in operators],
    }


def _tensor(tensor: T, place: int, buffers: list[dict[int, Any]]) -> dict[int, Any]:
    number = 0
    if tensor.data is not False:
        size = prod(tensor.dims) * _SIZES[tensor.kind]
        number = len(buffers)
        buffers.append({0: bytes(size) if tensor.data is True else tensor.data})
    found: dict[int, Any] = {
        0: Vector("i", tensor.dims),
        1: byte(tensor.kind),
        2: Scalar("I", number),
        3: tensor.name or f"net/layer{place}/Op",
    }
    if tensor.signature:
        found[7] = Vector("i", tensor.signature)
    if tensor.scales:
        zeros = tensor.zeros or (0,) * len(tensor.scales)
        found[4] = {2: Vector("f", tensor.scales), 3: Vector("q", zeros)}
    return found


def _operator(op: Op, code: int) -> dict[int, Any]:
    found: dict[int, Any] = {0: Scalar("I", code), 1: Vector("i", op.inputs), 2: Vector("i", op.outputs)}
    if op.options is not None:
        found |= {3: Scalar("B", _UNIONS.get(op.name, 1)), 4: dict(op.options)}
    return found


def pack(root: Mapping[int, Any]) -> bytes:
    """A FlatBuffer with this table as its root, and the identifier of TFLite."""
    written = bytearray(b"\0\0\0\0TFL3")
    pending: list[tuple[int, Any]] = [(0, root)]
    while pending:
        place, value = pending.pop()
        pending += _append(written, place, value)
    return bytes(written)


def _align(written: bytearray, size: int) -> None:
    written.extend(bytes(-len(written) % size))


def _append(written: bytearray, place: int, value: Any) -> list[tuple[int, Any]]:
    """Write a value at the end, its offset at `place`, and return the values that it refers to."""
    _align(written, 8)
    if isinstance(value, Mapping):
        return _append_table(written, place, value)
    struct.pack_into("<I", written, place, len(written) - place)
    if isinstance(value, str | bytes):
        content = value.encode() if isinstance(value, str) else value
        written += struct.pack("<I", len(content)) + content + b"\0"
        return []
    if isinstance(value, Vector):
        start = struct.pack("<I", len(value.values))
        written += start + struct.pack(f"<{len(value.values)}{value.code}", *value.values)
        return []
    written += struct.pack("<I", len(value))
    places = [len(written) + 4 * index for index in range(len(value))]
    written += bytes(4 * len(value))
    return list(zip(places, value, strict=True))


def _append_table(written: bytearray, place: int, fields: Mapping[int, Any]) -> list[tuple[int, Any]]:
    count = max(fields, default=-1) + 1
    offsets, content, later = [0] * count, bytearray(4), []
    for field, value in fields.items():
        size = struct.calcsize(value.code) if isinstance(value, Scalar) else 4
        content.extend(bytes(-len(content) % size))
        offsets[field] = len(content)
        if isinstance(value, Scalar):
            content += struct.pack(f"<{value.code}", value.value)
        else:
            later.append((len(content), value))
            content += bytes(4)
    vtable = struct.pack(f"<{count + 2}H", 4 + 2 * count, len(content), *offsets)
    start = len(written)
    written += vtable
    _align(written, 8)
    table = len(written)
    struct.pack_into("<i", content, 0, table - start)
    struct.pack_into("<I", written, place, table - place)
    written += content
    return [(table + offset, value) for offset, value in later]
