"""Finds facts about a traced operation: its arguments, its output sizes, and the modules that it is part of."""

from typing import Any, NamedTuple

from convcalc.convert.pytorch.traced_values import Sizes
from convcalc.convert.pytorch.tracing import TracedConstant, TracedWeight


class CallPlace(NamedTuple):
    """A module around an operation: its path, its class in torch.nn, and a key for this call of it."""

    path: str
    word: str
    key: str


def list_places(node: Any) -> list[CallPlace]:
    """Return the modules around an operation, the outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    return [CallPlace(path, _torch_class_name(word), key) for key, (path, word) in stack.items()]


def _torch_class_name(word: Any) -> str:
    """Return the name of a class in torch.nn; empty for other classes, whose names do not identify what they do."""
    package, _, name = str(word if isinstance(word, str) else f"{word.__module__}.{word.__qualname__}").rpartition(".")
    return name if package.startswith("torch.nn.") else ""


def output_sizes(node: Any) -> Sizes:
    """Return the output sizes; empty if the output is not a tensor, or if a size depends on tensor values."""
    sizes = tuple(getattr(node.meta.get("val"), "shape", ()))
    return sizes if all(type(size) is int for size in sizes) else ()


def has_unknown_size(node: Any) -> bool:
    """Whether the output is a tensor with a size that depends on the values of another tensor."""
    return any(type(size) is not int for size in getattr(node.meta.get("val"), "shape", ()))


def name_arguments(node: Any) -> dict[str, Any]:
    """Return the arguments of an operation by name, including defaults."""
    declared = node.target._schema.arguments
    found = {argument.name: argument.default_value for argument in declared if argument.has_default_value()}
    found |= {argument.name: value for argument, value in zip(declared, node.args, strict=False)}
    return found | dict(node.kwargs)


def list_nodes(given: Any) -> list[Any]:
    """Return all nodes in nested arguments."""
    if isinstance(given, dict):
        return [node for value in given.values() for node in list_nodes(value)]
    if isinstance(given, list | tuple):
        return [node for value in given for node in list_nodes(value)]
    return [given] if hasattr(given, "users") else []


def list_sources(known: Any) -> tuple[str, ...]:
    """Return the names of the learnt tensors or running statistics that a value is made of."""
    if isinstance(known, TracedWeight):
        return known.sources
    return known.statistics if isinstance(known, TracedConstant) else ()
