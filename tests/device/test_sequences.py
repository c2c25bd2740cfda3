"""Layer norm, attention and LSTM become the operators that TensorFlow's converter writes, with a head of equal size."""

from pathlib import Path

import pytest

import convcalc
from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import McuReport, measure, measure_network
from convcalc.device.program import NoOperator
from convcalc.device.runtimes import RUNTIMES
from tests.support.tflite_conversion import convert

REFERENCE = RUNTIMES["tflm-reference"]
CHANNELS = {"layernorm": {"axes": "channels"}}
CONV = {"conv": {"out_channels": 8, "kernel_size": 3, "padding": 1}}
BLOCK: list[object] = [
    {"linear": {"out_features": 16, "name": "a"}},
    *(CHANNELS, {"attention": {"heads": 2}}, {"add": {"from": ["a", "previous"], "name": "b"}}),
    *(CHANNELS, {"linear": 32}, "relu", {"linear": 16}, {"add": {"from": ["b", "previous"]}}),
    *("global_avgpool", "flatten", {"linear": 5}),
]
# Each case has the input, the layers, and the heads in int8 and in float32. convcalc exported the network to Keras (for
# LSTMs, to Keras 2), TensorFlow 2.21 converted it with random weights, and TensorFlow Lite Micro reported the heads.
CASES: dict[str, tuple[list[int], list[object], int, int]] = {
    "norm of channels of tokens": ([16, 12], [{"linear": 16}, CHANNELS], 960, 3_840),
    "norm of all tokens": ([16, 12], [{"linear": 16}, "layernorm"], 960, 3_840),
    "norm of channels of a map": (
        [8, 6, 6],
        [CONV, CHANNELS, "relu", {"conv": {"out_channels": 4, "kernel_size": 3}}],
        1_440,
        5_760,
    ),
    "norm of a map": ([8, 6, 6], [CONV, "layernorm", {"conv": {"out_channels": 4, "kernel_size": 3}}], 1_440, 5_760),
    "norm of a vector": ([16], ["layernorm", {"linear": 30}], 112, 256),
    "norm of one position": ([16, 1, 1], [{"conv": {"out_channels": 8, "kernel_size": 1}}, CHANNELS], 112, 160),
    "norm that learns nothing": ([16, 5, 7], [{"layernorm": {"affine": False, "axes": "channels"}}], 1_728, 6_864),
    "norm of a map that learns nothing": ([16, 5, 7], [{"layernorm": {"affine": False}}], 1_696, 6_736),
    "attention": ([16, 12], [{"linear": 16}, {"attention": {"heads": 2}}], 1_056, 4_224),
    "attention without bias": ([16, 12], [{"attention": {"heads": 4, "bias": False}}], 1_344, 5_376),
    "attention of other sizes": (
        [16, 9],
        [{"attention": {"heads": 3, "key_dim": 5, "value_dim": 7, "out_channels": 10}}],
        832,
        3_632,
    ),
    "block of a transformer": ([16, 12], BLOCK, 1_248, 4_992),
    "lstm": ([8, 12], [{"lstm": {"hidden_size": 16}}], 416, 1_408),
    "lstm of few features": ([5, 7], [{"lstm": {"hidden_size": 9}}], 240, 592),
    "lstm of a long sequence": ([40, 30], [{"lstm": {"hidden_size": 33}}], 2_512, 9_344),
    "lstm of a short sequence": ([3, 2], [{"lstm": {"hidden_size": 64}}], 656, 1_568),
}
BATCHES = {  # heads in int8 of three samples at once
    "norm of channels of tokens": 2_880,
    "norm of a map": 4_320,
    "attention": 3_168,
    "block of a transformer": 3_744,
}


def report(name: str, dtype: str = "int8", batch: int = 1, runtime: str = "tflm-reference") -> McuReport:
    shape, layers = CASES[name][:2]
    network = convcalc.load({"input": shape, "layers": layers}, batch=batch)
    return measure_network(network, RUNTIMES[runtime], dtype)


@pytest.mark.parametrize("name", CASES)
def test_the_head_is_the_one_that_tensorflow_lite_micro_reported(name: str) -> None:
    assert report(name).head == CASES[name][2]
    assert report(name, "float32").head == CASES[name][3]


@pytest.mark.parametrize("name", BATCHES)
def test_the_head_of_a_batch_is_the_one_that_tensorflow_lite_micro_reported(name: str) -> None:
    assert report(name, batch=3).head == BATCHES[name]


def test_the_negation_of_a_mean_is_in_floating_point() -> None:
    codes = [operator.code for operator in report("norm of a vector").program.operators]
    assert codes[:7] == ["MEAN", "DEQUANTIZE", "NEG", "QUANTIZE", "SQUARED_DIFFERENCE", "MEAN", "ADD"]
    assert "DEQUANTIZE" not in [operator.code for operator in report("norm of a vector", "float32").program.operators]


def test_a_norm_has_its_scales_and_biases_in_flash() -> None:
    """16 scales, 16 biases and ε in int8, 256 weights and 16 biases of 4 bytes of the linear layer."""
    found = report("norm of channels of tokens").flash
    assert (found.weights, found.biases) == (256 + 2 * 16 + 1, 4 * 16)
    assert report("norm of all tokens").flash.weights == 256 + 2 * 16 * 12 + 1


def test_the_tail_holds_transposed_factors_and_the_state_of_an_lstm() -> None:
    """Two factors of 12 tokens · 16 features; a state of 16 bytes and that of the cells in int16."""
    program = report("attention").program
    assert sum(operator.persistent for operator in program.operators) == 2 * 12 * 16
    state = [tensor.bytes for tensor in report("lstm").program.tensors if tensor.variable]
    assert state == [16, 32]


def test_an_lstm_requests_four_buffers_of_the_portable_kernels_and_three_of_cmsis_nn() -> None:
    heads = [report("lstm", runtime=name).head for name in ("tflm-reference", "tflm-cmsis-dsp", "tflm-cmsis-mve")]
    assert heads == [12 * 8 + 12 * 16 + count * 32 for count in (4, 3, 3)]


def test_a_report_says_which_converter_writes_these_operators() -> None:
    assert any("TensorFlow 2.21 writes for Keras 3" in note for note in report("attention").program.notes)
    assert any("TensorFlow 2.21 writes for Keras 2" in note for note in report("lstm").program.notes)


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ([16, 3, 4], {"attention": {"heads": 2}}, "only self-attention of tokens"),
        ([16, 12], {"attention": {"heads": 1}}, "attention with one head, token or feature per head"),
        ([8, 12], {"lstm": {"hidden_size": 4, "bidirectional": True}}, "no operator that reads a sequence backwards"),
        ([8, 12], {"gru": {"hidden_size": 4}}, r"layer gru1 \(gru\): convcalc does not know operators"),
    ],
)
def test_unsupported_layers_are_named(shape: list[int], layer: object, message: str) -> None:
    network = convcalc.load({"input": shape, "layers": [layer]})
    with pytest.raises(NoOperator, match=message):
        measure_network(network, REFERENCE)


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the converter warns that statistics of inputs are not specified
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("lstm")])
def test_the_stored_heads_are_those_of_the_converter(name: str, tmp_path: Path) -> None:
    """LSTMs are left out: the converter ends the process at those of Keras 3."""
    network = convcalc.load({"input": CASES[name][0], "layers": CASES[name][1]})
    for place, quantised in ((2, True), (3, False)):
        file = tmp_path / "net.tflite"
        file.write_bytes(convert(network, quantised, random_weights=True))
        assert measure(read_program(str(file)), REFERENCE).head == CASES[name][place]
