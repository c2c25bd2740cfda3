"""Scratch buffers are as large as CMSIS-NN's own functions say, which were compiled and called for random operators."""

import pytest

from convcalc.device.program import Operator, Window
from convcalc.device.scratch import request_dsp, request_mve, request_reference
from tests.support.places import DATA

ROWS = [line.split() for line in (DATA / "device" / "cmsis_nn_buffers.txt").read_text(encoding="utf-8").splitlines()]


def read_operator(row: list[str]) -> Operator:
    sizes = list(map(int, row[1:16]))
    pairs = [(sizes[place], sizes[place + 1]) for place in range(0, 12, 2)]
    kernel, stride, dilation, padding, size, output = pairs
    in_channels, out_channels, filter_channels = sizes[12:]
    channels = in_channels, out_channels, 1 if row[0] == "DEPTHWISE_CONV_2D" else filter_channels
    return Operator("", row[0], (0,), (1,), Window(kernel, stride, dilation, padding, size, output, *channels))


def test_there_are_operators_of_every_kind() -> None:
    assert {row[0] for row in ROWS[1:]} == {"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "TRANSPOSE_CONV"}
    assert len(ROWS) == 241


@pytest.mark.parametrize("row", ROWS[1:], ids=" ".join)
def test_a_kernel_requests_what_its_function_returned(row: list[str]) -> None:
    operator = read_operator(row)
    dsp, dsp_second, mve, mve_second = map(int, row[16:])
    assert request_dsp(operator, "int8") == tuple(filter(None, (dsp, dsp_second)))
    assert request_mve(operator, "int8") == tuple(filter(None, (mve, mve_second)))


def test_kernels_in_float_request_nothing() -> None:
    for row in ROWS[1:40]:
        operator = read_operator(row)
        assert request_dsp(operator, "float32") == request_mve(operator, "float32") == ()
        assert request_reference(operator, "float32") == ()


def test_a_mean_requests_sums_and_two_lists_of_axes() -> None:
    """reduce_common.cc: 4 bytes per output in int8, and 4 per axis of the input and per reduced axis."""
    mean = Operator("", "MEAN", (0,), (1,), rank=4, reduced=2, features=10)
    assert request_reference(mean, "int8") == (40, 16, 8)
    assert request_reference(mean, "float32") == (16, 8)
