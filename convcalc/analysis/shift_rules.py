"""Defines what a tensor does under shifts of the network's input, and how a layer with one input changes it.

For example, a tensor that moves by 1 position if the input is shifted by 4 moves, after a convolution with stride 2, by
1 position if the input is shifted by 8. See `convcalc.analysis.shift_equivariance` for the definitions and sources.
"""

from collections.abc import Callable, Sequence
from math import gcd, lcm
from typing import Literal, NamedTuple

from convcalc.analysis.coverage import compute_reach
from convcalc.arithmetic import effective_kernel_size
from convcalc.intervals import Reads, TooVaried
from convcalc.layers.attention import Attention
from convcalc.layers.base import Layer, Reach
from convcalc.layers.conv import DeformConv, LocallyConnected
from convcalc.layers.norm import LayerNorm
from convcalc.layers.pool import Adaptive, AvgPool, Global, LPPool, MaxPool
from convcalc.layers.recurrent import ConvLSTM
from convcalc.layers.reduce import Mean, Std, Sum
from convcalc.layers.reshape import Flatten, Reshape
from convcalc.layers.resize import Upsample
from convcalc.layers.tokens import Map
from convcalc.network import Node

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


Change = Callable[[AxisShift], AxisShift]
MOVING = AxisShift("equivariant", 1, 1)
CONSTANT = AxisShift("invariant", 1)
_REDUCTIONS = (Mean, Sum, Std)
AS_FEATURES = "treats positions as features"
_STATE = "carries a state from the first step on"


def is_moving(shifts: Shifts) -> bool:
    """Whether a tensor moves, or may move, along at least one axis."""
    return any(axis.behaviour != "invariant" for axis in shifts.axes)


