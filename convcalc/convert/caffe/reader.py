"""Imports Caffe networks (`.prototxt`): reads the file, and makes operations of its layers in their order.

For example, a layer of type `InnerProduct` with `num_output: 10` becomes a flatten and a linear layer. Neither Caffe
nor a file with weights is needed.
"""

import os
from collections.abc import Iterable

from convcalc.convert.caffe import elementwise, rearranging, windows
from convcalc.convert.caffe.elementwise import ACTIVATIONS
from convcalc.convert.caffe.fields import Fields
from convcalc.convert.caffe.layer_entries import LayerEntry, NetFile, list_inputs, read_net, read_shape
from convcalc.convert.caffe.net import Net, Rule, UnknownBlob, merge_scales
from convcalc.convert.caffe.text_format import Scalar
from convcalc.convert.from_operators import build_graph
from convcalc.convert.graph import (
    Follow,
    Graph,
    NotImported,
    Shapes,
    check_number_of_sizes,
    format_input_option,
)
from convcalc.convert.operators import Sizes
from convcalc.convert.text_files import Mistake, read_text_file, report
from convcalc.convert.unique_names import UniqueNames
from convcalc.problems import did_you_mean, normalise_word, shorten, show

_MOST_MISTAKES = 100
_RULES: dict[str, Rule] = {
    **ACTIVATIONS,
    **dict.fromkeys(("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution"), windows.add_convolution),
    "Deconvolution": windows.add_transposed_convolution,
    "Pooling": windows.add_pooling,
    "SPP": windows.add_pyramid_pooling,
    "InnerProduct": windows.add_inner_product,
    "Embed": windows.add_embedding,
    **dict.fromkeys(("ROIPooling", "PSROIPooling"), windows.add_region_pooling),
    **dict.fromkeys(("BatchNorm", "BN"), elementwise.add_batch_norm),
    "LRN": elementwise.add_response_norm,
    "MVN": elementwise.add_mean_variance_norm,
    "Normalize": elementwise.add_normalize,
    "Scale": elementwise.make_learnt("Mul", "scale_param"),
    "Bias": elementwise.make_learnt("Add", "bias_param"),
    "Axpy": elementwise.add_axpy,
    "Eltwise": elementwise.add_elementwise,
    "Split": elementwise.add_identity,
    "Concat": rearranging.add_concat,
    "Slice": rearranging.add_slice,
    "Flatten": rearranging.add_flatten,
    "Reshape": rearranging.add_reshape,
    "Softmax": rearranging.add_softmax,
    "Crop": rearranging.add_crop,
    "Permute": rearranging.add_permute,
    "Reduction": rearranging.add_reduction,
    "Interp": rearranging.add_interpolation,
    "Upsample": rearranging.add_upsampling,
    "ShuffleChannel": rearranging.add_shuffle,
    "PriorBox": rearranging.add_prior_boxes,
    "ArgMax": rearranging.add_maximum_positions,
    "Tile": rearranging.add_tiling,
    "Parameter": rearranging.add_learnt_tensor,
}
_DROPPED = frozenset(  # metrics, and the decoding of boxes, whose number depends on their values
    {"Accuracy", "SegAccuracy", "Silence", "HDF5Output", "DetectionOutput", "DetectionEvaluate", "BoxAnnotatorOHEM"}
)
_LOSS_ENDINGS = ("loss", "lossohem")
_DATA = frozenset({"Data", "HDF5Data", "ImageData", "WindowData", "MemoryData", "DummyData", "Input"})
_BY_WORD = {normalise_word(name): name for name in (*_RULES, *_DROPPED, *_DATA)}


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of a Caffe file, as it is at inference (the phase TEST).

    `inputs` maps the names of inputs to shapes that replace those in the file; the key None stands for the only input.
    `follow` takes the layers and their number and returns an iterable over them, for progress bars.

    Raises OSError if the file cannot be read, InvalidSpec with the places of mistakes in it, and NotImported if it
    exceeds a limit or an input shape is unknown or does not fit.
    """
    document = read_text_file(path)
    builder = _Builder(inputs or {})
    try:
        file = read_net(document.text or "")
        builder.add_inputs(file.fields)
        builder.add_training_data(file)
        builder.add_layers(follow(file.entries, len(file.entries)) if follow else file.entries)
    except Mistake as mistake:
        builder.mistakes.append(mistake)
    if builder.mistakes:
        raise report(document, builder.mistakes)
    return builder.make_graph(path)


class _Builder:
    """Adds the inputs and layers of a file to a Net. `shapes` are the input shapes that the user gave."""

    def __init__(self, shapes: Shapes) -> None:
        self.net = Net()
        self.shapes = dict(shapes)
        self.mistakes: list[Mistake] = []
        self.unknown: dict[str, Sizes] = {}  # inputs without a shape in the file, with the sizes that are known
        self.missing = ""  # a message about the first input of unknown shape that a layer reads

    def make_graph(self, path: str) -> Graph:
        """Return the graph of all layers. Raises NotImported if there are none, or if an input shape is unknown."""
        if self.missing:
            raise NotImported(self.missing)
        outputs = self.net.list_outputs()
        if not self.net.writer.operations or not outputs:
            raise NotImported("it has no layers between its inputs and its outputs")
        merge_scales(self.net.writer, outputs)
        program = self.net.writer.make_program("", outputs)
        unused = [name for name in self.shapes if name is not None and name not in program.inputs]
        if unused or (None in self.shapes and len(program.inputs) > 1):
            raise NotImported(
                f"--input needs the name of an input; available: {', '.join(map(shorten, program.inputs))}"
            )
        title = os.path.splitext(os.path.basename(path))[0]
        return build_graph(program, title, f"{os.path.basename(path)} (Caffe)", lambda names: UniqueNames())

    # -- inputs

    def add_inputs(self, net: Fields) -> None:
        """Add the inputs that the network declares outside of its layers."""
        for scalar, dims in list_inputs(net):
            if scalar is None:
                raise Mistake("there are more shapes than inputs", net.find("input_shape"))
            self.add_input(scalar, dims)

    def add_input(self, scalar: Scalar, dims: Sizes | None, known: Sizes = ()) -> None:
        """Add an input with the blob `scalar`. If its shape is unknown, `known` has the known sizes, and 0 for others.

        An input of unknown shape is an error only if a layer needs it: a file for training also has labels.
        """
        if scalar.text in self.net.blobs:
            raise Mistake(f"an earlier layer already produces {show(scalar.text)}", scalar.extent, code="CV015")
        given = self.find_given(scalar.text)
        if given is not None and dims is not None:
            check_number_of_sizes(scalar.text if scalar.text in self.shapes else None, given, dims[1:])
        if given is not None:
            dims = ((1 if dims is None else dims[0]), *given)
        if dims is None:
            self.unknown[scalar.text] = known
        self.net.blobs[scalar.text] = None if dims is None else self.net.writer.add_input(scalar.text, dims)

    def find_given(self, name: str) -> Sizes | None:
        """Return the shape that the user gave for an input; without a name, it is that of the first input."""
        given = self.shapes.get(name)
        if given is None and not self.net.blobs:
            given = self.shapes.get(None)
        return None if given is None else tuple(given)

    def add_data(self, entry: LayerEntry) -> None:
        """Add the tops of a layer that reads data as inputs. Their shapes are in the file only for some types."""
        shapes = _read_data_shapes(entry)
        crop = entry.read_param("transform_param").read_integer("crop_size", 0)
        for place, scalar in enumerate(entry.tops):
            dims = shapes[place] if place < len(shapes) else shapes[0] if len(shapes) == 1 else None
            self.add_input(scalar, dims, (0, crop, crop) if crop and place == 0 else ())

    def add_training_data(self, file: NetFile) -> None:
        """Add the data that only training reads as inputs, for files that have no other data."""
        produced = {top for entry in file.entries if isinstance(entry, LayerEntry) for top in entry.list_new_tops()}
        for entry in file.for_training:
            if not entry.bottoms and produced.isdisjoint(scalar.text for scalar in entry.tops):
                produced |= {scalar.text for scalar in entry.tops}
                self.add_data(entry)

    # -- layers

    def add_layers(self, entries: Iterable[LayerEntry | Mistake]) -> None:
        """Add all layers, and collect their mistakes."""
        for entry in entries:
            if isinstance(entry, Mistake):
                self.mistakes.append(entry)
            else:
                self.add_layer(entry)
            if len(self.mistakes) == _MOST_MISTAKES:
                return

    def add_layer(self, entry: LayerEntry) -> None:
        """Add a layer. If it is wrong, or reads a blob of a wrong layer, its tops become unknown."""
        try:
            self.apply_rule(entry)
        except UnknownBlob:
            self.note_unknown_input(entry)
            self.forget_tops(entry)
        except Mistake as mistake:
            self.mistakes.append(mistake)
            self.forget_tops(entry)

    def apply_rule(self, entry: LayerEntry) -> None:
        kind = _find_type(entry)
        if kind in _DROPPED or kind.lower().endswith(_LOSS_ENDINGS):
            for scalar in entry.tops:
                self.net.blobs.setdefault(scalar.text, None)
        elif kind in _DATA or (not entry.bottoms and kind not in _RULES):
            self.add_data(entry)
        elif kind in _RULES:
            entry.type = kind
            _RULES[kind](self.net, entry)
        else:
            self.add_unknown(entry)

    def add_unknown(self, entry: LayerEntry) -> None:
        """Add an operation of unknown cost, if the layer writes its output over its input and so keeps the size.

        Raises Mistake for a type that resembles a known one, and for any other layer: its output size is unknown.
        """
        bottoms, tops = ([scalar.text for scalar in scalars] for scalars in (entry.bottoms, entry.tops))
        hint = did_you_mean(entry.type, _RULES)
        if hint or bottoms != tops:
            hint = hint or "its output size is unknown"
            raise Mistake(f"unsupported layer type {show(entry.type)}", entry.extent, hint, "CV011")
        source = self.net.read(entry)
        self.net.write(entry, self.net.add(entry, f"caffe.{entry.type}", [source], self.net.dims(source)))

    def note_unknown_input(self, entry: LayerEntry) -> None:
        """Remember the first input that a layer reads although neither the file nor the user states its shape."""
        for scalar in entry.bottoms:
            if scalar.text in self.unknown and not self.missing:
                option = format_input_option(scalar.text, self.unknown[scalar.text])
                self.missing = f"the shape of the input {show(scalar.text)} is not in the file: give {option}"

    def forget_tops(self, entry: LayerEntry) -> None:
        """Mark the tops of a layer as unknown, so that mistakes are not reported again in the layers after it."""
        for scalar in entry.tops:
            self.net.blobs[scalar.text] = None
            self.unknown.pop(scalar.text, None)


def _find_type(entry: LayerEntry) -> str:
    """Return the type of a layer. In the older syntax it is written INNER_PRODUCT instead of InnerProduct."""
    return _BY_WORD.get(normalise_word(entry.type), entry.type) if entry.old else entry.type


def _read_data_shapes(entry: LayerEntry) -> list[Sizes]:
    """Return the shapes of the tops of a layer that reads data, in order; empty if they are not in the file."""
    for name in ("input_param", "dummy_data_param"):
        fields = entry.read_param(name)
        shapes = [read_shape(message, fields) for message in fields.list_messages("shape")]
        if shapes:
            return shapes
    sizes = ("num", "channels", "height", "width")
    lists = [entry.read_param("dummy_data_param").list_integers(size, least=1) for size in sizes]
    if any(lists):
        return list(zip(*(values for values in lists), strict=False))
    fields = entry.read_param("memory_data_param")
    if fields.has("channels"):
        return [tuple(fields.read_integer(size, least=1) for size in ("batch_size", *sizes[1:]))]
    return []
