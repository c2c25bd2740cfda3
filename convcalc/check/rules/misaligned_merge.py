"""CV205 finds merged branches whose receptive fields are centred at different positions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convcalc.analysis.receptive_field import Field, Paths, moving_paths
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.network import Network, Node
from convcalc.problems import Problem
from convcalc.shape import axis_name

if TYPE_CHECKING:
    from fractions import Fraction  # at run time imported only if needed, because it slows the start


class MisalignedMerge(Rule):
    """Merged branches have receptive fields whose centres are more than half a jump (cumulative stride) apart.

    The jump is the one at the coarsest resolution that a branch passes through. A smaller distance is normal: even
    upsampling by a whole number moves the centres by up to half that jump. Along the time axis (the only axis of a 1-D
    input, the first of a 3-D input), branches whose receptive fields end at the same position are causal and are not
    reported.
    """

    code = "CV205"
    name = "misaligned-merge"
    why = (
        "Values from different positions are combined as if they came from the same one. The cause is usually padding "
        "or a crop on the wrong side."
    )
    source = (
        'Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill), on '
        "the alignment of several paths"
    )
    wrong = """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 5}
      - - crop: {amount: [[0, 4], [0, 4]]}
    merge: add
"""
    right = """\
input: [8, 32, 32]
layers:
  - branches:
      - - conv: {out_channels: 8, kernel_size: 5}
      - - crop: {amount: 2}
    merge: add
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Yield a finding for each misaligned merge; it names the first axis on which the branches are misaligned."""
        network = report.network
        for node, figures in zip(network.nodes, report.layers, strict=True):
            if len(node.reads) == 1 or figures.receptive_field.aligned:
                continue
            fields = _list_positioned_fields(network, node, report.fields)
            if len(fields) > 1:
                for axis, size in enumerate(node.layer.output.spatial):
                    paths = [found for field in fields if field.axes and (found := moving_paths(field.axes[axis]))]
                    apart, jump = _measure_distance(paths, size)
                    causal = axis == 0 and node.layer.output.axes != 2 and _end_together(paths)
                    if 2 * apart > jump and not causal:
                        name = axis_name(axis, node.layer.output.axes)
                        yield self._merge_finding(node, name, apart, jump)
                        break

    def _merge_finding(self, node: Node, axis: str, apart: "Fraction", jump: int) -> Problem:
        message = (
            f"{node.name} merges receptive fields with centres {apart} input "
            f"position{'' if apart == 1 else 's'} apart along the {axis}, more than half the jump of {jump}"
        )
        return self.finding(node.path, message, "pad or crop each branch equally on both sides")


def _list_positioned_fields(network: Network, node: Node, fields: tuple[Field, ...]) -> list[Field]:
    """Return the distinct receptive fields of a layer's inputs.

    Inputs that are broadcast are left out, and so are inputs whose receptive field is the whole network input.
    """
    spatial = node.layer.output.spatial
    found = {fields[tensor]: None for tensor in node.reads if network.tensor_shape(tensor).spatial == spatial}
    return [field for field in found if field.axes and not field.whole and len(field.axes) == len(spatial)]


def _measure_distance(inputs: list[Paths], size: int) -> tuple["Fraction", int]:
    """Return the largest distance between the centres of the inputs' receptive fields, and the largest jump.

    Both are in positions of the network's input. `size` is the number of output positions along the axis. The distance
    is the larger one of the distances at the first and at the last position.
    """
    from fractions import Fraction

    if len(inputs) < 2:
        return Fraction(0), 1
    ends = []
    for position in (0, size - 1):
        centers = [_center_at(paths, position) for paths in inputs]
        ends.append(max(centers) - min(centers))
    # `shift` is the jump of a path where its resolution is coarsest
    return max(ends), max(path.shift for paths in inputs for path in paths)


def _center_at(paths: Paths, position: int) -> "Fraction":
    """Return the centre of the receptive field at `position`: the mean of the centres along all paths."""
    from fractions import Fraction

    return sum((Fraction(*path.center()) + position * Fraction(*path.jump) for path in paths), Fraction(0)) / len(paths)


def _end_together(inputs: list[Paths]) -> bool:
    """Whether the receptive fields of all inputs end at the same position."""
    return len({path.high for paths in inputs for path in paths}) == 1
