"""Outputs of layers that nobody reads."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import readers
from convcalc.problems import Problem


class UnreadOutput(Rule):
    """A layer's output that no layer reads and that does not leave the network.

    What leaves is named by `outputs`; without it, it is the last layer's output alone. `like` takes a size and reads
    nothing.
    """

    code = "CV207"
    name = "unread-output"
    why = "What it computes is lost, and its params are never trained: a from is missing, or an entry in outputs."
    source = "Follows from the network as it is wired: no gradient reaches a layer that no output depends on."
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, name: skip}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, from: input}
  - relu
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, name: skip}
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, from: input}
  - relu
  - add: {from: [previous, skip]}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each layer whose output is lost."""
        network = report.network
        first, leaving = len(network.inputs), set(network.outputs.values())
        for tensor, reading in enumerate(readers(network)):
            if tensor >= first and not reading and tensor not in leaving:
                node = network.nodes[tensor - first]
                message = f"nothing reads {node.name} ({node.layer.output}), and it does not leave the network"
                yield self.finding(node.path, message, "name it in a from or in outputs, or take it out")
