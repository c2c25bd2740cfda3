"""Every figure of a layer with the formula that gives it."""

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from convcalc.analysis.folding import foldable
from convcalc.analysis.receptive_field import Field
from convcalc.analysis.report import LayerReport, Report
from convcalc.explain.remembering import make_symbolic_layer
from convcalc.formula import Constant, Expression, Notation, Symbol, expression_of, named, symbols
from convcalc.layers.base import Layer
from convcalc.network import Dtype, goes_by
from convcalc.problems import did_you_mean, shown
from convcalc.reads import Reads
from convcalc.shape import AXIS_NAMES
from convcalc.units import tensor_bytes

_BEFORE = "of what it reads, in positions of the network's input"
_Value = TypeVar("_Value", bound=Hashable)


class Figure(NamedTuple):
    """A figure: its value, None where it is not known, and how it comes about, by a formula or in words.

    `one_axis`: the formula speaks of one axis, whose name the figure's has.
    """

    name: str
    value: int | None
    formula: Expression | None = None
    words: str = ""
    unit: str = ""
    one_axis: bool = False


class Explanation(NamedTuple):
    """A layer, what is particular about it, and its figures."""

    layer: LayerReport
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]

    def legend(self) -> dict[str, list[str]]:
        """The symbols of the formulas by what they mean."""
        found: dict[str, list[str]] = {}
        for figure in self.figures:
            for symbol in symbols(figure.formula) if figure.formula is not None else ():
                names, name = found.setdefault(symbol.meaning, []), symbol.called(figure.one_axis)
                names += [name] if name not in names else []
        return {meaning: names for meaning, names in found.items() if meaning}


class NoLayer(ValueError):
    """No layer has the name, or fits the pattern, that was asked for."""


def explained(report: Report, pattern: str) -> list[Explanation]:
    """The layers that a name, a scope's name or a pattern stands for. Raises NoLayer with the nearest name."""
    names = [layer.name for layer in report.layers]
    indexes = [names.index(pattern)] if pattern in names else []
    indexes = indexes or [index for index, name in enumerate(names) if goes_by(name, pattern)]
    if not indexes:
        raise NoLayer(f"no layer {shown(pattern)}: {_suggest_layer(report, pattern, names)}")
    bonds = _find_links(report)
    return [_explain_layer(report, index, bonds) for index in indexes]


def _suggest_layer(report: Report, name: str, names: list[str]) -> str:
    """What was most likely meant."""
    for layer, norms in _find_links(report).folded.items():
        if name in norms:
            return f"it is folded into {layer}"
    ends = [found for found in names if found.endswith("." + name)]
    return (
        f"did you mean {ends[0]}?" if ends else did_you_mean(name, names)
    ) or "convcalc summary NET lists the layers"


class _Links(NamedTuple):
    """By the name of a layer: the layers that use its weights, and the batch norms that are folded into it."""

    users: dict[str, list[str]]
    folded: dict[str, list[str]]


def _find_links(report: Report) -> _Links:
    """What the layers of a network have to do with one another."""
    users: dict[str, list[str]] = {}
    for layer in report.layers:
        if layer.shares:
            users.setdefault(layer.shares, []).append(layer.name)
    folded: dict[str, list[str]] = {}
    nodes, first = report.trained.nodes, len(report.trained.inputs)
    for index in sorted(foldable(report.trained)) if report.trained is not report.network else ():
        folded.setdefault(nodes[nodes[index].reads[0] - first].name, []).append(nodes[index].name)
    return _Links(users, folded)


def _explain_layer(report: Report, index: int, bonds: _Links) -> Explanation:
    """Every figure of one layer."""
    layer = report.layers[index]
    twin = make_symbolic_layer(layer.layer)
    figures = (
        *_derive_sizes(layer.layer),
        *_derive_weights(layer, twin),
        *_derive_operations(layer, twin, report.network.batch),
        *_derive_memory(report, index, twin),
        *_derive_field(report, index, twin),
    )
    return Explanation(layer, tuple(_list_notes(layer, bonds)), figures)


