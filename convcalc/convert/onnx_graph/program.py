"""A graph of ONNX as nodes in their order and values whose shapes are known; constants are told from data.

Shapes are inferred a node at a time by the package onnx itself, which is given what small constants hold, so that
arithmetic on shapes is worked out on the way. Nothing of the size that a shape claims is ever made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from convcalc.convert.graph import NotImported, check_number_of_sizes
from convcalc.convert.onnx_graph import folding
from convcalc.convert.onnx_graph.declared import Sizes, describe_mismatch, describe_size, read_size, read_tensor_type
from convcalc.convert.onnx_graph.nested import MOST_NODES, check_text, inline_functions, list_captured
from convcalc.problems import shortened, shown

Shapes = Mapping[str | None, Sequence[int]]
Follow = Callable[[Iterable[Any], int], Iterable[Any]]
_MOST_ELEMENTS = 10**11  # of one tensor
_DEFAULT_DOMAIN = ("", "ai.onnx")
_KEEPS_SHAPE = frozenset(("GroupNormalization", "MeanVarianceNormalization", "Swish", "Gelu", "Mish", "HardSwish"))
_MOST_AXES = 64
_BY_LENGTH = frozenset(  # operators for which the length of an input is the number of axes, which inference would make
    ("ConstantOfShape", "Expand", "Pad", "Reshape", "Resize", "Slice", "Squeeze", "Tile", "Unsqueeze", "Upsample")
)
_PRODUCER = "convcalc"  # writes every weight as a ConstantOfShape of a shape that is an initializer
_WEIGHT_TYPES = frozenset(
    (1, 2, 3, 10, 11, 16, 17, 18, 19, 20, 21, 22)
)  # onnx.TensorProto: floats, and narrow integers


class OnnxValue(NamedTuple):
    """A tensor: its sizes with those of a batch, and of a constant what it holds (where small) and is made of.

    `roots` are the learnt tensors that a constant is made of; `kind` is the number of its data type; `measured` says
    that a constant depends on the shape of data.
    """

    dims: Sizes
    kind: int
    constant: bool = False
    held: Any = None
    roots: tuple[str, ...] = ()
    measured: bool = False


class Operation(NamedTuple):
    """A node: `operator` with its domain unless that is ONNX's own; `captured` are tensors that its graphs read."""

    name: str
    operator: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    version: int
    captured: tuple[str, ...] = ()


class Program(NamedTuple):
    """All of a graph. `weights` are the elements of each tensor that may be learnt; `literal` are constants in nodes.

    `filled` are those of the weights that a node fills with one value: they are learnt where an operator says so.
    `disputed` says of tensors which other shape the file gives them than their operator does; empty where none.
    """

    name: str
    inputs: dict[str, Sizes]
    operations: list[Operation]
    outputs: tuple[str, ...]
    values: dict[str, OnnxValue]
    weights: dict[str, int]
    literal: frozenset[str]
    filled: frozenset[str]
    disputed: Mapping[str, str]


def read_program(model: Any, shapes: Shapes, follow: Follow | None = None) -> Program:
    """The program of a model. Raises NotImported where a shape cannot be known, or a limit is met."""
    return _OnnxReader(inline_functions(model), shapes).read(follow or (lambda nodes, total: nodes))


