"""Global pooling that could go before the 1×1 convolution that it follows."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import sole_reads
from convcalc.layers.base import Layer
from convcalc.problems import Problem, Related


class LatePooling(Rule):
    """A 1×1 convolution directly before global average pooling, which alone reads it.

    A mean of linear maps is the linear map of the mean, bias and all: pooling first gives the same values. Where the
    convolution pads, or an activation or a norm stands between, the order matters and there is no finding.
    """

    code = "CV211"
    name = "late-pooling"
    why = "Pooling first gives the same result with one MAC in place of as many as there are positions."
    source = (
        'Linearity of both layers; Howard et al. 2019, "Searching for MobileNetV3", 5.1, moves the last 1×1 '
        "convolution past the pooling for this cost (there with a nonlinearity, so not exactly)."
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
        """Each such pooling."""
        network = report.network
        for reader, giver in sole_reads(network).items():
            pooling, mixing = network.nodes[reader], network.nodes[giver]
            layer = mixing.layer
            if is_global_mean(pooling.layer) and is_pointwise(layer) and layer.input.positions > 1:
                message = (
                    f"{mixing.name} could follow {pooling.name}: the same values at 1/{layer.output.positions} of "
                    f"its {report.layers[giver].macs:,} MACs"
                )
                related = (Related(pooling.path, "the pooling is here"),)
                yield self.finding(mixing.path, message, "pool first", related=related)


def is_global_mean(layer: Layer) -> bool:
    """Whether a layer takes the mean of all positions."""
    return layer.kind in ("global_avgpool", "adaptive_avgpool") and layer.output.positions == 1


def is_pointwise(layer: Layer) -> bool:
    """Whether a layer is a 1×1 convolution of every position."""
    if layer.kind not in ("conv", "pointwise_conv", "depthwise_conv") or layer.output.spatial != layer.input.spatial:
        return False
    return set(getattr(layer, "kernel_size", (1,))) == {1} and not any(map(any, getattr(layer, "padding", ())))
