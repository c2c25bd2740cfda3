"""Graphs in nodes, and functions that a model defines: what they read, and how much they come to."""

from collections.abc import Iterable
from typing import Any

from convcalc.convert.graph import NotImported
from convcalc.problems import shortened, shown

MOST_NODES = 100_000


def check_text(value: str | bytes) -> str:
    """A text of the file. Raises NotImported where it is none: the parser gives bytes that are no UTF-8 as bytes."""
    if isinstance(value, bytes):
        raise NotImported(f"not an ONNX model: the name {shown(repr(value))} is not valid UTF-8")
    return value


def list_captured(node: Any) -> list[str]:
    """The tensors outside that the graphs in a node read."""
    found: dict[str, None] = {}
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            found.update(dict.fromkeys(_list_free_names(graph)))
    return list(found)


def _list_free_names(graph: Any) -> list[str]:
    """The tensors that a graph reads and does not make."""
    made = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer} | {""}
    found: dict[str, None] = {}
    for node in graph.node:
        found.update(dict.fromkeys(name for name in (*node.input, *list_captured(node)) if name not in made))
        made.update(node.output)
    found.update(dict.fromkeys(info.name for info in graph.output if info.name not in made))
    return [check_text(name) for name in found]


def inline_functions(model: Any) -> Any:
    """The model with the functions that it defines written out where they are used."""
    if not model.functions:
        return model
    _check_inlined_size(model)
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # whatever the package raises of a malformed model
        raise NotImported(f"its functions cannot be inlined: {shortened(str(error))}") from None


def _check_inlined_size(model: Any) -> None:
    """Refuse functions that call themselves, or that would be over the limit of nodes when written out."""
    functions = {(function.domain, function.name): function for function in model.functions}
    counted: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[Any], above: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in above:
                raise NotImported(f"the function {shown(node.op_type)} calls itself")
            if key in functions and key not in counted:
                counted[key] = count(functions[key].node, (*above, key))
            total += counted.get(key, 1)
        if total > MOST_NODES or len(above) > 50:
            raise NotImported(f"more than {MOST_NODES:,} nodes after its functions are inlined")
        return total

    count(model.graph.node, ())
