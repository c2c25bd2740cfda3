"""The five reference networks of MLPerf Tiny (Banbury et al. 2021) with all their biases, as published.

The sources are the Keras definitions in github.com/mlcommons/tiny, benchmark/training: `resnet_v1_eembc` of
image_classification (16 filters, as in version 1 of the benchmark), `mobilenet_v1` of visual_wake_words, `get_model` of
anomaly_detection and streaming_wakeword, and that of keyword_spotting, which is the example ds_cnn.
"""

import json
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import NamedTuple

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.examples import find_file as example_path
from tests.support.places import EXAMPLES


class Counted(NamedTuple):
    """Params, running statistics and MACs."""

    params: int
    buffers: int
    macs: int

    def __add__(self, other: "Counted") -> "Counted":  # type: ignore[override]
        return Counted(*(one + two for one, two in zip(self, other, strict=True)))


def weights(inputs: int, outputs: int, positions: int, kernel: int = 1, norm: bool = True) -> Counted:
    """A convolution or dense layer with a bias, and the batch norm after it."""
    used = kernel**2 * inputs * outputs
    return Counted(used + outputs + 2 * outputs * norm, 2 * outputs * norm, used * positions)


def separable(inputs: int, outputs: int, positions: int) -> Counted:
    """A depthwise 3 × 3 and a pointwise convolution, each with a bias and a batch norm."""
    depthwise = Counted(9 * inputs + 3 * inputs, 2 * inputs, 9 * inputs * positions)
    return depthwise + weights(inputs, outputs, positions)


def along_time(taps: int, inputs: int, outputs: int, positions: int) -> Counted:
    """A depthwise convolution and a pointwise one, without biases, and a batch norm."""
    depthwise = Counted(taps * inputs, 0, taps * inputs * positions)
    return depthwise + Counted(inputs * outputs + 2 * outputs, 2 * outputs, inputs * outputs * positions)


def total(parts: list[Counted]) -> Counted:
    return sum(parts[1:], parts[0])


DENSE = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
BY_HAND = {
    "resnet8": [
        *[weights(3, 16, 32**2, 3), weights(16, 16, 32**2, 3), weights(16, 16, 32**2, 3)],
        *[weights(16, 32, 16**2, 3), weights(32, 32, 16**2, 3), weights(16, 32, 16**2, norm=False)],
        *[weights(32, 64, 8**2, 3), weights(64, 64, 8**2, 3), weights(32, 64, 8**2, norm=False)],
        weights(64, 10, 1, norm=False),
    ],
    "person_detection": [
        weights(3, 8, 48**2, 3),
        *[separable(8, 16, 48**2), separable(16, 32, 24**2), separable(32, 32, 24**2), separable(32, 64, 12**2)],
        *[separable(64, 64, 12**2), separable(64, 128, 6**2), *[separable(128, 128, 6**2)] * 5],
        *[separable(128, 256, 3**2), separable(256, 256, 3**2), weights(256, 2, 1, norm=False)],
    ],
    "anomaly_detection": [
        *[weights(one, other, 1) for one, other in pairwise(DENSE)],
        weights(128, 640, 1, norm=False),
    ],
    "streaming_wakeword": [
        *[along_time(3, 40, 128, 28), along_time(5, 128, 128, 24), along_time(10, 128, 128, 15)],
        *[along_time(15, 128, 32, 1), weights(32, 3, 1, norm=False)],
    ],
}
# "Total params" of Keras' model.summary(), including the running statistics
KERAS = {"resnet8": 78_666, "person_detection": 221_794, "anomaly_detection": 269_992}
OUTPUTS = {"resnet8": [10], "person_detection": [2], "anomaly_detection": [640], "streaming_wakeword": [3]}
FILES = [Path(example_path(name)) for name in (*KERAS, "ds_cnn")]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_reference_network_costs_what_its_definition_states(name: str) -> None:
    report = convcalc.summary(EXAMPLES / f"{name}.yaml").to_dict()
    totals = report["totals"]
    by_hand = total(BY_HAND[name])
    assert Counted(totals["params"], totals["buffers"], totals["macs"]) == by_hand
    assert totals["params"] + totals["buffers"] == KERAS.get(name, by_hand.params + by_hand.buffers)
    assert list(report["outputs"].values()) == [OUTPUTS[name]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reference_network_passes_the_check_with_notes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keras' default of a bias before a batch norm is a correct finding, but not a reason to fail."""
    assert run(["check", str(path), "--isolated", "-f", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["problems"]
    assert {(problem["code"], problem["severity"]) for problem in found} == {("CV206", "note")}
    assert run(["check", str(path), "--isolated", "--fail-on", "note"]) == 1


@pytest.mark.torch
@pytest.mark.parametrize("name", BY_HAND)
def test_a_reference_network_costs_what_pytorch_counts(name: str) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from tests.oracle.reference_tiny import MODELS

    module, shape = MODELS[name]()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        output = module.eval()(torch.zeros(1, *shape))
    params = sum(parameter.numel() for parameter in module.parameters())
    statistics = [value for key, value in module.named_buffers() if "running" in key]
    found = Counted(params, sum(prod(value.shape) for value in statistics), counter.get_total_flops() // 2)
    assert found == total(BY_HAND[name])
    assert list(output.shape[1:]) == OUTPUTS[name]
