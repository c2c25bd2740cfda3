"""Builds small random int8 networks as TFLite files that TensorFlow Lite Micro can run.

Convolutions, pooling, sums, concatenations, reductions and linear layers read random earlier tensors, so that lifetimes
overlap in many ways. The same seed builds the same file in every version of Python.
"""

import random
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from tests.support.tflite_files import (
    INT8,
    INT32,
    Op,
    T,
    byte,
    depthwise_window,
    flag,
    i,
    integers,
    pool_window,
    real,
    tflite,
    window,
)

Dims = tuple[int, ...]


class _Random:
    """Random choices that use only `random()`, which is the same in every version of Python."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def below(self, stop: int) -> int:
        return int(self.source.random() * stop)

    def choose(self, options: Sequence[Any]) -> Any:
        return options[self.below(len(options))]


class GraphMaker:
    """A network under construction: its tensors, its operators, and the maps that further operators may read."""

    def __init__(self, seed: int) -> None:
        self.random = _Random(seed)
        self.tensors: list[T] = []
        self.operators: list[Op] = []
        size = 6 + self.random.below(15)
        self.maps = [self.add((1, size, size + self.random.below(4), 1 + self.random.below(6)))]

    def add(self, dims: Dims, kind: int = INT8, data: bytes | bool = False) -> int:
        scale = 0.0025 if kind == INT32 else 0.05  # of a bias: the product of those of the input and the weights
        self.tensors.append(T(dims, kind, data, f"t{len(self.tensors)}", scales=(scale,), zeros=(0,)))
        return len(self.tensors) - 1

    def constant(self, dims: Dims, kind: int = INT8) -> int:
        if kind == INT32:
            return self.add(dims, kind, True)
        return self.add(dims, kind, bytes(self.random.below(256) for _ in range(prod(dims))))

    def whole_numbers(self, *values: int) -> int:
        self.tensors.append(integers(*values))
        return len(self.tensors) - 1

    def emit(self, name: str, inputs: Sequence[int], dims: Dims, options: Mapping[int, Any]) -> int:
        output = self.add(dims)
        self.operators.append(Op(name, inputs, (output,), options))
        return output

    def pick(self) -> int:
        """An earlier map; the last one most often, because a network mostly continues from there."""
        return self.maps[-1] if self.random.below(3) else self.random.choose(self.maps)

    def convolve(self) -> int:
        source = self.pick()
        _, height, width, channels = self.tensors[source].dims
        kernel, stride = self.random.choose((1, 1, 3, 3, 5)), self.random.choose((1, 1, 2))
        out = 1 + self.random.below(20)
        dims = 1, -(-height // stride), -(-width // stride), out
        weights = self.constant((out, kernel, kernel, channels))
        return self.emit(
            "CONV_2D", (source, weights, self.constant((out,), INT32)), dims, window((stride, stride), same=True)
        )

    def convolve_depthwise(self) -> int:
        source = self.pick()
        _, height, width, channels = self.tensors[source].dims
        stride = self.random.choose((1, 1, 2))
        dims = 1, -(-height // stride), -(-width // stride), channels
        weights, biases = self.constant((1, 3, 3, channels)), self.constant((channels,), INT32)
        options = depthwise_window((stride, stride), same=True)
        return self.emit("DEPTHWISE_CONV_2D", (source, weights, biases), dims, options)

    def pool(self) -> int:
        source = self.pick()
        _, height, width, channels = self.tensors[source].dims
        dims = 1, -(-height // 2), -(-width // 2), channels
        name = self.random.choose(("MAX_POOL_2D", "AVERAGE_POOL_2D"))
        return self.emit(name, (source,), dims, pool_window((2, 2), (2, 2), same=True))

    def add_maps(self) -> int:
        one = self.pick()
        alike = [other for other in self.maps if self.tensors[other].dims == self.tensors[one].dims]
        return self.emit("ADD", (one, self.random.choose(alike)), self.tensors[one].dims, {0: byte(0)})

    def concatenate(self) -> int:
        one = self.pick()
        dims = self.tensors[one].dims
        alike = [other for other in self.maps if self.tensors[other].dims[:3] == dims[:3]]
        other = self.random.choose(alike)
        joined = (*dims[:3], dims[3] + self.tensors[other].dims[3])
        return self.emit("CONCATENATION", (one, other), joined, {0: i(3), 1: byte(0)})

    def finish(self) -> bytes:
        """Reduce the last map to a vector, by a mean or a reshape, multiply it by a matrix, and return the file."""
        source = self.maps[-1]
        _, height, width, channels = self.tensors[source].dims
        if self.random.below(2):
            axes = self.whole_numbers(1, 2)
            vector, features = self.emit("MEAN", (source, axes), (1, channels), {0: flag(False)}), channels
        else:
            features = height * width * channels
            shape = self.whole_numbers(1, features)
            vector = self.emit("RESHAPE", (source, shape), (1, features), {})
        out = 2 + self.random.below(9)
        weights, biases = self.constant((out, features)), self.constant((out,), INT32)
        logits = self.emit("FULLY_CONNECTED", (vector, weights, biases), (1, out), {0: byte(0)})
        self.tensors.append(T((1, out), INT8, False, "probabilities", scales=(1 / 256,), zeros=(-128,)))
        result = len(self.tensors) - 1
        self.operators.append(Op("SOFTMAX", (logits,), (result,), {0: real(1.0)}))
        return tflite(self.tensors, self.operators)


def random_network(seed: int) -> bytes:
    """The file of a random network with 6 to 16 operators."""
    maker = GraphMaker(seed)
    steps = (maker.convolve, maker.convolve, maker.convolve_depthwise, maker.pool, maker.add_maps, maker.concatenate)
    for _ in range(3 + maker.random.below(10)):
        maker.maps.append(maker.random.choose(steps)())
    return maker.finish()
