"""The tensor arena equals what TensorFlow Lite Micro reports, and the peaks of papers and of `convcalc memory`."""

import json
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

import convcalc
from convcalc import examples
from convcalc.device.arena import Buffer, measure_extent, measure_live_bytes, place_greedily
from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import McuReport, measure, measure_network
from convcalc.device.program import NoOperator
from convcalc.device.runtimes import RUNTIMES
from tests.support.places import DATA, ROOT
from tests.support.tflite_graphs import random_network

HEADS: list[int] = json.loads((DATA / "device" / "tflm_heads.json").read_text(encoding="utf-8"))["heads"]
KIB = 1024


class Published(NamedTuple):
    """A reference network of MLPerf Tiny, converted by its authors: what TensorFlow Lite Micro reports, and the file.

    `arena` is arena_used_bytes of a 32-bit build with portable kernels.
    """

    head: int
    arena: int
    file: int
    operators: int
    tensors: int
    weights: int


MLPERF_TINY = {
    "anomaly_detection": Published(768, 2_380, 276_976, 10, 31, 264_192),
    "ds_cnn": Published(16_000, 22_780, 53_936, 13, 35, 22_016),
    "resnet8": Published(49_152, 54_364, 98_496, 16, 38, 77_360),
    "streaming_wakeword": Published(6_656, 15_276, 74_520, 11, 31, 46_040),
    "person_detection": Published(73_728, 100_668, 333_288, 31, 89, 208_112),
}


