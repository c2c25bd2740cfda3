"""CV209 finds instance norms of maps that have only one position."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.norm import InstanceNorm
from convcalc.problems import Problem


class InstanceNormOfAPoint(Rule):
    """An instance norm normalises a map with only one position, so its output is always zero (if affine, its bias).

    The mean of one value is the value itself, so subtracting it leaves zero.
    """

    code = "CV209"
    name = "instance-norm-of-a-point"
    severity = "error"
    why = "The output does not depend on the input; in training, PyTorch raises an error."
    source = (
        'Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization": mean and variance are taken over the '
        "positions of a channel; torch.nn.functional.instance_norm (Expected more than 1 spatial element when "
        "training)"
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
        """Yield a finding for each instance norm of a map with one position."""
        for node in report.network.nodes:
            layer = node.layer
            if isinstance(layer, InstanceNorm) and layer.input.positions == 1:
                given = "its bias" if layer.affine else "zero"
                message = (
                    f"{node.name} normalises one position per channel ({layer.input}): its output is always {given}"
                )
                yield self.finding(node.path, message, "normalise before the pooling, or across channels (layernorm)")
