"""The shape of one sample of a tensor."""

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
    """Channels (or features) and the sizes of the spatial axes; a vector has no spatial axes."""

    channels: int
    spatial: tuple[int, ...] = ()

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.spatial)

    @property
    def positions(self) -> int:
        """Spatial positions: 1 of a vector."""
        return prod(self.spatial)

    @property
    def elements(self) -> int:
        """Channels × positions."""
        return self.channels * prod(self.spatial)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes, channels first."""
        return (self.channels, *self.spatial)

    def __str__(self) -> str:
        return "×".join(map(str, self.sizes))


def axis_name(axis: int, axes: int) -> str:
    """The name of an axis among so many: `height` is axis 0 of 2."""
    return AXIS_NAMES[axes][axis]
