"""Compares the network of a spec with a PyTorch module or ONNX file: totals, output shapes, and single layers.

`compare_with` takes a network and a `Model`, which holds the figures of the PyTorch module or ONNX file. These figures
are counted by PyTorch or from the nodes of the file, not by convcalc's importers. A comparison with an imported spec
therefore also finds errors of the importers. For example, a conv may have 896 params in the spec and 864 in PyTorch
because it has no bias there. Then both the layer and the total differ.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report, analyse
from convcalc.network import Network
from convcalc.problems import printable

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

Sizes = tuple[int, ...]


class MeasuredFigures(NamedTuple):
    """The output shape, params, buffers and MACs of one layer.

    The output shape excludes the batch. `buffers` is the number of elements of running statistics. The MACs are for the
    whole batch; None means unknown.
    """

    output_shape: Sizes
    params: int
    buffers: int
    macs: int | None


class ModelPart(NamedTuple):
    """The figures of one PyTorch module or ONNX node. Weights shared with an earlier part count as 0."""

    name: str
    kind: str
    figures: MeasuredFigures


class Model(NamedTuple):
    """The figures of a whole PyTorch module or ONNX file for one batch; None means unknown.

    `source` is a name such as "ONNX". `outputs` are the output shapes, without the batch.
    """

    source: str
    parts: tuple[ModelPart, ...]
    params: int
    trainable_params: int | None
    buffers: int
    macs: int | None
    outputs: tuple[Sizes, ...] | None


class ComparedLayer(NamedTuple):
    """The figures of one layer in convcalc (`ours`) and in the PyTorch module or ONNX file (`theirs`).

    `ours` is None if only the model has the layer. `theirs` is None if only convcalc has it, or if PyTorch rejects it
    with the message `refusal`. `known` is false if the layer could not be compared.
    """

    name: str
    kind: str
    ours: MeasuredFigures | None
    theirs: MeasuredFigures | None
    refusal: str = ""
    known: bool = True

    @property
    def agrees(self) -> bool:
        """Whether all figures are equal; also true if the layer could not be compared."""
        return self.ours == self.theirs or not self.known


class ComparedTotal(NamedTuple):
    """A figure of the whole network in convcalc (`ours`) and in the model (`theirs`); None means unknown."""

    name: str
    ours: Any
    theirs: Any

    @property
    def agrees(self) -> bool:
        """Whether the two values are equal or at least one of them is unknown."""
        return self.ours == self.theirs or None in (self.ours, self.theirs)


class Verification(NamedTuple):
    """The compared layers, and the compared totals if the network was compared with a whole model."""

    report: Report
    layers: tuple[ComparedLayer, ...]
    totals: tuple[ComparedTotal, ...] = ()
    source: str = "PyTorch"

    def __repr__(self) -> str:
        counts = f"{len(self.layers):,} layers, {len(self.differences):,} differ"
        return f"<Verification of {printable(self.report.network.name)} against {self.source}: {counts}>"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.lines import RichBlocks
        from convcalc.render.verify import verification_lines

        return RichBlocks(lambda width: verification_lines([self], width))

    @property
    def agrees(self) -> bool:
        """Whether no layer and no total differs."""
        return not self.differences and all(total.agrees for total in self.totals)

    @property
    def differences(self) -> list[ComparedLayer]:
        """The layers whose figures differ."""
        return [layer for layer in self.layers if not layer.agrees]

    @property
    def unknown(self) -> list[ComparedLayer]:
        """The layers that could not be compared."""
        return [layer for layer in self.layers if not layer.known]


def _comparable_values(figures: MeasuredFigures) -> tuple[Any, ...]:
    """Return a layer's figures, with the output's sizes sorted and without 1s: models may have channels last."""
    return (sorted(size for size in figures.output_shape if size > 1), *figures[1:])


def _adopt_axis_order(theirs: MeasuredFigures, ours: MeasuredFigures) -> MeasuredFigures:
    """Return `theirs` with the output shape of `ours` if the shapes differ only in axis order or axes of size 1."""
    same = _comparable_values(theirs)[0] == _comparable_values(ours)[0]
    return theirs._replace(output_shape=ours.output_shape) if same else theirs


def compare_with(network: Network, model: Model) -> Verification:
    """Compare a network with a model, and return the totals, output shapes and layers of both."""
    report = analyse(network)
    totals = tuple(_compare_totals(report, model))
    agree = all(total.agrees for total in totals)
    return Verification(report, tuple(_pair_layers(report, model.parts, agree)), totals, model.source)


def _compare_totals(report: Report, model: Model) -> Iterator[ComparedTotal]:
    for name in ("params", "trainable_params", "buffers", "macs"):
        yield ComparedTotal(name, getattr(report.totals, name), getattr(model, name))
    outputs = [shape.sizes for shape in report.outputs().values()]
    if model.outputs is None:
        yield ComparedTotal("outputs", outputs, None)
        return
    theirs = list(dict.fromkeys(model.outputs))
    same = _describe_outputs(outputs) == _describe_outputs(theirs)
    yield ComparedTotal("outputs", theirs if same else outputs, theirs)


def _describe_outputs(shapes: Iterable[Sizes]) -> list[list[int]]:
    """Return a form of output shapes that ignores the order of axes, axes of size 1, and duplicates."""
    return sorted(sorted(size for size in sizes if size > 1) for sizes in dict.fromkeys(shapes))


def _pair_layers(report: Report, parts: Sequence[ModelPart], agree: bool) -> Iterator[ComparedLayer]:
    """Yield each layer with its matching part of the model, then the parts without a layer.

    A layer matches a part with the same name and the same figures. Otherwise it matches the first part with the same
    figures, or else the part with the same name.

    If the totals agree, unmatched layers and parts do not count as differences: one separable convolution in convcalc
    is two modules in PyTorch, and a custom module may be several layers. Nor does a part match a layer of its name that
    may contain it. An unmatched layer without params, running
    statistics and MACs is omitted.
    """
    free = dict(enumerate(parts))
    paired: dict[str, ModelPart] = {}
    layers = [layer for layer in report.layers if layer.macs is not None]
    rules: tuple[Callable[[LayerReport, ModelPart], bool], ...] = (
        lambda layer, part: (
            _normalise_name(layer.name) == _normalise_name(part.name) and _have_same_figures(layer, part)
        ),
        lambda layer, part: _has_any_figure(layer) and _have_same_figures(layer, part),
        lambda layer, part: (
            _normalise_name(layer.name) == _normalise_name(part.name) and not (agree and _may_contain(layer, part))
        ),
    )
    for rule in rules:
        for layer in layers:
            number = next((number for number, part in free.items() if rule(layer, part)), None)
            if layer.name not in paired and number is not None:
                paired[layer.name] = free.pop(number)
    for layer in report.layers:
        part, counted = paired.get(layer.name), layer.macs is not None
        if part is None and counted and not _has_any_figure(layer):
            continue
        known = part is not None or (counted and not agree)
        ours = measure_layer(layer)
        yield ComparedLayer(layer.name, layer.kind, ours, part and _adopt_axis_order(part.figures, ours), known=known)
    for part in free.values() if not agree else ():
        if any(part.figures[1:]):
            yield ComparedLayer(part.name, part.kind, None, part.figures)


def _normalise_name(name: str) -> str:
    """Return a name in the form in which names are compared: `/stage1/conv` becomes `stage1_conv`."""
    return "_".join(re.findall(r"[a-z0-9]+", name.lower()))


def _has_any_figure(layer: LayerReport) -> bool:
    return bool(layer.params or layer.buffers or layer.macs)


def measure_layer(layer: LayerReport) -> MeasuredFigures:
    """Return the output shape, params, buffers and MACs that a report states for a layer."""
    return MeasuredFigures(layer.output_shape.sizes, layer.params, layer.buffers, layer.macs)


def _may_contain(layer: LayerReport, part: ModelPart) -> bool:
    """Whether a part may be one of several that are one layer, such as the first matrix product of an attention."""
    figures = part.figures
    if figures.macs is None or layer.macs is None:
        return False
    return figures.params <= layer.params and figures.buffers <= layer.buffers and figures.macs < layer.macs


def _have_same_figures(layer: LayerReport, part: ModelPart) -> bool:
    return _comparable_values(measure_layer(layer)) == _comparable_values(part.figures)


def order_input_shapes(network: Network, names: Iterable[str]) -> list[Sizes]:
    """Return a network's input shapes, without the batch, in the order of the model's input names.

    If the model lacks one of the network's inputs, the shapes stay in the network's order.
    """
    inputs = {name: shape.sizes for name, shape in network.inputs.items()}
    listed = [name for name in names if name in inputs]
    return [inputs[name] for name in listed] if len(listed) == len(inputs) else list(inputs.values())
