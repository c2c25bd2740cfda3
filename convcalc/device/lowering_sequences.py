"""Defines the operators that layer norm, attention and LSTM become, for the rules in `lowering_rules`.

Layer norm and attention become what TensorFlow 2.21 writes for the Keras 3 layers that `convcalc export --to keras`
uses, in the same order. An LSTM becomes the single operator that it writes for Keras 2.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcalc.shape import Shape
from convcalc.units import tensor_bytes

if TYPE_CHECKING:
    from convcalc.device.lowering import Builder

WRITTEN_FOR = {"layernorm": "Keras 3", "attention": "Keras 3", "lstm": "Keras 2"}
_FEWEST_HEADS = 2  # with one head or token, the converter omits operators
_CELL_STATE = {"int8": "int16", "float32": "float32"}
_LSTM_CONSTANTS = 12  # weights of the input and of the state, and biases, for each of four gates
_LSTM_EMPTY = {"int8": 5, "float32": 0}  # tensors without values, for intermediate results


def normalise_layer(builder: "Builder", layer: Any, reads: Sequence[int]) -> int:
    """Emit x · s + (b - mean · s), with s = scale / √(variance + ε)."""
    shape, whole = layer.input, layer.axes == "all"
    reduced = Shape(1, (1,) * shape.axes if whole else shape.spatial)
    reduction = {
        "constants": 1,
        "reduced": shape.axes + 1 if whole else 1,
        "rank": shape.axes + 2,
        "features": builder.network.batch * reduced.elements,
    }
    learnt = {"constants": 1, "weights": layer.scales()}
    mean = builder.emit("MEAN", reads, reduced, **reduction)
    negated = _negate(builder, mean, reduced)
    squares = builder.emit("SQUARED_DIFFERENCE", (reads[0], mean), shape)
    variance = builder.emit("MEAN", (squares,), reduced, **reduction)
    inverse = builder.emit("RSQRT", (builder.emit("ADD", (variance,), reduced, constants=1, weights=1),), reduced)
    if layer.affine:
        inverse = builder.emit("MUL", (inverse,), shape, **learnt)
    moved = builder.emit("MUL", (negated, inverse), shape if layer.affine else reduced)
    if layer.affine:
        moved = builder.emit("ADD", (moved,), shape, **learnt)
    product = builder.emit("MUL", (reads[0], inverse), shape)
    return builder.emit("ADD", (product, moved), shape)


def _negate(builder: "Builder", number: int, shape: Shape) -> int:
    """Emit a negation, which has no kernel in int8 and runs in floating point."""
    if builder.dtype == "float32":
        return builder.emit("NEG", (number,), shape)
    number = builder.emit("DEQUANTIZE", (number,), shape, dtype="float32")
    return builder.emit("QUANTIZE", (builder.emit("NEG", (number,), shape, dtype="float32"),), shape)


def attend(builder: "Builder", layer: Any, reads: Sequence[int]) -> int:
    """Emit self-attention: softmax(Q Kᵀ · scale) V, and the linear layers around it."""
    tokens = layer.input.positions
    plain = layer.window is None and layer.grid is None and not layer.is_reduced and not layer.relative_position_bias
    if not plain or layer.input.axes != 1 or len(layer.inputs) > 1:
        raise builder.refuse(
            "only self-attention of tokens C×N without windows, grids, reduction or position bias is supported"
        )
    if min(layer.heads, layer.d_k, layer.d_v, tokens) < _FEWEST_HEADS:
        raise builder.refuse("attention with one head, token or feature per head is not supported")
    scores = Shape(layer.heads * tokens, (tokens,))
    key = _project(builder, layer, reads, layer.d_k)
    query = _project(builder, layer, reads, layer.d_k)
    query = _transpose(builder, query)
    key = _transpose(builder, key)
    found = _multiply(builder, query, key, scores, tokens)
    found = builder.emit("MUL", (found,), scores, constants=1, weights=1, rank=4)
    weights = builder.emit("SOFTMAX", (found,), scores, rank=4)
    value = _transpose(builder, _project(builder, layer, reads, layer.d_v))
    mixed = _transpose(builder, _multiply(builder, weights, value, builder.shapes[value], layer.d_v))
    joined = builder.emit("RESHAPE", (mixed,), builder.shapes[mixed], constants=1)
    return _apply_linear(builder, layer, joined, layer.output.channels)


def _project(builder: "Builder", layer: Any, reads: Sequence[int], features: int) -> int:
    """Emit a linear layer, whose output is split into heads."""
    number = _apply_linear(builder, layer, reads[0], layer.heads * features)
    return builder.emit("RESHAPE", (number,), builder.shapes[number], constants=1)


def _apply_linear(builder: "Builder", layer: Any, number: int, features: int) -> int:
    shape = builder.shapes[number]
    return builder.emit(
        "FULLY_CONNECTED",
        (number,),
        Shape(features, shape.spatial),
        constants=1 + layer.bias,
        weights=shape.channels * features,
        biases=features * layer.bias,
        channels=features,
        features=features,
    )


def _transpose(builder: "Builder", number: int) -> int:
    return builder.emit("TRANSPOSE", (number,), builder.shapes[number], constants=1, rank=4)


def _multiply(builder: "Builder", first: int, second: int, shape: Shape, features: int) -> int:
    """Emit a product of matrices per head; its kernel keeps a transposed copy of the second factor."""
    copied = builder.tensors[second].bytes
    return builder.emit("BATCH_MATMUL", (first, second), shape, features=features, rank=4, persistent=copied)


def read_sequence(builder: "Builder", layer: Any, reads: Sequence[int]) -> int:
    """Emit one operator per layer of an LSTM; its hidden state and cell state are variables in the tail."""
    if layer.bidirectional:
        raise builder.refuse("TensorFlow Lite Micro has no operator that reads a sequence backwards")
    number = reads[0]
    size = builder.network.batch * layer.hidden_size
    for _ in range(layer.num_layers):
        read = builder.shapes[number].channels
        cells = tensor_bytes(size, _CELL_STATE[builder.dtype])
        state = [builder.add_variable(tensor_bytes(size, builder.dtype)), builder.add_variable(cells)]
        number = builder.emit(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            (number, *state),
            layer.output,
            constants=_LSTM_CONSTANTS + _LSTM_EMPTY[builder.dtype],
            weights=4 * layer.hidden_size * (read + layer.hidden_size),
            biases=4 * layer.hidden_size,
            working=(cells,),
        )
    return number
