"""Sums up the opaque layers of an imported network: how many there are, and their share of the MACs."""

from typing import NamedTuple

from convcalc.convert.graph import Graph, plain_spec
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network


class OpaqueSummary(NamedTuple):
    """The opaque layers of a network.

    `layers` is the number of opaque layers, and `unknown` the number of those whose MACs or FLOPs are unknown. `macs`
    is the sum of the opaque layers' MACs, and `total_macs` that of all layers, both per sample; unknown MACs count as
    0.
    """

    layers: int
    unknown: int
    macs: int
    total_macs: int

    def describe(self) -> str:
        """Return the number of layers and their cost, such as `2 opaque layers, with 2.1% of the MACs`."""
        counted = f"{self.layers} opaque layer{'' if self.layers == 1 else 's'}"
        if self.unknown:
            return f"{counted}, {self.unknown} of unknown cost: the totals of MACs and FLOPs are unknown"
        if not self.macs:
            return f"{counted} without MACs: all totals are known"
        return f"{counted}, with {self.macs / self.total_macs:.1%} of the MACs: all totals are known"


def summarise_opaque(graph: Graph) -> OpaqueSummary:
    """Return the summary of the opaque layers of a graph, which must be valid as a spec."""
    layers = [node.layer for node in read_network(Document(plain_spec(graph))).nodes]
    opaque = [layer for layer in layers if layer.kind == "opaque"]
    unknown = sum(
        None in (layer.count_macs(), layer.count_multiplications(), layer.count_additions()) for layer in opaque
    )
    macs, total = (sum(layer.count_macs() or 0 for layer in those) for those in (opaque, layers))
    return OpaqueSummary(len(opaque), unknown, macs, total)
