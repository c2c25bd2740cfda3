"""Defines `Data`, the output of a layer and the order in which an imported file has its axes."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from convcalc.convert.operators import Sizes
from convcalc.convert.positions import Axes
from convcalc.shape import MOST_AXES, Shape


class Data(NamedTuple):
    """A tensor produced by a step, with the order of its axes in the file.

    `order` has one number per axis in the file: 0 for the batch, 1 for the channels, 2 and more for the spatial axes.
    It is (0, 1, 2, 3) if the channels are first and (0, 2, 3, 1) if they are last.
    """

    step: str
    shape: Shape
    order: Sizes

    @property
    def standard(self) -> bool:
        """Whether the axes in the file are in the order batch, channels, spatial axes."""
        return self.order == tuple(range(len(self.order)))


def _has_positions_of(output: Data, data: Data) -> bool:
    """Whether `output` has the axis order of `data`, and each spatial size of `data` is 1 or that of `output`."""
    sizes, own = output.shape.spatial, data.shape.spatial
    return (
        output.order == data.order
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
    """Return the axes in the file that are spatial axes of the layer's output."""
    return frozenset(axis for axis, place in enumerate(data.order) if place > 1)


def channels_last(rank: int) -> Sizes:
    """Return the order of the axes of a tensor with the channels last, see Data: (0, 2, 3, 1) for four axes."""
    return (0, *range(2, rank), 1)


def order_shape(dims: Sizes, order: Sizes) -> Shape:
    """Return the shape of one sample of a tensor with the sizes `dims` and the axis order `order`, see Data."""
    channels, *spatial = (size for _, size in sorted(zip(order, dims, strict=True))[1:])
    return Shape(channels, tuple(spatial))


def make_unordered(dims: Sizes, batch: int) -> Data:
    """Return the data of a tensor with unknown axis order: the first axis after the batch becomes the channels."""
    sizes = find_sample_sizes(dims, batch)
    return Data("", Shape(sizes[0], sizes[1:]), tuple(range(len(sizes) + 1)))


def order_like(dims: Sizes, batch: int, reads: Sequence[Data]) -> Data | None:
    """Return the data of a tensor with the same axis order as all of `reads`; None if their axis orders differ."""
    order = reads[0].order
    if any(data.order != order for data in reads) or len(dims) != len(order) or dims[0] != batch or order[0]:
        return None
    return Data("", order_shape(dims, order), order)


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
