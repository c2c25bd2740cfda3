"""Computes the part of a network's input that a whole tensor depends on: the receptive field after global pooling.

The computation goes backward from layer to layer and finds exactly the positions of each tensor that are needed.
Positions that a crop removes, that strides skip at a border, or that lie in padding are not counted. For example,
global pooling after `crop: {amount: [[19, 0]]}` of 20 positions depends on one input position.

As in `convcalc.analysis.receptive_field`, a layer is assumed to read all channels of a position. The features
of a vector are traced separately.
"""

from convcalc.analysis.positions import (
    ALL,
    MOST_BITS,
    Sets,
    TooLarge,
    bound_set,
    find_ends,
    find_read_positions,
    flatten_sets,
    full_set,
    reads_every_position,
    unflatten_features,
)
from convcalc.caching import remember
from convcalc.intervals import Reads, TooVaried
from convcalc.layers.base import Layer, Reach
from convcalc.layers.merge import Concat
from convcalc.layers.reshape import Reshape, Slice
from convcalc.layers.tokens import Map
from convcalc.network import Network
from convcalc.shape import Shape

_MOST_WORK = 50_000  # limit on the tensors visited per network; a large tensor counts several times
Box = tuple[tuple[int, int] | None, ...]  # first and last position per axis; None for an axis of which nothing is read


class Coverage:
    """Computes, for any tensor of a network, the part of the network's input that the tensor depends on."""

    def __init__(self, network: Network, size: tuple[int, ...]) -> None:
        self.network = network
        self.size = size
        self.work = 0
        # whether each tensor surely depends on all of the input; this is quick to find and true of nearly all tensors
        self.full = [shape.spatial == size for shape in network.inputs.values()]
        self.all: Box = tuple((0, length - 1) for length in size)
        self.known: dict[int, Box | None] = {}

    def box(self, tensor: int) -> Box | None:
        """Return, per axis, the first and last input position that a tensor depends on; None if unknown."""
        first = len(self.network.inputs)
        for node in self.network.nodes[len(self.full) - first : tensor + 1 - first]:
            reads_every = _reads_every_position(node.layer)
            self.full.append(reads_every and any(self.full[read] for read in node.reads))
        if self.full[tensor]:
            return self.all
        if tensor not in self.known:
            self.known[tensor] = self._trace_back(tensor)
        return self.known[tensor]

    def _trace_back(self, tensor: int) -> Box | None:
        # visit the tensors from the last to the first, so that all readers of a tensor come before it
        if max(self.size, default=0) > MOST_BITS:
            return None
        seen: Sets = (0,) * len(self.size)
        is_known = True
        try:
            needed = {tensor: _all_positions(self.network.tensor_shape(tensor))}
            while needed:
                number = max(needed)
                sets = needed.pop(number)
                part = self._find_known_part(number, sets)
                if part is None:
                    is_known = self._add_needed_positions(number, sets, needed) and is_known
                else:
                    seen = _unite_sets(seen, part)
        except (TooLarge, TooVaried):
            return None
        box = tuple(map(find_ends, seen, self.size))
        return box if is_known or box == self.all else None

    def _find_known_part(self, tensor: int, sets: Sets) -> Sets | None:
        """Return the network input positions that positions `sets` of a tensor depend on; None if not computed yet."""
        shape = self.network.tensor_shape(tensor)
        if tensor < len(self.network.inputs):
            return sets if shape.axes == len(self.size) else (0,) * len(self.size)
        box = self.all if self.full[tensor] else self.known.get(tensor)
        if box is None or not _are_all(sets, shape):
            return None
        return tuple(map(_span_positions, box, self.size))

    def _add_needed_positions(self, tensor: int, sets: Sets, needed: dict[int, Sets]) -> bool:
        """Add to `needed` the input positions from which a layer computes the positions `sets` of its output.

        `tensor` is the number of the output. Returns False if the positions in one of the layer's inputs are unknown.
        Raises TooLarge or TooVaried if the positions would take too long to compute.
        """
        node = self.network.nodes[tensor - len(self.network.inputs)]
        self.work += 1 + sum(node.layer.output.spatial) // 2_000
        if self.work > _MOST_WORK:
            raise TooLarge
        parts = _find_needed_positions(node.layer, sets)
        for read, part in zip(node.reads, parts, strict=True):
            if part is not None and all(part):
                needed[read] = _unite_sets(needed[read], part) if read in needed else part
        return None not in parts


def _all_positions(shape: Shape) -> Sets:
    return (ALL,) * (shape.axes or 1)


