"""Random networks together with the set of inputs on which each position of every layer depends.

Nothing of convcalc is used. A layer states, for one axis, from which input positions an output position is computed.
Axes extend infinitely in both directions, and sets of positions are passed through the layers one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor, lcm, prod
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.support.activations import ACTIVATIONS

MOST_POSITIONS = 240  # of an axis and of a period
Taps = Callable[[int], Iterable[int]]
Entry = dict[str, Any]
Weight = Callable[[Fraction], Fraction]


class Axis(NamedTuple):
    """One axis of a layer: its output size and the input positions (`taps`) from which each output is computed.

    The inputs of outputs i and i + `period` are `period` × `jump` positions apart.
    """

    size: int
    taps: Taps
    jump: Fraction = Fraction(1)
    period: int = 1

    def in_order(self) -> bool:
        """Whether every output has inputs, and neither their first nor their last position ever decreases."""
        read = [sorted(self.taps(position)) for position in range(2 * self.period + 1)]
        ends = [(found[0], found[-1]) for found in read if found]
        steps = pairwise(ends)
        return len(ends) == len(read) and all(a <= c and b <= d for (a, b), (c, d) in steps)


class Path(NamedTuple):
    """The network inputs on which each position of a tensor depends, through all paths with the same jump.

    The pattern repeats after `period` positions.
    """

    jump: Fraction
    period: int
    sees: Callable[[int], frozenset[int]]

    def size(self, position: int) -> int:
        seen = self.sees(position)
        return max(seen) - min(seen) + 1 if seen else 0

    def center(self) -> Fraction | None:
        """Return the mean, over one period, of the middle of a position's inputs, minus position × jump."""
        seen = [(position, self.sees(position)) for position in range(self.period)]
        middles = [Fraction(min(found) + max(found), 2) - place * self.jump for place, found in seen if found]
        return sum(middles, Fraction(0)) / len(middles) if middles else None


# for each position of an axis, the network inputs on which it depends; positions beyond the ends count as zeros
Seen = tuple[frozenset[int], ...]


class Tensor(NamedTuple):
    """For each axis of a named tensor: its size, its paths to the input, and the inputs on which it depends."""

    name: str
    sizes: tuple[int, ...]
    paths: tuple[tuple[Path, ...], ...]
    seen: tuple[Seen, ...]
    aligned: bool = True
    whole: bool = False


# -- the positions that a position reads


