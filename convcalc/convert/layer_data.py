"""Defines `Data`, the output of a layer and the arrangement that its axes have in an imported file."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from convcalc.convert.operators import Sizes
from convcalc.convert.positions import Axes
from convcalc.convert.views import Part, View, count_parts, find_order, join_parts, view_whole
from convcalc.shape import MOST_AXES, Shape


class Data(NamedTuple):
    """A tensor produced by a step, with the arrangement of its axes in the file.

    `order` has one number per axis in the file: 0 for the batch, 1 for the channels, 2 and more for the spatial axes.
    It is (0, 1, 2, 3) if the channels are first and (0, 2, 3, 1) if they are last. If axes are divided or joined in the
    file, `order` is empty and `view` describes the tensor, with the same numbers for the axes.
    """

    step: str
    shape: Shape
    order: Sizes
    view: View | None = None

    @property
    def standard(self) -> bool:
        """Whether the axes in the file are in the order batch, channels, spatial axes."""
        return self.view is None and self.order == tuple(range(len(self.order)))

    @property
    def plain(self) -> bool:
        """Whether the axes in the file are those of the layer, in any order with the batch first."""
        return self.view is None and self.order[0] == 0

    @property
    def divided(self) -> bool:
        """Whether an axis in the file is not one whole axis of the layer."""
        sizes = self.shape.sizes
        return self.view is not None and any(
            len(parts) > 1 or any(part.axis > 0 and part.size < sizes[part.axis - 1] for part in parts)
            for parts in self.view
        )

    def list_dims(self, batch: int) -> Sizes:
        """Return the sizes of the tensor in the file."""
        sizes = (batch, *self.shape.sizes)
        if self.view is None:
            return tuple(sizes[axis] for axis in self.order)
        return tuple(map(count_parts, self.view))

    def make_view(self, batch: int) -> View:
        """Return the view that the tensor in the file is of the layer's output."""
        if self.view is not None:
            return self.view
        whole = view_whole((batch, *self.shape.sizes))
        return tuple(whole[axis] for axis in self.order)

    def place_like(self, other: "Data") -> "Data":
        """Return the data with the arrangement of `other`, which may have another number of channels."""
        if other.view is None:
            return self._replace(order=other.order, view=None)
        channels = Part(1, 1, self.shape.channels)
        view = (
            join_parts(channels if part.axis == 1 and part.size == other.shape.channels else part for part in parts)
            for parts in other.view
        )
        return self._replace(order=(), view=tuple(view))


def view_data(step: str, shape: Shape, view: View, batch: int) -> Data:
    """Return the data of a tensor with a view; without the view if the axes are those of the layer."""
    order = find_order(view, (batch, *shape.sizes))
    return Data(step, shape, (), view) if order is None else Data(step, shape, order)


def _has_positions_of(output: Data, data: Data) -> bool:
    """Whether `output` has the arrangement of `data`, and each spatial size of `data` is 1 or that of `output`."""
    sizes, own = output.shape.spatial, data.shape.spatial
    return (
        (output.order, output.view) == (data.order, data.view)
        and len(sizes) == len(own)
        and all(one in (1, size) for one, size in zip(own, sizes, strict=True))
    )


def has_same_positions(output: Data, reads: Sequence[Data]) -> bool:
    """Whether `output` may come from an elementwise operator on `reads`, which broadcasts sizes of 1."""
    return all(_has_positions_of(output, data) for data in reads) and all(
        size in sizes
        for size, *sizes in zip(output.shape.spatial, *(data.shape.spatial for data in reads), strict=True)
    )


def list_spatial_axes(data: Data) -> Axes:
    """Return the axes in the file that have positions of the layer's output."""
    if data.view is None:
        return frozenset(axis for axis, place in enumerate(data.order) if place > 1)
    return frozenset(axis for axis, parts in enumerate(data.view) if any(part.axis > 1 for part in parts))


def channels_last(rank: int) -> Sizes:
    """Return the order of the axes of a tensor with the channels last, see Data: (0, 2, 3, 1) for four axes."""
    return (0, *range(2, rank), 1)


def order_shape(dims: Sizes, order: Sizes) -> Shape:
    """Return the shape of one sample of a tensor with the sizes `dims` and the axis order `order`, see Data."""
    channels, *spatial = (size for _, size in sorted(zip(order, dims, strict=True))[1:])
    return Shape(channels, tuple(spatial))


class Blocks(NamedTuple):
    """Blocks of positions that a tensor has in its channels: their size, and the order of its axes in the file."""

    size: int
    order: Sizes


def find_block_factor(data: Data, batch: int) -> Blocks | None:
    """Return the blocks of positions that a view has in its channels; None if it has other axes than these."""
    view, sizes = data.make_view(batch), data.shape.spatial
    order: list[int] = []
    blocks = set()
    for parts in view:
        if not parts and not order and batch == 1:
            order.append(0)
        elif len(parts) == 1 and parts[0].axis != 1:
            [part] = parts
            order.append(part.axis)
            blocks.add(part.stride if part.axis else 0)
        else:
            order.append(1)
            inner = {part.axis: part.size for part in parts}
            blocks |= {size if axis != 1 else 0 for axis, size in inner.items()}
            if len(inner) < len(parts) or any(part.stride != 1 for part in parts):
                return None
    blocks.discard(0)
    whole = sorted(order) == list(range(len(sizes) + 2)) and order[0] == 0
    return Blocks(blocks.pop(), tuple(order)) if whole and len(blocks) == 1 and blocks != {1} else None


def make_unordered(dims: Sizes, batch: int) -> Data:
    """Return the data of a tensor with unknown axis order: the first axis after the batch becomes the channels."""
    sizes = find_sample_sizes(dims, batch)
    return Data("", Shape(sizes[0], sizes[1:]), tuple(range(len(sizes) + 1)))


def order_like(dims: Sizes, batch: int, reads: Sequence[Data]) -> Data | None:
    """Return the data of a tensor with the same arrangement as all of `reads`; None if their arrangements differ."""
    first = reads[0]
    if any((data.order, data.view) != (first.order, first.view) for data in reads):
        return None
    if first.view is not None:
        return first._replace(step="") if dims == first.list_dims(batch) else None
    if len(dims) != len(first.order) or dims[0] != batch or first.order[0]:
        return None
    return Data("", order_shape(dims, first.order), first.order)


def find_sample_sizes(dims: Sizes, batch: int) -> Sizes:
    """Return the shape of one sample of a tensor with sizes `dims`: without the first axis if that is the batch.

    If the first axis is a multiple of the batch size, as for windows of an image, it is divided by the batch size.
    If only the number of elements is such a multiple, the sample is a vector. Otherwise the whole tensor is one
    sample. A shape with no axes, too many axes or a size of 0 becomes a vector.
    """
    if len(dims) > 1 and dims[0] == batch:
        sizes = dims[1:]
    elif batch > 1 and dims and dims[0] and dims[0] % batch == 0:
        sizes = (dims[0] // batch, *dims[1:])
    elif batch > 1 and prod(dims) % batch == 0:
        sizes = (prod(dims) // batch,)
    else:
        sizes = dims
    return sizes if 1 <= len(sizes) <= MOST_AXES + 1 and all(sizes) else (max(prod(sizes), 1),)