def report(name: str, runtime: str = "tflm-reference") -> McuReport:
    return measure_network(convcalc.load(examples.find_file(name)), RUNTIMES[runtime])


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_the_head_of_a_reference_network_is_the_reported_one(name: str) -> None:
    assert report(name).head == MLPERF_TINY[name].head


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_a_spec_becomes_as_many_operators_and_tensors_as_the_published_file_has(name: str) -> None:
    program, known = report(name).program, MLPERF_TINY[name]
    assert (len(program.operators), program.count_tensors()) == (known.operators, known.tensors)
    assert sum(operator.weights for operator in program.operators) == known.weights


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_the_estimates_are_within_their_stated_errors(name: str) -> None:
    """The models were fitted to these five networks."""
    found, known = report(name), MLPERF_TINY[name]
    assert found.tail is not None
    assert found.tail == pytest.approx(known.arena - known.head, rel=0.001)
    assert found.flash.model == pytest.approx(known.file, rel=0.08)


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_the_manual_states_the_measured_and_the_estimated_sizes(name: str) -> None:
    found, known = report(name), MLPERF_TINY[name]
    sizes = found.head, known.arena, found.arena, known.file, found.flash.model
    row = f"| `{name}` | {' | '.join(f'{size:,}' for size in sizes)} |"
    assert row in (ROOT / "convcalc" / "manual" / "mcu.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("seed", "head"), list(enumerate(HEADS)))
def test_the_head_of_a_random_file_is_the_one_that_tensorflow_lite_micro_reported(
    seed: int, head: int, tmp_path: Path
) -> None:
    file = tmp_path / "random.tflite"
    file.write_bytes(random_network(seed))
    assert measure(read_program(str(file)), RUNTIMES["tflm-reference"]).head == head


def test_mobilenet_v2_has_the_peaks_of_mcunet_v2() -> None:
    """Lin et al. 2021, figure 1: 1,372 kB, in int8 with depthwise convolutions in place; 1,470 KiB without."""
    assert report("mobilenet_v2", "tinyengine").head == 1_372 * KIB
    assert report("mobilenet_v2", "liveness").head == 1_470 * KIB


@pytest.mark.parametrize("name", examples.list_names())
def test_liveness_is_the_peak_of_the_command_memory(name: str) -> None:
    network = convcalc.load(examples.find_file(name), dtype="int8")
    assert report(name, "liveness").head == convcalc.analyse(network, fold_batchnorm=True).totals.peak_memory


# -- lowering


def head_of(layers: list[object], size: list[int] | None = None) -> McuReport:
    network = convcalc.load({"input": size or [4, 8, 8], "layers": layers})
    return measure_network(network, RUNTIMES["tflm-reference"])


def codes(layers: list[object], size: list[int] | None = None) -> list[str]:
    return [operator.code for operator in head_of(layers, size).program.operators]


def test_padding_that_tensorflow_lite_has_is_part_of_the_convolution() -> None:
    assert codes([{"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1}}]) == ["CONV_2D"]
    assert codes([{"conv": {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": "same"}}]) == ["CONV_2D"]


def test_other_padding_is_an_operator_with_a_buffer() -> None:
    """At stride 2, `same` pads an even size by 0 + 1, but a padding of 1 by 1 + 1."""
    found = head_of([{"conv": {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1}}])
    assert [operator.code for operator in found.program.operators] == ["PAD", "CONV_2D"]
    assert found.program.tensors[1].bytes == 4 * 10 * 10


def test_a_convolution_in_1d_is_between_two_reshapes_and_has_its_activation() -> None:
    found = head_of([{"conv": {"out_channels": 4, "kernel_size": 3}}, "relu"], [2, 20])
    assert [operator.code for operator in found.program.operators] == ["RESHAPE", "CONV_2D", "RESHAPE"]
    assert found.program.operators[1].merged == ("relu1",)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["silu"], ["LOGISTIC", "MUL"]),
        (["hardsigmoid"], ["ADD", "MUL"]),
        (["relu"], ["RELU"]),
        (["batchnorm"], ["MUL", "ADD"]),
        ([{"add": {"from": ["input", "input"]}}, "relu"], ["ADD"]),
        ([{"concat": {"from": ["input", "input"]}}, "relu"], ["CONCATENATION", "RELU"]),
        ([{"separable_conv": {"out_channels": 8, "kernel_size": 3}}], ["DEPTHWISE_CONV_2D", "CONV_2D"]),
        (["dropout", "identity", "flatten", {"linear": 3}], ["RESHAPE", "FULLY_CONNECTED"]),
        ([{"conv_transpose": {"out_channels": 2, "kernel_size": 4, "stride": 2, "padding": 1}}], ["TRANSPOSE_CONV"]),
        (
            [{"conv_transpose": {"out_channels": 2, "kernel_size": 3, "padding": 2}}],
            ["TRANSPOSE_CONV", "STRIDED_SLICE"],
        ),
        (["global_avgpool"], ["MEAN"]),
        ([{"avgpool": {"kernel_size": 2, "padding": 1}}], ["PAD", "AVERAGE_POOL_2D"]),
        ([{"channel_shuffle": 2}], ["RESHAPE", "TRANSPOSE", "RESHAPE"]),
    ],
)
def test_a_layer_becomes_these_operators(layers: list[object], expected: list[str]) -> None:
    assert codes(layers) == expected


def test_an_activation_is_an_operator_if_its_input_is_read_elsewhere() -> None:
    """Also through a layer that changes nothing: the sum needs the output of the convolution without the activation."""
    conv = {"conv": {"out_channels": 4, "kernel_size": 1, "name": "c"}}
    several: list[list[object]] = [[], ["identity"], ["dropout", "identity"]]
    for between in several:
        layers: list[object] = [conv, *between, "relu", {"add": {"from": ["c", "previous"]}}]
        assert codes(layers) == ["CONV_2D", "RELU", "ADD"]
        assert codes([conv, *between, "relu"]) == ["CONV_2D"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"groupnorm": 2}, r"layer groupnorm1 \(groupnorm\): convcalc does not know operators of TensorFlow Lite"),
        ("gelu", r"tflm-reference has no kernel for GELU \(layer gelu1\)"),
        ({"adaptive_avgpool": 3}, "windows of unequal size"),
        ({"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "circular"}}, "mode circular"),
    ],
)
def test_a_layer_without_an_operator_is_named(layer: object, message: str) -> None:
    with pytest.raises(NoOperator, match=message):
        head_of([layer])


# -- placement, by brute force


def overlap(one: Buffer, other: Buffer) -> bool:
    return one.first <= other.last and other.first <= one.last


def test_no_two_buffers_that_are_needed_at_once_overlap() -> None:
    for name in ("resnet8", "googlenet", "densenet121", "mobilenet_v3_large"):
        found = report(name)
        placed = list(zip(found.buffers, found.offsets, strict=True))
        for index, (one, start) in enumerate(placed):
            for other, offset in placed[:index]:
                apart = start + one.size <= offset or offset + other.size <= start
                assert apart or not overlap(one, other)


def test_the_live_bytes_are_the_sums_over_all_buffers() -> None:
    found = report("googlenet")
    for time, live in enumerate(found.live):
        assert live == sum(buffer.size for buffer in found.buffers if buffer.first <= time <= buffer.last)


def test_each_buffer_is_at_the_lowest_offset_that_was_free() -> None:
    """Replays the placement byte by byte, for all sizes and times of three buffers."""
    spans = [(0, 0), (0, 1), (1, 2), (0, 2)]
    for sizes in product((16, 32), repeat=3):
        for times in product(spans, repeat=3):
            buffers = [Buffer("", size, *span) for size, span in zip(sizes, times, strict=True)]
            used = {time: set[int]() for time in range(3)}
            expected = [0, 0, 0]
            for index in sorted(range(3), key=lambda index: (-sizes[index], -index)):
                buffer, offset = buffers[index], 0
                live = range(buffer.first, buffer.last + 1)
                while any(used[time] & set(range(offset, offset + buffer.size)) for time in live):
                    offset += 1
                for time in live:
                    used[time] |= set(range(offset, offset + buffer.size))
                expected[index] = offset
            assert place_greedily(buffers) == tuple(expected)
            assert measure_extent(buffers, expected) >= max(measure_live_bytes(buffers, 2))
