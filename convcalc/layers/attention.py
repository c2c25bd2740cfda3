"""Defines multi-head attention over the positions of tokens or maps, and the product of two matrices."""

from math import prod
from typing import Any

from convcalc.arguments import Flag, Integer, PerAxis
from convcalc.intervals import MOST_POSITIONS, Reads, TooVaried
from convcalc.layers.base import Reach, SavedForBackward, Tensors
from convcalc.layers.mixins import AllMacs, NoBuffers, NoWeights
from convcalc.problems import Flaw
from convcalc.shape import Shape, axis_name


class Attention(NoBuffers):
    """Multi-head attention: every position is a weighted mean over positions, with weights computed from the input.

    The input is a sequence of tokens C×N or a map, whose positions are its tokens. Four linear layers, without weight
    sharing, compute queries, keys and values for every head, and the output from all heads. With `from: [q, kv]`, the
    queries come from q, and keys and values from kv (cross attention).

    With kv_stride, keys and values are computed from a smaller map, as in PVT and SegFormer: a convolution with that
    kernel size and stride and C_q channels, and a layer norm over the channels. With a stride of 1, there is neither.
    For another reduction, name the reduced map in `from: [q, kv]`.

    Here h is heads, d_k key_dim, d_v value_dim, N_q the number of queries and N_k that of keys; each query has n keys:
    N_k, or the positions of one window or grid. The sizes of the window or grid, or else of the input, are s.
    Output: out_channels, with the sizes of the first input.
    Params: C_q × h d_k + C_kv × h (d_k + d_v) + h d_v × out_channels, + h (2 d_k + d_v) + out_channels with bias, + h
    times the product of 2 s - 1 over all axes with relative_position_bias, + those of the convolution and the norm
    with kv_stride.
    Counted: the MACs are h N_q n (d_k + d_v) and those of the four linear layers; multiplications are the MACs, h d_k
    per query for the scale, and one per weight for softmax; relative_position_bias is one addition per weight; a
    convolution and a layer norm are added with kv_stride. Saved for backward are the tensors that PyTorch's
    scaled_dot_product_attention saves on the CPU. They include the h N_q n weights only with relative_position_bias,
    because the attention is then not fused.
    Source: Vaswani et al. 2017, "Attention is all you need"; Liu et al. 2021, "Swin transformer", for window and
    relative_position_bias; Tu et al. 2022, "MaxViT", for grid; Wang et al. 2021, "Pyramid vision transformer", for
    kv_stride.
    Example on [192, 197]: attention: {heads: 3}
    """

    kind = "attention"
    main = "heads"
    reads_any = True
    needs_axes = True
    heads = Integer("number of heads", required=True, sign="h", sign_meaning="heads")
    key_dim = Integer("features of a query and of a key, per head", sign="dk", default_text="channels / heads")
    value_dim = Integer("features of a value, per head", sign="dv", default_text="key_dim")
    out_channels = Integer("output channels", default_text="channels of the first input")
    window = PerAxis("size of the windows: positions attend only to their window", None, sign="w")
    grid = PerAxis("size of the grids: positions attend only to those that are size / grid apart", None, sign="grid ")
    kv_stride = PerAxis(
        "kernel size and stride of a convolution that reduces the map of keys and values", 1, sign="kv/"
    )
    bias = Flag("add a learnt bias to queries, keys, values and output", True)
    relative_position_bias = Flag(
        "add a learnt number per head and distance, along each axis, to every score before softmax",
        False,
        sign="rel. bias",
        sign_meaning="relative position bias",
    )

    d_k: int  # key_dim, or its default
    d_v: int  # value_dim, or its default

    @property
    def source(self) -> Shape:
        """The shape from which keys and values are computed: that of the last input, reduced by kv_stride."""
        given = self.inputs[-1]
        if not self.is_reduced:
            return given
        return Shape(given.channels, tuple(size // by for size, by in zip(given.spatial, self.kv_stride, strict=True)))

    @property
    def is_reduced(self) -> bool:
        """Whether a convolution reduces the map from which keys and values are computed."""
        return any(by > 1 for by in self.kv_stride)

    def normalise(self) -> None:
        """Set d_k and d_v from the arguments or their defaults; raises `Flaw` if inputs and arguments do not fit."""
        if len(self.inputs) > 2:
            raise Flaw(
                f"attention needs one or two inputs; got {len(self.inputs)}", "write from: [q, kv]", code="CV016"
            )
        if not self.inputs[-1].axes:
            raise Flaw(f"attention needs spatial axes, but its input kv is the vector {self.inputs[-1]}", code="CV016")
        if self.key_dim is None:
            self._check_heads()
        d_k = self.input.channels // self.heads if self.key_dim is None else self.key_dim
        self.fill(d_k=d_k, d_v=d_k if self.value_dim is None else self.value_dim)
        self._check_window()
        self._check_pairs()

    def _check_heads(self) -> None:
        if self.input.channels % self.heads:
            raise Flaw(
                f"heads {self.heads} does not divide the {self.input.channels} input channels: "
                f"{self.input.channels} / {self.heads} is not an integer",
                "give key_dim, the features per head",
                key="heads",
                code="CV016",
            )

    def _check_pairs(self) -> None:
        """Raise `Flaw` for arguments that exclude each other."""
        if self.relative_position_bias and (len(self.inputs) > 1 or self.is_reduced):
            which = "cross attention" if len(self.inputs) > 1 else "attention with a kv_stride"
            key = "relative_position_bias"
            raise Flaw(f"{which} has no {key}", f"remove {key}", key=key, code="CV016")
        if not self.is_reduced:
            return
        if len(self.inputs) > 1:
            raise Flaw(
                "cross attention has no kv_stride", "reduce the second input with a conv", key="kv_stride", code="CV016"
            )
        if self._find_region() is not None:
            raise Flaw("attention takes either kv_stride or a window or grid; got both", key="kv_stride", code="CV012")
        for axis, (size, by) in enumerate(zip(self.input.spatial, self.kv_stride, strict=True)):
            if by > size:
                raise Flaw(
                    f"kv_stride {by} exceeds the input's {axis_name(axis, self.input.axes)} of {size} "
                    f"(input {self.input})",
                    key="kv_stride",
                    code="CV016",
                )

    def _check_window(self) -> None:
        if self.window is None and self.grid is None:
            return
        if self.window is not None and self.grid is not None:
            raise Flaw("attention has either a window or a grid; got both", key="grid", code="CV012")
        key = "grid" if self.window is None else "window"
        if len(self.inputs) > 1:
            raise Flaw(f"cross attention has no {key}", f"remove {key}", key=key, code="CV016")
        for axis, (part, size) in enumerate(zip(self._find_region() or (), self.input.spatial, strict=True)):
            if size % part:
                raise Flaw(
                    f"{key} {part} does not divide the input's {axis_name(axis, self.input.axes)} of {size} "
                    f"(input {self.input})",
                    "use pad before it and crop after it" if part < size else "",
                    key=key,
                    code="CV016",
                )

    def _find_region(self) -> tuple[int, ...] | None:
        return self.grid if self.window is None else self.window

    def bias_sizes(self) -> tuple[int, ...]:
        """Return the sizes s of a window or grid, or of the input, for which the relative position bias is learnt."""
        return self._find_region() or self.input.spatial

    def _list_projections(self) -> tuple[int, int, int, int]:
        # sizes of the weights of queries, keys, values and output
        keys, values = self.heads * self.d_k, self.heads * self.d_v
        channels, given = self.input.channels, self.source.channels
        return channels * keys, given * keys, given * values, values * self.output.channels

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_channels at every position of the first input."""
        channels = self.input.channels if self.out_channels is None else self.out_channels
        return Shape(channels, self.input.spatial)

    def weight_tensors(self) -> Tensors:
        """Return the sizes of the weights of queries, keys, values and output, and of those of two options.

        These are the relative position bias, and the convolution and norm of kv_stride.
        """
        found = self._list_projections()
        if self.relative_position_bias:
            return (*found, self.heads * prod(2 * size - 1 for size in self.bias_sizes()))
        channels = self.input.channels
        return (*found, channels * channels * prod(self.kv_stride), channels) if self.is_reduced else found

    def bias_tensors(self) -> Tensors:
        """Return the sizes of the biases of queries, keys, values and output, if there are biases.

        With kv_stride, the norm has a bias in any case, and the convolution has one if `bias` is true.
        """
        keys, values = self.heads * self.d_k, self.heads * self.d_v
        found = (keys, keys, values, self.output.channels) if self.bias else ()
        if not self.is_reduced:
            return found
        channels = self.input.channels
        return (*found, channels, channels) if self.bias else (channels,)

    def weight_arguments(self) -> dict[str, Any]:
        """Return the arguments, in which a kv_stride of 1 is the same for maps and tokens."""
        return {**self.given, "kv_stride": self.kv_stride if self.is_reduced else None}

    def weight_input(self) -> object:
        """Return the channels of both inputs and, with a relative position bias, its sizes; no others are needed."""
        sizes = self.bias_sizes() if self.relative_position_bias else ()
        return self.input.channels, self.source.channels, sizes

    def count_keys(self) -> int:
        """Return the number of keys of each query: all, or those in its window or grid."""
        region = self._find_region()
        return self.source.positions if region is None else prod(region)

    def count_macs(self) -> int:
        """Return the MACs of the scores, the weighted means, the four linear layers and the convolution, if any."""
        queries, keys, values, output = self._list_projections()
        pairs = self.heads * self.input.positions * self.count_keys()
        projections = self.input.positions * (queries + output) + self.source.positions * (keys + values)
        if self.is_reduced:
            projections += self.source.elements * self.input.channels * prod(self.kv_stride)
        return projections + pairs * (self.d_k + self.d_v)

    def count_multiplications(self) -> int:
        """Return the MACs, one multiplication per query value for the scale, and one per weight for softmax.

        A layer norm has three per value of the reduced map.
        """
        scaled = self.heads * self.input.positions * self.d_k
        found = self.count_macs() + scaled + self.heads * self.input.positions * self.count_keys()
        return found + 3 * self.source.elements if self.is_reduced else found

    def count_additions(self) -> int:
        """Return the additions of the four linear layers, the scores, their bias, softmax and the weighted means.

        With kv_stride, those of the convolution, and four per value for the layer norm, are included.
        """
        keys, values = self.heads * self.d_k, self.heads * self.d_v
        queries, count = self.input.positions, self.count_keys()
        linear = queries * keys * (self.input.channels - 1 + self.bias)
        linear += self.source.positions * (keys + values) * (self.source.channels - 1 + self.bias)
        linear += queries * self.output.channels * (values - 1 + self.bias)
        if self.is_reduced:
            linear += self.source.elements * (self.input.channels * prod(self.kv_stride) - 1 + self.bias + 4)
        score = self.d_k + 1 if self.relative_position_bias else self.d_k
        return linear + self.heads * queries * (count * score + self.d_v * (count - 1))

    def reach(self) -> Reach:
        """Return `everything`, or per axis the interval of the positions in a window or grid.

        Raises TooVaried if a window, or the distance of the positions in a grid, exceeds MOST_POSITIONS.
        """
        region, sizes = self._find_region(), self.input.spatial
        if region is None or region == sizes:
            return "everything"
        if self.window is not None:
            return tuple(map(_window_reads, self.window))
        return tuple(_grid_reads(part, size // part) for part, size in zip(region, sizes, strict=True))

    def saved_for_backward(self) -> SavedForBackward:
        """The inputs, queries, keys, values, weighted means, and one normaliser per head and query are saved.

        With a relative position bias, the weights are saved instead of the normalisers. With kv_stride, the input and
        output of the layer norm and its statistics, two per position, are saved.
        """
        keys, values = self.heads * self.d_k, self.heads * self.d_v
        weights = self.heads * (self.count_keys() if self.relative_position_bias else 1)
        of_queries = self.input.positions * (keys + values + weights)
        of_keys = self.source.positions * (keys + values)
        if self.is_reduced:
            of_keys += self.source.positions * (2 * self.source.channels + 2)
        return SavedForBackward(inputs=True, values=of_queries + of_keys)


def _window_reads(size: int) -> Reads:
    """Return the `Reads` of a window: output i reads all positions of its window, from floor(i / size) × size on."""
    if size > MOST_POSITIONS:
        raise TooVaried
    period = int(size)  # explain gives a symbolic size, which cannot repeat a tuple
    return Reads(period, size, (0,) * period, (size - 1,) * period)


def _grid_reads(count: int, step: int) -> Reads:
    """Return the `Reads` of a grid: output i reads the `count` positions that equal i modulo `step`."""
    if step > MOST_POSITIONS:
        raise TooVaried
    last = (count - 1) * step
    return Reads(step, 0, tuple(range(step)), tuple(range(last, last + step)), step)


class MatMul(NoWeights, AllMacs):
    """The matrix product of two inputs, each a matrix of channels × positions: C_1×N_1 times C_2×N_2.

    An attention is written out as a product of keys and queries with transpose_first, whose output has a channel per
    key; softmax over these channels; and the product of the values and these weights.

    Output: C_1×N_2, with N_1 = C_2; a transposed input has its channels and positions exchanged.
    Counted: C_1 × C_2 × N_2 multiplications, which are the MACs, and (C_2 - 1) additions per output value.
    Source: torch.matmul.
    Example on [64, 64]: matmul: {from: [input, input], transpose_first: true}
    """

    kind = "matmul"
    main = "from"
    reads_many = True
    transpose_first = Flag("exchange channels and positions of the first input", False)
    transpose_second = Flag("exchange channels and positions of the second input", False)

    def _list_matrices(self) -> tuple[tuple[int, int], tuple[int, int]]:
        # rows and columns of both matrices
        (first, *inner), (second, *outer) = (shape.sizes for shape in self.inputs)
        one, other = (first, inner[0]), (second, outer[0])
        return one[::-1] if self.transpose_first else one, other[::-1] if self.transpose_second else other

    def normalise(self) -> None:
        """Raise `Flaw` unless there are two inputs with one spatial axis each."""
        if len(self.inputs) != 2:
            raise Flaw(f"matmul needs two inputs; got {len(self.inputs)}", code="CV016")
        for shape in self.inputs:
            if shape.axes != 1:
                hint = "add tokens after the map" if shape.axes else "use reshape to add an axis"
                raise Flaw(f"matmul needs inputs C×N, but one is {shape}", hint, code="CV016")

    def inferred_shape(self) -> Shape:
        """Return the output shape: rows of the first matrix × columns of the second."""
        (rows, inner), (other, columns) = self._list_matrices()
        if inner != other:
            raise Flaw(
                f"matmul of {rows}×{inner} and {other}×{columns}: the {inner} columns of the first are not the {other} "
                "rows of the second",
                "transpose_first or transpose_second exchanges channels and positions",
                code="CV016",
            )
        return Shape(rows, (columns,))

    def count_multiplications(self) -> int:
        """Return the multiplications: one per output value and row of the second matrix."""
        (_, inner), _ = self._list_matrices()
        return self.output.elements * inner

    def count_additions(self) -> int:
        """Return the additions: per output value, the number of rows of the second matrix minus one."""
        (_, inner), _ = self._list_matrices()
        return self.output.elements * (inner - 1)

    def reach(self) -> Reach:
        """Return `everything`: an output position depends on all positions of both inputs."""
        return "everything"

    def saved_for_backward(self) -> SavedForBackward:
        """Both inputs are saved for the backward pass."""
        return SavedForBackward(inputs=True)
