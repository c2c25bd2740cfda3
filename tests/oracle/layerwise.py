"""Builds a network in PyTorch with one module per layer, for tools that count the operations of modules.

The weights keep their initial values: the tools only look at shapes.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convcalc import Network
from convcalc.layers.base import Layer
from tests.oracle.make_cases import ACTIVATIONS, BUILDERS
from tests.support.activations import OVER_CHANNELS

PLAIN = {"dropout": nn.Dropout, "drop_path": nn.Identity, "identity": nn.Identity, "flatten": nn.Flatten}


class Scaled(nn.Module):
    """Multiplies each channel by a learnt factor."""

    def __init__(self, channels: int, axes: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(channels, *(1,) * axes))

    def forward(self, value: Tensor) -> Tensor:
        return self.factor * value


class ChannelsLast(nn.Module):
    """Normalises the channels of every position, with the channels moved to the last axis."""

    def __init__(self, channels: int, affine: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=affine)

    def forward(self, value: Tensor) -> Tensor:
        moved: Tensor = self.norm(value.movedim(1, -1)).movedim(-1, 1)
        return moved


class Operation(nn.Module):
    """Runs layers for which PyTorch has no module, such as merges and reshapes."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *values: Tensor) -> Tensor:
        layer = self.layer
        if layer.kind == "concat":
            return torch.cat(values, dim=1)
        if layer.kind in ("add", "multiply"):
            total = values[0]
            for value in values[1:]:
                total = total + value if layer.kind == "add" else total * value
            return total
        value = values[0]
        if layer.kind == "slice":
            start, stop = layer.arguments()["channels"]
            return value[:, start:stop]
        if layer.kind == "crop":
            for axis, ((before, _), size) in enumerate(
                zip(layer.arguments()["amount"], layer.output.spatial, strict=True)
            ):
                value = value.narrow(2 + axis, before, size)
            return value
        return value.reshape(value.shape[0], *layer.output.sizes)


def module_of(layer: Layer) -> nn.Module:
    """Return the PyTorch module of one layer."""
    kind, given, axes = layer.kind, layer.arguments(), layer.input.axes
    channels = layer.input.channels
    if kind in PLAIN:
        module: nn.Module = PLAIN[kind]()
        return module
    if kind in ACTIVATIONS:
        arguments = {"axes": given["axes"]} if kind in OVER_CHANNELS else {}
        return ACTIVATIONS[kind](list(layer.input.sizes), arguments)
    if kind in ("add", "multiply", "concat", "slice", "crop", "reshape"):
        return Operation(layer)
    if kind == "linear":
        return nn.Linear(channels, given["out_features"], given["bias"])
    if "conv" in kind:
        return convolution(layer, given)
    if kind in ("maxpool", "avgpool"):
        return padded(layer, of_axes("MaxPool" if kind == "maxpool" else "AvgPool", axes), given)
    if kind.removeprefix("global_").removeprefix("adaptive_") in ("avgpool", "maxpool"):
        word = "AdaptiveAvgPool" if "avg" in kind else "AdaptiveMaxPool"
        pooled = of_axes(word, axes)(given.get("output_size", (1,) * axes))
        return pooled if layer.output.axes else nn.Sequential(pooled, nn.Flatten())
    if kind == "batchnorm":
        return of_axes("BatchNorm", max(axes, 1))(channels, affine=given["affine"])
    if kind == "instancenorm":
        return of_axes("InstanceNorm", axes)(channels, affine=given["affine"])
    return other(layer, kind, given)


def other(layer: Layer, kind: str, given: dict[str, Any]) -> nn.Module:
    channels, axes = layer.input.channels, layer.input.axes
    if kind == "layernorm":
        whole = given["axes"] == "all"
        return (
            nn.LayerNorm(layer.input.sizes, elementwise_affine=given["affine"])
            if whole
            else ChannelsLast(channels, given["affine"])
        )
    if kind == "pad":
        return nn.ConstantPad2d(turned(given["padding"]), 0)
    made: dict[str, Any] = {
        "groupnorm": lambda: nn.GroupNorm(given["num_groups"], channels, affine=given["affine"]),
        "lppool": lambda: of_axes("LPPool", axes)(2, *(window(given[name]) for name in ("kernel_size", "stride"))),
        "scale": lambda: Scaled(channels, axes),
        "upsample": lambda: nn.Upsample(
            size=None if given.get("scale_factor") else layer.output.spatial,
            scale_factor=factor(given.get("scale_factor")),
            mode=given["mode"],
        ),
    }
    if kind not in made:
        return BUILDERS[kind](list(layer.input.sizes), given)
    module: nn.Module = made[kind]()
    return module