def window(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> Axis:
    before, after = padding
    count = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
    return Axis(count, lambda i: {i * stride - before + dilation * tap for tap in range(kernel)}, Fraction(stride))


def transposed_window(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int, extra: int = 0
) -> Axis:
    """A transposed convolution or unpooling: input j contributes to outputs j s - p + d t for every tap t."""
    reach = dilation * (kernel - 1) + padding[0] + stride
    taps = {dilation * tap for tap in range(kernel)}

    def read(i: int) -> set[int]:
        near = range((i - reach) // stride, (i + reach) // stride + 1)
        return {j for j in near if i + padding[0] - j * stride in taps}

    count = (size - 1) * stride - sum(padding) + dilation * (kernel - 1) + extra + 1
    return Axis(count, read, Fraction(1, stride), stride)


def adaptive_window(size: int, count: int) -> Axis:
    """Adaptive pooling from size n to size o: window i goes from floor(i n / o) to ceil((i + 1) n / o)."""
    step = Fraction(size, count)
    return Axis(count, lambda i: range(floor(i * step), ceil((i + 1) * step)), step, step.denominator)


def triangle(distance: Fraction) -> Fraction:
    return max(1 - abs(distance), Fraction(0))


def cubic(distance: Fraction) -> Fraction:
    """Cubic interpolation weight by Keys 1981, with PyTorch's a = -3/4."""
    x, a = abs(distance), Fraction(-3, 4)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else Fraction(0)


WEIGHTS: dict[str, Weight] = {"linear": triangle, "bilinear": triangle, "bicubic": cubic}


def resampled_axis(count: int, scale: Fraction, mode: str) -> Axis:
    """Upsampling: output i is sampled at (i + 1/2) × scale - 1/2, or for `nearest` at floor(i × scale)."""

    def read(i: int) -> set[int]:
        if mode == "nearest":
            return {floor(i * scale)}
        middle = (i + Fraction(1, 2)) * scale - Fraction(1, 2)
        near = range(floor(middle) - 3, floor(middle) + 5)
        return {position for position in near if WEIGHTS[mode](middle - position)}

    return Axis(count, read, scale, scale.denominator)


def shifted_axis(size: int, before: int, after: int) -> Axis:
    """Padding by `before` and `after` positions, or cropping if they are negative."""
    return Axis(size + before + after, lambda i: {i - before})


# -- the inputs on which a tensor depends


def source(name: str, sizes: tuple[int, ...]) -> Tensor:
    itself = Path(Fraction(1), 1, lambda i: frozenset({i}))
    seen = tuple(tuple(frozenset({i}) for i in range(size)) for size in sizes)
    return Tensor(name, sizes, tuple((itself,) for _ in sizes), seen)


def extend_path(axis: Axis, path: Path) -> Path:
    """Return the path through a layer: the network inputs on which each output of the layer depends."""

    @cache
    def sees(position: int) -> frozenset[int]:
        return frozenset().union(*(path.sees(read) for read in axis.taps(position)))

    return Path(path.jump * axis.jump, axis.period * path.period, sees)


def layer(name: str, read: Tensor, axes: list[Axis]) -> Tensor:
    """Return the output of a layer."""
    paths = tuple(
        tuple(extend_path(axis, path) for path in paths) for axis, paths in zip(axes, read.paths, strict=True)
    )
    seen = tuple(map(find_inputs_within, axes, read.seen))
    return Tensor(name, tuple(axis.size for axis in axes), paths, seen, read.aligned, read.whole)


def find_inputs_within(axis: Axis, seen: Seen) -> Seen:
    """Return the network inputs on which a layer's outputs depend; positions beyond the ends are zeros."""
    reads = [[i for i in axis.taps(position) if 0 <= i < len(seen)] for position in range(axis.size)]
    return tuple(frozenset().union(*(seen[i] for i in found)) for found in reads)


def global_path(seen: frozenset[int]) -> Path:
    """Return a path on which every position depends on the same inputs."""
    return Path(Fraction(0), 1, lambda i: seen)


def pooled(read: Tensor) -> tuple[Path, ...]:
    """Return, for each axis, the inputs on which all positions together depend, as after a global pooling."""
    return tuple(global_path(frozenset().union(*seen)) for seen in read.seen)


def covers(paths: tuple[tuple[Path, ...], ...], input_sizes: tuple[int, ...]) -> bool:
    """Whether, on every axis, some path with jump 0 (behind a global pooling) spans the whole input."""
    return all(
        any(not path.jump and path.size(0) == size for path in found)
        for found, size in zip(paths, input_sizes, strict=True)
    )


def join_paths(one: Path, other: Path) -> Path:
    """Return the path on which each position depends on the inputs of both paths."""
    return Path(one.jump, lcm(one.period, other.period), lambda i: one.sees(i) | other.sees(i))


def merge_tensors(name: str, tensors: list[Tensor], input_sizes: tuple[int, ...]) -> Tensor:
    """Return the result of an element-wise merge. Paths with the same jump become one.

    If paths differ in jump or centre, the result and all tensors after it are misaligned.
    """
    axes, aligned = [], all(tensor.aligned for tensor in tensors)
    whole = any(tensor.whole for tensor in tensors)
    for all_paths in zip(*(tensor.paths for tensor in tensors), strict=True):
        met = [path for paths in all_paths for path in paths]
        aligned = aligned and (whole or len({(path.jump, path.center()) for path in met if path.jump}) <= 1)
        by_jump: dict[Fraction, Path] = {}
        for path in met:
            by_jump[path.jump] = join_paths(by_jump[path.jump], path) if path.jump in by_jump else path
        axes.append(tuple(by_jump.values()))
    seen = tuple(tuple(map(frozenset.union, *both)) for both in zip(*(tensor.seen for tensor in tensors), strict=True))
    return Tensor(name, tensors[0].sizes, tuple(axes), seen, aligned, whole or covers(tuple(axes), input_sizes))


# -- what a report should state about it


def field(tensor: Tensor, input_sizes: tuple[int, ...]) -> Entry:
    """Return the `receptive_field` of a layer as in the JSON report."""
    if tensor.whole:
        return {"size": list(input_sizes), "global": True, "aligned": tensor.aligned}
    spans = [span(paths, size) for paths, size in zip(tensor.paths, tensor.sizes, strict=True)]
    largest, smallest = [max(found) for found in spans], [min(found) for found in spans]
    found: Entry = {"size": largest} | ({"size_min": smallest} if smallest != largest else {})
    jumps = [paths[0].jump for paths in tensor.paths]
    one_jump = all(len(paths) == 1 for paths in tensor.paths)
    centers = [paths[0].center() for paths in tensor.paths]
    found["jump"] = [plain(jump) for jump in jumps] if one_jump else None
    found["center"] = [plain(center) for center in centers] if one_jump else None
    return found | {"aligned": tensor.aligned}


def span(paths: tuple[Path, ...], positions: int) -> list[int]:
    """Return the receptive field sizes of an axis, for all positions of one period.

    If paths have different jumps, the field grows with the position, so the sizes of all positions are returned.
    """
    if len(paths) == 1:
        return [paths[0].size(position) for position in range(paths[0].period)]
    seen = [frozenset().union(*(path.sees(position) for path in paths)) for position in range(positions)]
    return [max(found) - min(found) + 1 if found else 0 for found in seen]


def plain(value: Fraction | None) -> int | str | None:
    return value if value is None else str(value) if value.denominator > 1 else int(value)


# -- layers to draw: the entry in the spec and the axes of the output

Drawn = tuple[list[Entry], list[Axis]]
Pair = tuple[int, int]


def windows(draw: st.DrawFn, kind: str, sizes: tuple[int, ...], most_padding: Callable[[int], int]) -> Drawn:
    """Draw a convolution or pooling of the given kind."""
    kernel, stride = lists(draw, sizes, 1, 4), lists(draw, sizes, 1, 3)
    dilation = lists(draw, sizes, 1, 3) if kind not in ("avgpool", "lppool") else [1] * len(sizes)
    padding = [pair(draw, most_padding(k)) for k in kernel]
    if kind in CONVOLUTIONS and draw(st.booleans()):  # keeps the size
        stride = [1] * len(sizes)
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = [(before := draw(st.integers(0, total)), total - before) for total in totals]
    arguments: Entry = {"kernel_size": kernel, "stride": stride}
    arguments |= {"padding": [list(sides) for sides in padding]} if kind != "lppool" else {}
    arguments |= {"dilation": dilation} if kind not in ("avgpool", "lppool") else {}
    arguments |= {"out_channels": 2} if kind in CONVOLUTIONS and kind != "depthwise_conv" else {}
    if kind in CONVOLUTIONS and len(sizes) == 1 and draw(st.booleans()):
        padding = [(dilation[0] * (kernel[0] - 1), 0)]
        arguments["padding"] = "causal"
    return [{kind: arguments}], list(map(window, sizes, kernel, stride, padding, dilation))


CONVOLUTIONS = ("conv", "depthwise_conv", "separable_conv", "locally_connected")


def lists(draw: st.DrawFn, sizes: tuple[int, ...], least: int, most: int) -> list[int]:
    return [draw(st.integers(least, most)) for _ in sizes]


def pair(draw: st.DrawFn, most: int) -> Pair:
    return draw(st.integers(0, most)), draw(st.integers(0, most))


def convolution(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    return windows(draw, draw(st.sampled_from(CONVOLUTIONS)), sizes, lambda kernel: 3)


POOLINGS = ("maxpool", "avgpool", "lppool")


def pooling(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    kind = draw(st.sampled_from(POOLINGS))
    return windows(draw, kind, sizes, lambda kernel: 0 if kind == "lppool" else kernel // 2)


def strided(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    stride = lists(draw, sizes, 1, 3)
    axes = [window(size, 1, step, (0, 0), 1) for size, step in zip(sizes, stride, strict=True)]
    return [{"pointwise_conv": {"out_channels": 2, "stride": stride}}], axes


def transposed(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    kernel, stride, dilation = lists(draw, sizes, 1, 5), lists(draw, sizes, 1, 4), lists(draw, sizes, 1, 3)
    padding = [pair(draw, 3) for _ in sizes]
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    arguments = {"out_channels": 2, "kernel_size": kernel, "stride": stride, "dilation": dilation}
    arguments |= {"padding": [list(sides) for sides in padding], "output_padding": extra}
    axes = list(map(transposed_window, sizes, kernel, stride, padding, dilation, extra))
    return [{"conv_transpose": arguments}], axes


def unpooling(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    kernel, stride = lists(draw, sizes, 1, 4), lists(draw, sizes, 1, 4)
    padding = [pair(draw, k // 2) for k in kernel]
    entry = {"kernel_size": kernel, "stride": stride, "padding": [list(sides) for sides in padding]}
    return [{"max_unpool": entry}], list(map(transposed_window, sizes, kernel, stride, padding, [1] * len(sizes)))


def blurring(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    kernel, stride = lists(draw, sizes, 1, 4), lists(draw, sizes, 1, 3)
    padding = [((k - 1) // 2, k // 2) for k in kernel]
    axes = list(map(window, sizes, kernel, stride, padding, [1] * len(sizes)))
    if any(size <= 2 for size in sizes):
        return relu(draw, sizes)
    return [{"blurpool": {"kernel_size": kernel, "stride": stride}}], axes


DIVISIONS = ("adaptive_avgpool", "adaptive_maxpool")


def dividing(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    counts = lists(draw, sizes, 2, 8)
    kind = draw(st.sampled_from(DIVISIONS))
    return [{kind: {"output_size": counts}}], list(map(adaptive_window, sizes, counts))


def resampling(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    mode = draw(st.sampled_from(modes(sizes)))
    factor = draw(st.sampled_from([2, 3, 0.5, 1.5, 0.75]))
    if draw(st.booleans()):
        counts = [draw(st.sampled_from([2 * size, 3 * size, max(size // 2, 1), size])) for size in sizes]
        scales = [Fraction(size, count) for size, count in zip(sizes, counts, strict=True)]
        return [{"upsample": {"size": counts, "mode": mode}}], [
            resampled_axis(count, scale, mode) for count, scale in zip(counts, scales, strict=True)
        ]
    axes = [resampled_axis(floor(size * Fraction(factor)), 1 / Fraction(factor), mode) for size in sizes]
    return [{"upsample": {"scale_factor": factor, "mode": mode}}], axes


def modes(sizes: tuple[int, ...]) -> list[str]:
    return ["nearest", "linear"] if len(sizes) == 1 else ["nearest", "bilinear", "bicubic"]


def shuffling(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    factor = draw(st.integers(2, 3))
    more = {"pointwise_conv": {"out_channels": 2 * factor ** len(sizes)}}
    axes = [resampled_axis(size * factor, Fraction(1, factor), "nearest") for size in sizes]
    return [more, {"pixel_shuffle": {"upscale_factor": factor}}], axes


def unshuffling(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    factor = draw(st.integers(2, 3))
    if any(size % factor for size in sizes):
        return relu(draw, sizes)
    axes = [window(size, factor, factor, (0, 0), 1) for size in sizes]
    return [{"pixel_unshuffle": {"downscale_factor": factor}}, {"pointwise_conv": {"out_channels": 2}}], axes


def bordering(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    sides = [pair(draw, 3) for _ in sizes]
    if draw(st.booleans()):
        axes = [shifted_axis(size, *side) for size, side in zip(sizes, sides, strict=True)]
        return [{"pad": {"padding": [list(side) for side in sides]}}], axes
    axes = [shifted_axis(size, -before, -after) for size, (before, after) in zip(sizes, sides, strict=True)]
    return [{"crop": {"amount": [list(side) for side in sides]}}], axes


AXIS_NAMES = {1: ["length"], 2: ["height", "width"], 3: ["depth", "height", "width"]}


def reducing(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    """All positions along one axis become one."""
    if len(sizes) == 1 or 1 in sizes:
        return relu(draw, sizes)
    number = draw(st.integers(0, len(sizes) - 1))
    axes = [shifted_axis(size, 0, 0) for size in sizes]
    axes[number] = Axis(1, lambda i: range(sizes[number]), Fraction(0))
    return [{draw(st.sampled_from(REDUCTIONS)): {"axes": [AXIS_NAMES[len(sizes)][number]]}}], axes


REDUCTIONS = ("mean", "sum", "std")


def unfolding(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    """The windows of a convolution become channels, which another layer then mixes."""
    kernel, stride, dilation = lists(draw, sizes, 1, 4), lists(draw, sizes, 1, 3), lists(draw, sizes, 1, 3)
    padding = [pair(draw, 3) for _ in sizes]
    axes = list(map(window, sizes, kernel, stride, padding, dilation))
    entry = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": [list(p) for p in padding]}
    return [{"unfold": entry}, {"pointwise_conv": {"out_channels": 2}}], axes


def folding(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    """As a transposed convolution, with a 1×1 convolution before it that makes enough channels."""
    kernel, stride, dilation = lists(draw, sizes, 1, 4), lists(draw, sizes, 1, 3), lists(draw, sizes, 1, 3)
    padding = [pair(draw, 2) for _ in sizes]
    axes = list(map(transposed_window, sizes, kernel, stride, padding, dilation))
    entry = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": [list(p) for p in padding]}
    entry["output_size"] = [axis.size for axis in axes]
    return [{"pointwise_conv": {"out_channels": 2 * prod(kernel)}}, {"fold": entry}], axes


def gating(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    return [{"pointwise_conv": {"out_channels": 4}}, {"glu": {}}], [shifted_axis(size, 0, 0) for size in sizes]


def slicing(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    number = draw(st.integers(0, len(sizes) - 1))
    name = AXIS_NAMES[len(sizes)][number]
    start = draw(st.integers(0, sizes[number] - 1))
    stop, step = draw(st.integers(start + 1, sizes[number])), draw(st.integers(1, 3))
    axes = [shifted_axis(size, 0, 0) for size in sizes]
    count = len(range(start, stop, step))
    axes[number] = Axis(count, lambda i: {start + i * step}, Fraction(step))
    return [{"slice": {name: [start, stop], "step": step}}], axes


# every output position depends on the same position of the input; tensors have two channels
PLAIN = (
    *ACTIVATIONS, "prelu", "batchnorm", "layernorm", "instancenorm", "local_response_norm", "global_response_norm",
    "scale", "shift", "dropout", "drop_path", "identity",
)  # fmt: skip
VALUE_BY_VALUE: dict[str, Entry] = {
    **{kind: {} for kind in PLAIN},
    "groupnorm": {"num_groups": 2},
    "channel_shuffle": {"groups": 2},
    "slice": {"channels": [0, 2]},
}


def relu(draw: st.DrawFn, sizes: tuple[int, ...]) -> Drawn:
    kind = draw(st.sampled_from(sorted(VALUE_BY_VALUE)))
    return [{kind: VALUE_BY_VALUE[kind]}], [shifted_axis(size, 0, 0) for size in sizes]


LAYERS = (
    convolution, convolution, convolution, pooling, strided, transposed, transposed, unpooling, blurring, dividing,
    resampling, resampling, shuffling, unshuffling, bordering, slicing, reducing, gating,
    unfolding, folding, relu,
)  # fmt: skip

MERGES = ("add", "multiply", "concat")
GLOBAL_POOLINGS = ("global_avgpool", "global_maxpool")
# all kinds that random networks may contain
DRAWN = {
    *CONVOLUTIONS, *POOLINGS, *DIVISIONS, *REDUCTIONS, *VALUE_BY_VALUE, *MERGES, *GLOBAL_POOLINGS, "pointwise_conv",
    "glu", "unfold", "fold", "conv_transpose", "max_unpool", "blurpool", "upsample", "pixel_shuffle",
    "pixel_unshuffle", "pad", "crop",
}  # fmt: skip


# -- networks to draw


class Plan:
    """A network that grows entry by entry, and the inputs on which its tensors depend."""

    def __init__(self, sizes: tuple[int, ...], in_order: bool) -> None:
        self.entries: list[Entry] = []
        self.sizes = sizes
        self.in_order = in_order  # whether only layers that read in order are added
        self.tensors = [source("input", sizes)]

    def spec(self) -> Entry:
        return {"input": [2, *self.sizes], "layers": self.entries}

    def write(self, entry: Entry, reads: list[str]) -> str:
        [(kind, arguments)] = entry.items()
        name = f"layer{len(self.entries)}"
        self.entries.append({kind: {**arguments, "name": name, "from": reads[0] if len(reads) == 1 else reads}})
        return name

    def add_layers(self, drawn: Drawn, read: Tensor) -> Tensor:
        """Add consecutive layers and return their output, or return `read` if the result would be too large.

        The axes in `drawn` describe all the layers together.
        """
        entries, axes = drawn
        if self.in_order and not all(axis.in_order() for axis in axes):
            return read
        periods = [axis.period * path.period for axis, paths in zip(axes, read.paths, strict=True) for path in paths]
        if not all(1 <= axis.size <= MOST_POSITIONS for axis in axes) or max(periods) > MOST_POSITIONS:
            return read
        name = read.name
        for entry in entries:
            name = self.write(entry, [name])
        return self.keep(layer(name, read, axes))

    def keep(self, tensor: Tensor) -> Tensor:
        self.tensors.append(tensor)
        return tensor

    def merge_resized(self, draw: st.DrawFn, one: Tensor, other: Tensor) -> Tensor:
        """Resize the second tensor to the size of the first, and merge both."""
        other = self.fit_to(draw, other, one)
        if one.sizes != other.sizes:
            return one
        kind = draw(st.sampled_from(MERGES))
        name = self.write({kind: {}}, [one.name, other.name])
        if kind == "concat":
            name = self.write({"pointwise_conv": {"out_channels": 2}}, [name])
        return self.keep(merge_tensors(name, [one, other], self.sizes))

    def fit_to(self, draw: st.DrawFn, tensor: Tensor, model: Tensor) -> Tensor:
        """Pad, crop or resample a tensor to the size of another."""
        missing = [size - own for own, size in zip(tensor.sizes, model.sizes, strict=True)]
        if not any(missing):
            return tensor
        like = {"like": model.name}
        if draw(st.booleans()) and (min(missing) >= 0 or max(missing) <= 0):
            sides = [(abs(n) // 2, abs(n) - abs(n) // 2) for n in missing]
            sign, kind = (1, "pad") if min(missing) >= 0 else (-1, "crop")
            shifts = [shifted_axis(n, sign * a, sign * b) for n, (a, b) in zip(tensor.sizes, sides, strict=True)]
            return self.add_layers(([{kind: like}], shifts), tensor)
        mode = draw(st.sampled_from(modes(tensor.sizes)))
        axes = [
            resampled_axis(size, Fraction(own, size), mode) for own, size in zip(tensor.sizes, model.sizes, strict=True)
        ]
        return self.add_layers(([{"upsample": {**like, "mode": mode}}], axes), tensor)

    def add_squeeze_excite(self, draw: st.DrawFn, read: Tensor) -> Tensor:
        """Add squeeze and excitation: multiply every position by a value computed from all positions."""
        box = pooled(read)
        whole = covers(tuple((path,) for path in box), self.sizes)
        gate = self.write({draw(st.sampled_from(GLOBAL_POOLINGS)): {}}, [read.name])
        name = self.write({"multiply": {}}, [read.name, gate])
        together = tuple((path.sees(0),) for path in box)
        gated = Tensor(gate, (1,) * len(box), tuple((path,) for path in box), together, read.aligned, whole)
        self.keep(gated)
        repeated = [(*seen, *seen * (size - 1)) for seen, size in zip(together, read.sizes, strict=True)]
        wide = gated._replace(sizes=read.sizes, seen=tuple(repeated))
        return self.keep(merge_tensors(name, [read, wide], self.sizes))


@st.composite
def networks(draw: st.DrawFn, axes: int, in_order: bool, most_layers: int = 7) -> Plan:
    """Draw a network of several layers, most of which read the output of the layer before."""
    plan = Plan(tuple(draw(st.sampled_from([16, 24, 30, 37])) for _ in range(axes)), in_order)
    last = plan.tensors[0]
    for _ in range(draw(st.integers(1, most_layers))):
        action = draw(st.sampled_from(["go on"] * 6 + ["branch off", "meet", "meet", "excite"]))
        if action == "meet":
            last = plan.merge_resized(draw, last, draw(st.sampled_from(list_unpooled_tensors(plan, last))))
        elif action == "excite" and draw(st.integers(0, 3)) == 0:
            last = plan.add_squeeze_excite(draw, last)
        else:
            read = last if action == "go on" else draw(st.sampled_from(list_unpooled_tensors(plan, last)))
            last = plan.add_layers(draw(st.sampled_from(LAYERS))(draw, read.sizes), read)
    if not plan.entries:
        plan.add_layers(relu(draw, last.sizes), last)
    return plan


def list_unpooled_tensors(plan: Plan, last: Tensor) -> list[Tensor]:
    """Return all tensors except those that a global pooling reduced to one position."""
    return [tensor for tensor in plan.tensors if set(tensor.sizes) != {1} or tensor.sizes == last.sizes]
