"""The operations of convolution algorithms: each is really run on numbers that count, and its result is compared.

The algorithms here are written from the papers and independently of the package. Direct, im2col and Winograd compute
with fractions, FFT with complex numbers whose results are rounded to the integers that they must be.
"""

from __future__ import annotations

import cmath
import itertools
import random
from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import pytest

import convcalc
from convcalc.explain.algorithms import Algorithm, list_algorithms, make_task
from convcalc.explain.fast_algorithms import find_fft_start
from convcalc.layers.base import Layer
from convcalc.units import Dtype
from tests.documented import printed
from tests.support.places import EXAMPLES
from tests.support.specs import load

FLOAT_BYTES = 4
Index = tuple[int, ...]
Values = dict[Index, Any]  # by channel and position


class Tally:
    """Counts of real multiplications and additions, and of values that were stored in a workspace."""

    def __init__(self) -> None:
        self.multiplications = self.additions = self.stored = 0

    def multiply(self, one: Any, other: Any) -> Any:
        self.multiplications += 4 if isinstance(one, complex) else 1
        self.additions += 2 if isinstance(one, complex) else 0
        return one * other

    def add(self, one: Any, other: Any) -> Any:
        self.additions += 2 if isinstance(one, complex) else 1
        return one + other

    def sum(self, values: list[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            total = self.add(total, value)
        return total

    @property
    def work(self) -> tuple[int, int]:
        return self.multiplications, self.additions


class Convolution:
    """A layer with random integer inputs, weights and biases; the input is padded with zeros."""

    def __init__(self, entry: dict[str, Any], shape: list[int]) -> None:
        [node] = load({"input": shape, "layers": [entry]}).nodes
        self.layer: Any = node.layer
        self.task = task = make_task(self.layer, Dtype(), 1)
        self.prepared = (0, 0), 0  # the work to transform the weights, and how many values they then have
        draw = random.Random(str(entry))
        padding = self.layer.__dict__.get("padding", ((0, 0),) * len(task.outputs))
        first = [before for before, _ in padding]
        last = [before + size for before, size in zip(first, self.layer.input.spatial, strict=True)]
        self.inputs: Values = {}
        for channel, *place in indexes(self.layer.input.channels, *task.padded):
            inside = all(low <= at < high for at, low, high in zip(place, first, last, strict=True))
            self.inputs[(channel, *place)] = Fraction(draw.randint(-9, 9)) if inside else Fraction(0)
        outputs = task.groups * task.out_channels
        self.weights: Values = {
            index: Fraction(draw.randint(-9, 9)) for index in indexes(outputs, task.in_channels, *task.kernel)
        }
        self.biases = [Fraction(draw.randint(-9, 9)) for _ in range(outputs)]

    def inputs_of(self, output: int) -> range:
        """The input channels of the group of an output channel."""
        start = output // self.task.out_channels * self.task.in_channels
        return range(start, start + self.task.in_channels)

    def read(self, place: Index, tap: Index) -> Index:
        steps = zip(place, tap, self.task.stride, self.task.dilation, strict=True)
        return tuple(at * stride + offset * dilation for at, offset, stride, dilation in steps)

    def add_biases(self, results: Values, tally: Tally) -> Values:
        if not self.task.bias:
            return results
        return {index: tally.add(value, self.biases[index[0]]) for index, value in results.items()}


def indexes(*sizes: int) -> list[Index]:
    return list(itertools.product(*map(range, sizes)))


def compute_directly(given: Convolution, tally: Tally) -> Values:
    task, results = given.task, {}
    for output, *place in indexes(task.groups * task.out_channels, *task.outputs):
        products = [
            tally.multiply(
                given.inputs[(channel, *given.read(tuple(place), tap))], given.weights[(output, number, *tap)]
            )
            for number, channel in enumerate(given.inputs_of(output))
            for tap in indexes(*task.kernel)
        ]
        results[(output, *place)] = tally.sum(products)
    return given.add_biases(results, tally)


def compute_by_im2col(given: Convolution, tally: Tally) -> Values:
    task, results = given.task, {}
    places = indexes(*task.outputs)
    for group in range(task.groups):
        channels = given.inputs_of(group * task.out_channels)
        matrix = [
            [given.inputs[(channel, *given.read(place, tap))] for place in places]
            for channel in channels
            for tap in indexes(*task.kernel)
        ]
        tally.stored += sum(map(len, matrix))
        for output in range(group * task.out_channels, (group + 1) * task.out_channels):
            row = [given.weights[(output, *at)] for at in indexes(task.in_channels, *task.kernel)]
            for column, place in enumerate(places):
                products = [tally.multiply(weight, line[column]) for weight, line in zip(row, matrix, strict=True)]
                results[(output, *place)] = tally.sum(products)
    return given.add_biases(results, tally)


# -- Winograd: the matrices of Lavin and Gray 2016, sections 4.1 and 4.3


def matrix(text: str) -> list[list[Fraction]]:
    return [[Fraction(entry) for entry in row.split()] for row in text.split(",")]


MATRICES = {
    2: (
        matrix("1 0 -1 0, 0 1 1 0, 0 -1 1 0, 0 1 0 -1"),
        matrix("1 1 1 0, 0 1 -1 -1"),
        matrix("1 0 0, 1/2 1/2 1/2, 1/2 -1/2 1/2, 0 0 1"),
    ),
    4: (
        matrix("4 0 -5 0 1 0, 0 -4 -4 1 1 0, 0 4 -4 -1 1 0, 0 -2 -1 2 1 0, 0 2 -1 -2 1 0, 0 4 0 -5 0 1"),
        matrix("1 1 1 1 1 0, 0 1 -1 2 -2 0, 0 1 1 4 4 0, 0 1 -1 8 -8 1"),
        matrix("1/4 0 0, -1/6 -1/6 -1/6, -1/6 1/6 -1/6, 1/24 1/12 1/6, 1/24 -1/12 1/6, 0 0 1"),
    ),
}
Square = list[list[Any]]


def transform(rows: Square, values: Square, tally: Tally) -> Square:
    """The product M X Mᵀ, with one addition for each entry of a row but the first, and no product with 0, 1 or -1."""

    def times(vector: list[Any]) -> list[Any]:
        found = []
        for row in rows:
            terms = [
                value if entry == 1 else -value if entry == -1 else tally.multiply(entry, value)
                for entry, value in zip(row, vector, strict=True)
                if entry
            ]
            found.append(tally.sum(terms))
        return found

    half = list(zip(*(times(list(column)) for column in zip(*values, strict=True)), strict=True))
    return [times(list(row)) for row in half]


def compute_by_winograd(m: int) -> Callable[[Convolution, Tally], Values]:
    def compute(given: Convolution, tally: Tally) -> Values:
        task, results = given.task, Values()
        of_inputs, of_outputs, of_weights = MATRICES[m]
        once = Tally()
        kernels = {
            (output, number): transform(
                of_weights, [[given.weights[(output, number, y, x)] for x in range(3)] for y in range(3)], once
            )
            for output, number in indexes(task.groups * task.out_channels, task.in_channels)
        }
        given.prepared = once.work, sum(len(row) for kernel in kernels.values() for row in kernel)
        for tile in indexes(*(-(-size // m) for size in task.outputs)):
            y, x = (at * m for at in tile)
            inputs = {}
            for channel in range(given.layer.input.channels):
                values = [
                    [given.inputs.get((channel, y + i, x + j), Fraction(0)) for j in range(m + 2)] for i in range(m + 2)
                ]
                inputs[channel] = transform(of_inputs, values, tally)
                tally.stored += (m + 2) ** 2
            for output in range(task.groups * task.out_channels):
                products = [
                    [
                        tally.sum(
                            [
                                tally.multiply(inputs[channel][i][j], kernels[(output, number)][i][j])
                                for number, channel in enumerate(given.inputs_of(output))
                            ]
                        )
                        for j in range(m + 2)
                    ]
                    for i in range(m + 2)
                ]
                tally.stored += (m + 2) ** 2
                for (i, j), value in zip(
                    indexes(m, m), itertools.chain(*transform(of_outputs, products, tally)), strict=True
                ):
                    if y + i < task.outputs[0] and x + j < task.outputs[1]:
                        results[(output, y + i, x + j)] = value
        return given.add_biases(results, tally)

    return compute


# -- FFT: radix 2, decimation in time


def fft(values: list[complex], tally: Tally, sign: int) -> list[complex]:
    count = len(values)
    if count == 1:
        return values
    even, odd = fft(values[::2], tally, sign), fft(values[1::2], tally, sign)
    turned = [tally.multiply(value, cmath.exp(sign * 2j * cmath.pi * place / count)) for place, value in enumerate(odd)]
    first = [tally.add(one, other) for one, other in zip(even, turned, strict=True)]
    return first + [tally.add(one, -other) for one, other in zip(even, turned, strict=True)]


def fft_along_all_axes(values: Values, lengths: list[int], tally: Tally, sign: int) -> Values:
    for axis, length in enumerate(lengths):
        others = [size for place, size in enumerate(lengths) if place != axis]
        for line in indexes(*others):
            places = [(*line[:axis], at, *line[axis:]) for at in range(length)]
            values |= dict(zip(places, fft([values[place] for place in places], tally, sign), strict=True))
    return values


def compute_by_fft(given: Convolution, tally: Tally) -> Values:
    task, results = given.task, {}
    lengths = [next(power for power in (1, 2, 4, 8, 16, 32) if power >= size) for size in task.padded]
    half = [index for index in indexes(*lengths) if index[-1] <= lengths[-1] // 2]

    def spectrum(values: Values, tally: Tally) -> Values:
        whole = {index: complex(values.get(index, 0)) for index in indexes(*lengths)}
        whole = fft_along_all_axes(whole, lengths, tally, -1)
        return {index: whole[index] for index in half}

    once, kernels = Tally(), {}
    for output, number in indexes(task.groups * task.out_channels, task.in_channels):
        taps = {tap: given.weights[(output, number, *tap)] for tap in indexes(*task.kernel)}
        found = spectrum(taps, once)
        once.multiplications += 2 * len(found)  # the real scale
        kernels[(output, number)] = {index: value.conjugate() / prod(lengths) for index, value in found.items()}
    given.prepared = once.work, 2 * sum(map(len, kernels.values()))
    spectra = {}
    for channel in range(given.layer.input.channels):
        spectra[channel] = spectrum({at: given.inputs[(channel, *at)] for at in indexes(*task.padded)}, tally)
        tally.stored += 2 * len(half)
    for output in range(task.groups * task.out_channels):
        found = {
            index: tally.sum(
                [
                    tally.multiply(spectra[channel][index], kernels[(output, number)][index])
                    for number, channel in enumerate(given.inputs_of(output))
                ]
            )
            for index in half
        }
        tally.stored += 2 * len(half)
        for index in indexes(*lengths):
            mirrored = tuple(-at % length for at, length in zip(index, lengths, strict=True))
            found[index] = found[index] if index in found else found[mirrored].conjugate()
        values = fft_along_all_axes(found, lengths, tally, 1)
        for place in indexes(*task.outputs):
            real = values[place].real
            assert abs(real - round(real)) < 1e-6 > abs(values[place].imag)
            results[(output, *place)] = Fraction(round(real))
    return given.add_biases(results, tally)


RUNS: list[Callable[[Convolution, Tally], Values]] = [
    compute_directly,
    compute_by_im2col,
    compute_by_winograd(2),
    compute_by_winograd(4),
    compute_by_fft,
]
CASES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "padded": ({"conv": {"out_channels": 3, "kernel_size": 3, "padding": 1}}, [2, 5, 6]),
    "whole_tiles": ({"conv": {"out_channels": 2, "kernel_size": 3, "padding": 1, "bias": False}}, [3, 8, 8]),
    "grouped": ({"conv": {"out_channels": 4, "kernel_size": 3, "groups": 2, "bias": False}}, [4, 6, 7]),
    "depthwise": ({"depthwise_conv": {"kernel_size": 3, "multiplier": 2, "padding": [[0, 1], [2, 0]]}}, [3, 4, 5]),
    "large_kernel": ({"conv": {"out_channels": 2, "kernel_size": [5, 4], "padding": 2}}, [2, 7, 5]),
    "one_dimensional": ({"conv": {"out_channels": 3, "kernel_size": 4, "padding": 1}}, [2, 9]),
    "three_dimensional": ({"conv": {"out_channels": 2, "kernel_size": 2}}, [2, 3, 4, 5]),
    "strided": ({"conv": {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1}}, [2, 7, 6]),
    "dilated": ({"conv": {"out_channels": 2, "kernel_size": 3, "dilation": 2, "padding": 1}}, [2, 7, 6]),
    "pointwise": ({"pointwise_conv": {"out_channels": 3}}, [4, 3, 5]),
    "strided_pointwise": ({"pointwise_conv": {"out_channels": 3, "stride": 2}}, [4, 5, 5]),
}
APPLY = {"strided": 2, "dilated": 2, "strided_pointwise": 2}


def algorithms_of(layer: Layer, batch: int = 1) -> list[Algorithm]:
    return list_algorithms(layer, Dtype(), batch)


@pytest.mark.parametrize("name", CASES)
def test_each_algorithm_does_the_stated_operations_and_computes_the_convolution(name: str) -> None:
    given = Convolution(*CASES[name])
    expected = compute_directly(given, Tally())
    for algorithm, run in zip(algorithms_of(given.layer), RUNS, strict=True):
        assert (algorithm.work is None) == bool(algorithm.reason)
        if algorithm.work is None:
            continue
        tally = Tally()
        given.prepared = (0, 0), 0
        assert run(given, tally) == expected, algorithm.name
        assert algorithm.work == tally.work, algorithm.name
        copied = 0 if "nothing is copied" in algorithm.note else tally.stored
        assert algorithm.workspace_memory == FLOAT_BYTES * copied
        prepared, stored = given.prepared
        assert (algorithm.preparation, algorithm.weights_memory) == (prepared, FLOAT_BYTES * stored)


@pytest.mark.parametrize("name", CASES)
def test_an_algorithm_applies_only_to_convolutions_that_it_can_compute(name: str) -> None:
    applied = {algorithm.name for algorithm in algorithms_of(Convolution(*CASES[name]).layer) if algorithm.work}
    tiled = {"Winograd F(2×2, 3×3)", "Winograd F(4×4, 3×3)"}
    assert (tiled <= applied) == (name in ("padded", "whole_tiles", "grouped", "depthwise"))
    assert ("FFT" in applied) == (name not in ("strided", "dilated", "strided_pointwise"))


@pytest.mark.parametrize("name", CASES)
def test_direct_convolution_has_the_operations_of_the_summary(name: str) -> None:
    layer = Convolution(*CASES[name]).layer
    work = algorithms_of(layer, batch=3)[0].work
    assert work == (3 * layer.count_multiplications(), 3 * layer.count_additions())


def test_winograd_saves_what_the_paper_says() -> None:
    """Lavin and Gray 2016: 2.25 and 4 times fewer products; for F(2×2) 32 and 24 additions per transformed tile."""
    entry = {"conv": {"out_channels": 64, "kernel_size": 3, "padding": 1}}
    [node] = load({"input": [64, 56, 56], "layers": [entry]}).nodes
    direct, _, small, large, _ = algorithms_of(node.layer)

    def products(found: Algorithm) -> int:
        assert found.work is not None
        return found.work.multiplications - found.transforms.multiplications

    assert Fraction(products(direct), products(small)) == Fraction(9, 4)
    assert Fraction(products(direct), products(large)) == 4
    assert small.transforms == (0, 28 * 28 * 64 * (32 + 24))


@pytest.mark.parametrize(("channels", "out"), [(1, 1), (2, 3), (8, 8)])
def test_fft_pays_from_the_first_kernel_size_with_fewer_operations(channels: int, out: int) -> None:
    def layer(size: int) -> Layer:
        entry = {"conv": {"out_channels": out, "kernel_size": size}}
        [node] = load({"input": [channels, 13 + size, 13 + size], "layers": [entry]}).nodes
        return node.layer

    def is_cheaper(size: int) -> bool:
        direct, *_, fft_cost = algorithms_of(layer(size))
        return sum(fft_cost.work or ()) < sum(direct.work or ())

    start = find_fft_start(make_task(layer(3), Dtype(), 1))
    assert start == next(size for size in range(1, 60) if is_cheaper(size))


def test_a_batch_multiplies_the_operations_but_not_the_workspace() -> None:
    layer = Convolution(*CASES["padded"]).layer
    for one, five in zip(algorithms_of(layer), algorithms_of(layer, batch=5), strict=True):
        assert one.work is not None
        assert five.work == one.work.times(5)
        assert (five.preparation, five.workspace_memory) == (one.preparation, one.workspace_memory)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["example:alexnet", "relu1", "--algorithms"], "relu1 is of the kind relu; --algorithms explains only conv,"),
        (["example:alexnet", "--algorithms"], "--algorithms needs a LAYER"),
        (["example:alexnet", "conv9", "--algorithms"], "no layer named 'conv9'"),
        (["example:alexnet", "--algorithms", "--conventions"], "--algorithms cannot be combined with --conventions"),
    ],
)
def test_wrong_uses_are_explained(arguments: list[str], message: str) -> None:
    assert message in printed(["explain", *arguments])


def test_all_convolutions_of_a_pattern_are_shown_in_markdown() -> None:
    text = printed(["explain", "example:alexnet", "*", "--algorithms", "-f", "markdown"])
    assert text.count("### conv") == 5
    assert "does not apply: it is made for kernels of 3×3; this one is 11×11" in text


def test_every_convolution_of_the_examples_has_algorithms() -> None:
    for example in ("convnext_tiny", "r3d_18", "m5", "mobilenet_v3_large"):
        found = convcalc.analyse(convcalc.load(EXAMPLES / f"{example}.yaml"))
        for layer in found.layers:
            if layer.kind in ("conv", "depthwise_conv", "pointwise_conv"):
                work = algorithms_of(layer.layer)[0].work
                assert work is not None
                assert work.multiplications == layer.macs
