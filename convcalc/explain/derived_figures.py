"""Derives the sizes, counts and bytes of a layer, each with the formula from which it was computed.

`explain_layers` takes a report and the name of a layer, and returns an `Explanation` per layer with `DerivedFigure`s
such as `params = C_out × k_h × k_w × C_in + C_out = 1,792`. This module does not contain the formulas: they are
recorded while the layer's own methods compute with symbolic integers (see `make_symbolic_layer`).
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from convcalc.analysis.batchnorm_folding import find_foldable_norms
from convcalc.analysis.receptive_field import Field
from convcalc.analysis.report import LayerReport, Report
from convcalc.explain.symbolic_layers import make_symbolic_layer
from convcalc.intervals import Reads
from convcalc.layers.base import Layer
from convcalc.network import matches_pattern
from convcalc.problems import did_you_mean, show
from convcalc.shape import AXIS_NAMES
from convcalc.symbolic import Constant, Expression, Notation, Symbol, expression_of, iterate_symbols, make_quantity
from convcalc.units import Dtype, tensor_bytes

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

_BEFORE = "receptive field and jump (cumulative stride) of the layer's input, in positions of the network's input"
_TITLES = {"macs": "MACs", "flops": "FLOPs"}
_Value = TypeVar("_Value", bound=Hashable)


class DerivedFigure(NamedTuple):
    """One number about a layer: its name, its value (None: unknown), and its derivation as a formula or in words.

    `axes` names the axes that have this number; it is empty if the title needs no axes, as for `params`. If `one_axis`
    is true, the symbols of the formula are written without axis index (`k`, not `k_h`).
    """

    name: str
    value: int | None
    formula: Expression | None = None
    words: str = ""
    unit: str = ""
    one_axis: bool = False
    axes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as readers see it: `MACs`, `receptive field, height`; for a size, only the names of its axes."""
        name = _TITLES.get(self.name, self.name.replace("_", " "))
        return ", ".join([*([] if self.name == "size" and self.axes else [name]), *self.axes])


class Explanation(NamedTuple):
    """The explanation of one layer: its report, notes such as `frozen: …`, and its figures with their formulas."""

    layer: LayerReport
    notes: tuple[str, ...]
    figures: tuple[DerivedFigure, ...]

    def __repr__(self) -> str:
        return f"<Explanation of {self.layer.name}: {len(self.figures)} figures>"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.explain import explanation_lines
        from convcalc.render.lines import RichBlocks

        return RichBlocks(lambda width: explanation_lines([self], width))

    def legend(self) -> dict[str, list[str]]:
        """Return the symbols in the formulas, grouped by meaning: `{"stride": ["s_h", "s_w"], …}`."""
        found: dict[str, list[str]] = {}
        for figure in self.figures:
            for symbol in iterate_symbols(figure.formula) if figure.formula is not None else ():
                names, name = found.setdefault(symbol.meaning, []), symbol.called(figure.one_axis)
                names += [name] if name not in names else []
        return {meaning: names for meaning, names in found.items() if meaning}


class NoLayer(ValueError):
    """Raised if no layer has the requested name or matches the requested pattern."""


def explain_layers(report: Report, pattern: str) -> list[Explanation]:
    """Return the explanations of the layers that `pattern` selects.

    `pattern` is the name of a layer or scope, or a glob such as `stage2.*`. Raises `NoLayer`, which suggests the
    closest name, if no layer matches.
    """
    names = [layer.name for layer in report.layers]
    indexes = [names.index(pattern)] if pattern in names else []
    indexes = indexes or [index for index, name in enumerate(names) if matches_pattern(name, pattern)]
    if not indexes:
        raise NoLayer(f"no layer named {show(pattern)}: {_suggest_layer(report, pattern, names)}")
    links = _find_links(report)
    return [_explain_layer(report, index, links) for index in indexes]


