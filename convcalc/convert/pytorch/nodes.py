"""What a traced operation says of itself: its arguments, its sizes, the modules that it is in."""

from typing import Any, NamedTuple

from convcalc.convert.pytorch.traced_values import Sizes
from convcalc.convert.pytorch.tracing import TracedConstant, TracedWeight


class CallPlace(NamedTuple):
    """The module that an operation is in: its path, its class of torch.nn, and the key of this call of it."""

    path: str
    word: str
    key: str


def list_places(node: Any) -> list[CallPlace]:
    """The modules that an operation is in, the outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    return [CallPlace(path, _torch_class_name(word), key) for key, (path, word) in stack.items()]


def _torch_class_name(word: Any) -> str:
    """The name of a class of torch.nn; of any other class nothing is known by its name."""
    package, _, name = str(word if isinstance(word, str) else f"{word.__module__}.{word.__qualname__}").rpartition(".")
    return name if package.startswith("torch.nn.") else ""


def output_sizes(node: Any) -> Sizes:
    """The sizes of what an operation gives; none if it is no tensor, or a size depends on the values of one."""
    sizes = tuple(getattr(node.meta.get("val"), "shape", ()))
    return sizes if all(type(size) is int for size in sizes) else ()


def has_unknown_size(node: Any) -> bool:
    """Whether an operation gives a tensor whose size depends on the values of another."""
    return any(type(size) is not int for size in getattr(node.meta.get("val"), "shape", ()))


def name_arguments(node: Any) -> dict[str, Any]:
    """The arguments of an operation by their names, defaults among them."""
    declared = node.target._schema.arguments
    found = {argument.name: argument.default_value for argument in declared if argument.has_default_value()}
    found |= {argument.name: value for argument, value in zip(declared, node.args, strict=False)}
    return found | dict(node.kwargs)


def list_nodes(given: Any) -> list[Any]:
    """The nodes in nested arguments."""
    if isinstance(given, dict):
        return [node for value in given.values() for node in list_nodes(value)]
    if isinstance(given, list | tuple):
        return [node for value in given for node in list_nodes(value)]
    return [given] if hasattr(given, "users") else []


def list_sources(known: Any) -> tuple[str, ...]:
    """The names of the learnt tensors or running statistics that something is made of."""
    if isinstance(known, TracedWeight):
        return known.sources
    return known.statistics if isinstance(known, TracedConstant) else ()
