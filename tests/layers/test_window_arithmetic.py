"""How many windows fit along an axis and what pads them, counted one by one."""

from __future__ import annotations

from itertools import product
from math import ceil, floor

import pytest

from convcalc.arithmetic import (
    adaptive_window_total,
    same_padding,
    same_transposed_padding,
    transposed_size,
    window_count,
)
from tests.support.specs import only_layer, problem

WINDOWS = list(product(range(1, 5), range(1, 4), range(1, 3)))  # kernel size, stride, dilation


def last_tap(kernel_size: int, dilation: int) -> int:
    return dilation * (kernel_size - 1)


def test_windows_are_those_that_end_within_the_padded_input() -> None:
    for (kernel, stride, dilation), size, pads in product(WINDOWS, (1, 4, 9), ((0, 0), (1, 0), (0, 2), (1, 1))):
        padded, reach = size + sum(pads), last_tap(kernel, dilation)
        fitting = [start for start in range(0, padded, stride) if start + reach < padded]
        if fitting:
            assert window_count(size, kernel, stride, pads, dilation) == len(fitting)


def test_with_ceil_mode_a_last_window_may_reach_over_the_end_but_starts_before_it() -> None:
    """As torch.nn.MaxPool2d: no window once the end is seen, nor any in the padding there."""
    for (kernel, stride, dilation), size, pads in product(WINDOWS, (1, 4, 9), ((0, 0), (1, 1), (2, 0))):
        padded, reach = size + sum(pads), last_tap(kernel, dilation)
        if reach >= padded:
            continue
        starts = [0]
        while starts[-1] + reach < padded - 1 and starts[-1] + stride < size + pads[0]:
            starts.append(starts[-1] + stride)
        assert window_count(size, kernel, stride, pads, dilation, ceil_mode=True) == len(starts)


def test_same_padding_is_the_least_that_gives_a_window_per_stride() -> None:
    for (kernel, stride, dilation), size in product(WINDOWS, (1, 4, 5, 9)):
        before, after = same_padding(size, kernel, stride, dilation)
        windows = ceil(size / stride)
        assert window_count(size, kernel, stride, (before, after), dilation) == windows
        assert after - before in (0, 1)
        if after:
            fewer = size + before + after - 1 - last_tap(kernel, dilation) - 1
            assert fewer // stride + 1 < windows


def test_same_padding_of_a_transposed_window_gives_the_size_times_the_stride() -> None:
    for (kernel, stride, dilation), size, extra in product(WINDOWS, (1, 4, 9), (0, 1)):
        (before, after), output_padding = same_transposed_padding(kernel, stride, dilation, extra)
        padding = (before, after)
        assert transposed_size(size, kernel, stride, padding, dilation, output_padding) == size * stride
        assert after - before in (0, 1)
        assert before >= 0
        assert output_padding >= extra
        assert output_padding == extra or before == after == 0


def test_a_transposed_size_counts_the_places_that_inputs_are_thrown_onto() -> None:
    for (kernel, stride, dilation), size in product(WINDOWS, (1, 4, 9)):
        last = max(j * stride + dilation * tap for j in range(size) for tap in range(kernel))
        assert transposed_size(size, kernel, stride, (0, 0), dilation, 0) == last + 1
        assert transposed_size(size + 3, kernel, stride, (1, 2), dilation, 1) == last + 1 + 3 * stride - 3 + 1


def test_adaptive_windows_are_added_up() -> None:
    for size, outputs in product(range(1, 14), repeat=2):
        lengths = [ceil((i + 1) * size / outputs) - floor(i * size / outputs) for i in range(outputs)]
        assert adaptive_window_total(size, outputs) == sum(lengths)


def test_a_separable_convolution_works_out_same_padding() -> None:
    """A kernel of 4 on 9 at stride 2: 5 windows read 2 × 4 + 4 = 12 elements, 1 of padding before and 2 after."""
    entry = {"separable_conv": {"out_channels": 2, "kernel_size": 4, "stride": 2, "padding": "same"}}
    layer = only_layer([3, 9], entry)
    assert (layer["output_shape"], layer["arguments"]["padding"]) == ([2, 5], [[1, 2]])
    assert layer["receptive_field"]["center"] == ["1/2"]


@pytest.mark.parametrize("shape", [[0], [4, 0], [-1, -1], [2, -1, -1]])
def test_a_shape_has_no_zero_and_one_unknown_at_most(shape: list[int]) -> None:
    found = problem({"input": [4, 2], "layers": [{"reshape": {"shape": shape}}]})
    assert found.message == "shape must consist of positive integers and at most one -1"
