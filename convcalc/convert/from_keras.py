"""Imports Keras models from the JSON of `model.to_json()` or a `.keras` archive.

Keras is not needed, and nothing in the file is executed.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from convcalc.analysis.report import analyse
from convcalc.convert.dtypes import DataTypes
from convcalc.convert.graph import (
    Follow,
    Graph,
    NotImported,
    Shapes,
    Step,
    check_number_of_sizes,
    format_input_option,
    plain_spec,
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
from convcalc.convert.keras_layers import CLASSES, convert_relu
from convcalc.convert.keras_operations import OPERATIONS, describe_function
from convcalc.convert.keras_pieces import Piece, Pieces, make_move, make_opaque
from convcalc.convert.keras_types import add_types
from convcalc.convert.keras_weights import count_stored_weights
from convcalc.convert.loading_check import make_loadable
from convcalc.layers.make import make_written_layer
from convcalc.network import MOST_LAYERS
from convcalc.problems import Flaw, printable, shorten, show
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network

_KEEP_SHAPE = frozenset({"Activation", "Masking", "ReLU", "UnitNormalization"})  # output like input; no weights
_PARAMS_UNKNOWN = "; its params are not in the file and count as 0"
_RECORD_SHAPES = "keras.Model(model.inputs, [keras.layers.Identity()(x) for x in model.outputs])"
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
    is not a Keras model, or if the output shape of an unsupported layer is unknown.
    """
    try:
        whole = read_model(path)
        reader = _ModelReader(whole, inputs or {}, cache(partial(count_stored_weights, path)))
        # the order of layers in the file need not be one of execution
        return make_loadable(use_pointwise_kind(sort_steps(reader.read_graph(whole))))
    except WRONG_SORT as error:
        raise NotImported(f"incomplete or malformed Keras model: {describe_malformed(error)}") from None


