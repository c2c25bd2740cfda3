"""Reads the operators of a TFLite file: `read_program(path)` returns a `Program` with the file's own tensors.

Figures computed from it are exact, whichever converter wrote the file. Only files with one subgraph are supported.
"""

import os
from math import prod

from convcalc.convert.graph import NotImported
from convcalc.convert.tflite.model_file import FileOperator, FileTensor, Model, open_model
from convcalc.device.arena import ALIGNMENT
from convcalc.device.plan_file import read_offsets
from convcalc.device.program import NoOperator, Operator, Pair, Program, Tensor, Window
from convcalc.problems import show

_SAME = 0
_LEARNT = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "TRANSPOSE_CONV": 1,
    "FULLY_CONNECTED": 1,
}  # the input with the weights
_DATA = {"TRANSPOSE_CONV": 2}  # the input with the data, if it is not the first
_DILATIONS = {"CONV_2D": (5, 4), "DEPTHWISE_CONV_2D": (6, 5)}  # the fields of the attributes, height and width
_POOLING = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
_MULTIPLYING = ("FULLY_CONNECTED", "BATCH_MATMUL")
_CELL_STATE = 19  # the input of an LSTM with the state of its cells
_REDUCING = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL")
_TYPES = {"int8": "int8", "float32": "float32"}
MOST_BYTES = 64 * 1024 * 1024


def read_program(path: str) -> Program:
    """Return the operators of the TFLite file at `path`.

    Raises OSError if it cannot be read, NotImported if it is malformed or not a TFLite file, and NoOperator if its
    memory cannot be computed.
    """
    size = os.stat(path).st_size
    if size > MOST_BYTES:
        raise NoOperator(f"the file has {size:,} bytes; files for microcontrollers of at most {MOST_BYTES:,} are read")
    with open_model(path) as model:
        return _FileReader(model).read(os.path.splitext(os.path.basename(path))[0], size)


def number_tensors(model: Model) -> dict[int, int]:
    """Return a dict from the numbers of tensors in the file to those in the program; constants are left out."""
    kept = (number for number, tensor in enumerate(model.tensors) if tensor.contents is None)
    return {number: place for place, number in enumerate(kept)}


