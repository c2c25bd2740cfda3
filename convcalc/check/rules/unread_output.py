"""CV207 finds layers whose output is not used."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import list_readers
from convcalc.problems import Problem


class UnreadOutput(Rule):
    """The output of a layer is neither read by another layer nor an output of the network.

    The outputs of the network are the layers listed in `outputs`; without that list, the last layer is the only output.
    A layer that takes only its size from another layer, with `like`, does not read that layer.
    """

    code = "CV207"
    name = "unread-output"
    why = (
        "The output is lost, and the layer's params are never trained. Usually a `from`, or an entry in `outputs`, is "
        "missing."
    )
    source = "Follows from the wiring: a layer that no output depends on gets no gradient"
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
