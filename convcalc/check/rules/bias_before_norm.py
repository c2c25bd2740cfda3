"""Biases that a batch norm takes off again."""

from collections import Counter
from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import sole_reads
from convcalc.layers.base import Bias
from convcalc.layers.norm import BatchNorm
from convcalc.network import Network, Node
from convcalc.problems import Fix, Problem


class BiasBeforeNorm(Rule):
    """A bias of a convolution or linear layer that a batch norm alone reads.

    The batch norm subtracts the mean, and the bias with it. Published networks have such biases: Keras has them by
    default, and so do all reference networks of MLPerf Tiny. They cost little and do no harm, so this is a note.
    """

    code = "CV206"
    name = "bias-before-norm"
    severity = "note"
    why = "The params of the bias have no effect; the shift of the batch norm does their work."
    source = (
        'Ioffe and Szegedy 2015, "Batch normalization", 3.2: the bias "can be ignored since its effect will be '
        'canceled by the subsequent mean subtraction".'
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
        """Each layer with such a bias."""
        network = report.network
        found = list(biased(network))
        laid = Counter(node.path for node in network.nodes)
        laid.subtract(node.path for node, _ in found)
        for node, norm in found:
            message = f"{norm.name} takes the bias of {node.name} off again: {sum(node.layer.bias_tensors()):,} params"
            # of an entry that is laid several times the bias can go only where a batch norm follows each time
            fix = None if laid[node.path] else Fix("argument", "bias: false", norm.path)
            yield self.finding(node.path, message, "write bias: false")._replace(fix=fix)


def biased(network: Network) -> Iterator[tuple[Node, Node]]:
    """The layers with such a bias, each with its batch norm."""
    shared = {node.owner for node in network.nodes}
    for reader, giver in sole_reads(network).items():
        node, norm = network.nodes[giver], network.nodes[reader]
        layer = node.layer
        if not isinstance(norm.layer, BatchNorm) or not isinstance(layer, Bias) or not layer.bias:
            continue
        # a locally connected layer has a bias a position, of which the batch norm takes off the mean alone
        if layer.kind != "locally_connected" and node.owner is None and giver not in shared and not norm.frozen:
            yield node, norm
