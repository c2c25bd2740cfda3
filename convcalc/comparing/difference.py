"""What tells two networks apart: figures, what they are given, and layers added, removed, changed, moved, renamed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report
from convcalc.comparing.figures import Figure, figures_of
from convcalc.comparing.matching import Pair, find_replacements, matched
from convcalc.network import Network

_OPTIONS = {"frozen", "share"}


class Change(NamedTuple):
    """What has another value: None where there is none."""

    what: str
    old: Any
    new: Any


class LayerChange(NamedTuple):
    """A layer that is not the same in both networks: None in the one that does not have it.

    `written` are the arguments and options that changed, `shapes` the shapes of inputs and output.
    """

    old: LayerReport | None
    new: LayerReport | None
    moved: bool = False
    written: tuple[Change, ...] = ()
    shapes: tuple[Change, ...] = ()

    @property
    def renamed(self) -> bool:
        """Whether it is there under another name; one of another kind is called otherwise anyway."""
        old, new = self.old, self.new
        return old is not None and new is not None and old.kind == new.kind and old.name != new.name

    @property
    def layer(self) -> LayerReport:
        """The layer as it is, or as it was where it is no more."""
        found = self.new or self.old
        assert found is not None
        return found

    def figure(self, name: str) -> Figure:
        """A figure of the layer, 0 in the network that does not have it."""
        return Figure(*(0 if layer is None else getattr(layer, name) for layer in (self.old, self.new)))


class Difference(NamedTuple):
    """What tells two networks apart. Names, descriptions, files and budgets do not."""

    old: Report
    new: Report
    figures: dict[str, Figure]
    given: tuple[Change, ...]  # params, inputs, outputs, batch, data types
    layers: tuple[LayerChange, ...]  # in the order of the new network, what was removed where it was

    @property
    def is_empty(self) -> bool:
        """Whether the networks are the same."""
        same_field = self.old.totals.field.size == self.new.totals.field.size
        same_figures = all(figure.old == figure.new for figure in self.figures.values())
        return same_figures and same_field and not self.given and not self.layers


def compared(old: Report, new: Report) -> Difference:
    """What tells two networks apart."""
    before, after = figures_of(old), figures_of(new)
    pairs = matched(old.network, new.network)
    pairs = sorted([*pairs, *find_replacements(old.network, new.network, pairs)], key=lambda pair: pair.new)
    return Difference(
        old,
        new,
        {name: Figure(before[name], after[name]) for name in before},
        tuple(_compare_values(_collect_settings(old), _collect_settings(new))),
        tuple(_compare_layers(old, new, pairs)),
    )


def _collect_settings(report: Report) -> dict[str, Any]:
    """What a network is given, and what leaves it."""
    network = report.network
    return {
        **{f"params.{name}": value for name, value in network.params.items()},
        **{f"inputs.{name}": shape for name, shape in network.inputs.items()},
        **{f"outputs.{name}": shape for name, shape in report.outputs().items()},
        "batch": network.batch,
        **{f"dtype.{name}": dtype for name, dtype in network.dtype._asdict().items()},
    }


def _compare_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """The values that differ, in the order of both."""
    for name in dict.fromkeys((*old, *new)):
        if repr(old.get(name)) != repr(new.get(name)):  # 1 is not 1.0, nor true
            yield Change(name, old.get(name), new.get(name))


# -- layers


def _compare_layers(old: Report, new: Report, pairs: Sequence[Pair]) -> list[LayerChange]:
    """The layers that are not the same, in the order of the new network, what was removed after what it followed."""
    sources = _find_origins(old.network, {pair.old: number for number, pair in enumerate(pairs)})
    new_sources = _find_origins(new.network, {pair.new: number for number, pair in enumerate(pairs)})
    found: list[tuple[int, int, LayerChange | None]] = []
    for pair in pairs:
        rewired = _find_sources(old.network, sources, pair.old) != _find_sources(new.network, new_sources, pair.new)
        found.append((pair.new, 0, _compare_pair(old.layers[pair.old], new.layers[pair.new], pair.moved, rewired)))
    added = set(range(len(new.layers))) - {pair.new for pair in pairs}
    found += [(index, 0, LayerChange(None, new.layers[index])) for index in added]
    places = {pair.old: pair.new for pair in pairs if not pair.moved}
    gone, place = set(range(len(old.layers))) - {pair.old for pair in pairs}, -1
    for index, layer in enumerate(old.layers):
        place = places.get(index, place)
        if index in gone:
            found.append((place, index + 1, LayerChange(layer, None)))
    return [change for _, _, change in sorted(found, key=lambda item: item[:2]) if change is not None]


def _compare_pair(old: LayerReport, new: LayerReport, moved: bool, rewired: bool) -> LayerChange | None:
    """What changed in a layer, None where nothing did."""
    written = tuple(_compare_arguments(old, new))
    if rewired:
        written += (Change("from", old.reads, new.reads),)
    before = {"input": old.layer.inputs, "output": old.output_shape}
    shapes = tuple(_compare_values(before, {"input": new.layer.inputs, "output": new.output_shape}))
    change = LayerChange(old, new, moved, written, shapes)
    return change if written or shapes or moved or change.renamed else None


def _compare_arguments(old: LayerReport, new: LayerReport) -> Iterator[Change]:
    """The arguments and options that differ; of a layer of another kind that, and what both kinds take."""
    before, after = _collect_options(old), _collect_options(new)
    if old.kind != new.kind:
        yield Change("kind", old.kind, new.kind)
        common = (old.layer.keys.keys() & new.layer.keys.keys()) | _OPTIONS
        before, after = ({name: one[name] for name in one if name in common} for one in (before, after))
    yield from _compare_values(before, after)


def _collect_options(layer: LayerReport) -> dict[str, Any]:
    """The arguments of a layer, whether it is frozen, and whether it has weights of its own."""
    shared = {} if layer.shares is None else {"share": True}
    return {**layer.layer.arguments(), **({"frozen": True} if layer.frozen else {}), **shared}


def _find_origins(network: Network, numbers: Mapping[int, int]) -> list[int | str]:
    """Of every tensor which layer of both networks it comes from, by the number of the pair, or which input.

    What was added or removed on the way stands for what it reads: a layer put between two does not rewire them.
    """
    single = len(network.inputs) == 1
    found: list[int | str] = ["input" if single else name for name in network.inputs]
    for index, node in enumerate(network.nodes):
        found.append(numbers[index] if index in numbers else found[node.reads[0]])
    return found


def _find_sources(network: Network, sources: Sequence[int | str], index: int) -> list[int | str]:
    """What a layer reads, as `origins` names it."""
    return [sources[tensor] for tensor in network.nodes[index].reads]
