"""Compares two reports: their metrics and settings, and which layers were added, removed, changed, moved or renamed.

For example, `compare_reports(old, new).figures["macs"].change` is the MACs of the new network minus those of the old.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report
from convcalc.diff.compared_figures import FigurePair
from convcalc.diff.matching import Pair, find_replacements, match_layers
from convcalc.metrics.figures import figures_of
from convcalc.metrics.target import DEFAULT_TARGET, Target
from convcalc.network import Network
from convcalc.problems import printable

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

_OPTIONS = {"frozen", "share"}


class ValueChange(NamedTuple):
    """The old and new value of a setting, argument or shape; `what` is its name.

    A value is None if that network does not have the setting or argument.
    """

    what: str
    old: Any
    new: Any


class LayerChange(NamedTuple):
    """What happened to a layer; `old` is None if it was added, `new` is None if it was removed.

    `written` lists the changed kind, arguments, options and connections. `shapes` lists the changed input and
    output shapes. `moved` is true if its position relative to the other layers changed.
    """

    old: LayerReport | None
    new: LayerReport | None
    moved: bool = False
    written: tuple[ValueChange, ...] = ()
    shapes: tuple[ValueChange, ...] = ()

    @property
    def renamed(self) -> bool:
        """Whether the name changed; False if the kind changed too, as a new kind usually has a new default name."""
        old, new = self.old, self.new
        return old is not None and new is not None and old.kind == new.kind and old.name != new.name

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened to the layer."""
        one_sided = self.old is None or self.new is None
        return not (one_sided or self.moved or self.renamed or self.written or self.shapes)

    @property
    def layer(self) -> LayerReport:
        """The layer of the new network, or of the old one if it was removed."""
        found = self.new or self.old
        assert found is not None
        return found

    def figure(self, name: str) -> FigurePair:
        """Return this layer's old and new value of a metric such as `macs`; 0 in a network without the layer."""
        old, new = (0 if layer is None else getattr(layer, name) for layer in (self.old, self.new))
        return FigurePair(old, new)


class Difference(NamedTuple):
    """The differences between two networks; their names, descriptions, files and budgets are not compared.

    `figures` maps the name of every metric to its old and new value, even if they are equal. The last ones are those
    measured on `target`; the latency is in nanoseconds.
    """

    old: Report
    new: Report
    figures: dict[str, FigurePair]
    given: tuple[ValueChange, ...]  # changed spec parameters, inputs, outputs, batch size and data types
    aligned: tuple[LayerChange, ...]  # all layers of both, in the order of the new network; a removed layer follows
    # the layer that preceded it in the old network
    target: Target = DEFAULT_TARGET

    def __repr__(self) -> str:
        old, new = (printable(report.network.name) for report in (self.old, self.new))
        return f"<Difference {old} → {new}: {len(self.layers):,} layers differ>"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.diff import difference_lines
        from convcalc.render.lines import RichBlocks

        return RichBlocks(lambda width: difference_lines(self, width, layers=True))

    @property
    def layers(self) -> tuple[LayerChange, ...]:
        """The layers that differ, in the order of `aligned`."""
        return tuple(change for change in self.aligned if not change.is_empty)

    @property
    def is_empty(self) -> bool:
        """Whether the metrics, receptive fields, settings and layers of both networks are the same."""
        fields = self.old.totals.receptive_field, self.new.totals.receptive_field
        same_field = fields[0].size == fields[1].size or self.figures["receptive_field"].same
        same_figures = all(figure.is_equal for figure in self.figures.values())
        return same_figures and same_field and not self.given and not self.layers


def compare_reports(
    old: Report, new: Report, *, target: Target = DEFAULT_TARGET, measured: Sequence[str] = ()
) -> Difference:
    """Return the difference between two reports; `measured` names the figures on a device that are included."""
    before, after = figures_of(old), figures_of(new)
    pairs = match_layers(old.network, new.network)
    pairs = sorted([*pairs, *find_replacements(old.network, new.network, pairs)], key=lambda pair: pair.new)
    figures = {name: FigurePair(before[name], after[name]) for name in before}
    if measured:
        figures |= _measure_pairs(old, new, target, measured)
    if old.totals.receptive_field.whole and new.totals.receptive_field.whole:
        figures["receptive_field"] = figures["receptive_field"]._replace(same=True)
    return Difference(
        old,
        new,
        figures,
        tuple(_compare_values(_collect_settings(old), _collect_settings(new))),
        tuple(_align_layers(old, new, pairs)),
        target,
    )


def _measure_pairs(old: Report, new: Report, target: Target, measured: Sequence[str]) -> dict[str, FigurePair]:
    from convcalc.metrics.device_figures import whole_device_figure as measure

    return {name: FigurePair(measure(old, name, target), measure(new, name, target)) for name in measured}


