"""Estimates how long a network takes on a device: by the roofline model, or by cycles per multiply-accumulate.

For example, a 3×3 convolution that does 231 M multiply-accumulates and moves 4.9 MB takes, on a device with 100 TFLOPS
and 1000 GB/s, `max(2 · 231e6 / 100e12, 4.9e6 / 1000e9)` seconds: 4.9 µs, limited by memory. The sum over all layers is
divided by the efficiency of the device, the share of the roofline that was reached where it was measured.

Source: Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model for multicore
architectures".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from convcalc.analysis.cost import cost
from convcalc.device.device_file import Device, Figure
from convcalc.exact import largest, least
from convcalc.layers import FAMILIES
from convcalc.layers.activation import LogSoftmax, Softmax
from convcalc.layers.base import Layer
from convcalc.layers.conv import SeparableConv
from convcalc.layers.norm import BatchNorm, Scale, Shift
from convcalc.layers.recurrent import Embedding
from convcalc.network import Network
from convcalc.problems import Flaw, join_words
from convcalc.units import BITS

FUSED, EAGER = "fused", "eager"
_MERGES = ("add", "multiply")
_NO_MACS = "the multiply-accumulates are unknown"
_NEEDED = "latency needs peak and bandwidth, or clock and cycles_per_mac"


class Measured(Protocol):
    """The parts of a `Report` that the time depends on; their numbers may be recorded (`convcalc.exact`)."""

    @property
    def network(self) -> Network:
        """The network whose layers are timed."""

    @property
    def layers(self) -> Sequence[Any]:
        """The figures of each layer; only `macs` is used."""

    @property
    def tensor_bytes(self) -> tuple[int, ...]:
        """The bytes of all tensors, by tensor number."""


class Range(NamedTuple):
    """A duration in seconds, from `low` to `high`; both are equal unless the device states a range."""

    low: float
    high: float


class LayerLatency(NamedTuple):
    """The time of one layer, and what limits it. Figures are for the whole batch.

    `moved` are the bytes that are read and written; None on a microcontroller, where only multiply-accumulates take
    time. `time` is the estimate, after the efficiency of the device; None if it is unknown, for the `reason`. `compute`
    and `memory` are the seconds of the multiply-accumulates and of moving the bytes, before the efficiency.
    """

    name: str
    kind: str
    macs: int | None
    moved: int | None
    time: Range | None
    compute: float = 0
    memory: float = 0
    reason: str = ""

    @property
    def bound(self) -> str:
        """What limits the layer, `compute` or `memory`; empty if it takes no time, or if its time is unknown."""
        if not self.compute and not self.memory:
            return ""
        return "compute" if self.compute > self.memory else "memory"

    @property
    def intensity(self) -> float | None:
        """The operations (two per multiply-accumulate) per byte moved; None if nothing is moved, or if unknown."""
        return None if self.macs is None or not self.moved else 2 * self.macs / self.moved


class Latency(NamedTuple):
    """The time of a network on a device.

    `peak` is in operations per second for the data type `dtype`, and `bandwidth` in bytes per second; both are None on
    a microcontroller. `efficiency` has its source.
    """

    device: Device
    mode: str
    dtype: str
    peak: Figure | None
    bandwidth: Figure | None
    efficiency: Figure
    layers: tuple[LayerLatency, ...]

    @property
    def ridge(self) -> float | None:
        """The intensity, in operations per byte, from which a layer is limited by compute; None without a roofline."""
        return self.peak.low / self.bandwidth.low if self.peak and self.bandwidth else None

    @property
    def total(self) -> Range | None:
        """The time of all layers, one after the other; None if that of a layer is unknown."""
        return add_times([layer.time for layer in self.layers])

    @property
    def unknown(self) -> tuple[LayerLatency, ...]:
        """The layers whose time is unknown."""
        return tuple(layer for layer in self.layers if layer.time is None)


def add_times(times: Sequence[Range | None]) -> Range | None:
    """Return the sum of durations; None if one is unknown."""
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return None
    low = high = 0.0
    for time in known:  # not sum(), which rounds differently from Python 3.12 on
        low, high = low + time.low, high + time.high
    return Range(low, high)


def estimate_latency(report: Measured, device: Device, mode: str = FUSED) -> Latency:
    """Return the time of a network on a device, layer by layer.

    In the mode `fused`, batch norms and activations cost nothing, and an addition or multiplication only reads its
    other operands. In the mode `eager`, every operation reads its inputs and writes its output. Raises Flaw if the
    device lacks a figure, such as the peak of the network's data type.
    """
    check_figures(device)
    if device.cycles_per_mac:
        return _count_cycles(report, device, mode)
    dtype = _choose_dtype(report)
    peak, bandwidth = find_peak(device, dtype), _require(device, "bandwidth")
    efficiency = _find_efficiency(device, mode)
    layers = []
    for index, node in enumerate(report.network.nodes):
        macs, moved = report.layers[index].macs, count_moved_bytes(report, index, mode)
        found = LayerLatency(node.name, node.layer.kind, macs, moved, None, reason=_NO_MACS)
        if macs is not None:
            compute, memory = 2 * macs / peak.low, moved / bandwidth.low
            longest = largest(compute, memory)
            time = Range(longest / efficiency.high, longest / efficiency.low)
            found = found._replace(time=time, compute=compute, memory=memory, reason="")
        layers.append(found)
    return Latency(device, mode, dtype, peak, bandwidth, efficiency, tuple(layers))


def check_figures(device: Device) -> None:
    """Raise Flaw unless a device has the figures from which a time can be computed."""
    if device.cycles_per_mac:
        _require(device, "clock")
        return
    if not device.peak:
        raise Flaw(f"{device.name} has no peak", _NEEDED)
    _require(device, "bandwidth")


# -- the roofline


def count_moved_bytes(report: Measured, index: int, mode: str) -> int:
    """Return the bytes that a layer reads and writes: its inputs, weights and output.

    Views move nothing. See `estimate_latency` for what is fused.
    """
    network, sizes = report.network, report.tensor_bytes
    node = network.nodes[index]
    layer, written = node.layer, sizes[len(network.inputs) + index]
    if layer.is_view or layer.is_part or layer.reads_nothing:
        return 0
    if mode == FUSED and _is_fused(layer):
        return 0
    if mode == FUSED and layer.kind in _MERGES:
        # it runs where its last operand is made, and reads the others
        return sum(sizes[tensor] for tensor in set(node.reads) - {max(node.reads)})
    weights = cost(layer, network.dtype, network.batch).weight_memory  # read again if they are shared
    if isinstance(layer, Embedding):
        weights = least(weights, written)  # only the rows that are looked up
    return sum(sizes[tensor] for tensor in node.reads) + weights + written


def _is_fused(layer: Layer) -> bool:
    """Whether a layer is applied to each value on its own, so that a compiler makes it part of the layer before it."""
    if isinstance(layer, BatchNorm | Scale | Shift):
        return True
    return layer.in_place and type(layer) in FAMILIES["activation"] and not isinstance(layer, Softmax | LogSoftmax)


def _choose_dtype(report: Measured) -> str:
    """Return the wider of the data types of weights and activations, in which a GPU computes."""
    dtype = report.network.dtype
    return max((dtype.activations, dtype.weights), key=lambda name: ("float" in name, BITS[name]))


def find_peak(device: Device, dtype: str) -> Figure:
    """Return the operations per second of a device for a data type. Raises Flaw if the device states none."""
    if dtype in device.peak:
        return device.peak[dtype]
    raise Flaw(f"{device.name} has no peak for {dtype}", f"use --dtype {join_words(device.peak)}")


def _require(device: Device, key: str) -> Figure:
    figure = device.figures[key]
    if figure is None:
        raise Flaw(f"{device.name} has no {key}", _NEEDED)
    return figure


def _find_efficiency(device: Device, mode: str) -> Figure:
    """Return the efficiency of a device in a mode: 1, the roofline itself, if its file states none."""
    own = device.figures["eager_efficiency"] if mode == EAGER else None
    return own or device.figures["efficiency"] or Figure(1, 1, "none stated: the roofline itself, a lower bound")


# -- cycles per multiply-accumulate


def _count_cycles(report: Measured, device: Device, mode: str) -> Latency:
    """Return the time of a network on a microcontroller in int8: cycles per multiply-accumulate by kind of layer."""
    clock = _require(device, "clock")
    layers = []
    for index, node in enumerate(report.network.nodes):
        macs = report.layers[index].macs
        parts = list_kernels(node.layer)
        counts = [macs] if len(parts) == 1 else [_count_macs(part, report) for _, part in parts]
        times = [_time_kernel(device, clock, kind, count) for (kind, _), count in zip(parts, counts, strict=True)]
        found = LayerLatency(node.name, node.layer.kind, macs, None, add_times(times))
        missing = [kind for (kind, _), time in zip(parts, times, strict=True) if time is None]
        if macs is None:
            found = found._replace(reason=_NO_MACS)
        elif missing:
            found = found._replace(reason=f"{device.name} has no cycles_per_mac for {join_words(missing)}")
        elif found.time is not None:
            found = found._replace(compute=found.time.high)
        layers.append(found)
    efficiency = Figure(1, 1, "cycles per multiply-accumulate were measured")
    return Latency(device, mode, "int8", None, None, efficiency, tuple(layers))


def _count_macs(layer: Layer, report: Measured) -> int | None:
    return cost(layer, report.network.dtype, report.network.batch).macs


def _time_kernel(device: Device, clock: Figure, kind: str, macs: int | None) -> Range | None:
    """Return the time of a kernel; None if its multiply-accumulates or the cycles of its kind are unknown."""
    if macs == 0:
        return Range(0, 0)
    cycles = device.cycles_per_mac.get(kind)
    if macs is None or cycles is None:
        return None
    return Range(macs * cycles.low / clock.high, macs * cycles.high / clock.low)


def list_kernels(layer: Layer) -> list[tuple[str, Layer]]:
    """Return the kernels that run a layer, each as its layer kind and a layer of that kind.

    A separable convolution is a depthwise and a pointwise one; a `conv` may be either of them by its arguments.
    """
    if isinstance(layer, SeparableConv):
        return [("depthwise_conv", layer.depthwise), ("pointwise_conv", layer.pointwise)]
    return [(_name_kernel(layer), layer)]


def _name_kernel(layer: Layer) -> str:
    if layer.kind != "conv":
        return layer.kind
    groups, kernel = layer.__dict__["groups"], layer.__dict__["kernel_size"]
    if groups == layer.input.channels > 1:
        return "depthwise_conv"
    return "pointwise_conv" if groups == 1 and all(size == 1 for size in kernel) else "conv"
