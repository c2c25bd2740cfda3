"""Computes the cost of alternatives: first quickly, of the new layers alone, then of the whole changed network."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from convcalc.alternatives.factorings import FACTORINGS, CannotChange, Convolution, Entry
from convcalc.alternatives.rewriting import ConvReplacement, RewrittenSpec, rewrite_spec
from convcalc.alternatives.subjects import check_changeable, map_sharers
from convcalc.analysis.cost import activation_bytes, cost
from convcalc.analysis.report import LayerReport, Report, analyse
from convcalc.layers.base import Layer
from convcalc.layers.make import make_written_layer
from convcalc.metrics.figures import figure
from convcalc.network import Network
from convcalc.problems import Flaw
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides


class _Figures(NamedTuple):
    """The total cost of all layers that are built from an entry, or of the new layers that replace them.

    `params` counts elements; `macs` and `flops` are for the whole batch; `weight_memory` is the bytes of the weights,
    and `activation_memory` the bytes of the layers' outputs.
    """

    params: int
    macs: int
    flops: int
    weight_memory: int
    activation_memory: int


class Option(NamedTuple):
    """A convolution (cost `before`) and the entries that could replace it (cost `after`)."""

    conv: Convolution
    factoring: str
    entries: list[Entry]
    before: _Figures
    after: _Figures

    def saving(self, metric: str) -> int:
        """Return by how much the new entries lower a metric, such as `macs`; negative if they raise it."""
        before: int = getattr(self.before, metric)
        after: int = getattr(self.after, metric)
        return before - after


class Alternative(NamedTuple):
    """An option applied to the spec: the changed spec, and the report of the network that it describes.

    `before` is the report of the first layer that is built from the replaced entry, and `after` is the report of the
    last new layer in its place. `same_shape` and `same_field` tell whether the output shape and the receptive field
    stay the same in every use of the entry.
    """

    option: Option
    spec: RewrittenSpec
    report: Report
    before: LayerReport
    after: LayerReport
    same_shape: bool
    same_field: bool


class UnknownFigure(ValueError):
    """Raised if the metric by which alternatives are to be ranked is unknown for the network."""


class Refused(NamedTuple):
    """A convolution that `factoring` cannot replace, and the reason; if `factoring` is "", none can replace it."""

    conv: Convolution
    factoring: str
    reason: str


def list_options(convs: Iterable[Convolution], network: Network) -> tuple[list[Option], list[Refused]]:
    """Return every option to replace a convolution in `convs`, and every impossible replacement with the reason."""
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
    """Return the option that a factoring makes; None if it does not apply, such as `separable` to a 1×1 convolution.

    Raises CannotChange if the entries that the factoring makes would be invalid.
    """
    entries = FACTORINGS[factoring].make(conv)
    if entries is None:
        return None
    after = []
    for use, node in enumerate(conv.nodes):
        own = FACTORINGS[factoring].make(conv.select_use(use))
        try:
            made = _build_layers(own or [], conv.layers[use].input)
        except Flaw as flaw:
            raise CannotChange(flaw.message) from None
        after.append(_add_costs(made, network, network.nodes[node].owner is None))
    return Option(conv, factoring, entries, cost_of(conv, network), _sum_figures(after))


def cost_of(conv: Convolution, network: Network) -> _Figures:
    """Return the total cost of all layers that are built from an entry."""
    uses = zip(conv.nodes, conv.layers, strict=True)
    return _sum_figures(_add_costs([layer], network, network.nodes[node].owner is None) for node, layer in uses)


def _build_layers(entries: Sequence[Entry], shape: Shape) -> list[Layer]:
    """Return the layers of consecutive entries, whose arguments must not contain expressions.

    `shape` is the input shape of the first layer. Raises Flaw if a layer is invalid for its input shape.
    """
    layers: list[Layer] = []
    for word, arguments in entries:
        layers.append(make_written_layer(word, arguments, (shape,)))
        shape = layers[-1].output
    return layers


def _add_costs(layers: Iterable[Layer], network: Network, owned: bool) -> _Figures:
    """Return the total cost of layers, whose costs must be known.

    If `owned` is false, the layers use the weights of another layer: their params and weight memory are then 0.
    """
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
    return _sum_figures(found)


def _sum_figures(found: Iterable[_Figures]) -> _Figures:
    return _Figures(*map(sum, zip(*found, strict=True)))


class Found(NamedTuple):
    """The alternatives to show, the number of alternatives left out (`more`), and the options that cannot be applied.

    If `only_lower` is true, alternatives that do not lower the metric by which they are ranked are neither shown nor
    counted.
    """

    alternatives: list[Alternative]
    more: int
    refused: list[Refused]
    only_lower: bool = False


def find_alternatives(
    document: Document,
    overrides: Overrides,
    report: Report,
    options: Iterable[Option],
    by: str,
    rows: int | None,
    only_lower: bool,
) -> Found:
    """Return the `rows` alternatives (None: all) that lower the metric `by` of the whole network most.

    They are sorted by saving, the largest first. `by` is a name in `FIGURES`. With `only_lower`, alternatives that do
    not lower the metric are left out. Raises UnknownFigure if the metric of the network is unknown.
    """
    if by in _Figures._fields:  # sums over layers, so options can be ranked before they are built
        ranked = sorted(options, key=lambda option: -option.saving(by))
        ranked = [option for option in ranked if option.saving(by) > 0 or not only_lower]
        alternatives, refused = build_options(document, overrides, report, ranked, rows)
        return Found(alternatives, len(ranked) - len(alternatives) - len(refused), refused, only_lower)
    built, refused = build_options(document, overrides, report, options, None)
    savings = [(_find_saving(report, one.report, by), one) for one in built]
    savings = sorted((pair for pair in savings if pair[0] > 0 or not only_lower), key=lambda pair: -pair[0])
    first = [one for _, one in savings[:rows]]
    return Found(first, len(savings) - len(first), refused, only_lower)


def _find_saving(before: Report, after: Report, by: str) -> int:
    """Return how much lower the metric `by` is in the report `after`; negative if it is higher.

    Raises UnknownFigure if the metric is unknown in either report.
    """
    old, new = figure(before, by), figure(after, by)
    if old is None or new is None:
        raise UnknownFigure(f"{by} is unknown for this network")
    return old - new


def _build_option(document: Document, overrides: Overrides, report: Report, option: Option) -> Alternative:
    """Apply an option to the spec and return the result as an alternative.

    Raises CannotChange if the changed spec is invalid, or if a layer that is not replaced would change.
    """
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
    """Apply each option alone to the spec, and stop after `rows` alternatives (None: never).

    Returns the alternatives, and the options that could not be applied.
    """
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
