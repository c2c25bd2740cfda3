"""Lists the classes of torch.nn that are read as a single operation instead of operation by operation.

Classes in WHOLE have an ONNX operator, such as `LpPool` for nn.LPPool2d. Classes in OPAQUE have a cost that is the sum
of their operations, and no layer kind.
"""

from collections.abc import Sequence
from typing import Any

from convcalc.convert.pytorch.nodes import CallPlace, name_arguments, operator_name

WHOLE = {
    "Softsign": "Softsign",
    "LocalResponseNorm": "LRN",
    **{f"LPPool{axes}d": "LpPool" for axes in (1, 2, 3)},
}
OPAQUE = frozenset({"RNN", "LSTMCell", "GRUCell", "RNNCell", "CrossMapLRN2d"})


def whole_attributes(place: CallPlace, nodes: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Return the operator and attributes of a module in WHOLE or OPAQUE; `nodes` are its operations."""
    operator = WHOLE.get(place.word, f"nn.{place.word}")
    pool = next((node for node in nodes if operator_name(node).startswith("avg_pool")), None)
    if pool is None or operator not in ("LRN", "LpPool"):
        return operator, {}
    arguments = name_arguments(pool)
    kernel = tuple(arguments["kernel_size"])
    if operator == "LRN":
        return operator, {"size": max(kernel)}
    stride = tuple(arguments["stride"]) or kernel
    return operator, {"kernel_shape": kernel, "strides": stride, "ceil_mode": int(arguments["ceil_mode"])}
