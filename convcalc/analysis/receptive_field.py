"""The receptive field of every tensor: which positions of the input an interior output position sees.

The inputs of a network share one coordinate system. Per axis a tensor has one or more paths to them, each a
`Reads`; paths with one jump are united as they meet, paths with different jumps are kept apart, and the field
at a position is what all of them span there. Normalisation by statistics of its input counts as position by
position: only what a value is made of is followed, not what it is scaled by.

Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill).
"""

from functools import lru_cache
from typing import NamedTuple

from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.reads import SAME, Ratio, Reads, TooVaried, reduced, through, union

Paths = tuple[Reads, ...]  # of one axis, each with a jump of its own; none where no spatial input is read
MOST_CHECKED = 100_000  # positions at which paths with different jumps are put together


class Field(NamedTuple):
    """What a tensor sees. `whole` is everything; `axes` None is not known; not `aligned`: its paths disagree.

    `collapsed` is what a global pooling or a linear layer gives: it has no positions left of its own.
    """

    axes: tuple[Paths, ...] | None
    aligned: bool = True
    whole: bool = False
    collapsed: bool = False


class FieldReport(NamedTuple):
    """The receptive field of a layer, in whole numbers; jumps and centres are fractions in lowest terms.

    Sizes are None where the field is not known, jumps and centres None where paths disagree about the jump.
    """

    size: tuple[int, ...] | None
    size_min: tuple[int, ...] | None
    jump: tuple[Ratio, ...] | None
    center: tuple[Ratio, ...] | None
    aligned: bool
    whole: bool


UNKNOWN_FIELD = Field(None)


def fields(network: Network) -> list[Field]:
    """The field of every tensor of a network, by its number."""
    axes = input_axes(network)
    found = [Field(((SAME,),) * axes if shape.axes == axes else ((),) * axes) for shape in network.inputs.values()]
    for node in network.nodes:
        found.append(field_of(node.layer, tuple([found[tensor] for tensor in node.reads])))
    return found


def input_axes(network: Network) -> int:
    """The spatial axes of a network: those of its input, the most that any input has."""
    return max(shape.axes for shape in network.inputs.values())


def input_size(network: Network) -> tuple[int, ...]:
    """The size of the input, the largest of several."""
    axes = input_axes(network)
    return tuple(
        map(max, zip(*(shape.spatial for shape in network.inputs.values() if shape.axes == axes), strict=True))
    )


@lru_cache(maxsize=10_000)
def field_of(layer: Layer, inputs: tuple[Field, ...]) -> Field:
    """What a layer's output sees, given what its inputs see."""
    try:
        met = inputs[0] if len(inputs) == 1 else meeting(inputs)
        reach = layer.reach()
        if reach == "same" or met.axes is None or not met.axes:
            return met
        if reach == "everything":
            return met._replace(whole=True, collapsed=True)
        if reach == "elsewhere":
            return met if met.whole or layer.input.positions == 1 else UNKNOWN_FIELD
        if met.whole or layer.input.axes != len(met.axes):
            return met._replace(collapsed=False) if met.whole else UNKNOWN_FIELD
        assert not isinstance(reach, str)
        axes = tuple(
            tuple([through(reads, path) for path in paths]) for reads, paths in zip(reach, met.axes, strict=True)
        )
    except TooVaried:
        return UNKNOWN_FIELD
    return met._replace(axes=axes)


def meeting(inputs: tuple[Field, ...]) -> Field:
    """What several inputs see together, and whether they agree about where they look. Raises TooVaried."""
    known = [field.axes for field in inputs if field.axes is not None]
    whole = any(field.whole for field in inputs)
    aligned = all(field.aligned for field in inputs)
    if len(known) < len(inputs):
        return UNKNOWN_FIELD._replace(aligned=aligned, whole=whole)
    axes = []
    for paths_of_inputs in zip(*known, strict=True):
        seen: dict[Paths, None] = dict.fromkeys(filter(None, paths_of_inputs))
        if len(seen) == 1:
            axes.append(next(iter(seen)))
            continue
        if not whole:
            aligned = aligned and agree(list(seen))
        axes.append(united(tuple(path for paths in seen for path in paths)))
    collapsed = all(field.collapsed for field in inputs)
    return Field(tuple(axes), aligned, whole, collapsed)


def agree(inputs: list[Paths]) -> bool:
    """Whether inputs have one jump and one centre between them."""
    return len({(path.jump, path.center()) for paths in inputs for path in paths}) == 1


def united(paths: Paths) -> Paths:
    """Paths with one jump put together. Raises TooVaried."""
    by_jump: dict[Ratio, Reads] = {}
    for path in paths:
        jump = path.jump
        by_jump[jump] = union(by_jump[jump], path) if jump in by_jump else path
    return tuple(by_jump.values())


@lru_cache(maxsize=10_000)
def field_report(field: Field, spatial: tuple[int, ...], whole_input: tuple[int, ...]) -> FieldReport:
    """The figures of a field of a tensor with such spatial sizes."""
    if field.whole:
        return FieldReport(whole_input, None, None, None, field.aligned, True)
    if field.axes is None:
        return FieldReport(None, None, None, None, field.aligned, False)
    positions = spatial if len(spatial) == len(field.axes) else (1,) * len(field.axes)
    spans = [span(paths, count) for paths, count in zip(field.axes, positions, strict=True)]
    largest, smallest = tuple(high for _, high in spans), tuple(low for low, _ in spans)
    one_jump = all(len(paths) == 1 for paths in field.axes)
    return FieldReport(
        size=largest,
        size_min=smallest if smallest != largest else None,
        jump=tuple([paths[0].jump for paths in field.axes]) if one_jump else None,
        center=tuple([paths[0].center() for paths in field.axes]) if one_jump else None,
        aligned=field.aligned,
        whole=False,
    )


def span(paths: Paths, positions: int) -> tuple[int, int]:
    """The smallest and the largest size of a field over the positions of an axis."""
    if len(paths) == 1:
        sizes = paths[0].sizes()
        return min(sizes), max(sizes)
    sizes = [size_at(paths, position) for position in range(min(positions, MOST_CHECKED))]
    return min(sizes), max([*sizes, size_at(paths, positions - 1)])


def size_at(paths: Paths, position: int) -> int:
    """The size of what all paths together span at one position."""
    found = interval_at(paths, position)
    return 0 if found is None else found[1] - found[0] + 1


def interval_at(paths: Paths, position: int) -> tuple[int, int] | None:
    """What all paths together span at one position, None where nothing is read."""
    found = [interval for interval in (path.at(position) for path in paths) if interval is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def outside(interval: tuple[int, int] | None, size: int) -> Ratio:
    """The share of an interval that lies outside of an input of a size."""
    if interval is None:
        return 0, 1
    low, high = interval
    inside = max(min(high, size - 1) - max(low, 0) + 1, 0)
    return reduced(high - low + 1 - inside, high - low + 1)
