"""A network from a Keras model: the JSON of `model.to_json()`, or a `.keras` archive."""

from collections import Counter
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from convcalc.convert.checking import loadable
from convcalc.convert.dtypes import DataTypes
from convcalc.convert.graph import (
    Graph,
    NotImported,
    Step,
    check_number_of_sizes,
    pointwise_beside_depthwise,
    sort_steps,
)
from convcalc.convert.keras_config import (
    MODELS,
    MOST_NESTING,
    WRONG_SORT,
    KerasCall,
    LayerConfig,
    ModelConfig,
    Reference,
    parse_model,
    read_model,
)
from convcalc.convert.keras_layers import (
    CLASSES,
    Pieces,
    UnsupportedArgument,
    convert_relu,
    has_channels_first,
    make_opaque,
)
from convcalc.convert.keras_types import add_types
from convcalc.problems import Flaw, printable, shown
from convcalc.shape import Shape
from convcalc.spec.making import MOST_LAYERS, written_layer

_Inputs = Mapping[str | None, tuple[int, ...]]
_KEEP_SHAPE = frozenset({"Activation", "Masking", "ReLU", "UnitNormalization"})  # and have no weights
_WITHOUT_WEIGHTS = _KEEP_SHAPE | frozenset(
    {"CenterCrop", "Concatenate", "Dot", "Lambda", "Permute", "RepeatVector", "Reshape", "Resizing"}
    | {"SlicingOpLambda", "TFOpLambda", "UpSampling1D", "UpSampling2D", "UpSampling3D"}
)
_SIXTH = 1 / 6


class _KerasUse(NamedTuple):
    """One call of a layer of a model: it is number `number` of its calls."""

    layer: LayerConfig
    number: int
    call: KerasCall


def read(path: str, inputs: _Inputs | None = None) -> Graph:
    """The network of a Keras model.

    `inputs` are the shapes (channels first) of the model's inputs by name, or by None of its one input, where the file
    leaves a size open. Raises NotImported where the file is none or holds what cannot be expressed, OSError.
    """
    try:
        whole = read_model(path)
        # the file's order of layers is none of execution
        return loadable(pointwise_beside_depthwise(sort_steps(_ModelReader(whole, inputs or {}).graph(whole))))
    except WRONG_SORT as error:
        raise NotImported(f"incomplete or malformed Keras model: {type(error).__name__} {shown(str(error))}") from None