def _list_notes(layer: LayerReport, bonds: _Links) -> Iterator[str]:
    """What is particular about a layer."""
    if layer.shares:
        yield f"uses the weights of {layer.shares}, where they count once"
    if layer.name in bonds.users:
        yield f"its weights serve {', '.join(bonds.users[layer.name])} too, and count here"
    if layer.frozen:
        yield "frozen: its params are kept out of training"
    for norm in bonds.folded.get(layer.name, ()):
        yield f"{norm} is folded into it: a factor into its weights, a shift into its bias"
    if layer.layer.is_view:
        yield "a view: it gives the memory that it reads, and takes none"


# -- sizes


def _derive_sizes(layer: Layer) -> list[Figure]:
    """The channels and the size of every axis of the output; axes of equal formulas and numbers together."""
    shape = make_symbolic_layer(layer, sizes=True).inferred_shape()
    channels = Figure("channels" if shape.axes else "features", int(shape.channels), expression_of(shape.channels))
    written = [
        ((Notation(False, one_axis=True).write(expression_of(size)), Notation(True).write(expression_of(size))), size)
        for size in shape.spatial
    ]
    sizes = dict(reversed(written))
    axes = _group_by_value(zip((same for same, _ in written), AXIS_NAMES[shape.axes], strict=True))
    return [channels, *(_make_size_figure(names, sizes[same]) for same, names in axes)]


def _make_size_figure(names: list[str], size: int) -> Figure:
    """The size of axes that agree."""
    formula = expression_of(size)
    met = set(symbols(formula))
    one_axis = len({symbol.called(True) for symbol in met}) == len(met)
    return Figure(", ".join(names), int(size), formula, one_axis=one_axis)


# -- weights and operations


def _derive_weights(layer: LayerReport, twin: Layer) -> Iterator[Figure]:
    """The learnt elements, and those of running statistics where there are any."""
    learnt = sum(twin.weight_tensors()) + sum(twin.bias_tensors())
    if layer.shares:
        yield Figure("params", 0, words=f"those of {layer.shares}")
        return
    yield _make_figure("params", learnt, "nothing is learnt")
    kept = sum(twin.buffer_tensors())
    if kept:
        yield _make_figure("buffers", kept)


def _derive_operations(layer: LayerReport, twin: Layer, batch: int) -> list[Figure]:
    """Multiplications, additions, MACs and FLOPs of the whole batch."""
    samples, products, sums = _make_batch_factor(batch), twin.multiplications(), twin.additions()
    if products is None or sums is None or layer.multiplications is None or layer.additions is None:
        return [Figure(name, None, words="not known") for name in ("multiplications", "additions", "MACs", "FLOPs")]
    multiplications = named(Symbol("multiplications", layer.multiplications))
    flops = multiplications + named(Symbol("additions", layer.additions))
    return [
        _make_figure("multiplications", samples * products),
        _make_figure("additions", samples * sums),
        _make_figure("MACs", multiplications if layer.macs else 0, "MACs are those of convolution and linear layers"),
        _make_figure("FLOPs", flops if layer.flops else 0),
    ]


def _make_batch_factor(batch: int) -> int:
    """The samples in a batch as a factor, which one alone does not show."""
    return named(Symbol("B", batch, "samples in a batch")) if batch > 1 else 1


def _make_figure(name: str, value: int, nothing: str = "", unit: str = "") -> Figure:
    """A figure by its formula; in words where there is nothing."""
    formula = expression_of(value)
    if not value:
        return Figure(name, 0, None if formula == Constant(0) else formula, nothing, unit)
    return Figure(name, int(value), formula, unit=unit)


# -- memory


def _derive_memory(report: Report, index: int, twin: Layer) -> Iterator[Figure]:
    """Bytes of the weights, and of what is read and given, of the whole batch."""
    layer, network = report.layers[index], report.network
    samples, dtype = _make_batch_factor(network.batch), network.dtype
    if layer.weight_bytes:
        yield Figure("weight memory", layer.weight_bytes, _make_weight_formula(layer, twin, dtype), unit="B")
    read = sum(tensor_bytes(samples * shape.elements, dtype.activations) for shape in twin.inputs)
    yield _make_figure("input memory", read, unit="B")
    yield _make_figure("output memory", tensor_bytes(samples * twin.output.elements, dtype.activations), unit="B")


