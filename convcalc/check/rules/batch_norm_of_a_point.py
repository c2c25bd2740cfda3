"""CV306 finds batch norms of maps that have only one position."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.norm import BatchNorm
from convcalc.problems import Problem


class BatchNormOfAPoint(Rule):
    """A batch norm normalises a map with only one position, so its statistics come from the batch alone.

    A batch norm of a vector is not reported, because its statistics are meant to come from the batch alone; nor is a
    frozen batch norm, which computes no statistics.
    """

    code = "CV306"
    name = "batch-norm-of-a-point"
    severity = "note"
    default = False
    why = (
        "In training, the mean and variance of a channel are then computed from one value per sample: with few "
        "samples they are inaccurate, and with a single sample PyTorch raises an error (Expected more than 1 value "
        "per channel when training). Inference is not affected."
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
        """Yield a finding for each batch norm of a map with one position."""
        for node in report.network.nodes:
            shape = node.layer.input
            if isinstance(node.layer, BatchNorm) and shape.axes and shape.positions == 1 and not node.frozen:
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} normalises {shape}, one value per channel and sample: "
                    "its statistics come from the batch only",
                    "train with large batches, use groupnorm, or remove it and give the layer before it a bias",
                )
