"""CV204: runs of dilated convolutions whose outputs skip positions in between."""

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

from convcalc.analysis.report import Report
from convcalc.check.rule import Rule
from convcalc.check.wiring import list_readers
from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.problems import Problem, Related
from convcalc.shape import axis_name


class _Run(NamedTuple):
    """Consecutive layers with kernels at one resolution: common factors of dilations, their number, first and last."""

    factors: tuple[int, ...] = ()  # one per axis; 0 if every kernel is 1 on that axis
    length: int = 0
    first: int = -1  # index of a node
    last: int = -1


class Gridding(Rule):
    """Consecutive convolutions at one resolution have dilations with a common factor greater than 1.

    Undilated convolutions anywhere in the run count: one of them makes the common factor 1. 1×1 convolutions do not
    count, because they read no neighbouring positions. A run ends when the resolution changes.
    """

    code = "CV204"
    name = "gridding"
    why = (
        "With a common factor of n, an output depends on only one in n positions, neighbouring outputs depend on "
        "different positions, and local detail is lost."
    )
    source = (
        'Wang et al. 2018, "Understanding convolution for semantic segmentation", 3.2 (hybrid dilated convolution: '
        "the dilation rates of a group must not have a common factor, or the gridding remains)."
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
        """Yield a finding for each run, at its last convolution."""
        network = report.network
        runs, reading = _find_runs(network), list_readers(network)
        seen: set[int] = set()
        for tensor, run in enumerate(runs):
            if run.length < 2 or max(run.factors) < 2 or run.last in seen:
                continue
            if not any(runs[len(network.inputs) + index].length for index in reading[tensor]):
                seen.add(run.last)
                yield self._run_finding(network, run)

    def _run_finding(self, network: Network, run: _Run) -> Problem:
        first, last = network.nodes[run.first], network.nodes[run.last]
        axis = next(axis for axis, factor in enumerate(run.factors) if factor > 1)
        factor = run.factors[axis]
        message = (
            f"the dilations from {first.name} to {last.name} have the common factor {factor} along the "
            f"{axis_name(axis, len(run.factors))}: outputs depend on only 1 in {factor} positions"
        )
        hint = "use dilations without a common factor, such as 1, 2, 5, or one undilated convolution among them"
        return self.finding(last.path, message, hint, related=(Related(first.path, "the run starts here"),))


def _find_runs(network: Network) -> list[_Run]:
    """Return the run that leads to each tensor, indexed by tensor number."""
    none = _Run()
    found = [none] * len(network.inputs)
    effects: dict[Layer, str] = {}  # repeated layers are the same object
    for index, node in enumerate(network.nodes):
        layer = node.layer
        effect = effects.get(layer) or effects.setdefault(layer, _effect_on_run(layer))
        if effect == "joins":
            found.append(_join_runs([found[tensor] for tensor in node.reads]))
        else:
            found.append(_extend_run(found[node.reads[0]], layer, index) if effect == "continues" else none)
    return found


def _effect_on_run(layer: Layer) -> str:
    """Return how a layer affects the runs of layers that reach its inputs: `joins`, `continues` or `ends`.

    An elementwise layer `joins` them. A layer with stride 1 `continues` a run: a convolution, pooling, padding,
    cropping. Any other layer `ends` it.
    """
    reach = layer.reach()
    if isinstance(reach, str):
        return "joins" if reach == "same" and layer.output.axes else "ends"
    return "continues" if all(reads.period == reads.shift == 1 for reads in reach) else "ends"


def _extend_run(run: _Run, layer: Layer, index: int) -> _Run:
    """Return the run extended by a layer; unchanged if the layer's kernel is 1."""
    axes = layer.input.axes
    kernels: tuple[int, ...] = getattr(layer, "kernel_size", (1,) * axes)
    dilations: tuple[int, ...] = getattr(layer, "dilation", (1,) * axes)
    if max(kernels) == 1:
        return run
    own = [dilation if kernel > 1 else 0 for kernel, dilation in zip(kernels, dilations, strict=True)]
    factors = tuple(map(gcd, run.factors or (0,) * axes, own))
    return _Run(factors, run.length + 1, run.first if run.length else index, index)


def _join_runs(runs: list[_Run]) -> _Run:
    """Return the longest of the runs that an elementwise layer reads, with the factors common to all of them."""
    if len(runs) == 1:
        return runs[0]
    longest = max(runs, key=lambda run: run.length)
    if not longest.length:
        return longest
    known = [run.factors for run in runs if run.length and len(run.factors) == len(longest.factors)]
    return longest._replace(factors=tuple(gcd(*column) for column in zip(*known, strict=True)))
