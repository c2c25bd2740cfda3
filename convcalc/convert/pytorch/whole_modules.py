"""Lists the classes of torch.nn that are read as a single layer or one opaque layer, and not operation by operation."""

from collections.abc import Sequence
from typing import Any

from convcalc.convert.pytorch.activation_patterns import operator_name
from convcalc.convert.pytorch.nodes import CallPlace, name_arguments

# classes of torch.nn that are a single layer; all others are read operation by operation
WHOLE = {
    "Softsign": ("softsign", ()),
    "LocalResponseNorm": ("local_response_norm", ("size",)),
    **{f"LPPool{axes}d": ("lppool", ("kernel_size", "stride", "ceil_mode")) for axes in (1, 2, 3)},
}
OPAQUE = frozenset(
    {"MultiheadAttention", "Transformer", "TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoder"}
    | {"TransformerDecoderLayer", "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "CrossMapLRN2d"}
)


def whole_arguments(place: CallPlace, nodes: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments of a layer that consists of several operations, taken from these."""
    pool = next((node for node in nodes if operator_name(node).startswith("avg_pool")), None)
    if place.word == "LocalResponseNorm" and pool is not None:
        return {"size": max(name_arguments(pool)["kernel_size"])}
    if pool is None:
        return {}
    arguments = name_arguments(pool)
    kernel = list(arguments["kernel_size"])
    stride = list(arguments["stride"]) or kernel
    return {"kernel_size": kernel, "stride": stride, "ceil_mode": arguments["ceil_mode"]}
