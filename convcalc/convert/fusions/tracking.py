"""Follows a tensor through operators that only rearrange or select values, such as the heads of an attention."""

from typing import NamedTuple

from convcalc.convert.fusions.merger import PatternMerger
from convcalc.convert.operators import Operation
from convcalc.convert.views import Part, Parts, View, reshape_view, view_whole

_RESHAPES = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze"))
_SELECTIONS = frozenset(("Gather", "Split", "Slice", "aten.select", "aten.unbind"))
UNCHANGED = frozenset(("Identity", "Cast", "Dropout"))
_FOLLOWED = _RESHAPES | _SELECTIONS | UNCHANGED | {"Transpose", "Mul", "Div"}


class Chain(NamedTuple):
    """Operators from a tensor `source` to a tensor, in order, each with the output that the next one reads.

    `places` are their positions.
    """

    source: str
    operations: tuple[tuple[Operation, str], ...]
    places: frozenset[int]


def follow_back(merger: PatternMerger, name: str) -> Chain:
    """Return the longest chain of rearranging operators, and of products with a number, that ends in a tensor."""
    found: list[tuple[Operation, str]] = []
    places: set[int] = set()
    while (made := merger.find_producer(name)) is not None:
        place, operation = made
        if operation.operator not in _FOLLOWED:
            break
        if operation.operator in ("Mul", "Div") and merger.read_scalar(operation.inputs[-1]) is None:
            break
        if operation.operator == "Gather" and merger.read_scalar(operation.inputs[1]) is None:
            break
        found.append((operation, name))
        places.add(place)
        name = operation.inputs[0]
        if merger.is_constant(name):
            break
    return Chain(name, tuple(reversed(found)), frozenset(places))


class Tracked(NamedTuple):
    """A tensor as a view of another one; `start` is the first index that it takes on the axis of the channels."""

    view: View
    start: int


def track_chain(merger: PatternMerger, chain: Chain, channels: int = -1) -> Tracked | None:
    """Return the last tensor of a chain as a view of its first; None if it is not a view.

    A part of the values may be selected on the axis `channels` of the first tensor only.
    """
    found = Tracked(view_whole(merger.dims(chain.source)), 0)
    for operation, output in chain.operations:
        if operation.operator in _RESHAPES:
            view = reshape_view(found.view, merger.dims(output))
        elif operation.operator == "Transpose":
            order = operation.attributes.get("perm") or tuple(reversed(range(len(found.view))))
            view = tuple(found.view[axis] for axis in order)
        elif operation.operator in _SELECTIONS:
            selected = _select(merger, operation, output, found, channels)
            if selected is None:
                return None
            found, view = selected, selected.view
        else:
            view = found.view
        if view is None:
            return None
        found = found._replace(view=view)
    return found


def _select(merger: PatternMerger, operation: Operation, output: str, found: Tracked, channels: int) -> Tracked | None:
    """Return a tensor after a selection; None unless it takes consecutive indices of one part of the channels."""
    sizes, after = merger.dims(operation.inputs[0]), merger.dims(output)
    given = _find_selection(merger, operation, output)
    if given is None:
        return None
    axis, start = given[0] % len(sizes), given[1]
    removes = len(after) < len(sizes)
    count = 1 if removes else after[axis]
    parts: Parts = ()
    if sizes[axis] > 1:
        if len(found.view[axis]) != 1 or found.view[axis][0].axis != channels:
            return None
        [part] = found.view[axis]
        found = found._replace(start=found.start + start % sizes[axis] * part.stride)
        parts = (Part(part.axis, part.stride, count),) if count > 1 else ()
    kept = found.view[axis + 1 :]
    return found._replace(view=(*found.view[:axis], *(() if removes else (parts,)), *kept))


def _find_selection(merger: PatternMerger, operation: Operation, output: str) -> tuple[int, int] | None:
    """Return the axis on which an operator selects values, and the first selected index."""
    attributes, place = operation.attributes, operation.outputs.index(output)
    if operation.operator == "Slice":
        starts, axes, steps = (
            merger.list_integers(operation, position, name)
            for position, name in ((1, "starts"), (3, "axes"), (4, "steps"))
        )
        simple = starts is not None and axes is not None and len(starts) == 1 == len(axes) and set(steps or (1,)) == {1}
        return (axes[0], starts[0]) if simple and starts is not None and axes is not None else None
    axis = int(attributes.get("axis", 0))
    if operation.operator == "Split":
        return axis, sum(merger.dims(name)[axis] for name in operation.outputs[:place] if name)
    if operation.operator == "Gather":
        index = merger.read_scalar(operation.inputs[1])
        return None if index is None or merger.dims(operation.inputs[1]) not in ((), (1,)) else (axis, int(index))
    return axis, int(attributes.get("index", place))
