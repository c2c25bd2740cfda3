"""A last map, before global pooling, whose positions do not see the whole input."""

from collections.abc import Iterator

from convcalc.analysis.receptive_field import field_report, input_size
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.pool import Adaptive, Global
from convcalc.network import Network, Node
from convcalc.problems import Problem


class FieldUnderInput(Rule):
    """The last map before global pooling has a receptive field under the size of the input.

    Global pooling of which a map with positions is made again (the gate of squeeze-and-excite, the image pooling of
    a segmentation head) is left alone. Where the field differs from path to path, the largest is compared.
    """

    code = "CV303"
    name = "field-under-input"
    severity = "note"
    default = False
    why = (
        "No feature that is pooled has seen the whole input: pooling only averages (or compares) what parts show. "
        "Among published classifiers accuracy grows with the logarithm of the field: large ones seem to be needed for "
        "recognition, with diminishing returns. The effective field is smaller still than the one counted here."
    )
    source = 'Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks"'
    wrong = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
  - global_avgpool: {keepdims: false}
  - linear: {out_features: 10}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 7, stride: 2, padding: 3}
  - conv: {out_channels: 16, kernel_size: 7, stride: 2, padding: 3}
  - conv: {out_channels: 16, kernel_size: 7, padding: 3}
  - global_avgpool: {keepdims: false}
  - linear: {out_features: 10}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Every last pooling of a map that sees less than the input."""
        network = report.network
        whole, placed = input_size(network), placed_again(network)
        for number, node in enumerate(network.nodes, len(network.inputs)):
            if number in placed or not pools_all(node):
                continue
            field = field_report(report.fields[node.reads[0]], node.layer.input.spatial, whole)
            if not field.whole and field.size is not None and any(map(int.__lt__, field.size, whole)):
                yield self.finding(
                    node.path,
                    f"what {node.layer.kind} reads has a field of {sizes_text(field.size)}, "
                    f"and the input is {sizes_text(whole)}",
                    "more layers, strides, larger kernels or dilation before it let a position see more",
                )


def pools_all(node: Node) -> bool:
    """Whether a layer pools all of several positions to one."""
    layer = node.layer
    return isinstance(layer, Global | Adaptive) and layer.reach() == "everything" and layer.input.positions > 1


def placed_again(network: Network) -> set[int]:
    """The tensors of which a map of several positions is made, directly or further on."""
    first = len(network.inputs)
    found: set[int] = set()
    for number in range(first + len(network.nodes) - 1, first - 1, -1):
        node = network.nodes[number - first]
        if number in found or node.layer.output.positions > 1:
            found.update(node.reads)
    return found


def sizes_text(sizes: tuple[int, ...]) -> str:
    """`32×32`."""
    return "×".join(map(str, sizes))
