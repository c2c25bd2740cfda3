"""Convolutions that come after even the shortest path has seen the whole input."""

from collections.abc import Iterator

from convcalc.analysis.receptive_field import Field, field_of, field_report, fields, input_size
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers import FAMILIES
from convcalc.network import Network
from convcalc.problems import Problem

CONVOLUTIONS = FAMILIES["convolution"]


class UnproductiveLayers(Rule):
    """A convolution reads a map whose smallest field over all paths covers the input already, on every axis.

    Where paths meet, the smaller field is followed, along each axis by itself. What sees everything by a global
    pooling or a linear layer is left alone. The authors predict this of classifiers; by their analysis alone it is
    not known for other tasks.
    """

    code = "CV302"
    name = "unproductive-layers"
    severity = "note"
    default = False
    why = (
        "Such a layer can add no context from further away. In trained classifiers, layers behind this "
        "border did not contribute qualitatively to the accuracy: they cost params and time for little."
    )
    source = (
        'Richter et al. 2021, "Should you go deeper? Optimizing convolutional neural network architectures without '
        'training" (border layers, by the smallest field over the paths)'
    )
    wrong = """\
input: [3, 8, 8]
layers:
  - conv: {out_channels: 16, kernel_size: 5, padding: 2}
  - conv: {out_channels: 16, kernel_size: 5, padding: 2}
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
"""
    right = """\
input: [3, 32, 32]
layers:
  - conv: {out_channels: 16, kernel_size: 5, padding: 2}
  - conv: {out_channels: 16, kernel_size: 5, padding: 2}
  - conv: {out_channels: 16, kernel_size: 3, padding: 1}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Every convolution behind the border."""
        network = report.network
        seen, whole = smallest_fields(network), input_size(network)
        size = "×".join(map(str, whole))
        for node in network.nodes:
            spatial = network.tensor_shape(node.reads[0]).spatial
            if isinstance(node.layer, CONVOLUTIONS) and covers(seen[node.reads[0]], spatial, whole):
                yield self.finding(
                    node.path,
                    f"before this {node.layer.kind} the smallest field covers the whole input of {size} already",
                    "leave it out, give the network a larger input, or take strides and kernels before it smaller",
                )


def smallest_fields(network: Network) -> list[Field]:
    """The field of every tensor along the path that sees least, by its number.

    Paths are compared where they meet, by their sizes there.
    """
    found = fields(network._replace(nodes=()))
    for node in network.nodes:
        inputs = [found[tensor] for tensor in node.reads]
        found.append(field_of(node.layer, (smallest(inputs),)))
    return found


def smallest(inputs: list[Field]) -> Field:
    """The field that sees least, axis by axis; not known where one of them is not known."""
    partial = [field for field in inputs if not field.whole]
    if not partial:
        return inputs[0]
    known = [field.axes for field in partial if field.axes is not None]
    if len(known) < len(partial):
        return Field(None)
    return Field(tuple(min(axis, key=lambda paths: least(Field((paths,)))) for axis in zip(*known, strict=True)))


def least(field: Field) -> int:
    """The smallest size of a field of one axis."""
    figures = field_report(field, (1,), (0,))
    return min(figures.size_min or figures.size or (0,))


def covers(field: Field, spatial: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a field of positions is at least as large as the input on every axis."""
    if field.whole:
        return False
    figures = field_report(field, spatial, whole)
    sizes = figures.size_min or figures.size
    return sizes is not None and all(size >= full for size, full in zip(sizes, whole, strict=True)) and bool(whole)
