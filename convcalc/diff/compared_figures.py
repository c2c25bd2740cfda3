"""Defines `FigurePair`, the old and the new value of a metric, and computes the exact change between them."""

from fractions import Fraction
from typing import NamedTuple


class FigurePair(NamedTuple):
    """The old and the new value of a metric: a count, bytes of memory, nanoseconds, or the size of the receptive field.

    None means unknown. `same` says that the values mean the same although they may differ: receptive fields that are
    the whole input are equal whatever its size.
    """

    old: int | None
    new: int | None
    same: bool = False

    @property
    def is_equal(self) -> bool:
        """Whether the values are equal or mean the same; also if both are unknown."""
        return self.same or self.old == self.new

    @property
    def change(self) -> int | None:
        """The new value minus the old one, 0 if they mean the same; None if either is unknown."""
        if self.same:
            return 0
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def relative(self) -> Fraction | None:
        """The change divided by the old value; 0 if there is no change.

        It is None if a value is unknown, or if the old value is 0 and the new one is not.
        """
        change = self.change
        if change is None or (change and not self.old):
            return None
        return Fraction(change, self.old or 1)