class _OnnxReader:
    """Reads a model into a program; `types` are what the package onnx knows of each tensor."""

    def __init__(self, model: Any, shapes: Shapes) -> None:
        import onnx

        self.onnx = onnx
        self.model = model
        self.shapes = dict(shapes)
        self.values: dict[str, OnnxValue] = {}
        self.types: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.weights: dict[str, int] = {}
        self.literal: set[str] = set()
        self.filled: set[str] = set()
        self.disputed: dict[str, str] = {}
        self.failure = ""  # why the shapes that the last node gives were not inferred
        self.unknown: dict[str, str] = {}  # why the shape of a tensor is not known
        self.versions = {entry.domain: entry.version for entry in model.opset_import}
        self.declared = {info.name: info.type for info in (*model.graph.value_info, *model.graph.output)}

    def read(self, follow: Follow) -> Program:
        """The program."""
        graph = self.model.graph
        if len(graph.node) > MOST_NODES:
            raise NotImported(f"more than {MOST_NODES:,} nodes")
        for tensor in graph.initializer:
            self.add_weight(check_text(tensor.name), tuple(tensor.dims), tensor)
        for sparse in graph.sparse_initializer:
            self.add_weight(check_text(sparse.values.name), tuple(sparse.dims), sparse.values)
        inputs = self.read_inputs([info for info in graph.input if info.name not in self.values])
        nodes = follow(graph.node, len(graph.node))
        operations = [self.read_node(node, place) for place, node in enumerate(nodes)]
        outputs = tuple(dict.fromkeys(check_text(info.name) for info in graph.output))
        for name in outputs:
            if name not in self.values:
                raise NotImported(self.unknown.get(name, f"no node produces the output {shown(name)}"))
        own = self.model.producer_name == _PRODUCER
        constants = frozenset(self.literal), frozenset(() if own else self.filled)
        return Program(
            check_text(graph.name), inputs, operations, outputs, self.values, self.weights, *constants, self.disputed
        )

    # -- values

    def checked(self, dims: Sizes, name: str) -> Sizes:
        """The sizes of a tensor, which are known and not beyond belief."""
        if any(size < 0 for size in dims):
            raise NotImported(f"{shown(name)} has a negative size: {' × '.join(map(str, dims))}")
        if prod(dims) > _MOST_ELEMENTS:
            raise NotImported(
                f"{shown(name)} has {' × '.join(map(str, dims))} elements; at most {_MOST_ELEMENTS:,} are supported"
            )
        return dims

    def add(self, name: str, value: OnnxValue, data: Any = None) -> None:
        """A value, of which onnx is told the type and what it holds."""
        self.values[name] = value
        self.types[name] = self.onnx.helper.make_tensor_type_proto(value.kind, value.dims)
        if data is not None:
            self.data[name] = data
        elif value.held is not None:
            self.data[name] = self.onnx.numpy_helper.from_array(value.held, name)

    def add_weight(self, name: str, dims: Sizes, tensor: Any) -> None:
        """A constant of the file."""
        self.checked(dims, name)
        held = self.held(tensor) if prod(dims) <= folding.MOST_ELEMENTS else None
        roots: tuple[str, ...] = ()
        if tensor.data_type in _WEIGHT_TYPES:
            roots = (name,)
            self.weights[name] = prod(dims)
        self.add(name, OnnxValue(dims, tensor.data_type, True, held, roots))

    def held(self, tensor: Any) -> Any:
        """What a tensor holds, None where that stands in another file or does not fit its sizes."""
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            return None
        try:
            return self.onnx.numpy_helper.to_array(tensor)
        except Exception:  # whatever a malformed tensor makes the package raise: it holds nothing then
            return None

    # -- inputs

    def read_inputs(self, infos: Sequence[Any]) -> dict[str, Sizes]:
        """The inputs with their sizes, those of a batch first."""
        names = [check_text(info.name) for info in infos]
        if not names:
            raise NotImported("the graph has no input")
        if any(name not in names for name in self.shapes if name is not None) or (None in self.shapes and names[1:]):
            raise NotImported(f"--input needs the name of an input; available: {', '.join(map(shortened, names))}")
        found = {}
        for info in infos:
            dims = self.input_dims(info)
            self.add(info.name, OnnxValue(self.checked(dims, info.name), info.type.tensor_type.elem_type))
            found[info.name] = dims
        return found

    def input_dims(self, info: Any) -> Sizes:
        """The sizes of an input: as given, else as the file says; a batch of a size that is not said is 1."""
        given = self.shapes.get(info.name, self.shapes.get(None))
        if info.type.WhichOneof("value") != "tensor_type":
            raise NotImported(f"the input {shown(info.name)} is not a tensor")
        declared = [read_size(size) for size in info.type.tensor_type.shape.dim]
        batch = (declared[0] if declared else None) or 1
        if given is not None:
            if declared:
                check_number_of_sizes(info.name if info.name in self.shapes else None, given, declared[1:])
            return (batch, *given)
        said = " × ".join(str(describe_size(size)) for size in info.type.tensor_type.shape.dim)
        if len(declared) == 1:
            raise NotImported(f"the input {shown(info.name)} has one axis ({said}); expected a batch axis and channels")
        if not declared or not all(declared[1:]):
            raise NotImported(
                f"the shape of the input {shown(info.name)} is not fully known ({said or '?'}): "
                f"give it without the batch, for example --input {shortened(info.name)}=3,224,224"
            )
        return (batch, *(size or 1 for size in declared[1:]))

    # -- nodes

    def read_node(self, node: Any, place: int) -> Operation:
        """One node, the values that it gives made known."""
        default = node.domain in _DEFAULT_DOMAIN
        operation = Operation(
            check_text(node.name) or f"{check_text(node.op_type)}_{place}",
            check_text(node.op_type) if default else f"{check_text(node.domain)}.{check_text(node.op_type)}",
            {attribute.name: self.attribute(attribute) for attribute in node.attribute},
            tuple(map(check_text, node.input)),
            tuple(map(check_text, node.output)),
            self.versions.get("" if default else node.domain, self.versions.get("ai.onnx", 1)),
            tuple(list_captured(node)),
        )
        for name in (*operation.inputs, *operation.captured):
            if name and name not in self.values:
                nothing = f"{describe_node(operation)} reads {shown(name)}, which no earlier node produces"
                raise NotImported(self.unknown.get(name, nothing))
        for name in operation.outputs:
            if name and (name in self.values or name in self.unknown):
                raise NotImported(f"{describe_node(operation)} produces {shown(name)}, which already exists")
        if operation.operator in _BY_LENGTH:
            self.check_lengths(operation)
        try:
            self.give(node, operation)
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
            # any attribute may be missing, or of another sort than the operator takes
            raise NotImported(f"{describe_node(operation)} is malformed: {shortened(str(error))}") from None
        return operation

    def check_lengths(self, operation: Operation) -> None:
        """Refuse a list of sizes or axes that is longer than any tensor has axes."""
        sizes = operation.inputs if operation.operator == "ConstantOfShape" else operation.inputs[1:]
        for name in filter(None, sizes):
            value = self.values[name]
            if value.kind == self.onnx.TensorProto.INT64 and len(value.dims) == 1 and value.dims[0] > _MOST_AXES:
                raise NotImported(
                    f"{describe_node(operation)} reads {value.dims[0]} numbers; a tensor has at most {_MOST_AXES} axes"
                )

    def attribute(self, attribute: Any) -> Any:
        """The value of an attribute: tensors as arrays (None where not at hand), texts as text, graphs left out."""
        value = self.onnx.helper.get_attribute_value(attribute)
        if isinstance(value, self.onnx.TensorProto):
            return self.held(value) if prod(value.dims) <= folding.MOST_ELEMENTS else None
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if attribute.type in (attribute.FLOATS, attribute.INTS):
            return tuple(value)
        return value if isinstance(value, int | float) else None

    def give(self, node: Any, operation: Operation) -> None:
        """Make known what a node gives."""
        reads = [self.values[name] for name in (*operation.inputs, *operation.captured) if name]
        inferred = self.inferred(node, operation)
        constant = all(value.constant for value in reads) or operation.operator in ("Shape", "Size")
        folded = self.folded(operation, inferred) if constant else None
        measured = operation.operator in ("Shape", "Size") or any(value.measured for value in reads)
        for place, name in enumerate(operation.outputs):
            if not name:
                continue
            if name not in inferred:
                why = f": {self.failure}" if self.failure else ""
                self.unknown[name] = f"the output shape of {describe_node(operation)} is unknown{why}"
                continue
            kind, dims = inferred[name]
            held = folded[place] if folded and place < len(folded) and folded[place].shape == dims else None
            roots = self.roots(operation, name, dims, kind, reads) if constant else ()
            self.add(name, OnnxValue(self.checked(dims, name), kind, constant, held, roots, constant and measured))

    def roots(self, operation: Operation, name: str, dims: Sizes, kind: int, reads: list[OnnxValue]) -> tuple[str, ...]:
        """The learnt tensors that a constant is made of: those of what it is made from, or itself."""
        if operation.operator in ("Shape", "Size") or kind not in _WEIGHT_TYPES:
            return ()
        is_dequantized = operation.operator == "DequantizeLinear"
        sources = reads[:1] if is_dequantized else reads  # its scale and zero point are not learnt
        found = tuple(dict.fromkeys(root for value in sources for root in value.roots))
        if is_dequantized and not found:  # a bias of 32 bits
            name = operation.inputs[0]
        elif found or operation.operator not in ("Constant", "ConstantOfShape"):
            return found
        if operation.operator == "ConstantOfShape" and any(value.measured for value in reads):
            return ()
        if operation.operator == "Constant":
            self.literal.add(name)
            if self.is_uniform(operation):
                self.filled.add(name)
        if operation.operator == "ConstantOfShape":
            self.filled.add(name)
        self.weights[name] = prod(dims)
        return (name,)

    def is_uniform(self, operation: Operation) -> bool:
        """Whether a Constant is known to hold one value everywhere."""
        import numpy

        held = (_read_constant(numpy, operation.attributes) or [None])[0]
        return held is not None and held.size > 0 and bool((held == held.ravel()[0]).all())

    def folded(self, operation: Operation, inferred: dict[str, tuple[int, Sizes]]) -> list[Any] | None:
        """What a node of small constants gives, None where that is not worked out."""
        import numpy

        sizes = [prod(dims) for _, dims in inferred.values()]
        if max(sizes, default=folding.MOST_ELEMENTS + 1) > folding.MOST_ELEMENTS:
            return None
        if operation.operator in ("Shape", "Size"):
            dims = self.values[operation.inputs[0]].dims if operation.inputs else ()
            if operation.operator == "Size":
                return [numpy.asarray(prod(dims), numpy.int64)]
            return [
                numpy.asarray(dims[operation.attributes.get("start", 0) : operation.attributes.get("end")], "int64")
            ]
        if operation.operator == "Constant":
            return _read_constant(numpy, operation.attributes)
        held = [self.values[name].held if name else None for name in operation.inputs]
        if any(array is None for array, name in zip(held, operation.inputs, strict=True) if name):
            return None
        return folding.fold(operation.operator, operation.attributes, held)

    def inferred(self, node: Any, operation: Operation) -> dict[str, tuple[int, Sizes]]:
        """The type and sizes of each output: inferred, else as the file says."""
        found = {}
        types = self.inferred_types(node, operation)
        for name in filter(None, operation.outputs):
            for source in (types.get(name), self.declared.get(name)):
                known = None if source is None else read_tensor_type(source)
                if known is not None:
                    found[name] = known
                    break
            if name in found and name in self.declared and not self.shapes:  # else what it says is of another input
                self.disputed[name] = describe_mismatch(self.declared[name], found[name][1])
        if operation.operator in _KEEPS_SHAPE and operation.outputs[0] not in found:
            value = self.values[operation.inputs[0]]
            found[operation.outputs[0]] = (value.kind, value.dims)
        return found

    def inferred_types(self, node: Any, operation: Operation) -> dict[str, Any]:
        """What the package onnx infers of a node's outputs; nothing where it knows no rule."""
        domain = "" if node.domain in _DEFAULT_DOMAIN else node.domain
        onnx = self.onnx
        self.failure = ""
        try:
            schema = onnx.defs.get_schema(node.op_type, operation.version, domain)
            names = {name for name in (*operation.inputs, *operation.captured) if name}
            types = {name: self.types[name] for name in names}
            data = {name: self.data[name] for name in names if name in self.data}
            opsets = list(self.model.opset_import)
            found = onnx.shape_inference.infer_node_outputs(schema, node, types, data, None, opsets)
        except onnx.defs.SchemaError:
            self.failure = "the package onnx does not know this operator"
            return {}
        except (
            onnx.shape_inference.InferenceError,
            onnx.checker.ValidationError,
            RuntimeError,
            ValueError,
            TypeError,
        ) as error:
            self.failure = shortened(" ".join(str(error).rsplit("): ", 1)[-1].split()), 100)
            return {}
        return dict(found)


def _read_constant(numpy: Any, attributes: Mapping[str, Any]) -> list[Any] | None:
    """The value of a Constant, however it is written."""
    for name, kind in (("value_float", "float32"), ("value_int", "int64")):
        if name in attributes:
            return [numpy.asarray(attributes[name], kind)]
    for name, kind in (("value_floats", "float32"), ("value_ints", "int64")):
        if name in attributes:
            return [numpy.asarray(attributes[name], kind)]
    value = attributes.get("value")
    return None if value is None else [value]


def describe_node(operation: Operation) -> str:
    """A node as messages name it."""
    return f"{shortened(operation.operator)} {shown(operation.name)}"
