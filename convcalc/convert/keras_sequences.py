"""Converts Keras layers over sequences: recurrent layers, embeddings and attention.

A layer whose params no kind has, such as an LSTM with Keras's single bias per gate, becomes an opaque layer with its
exact params and operations. A sequence of N positions with C features is a map C×N. Source of the formulas: the weights
that keras.layers.LSTM and the other layers create in `build`; the operations are counted as those of the ONNX operators
of the same name.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from convcalc.convert.costs.cost import Cost
from convcalc.convert.keras_arguments import KerasConfig, UnsupportedArgument, read_flag
from convcalc.convert.keras_pieces import Piece, Pieces
from convcalc.convert.operator_costs import count_operation
from convcalc.problems import show
from convcalc.shape import Shape

_GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
_OPERATORS = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}


def convert_recurrent(name: str, config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert an LSTM, GRU or SimpleRNN (`name`), to `lstm` or `gru` if these have the same biases.

    If only the last step is returned, a slice and a flatten select it.
    """
    arguments = describe_recurrent(name, config, inputs)
    if len(inputs) > 1 or not _has_biases_of_kind(name, config):
        return [Piece("opaque", arguments)]
    kind = Piece(name.lower(), {"hidden_size": config["units"], "bias": read_flag(config, "use_bias", True)})
    if read_flag(config, "return_sequences"):
        return [kind]
    return [kind, Piece("slice", {"length": [-1]}), Piece("flatten", {})]


def _has_biases_of_kind(name: str, config: KerasConfig) -> bool:
    """Whether the kind `lstm` or `gru` has the biases of a layer: two per gate, or none."""
    if not read_flag(config, "use_bias", True):
        return name in ("LSTM", "GRU")
    return name == "GRU" and read_flag(config, "reset_after", True)


