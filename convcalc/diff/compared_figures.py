"""The figures by which two networks are compared, each exact, or None if unknown."""

from fractions import Fraction
from typing import NamedTuple

from convcalc.analysis import budgets
from convcalc.analysis.report import COUNTS, Report

FIGURES = (
    "layers",
    *COUNTS,
    "weight_memory",
    "activation_memory",
    "peak_memory",
    "training_memory",
    "receptive_field",
)


class FigurePair(NamedTuple):
    """One figure of both networks: a count, bytes, or input positions."""

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


def figures_of(report: Report) -> dict[str, int | None]:
    """Return all figures of a network; for the receptive field, its largest side."""
    return {name: figure(report, name) for name in FIGURES}


def figure(report: Report, name: str) -> int | None:
    """Return one figure of a network; None if unknown."""
    if name == "training_memory":
        return report.training().total
    if name == "receptive_field":
        size = report.totals.receptive_field.size
        return None if size is None else max(size, default=0)
    return budgets.figure(report, name)
