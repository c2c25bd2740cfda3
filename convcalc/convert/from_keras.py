"""Imports Keras models from the JSON of `model.to_json()` or a `.keras` archive.

Keras is not needed, and nothing in the file is executed.
"""

from collections import Counter
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from convcalc.convert.dtypes import DataTypes
from convcalc.convert.graph import (
    Follow,
    Graph,
    NotImported,
    Shapes,
    Step,
    check_number_of_sizes,
    format_input_option,
    sort_steps,
    use_pointwise_kind,
)
from convcalc.convert.keras_arguments import UnsupportedArgument, has_channels_first
from convcalc.convert.keras_config import (
    MODELS,
    MOST_NESTING,
    WRONG_SORT,
    KerasCall,
    LayerConfig,
    ModelConfig,
    Reference,
    describe_malformed,
    parse_model,
    read_model,
)
from convcalc.convert.keras_layers import CLASSES, Pieces, convert_relu, make_opaque
from convcalc.convert.keras_types import add_types
from convcalc.convert.loading_check import make_loadable
from convcalc.layers.make import make_written_layer
from convcalc.network import MOST_LAYERS
from convcalc.problems import Flaw, printable, show
from convcalc.shape import Shape

_KEEP_SHAPE = frozenset({"Activation", "Masking", "ReLU", "UnitNormalization"})  # output like input; no weights
_WITHOUT_WEIGHTS = _KEEP_SHAPE | frozenset(
    {"CenterCrop", "Concatenate", "Dot", "Lambda", "Permute", "RepeatVector", "Reshape", "Resizing"}
    | {"SlicingOpLambda", "TFOpLambda", "UpSampling1D", "UpSampling2D", "UpSampling3D"}
)
_SIXTH = 1 / 6


