"""Describes a tensor that has the values of another one in another arrangement, without computing anything.

A view has one tuple of `Part`s per axis of the tensor, outermost first. For windows of 7×7 positions of a map with the
sizes batch, channels, 56 and 56, written as (batch × 64, 49, channels), the view is ((Part(0, 1, batch),
Part(2, 7, 8), Part(3, 7, 8)), (Part(2, 1, 7), Part(3, 1, 7)), (Part(1, 1, channels),)).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import NamedTuple

from convcalc.layers.base import Sizes

FEATURES = 1000  # number of an additional axis: the channels of a result that is described by axes of an operand


class Part(NamedTuple):
    """A part of the index on axis `axis` of the other tensor: `(index // stride) % size`."""

    axis: int
    stride: int
    size: int


Parts = tuple[Part, ...]
View = tuple[Parts, ...]


def view_whole(dims: Sizes) -> View:
    """Return the view of a tensor as it is."""
    return tuple(join_parts([Part(axis, 1, size)]) for axis, size in enumerate(dims))


def join_parts(parts: Iterable[Part]) -> Parts:
    """Return the same parts, without those of size 1, and with neighbours that are one part joined."""
    joined: list[Part] = []
    for part in parts:
        if part.size == 1:
            continue
        last = joined[-1] if joined else None
        if last is not None and last.axis == part.axis and last.stride == part.stride * part.size:
            joined[-1] = Part(part.axis, part.stride, last.size * part.size)
        else:
            joined.append(part)
    return tuple(joined)


def count_parts(parts: Iterable[Part]) -> int:
    """Return the size of an axis with these parts."""
    return prod(part.size for part in parts)


def reshape_view(view: Sequence[Parts], dims: Sequence[int]) -> View | None:
    """Return the view of a reshaped tensor; None if the new axes do not consist of whole parts."""
    pending = [part for parts in reversed(view) for part in reversed(parts)]
    found: list[Parts] = []
    for size in dims:
        parts = []
        while size > 1:
            if not pending:
                return None
            part = pending.pop()
            if size % part.size == 0:
                parts.append(part)
                size //= part.size
            elif part.size % size == 0:
                inner = part.size // size
                parts.append(Part(part.axis, part.stride * inner, size))
                pending.append(Part(part.axis, part.stride, inner))
                size = 1
            else:
                return None
        found.append(join_parts(parts))
    return None if pending else tuple(found)


def compose_views(view: Sequence[Parts], inner: Sequence[Parts] | Mapping[int, Parts]) -> View | None:
    """Return the view that `view` makes of a tensor that is itself the view `inner` of another one.

    None if an axis of the result does not consist of whole parts.
    """
    found: list[Parts] = []
    for parts in view:
        picked: list[Part] = []
        for part in parts:
            own = _pick_part(inner[part.axis], part)
            if own is None:
                return None
            picked += own
        found.append(join_parts(picked))
    return tuple(found)


def _pick_part(parts: Parts, part: Part) -> Parts | None:
    whole, rest = count_parts(parts), part.stride * part.size
    split = None if whole % rest else reshape_view((parts,), (whole // rest, part.size, part.stride))
    return None if split is None else split[1]


def find_order(view: Sequence[Parts], dims: Sizes) -> Sizes | None:
    """Return, for each axis of a view, the equal axis of the other tensor, whose sizes are `dims`.

    An axis of size 1 equals the first unused axis of size 1. None if the axes do not correspond one to one.
    """
    whole = view_whole(dims)
    if len(view) != len(dims) or any(parts and parts not in whole for parts in view):
        return None
    used = [whole.index(parts) for parts in view if parts]
    left = [axis for axis, parts in enumerate(whole) if axis not in used]
    if len(set(used)) < len(used) or any(dims[axis] > 1 for axis in left):
        return None
    return tuple(whole.index(parts) if parts else left.pop(0) for parts in view)
