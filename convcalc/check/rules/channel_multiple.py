"""CV307 finds numbers of output channels with which the hardware is inefficient."""

from collections.abc import Iterator

from convcalc.analysis.report import Report
from convcalc.check.options import CHANNEL_MULTIPLE
from convcalc.check.rule import Rule
from convcalc.layers.base import Layer
from convcalc.layers.conv import OutChannels
from convcalc.layers.linear import Linear
from convcalc.network import Network
from convcalc.problems import Problem


class ChannelMultiple(Rule):
    """The number of output channels of a convolution or linear layer is not a multiple of 8 (configurable).

    Only layers with an argument for this number are checked; a depthwise convolution, for example, has as many channels
    as its input. The last such layer before an output of the network is not reported, because the task determines its
    number of channels, such as the number of classes.
    """

    code = "CV307"
    name = "channel-multiple"
    severity = "note"
    default = False
    options = (CHANNEL_MULTIPLE,)
    why = (
        "NVIDIA's Tensor Cores compute convolutions efficiently if the numbers of channels are divisible by 8 (in "
        "FP16; by 4 in TF32). The code of the MobileNets rounds all numbers of channels to multiples of 8. Params and "
        "MACs do not show this effect."
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

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each checked layer whose number of output channels is not a multiple of the option."""
        last, multiple = _find_last_layers_with_chosen_channels(report.network), self.value(CHANNEL_MULTIPLE)
        for number, node in enumerate(report.network.nodes, len(report.network.inputs)):
            channels = node.layer.output.channels
            if _chooses_channels(node.layer) and channels % multiple and number not in last:
                lower = channels // multiple * multiple
                near = f"{lower} or {lower + multiple}" if lower else f"{multiple}"
                what = "features" if isinstance(node.layer, Linear) else "channels"
                yield self.finding(
                    node.path,
                    f"{node.layer.kind} has {channels} output {what}, not a multiple of {multiple}",
                    f"use {near}",
                )


def _chooses_channels(layer: Layer) -> bool:
    return isinstance(layer, OutChannels | Linear)


def _find_last_layers_with_chosen_channels(network: Network) -> set[int]:
    """Find the last layer with an argument for its number of channels, on each path to a network output.

    Returns the numbers of the tensors that these layers produce.
    """
    first = len(network.inputs)
    waiting, seen = list(network.outputs.values()), set(network.outputs.values())
    found = set()
    while waiting:
        number = waiting.pop()
        if number < first:
            continue
        node = network.nodes[number - first]
        if _chooses_channels(node.layer):
            found.add(number)
            continue
        waiting.extend(set(node.reads) - seen)
        seen.update(node.reads)
    return found
