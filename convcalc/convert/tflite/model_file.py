"""Reads a TFLite file into a `Model`: the tensors and operators of its first subgraph, as the file states them.

The contents of weights are not read. Fields of tables are numbered as in the schema: github.com/tensorflow/tensorflow,
tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import prod
from typing import NamedTuple

from convcalc.convert.graph import NotImported
from convcalc.convert.operators import Sizes
from convcalc.convert.tflite.flatbuffer import FlatBuffer, Span, Table
from convcalc.convert.tflite.operator_names import name_operator
from convcalc.problems import show

MOST_OPERATORS = 100_000
MOST_TENSORS = 1_000_000
MOST_VALUES = 4096  # the values of larger constants are not read
MOST_AXES = 64
MOST_ELEMENTS = 10**11  # in one tensor
_RUNS_SUBGRAPHS = frozenset(("CALL", "IF", "WHILE"))


class ElementType(NamedTuple):
    """The type of the elements of a tensor.

    `dtype` is the data type as in a spec, None if a spec cannot state it; `bits` is its size, 0 if it is not a number.
    `code` is the type as in the module struct; empty if the values of such constants are not needed.
    """

    dtype: str | None
    bits: int
    code: str = ""


_ELEMENT_TYPES = {  # by number in the file
    0: ElementType("float32", 32, "f"),
    1: ElementType("float16", 16, "e"),
    2: ElementType("int32", 32, "i"),
    3: ElementType("uint8", 8, "B"),
    4: ElementType(None, 64, "q"),
    6: ElementType(None, 8, "B"),  # a truth value
    7: ElementType("int16", 16, "h"),
    8: ElementType(None, 64),  # complex
    9: ElementType("int8", 8, "b"),
    10: ElementType("float64", 64, "d"),
    11: ElementType(None, 128),  # complex
    12: ElementType(None, 64, "Q"),
    15: ElementType("uint32", 32, "I"),
    16: ElementType("uint16", 16, "H"),
    17: ElementType("int4", 4),
    18: ElementType("bfloat16", 16),
    19: ElementType("int2", 2),
    20: ElementType("uint4", 4),
    21: ElementType("float8", 8),
    22: ElementType("float8", 8),
}
_FLOATS = ("f", "e", "d")
_OTHER = ElementType(None, 0)  # texts, resources and variants


class FileTensor(NamedTuple):
    """A tensor of the file.

    `dims` are its sizes, 1 for a size that the file leaves open; those in `signature` are then -1. `scale` is the
    factor of its quantised values and `zero_point` the value that stands for 0; `scale` is None if the tensor is not
    quantised. `contents` is where its values are; None if it is not a constant. `packed` is true if these are
    compressed, or in another file.
    """

    name: str
    dims: Sizes
    signature: Sizes
    type: ElementType
    scale: float | None
    zero_point: int
    variable: bool
    contents: Span | None
    packed: bool

    def may_be_learnt(self) -> bool:
        """Whether the tensor may be a weight: its values are real or quantised numbers."""
        whole = self.type.code in ("i", "q", "h", "I", "Q", "H")
        return (self.type.dtype is not None and not (whole and self.scale is None)) or self.scale is not None


class FileOperator(NamedTuple):
    """An operator of the file.

    `inputs` and `outputs` are the numbers of tensors; -1 is an input that is not used. `options` is the table with its
    attributes, if any.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None


