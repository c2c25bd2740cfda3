"""Counts params, buffers and MACs of an ONNX file node by node, for `verify --onnx`.

Shapes come from onnx's own inference, and no code is shared with the importer, so that import errors are found.
"""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

from convcalc.convert.comparison import MeasuredFigures, Model, ModelPart, Sizes, order_input_shapes
from convcalc.convert.graph import NotImported
from convcalc.convert.onnx_graph.file import import_onnx, read_model
from convcalc.network import Network

_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto's float, float16, double and bfloat16
# operators whose output is still the same weight as their input
_WEIGHT_CONVERSIONS = frozenset(
    {"Identity", "Cast", "DequantizeLinear", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten"}
)
# positions of the inputs that may be data or weights; the others are settings or statistics
_DATA_INPUTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Resize", "Upsample", "Clip", "Pad", "Slice", "Range", "Pow", "Max", "Min", "Where"), (0,)),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "NonMaxSuppression", "RoiAlign", "Tile"), (0,)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (0, 1, 2, 3, 5, 6, 7)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), (0, 1)),
    "BatchNormalization": (0, 1, 2),
    "QLinearConv": (0, 3, 8),
    "QLinearMatMul": (0, 3),
}
_START_STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}  # learnt only if their values differ
_INTEGER_WEIGHTS = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"})
_STATISTICS = {"BatchNormalization": (3, 4)}
_UNCOUNTED = frozenset({"LSTM", "GRU", "RNN", "Einsum"})
_FILLED = frozenset({"ConstantOfShape", "ConstantFill"})  # replace the weights in files stored without them
_WITH_WEIGHTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "BatchNormalization"})
_UNCOUNTED_WITH_BODY = frozenset({"If", "Loop", "Scan"})


class _GraphFacts(NamedTuple):
    """Facts about the tensors of a graph, by name.

    `elements` is the number of elements of each tensor that may be learnt. `roots` maps a weight that was cast,
    transposed or reshaped to the stored tensor from which it was made. Tensors in `filled` hold one repeated number:
    they count as weights only as an input that must be a weight, such as the second input of Conv. So do start states
    of recurrent nodes that are not known to hold different values.
    """

    sizes: Mapping[str, Sizes]
    elements: Mapping[str, int]
    roots: Mapping[str, str]
    filled: frozenset[str]


def measure_file(path: str, network: Network) -> Model:
    """Return the figures of an ONNX file for inputs with the shapes and batch size of `network`.

    Raises OSError if the file cannot be read; NotImported if it is not an ONNX model, if its inputs are not those of
    `network`, or if onnx cannot infer its shapes.
    """
    graph = _infer_shapes(read_model(path), network).graph
    facts = _collect_facts(graph)
    seen: set[str] = set()
    parts = [
        part for node in graph.node for part in [_measure_node(node, facts, seen, network.batch)] if part is not None
    ]
    parts = _merge_biases(parts)
    macs = [part.figures.macs for part in parts]
    known = None if None in macs or any(node.op_type in _UNCOUNTED_WITH_BODY for node in graph.node) else True
    return Model(
        "ONNX",
        tuple(parts),
        sum(part.figures.params for part in parts),
        None,
        sum(part.figures.buffers for part in parts),
        sum(count or 0 for count in macs) if known else None,
        _list_outputs(graph, facts),
    )


def _list_outputs(graph: Any, facts: _GraphFacts) -> tuple[Sizes, ...] | None:
    """Return the output shapes without the batch; None if onnx did not infer one of them."""
    names = [output.name for output in graph.output]
    return tuple(facts.sizes[name][1:] for name in names) if set(names) <= set(facts.sizes) else None


def _infer_shapes(model: Any, network: Network) -> Any:
    """Return the model with the shapes of all tensors, for a batch of one sample of the network's inputs."""
    onnx = import_onnx()
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if len(inputs) != len(network.inputs):
        raise NotImported(f"it has {len(inputs)} inputs, but the spec has {len(network.inputs)}")
    for value, shape in zip(inputs, order_input_shapes(network, (value.name for value in inputs)), strict=True):
        _set_input_shape(value, shape)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # the checker's own errors, which differ between its versions
        raise NotImported(f"onnx cannot infer its shapes: {str(error) or type(error).__name__}") from None


def _set_input_shape(value: Any, shape: Sizes) -> None:
    """Set an input's shape to a batch of one sample, with the channels first or last as in the file.

    `shape` has the channels first. Raises NotImported if it contradicts the shape in the file.
    """
    dims = value.type.tensor_type.shape.dim
    stated = [dim.dim_value or None for dim in dims]
    orders = [(1, *shape), (1, *shape[1:], shape[0])]
    fitting = [
        order
        for order in orders
        if len(order) == len(stated)
        and all(size in (None, due) for size, due in zip(stated[1:], order[1:], strict=True))
    ]
    if not fitting:
        listed = "×".join("?" if size is None else str(size) for size in stated)
        raise NotImported(f"its input {value.name} has shape {listed}, but the spec's has {'×'.join(map(str, shape))}")
    for dim, size in zip(dims, fitting[0], strict=True):
        dim.dim_value = size


