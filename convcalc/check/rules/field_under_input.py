"""CV303 finds global pooling whose input has a receptive field smaller than the network's input."""

from collections.abc import Iterator

from convcalc.analysis.receptive_field import field_report, input_size
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers.pool import Adaptive, Global
from convcalc.network import Network, Node
from convcalc.problems import Problem


class FieldUnderInput(Rule):
    """The last map before global pooling has a receptive field that is smaller than the network's input.

    Nothing is reported if the pooled values are later expanded to a map again, as in squeeze-and-excite or in the image
    pooling of a segmentation head. If the paths to the map have different receptive fields, the largest one counts.
    """

    code = "CV303"
    name = "field-under-input"
    severity = "note"
    default = False
    why = (
        "No feature before the pooling depends on the whole input; the pooling only combines features of parts of it. "
        "Among published classifiers, accuracy grows with the logarithm of the receptive field: a large one seems to "
        "be necessary for recognition, with diminishing returns. The effective receptive field, the region that "
        "influences the output noticeably, is even smaller than the one computed here."
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
        """Yield a finding for each global pooling with such an input and with no later expansion to a map."""
        network = report.network
        whole, placed = input_size(network), _find_expanded_tensors(network)
        for number, node in enumerate(network.nodes, len(network.inputs)):
            if number in placed or not _pools_everything(node):
                continue
            field = field_report(report.fields[node.reads[0]], node.layer.input.spatial, whole)
            if not field.whole and field.size is not None and any(map(int.__lt__, field.size, whole)):
                yield self.finding(
                    node.path,
                    f"the input of {node.layer.kind} has a receptive field of {_format_sizes(field.size)}, "
                    f"smaller than the network input of {_format_sizes(whole)}",
                    "enlarge it with more layers, strides, larger kernels or dilation before the pooling",
                )


def _pools_everything(node: Node) -> bool:
    layer = node.layer
    return isinstance(layer, Global | Adaptive) and layer.reach() == "everything" and layer.input.positions > 1


def _find_expanded_tensors(network: Network) -> set[int]:
    """Return the numbers of the tensors from which a later layer computes a map with several positions."""
    first = len(network.inputs)
    found: set[int] = set()
    for number in range(first + len(network.nodes) - 1, first - 1, -1):
        node = network.nodes[number - first]
        if number in found or node.layer.output.positions > 1:
            found.update(node.reads)
    return found


def _format_sizes(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
