"""Computes the receptive field of every tensor: the input positions that one of its interior positions depends on.

All inputs of a network share one coordinate system. Per axis, a tensor has one or more paths to the inputs, each a
`Reads` (`convcalc.intervals`). If branches merge, paths with the same jump (cumulative stride) are united and others
remain separate; the receptive field of a position spans all paths. A layer that reads a whole tensor (global pooling, a
linear layer) depends on the union over the tensor's positions, within the input; all its output positions have the same
field, so its jump is 0. A norm that uses statistics of its input is treated as position-wise: a value depends on the
input value that it is computed from, not on the statistics that scale it.

Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill).
"""

from itertools import combinations
from math import lcm
from typing import NamedTuple

from convcalc.analysis.coverage import Box, Coverage, compute_reach
from convcalc.caching import remember
from convcalc.exact import all_equal, largest, least
from convcalc.intervals import SAME, Ratio, Reads, TooVaried, compose_reads, fixed_reads, shifted_input, unite_reads
from convcalc.layers.base import Layer, Reach
from convcalc.layers.merge import Concat
from convcalc.layers.reshape import Reshape
from convcalc.layers.tokens import Map
from convcalc.network import Network, Node
from convcalc.shape import Shape

Paths = tuple[Reads, ...]  # along one axis, one per jump; empty if no spatial input is read
MOST_PATHS = 6  # paths with different jumps per axis
MOST_RESIDUES = 512  # longest common period that is computed for paths with different jumps