def _collect_facts(graph: Any) -> _GraphFacts:
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            sizes.setdefault(value.name, tuple(dim.dim_value for dim in kind.shape.dim))
    roots = {name: name for name in types}
    filled = {node.output[0] for node in graph.node if node.op_type in _FILLED and node.output[0] in sizes}
    for node in graph.node:
        if node.output and node.output[0] in filled:
            types[node.output[0]], roots[node.output[0]] = 1, node.output[0]
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            sizes[node.output[0]], types[node.output[0]] = tuple(tensor.dims), tensor.data_type
            roots[node.output[0]] = node.output[0]
        if node.op_type in _INTEGER_WEIGHTS:
            types |= {roots[node.input[place]]: 1 for place in _list_data_places(node) if node.input[place] in roots}
        if node.op_type in _WEIGHT_CONVERSIONS and node.input and node.input[0] in roots:
            root = roots[node.input[0]]
            roots[node.output[0]] = root
            if node.op_type == "DequantizeLinear":
                types[root] = 1  # quantised weights are learnt too
    elements = {name: prod(sizes[name]) for name, kind in types.items() if kind in _FLOATS}
    return _GraphFacts(sizes, elements, roots, frozenset(filled | _find_uniform_states(graph)))


def _list_data_places(node: Any) -> list[int]:
    """Return the positions of the inputs of a node that may be data or weights."""
    count = len(node.input)
    return [place for place in _DATA_INPUTS.get(node.op_type, range(count)) if place < count]


def _find_uniform_states(graph: Any) -> set[str]:
    """Return the names of the stored start states that are not known to hold different values."""
    to_array = import_onnx().numpy_helper.to_array
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value"
    }
    found = set()
    for node in graph.node:
        for place in _START_STATES.get(node.op_type, ()):
            name = node.input[place] if place < len(node.input) else ""
            if name in tensors:
                try:
                    uniform = len(set(to_array(tensors[name]).flat)) < 2
                except ValueError:  # the file was read without the contents of large tensors
                    uniform = True
                found |= {name} if uniform else set()
    return found


def _measure_node(node: Any, facts: _GraphFacts, seen: set[str], batch: int) -> ModelPart | None:
    """Return the figures of a node; None if it has no params, buffers or MACs, or only converts a weight."""
    if not node.output or node.output[0] in facts.roots:
        return None
    learnt = [node.input[place] for place in _list_data_places(node)]
    if node.op_type not in _WITH_WEIGHTS:
        learnt = [name for name in learnt if facts.roots.get(name) not in facts.filled]
    kept = [node.input[place] for place in _STATISTICS.get(node.op_type, ()) if place < len(node.input)]
    params = _count_unseen_elements(learnt, facts, seen, 1 if node.op_type in _MACS or node.op_type == "PRelu" else 2)
    buffers = _count_unseen_elements(kept, facts, seen, 1)
    rule = _MACS.get(node.op_type)
    macs: int | None = None if node.op_type in _UNCOUNTED else 0
    if rule is not None:
        try:
            macs = rule(node, facts) * batch
        except KeyError:  # a shape that onnx did not infer
            macs = None
    if not params and not buffers and macs == 0:
        return None
    named = next((facts.roots[name] for name in node.input if name in facts.roots), node.name)
    name = named.rpartition(".")[0] or node.name or node.output[0]
    return ModelPart(
        name, node.op_type, MeasuredFigures(facts.sizes.get(node.output[0], ())[1:], params, buffers, macs)
    )


def _count_unseen_elements(names: Iterable[str], facts: _GraphFacts, seen: set[str], least: int) -> int:
    """Return the number of elements of the learnt tensors that are not yet in `seen`, and add them to `seen`.

    Tensors with fewer than `least` elements are not counted.
    """
    roots = dict.fromkeys(facts.roots[name] for name in names if name in facts.roots)
    new = [root for root in roots if facts.elements.get(root, 0) >= least and root not in seen]
    seen.update(new)
    return sum(facts.elements[root] for root in new)


def _merge_biases(parts: list[ModelPart]) -> list[ModelPart]:
    """Count a learnt vector that is added directly after a convolution or matrix product as its bias."""
    found: list[ModelPart] = []
    for part in parts:
        before = found[-1] if found else None
        if part.kind == "Add" and before is not None and before.kind in _MACS and part.figures.params:
            figures = before.figures
            if part.figures.output_shape == figures.output_shape and part.figures.params in figures.output_shape:
                found[-1] = before._replace(figures=figures._replace(params=figures.params + part.figures.params))
                continue
        found.append(part)
    return found


def _conv_macs(node: Any, facts: _GraphFacts) -> int:
    """Return the MACs of a Conv: each output element is a sum over the kernel and the input channels of its group."""
    return prod(facts.sizes[node.output[0]]) * prod(_weight_sizes(node, facts)[1:])


def _transposed_macs(node: Any, facts: _GraphFacts) -> int:
    """Return the MACs of a ConvTranspose: each input element is multiplied by all kernels of its group."""
    return prod(facts.sizes[node.input[0]]) * prod(_weight_sizes(node, facts)[1:])


def _product_macs(node: Any, facts: _GraphFacts) -> int:
    """Return the MACs of a matrix product: each output element is a sum over the columns of the first factor."""
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return prod(facts.sizes[node.output[0]]) * facts.sizes[node.input[0]][0 if transposed else -1]


def _weight_sizes(node: Any, facts: _GraphFacts) -> Sizes:
    return facts.sizes[node.input[3 if node.op_type == "QLinearConv" else 1]]


_MACS: dict[str, Callable[[Any, _GraphFacts], int]] = {
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv"), _conv_macs),
    "ConvTranspose": _transposed_macs,
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"), _product_macs),
}
