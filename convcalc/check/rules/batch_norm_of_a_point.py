"""Batch norm of a map that is one position."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.norm import BatchNorm
from convcalc.problems import Problem


class BatchNormOfAPoint(Rule):
    """A batch norm reads a map of one position, so that its statistics come from the batch alone.

    Vectors are left alone, where that is what is meant; so are frozen batch norms, which take no statistics.
    """

    code = "CV306"
    name = "batch-norm-of-a-point"
    severity = "note"
    default = False
    why = (
        "In training, mean and variance of a channel are then of as many values as there are samples: of few they are "
        "inaccurate, and of one sample PyTorch stops (Expected more than 1 value per channel when training). At "
        "inference nothing is wrong."
    )
    source = 'Wu and He 2018, "Group normalization" (small batches); torch.nn.functional.batch_norm'
    wrong = """\
input: [64, 14, 14]
layers:
  - global_avgpool
  - conv: {out_channels: 32, kernel_size: 1, bias: false}
  - batchnorm
  - relu
"""
    right = """\
input: [64, 14, 14]
layers:
  - global_avgpool
  - conv: {out_channels: 32, kernel_size: 1}
  - relu
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Every such batch norm."""
        for node in report.network.nodes:
            shape = node.layer.input
            if isinstance(node.layer, BatchNorm) and shape.axes and shape.positions == 1 and not node.frozen:
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} reads {shape}, one value a channel and sample: "
                    "its statistics come from the batch alone",
                    "train with large batches, use groupnorm, or leave it out and give the layer before it a bias",
                )