class _FileReader:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.numbers = number_tensors(model)
        self.scales = _count_scales(model)

    def read(self, name: str, size: int) -> Program:
        if len(self.model.root.tables(2, 1_000, "subgraphs")) > 1:
            raise NoOperator("the file has several subgraphs; only files with one are supported")
        tensors = [self._read_tensor(self.model.tensors[number]) for number in self.numbers]
        operators = [self._read_operator(operator) for operator in self.model.operators]
        if not operators:
            raise NoOperator("the file has no operators")
        self._check_order(operators)
        return Program(
            name,
            self._find_dtype(operators),
            tuple(tensors),
            tuple(operators),
            tuple(dict.fromkeys(self._renumber(self.model.inputs))),
            tuple(dict.fromkeys(self._renumber(self.model.outputs))),
            file_bytes=size,
            plan=self._read_plan(),
            file_tensors=len(self.model.tensors),
        )

    def _check_order(self, operators: list[Operator]) -> None:
        """Raise NotImported if an operator reads a tensor that is neither an input nor written before."""
        names = [self.model.tensors[number].name for number in self.numbers]
        written = {*self._renumber(self.model.inputs)}
        written |= {place for number, place in self.numbers.items() if self.model.tensors[number].variable}
        for operator in operators:
            for tensor in operator.reads:
                if tensor not in written:
                    raise NotImported(f"malformed: {operator.code} reads {show(names[tensor])} before it is written")
            written |= {*operator.writes}

    def _read_plan(self) -> tuple[int, ...] | None:
        """Return the offsets that an offline plan in the file gives. Raises NoOperator if one is not aligned."""
        offsets = read_offsets(self.model.root, len(self.model.tensors))
        if offsets is None:
            return None
        found = tuple(offsets[number] for number in self.numbers)
        if any(offset < -1 or (offset > 0 and offset % ALIGNMENT) for offset in found):
            raise NoOperator("the offline plan of the file has offsets that are not multiples of 16 bytes")
        return found

    def _renumber(self, numbers: tuple[int, ...]) -> list[int]:
        return [self.numbers[number] for number in numbers if number in self.numbers]

    def _read_tensor(self, tensor: FileTensor) -> Tensor:
        if not tensor.type.bits:
            raise NoOperator(f"the tensor {tensor.name} does not hold numbers")
        return Tensor(tensor.name, _count_bytes(tensor), tensor.variable)

    def _find_dtype(self, operators: list[Operator]) -> str:
        learnt = [operator.dtype for operator in operators if operator.code in _LEARNT]
        return str((learnt or [operator.dtype for operator in operators])[0])

    def _read_operator(self, operator: FileOperator) -> Operator:
        reads = [number for number in operator.inputs if number >= 0]
        constants = [number for number in reads if number not in self.numbers]
        place = _DATA.get(operator.name, 0)
        data = self._tensor_at(operator.inputs, place)
        output = self.model.tensors[operator.outputs[0]] if operator.outputs else data
        if data is None or output is None:
            raise NoOperator(f"{operator.name} has no input and no output")
        kernel = self._tensor_at(operator.inputs, _LEARNT[operator.name]) if operator.name in _LEARNT else None
        if kernel is not None and kernel.type.bits < 8:
            raise NoOperator(f"{operator.name} has weights in {kernel.type.dtype}; only int8 and float32 are supported")
        reduced = self._tensor_at(operator.inputs, 1) if operator.name in _REDUCING else None
        biases = [number for number in constants if number in operator.inputs[_bias_place(operator) :]]
        return Operator(
            output.name,
            operator.name,
            tuple(self._renumber(operator.inputs)),
            tuple(self._renumber(operator.outputs)),
            self._read_window(operator, data, kernel, output),
            len(constants),
            sum(_count_bytes(self.model.tensors[number]) for number in constants if number not in biases),
            sum(prod(self.model.tensors[number].dims) for number in biases),
            self._count_channels(operator, output),
            len(data.dims),
            0 if reduced is None else max(prod(reduced.dims), 1),
            output.dims[-1] if operator.name in _MULTIPLYING and output.dims else prod(output.dims),
            dtype=data.type.dtype or "another type",
            working=self._read_working(operator, data),
            persistent=self._count_copies(operator),
        )

    def _read_working(self, operator: FileOperator, data: FileTensor) -> tuple[int, ...]:
        """Return the bytes of each buffer of intermediate results; see `working` in `Operator`."""
        if operator.name == "ADD_N":
            return (4 * len(operator.inputs),)  # a pointer to each input
        if operator.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
            state = self._tensor_at(operator.inputs, _CELL_STATE)
            if state is None:
                raise NotImported(f"malformed: {operator.name} has no cell state")
            return (_count_bytes(state),)
        if operator.name == "SVDF":
            weights, rank = self._tensor_at(operator.inputs, 1), operator.options and operator.options.number(0, "i")
            if weights is None or not weights.dims or not data.dims or not rank or weights.dims[0] % rank or rank < 0:
                raise NotImported("malformed: the number of filters of SVDF is not a multiple of its rank")
            filters = 4 * data.dims[0] * weights.dims[0]
            return filters, filters // rank
        return ()

    def _count_copies(self, operator: FileOperator) -> int:
        """Return the bytes of the transposed copies of inputs that a BATCH_MATMUL keeps."""
        if operator.name != "BATCH_MATMUL":
            return 0
        flags = [operator.options.number(field, "b") if operator.options else 0 for field in (0, 1)]
        copied = [self._tensor_at(operator.inputs, 0)] if flags[0] else []
        copied += [] if flags[1] else [self._tensor_at(operator.inputs, 1)]
        return sum(_count_bytes(tensor) for tensor in copied if tensor is not None)

    def _count_channels(self, operator: FileOperator, output: FileTensor) -> int:
        """Return the number of channels that are quantised separately: of a convolution, always all."""
        if operator.name == "FULLY_CONNECTED":
            scales = self.scales.get(operator.inputs[1], 0) if len(operator.inputs) > 1 else 0
            return scales if scales > 1 else 0
        return output.dims[-1] if operator.name in _LEARNT and output.dims else 0

    def _tensor_at(self, inputs: tuple[int, ...], place: int) -> FileTensor | None:
        return self.model.tensors[inputs[place]] if len(inputs) > place and inputs[place] >= 0 else None

    def _read_window(
        self, operator: FileOperator, data: FileTensor, kernel: FileTensor | None, output: FileTensor
    ) -> Window | None:
        name, options = operator.name, operator.options
        if name not in (*_LEARNT, *_POOLING) or name == "FULLY_CONNECTED" or options is None:
            return None
        if len(data.dims) != 4 or len(output.dims) != 4 or (kernel is not None and len(kernel.dims) != 4):
            raise NotImported(f"malformed: {name} needs tensors with 4 axes")
        taps: Pair = (options.number(4, "i"), options.number(3, "i")) if kernel is None else kernel.dims[1:3]  # type: ignore[assignment]
        stride = options.number(2, "i"), options.number(1, "i")
        high, wide = _DILATIONS.get(name, (99, 99))
        dilation = options.number(high, "i", 1), options.number(wide, "i", 1)
        if min(*taps, *stride, *dilation) < 1:
            raise NotImported(f"malformed: {name} has a kernel, stride or dilation below 1")
        sizes = (data.dims[1], data.dims[2]), (output.dims[1], output.dims[2])
        same = options.number(0, "b") == _SAME
        padding = _pad_same(sizes[0], sizes[1], taps, stride, dilation) if same else (0, 0)
        channels = data.dims[3]
        filtered = channels if kernel is None or name == "DEPTHWISE_CONV_2D" else kernel.dims[3]
        return Window(taps, stride, dilation, padding, *sizes, channels, output.dims[3], filtered, data.dims[0])


def _bias_place(operator: FileOperator) -> int:
    return {"TRANSPOSE_CONV": 3, **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), 2)}.get(
        operator.name, len(operator.inputs)
    )


def _pad_same(size: Pair, output: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """Return the elements before each axis for the padding SAME."""
    total = [
        (o - 1) * s + (k - 1) * d + 1 - n for n, o, k, s, d in zip(size, output, kernel, stride, dilation, strict=True)
    ]
    return max(total[0], 0) // 2, max(total[1], 0) // 2


def _count_bytes(tensor: FileTensor) -> int:
    return -(-prod(tensor.dims) * tensor.type.bits // 8)


def _count_scales(model: Model) -> dict[int, int]:
    """Return the number of scales of each tensor of the file that has several, by its number."""
    found = {}
    for number, table in enumerate(model.graph.tables(0, 1_000_000, "tensors")):
        quantisation = table.table(4)
        scales = None if quantisation is None else quantisation.vector(2, 4)
        if scales is not None and scales.size > 4:
            found[number] = scales.size // 4
    return found


def expand_offsets(path: str, offsets: tuple[int, ...]) -> list[int]:
    """Return the planned offset of each tensor of a file from those of the program's tensors; -1 for constants."""
    with open_model(path) as model:
        numbers = number_tensors(model)
        return [offsets[numbers[number]] if number in numbers else -1 for number in range(len(model.tensors))]
