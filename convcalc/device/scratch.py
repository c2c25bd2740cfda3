"""Computes the scratch buffers that kernels request while an operator runs, in bytes.

For example, CMSIS-NN's convolution of 3×3×16 inputs requests 576 bytes on a Cortex-M4: 4 × 3 × 3 × 16.

Sources, read at the commits given: github.com/tensorflow/tflite-micro at 90b983c (tensorflow/lite/micro/kernels:
add_n.cc, batch_matmul.cc, mirror_pad.cc, reduce_common.cc, svdf_common.cc, transpose_conv.cc,
unidirectional_sequence_lstm.cc, and cmsis_nn/) and github.com/ARM-software/CMSIS-NN at 99f736a
(Source/…/arm_*_get_buffer_sizes_s8.c and Include/arm_nnsupportfunctions.h). Some sizes depend on the compiler; these
are those of GCC.
"""

from collections.abc import Callable
from math import prod

from convcalc.device.arena import align
from convcalc.device.program import NoOperator, Operator, Window
from convcalc.exact import largest

Sizes = tuple[int, ...]
_MVE_CHANNEL_BLOCK = 124
_INT32 = 4
_SUM_BYTES = {"int8": 4, "int16": 8}  # bytes of a sum of products, by the data type of the inputs
_MOST_REVERSED_STRIDE, _LEAST_REVERSED_CHANNELS = 2, 17  # limits for running a transposed convolution as a convolution
_LSTM, _SVDF = "UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF"
_LSTM_BUFFERS, _LSTM_BUFFERS_CMSIS = 4, 3  # each has the size of the cell state; CMSIS-NN is used only for integers
_MOST_AXES_MULTIPLIED = 4  # CMSIS-NN's buffer for a BATCH_MATMUL grows only up to this number of axes
_LEAST_CHANNELS_AS_CONV = 2  # under MVE, a depthwise convolution from 1 to at least 2 channels runs as a convolution


def request_reference(operator: Operator, dtype: str) -> Sizes:
    """Return the buffers that the portable kernels of TensorFlow Lite Micro request."""
    if operator.code == "TRANSPOSE_CONV" and dtype in _SUM_BYTES:
        return (_SUM_BYTES[dtype] * _count_outputs(operator),)
    return operator.working * _LSTM_BUFFERS if operator.code == _LSTM else _request_common(operator, dtype)


def request_dsp(operator: Operator, dtype: str) -> Sizes:
    """Return the buffers that the kernels of CMSIS-NN request on a Cortex-M4 or M7 (DSP extension)."""
    return _request_cmsis(operator, dtype, _DSP)


def request_mve(operator: Operator, dtype: str) -> Sizes:
    """Return the buffers that the kernels of CMSIS-NN request on a Cortex-M55 or M85 (MVE, Helium)."""
    if dtype == "int8" and operator.code == "BATCH_MATMUL":
        return (_INT32 * (operator.features if operator.rank <= _MOST_AXES_MULTIPLIED else 1),)
    if dtype == "int8" and needs_sums(operator) and not operator.constants:
        return (_INT32 * operator.features,)
    return _request_cmsis(operator, dtype, _MVE)


def request_nothing(operator: Operator, dtype: str) -> Sizes:
    """No scratch buffers."""
    return ()


def _request_cmsis(operator: Operator, dtype: str, rules: dict[str, Callable[[Window], Sizes]]) -> Sizes:
    if dtype == "int16" and operator.code in (*rules, "FULLY_CONNECTED"):
        raise NoOperator(f"the buffers of CMSIS-NN are known for int8 only; {operator.code} ({operator.name}) is int16")
    if operator.code == "FULLY_CONNECTED":
        return _request_tokens(operator) if dtype == "int8" else ()
    if operator.code == _LSTM:
        return operator.working * (_LSTM_BUFFERS_CMSIS if dtype in _SUM_BYTES else _LSTM_BUFFERS)
    if operator.code in rules and operator.window is not None and dtype == "int8":
        return rules[operator.code](operator.window)
    return _request_common(operator, dtype)


def _request_common(operator: Operator, dtype: str) -> Sizes:
    """Return the buffers that do not depend on the kernels, such as those of reductions and mirrored padding."""
    if operator.code in ("MEAN", "SUM"):
        sums = (_INT32 * _count_outputs(operator),) if dtype in _SUM_BYTES else ()
        return (*sums, _INT32 * operator.rank, _INT32 * operator.reduced)
    if operator.code in ("REDUCE_MAX", "REDUCE_MIN"):
        return _INT32 * operator.rank, _INT32 * operator.reduced
    if operator.code == _SVDF:
        return operator.working if dtype in _SUM_BYTES else operator.working[:1]
    return (_INT32 * operator.rank,) * 2 if operator.code == "MIRROR_PAD" else operator.working


def _count_outputs(operator: Operator) -> int:
    window = operator.window
    return operator.features if window is None else window.batch * prod(window.output) * window.out_channels


def _request_tokens(operator: Operator) -> Sizes:
    """Return the buffer of a linear layer that runs as a 1×1 convolution, because its input has several positions.

    It holds a multiplier and a shift for each output feature. (Weights quantised per channel do not need it.)
    """
    return (2 * _INT32 * operator.features,) if _runs_as_1x1(operator) and not operator.channels else ()


