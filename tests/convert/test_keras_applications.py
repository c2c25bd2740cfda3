"""The networks of keras.applications: params, trainable params, MACs and output shapes are those of Keras itself.

Those of one family differ only in sizes, so that one or two of each are compared; `KERAS_APPLICATIONS=all` compares
every one. The MACs are half of the FLOPs that PyTorch counts while Keras runs the network, without memory for it.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.convert.from_keras import read
from convcalc.convert.graph import plain_spec
from tests.support.keras_models import keras_package

pytestmark = pytest.mark.keras
FAMILIES = (
    *("VGG19", "ResNet101", "ResNet101V2", "InceptionResNetV2", "NASNetMobile", "DenseNet169", "EfficientNetB1"),
    *("EfficientNetV2B1", "EfficientNetV2S", "ConvNeXtSmall", "MobileNetV3Large"),
)
OTHERS = (
    *("ResNet152", "ResNet50V2", "ResNet152V2", "NASNetLarge", "DenseNet201", "EfficientNetB2", "EfficientNetB3"),
    *("EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B2"),
    *("EfficientNetV2B3", "EfficientNetV2M", "EfficientNetV2L", "ConvNeXtTiny", "ConvNeXtBase", "ConvNeXtLarge"),
    *("ConvNeXtXLarge", "MobileNetV3Small"),
)
NAMES = (*FAMILIES, *(OTHERS if os.environ.get("KERAS_APPLICATIONS") == "all" else ()))


class OtherBackend:
    """Keras's backend, under the name of TensorFlow: NASNet refuses PyTorch, although it can be built with it."""

    def __init__(self, backend: Any) -> None:
        self.own = backend

    def __getattr__(self, name: str) -> Any:
        return (lambda: "tensorflow") if name == "backend" else getattr(self.own, name)


def count_macs(model: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *model.input_shape[1:], device="meta"))
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_the_figures_of_keras(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras = keras_package()
    from keras.src.applications import nasnet

    monkeypatch.setattr(nasnet, "backend", OtherBackend(nasnet.backend))
    shape = {"input_shape": (224, 224, 3)} if name.startswith("MobileNetV3") else {}
    with keras.device("meta"):
        model = getattr(keras.applications, name)(weights=None, **shape)
        macs = count_macs(model)
    file = tmp_path / "model.json"
    file.write_text(model.to_json(), encoding="utf-8")
    found = convcalc.summary(plain_spec(read(str(file))))
    # Keras's Normalization stores the number of samples it was adapted to as a weight
    extra = sum(weight.name == "count" for weight in model.weights)
    assert found.totals.params + found.totals.buffers == model.count_params() - extra
    assert found.totals.trainable_params == sum(prod(weight.shape) for weight in model.trainable_weights)
    assert found.totals.macs == macs
    assert [(*output.spatial, output.channels) for output in found.outputs().values()] == [model.output_shape[1:]]
    assert found.complete