def _suggest_layer(report: Report, name: str, names: list[str]) -> str:
    for layer, norms in _find_links(report).folded.items():
        if name in norms:
            return f"it is folded into {layer}"
    ends = [found for found in names if found.endswith("." + name)]
    return (
        f"did you mean {ends[0]}?" if ends else did_you_mean(name, names)
    ) or "convcalc summary NET lists the layers"


class _Links(NamedTuple):
    users: dict[str, list[str]]
    folded: dict[str, list[str]]


def _find_links(report: Report) -> _Links:
    users: dict[str, list[str]] = {}
    for layer in report.layers:
        if layer.shares:
            users.setdefault(layer.shares, []).append(layer.name)
    folded: dict[str, list[str]] = {}
    nodes, first = report.trained.nodes, len(report.trained.inputs)
    for index in sorted(find_foldable_norms(report.trained)) if report.trained is not report.network else ():
        folded.setdefault(nodes[nodes[index].reads[0] - first].name, []).append(nodes[index].name)
    return _Links(users, folded)


def _explain_layer(report: Report, index: int, links: _Links) -> Explanation:
    layer = report.layers[index]
    twin = make_symbolic_layer(layer.layer)
    figures = (
        *_derive_sizes(layer.layer),
        *_derive_weights(layer, twin),
        *_derive_operations(layer, twin, report.network.batch),
        *_derive_memory(report, index, twin),
        *_derive_field(report, index, twin),
    )
    return Explanation(layer, tuple(_list_notes(layer, links)), figures)


def _list_notes(layer: LayerReport, links: _Links) -> Iterator[str]:
    if layer.shares:
        yield f"shares the weights of {layer.shares}, where they are counted"
    if layer.name in links.users:
        yield f"its weights are shared by {', '.join(links.users[layer.name])} and counted only here"
    if layer.frozen:
        yield "frozen: its params are not trained"
    for norm in links.folded.get(layer.name, ()):
        yield f"{norm} is folded into it: the scale into its weights, the bias into its bias"
    if layer.layer.is_view:
        yield "a view: the output shares the memory of the input"


# -- sizes


def _derive_sizes(layer: Layer) -> list[DerivedFigure]:
    shape = make_symbolic_layer(layer, sizes=True).inferred_shape()
    channels = DerivedFigure(
        "channels" if shape.axes else "features", int(shape.channels), expression_of(shape.channels)
    )
    written = [
        ((Notation(False, one_axis=True).write(expression_of(size)), Notation(True).write(expression_of(size))), size)
        for size in shape.spatial
    ]
    sizes = dict(reversed(written))
    axes = _group_by_value(zip((same for same, _ in written), AXIS_NAMES[shape.axes], strict=True))
    return [channels, *(_make_size_figure(names, sizes[same]) for same, names in axes)]


def _make_size_figure(names: list[str], size: int) -> DerivedFigure:
    formula = expression_of(size)
    used = set(iterate_symbols(formula))
    # axis indices are left out unless two symbols would then have the same name
    one_axis = len({symbol.called(True) for symbol in used}) == len(used)
    return DerivedFigure("size", int(size), formula, one_axis=one_axis, axes=tuple(names))


# -- weights and operations


def _derive_weights(layer: LayerReport, twin: Layer) -> Iterator[DerivedFigure]:
    learnt = sum(twin.weight_tensors()) + sum(twin.bias_tensors())
    if layer.shares:
        yield DerivedFigure("params", 0, words=f"shared weights, counted at {layer.shares}")
        return
    yield _make_figure("params", learnt, "no learnt elements")
    stored = sum(twin.buffer_tensors())
    if stored:
        yield _make_figure("buffers", stored)


def _derive_operations(layer: LayerReport, twin: Layer, batch: int) -> list[DerivedFigure]:
    # the counts of `twin` are per sample, the figures for the whole batch
    samples = _make_batch_factor(batch)
    counts = {"multiplications": twin.count_multiplications(), "additions": twin.count_additions()}
    figures = [_make_operations(name, count, samples) for name, count in counts.items()]
    return [*figures, _derive_macs(layer, twin, samples), _derive_flops(layer)]


