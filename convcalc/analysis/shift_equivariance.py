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

from collections.abc import Callable, Sequence
from math import gcd, lcm
from typing import Any, Literal, NamedTuple

from convcalc.analysis.low_pass import samples_without_low_pass
from convcalc.arithmetic import effective_kernel_size
from convcalc.intervals import Reads, TooVaried, reduce_ratio
from convcalc.layers.attention import Attention
from convcalc.layers.base import Layer, Reach
from convcalc.layers.conv import DeformConv, LocallyConnected
from convcalc.layers.merge import Concat
from convcalc.layers.norm import LayerNorm
from convcalc.layers.pool import Adaptive, AvgPool, Global, LPPool, MaxPool
from convcalc.layers.recurrent import ConvLSTM
from convcalc.layers.reduce import Mean, Std, Sum
from convcalc.layers.reshape import Flatten, Reshape
from convcalc.layers.resize import Upsample
from convcalc.layers.tokens import Map
from convcalc.network import Network, Node
from convcalc.shape import AXIS_NAMES

Behaviour = Literal["equivariant", "invariant", "none", "unknown"]


class AxisShift(NamedTuple):
    """What a tensor does along one axis if the network's input is shifted; see the module's docstring.

    For `none`, `multiple` is the smallest shift that moved the tensors before `layer`, 0 if there is none. `layer` is
    the layer from which on the behaviour is as stated, empty for `equivariant`; `reason` says why. `uniform` tells of
    an invariant tensor that all its positions have the same value.
    """

    behaviour: Behaviour
    multiple: int
    moves: int = 0
    layer: str = ""
    reason: str = ""
    uniform: bool = True


class Shifts(NamedTuple):
    """What a tensor does if the network's input is shifted, per axis of the input.

    `flat` is true for a vector or tokens whose positions are those of a map, which has the size `layout`. `joined` is
    true if a constant, such as a class token, was joined to the positions.
    """

    axes: tuple[AxisShift, ...]
    flat: bool = False
    layout: tuple[int, ...] = ()
    joined: bool = False


_Change = Callable[[AxisShift], AxisShift]
_MOVING = AxisShift("equivariant", 1, 1)
_CONSTANT = AxisShift("invariant", 1)
_REDUCTIONS = (Mean, Sum, Std)
_AS_FEATURES = "treats positions as features"
_STATE = "carries a state from the first step on"


def compute_shifts(network: Network) -> list[Shifts]:
    """Return what all tensors of a network do if all its inputs are shifted together, indexed by tensor number."""
    axes = max(shape.axes for shape in network.inputs.values())
    found = [Shifts((_MOVING if shape.axes == axes else _CONSTANT,) * axes) for shape in network.inputs.values()]
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
        fixed = _CONSTANT._replace(layer=node.name, reason="has a value of its own for every position")
        return Shifts(tuple([fixed._replace(uniform=one) for one in _list_single(layer, axes)]))
    if all(axis.behaviour == "invariant" for shifts in inputs for axis in shifts.axes):
        return _keep_invariant(layer, inputs)
    if isinstance(layer, Concat) and layer.place:
        return _join(node, inputs)
    if isinstance(layer, Attention):
        return _attend(node, inputs)
    merged = inputs[0] if len(inputs) == 1 else _merge(network, node, inputs)
    return _pass_through(node, merged)


def _list_single(layer: Layer, axes: int) -> list[bool]:
    """Return, per axis of the network's input, whether a tensor has only one position on it."""
    sizes = layer.output.spatial
    return [size == 1 for size in sizes] if len(sizes) == axes else [layer.output.positions == 1] * axes


