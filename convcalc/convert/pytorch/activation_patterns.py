"""Activations that code composes of other operations: x × sigmoid(x), x × relu6(x + 3) / 6 and their like."""

from collections.abc import Callable
from operator import getitem
from typing import Any

SIX = (6, 6.0)
SIXTH = 1 / 6


def operator_of(node: Any) -> str:
    """The name of an operation, `relu` of `aten.relu_.default`; empty where a node is none."""
    schema = getattr(getattr(node, "target", None), "_schema", None)
    return "" if schema is None else str(schema.name).partition("::")[2].rstrip("_")


def viewed(node: Any) -> Any:
    """The tensor of which a node is a view; None where it is none."""
    if node.target is getitem:
        node = node.args[0]
    schema = getattr(node.target, "_schema", None)
    alias = schema.arguments[0].alias_info if schema is not None and schema.arguments else None
    return node.args[0] if alias is not None and not alias.is_write else None


def patterns(nodes: tuple[Any, ...]) -> tuple[dict[Any, tuple[str, Any]], set[Any]]:
    """The kind and the input of nodes that end a pattern, and the nodes inside of one."""
    found: dict[Any, tuple[str, Any]] = {}
    inside: set[Any] = set()
    for node in reversed(nodes):
        if node in inside:
            continue
        for kind, match in PATTERNS.items():
            matched = match(node)
            if matched is not None:
                source, inner = matched
                found[node] = kind, source
                inside |= set(inner)
                break
    return found, inside


Match = tuple[Any, list[Any]] | None


def only(node: Any, *operators: str) -> bool:
    """Whether a node is one of some operations and read once."""
    return operator_of(node) in operators and len(node.users) == 1


def products(node: Any) -> list[tuple[Any, Any]]:
    """The two factors of a product of tensors, in both orders."""
    if operator_of(node) != "mul" or len(node.args) != 2 or not all(hasattr(arg, "users") for arg in node.args):
        return []
    one, other = node.args
    return [(one, other), (other, one)]


def silu(node: Any) -> Match:
    """The product x × sigmoid(x)."""
    for source, gate in products(node):
        if only(gate, "sigmoid") and gate.args[0] is source:
            return source, [gate]
    return None


def mish(node: Any) -> Match:
    """The product x × tanh(softplus(x))."""
    for source, gate in products(node):
        if only(gate, "tanh") and only(gate.args[0], "softplus") and gate.args[0].args[0] is source:
            return source, [gate, gate.args[0]]
    return None


def sixth(node: Any) -> Any:
    """What is divided by six."""
    if operator_of(node) == "div" and node.args[1] in SIX:
        return node.args[0]
    number = node.args[1] if operator_of(node) == "mul" and len(node.args) > 1 else None
    return node.args[0] if isinstance(number, float) and abs(number - SIXTH) < 1e-6 else None


def ramp(node: Any) -> Match:
    """relu6(x + 3)."""
    limits = tuple(node.args[1:3]) if hasattr(node, "args") else ()
    if only(node, "relu6") or (only(node, "hardtanh", "clamp") and limits == (0, 6)):
        shifted = node.args[0]
        if only(shifted, "add") and shifted.args[1] in (3, 3.0):
            return shifted.args[0], [node, shifted]
    return None


def hardsigmoid(node: Any) -> Match:
    """relu6(x + 3) / 6."""
    divided = sixth(node)
    return None if divided is None else ramp(divided)


def hardswish(node: Any) -> Match:
    """The product x × relu6(x + 3) / 6, whatever is divided first."""
    for source, gate in products(node):
        matched = hardsigmoid(gate) if hasattr(gate, "users") and len(gate.users) == 1 else None
        if matched is not None and matched[0] is source:
            return source, [gate, *matched[1]]
    divided = sixth(node)
    for source, gate in products(divided) if divided is not None and len(divided.users) == 1 else []:
        matched = ramp(gate)
        if matched is not None and matched[0] is source:
            return source, [divided, *matched[1]]
    return None


PATTERNS: dict[str, Callable[[Any], Match]] = {
    "silu": silu,
    "mish": mish,
    "hardswish": hardswish,
    "hardsigmoid": hardsigmoid,
}
