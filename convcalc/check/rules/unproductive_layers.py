"""CV302 finds convolutions whose input already has a receptive field that covers the network's input."""

from collections.abc import Iterator

from convcalc.analysis.receptive_field import Field, compute_fields, field_report, input_size, propagate_field
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.layers import FAMILIES
from convcalc.network import Network
from convcalc.problems import Problem

_CONVOLUTIONS = FAMILIES["convolution"]


class UnproductiveLayers(Rule):
    """The input of a convolution has a receptive field as large as the network's input, on every path to the input.

    If paths merge, the smallest of their receptive fields counts, separately for each axis. A receptive field that
    covers the whole input only because of a global pooling or a linear layer does not count. The authors of the source
    studied classifiers; their results need not hold for other tasks.
    """

    code = "CV302"
    name = "unproductive-layers"
    severity = "note"
    default = False
    why = (
        "Such a layer cannot add context from further away. In trained classifiers, such layers hardly contributed to "
        "the accuracy: they cost params and time for little gain."
    )
    source = (
        'Richter et al. 2021, "Should you go deeper? Optimizing convolutional neural network architectures without '
        'training" (border layers, by the smallest receptive field over all paths)'
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
        """Yield a finding for each convolution whose input has a receptive field that covers the network's input."""
        network = report.network
        seen, whole = _find_smallest_fields(network), input_size(network)
        size = "×".join(map(str, whole))
        for node in network.nodes:
            if not isinstance(node.layer, _CONVOLUTIONS):
                continue
            spatial = network.tensor_shape(node.reads[0]).spatial
            if _covers_input(seen[node.reads[0]], spatial, whole):
                yield self.finding(
                    node.path,
                    f"the input of {node.layer.kind} already has a receptive field as large as the network input "
                    f"({size})",
                    "remove it, use a larger network input, or use smaller strides and kernels before it",
                )


def _find_smallest_fields(network: Network) -> list[Field]:
    """Return, by tensor number, the smallest receptive field over all paths to that tensor."""
    found = compute_fields(network._replace(nodes=()))
    for node in network.nodes:
        inputs = [found[tensor] for tensor in node.reads]
        before = _choose_smallest_field(inputs) if inputs else Field(())
        found.append(propagate_field(node.layer, (before,)))
    return found


def _choose_smallest_field(inputs: list[Field]) -> Field:
    """Return the smallest receptive field of the inputs, separately for each axis; unknown if any of them is unknown.

    Inputs whose receptive field is the whole input because of a global pooling or a linear layer are ignored, unless
    all inputs are of this type.
    """
    partial = [field for field in inputs if not field.whole]
    if not partial:
        return inputs[0]
    known = [field.axes for field in partial if field.axes is not None]
    if len(known) < len(partial):
        return Field(None)
    return Field(
        tuple(min(axis, key=lambda paths: _find_smallest_size(Field((paths,)))) for axis in zip(*known, strict=True))
    )


def _find_smallest_size(field: Field) -> int:
    """Return the smallest size, over all positions, of a receptive field that has only one axis."""
    figures = field_report(field, (1,), (0,))
    return min(figures.size_min or figures.size or (0,))


def _covers_input(field: Field, spatial: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a receptive field is at least as large as the network's input on every axis.

    `spatial` are the sizes of the tensor, `whole` the sizes of the network's input. A field does not count if it is
    the whole input because of a global pooling or a linear layer.
    """
    if field.whole:
        return False
    figures = field_report(field, spatial, whole)
    sizes = figures.size_min or figures.size
    return sizes is not None and all(size >= full for size, full in zip(sizes, whole, strict=True)) and bool(whole)