class _KerasUse(NamedTuple):
    """One call of a layer. `number` is 0 for the first call of that layer, 1 for the second."""

    layer: LayerConfig
    number: int
    call: KerasCall


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of a Keras model.

    `inputs` maps the names of inputs to their shapes, channels first and without the batch, and replaces the shapes in
    the file; the key None is the only input of a model. `inputs` is needed if the file leaves a size open. `follow` is
    not called, because reading takes no noticeable time. Raises OSError if the file cannot be read; NotImported if it
    is not a Keras model or has unsupported layers that may have weights.
    """
    try:
        whole = read_model(path)
        # the order of layers in the file need not be one of execution
        return make_loadable(use_pointwise_kind(sort_steps(_ModelReader(whole, inputs or {}).read_graph(whole))))
    except WRONG_SORT as error:
        raise NotImported(f"incomplete or malformed Keras model: {describe_malformed(error)}") from None


class _ModelReader:
    """Turns the calls of a model's layers into steps, in an order of execution.

    `shapes` maps inputs and steps to their output shapes. `unsupported` maps unsupported layers that may have weights
    to their description.
    """

    def __init__(self, whole: ModelConfig, inputs: Shapes) -> None:
        self.given_shapes = inputs
        self.steps: list[Step] = []
        self.shapes: dict[str, Shape] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.notes: list[str] = []
        self.types = DataTypes()
        self.channels_first = _is_channels_first(whole)
        self.unsupported: dict[str, str] = {}

    def read_graph(self, whole: ModelConfig) -> Graph:
        given = []
        inputs = {layer.name: layer for layer in whole.layers if layer.class_name == "InputLayer"}
        for name, _, _ in whole.inputs:
            if name not in inputs:
                raise NotImported(f"the input {show(name)} is not a layer of the model")
            given.append(self.add_input(inputs[name], len(whole.inputs)))
        outputs = self.add_model(whole, given, "", None, 0)
        origin = f"Keras model {printable(whole.name)}"
        unique = tuple(dict.fromkeys(outputs))
        graph = Graph(whole.name, origin, self.inputs, tuple(self.steps), unique, tuple(self.notes))
        return self.types.apply_to(graph)

    def add_input(self, layer: LayerConfig, number_of_inputs: int) -> str:
        """Add an input of the network and return its name. Raises NotImported if its shape is not known."""
        written = layer.config.get("batch_shape") or layer.config.get("batch_input_shape") or []
        sizes = self.given_shapes.get(layer.name) or (self.given_shapes.get(None) if number_of_inputs == 1 else None)
        if sizes is not None and written:
            check_number_of_sizes(
                layer.name if layer.name in self.given_shapes else None, sizes, self.sample_shape(tuple(written)).sizes
            )
        if sizes is None:
            if None in written[1:] or len(written) < 2:
                known = self.sample_shape(tuple(written)).sizes if len(written) > 1 else ()
                option = format_input_option(None if number_of_inputs == 1 else layer.name, known)
                raise NotImported(f"the shape of the input {show(layer.name)} is not fully known: give {option}")
            sizes = self.sample_shape(tuple(written)).sizes
        self.inputs[layer.name] = tuple(sizes)
        self.shapes[layer.name] = Shape(sizes[0], tuple(sizes[1:]))
        return layer.name

    def sample_shape(self, shape: tuple[int | None, ...]) -> Shape:
        """Remove the batch from a shape in the file and put the channels first; unknown sizes become 0."""
        sizes = [size or 0 for size in shape[1:]]
        if self.channels_first or len(sizes) == 1:
            return Shape(sizes[0], tuple(sizes[1:]))
        return Shape(sizes[-1], tuple(sizes[:-1]))

    def add_model(
        self, config: ModelConfig, given: list[str], prefix: str, shared_prefix: str | None, depth: int
    ) -> list[str]:
        """Add the steps of a model and return the names of its outputs.

        `given` are the names of its inputs, and every step's name begins with `prefix`. If the steps share the weights
        of an earlier call of the same model, the names of the earlier steps begin with `shared_prefix`.
        """
        if depth > MOST_NESTING:
            raise NotImported(f"models nested more than {MOST_NESTING} deep")
        tensors: dict[Reference, str] = dict(zip(config.inputs, given, strict=True))
        stated = self.read_stated_shapes(config)
        uses = _sort_calls(config, set(tensors))
        skipped, whole = _find_hard_sigmoids(uses, config.outputs)
        for use in uses:
            place = (use.layer.name, use.number)
            if place in skipped:
                continue
            if place in whole:
                use = whole[place]
            if use.layer.class_name in MODELS:
                self.add_nested_model(use, tensors, prefix, shared_prefix, depth)
            elif (use.layer.name, use.number, 0) not in tensors:
                tensors[use.layer.name, use.number, 0] = self.add_call(use, tensors, prefix, shared_prefix, stated)
        self.refuse_layers_with_unknown_weights()
        return [tensors[reference] for reference in config.outputs]

    def refuse_layers_with_unknown_weights(self) -> None:
        """Raise NotImported if `unsupported` has layers: totals without the weights of these would be wrong."""
        if self.unsupported:
            named = ", ".join(f"{printable(name)} ({printable(what)})" for name, what in self.unsupported.items())
            raise NotImported(f"unsupported layers that may have weights: {named}")

    def add_nested_model(
        self, use: _KerasUse, tensors: dict[Reference, str], prefix: str, shared_prefix: str | None, depth: int
    ) -> None:
        """Add the steps of one call of a nested model, and store its outputs in `tensors`."""
        reads = [tensors[reference] for reference in use.call.reads]
        config = parse_model({"class_name": use.layer.class_name, "config": use.layer.config, "name": use.layer.name})
        name = prefix + use.layer.name
        if use.number:
            name, shared_prefix = f"{name}_{use.number + 1}", name + "."
        elif shared_prefix is not None:
            shared_prefix = f"{shared_prefix}{use.layer.name}."
        for number, output in enumerate(self.add_model(config, reads, name + ".", shared_prefix, depth + 1)):
            tensors[use.layer.name, use.number, number] = output

    def add_call(
        self,
        use: _KerasUse,
        tensors: dict[Reference, str],
        prefix: str,
        shared_prefix: str | None,
        stated: dict[Reference, Shape],
    ) -> str:
        """Add the steps of one call of a layer and return the name of the last step.

        `stated` holds the tensor shapes recorded in the file; for `prefix` and `shared_prefix`, see `add_model`.
        """
        layer = use.layer
        reads = tuple(tensors[reference] for reference in use.call.reads)
        shapes = tuple(self.shapes[name] for name in reads)
        if shared_prefix is None:  # else the shapes in the file belong to the first call of the model
            self.check_recorded_input_shapes(use, shapes)
        name = prefix + layer.name
        own = name if not use.number else f"{name}_{use.number + 1}"
        shared = name if use.number else None if shared_prefix is None else shared_prefix + layer.name
        for index, piece in enumerate(self.convert_layer(use, shapes, stated)):
            suffix = f"_{piece.kind}" if index else ""
            try:
                made = make_written_layer(piece.kind, piece.arguments, tuple(self.shapes[name] for name in reads))
            except Flaw as flaw:
                raise NotImported(f"{printable(own)}: {flaw.message}") from None
            learns = bool(made.weight_tensors() or made.bias_tensors())
            share = shared + suffix if shared is not None and learns else None
            frozen = learns and layer.config.get("trainable") is False
            add_types(self.types, layer.config.get("dtype"), made, owns_weights=share is None)
            if piece.kind == "opaque":
                self.notes.append(f"{own}: {piece.arguments['what']}")
            self.add_step(Step(own + suffix, piece.kind, piece.arguments, reads, share, frozen), made.output)
            reads = (own + suffix,)
        return reads[0]

    def add_step(self, step: Step, output: Shape) -> None:
        if step.name in self.shapes:
            raise NotImported(f"two layers are named {show(step.name)}")
        if len(self.steps) == MOST_LAYERS:
            raise NotImported(f"more than {MOST_LAYERS:,} layers")
        self.shapes[step.name] = output
        self.steps.append(step)

    def convert_layer(self, use: _KerasUse, shapes: tuple[Shape, ...], stated: dict[Reference, Shape]) -> Pieces:
        """Return the layers that express a Keras layer.

        An unsupported Keras layer becomes opaque. If it may have weights, it is also added to `unsupported`. Raises
        NotImported if its output shape is unknown, or if it has no inputs.
        """
        layer = use.layer
        translate = CLASSES.get(layer.class_name)
        if not shapes:
            raise NotImported(f"the layer {show(layer.name)} has no inputs")
        config = {**layer.config, "data_format": "channels_first" if self.channels_first else "channels_last"}
        try:
            if translate is not None:
                return translate(config, shapes)
            why = layer.class_name
        except UnsupportedArgument as flaw:
            why = f"{layer.class_name} with {flaw}"
        except WRONG_SORT:
            why = f"{layer.class_name} with malformed arguments"
        kept = shapes[0] if layer.class_name in _KEEP_SHAPE else None
        output = stated.get((layer.name, use.number, 0), kept)
        if layer.class_name not in _WITHOUT_WEIGHTS and not layer.computes:
            self.unsupported[layer.name] = why
        if output is None:
            self.unsupported[layer.name] = why
            self.refuse_layers_with_unknown_weights()
        assert output is not None
        return [make_opaque(output, why)]

    def read_stated_shapes(self, config: ModelConfig) -> dict[Reference, Shape]:
        """Return the tensor shapes recorded in the file, except those with unknown sizes."""
        return {
            reference: self.sample_shape(shape)
            for layer in config.layers
            for call in layer.calls
            for reference, shape in zip(call.reads, call.shapes, strict=False)
            if shape is not None and None not in shape[1:] and len(shape) > 1
        }

    def check_recorded_input_shapes(self, use: _KerasUse, shapes: tuple[Shape, ...]) -> None:
        """Raise NotImported if a layer's input shapes differ from those recorded in the file.

        Nothing is checked if the user gave other input shapes.
        """
        if self.given_shapes:
            return
        built = use.layer.built if use.number == 0 and len(use.layer.built) == len(shapes) else ()
        for stated, shape in [*zip(use.call.shapes, shapes, strict=False), *zip(built, shapes, strict=False)]:
            if stated is not None and None not in stated[1:] and self.sample_shape(stated) != shape:
                name = printable(use.layer.name)
                raise NotImported(
                    f"{name} was built for an input of {self.sample_shape(stated)}, but its input here is {shape}"
                )


def _find_hard_sigmoids(
    uses: list[_KerasUse], outputs: tuple[Reference, ...]
) -> tuple[set[tuple[str, int]], dict[tuple[str, int], _KerasUse]]:
    """Find each hard sigmoid written as ReLU6(x + 3) × 1/6, as in keras.applications.MobileNetV3 (Howard et al. 2019).

    Returns the calls to skip (the sum and the ReLU6), and the hard sigmoid that replaces each product. A call is
    identified by its layer's name and its number.
    """
    by_place = {(use.layer.name, use.number): use for use in uses}
    readers = Counter(reference[:2] for use in uses for reference in use.call.reads)
    readers.update(reference[:2] for reference in outputs)
    skipped: set[tuple[str, int]] = set()
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
            skipped |= inside
            layer = LayerConfig(use.layer.name, "Activation", {"activation": "hard_sigmoid"}, (), ())
            whole[place] = _KerasUse(layer, use.number, shift.call)
    return skipped, whole


def _is_relu6(layer: LayerConfig) -> bool:
    try:
        return convert_relu(layer.config, ())[0].kind == "relu6"
    except UnsupportedArgument:
        return False


def _is_channels_first(config: ModelConfig) -> bool:
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


def _sort_calls(config: ModelConfig, model_inputs: set[Reference]) -> list[_KerasUse]:
    """Return the calls in an order of execution that is as close as possible to the order of the file."""
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
        sources = {reference[:2] for reference in use.call.reads if reference not in model_inputs}
        absent = [source for source in sources if source not in places]
        if absent:
            raise NotImported(f"the layer {show(use.layer.name)} reads {show(absent[0][0])}, which does not exist")
        missing.append(len(sources))
        for source in sources:
            readers[places[source]].append(index)
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
