"""Defines the values that the operations of a traced module produce.

A TracedValue is a tensor of the network: an input or the output of a layer. Other values are intermediate results, such
as a transposed tensor, which later operations may turn into a TracedValue.
"""

from typing import Any, NamedTuple

from convcalc.convert.pytorch.tracing import BATCH
from convcalc.shape import MOST_AXES

Sizes = tuple[int, ...]


class TracedValue(NamedTuple):
    """A tensor of the network: the name of its step or input, and its shape, channels first and without the batch.

    `last` says whether the tensor in PyTorch has its channels on the last axis.
    """

    name: str
    shape: Sizes
    last: bool = False

    @property
    def sizes(self) -> Sizes:
        """The tensor's sizes in PyTorch, with the batch."""
        channels, *spatial = self.shape
        return (BATCH, *spatial, channels) if self.last else (BATCH, *self.shape)

    @property
    def channel_axis(self) -> int:
        """The number of the channel axis in PyTorch, where the batch is axis 0."""
        return len(self.shape) if self.last else 1

    def axis(self, axis: int) -> int:
        """Return the number of an axis in PyTorch, counted from 0 even if `axis` is negative."""
        return axis % (len(self.shape) + 1)

    def spatial_axes(self) -> list[int]:
        """Return the numbers of the spatial axes in PyTorch."""
        return [axis for axis in range(1, len(self.shape) + 1) if axis != self.channel_axis]


class RearrangedValue(NamedTuple):
    """A tensor (`source`) with pending views and permutations, which are not yet layers as later ones may undo them.

    Each rearrangement is `view` with the new sizes, or `permute` with the order of axes. `sizes` are the sizes after
    all of them, with the batch.
    """

    source: TracedValue
    rearrangements: tuple[tuple[str, Sizes], ...]
    sizes: Sizes


class SplitValue(NamedTuple):
    """A tensor (`source`) split along an axis of PyTorch. `bounds` are the start and stop of each part."""

    source: TracedValue
    axis: int
    bounds: tuple[tuple[int, int], ...]


class ForeignValue(NamedTuple):
    """A value that is not a valid tensor of a network, for example because its batch axis is not the first.

    It becomes part of a later opaque layer. `reads` and `sources` are the tensors that it depends on: those of the
    network, and the names of learnt tensors and running statistics. `what` describes its operations in that layer's
    note.
    """

    reads: tuple[TracedValue, ...]
    sources: tuple[str, ...]
    what: str


def is_shape(sizes: Sizes) -> bool:
    """Whether these sizes, which include the batch, are possible for a tensor of a network."""
    return 2 <= len(sizes) <= MOST_AXES + 2 and sizes[0] == BATCH and all(size > 0 for size in sizes)


def settle_rearrangements(moved: RearrangedValue) -> TracedValue | tuple[str, dict[str, Any], Sizes] | None:
    """Return the result of a tensor's pending views and permutations; None if they must remain pending.

    The result is a tensor if they only move the channels to the last axis or back, or change nothing. If they are a
    shuffle, it is the layer kind with its arguments and output shape.
    """
    source, rearrangements = moved.source, moved.rearrangements
    names = [name for name, _ in rearrangements]
    if names == ["permute"]:
        return _permute_channels(source, rearrangements[0][1])
    if names == ["view"] and moved.sizes == source.sizes:
        return source
    if names == ["view", "permute", "view"] and not source.last:
        return _match_shuffle(moved)
    return None


def _permute_channels(source: TracedValue, order: Sizes) -> TracedValue | None:
    """Return the tensor after a permutation that moves the channels to the last axis or back; None for other orders."""
    axes = len(order)
    to_last, to_first = (0, *range(2, axes), 1), (0, axes - 1, *range(1, axes - 1))
    if order == tuple(range(axes)):
        return source
    if order == to_last and not source.last:
        return source._replace(last=True)
    return source._replace(last=False) if order == to_first and source.last else None


def _match_shuffle(moved: RearrangedValue) -> tuple[str, dict[str, Any], Sizes] | None:
    """Return the layer kind, arguments and output shape of a shuffle written as view, permute, view; else None.

    It may be a channel shuffle, pixel shuffle or pixel unshuffle. The sizes of both views are compared, because a last
    view that merges the axes differently is not a shuffle.
    """
    (_, cut), (_, order), _ = moved.rearrangements
    channels, *spatial = moved.source.shape
    axes, shape = len(spatial), moved.sizes[1:]
    if len(cut) not in (3 + axes, 2 + 2 * axes) or cut[0] != BATCH or moved.sizes[0] != BATCH:
        return None
    groups = cut[1]
    in_groups = (BATCH, groups, channels // groups, *spatial)
    if (cut, order, shape) == (in_groups, (0, 2, 1, *range(3, 3 + axes)), moved.source.shape):
        return "channel_shuffle", {"groups": groups}, shape
    if axes == 0 or len(cut) != 2 + 2 * axes:
        return None
    factor = cut[2]
    spread = tuple(place for axis in range(axes) for place in (2 + axes + axis, 2 + axis))
    wide = (groups, *(factor * size for size in spatial))
    if (cut[2:], order, shape) == ((*[factor] * axes, *spatial), (0, 1, *spread), wide):
        return "pixel_shuffle", {"upscale_factor": factor}, shape
    factor = cut[3]
    gathered = (*range(3, 3 + 2 * axes, 2), *range(2, 2 + 2 * axes, 2))
    narrow = tuple(size // factor for size in spatial)
    by_factor = (channels, *(part for size in narrow for part in (size, factor)))
    if (cut[1:], order, shape) == (by_factor, (0, 1, *gathered), (channels * factor**axes, *narrow)):
        return "pixel_unshuffle", {"downscale_factor": factor}, shape
    return None


def append_rearrangement(
    value: TracedValue | RearrangedValue, name: str, change: Sizes, sizes: Sizes
) -> RearrangedValue:
    """Return the tensor with one more pending view or permutation (`name`), described by `change`.

    Two views in a row are merged into one, and so are two permutations. `sizes` are the sizes after the change.
    """
    source, rearrangements = (value, ()) if isinstance(value, TracedValue) else (value.source, value.rearrangements)
    if rearrangements and rearrangements[-1][0] == name:
        before = rearrangements[-1][1]
        change = change if name == "view" else tuple(before[axis] for axis in change)
        rearrangements = rearrangements[:-1]
        if name == "permute" and change == tuple(range(len(change))):
            return RearrangedValue(source, rearrangements, sizes)
    return RearrangedValue(source, (*rearrangements, (name, change)), sizes)