def _make_weight_formula(layer: LayerReport, twin: Layer, dtype: Dtype) -> Expression:
    """All elements times their bits where that comes to the same, else tensor by tensor."""
    whole = named(Symbol("params", layer.params))
    if layer.buffers:
        whole = whole + named(Symbol("buffers", layer.buffers))
    stored = tensor_bytes(whole, dtype.weights)
    if dtype.bias == dtype.weights and stored == layer.weight_bytes:
        return expression_of(stored)
    stored = sum(tensor_bytes(elements, dtype.weights) for elements in twin.weight_tensors() + twin.buffer_tensors())
    return expression_of(stored + sum(tensor_bytes(elements, dtype.bias) for elements in twin.bias_tensors()))


# -- the receptive field


def _derive_field(report: Report, index: int, twin: Layer) -> list[Figure]:
    """How far this layer's step widens the receptive field: field + (extent - 1) × jump on every axis."""
    node = report.network.nodes[index]
    before, after = [report.fields[tensor] for tensor in node.reads], report.layers[index].field
    reach = node.layer.reach()
    if after.whole or not after.size:
        return [Figure("receptive field", None, words="the whole input" if after.whole else "not known")]
    if reach == "same" and len(set(before)) == 1:
        return _describe_fields(
            after.size, AXIS_NAMES[len(after.size)], "that of what it reads, as every value sees its own position"
        )
    if reach == "same":
        return _describe_fields(after.size, AXIS_NAMES[len(after.size)], "from the first to the last position that any input sees")
    if isinstance(reach, tuple) and all(map(_is_regular, before)) and all(reads.period == 1 for reads in reach):
        return _derive_steps(before[0], twin)
    least = after.size_min or after.size
    spread = "" if least == after.size else f"at the most, at the least {'×'.join(map(str, least))}; "
    found = _describe_fields(after.size, AXIS_NAMES[len(after.size)], f"{spread}followed position by position over a period")
    jumps = [] if after.jump is None else [f"{over}/{under}" if under > 1 else str(over) for over, under in after.jump]
    return [*found, *([Figure("jump", None, words="×".join(dict.fromkeys(jumps)))] if jumps else [])]


def _is_regular(field: Field) -> bool:
    """Whether every axis has one path of sliding windows, whose field is the same everywhere."""
    return bool(field.axes) and all(len(paths) == 1 and paths[0].period == 1 for paths in field.axes or ())


def _describe_fields(sizes: tuple[int, ...], axes: tuple[str, ...], words: str) -> list[Figure]:
    """Fields in words, axes of equal size together."""
    return [
        Figure(_name_field(names, axes), size, words=words) for size, names in _group_by_value(zip(sizes, axes, strict=True))
    ]


def _name_field(names: list[str], axes: tuple[str, ...], what: str = "receptive field") -> str:
    """What a figure of the field is called: with its axes only where they differ."""
    return what if len(names) == len(axes) else f"{what}, {', '.join(names)}"


def _group_by_value(pairs: Iterable[tuple[_Value, str]]) -> list[tuple[_Value, list[str]]]:
    """The names of equal values together."""
    found: dict[_Value, list[str]] = {}
    for value, name in pairs:
        found.setdefault(value, []).append(name)
    return list(found.items())


def _derive_steps(field: Field, twin: Layer) -> list[Figure]:
    """The step of sliding windows: the extent of the window, the field and the jump, axis by axis."""
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


def _derive_step(size: int, jump: int, reads: Reads, names: list[str], axes: tuple[str, ...]) -> list[Figure]:
    """The step on axes that agree."""
    (low,), (high,) = reads.low, reads.high
    assert low is not None
    assert high is not None
    extent = high - low + 1
    window = named(Symbol("extent", int(extent)))
    seen = named(Symbol("field", size, _BEFORE))
    step = named(Symbol("jump", jump, _BEFORE))
    figures = [("extent", extent), ("receptive field", seen + (window - 1) * step), ("jump", step * reads.shift)]
    return [
        Figure(_name_field(names, axes, what), int(value), expression_of(value), one_axis=True)
        for what, value in figures
    ]
