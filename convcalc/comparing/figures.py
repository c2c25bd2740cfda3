"""The figures in which two networks are compared, each exact, and None where it is not known."""

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


class Figure(NamedTuple):
    """One figure of both networks: a count, bytes, or positions of the input."""

    old: int | None
    new: int | None

    @property
    def change(self) -> int | None:
        """How much it grew; None where it is not known."""
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def relative(self) -> Fraction | None:
        """How much it grew as a part of what it was; None where that is not known, or something came of nothing."""
        change = self.change
        if change is None or (change and not self.old):
            return None
        return Fraction(change, self.old or 1)


def figures_of(report: Report) -> dict[str, int | None]:
    """All figures of a network; of a receptive field the largest side."""
    return {name: figure(report, name) for name in FIGURES}


def figure(report: Report, name: str) -> int | None:
    """One figure of a network."""
    if name == "training_memory":
        return report.training().total
    if name == "receptive_field":
        size = report.totals.field.size
        return None if size is None else max(size, default=0)
    return budgets.figure(report, name)
