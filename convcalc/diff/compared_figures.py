"""Defines `FigurePair`, the old and the new value of a metric, and computes the exact change between them."""

from fractions import Fraction
from typing import NamedTuple


class FigurePair(NamedTuple):
    """The old and the new value of a metric, such as params, bytes of memory, or the size of the receptive field.

    None means unknown.
    """

    old: int | None
    new: int | None

    @property
    def change(self) -> int | None:
        """The new value minus the old one; None if either is unknown."""
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