def _make_operations(name: str, count: int | None, samples: int) -> DerivedFigure:
    return DerivedFigure(name, None, words="unknown") if count is None else _make_figure(name, samples * count)


def _derive_macs(layer: LayerReport, twin: Layer, samples: int) -> DerivedFigure:
    # most layers' MACs are all of their multiplications or 0
    macs = twin.count_macs()
    if layer.kind == "opaque" or layer.multiplications is None or layer.macs not in (0, layer.multiplications):
        return _make_operations("macs", macs, samples)
    multiplications = make_quantity(Symbol("multiplications", layer.multiplications))
    return _make_figure("macs", multiplications if layer.macs else 0, "only convolutions and matrix products have MACs")


def _derive_flops(layer: LayerReport) -> DerivedFigure:
    if layer.multiplications is None or layer.additions is None:
        return DerivedFigure("flops", None, words="unknown")
    multiplications = make_quantity(Symbol("multiplications", layer.multiplications))
    return _make_figure(
        "flops", multiplications + make_quantity(Symbol("additions", layer.additions)) if layer.flops else 0
    )


def _make_batch_factor(batch: int) -> int:
    # a batch of 1 is not shown in formulas
    return make_quantity(Symbol("B", batch, "samples in a batch")) if batch > 1 else 1


def _make_figure(name: str, value: int, zero_reason: str = "", unit: str = "") -> DerivedFigure:
    formula = expression_of(value)
    if not value:
        return DerivedFigure(name, 0, None if formula == Constant(0) else formula, zero_reason, unit)
    return DerivedFigure(name, int(value), formula, unit=unit)


# -- memory


def _derive_memory(report: Report, index: int, twin: Layer) -> Iterator[DerivedFigure]:
    layer, network = report.layers[index], report.network
    samples, dtype = _make_batch_factor(network.batch), network.dtype
    if layer.weight_memory:
        yield DerivedFigure("weight_memory", layer.weight_memory, _make_weight_formula(layer, twin, dtype), unit="B")
    inputs = sum(tensor_bytes(samples * shape.elements, dtype.activations) for shape in twin.inputs)
    yield _make_figure("input_memory", inputs, unit="B")
    yield _make_figure("activation_memory", tensor_bytes(samples * twin.output.elements, dtype.activations), unit="B")


def _make_weight_formula(layer: LayerReport, twin: Layer, dtype: Dtype) -> Expression:
    # each tensor is rounded up to whole bytes, so the short formula is used only if its result is the same
    whole = make_quantity(Symbol("params", layer.params))
    if layer.buffers:
        whole = whole + make_quantity(Symbol("buffers", layer.buffers))
    stored = tensor_bytes(whole, dtype.weights)
    if dtype.bias == dtype.weights and stored == layer.weight_memory:
        return expression_of(stored)
    stored = sum(tensor_bytes(elements, dtype.weights) for elements in twin.weight_tensors() + twin.buffer_tensors())
    return expression_of(stored + sum(tensor_bytes(elements, dtype.bias) for elements in twin.bias_tensors()))


# -- the receptive field


