"""Builds random int8 networks of the operators that `tflite_graphs` does not use, as TFLite files.

The operators are transposed convolutions, padding, resizing, slices, transpositions, activations, sums and products
with broadcast, means and matrix products. Each reads random earlier maps and returns a map.
"""

import struct
from collections.abc import Sequence
from typing import Any

from tests.support.tflite_files import INT8, INT32, Op, T, byte, flag, i, real
from tests.support.tflite_graphs import GraphMaker

_LARGEST = 8_000  # most elements of a map that an operator enlarges


def _int32(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


class OtherMaker(GraphMaker):
    """Builds a network from operators that `GraphMaker` does not use."""

    def table(self, rows: int, *values: int) -> int:
        """Add a constant with `rows` pairs of integers, and return its number."""
        self.tensors.append(T((rows, 2), INT32, _int32(values), f"t{len(self.tensors)}"))
        return len(self.tensors) - 1

    def dims_of(self, source: int) -> tuple[int, int, int]:
        _, height, width, channels = self.tensors[source].dims
        return height, width, channels

    def convolve_transposed(self) -> int:
        source = self.pick()
        height, width, channels = self.dims_of(source)
        if height * width * channels > _LARGEST:
            return self.activate()
        kernel, stride, out = self.random.choose((1, 2, 3)), self.random.choose((1, 2)), 1 + self.random.below(9)
        dims = 1, height * stride, width * stride, out
        weights, shape = self.constant((out, kernel, kernel, channels)), self.whole_numbers(*dims)
        options = {0: byte(0), 1: i(stride), 2: i(stride)}
        return self.emit("TRANSPOSE_CONV", (shape, weights, source, self.constant((out,), INT32)), dims, options)

    def pad(self) -> int:
        source = self.pick()
        height, width, channels = self.dims_of(source)
        before, after = self.random.below(3), self.random.below(2)
        mirrored = max(before, after) < min(height, width) and bool(self.random.below(2))
        table = self.table(4, 0, 0, before, after, after, before, 0, 0)
        dims = 1, height + before + after, width + before + after, channels
        return self.emit("MIRROR_PAD" if mirrored else "PAD", (source, table), dims, {0: byte(0)} if mirrored else {})

    def resize(self) -> int:
        source = self.pick()
        height, width, channels = self.dims_of(source)
        rows, columns = 1 + self.random.below(2 * height), 1 + self.random.below(2 * width)
        if rows * columns * channels > _LARGEST:
            return self.activate()
        code = self.random.choose(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"))
        size = self.whole_numbers(rows, columns)
        options = {2: flag(False), 3: flag(True)} if code == "RESIZE_BILINEAR" else {0: flag(False), 1: flag(True)}
        return self.emit(code, (source, size), (1, rows, columns, channels), options)

    def slice_map(self) -> int:
        source = self.pick()
        height, width, channels = self.dims_of(source)
        step = 1 + self.random.below(2)
        begin, end = self.whole_numbers(0, 0, 0, 0), self.whole_numbers(1, height, width, channels)
        dims = 1, -(-height // step), width, channels
        return self.emit("STRIDED_SLICE", (source, begin, end, self.whole_numbers(1, step, 1, 1)), dims, {})

    def transpose(self) -> int:
        source = self.pick()
        height, width, channels = self.dims_of(source)
        return self.emit("TRANSPOSE", (source, self.whole_numbers(0, 2, 1, 3)), (1, width, height, channels), {})

    def activate(self) -> int:
        source = self.pick()
        code = self.random.choose(("HARD_SWISH", "PRELU", "LEAKY_RELU", "RELU", "RELU6"))
        _, _, channels = self.dims_of(source)
        alpha = (self.constant((1, 1, channels)),) if code == "PRELU" else ()
        options: dict[int, Any] = {0: real(0.1)} if code == "LEAKY_RELU" else {}
        return self.emit(code, (source, *alpha), self.tensors[source].dims, options)

    def squash(self) -> int:
        """Emit an activation with a quantisation range of its own, and one with the range of the other maps."""
        source = self.pick()
        dims = self.tensors[source].dims
        code = self.random.choose(("LOGISTIC", "SOFTMAX"))
        self.tensors.append(T(dims, INT8, False, f"t{len(self.tensors)}", scales=(1 / 256,), zeros=(-128,)))
        squashed = len(self.tensors) - 1
        self.operators.append(Op(code, (source,), (squashed,), {0: real(1.0)} if code == "SOFTMAX" else {}))
        return self.emit("HARD_SWISH", (squashed,), dims, {})

    def broadcast(self) -> int:
        """Add or multiply by the mean over all positions."""
        source = self.pick()
        _, _, channels = self.dims_of(source)
        mean = self.emit("MEAN", (source, self.whole_numbers(1, 2)), (1, 1, 1, channels), {0: flag(True)})
        code = self.random.choose(("ADD", "MUL"))
        return self.emit(code, (source, mean), self.tensors[source].dims, {0: byte(0)})

    def multiply_matrices(self) -> int:
        """Multiply a map by its own transpose, for each row."""
        source = self.pick()
        height, width, _ = self.dims_of(source)
        dims = 1, height, width, width
        return self.emit("BATCH_MATMUL", (source, source), dims, {0: flag(False), 1: flag(True)})


def random_other_network(seed: int) -> bytes:
    """The file of a random network with 5 to 13 operators; some of those in `tflite_graphs` are among them."""
    maker = OtherMaker(seed)
    steps = (
        *(maker.convolve, maker.convolve_transposed, maker.pad, maker.resize, maker.slice_map, maker.transpose),
        *(maker.activate, maker.squash, maker.broadcast, maker.multiply_matrices, maker.concatenate),
    )
    for _ in range(3 + maker.random.below(8)):
        maker.maps.append(maker.random.choose(steps)())
    return maker.finish()
