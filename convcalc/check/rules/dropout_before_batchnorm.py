"""CV210 finds batch norms whose running variance is distorted by a dropout."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.activation import Dropout
from convcalc.layers.norm import BatchNorm
from convcalc.network import Network, Node
from convcalc.problems import Problem, Related


class DropoutBeforeBatchnorm(Rule):
    """A batch norm directly follows a dropout.

    Nothing is reported if the dropout has p = 0, or if the batch norm has no running statistics. Nor is anything
    reported if a convolution or linear layer is between the two, as in published networks: such a layer sums over many
    values, which reduces the effect.
    """

    code = "CV210"
    name = "dropout-before-batchnorm"
    why = (
        "Dropout changes the variance of the values in training only. At inference, the running variance of the batch "
        "norm therefore does not match them."
    )
    source = (
        'Li et al. 2019, "Understanding the disharmony between dropout and batch normalization by variance shift", '
        "which recommends dropout after the last batch norm, and finds a smaller shift if many features are summed"
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
        """Yield a finding for each batch norm directly after a dropout."""
        network = report.network
        for node in network.nodes:
            if isinstance(node.layer, BatchNorm) and node.layer.track_running_stats:
                dropout = _find_dropout_before(network, node)
                if dropout is not None:
                    message = (
                        f"{node.name} learns a variance that {dropout.name} changes in training but not at inference"
                    )
                    related = (Related(dropout.path, "the dropout is here"),)
                    hint = "move the dropout after the last batchnorm"
                    yield self.finding(node.path, message, hint, related=related)


def _find_dropout_before(network: Network, norm: Node) -> Node | None:
    index = norm.reads[0] - len(network.inputs)
    before = network.nodes[index] if index >= 0 else None
    return before if before is not None and isinstance(before.layer, Dropout) and before.layer.p else None
