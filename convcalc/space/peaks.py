"""Finds the peak memory of a step of a design space from the layers of the step alone.

The layers before the step are replaced by the tensors that later layers can read, and those of which these are views.
These tensors become the inputs of a small network. Its first layers are the views. Then comes one layer, the reader,
that stands for all earlier layers that have read the tensors, because a tensor with another reader cannot be
overwritten in place. If an earlier layer did overwrite a tensor in place, the number of live bytes stayed the same.
"""

from collections.abc import Callable, Sequence
from typing import cast

from convcalc.analysis.liveness import compute_liveness
from convcalc.layers.base import Layer
from convcalc.network import Network, Node
from convcalc.shape import Shape
from convcalc.space.exploring import Leg

Pattern = tuple[int, ...]  # per tensor of a state, how many later layers read it: 0, 1, or 2 for two or more


class _Reader:
    """The layer that stands for all earlier layers that have read a tensor: no view, and it overwrites nothing."""

    is_view = in_place = False


_READER = cast(Layer, _Reader())


def find_peak(
    leg: Leg, after: Pattern, past_reads: Sequence[int], network: Network, count_bytes: Callable[[Shape], int]
) -> int:
    """Return the most bytes that are live while a layer of a step runs.

    `after` says how often later layers read each tensor at the end of the step, and `past_reads` how often earlier ones
    have read each tensor at its beginning; `count_bytes` returns the bytes of a tensor. The layers of `network` are
    ignored.
    """
    if leg.start == leg.stop:
        return 0
    first = len(leg.inputs)
    inputs = list(leg.inputs.values())
    views = [number for number in sorted(leg.tensors) if _is_view(leg, number)]
    own = range(first + leg.start, first + leg.stop)
    # the state at the start has no tensors: the inputs of the network are added, which count only if they are read
    known = [*leg.tensors, *(number for number in range(first) if number not in leg.tensors)]
    order = [*(number for number in known if number not in views), *views]
    places = {number: place for place, number in enumerate(order)}
    places.update((number, place) for place, number in enumerate(own, len(order) + 1))
    shapes = [inputs[number] if number < first else leg.nodes[number - first].layer.output for number in (*order, *own)]
    sizes = list(map(count_bytes, shapes))
    sizes.insert(len(order), 0)  # the output of the reader

    def renumber(number: int) -> Node:
        node = leg.nodes[number - first]
        return node._replace(reads=tuple([places[read] for read in node.reads]))

    before = [renumber(number) for number in views]
    reads = _list_past_reads(
        len(order), before, [(places[number], count) for number, count in zip(leg.tensors, past_reads, strict=True)]
    )
    nodes = [*before, leg.nodes[leg.start]._replace(layer=_READER, reads=reads), *map(renumber, own)]
    later = [number for number, count in zip(leg.after, after, strict=True) for _ in range(count)]
    small = network._replace(
        nodes=tuple(nodes),
        inputs={str(place): shape for place, shape in enumerate(shapes[: len(order) - len(views)])},
        outputs={str(place): places[number] for place, number in enumerate((*leg.outputs, *later))},
    )
    return max(compute_liveness(small, sizes).live[len(views) + 1 :])


def _is_view(leg: Leg, number: int) -> bool:
    first = len(leg.inputs)
    return number >= first and leg.nodes[number - first].layer.is_view


def _list_past_reads(tensors: int, views: Sequence[Node], past: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the inputs of the reader: each tensor as often as earlier layers have read it, not counting the views."""
    counts = [0] * tensors
    for place, count in past:
        counts[place] = count
    for view in views:
        for read in view.reads:
            counts[read] -= 1
    return tuple(place for place, count in enumerate(counts) for _ in range(count))
