"""The four reference networks of MLPerf Tiny (Banbury et al. 2021) with all their biases, as published.

The sources are the Keras definitions in github.com/mlcommons/tiny, benchmark/training: `resnet_v1_eembc` of
image_classification (16 filters, as in version 1 of the benchmark), `mobilenet_v1` of visual_wake_words, `get_model` of
anomaly_detection, and that of keyword_spotting, which is the example ds_cnn.
"""

import json
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.examples import find_file as example_path
from tests.support.places import DATA

MLPERF_TINY = DATA / "mlperf_tiny"
Shape = tuple[int, ...]


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


def total(parts: list[Counted]) -> Counted:
    return sum(parts[1:], parts[0])


DENSE = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
BY_HAND = {
    "image_classification": [
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
}
# "Total params" of Keras' model.summary(), including the running statistics
KERAS = {"image_classification": 78_666, "person_detection": 221_794, "anomaly_detection": 269_992}
OUTPUTS = {"image_classification": [10], "person_detection": [2], "anomaly_detection": [640]}
FILES = [*(MLPERF_TINY / f"{name}.yaml" for name in BY_HAND), Path(example_path("ds_cnn"))]


def test_every_file_is_in_the_table() -> None:
    assert sorted(path.stem for path in MLPERF_TINY.iterdir()) == sorted(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_reference_network_costs_what_its_definition_states(name: str) -> None:
    report = convcalc.summary(MLPERF_TINY / f"{name}.yaml").to_dict()
    totals = report["totals"]
    by_hand = total(BY_HAND[name])
    assert Counted(totals["params"], totals["buffers"], totals["macs"]) == by_hand
    assert totals["params"] + totals["buffers"] == KERAS[name]
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

    module, shape = modules(torch)[name]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        output = module.eval()(torch.zeros(1, *shape))
    params = sum(parameter.numel() for parameter in module.parameters())
    statistics = [value for key, value in module.named_buffers() if "running" in key]
    found = Counted(params, sum(prod(value.shape) for value in statistics), counter.get_total_flops() // 2)
    assert found == total(BY_HAND[name])
    assert list(output.shape[1:]) == OUTPUTS[name]


def modules(torch: Any) -> dict[str, tuple[Any, Shape]]:
    """The definitions in PyTorch. `same` padding of an even size for a kernel of 3 at stride 2 is 0 + 1."""
    nn = torch.nn

    def conv(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> list[Any]:
        pad = nn.ZeroPad2d((0, 1, 0, 1) if stride == 2 else 1)
        return [pad, nn.Conv2d(inputs, outputs, 3, stride, groups=groups), nn.BatchNorm2d(outputs)]

    class Unit(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
            super().__init__()
            self.body = nn.Sequential(*conv(inputs, outputs, stride), nn.ReLU(), *conv(outputs, outputs))
            self.skip = nn.Conv2d(inputs, outputs, 1, stride) if stride == 2 else nn.Identity()

        def forward(self, x: Any) -> Any:
            return torch.relu(self.body(x) + self.skip(x))

    def separable(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
        depthwise = [*conv(inputs, inputs, stride, inputs), nn.ReLU()]
        return [*depthwise, nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU()]

    def dense(inputs: int, outputs: int) -> list[Any]:
        return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]

    resnet = [*conv(3, 16), nn.ReLU(), Unit(16, 16), Unit(16, 32, 2), Unit(32, 64, 2), nn.AvgPool2d(8), nn.Flatten()]
    widths = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), *[(128, 128, 1)] * 5]
    widths += [(128, 256, 2), (256, 256, 1)]
    mobilenet = [*conv(3, 8, 2), nn.ReLU(), *(layer for width in widths for layer in separable(*width))]
    layers = [layer for one, other in pairwise(DENSE) for layer in dense(one, other)]
    return {
        "image_classification": (nn.Sequential(*resnet, nn.Linear(64, 10), nn.Softmax(1)), (3, 32, 32)),
        "person_detection": (
            nn.Sequential(*mobilenet, nn.AvgPool2d(3), nn.Flatten(), nn.Linear(256, 2), nn.Softmax(1)),
            (3, 96, 96),
        ),
        "anomaly_detection": (nn.Sequential(*layers, nn.Linear(128, 640)), (640,)),
    }
