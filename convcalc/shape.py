"""Defines the shape of one sample of a tensor: `Shape(64, (56, 56))` has 64 channels and 56×56 positions."""

from math import prod
from typing import NamedTuple

AXIS_NAMES: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}
MOST_AXES = max(AXIS_NAMES)


class Shape(NamedTuple):
    """The channels (or features) and the sizes of the spatial axes of one sample. A vector has no spatial axes."""

    channels: int
    spatial: tuple[int, ...] = ()

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.spatial)

    @property
    def positions(self) -> int:
        """The number of spatial positions; 1 for a vector."""
        return prod(self.spatial)

    @property
    def elements(self) -> int:
        """The number of elements: channels × positions."""
        return self.channels * prod(self.spatial)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes, channels first."""
        return (self.channels, *self.spatial)

    def __str__(self) -> str:
        return "×".join(map(str, self.sizes))


def axis_name(axis: int, axes: int) -> str:
    """Return the name of axis number `axis` of a shape with `axes` spatial axes: `height` for axis 0 of 2."""
    return AXIS_NAMES[axes][axis]