class _ModelReader:
    """Turns the calls of a model's layers into steps, in an order of execution."""

    def __init__(self, whole: ModelConfig, inputs: _Inputs) -> None:
        self.given = inputs
        self.steps: list[Step] = []
        self.shapes: dict[str, Shape] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.notes: list[str] = []
        self.types = DataTypes()
        self.first = _is_channels_first(whole)
        self.unknown: dict[str, str] = {}

    def graph(self, whole: ModelConfig) -> Graph:
        """The graph of the outermost model."""
        given = []
        inputs = {layer.name: layer for layer in whole.layers if layer.class_name == "InputLayer"}
        for name, _, _ in whole.inputs:
            if name not in inputs:
                raise NotImported(f"the input {shown(name)} is not a layer of the model")
            given.append(self.input(inputs[name], len(whole.inputs)))
        outputs = self.model(whole, given, "", None, 0)
        origin = f"Keras model {printable(whole.name)}"
        unique = tuple(dict.fromkeys(outputs))
        graph = Graph(whole.name, origin, self.inputs, tuple(self.steps), unique, tuple(self.notes))
        return self.types.written_on(graph)

    def input(self, layer: LayerConfig, count: int) -> str:
        """An input, with its shape."""
        written = layer.config.get("batch_shape") or layer.config.get("batch_input_shape") or []
        sizes = self.given.get(layer.name) or (self.given.get(None) if count == 1 else None)
        if sizes is not None and written:
            check_number_of_sizes(
                layer.name if layer.name in self.given else None, sizes, self.sample(tuple(written)).sizes
            )
        if sizes is None:
            if None in written[1:] or len(written) < 2:
                example = "" if count == 1 else f"{printable(layer.name)}="
                option = f"--input {example}3,224,224"
                raise NotImported(f"the shape of the input {shown(layer.name)} is not fully known: give {option}")
            sizes = self.sample(tuple(written)).sizes
        self.inputs[layer.name] = tuple(sizes)
        self.shapes[layer.name] = Shape(sizes[0], tuple(sizes[1:]))
        return layer.name

    def sample(self, shape: tuple[int | None, ...]) -> Shape:
        """The shape of one sample, channels first."""
        sizes = [size or 0 for size in shape[1:]]
        if self.first or len(sizes) == 1:
            return Shape(sizes[0], tuple(sizes[1:]))
        return Shape(sizes[-1], tuple(sizes[:-1]))

    def model(self, config: ModelConfig, given: list[str], prefix: str, twin: str | None, depth: int) -> list[str]:
        """Lay a model: the names of its outputs. `twin` is the prefix of the call whose weights it uses too."""
        if depth > MOST_NESTING:
            raise NotImported(f"models nested more than {MOST_NESTING} deep")
        tensors: dict[Reference, str] = dict(zip(config.inputs, given, strict=True))
        said = self.shapes_said(config)
        uses = _sort_calls(config, set(tensors))
        absorbed, whole = _find_hard_sigmoids(uses, config.outputs)
        for use in uses:
            place = (use.layer.name, use.number)
            if place in absorbed:
                continue
            if place in whole:
                use = whole[place]
            if use.layer.class_name in MODELS:
                self.inner(use, tensors, prefix, twin, depth)
            elif (use.layer.name, use.number, 0) not in tensors:
                tensors[use.layer.name, use.number, 0] = self.lay(use, tensors, prefix, twin, said)
        self.refuse_unknown()
        return [tensors[reference] for reference in config.outputs]

    def refuse_unknown(self) -> None:
        """Layers that are not expressed and may have weights: counts without them would be wrong."""
        if self.unknown:
            named = ", ".join(f"{printable(name)} ({printable(what)})" for name, what in self.unknown.items())
            raise NotImported(f"unsupported layers that may have weights: {named}")

    def inner(self, use: _KerasUse, tensors: dict[Reference, str], prefix: str, twin: str | None, depth: int) -> None:
        """A model in the model."""
        reads = [tensors[reference] for reference in use.call.reads]
        config = parse_model({"class_name": use.layer.class_name, "config": use.layer.config, "name": use.layer.name})
        name = prefix + use.layer.name
        if use.number:
            name, twin = f"{name}_{use.number + 1}", name + "."
        elif twin is not None:
            twin = f"{twin}{use.layer.name}."
        for number, output in enumerate(self.model(config, reads, name + ".", twin, depth + 1)):
            tensors[use.layer.name, use.number, number] = output

    def lay(
        self, use: _KerasUse, tensors: dict[Reference, str], prefix: str, twin: str | None, said: dict[Reference, Shape]
    ) -> str:
        """The steps of one call of a layer: the name of the last."""
        layer = use.layer
        reads = tuple(tensors[reference] for reference in use.call.reads)
        shapes = tuple(self.shapes[name] for name in reads)
        if twin is None:  # else what the file says is of the first call of the model
            self.check_built(use, shapes)
        name = prefix + layer.name
        own = name if not use.number else f"{name}_{use.number + 1}"
        shared = name if use.number else None if twin is None else twin + layer.name
        for index, piece in enumerate(self.pieces(use, shapes, said)):
            suffix = f"_{piece.kind}" if index else ""
            try:
                made = written_layer(piece.kind, piece.arguments, tuple(self.shapes[name] for name in reads))
            except Flaw as flaw:
                raise NotImported(f"{printable(own)}: {flaw.message}") from None
            learns = bool(made.weight_tensors() or made.bias_tensors())
            share = shared + suffix if shared is not None and learns else None
            frozen = learns and layer.config.get("trainable") is False
            add_types(self.types, layer.config.get("dtype"), made, owns_weights=share is None)
            if piece.kind == "opaque":
                self.notes.append(f"{own}: {piece.arguments['what']}")
            self.add(Step(own + suffix, piece.kind, piece.arguments, reads, share, frozen), made.output)
            reads = (own + suffix,)
        return reads[0]

    def add(self, step: Step, output: Shape) -> None:
        """Put a step into the graph."""
        if step.name in self.shapes:
            raise NotImported(f"two layers are named {shown(step.name)}")
        if len(self.steps) == MOST_LAYERS:
            raise NotImported(f"more than {MOST_LAYERS:,} layers")
        self.shapes[step.name] = output
        self.steps.append(step)

    def pieces(self, use: _KerasUse, shapes: tuple[Shape, ...], said: dict[Reference, Shape]) -> Pieces:
        """What a layer is in our kinds; one that they do not express is opaque, or noted as unknown."""
        layer = use.layer
        translate = CLASSES.get(layer.class_name)
        if not shapes:
            raise NotImported(f"the layer {shown(layer.name)} has no inputs")
        config = {**layer.config, "data_format": "channels_first" if self.first else "channels_last"}
        try:
            if translate is not None:
                return translate(config, shapes)
            why = layer.class_name
        except UnsupportedArgument as flaw:
            why = f"{layer.class_name} with {flaw}"
        except WRONG_SORT:
            why = f"{layer.class_name} with malformed arguments"
        kept = shapes[0] if layer.class_name in _KEEP_SHAPE else None
        output = said.get((layer.name, use.number, 0), kept)
        if layer.class_name not in _WITHOUT_WEIGHTS and not layer.computes:
            self.unknown[layer.name] = why
        if output is None:
            self.unknown[layer.name] = why
            self.refuse_unknown()
        assert output is not None
        return [make_opaque(output, why)]

    def shapes_said(self, config: ModelConfig) -> dict[Reference, Shape]:
        """The shapes of a model's tensors, as far as those who read them say them."""
        return {
            reference: self.sample(shape)
            for layer in config.layers
            for call in layer.calls
            for reference, shape in zip(call.reads, call.shapes, strict=False)
            if shape is not None and None not in shape[1:] and len(shape) > 1
        }

    def check_built(self, use: _KerasUse, shapes: tuple[Shape, ...]) -> None:
        """What a layer reads has the shape that the file says, where the model's own input is used."""
        if self.given:
            return
        built = use.layer.built if use.number == 0 and len(use.layer.built) == len(shapes) else ()
        for said, shape in [*zip(use.call.shapes, shapes, strict=False), *zip(built, shapes, strict=False)]:
            if said is not None and None not in said[1:] and self.sample(said) != shape:
                name = printable(use.layer.name)
                raise NotImported(
                    f"{name} was built for an input of {self.sample(said)}, but its input here is {shape}"
                )