def _are_all(sets: Sets, shape: Shape) -> bool:
    """Whether the sets, one per axis, contain all positions of a tensor. Raises TooLarge."""
    sizes = shape.spatial or (shape.channels,)
    return all(places == ALL or places == full_set(size) for places, size in zip(sets, sizes, strict=True))


def _span_positions(interval: tuple[int, int] | None, length: int) -> int:
    """Return the set of the first and last position of an interval; ALL if the interval is the whole axis."""
    if interval is None:
        return 0
    first, last = interval
    return ALL if first == 0 and last == length - 1 else 1 << first | 1 << last


def _unite_sets(one: Sets, other: Sets) -> Sets:
    return tuple(a | b for a, b in zip(one, other, strict=True))


@remember
def compute_reach(layer: Layer) -> Reach:
    """Return `layer.reach()`, which is computed once per layer. Raises TooVaried."""
    return layer.reach()


@remember
def _reads_every_position(layer: Layer) -> bool:
    try:
        reach = compute_reach(layer)
    except TooVaried:
        return False
    if reach == "unknown" or (isinstance(layer, Slice) and not layer.input.axes):
        return False
    if isinstance(reach, str):
        return True
    return all(map(reads_every_position, reach, layer.output.spatial, layer.input.spatial))


def _find_needed_positions(layer: Layer, sets: Sets) -> list[Sets | None]:
    """Return, per input of a layer, the positions from which the layer computes the output positions `sets`.

    The result for an input is None if they are unknown. Raises TooLarge or TooVaried if they would take too long to
    compute.
    """
    reach = compute_reach(layer)
    if reach == "unknown":
        return [None] * len(layer.inputs)
    if reach == "everything":
        return [_all_positions(shape) for shape in layer.inputs]
    if isinstance(layer, Slice | Concat) and not layer.output.axes:
        return _find_needed_features(layer, sets[0])
    if isinstance(layer, Concat) and layer.place:
        return _find_joined_positions(layer, sets)
    if reach == "elsewhere" and not isinstance(layer, Reshape | Map):
        every = _are_all(sets, layer.output)
        return [_all_positions(shape) if every else None for shape in layer.inputs]
    return [_find_positions_of_input(reach, shape, layer.output, sets) for shape in layer.inputs]


def _find_positions_of_input(reach: Reach, shape: Shape, output: Shape, sets: Sets) -> Sets:
    if isinstance(reach, tuple):
        return tuple(map(_read_window, reach, sets, output.spatial, shape.spatial))
    if reach == "same" and 0 < shape.axes == output.axes:
        return tuple(ALL if size == 1 else places for size, places in zip(shape.spatial, sets, strict=True))
    if not shape.axes and not output.axes:
        return (ALL,) if shape.channels == 1 else sets
    if _are_all(sets, output):
        return _all_positions(shape)
    sets = tuple(map(bound_set, sets, output.spatial or (output.channels,)))
    features = flatten_sets(sets, output.spatial, output.channels) if output.axes else sets[0]
    return unflatten_features(features, shape.spatial, shape.channels) if shape.axes else (features,)


def _read_window(reads: Reads, outputs: int, count: int, size: int) -> int:
    """Return the input positions that the output positions `outputs` read on one axis.

    The axis has `count` positions in the output and `size` in the input.
    """
    if outputs == ALL and reads_every_position(reads, count, size):
        return ALL
    return find_read_positions(reads, bound_set(outputs, count), size)


def _find_joined_positions(layer: Concat, sets: Sets) -> list[Sets | None]:
    """Return, per input of a concatenation along a spatial axis, which positions end up in `sets` of the output."""
    axis, found = layer.place - 1, []
    places = sets[axis]
    for shape in layer.inputs:
        size = shape.spatial[axis]
        own = ALL if places == ALL else places & full_set(size)
        found.append((*sets[:axis], own, *sets[axis + 1 :]))
        places = places if places == ALL else places >> size
    return list[Sets | None](found)


def _find_needed_features(layer: Slice | Concat, features: int) -> list[Sets | None]:
    """Return, for each input vector of a slice or concat, the set of features that the layer copies to `features`.

    `features` is a set of output features; bit i of a set stands for feature i.
    """
    if isinstance(layer, Slice):
        return [(_read_window(layer.selected(), features, layer.output.channels, layer.input.channels),)]
    found: list[Sets | None] = []
    for shape in layer.inputs:
        found.append((ALL if features == ALL else features & full_set(shape.channels),))
        features = features if features == ALL else features >> shape.channels
    return found
