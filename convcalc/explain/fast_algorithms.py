"""Counts what a convolution costs with the algorithms that transform its input: Winograd and FFT.

Transforms of weights are done once before inference, and are counted apart. For example, F(2×2, 3×3) computes 2×2
outputs from a tile of 4×4 inputs with 16 multiplications per pair of channels, where a direct convolution needs 36.

Sources: Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"; Mathieu, Henaff and LeCun 2014, "Fast
training of convolutional networks through FFTs"; Cooley and Tukey 1965.
"""

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from convcalc.explain.algorithms import Algorithm, Task, Work
from convcalc.units import tensor_bytes

LARGEST_KERNEL = 512  # up to which the kernel size is sought from which on FFT pays
_COMPLEX_PRODUCT = Work(4, 2)
_COMPLEX_SUM = Work(0, 2)
Row = tuple[float, ...]


class _Matrices(NamedTuple):
    """The matrices of F(m, 3): of inputs (Bᵀ), outputs (Aᵀ) and weights (G), in Lavin and Gray's notation."""

    inputs: tuple[Row, ...]
    outputs: tuple[Row, ...]
    weights: tuple[Row, ...]


_MATRICES = {
    2: _Matrices(
        inputs=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        outputs=((1, 1, 1, 0), (0, 1, -1, -1)),
        weights=((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    ),
    4: _Matrices(
        inputs=(
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
        outputs=((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
        weights=(
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
    ),
}


# -- Winograd


def count_winograd(task: Task, m: int) -> Algorithm:
    """Return the cost of Winograd's minimal filtering F(m×m, 3×3), for m = 2 or 4.

    A transform is two products with a constant matrix, whose zeros are skipped and whose ones and minus ones need no
    multiplication; common subexpressions are not shared, which would save a few operations with m = 4.
    """
    name = f"Winograd F({m}×{m}, 3×3)"
    reason = _find_obstacle_to_winograd(task)
    if reason:
        return Algorithm(name, reason=reason)
    matrices, tile = _MATRICES[m], (m + 2) ** 2
    counts = [-(-size // m) for size in task.outputs]
    tiles, inputs, outputs = prod(counts), task.groups * task.in_channels, task.groups * task.out_channels
    transforms = _transform_work(matrices.inputs).times(inputs * tiles)
    transforms = transforms.plus(_transform_work(matrices.outputs).times(outputs * tiles)).times(task.batch)
    products = Work(task.in_channels, task.in_channels - 1).times(task.batch * outputs * tile * tiles)
    computed = tiles * m * m
    return Algorithm(
        name,
        products.plus(transforms).plus(task.bias_work()),
        transforms,
        _transform_work(matrices.weights).times(task.pairs),
        task.activation_bytes((inputs + outputs) * tile * tiles),
        tensor_bytes(task.pairs * tile, task.dtype.weights),
        f"{_join_sizes(counts)} tiles of {m}×{m} outputs, "
        f"{(computed - prod(task.outputs)) / computed:.1%} of them beyond the border",
    )


def _find_obstacle_to_winograd(task: Task) -> str:
    """Return why F(m×m, 3×3) cannot compute a convolution; empty if it can."""
    if task.kernel != (3, 3):
        return f"it is made for kernels of 3×3; this one is {_join_sizes(task.kernel)}"
    if set(task.stride) != {1}:
        return f"it computes neighbouring outputs together; stride {_join_sizes(task.stride)} skips them"
    if set(task.dilation) != {1}:
        return f"a tile has neighbouring inputs; dilation {_join_sizes(task.dilation)} reads others"
    return ""


def _transform_work(matrix: tuple[Row, ...]) -> Work:
    """Return the work of M X Mᵀ for a constant matrix M with a × b entries, and a tile X of b × b values."""
    entries = [value for row in matrix for value in row if value]
    work = Work(sum(abs(value) != 1 for value in entries), len(entries) - len(matrix))
    return work.times(len(matrix[0]) + len(matrix))


# -- FFT


def count_fft(task: Task) -> Algorithm:
    """Return the cost of multiplying the spectra of input and weights, whose product is the spectrum of the output.

    The padded input is extended to powers of two, for which a radix-2 FFT of length N has N/2 log₂ N butterflies: one
    complex product and two complex sums each, along every axis. The input is real, so that half of the spectrum, with
    N/2 + 1 values along the last axis, determines the other half, and only it is multiplied. A complex product is 4
    real multiplications and 2 additions. The scale 1 / N is part of the weights.
    """
    reason = _find_obstacle_to_fft(task)
    if reason:
        return Algorithm("FFT", reason=reason)
    lengths = [_next_power_of_two(size) for size in task.padded]
    inputs, outputs = task.groups * task.in_channels, task.groups * task.out_channels
    half = _half_spectrum(lengths)
    work, transforms = _fft_work(task, lengths)
    scaling = Work(2 * half * task.pairs, 0)
    return Algorithm(
        "FFT",
        work.plus(task.bias_work()),
        transforms,
        _spectrum_work(lengths).times(task.pairs).plus(scaling),
        task.activation_bytes(2 * half * (inputs + outputs)),
        tensor_bytes(2 * half * task.pairs, task.dtype.weights),
        f"spectra of {_join_sizes(lengths)}, {half:,} complex values each",
    )


def _fft_work(task: Task, lengths: list[int]) -> tuple[Work, Work]:
    """Return the work without bias, and the part of it that is spent on transforms of inputs and outputs."""
    inputs, outputs = task.groups * task.in_channels, task.groups * task.out_channels
    transforms = _spectrum_work(lengths).times(task.batch * (inputs + outputs))
    products = _COMPLEX_PRODUCT.times(task.in_channels).plus(_COMPLEX_SUM.times(task.in_channels - 1))
    return products.times(task.batch * outputs * _half_spectrum(lengths)).plus(transforms), transforms


def _find_obstacle_to_fft(task: Task) -> str:
    if set(task.stride) != {1}:
        return f"it computes all outputs; stride {_join_sizes(task.stride)} would discard most of them"
    if set(task.dilation) != {1}:
        return f"dilation {_join_sizes(task.dilation)} would need spectra of kernels that are mostly zeros"
    return ""


def _next_power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _half_spectrum(lengths: list[int]) -> int:
    return prod(lengths[:-1]) * (lengths[-1] // 2 + 1)


def _spectrum_work(lengths: list[int]) -> Work:
    """Return the work of one complex FFT of these lengths, along one axis after the other."""
    butterflies = prod(lengths) * sum(length.bit_length() - 1 for length in lengths) // 2
    return _COMPLEX_PRODUCT.plus(_COMPLEX_SUM.times(2)).times(butterflies)


def find_fft_start(task: Task) -> int | None:
    """Return the smallest kernel size for which FFT has fewer operations than direct convolution, at equal outputs.

    The kernel has this size on every axis. None means that there is no such size up to LARGEST_KERNEL, or that FFT does
    not apply.
    """
    if _find_obstacle_to_fft(task):
        return None
    for size in range(1, LARGEST_KERNEL + 1):
        lengths = [_next_power_of_two(outputs + size - 1) for outputs in task.outputs]
        taps = task.in_channels * size ** len(task.outputs)
        direct = (2 * taps - 1) * task.batch * task.groups * task.out_channels * prod(task.outputs)
        if sum(_fft_work(task, lengths)[0]) < direct:
            return size
    return None


def _join_sizes(sizes: Iterable[int]) -> str:
    return "×".join(map(str, sizes))
