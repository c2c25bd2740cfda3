"""Lists the classes of torch.nn that are imported as a single layer instead of operation by operation.

Classes in WHOLE have a layer kind, such as `lppool` for nn.LPPool2d. Classes in OPAQUE become an opaque layer.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.convert.pytorch.activation_patterns import operator_name
from convcalc.convert.pytorch.nodes import CallPlace, name_arguments

# the layer kind of each class and the names of its arguments
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
    """Return the spec arguments of a module whose class is in WHOLE; `nodes` are the operations of the module."""
    pool = next((node for node in nodes if operator_name(node).startswith("avg_pool")), None)
    if place.word == "LocalResponseNorm" and pool is not None:
        return {"size": max(name_arguments(pool)["kernel_size"])}
    if pool is None:
        return {}
    arguments = name_arguments(pool)
    kernel = list(arguments["kernel_size"])
    stride = list(arguments["stride"]) or kernel
    return {"kernel_size": kernel, "stride": stride, "ceil_mode": arguments["ceil_mode"]}
