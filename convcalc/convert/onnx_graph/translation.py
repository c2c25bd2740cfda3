"""Replaces nodes of an ONNX graph that the importer cannot read by nodes of the ONNX standard.

- Quantised operators become those of the network in floating point: QLinearConv becomes Conv, and QuantizeLinear and
  DequantizeLinear disappear, except on weights. The data type of quantised tensors is kept in `stored`.
- Operators that ONNX Runtime adds to the standard become standard ones: FusedConv becomes Conv and Relu.
- An If whose condition is known becomes the nodes of the chosen branch.

Source of the added operators: github.com/microsoft/onnxruntime, docs/ContribOperators.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from convcalc.convert.operators import Sizes, Tensor

_MICROSOFT = "com.microsoft"
Part = tuple[Any, int | None]  # an onnx.NodeProto, and the version of its operator set unless it is the file's


class Translator:
    """Rewrites the nodes of a graph, in their order, while the caller reads them.

    `values` are the tensors read so far. `add_initializer` reads a tensor of an inlined branch. `stored` maps each
    quantised tensor to its zero point, a constant with the data type of the stored tensor; empty for uint8.
    """

    def __init__(
        self, onnx: Any, outputs: Sequence[str], values: Mapping[str, Tensor], add_initializer: Callable[[Any], None]
    ) -> None:
        self.onnx = onnx
        self.outputs = frozenset(outputs)
        self.values = values
        self.add_initializer = add_initializer
        self.stored: dict[str, str] = {}
        self.aliases: dict[str, str] = {}  # by tensor that no node produces any more, the tensor with its values
        self.integers: dict[str, str] = {}  # by tensor that is quantised in the file, as in `stored`
        self.scales: set[str] = set()  # of quantised data
        self.activated: dict[str, str] = {}  # by output of an activation, its input

    def translate(self, node: Any) -> Iterator[Part]:
        """Yield the nodes that replace a node. Each must be read before the next is requested."""
        domain = "" if node.domain == "ai.onnx" else node.domain
        zero = self.integers.get(node.input[0]) if node.input else None
        if any(name in self.aliases for name in node.input) or any(
            attribute.HasField("g") for attribute in node.attribute
        ):
            node = _rename_tensors(node, self.aliases)
        rule = _RULES.get((domain, node.op_type))
        parts = None if rule is None else rule(self, node)
        if parts is None:
            if node.op_type in ("Relu", "Clip") and not domain and node.output:
                self.activated[node.output[0]] = node.input[0]
            yield node, None
            if zero is not None:  # a standard operator on integers, such as MaxPool, gives integers
                for name in filter(self.is_data, node.output):
                    self.store(name, zero)
                    self.integers[name] = zero
            return
        yield from parts

    # -- for the rules

    def dims(self, name: str) -> Sizes:
        """Return the sizes of a tensor."""
        return self.values[name].dims

    def is_data(self, name: str) -> bool:
        """Whether a tensor has been read and is not a constant."""
        return name in self.values and not self.values[name].constant

    def is_integer(self, name: str) -> bool:
        """Whether a tensor has an integer data type; false if its type is unknown."""
        kind = self.values[name].dtype if name in self.values else None
        return kind is not None and "int" in kind

    def replace(self, output: str, name: str) -> bool:
        """Let later nodes read the tensor `name` in place of `output`; false if `output` is an output of the graph."""
        if output in self.outputs:
            return False
        self.aliases[output] = name
        return True

    def store(self, name: str, zero: str) -> None:
        """Note that a tensor is stored in the data type of the constant `zero`.

        If a Relu or Clip produces the tensor, the input of that activation is stored in this data type too.
        """
        while name and name not in self.stored:
            self.stored[name] = zero
            name = self.activated.get(name, "")


_Rule = Callable[[Translator, Any], Iterator[Part] | None]


def _make(
    node: Any, operator: str, inputs: Sequence[str], output: str, version: int | None = None, **more: Any
) -> Part:
    """Return a new node with the name of `node`. Attributes in `more` that are None are left out."""
    from onnx import helper

    outputs = [output] if output else []
    given = {name: value for name, value in more.items() if value is not None}
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    return helper.make_node(operator, list(inputs), outputs, name=node.name, **given), version


def _attribute(node: Any, name: str, default: Any = None) -> Any:
    from onnx import helper

    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def _input(node: Any, place: int) -> str:
    return str(node.input[place]) if place < len(node.input) else ""


def _between(node: Any, what: str) -> str:
    """Return a name for a tensor between the nodes that replace `node`, such as `y/sum` for output `y`."""
    return f"{node.output[0]}/{what}"


def _rename_tensors(node: Any, names: Mapping[str, str]) -> Any:
    """Return a copy of a node, and of its subgraphs, with each tensor renamed to `names[tensor]`."""
    copied = type(node)()
    copied.CopyFrom(node)
    _rename_in_place(copied, names)
    return copied


def _rename_in_place(node: Any, names: Mapping[str, str]) -> None:
    for field in (node.input, node.output):
        field[:] = [names.get(name, name) for name in field]
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            for info in graph.output:
                info.name = names.get(info.name, info.name)
            for inner in graph.node:
                _rename_in_place(inner, names)


# -- quantised operators


def _use_standard(operator: str, *places: int, zero: int | None = None, drop: str = "", bias: int = -1) -> _Rule:
    """Return a rule that replaces a node by one with the standard operator `operator`.

    The new node has the inputs at the positions `places`, and all attributes but those in `drop`. `zero` is the
    position of the output's zero point; `bias` is that of a bias, which may be stored as 32-bit integers.
    """

    def rule(translator: Translator, node: Any) -> Iterator[Part] | None:
        if _attribute(node, "channels_last", 0):
            return None
        return parts(translator, node)

    def parts(translator: Translator, node: Any) -> Iterator[Part]:
        inputs = [_input(node, place) for place in places]
        for at, place in enumerate(places):
            if inputs[at] and translator.is_integer(inputs[at]):
                inputs[at] = _between(node, f"input{place}")
                if place == bias:  # DequantizeLinear marks the integers as learnt
                    scale = _input(node, places[1] + 1)
                    yield _make(node, "DequantizeLinear", [_input(node, place), scale], inputs[at], axis=0)
                else:
                    yield _make(node, "Cast", [_input(node, place)], inputs[at], to=1)
        made, version = _make(node, operator, inputs, node.output[0])
        left_out = ("channels_last", *drop.split())
        made.attribute.extend(attribute for attribute in node.attribute if attribute.name not in left_out)
        yield made, version
        if zero is not None:
            translator.store(node.output[0], _input(node, zero))
            translator.integers[node.output[0]] = _input(node, zero)

    return rule


def _concatenate(translator: Translator, node: Any) -> Iterator[Part]:
    """Rewrite QLinearConcat, whose inputs are a scale, a zero point, then (data, scale, zero point) per tensor."""
    yield _make(node, "Concat", node.input[2::3], node.output[0], axis=_attribute(node, "axis"))
    translator.store(node.output[0], _input(node, 1))
    translator.integers[node.output[0]] = _input(node, 1)


def _quantise(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Remove a QuantizeLinear or DequantizeLinear, unless its data is a constant such as a weight."""
    name = _input(node, 0)
    constant = all(not translator.is_data(other) for other in node.input[1:])
    if not translator.is_data(name) or not constant:
        return None
    replaced = translator.replace(node.output[0], name)
    if node.op_type == "QuantizeLinear":
        translator.store(name, _input(node, 2))
        translator.integers[node.output[0]] = _input(node, 2)
        return iter(()) if replaced else None
    # the data may already be in floating point, which DequantizeLinear refuses
    return iter([] if replaced else [_make(node, "Cast", [name], node.output[0], to=1)])


