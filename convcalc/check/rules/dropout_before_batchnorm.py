"""Dropout whose change of variance a batch norm learns."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.activation import Dropout
from convcalc.layers.norm import BatchNorm
from convcalc.network import Network, Node
from convcalc.problems import Problem, Related


class DropoutBeforeBatchnorm(Rule):
    """A batch norm that reads directly what a dropout gives.

    A dropout with p 0, and a batch norm that keeps no running statistics, are no finding. Nor is a convolution or
    linear layer between the two: it sums over many dropped values, and published networks have it.
    """

    code = "CV210"
    name = "dropout-before-batchnorm"
    why = "Dropout changes the variance in training only: at inference the running variance is not that of the values."
    source = (
        'Li et al. 2019, "Understanding the disharmony between dropout and batch normalization by variance shift", '
        "which advises dropout after the last batch norm, and finds the shift smaller where many features are summed."
    )
    wrong = """\
input: [256]
layers:
  - linear: {out_features: 128, bias: false}
  - dropout: {p: 0.5}
  - batchnorm
  - relu
"""
    right = """\
input: [256]
layers:
  - linear: {out_features: 128, bias: false}
  - batchnorm
  - relu
  - dropout: {p: 0.5}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each such batch norm."""
        network = report.network
        for node in network.nodes:
            if isinstance(node.layer, BatchNorm) and node.layer.track_running_stats:
                dropout = dropout_before(network, node)
                if dropout is not None:
                    message = f"{node.name} learns the variance of what {dropout.name} drops, which inference has not"
                    related = (Related(dropout.path, "the dropout is here"),)
                    hint = "put the dropout after the last batchnorm"
                    yield self.finding(node.path, message, hint, related=related)


def dropout_before(network: Network, norm: Node) -> Node | None:
    """The dropout that a batch norm reads, None where it reads something else."""
    index = norm.reads[0] - len(network.inputs)
    before = network.nodes[index] if index >= 0 else None
    return before if before is not None and isinstance(before.layer, Dropout) and before.layer.p else None
