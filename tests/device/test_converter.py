"""The operators of a spec need as much memory as those that TensorFlow's converter writes for the exported network."""

from pathlib import Path

import pytest

import convcalc
from convcalc import examples
from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import McuReport, measure, measure_network
from convcalc.device.runtimes import RUNTIMES
from tests.support.tflite_conversion import convert

REFERENCE = RUNTIMES["tflm-reference"]
# the heads of the files that TensorFlow 2.21 wrote in int8 for the networks that `convcalc export --to keras` writes
HEADS = {
    "anomaly_detection": 768,
    "conv_autoencoder": 131_712,
    "dcgan_generator": 360_448,
    "ds_cnn": 16_000,
    "espcn": 6_422_528,
    "lenet5": 9_408,
    "m5": 23_872,
    "mobilenet_v2": 2_451_840,
    "person_detection": 73_728,
    "resnet8": 49_152,
    "squeezenet1_1": 982_144,
    "streaming_wakeword": 6_656,
}


# layers on the input 4×6×6, and what TensorFlow 2.21 wrote in int8: the operators, and the head that TensorFlow Lite
# Micro reported for the file
KINDS: list[tuple[list[object], str, int]] = [
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "scale"], "CONV_2D", 208),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, {"scale": {"factor": 0.5}}], "CONV_2D", 208),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "shift"], "CONV_2D", 208),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "shift", "relu"], "CONV_2D", 208),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "relu", "shift"], "CONV_2D ADD", 208),
    ([{"depthwise_conv": {"kernel_size": 3}}, "shift"], "DEPTHWISE_CONV_2D", 208),
    ([{"conv_transpose": {"out_channels": 4, "kernel_size": 2, "stride": 2}}, "shift"], "TRANSPOSE_CONV", 3024),
    (
        [{"conv_transpose": {"out_channels": 4, "kernel_size": 2, "stride": 2, "bias": False}}, "shift"],
        "TRANSPOSE_CONV",
        3024,
    ),
    (["flatten", {"linear": 4}, "shift"], "RESHAPE FULLY_CONNECTED", 288),
    (["flatten", {"linear": 4}, "hardsigmoid"], "RESHAPE FULLY_CONNECTED MUL", 288),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "hardsigmoid"], "CONV_2D MUL", 208),
    ([{"depthwise_conv": {"kernel_size": 3}}, "hardsigmoid"], "DEPTHWISE_CONV_2D MUL", 208),
    (
        [{"conv_transpose": {"out_channels": 4, "kernel_size": 2, "stride": 2}}, "hardsigmoid"],
        "TRANSPOSE_CONV MUL",
        3024,
    ),
    (["shift", "shift"], "ADD", 288),
    (["scale", "scale"], "MUL MUL", 288),
    (["batchnorm", "batchnorm"], "MUL ADD MUL ADD", 288),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "shift", "batchnorm"], "CONV_2D", 208),
    (["batchnorm", "shift"], "MUL ADD", 288),
    ([{"avgpool": 2}, "batchnorm"], "AVERAGE_POOL_2D MUL ADD", 192),
    (["batchnorm", "hardsigmoid"], "MUL ADD MUL", 288),
    (["scale", "shift"], "MUL ADD", 288),
    (["shift", "scale"], "ADD MUL", 288),
    ([{"maxpool": {"kernel_size": 3, "stride": 2, "padding": 1}}], "PADV2 MAX_POOL_2D", 352),
    ([{"avgpool": {"kernel_size": 3, "stride": 2, "padding": 1}}], "PAD AVERAGE_POOL_2D", 352),
    (["elu"], "DEQUANTIZE ELU QUANTIZE", 1152),
    ([{"conv": {"out_channels": 4, "kernel_size": 3}}, "elu"], "CONV_2D DEQUANTIZE ELU QUANTIZE", 512),
    (["log_softmax"], "LOG_SOFTMAX", 288),
    (["prelu"], "PRELU", 288),
    (
        [
            {"conv": {"out_channels": 4, "kernel_size": 3, "name": "a"}},
            {"global_avgpool": {"name": "g"}},
            "hardsigmoid",
            {"multiply": {"from": ["a", "previous"]}},
        ],
        "CONV_2D MEAN ADD MUL MUL",
        208,
    ),
    ([{"upsample": {"scale_factor": 2, "mode": "bilinear"}}], "RESIZE_BILINEAR", 720),
    (
        [{"conv_transpose": {"out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1}}],
        "TRANSPOSE_CONV STRIDED_SLICE",
        2688,
    ),
    ([{"slice": {"height": [1, 4]}}, {"slice": {"channels": [0, 2]}}], "STRIDED_SLICE STRIDED_SLICE", 224),
    ([{"pad": {"padding": 2, "mode": "reflect"}}], "MIRROR_PAD", 576),
    ([{"pad": {"padding": [[1, 0], [2, 1]]}}], "PAD", 400),
    ([{"permute": {"order": ["channels", "width", "height"]}}], "TRANSPOSE", 288),
    ([{"mean": {"axes": "channels"}}], "MEAN", 368),
    (
        [{"separable_conv": {"out_channels": 5, "kernel_size": 3, "padding": 1}}, "hardswish"],
        "DEPTHWISE_CONV_2D CONV_2D HARD_SWISH",
        384,
    ),
    (
        [
            {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "name": "a"}},
            {"conv": {"out_channels": 5, "kernel_size": 1, "name": "b"}},
            {"concat": {"from": ["a", "b"]}},
            "softmax",
        ],
        "CONV_2D CONV_2D CONCATENATION SOFTMAX",
        672,
    ),
]


def report(layers: list[object]) -> McuReport:
    return measure_network(convcalc.load({"input": [4, 6, 6], "layers": layers}), REFERENCE)


@pytest.mark.parametrize(("layers", "codes", "head"), KINDS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_layer_becomes_the_operators_of_the_converted_file(layers: list[object], codes: str, head: int) -> None:
    found = report(layers)
    assert [operator.code for operator in found.program.operators] == codes.split()
    assert found.head == head


def test_a_constant_that_is_added_to_a_layer_without_biases_becomes_its_biases() -> None:
    layers: list[object] = ["flatten", {"linear": {"out_features": 4, "bias": False}}, "shift"]
    found = report(layers).program.operators[-1]
    assert (found.code, found.biases, found.constants) == ("FULLY_CONNECTED", 4, 2)


def test_a_constant_is_an_operator_if_its_input_is_read_elsewhere() -> None:
    conv = {"conv": {"out_channels": 4, "kernel_size": 1, "name": "c"}}
    codes = [
        operator.code for operator in report([conv, "scale", {"add": {"from": ["c", "previous"]}}]).program.operators
    ]
    assert codes == ["CONV_2D", "MUL", "ADD"]


@pytest.mark.parametrize("name", HEADS)
def test_the_head_is_that_of_the_converted_file(name: str) -> None:
    assert measure_network(convcalc.load(examples.find_file(name)), REFERENCE).head == HEADS[name]


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the converter warns that statistics of inputs are not specified
@pytest.mark.parametrize("name", sorted(HEADS.keys() - {"mobilenet_v2", "squeezenet1_1"}))  # which take minutes
def test_the_stored_heads_are_those_of_the_converter(name: str, tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(convert(convcalc.load(examples.find_file(name))))
    assert measure(read_program(str(file)), REFERENCE).head == HEADS[name]


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")
def test_the_stored_operators_are_those_of_the_converter(tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    for layers, codes, head in KINDS:
        file.write_bytes(convert(convcalc.load({"input": [4, 6, 6], "layers": layers}), random_weights=True))
        program = read_program(str(file))
        assert ([operator.code for operator in program.operators], measure(program, REFERENCE).head) == (
            codes.split(),
            head,
        )
