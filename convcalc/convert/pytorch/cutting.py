"""Reads the selection of a part of a tensor as a layer: `slice` for a range of channels, `crop` along spatial axes."""

from typing import TYPE_CHECKING, Any

from convcalc.convert.pytorch.traced_values import SplitValue, TracedValue
from convcalc.shape import AXIS_NAMES

if TYPE_CHECKING:
    from convcalc.convert.pytorch.reading import TraceReader


def add_part(reader: "TraceReader", node: Any, parts: SplitValue, bounds: tuple[int, int]) -> TracedValue:
    """Add a slice or crop for one part of a split tensor, and return the layer's output.

    `bounds` are the start and stop of the part along the split axis. A part that covers the whole axis needs no layer.
    """
    source, (start, stop) = parts.source, bounds
    if stop - start == source.sizes[parts.axis]:
        return source
    if parts.axis == source.channel_axis:
        shape = (stop - start, *source.shape[1:])
        return reader.step(node, "slice", {"channels": [start, stop]}, [source], shape, last=source.last)
    place = source.spatial_axes().index(parts.axis)
    amount = [[0, 0] for _ in source.shape[1:]]
    amount[place] = [start, source.shape[1 + place] - stop]
    before = reader.steps[-1] if reader.steps else None
    if before and before.name == source.name and before.kind == "crop" and len(node.args[0].users) == 1:
        reader.steps.pop()  # PyTorch crops one axis per operation; a crop layer does all axes
        del reader.shapes[before.name]
        amount = [[a + c, b + d] for (a, b), (c, d) in zip(before.arguments["amount"], amount, strict=True)]
        shape = (*source.shape[: 1 + place], stop - start, *source.shape[2 + place :])
        whole = TracedValue(before.reads[0], reader.shape_of(before.reads[0]), source.last)
        return reader.step(node, "crop", {"amount": amount}, [whole], shape, last=source.last)
    shape = (*source.shape[: 1 + place], stop - start, *source.shape[2 + place :])
    return reader.step(node, "crop", {"amount": amount}, [source], shape, last=source.last)


def add_strided_part(reader: "TraceReader", node: Any, part: SplitValue, step: int) -> TracedValue:
    """Add a slice that takes every step-th position of the only part, and return the layer's output."""
    source, [(start, stop)] = part.source, part.bounds
    place = 0 if part.axis == source.channel_axis else source.spatial_axes().index(part.axis) + 1
    axis = ("channels", *AXIS_NAMES[len(source.shape) - 1])[place]
    shape = (*source.shape[:place], -(-(stop - start) // step), *source.shape[place + 1 :])
    return reader.step(node, "slice", {axis: [start, stop], "step": step}, [source], shape, last=source.last)