def raise_multiple(axis: AxisShift, multiple: int) -> AxisShift:
    """Return the same behaviour for shifts by a multiple of the old multiple, with the moves to match."""
    return axis._replace(multiple=multiple, moves=axis.moves * multiple // axis.multiple)


def find_reach(layer: Layer) -> Reach:
    """Return the reach of a layer, `unknown` if it is too varied to be computed."""
    try:
        return compute_reach(layer)
    except TooVaried:
        return "unknown"


def has_weights_per_position(layer: Layer) -> bool:
    """Whether a layer has weights of its own for every position of its input."""
    if isinstance(layer, LayerNorm):
        return layer.axes == "all" and layer.affine and layer.input.positions > 1
    return isinstance(layer, LocallyConnected)


def change_axes(shifts: Shifts, changes: Sequence[Change]) -> Shifts:
    """Return the behaviour after a change along each axis."""
    return shifts._replace(axes=tuple([change(axis) for change, axis in zip(changes, shifts.axes, strict=True)]))


def end_axis(node: Node, reason: str, behaviour: Behaviour = "none") -> Change:
    """Return the change of a layer after which nothing moves along any more, or this is not known."""

    def change(axis: AxisShift) -> AxisShift:
        if axis.behaviour != "equivariant":
            return axis._replace(uniform=False)
        return AxisShift(behaviour, axis.multiple, 0, node.name, reason)

    return change


def end_all(node: Node, shifts: Shifts, reason: str, behaviour: Behaviour = "none") -> Shifts:
    """Return the behaviour after a layer that ends equivariance along all axes, or makes it unknown."""
    return change_axes(shifts, [end_axis(node, reason, behaviour)] * len(shifts.axes))


def _move(reads: Reads) -> Change:
    """Return the change of a layer whose output moves by `period` positions if its input moves by `shift`."""

    def change(axis: AxisShift) -> AxisShift:
        if axis.behaviour != "equivariant":
            return axis._replace(uniform=False)
        turns = reads.shift // gcd(axis.moves, reads.shift)
        return axis._replace(multiple=axis.multiple * turns, moves=axis.moves * turns // reads.shift * reads.period)

    return change


def _pool(node: Node) -> Change:
    def change(axis: AxisShift) -> AxisShift:
        if axis.behaviour != "equivariant":
            return axis._replace(uniform=True)
        return AxisShift("invariant", axis.multiple, 0, node.name, "pools over all positions")

    return change


# -- layers with one input, or whose inputs have been merged


def pass_through(node: Node, shifts: Shifts) -> Shifts:
    """Return the behaviour of a layer's output, given that of its one (merged) input."""
    layer, reach = node.layer, find_reach(node.layer)
    if has_weights_per_position(layer):
        return end_all(node, shifts, "has its own weights at every position")
    if isinstance(layer, Global | Adaptive | Mean | Sum | Std) and reach == "everything":
        return change_axes(shifts, [_pool(node)] * len(shifts.axes))._replace(flat=False, joined=False)
    if reach == "same":
        return _keep_places(node, shifts)
    if isinstance(layer, ConvLSTM):
        return _recur(node, shifts)
    if isinstance(layer, Map | Reshape) and shifts.layout and shifts.layout == layer.output.spatial:
        return shifts._replace(flat=False, layout=())
    if reach == "everything":
        return end_all(node, shifts, *_explain_whole(layer))
    if layer.output.axes != len(shifts.axes) or shifts.flat or shifts.joined:
        return end_all(node, shifts, "rearranges positions", "unknown")
    if isinstance(layer, DeformConv):  # the predicted offsets move along
        return change_axes(shifts, [_move(Reads(1, stride, (0,), (0,))) for stride in layer.stride])
    if not isinstance(reach, tuple):
        what = "rearranges positions" if reach == "elsewhere" else "reads unknown positions"
        return end_all(node, shifts, what, "unknown")
    return change_axes(shifts, [_choose_change(node, reads, axis) for axis, reads in enumerate(reach)])


def _explain_whole(layer: Layer) -> tuple[str, Behaviour]:
    if layer.kind in ("lstm", "gru"):
        return _STATE, "none"
    if layer.kind == "linear":
        return AS_FEATURES, "none"
    return "depends on all positions in an unknown way", "unknown"


def _keep_places(node: Node, shifts: Shifts) -> Shifts:
    """Return the behaviour after a layer that works on each position, which may flatten positions."""
    layer = node.layer
    if isinstance(layer, Flatten) or layer.output.axes < layer.input.axes:
        already = shifts.flat and not isinstance(layer, Flatten)
        return shifts if already else shifts._replace(flat=True, layout=layer.input.spatial)
    if shifts.flat and not layer.output.axes:
        plain = not layer.weight_tensors() and not layer.bias_tensors() and layer.output == layer.input
        return shifts if plain else end_all(node, shifts, AS_FEATURES)
    return shifts


def _recur(node: Node, shifts: Shifts) -> Shifts:
    first, *others = shifts.axes
    ended = end_axis(node, _STATE)(first)
    return shifts._replace(axes=(ended, *others))


def _choose_change(node: Node, reads: Reads, axis: int) -> Change:
    layer = node.layer
    if _pools_whole_axis(layer, axis) or (isinstance(layer, _REDUCTIONS) and not reads.shift):
        return _pool(node)
    if isinstance(layer, Upsample):
        return _keep_uniform(_move(reads))
    return _move(reads)


def _keep_uniform(change: Change) -> Change:
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


def attend(node: Node, inputs: list[Shifts]) -> Shifts:
    """Return the behaviour of attention, which moves along with its queries.

    Attention over all positions treats them as a set: it is equivariant to all shifts that move its keys and queries.
    """
    layer, reach = node.layer, find_reach(node.layer)
    assert isinstance(layer, Attention)
    queries, keys = inputs[0], inputs[-1]
    if layer.is_reduced:
        keys = change_axes(keys, [_move(Reads(1, by, (0,), (0,))) for by in _match(layer.kv_stride, keys)])
    if isinstance(reach, tuple) and layer.window is not None:
        if queries.flat or queries.joined:
            return end_all(node, queries, "has windows over flattened positions", "unknown")
        return change_axes(queries, [_move(reads) for reads in reach])
    if reach == "unknown":
        return end_all(node, queries, "reads unknown positions", "unknown")
    axes = []
    for query, key in zip(queries.axes, keys.axes, strict=True):
        worst = next((axis for axis in (query, key) if axis.behaviour in ("none", "unknown")), None)
        axes.append(raise_multiple(query, lcm(query.multiple, key.multiple)) if worst is None else worst)
    return queries._replace(axes=tuple(axes))


def _match(strides: tuple[int, ...], shifts: Shifts) -> tuple[int, ...]:
    return strides if len(strides) == len(shifts.axes) else strides[:1] * len(shifts.axes)
