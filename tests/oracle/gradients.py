"""Runs the layers of a report in PyTorch, so that gradients show on which inputs an output position depends.

Channels and values do not matter for this. Every layer has one channel, equal weights and no bias, and activations and
normalisations do nothing. Concatenation, addition and multiplication are sums, and max pooling computes the mean, so
that gradients are never negative and never cancel. Some of the axes may be run alone, because the window of an output
position on one axis does not depend on the other axes.
"""

# PyTorch is not a test requirement: without it, mypy does not know its classes.

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Layer = dict[str, Any]
Axes = tuple[int, ...]
Span = tuple[int, int]

VALUE_BY_VALUE = (
    "batchnorm", "channel_shuffle", "drop_path", "dropout", "elu", "gelu", "identity", "layernorm", "leaky_relu",
    "local_response_norm", "relu", "relu6", "scale", "sigmoid", "silu", "slice",
    "softmax", "tanh",
)  # fmt: skip
INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Projection:
    """Runs the layers of a report along some of the axes, up to the first layer with an empty output."""

    def __init__(self, report: dict[str, Any], axes: Axes) -> None:
        self.axes = axes
        self.layers: list[Layer] = report["layers"]
        [(self.input, shape)] = report["inputs"].items()
        self.sizes = [shape[1:][axis] for axis in axes]

    def run(self, last: str) -> tuple[Tensor, Tensor]:
        """Return the network's input and the output of the layer `last`."""
        source = torch.ones(1, 1, *self.sizes, dtype=torch.float64, requires_grad=True)
        values = {self.input: source}
        for layer in self.layers:
            values[layer["name"]] = self.value(layer, [values[name] for name in layer["from"]])
            if layer["name"] == last:
                break
        return source, values[last]

    def spans(self, last: str, positions: list[Axes]) -> list[list[Span]]:
        """Return the first and the last input, on every axis, on which each position of a layer depends."""
        source, output = self.run(last)
        return [self._span(source, output[(0, 0, *position)]) for position in positions]

    def _span(self, source: Tensor, value: Tensor) -> list[Span]:
        [gradient] = torch.autograd.grad(value, source, retain_graph=True)
        places = gradient[0, 0].nonzero()
        return [(int(column.min()), int(column.max())) for column in places.T]

    def value(self, layer: Layer, read: list[Tensor]) -> Tensor:
        kind = layer["kind"]
        if kind in VALUE_BY_VALUE:
            return read[0]
        if kind in ("add", "multiply", "concat"):
            return torch.stack(read).mean(dim=0)
        result = RULES[kind](self, layer, read[0])
        assert list(result.shape[2:]) == self.output_sizes(layer), layer["name"]
        return result

    def output_sizes(self, layer: Layer) -> list[int]:
        return [layer["output_shape"][1:][axis] for axis in self.axes]

    def of(self, layer: Layer, argument: str, default: Any = 1) -> list[Any]:
        """Return an argument of a layer, with one value for each axis that is run."""
        values = layer["arguments"].get(argument)
        return [default if values is None else values[axis] for axis in self.axes]

    def function(self, name: str) -> Callable[..., Tensor]:
        found: Callable[..., Tensor] = getattr(functional, f"{name}{len(self.axes)}d")
        return found

    def window(self, layer: Layer, value: Tensor) -> Tensor:
        """Run a sliding window. With ceil_mode, the last window may need more padding than the layer states."""
        kernel, stride, dilation = (self.of(layer, name) for name in ("kernel_size", "stride", "dilation"))
        padding = self.of(layer, "padding", [0, 0])
        reach = [
            (n - 1) * s + d * (k - 1) + 1
            for n, s, d, k in zip(self.output_sizes(layer), stride, dilation, kernel, strict=True)
        ]
        sizes = zip(reach, value.shape[2:], padding, strict=True)
        sides = [(before, max(after, most - size - before)) for most, size, (before, after) in sizes]
        return self.function("conv")(padded(value, sides), even(kernel), stride=stride, dilation=dilation)

    def transposed(self, layer: Layer, value: Tensor) -> Tensor:
        kernel, stride, dilation = (self.of(layer, name) for name in ("kernel_size", "stride", "dilation"))
        padding, extra = self.of(layer, "padding", [0, 0]), self.of(layer, "output_padding", 0)
        full = self.function("conv_transpose")(
            value, even(kernel), stride=stride, dilation=dilation, output_padding=extra
        )
        return cut(full, padding)

    def pointwise(self, layer: Layer, value: Tensor) -> Tensor:
        steps = tuple(slice(None, None, step) for step in self.of(layer, "stride"))
        return value[(slice(None), slice(None), *steps)]

    def adaptive(self, layer: Layer, value: Tensor) -> Tensor:
        return self.function("adaptive_avg_pool")(value, self.output_sizes(layer))

    def upsample(self, layer: Layer, value: Tensor) -> Tensor:
        """Scale by the factor if the layer states one, because PyTorch cannot derive it from the sizes."""
        mode = "nearest" if layer["arguments"]["mode"] == "nearest" else INTERPOLATION[len(self.axes)]
        if "scale_factor" in layer["arguments"]:
            return functional.interpolate(value, scale_factor=self.of(layer, "scale_factor"), mode=mode)
        return functional.interpolate(value, size=self.output_sizes(layer), mode=mode)

    def pixel_shuffle(self, layer: Layer, value: Tensor) -> Tensor:
        for axis in range(len(self.axes)):
            value = value.repeat_interleave(layer["arguments"]["upscale_factor"], dim=axis + 2)
        return value

    def crop(self, layer: Layer, value: Tensor) -> Tensor:
        return cut(value, self.of(layer, "amount"))

    def pad(self, layer: Layer, value: Tensor) -> Tensor:
        return padded(value, self.of(layer, "padding"))


def even(kernel: list[int]) -> Tensor:
    return torch.full((1, 1, *kernel), 1 / prod(kernel), dtype=torch.float64)


def padded(value: Tensor, sides: list[Span]) -> Tensor:
    return functional.pad(value, [side for pair in reversed(sides) for side in pair])


def cut(value: Tensor, sides: list[Span]) -> Tensor:
    return padded(value, [(-before, -after) for before, after in sides])


RULES: dict[str, Callable[[Projection, Layer, Tensor], Tensor]] = {
    **dict.fromkeys(("conv", "depthwise_conv", "separable_conv", "maxpool", "avgpool"), Projection.window),
    **dict.fromkeys(("adaptive_avgpool", "adaptive_maxpool"), Projection.adaptive),
    "conv_transpose": Projection.transposed,
    "pointwise_conv": Projection.pointwise,
    "upsample": Projection.upsample,
    "pixel_shuffle": Projection.pixel_shuffle,
    "crop": Projection.crop,
    "pad": Projection.pad,
}
