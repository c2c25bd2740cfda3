"""Orders the feature maps of a network for `stack`: which boxes are one map, their order, bands and lines.

For example, the maps of a U-Net are in the order of execution, and in a band per resolution.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from convcalc.render.drawing.diagram import Arrow, Diagram
from convcalc.shape import Shape


class FeatureMap(NamedTuple):
    """A feature map: the boxes of the diagram whose outputs have its shape, one after the other."""

    boxes: list[int]
    shape: Shape


def order_maps(diagram: Diagram) -> tuple[list[FeatureMap], list[Arrow]]:
    """Return the maps, and the arrows between them by their indexes; each arrow leads to a later map.

    A branch that ends in an output follows the map that it starts from.
    """
    maps = _join_equal_shapes(diagram)
    arrows = _join_arrows(diagram, maps)
    order = _move_branches(len(maps), arrows)
    place = {index: number for number, index in enumerate(order)}
    moved = sorted(Arrow(place[source], place[target]) for source, target in arrows)
    return [maps[index] for index in order], moved


def find_cuts(count: int, arrows: Sequence[Arrow]) -> list[int]:
    """Return the indexes of the maps after which a line may end: only arrows from that map lead to later maps."""
    furthest = list(range(count))
    for source, target in arrows:
        furthest[source] = max(furthest[source], target)
    cuts, reached = [], 0
    for index in range(count - 1):
        if reached <= index < furthest[index]:
            cuts.append(index)
        reached = max(reached, furthest[index])
    return cuts


def divide_line(widths: Sequence[float], cuts: Sequence[int], target: float) -> list[int]:
    """Return the index of the first map of each line: a line ends at the last cut before it is wider than `target`.

    If it would be narrower than half of that, it ends at the first cut after.
    """
    starts, ends, possible, width, narrower = [0], set(cuts), 0, 0.0, 0.0
    for index, own in enumerate(widths):
        if width + own > target and narrower >= target / 2:
            starts.append(possible)
            width, narrower = width - narrower, 0.0
        width += own
        if index in ends:
            possible, narrower = index + 1, width
    return starts


def _move_branches(count: int, arrows: Sequence[Arrow]) -> list[int]:
    """Return the indexes of the maps in an order in which a branch to an output follows the map it starts from."""
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in arrows:
        sources[target].append(source)
        targets[source].append(target)
    following: dict[int, list[set[int]]] = {}
    moved: set[int] = set()
    for last in range(count):
        branch = _find_branch(last, sources, targets) if not targets[last] else set()
        starts = {source for index in branch for source in sources[index]} - branch
        if len(starts) == 1:
            following.setdefault(starts.pop(), []).append(branch)
            moved |= branch
    order: list[int] = []
    waiting = [index for index in reversed(range(count)) if index not in moved]
    while waiting:
        index = waiting.pop()
        order.append(index)
        branches = sorted(following.pop(index, []), key=len)
        waiting += [member for branch in reversed(branches) for member in sorted(branch, reverse=True)]
    return order


def _find_branch(last: int, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> set[int]:
    """Return the maps that lead only to the map `last`, and that map."""
    branch, waiting = {last}, [last]
    while waiting:
        for source in sources[waiting.pop()]:
            if source not in branch and branch.issuperset(targets[source]):
                branch.add(source)
                waiting.append(source)
    return branch


def _join_equal_shapes(diagram: Diagram) -> list[FeatureMap]:
    """Return the maps: boxes in a row that pass on a tensor of the same shape are one map."""
    readers = [0] * len(diagram.boxes)
    sources: list[list[int]] = [[] for _ in diagram.boxes]
    for source, target in diagram.arrows:
        readers[source] += 1
        sources[target].append(source)
    maps: list[FeatureMap] = []
    for index, box in enumerate(diagram.boxes):
        joins = maps and sources[index] == [index - 1] == maps[-1].boxes[-1:] and readers[index - 1] == 1
        if joins and maps[-1].shape == box.output_shape and not diagram.boxes[maps[-1].boxes[0]].is_input:
            maps[-1].boxes.append(index)
        else:
            maps.append(FeatureMap([index], box.output_shape))
    return maps


def _join_arrows(diagram: Diagram, maps: list[FeatureMap]) -> list[Arrow]:
    map_of = {box: number for number, one in enumerate(maps) for box in one.boxes}
    found = {Arrow(map_of[source], map_of[target]) for source, target in diagram.arrows}
    return sorted(arrow for arrow in found if arrow.source != arrow.target)


def choose_bands(diagram: Diagram, maps: list[FeatureMap]) -> list[int]:
    """Return the band of each map: 0, unless the network upsamples.

    Vectors, and maps of one position such as those of squeeze-and-excite, are in the band of the map before.

    A band has the maps of one resolution: of one jump, or if a jump is unknown, of about the same spatial size.
    """
    sizes = [one.shape.spatial[-1] if one.shape.positions > 1 else 0 for one in maps]
    known = [size for size in sizes if size]
    if not any(later > earlier for earlier, later in pairwise(known)):
        return [0] * len(maps)
    jumps = [diagram.boxes[one.boxes[-1]].jump for one in maps]
    if all(jump is not None or not size for jump, size in zip(jumps, sizes, strict=True)):
        fine = [Fraction(jump[1], jump[0]) if jump and size else 0 for jump, size in zip(jumps, sizes, strict=True)]
    else:
        fine = [Fraction(size) for size in sizes]
    levels = _group_resolutions([resolution for resolution in fine if resolution])
    bands: list[int] = []
    for resolution in fine:
        bands.append(levels[resolution] if resolution else bands[-1] if bands else 0)
    return bands


def _group_resolutions(resolutions: Sequence[Fraction | int]) -> dict[Fraction | int, int]:
    """Return the band of each resolution: those that differ by less than a factor of √2 share one."""
    found: dict[Fraction | int, int] = {}
    finest: Fraction | int = 0
    band = -1
    for resolution in sorted(set(resolutions), reverse=True):
        if band < 0 or resolution * sqrt(2) < finest:
            finest, band = resolution, band + 1
        found[resolution] = band
    return found
