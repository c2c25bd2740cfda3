"""Lists the runtimes for which `convcalc mcu` computes memory, each with its rules.

To add a runtime, add a row to `RUNTIMES`.
"""

from collections.abc import Callable
from typing import NamedTuple

from convcalc.device import scratch
from convcalc.device.program import NoOperator, Operator, Program
from convcalc.problems import Flaw, did_you_mean, show

# the operators that TensorFlow Lite Micro has kernels for, of those that a layer or a file may become.
# Source: tensorflow/lite/micro/micro_mutable_op_resolver.h at 90b983c
_KERNEL_NAMES = (
    "ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS "
    "BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE "
    "DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD "
    "FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS "
    "LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM "
    "MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU "
    "RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX "
    "SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM "
    "SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE ZEROS_LIKE"
)
KERNELS = frozenset(_KERNEL_NAMES.split())
# kernels in floating point only. Source: elementwise.cc, ceil.cc, exp.cc, floor.cc, neg.cc and round.cc at 90b983c
FLOAT_KERNELS = frozenset(("CEIL", "COS", "EXP", "FLOOR", "LOG", "NEG", "ROUND", "SIN", "SQRT", "SQUARE"))


class Runtime(NamedTuple):
    """A runtime: its name, a description, and its rules.

    `kernels` are the operators that it has. `request_scratch` returns the scratch buffers of an operator. If `plans` is
    true, operators are those that TensorFlow Lite's converter writes, their buffers are placed as TensorFlow Lite Micro
    does, and there is a tail. Otherwise each layer is one operator, the arena is the largest sum of live bytes, and
    elementwise layers overwrite their input. If `adds_in_place` is true, so do depthwise convolutions, and a
    convolution whose output is only added to another tensor adds to that tensor.
    """

    name: str
    title: str
    kernels: frozenset[str] = KERNELS
    request_scratch: Callable[[Operator, str], scratch.Sizes] = scratch.request_nothing
    plans: bool = True
    adds_in_place: bool = False


RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            "tflm-reference",
            "TensorFlow Lite Micro, portable kernels",
            request_scratch=scratch.request_reference,
        ),
        Runtime(
            "tflm-cmsis-dsp",
            "TensorFlow Lite Micro, CMSIS-NN on Cortex-M4 and M7",
            request_scratch=scratch.request_dsp,
        ),
        Runtime(
            "tflm-cmsis-mve",
            "TensorFlow Lite Micro, CMSIS-NN on Cortex-M55 and M85",
            request_scratch=scratch.request_mve,
        ),
        Runtime(
            "tinyengine",
            "live tensors, depthwise convolutions and residual sums in place",
            plans=False,
            adds_in_place=True,
        ),
        Runtime(
            "liveness",
            "live tensors, elementwise layers in place",
            plans=False,
        ),
    )
}


def find_runtime(name: str, what: str = "runtime") -> Runtime:
    """Return the runtime with a name. Raises Flaw, with the nearest name or the list, if there is none."""
    if name not in RUNTIMES:
        hint = did_you_mean(name, RUNTIMES)
        listed = f"available: {', '.join(RUNTIMES)}"
        raise Flaw(f"no {what} {show(name)}", f"{hint} {listed}".strip())
    return RUNTIMES[name]


def check_kernels(program: Program, runtime: Runtime) -> None:
    """Raise NoOperator if the runtime lacks operators of a program; the message names them and their layers."""
    if not runtime.plans:
        return
    missing: dict[str, str] = {}
    for operator in program.operators:
        dtype = operator.dtype or program.dtype
        if operator.code not in runtime.kernels:
            missing.setdefault(operator.code, operator.name)
        elif operator.code in FLOAT_KERNELS and dtype != "float32":
            missing.setdefault(f"{operator.code} in {dtype}", operator.name)
    if missing:
        named = ", ".join(f"{code} (layer {name})" for code, name in list(missing.items())[:5])
        raise NoOperator(f"{runtime.name} has no kernel for {named}")
