"""Computes the effective receptive field of every layer at initialisation: how far the energy of a gradient spreads.

The theoretical receptive field contains every input position that matters at all; most of the influence comes from near
its centre. `compute_effective_fields` follows the expected squares of the gradient of one output position (see
`convcalc.analysis.gradient_energy` and `convcalc.analysis.energy_spread`) and returns their standard deviation along
each axis of the input. For a chain of layers its square is the fraction Σ (jump d)² (k² - 1) / 12. Where branches
merge, their energies add.

Source: Luo, Li, Urtasun and Zemel 2016, "Understanding the effective receptive field in deep convolutional neural
networks".
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import exp, log, prod, sqrt
from typing import NamedTuple

from convcalc.analysis.energy_spread import AT_INPUT, AxisSpread, Number, TapWeights, merge_spreads, read_spread
from convcalc.analysis.gradient_energy import RULES, Edge, find_edges
from convcalc.analysis.receptive_field import Field, input_size
from convcalc.intervals import SAME, Reads, TooVaried, shifted_input
from convcalc.layers.base import Filter, Layer, Reach
from convcalc.layers.merge import Concat
from convcalc.network import Network, Node
from convcalc.shape import Shape

# chains of these kinds keep their spread, although their gain is unknown
_POSITION_WISE = ("softmax", "log_softmax", "embedding", "opaque", "permute", "sum", "std", "fold")


class Spread(NamedTuple):
    """The energy that a position of a tensor sends to the network's input.

    `axes` are its spreads along each axis. `log` is the logarithm of the whole energy, without the factors of the
    layers in `unknown`.
    """

    axes: tuple[AxisSpread, ...]
    log: float = 0.0
    unknown: frozenset[str] = frozenset()

    @property
    def is_exact(self) -> bool:
        """Whether the variances are exact fractions, as in a chain."""
        return all(isinstance(figure, Fraction) for axis in self.axes for figure in axis.variance)

    def variances(self) -> list[tuple[Number, Number]]:
        """Return, per axis, the smallest and the largest variance over all positions that send energy."""
        found = [[v for v, mass in zip(axis.variance, axis.mass, strict=True) if mass] for axis in self.axes]
        return [(min(figures, default=Fraction(0)), max(figures, default=Fraction(0))) for figures in found]

    def deviations(self) -> list[tuple[float, float]]:
        """Return, per axis, the smallest and the largest standard deviation over all positions, in input positions."""
        return [(sqrt(least), sqrt(most)) for least, most in self.variances()]


class NoSpread(NamedTuple):
    """A tensor without an effective receptive field, and why it has none.

    `everywhere` is true if each position depends on all positions of some tensor, as after global pooling, and
    `nowhere` if it depends on no position of the input.
    """

    reason: str
    everywhere: bool = False
    nowhere: bool = False


State = Spread | NoSpread
_NOWHERE = NoSpread("it depends on no position of the input", nowhere=True)


class EffectiveFields(NamedTuple):
    """The effective receptive fields of all tensors, indexed by tensor number.

    `edges` are the tensors to which every layer sends energy. `ignored` are those whose energy is left out, as pairs of
    the layer's index and the number of the edge.
    """

    states: list[State]
    edges: list[list[Edge]]
    ignored: set[tuple[int, int]]


def compute_effective_fields(network: Network, fields: Sequence[Field]) -> EffectiveFields:
    """Return the effective receptive fields of all tensors of a network; `fields` are the theoretical ones."""
    axes = len(input_size(network))
    states: list[State] = [
        Spread((AT_INPUT,) * axes) if shape.axes == axes else _NOWHERE for shape in network.inputs.values()
    ]
    found = EffectiveFields(states, find_edges(network, _find_mean_energy), set())
    for index in range(len(network.nodes)):
        state = _find_state(network, fields, found, index)  # reads the states of the layers before
        states.append(state)
    return found


def list_ignored(network: Network, found: EffectiveFields, tensor: int | None = None) -> list[str]:
    """Return the names of the tensors whose energy is ignored on the way from a tensor (None: any) to the input."""
    needed = _list_needed(network, found, tensor)
    tensors = [found.edges[index][place].tensor for index, place in sorted(found.ignored) if index in needed]
    return [network.tensor_name(tensor) for tensor in dict.fromkeys(tensors)]


def _list_needed(network: Network, found: EffectiveFields, tensor: int | None) -> set[int]:
    """Return the indexes of the layers through which the energy of a tensor passes; of all layers for None."""
    first = len(network.inputs)
    if tensor is None:
        return set(range(len(network.nodes)))
    needed, waiting = set(), [tensor]
    while waiting:
        index = waiting.pop() - first
        if index >= 0 and index not in needed:
            needed.add(index)
            edges = enumerate(found.edges[index])
            waiting += [edge.tensor for place, edge in edges if (index, place) not in found.ignored]
    return needed


def find_tap_weights(layer: Layer) -> tuple[TapWeights | None, ...]:
    """Return, per axis, the energy weights of a layer's taps; None if all are equal."""
    filters = layer.fixed_filter()
    return (None,) * max(layer.input.axes, 1) if filters is None else tuple(map(_square_filter, filters))


def _square_filter(weights: Filter) -> TapWeights:
    return lambda place, taps: [weight * weight for weight in weights(place, taps)]