def _cast(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Remove a Cast from float32 to float32.

    It is left over after MatMulInteger or ConvInteger became MatMul or Conv, which already return float32.
    """
    name = _input(node, 0)
    if _attribute(node, "to") != 1 or not translator.is_data(name) or translator.values[name].dtype != "float32":
        return None
    return iter(()) if translator.replace(node.output[0], name) else None


def _add_bias(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Turn the 32-bit integer bias that is added to a ConvInteger or MatMulInteger into a learnt bias.

    Only then does an Add have data in floating point and a constant of integers: in the file, both are integers.
    """
    names = list(node.input[:2])
    places = [place for place, name in enumerate(names) if not translator.is_data(name) and translator.is_integer(name)]
    data = [name for name in names if translator.is_data(name) and not translator.is_integer(name)]
    if len(places) != 1 or len(data) != 1:
        return None
    scale, bias = _between(node, "scale"), _between(node, "bias")
    inputs = [bias if place in places else name for place, name in enumerate(names)]
    return iter(
        [
            _make(node, "Constant", [], scale, value_float=1.0),
            _make(node, "DequantizeLinear", [names[places[0]], scale], bias),
            _make(node, "Add", inputs, node.output[0]),
        ]
    )


def _quantise_dynamically(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Remove DynamicQuantizeLinear: its data stays in floating point, its scale and zero point become constants."""
    if any(name in translator.outputs for name in node.output) or not translator.is_data(_input(node, 0)):
        return None
    translator.replace(node.output[0], node.input[0])
    translator.scales.add(node.output[1])
    return iter([_make(node, "Constant", [], name, value_float=1.0) for name in node.output[1:]])


def _rescale(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Remove a Mul of data by the scale of a DynamicQuantizeLinear. A Mul of two scales becomes a constant."""
    scales = [name for name in node.input if name in translator.scales]
    others = [name for name in node.input if name not in translator.scales]
    if not scales:
        return None
    if others and translator.is_data(others[0]):
        replaced = translator.replace(node.output[0], others[0])
        return iter([] if replaced else [_make(node, "Cast", [others[0]], node.output[0], to=1)])
    translator.scales.add(node.output[0])
    return iter([_make(node, "Constant", [], node.output[0], value_float=1.0)])


def _multiply_with_bias(weights: int, bias: int) -> _Rule:
    def rule(translator: Translator, node: Any) -> Iterator[Part]:
        product = _between(node, "product") if _input(node, bias) else node.output[0]
        yield _make(node, "Cast", [_input(node, weights)], _between(node, "weights"), to=1)
        yield _make(node, "MatMul", [_input(node, 0), _between(node, "weights")], product)
        if _input(node, bias):
            yield _make(node, "Add", [product, _input(node, bias)], node.output[0])

    return rule


def _recur(translator: Translator, node: Any) -> Iterator[Part]:
    """Rewrite DynamicQuantizeLSTM as LSTM, for which its weight matrices are transposed."""
    inputs = list(node.input[:8])
    for place in (1, 2):
        inputs[place] = _between(node, f"matrix{place}")
        yield _make(node, "Cast", [node.input[place]], _between(node, f"integers{place}"), to=1)
        yield _make(node, "Transpose", [_between(node, f"integers{place}")], inputs[place], perm=(0, 2, 1))
    made, version = _make(node, "LSTM", inputs, "")
    made.output.extend(node.output)
    made.attribute.extend(node.attribute)
    yield made, version


# -- fused operators


def _convolve_and_activate(operator: str) -> _Rule:
    def rule(translator: Translator, node: Any) -> Iterator[Part]:
        added = _input(node, 3) if operator == "Conv" else ""
        activation = (_attribute(node, "activation", b"") or b"").decode("utf-8", "replace")
        result = node.output[0]
        last = _between(node, "sum") if added and activation else result
        made, version = _make(
            node, operator, node.input[:3], _between(node, "product") if added or activation else result
        )
        made.attribute.extend(attribute for attribute in node.attribute if not attribute.name.startswith("activation"))
        yield made, version
        name = made.output[0]
        if added:
            yield _make(node, "Add", [name, added], last)
            name = last
        if activation:
            yield _make(node, activation, [name], result, None, **_read_activation_attributes(node, activation))

    return rule


def _read_activation_attributes(node: Any, activation: str) -> dict[str, Any]:
    """Return an activation's attributes from a fused node's `activation_params`, or `activation_alpha` etc."""
    names = {"Clip": ("min", "max"), "HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",)}.get(activation, ())
    given = _attribute(node, "activation_params")
    if given is None:
        given = [_attribute(node, f"activation_{name}") for name in names]
    return {name: value for name, value in zip(names, given, strict=False) if value is not None}


def _multiply_transposed(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Rewrite FusedMatMul, which may transpose its inputs (`transA`, `transB`) and multiply the product by `alpha`."""
    if _attribute(node, "transBatchA", 0) or _attribute(node, "transBatchB", 0):
        return None
    return _list_transposed_product(translator, node)


def _list_transposed_product(translator: Translator, node: Any) -> Iterator[Part]:
    inputs = list(node.input[:2])
    for place, letter in enumerate("AB"):
        rank = len(translator.dims(inputs[place]))
        if _attribute(node, f"trans{letter}", 0) and rank > 1:
            moved = _between(node, letter)
            order = (*range(rank - 2), rank - 1, rank - 2)
            yield _make(node, "Transpose", [inputs[place]], moved, perm=order)
            inputs[place] = moved
    factor = _attribute(node, "alpha", 1.0)
    product = node.output[0] if factor == 1 else _between(node, "product")
    yield _make(node, "MatMul", inputs, product)
    if factor != 1:
        yield _make(node, "Constant", [], _between(node, "factor"), value_float=factor)
        yield _make(node, "Mul", [product, _between(node, "factor")], node.output[0])


def _add_and_apply(operator: str, version: int, **more: Any) -> _Rule:
    """Return a rule that adds the node's second input, if any, to its first, and applies the activation `operator`."""

    def rule(translator: Translator, node: Any) -> Iterator[Part]:
        name = _input(node, 0)
        if _input(node, 1):
            yield _make(node, "Add", node.input[:2], _between(node, "sum"))
            name = _between(node, "sum")
        yield _make(node, operator, [name], node.output[0], version, **more)

    return rule


def _swish(translator: Translator, node: Any) -> Iterator[Part]:
    yield _make(node, "Swish", [node.input[0]], node.output[0], 24, alpha=_attribute(node, "alpha", 1.702))


def _normalise(operator: str, version: int) -> _Rule:
    """Return a rule that replaces a norm by the standard operator `operator` of operator set `version`."""

    def rule(translator: Translator, node: Any) -> Iterator[Part]:
        given = {"axis": _attribute(node, "axis", -1), "epsilon": _attribute(node, "epsilon")}
        yield _make(node, operator, node.input, node.output[0], version, **given)

    return rule


def _add_and_normalise(operator: str, version: int, bias: int) -> _Rule:
    """Return a rule for SkipLayerNormalization, which normalises a sum of inputs; its fourth output is the sum.

    The input at position `bias`, if any, is added too.
    """

    def rule(translator: Translator, node: Any) -> Iterator[Part]:
        whole = (str(node.output[3]) if len(node.output) > 3 else "") or _between(node, "sum")
        first = _between(node, "first") if _input(node, bias) else whole
        yield _make(node, "Add", node.input[:2], first)
        if _input(node, bias):
            yield _make(node, "Add", [first, _input(node, bias)], whole)
        inputs = [whole, *node.input[2:bias]]
        yield _make(node, operator, inputs, node.output[0], version, axis=-1, epsilon=_attribute(node, "epsilon"))

    return rule


# -- attention


def _project_and_attend(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Rewrite Attention of ONNX Runtime: one matrix product gives queries, keys and values side by side."""
    if _input(node, 4) or len(node.output) > 1:  # earlier keys and values
        return None
    return _list_projected_attention(translator, node)


def _list_projected_attention(translator: Translator, node: Any) -> Iterator[Part]:
    name, weights, bias = (_input(node, place) for place in range(3))
    width = translator.dims(weights)[-1]
    yield _make(node, "MatMul", [name, weights], _between(node, "product"))
    whole = _between(node, "product")
    if bias:
        yield _make(node, "Add", [whole, bias], _between(node, "projected"))
        whole = _between(node, "projected")
    sizes = tuple(_attribute(node, "qkv_hidden_sizes") or (width // 3,) * 3)
    names = [_between(node, part) for part in ("query", "key", "value")]
    yield _split(node, whole, names, sizes)
    heads = _attribute(node, "num_heads")
    yield _make(node, "Attention", names, node.output[0], 23, q_num_heads=heads, kv_num_heads=heads)


def _split(node: Any, name: str, outputs: Sequence[str], sizes: Sequence[int]) -> Part:
    made, _ = _make(node, "Split", [name], "", axis=-1, split=tuple(sizes))
    made.output.extend(outputs)
    return made, 11


def _attend(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Rewrite MultiHeadAttention, whose fourth input has the biases of queries, keys and values in one vector."""
    names = [_input(node, place) for place in range(3)]
    ranks = [len(translator.dims(name)) if name else 0 for name in names]
    if ranks != [3, 3, 3] or _input(node, 6) or len(node.output) > 1:
        return None
    return _list_attention(translator, node, names)


def _list_attention(translator: Translator, node: Any, names: list[str]) -> Iterator[Part]:
    if _input(node, 3):
        biases = [_between(node, f"bias{place}") for place in range(3)]
        yield _split(node, _input(node, 3), biases, [translator.dims(name)[-1] for name in names])
        for place, bias in enumerate(biases):
            yield _make(node, "Add", [names[place], bias], _between(node, f"sum{place}"))
            names[place] = _between(node, f"sum{place}")
    heads = _attribute(node, "num_heads")
    yield _make(node, "Attention", names, node.output[0], 23, q_num_heads=heads, kv_num_heads=heads)


def _rotate(translator: Translator, node: Any) -> Iterator[Part]:
    """Rewrite RotaryEmbedding of ONNX Runtime, which has the positions as its second input instead of its fourth."""
    inputs = [_input(node, place) for place in (0, 2, 3, 1)]
    made, _ = _make(node, "RotaryEmbedding", inputs, node.output[0])
    known = ("interleaved", "num_heads", "rotary_embedding_dim")
    made.attribute.extend(attribute for attribute in node.attribute if attribute.name in known)
    yield made, 23


# -- branches


def _choose_branch(translator: Translator, node: Any) -> Iterator[Part] | None:
    """Inline the branch of an If whose condition is a known constant."""
    condition = translator.values.get(_input(node, 0))
    if condition is None or condition.contents is None or condition.contents.size != 1:
        return None
    branch = _attribute(node, "then_branch" if condition.contents.ravel()[0] else "else_branch")
    if branch is None or len(branch.output) != len(node.output):
        return None
    return _inline(translator, node, branch)


def _inline(translator: Translator, node: Any, branch: Any) -> Iterator[Part]:
    """Yield the nodes of a branch of an If. Its tensor `x` becomes `y/x`, with `y` the If's first output."""
    made = {name for inner in branch.node for name in inner.output if name}
    held = {tensor.name for tensor in branch.initializer}
    names = {name: f"{node.output[0]}/{name}" for name in (*made, *held)}
    results = [info.name for info in branch.output]
    pairs = list(zip(node.output, results, strict=True))
    names |= {result: output for output, result in pairs if result in made and results.count(result) == 1}
    for tensor in branch.initializer:
        renamed = type(tensor)()
        renamed.CopyFrom(tensor)
        renamed.name = names[tensor.name]
        translator.add_initializer(renamed)
    for inner in branch.node:
        yield from translator.translate(_rename_tensors(inner, names))
    for output, result in pairs:
        name = names.get(result, result)
        name = translator.aliases.get(name, name)
        if name != output and not translator.replace(output, name):
            yield _make(node, "Identity", [name], output)


def _contributed(rules: Mapping[str, _Rule]) -> dict[tuple[str, str], _Rule]:
    return {(_MICROSOFT, name): rule for name, rule in rules.items()}


_RULES: dict[tuple[str, str], _Rule] = {
    ("", "QuantizeLinear"): _quantise,
    ("", "DequantizeLinear"): _quantise,
    ("", "DynamicQuantizeLinear"): _quantise_dynamically,
    ("", "Add"): _add_bias,
    ("", "Mul"): _rescale,
    ("", "Cast"): _cast,
    ("", "QLinearConv"): _use_standard("Conv", 0, 3, 8, zero=7, bias=8),
    ("", "QLinearMatMul"): _use_standard("MatMul", 0, 3, zero=7),
    ("", "ConvInteger"): _use_standard("Conv", 0, 1),
    ("", "MatMulInteger"): _use_standard("MatMul", 0, 1),
    ("", "If"): _choose_branch,
    ("", "SimplifiedLayerNormalization"): _normalise("RMSNormalization", 23),
    **_contributed(
        {
            "QuantizeLinear": _quantise,
            "DequantizeLinear": _quantise,
            "QLinearAdd": _use_standard("Add", 0, 3, zero=7),
            "QLinearMul": _use_standard("Mul", 0, 3, zero=7),
            "QLinearConv": _use_standard("Conv", 0, 3, 8, zero=7, bias=8),
            "QGemm": _use_standard("Gemm", 0, 3, 6, zero=8, bias=6),
            "QLinearConcat": _concatenate,
            "QLinearSigmoid": _use_standard("Sigmoid", 0, zero=4),
            "QLinearLeakyRelu": _use_standard("LeakyRelu", 0, zero=4),
            "QLinearSoftmax": _use_standard("Softmax", 0, zero=4, drop="opset"),
            "QLinearAveragePool": _use_standard("AveragePool", 0, zero=4),
            "QLinearGlobalAveragePool": _use_standard("GlobalAveragePool", 0, zero=4),
            "QLinearReduceMean": _use_standard("ReduceMean", 0, zero=4),
            "QLinearWhere": _use_standard("Where", 0, 1, 4, zero=8),
            "MatMulIntegerToFloat": _multiply_with_bias(1, 6),
            "DynamicQuantizeMatMul": _multiply_with_bias(1, 4),
            "DynamicQuantizeLSTM": _recur,
            "FusedConv": _convolve_and_activate("Conv"),
            "FusedGemm": _convolve_and_activate("Gemm"),
            "FusedMatMul": _multiply_transposed,
            "TransposeMatMul": _multiply_transposed,
            "Gelu": _add_and_apply("Gelu", 20),
            "BiasGelu": _add_and_apply("Gelu", 20),
            "FastGelu": _add_and_apply("Gelu", 20, approximate="tanh"),
            "QuickGelu": _swish,
            "LayerNormalization": _normalise("LayerNormalization", 17),
            "SimplifiedLayerNormalization": _normalise("RMSNormalization", 23),
            "SkipLayerNormalization": _add_and_normalise("LayerNormalization", 17, 4),
            "SkipSimplifiedLayerNormalization": _add_and_normalise("RMSNormalization", 23, 3),
            "Attention": _project_and_attend,
            "MultiHeadAttention": _attend,
            "RotaryEmbedding": _rotate,
        }
    ),
}
