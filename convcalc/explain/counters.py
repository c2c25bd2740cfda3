"""Computes the totals that other tools print, term by term, from convcalc's own counts."""

from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.explain.amounts import count_macs
from convcalc.explain.tools import CONVOLUTIONS, KERAS, TOOLS, Tool


class Reconciled(NamedTuple):
    """How a tool's total for a network follows from convcalc's MACs or params.

    `basis` is `MACs` or `params`, `ours` is convcalc's number, and `terms` are the differences other than 0.
    """

    tool: Tool
    basis: str
    ours: int
    terms: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The total that the tool prints."""
        return self.ours + sum(amount for _, amount in self.terms)


def reconcile_tools(report: Report) -> list[Reconciled]:
    """Return how each tool's total for one sample follows from convcalc's MACs (for Keras: from the params)."""
    layers = [layer.layer for layer in report.layers]
    macs = sum(map(count_macs, layers))
    found = []
    for tool in TOOLS:
        sums = [
            (term.what, sum(term.amount(layer) for layer in layers if layer.kind in term.kinds)) for term in tool.terms
        ]
        found.append(Reconciled(tool, "MACs", macs, tuple((what, amount) for what, amount in sums if amount)))
    statistics = tuple((term.what, report.totals.buffers) for term in KERAS.terms if report.totals.buffers)
    return [*found, Reconciled(KERAS, "params", report.totals.params, statistics)]


def count_untraced_macs(report: Report) -> int:
    """Return how many MACs fvcore does not count if convolutions are written with padding="same"."""
    layers = [layer.layer for layer in report.layers if layer.kind in CONVOLUTIONS]
    return sum(count_macs(layer) for layer in layers if layer.given.get("padding") == "same")
