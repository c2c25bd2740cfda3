"""CV212 finds activations that are applied twice in a row."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers import FAMILIES
from convcalc.problems import Problem, Related

_ACTIVATIONS = {kind.kind for kind in FAMILIES["activation"]}
_IDEMPOTENT = {"relu", "relu6", "hardtanh", "log_softmax"}  # f(f(x)) = f(x)


class RepeatedActivation(Rule):
    """The same activation is applied twice in a row.

    A second relu, relu6, hardtanh or log_softmax changes nothing. Any other activation, such as softmax or sigmoid,
    changes the values a second time, which is rarely intended.
    """

    code = "CV212"
    name = "repeated-activation"
    why = (
        "The second activation has no effect or distorts the values: a sigmoid of a sigmoid lies between 0.5 and 0.731."
    )
    source = (
        "Follows from the formulas: relu(relu(x)) = relu(x), and sigmoid maps 0 … 1 to 0.5 … 0.731; "
        "torch.nn.CrossEntropyLoss expects scores without softmax"
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
        """Yield a finding for each activation that directly follows another one of the same kind."""
        network = report.network
        for node in network.nodes:
            before = node.reads[0] - len(network.inputs) if node.reads else -1
            if before < 0 or node.layer.kind not in _ACTIVATIONS:
                continue
            first = network.nodes[before]
            if first.layer.kind == node.layer.kind:
                effect = "changes nothing" if node.layer.kind in _IDEMPOTENT else "repeats the activation"
                message = f"{node.name} {effect}: it directly follows {first.name}, which is also {node.layer.kind}"
                related = (Related(first.path, "the first is here"),)
                yield self.finding(node.path, message, "remove one of them", related=related)
