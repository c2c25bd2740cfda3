"""Runs of dilated convolutions that see a grid with holes."""

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import readers
from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.problems import Problem, Related
from convcalc.shape import axis_name


class Run(NamedTuple):
    """Windows one after another at one resolution: what divides their dilations, how many, the first and the last."""

    factors: tuple[int, ...] = ()  # one an axis, 0 where no window is over 1
    length: int = 0
    first: int = -1
    last: int = -1


class Gridding(Rule):
    """A run of convolutions at one resolution whose dilations have a common factor above 1.

    Undilated ones of the run count, wherever they stand in it: with one of them the common factor is 1. 1×1
    convolutions see no neighbours and do not count. A run ends where the resolution changes.
    """

    code = "CV204"
    name = "gridding"
    why = "An output then sees only every so many positions, neighbours see different ones, and local detail is lost."
    source = (
        'Wang et al. 2018, "Understanding convolution for semantic segmentation", 3.2 (hybrid dilated convolution: '
        "the rates of a group have no common factor, or the gridding remains)."
    )
    wrong = """\
input: [16, 64, 64]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 2, dilation: 2}
  - relu
  - conv: {out_channels: 16, kernel_size: 3, padding: 4, dilation: 4}
"""
    right = """\
input: [16, 64, 64]
layers:
  - conv: {out_channels: 16, kernel_size: 3, padding: 2, dilation: 2}
  - relu
  - conv: {out_channels: 16, kernel_size: 3, padding: 3, dilation: 3}
"""

    def findings(self, report: Report) -> Iterator[Problem]:
        """Each run, at its last convolution."""
        network = report.network
        runs, reading = runs_of(network), readers(network)
        seen: set[int] = set()
        for tensor, run in enumerate(runs):
            if run.length < 2 or max(run.factors) < 2 or run.last in seen:
                continue
            if not any(runs[len(network.inputs) + index].length for index in reading[tensor]):
                seen.add(run.last)
                yield self.grid(network, run)

    def grid(self, network: Network, run: Run) -> Problem:
        """The finding of a run."""
        first, last = network.nodes[run.first], network.nodes[run.last]
        axis = next(axis for axis, factor in enumerate(run.factors) if factor > 1)
        factor = run.factors[axis]
        message = (
            f"the dilations from {first.name} to {last.name} have the common factor {factor} along the "
            f"{axis_name(axis, len(run.factors))}: they see 1 position in {factor}"
        )
        hint = "dilations without a common factor, such as 1, 2, 5, or one undilated convolution among them"
        return self.finding(last.path, message, hint, related=(Related(first.path, "the run begins here"),))


def runs_of(network: Network) -> list[Run]:
    """The run that each tensor is at the end of."""
    none = Run()
    found = [none] * len(network.inputs)
    effects: dict[Layer, str] = {}  # layers that are laid again are the same objects
    for index, node in enumerate(network.nodes):
        layer = node.layer
        effect = effects.get(layer) or effects.setdefault(layer, effect_on_run(layer))
        if effect == "joins":
            found.append(joined([found[tensor] for tensor in node.reads]))
        else:
            found.append(continued(found[node.reads[0]], layer, index) if effect == "continues" else none)
    return found


def effect_on_run(layer: Layer) -> str:
    """What a layer does to the runs before it: `joins` where it reads each position from the same one.

    It `continues` where it steps from position to position, as convolutions of stride 1, padding and cropping do, and
    else `ends` them.
    """
    reach = layer.reach()
    if isinstance(reach, str):
        return "joins" if reach == "same" and layer.output.axes else "ends"
    return "continues" if all(reads.period == reads.shift == 1 for reads in reach) else "ends"


def continued(run: Run, layer: Layer, index: int) -> Run:
    """The run with one more layer."""
    axes = layer.input.axes
    kernels: tuple[int, ...] = getattr(layer, "kernel_size", (1,) * axes)
    dilations: tuple[int, ...] = getattr(layer, "dilation", (1,) * axes)
    if max(kernels) == 1:
        return run
    own = [dilation if kernel > 1 else 0 for kernel, dilation in zip(kernels, dilations, strict=True)]
    factors = tuple(map(gcd, run.factors or (0,) * axes, own))
    return Run(factors, run.length + 1, run.first if run.length else index, index)


def joined(runs: list[Run]) -> Run:
    """The run of a layer that reads its inputs position by position: the longest, with what divides all of them."""
    if len(runs) == 1:
        return runs[0]
    longest = max(runs, key=lambda run: run.length)
    if not longest.length:
        return longest
    known = [run.factors for run in runs if run.length and len(run.factors) == len(longest.factors)]
    return longest._replace(factors=tuple(gcd(*column) for column in zip(*known, strict=True)))
