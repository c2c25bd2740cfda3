"""Linear layers in a row that are one."""

from collections.abc import Iterator
from typing import TypeGuard

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import sole_reads
from convcalc.layers.base import Layer, SumOfProducts
from convcalc.network import Node
from convcalc.problems import Problem, Related


class StackedLinear(Rule):
    """Two linear layers or 1×1 convolutions with nothing between, where one would do at no greater cost.

    What they compute together one linear layer computes too. Where the first has so few outputs that both together
    have fewer params or MACs than the one (a low-rank factorisation), there is no finding.
    """

    code = "CV208"
    name = "stacked-linear"
    why = "Without a nonlinearity between them two linear layers are one, at the cost of two."
    source = (
        'Goodfellow, Bengio and Courville 2016, "Deep learning", 6.3.3: a composition of linear maps is '
        "linear, and pays only as a factorisation of fewer params."
    )
    wrong = """\
input: [512]
layers:
  - linear: {out_features: 256}
  - linear: {out_features: 10}
"""
    right = """\
input: [512]
layers:
  - linear: {out_features: 256}
  - relu
  - linear: {out_features: 10}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each second layer of a pair."""
        network = report.network
        shared = {node.owner for node in network.nodes}
        for reader, giver in sole_reads(network).items():
            first, second = network.nodes[giver], network.nodes[reader]
            alone = first.owner is None and second.owner is None and not {giver, reader} & shared
            if not alone or first.frozen != second.frozen:
                continue
            if is_mixing(first.layer) and is_mixing(second.layer):
                params = report.layers[giver].params + report.layers[reader].params
                macs = first.layer.macs() + second.layer.macs()
                one_params, one_macs = as_one(first.layer, second.layer)
                if one_params <= params and one_macs <= macs:
                    yield self.pair(first, second, params - one_params)

    def pair(self, first: Node, second: Node, saved: int) -> Problem:
        """The finding of a pair."""
        message = (
            f"{first.name} and {second.name} have nothing between them: one layer of {second.layer.output.channels} "
            f"outputs computes the same with {saved:,} params less"
        )
        return self.finding(
            second.path,
            message,
            "put an activation between them, or take the first out",
            related=(Related(first.path, "the first is here"),),
        )


def is_mixing(layer: Layer) -> TypeGuard[SumOfProducts]:
    """Whether a layer is linear, or a 1×1 convolution of all channels without padding."""
    if layer.kind == "linear":
        return True
    if layer.kind not in ("conv", "pointwise_conv") or getattr(layer, "groups", 1) != 1:
        return False
    taps = getattr(layer, "kernel_size", (1,))
    padding = getattr(layer, "padding", ())
    return set(taps) == {1} and not any(map(any, padding))


def as_one(first: Layer, second: Layer) -> tuple[int, int]:
    """The params, and the MACs of a sample, of one layer in place of two."""
    weights = first.input.channels * second.output.channels
    biased = bool(first.bias_tensors() or second.bias_tensors())
    return weights + biased * second.output.channels, weights * second.output.positions
