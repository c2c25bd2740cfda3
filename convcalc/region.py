"""The region of the input that one position of a layer sees."""

from math import prod
from typing import NamedTuple

from convcalc.analysis.receptive_field import input_size, interval_at
from convcalc.analysis.report import Report
from convcalc.problems import did_you_mean, shown
from convcalc.reads import Ratio, reduced

Interval = tuple[int, int]


class Region(NamedTuple):
    """What a position sees on every axis, beyond the borders and within them; `outside` is the share beyond.

    Intervals go from the first to the last input position, inclusive; None where the position reads nothing.
    """

    position: tuple[int, ...]
    unclipped: tuple[Interval, ...] | None
    clipped: tuple[Interval, ...] | None
    outside: Ratio


class NoRegion(ValueError):
    """There is no such layer or position, or its field is not known."""


def layer_index(report: Report, name: str) -> int:
    """The layer of a full name, for a scope the layer whose output it gives. Raises NoRegion with the nearest name."""
    names = [layer.name for layer in report.layers]
    if name in names:
        return names.index(name)
    first = len(report.network.inputs)
    outputs = {group.name: group.output - first for group in report.groups if group.output >= first}
    if name in outputs:
        return outputs[name]
    names += outputs
    ends = [found for found in names if found.endswith("." + name)]
    hint = f"did you mean {ends[0]}?" if ends else did_you_mean(name, names) or "convcalc rf NET lists the layers"
    raise NoRegion(f"no layer {shown(name)}: {hint}")


def middle(report: Report, index: int) -> tuple[int, ...]:
    """The position in the middle of a layer's output."""
    return tuple(size // 2 for size in report.layers[index].output_shape.spatial)


def region(report: Report, index: int, position: tuple[int, ...]) -> Region:
    """What a position of a layer's output sees. Raises NoRegion."""
    layer, size = report.layers[index], input_size(report.network)
    spatial = layer.output_shape.spatial
    fits = len(position) == len(spatial) and all(0 <= at < n for at, n in zip(position, spatial, strict=False))
    if not fits:
        raise NoRegion(f"{layer.name} gives {layer.output_shape}: it has no position {','.join(map(str, position))}")
    everything = tuple((0, length - 1) for length in size)
    field = report.fields[len(report.network.inputs) + index]
    if field.whole:
        return Region(position, everything, everything, (0, 1))
    if field.axes is None:
        raise NoRegion(f"the receptive field of {layer.name} is not known")
    places = position if len(position) == len(field.axes) else (0,) * len(field.axes)
    found = [interval_at(paths, at) for paths, at in zip(field.axes, places, strict=True)]
    known = [interval for interval in found if interval is not None]
    if len(known) < len(found):
        return Region(position, None, None, (0, 1))
    return Region(position, tuple(known), _clip_to_input(known, size), _share_outside(known, size))


def _clip_to_input(intervals: list[Interval], size: tuple[int, ...]) -> tuple[Interval, ...] | None:
    """The intervals within the input, None where they lie beyond it altogether."""
    cut = [(max(low, 0), min(high, length - 1)) for (low, high), length in zip(intervals, size, strict=True)]
    return tuple(cut) if all(low <= high for low, high in cut) else None


def _share_outside(intervals: list[Interval], size: tuple[int, ...]) -> Ratio:
    """The share of the intervals' product that lies beyond the input."""
    whole = prod(high - low + 1 for low, high in intervals)
    inner = _clip_to_input(intervals, size)
    inside = 0 if inner is None else prod(high - low + 1 for low, high in inner)
    return reduced(whole - inside, whole)
