"""Effective receptive fields compared with the gradients of random PyTorch networks.

Weights are normal with He's variance, batch norms are calibrated on noise and then fixed. The gradient of a random
mixture of one output position's channels is squared and added up over several networks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import Any, NamedTuple

import pytest

import convcalc
from convcalc.analysis.effective_field import Spread, compute_effective_fields
from convcalc.analysis.energy_map import map_energy
from convcalc.analysis.field_region import find_layer, middle_position
from convcalc.analysis.report import Report

pytestmark = pytest.mark.torch
CHANNELS = 64


class Part(NamedTuple):
    """An entry of a spec, and the call in torch.nn that makes the same module."""

    entry: Any
    make: Callable[[Any], Any]


def conv(kernel_size: int, stride: int = 1, dilation: int = 1) -> Part:
    padding = dilation * (kernel_size - 1) // 2
    arguments = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    return Part(
        {"conv": {"out_channels": CHANNELS, **arguments}}, lambda nn: nn.Conv1d(CHANNELS, CHANNELS, **arguments)
    )


def depthwise(kernel_size: int, dilation: int = 1) -> Part:
    padding = dilation * (kernel_size - 1) // 2
    arguments = {"kernel_size": kernel_size, "padding": padding, "dilation": dilation}
    return Part({"depthwise_conv": arguments}, lambda nn: nn.Conv1d(CHANNELS, CHANNELS, groups=CHANNELS, **arguments))


def transposed(kernel_size: int, stride: int) -> Part:
    arguments = {"kernel_size": kernel_size, "stride": stride}
    entry = {"conv_transpose": {"out_channels": CHANNELS, **arguments}}
    return Part(entry, lambda nn: nn.ConvTranspose1d(CHANNELS, CHANNELS, **arguments))


def pool(kind: str, kernel_size: int, stride: int) -> Part:
    arguments = {"kernel_size": kernel_size, "stride": stride}
    name = {"maxpool": "MaxPool1d", "avgpool": "AvgPool1d"}[kind]
    return Part({kind: arguments}, lambda nn: getattr(nn, name)(**arguments))


def upsample(factor: int, mode: str) -> Part:
    arguments = {"scale_factor": factor, "mode": mode}
    return Part({"upsample": arguments}, lambda nn: nn.Upsample(**arguments))


RELU = Part("relu", lambda nn: nn.ReLU())
CROP = Part({"crop": {"amount": [[5, 3]]}}, lambda nn: nn.ConstantPad1d((-5, -3), 0))
CHAINS: dict[str, list[Part]] = {
    "linear": [conv(3)] * 8,
    "relu": [conv(3), RELU] * 8,
    "strides": [conv(3, 2), RELU, conv(3), RELU, conv(3, 2), RELU, conv(3), RELU, conv(5)],
    "dilations": [part for level in range(4) for part in (conv(3, dilation=2**level), RELU)],
    "max pooling": [conv(3), RELU, pool("maxpool", 2, 2), conv(3), RELU, pool("maxpool", 3, 2), conv(3), RELU, conv(3)],
    "average pooling": [conv(3), RELU, pool("avgpool", 2, 2), conv(3), RELU, pool("avgpool", 4, 2), conv(3), RELU],
    "depthwise": [part for _ in range(4) for part in (conv(1), RELU, depthwise(5), RELU)],
    "transposed": [conv(3, 2), RELU, conv(3, 2), RELU, transposed(4, 2), RELU, transposed(3, 2), RELU, conv(3)],
    "upsampling": [conv(3, 2), RELU, conv(3, 2), RELU, upsample(2, "linear"), conv(3), upsample(2, "nearest"), conv(3)],
    "crop": [conv(3), RELU, CROP, conv(7, 2), RELU, CROP, conv(5)],
}  # fmt: skip
LENGTH, SEEDS = 160, 60


@pytest.mark.parametrize("name", CHAINS)
def test_chains_are_within_2_percent(name: str) -> None:
    parts = CHAINS[name]
    report = convcalc.analyse(convcalc.load({"input": [CHANNELS, LENGTH], "layers": [part.entry for part in parts]}))
    spread = compute_effective_fields(report.network, report.fields).states[-1]
    assert isinstance(spread, Spread)
    assert spread.is_exact
    [position] = middle_position(report, len(report.layers) - 1)
    _, _, variance = spread.axes[0].at(position)
    assert measure_chain(parts, position) == pytest.approx(sqrt(variance), rel=0.02)


def measure_chain(parts: list[Part], position: int) -> float:
    """Return the standard deviation of the energy of a position along the input, over several networks at once."""
    import torch
    from torch import nn

    energy = torch.zeros(LENGTH, dtype=torch.float64)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        module = nn.Sequential(*(part.make(nn) for part in parts))
        initialise(module)
        energy += find_energy(module, torch.randn(1, CHANNELS, LENGTH), [(position,)] * 2)
    return find_deviation(energy)


def initialise(module: Any) -> None:
    """Draw the weights with the variance 2 / (values per output), and set biases to 0."""
    from torch import nn

    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.normal_(layer.weight, 0, sqrt(2 / layer.weight[0].numel()))
        elif isinstance(layer, nn.ConvTranspose1d):
            taps = layer.weight[0, 0].numel() / prod(layer.stride)
            nn.init.normal_(layer.weight, 0, sqrt(2 / (layer.in_channels * taps)))
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def find_energy(module: Any, sample: Any, positions: list[tuple[int, ...]]) -> Any:
    """Return the squared gradient of some output positions at each position of a sample, summed over its channels."""
    import torch

    module.requires_grad_(False)
    sample.requires_grad_(True)
    output = module(sample)
    found: Any = torch.zeros(sample.shape[2:], dtype=torch.float64)
    for position in positions:
        mixed = (output[(0, slice(None), *position)] * torch.randn(output.shape[1])).sum()
        [gradient] = torch.autograd.grad(mixed, sample, retain_graph=True)
        energy = (gradient[0].double() ** 2).sum(0)
        found += energy
    return found


def find_deviation(energy: Any) -> float:
    """Return the standard deviation along one axis."""
    import torch

    places = torch.arange(len(energy), dtype=torch.float64)
    share = energy / energy.sum()
    mean = (share * places).sum()
    return float((share * (places - mean) ** 2).sum().sqrt())


# -- residual networks and others with branches


class Measured(NamedTuple):
    """The layer whose middle position is examined, the size of the input, the number of networks, and two tolerances.

    `within` is the tolerance of the prediction for an input of this size, at whose border energy is lost, and
    `interior` that of the reported figure.
    """

    layer: str
    size: int
    seeds: int
    within: float
    interior: float


NETWORKS = {
    "resnet18": Measured("stage4", 352, 2, 0.03, 0.07),
    "resnet34": Measured("stage4", 352, 2, 0.05, 0.07),
    "resnet50": Measured("stage4", 352, 2, 0.07, 0.07),
    "mobilenet_v2": Measured("relu62", 224, 3, 0.05, 0.1),
    "efficientnet_b0": Measured("silu2", 320, 3, 0.07, 0.15),  # squeeze and excitation
    "densenet121": Measured("relu2", 224, 2, 0.07, 0.07),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_with_branches(name: str) -> None:
    known = NETWORKS[name]
    report = convcalc.analyse(convcalc.load(f"example:{name}", input=[3, known.size, known.size]))
    due, interior = predict(report, find_layer(report, known.layer))
    found = measure_network(name, known)
    assert found == pytest.approx(due, rel=known.within)
    assert found == pytest.approx(interior, rel=known.interior)


def predict(report: Report, index: int) -> tuple[float, float]:
    """Return the standard deviation within the input, and that of an interior position."""
    import torch

    found = compute_effective_fields(report.network, report.fields)
    spread = found.states[index + 1]
    assert isinstance(spread, Spread)
    energy = map_energy(report.network, found, index + 1, middle_position(report, index), (0, 1), within=True)
    row = torch.tensor(energy.sum_columns(), dtype=torch.float64)
    return find_deviation(row), spread.deviations()[1][1]


def measure_network(name: str, known: Measured) -> float:
    """Return the standard deviation of the gradient's energy in the reference module, as a mean over both axes."""
    import torch

    energy: Any = 0
    for seed in range(known.seeds):
        torch.manual_seed(seed)
        module = make_trunk(name)
        initialise(module)
        calibrate(module, torch.randn(2, 3, known.size, known.size))
        sample = torch.randn(1, 3, known.size, known.size)
        with torch.no_grad():
            sizes = module(sample).shape[2:]
        middle = tuple(size // 2 for size in sizes)
        energy = energy + find_energy(module, sample, [middle] * 2)
    return sum(find_deviation(energy.sum(axis)) for axis in (0, 1)) / 2.0


def make_trunk(name: str) -> Any:
    """Return the reference module without its head: up to the last layer with positions."""
    from torch import nn

    from tests.oracle import reference_dense, reference_models, reference_zoo

    known: dict[str, Any] = {**reference_zoo.MODELS, **reference_dense.MODELS, **reference_models.NETWORKS}
    module, _ = known[name]()
    children = list(module.children())
    of_head = (nn.AdaptiveAvgPool2d, nn.Flatten, nn.Dropout, nn.Linear)
    while any(isinstance(part, of_head) for part in children[-1].modules()):
        children.pop()
    return nn.Sequential(*children)


def calibrate(module: Any, samples: Any) -> None:
    """Set the statistics of all batch norms to those of some samples."""
    import torch

    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    module.train()
    with torch.no_grad():
        module(samples)
    module.eval()
