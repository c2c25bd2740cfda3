"""Reads an ONNX graph into a `Program`: its nodes in order, and the shape of each tensor, constant or data.

The package onnx infers shapes node by node. It is given the contents of small constants, so that arithmetic on shapes
can be evaluated. Whatever shapes the file declares, only small arrays are allocated.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from convcalc.convert.graph import Follow, NotImported, Shapes, check_number_of_sizes, format_input_option
from convcalc.convert.onnx_graph import constants
from convcalc.convert.onnx_graph.declared import describe_mismatch, describe_size, read_size, read_tensor_type
from convcalc.convert.onnx_graph.nested import MOST_NODES, check_text, inline_functions, list_captured
from convcalc.convert.onnx_graph.translation import Part, Translator
from convcalc.convert.operators import Operation, Program, Sizes, Tensor, describe_operation
from convcalc.problems import shorten, show

_MOST_ELEMENTS = 10**11  # in one tensor
_DEFAULT_DOMAIN = ("", "ai.onnx")
_KEEPS_SHAPE = frozenset(
    ("GroupNormalization", "LayerNormalization", "MeanVarianceNormalization", "Swish", "Gelu", "Mish", "HardSwish")
)
_MOST_AXES = 64
_BY_LENGTH = frozenset(  # operators with an input that lists sizes or axes: inference allocates one axis per element
    ("ConstantOfShape", "Expand", "Pad", "Reshape", "Resize", "Slice", "Squeeze", "Tile", "Unsqueeze", "Upsample")
)
_DTYPE_NAMES = {  # by number in onnx.TensorProto
    1: "float32",
    10: "float16",
    11: "float64",
    16: "bfloat16",
    17: "float8",
    18: "float8",
    19: "float8",
    20: "float8",
    2: "uint8",
    3: "int8",
    6: "int32",
    12: "uint32",
    4: "uint16",
    5: "int16",
    21: "uint4",
    22: "int4",
}
_PRODUCER = "convcalc"  # writes every weight as a ConstantOfShape
_WEIGHT_TYPES = frozenset(
    (1, 2, 3, 10, 11, 16, 17, 18, 19, 20, 21, 22)
)  # of onnx.TensorProto: floats, and integers of up to 8 bits


def read_program(model: Any, shapes: Shapes, follow: Follow | None = None) -> Program:
    """Return the program of an onnx.ModelProto.

    `shapes` overrides input shapes, without the batch; its keys are the names of inputs, or None for the only input.
    `follow` takes the nodes and their number and returns an iterable over them, for progress bars.
    Raises NotImported if a shape is unknown or a limit is exceeded.
    """
    return _OnnxReader(inline_functions(model), shapes).read(follow or (lambda nodes, total: nodes))


class _OnnxReader:
    """Reads a model into a program. `types` and `data` hold the types and contents of tensors for shape inference."""

    def __init__(self, model: Any, shapes: Shapes) -> None:
        import onnx

        self.onnx = onnx
        self.model = model
        self.sole_input = True
        self.batch_names: frozenset[str] = frozenset()
        self.shapes = dict(shapes)
        self.values: dict[str, Tensor] = {}
        self.types: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.weights: dict[str, int] = {}
        self.literal: set[str] = set()
        self.filled: set[str] = set()
        self.disputed: dict[str, str] = {}
        self.evaluations = 0
        self.stated = False  # whether a shape of the last node is only declared in the file
        self.failure = ""  # why the output shapes of the last node were not inferred
        self.unknown: dict[str, str] = {}  # by tensor, why its shape is unknown
        self.versions = {entry.domain: entry.version for entry in model.opset_import}
        self.declared = {info.name: info.type for info in (*model.graph.value_info, *model.graph.output)}

    def read(self, follow: Follow) -> Program:
        graph = self.model.graph
        if len(graph.node) > MOST_NODES:
            raise NotImported(f"more than {MOST_NODES:,} nodes")
        for tensor in graph.initializer:
            self.add_initializer(tensor)
        for sparse in graph.sparse_initializer:
            self.add_initializer(sparse.values, tuple(sparse.dims))
        inputs = self.read_inputs([info for info in graph.input if info.name not in self.values])
        nodes = follow(graph.node, len(graph.node))
        outputs = tuple(dict.fromkeys(check_text(info.name) for info in graph.output))
        translator = Translator(self.onnx, outputs, self.values, self.add_initializer)
        operations = [
            self.read_node(part, place, version)
            for place, node in enumerate(nodes)
            for part, version in self.check_translation(translator, node)
        ]
        for name, zero in translator.stored.items():
            kind = self.values[zero].dtype if zero in self.values else "uint8"
            if name in self.values:
                self.values[name] = self.values[name]._replace(dtype=kind)
        for name in outputs:
            if name not in self.values:
                raise NotImported(self.unknown.get(name, f"no node produces the output {show(name)}"))
        own = self.model.producer_name == _PRODUCER
        constants = frozenset(self.literal), frozenset(() if own else self.filled)
        return Program(
            check_text(graph.name), inputs, operations, outputs, self.values, self.weights, *constants, self.disputed
        )

    # -- values

    def check_sizes(self, dims: Sizes, name: str) -> Sizes:
        if any(size < 0 for size in dims):
            raise NotImported(f"{show(name)} has a negative size: {' × '.join(map(str, dims))}")
        if prod(dims) > _MOST_ELEMENTS:
            raise NotImported(
                f"{show(name)} has {' × '.join(map(str, dims))} elements; at most {_MOST_ELEMENTS:,} are supported"
            )
        return dims

    def add(self, name: str, kind: int, value: Tensor) -> None:
        """Record a tensor, and its type and contents for onnx's shape inference.

        `kind` is the number of its data type in onnx.TensorProto.
        """
        self.values[name] = value._replace(dtype=_DTYPE_NAMES.get(kind))
        self.types[name] = self.onnx.helper.make_tensor_type_proto(kind, value.dims)
        if value.contents is not None:
            self.data[name] = self.onnx.numpy_helper.from_array(value.contents, name)

    def add_initializer(self, tensor: Any, dense: Sizes | None = None) -> None:
        """Record a constant of the file. `dense` are the sizes of a sparse tensor."""
        name, dims = check_text(tensor.name), tuple(tensor.dims) if dense is None else dense
        self.check_sizes(dims, name)
        contents = self.read_contents(tensor) if prod(dims) <= constants.MOST_ELEMENTS else None
        roots: tuple[str, ...] = ()
        if tensor.data_type in _WEIGHT_TYPES:
            roots = (name,)
            self.weights[name] = prod(dims)
        self.add(name, tensor.data_type, Tensor(dims, None, True, contents, roots))

    def read_contents(self, tensor: Any) -> Any:
        """Return the array of a tensor; None if it is stored in another file or is malformed."""
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            return None
        try:
            return self.onnx.numpy_helper.to_array(tensor)
        except Exception:  # malformed tensors raise errors of any type; their contents are then unknown
            return None

    # -- inputs

    def read_inputs(self, infos: Sequence[Any]) -> dict[str, Sizes]:
        """Return the sizes of each input, batch first."""
        names = [check_text(info.name) for info in infos]
        self.sole_input = len(names) == 1
        if not names:
            raise NotImported("the graph has no input")
        if any(name not in names for name in self.shapes if name is not None) or (None in self.shapes and names[1:]):
            raise NotImported(f"--input needs the name of an input; available: {', '.join(map(shorten, names))}")
        found = {}
        self.batch_names = _list_batch_names(infos)
        for info in infos:
            if self.is_number_given(info):
                self.add_number(info)
                continue
            dims = self.find_input_sizes(info)
            self.add(info.name, info.type.tensor_type.elem_type, Tensor(self.check_sizes(dims, info.name)))
            found[info.name] = dims
        return found

    def is_number_given(self, info: Any) -> bool:
        """Whether the user gave the value of an input that is a single integer, such as a sampling rate."""
        kind = info.type.tensor_type
        integers = (self.onnx.TensorProto.INT32, self.onnx.TensorProto.INT64)
        given = self.shapes.get(info.name)
        return kind.HasField("shape") and not kind.shape.dim and kind.elem_type in integers and len(given or ()) == 1

    def add_number(self, info: Any) -> None:
        """Record an input as the constant that the user gave. It decides which branch of an If runs."""
        import numpy

        kind = info.type.tensor_type.elem_type
        value = numpy.asarray(self.shapes[info.name][0], self.onnx.helper.tensor_dtype_to_np_dtype(kind))
        self.add(info.name, kind, Tensor((), None, True, value))

    def find_input_sizes(self, info: Any) -> Sizes:
        """Return the sizes of an input, batch first: those that the user gave, or else those in the file.

        An unspecified batch size becomes 1. Raises NotImported if another size is unknown.
        """
        given = self.shapes.get(info.name, self.shapes.get(None))
        if info.type.WhichOneof("value") != "tensor_type":
            raise NotImported(f"the input {show(info.name)} is not a tensor")
        shape = info.type.tensor_type.shape
        # a state, such as (layers, batch, features), may have the batch on another axis than the first
        declared = [1 if place and self.is_batch(size) else read_size(size) for place, size in enumerate(shape.dim)]
        fixed = declared[0] if declared and not self.sole_input and declared[0] not in (None, 0, 1) else None
        batch = (declared[0] if declared else None) or 1
        if given is not None:
            if fixed is not None and len(given) == len(declared) and given[0] == fixed:
                return tuple(given)
            if declared:
                check_number_of_sizes(info.name if info.name in self.shapes else None, given, declared[1:])
            return (batch, *given)
        described = [describe_size(size) for size in shape.dim]
        declared_shape = " × ".join(map(str, described))
        if not declared and not self.sole_input and info.type.tensor_type.HasField("shape"):
            return ()
        if len(declared) == 1 and self.sole_input:
            raise NotImported(
                f"the input {show(info.name)} has one axis ({declared_shape}); expected a batch axis and channels"
            )
        if not declared or not all(declared[1:]):
            unknown = f"the shape of the input {show(info.name)} is not fully known ({declared_shape or '?'})"
            if fixed is not None:
                raise NotImported(f"{unknown}: give all of its sizes: {format_input_option(info.name, declared)}")
            raise NotImported(f"{unknown}: give it without the batch: {format_input_option(info.name, declared[1:])}")
        return (batch, *(size or 1 for size in declared[1:]))

    def is_batch(self, size: Any) -> bool:
        """Whether a declared size has the name of the batch."""
        return size.WhichOneof("value") == "dim_param" and size.dim_param in self.batch_names

    # -- nodes

    def check_translation(self, translator: Translator, node: Any) -> Iterator[Part]:
        """Yield the nodes that replace a node. Raises NotImported if its attributes or inputs are malformed."""
        try:
            yield from translator.translate(node)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise NotImported(
                f"{shorten(str(node.op_type))} {show(str(node.name))} is malformed: {shorten(str(error))}"
            ) from None

    def read_node(self, node: Any, place: int, version: int | None = None) -> Operation:
        """Return a node as an operation, and record its outputs.

        `place` is its position in the file. `version` is that of its operator set, by default the file's.
        """
        default = node.domain in _DEFAULT_DOMAIN
        operation = Operation(
            check_text(node.name) or f"{check_text(node.op_type)}_{place}",
            check_text(node.op_type) if default else f"{check_text(node.domain)}.{check_text(node.op_type)}",
            {attribute.name: self.read_attribute(attribute) for attribute in node.attribute},
            tuple(map(check_text, node.input)),
            tuple(map(check_text, node.output)),
            version or self.versions.get("" if default else node.domain, self.versions.get("ai.onnx", 1)),
            tuple(list_captured(node)),
        )
        for name in (*operation.inputs, *operation.captured):
            if name and name not in self.values:
                reason = f"{describe_operation(operation)} reads {show(name)}, which no earlier node produces"
                raise NotImported(self.unknown.get(name, reason))
        for name in operation.outputs:
            if name and (name in self.values or name in self.unknown):
                raise NotImported(f"{describe_operation(operation)} produces {show(name)}, which already exists")
        if operation.operator in _BY_LENGTH:
            self.check_list_lengths(operation)
        try:
            self.add_outputs(node, operation)
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
            # any attribute may be missing or have another type than the operator expects
            raise NotImported(f"{describe_operation(operation)} is malformed: {shorten(str(error))}") from None
        return operation

    def check_list_lengths(self, operation: Operation) -> None:
        """Raise NotImported if an input that lists sizes or axes has more elements than a tensor may have axes.

        Shape inference would allocate one axis per element.
        """
        sizes = operation.inputs if operation.operator == "ConstantOfShape" else operation.inputs[1:]
        for name in filter(None, sizes):
            value = self.values[name]
            kind = self.types[name].tensor_type.elem_type
            if kind == self.onnx.TensorProto.INT64 and len(value.dims) == 1 and value.dims[0] > _MOST_AXES:
                what = f"{describe_operation(operation)} has a list for {value.dims[0]} axes"
                raise NotImported(f"{what}; a tensor has at most {_MOST_AXES}")

    def read_attribute(self, attribute: Any) -> Any:
        """Return an attribute as a Python value: an array for a small tensor, None for a large one or a subgraph."""
        value = self.onnx.helper.get_attribute_value(attribute)
        if isinstance(value, self.onnx.TensorProto):
            return self.read_contents(value) if prod(value.dims) <= constants.MOST_ELEMENTS else None
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if attribute.type in (attribute.FLOATS, attribute.INTS):
            return tuple(value)
        return value if isinstance(value, int | float) else None

    def add_outputs(self, node: Any, operation: Operation) -> None:
        """Record the outputs of a node. If the shape of one is unknown, record the reason in `unknown`."""
        reads = [self.values[name] for name in (*operation.inputs, *operation.captured) if name]
        inferred = self.infer_outputs(node, operation)
        constant = all(value.constant for value in reads) or operation.operator in ("Shape", "Size")
        folded = self.fold_outputs(node, operation, inferred) if constant else None
        if folded and operation.operator in constants.BOUNDED_BY_INPUT:
            inferred[operation.outputs[0]] = (self.onnx.TensorProto.INT64, folded[0].shape)
        measured = operation.operator in ("Shape", "Size") or any(value.measured for value in reads)
        for place, name in enumerate(operation.outputs):
            if not name:
                continue
            if name not in inferred:
                failure = self.failure
                if operation.operator == "If" and not failure:
                    failure = self.explain_undecided_branch()
                why = f": {failure}" if failure else ""
                self.unknown[name] = f"the output shape of {describe_operation(operation)} is unknown{why}"
                continue
            kind, dims = inferred[name]
            contents = folded[place] if folded and place < len(folded) and folded[place].shape == dims else None
            roots = self.find_roots(operation, name, dims, kind, reads) if constant else ()
            sizes = self.check_sizes(dims, name)
            self.add(name, kind, Tensor(sizes, None, constant, contents, roots, constant and measured))

    def explain_undecided_branch(self) -> str:
        """Return why it is unknown which branch of an If runs, and how to give the number that may decide that."""
        numbers = [info.name for info in self.model.graph.input if not info.type.tensor_type.shape.dim]
        known = {*self.shapes, *(tensor.name for tensor in self.model.graph.initializer)}
        wanted = next((name for name in numbers if name not in known), None)
        advice = "" if wanted is None else f"; give the value of {shorten(wanted)}, such as --input {shorten(wanted)}=1"
        return f"the values of the inputs decide which branch runs{advice}"

    def find_roots(
        self, operation: Operation, name: str, dims: Sizes, kind: int, reads: list[Tensor]
    ) -> tuple[str, ...]:
        """Return the names of the possibly learnt tensors from which the constant `name` is computed.

        These are the roots of its inputs, or the constant itself if its node stores it. Empty if it cannot be learnt.
        """
        if operation.operator in ("Shape", "Size") or kind not in _WEIGHT_TYPES:
            return ()
        is_dequantized = operation.operator == "DequantizeLinear"
        sources = reads[:1] if is_dequantized else reads  # the scale and zero point are not learnt
        found = tuple(dict.fromkeys(root for value in sources for root in value.roots))
        if is_dequantized and not found:  # a quantised bias: 32-bit integers are not in _WEIGHT_TYPES
            name = operation.inputs[0]
        elif found or operation.operator not in ("Constant", "ConstantOfShape"):
            return found
        if operation.operator == "ConstantOfShape" and any(value.measured for value in reads):
            return ()
        if operation.operator == "Constant":
            self.literal.add(name)
            if self.is_uniform_constant(operation):
                self.filled.add(name)
        if operation.operator == "ConstantOfShape":
            self.filled.add(name)
        self.weights[name] = prod(dims)
        return (name,)

    def is_uniform_constant(self, operation: Operation) -> bool:
        """Whether all elements of a Constant are equal; false if they are unknown."""
        import numpy

        contents = (_read_constant(numpy, operation.attributes) or [None])[0]
        return contents is not None and contents.size > 0 and bool((contents == contents.ravel()[0]).all())

    def fold_outputs(self, node: Any, operation: Operation, inferred: dict[str, tuple[int, Sizes]]) -> list[Any] | None:
        """Return the output arrays of a node with constant inputs; None if they are large or not computable.

        Declared shapes are not trusted: if onnx did not infer a shape, the node is not evaluated.
        """
        import numpy

        sizes = [prod(dims) for _, dims in inferred.values()]
        if operation.operator in constants.BOUNDED_BY_INPUT:
            self.stated, sizes = False, [0]
        if self.stated or max(sizes, default=constants.MOST_ELEMENTS + 1) > constants.MOST_ELEMENTS:
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
        contents = [self.values[name].contents if name else None for name in operation.inputs]
        if any(array is None for array, name in zip(contents, operation.inputs, strict=True) if name):
            return None
        self.evaluations += 1
        if node.domain not in _DEFAULT_DOMAIN or self.evaluations > constants.MOST_EVALUATIONS:
            return None
        return constants.fold(node, operation.version, contents)

    def infer_outputs(self, node: Any, operation: Operation) -> dict[str, tuple[int, Sizes]]:
        """Return the data type and sizes of each output: inferred by onnx, or else declared in the file.

        Otherwise, the output has the type and sizes of the input if the operator is in _KEEPS_SHAPE, and is left out if
        not.
        """
        found = {}
        types = self.infer_types(node, operation)
        self.stated = False
        for name in filter(None, operation.outputs):
            for source in (types.get(name), self.declared.get(name)):
                known = None if source is None else read_tensor_type(source)
                if known is not None:
                    found[name] = known
                    self.stated |= source is not types.get(name)
                    break
            if (
                name in found and name in self.declared and not self.shapes
            ):  # with other input shapes, the declared shapes do not apply
                self.disputed[name] = describe_mismatch(self.declared[name], found[name][1])
        if operation.operator in _KEEPS_SHAPE and operation.outputs[0] not in found:
            source = operation.inputs[0]
            found[operation.outputs[0]] = (self.types[source].tensor_type.elem_type, self.values[source].dims)
        return found

    def infer_types(self, node: Any, operation: Operation) -> dict[str, Any]:
        """Return the output types that the package onnx infers, by name.

        If onnx does not know the operator or fails, the result is empty and `failure` is the reason.
        """
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
            self.failure = shorten(" ".join(str(error).rsplit("): ", 1)[-1].split()), 100)
            return {}
        return dict(found)


def _list_batch_names(infos: Sequence[Any]) -> frozenset[str]:
    """Return the names that inputs declare for their first size if it is open, such as `batch`."""
    firsts = [info.type.tensor_type.shape.dim[0] for info in infos if len(info.type.tensor_type.shape.dim) > 1]
    return frozenset(size.dim_param for size in firsts if size.WhichOneof("value") == "dim_param" and size.dim_param)


def _read_constant(numpy: Any, attributes: Mapping[str, Any]) -> list[Any] | None:
    """Return the array of a Constant, as a list of one output; None if none of its attributes holds a value."""
    for name, kind in (("value_float", "float32"), ("value_int", "int64")):
        if name in attributes:
            return [numpy.asarray(attributes[name], kind)]
    for name, kind in (("value_floats", "float32"), ("value_ints", "int64")):
        if name in attributes:
            return [numpy.asarray(attributes[name], kind)]
    value = attributes.get("value")
    return None if value is None else [value]
