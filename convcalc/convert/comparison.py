"""A spec's network beside a real model: totals, outputs, and layer by layer where names or figures pair them.

What a model is comes as `Model`, counted by PyTorch or from the nodes of an ONNX file, never by an importer of ours.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report, analyse
from convcalc.network import Network

if TYPE_CHECKING:
    from convcalc.render.lines import RichBlocks

Sizes = tuple[int, ...]


class Figures(NamedTuple):
    """A layer's output shape and costs: learnt elements, running statistics, MACs of a batch (None: unknown)."""

    output_shape: Sizes
    params: int
    buffers: int
    macs: int | None


class Part(NamedTuple):
    """A module or node of a model that computes or learns; weights used a second time count as none."""

    name: str
    kind: str
    figures: Figures


class Model(NamedTuple):
    """A model's own figures of a batch; None if the source does not state them. `source` is PyTorch or ONNX."""

    source: str
    parts: tuple[Part, ...]
    params: int
    trainable_params: int | None
    buffers: int
    macs: int | None
    outputs: tuple[Sizes, ...]


class Compared(NamedTuple):
    """A layer's figures, ours and the other's.

    `theirs` is None if PyTorch refuses the layer and says why, and `ours` if only the model has it. A layer that is not
    `known` has nothing to be compared with.
    """

    name: str
    kind: str
    ours: Figures | None
    theirs: Figures | None
    refusal: str = ""
    known: bool = True

    @property
    def agrees(self) -> bool:
        """Whether all figures are equal."""
        return self.ours == self.theirs or not self.known


class Total(NamedTuple):
    """A figure of the whole network, ours and the other's; None is unknown and differs from nothing."""

    name: str
    ours: Any
    theirs: Any

    @property
    def agrees(self) -> bool:
        """Whether both are equal, or one is unknown."""
        return self.ours == self.theirs or None in (self.ours, self.theirs)


class Verification(NamedTuple):
    """A network's layers compared, and its totals if it was compared with a model as a whole."""

    report: Report
    layers: tuple[Compared, ...]
    totals: tuple[Total, ...] = ()
    source: str = "PyTorch"

    def __rich__(self) -> "RichBlocks":
        from convcalc.render.lines import RichBlocks
        from convcalc.render.verify import verification_lines

        return RichBlocks(lambda width: verification_lines([self], width))

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences and all(total.agrees for total in self.totals)

    @property
    def differences(self) -> list[Compared]:
        """The layers of which the other has different figures."""
        return [layer for layer in self.layers if not layer.agrees]

    @property
    def unknown(self) -> list[Compared]:
        """The layers that are not compared."""
        return [layer for layer in self.layers if not layer.known]


def alike(figures: Figures) -> tuple[Any, ...]:
    """Figures as they are compared: PyTorch and TensorFlow may have the channels last, and axes of one element."""
    return (sorted(size for size in figures.output_shape if size > 1), *figures[1:])


def ordered_like(theirs: Figures, ours: Figures) -> Figures:
    """Figures with the axes of the output as ours has them, if they are the same but for their order and ones."""
    same = alike(theirs)[0] == alike(ours)[0]
    return theirs._replace(output_shape=ours.output_shape) if same else theirs


def compare_with(network: Network, model: Model) -> Verification:
    """A network beside a model."""
    report = analyse(network)
    totals = tuple(totals_of(report, model))
    agree = all(total.agrees for total in totals)
    return Verification(report, tuple(pair_layers(report, model.parts, agree)), totals, model.source)


def totals_of(report: Report, model: Model) -> Iterator[Total]:
    """The totals, and the shapes that leave the network."""
    for name in ("params", "trainable_params", "buffers", "macs"):
        yield Total(name, getattr(report.totals, name), getattr(model, name))
    outputs = [shape.sizes for shape in report.outputs().values()]
    theirs = list(dict.fromkeys(model.outputs))
    same = sorted(map(sorted, dict.fromkeys(outputs))) == sorted(map(sorted, theirs))
    yield Total("outputs", theirs if same else outputs, theirs)


def pair_layers(report: Report, parts: Sequence[Part], agree: bool) -> Iterator[Compared]:
    """The layers in their order, each beside the part of the model that it is.

    A layer is paired with the part of its name and figures, else with the first of its figures, else with the one of
    its name, which then differs. What is left over differs only if the totals do: a separable convolution of ours is
    two modules of PyTorch, and a module of one's own may be several layers. Of layers without weights only those are
    compared that the model has by name.
    """
    free = dict(enumerate(parts))
    paired: dict[str, Part] = {}
    layers = [layer for layer in report.layers if layer.macs is not None]
    rules: tuple[Callable[[LayerReport, Part], bool], ...] = (
        lambda layer, part: plain_name(layer.name) == plain_name(part.name) and same_figures(layer, part),
        lambda layer, part: has_weights(layer) and same_figures(layer, part),
        lambda layer, part: plain_name(layer.name) == plain_name(part.name),
    )
    for rule in rules:
        for layer in layers:
            number = next((number for number, part in free.items() if rule(layer, part)), None)
            if layer.name not in paired and number is not None:
                paired[layer.name] = free.pop(number)
    for layer in report.layers:
        part, counted = paired.get(layer.name), layer.macs is not None
        if part is None and counted and not has_weights(layer):
            continue
        known = part is not None or (counted and not agree)
        ours = figures_of(layer)
        yield Compared(layer.name, layer.kind, ours, part and ordered_like(part.figures, ours), known=known)
    for part in free.values() if not agree else ():
        if any(part.figures[1:]):
            yield Compared(part.name, part.kind, None, part.figures)


def plain_name(name: str) -> str:
    """A name without what specs, PyTorch and ONNX write differently between its parts."""
    return "_".join(re.findall(r"[a-z0-9]+", name.lower()))


def has_weights(layer: LayerReport) -> bool:
    """Whether a layer learns, keeps statistics, or multiplies with weights."""
    return bool(layer.params or layer.buffers or layer.macs)


def figures_of(layer: LayerReport) -> Figures:
    """The figures of one of our layers."""
    return Figures(layer.output_shape.sizes, layer.params, layer.buffers, layer.macs)


def same_figures(layer: LayerReport, part: Part) -> bool:
    """Whether a layer and a part of a model have the same figures."""
    return alike(figures_of(layer)) == alike(part.figures)


def shapes_for(network: Network, names: Iterable[str]) -> list[Sizes]:
    """The shapes of a network's inputs in the order of the names that a model has for them, if it has all of them."""
    inputs = {name: shape.sizes for name, shape in network.inputs.items()}
    listed = [name for name in names if name in inputs]
    return [inputs[name] for name in listed] if len(listed) == len(inputs) else list(inputs.values())
