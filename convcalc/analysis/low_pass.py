"""Finds the layers that keep only some positions of a map without a low-pass filter before them.

A stride of 2 uses every second value. Detail that is finer reappears as false coarse detail, and the output then
depends on where the kept positions happen to lie. The lint rule CV301 reports these layers; `summary` and `rf` name
them.

Source: Zhang 2019, "Making convolutional networks shift-invariant again".
"""

from convcalc.layers.base import Layer
from convcalc.layers.conv import PointwiseConv, Window
from convcalc.layers.pool import AvgPool, BlurPool, MaxPool
from convcalc.network import Network, Node

_STRIDED = (Window, PointwiseConv, MaxPool)


def samples_without_low_pass(network: Network, node: Node) -> bool:
    """Whether the node is a convolution or max pooling with a stride greater than 1 and no low-pass filter before it.

    Average pooling is itself a low-pass filter. A convolution directly after a blurpool or avgpool with stride 1 does
    not count: convolutions are linear, so a blur before one is as good as a blur after it. Nor does a stride that
    leaves only one position.
    """
    return isinstance(node.layer, _STRIDED) and _skips_positions(node.layer) and not _follows_low_pass(network, node)


def _skips_positions(layer: Layer) -> bool:
    """Whether the layer has a stride greater than 1 on an axis with more than one output position."""
    strides: tuple[int, ...] = layer.__dict__["stride"]
    return any(stride > 1 and size > 1 for stride, size in zip(strides, layer.output.spatial, strict=True))


def _follows_low_pass(network: Network, node: Node) -> bool:
    """Whether the node is a convolution directly after a low-pass filter with stride 1.

    A filter with a larger stride does not count: it removes only detail that is too fine for its own stride.
    """
    number = node.reads[0] - len(network.inputs)
    if number < 0 or isinstance(node.layer, MaxPool):
        return False
    before = network.nodes[number].layer
    if not isinstance(before, AvgPool | BlurPool):
        return False
    strides: tuple[int, ...] = node.layer.__dict__["stride"]
    axes = zip(strides, before.kernel_size, before.stride, strict=True)
    return all(kernel > 1 and own == 1 for stride, kernel, own in axes if stride > 1)
