"""Activations that are applied twice."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers import FAMILIES
from convcalc.problems import Problem, Related

ACTIVATIONS = {kind.kind for kind in FAMILIES["activation"]}
UNCHANGED = {"relu", "relu6", "hardtanh", "log_softmax"}  # f(f(x)) = f(x)


class RepeatedActivation(Rule):
    """The same activation twice in a row.

    The second relu, relu6, hardtanh or log_softmax changes nothing; any other, such as softmax or sigmoid, changes
    what the first gave once more, which is hardly meant.
    """

    code = "CV212"
    name = "repeated-activation"
    why = "The second does nothing, or distorts: a sigmoid of a sigmoid lies between 0.5 and 0.74."
    source = (
        "Follows from the formulas: relu(relu(x)) = relu(x), and sigmoid maps 0 … 1 to 0.5 … 0.731; "
        "torch.nn.CrossEntropyLoss expects scores to which no softmax was applied."
    )
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3}
  - relu
  - relu
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3}
  - relu
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each second activation."""
        network = report.network
        for node in network.nodes:
            before = node.reads[0] - len(network.inputs)
            if before < 0 or node.layer.kind not in ACTIVATIONS:
                continue
            first = network.nodes[before]
            if first.layer.kind == node.layer.kind:
                effect = "changes nothing" if node.layer.kind in UNCHANGED else "is applied to its own result"
                message = f"{node.name} {effect}: {first.name} is a {node.layer.kind} too"
                related = (Related(first.path, "the first is here"),)
                yield self.finding(node.path, message, "take one of them out", related=related)
