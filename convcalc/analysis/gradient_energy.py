"""Computes which share of a gradient's energy passes each connection of a network at initialisation.

The energy of a gradient is the expected sum of its squares over the channels. For every layer and each of its inputs,
`find_edges` returns the energy that reaches the input if the energy at the output is 1, summed over the taps of the
kernel. Weights are independent with mean 0 and He's variance, 2 / (values per output), biases are 0, the scales of
norms are 1, and the network's input is white noise. To find the gains, the distribution of the values of every tensor
is followed forward: a convolution makes it normal, an activation maps it, max pooling takes the largest of independent
values, and sums add mean and variance. For example, the gain of relu is 1/2, and that of a batch norm after it and a
convolution 1 / (1/2 - 1/(2π)), because relu leaves this variance.

Sources: Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural networks"; He et al.
2015, "Delving deep into rectifiers"; Schoenholz et al. 2017, "Deep information propagation" (mean field).
"""

from collections.abc import Callable, Sequence
from math import log, sqrt
from typing import NamedTuple

from convcalc.analysis.value_distribution import (
    LEAST,
    NOISE,
    Values,
    make_normal,
    map_values,
    mean_slope,
    multiply_values,
    standardise,
    take_largest,
)
from convcalc.layers.base import Layer
from convcalc.layers.curves import ACTIVATIONS, find_curve
from convcalc.layers.merge import Concat
from convcalc.network import Network, Node

_HE = 2.0  # He initialisation: variance of a weight × values per output
_MOST_PARTS = 256  # limit of concatenated parts that are normalised one by one


class Edge(NamedTuple):
    """A tensor to which a layer sends energy, and how much, as a logarithm, without the factors of `unknown` layers."""

    tensor: int
    log: float
    unknown: frozenset[str]


class _Passed(NamedTuple):
    """The effect of a layer: the gain of each input, and the distribution of its output (None: unknown)."""

    gains: Sequence[float | None]
    values: Values | None


def find_edges(network: Network, factors: Callable[[Layer], float]) -> list[list[Edge]]:
    """Return, for each layer of a network, the tensors to which it sends energy.

    These are its inputs, except for a norm of channels after a concatenation, which amplifies each part in another way:
    it sends energy to the parts themselves. `factors` returns the mean energy that the fixed filter of a layer sends to
    all its taps together, such as 1/4 for the mean of four values.
    """
    found: list[Values | None] = [NOISE] * len(network.inputs)
    edges = []
    known: dict[tuple[object, ...], _Passed] = {}
    equal: dict[Values | None, Values | None] = {}  # one object for each distribution, so that identity can be compared
    for node in network.nodes:
        parts = _list_parts(network, node)
        if len(parts) > 1 and None not in [found[tensor] for tensor in parts]:
            edges.append(_normalise_parts(network, node, {tensor: found[tensor] for tensor in parts}))
            found.append(NOISE)
            continue
        inputs = [found[tensor] for tensor in node.reads]
        same = (node.layer.kind, repr(node.layer.given), node.layer.inputs, *map(id, inputs))
        if same not in known:
            known[same] = _pass(node, inputs, factors(node.layer))
        pairs = zip(node.reads, known[same].gains, strict=True)
        edges.append([_make_edge(node, tensor, gain) for tensor, gain in pairs])
        values = known[same].values
        found.append(equal.setdefault(values, values))
    return edges


def _make_edge(node: Node, tensor: int, gain: float | None) -> Edge:
    if gain is None:
        return Edge(tensor, 0.0, frozenset((node.name,)))
    return Edge(tensor, log(max(gain, LEAST)), frozenset())


def _list_parts(network: Network, node: Node) -> list[int]:
    """Return the tensors that are joined to the input of a norm of channels; nothing for any other layer."""
    if RULES.get(node.layer.kind) is not _normalise_channels:
        return []
    parts, waiting = [], list(node.reads)
    while waiting:
        tensor = waiting.pop()
        maker = network.nodes[tensor - len(network.inputs)] if tensor >= len(network.inputs) else None
        if maker is not None and isinstance(maker.layer, Concat) and not maker.layer.place:
            waiting += maker.reads
        else:
            parts.append(tensor)
        if len(parts) + len(waiting) > _MOST_PARTS:
            return []
    return parts


def _normalise_parts(network: Network, node: Node, parts: dict[int, Values | None]) -> list[Edge]:
    whole = node.layer.input.channels
    return [
        _make_edge(node, tensor, network.tensor_shape(tensor).channels / whole / values.within)
        for tensor, values in parts.items()
        if values is not None
    ]


def _pass(node: Node, inputs: list[Values | None], factor: float) -> _Passed:
    layer = node.layer
    if not inputs:
        return _Passed((), make_normal(0.0, 0.0))
    rule = RULES.get(layer.kind)
    if rule is None:
        return _Passed([None] * len(inputs), None)
    return rule(layer, inputs, factor)


# -- rules: each takes a layer, the distributions of its inputs and the factor of its filter

Rule = Callable[[Layer, list[Values | None], float], _Passed]


