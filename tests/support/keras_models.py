"""Keras, on PyTorch and without memory for weights, as the tests use it."""

from __future__ import annotations

import math
import os
import warnings
from functools import cache
from typing import Any

import convcalc
from convcalc.convert.to_keras import model_text


@cache
def keras_package() -> Any:
    """Keras with the backend PyTorch."""
    os.environ["KERAS_BACKEND"] = "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras
    assert keras.backend.backend() == "torch"
    return keras


def built(network: convcalc.Network, device: str = "meta") -> Any:
    """The Keras model that the exported file of a network builds; on the device `meta`, its weights have no values."""
    return build_text(model_text(network), device)


def build_text(text: str, device: str = "meta") -> Any:
    """The model that `build` in an exported file returns."""
    space: dict[str, Any] = {"__name__": "written"}
    keras = keras_package()
    exec(compile(text, "written.py", "exec"), space)
    with keras.device(device):
        return space["build"]()


def figures_of_model(model: Any, network: convcalc.Network) -> dict[str, Any]:
    """A model's own figures: trainable elements, all elements, and shapes of the outputs without the batch."""
    outputs = model.output if isinstance(model.output, dict) else dict.fromkeys(network.outputs, model.output)
    return {
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "all": model.count_params(),
        "outputs": {name: tuple(tensor.shape[1:]) for name, tensor in outputs.items()},
    }


def figures_of_report(network: convcalc.Network) -> dict[str, Any]:
    """The same figures from convcalc's report, with the channels last."""
    report = convcalc.analyse(network)
    return {
        "trainable": report.totals.trainable_params,
        "all": report.totals.params + report.totals.buffers,
        "outputs": {name: (*shape.spatial, shape.channels) for name, shape in report.outputs().items()},
    }
