"""Estimates what cannot be derived exactly: the tail of the tensor arena, and the size of the model file.

Both are models fitted to measurements of the five reference networks of MLPerf Tiny: `arena_used_bytes` of a 32-bit
build of TensorFlow Lite Micro with portable kernels, and the sizes of the published .tflite files. The first is within
0.1 % of the tail on all five, the second within 8 %.
"""

from typing import NamedTuple

from convcalc.device.arena import align
from convcalc.device.program import Operator, Program
from convcalc.device.scratch import needs_sums

TAIL_ERROR, FILE_ERROR = 0.001, 0.08  # largest relative errors on the five networks
_TENSOR, _NODE, _INTERPRETER = 12, 32, 280  # bytes per tensor, per operator, and per interpreter
BIAS_BYTES = 4  # in int8 and in float32
_OTHER_KERNEL = 72  # bytes of the data of any other operator
_KERNEL_DATA = {  # bytes of an operator's data and of its attributes
    "CONV_2D": 92,
    "DEPTHWISE_CONV_2D": 92,
    "TRANSPOSE_CONV": 92,
    "FULLY_CONNECTED": 64,
    "AVERAGE_POOL_2D": 68,
    "MAX_POOL_2D": 68,
    "RESHAPE": 36,
    "SOFTMAX": 60,
}
_PER_CHANNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
_CHANNEL = 8  # bytes of the multiplier and the shift of an output channel
_QUANTISED_CHANNEL = 24  # bytes in the file: scale and zero point of a channel's weights, and of its bias
_FILE_TENSOR = 330  # bytes in the file per tensor: name, shape, quantisation and its entry; 160 to 550 were measured
# the code of the interpreter without kernels, on an Arm Cortex-M3: "The core runtime just fits in 16 KB"
# (tensorflow.org/lite/microcontrollers, 2023)
CORE_CODE = 16 * 1024


class Flash(NamedTuple):
    """The bytes of flash: the parts of the model file, and code.

    `container` is the FlatBuffer without weights, biases and quantisation. If `exact` is true, the size of the file is
    known, and `container` is its remainder.
    """

    weights: int
    biases: int
    quantisation: int
    container: int
    code: int
    exact: bool

    @property
    def model(self) -> int:
        """The bytes of the model file."""
        return self.weights + self.biases + self.quantisation + self.container

    @property
    def total(self) -> int:
        """The bytes of the model file and of code."""
        return self.model + self.code


def estimate_tail(program: Program, mve: bool = False) -> int:
    """Return the bytes of the tail of the arena in a 32-bit build.

    It includes variables and the copies that kernels keep. `mve` adds the sums of weights that kernels for MVE store.
    """
    operators = program.operators
    channels = sum(_count_channels(operator) for operator in operators) if program.dtype != "float32" else 0
    data = sum(_KERNEL_DATA.get(operator.code, _OTHER_KERNEL) for operator in operators)
    variables = sum(align(tensor.bytes) for tensor in program.tensors if tensor.variable)
    copies = sum(align(operator.persistent) for operator in operators)
    if mve and program.dtype == "int8":
        copies += sum(4 * operator.features for operator in operators if needs_sums(operator) and operator.constants)
    fixed = _INTERPRETER + _TENSOR * program.count_tensors() + _NODE * len(operators)
    return fixed + data + _CHANNEL * channels + variables + copies


def _count_channels(operator: Operator) -> int:
    return operator.channels if operator.code in _PER_CHANNEL else 0


def estimate_flash(program: Program, code: int) -> Flash:
    """Return the bytes of flash for the model file and `code`; for a model file, those of the file are exact."""
    weights = sum(operator.weights for operator in program.operators)
    biases = BIAS_BYTES * sum(operator.biases for operator in program.operators)
    quantised = sum(operator.channels for operator in program.operators) if program.dtype == "int8" else 0
    quantisation = _QUANTISED_CHANNEL * quantised
    container = _FILE_TENSOR * program.count_tensors()
    if program.file_bytes is not None:
        container = max(program.file_bytes - weights - biases - quantisation, 0)
    return Flash(weights, biases, quantisation, container, code, program.file_bytes is not None)
