"""Counts what a convolution costs with each of the usual algorithms: direct, im2col, Winograd and FFT.

`list_algorithms` takes a layer and returns an `Algorithm` per algorithm, with exact operations and bytes, or the reason
why it does not apply. For example, a 3×3 convolution with stride 1 has 2.25 times fewer multiplications with Winograd
F(2×2, 3×3), apart from the transforms, if 2 divides the sizes of the output.

Counted as in the rest of convcalc: products with padding zeros count, and so does the bias. Operations are for the
whole batch; a workspace is that of one sample, because samples can be processed one after another.
"""

from math import prod
from typing import NamedTuple

from convcalc.layers.base import Layer
from convcalc.layers.conv import Conv, DepthwiseConv, PointwiseConv
from convcalc.units import Dtype, tensor_bytes

KINDS = ("conv", "depthwise_conv", "pointwise_conv")


class Work(NamedTuple):
    """Numbers of real multiplications and additions; subtractions are additions."""

    multiplications: int
    additions: int

    def plus(self, other: "Work") -> "Work":
        """Return the sum of this work and another."""
        return Work(self.multiplications + other.multiplications, self.additions + other.additions)

    def times(self, count: int) -> "Work":
        """Return this work, done `count` times."""
        return Work(self.multiplications * count, self.additions * count)


class Algorithm(NamedTuple):
    """What a layer costs with an algorithm; `work` is None, and `reason` says why, if the algorithm does not apply.

    `transforms` is the part of `work` that transforms inputs and outputs. `preparation` is the work to transform the
    weights, once before inference, which is not in `work`, and `weights_memory` are the bytes of the transformed
    weights. `workspace_memory` are the bytes of intermediate tensors per sample.
    """

    name: str
    work: Work | None = None
    transforms: Work = Work(0, 0)
    preparation: Work = Work(0, 0)
    workspace_memory: int = 0
    weights_memory: int = 0
    note: str = ""
    reason: str = ""


class Task(NamedTuple):
    """A convolution to compute: `padded` are the input sizes with padding, channels are those of one group."""

    batch: int
    groups: int
    in_channels: int
    out_channels: int
    padded: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    outputs: tuple[int, ...]
    bias: bool
    dtype: Dtype

    @property
    def pairs(self) -> int:
        """The number of pairs of an input channel and an output channel that a kernel connects."""
        return self.groups * self.in_channels * self.out_channels

    def bias_work(self) -> Work:
        """Return the additions of the bias, one per output value."""
        return Work(0, self.batch * self.groups * self.out_channels * prod(self.outputs) * self.bias)

    def activation_bytes(self, elements: int) -> int:
        """Return the bytes of values in the data type of the activations."""
        return tensor_bytes(elements, self.dtype.activations)


def list_algorithms(layer: Layer, dtype: Dtype, batch: int) -> list[Algorithm]:
    """Return what a convolution costs with each algorithm. Raises ValueError if the layer is not one of `KINDS`."""
    from convcalc.explain.fast_algorithms import count_fft, count_winograd

    task = make_task(layer, dtype, batch)
    return [
        count_direct(task),
        count_im2col(task),
        count_winograd(task, 2),
        count_winograd(task, 4),
        count_fft(task),
    ]


def make_task(layer: Layer, dtype: Dtype, batch: int) -> Task:
    """Return the convolution that a layer computes. Raises ValueError if the layer is not one of `KINDS`."""
    if not isinstance(layer, Conv | DepthwiseConv | PointwiseConv):
        raise ValueError(f"{layer.kind} is none of {', '.join(KINDS)}")
    axes = layer.input.axes
    groups = layer.input.channels if isinstance(layer, DepthwiseConv) else layer.groups
    values = layer.__dict__
    padding = values.get("padding", ((0, 0),) * axes)
    return Task(
        batch=batch,
        groups=groups,
        in_channels=layer.input.channels // groups,
        out_channels=layer.output.channels // groups,
        padded=tuple([size + sum(pair) for size, pair in zip(layer.input.spatial, padding, strict=True)]),
        kernel=values.get("kernel_size", (1,) * axes),
        stride=layer.stride,
        dilation=values.get("dilation", (1,) * axes),
        outputs=layer.output.spatial,
        bias=layer.bias,
        dtype=dtype,
    )


def count_direct(task: Task) -> Algorithm:
    """Return the cost of nested loops over outputs and taps, which need no workspace."""
    return Algorithm("direct", _product_work(task).plus(task.bias_work()))


def count_im2col(task: Task) -> Algorithm:
    """Return the cost of copying all windows into a matrix, which is multiplied by that of the weights.

    Source: Chellapilla, Puri and Simard 2006, "High performance convolutional neural networks for document processing".
    """
    rows, columns = task.groups * task.in_channels * prod(task.kernel), prod(task.outputs)
    plain = prod(task.kernel) == 1 and set(task.stride) == {1} and task.padded == task.outputs
    product = f"{task.out_channels}×{rows // task.groups} by {rows // task.groups}×{columns}"
    times = f", for each of {task.groups} groups" if task.groups > 1 else ""
    return Algorithm(
        "im2col + GEMM",
        _product_work(task).plus(task.bias_work()),
        workspace_memory=0 if plain else task.activation_bytes(rows * columns),
        note=f"matrix product {product}{times}{'; the input is the matrix, nothing is copied' if plain else ''}",
    )


def _product_work(task: Task) -> Work:
    """Return the work of all sums of products of inputs and weights."""
    sums = task.batch * task.groups * task.out_channels * prod(task.outputs)
    products = task.in_channels * prod(task.kernel)
    return Work(sums * products, sums * (products - 1))
