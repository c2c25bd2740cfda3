"""Defines the values in a traced module: tensors of the network, and intermediate results that may become one."""

from typing import Any, NamedTuple

from convcalc.convert.pytorch.tracing import BATCH
from convcalc.shape import MOST_AXES

Sizes = tuple[int, ...]


class TracedValue(NamedTuple):
    """A tensor of the network: its step or input, its shape, and whether PyTorch has its channels last."""

    name: str
    shape: Sizes
    last: bool = False

    @property
    def sizes(self) -> Sizes:
        """The sizes in PyTorch, with the batch."""
        channels, *spatial = self.shape
        return (BATCH, *spatial, channels) if self.last else (BATCH, *self.shape)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels in PyTorch."""
        return len(self.shape) if self.last else 1

    def axis(self, axis: int) -> int:
        """Return a possibly negative axis as a non-negative one."""
        return axis % (len(self.shape) + 1)

    def spatial_axes(self) -> list[int]:
        """Return the spatial axes in PyTorch."""
        return [axis for axis in range(1, len(self.shape) + 1) if axis != self.channel_axis]


class RearrangedValue(NamedTuple):
    """A tensor after views and permutations that are not yet a layer, because later ones may undo them.

    Each rearrangement is a view with its sizes, or a permutation with its order of axes.
    """

    source: TracedValue
    rearrangements: tuple[tuple[str, Sizes], ...]
    sizes: Sizes


class SplitValue(NamedTuple):
    """A tensor split along an axis; `bounds` are the start and stop of each part."""

    source: TracedValue
    axis: int
    bounds: tuple[tuple[int, int], ...]


class ForeignValue(NamedTuple):
    """A value that is not a valid tensor of a network, and everything that it was made of.

    It leads to an opaque layer; `what` becomes part of that layer's note.
    """

    reads: tuple[TracedValue, ...]
    sources: tuple[str, ...]
    what: str


def is_shape(sizes: Sizes) -> bool:
    """Whether sizes, including the batch, are a valid shape of a network's tensor."""
    return 2 <= len(sizes) <= MOST_AXES + 2 and sizes[0] == BATCH and all(size > 0 for size in sizes)


def settle_rearrangements(moved: RearrangedValue) -> TracedValue | tuple[str, dict[str, Any], Sizes] | None:
    """Return the result of a chain of views and permutations; None if the chain matches nothing yet.

    The result is the tensor itself, possibly with its channels on the last axis or back on the first one after the
    batch, or a layer kind with its arguments and output shape.
    """
    source, rearrangements = moved.source, moved.rearrangements
    names = [name for name, _ in rearrangements]
    if names == ["permute"]:
        return _reorder(source, rearrangements[0][1])
    if names == ["view"] and moved.sizes == source.sizes:
        return source
    if names == ["view", "permute", "view"] and not source.last:
        return _match_shuffle(moved)
    return None


def _reorder(source: TracedValue, order: Sizes) -> TracedValue | None:
    """Return a tensor whose channels are permuted to the last axis, or back to the first; None for other orders."""
    axes = len(order)
    to_last, to_first = (0, *range(2, axes), 1), (0, axes - 1, *range(1, axes - 1))
    if order == tuple(range(axes)):
        return source
    if order == to_last and not source.last:
        return source._replace(last=True)
    return source._replace(last=False) if order == to_first and source.last else None


def _match_shuffle(moved: RearrangedValue) -> tuple[str, dict[str, Any], Sizes] | None:
    """Match a channel shuffle, pixel shuffle or pixel unshuffle written as view, permute, view.

    Every size is compared, including those of the last view: joining the same axes differently is not a shuffle.
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
    """Append a view or permutation to a tensor's rearrangements, merged with the last one if both are of one sort."""
    source, rearrangements = (value, ()) if isinstance(value, TracedValue) else (value.source, value.rearrangements)
    if rearrangements and rearrangements[-1][0] == name:
        before = rearrangements[-1][1]
        change = change if name == "view" else tuple(before[axis] for axis in change)
        rearrangements = rearrangements[:-1]
        if name == "permute" and change == tuple(range(len(change))):
            return RearrangedValue(source, rearrangements, sizes)
    return RearrangedValue(source, (*rearrangements, (name, change)), sizes)