class Model:
    """A TFLite file. `tensors`, `operators`, `inputs` and `outputs` are those of its first subgraph."""

    def __init__(self, buffer: FlatBuffer) -> None:
        self.buffer = buffer
        self.root = buffer.root()
        subgraphs = self.root.tables(2, MOST_OPERATORS, "subgraphs")
        if not subgraphs:
            raise NotImported("it has no subgraph")
        self.graph = subgraphs[0]
        self.tensors = [self.read_tensor(table) for table in self.graph.tables(0, MOST_TENSORS, "tensors")]
        self.inputs = self.check_numbers(self.graph.numbers(1, "i"), 0)
        self.outputs = self.check_numbers(self.graph.numbers(2, "i"), 0)
        self.operators = [self.read_operator(table) for table in self.graph.tables(3, MOST_OPERATORS, "operators")]

    @cached_property
    def buffers(self) -> list[Table]:
        """The tables with the contents of constants."""
        return self.root.tables(4, MOST_TENSORS, "buffers")

    @cached_property
    def operator_names(self) -> list[str]:
        """The names of the operators in use. Numbers up to 127 are in an old field, and larger ones in a new one."""
        return [
            name_operator(max(code.number(0, "b"), code.number(3, "i")), code.text(1))
            for code in self.root.tables(1, MOST_OPERATORS, "operator codes")
        ]

    def list_constants(self, numbers: Sequence[int]) -> list[FileTensor]:
        """Return the constants with several elements that may be learnt, in these subgraphs and those that they run."""
        subgraphs = self.root.tables(2, MOST_OPERATORS, "subgraphs")
        found: dict[int, FileTensor] = {}  # by position of the contents, because subgraphs may share them
        pending, seen = list(numbers), {0}
        while pending:
            number = pending.pop()
            if number in seen or not 0 < number < len(subgraphs):
                continue
            seen.add(number)
            for tensor in map(self.read_tensor, subgraphs[number].tables(0, MOST_TENSORS, "tensors")):
                if tensor.contents is not None and tensor.may_be_learnt() and prod(tensor.dims) > 1:
                    found.setdefault(tensor.contents.start, tensor)
            for table in subgraphs[number].tables(3, MOST_OPERATORS, "operators"):
                options = table.table(4)
                if self.name_of(table) in _RUNS_SUBGRAPHS and options is not None:
                    pending += [options.number(0, "i"), options.number(1, "i")]
        return list(found.values())

    def check_numbers(self, numbers: tuple[int, ...], least: int) -> tuple[int, ...]:
        """Return the numbers of tensors. Raises NotImported if one is smaller than `least` or has no tensor."""
        for number in numbers:
            if not least <= number < len(self.tensors):
                raise NotImported(f"malformed: there is no tensor {number}")
        return numbers

    def read_operator(self, table: Table) -> FileOperator:
        """Return an operator. Raises NotImported if it refers to anything that the file does not have."""
        inputs = self.check_numbers(table.numbers(1, "i"), -1)
        outputs = self.check_numbers(table.numbers(2, "i"), 0)
        options = table.table(4) if table.number(3, "B") else None
        return FileOperator(self.name_of(table), inputs, outputs, options)

    def name_of(self, table: Table) -> str:
        """Return the name of an operator."""
        code = table.number(0, "I")
        if code >= len(self.operator_names):
            raise NotImported(f"malformed: there is no operator code {code}")
        return self.operator_names[code]

    def read_tensor(self, table: Table) -> FileTensor:
        """Return a tensor. Raises NotImported if its shape is malformed, or does not fit the size of its contents."""
        name, dims = table.text(3), table.numbers(0, "i")
        signature = table.numbers(7, "i") or dims
        if len(dims) > MOST_AXES or len(signature) != len(dims) or any(size < 0 for size in dims):
            raise NotImported(f"malformed: the tensor {show(name)} has the shape {list(dims)[:MOST_AXES]}")
        if prod(dims) > MOST_ELEMENTS:
            shape = " × ".join(map(str, dims))
            raise NotImported(f"{show(name)} has {shape} elements; at most {MOST_ELEMENTS:,} are supported")
        element = _ELEMENT_TYPES.get(table.number(1, "b"), _OTHER)
        quantisation = table.table(4)
        scales = quantisation.numbers(2, "f", 1) if quantisation and element.code not in _FLOATS else ()
        zeros = quantisation.numbers(3, "q", 1) if quantisation else ()
        contents = self.find_contents(table.number(2, "I"))
        packed = table.place(6) is not None or bool(table.number(10, "I"))
        if table.number(10, "I"):
            contents = Span(0, 0)
        found = FileTensor(
            name,
            dims,
            signature,
            element,
            scales[0] if scales else None,
            zeros[0] if zeros else 0,
            bool(table.number(5, "B")),
            contents,
            packed,
        )
        self.check_contents(found)
        return found

    def find_contents(self, number: int) -> Span | None:
        """Return where the contents of buffer `number` are; None if it is empty.

        Files of more than 2 GiB have them behind the tables; the buffer then has their position.
        """
        if number >= len(self.buffers):
            if number:
                raise NotImported(f"malformed: there is no buffer {number}")
            return None
        buffer = self.buffers[number]
        found = buffer.vector(0, 1)
        start, size = buffer.number(1, "Q"), buffer.number(2, "Q")
        if start > 1:  # 1 is a placeholder of writers
            self.buffer.check(start, size)
            found = Span(start, size)
        return found if found and found.size else None

    def check_contents(self, tensor: FileTensor) -> None:
        """Raise NotImported if the contents of a tensor are not as large as its shape says."""
        if tensor.contents is None or tensor.packed or not tensor.type.bits:
            return
        due = -(-prod(tensor.dims) * tensor.type.bits // 8)
        if tensor.contents.size != due:
            raise NotImported(
                f"malformed: the tensor {show(tensor.name)} has {tensor.contents.size:,} bytes instead of {due:,}"
            )

    def read_values(self, tensor: FileTensor) -> tuple[float, ...] | None:
        """Return the values of a constant; None if they are unknown or more than MOST_VALUES.

        Quantised values are converted to real numbers.
        """
        count = prod(tensor.dims)
        if tensor.contents is None or tensor.packed or not tensor.type.code or count > MOST_VALUES:
            return None
        values = self.buffer.numbers(tensor.type.code, tensor.contents, count)
        if tensor.scale is None:
            return values
        return tuple((value - tensor.zero_point) * tensor.scale for value in values)


@contextmanager
def open_model(path: str) -> Iterator[Model]:
    """Open the model in a file, which is mapped to memory until the context ends.

    Raises OSError if the file cannot be read, and NotImported if it is not a TFLite model.
    """
    with open(path, "rb") as stream:
        if os.fstat(stream.fileno()).st_size < 8:
            raise NotImported("not a TFLite model: it is too short")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[4:8] != b"TFL3":
                raise NotImported("not a TFLite model: it does not have the identifier TFL3")
            yield Model(FlatBuffer(data))