def convert_bidirectional(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert a Bidirectional wrapper of a recurrent layer, whose two directions have the same sizes."""
    inner = config.get("layer")
    if not isinstance(inner, Mapping) or inner.get("class_name") not in _GATES:
        raise UnsupportedArgument("a layer that is not an LSTM, GRU or SimpleRNN")
    name, own = inner["class_name"], inner["config"]
    described = describe_bidirectional(describe_recurrent(name, own, inputs), config)
    concatenated = config.get("merge_mode", "concat") == "concat" and read_flag(own, "return_sequences")
    if concatenated and len(inputs) == 1 and _has_biases_of_kind(name, own):
        bias = read_flag(own, "use_bias", True)
        return [Piece(name.lower(), {"hidden_size": own["units"], "bias": bias, "bidirectional": True})]
    return [Piece("opaque", described)]


def convert_embedding(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert an Embedding of a sequence of integers, which is a vector, to a reshape and an `embedding`."""
    rows, features = _read_size(config, "input_dim"), _read_size(config, "output_dim")
    if inputs[0].spatial:
        output = Shape(features, inputs[0].sizes)
        return [Piece("opaque", _state_opaque(output, "Embedding", rows * features, Cost()))]
    table = Piece("embedding", {"num_embeddings": rows, "embedding_dim": features})
    return [Piece("reshape", {"shape": [1, inputs[0].channels]}, helps=True), table]


def convert_attention(config: KerasConfig, inputs: tuple[Shape, ...]) -> Pieces:
    """Convert a MultiHeadAttention over all positions, whose inputs are the query, the value, and another key if any.

    Repeated inputs must have been left out.
    """
    if len(inputs) > 2:
        return [Piece("opaque", describe_attention(config, inputs))]
    _check_attention(config, inputs)
    size = config.get("output_shape")
    size = size[0] if isinstance(size, list) and len(size) == 1 else size
    arguments = {
        "heads": _read_size(config, "num_heads"),
        "key_dim": _read_size(config, "key_dim"),
        "value_dim": _read_size(config, "key_dim" if config.get("value_dim") is None else "value_dim"),
        "bias": read_flag(config, "use_bias", True),
    }
    if size is not None:
        arguments["out_channels"] = _read_size({"output_shape": size}, "output_shape")
    return [Piece("attention", arguments)]


def _check_attention(config: KerasConfig, inputs: tuple[Shape, ...]) -> None:
    axes = config.get("attention_axes")
    if axes is not None and axes != list(range(1, inputs[0].axes + 1)):
        raise UnsupportedArgument(f"attention_axes {show(axes)}")
    if read_flag(config, "use_gate") or config.get("sliding_window") is not None:
        raise UnsupportedArgument("use_gate or sliding_window")


def describe_recurrent(name: str, config: KerasConfig, inputs: tuple[Shape, ...]) -> dict[str, Any]:
    """Return the arguments of the opaque layer for an LSTM, GRU or SimpleRNN (`name`).

    For h units and c features, it has gates × h × (c + h) weights and gates × h biases, or twice as many biases for a
    GRU with `reset_after`.
    """
    units, features, length = _read_size(config, "units"), inputs[0].channels, inputs[0].positions
    if len(inputs[0].spatial) != 1:
        raise UnsupportedArgument(f"an input of {inputs[0]}, which is not a sequence")
    rows = _GATES[name] * units
    sets_of_biases = 2 if name == "GRU" and read_flag(config, "reset_after", True) else 1
    biases = rows * sets_of_biases if read_flag(config, "use_bias", True) else 0
    weights = [(1, rows, features), (1, rows, units)]
    cost = count_operation(_OPERATORS[name], {}, [(length, 1, features), *weights], [])
    assert cost is not None
    output = Shape(units, (length,) if read_flag(config, "return_sequences") else ())
    cost = cost._replace(additions=cost.additions + length * biases)
    return _state_opaque(output, name, rows * (features + units) + biases, cost)


def describe_attention(config: KerasConfig, inputs: tuple[Shape, ...]) -> dict[str, Any]:
    """Return the arguments of the opaque layer for a MultiHeadAttention over all positions.

    `inputs` are the query, the value and the key. The query, the keys, the values and the output are each
    projected by a matrix with biases.
    """
    _check_attention(config, inputs)
    if config.get("output_shape") is not None:
        raise UnsupportedArgument("output_shape")
    query, value, key, *_ = inputs
    heads, size = _read_size(config, "num_heads"), _read_size(config, "key_dim")
    size_of_values = _read_size(config, "value_dim") if config.get("value_dim") is not None else size
    bias = read_flag(config, "use_bias", True)
    projections = [  # positions, features before and after
        (query.positions, query.channels, heads * size),
        (key.positions, key.channels, heads * size),
        (value.positions, value.channels, heads * size_of_values),
        (query.positions, heads * size_of_values, query.channels),
    ]
    params = sum((before + bias) * after for _, before, after in projections)
    scores = heads * query.positions * key.positions
    macs = sum(prod(sizes) for sizes in projections) + scores * (size + size_of_values)
    biases = bias * sum(positions * after for positions, _, after in projections)
    scaling = query.positions * heads * size
    # a sum of n products has n - 1 additions; softmax has one per score
    sums = sum(positions * after for positions, _, after in projections) + scores
    sums += query.positions * heads * size_of_values
    cost = Cost(macs + scaling + scores, macs - sums + biases + scores, macs)
    return _state_opaque(query, "MultiHeadAttention", params, cost)


def describe_bidirectional(inner: Mapping[str, Any], config: KerasConfig) -> dict[str, Any]:
    """Return the arguments of the opaque layer for two recurrent layers like `inner`, one in each direction.

    Their outputs are concatenated, or merged value by value.
    """
    mode = config.get("merge_mode", "concat")
    channels, *spatial = inner["output_shape"]
    operations = {"sum": (0, 1), "ave": (1, 1), "mul": (1, 0), "concat": (0, 0)}
    if mode not in operations:
        raise UnsupportedArgument(f"merge_mode {mode}")
    multiplications, additions = (count * prod(inner["output_shape"]) for count in operations[mode])
    output = Shape(channels * (2 if mode == "concat" else 1), tuple(spatial))
    cost = Cost(2 * inner["multiplications"] + multiplications, 2 * inner["additions"] + additions, 2 * inner["macs"])
    return _state_opaque(output, f"Bidirectional {inner['what']}", 2 * inner["params"], cost)


def _state_opaque(output: Shape, what: str, params: int, cost: Cost) -> dict[str, Any]:
    arguments: dict[str, Any] = {"output_shape": list(output.sizes), "params": params, **cost._asdict()}
    return {**arguments, "receptive_field": "all", "what": what}


def _read_size(config: KerasConfig, name: str) -> int:
    value = config.get(name)
    if type(value) is not int or value < 1:
        raise UnsupportedArgument(f"{name} {value!r}, which is not a positive integer")
    return value
