"""Finds the input region that one position of a layer's output depends on."""

from math import prod
from typing import NamedTuple

from convcalc.analysis.receptive_field import Field, input_size, interval_at
from convcalc.analysis.report import Report
from convcalc.intervals import Ratio, reduce_ratio
from convcalc.problems import did_you_mean, show

Interval = tuple[int, int]


class Region(NamedTuple):
    """The input region that the output position `position` depends on: per axis, its first and its last input position.

    `unclipped` includes positions outside the input (padding), `clipped` does not, and `outside` is the share of
    `unclipped` that is outside the input. Both regions are None if the position depends on no input. `clipped` is also
    None if the whole region is outside the input.
    """

    position: tuple[int, ...]
    unclipped: tuple[Interval, ...] | None
    clipped: tuple[Interval, ...] | None
    outside: Ratio


class NoRegion(ValueError):
    """Raised if a layer or position does not exist, or if the receptive field of the layer is unknown."""


def find_layer(report: Report, name: str) -> int:
    """Return the index of the layer with this name; for the name of a scope, of the layer that has the scope's output.

    Raises NoRegion, with a suggestion, if no layer or scope has this name.
    """
    names = [layer.name for layer in report.layers]
    if name in names:
        return names.index(name)
    first = len(report.network.inputs)
    outputs = {group.name: group.output - first for group in report.groups if group.output >= first}
    if name in outputs:
        return outputs[name]
    names += outputs
    ends = [found for found in names if found.endswith("." + name)]
    hint = f"did you mean {ends[0]}?" if ends else did_you_mean(name, names) or "convcalc rf NET --all lists the layers"
    raise NoRegion(f"no layer {show(name)}: {hint}")


def middle_position(report: Report, index: int) -> tuple[int, ...]:
    """Return the indexes, per axis, of the middle position of a layer's output."""
    return tuple(size // 2 for size in report.layers[index].output_shape.spatial)


def find_region(report: Report, index: int, position: tuple[int, ...]) -> Region:
    """Return the input region that a position of a layer's output depends on.

    Raises NoRegion if the position does not exist or the receptive field is unknown.
    """
    layer, size = report.layers[index], input_size(report.network)
    spatial = layer.output_shape.spatial
    fits = len(position) == len(spatial) and all(0 <= at < n for at, n in zip(position, spatial, strict=False))
    if not fits:
        place = ",".join(map(str, position))
        raise NoRegion(f"{layer.name} has no position {place}: its output is {layer.output_shape}")
    everything = tuple((0, length - 1) for length in size)
    field = report.fields[len(report.network.inputs) + index]
    if field.whole:
        return Region(position, everything, everything, (0, 1))
    if field.axes is None:
        raise NoRegion(f"the receptive field of {layer.name} is unknown")
    if field.flat and spatial and not field.layout and not field.is_fixed:
        raise NoRegion(f"which position of the input each token of {layer.name} comes from is unknown")
    places = find_places(position, field)
    found = [interval_at(paths, at) for paths, at in zip(field.axes, places, strict=True)]
    known = [interval for interval in found if interval is not None]
    if len(known) < len(found):
        return Region(position, None, None, (0, 1))
    return Region(position, tuple(known), _clip_to_input(known, size), _compute_share_outside(known, size))


def find_places(position: tuple[int, ...], field: Field) -> tuple[int, ...]:
    """Return a position on the axes of the network's input; that of a token is its position in the map."""
    axes = len(field.axes or ())
    if len(position) == axes:
        return position
    if len(position) != 1 or not field.layout:
        return (0,) * axes
    token, places = position[0], []
    for size in reversed(field.layout):
        token, place = divmod(token, size)
        places.append(place)
    return tuple(reversed(places))


def _clip_to_input(intervals: list[Interval], size: tuple[int, ...]) -> tuple[Interval, ...] | None:
    """Return the part of each interval that is within the input; None if a whole interval is outside the input."""
    cut = [(max(low, 0), min(high, length - 1)) for (low, high), length in zip(intervals, size, strict=True)]
    return tuple(cut) if all(low <= high for low, high in cut) else None


def _compute_share_outside(intervals: list[Interval], size: tuple[int, ...]) -> Ratio:
    whole = prod(high - low + 1 for low, high in intervals)
    inner = _clip_to_input(intervals, size)
    inside = 0 if inner is None else prod(high - low + 1 for low, high in inner)
    return reduce_ratio(whole - inside, whole)
