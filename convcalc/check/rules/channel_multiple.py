"""Output channels that are no multiple of what the hardware works in."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.settings import Settings
from convcalc.layers.base import Layer
from convcalc.layers.conv import OutChannels
from convcalc.layers.linear import Linear
from convcalc.network import Network
from convcalc.problems import Problem


class ChannelMultiple(Rule):
    """The output channels of a convolution or linear layer are no multiple of 8, or of another number.

    Only where they are chosen: a depthwise convolution has those of its input. The last such layers before the outputs
    are left alone, because the task sets how many classes there are. Another number is set by `channel-multiple = 16`
    in the configuration, also per path, or by `--channel-multiple 16`.
    """

    code = "CV307"
    name = "channel-multiple"
    severity = "note"
    default = False
    multiple: int = 8
    why = (
        "Convolutions run efficiently on NVIDIA's Tensor Cores where the channels are divisible by 8 (in FP16; by 4 in "
        "TF32). The code of the MobileNets rounds all channels to multiples of 8. Params and MACs do not show it."
    )
    source = (
        "NVIDIA, Convolutional layers user's guide (channels in and out divisible by 8 for FP16); "
        "_make_divisible of MobileNetV2 in TensorFlow and torchvision"
    )
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 30, kernel_size: 3}
  - relu
  - conv: {out_channels: 10, kernel_size: 3}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 32, kernel_size: 3}
  - relu
  - conv: {out_channels: 10, kernel_size: 3}
"""

    @classmethod
    def adjusted(cls, settings: Settings) -> "ChannelMultiple":
        """The rule with the multiple that is set."""
        rule = cls()
        rule.multiple = settings.channel_multiple or cls.multiple
        return rule

    def findings(self, report: Report) -> Iterator[Problem]:
        """Every chosen number of channels that is no multiple, but for those that the outputs have."""
        last = last_choices(report.network)
        for number, node in enumerate(report.network.nodes, len(report.network.inputs)):
            channels = node.layer.output.channels
            if chooses(node.layer) and channels % self.multiple and number not in last:
                lower = channels // self.multiple * self.multiple
                near = f"{lower} or {lower + self.multiple}" if lower else f"{self.multiple}"
                what = "features" if isinstance(node.layer, Linear) else "channels"
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} gives {channels} {what}, no multiple of {self.multiple}",
                    f"the nearest: {near}",
                )


def chooses(layer: Layer) -> bool:
    """Whether the number of output channels is an argument of the layer."""
    return isinstance(layer, OutChannels | Linear)


def last_choices(network: Network) -> set[int]:
    """The tensors whose number of channels the outputs have: the nearest above them that choose it."""
    first = len(network.inputs)
    waiting, seen = list(network.outputs.values()), set(network.outputs.values())
    found = set()
    while waiting:
        number = waiting.pop()
        if number < first:
            continue
        node = network.nodes[number - first]
        if chooses(node.layer):
            found.add(number)
            continue
        waiting.extend(set(node.reads) - seen)
        seen.update(node.reads)
    return found
