"""Computes patch-based inference: the first layers run on one patch of the image after another, so that less is live.

For MobileNetV2 on 224×224 pixels, 4×4 patches up to the map 32×28×28 lower the peak from 1,372 to 171.5 KiB and cost
9.3% more multiply-accumulates, because neighbouring patches overlap.

Source: Lin et al. 2021, "MCUNetV2: Memory-efficient patch-based inference for tiny deep learning".
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from convcalc.analysis.batchnorm_folding import fold_batchnorm
from convcalc.device.arena import find_lifetimes
from convcalc.device.lowering import list_layers
from convcalc.device.mcu import measure, measure_live
from convcalc.device.program import NoOperator, Program
from convcalc.device.runtimes import Runtime
from convcalc.intervals import Reads, TooVaried
from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.problems import Flaw, did_you_mean, show
from convcalc.shape import Shape
from convcalc.units import tensor_bytes

MOST_EXTRA = 0.1  # largest part of extra MACs if a patching is chosen without a budget
GRIDS = (2, 3, 4, 5, 6, 8)  # patches per axis that are tried
MOST_GRID = 64
_MOST_CUTS = 60  # layers that are tried as the end of the stage, the first ones of the network
Interval = tuple[int, int]
Region = tuple[Interval, ...]


class Patching(NamedTuple):
    """The first layers, up to and including `layer`, run on `grid` × `grid` patches of that layer's output.

    `patch_peak` are the bytes while the largest patch runs, with the whole output of `layer`; `rest_peak` those of the
    remaining layers. `extra_macs` are the multiply-accumulates that are computed more than once, of `macs` without
    patches.
    """

    layer: str
    shape: Shape
    grid: int
    patch_peak: int
    rest_peak: int
    extra_macs: int
    macs: int

    @property
    def peak(self) -> int:
        """The bytes that are live at once."""
        return max(self.patch_peak, self.rest_peak)

    @property
    def is_cheap(self) -> bool:
        """Whether at most 10% more MACs are computed."""
        return self.extra_macs <= MOST_EXTRA * self.macs


class PatchPlanner:
    """A network that may run in patches on a runtime, in int8 or another data type."""

    def __init__(self, network: Network, runtime: Runtime, dtype: str = "int8") -> None:
        if runtime.plans:
            raise NoOperator(f"{runtime.name} does not run patches; use --runtime tinyengine")
        self.network = fold_batchnorm(network)
        self.runtime = runtime
        self.dtype = dtype
        self.program = list_layers(network, dtype)
        self.inputs = len(self.network.inputs)
        self.macs = sum(node.layer.count_macs() or 0 for node in self.network.nodes)
        self.peak = measure(self.program, runtime).head
        self.rest_peaks: dict[int, int] = {}  # index of the last patched layer -> peak of the remaining layers

    def find_cuts(self) -> list[int]:
        """Return the indexes of the layers that can end a patched stage.

        All layers up to such a layer have an output with two spatial axes whose positions depend on positions nearby,
        and later layers read only the output of the last one.
        """
        _, last = find_lifetimes(self.program)
        found, latest = [], max((last.get(tensor, 0) for tensor in range(self.inputs)), default=0)
        if len(self.network.inputs) != 1 or self.network.tensor_shape(0).axes != 2:
            return []
        for index, node in enumerate(self.network.nodes):
            if not _is_local(node.layer):
                break
            if latest <= index + 1 and node.layer.output.axes == 2:
                found.append(index)
            latest = max(latest, last.get(self.inputs + index, 0))
        return found

    def patch(self, cut: int, grid: int) -> Patching:
        """Return the costs of running the layers up to index `cut` on grid × grid patches of its output.

        Raises NoOperator if the output has fewer positions, or if a region cannot be computed.
        """
        node = self.network.nodes[cut]
        if grid > min(node.layer.output.spatial):
            raise NoOperator(
                f"{grid}×{grid} patches do not fit the output of {node.name}, which is {node.layer.output}"
            )
        rows, columns = (
            [tuple(map(_length, self._find_regions(cut, axis, part))) for part in _split(size, grid)]
            for axis, size in enumerate(node.layer.output.spatial)
        )
        macs, peak = 0, 0
        for row, times in Counter(rows).items():
            for column, more in Counter(columns).items():
                sizes = list(zip(row, column, strict=True))
                macs += times * more * self._count_macs(cut, sizes)
                peak = max(peak, self._measure_patch(cut, sizes))
        once = sum(node.layer.count_macs() or 0 for node in self.network.nodes[: cut + 1])
        whole = self._bytes(node.layer.output, node.layer.output.spatial)
        return Patching(
            node.name, node.layer.output, grid, peak + whole, self._measure_rest(cut), macs - once, self.macs
        )

    def list_front(self) -> list[Patching]:
        """Return the Pareto front of peak and extra MACs, the fewest extra MACs first."""
        front: list[Patching] = []
        for found in sorted(self._try_all(), key=lambda found: (found.extra_macs, found.peak)):
            if found.peak < (front[-1].peak if front else self.peak):
                front.append(found)
        return front

    def _try_all(self) -> Iterator[Patching]:
        for cut in self.find_cuts()[:_MOST_CUTS]:
            grids = [grid for grid in GRIDS if grid <= min(self.network.nodes[cut].layer.output.spatial)]
            if self._measure_rest(cut) < self.peak:
                yield from (self.patch(cut, grid) for grid in grids)

    def find_cut(self, name: str) -> int:
        """Return the index of the layer with a name. Raises NoOperator if no patched stage can end there."""
        names = {node.name: index for index, node in enumerate(self.network.nodes)}
        cuts = self.find_cuts()
        if name not in names or names[name] not in cuts:
            listed = [self.network.nodes[cut].name for cut in cuts]
            why = "cannot end a patched stage" if name in names else "is not a layer"
            some = f"layers that can: {', '.join(listed[:8])}{', …' * (len(listed) > 8)}" if listed else "no layer can"
            raise NoOperator(f"{show(name)} {why}: {did_you_mean(name, listed) or some}")
        return names[name]

    # -- regions

    def _find_regions(self, cut: int, axis: int, part: Interval) -> list[Interval | None]:
        """Return the positions along an axis that each tensor needs, by number, for a part of the output of `cut`."""
        needed: list[Interval | None] = [None] * (self.inputs + cut + 1)
        needed[self.inputs + cut] = part
        for index in range(cut, -1, -1):
            node, wanted = self.network.nodes[index], needed[self.inputs + index]
            if wanted is None:
                continue
            for tensor in node.reads:
                size = self.network.tensor_shape(tensor).spatial[axis]
                read = _read_interval(node.layer, axis, wanted, size)
                needed[tensor] = _unite(needed[tensor], read)
        return needed

    def _count_macs(self, cut: int, sizes: Sequence[tuple[int, int]]) -> int:
        """Return the MACs of the layers up to `cut` on one patch; `sizes` are those of each tensor."""
        total = 0
        for index, node in enumerate(self.network.nodes[: cut + 1]):
            spent = node.layer.count_macs() or 0
            total += spent * prod(sizes[self.inputs + index]) // max(node.layer.output.positions, 1)
        return total

    def _measure_patch(self, cut: int, sizes: Sequence[tuple[int, int]]) -> int:
        """Return the live bytes of a patch, without the output of `cut`, which goes straight into the whole map."""
        tensors = [
            tensor._replace(bytes=self._bytes(self.network.tensor_shape(number), size))
            for number, (tensor, size) in enumerate(zip(self.program.tensors, sizes, strict=False))
        ]
        tensors[-1] = tensors[-1]._replace(bytes=0)
        part = self.program._replace(
            tensors=tuple(tensors), operators=self.program.operators[: cut + 1], outputs=(self.inputs + cut,)
        )
        return _measure_peak(part, self.runtime)

    def _measure_rest(self, cut: int) -> int:
        """Return the live bytes of the layers after `cut`, which read its output as if it were the input."""
        if cut not in self.rest_peaks:
            rest = self.program._replace(operators=self.program.operators[cut + 1 :], inputs=(self.inputs + cut,))
            self.rest_peaks[cut] = _measure_peak(rest, self.runtime)
        return self.rest_peaks[cut]

    def _bytes(self, shape: Shape, size: Sequence[int]) -> int:
        return tensor_bytes(self.network.batch * shape.channels * prod(size), self.dtype)


def read_patching(text: str) -> tuple[int, str]:
    """Return the patches per axis and the layer in a text such as `4@conv3`. Raises Flaw if the text is malformed."""
    number, at, layer = text.partition("@")
    if not at or not layer or not number.isdecimal() or not 2 <= int(number[:4]) <= MOST_GRID:
        most = f"from 2 to {MOST_GRID}"
        raise Flaw(f"must be auto, or patches per axis ({most}) and a layer, such as 4@conv3; got {show(text)}")
    return int(number), layer


def choose_patching(front: Sequence[Patching], available: int | None) -> Patching | None:
    """Return the patching with the fewest extra MACs that fits; if none fits, the one with the lowest peak.

    Without a budget, return the lowest peak that costs at most 10% more MACs, or else the cheapest patching.
    `front` is the result of `list_front`. Return None if no patching lowers the peak.
    """
    if available is not None:
        fits = (found for found in front if found.peak <= available)
        return next(fits, front[-1] if front else None)
    cheap = [found for found in front if found.is_cheap]
    return next(reversed(cheap or front[:1]), None)


def _measure_peak(program: Program, runtime: Runtime) -> int:
    _, live = measure_live(program, runtime)
    return max(live)


def _is_local(layer: Layer) -> bool:
    """Whether the output of a layer has positions that depend on positions nearby, along two axes."""
    try:
        reach = layer.reach()
    except TooVaried:
        return False
    two = layer.output.axes == 2 and all(shape.axes == 2 for shape in layer.inputs) and bool(layer.inputs)
    return two and reach not in ("everything", "elsewhere", "unknown")


def _split(size: int, parts: int) -> list[Interval]:
    """Return the first and last position of each of several parts of an axis; their sizes differ by at most 1.

    >>> _split(7, 2)
    [(0, 2), (3, 6)]
    """
    ends = [part * size // parts for part in range(parts + 1)]
    return [(start, stop - 1) for start, stop in pairwise(ends)]


def _length(interval: Interval | None) -> int:
    return 0 if interval is None else interval[1] - interval[0] + 1


def _unite(one: Interval | None, other: Interval | None) -> Interval | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def _read_interval(layer: Layer, axis: int, wanted: Interval, size: int) -> Interval | None:
    """Return the input positions along an axis, of `size`, that the outputs in an interval read; None if none."""
    reach = layer.reach()
    if reach == "same":
        return wanted
    assert not isinstance(reach, str)
    found = _hull(reach[axis], wanted)
    if found is None:
        return None
    low, high = max(found[0], 0), min(found[1], size - 1)
    return (low, high) if low <= high else None


def _hull(reads: Reads, wanted: Interval) -> Interval | None:
    """Return the first and last input that the outputs in an interval read."""
    first, last = wanted
    ends = [*range(first, min(last, first + reads.period) + 1), *range(max(first, last - reads.period), last + 1)]
    known = [interval for interval in map(reads.at, ends) if interval is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None