class Field(NamedTuple):
    """The receptive field of a tensor: per axis, its paths to the network's input (see the module's docstring).

    `axes` is None if the field is unknown. `whole` is true if the field is the whole input of the network. `aligned` is
    false if merged branches differ in jump or centre. `collapsed` is true for the output of global pooling or a linear
    layer, whose positions all have the same field. `flat` is true for a vector or tokens with the values of several
    positions. `layout` is the size of the map that tokens were made from, () if there is none.
    """

    axes: tuple[Paths, ...] | None
    aligned: bool = True
    whole: bool = False
    collapsed: bool = False
    flat: bool = False
    layout: tuple[int, ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether all positions have the same receptive field."""
        return self.whole or (self.axes is not None and all(path.is_fixed for paths in self.axes for path in paths))


class FieldReport(NamedTuple):
    """The receptive field of a layer per axis, in input positions; jumps and centres are fractions in lowest terms.

    `size` is the largest size over all positions, None if unknown. `size_min` is the smallest size, None if all
    positions have the same size. `jump` and `center` are None if branches with different jumps are merged.
    """

    size: tuple[int, ...] | None
    size_min: tuple[int, ...] | None
    jump: tuple[Ratio, ...] | None
    center: tuple[Ratio, ...] | None
    aligned: bool
    whole: bool


_UNKNOWN_FIELD = Field(None)


def compute_fields(network: Network) -> list[Field]:
    """Return the fields of all tensors of a network, indexed by tensor number."""
    axes = _count_input_axes(network)
    found = [Field(((SAME,),) * axes if shape.axes == axes else ((),) * axes) for shape in network.inputs.values()]
    coverage = Coverage(network, input_size(network))
    # many layers have the same field object as the layer before, so comparing identities avoids a deep comparison
    known: dict[tuple[object, ...], Field] = {}
    for node in network.nodes:
        if len(node.reads) == 1 and _keeps_field(node.layer):
            found.append(found[node.reads[0]])
            continue
        same = (node.layer, *[id(found[tensor]) for tensor in node.reads])
        field = known.get(same)
        if field is None:
            field = _compute_field(node, [found[tensor] for tensor in node.reads], coverage)
            if not field.collapsed:  # a collapsed field depends on more than these
                known[same] = field
        found.append(field)
    return found


def _compute_field(node: Node, inputs: list[Field], coverage: Coverage) -> Field:
    if not inputs:
        return Field(((),) * len(coverage.size))  # such as a learnt tensor, which depends on no input
    if _reads_everything(node.layer):
        aligned, whole = all(field.aligned for field in inputs), any(field.whole for field in inputs)
        box = _unite_boxes([coverage.box(tensor) for tensor in dict.fromkeys(node.reads)])
        if box is None:
            return Field(None, aligned, whole, collapsed=True)
        axes = tuple([() if interval is None else (fixed_reads(interval),) for interval in box])
        field = Field(axes, aligned, whole, collapsed=True)
    else:
        field = propagate_field(node.layer, tuple(inputs))
        if len(inputs) == 1 or field.whole:
            return field
    return field._replace(whole=field.whole or _covers_input(field, coverage.size))


def _unite_boxes(boxes: list[Box | None]) -> Box | None:
    """Return, per axis, the first and last position of all boxes; None if one of them is unknown."""
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes):
        return None
    axes = ([interval for interval in found if interval is not None] for found in zip(*known, strict=True))
    return tuple((min(low for low, _ in found), max(high for _, high in found)) if found else None for found in axes)


@remember
def _keeps_field(layer: Layer) -> bool:
    """Whether the output of a layer has the field of its input, as with activations and norms."""
    return layer.output.axes == layer.input.axes and _has_reach(layer, "same")


def _reads_everything(layer: Layer) -> bool:
    """Whether every output position of a layer depends on the whole input."""
    return _has_reach(layer, "everything")


def _has_reach(layer: Layer, reach: Reach) -> bool:
    try:
        return compute_reach(layer) == reach
    except TooVaried:
        return False


def _covers_input(field: Field, size: tuple[int, ...]) -> bool:
    return field.axes is not None and all(
        any(path == fixed_reads((0, length - 1)) for path in paths)
        for paths, length in zip(field.axes, size, strict=True)
    )


def _count_input_axes(network: Network) -> int:
    return max(shape.axes for shape in network.inputs.values())


def input_size(network: Network) -> tuple[int, ...]:
    """Return the spatial size of the network's input; with several inputs, the largest size on each axis."""
    axes = _count_input_axes(network)
    return tuple(
        map(max, zip(*(shape.spatial for shape in network.inputs.values() if shape.axes == axes), strict=True))
    )


@remember
def propagate_field(layer: Layer, inputs: tuple[Field, ...]) -> Field:
    """Return the field of a layer's output, given the fields of its inputs.

    For a layer whose output depends on its whole input, the result is the whole input of the network; `compute_fields`
    replaces this by the exact field.
    """
    try:
        reach = compute_reach(layer)
        if reach == "unknown":  # whatever positions it reads, all of them see the whole input
            return _UNKNOWN_FIELD._replace(whole=all(field.whole for field in inputs))
        if isinstance(layer, Concat) and layer.place and len(inputs) > 1:
            return _join_fields(layer, inputs)
        merged = inputs[0] if len(inputs) == 1 else _merge_fields(layer, inputs)
        if reach == "everything":
            return merged._replace(whole=True, collapsed=True)
        if reach == "same":
            flattened = layer.input.positions > 1 and layer.output.axes < layer.input.axes
            layout = layer.input.spatial if layer.output.axes else ()
            return merged._replace(flat=True, layout=layout) if flattened else merged
        if merged.axes is None or merged.is_fixed:
            return merged._replace(collapsed=False) if layer.output.positions > 1 else merged
        if reach == "elsewhere":
            if isinstance(layer, Map | Reshape) and merged.layout and merged.layout == layer.output.spatial:
                return merged._replace(flat=False, layout=())
            one_place = layer.input.positions == layer.output.positions == 1 and not merged.flat
            return merged if one_place else _UNKNOWN_FIELD
        if len(reach) != len(merged.axes):
            return _UNKNOWN_FIELD
        axes = tuple(map(_compose_paths, reach, merged.axes))
    except TooVaried:
        return _UNKNOWN_FIELD._replace(whole=any(field.whole for field in inputs))
    return merged._replace(axes=axes)


@remember
def _compose_paths(reads: Reads, paths: Paths) -> Paths:
    """Return the paths to the network's input after a layer, given those of its input."""
    return tuple([compose_reads(reads, path) for path in paths])


def _merge_fields(layer: Layer, inputs: tuple[Field, ...]) -> Field:
    """Return the receptive field of the output of a layer with several inputs.

    The field's `aligned` is false if the inputs differ in jump or centre. Raises TooVaried if their paths cannot be
    united.
    """
    whole = any(field.whole for field in inputs)
    aligned = all(field.aligned for field in inputs)
    axes_of_inputs = [
        _broadcast_paths(field, shape, layer.output) for shape, field in zip(layer.inputs, inputs, strict=True)
    ]
    known = [found for found in axes_of_inputs if found is not None]
    if len(known) < len(inputs):
        return _UNKNOWN_FIELD._replace(aligned=aligned, whole=whole)
    axes = []
    for paths_of_inputs in zip(*known, strict=True):
        seen: dict[Paths, None] = dict.fromkeys(filter(None, paths_of_inputs))
        if len(seen) == 1:
            axes.append(next(iter(seen)))
            continue
        if not whole:
            aligned = aligned and _are_aligned(tuple(seen))
        axes.append(_unite_paths(tuple([path for paths in seen for path in paths])))
    collapsed = all(field.collapsed for field in inputs)
    layouts = [field.layout for field in inputs if field.layout]
    layout = layouts[0] if layouts and all_equal(layouts) else ()
    return Field(tuple(axes), aligned, whole, collapsed, any(field.flat for field in inputs), layout)


def _join_fields(layer: Concat, inputs: tuple[Field, ...]) -> Field:
    """Return the field of a concatenation along a spatial axis.

    Usually only one input depends on the input of the network, and the others are learnt, such as a class token: the
    result is then the field of that one input. If several depend on the input of the network, the result is unknown,
    unless all their positions have the same field.
    """
    if all(field.is_fixed for field in inputs):
        return _merge_fields(layer, inputs)
    reading = [number for number, field in enumerate(inputs) if field.axes is None or any(field.axes)]
    field, axis = inputs[reading[0]], layer.place - 1
    if len(reading) > 1 or field.axes is None:
        return _UNKNOWN_FIELD
    if field.flat or len(field.axes) != layer.output.axes:
        return field._replace(layout=())
    moved = shifted_input(-sum(shape.spatial[axis] for shape in layer.inputs[: reading[0]]))
    paths = tuple([compose_reads(moved, path) for path in field.axes[axis]])
    return field._replace(axes=(*field.axes[:axis], paths, *field.axes[axis + 1 :]))


def _broadcast_paths(field: Field, shape: Shape, output: Shape) -> tuple[Paths, ...] | None:
    """Return the paths of an input after it is broadcast to the shape `output`; None if the input's field is unknown.

    All positions along a broadcast axis have the same field. Raises TooVaried if the numbers of axes of `field` and
    `shape` differ.
    """
    if field.axes is None or shape.spatial == output.spatial or field.is_fixed:
        return field.axes
    if not len(field.axes) == shape.axes == output.axes:
        raise TooVaried
    return tuple(
        paths if size == count else tuple([fixed_reads(path.at(0)) for path in paths])
        for paths, size, count in zip(field.axes, shape.spatial, output.spatial, strict=True)
    )


def moving_paths(paths: Paths) -> Paths:
    """Return the paths whose input interval moves along with the output position; only these can be misaligned.

    The interval of a fixed path is always the same, and that of attention in grids is one of a few.
    """
    return tuple([path for path in paths if path.shift])


@remember
def _are_aligned(inputs: tuple[Paths, ...]) -> bool:
    """Whether all paths that move along with the output position have the same jump and centre."""
    return all_equal((path.jump, path.center()) for paths in inputs for path in moving_paths(paths))


@remember
def _unite_paths(paths: Paths) -> Paths:
    """Unite the paths that have the same jump. Raises TooVaried if there are more than MOST_PATHS different jumps."""
    by_jump: dict[Ratio, Reads] = {}
    for path in paths:
        jump = path.jump
        by_jump[jump] = unite_reads(by_jump[jump], path) if jump in by_jump else path
    if len(by_jump) > MOST_PATHS:
        raise TooVaried
    return tuple(by_jump.values())


@remember
def field_report(field: Field, spatial: tuple[int, ...], whole_input: tuple[int, ...]) -> FieldReport:
    """Return the sizes, jumps and centres to report for a tensor's receptive field.

    `spatial` are the spatial sizes of the tensor, and `whole_input` are the sizes of the network's input.
    """
    if field.whole:
        return FieldReport(whole_input, None, None, None, field.aligned, True)
    if field.axes is None:
        return FieldReport(None, None, None, None, field.aligned, False)
    positions = spatial if len(spatial) == len(field.axes) else (1,) * len(field.axes)
    spans = [measure_span(paths, count) for paths, count in zip(field.axes, positions, strict=True)]
    if None in spans:
        return FieldReport(None, None, None, None, field.aligned, False)
    known = [found for found in spans if found is not None]
    largest, smallest = tuple(high for _, high in known), tuple(low for low, _ in known)
    one_jump = all(len(paths) == 1 for paths in field.axes)
    return FieldReport(
        size=largest,
        size_min=smallest if smallest != largest else None,
        jump=tuple([paths[0].jump for paths in field.axes]) if one_jump else None,
        center=tuple([paths[0].center() for paths in field.axes]) if one_jump else None,
        aligned=field.aligned,
        whole=False,
    )


@remember
def measure_span(paths: Paths, positions: int) -> tuple[int, int] | None:
    """Return the smallest and the largest size of the receptive field over all positions along an axis.

    Returns None if the paths together repeat only after more than MOST_RESIDUES positions. Among positions with the
    same remainder modulo this common period, the size is a convex function of the position. It is largest at one end of
    the axis, and smallest at an end or where the ends of two paths' intervals cross.
    """
    if len(paths) == 1:
        sizes = paths[0].sizes()
        return least(*sizes), largest(*sizes)
    period = lcm(*(path.period for path in paths))
    residues = range(min(period, positions))
    if len(residues) > MOST_RESIDUES:
        return None
    places = {place for residue in residues for place in _find_extreme_positions(paths, period, residue, positions)}
    sizes = [_size_at(paths, place) for place in places]
    return min(sizes, default=0), max(sizes, default=0)


def _find_extreme_positions(paths: Paths, period: int, residue: int, positions: int) -> set[int]:
    """Return the positions that may have the smallest or largest field, among those equal to `residue` modulo `period`.

    These are the first position, the last one, and those next to a point where the ends of two paths' intervals cross.
    """
    turns = (positions - 1 - residue) // period
    lines = [(path.at(residue), path.shift * period // path.period) for path in paths]
    places = {0, turns}
    for (one, slope), (other, other_slope) in combinations(lines, 2):
        if one is not None and other is not None and slope != other_slope:
            for end in (0, 1):
                crossing = (other[end] - one[end]) // (slope - other_slope)
                places |= {place for place in (crossing, crossing + 1) if 0 <= place <= turns}
    return {residue + place * period for place in places}


def _size_at(paths: Paths, position: int) -> int:
    found = interval_at(paths, position)
    return 0 if found is None else found[1] - found[0] + 1


def interval_at(paths: Paths, position: int) -> tuple[int, int] | None:
    """Return the smallest interval around the input intervals of all paths at `position`; None if there are none."""
    found = [interval for interval in (path.at(position) for path in paths) if interval is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None