def _derive_field(report: Report, index: int, twin: Layer) -> list[DerivedFigure]:
    """Return the receptive field and jump of a layer's output, as formulas if possible, otherwise in words.

    Per axis, the formula is field + (k_eff - 1) × jump, with the field and jump of the layer's input. `twin` is the
    layer with symbolic numbers.
    """
    node = report.network.nodes[index]
    before, after = [report.fields[tensor] for tensor in node.reads], report.layers[index].receptive_field
    reach = node.layer.reach()
    if not before:
        return [DerivedFigure("receptive_field", 0, words="it has no input")]
    if after.whole or not after.size:
        return [DerivedFigure("receptive_field", None, words="the whole input" if after.whole else "unknown")]
    if reach == "everything":
        words = "the region on which all positions of its input depend, within the network's input"
        return _describe_fields(after.size, AXIS_NAMES[len(after.size)], words)
    if reach == "same" and len(set(before)) == 1:
        return _describe_fields(
            after.size,
            AXIS_NAMES[len(after.size)],
            "the field of its input, because an output depends only on its own position",
        )
    if reach == "same":
        return _describe_fields(
            after.size, AXIS_NAMES[len(after.size)], "the region that covers the receptive fields of all its inputs"
        )
    if isinstance(reach, tuple) and all(map(_is_regular, before)) and all(reads.period == 1 for reads in reach):
        return _derive_steps(before[0], twin)
    least = after.size_min or after.size
    spread = "" if least == after.size else f"the largest size (the smallest is {'×'.join(map(str, least))}), "
    found = _describe_fields(
        after.size, AXIS_NAMES[len(after.size)], f"{spread}computed position by position over one period of the strides"
    )
    jumps = [] if after.jump is None else [f"{over}/{under}" if under > 1 else str(over) for over, under in after.jump]
    return [*found, *([DerivedFigure("jump", None, words="×".join(dict.fromkeys(jumps)))] if jumps else [])]


def _is_regular(field: Field) -> bool:
    # on every axis there is a single path of sliding windows, and the field is the same at all positions
    return bool(field.axes) and all(len(paths) == 1 and paths[0].period == 1 for paths in field.axes or ())


def _describe_fields(sizes: tuple[int, ...], axes: tuple[str, ...], words: str) -> list[DerivedFigure]:
    return [
        DerivedFigure("receptive_field", size, words=words, axes=_name_axes(names, axes))
        for size, names in _group_by_value(zip(sizes, axes, strict=True))
    ]


def _name_axes(names: list[str], axes: tuple[str, ...]) -> tuple[str, ...]:
    # axes are named only if they differ
    return () if len(names) == len(axes) else tuple(names)


def _group_by_value(pairs: Iterable[tuple[_Value, str]]) -> list[tuple[_Value, list[str]]]:
    found: dict[_Value, list[str]] = {}
    for value, name in pairs:
        found.setdefault(value, []).append(name)
    return list(found.items())


def _derive_steps(field: Field, twin: Layer) -> list[DerivedFigure]:
    """Return the effective kernel size, receptive field and jump of a layer with windows.

    Axes with equal values share one figure. `field` belongs to the layer's input; `twin` is the layer with symbolic
    numbers.
    """
    reach = twin.reach()
    assert isinstance(reach, tuple)
    axes = AXIS_NAMES[len(reach)]
    paths = [only for (only,) in field.axes or ()]
    found = []
    values = [
        (path.sizes()[0], path.jump[0], reads.low[0], reads.high[0], reads.shift)
        for path, reads in zip(paths, reach, strict=True)
    ]
    for (size, jump, *_), names in _group_by_value(zip(values, axes, strict=True)):
        found += _derive_step(size, jump, reach[axes.index(names[0])], names, axes)
    return found


def _derive_step(size: int, jump: int, reads: Reads, names: list[str], axes: tuple[str, ...]) -> list[DerivedFigure]:
    (low,), (high,) = reads.low, reads.high
    assert low is not None
    assert high is not None
    kernel = high - low + 1
    window = make_quantity(Symbol("k_eff", int(kernel), "effective kernel size"))
    seen = make_quantity(Symbol("field", size, _BEFORE))
    step = make_quantity(Symbol("jump", jump, _BEFORE))
    figures = [
        ("effective_kernel_size", kernel),
        ("receptive_field", seen + (window - 1) * step),
        ("jump", step * reads.shift),
    ]
    return [
        DerivedFigure(what, int(value), expression_of(value), one_axis=True, axes=_name_axes(names, axes))
        for what, value in figures
    ]
