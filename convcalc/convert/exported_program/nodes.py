"""Turns the graph of an archive into nodes with the attributes that a torch.fx node has.

`pytorch.translating` reads either. A node of the graph names its operation (`torch.ops.aten.relu.default`), its
arguments and results; the shapes of all tensors are in a list of their own. An open size has a hint: the size that it
had when the module was exported. Source: torch/_export/serde/schema.py in github.com/pytorch/pytorch.
"""

from collections.abc import Mapping, Sequence
from math import prod
from operator import getitem
from typing import Any

from convcalc.convert.exported_program.schemas import Alias, Argument, Schema, find_schema
from convcalc.convert.graph import NotImported
from convcalc.convert.operators import Sizes
from convcalc.problems import shorten, show

MOST_NODES = 100_000
MOST_GRAPHS = 32  # levels of nested graphs
MOST_AXES = 64
MOST_ELEMENTS = 10**11  # in one tensor
_DTYPES = {  # by number in ScalarType
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
}
# the operators of torch.export that run a nested graph as it is
_REGIONS = frozenset({"wrap_with_autocast", "wrap_with_set_grad_enabled", "tag_activation_checkpoint"})


class TensorValue:
    """The known facts about a tensor: its sizes and data type. A size that depends on values is text."""

    def __init__(self, shape: tuple[int | str, ...], dtype: str) -> None:
        self.shape = shape
        self.dtype = dtype


class Target:
    """An operation: its whole name, such as `aten.relu.default`, and its signature, called as in torch.ops."""

    def __init__(self, text: str, schema: Schema) -> None:
        self.text = text
        self._schema = schema

    @property
    def schema(self) -> Schema:
        """The signature."""
        return self._schema

    def __str__(self) -> str:
        return self.text


class Node:
    """A node, with the attributes of a torch.fx node that `pytorch.nodes` reads."""

    def __init__(self, graph: "NodeGraph", op: str, name: str, target: Any = None) -> None:
        self.graph = graph
        self.op = op
        self.name = name
        self.target = target
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.meta: dict[str, Any] = {}
        self.users: dict[Node, None] = {}
        self.place = len(graph.nodes)
        graph.nodes.append(self)

    def __gt__(self, other: "Node") -> bool:
        return self.place > other.place

    def pass_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Set the arguments, and make this node a user of the nodes among them."""
        self.args, self.kwargs = tuple(args), dict(kwargs)
        pending: list[Any] = [*args, *kwargs.values()]
        while pending:
            value = pending.pop()
            if isinstance(value, Node):
                value.users[self] = None
            elif isinstance(value, list):
                pending += value


class NodeGraph:
    """The nodes of a program in order. `parameters`, `buffers` and `others` map placeholders to names of tensors."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        self.nodes: list[Node] = []
        self.parameters: dict[str, str] = {}
        self.buffers: dict[str, str] = {}
        self.others: set[str] = set()  # placeholders that are neither learnt nor inputs of the network
        self.names: set[str] = set()
        self.trained: dict[str, bool] = {}  # by placeholder
        self.read(module)

    def read(self, module: Mapping[str, Any]) -> None:
        """Add the nodes of a graph: its inputs, its operations and its output."""
        graph = module["graph"]
        reader = _GraphReader(self, graph, "", 0)
        for spec in module["signature"]["input_specs"]:
            self.read_input(spec, reader)
        for node in graph["nodes"]:
            reader.read_node(node)
        output = Node(self, "output", "output")
        output.pass_arguments([[reader.read_argument(argument) for argument in graph["outputs"]]], {})

    def read_input(self, spec: Mapping[str, Any], reader: "_GraphReader") -> None:
        """Add the placeholder for an input of the graph: a learnt tensor, a buffer, a constant or a network input."""
        [(kind, given)] = spec.items()
        argument = given.get("arg", {})
        name = argument.get("name") or next(
            (each.get("name") for each in argument.values() if isinstance(each, dict)), ""
        )
        if not isinstance(name, str) or not name:
            return
        node = reader.add(name, "placeholder")
        if kind == "parameter":
            self.parameters[node.name] = str(given["parameter_name"])
            self.trained[node.name] = bool(reader.graph["tensor_values"][name].get("requires_grad", True))
        elif kind == "buffer":
            self.buffers[node.name] = str(given["buffer_name"])
        elif kind != "user_input":
            self.others.add(node.name)

    def list_inputs(self) -> list[Node]:
        """Return the placeholders that are inputs of the network, and tensors."""
        known = {*self.parameters, *self.buffers, *self.others}
        return [
            node for node in self.nodes if node.op == "placeholder" and node.name not in known and node.meta.get("val")
        ]