def _runs_as_1x1(operator: Operator) -> bool:
    inputs = operator.weights // largest(operator.features, 1)
    return operator.rank > 2 and inputs % 4 == 0


def needs_sums(operator: Operator) -> bool:
    """Whether an operator is a linear layer for which MVE needs the sum of the weights of each output feature."""
    return operator.code == "FULLY_CONNECTED" and not _runs_as_1x1(operator)


def _convolve_dsp(window: Window) -> Sizes:
    return () if _is_1x1(window) else (4 * align(_count_column(window), 4),)


def _convolve_mve(window: Window) -> Sizes:
    return () if _is_1x1(window) else (_convolve_mve_bytes(window),)


def _convolve_mve_bytes(window: Window) -> int:
    """Return the buffer of four columns, or of a convolution along one axis, which needs only the padded ends."""
    if _is_1x1(window):
        return 0
    columns = 4 * align(_count_column(window), 16)
    one_row = window.input[0] == 1 and window.kernel[0] == 1 and window.dilation[1] == 1
    whole_words = window.stride[1] * window.in_channels % 4 == 0
    if not (one_row and whole_words and window.in_channels == window.filter_channels):
        return columns
    return _measure_padded_ends(window) or columns


def _measure_padded_ends(window: Window) -> int | None:
    """Return the larger of the buffers for the padded left and right ends; None if the ends cover the whole row."""
    (_, size), (_, kernel), (_, output), (_, stride), (_, before) = (
        window.input, window.kernel, window.output, window.stride, window.padding,
    )  # fmt: skip
    excess = (output - 1) * stride + kernel - size
    uneven = abs(excess) % 2 * (1 if excess >= 0 else -1)  # the remainder as in C
    right = largest(1, (before + uneven + stride - 1) // stride) if before + uneven else 0
    left = largest(1, (before + stride - 1) // stride) if before else 0
    if right + left > output:
        return None
    channels = window.in_channels
    padded_right = right * channels if uneven else before * channels
    found: int = largest(kernel * channels + before * channels, (kernel - 1) * channels + padded_right)
    return found


def _is_1x1(window: Window) -> bool:
    """Whether CMSIS-NN takes its path for 1×1 kernels, which needs no buffer."""
    plain = window.kernel == (1, 1) and window.dilation == (1, 1) and window.padding == (0, 0)
    return plain and window.in_channels == window.filter_channels


def _count_column(window: Window) -> int:
    """Return the elements of one column: kernel taps × input channels (those of the input, not of a group)."""
    return prod(window.kernel) * window.in_channels


def _convolve_depthwise_dsp(window: Window) -> Sizes:
    if not _is_plain_depthwise(window) or (window.kernel == (3, 3) and max(window.padding) <= 1):
        return ()
    return (2 * prod(window.kernel) * window.in_channels,)


def _convolve_depthwise_mve(window: Window) -> Sizes:
    if window.in_channels == 1 and window.out_channels >= _LEAST_CHANNELS_AS_CONV:
        swapped = window._replace(filter_channels=1)
        return (_convolve_mve_bytes(swapped) + prod(window.kernel) * window.out_channels,)
    return (4 * _MVE_CHANNEL_BLOCK * prod(window.kernel),) if _is_plain_depthwise(window) else ()


def _is_plain_depthwise(window: Window) -> bool:
    return window.in_channels == window.out_channels and window.batch == 1 and window.dilation == (1, 1)


def _pool_dsp(window: Window) -> Sizes:
    return (_INT32 * window.in_channels,)


def _pool_mve(window: Window) -> Sizes:
    """No scratch buffers."""
    return ()


def _transpose_dsp(window: Window) -> Sizes:
    return _transpose(window, 4)


def _transpose_mve(window: Window) -> Sizes:
    return _transpose(window, 16)


def _transpose(window: Window, multiple: int) -> Sizes:
    """Return the buffers of a transposed convolution: of the convolution that it runs as and its filter, or of sums."""
    taps = prod(window.kernel)
    if max(window.stride) <= _MOST_REVERSED_STRIDE and window.in_channels >= _LEAST_REVERSED_CHANNELS:
        return 4 * align(taps * window.in_channels, multiple), taps * window.in_channels * window.out_channels
    rows = largest(window.kernel[0], window.stride[0])
    # the source compares the width of the kernel with the stride of the height
    columns = (window.input[1] - 1) * window.stride[1] + largest(window.kernel[1], window.stride[0])
    return (_INT32 * columns * window.out_channels * rows,)


_DSP: dict[str, Callable[[Window], Sizes]] = {
    "CONV_2D": _convolve_dsp,
    "DEPTHWISE_CONV_2D": _convolve_depthwise_dsp,
    "AVERAGE_POOL_2D": _pool_dsp,
    "TRANSPOSE_CONV": _transpose_dsp,
}
_MVE: dict[str, Callable[[Window], Sizes]] = {
    "CONV_2D": _convolve_mve,
    "DEPTHWISE_CONV_2D": _convolve_depthwise_mve,
    "AVERAGE_POOL_2D": _pool_mve,
    "TRANSPOSE_CONV": _transpose_mve,
}
