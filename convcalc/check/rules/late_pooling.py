"""CV211 finds 1×1 convolutions that could come after the following global average pooling."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import find_sole_readers
from convcalc.layers.base import Layer
from convcalc.problems import Problem, Related


class LatePooling(Rule):
    """A 1×1 convolution comes directly before a global average pooling, but could come after it.

    Both layers are linear, so pooling first produces the same values, also with a bias. Nothing is reported if the
    convolution pads, if there is an activation or a norm between the two (the order then matters), or if another layer
    also reads the output of the convolution.
    """

    code = "CV211"
    name = "late-pooling"
    why = "Pooling first produces the same result, but the convolution is then computed at one position instead of all."
    source = (
        'Both layers are linear. Howard et al. 2019, "Searching for MobileNetV3", 5.1, moves the last 1×1 '
        "convolution behind the pooling to save this cost (across a nonlinearity, so the result differs)"
    )
    wrong = """\
input: [512, 7, 7]
layers:
  - conv: {out_channels: 1000, kernel_size: 1}
  - global_avgpool
"""
    right = """\
input: [512, 7, 7]
layers:
  - global_avgpool
  - conv: {out_channels: 1000, kernel_size: 1}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each 1×1 convolution that could come after the pooling."""
        network = report.network
        for reader, producer in find_sole_readers(network).items():
            pooling, mixing = network.nodes[reader], network.nodes[producer]
            layer = mixing.layer
            if _is_global_mean(pooling.layer) and _is_pointwise(layer) and layer.input.positions > 1:
                message = (
                    f"{mixing.name} could follow {pooling.name}: the same values for 1/{layer.output.positions} of "
                    f"its {report.layers[producer].macs:,} MACs"
                )
                related = (Related(pooling.path, "the pooling is here"),)
                yield self.finding(mixing.path, message, "put the pooling before the convolution", related=related)


def _is_global_mean(layer: Layer) -> bool:
    """Whether a layer averages all positions of its input."""
    return layer.kind in ("global_avgpool", "adaptive_avgpool") and layer.output.positions == 1


def _is_pointwise(layer: Layer) -> bool:
    if layer.kind not in ("conv", "pointwise_conv", "depthwise_conv") or layer.output.spatial != layer.input.spatial:
        return False
    return set(getattr(layer, "kernel_size", (1,))) == {1} and not any(map(any, getattr(layer, "padding", ())))