class _GraphReader:
    """Reads one graph, whose nodes get the prefix `prefix`. `known` maps the names of its tensors to nodes."""

    def __init__(self, whole: NodeGraph, graph: Mapping[str, Any], prefix: str, depth: int) -> None:
        if depth > MOST_GRAPHS:
            raise NotImported(f"graphs nested more than {MOST_GRAPHS} deep")
        self.whole = whole
        self.graph = graph
        self.prefix = prefix
        self.depth = depth
        self.known: dict[str, Any] = {}

    def add(self, name: str, op: str, target: Any = None) -> Node:
        """Add a node with a new name. Raises NotImported if the name exists, or if there are too many nodes."""
        unique = self.prefix + name
        if unique in self.whole.names:
            raise NotImported(f"the graph has two nodes called {show(name)}")
        if len(self.whole.nodes) >= MOST_NODES:
            raise NotImported(f"more than {MOST_NODES:,} nodes")
        self.whole.names.add(unique)
        node = Node(self.whole, op, unique, target)
        self.known[name] = node
        if name in self.graph["tensor_values"]:
            node.meta["val"] = self.read_tensor(name)
        return node

    def read_tensor(self, name: str) -> TensorValue:
        """Return the sizes and data type of a tensor. Raises NotImported if it is too large."""
        found = self.graph["tensor_values"][name]
        sizes = tuple(self.read_size(size) for size in found["sizes"])
        known = [size for size in sizes if isinstance(size, int)]
        if len(sizes) > MOST_AXES or prod(known) > MOST_ELEMENTS or min(known, default=0) < 0:
            raise NotImported(f"the tensor {show(name)} has more than {MOST_ELEMENTS:,} elements, or malformed sizes")
        return TensorValue(sizes, _DTYPES.get(found["dtype"], "other"))

    def read_size(self, given: Mapping[str, Any]) -> int | str:
        """Return a size: a number, the hint of an expression, or the expression if that has no hint."""
        if "as_int" in given:
            return int(given["as_int"])
        expression = given["as_expr"]
        hint = expression.get("hint") or {}
        return int(hint["as_int"]) if "as_int" in hint else str(expression["expr_str"])

    def read_symbol(self, given: Mapping[str, Any]) -> Any:
        """Return an argument that is a number or the name of one, such as a size; None if its value is unknown."""
        if "as_name" in given:
            values = self.graph.get("sym_int_values") or {}
            found = values.get(given["as_name"])
            size = None if found is None else self.read_size(found)
            return size if isinstance(size, int) else None
        return next(iter(given.values()), None)

    def read_argument(self, argument: Mapping[str, Any]) -> Any:
        """Return an argument: a node, a number, a text, a list of these, or None."""
        [(kind, value)] = argument.items()
        if kind in ("as_tensor", "as_optional_tensor"):
            return self.known.get(value["name"]) if "name" in value else self.read_argument(value)
        if kind == "as_tensors":
            return [self.known.get(each["name"]) for each in value]
        if kind in ("as_optional_tensors", "as_nested_tensors"):
            return [self.read_argument(each) if isinstance(each, dict) else None for each in value]
        if kind.startswith("as_sym_"):
            return [self.read_symbol(each) for each in value] if isinstance(value, list) else self.read_symbol(value)
        if kind == "as_float" and isinstance(value, str):
            return float(value)
        return None if kind == "as_none" else value

    # -- nodes

    def read_node(self, given: Mapping[str, Any]) -> None:
        """Add a node for an operation and, if it has several results, one for each of them."""
        target = str(given["target"])
        inner = [argument["arg"]["as_graph"] for argument in given["inputs"] if "as_graph" in argument["arg"]]
        if target.rpartition(".")[2] in _REGIONS and len(inner) == 1:
            self.inline(given, inner[0]["graph"])
            return
        results, several = _list_results(given["outputs"])
        values = self.graph["tensor_values"]
        if not results or any(name not in values for name in results):
            return  # the operation computes a number, or checks one
        operation = _find_target(target, [str(argument["name"]) for argument in given["inputs"]])
        name = str(given.get("name") or (f"{results[0]}_all" if several else results[0]))
        node = self.add(name if several else results[0], "call_function", operation)
        node.pass_arguments(*self.read_arguments(given["inputs"], operation.schema))
        node.meta["nn_module_stack"] = _read_modules(given.get("metadata", {}).get("nn_module_stack", ""))
        if several:
            node.meta["val"] = [self.read_tensor(each) for each in results]
            for place, each in enumerate(results):
                part = self.add(each, "call_function", getitem)
                part.pass_arguments([node, place], {})
                part.meta["nn_module_stack"] = node.meta["nn_module_stack"]

    def read_arguments(self, given: Sequence[Mapping[str, Any]], schema: Schema) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional arguments of an operation, and the others by name."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        names = [argument.name for argument in schema.arguments]
        for argument in given:
            value = None if "as_graph" in argument["arg"] else self.read_argument(argument["arg"])
            if not kwargs and len(args) < len(names) and names[len(args)] == argument["name"]:
                args.append(value)
            else:
                kwargs[str(argument["name"])] = value
        return args, kwargs

    def inline(self, given: Mapping[str, Any], graph: Mapping[str, Any]) -> None:
        """Add the nodes of a nested graph in place of the operation that runs it."""
        reader = _GraphReader(self.whole, graph, f"{self.prefix}{len(self.whole.nodes)}.", self.depth + 1)
        values = [self.read_argument(each["arg"]) for each in given["inputs"] if "as_graph" not in each["arg"]]
        operands = [value for value in values if isinstance(value, Node)]
        names = [each["as_tensor"]["name"] for each in graph["inputs"] if "as_tensor" in each]
        reader.known.update(zip(names, operands, strict=False))
        for node in graph["nodes"]:
            reader.read_node(node)
        results, _ = _list_results(given["outputs"])
        made = [reader.read_argument(argument) for argument in graph["outputs"]]
        self.known.update(zip(results, made, strict=False))