def _find_hard_sigmoids(
    uses: list[_KerasUse], outputs: tuple[Reference, ...]
) -> tuple[set[tuple[str, int]], dict[tuple[str, int], _KerasUse]]:
    """Where ReLU6(x + 3) / 6 is written out: the calls that go into another, and what that other is.

    So writes keras.applications.MobileNetV3 the hard sigmoid of Howard et al. 2019.
    """
    by_place = {(use.layer.name, use.number): use for use in uses}
    readers = Counter(reference[:2] for use in uses for reference in use.call.reads)
    readers.update(reference[:2] for reference in outputs)
    absorbed: set[tuple[str, int]] = set()
    whole = {}
    for place, use in by_place.items():
        if use.layer.class_name != "Multiply" or not any(abs(value - _SIXTH) < 1e-6 for value in use.call.constants):
            continue
        clip = by_place.get(use.call.reads[0][:2])
        shift = by_place.get(clip.call.reads[0][:2]) if clip is not None and clip.layer.class_name == "ReLU" else None
        if clip is None or shift is None or shift.layer.class_name != "Add" or shift.call.constants != (3,):
            continue
        inside = {(part.layer.name, part.number) for part in (clip, shift)}
        if _is_relu6(clip.layer) and all(readers[part] == 1 for part in inside):
            absorbed |= inside
            layer = LayerConfig(use.layer.name, "Activation", {"activation": "hard_sigmoid"}, (), ())
            whole[place] = _KerasUse(layer, use.number, shift.call)
    return absorbed, whole


def _is_relu6(layer: LayerConfig) -> bool:
    """Whether a ReLU is cut off at 6."""
    try:
        return convert_relu(layer.config, ())[0].kind == "relu6"
    except UnsupportedArgument:
        return False


def _is_channels_first(config: ModelConfig) -> bool:
    """Whether the channels come first in a model. Raises NotImported where its layers disagree."""
    found, waiting = set(), [config]
    while waiting:
        for layer in waiting.pop().layers:
            if layer.class_name in MODELS:
                waiting.append(parse_model({"class_name": layer.class_name, "config": layer.config}))
            elif "data_format" in layer.config:
                found.add(has_channels_first(layer.config))
    if len(found) > 1:
        raise NotImported("some layers use channels_first and others channels_last")
    return found == {True}


def _sort_calls(config: ModelConfig, known: set[Reference]) -> list[_KerasUse]:
    """The calls of a model's layers in an order of execution, that of the file where it is one."""
    uses = [
        _KerasUse(layer, number, call)
        for layer in config.layers
        if layer.class_name != "InputLayer"
        for number, call in enumerate(layer.calls)
    ]
    places = {(use.layer.name, use.number): index for index, use in enumerate(uses)}
    readers: dict[int, list[int]] = {index: [] for index in range(len(uses))}
    missing = []
    for index, use in enumerate(uses):
        givers = {reference[:2] for reference in use.call.reads if reference not in known}
        absent = [giver for giver in givers if giver not in places]
        if absent:
            raise NotImported(f"the layer {shown(use.layer.name)} reads {shown(absent[0][0])}, which does not exist")
        missing.append(len(givers))
        for giver in givers:
            readers[places[giver]].append(index)
    ready = [index for index, count in enumerate(missing) if count == 0]
    heapify(ready)
    found = []
    while ready:
        index = heappop(ready)
        found.append(uses[index])
        for reader in readers[index]:
            missing[reader] -= 1
            if missing[reader] == 0:
                heappush(ready, reader)
    if len(found) < len(uses):
        raise NotImported("its layers form a cycle")
    return found