def _collect_settings(report: Report) -> dict[str, Any]:
    """Return a network's spec parameters, inputs, outputs, batch size and data types, by name."""
    network = report.network
    return {
        **{f"params.{name}": value for name, value in network.params.items()},
        **{f"inputs.{name}": shape for name, shape in network.inputs.items()},
        **{f"outputs.{name}": shape for name, shape in report.outputs().items()},
        "batch": network.batch,
        **{f"dtype.{name}": dtype for name, dtype in network.dtype._asdict().items()},
    }


def _compare_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ValueChange]:
    """Yield the values that differ: in the order of the old network, then values that only the new network has."""
    for name in dict.fromkeys((*old, *new)):
        if repr(old.get(name)) != repr(new.get(name)):  # distinguishes 1, 1.0 and true
            yield ValueChange(name, old.get(name), new.get(name))


# -- layers


def _align_layers(old: Report, new: Report, pairs: Sequence[Pair]) -> list[LayerChange]:
    """Return what happened to each layer, in the order of the new network; `pairs` are the corresponding layers.

    A removed layer is listed after the layer that precedes it in the old network.
    """
    sources = _find_tensor_sources(old.network, {pair.old: number for number, pair in enumerate(pairs)})
    new_sources = _find_tensor_sources(new.network, {pair.new: number for number, pair in enumerate(pairs)})
    found: list[tuple[int, int, LayerChange]] = []
    for pair in pairs:
        rewired = _list_input_sources(old.network, sources, pair.old) != _list_input_sources(
            new.network, new_sources, pair.new
        )
        found.append((pair.new, 0, _compare_pair(old.layers[pair.old], new.layers[pair.new], pair.moved, rewired)))
    added = set(range(len(new.layers))) - {pair.new for pair in pairs}
    found += [(index, 0, LayerChange(None, new.layers[index])) for index in added]
    places = {pair.old: pair.new for pair in pairs if not pair.moved}
    gone, place = set(range(len(old.layers))) - {pair.old for pair in pairs}, -1
    for index, layer in enumerate(old.layers):
        place = places.get(index, place)
        if index in gone:
            found.append((place, index + 1, LayerChange(layer, None)))
    return [change for _, _, change in sorted(found, key=lambda item: item[:2])]


def _compare_pair(old: LayerReport, new: LayerReport, moved: bool, rewired: bool) -> LayerChange:
    """Return what changed between two corresponding layers.

    `rewired` is true if the inputs of the layer come from different layers than before.
    """
    written = tuple(_compare_arguments(old, new))
    if rewired:
        written += (ValueChange("from", old.reads, new.reads),)
    before = {"input": old.layer.inputs, "output": old.output_shape}
    shapes = tuple(_compare_values(before, {"input": new.layer.inputs, "output": new.output_shape}))
    return LayerChange(old, new, moved, written, shapes)


def _compare_arguments(old: LayerReport, new: LayerReport) -> Iterator[ValueChange]:
    """Yield the arguments and options that differ.

    If the kind differs, yield that change first; then compare only arguments that both kinds have.
    """
    before, after = _collect_options(old), _collect_options(new)
    if old.kind != new.kind:
        yield ValueChange("kind", old.kind, new.kind)
        common = (old.layer.keys.keys() & new.layer.keys.keys()) | _OPTIONS
        before, after = ({name: one[name] for name in one if name in common} for one in (before, after))
    yield from _compare_values(before, after)


def _collect_options(layer: LayerReport) -> dict[str, Any]:
    """Return the arguments of a layer by name, and the options `frozen` and `share` if they are set."""
    shared = {} if layer.shares is None else {"share": True}
    return {**layer.layer.arguments(), **({"frozen": True} if layer.frozen else {}), **shared}


def _find_tensor_sources(network: Network, numbers: Mapping[int, int]) -> list[int | str]:
    """Return, per tensor, its source: the number of the pair of layers that produces it, or the name of an input.

    `numbers` maps the index of a layer to the number of its pair. An added or removed layer has no pair; the source of
    its output is then the source of its first input. A layer that reads the output of an inserted layer therefore does
    not count as rewired.
    """
    single = len(network.inputs) == 1
    found: list[int | str] = ["input" if single else name for name in network.inputs]
    for index, node in enumerate(network.nodes):
        paired = index in numbers
        found.append(numbers[index] if paired else found[node.reads[0]] if node.reads else node.name)
    return found


def _list_input_sources(network: Network, sources: Sequence[int | str], index: int) -> list[int | str]:
    return [sources[tensor] for tensor in network.nodes[index].reads]
