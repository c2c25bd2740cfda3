"""Reads the properties of a traced operation: its arguments, its output sizes, and the modules that it is part of.

An operation is given by its node in a torch.fx graph.
"""

from typing import Any, NamedTuple

from convcalc.convert.pytorch.traced_values import Sizes
from convcalc.convert.pytorch.tracing import TracedConstant, TracedWeight


class CallPlace(NamedTuple):
    """A call of a module that an operation is part of.

    `path` is the module's path, `word` the name of its class in torch.nn ("" for any other class), and `key` is
    different for each call of the module.
    """

    path: str
    word: str
    key: str


def list_places(node: Any) -> list[CallPlace]:
    """Return the calls of modules that an operation is part of, outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    return [CallPlace(path, _torch_class_name(word), key) for key, (path, word) in stack.items()]


def _torch_class_name(word: Any) -> str:
    """Return the name of a class of torch.nn; empty for other classes, whose names do not tell what they compute."""
    package, _, name = str(word if isinstance(word, str) else f"{word.__module__}.{word.__qualname__}").rpartition(".")
    return name if package.startswith("torch.nn.") else ""


def output_sizes(node: Any) -> Sizes:
    """Return the output sizes, with the batch; empty if the output is not a tensor or a size depends on its values."""
    sizes = tuple(getattr(node.meta.get("val"), "shape", ()))
    return sizes if all(type(size) is int for size in sizes) else ()


def has_unknown_size(node: Any) -> bool:
    """Whether the output is a tensor with a size that depends on the values of another tensor."""
    return any(type(size) is not int for size in getattr(node.meta.get("val"), "shape", ()))


def name_arguments(node: Any) -> dict[str, Any]:
    """Return the arguments of an operation by name, including those left at their defaults."""
    declared = node.target._schema.arguments
    found = {argument.name: argument.default_value for argument in declared if argument.has_default_value()}
    found |= {argument.name: value for argument, value in zip(declared, node.args, strict=False)}
    return found | dict(node.kwargs)


def list_nodes(given: Any) -> list[Any]:
    """Return all nodes in an argument, which may be a node or nested lists, tuples and dicts of nodes."""
    if isinstance(given, dict):
        return [node for value in given.values() for node in list_nodes(value)]
    if isinstance(given, list | tuple):
        return [node for value in given for node in list_nodes(value)]
    return [given] if hasattr(given, "users") else []


def list_sources(known: Any) -> tuple[str, ...]:
    """Return the names of the learnt tensors or running statistics in a value; empty for other values."""
    if isinstance(known, TracedWeight):
        return known.sources
    return known.statistics if isinstance(known, TracedConstant) else ()
