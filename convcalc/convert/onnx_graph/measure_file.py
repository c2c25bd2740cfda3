"""Counts params, buffers and MACs of an ONNX file node by node, for `verify --onnx`.

Shapes come from onnx's own inference, and no code is shared with the importer, so that import errors are found.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

from convcalc.convert.comparison import MeasuredFigures, Model, ModelPart, Sizes, order_input_shapes
from convcalc.convert.graph import NotImported
from convcalc.convert.onnx_graph.file import import_onnx, read_model
from convcalc.network import Network

_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto's float, float16, double and bfloat16
_INTEGERS = frozenset({6, 7})  # TensorProto's int32 and int64
# operators whose output is still the same weight as their input
_WEIGHT_CONVERSIONS = frozenset(
    {"Identity", "Cast", "DequantizeLinear", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten"}
)
# positions of the inputs that may be data or weights; the others are settings or statistics
_DATA_INPUTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Resize", "Upsample", "Clip", "Pad", "Slice", "Range", "Pow", "Max", "Min", "Where"), (0,)),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "NonMaxSuppression", "RoiAlign", "Tile"), (0,)),
    "BatchNormalization": (0, 1, 2),
    "QLinearConv": (0, 3, 8),
    "QLinearMatMul": (0, 3),
    "DeformConv": (0, 1, 3),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (0, 1, 2, 3, 5, 6, 7)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), (0, 1)),
}
_START_STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}  # learnt only if their values differ
_INTEGER_WEIGHTS = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"})
_STATISTICS = {"BatchNormalization": (3, 4)}
_UNCOUNTED = frozenset({"Einsum"})
_FILLED = frozenset({"ConstantOfShape", "ConstantFill"})  # replace the weights in files stored without them
_WITH_WEIGHTS = frozenset(
    {"Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul", "PRelu", "LSTM", "GRU", "RNN"}
    | {"BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization"}
)
# convcalc fills all weights and statistics by nodes NAME.filled, and its other constants are not learnt; the last node
# of each layer has the layer's name, and an Identity of a weight is a layer of kind parameter
_PRODUCER = "convcalc"
_UNCOUNTED_WITH_BODY = frozenset({"If", "Loop", "Scan"})


class _GraphFacts(NamedTuple):
    """Facts about the tensors of a graph, by name.

    `elements` is the number of elements of each tensor that may be learnt. `roots` maps a weight that was cast,
    transposed or reshaped to the stored tensor from which it was made. Tensors in `filled` hold one repeated number:
    they count as weights only as an input that must be a weight, such as the second input of Conv. If convcalc wrote
    the file (`is_own`), `filled` is empty, and the weights are exactly the tensors that it fills.
    """

    sizes: Mapping[str, Sizes]
    elements: Mapping[str, int]
    roots: Mapping[str, str]
    filled: frozenset[str]
    is_own: bool


def measure_file(path: str, network: Network) -> Model:
    """Return the figures of an ONNX file for inputs with the shapes and batch size of `network`.

    Raises OSError if the file cannot be read; NotImported if it is not an ONNX model, if its inputs are not those of
    `network`, or if onnx cannot infer its shapes.
    """
    model = _infer_shapes(read_model(path), network)
    graph, facts = model.graph, _collect_facts(model.graph, model.producer_name == _PRODUCER)
    seen: set[str] = set()
    measured = [_measure_node(node, facts, seen, network.batch) for node in graph.node]
    names = {node.name for node in network.nodes}
    if facts.is_own and names <= {node.name for node in graph.node}:
        parts = _join_layers(graph.node, measured, facts, names)
    else:
        parts = _merge_biases([part for part in measured if part is not None])
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
        return _infer_with_group_norms(onnx, model)
    except Exception as error:  # the checker's own errors, which differ between its versions
        raise NotImported(f"onnx cannot infer its shapes: {str(error) or type(error).__name__}") from None


def _infer_with_group_norms(onnx: Any, model: Any) -> Any:
    """Return the model with inferred shapes. onnx infers none for GroupNormalization, which keeps its input's shape.

    These nodes are therefore renamed to InstanceNormalization while shapes are inferred.
    """
    places = [place for place, node in enumerate(model.graph.node) if node.op_type == "GroupNormalization"]
    for place in places:
        model.graph.node[place].op_type = "InstanceNormalization"
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for place in places:
        inferred.graph.node[place].op_type = "GroupNormalization"
    return inferred


def _set_input_shape(value: Any, shape: Sizes) -> None:
    """Set an input's shape to a batch of one sample, with the channels first or last as in the file.

    `shape` has the channels first. Raises NotImported if it contradicts the shape in the file.
    """
    dims = value.type.tensor_type.shape.dim
    stated = [dim.dim_value or None for dim in dims]
    orders = [(1, *shape), (1, *shape[1:], shape[0])]
    if value.type.tensor_type.elem_type in _INTEGERS and shape[0] == 1:
        orders.append((1, *shape[1:]))  # the integers of an embedding have no axis of channels
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


def _collect_facts(graph: Any, is_own: bool) -> _GraphFacts:
    """Return the facts about a graph; `is_own` says that convcalc wrote the file."""
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            sizes.setdefault(value.name, tuple(dim.dim_value for dim in kind.shape.dim))
    roots = {name: name for name in types}
    filled = {
        node.output[0]
        for node in graph.node
        if node.op_type in _FILLED and node.output[0] in sizes and (node.name.endswith(".filled") or not is_own)
    }
    conversions = _WEIGHT_CONVERSIONS - {"Identity"} if is_own else _WEIGHT_CONVERSIONS
    for node in graph.node:
        if node.output and node.output[0] in filled:
            types[node.output[0]], roots[node.output[0]] = 1, node.output[0]
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            sizes[node.output[0]], types[node.output[0]] = tuple(tensor.dims), tensor.data_type
            roots[node.output[0]] = node.output[0]
        if node.op_type in _INTEGER_WEIGHTS:
            types |= {roots[node.input[place]]: 1 for place in _list_data_places(node) if node.input[place] in roots}
        if node.op_type in conversions and node.input and node.input[0] in roots:
            root = roots[node.input[0]]
            roots[node.output[0]] = root
            if node.op_type == "DequantizeLinear":
                types[root] = 1  # quantised weights are learnt too
    uniform = _find_uniform_states(graph)
    learnt = [
        name
        for name, kind in types.items()
        if kind in _FLOATS and (name in filled or not is_own) and name not in uniform
    ]
    elements = {name: prod(sizes[name]) for name in learnt}
    return _GraphFacts(sizes, elements, roots, frozenset(() if is_own else filled), is_own)


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
    least = 1 if facts.is_own or node.op_type in _MACS or node.op_type == "PRelu" else 2
    params = _count_unseen_elements(learnt, facts, seen, least)
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


def _join_layers(
    nodes: Iterable[Any], measured: Iterable[ModelPart | None], facts: _GraphFacts, names: Collection[str]
) -> list[ModelPart]:
    """Return one part per layer of a file that convcalc wrote; `names` are the names of its layers."""
    found, figures = [], list[MeasuredFigures]()
    for node, part in zip(nodes, measured, strict=True):
        figures += [part.figures] if part else []
        if figures and node.name in names:
            macs = [each.macs for each in figures]
            total = MeasuredFigures(
                facts.sizes.get(node.output[0], ())[1:],
                sum(each.params for each in figures),
                sum(each.buffers for each in figures),
                None if None in macs else sum(count or 0 for count in macs),
            )
            found.append(ModelPart(node.name, node.op_type, total))
            figures = []
    return found + [ModelPart("", "", each) for each in figures]


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


def _recurrent_macs(node: Any, facts: _GraphFacts) -> int:
    """Return the MACs of an LSTM, GRU or RNN: each step multiplies by both matrices of each direction."""
    steps = prod(facts.sizes[node.input[0]][:2])
    return steps * sum(prod(facts.sizes[name]) for name in node.input[1:3])


def _weight_sizes(node: Any, facts: _GraphFacts) -> Sizes:
    return facts.sizes[node.input[3 if node.op_type == "QLinearConv" else 1]]


_MACS: dict[str, Callable[[Any, _GraphFacts], int]] = {
    **dict.fromkeys(("Conv", "ConvInteger", "DeformConv", "QLinearConv"), _conv_macs),
    "ConvTranspose": _transposed_macs,
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"), _product_macs),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent_macs),
}