def _find_mean_energy(layer: Layer) -> float:
    """Return the mean energy that a layer's fixed filter sends to all its taps together; 1 without a fixed filter."""
    if layer.fixed_filter() is None:
        return 1.0
    try:
        reach = layer.reach()
        if not isinstance(reach, tuple):
            return 1 / layer.input.positions if reach == "everything" else 1.0
        pairs = zip(reach, find_tap_weights(layer), strict=True)
        return float(prod([_find_axis_energy(reads, weights) for reads, weights in pairs]))
    except TooVaried:
        return 1.0


def _find_axis_energy(reads: Reads, weights: TapWeights | None) -> Number:
    return read_spread(reads, weights, AT_INPUT)[1]


# -- one layer


def _find_state(network: Network, fields: Sequence[Field], found: EffectiveFields, index: int) -> State:
    """Return the effective receptive field of a layer's output, and add its ignored inputs to `found`."""
    node, edges = network.nodes[index], found.edges[index]
    inputs = [found.states[edge.tensor] for edge in edges]
    if all(isinstance(state, NoSpread) and state.nowhere for state in inputs):
        return _NOWHERE
    unclear = [state for state in inputs if isinstance(state, NoSpread) and not (state.nowhere or state.everywhere)]
    if unclear:
        return unclear[0]
    if node.layer.kind not in RULES and node.layer.kind not in _POSITION_WISE:
        return NoSpread(f"{node.name}: the theory does not cover {node.layer.kind}")
    carrying = _choose_inputs(node, inputs, [network.tensor_shape(edge.tensor) for edge in edges])
    if not carrying:
        return NoSpread(f"{node.name} depends on all positions of a tensor", everywhere=True)
    ignored = [place for place in range(len(inputs)) if place not in carrying and _sends_energy(inputs[place])]
    found.ignored.update((index, place) for place in ignored)
    try:
        merged = _merge_inputs(node, carrying, edges)
        return _pass_layer(node, merged, carrying, network, fields, index)
    except _NotCovered as error:
        return NoSpread(str(error))


class _NotCovered(ValueError):
    """Raised if the theory gives no result; the message says why."""


def _sends_energy(state: State) -> bool:
    return isinstance(state, Spread) or not state.nowhere


def _choose_inputs(node: Node, inputs: list[State], shapes: list[Shape]) -> dict[int, Spread]:
    """Return the inputs that have an own spread at every output position, by number."""
    output = node.layer.output.spatial
    found = {place: state for place, state in enumerate(inputs) if isinstance(state, Spread)}
    if len(inputs) == 1 or (isinstance(node.layer, Concat) and node.layer.place):
        return found
    return {place: state for place, state in found.items() if shapes[place].spatial == output}


def _merge_inputs(node: Node, inputs: dict[int, Spread], edges: list[Edge]) -> Spread:
    """Return the spread of all inputs together; energies add up. Raises _NotCovered for unknown weights."""
    spreads = [
        spread._replace(log=spread.log + edges[place].log, unknown=spread.unknown | edges[place].unknown)
        for place, spread in inputs.items()
    ]
    first = spreads[0]
    if len(spreads) == 1:
        return first
    unclear = frozenset().union(*(spread.unknown ^ first.unknown for spread in spreads))
    if unclear:
        raise _NotCovered(f"{node.name} merges branches, and the theory does not cover {min(unclear)} in one of them")
    most = max(spread.log for spread in spreads)
    masses = [exp(spread.log - most) for spread in spreads]
    shares = [mass / sum(masses) for mass in masses]
    try:
        axes = [
            merge_spreads(list(zip(shares, paths, strict=True)))
            for paths in zip(*(spread.axes for spread in spreads), strict=True)
        ]
    except TooVaried:
        raise _NotCovered(f"{node.name} merges branches with different jumps") from None
    return Spread(tuple(axes), most + log(sum(masses)), first.unknown)


def _pass_layer(
    node: Node, merged: Spread, carrying: Iterable[int], network: Network, fields: Sequence[Field], index: int
) -> State:
    """Return the spread of a layer's output, given that of its merged input. Raises _NotCovered if there is none."""
    try:
        reach = find_reach(node, carrying)
        if reach == "everything":
            alone = all(shape.positions == 1 for shape in node.layer.inputs)
            if alone and not any(fields[tensor].flat for tensor in node.reads):
                return merged
            return NoSpread(f"{node.name} depends on all positions of its input", everywhere=True)
        if reach == "same":
            return merged
        if isinstance(reach, str) or len(reach) != len(merged.axes):
            if reach != "unknown" and fields[len(network.inputs) + index].axes is not None:
                return merged  # tokens, also with a class token or as a map again, or a single position
            raise _NotCovered(f"which positions {node.name} reads is unknown")
        axes: list[AxisSpread] = []
        known: list[tuple[object, AxisSpread]] = []
        for step in zip(reach, find_tap_weights(node.layer), merged.axes, strict=True):
            same = next((spread for done, spread in known if done == step and step[1] is None), None)
            axes.append(read_spread(*step)[0] if same is None else same)
            known.append((step, axes[-1]))
    except TooVaried:
        raise _NotCovered(f"the positions that {node.name} reads repeat only after too many positions") from None
    return merged._replace(axes=tuple(axes))


def find_reach(node: Node, carrying: Iterable[int]) -> Reach:
    """Return which positions of its inputs with the indexes `carrying` a layer reads; see `Reach`."""
    layer = node.layer
    if not (isinstance(layer, Concat) and layer.place):
        return layer.reach()
    places = list(carrying)
    if len(places) > 1:
        return "unknown"
    offset = sum(shape.spatial[layer.place - 1] for shape in layer.inputs[: places[0]])
    return tuple([shifted_input(-offset) if axis == layer.place else SAME for axis in range(1, layer.output.axes + 1)])
