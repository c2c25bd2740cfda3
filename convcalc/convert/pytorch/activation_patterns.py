"""Recognises activations composed of other operations, such as x × sigmoid(x) and x × relu6(x + 3) / 6."""

from collections.abc import Callable
from operator import getitem
from typing import Any

_SIX = (6, 6.0)
_SIXTH = 1 / 6


def operator_name(node: Any) -> str:
    """Return the name of a node's operation, such as `relu` for `aten.relu_.default`; empty for other nodes."""
    schema = getattr(getattr(node, "target", None), "_schema", None)
    return "" if schema is None else str(schema.name).partition("::")[2].rstrip("_")


def view_base(node: Any) -> Any:
    """Return the node whose output shares its memory with the output of this node; None if this is not a view."""
    if node.target is getitem:
        node = node.args[0]
    schema = getattr(node.target, "_schema", None)
    alias = schema.arguments[0].alias_info if schema is not None and schema.arguments else None
    return node.args[0] if alias is not None and not alias.is_write else None


def find_patterns(nodes: tuple[Any, ...]) -> tuple[dict[Any, tuple[str, Any]], set[Any]]:
    """Find the activations that are composed of several operations.

    Returns the layer kind and the input node of each activation by its last node, and the set of all its other nodes.
    """
    found: dict[Any, tuple[str, Any]] = {}
    inside: set[Any] = set()
    for node in reversed(nodes):
        if node in inside:
            continue
        for kind, match in _PATTERNS.items():
            matched = match(node)
            if matched is not None:
                source, inner = matched
                found[node] = kind, source
                inside |= set(inner)
                break
    return found, inside


_Match = tuple[Any, list[Any]] | None  # the input of a pattern, and all its nodes except the last


def _is_used_once(node: Any, *operators: str) -> bool:
    """Whether a node is one of these operations and only one other node uses its output."""
    return operator_name(node) in operators and len(node.users) == 1


def _list_factors(node: Any) -> list[tuple[Any, Any]]:
    """Return the two factors of a product of tensors in both orders; empty if the node is not such a product."""
    if operator_name(node) != "mul" or len(node.args) != 2 or not all(hasattr(arg, "users") for arg in node.args):
        return []
    one, other = node.args
    return [(one, other), (other, one)]


def _match_silu(node: Any) -> _Match:
    """Return x and the other nodes of x × sigmoid(x), except the last; None if the node is not this product."""
    for source, gate in _list_factors(node):
        if _is_used_once(gate, "sigmoid") and gate.args[0] is source:
            return source, [gate]
    return None


def _match_mish(node: Any) -> _Match:
    """Return x and the other nodes of x × tanh(softplus(x)), except the last; None if the node is not this product."""
    for source, gate in _list_factors(node):
        if _is_used_once(gate, "tanh") and _is_used_once(gate.args[0], "softplus") and gate.args[0].args[0] is source:
            return source, [gate, gate.args[0]]
    return None


def _get_dividend_by_six(node: Any) -> Any:
    """Return x if the node is x / 6 or x × 1/6, else None."""
    if operator_name(node) == "div" and node.args[1] in _SIX:
        return node.args[0]
    number = node.args[1] if operator_name(node) == "mul" and len(node.args) > 1 else None
    return node.args[0] if isinstance(number, float) and abs(number - _SIXTH) < 1e-6 else None


def _match_ramp(node: Any) -> _Match:
    """Return x and all nodes of relu6(x + 3); None if the node is another operation."""
    limits = tuple(node.args[1:3]) if hasattr(node, "args") else ()
    if _is_used_once(node, "relu6") or (_is_used_once(node, "hardtanh", "clamp") and limits == (0, 6)):
        shifted = node.args[0]
        if _is_used_once(shifted, "add") and shifted.args[1] in (3, 3.0):
            return shifted.args[0], [node, shifted]
    return None


def _match_hardsigmoid(node: Any) -> _Match:
    """Return x and the other nodes of relu6(x + 3) / 6, except the last; None if the node is another operation."""
    divided = _get_dividend_by_six(node)
    return None if divided is None else _match_ramp(divided)


def _match_hardswish(node: Any) -> _Match:
    """Return x and the other nodes of x × relu6(x + 3) / 6, except the last; None if the node is another operation.

    Either the relu6 or the product may be divided by 6.
    """
    for source, gate in _list_factors(node):
        matched = _match_hardsigmoid(gate) if hasattr(gate, "users") and len(gate.users) == 1 else None
        if matched is not None and matched[0] is source:
            return source, [gate, *matched[1]]
    divided = _get_dividend_by_six(node)
    for source, gate in _list_factors(divided) if divided is not None and len(divided.users) == 1 else []:
        matched = _match_ramp(gate)
        if matched is not None and matched[0] is source:
            return source, [divided, *matched[1]]
    return None


_PATTERNS: dict[str, Callable[[Any], _Match]] = {
    "silu": _match_silu,
    "mish": _match_mish,
    "hardswish": _match_hardswish,
    "hardsigmoid": _match_hardsigmoid,
}
