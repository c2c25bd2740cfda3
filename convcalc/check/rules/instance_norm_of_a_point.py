"""Instance norms of maps of one position."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.norm import InstanceNorm
from convcalc.problems import Problem


class InstanceNormOfAPoint(Rule):
    """An instance norm of a map of one position, whose mean is the value itself: it gives 0 (its shift, if affine)."""

    code = "CV209"
    name = "instance-norm-of-a-point"
    severity = "error"
    why = "Nothing of the input is left; PyTorch refuses it in training."
    source = (
        'Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization": mean and variance are over the positions of '
        "a channel; torch.nn.functional.instance_norm (Expected more than 1 spatial element when training)."
    )
    wrong = """\
input: [64, 8, 8]
layers:
  - global_avgpool
  - instancenorm
"""
    right = """\
input: [64, 8, 8]
layers:
  - instancenorm
  - global_avgpool
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each such norm."""
        for node in report.network.nodes:
            layer = node.layer
            if isinstance(layer, InstanceNorm) and layer.input.positions == 1:
                given = "its learnt shift" if layer.affine else "zero"
                message = f"{node.name} normalises one position a channel ({layer.input}): it always gives {given}"
                yield self.finding(node.path, message, "normalise before the pooling, or over channels (layernorm)")