def _copy(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    return _Passed([1.0], inputs[0])


def _weigh(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the sum of products with independent weights: normal, with a mean of 0 over all channels."""
    (values,) = inputs
    if values is None:
        return _Passed([_HE], None)
    within = values.within
    whole = max(values.square, LEAST)
    return _Passed([_HE], make_normal(0.0, _HE * whole, 1 - within / whole))


def _normalise_channels(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the values of each channel with mean 0 and variance 1."""
    (values,) = inputs
    if values is None:
        return _Passed([None], NOISE)
    return _Passed([1 / values.within], standardise(values, 0.0))


def _normalise_samples(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return values with mean 0 and variance 1 over several channels; the differences between channels remain."""
    (values,) = inputs
    if values is None:
        return _Passed([None], NOISE)
    return _Passed([1 / values.variance], standardise(values, values.between))


def _activate(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    (values,) = inputs
    curve = find_curve(layer)
    if values is None or curve is None:
        return _Passed([None], None)
    return _Passed([mean_slope(curve, values)], map_values(curve, values))


def _pick_largest(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the largest of as many independent values as the window has; its gradient goes to one of them."""
    (values,) = inputs
    if values is None:
        return _Passed([1.0], None)
    return _Passed([1.0], take_largest(values, _count_window(layer)))


def _count_window(layer: Layer) -> float:
    """Return the number of values in a window, on average."""
    count = 1.0
    for size in getattr(layer, "kernel_size", ()):
        count *= size
    return count if hasattr(layer, "kernel_size") else layer.input.positions / layer.output.positions


def _average(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the sum of independent values with fixed weights that add up to 1 and whose squares add up to `factor`."""
    (values,) = inputs
    if values is None:
        return _Passed([factor], None)
    mean, variance = values.mean, values.variance
    between, within = variance * values.between, variance * (1 - values.between) * factor
    scale = sqrt((between + within) / variance)
    points = tuple([mean + scale * (point - mean) for point in values.points])
    return _Passed([factor], Values(points, values.chances, between / max(between + within, LEAST)))


def _scale(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    number = getattr(layer, "factor", None)
    if number is None:
        return _copy(layer, inputs, factor)
    values = inputs[0]
    return _Passed([number**2], None if values is None else map_values(lambda x: number * x, values))


def _shift(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    number, values = getattr(layer, "amount", None) or 0.0, inputs[0]
    return _Passed([1.0], None if values is None else map_values(lambda x: x + number, values))


def _gate_halves(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the product of one half of the channels and the sigmoid of the other half."""
    (values,) = inputs
    if values is None:
        return _Passed([None], None)
    gate = map_values(ACTIVATIONS["sigmoid"], values)
    gain = gate.square + values.square * mean_slope(ACTIVATIONS["sigmoid"], values)
    return _Passed([gain], multiply_values([values, gate]))


def _multiply(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the product of independent values: the energy of each input is multiplied by the squares of the others."""
    known = [values for values in inputs if values is not None]
    if len(known) < len(inputs):
        return _Passed([None] * len(inputs), None)
    gains = []
    for place in range(len(known)):
        gain = 1.0
        for other, values in enumerate(known):
            gain *= values.square if other != place else 1.0
        gains.append(gain)
    return _Passed(gains, multiply_values(known))


def _add(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    known = [values for values in inputs if values is not None]
    gains = [1.0] * len(inputs)
    if len(known) < len(inputs):
        return _Passed(gains, None)
    variance = sum([values.variance for values in known])
    between = sum([values.variance * values.between for values in known])
    return _Passed(gains, make_normal(sum([values.mean for values in known]), variance, between / variance))


def _join(layer: Layer, inputs: list[Values | None], factor: float) -> _Passed:
    """Return the distribution over all channels; the energy of each input is its share of the channels."""
    total = sum([shape.elements for shape in layer.inputs])
    shares = [shape.elements / total for shape in layer.inputs]
    known = [values for values in inputs if values is not None]
    if len(known) < len(inputs):
        return _Passed(shares, None)
    if all(values == known[0] for values in known):
        return _Passed(shares, known[0])
    mean = sum([share * values.mean for share, values in zip(shares, known, strict=True)])
    variance = sum([share * values.square for share, values in zip(shares, known, strict=True)]) - mean**2
    within = sum([share * values.within for share, values in zip(shares, known, strict=True)])
    return _Passed(shares, make_normal(mean, variance, max(1 - within / max(variance, LEAST), 0.0)))


def _by_kind(rule: Rule, kinds: str) -> dict[str, Rule]:
    return dict.fromkeys(kinds.split(), rule)


RULES: dict[str, Rule] = {
    **_by_kind(_weigh, "conv conv_transpose pointwise_conv depthwise_conv separable_conv locally_connected linear"),
    **_by_kind(_normalise_channels, "batchnorm instancenorm"),
    **_by_kind(_normalise_samples, "layernorm groupnorm"),
    **_by_kind(_activate, "relu relu6 leaky_relu prelu elu selu celu gelu silu mish sigmoid tanh softplus softsign"),
    **_by_kind(_activate, "hardtanh hardsigmoid hardswish"),
    **_by_kind(_pick_largest, "maxpool adaptive_maxpool global_maxpool"),
    **_by_kind(_average, "avgpool adaptive_avgpool global_avgpool mean blurpool upsample"),
    **_by_kind(_copy, "identity dropout drop_path flatten tokens map reshape slice crop pad unfold pixel_shuffle"),
    **_by_kind(_copy, "pixel_unshuffle channel_shuffle local_response_norm global_response_norm max_unpool lppool"),
    "scale": _scale,
    "shift": _shift,
    "glu": _gate_halves,
    "add": _add,
    "multiply": _multiply,
    "concat": _join,
}
"""The rules by kind of layer. The gain of any other kind is unknown, which matters only where branches merge."""
