"""Converts networks to TFLite files with TensorFlow, through the Keras models that convcalc exports."""

import os
import types
from typing import Any

import pytest

from convcalc.convert.to_keras import model_text
from convcalc.network import Network


def convert(network: Network, quantised: bool = True, random_weights: bool = False) -> bytes:
    """Return the TFLite file of a network for one sample: in int8, calibrated with two random inputs, or in float32.

    Random weights matter, because the converter omits scales of 1 and biases of 0.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    numpy: Any = pytest.importorskip("numpy")
    tensorflow: Any = pytest.importorskip("tensorflow", exc_type=ImportError)
    module = types.ModuleType("exported")
    exec(model_text(network).replace(', name="input")', ', batch_size=1, name="input")', 1), module.__dict__)
    model = module.build()
    source = numpy.random.default_rng(0)
    if random_weights:
        model.set_weights([weights + 0.3 * source.normal(size=weights.shape) for weights in model.get_weights()])
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    if quantised:
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
        samples = [[source.random(shape).astype("float32") for shape in shapes] for _ in range(2)]
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: iter(samples)
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    content: bytes = converter.convert()
    return content
