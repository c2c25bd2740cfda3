"""CV308 finds networks whose fully connected layers hold most of the params."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers import FAMILIES
from convcalc.layers.linear import Linear
from convcalc.problems import Problem

_CONVOLUTIONS = FAMILIES["convolution"]


class HeavyHead(Rule):
    """The fully connected layers of a convolutional network hold more than half of its params.

    A network has at most one such finding, which is reported at the largest fully connected layer. Weights shared by
    several layers count once.
    """

    code = "CV308"
    name = "heavy-head"
    severity = "note"
    default = False
    why = (
        "A linear layer after flatten has a weight per output, channel and position. Such layers are prone to "
        "overfitting and depend on dropout; global average pooling has no params and is less prone to overfitting. "
        "SqueezeNet has no fully connected layers at all."
    )
    source = 'Lin, Chen and Yan 2014, "Network in network" (3.2); Iandola et al. 2016, "SqueezeNet"'
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - flatten
  - linear: {out_features: 10}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - relu
  - global_avgpool
  - flatten
  - linear: {out_features: 10}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield one finding, at the largest linear layer, if the linear layers hold more than half of the params."""
        linear = [
            index
            for index, layer in enumerate(report.layers)
            if isinstance(layer.layer, Linear) and not layer.layer.input.axes
        ]
        held, total = sum(report.layers[index].params for index in linear), report.totals.params
        if 2 * held <= total or not any(isinstance(layer.layer, _CONVOLUTIONS) for layer in report.layers):
            return
        largest = max(linear, key=lambda index: report.layers[index].params)
        yield self.finding(
            report.network.nodes[largest].path,
            f"fully connected layers hold {held:,} of {total:,} params ({100 * held / total:.1f}%)",
            "put a global_avgpool before the first of them, so that it has only one input per channel",
        )
