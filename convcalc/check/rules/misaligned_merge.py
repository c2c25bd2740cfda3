"""Paths that meet where they look at different places."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convcalc.analysis.receptive_field import Field, Paths, moving
from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.network import Network, Node
from convcalc.problems import Problem
from convcalc.shape import axis_name

if TYPE_CHECKING:
    from fractions import Fraction  # else only where it is needed: it costs start-up time


class MisalignedMerge(Rule):
    """Paths that meet with the centres of what they see more than half a jump apart.

    The jump is the largest on the paths: that of the coarsest grid that one of them went through, which upsampling
    by whole numbers keeps to within half of it. Along time (the only axis, or the first of three) paths that see up to
    the same last position are causal, and no finding.
    """

    code = "CV205"
    name = "misaligned-merge"
    why = "Values of different places are put together as if they were of one: padding or a crop is on the wrong side."
    source = (
        'Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill), '
        "on the alignment of several paths."
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
        """Each merge of paths that look at different places, with its first such axis."""
        network = report.network
        for node, figures in zip(network.nodes, report.layers, strict=True):
            if len(node.reads) == 1 or figures.field.aligned:
                continue
            fields = placed(network, node, report.fields)
            if len(fields) > 1:
                for axis, size in enumerate(node.layer.output.spatial):
                    paths = [found for field in fields if field.axes and (found := moving(field.axes[axis]))]
                    apart, jump = distance(paths, size)
                    causal = axis == 0 and node.layer.output.axes != 2 and one_end(paths)
                    if 2 * apart > jump and not causal:
                        name = axis_name(axis, node.layer.output.axes)
                        yield self.apart(node, name, apart, jump)
                        break

    def apart(self, node: Node, axis: str, apart: "Fraction", jump: int) -> Problem:
        """The finding of a merge of paths that are so many positions of the input apart."""
        message = (
            f"what {node.name} merges is {apart} {'position' if apart == 1 else 'positions'} of the input apart along "
            f"the {axis}, more than half its jump of {jump}"
        )
        return self.finding(node.path, message, "pad or crop both sides of each path alike")


def placed(network: Network, node: Node, fields: tuple[Field, ...]) -> list[Field]:
    """The different fields that a layer merges, of inputs that have positions of their own."""
    spatial = node.layer.output.spatial
    found = {fields[tensor]: None for tensor in node.reads if network.tensor_shape(tensor).spatial == spatial}
    return [field for field in found if field.axes and not field.whole and len(field.axes) == len(spatial)]


def distance(inputs: list[Paths], size: int) -> tuple["Fraction", int]:
    """How far apart inputs look, at the first or the last position, and the largest jump on their paths."""
    from fractions import Fraction

    if len(inputs) < 2:
        return Fraction(0), 1
    ends = []
    for position in (0, size - 1):
        centers = [center(paths, position) for paths in inputs]
        ends.append(max(centers) - min(centers))
    # a path repeats after the jump of the coarsest grid that it went through
    return max(ends), max(path.shift for paths in inputs for path in paths)


def center(paths: Paths, position: int) -> "Fraction":
    """The middle of what an input sees at a position: the mean of its paths."""
    from fractions import Fraction

    return sum((Fraction(*path.center()) + position * Fraction(*path.jump) for path in paths), Fraction(0)) / len(paths)


def one_end(inputs: list[Paths]) -> bool:
    """Whether inputs see up to the same last position."""
    return len({path.high for paths in inputs for path in paths}) == 1
