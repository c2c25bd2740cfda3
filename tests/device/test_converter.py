"""The operators of a spec need as much memory as those that TensorFlow's converter writes for the exported network."""

import os
import types
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc import examples
from convcalc.convert.to_keras import model_text
from convcalc.device.from_tflite import read_program
from convcalc.device.mcu import measure, measure_network
from convcalc.device.runtimes import RUNTIMES

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


@pytest.mark.parametrize("name", HEADS)
def test_the_head_is_that_of_the_converted_file(name: str) -> None:
    assert measure_network(convcalc.load(examples.find_file(name)), REFERENCE).head == HEADS[name]


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the converter warns that statistics of inputs are not specified
@pytest.mark.parametrize("name", sorted(HEADS.keys() - {"mobilenet_v2", "squeezenet1_1"}))  # which take minutes
def test_the_stored_heads_are_those_of_the_converter(name: str, tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    file = tmp_path / "net.tflite"
    file.write_bytes(convert(name))
    assert measure(read_program(str(file)), REFERENCE).head == HEADS[name]


def convert(name: str) -> bytes:
    """The TFLite file of an example in int8, for one sample, with the ranges of two random inputs."""
    numpy: Any = pytest.importorskip("numpy")
    tensorflow: Any = pytest.importorskip("tensorflow", exc_type=ImportError)
    module = types.ModuleType("exported")
    text = model_text(convcalc.load(examples.find_file(name)))
    exec(text.replace(', name="input")', ', batch_size=1, name="input")', 1), module.__dict__)
    model = module.build()
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    source = numpy.random.default_rng(0)
    samples = [[source.random(shape).astype("float32") for shape in shapes] for _ in range(2)]
    converter.representative_dataset = lambda: iter(samples)
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    content: bytes = converter.convert()
    return content
