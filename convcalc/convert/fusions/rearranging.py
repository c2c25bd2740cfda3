"""Merges operators that rearrange values: channel shuffles, consecutive reshapes and slices, and space-to-depth."""

from itertools import product
from math import prod

from convcalc.convert.fusions.merger import PatternMerger
from convcalc.convert.operators import Operation, Sizes


def merge_reshapes(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Replace two consecutive Reshapes by a single one, which has the output shape of the second."""
    made = merger.find_producer_with_one_reader(operation.inputs[0], "Reshape")
    if made is None:
        return False
    source = made[1].inputs[0]
    return merger.replace(place, operation._replace(inputs=(source, *operation.inputs[1:])), made[0])


def merge_shuffle(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Reshape, a Transpose and a Reshape into a channel shuffle, DepthToSpace or SpaceToDepth."""
    moved = merger.find_producer_with_one_reader(operation.inputs[0], "Transpose")
    before = None if moved is None else merger.find_producer_with_one_reader(moved[1].inputs[0], "Reshape")
    if moved is None or before is None:
        return False
    source = before[1].inputs[0]
    sizes, middle, after = (merger.dims(name) for name in (source, before[1].outputs[0], operation.outputs[0]))
    found = _match_shuffle(sizes, middle, tuple(moved[1].attributes.get("perm", ())), after)
    if found is None:
        return False
    operator, attributes = found
    made = operation._replace(operator=operator, attributes=attributes, inputs=(source,))
    return merger.replace(place, made, moved[0], before[0])


def _match_shuffle(sizes: Sizes, middle: Sizes, order: Sizes, after: Sizes) -> tuple[str, dict[str, int]] | None:
    """Return the operator, with attributes, that replaces a Reshape, a Transpose and a Reshape; None if none does.

    `sizes` is the input shape, `middle` the shape after the first Reshape, `order` the permutation of the Transpose,
    and `after` the output shape.
    """
    if sizes[:1] != middle[:1] or len(sizes) < 3:
        return None
    spatial = sizes[2:]
    if after == sizes and middle[3:] == spatial and order == (0, 2, 1, *range(3, len(middle))):
        return "ChannelShuffle", {"groups": middle[1]}
    if len(sizes) != 4 or len(middle) != 6:
        return None
    if order in ((0, 1, 4, 2, 5, 3), (0, 3, 4, 1, 5, 2)) and middle[4:] == spatial:
        blocks = middle[2:4] if order[1] == 1 else middle[1:3]
        moved = (middle[1] if order[1] == 1 else middle[3], spatial[0] * blocks[0], spatial[1] * blocks[1])
        return ("DepthToSpace", {"blocksize": blocks[0]}) if blocks[0] == blocks[1] and after[1:] == moved else None
    if order in ((0, 1, 3, 5, 2, 4), (0, 3, 5, 1, 2, 4)) and middle[1] == sizes[1] and middle[3] == middle[5]:
        moved = (sizes[1] * prod(middle[3:6:2]), middle[2], middle[4])
        return ("SpaceToDepth", {"blocksize": middle[3]}) if after[1:] == moved else None
    return None


def merge_slices(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge a Slice into the Slice before it if they cut different axes: both together are one crop."""
    made = merger.find_producer_with_one_reader(operation.inputs[0], "Slice")
    if made is None:
        return False
    one, other = (read_slice(merger, each) for each in (made[1], operation))
    if one is None or other is None or not one.keys().isdisjoint(other):
        return False
    ranges = one | other
    if any(step != 1 for _, step in ranges.values()):
        return False
    attributes = {"axes": tuple(ranges), "starts": tuple(start for start, _ in ranges.values())}
    merged = operation._replace(attributes=attributes, inputs=made[1].inputs[:1])
    return merger.replace(place, merged, made[0])


def read_slice(merger: PatternMerger, operation: Operation) -> dict[int, tuple[int, int]] | None:
    """Map each axis that a Slice cuts to its start, counted from 0, and step; None if one of them is unknown."""
    sizes = merger.dims(operation.inputs[0])
    starts, axes, steps = (
        merger.list_integers(operation, position, name) for position, name in ((1, "starts"), (3, "axes"), (4, "steps"))
    )
    given = len(operation.inputs) > 4 and bool(operation.inputs[4])
    if starts is None or (steps is None and given):
        return None
    places = [axis % len(sizes) for axis in (range(len(starts)) if axes is None else axes)]
    firsts = [start + sizes[axis] if start < 0 else start for axis, start in zip(places, starts, strict=True)]
    return dict(zip(places, zip(firsts, steps or (1,) * len(places), strict=True), strict=True))


def merge_space_to_depth(merger: PatternMerger, place: int, operation: Operation) -> bool:
    """Merge Slices that take every second row and column, and their Concat, into a SpaceToDepth.

    Together, the Slices must take each position exactly once. YOLOv5 begins with such a layer, called Focus.
    """
    inside: set[int] = set()
    sizes = merger.dims(operation.inputs[0])
    found = [_follow_strided_slices(merger, name, inside) for name in operation.inputs]
    sources = {source for source, _ in found}
    source = sources.pop()
    whole = merger.dims(source)
    step = next((step for _, step in found[0][1].values()), 1)
    starts = {tuple(parts.get(axis, (0, 1))[0] for axis in (2, 3)) for _, parts in found}
    due = set(product(range(step), repeat=2))
    steps = {axis: step for _, parts in found for axis, (_, step) in parts.items()}
    if sources or len(whole) != 4 or step < 2 or operation.attributes.get("axis", 1) % 4 != 1:
        return False
    if starts != due or len(found) != len(due) or steps != {2: step, 3: step}:
        return False
    if sizes != (*whole[:2], whole[2] // step, whole[3] // step) or any(size % step for size in whole[2:]):
        return False
    if not merger.has_no_outside_readers(inside | {place}, place):
        return False
    made = operation._replace(operator="SpaceToDepth", attributes={"blocksize": step}, inputs=(source,))
    return merger.replace(place, made, *inside)


def _follow_strided_slices(
    merger: PatternMerger, name: str, inside: set[int]
) -> tuple[str, dict[int, tuple[int, int]]]:
    """Return the tensor from which Slices take the tensor `name`, and the start and step of each sliced axis.

    The positions of the Slices are added to `inside`.
    """
    parts: dict[int, tuple[int, int]] = {}
    while (made := merger.find_producer(name, "Slice")) is not None:
        at, operation = made
        ranges = read_slice(merger, operation)
        if ranges is None:
            break
        inside.add(at)
        name = operation.inputs[0]
        for axis, (first, step) in ranges.items():
            later, stride = parts.get(axis, (0, 1))
            parts[axis] = (first + later * step, step * stride)
    return name, parts