def of_axes(word: str, axes: int) -> Any:
    return getattr(nn, f"{word}{axes}d")


def window(sizes: list[int]) -> Any:
    """Return a window size in the form that every pooling accepts: a plain number if there is one axis."""
    return tuple(sizes) if len(sizes) > 1 else sizes[0]


def factor(factors: list[float] | None) -> Any:
    """Return scale factors as people write them: as one number if they are the same on every axis."""
    if factors is None:
        return None
    return float(factors[0]) if len(set(factors)) == 1 else tuple(map(float, factors))


def turned(padding: list[list[int]]) -> list[int]:
    """Return padding in PyTorch's order, with the last axis first."""
    return [side for pair in reversed(padding) for side in pair]


def padded(layer: Layer, module: Any, given: dict[str, Any]) -> nn.Module:
    """Return a pooling with its padding, which must be the same on both sides."""
    assert all(before == after for before, after in given["padding"])
    sizes = {name: tuple(given[name]) for name in ("kernel_size", "stride", "dilation") if name in given}
    made: nn.Module = module(**sizes, padding=[pair[0] for pair in given["padding"]], ceil_mode=given["ceil_mode"])
    return made


def convolution(layer: Layer, given: dict[str, Any]) -> nn.Module:
    """Return a convolution of any kind. Padding that differs between the sides becomes a separate module."""
    axes, read, written = layer.input.axes, layer.input.channels, layer.output.channels
    sizes = {name: tuple(given[name]) for name in ("kernel_size", "stride", "dilation") if name in given}
    sizes.setdefault("kernel_size", (1,) * axes)
    pairs = given.get("padding", [[0, 0]] * axes)
    if layer.kind == "conv_transpose":
        assert all(before == after for before, after in pairs)
        made: nn.Module = of_axes("ConvTranspose", axes)(
            read,
            written,
            **sizes,
            padding=[pair[0] for pair in pairs],
            output_padding=given["output_padding"],
            groups=given["groups"],
            bias=given["bias"],
        )
        return made
    even = all(before == after for before, after in pairs)
    around: list[nn.Module] = [] if even else [of_axes("ConstantPad", axes)(turned(pairs), 0)]
    sides = [pair[0] for pair in pairs] if even else 0
    depthwise = layer.kind in ("depthwise_conv", "separable_conv")
    inner = read * given["multiplier"] if layer.kind == "separable_conv" else written
    groups, bias = read if depthwise else given["groups"], given["bias"] and layer.kind != "separable_conv"
    around.append(of_axes("Conv", axes)(read, inner, **sizes, padding=sides, groups=groups, bias=bias))
    if layer.kind == "separable_conv":
        around.append(of_axes("Conv", axes)(inner, written, 1, bias=given["bias"]))
    return nn.Sequential(*around)


def padded_in_words() -> nn.Module:
    """Return a network whose convolution has its padding given as a word."""
    return nn.Sequential(nn.Conv2d(4, 8, 3, padding="same"))


class Layerwise(nn.Module):
    """Runs all layers of a network with one input and one output, in file order."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.reads = [node.reads for node in network.nodes]
        [self.result] = network.outputs.values()
        self.layers = nn.ModuleList(module_of(node.layer) for node in network.nodes)

    def forward(self, value: Tensor) -> Tensor:
        tensors = [value]
        for reads, layer in zip(self.reads, self.layers, strict=True):
            tensors.append(layer(*[tensors[tensor] for tensor in reads]))
        return tensors[self.result]


def built(network: Network) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the network as a module, and the shape of its input."""
    [shape] = network.inputs.values()
    return Layerwise(network).eval(), shape.sizes
