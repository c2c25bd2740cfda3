"""What alternatives cost: of the layers themselves at once, of the whole network by making it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from convcalc.alternatives.factorings import FACTORINGS, CannotChange, Convolution, Entry
from convcalc.alternatives.rewriting import Change, Rewritten, rewritten
from convcalc.alternatives.subjects import check_changeable, sharers
from convcalc.analysis.cost import activation_bytes, cost
from convcalc.analysis.report import LayerReport, Report, analyse
from convcalc.layers.base import Layer
from convcalc.network import Network
from convcalc.problems import Flaw
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.making import written_layer

METRICS = ("macs", "params", "flops", "weight_memory", "activation_memory")


class Figures(NamedTuple):
    """The cost of all uses of an entry, or of what takes its place: elements, operations of the whole batch, bytes.

    `weight_memory` are the bytes of its weights, `activation_memory` those of all layers' outputs.
    """

    params: int
    macs: int
    flops: int
    weight_memory: int
    activation_memory: int


class Option(NamedTuple):
    """A convolution and an alternative to it: what both cost by themselves, which is what the network saves."""

    conv: Convolution
    factoring: str
    entries: list[Entry]
    before: Figures
    after: Figures

    def saving(self, metric: str) -> int:
        """What the network saves; negative where it costs more."""
        before: int = getattr(self.before, metric)
        after: int = getattr(self.after, metric)
        return before - after


class Alternative(NamedTuple):
    """An option that was made: the changed spec and its report, and what of the layer it keeps exactly.

    `before` is the first use of the entry, `after` the last layer of what takes its place.
    """

    option: Option
    spec: Rewritten
    report: Report
    before: LayerReport
    after: LayerReport
    same_shape: bool
    same_field: bool


class Refused(NamedTuple):
    """A convolution that cannot be changed, or not in one way (`factoring`), and why."""

    conv: Convolution
    factoring: str
    reason: str


def options(convs: Iterable[Convolution], network: Network) -> tuple[list[Option], list[Refused]]:
    """Every alternative to some convolutions with its cost, and what is refused."""
    found: list[Option] = []
    refused: list[Refused] = []
    sharing = sharers(network)
    for conv in convs:
        try:
            check_changeable(conv, network, sharing)
        except CannotChange as error:
            refused.append(Refused(conv, "", str(error)))
            continue
        for name in FACTORINGS:
            try:
                option = option_of(conv, name, network)
            except CannotChange as error:
                refused.append(Refused(conv, name, str(error)))
                continue
            found += [option] if option is not None else []
    return found, refused


def option_of(conv: Convolution, factoring: str, network: Network) -> Option | None:
    """One alternative with its cost, None where it is none of this convolution. Raises CannotChange."""
    entries = FACTORINGS[factoring].make(conv)
    if entries is None:
        return None
    after = []
    for use, node in enumerate(conv.nodes):
        own = FACTORINGS[factoring].make(conv.literal(use))
        try:
            made = built(own or [], conv.layers[use].input)
        except Flaw as flaw:
            raise CannotChange(flaw.message) from None
        after.append(figures(made, network, network.nodes[node].owner is None))
    return Option(conv, factoring, entries, cost_of(conv, network), total(after))


def cost_of(conv: Convolution, network: Network) -> Figures:
    """What all uses of an entry cost."""
    uses = zip(conv.nodes, conv.layers, strict=True)
    return total(figures([layer], network, network.nodes[node].owner is None) for node, layer in uses)


def built(entries: Sequence[Entry], shape: Shape) -> list[Layer]:
    """The layers of entries in a row, each argument a number. Raises Flaw."""
    layers: list[Layer] = []
    for word, arguments in entries:
        layers.append(written_layer(word, arguments, (shape,)))
        shape = layers[-1].output
    return layers


def figures(layers: Iterable[Layer], network: Network, owned: bool) -> Figures:
    """The cost of layers, all of kinds whose cost is known; weights that are not their own are not counted."""
    found = []
    for layer in layers:
        spent = cost(layer, network.dtype, network.batch)
        assert spent.macs is not None
        assert spent.multiplications is not None
        assert spent.additions is not None
        given = activation_bytes(layer.output, network.dtype, network.batch)
        weights = spent.weight_bytes if owned else 0
        flops = spent.multiplications + spent.additions
        found.append(Figures(spent.params if owned else 0, spent.macs, flops, weights, given))
    return total(found)


def total(found: Iterable[Figures]) -> Figures:
    """The sum of each figure."""
    return Figures(*map(sum, zip(*found, strict=True)))


def ranked(found: Iterable[Option], metric: str) -> list[Option]:
    """The options that save most in the whole network first."""
    return sorted(found, key=lambda option: -option.saving(metric))


def made(document: Document, overrides: Overrides, report: Report, option: Option) -> Alternative:
    """An option in its network. Raises CannotChange."""
    network = report.network
    spec = rewritten(document, network, overrides, [Change(option.conv, option.entries)])
    changed = analyse(spec.network)
    first = len(network.inputs)
    uses = [(report.layers[node], changed.layers[spec.tensors[first + node] - first]) for node in option.conv.nodes]
    return Alternative(
        option,
        spec,
        changed,
        *uses[0],
        all(one.output_shape == other.output_shape for one, other in uses),
        all(one.field == other.field for one, other in uses),
    )


def tried(
    document: Document, overrides: Overrides, report: Report, found: Iterable[Option], rows: int | None
) -> tuple[list[Alternative], list[Refused]]:
    """The first so many options that can be made, in their networks, and those before them that cannot."""
    alternatives: list[Alternative] = []
    refused: list[Refused] = []
    for option in found:
        if rows is not None and len(alternatives) == rows:
            break
        try:
            alternatives.append(made(document, overrides, report, option))
        except CannotChange as error:
            refused.append(Refused(option.conv, option.factoring, str(error)))
    return alternatives, refused