def _list_results(outputs: Sequence[Mapping[str, Any]]) -> tuple[list[str], bool]:
    """Return the names of the tensors that an operation returns, and whether it returns several or a list."""
    names: list[str] = []
    several = len(outputs) > 1
    for output in outputs:
        if "as_tensor" in output:
            names.append(str(output["as_tensor"]["name"]))
        for each in output.get("as_tensors", ()):
            several = True
            names.append(str(each["name"]))
    return names, several


def _find_target(text: str, names: Sequence[str]) -> Target:
    """Return the operation with a name such as `torch.ops.aten.mean.dim`; `names` are those of its arguments.

    If its signature is not in aten_schemas.txt, it is assumed to overwrite its first argument if its name ends with an
    underscore.
    """
    parts = text.removeprefix("torch.ops.").split(".")
    namespace, name, overload = (parts[0], ".".join(parts[1:-1]), parts[-1]) if len(parts) > 2 else ("", text, "")
    whole = f"{namespace}::{name}" + (f".{overload}" if overload not in ("", "default") else "")
    found = find_schema(whole)
    if found is None:
        written = Alias(True) if name.endswith("_") and not name.endswith("__") else None
        arguments = [Argument(each, alias_info=written if place == 0 else None) for place, each in enumerate(names)]
        found = Schema(f"{namespace}::{name}", tuple(arguments))
    return Target(".".join(parts), found)


def _read_modules(text: str) -> dict[str, tuple[str, str]]:
    """Return the modules that an operation is part of: the path and class of each by key, outermost first."""
    found = {}
    for part in str(text).split(";"):
        key, _, rest = part.partition(",")
        path, _, word = rest.partition(",")
        if word:
            found[key] = (path, word)
    return found


def list_leaves(graph: NodeGraph) -> frozenset[str]:
    """Return the paths of the modules that have no inner modules, as far as the operations show."""
    paths = {path for node in graph.nodes for path, _ in (node.meta.get("nn_module_stack") or {}).values()}
    paths |= {name.rpartition(".")[0] for name in (*graph.parameters.values(), *graph.buffers.values())}
    outer = {path[:place] for path in paths for place, letter in enumerate(path) if letter == "."}
    return frozenset(paths - outer - {""})


def describe_sizes(node: Node) -> Sizes:
    """Return the sizes of an input. Raises NotImported if one depends on values."""
    sizes = node.meta["val"].shape
    if not all(isinstance(size, int) for size in sizes):
        raise NotImported(f"the shape of the input {show(node.name)} is unknown: {shorten(str(sizes))}")
    return tuple(sizes)