class _ModelReader:
    """Turns the calls of a model's layers into steps, in an order of execution.

    `shapes` maps inputs and steps to their output shapes. `stored_weights` returns the number of stored elements of
    each layer, as far as the file has them. `resized` is true if the user gave an input another shape than the file.
    """

    def __init__(self, whole: ModelConfig, inputs: Shapes, stored_weights: Callable[[], Mapping[str, int]]) -> None:
        self.given_shapes = inputs
        self.steps: list[Step] = []
        self.shapes: dict[str, Shape] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.notes: list[str] = []
        self.types = DataTypes()
        self.channels_first = _is_channels_first(whole)
        self.stored_weights = stored_weights
        self.resized = False

    def read_graph(self, whole: ModelConfig) -> Graph:
        given = []
        inputs = {layer.name: layer for layer in whole.layers if layer.class_name == "InputLayer"}
        for name, _, _ in whole.inputs:
            if name not in inputs:
                raise NotImported(f"the input {show(name)} is not a layer of the model")
            read_by = {layer.class_name for layer in whole.layers for call in layer.calls if (name, 0, 0) in call.reads}
            given.append(self.add_input(inputs[name], len(whole.inputs), "Embedding" in read_by))
        outputs = self.add_model(whole, given, "", None, 0)
        origin = f"Keras model {printable(whole.name)}"
        unique = tuple(dict.fromkeys(outputs))
        graph = Graph(whole.name, origin, self.inputs, tuple(self.steps), unique, tuple(self.notes))
        return self.types.apply_to(graph)

    def add_input(self, layer: LayerConfig, number_of_inputs: int, is_embedded: bool) -> str:
        """Add an input of the network and return its name.

        Raises NotImported if its shape is not known, or if the shape that the user gave has other channels than the
        file. An input that an Embedding reads (`is_embedded`) may have another length.
        """
        written = layer.config.get("batch_shape") or layer.config.get("batch_input_shape") or []
        sizes = self.given_shapes.get(layer.name) or (self.given_shapes.get(None) if number_of_inputs == 1 else None)
        if sizes is not None and written:
            own = self.sample_shape(tuple(written)).sizes
            key = layer.name if layer.name in self.given_shapes else None
            check_number_of_sizes(key, sizes, own)
            self.resized = self.resized or (0 not in own and own != tuple(sizes))
            if own[0] and own[0] != sizes[0] and not is_embedded:
                raise NotImported(_describe_wrong_channels(key, sizes, own))
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
        needed = _find_needed(uses, config.outputs)
        for use in uses:
            place = (use.layer.name, use.number)
            if place in skipped or (use.layer.computes and place not in needed):
                continue  # such as a function that computes a mask
            if place in whole:
                use = whole[place]
            if use.layer.class_name in MODELS:
                self.add_nested_model(use, tensors, prefix, shared_prefix, depth)
            elif (use.layer.name, use.number, 0) not in tensors:
                tensors[use.layer.name, use.number, 0] = self.add_call(use, tensors, prefix, shared_prefix, stated)
        return [self.find_tensor(reference, tensors, stated) for reference in config.outputs]

    def find_tensor(self, reference: Reference, tensors: dict[Reference, str], stated: dict[Reference, Shape]) -> str:
        """Return the name of a tensor. An output of a layer after its first one becomes a step of its own."""
        name, number, output = reference
        if reference not in tensors and output > 0 and (name, number, 0) in tensors:
            first = tensors[name, number, 0]
            shape = stated.get(reference)
            if shape is None:
                raise NotImported(f"the shape of output {output} of the layer {show(name)} is not recorded in the file")
            own = f"{first}_output{output}"
            piece = make_move(shape, f"output {output} of {first}")
            self.notes.append(f"{own}: {piece.arguments['what']}")
            self.add_step(Step(own, piece.kind, piece.arguments, (first,)), shape)
            tensors[reference] = own
        return tensors[reference]

    def add_nested_model(
        self, use: _KerasUse, tensors: dict[Reference, str], prefix: str, shared_prefix: str | None, depth: int
    ) -> None:
        """Add the steps of one call of a nested model, and store its outputs in `tensors`."""
        reads = [self.find_tensor(reference, tensors, {}) for reference in use.call.reads]
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
        reads = tuple(self.find_tensor(reference, tensors, stated) for reference in use.call.reads)
        if layer.class_name == "MultiHeadAttention":
            reads = _drop_repeated_keys(reads)
        shapes = tuple(self.shapes[name] for name in reads)
        if shared_prefix is None:  # else the shapes in the file belong to the first call of the model
            self.check_recorded_input_shapes(use, shapes)
        name = prefix + layer.name
        own = name if not use.number else f"{name}_{use.number + 1}"
        shared = name if use.number else None if shared_prefix is None else shared_prefix + layer.name
        pieces = self.convert_layer(use, shapes, stated)
        main = next(index for index, piece in enumerate(pieces) if not piece.helps)
        for index, piece in enumerate(pieces):
            suffix = "" if index == main else f"_{piece.kind}"
            reads = reads[::-1] if piece.reverses else reads
            try:
                made = make_written_layer(piece.kind, piece.arguments, tuple(self.shapes[name] for name in reads))
            except Flaw as flaw:
                raise NotImported(f"{printable(own)}: {flaw.message}") from None
            learns = bool(made.weight_tensors() or made.bias_tensors())
            share = shared + suffix if shared is not None and learns else None
            frozen = learns and layer.config.get("trainable") is False
            add_types(self.types, layer.config.get("dtype"), made, owns_weights=share is None)
            if piece.kind == "opaque":
                self.notes.append(f"{own}: {piece.arguments['what']}{piece.remark}")
            read = () if piece.kind == "parameter" else reads
            self.add_step(Step(own + suffix, piece.kind, piece.arguments, read, share, frozen), made.output)
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
        """Return the layers that express a Keras layer. An unsupported Keras layer becomes opaque.

        Raises NotImported if its output shape is unknown, or if it has no inputs.
        """
        layer, call = use.layer, use.call
        if not shapes:
            raise NotImported(f"the layer {show(layer.name)} has no inputs")
        translate = (OPERATIONS if layer.computes else CLASSES).get(layer.class_name)
        config = {**layer.config, "data_format": "channels_first" if self.channels_first else "channels_last"}
        config |= {"constants": call.constants, "arguments": call.arguments, "options": call.options}
        try:
            if layer.class_name == "TimeDistributed" and config["layer"]["class_name"] in MODELS:
                return [self.convert_model_per_frame(config["layer"], shapes[0])]
            if translate is not None:
                return translate(config, shapes)
            why = layer.class_name
        except UnsupportedArgument as flaw:
            why = f"{layer.class_name} with {flaw}"
        except WRONG_SORT:
            why = f"{layer.class_name} with malformed arguments"
        return [self.make_unsupported(use, shapes, stated, why)]

    def convert_model_per_frame(self, config: Mapping[str, Any], shape: Shape) -> Piece:
        """Return an opaque layer with the cost of a model that is applied to every frame.

        The frames are the first spatial axis of the input shape `shape`.
        """
        if not shape.spatial:
            raise UnsupportedArgument("an input without frames")
        frames, *spatial = shape.spatial
        model = parse_model(config)
        reader = _ModelReader(model, {None: (shape.channels, *spatial)}, self.stored_weights)
        graph = make_loadable(reader.read_graph(model))
        report = analyse(read_network(Document(plain_spec(graph))))
        outputs = list(report.outputs().values())
        if len(outputs) != 1:
            raise UnsupportedArgument("a model with several outputs")
        totals = report.totals
        known = {name: getattr(totals, name) for name in ("multiplications", "additions", "macs")}
        cost = {name: frames * count for name, count in known.items() if count is not None}
        if totals.buffers:
            cost["buffers"] = totals.buffers
        output = Shape(outputs[0].channels, (frames, *outputs[0].spatial))
        return make_opaque(output, f"{model.name} per frame", totals.params, cost)

    def make_unsupported(
        self, use: _KerasUse, shapes: tuple[Shape, ...], stated: dict[Reference, Shape], why: str
    ) -> Piece:
        """Return the opaque layer for an unsupported Keras layer; `why` says what is unsupported.

        Raises NotImported if its output shape is unknown.
        """
        layer = use.layer
        kept = shapes[0] if layer.class_name in _KEEP_SHAPE else self.read_lambda_shape(layer)
        output = kept if self.resized else stated.get((layer.name, use.number, 0), kept)
        if output is None and self.resized:
            raise NotImported(
                f"the output shape of the unsupported layer {show(layer.name)} ({printable(why)}) is recorded only for "
                "the input shape in the file: leave out --input"
            )
        if output is None:
            raise NotImported(
                f"the output shape of the unsupported layer {show(layer.name)} ({printable(why)}) is not recorded in "
                f"the file: save {_RECORD_SHAPES}, which records it"
            )
        if layer.computes:
            return describe_function(layer.class_name, shapes, output) or make_opaque(output, why)
        if layer.class_name in _WITHOUT_WEIGHTS:
            return make_opaque(output, why)
        params = self.stored_weights().get(layer.name)
        if params is None:
            return make_opaque(output, why)._replace(remark=_PARAMS_UNKNOWN)
        return make_opaque(output, why, params)

    def read_lambda_shape(self, layer: LayerConfig) -> Shape | None:
        """Return the output shape that a Lambda layer states, without the batch; None if it states none."""
        sizes = layer.config.get("output_shape")
        if layer.class_name != "Lambda" or not isinstance(sizes, list) or not sizes:
            return None
        known = all(type(size) is int and size > 0 for size in sizes)
        return self.sample_shape((None, *sizes)) if known else None

    def read_stated_shapes(self, config: ModelConfig) -> dict[Reference, Shape]:
        """Return the tensor shapes recorded in the file, except those with unknown sizes.

        They are recorded where a layer reads the tensor; for the first call of a layer, also by `build`.
        """
        recorded = [
            pair
            for layer in config.layers
            for place, call in enumerate(layer.calls)
            for shapes in (layer.built if place == 0 and len(layer.built) == len(call.reads) else (), call.shapes)
            for pair in zip(call.reads, shapes, strict=False)
        ]
        return {
            reference: self.sample_shape(shape)
            for reference, shape in recorded
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


def _describe_wrong_channels(name: str | None, given: Sequence[int], own: Sequence[int]) -> str:
    """Return an error message for a shape whose number of channels is not that of the file, `own[0]`."""
    what = "channel" if len(own) > 1 else "feature"
    count = f"{given[0]} {what}{'' if given[0] == 1 else 's'}"
    last_first = (given[-1], *given[:-1])
    advice = last_first if last_first[0] == own[0] else (own[0], *given[1:])
    option = "--input" if name is None else f"--input {shorten(name)}"
    return f"{option} has {count}, but the file's input has {own[0]}: give {format_input_option(name, advice)}"


def _drop_repeated_keys(reads: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the key of an attention if it is the value, and then the value if it is the query."""
    if len(reads) == 3 and reads[2] == reads[1]:
        reads = reads[:2]
    return reads[:1] if len(reads) == 2 and reads[1] == reads[0] else reads


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


def _find_needed(uses: list[_KerasUse], outputs: tuple[Reference, ...]) -> set[tuple[str, int]]:
    """Return the calls that outputs depend on, each by its layer's name and its number. `uses` are sorted."""
    needed = {reference[:2] for reference in outputs}
    for use in reversed(uses):
        if (use.layer.name, use.number) in needed or not use.layer.computes:
            needed |= {reference[:2] for reference in use.call.reads}
    return needed


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
