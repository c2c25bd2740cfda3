"""Handles nested parts of a model: finds the tensors that subgraphs of nodes read, and inlines functions."""

from collections.abc import Iterable
from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.problems import shorten, show

MOST_NODES = 100_000


def check_text(value: str | bytes) -> str:
    """Return a string from the file. Raises NotImported if the parser returned bytes: it is then not valid UTF-8."""
    if isinstance(value, bytes):
        raise NotImported(f"not an ONNX model: the name {show(repr(value))} is not valid UTF-8")
    return value


def list_captured(node: Any) -> list[str]:
    """Return the names of the tensors that a node's subgraphs read but do not produce."""
    found: dict[str, None] = {}
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            found.update(dict.fromkeys(_list_names_from_outside(graph)))
    return list(found)


def _list_names_from_outside(graph: Any) -> list[str]:
    made = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer} | {""}
    found: dict[str, None] = {}
    for node in graph.node:
        found.update(dict.fromkeys(name for name in (*node.input, *list_captured(node)) if name not in made))
        made.update(node.output)
    found.update(dict.fromkeys(info.name for info in graph.output if info.name not in made))
    return [check_text(name) for name in found]


def inline_functions(model: Any) -> Any:
    """Return the model with each call of one of its own functions replaced by the function's nodes.

    Raises NotImported if a function calls itself, the result is too large, or the package onnx fails.
    """
    if not model.functions:
        return model
    _check_inlined_size(model)
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the package raises errors of any type for a malformed model
        raise NotImported(f"its functions cannot be inlined: {shorten(str(error))}") from None


def _check_inlined_size(model: Any) -> None:
    functions = {(function.domain, function.name): function for function in model.functions}
    counted: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[Any], above: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in above:
                raise NotImported(f"the function {show(node.op_type)} calls itself")
            if key in functions and key not in counted:
                counted[key] = count(functions[key].node, (*above, key))
            total += counted.get(key, 1)
        if total > MOST_NODES or len(above) > 50:
            raise NotImported(f"more than {MOST_NODES:,} nodes after its functions are inlined")
        return total

    count(model.graph.node, ())
