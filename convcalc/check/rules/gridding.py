"""CV204 finds sequences of dilated windows whose outputs depend on only every n-th position."""

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


class _Sequence(NamedTuple):
    """Consecutive layers without a change of resolution, and the common factors of the dilations of their windows.

    `factors` has the greatest common divisor of the dilations on each axis, or 0 if all windows have size 1 on that
    axis. `length` is the number of layers with a window larger than 1; `first` and `last` are the node indexes of the
    first and the last of these layers.
    """

    factors: tuple[int, ...] = ()
    length: int = 0
    first: int = -1
    last: int = -1


class Gridding(Rule):
    """Consecutive convolutions or poolings with stride 1 have dilations with a common factor greater than 1.

    Activations, batch norms and other elementwise layers may lie between them. A layer without dilation has dilation 1,
    so one such layer in the sequence makes the common factor 1. Layers with a 1×1 window do not count, because they
    read no neighbouring positions. The sequence ends at a layer that changes the resolution or reads all positions.
    """

    code = "CV204"
    name = "gridding"
    why = (
        "With a common factor of n, an output depends on only every n-th position along an axis, and neighbouring "
        "outputs depend on different positions: local detail is lost."
    )
    source = (
        'Wang et al. 2018, "Understanding convolution for semantic segmentation", 3.2 (hybrid dilated convolution: '
        "the dilation rates of a group must not have a common factor, or the gridding remains)"
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
        """Yield a finding for each sequence with a common factor greater than 1, at the last layer of the sequence."""
        network = report.network
        sequences, reading = _find_sequences(network), list_readers(network)
        seen: set[int] = set()
        for tensor, sequence in enumerate(sequences):
            if sequence.length < 2 or max(sequence.factors) < 2 or sequence.last in seen:
                continue
            if not any(sequences[len(network.inputs) + index].length for index in reading[tensor]):
                seen.add(sequence.last)
                yield self._make_finding(network, sequence)

    def _make_finding(self, network: Network, sequence: _Sequence) -> Problem:
        first, last = network.nodes[sequence.first], network.nodes[sequence.last]
        axis = next(axis for axis, factor in enumerate(sequence.factors) if factor > 1)
        factor = sequence.factors[axis]
        message = (
            f"the dilations from {first.name} to {last.name} have the common factor {factor} along the "
            f"{axis_name(axis, len(sequence.factors))}: outputs depend on only 1 in {factor} positions"
        )
        hint = "use dilations without a common factor, such as 1, 2, 5, or make one of the convolutions undilated"
        return self.finding(last.path, message, hint, related=(Related(first.path, "the sequence starts here"),))


def _find_sequences(network: Network) -> list[_Sequence]:
    """Return, by tensor number, the sequence of layers that ends with the layer that produces the tensor.

    Its length is 0 if there is no such sequence.
    """
    none = _Sequence()
    found = [none] * len(network.inputs)
    effects: dict[Layer, str] = {}  # copies of a repeated layer are the same object, so each effect is computed once
    for index, node in enumerate(network.nodes):
        layer = node.layer
        effect = effects.get(layer) or effects.setdefault(layer, _classify_effect(layer))
        if effect == "joins":
            found.append(_join_sequences([found[tensor] for tensor in node.reads]))
        else:
            found.append(_extend_sequence(found[node.reads[0]], layer, index) if effect == "continues" else none)
    return found


def _classify_effect(layer: Layer) -> str:
    """Return whether a layer `joins`, `continues` or `ends` the sequences that end at its inputs.

    An elementwise layer joins the sequences of its inputs. A layer with stride 1 (convolution, pooling, padding,
    cropping) continues the sequence of its input. Any other layer ends it.
    """
    reach = layer.reach()
    if isinstance(reach, str):
        return "joins" if reach == "same" and layer.output.axes == layer.input.axes > 0 else "ends"
    return "continues" if all(reads.period == reads.shift == 1 for reads in reach) else "ends"


def _extend_sequence(sequence: _Sequence, layer: Layer, index: int) -> _Sequence:
    """Return the sequence with the layer of node `index` added; unchanged if its window has size 1 on every axis."""
    axes = layer.input.axes
    kernels: tuple[int, ...] = getattr(layer, "kernel_size", (1,) * axes)
    dilations: tuple[int, ...] = getattr(layer, "dilation", (1,) * axes)
    if max(kernels) == 1:
        return sequence
    own = [dilation if kernel > 1 else 0 for kernel, dilation in zip(kernels, dilations, strict=True)]
    factors = tuple(map(gcd, sequence.factors or (0,) * axes, own))
    return _Sequence(factors, sequence.length + 1, sequence.first if sequence.length else index, index)


def _join_sequences(sequences: list[_Sequence]) -> _Sequence:
    """Return the longest sequence, with the common factors of the dilations in all sequences."""
    if len(sequences) == 1:
        return sequences[0]
    longest = max(sequences, key=lambda sequence: sequence.length)
    if not longest.length:
        return longest
    known = [
        sequence.factors for sequence in sequences if sequence.length and len(sequence.factors) == len(longest.factors)
    ]
    return longest._replace(factors=tuple(gcd(*column) for column in zip(*known, strict=True)))
