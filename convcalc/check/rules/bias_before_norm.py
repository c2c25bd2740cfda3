"""CV206 finds biases that the following batch norm cancels."""

from collections import Counter
from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import find_sole_readers
from convcalc.layers.mixins import Bias
from convcalc.layers.norm import BatchNorm
from convcalc.network import Network, Node
from convcalc.problems import Fix, Problem


class BiasBeforeNorm(Rule):
    """A convolution or linear layer has a bias, but only a batch norm reads its output.

    When the batch norm subtracts the mean, it also subtracts the bias. Such biases occur in published networks, because
    Keras adds them by default; all MLPerf Tiny reference networks have them. They cost little and do no harm, so the
    severity is only note.
    """

    code = "CV206"
    name = "bias-before-norm"
    severity = "note"
    why = "The bias has no effect: the batch norm cancels it, and adds a bias of its own."
    source = (
        'Ioffe and Szegedy 2015, "Batch normalization", 3.2: the bias "can be ignored since its effect will be '
        'canceled by the subsequent mean subtraction"'
    )
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - batchnorm
  - relu
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}
  - batchnorm
  - relu
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each cancelled bias.

        It has a fix if the bias is cancelled in every layer that is built from the same entry of the spec.
        """
        network = report.network
        found = list(_find_cancelled_biases(network))
        other_uses = Counter(node.path for node in network.nodes)
        other_uses.subtract(node.path for node, _ in found)
        for node, norm in found:
            message = (
                f"{norm.name} cancels the bias of {node.name}: {sum(node.layer.bias_tensors()):,} params without effect"
            )
            # an entry that is used several times can lose its bias only if a batch norm follows every use
            fix = None if other_uses[node.path] else Fix("argument", "bias: false", norm.path)
            yield self.finding(node.path, message, "set bias: false")._replace(fix=fix)


def _find_cancelled_biases(network: Network) -> Iterator[tuple[Node, Node]]:
    shared = {node.owner for node in network.nodes}
    for reader, producer in find_sole_readers(network).items():
        node, norm = network.nodes[producer], network.nodes[reader]
        layer = node.layer
        if not isinstance(norm.layer, BatchNorm) or not isinstance(layer, Bias) or not layer.bias:
            continue
        # a locally connected layer has one bias per position; a batch norm cancels only their mean
        if layer.kind != "locally_connected" and node.owner is None and producer not in shared and not norm.frozen:
            yield node, norm
