"""CV208 finds consecutive linear layers that could be replaced by one."""

from collections.abc import Iterator
from typing import TypeGuard

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import find_sole_readers
from convcalc.layers.base import Layer
from convcalc.layers.mixins import SumOfProducts
from convcalc.network import Node
from convcalc.problems import Problem, Related


class StackedLinear(Rule):
    """Two consecutive linear layers or 1×1 convolutions could be replaced by a single one at no greater cost.

    A single layer can compute the same function. Nothing is reported if the first layer has so few outputs that the two
    layers together have fewer params or MACs than the single layer would have (a low-rank factorisation).
    """

    code = "CV208"
    name = "stacked-linear"
    why = "Without a nonlinearity between them, two linear layers are equivalent to one, at the cost of two."
    source = (
        'Goodfellow, Bengio and Courville 2016, "Deep learning", 6.3.3: a composition of linear maps is linear, and '
        "is useful only as a factorisation with fewer params"
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
        """Yield a finding for each pair of layers that one layer could replace, at the second of the two."""
        network = report.network
        shared = {node.owner for node in network.nodes}
        for reader, producer in find_sole_readers(network).items():
            first, second = network.nodes[producer], network.nodes[reader]
            alone = first.owner is None and second.owner is None and not {producer, reader} & shared
            if not alone or first.frozen != second.frozen:
                continue
            if _is_linear_or_1x1(first.layer) and _is_linear_or_1x1(second.layer):
                params = report.layers[producer].params + report.layers[reader].params
                macs = first.layer.count_macs() + second.layer.count_macs()
                one_params, one_macs = _count_cost_of_merged_layer(first.layer, second.layer)
                if one_params <= params and one_macs <= macs:
                    yield self._pair_finding(first, second, params - one_params)

    def _pair_finding(self, first: Node, second: Node, saved: int) -> Problem:
        message = (
            f"{first.name} and {second.name} have nothing between them: one layer with {second.layer.output.channels} "
            f"outputs computes the same with {saved:,} fewer params"
        )
        return self.finding(
            second.path,
            message,
            "put an activation between them, or remove the first",
            related=(Related(first.path, "the first is here"),),
        )


def _is_linear_or_1x1(layer: Layer) -> TypeGuard[SumOfProducts]:
    """Whether a layer is linear, or a 1×1 convolution with one group and no padding."""
    if layer.kind == "linear":
        return True
    if layer.kind not in ("conv", "pointwise_conv") or getattr(layer, "groups", 1) != 1:
        return False
    taps = getattr(layer, "kernel_size", (1,))
    padding = getattr(layer, "padding", ())
    return set(taps) == {1} and not any(map(any, padding))


def _count_cost_of_merged_layer(first: Layer, second: Layer) -> tuple[int, int]:
    """Return the params, and the MACs per sample, of the single layer that could replace both layers."""
    weights = first.input.channels * second.output.channels
    biased = bool(first.bias_tensors() or second.bias_tensors())
    return weights + biased * second.output.channels, weights * second.output.positions
