"""Reads the properties of a traced operation: its arguments, its output sizes, and the modules that it is part of.

An operation is given by its node in a torch.fx graph.
"""

from operator import getitem
from typing import Any, NamedTuple

from convcalc.convert.operators import Sizes
from convcalc.convert.pytorch.tracing import TracedConstant, TracedWeight


class CallPlace(NamedTuple):
    """A call of a module that an operation is part of.

    `path` is the module's path. `word` is its class name if the class is in torch.nn, else "". `key` identifies the
    call, because a module may be called several times.
    """

    path: str
    word: str
    key: str


def operator_name(node: Any) -> str:
    """Return the name of a node's operation, such as `relu` for `aten.relu_.default`; empty if it has no operation."""
    schema = getattr(getattr(node, "target", None), "_schema", None)
    return "" if schema is None else str(schema.name).partition("::")[2].rstrip("_")


def operator_namespace(node: Any) -> str:
    """Return the library that a node's operation is from, such as `aten`; empty if it has no operation."""
    schema = getattr(getattr(node, "target", None), "_schema", None)
    return "" if schema is None else str(schema.name).partition("::")[0]


def find_view_base(node: Any) -> Any:
    """Return the node whose memory this node's output is a view of; None if the output is not a view."""
    if node.target is getitem:
        node = node.args[0]
    schema = getattr(node.target, "_schema", None)
    alias = schema.arguments[0].alias_info if schema is not None and schema.arguments else None
    return node.args[0] if alias is not None and not alias.is_write else None


def find_inner_graph(node: Any) -> Any:
    """Return the nested graph of a node such as `wrap_with_autocast`; None for any other node."""
    if not str(getattr(node.target, "__name__", "")).startswith("wrap_with_"):
        return None
    [module] = [given.target for given in node.args if getattr(given, "op", "") == "get_attr"]
    return getattr(node.graph.owning_module, module).graph


def list_written(node: Any) -> list[Any]:
    """Return the nodes whose values an operation overwrites."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    written = [argument.name for argument in schema.arguments if argument.alias_info and argument.alias_info.is_write]
    given = name_arguments(node)
    return [given[name] for name in written if hasattr(given.get(name), "users")]


def list_places(node: Any) -> list[CallPlace]:
    """Return the calls of modules that an operation is part of, outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    return [CallPlace(path, _torch_class_name(word), key) for key, (path, word) in stack.items()]


def _torch_class_name(word: Any) -> str:
    """Return the class name if the class is in torch.nn, else an empty text."""
    package, _, name = str(word if isinstance(word, str) else f"{word.__module__}.{word.__qualname__}").rpartition(".")
    return name if package.startswith("torch.nn.") else ""


def output_sizes(node: Any) -> Sizes:
    """Return the output sizes, with the batch; empty if there is no tensor or a size depends on tensor values."""
    sizes = tuple(getattr(node.meta.get("val"), "shape", ()))
    return sizes if all(type(size) is int for size in sizes) else ()


def list_output_sizes(node: Any) -> list[Sizes]:
    """Return the sizes of each tensor that an operation returns; () if a size depends on tensor values."""
    value = node.meta.get("val")
    found = [each for each in (value if isinstance(value, list | tuple) else [value]) if hasattr(each, "shape")]
    sizes = [tuple(each.shape) for each in found]
    return [each if all(type(size) is int for size in each) else () for each in sizes]


def list_dtypes(node: Any) -> list[str]:
    """Return the data type of each tensor that an operation returns, such as `float32`."""
    value = node.meta.get("val")
    found = value if isinstance(value, list | tuple) else [value]
    return [str(each.dtype).removeprefix("torch.") for each in found if hasattr(each, "dtype")]


def has_unknown_size(node: Any) -> bool:
    """Whether an output is a tensor with a size that depends on the values of another tensor."""
    value = node.meta.get("val")
    found = value if isinstance(value, list | tuple) else [value]
    return any(type(size) is not int for each in found for size in getattr(each, "shape", ()))


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
    """Return the names of the learnt tensors or running statistics that a traced value is made of."""
    if isinstance(known, TracedWeight):
        return known.sources
    return known.statistics if isinstance(known, TracedConstant) else ()
