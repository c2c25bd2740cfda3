"""Turns a network into the operators that TensorFlow Lite's converter writes: `lower(network)` returns a `Program`.

Batch norms are folded into the layer before them, and activations such as ReLU into the operator before them. Padding
other than none or `same` becomes an operator of its own, and a 1-D convolution becomes a 2-D one between two reshapes.
"""

from collections.abc import Iterable, Sequence

from convcalc.analysis.batchnorm_folding import fold_batchnorm
from convcalc.analysis.liveness import count_readers
from convcalc.device.lowering_rules import ACTIVATIONS, CONVOLUTIONS, RULES, SKIPPED
from convcalc.device.lowering_sequences import WRITTEN_FOR
from convcalc.device.program import NoOperator, Operator, Program, Tensor, Window
from convcalc.network import Network, Node
from convcalc.shape import Shape
from convcalc.units import tensor_bytes

_FUSED = {"relu", "relu6"}  # activations that are fused into the operator before them
_FUSE_INTO = frozenset(
    (
        *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"),
        *("ADD", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"),
    )
)
_FOLD_INTO = frozenset(("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"))
DTYPES = ("int8", "float32")


class Builder:
    """The operators of a network so far; the rules of the layer kinds add to them.

    `numbers` has the number in the program of each tensor of the network.
    """

    def __init__(self, network: Network, dtype: str) -> None:
        self.network = network
        self.dtype = dtype
        self.tensors: list[Tensor] = []
        self.shapes: list[Shape] = []
        self.operators: list[Operator] = []
        self.dtypes: list[str] = []
        self.numbers: list[int] = []
        self.writers: dict[int, int] = {}  # tensor -> index of the operator that writes it
        self.readers = _count_readers(network)  # by tensor of the network
        self.node: Node = network.nodes[0]

    def add_tensor(self, name: str, shape: Shape, dtype: str | None = None) -> int:
        """Add a tensor with the shape of one sample, and return its number."""
        self.tensors.append(Tensor(name, tensor_bytes(self.network.batch * shape.elements, dtype or self.dtype)))
        self.shapes.append(shape)
        self.dtypes.append(dtype or self.dtype)
        return len(self.tensors) - 1

    def add_variable(self, size: int) -> int:
        """Add a tensor of `size` bytes that keeps its values from one run to the next, and return its number."""
        self.tensors.append(Tensor(self.node.name, size, variable=True))
        self.shapes.append(Shape(size))
        self.dtypes.append(self.dtype)
        return len(self.tensors) - 1

    def emit(
        self,
        code: str,
        reads: Iterable[int],
        shape: Shape,
        *,
        window: Window | None = None,
        constants: int = 0,
        weights: int = 0,
        biases: int = 0,
        channels: int = 0,
        reduced: int = 0,
        features: int = 0,
        rank: int | None = None,
        dtype: str | None = None,
        working: tuple[int, ...] = (),
        persistent: int = 0,
    ) -> int:
        """Add an operator for the current layer, and return the number of its output tensor.

        `weights` is the number of weights. Weights that belong to another layer are not counted again. `dtype` is the
        data type of the output, None for that of the network. The other arguments are those of `Operator`.
        """
        number, reads = self.add_tensor(self.node.name, shape, dtype), tuple(reads)
        shared = self.node.owner is not None
        self.writers[number] = len(self.operators)
        self.operators.append(
            Operator(
                self.node.name,
                code,
                reads,
                (number,),
                window,
                constants,
                0 if shared else tensor_bytes(weights, self.dtype),
                0 if shared else biases,
                channels,
                shape.axes + 2 if rank is None else rank,
                reduced,
                features,
                dtype=self.dtypes[reads[0]] if self.dtypes[reads[0]] != self.dtype else None,
                working=working,
                persistent=persistent,
            )
        )
        return number

    def reshape(self, number: int, shape: Shape) -> int:
        """Return a tensor with another shape; a RESHAPE of a RESHAPE becomes a single one.

        A reshape back to the earlier shape is that earlier tensor.
        """
        index = self.writers.get(number)
        if index is not None and self.operators[index].code == "RESHAPE":
            number = self.operators[index].reads[0]
        return number if self.shapes[number] == shape else self.emit("RESHAPE", (number,), shape, constants=1)

    def fuse(self, tensor: int) -> bool:
        """Make the current layer part of the operator that writes a tensor, if that is possible."""
        index = self._find_writer(tensor)
        if index is None or self.operators[index].code not in _FUSE_INTO:
            return False
        self.operators[index] = self.operators[index]._replace(merged=(self.node.name,))
        return True

    def _find_writer(self, tensor: int) -> int | None:
        """Return the index of the operator that writes a tensor, if the current layer may become part of it.

        After a 1-D convolution, that is the convolution before the reshape. None if others read the tensor.
        """
        index = self.writers.get(tensor)
        if index is None or self.readers[self.node.reads[0]] != 1:
            return None
        operator = self.operators[index]
        if operator.code == "RESHAPE" and index and self.operators[index - 1].name == operator.name:
            index -= 1
        return None if self.operators[index].merged else index

    def add_constant(self, code: str, tensor: int, weights: int, clips: bool = False) -> int:
        """Multiply by a constant (MUL) or add one (ADD), and return the number of the output.

        After a convolution or linear layer, the constant is merged into the weights or biases; after another ADD of a
        constant, into that constant. Otherwise an operator is added. `clips` is true if the result is clipped, so that
        no further layer can become part of the operator.
        """
        index = self._find_writer(tensor)
        if index is not None:
            operator = self.operators[index]
            if operator.code in _FOLD_INTO or (operator.code == code == "ADD" and operator.constants):
                folded = _add_biases(operator) if code == "ADD" else operator
                self.operators[index] = folded._replace(merged=(self.node.name,) if clips else ())
                return tensor
        return self.emit(code, (tensor,), self.shapes[tensor], constants=1, weights=weights)

    def refuse(self, reason: str) -> NoOperator:
        """Return the error that the current layer cannot be expressed, for the given reason."""
        return NoOperator(f"layer {self.node.name} ({self.node.layer.kind}): {reason}")


def _add_biases(operator: Operator) -> Operator:
    """Return a linear layer or transposed convolution with biases; any other operator is returned unchanged."""
    if operator.code == "FULLY_CONNECTED" and not operator.biases:
        return operator._replace(constants=2, biases=operator.features)
    return operator._replace(constants=3) if operator.code == "TRANSPOSE_CONV" else operator


def _count_readers(network: Network) -> list[int]:
    """Return how many layers read each tensor, by number; those of an identity layer count for its input."""
    readers = count_readers(network)
    for index in range(len(network.nodes) - 1, -1, -1):
        node = network.nodes[index]
        if _changes_nothing(node):
            readers[node.reads[0]] += readers[len(network.inputs) + index] - 1
    for index, node in enumerate(network.nodes):
        if _changes_nothing(node):
            readers[len(network.inputs) + index] = readers[node.reads[0]]
    return readers


def _changes_nothing(node: Node) -> bool:
    reshaped = node.layer.kind in ("flatten", "reshape", "tokens", "map")
    return node.layer.kind in SKIPPED or (reshaped and node.layer.output == node.layer.input)


def lower(network: Network, dtype: str = "int8") -> Program:
    """Return the operators of a network, with activations and weights in `dtype`: int8 or float32.

    Raises NoOperator if a layer has no counterpart among TensorFlow Lite's operators.
    """
    folded = fold_batchnorm(network)
    builder = Builder(folded, dtype)
    for name, shape in folded.inputs.items():
        builder.numbers.append(builder.add_tensor(name, shape))
    for node in folded.nodes:
        builder.node = node
        builder.numbers.append(_lower_node(builder, [builder.numbers[tensor] for tensor in node.reads]))
    outputs = tuple(dict.fromkeys(builder.numbers[tensor] for tensor in folded.outputs.values()))
    notes = (*_describe_merged(network, folded, builder.operators), *_describe_written(builder.operators, folded))
    tensors, operators = tuple(builder.tensors), tuple(builder.operators)
    inputs = tuple(range(len(folded.inputs)))
    return _drop_unread(Program(network.name, dtype, tensors, operators, inputs, outputs, notes))


def _drop_unread(program: Program) -> Program:
    """Return the program without reshapes whose output nothing reads, and without the tensors that only they wrote."""
    read = {*program.outputs, *(tensor for operator in program.operators for tensor in operator.reads)}
    operators = [operator for operator in program.operators if operator.code != "RESHAPE" or operator.writes[0] in read]
    kept = {*program.inputs, *(tensor for operator in operators for tensor in (*operator.reads, *operator.writes))}
    moved = {tensor: place for place, tensor in enumerate(sorted(kept))}
    return program._replace(
        tensors=tuple(program.tensors[tensor] for tensor in moved),
        operators=tuple(
            operator._replace(
                reads=tuple(moved[tensor] for tensor in operator.reads),
                writes=tuple(moved[tensor] for tensor in operator.writes),
            )
            for operator in operators
        ),
        outputs=tuple(moved[tensor] for tensor in program.outputs),
    )


def list_layers(network: Network, dtype: str = "int8") -> Program:
    """Return a program with one operator per layer, for runtimes without the operators of TensorFlow Lite.

    Batch norms are folded. The code of an operator is the layer's kind in capital letters, or VIEW.
    """
    folded = fold_batchnorm(network)
    shapes = [folded.tensor_shape(number) for number in range(len(folded.inputs) + len(folded.nodes))]
    sizes = [tensor_bytes(folded.batch * shape.elements, dtype) for shape in shapes]
    tensors = [Tensor(folded.tensor_name(number), size) for number, size in enumerate(sizes)]
    operators = [_list_layer(node, len(folded.inputs) + index, dtype) for index, node in enumerate(folded.nodes)]
    norms = len(network.nodes) - len(folded.nodes)
    notes = (_describe_counts([(norms, "batch norm")]),) if norms else ()
    inputs, outputs = tuple(range(len(folded.inputs))), tuple(folded.outputs.values())
    return Program(network.name, dtype, tuple(tensors), tuple(operators), inputs, outputs, notes)


def _list_layer(node: Node, number: int, dtype: str) -> Operator:
    layer, owns = node.layer, node.owner is None
    weights = sum(layer.weight_tensors()) + sum(layer.buffer_tensors())
    return Operator(
        node.name,
        "VIEW" if layer.is_view else layer.kind.upper(),
        node.reads,
        (number,),
        constants=len(layer.weight_tensors()) + len(layer.bias_tensors()),
        weights=tensor_bytes(weights, dtype) if owns else 0,
        biases=sum(layer.bias_tensors()) if owns else 0,
        channels=layer.output.channels if layer.kind in CONVOLUTIONS else 0,
        rank=layer.output.axes + 2,
        in_place=layer.in_place,
    )


def _lower_node(builder: Builder, reads: Sequence[int]) -> int:
    """Add the operators of the current layer, and return the number of the tensor with its output."""
    layer = builder.node.layer
    if _changes_nothing(builder.node):
        return reads[0]
    if layer.kind in _FUSED and builder.fuse(reads[0]):
        return reads[0]
    if layer.kind in ACTIVATIONS:
        return builder.emit(ACTIVATIONS[layer.kind], reads, layer.output)
    rule = RULES.get(layer.kind)
    if rule is None:
        raise builder.refuse("convcalc does not know operators of TensorFlow Lite that express it")
    return rule(builder, layer, reads)


def _describe_written(operators: Sequence[Operator], network: Network) -> Iterable[str]:
    """Yield a note on each kind of layer for which converters write different operators."""
    kinds = dict.fromkeys(node.layer.kind for node in network.nodes if node.layer.kind in WRITTEN_FOR)
    for kind in kinds:
        yield f"{kind}: the operators that TensorFlow 2.21 writes for {WRITTEN_FOR[kind]}; other converters may differ"
    if any(operator.code == "RESIZE_NEAREST_NEIGHBOR" for operator in operators):
        yield "upsample: RESIZE_NEAREST_NEIGHBOR, as for tf.image.resize; UpSampling2D of Keras 3 would become TILE"


def _describe_merged(network: Network, folded: Network, operators: Sequence[Operator]) -> Iterable[str]:
    norms = len(network.nodes) - len(folded.nodes)
    activations = sum(len(operator.merged) for operator in operators)
    if norms or activations:
        yield _describe_counts([(norms, "batch norm"), (activations, "activation")])


def _describe_counts(counts: Sequence[tuple[int, str]]) -> str:
    """Return a note such as `9 batch norms and 9 activations are part of the operators before them`."""
    named = " and ".join(f"{count} {word}{'s' * (count > 1)}" for count, word in counts if count)
    one = sum(count for count, _ in counts) == 1
    return f"{named} {'is part of the operator before it' if one else 'are part of the operators before them'}"
