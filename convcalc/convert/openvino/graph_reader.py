"""Goes through the layers of an OpenVINO model in order, and collects their tensors and operations.

Shapes are those that the file states. If the user gives another input shape, or the file leaves sizes open, the shapes
that depend on them are computed.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import Follow, NotImported, Shapes, check_number_of_sizes, format_input_option
from convcalc.convert.openvino.constants import ConstantFile
from convcalc.convert.openvino.integers import Integers, compute_integers
from convcalc.convert.openvino.shapes import infer_sizes
from convcalc.convert.openvino.xml_file import XmlLayer, XmlModel, describe_layer, read_size, sort_layers
from convcalc.convert.operator_costs import count_operation
from convcalc.convert.operators import Number, Operation, Program, Sizes, Tensor
from convcalc.convert.unique_names import UniqueNames
from convcalc.problems import shorten, show

_MOST_ELEMENTS = 10**11  # in one tensor
_DTYPES = {
    "FP64": "float64",
    "FP32": "float32",
    "FP16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "I16": "int16",
    "U16": "uint16",
    "I8": "int8",
    "U8": "uint8",
    "I4": "int4",
    "U4": "uint4",
    "F8E4M3": "float8",
    "F8E5M2": "float8",
    "NF4": "uint4",
}
_FLOATS = ("f64", "f32", "f16", "bf16")
_SMALL_INTEGERS = ("i8", "u8", "i4", "u4", "f8e4m3", "f8e5m2", "nf4")  # element types of quantised weights


def read_numbers(layer: XmlLayer, name: str) -> list[float]:
    """Return the numbers in an attribute such as `strides="2, 2"`; empty if it is absent.

    Raises NotImported if one of them is malformed.
    """
    parts = [part.strip() for part in layer.data.get(name, "").split(",")]
    try:
        return [float(part) if "." in part or "e" in part else int(part) for part in parts if part and len(part) < 30]
    except ValueError:
        text = layer.data[name]
        raise NotImported(f"{describe_layer(layer)} has the malformed {name} {show(text)}") from None


def read_flag(layer: XmlLayer, name: str, default: bool = False) -> bool:
    """Whether an attribute is true, which older versions write True or 1."""
    return layer.data.get(name, str(default)).lower() in ("true", "1")


class GraphReader:
    """The tensors and operations so far. `rules` translate the layers by type."""

    def __init__(self, model: XmlModel, constants: ConstantFile, shapes: Shapes, rules: Mapping[str, "Rule"]) -> None:
        self.model = model
        self.rules = rules
        self.constants = constants
        self.shapes = dict(shapes)
        self.tensors: dict[tuple[str, str], str] = {}  # by layer and output port
        self.values: dict[str, Tensor] = {}
        self.known: dict[str, Integers] = {}  # the values of integer tensors
        self.floats: dict[str, tuple[float, ...]] = {}  # the values of small floating-point constants
        self.weights: dict[str, int] = {}
        self.inputs: dict[str, Sizes] = {}
        self.outputs: list[str] = []
        self.operations: list[Operation] = []
        self.costs: dict[str, Cost] = {}
        self.macs: dict[str, int] = {}
        self.has_module_names = True
        self.names = UniqueNames()  # of the operations

    def read(self, follow: Follow | None) -> Program:
        """Return the program of the model."""
        layers = sort_layers(self.model)
        multiplying = [layer.name for layer in layers if layer.type in _MULTIPLYING]
        self.has_module_names = all(name.startswith(_MODULE) for name in multiplying)
        self.check_shapes([layer.name for layer in layers if layer.type == "Parameter"])
        for layer in follow(layers, len(layers)) if follow else layers:
            try:
                self.read_layer(layer)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise NotImported(f"{describe_layer(layer)} is malformed: {shorten(str(error))}") from None
        return Program(
            self.model.name,
            self.inputs,
            self.operations,
            tuple(dict.fromkeys(self.outputs)),
            self.values,
            self.weights,
            macs=self.macs,
            costs=self.costs,
        )

    def check_shapes(self, names: list[str]) -> None:
        """Raise NotImported if the user named an input that does not exist, or named none of several."""
        if not names:
            raise NotImported("it has no input")
        if any(name not in names for name in self.shapes if name is not None) or (None in self.shapes and names[1:]):
            raise NotImported(f"--input needs the name of an input; available: {', '.join(map(shorten, names))}")

    def read_layer(self, layer: XmlLayer) -> None:
        """Record the outputs of a layer."""
        inputs = [self.tensors[self.model.edges[layer.id, port.id]] for port in layer.inputs]
        if layer.type == "Parameter":
            self.add_input(layer)
        elif layer.type == "Const":
            self.add_constant(layer)
        elif not inputs:
            raise NotImported(f"{describe_layer(layer)} has no input")
        elif layer.type == "Result":
            self.outputs += inputs
        elif layer.type == "ShapeOf":
            self.bind_constant(layer, self.dims(inputs[0]), ())
        elif all(self.values[name].constant for name in inputs):
            self.fold(layer, inputs)
        elif layer.type in self.rules:
            self.rules[layer.type](self, layer, inputs)
        else:
            self.add_unknown(layer, inputs)

    # -- tensors

    def dims(self, name: str) -> Sizes:
        """Return the sizes of a tensor."""
        return self.values[name].dims

    def integers(self, name: str) -> Integers | None:
        """Return the values of an integer tensor; None if they are unknown."""
        return self.known.get(name)

    def numbers(self, name: str) -> Sequence[float] | None:
        """Return the values of a small constant; None if they are unknown."""
        return self.floats.get(name, self.known.get(name))

    def number(self, name: str) -> float | None:
        """Return the value of a constant with one element; None if it is unknown."""
        values = self.numbers(name)
        return values[0] if values is not None and len(values) == 1 else None

    def stated(self, layer: XmlLayer) -> Sizes | None:
        """Return the sizes of the first output in the file; None if one is open or the inputs have other sizes."""
        dims = layer.outputs[0].dims if layer.outputs else None
        return dims if dims is not None and min(dims, default=0) >= 0 and self.has_stated_inputs(layer) else None

    def has_stated_inputs(self, layer: XmlLayer) -> bool:
        """Whether all inputs have the sizes that the file states."""
        return all(self.dims(self.tensors[self.model.edges[layer.id, port.id]]) == port.dims for port in layer.inputs)

    def check_dims(self, layer: XmlLayer, dims: Sizes) -> Sizes:
        """Return the sizes of an output. Raises NotImported if it is too large."""
        if prod(dims) > _MOST_ELEMENTS:
            sizes = " × ".join(map(str, dims))
            raise NotImported(f"{describe_layer(layer)} has {sizes} elements; at most {_MOST_ELEMENTS:,} are supported")
        return dims

    def bind(self, layer: XmlLayer, place: int, value: Tensor) -> str:
        """Record output number `place` of a layer and return its name."""
        port = layer.outputs[place]
        name = f"{layer.name}:{layer.id}:{port.id}"
        self.check_dims(layer, value.dims)
        self.values[name] = value
        self.tensors[layer.id, port.id] = name
        return name

    # -- inputs and constants

    def add_input(self, layer: XmlLayer) -> None:
        """Record an input, with an open batch size as 1. Raises NotImported if another size is open."""
        if "..." in layer.data.get("shape", "") or not layer.outputs:
            raise NotImported(f"the number of axes of the input {show(layer.name)} is not known")
        own = layer.outputs[0].dims
        given = self.shapes.get(layer.name, self.shapes.get(None))
        batch = own[0] if own and own[0] > 0 else 1
        if given is not None and own:
            named = layer.name if layer.name in self.shapes else None
            check_number_of_sizes(named, given, [size if size > 0 else None for size in own[1:]])
            dims: Sizes = (batch, *given)
        elif min(own[1:], default=1) < 1:
            option = format_input_option(layer.name, [max(size, 0) for size in own[1:]])
            sizes = " × ".join("?" if size < 0 else str(size) for size in own)
            message = f"the shape of the input {show(layer.name)} is not fully known ({sizes})"
            raise NotImported(f"{message}: give it without the batch: {option}")
        else:
            dims = (batch, *own[1:]) if own else ()
        name = self.bind(layer, 0, Tensor(dims, _DTYPES.get(layer.outputs[0].precision)))
        wanted = layer.name if layer.name not in self.values else name
        self.values[wanted] = self.values.pop(name)
        self.tensors[layer.id, layer.outputs[0].id] = wanted
        self.inputs[wanted] = dims

    def add_constant(self, layer: XmlLayer) -> None:
        """Record a constant, which may be learnt if it has floating-point numbers or quantised weights."""
        kind = layer.data.get("element_type", "").lower()
        dims = tuple(
            read_size(part.strip(), describe_layer(layer)) for part in layer.data.get("shape", "").split(",") if part
        )
        if min(dims, default=0) < 0:
            raise NotImported(f"{describe_layer(layer)} has an open size")
        self.check_dims(layer, dims)
        values = self.constants.read(layer, dims)
        name = self.bind(layer, 0, Tensor(dims, _DTYPES.get(layer.outputs[0].precision), constant=True))
        if kind in _FLOATS and values is not None:
            self.floats[name] = values
        elif kind in ("i64", "i32", "u64", "u32") and values is not None:
            self.known[name] = tuple(map(int, values))
        if kind in _FLOATS and prod(dims) == 1:
            contents = None if values is None else Number(values[0])
            self.values[name] = self.values[name]._replace(contents=contents)
        elif kind in (*_FLOATS, *_SMALL_INTEGERS):
            root = self.name_root(layer)
            self.values[root] = self.values[name]._replace(roots=(root,))
            self.values[name] = self.values[root]
            self.weights[root] = prod(dims)

    def name_root(self, layer: XmlLayer) -> str:
        """Return a name for a learnt tensor: that of its Const without the words that converters add."""
        name = layer.name.removesuffix("_compressed").removesuffix("_quantized").removeprefix("self.")
        return name if name and name not in self.values else f"{layer.name}:{layer.id}"

    def bind_constant(self, layer: XmlLayer, integers: Integers | None, roots: tuple[str, ...]) -> None:
        """Record the outputs of a layer as constants: the first has these integers, and is computed from `roots`."""
        for place, port in enumerate(layer.outputs):
            dims = port.dims
            if min(dims, default=0) < 0:
                if integers is None:
                    raise NotImported(f"the output shape of {describe_layer(layer)} is unknown")
                dims = (len(integers),)
            name = self.bind(layer, place, Tensor(dims, _DTYPES.get(port.precision), True, None, roots))
            if integers is not None and place == 0:
                self.known[name] = integers

    def fold(self, layer: XmlLayer, inputs: list[str]) -> None:
        """Record the outputs of a layer that reads only constants, such as the conversion of weights to FP32.

        The scale and zero point of quantised weights are not learnt.
        """
        integers = compute_integers(layer.type, layer.data, [self.known.get(name) for name in inputs])
        quantised = any(self.values[root].dtype in _QUANTISED for root in self.values[inputs[0]].roots)
        sources = inputs[:1] if quantised or layer.type == "FakeQuantize" else inputs
        roots = tuple(dict.fromkeys(root for name in sources for root in self.values[name].roots))
        is_open = any(min(port.dims, default=0) < 0 for port in layer.outputs)
        if is_open and integers is None and layer.type in self.rules:
            self.rules[layer.type](self, layer, inputs)
            for port in layer.outputs:
                made = self.tensors[layer.id, port.id]
                self.values[made] = self.values[made]._replace(constant=True, roots=roots)
        else:
            self.bind_constant(layer, integers, roots)
        if layer.type in ("Convert", "Reshape", "Squeeze", "Unsqueeze"):
            self.pass_on_values(inputs[0], self.tensors[layer.id, layer.outputs[0].id])

    def pass_on_values(self, source: str, target: str) -> None:
        """Give the tensor `target` the values of the constant `source`."""
        self.values[target] = self.values[target]._replace(contents=self.values[source].contents)
        if source in self.floats:
            self.floats[target] = self.floats[source]

    # -- operations

    def add(
        self,
        layer: XmlLayer,
        operator: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
        known: Sizes | Sequence[Sizes] | None = None,
        dtype: str | None = None,
    ) -> None:
        """Add the operation of a layer.

        `known` are the sizes of the output, or of each output, if the inputs have other sizes than in the file; by
        default they are inferred. `dtype` is the data type of the output, by default that in the file. Raises
        NotImported if they are unknown, or if there are too few inputs.
        """
        least = _LEAST_INPUTS.get(operator, 1)
        if len(inputs) < least:
            raise NotImported(f"{describe_layer(layer)} needs at least {least} inputs; got {len(inputs)}")
        attributes = dict(attributes or {})
        sizes = self.find_output_sizes(layer, operator, inputs, attributes, known)
        made = [
            self.bind(layer, place, Tensor(dims, dtype or _DTYPES.get(layer.outputs[place].precision)))
            for place, dims in enumerate(sizes)
        ]
        self.operations.append(Operation(self.name_operation(layer), operator, attributes, tuple(inputs), tuple(made)))

    def find_output_sizes(
        self,
        layer: XmlLayer,
        operator: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any],
        known: Sizes | Sequence[Sizes] | None,
    ) -> list[Sizes]:
        """Return the sizes of each output. Raises NotImported if they are unknown."""
        stated = [port.dims for port in layer.outputs]
        if all(min(dims, default=0) >= 0 for dims in stated) and self.has_stated_inputs(layer):
            return stated
        if known is None:
            known = infer_sizes(operator, attributes, [self.dims(name) for name in inputs])
        if known is None:
            what = f"the output shape of {describe_layer(layer)} is unknown with this input"
            better = ", or put its .bin file next to it" if self.constants.stream is None else ""
            raise NotImported(f"{what}: save the model with fixed sizes (model.reshape){better}")
        several = [dims for dims in known if isinstance(dims, tuple)]
        if not several:
            several = [tuple(size for size in known if isinstance(size, int))] * len(stated)
        return several

    def add_part(
        self,
        layer: XmlLayer,
        operator: str,
        inputs: Sequence[str],
        dims: Sizes,
        part: str,
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Add an operation that is only a part of a layer, and return its output."""
        name = f"{layer.name}:{layer.id}:{part}"
        dtype = self.values[inputs[0]].dtype
        self.values[name] = Tensor(self.check_dims(layer, dims), dtype)
        operation = Operation(
            self.name_operation(layer, part), operator, dict(attributes or {}), tuple(inputs), (name,)
        )
        self.operations.append(operation)
        return name

    def add_unknown(self, layer: XmlLayer, inputs: Sequence[str]) -> None:
        """Add an operation of unknown cost. The constants in the body of a loop or condition are its weights."""
        self.add(layer, f"openvino.{layer.type}", inputs)
        if layer.type in _WITHOUT_MACS:
            self.macs[self.operations[-1].name] = 0
        captured = []
        for place, dims in enumerate(layer.inner):
            root = f"{layer.name}:{layer.id}:inner{place}"
            self.values[root] = Tensor(dims, "float32", constant=True, roots=(root,))
            self.weights[root] = prod(dims)
            captured.append(root)
        self.operations[-1] = self.operations[-1]._replace(captured=tuple(captured))

    def add_undecided(self, layer: XmlLayer, operator: str, inputs: Sequence[str]) -> None:
        """Add an operation with the cost of an ONNX operator; one of its attributes, such as its axes, is unknown."""
        self.add(layer, f"openvino.{layer.type}", inputs)
        made = self.operations[-1]
        sizes = [[self.dims(name) for name in names] for names in (made.inputs, made.outputs)]
        cost = count_operation(operator, {}, *sizes)
        if cost is not None:
            self.costs[made.name] = cost

    def name_operation(self, layer: XmlLayer, part: str = "") -> str:
        """Return a unique name for an operation, like those that PyTorch's exporter to ONNX writes.

        `__module.layer1.0.conv1/aten::_convolution/Convolution` becomes `/layer1.0.conv1/Convolution`. If OpenVINO has
        replaced the names of convolutions, other names are not used either, so that repeated parts are named alike.
        """
        name = layer.name.removesuffix("/WithoutBiases")  # added by OpenVINO's reader of ONNX
        if name.startswith(_MODULE):
            module, _, rest = name.removeprefix(_MODULE).partition("/")
            name = f"/{module}/{rest.rpartition('/')[2]}" if self.has_module_names else f"{layer.type}_{layer.id}"
        return self.names.assign(f"{name}_{part}" if part else name, layer.type, ())

    # -- constants as operands

    def reshape(self, layer: XmlLayer, name: str, dims: Sizes) -> str:
        """Return a tensor with other sizes: a constant with the same roots, or the output of a Reshape."""
        if self.values[name].constant:
            return self.view(name, dims)
        return self.add_part(layer, "Reshape", [name], dims, "reshape")

    def transpose(self, layer: XmlLayer, name: str, order: Sizes) -> str:
        """Return a tensor with its axes in another order: a constant with the same roots, or a Transpose."""
        dims = tuple(self.dims(name)[axis] for axis in order)
        if self.values[name].constant:
            return self.view(name, dims)
        return self.add_part(layer, "Transpose", [name], dims, f"transpose{len(self.operations)}", {"perm": order})

    def drop_leading_ones(self, name: str) -> str:
        """Return a constant without axes of size 1 in front, which broadcasting adds anyway."""
        dims = self.dims(name)
        first = next((place for place, size in enumerate(dims) if size != 1), len(dims))
        return self.view(name, dims[first:]) if self.values[name].constant and first and first < len(dims) else name

    def view(self, name: str, dims: Sizes) -> str:
        """Return a constant with the roots of another one, but other sizes."""
        made = f"{name}:{'x'.join(map(str, dims))}"
        self.values[made] = self.values[name]._replace(dims=dims)
        return made


_LEAST_INPUTS = {
    **dict.fromkeys(("Add", "Div", "Gather", "Max", "Min", "Mod", "Mul", "Pow", "PRelu", "Sub"), 2),
    **dict.fromkeys(("Conv", "ConvTranspose", "MatMul"), 2),
    **dict.fromkeys(("Attention", "GroupNormalization", "Where"), 3),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), 4),
    "BatchNormalization": 5,
}
_MODULE = "__module."  # begins the names that OpenVINO makes of PyTorch's modules
_MULTIPLYING = frozenset({"Convolution", "GroupConvolution", "MatMul"})
_WITHOUT_MACS = frozenset({"DetectionOutput", "Proposal", "CTCGreedyDecoder", "CTCGreedyDecoderSeqLen"})
_QUANTISED = frozenset({"int8", "uint8", "int4", "uint4", "float8"})
Rule = Callable[[GraphReader, XmlLayer, list[str]], None]
