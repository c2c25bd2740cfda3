"""A figure of two networks and how it changes, exact, or None if unknown."""

from fractions import Fraction
from typing import NamedTuple


class FigurePair(NamedTuple):
    """A figure of the old and of the new network: a count, bytes, or input positions; None if unknown."""

    old: int | None
    new: int | None

    @property
    def change(self) -> int | None:
        """New minus old; None if unknown."""
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def relative(self) -> Fraction | None:
        """The change divided by the old value; None if unknown, or if the old value is 0 and the new one is not."""
        change = self.change
        if change is None or (change and not self.old):
            return None
        return Fraction(change, self.old or 1)