def _keep_invariant(layer: Layer, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of a function of invariant tensors, which is invariant whatever the layer is."""
    keeps = isinstance(layer, Upsample) or (_reach(layer) == "same" and not _has_weights_per_position(layer))
    axes = []
    for single, column in zip(
        _list_single(layer, len(inputs[0].axes)), zip(*(shifts.axes for shifts in inputs), strict=True), strict=True
    ):
        named = max(column, key=lambda axis: axis.multiple)
        uniform = single or (keeps and all(axis.uniform for axis in column))
        axes.append(named._replace(multiple=lcm(*(axis.multiple for axis in column)), uniform=uniform))
    return Shifts(tuple(axes))


def _reach(layer: Layer) -> Reach:
    """Return the reach of a layer, `unknown` if it is too varied to be computed."""
    try:
        return layer.reach()
    except TooVaried:
        return "unknown"


def _has_weights_per_position(layer: Layer) -> bool:
    if isinstance(layer, LayerNorm):
        return layer.axes == "all" and layer.affine and layer.input.positions > 1
    return isinstance(layer, LocallyConnected)


def _change_axes(shifts: Shifts, changes: Sequence[_Change]) -> Shifts:
    return shifts._replace(axes=tuple([change(axis) for change, axis in zip(changes, shifts.axes, strict=True)]))


def _end(node: Node, reason: str, behaviour: Behaviour = "none") -> _Change:
    """Return the change of a layer after which nothing moves along any more, or this is not known."""

    def change(axis: AxisShift) -> AxisShift:
        if axis.behaviour != "equivariant":
            return axis._replace(uniform=False)
        return AxisShift(behaviour, axis.multiple, 0, node.name, reason)

    return change


def _end_all(node: Node, shifts: Shifts, reason: str, behaviour: Behaviour = "none") -> Shifts:
    return _change_axes(shifts, [_end(node, reason, behaviour)] * len(shifts.axes))


def _move(reads: Reads) -> _Change:
    """Return the change of a layer whose output moves by `period` positions if its input moves by `shift`."""

    def change(axis: AxisShift) -> AxisShift:
        if axis.behaviour != "equivariant":
            return axis._replace(uniform=False)
        turns = reads.shift // gcd(axis.moves, reads.shift)
        return axis._replace(multiple=axis.multiple * turns, moves=axis.moves * turns // reads.shift * reads.period)

    return change


def _pool(node: Node) -> _Change:
    def change(axis: AxisShift) -> AxisShift:
        if axis.behaviour != "equivariant":
            return axis._replace(uniform=True)
        return AxisShift("invariant", axis.multiple, 0, node.name, "pools over all positions")

    return change


# -- layers with one input, or whose inputs have been merged


def _pass_through(node: Node, shifts: Shifts) -> Shifts:
    """Return the behaviour of a layer's output, given that of its one (merged) input."""
    layer, reach = node.layer, _reach(node.layer)
    if _has_weights_per_position(layer):
        return _end_all(node, shifts, "has its own weights at every position")
    if isinstance(layer, Global | Adaptive | Mean | Sum | Std) and reach == "everything":
        return _change_axes(shifts, [_pool(node)] * len(shifts.axes))._replace(flat=False, joined=False)
    if reach == "same":
        return _keep_places(node, shifts)
    if isinstance(layer, ConvLSTM):
        return _recur(node, shifts)
    if isinstance(layer, Map | Reshape) and shifts.layout and shifts.layout == layer.output.spatial:
        return shifts._replace(flat=False, layout=())
    if reach == "everything":
        return _end_all(node, shifts, *_explain_whole(layer))
    if layer.output.axes != len(shifts.axes) or shifts.flat or shifts.joined:
        return _end_all(node, shifts, "rearranges positions", "unknown")
    if isinstance(layer, DeformConv):  # the predicted offsets move along
        return _change_axes(shifts, [_move(Reads(1, stride, (0,), (0,))) for stride in layer.stride])
    if not isinstance(reach, tuple):
        what = "rearranges positions" if reach == "elsewhere" else "reads unknown positions"
        return _end_all(node, shifts, what, "unknown")
    return _change_axes(shifts, [_choose_change(node, reads, axis) for axis, reads in enumerate(reach)])


def _explain_whole(layer: Layer) -> tuple[str, Behaviour]:
    if layer.kind in ("lstm", "gru"):
        return _STATE, "none"
    if layer.kind == "linear":
        return _AS_FEATURES, "none"
    return "depends on all positions in an unknown way", "unknown"


def _keep_places(node: Node, shifts: Shifts) -> Shifts:
    """Return the behaviour after a layer that works on each position, which may flatten positions."""
    layer = node.layer
    if isinstance(layer, Flatten) or layer.output.axes < layer.input.axes:
        already = shifts.flat and not isinstance(layer, Flatten)
        return shifts if already else shifts._replace(flat=True, layout=layer.input.spatial)
    if shifts.flat and not layer.output.axes:
        plain = not layer.weight_tensors() and not layer.bias_tensors() and layer.output == layer.input
        return shifts if plain else _end_all(node, shifts, _AS_FEATURES)
    return shifts


def _recur(node: Node, shifts: Shifts) -> Shifts:
    first, *others = shifts.axes
    ended = _end(node, _STATE)(first)
    return shifts._replace(axes=(ended, *others))


def _choose_change(node: Node, reads: Reads, axis: int) -> _Change:
    layer = node.layer
    if _pools_whole_axis(layer, axis) or (isinstance(layer, _REDUCTIONS) and not reads.shift):
        return _pool(node)
    if isinstance(layer, Upsample):
        return _keep_uniform(_move(reads))
    return _move(reads)


def _keep_uniform(change: _Change) -> _Change:
    return lambda axis: axis if axis.behaviour == "invariant" and axis.uniform else change(axis)


def _pools_whole_axis(layer: Layer, axis: int) -> bool:
    """Whether the one window of a pooling layer covers the whole axis, so that it pools globally along this axis."""
    if not isinstance(layer, MaxPool | AvgPool | LPPool | Adaptive) or layer.output.spatial[axis] > 1:
        return False
    if isinstance(layer, Adaptive):
        return True
    padding = layer.__dict__.get("padding", ((0, 0),) * layer.input.axes)[axis]
    dilation = layer.__dict__.get("dilation", (1,) * layer.input.axes)[axis]
    size = effective_kernel_size(layer.kernel_size[axis], dilation)
    return dilation == 1 and padding == (0, 0) and size >= layer.input.spatial[axis]


# -- attention


def _attend(node: Node, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of attention, which moves along with its queries.

    Attention over all positions treats them as a set: it is equivariant to all shifts that move its keys and queries.
    """
    layer, reach = node.layer, _reach(node.layer)
    assert isinstance(layer, Attention)
    queries, keys = inputs[0], inputs[-1]
    if layer.is_reduced:
        keys = _change_axes(keys, [_move(Reads(1, by, (0,), (0,))) for by in _match(layer.kv_stride, keys)])
    if isinstance(reach, tuple) and layer.window is not None:
        if queries.flat or queries.joined:
            return _end_all(node, queries, "has windows over flattened positions", "unknown")
        return _change_axes(queries, [_move(reads) for reads in reach])
    if reach == "unknown":
        return _end_all(node, queries, "reads unknown positions", "unknown")
    axes = []
    for query, key in zip(queries.axes, keys.axes, strict=True):
        worst = next((axis for axis in (query, key) if axis.behaviour in ("none", "unknown")), None)
        axes.append(_raise_multiple(query, lcm(query.multiple, key.multiple)) if worst is None else worst)
    return queries._replace(axes=tuple(axes))


def _match(strides: tuple[int, ...], shifts: Shifts) -> tuple[int, ...]:
    return strides if len(strides) == len(shifts.axes) else strides[:1] * len(shifts.axes)


def _raise_multiple(axis: AxisShift, multiple: int) -> AxisShift:
    return axis._replace(multiple=multiple, moves=axis.moves * multiple // axis.multiple)


# -- merging


def _merge(network: Network, node: Node, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of an elementwise function of several tensors, or of their concatenation by channels."""
    if any(_moves(shifts) and (shifts.flat, shifts.joined) != (inputs[0].flat, inputs[0].joined) for shifts in inputs):
        return _end_all(node, next(filter(_moves, inputs)), "combines rearranged positions", "unknown")
    if not node.layer.output.axes and _mixes_features(node.layer, inputs):
        return _end_all(node, next(filter(_moves, inputs)), _AS_FEATURES)
    names = [network.tensor_name(tensor) for tensor in node.reads]
    axes = []
    for number, column in enumerate(zip(*(shifts.axes for shifts in inputs), strict=True)):
        widened = _list_widened(node.layer, number, len(inputs[0].axes))
        axes.append(_merge_axis(node, column, names, widened))
    base = next(shifts for shifts in inputs if shifts.flat or _moves(shifts) or shifts is inputs[-1])
    return base._replace(axes=tuple(axes))


def _moves(shifts: Shifts) -> bool:
    return any(axis.behaviour != "invariant" for axis in shifts.axes)


def _mixes_features(layer: Layer, inputs: list[Shifts]) -> bool:
    """Whether a merge of flattened positions joins them with others, or combines each with a value of its own."""
    return isinstance(layer, Concat) or any(
        not _moves(shifts) and shape.channels > 1 for shifts, shape in zip(inputs, layer.inputs, strict=True)
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
    end = _end(node, "")
    common = moving[0]._replace(multiple=lcm(*(axis.multiple for axis in moving)))
    for axis, name, wider in zip(column, names, widened, strict=True):
        if axis.behaviour == "invariant" and not axis.uniform:
            return end(common)._replace(reason=f"combines positions with {name}, whose values do not move")
        if axis.behaviour == "equivariant" and wider:
            return end(common)._replace(reason=f"copies one position of {name} to all")
    if len({reduce_ratio(axis.multiple, axis.moves) for axis in moving}) > 1:
        return end(common)._replace(reason="merges branches with different jumps")
    return _raise_multiple(moving[0], multiple)


def _join(node: Node, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of a concatenation along a spatial axis.

    Joined to a constant, such as a class token, positions still move along; but their place has changed.
    """
    moving = [shifts for shifts in inputs if _moves(shifts)]
    if len(moving) > 1:
        return _end_all(node, moving[0], "joins the positions of several tensors")
    constant = [axis.multiple for shifts in inputs if shifts is not moving[0] for axis in shifts.axes]
    multiple = lcm(*constant)
    axes = [
        _raise_multiple(axis, lcm(axis.multiple, multiple)) if axis.behaviour == "equivariant" else axis
        for axis in moving[0].axes
    ]
    return moving[0]._replace(axes=tuple(axes), joined=True)


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
