"""Tells what the output of a layer with several inputs does under shifts of the network's input.

For example, the sum of a branch that follows shifts by multiples of 2 and one that follows multiples of 3 follows
multiples of 6. See `convcalc.analysis.shift_equivariance` for the definitions and sources.
"""

from math import lcm

from convcalc.analysis.shift_rules import (
    AS_FEATURES,
    AxisShift,
    Shifts,
    end_all,
    end_axis,
    is_moving,
    raise_multiple,
)
from convcalc.intervals import reduce_ratio
from convcalc.layers.base import Layer
from convcalc.layers.merge import Concat
from convcalc.network import Network, Node


def merge(network: Network, node: Node, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of an elementwise function of several tensors, or of their concatenation by channels."""
    moving = list(filter(is_moving, inputs))
    if len({(shifts.flat, shifts.joined) for shifts in moving}) > 1:
        return end_all(node, moving[0], "combines rearranged positions", "unknown")
    if not node.layer.output.axes and _mixes_features(node.layer, inputs):
        return end_all(node, moving[0], AS_FEATURES)
    names = [network.tensor_name(tensor) for tensor in node.reads]
    axes = []
    for number, column in enumerate(zip(*(shifts.axes for shifts in inputs), strict=True)):
        widened = _list_widened(node.layer, number, len(inputs[0].axes))
        axes.append(_merge_axis(node, column, names, widened))
    return moving[0]._replace(axes=tuple(axes))


def _mixes_features(layer: Layer, inputs: list[Shifts]) -> bool:
    """Whether a merge of flattened positions joins them with others, or combines each with a value of its own."""
    return isinstance(layer, Concat) or any(
        not is_moving(shifts) and shape.channels > 1 for shifts, shape in zip(inputs, layer.inputs, strict=True)
    )


def _list_widened(layer: Layer, number: int, axes: int) -> list[bool]:
    """Return, per input of a merge, whether its one position along an axis is copied to several."""
    if layer.output.axes != axes:
        return [False] * len(layer.inputs)
    return [shape.spatial[number] < layer.output.spatial[number] for shape in layer.inputs]


def _merge_axis(node: Node, column: tuple[AxisShift, ...], names: list[str], widened: list[bool]) -> AxisShift:
    for behaviour in ("none", "unknown"):
        for axis in column:
            if axis.behaviour == behaviour:
                return axis
    moving = [axis for axis in column if axis.behaviour == "equivariant"]
    multiple = lcm(*(axis.multiple for axis in column))
    if not moving:
        uniform = all(axis.uniform for axis in column)
        return max(column, key=lambda axis: axis.multiple)._replace(multiple=multiple, uniform=uniform)
    end = end_axis(node, "")
    common = moving[0]._replace(multiple=lcm(*(axis.multiple for axis in moving)))
    for axis, name, wider in zip(column, names, widened, strict=True):
        if axis.behaviour == "invariant" and not axis.uniform:
            return end(common)._replace(reason=f"combines positions with {name}, whose values do not move")
        if axis.behaviour == "equivariant" and wider:
            return end(common)._replace(reason=f"copies one position of {name} to all")
    if len({reduce_ratio(axis.multiple, axis.moves) for axis in moving}) > 1:
        return end(common)._replace(reason="merges branches with different jumps")
    return raise_multiple(moving[0], multiple)


def join(node: Node, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of a concatenation along a spatial axis.

    Joined to a constant, such as a class token, positions still move along; but their place has changed.
    """
    moving = [shifts for shifts in inputs if is_moving(shifts)]
    if len(moving) > 1:
        return end_all(node, moving[0], "joins the positions of several tensors")
    constant = [axis.multiple for shifts in inputs if shifts is not moving[0] for axis in shifts.axes]
    multiple = lcm(*constant)
    axes = [
        raise_multiple(axis, lcm(axis.multiple, multiple)) if axis.behaviour == "equivariant" else axis
        for axis in moving[0].axes
    ]
    return moving[0]._replace(axes=tuple(axes), joined=True)
