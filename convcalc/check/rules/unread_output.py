"""CV207: layers whose output is not used."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import list_readers
from convcalc.problems import Problem


class UnreadOutput(Rule):
    """No layer reads the output of a layer, and it is not an output of the network.

    The outputs of the network are those listed in `outputs`; without that list, only the output of the last layer.
    `like` takes the size of a layer's output and does not count as reading it.
    """

    code = "CV207"
    name = "unread-output"
    why = "The result is lost and the layer's params are never trained: a `from` is missing, or an entry in `outputs`."
    source = "Follows from the wiring: no gradient reaches a layer that no output depends on."
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
        """Yield a finding for each layer whose output is not used."""
        network = report.network
        first, leaving = len(network.inputs), set(network.outputs.values())
        for tensor, reading in enumerate(list_readers(network)):
            if tensor >= first and not reading and tensor not in leaving:
                node = network.nodes[tensor - first]
                message = f"the output of {node.name} ({node.layer.output}) is not used by any layer or output"
                yield self.finding(node.path, message, "list it in a from or in outputs, or remove the layer")
