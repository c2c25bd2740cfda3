"""The cost of alternatives: of the layers, which is quick, and of the whole network, by building it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from convcalc.alternatives.factorings import FACTORINGS, CannotChange, Convolution, Entry
from convcalc.alternatives.rewriting import ConvReplacement, RewrittenSpec, rewrite_spec
from convcalc.alternatives.subjects import check_changeable, map_sharers
from convcalc.analysis.cost import activation_bytes, cost
from convcalc.analysis.report import LayerReport, Report, analyse
from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.problems import Flaw
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.making import make_written_layer

METRICS = ("macs", "params", "flops", "weight_memory", "activation_memory")


class _Figures(NamedTuple):
    """The cost of all uses of an entry, or of the entries that replace it.

    `params` counts elements; `macs` and `flops` are for the whole batch; `weight_memory` is the bytes of the weights,
    `activation_memory` the bytes of the outputs of all layers.
    """

    params: int
    macs: int
    flops: int
    weight_memory: int
    activation_memory: int


class Option(NamedTuple):
    """A convolution and an alternative to it, with the cost of both; the difference is what the network saves."""

    conv: Convolution
    factoring: str
    entries: list[Entry]
    before: _Figures
    after: _Figures

    def saving(self, metric: str) -> int:
        """Return what the network saves by a metric; negative if it costs more."""
        before: int = getattr(self.before, metric)
        after: int = getattr(self.after, metric)
        return before - after


class Alternative(NamedTuple):
    """An option built into the network: the changed spec, its report, and whether shape and field stay the same.

    `before` is the first use of the entry, `after` the last of the layers that replace it.
    """

    option: Option
    spec: RewrittenSpec
    report: Report
    before: LayerReport
    after: LayerReport
    same_shape: bool
    same_field: bool


class Refused(NamedTuple):
    """A convolution that cannot be changed at all (empty `factoring`) or in one way, and the reason."""

    conv: Convolution
    factoring: str
    reason: str


def list_options(convs: Iterable[Convolution], network: Network) -> tuple[list[Option], list[Refused]]:
    """Return every alternative to the convolutions with its cost, and the refused ones."""
    found: list[Option] = []
    refused: list[Refused] = []
    sharing = map_sharers(network)
    for conv in convs:
        try:
            check_changeable(conv, network, sharing)
        except CannotChange as error:
            refused.append(Refused(conv, "", str(error)))
            continue
        for name in FACTORINGS:
            try:
                option = _make_option(conv, name, network)
            except CannotChange as error:
                refused.append(Refused(conv, name, str(error)))
                continue
            found += [option] if option is not None else []
    return found, refused


def _make_option(conv: Convolution, factoring: str, network: Network) -> Option | None:
    """Return an alternative with its cost; None if it does not apply to the convolution. Raises CannotChange."""
    entries = FACTORINGS[factoring].make(conv)
    if entries is None:
        return None
    after = []
    for use, node in enumerate(conv.nodes):
        own = FACTORINGS[factoring].make(conv.literal(use))
        try:
            made = _build_layers(own or [], conv.layers[use].input)
        except Flaw as flaw:
            raise CannotChange(flaw.message) from None
        after.append(_add_costs(made, network, network.nodes[node].owner is None))
    return Option(conv, factoring, entries, cost_of(conv, network), _total(after))


def cost_of(conv: Convolution, network: Network) -> _Figures:
    """Return the cost of all uses of an entry."""
    uses = zip(conv.nodes, conv.layers, strict=True)
    return _total(_add_costs([layer], network, network.nodes[node].owner is None) for node, layer in uses)


def _build_layers(entries: Sequence[Entry], shape: Shape) -> list[Layer]:
    """Return the layers of consecutive entries with evaluated arguments. Raises Flaw."""
    layers: list[Layer] = []
    for word, arguments in entries:
        layers.append(make_written_layer(word, arguments, (shape,)))
        shape = layers[-1].output
    return layers


def _add_costs(layers: Iterable[Layer], network: Network, owned: bool) -> _Figures:
    """Return the cost of layers, whose kinds have a known cost; params and weights count only if `owned`."""
    found = []
    for layer in layers:
        spent = cost(layer, network.dtype, network.batch)
        assert spent.macs is not None
        assert spent.multiplications is not None
        assert spent.additions is not None
        given = activation_bytes(layer.output, network.dtype, network.batch)
        weights = spent.weight_memory if owned else 0
        flops = spent.multiplications + spent.additions
        found.append(_Figures(spent.params if owned else 0, spent.macs, flops, weights, given))
    return _total(found)


def _total(found: Iterable[_Figures]) -> _Figures:
    """Return the sum of each figure."""
    return _Figures(*map(sum, zip(*found, strict=True)))


def rank_options(found: Iterable[Option], metric: str) -> list[Option]:
    """Return the options sorted by what they save in the whole network, most first."""
    return sorted(found, key=lambda option: -option.saving(metric))


def _build_option(document: Document, overrides: Overrides, report: Report, option: Option) -> Alternative:
    """Return an option built into the network. Raises CannotChange."""
    network = report.network
    spec = rewrite_spec(document, network, overrides, [ConvReplacement(option.conv, option.entries)])
    changed = analyse(spec.network)
    first = len(network.inputs)
    uses = [(report.layers[node], changed.layers[spec.tensors[first + node] - first]) for node in option.conv.nodes]
    return Alternative(
        option,
        spec,
        changed,
        *uses[0],
        all(one.output_shape == other.output_shape for one, other in uses),
        all(one.receptive_field == other.receptive_field for one, other in uses),
    )


def build_options(
    document: Document, overrides: Overrides, report: Report, found: Iterable[Option], rows: int | None
) -> tuple[list[Alternative], list[Refused]]:
    """Return the first `rows` options that can be built into the network (None: all), and the refused ones before."""
    alternatives: list[Alternative] = []
    refused: list[Refused] = []
    for option in found:
        if rows is not None and len(alternatives) == rows:
            break
        try:
            alternatives.append(_build_option(document, overrides, report, option))
        except CannotChange as error:
            refused.append(Refused(option.conv, option.factoring, str(error)))
    return alternatives, refused
