"""Computes by which shifts of the input every tensor of a network shifts along, and by how many positions.

Away from the border, shifting the input by the stride of a convolution moves its output by one position; any smaller
shift gives different values. Per axis, a tensor is

- equivariant: if the input is shifted by a multiple k × `multiple`, the tensor moves by k × `moves` positions, and no
  smaller shift merely moves it, unless weights happen to make it so;
- invariant: the tensor does not change if the input is shifted by a multiple of `multiple`, as after global pooling;
- none: no shift merely moves the tensor, as after a linear layer over all positions (`layer` is the first such layer);
- unknown: this cannot be derived, as after an opaque layer.

This is exact on an infinite plane: padding, cropping and new content at the border are not considered, and global
pooling and attention are over the whole plane. For example, a convolution with stride 2 and a transposed one with
stride 2 together have the multiple 2 and move by 2 positions.

Source: Azulay and Weiss 2019, "Why do deep convolutional networks generalize so poorly to small image
transformations?", section 3; Zhang 2019, "Making convolutional networks shift-invariant again", section 3.
"""

from math import lcm
from typing import Any

from convcalc.analysis.low_pass import samples_without_low_pass
from convcalc.analysis.shift_merging import join, merge
from convcalc.analysis.shift_rules import (
    CONSTANT,
    MOVING,
    AxisShift,
    Shifts,
    attend,
    find_reach,
    has_weights_per_position,
    pass_through,
)
from convcalc.layers.attention import Attention
from convcalc.layers.base import Layer
from convcalc.layers.merge import Concat
from convcalc.layers.resize import Upsample
from convcalc.network import Network, Node
from convcalc.shape import AXIS_NAMES


def compute_shifts(network: Network) -> list[Shifts]:
    """Return what all tensors of a network do if all its inputs are shifted together, indexed by tensor number."""
    axes = max(shape.axes for shape in network.inputs.values())
    found = [Shifts((MOVING if shape.axes == axes else CONSTANT,) * axes) for shape in network.inputs.values()]
    same: dict[Shifts, Shifts] = {shifts: shifts for shifts in found}  # equal values are one object
    known: dict[tuple[object, ...], Shifts] = {}  # as in compute_fields: comparing identities is fast
    for node in network.nodes:
        inputs = [found[tensor] for tensor in node.reads]
        place = (node.layer, *map(id, inputs))
        shifts = known.get(place)
        if shifts is None:
            shifts = _propagate(network, node, inputs, axes)
            shifts = same.setdefault(shifts, shifts)
            if not any(axis.layer for axis in shifts.axes):  # others depend on the node's name
                known[place] = shifts
        found.append(shifts)
    return found


def axis_names(network: Network) -> tuple[str, ...]:
    """Return the names of the axes along which the network's input can be shifted."""
    return AXIS_NAMES[max(shape.axes for shape in network.inputs.values())]


def _propagate(network: Network, node: Node, inputs: list[Shifts], axes: int) -> Shifts:
    layer = node.layer
    if not inputs:
        fixed = CONSTANT._replace(layer=node.name, reason="has a value of its own for every position")
        return Shifts(tuple([fixed._replace(uniform=one) for one in _list_single(layer, axes)]))
    if all(axis.behaviour == "invariant" for shifts in inputs for axis in shifts.axes):
        return _keep_invariant(layer, inputs)
    if isinstance(layer, Concat) and layer.place:
        return join(node, inputs)
    if isinstance(layer, Attention):
        return attend(node, inputs)
    merged = inputs[0] if len(inputs) == 1 else merge(network, node, inputs)
    return pass_through(node, merged)


def _list_single(layer: Layer, axes: int) -> list[bool]:
    """Return, per axis of the network's input, whether a tensor has only one position on it."""
    sizes = layer.output.spatial
    return [size == 1 for size in sizes] if len(sizes) == axes else [layer.output.positions == 1] * axes


def _keep_invariant(layer: Layer, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of a function of invariant tensors, which is invariant whatever the layer is."""
    keeps = isinstance(layer, Upsample) or (find_reach(layer) == "same" and not has_weights_per_position(layer))
    axes = []
    for single, column in zip(
        _list_single(layer, len(inputs[0].axes)), zip(*(shifts.axes for shifts in inputs), strict=True), strict=True
    ):
        named = max(column, key=lambda axis: axis.multiple)
        uniform = single or (keeps and all(axis.uniform for axis in column))
        axes.append(named._replace(multiple=lcm(*(axis.multiple for axis in column)), uniform=uniform))
    return Shifts(tuple(axes))


def shifts_dict(network: Network) -> dict[str, Any] | None:
    """Return the behaviour of all outputs under shifts as a JSON-ready dict; None if the input has no positions."""
    names = axis_names(network)
    if not names:
        return None
    found = compute_shifts(network)
    return {
        "outputs": {
            output: [_axis_dict(name, axis) for name, axis in zip(names, found[tensor].axes, strict=True)]
            for output, tensor in network.outputs.items()
        },
        "sampled_without_low_pass": list_sampled(network),
    }


def _axis_dict(name: str, axis: AxisShift) -> dict[str, Any]:
    return {
        "axis": name,
        "behaviour": axis.behaviour,
        "multiple": axis.multiple,
        "moves": axis.moves if axis.behaviour in ("equivariant", "invariant") else None,
        "layer": axis.layer or None,
        "reason": axis.reason or None,
    }


def list_sampled(network: Network) -> list[str]:
    """Return the names of the layers that keep only some positions without a low-pass filter before them."""
    return [node.name for node in network.nodes if samples_without_low_pass(network, node)]
