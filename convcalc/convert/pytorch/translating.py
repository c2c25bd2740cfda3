"""Translates a traced module to a `Program` of ONNX operators.

For example, the node `aten.conv2d(x, weight, bias)` becomes `Operation("conv2d", "Conv", {...}, ("x", "%weight",
"%bias"), ("%conv2d",))`. `aten_to_onnx` says which operators each operation of PyTorch becomes; this module follows the
tensors: learnt tensors, constants, in-place writes, and modules that are read as a whole.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from operator import getitem
from typing import Any, NamedTuple

from convcalc.convert.costs.cost import Cost
from convcalc.convert.graph import NotImported
from convcalc.convert.operator_costs import count_operation
from convcalc.convert.operators import Number, Operation, Program, Sizes, Tensor
from convcalc.convert.pytorch.aten_to_onnx import CONSTANT, RULES, UNCHANGED
from convcalc.convert.pytorch.failures import node_location
from convcalc.convert.pytorch.module_names import ModulePlace
from convcalc.convert.pytorch.nodes import (
    CallPlace,
    find_inner_graph,
    find_view_base,
    has_unknown_size,
    list_dtypes,
    list_nodes,
    list_output_sizes,
    list_places,
    list_sources,
    list_written,
    name_arguments,
    operator_name,
    operator_namespace,
    output_sizes,
)
from convcalc.convert.pytorch.tracing import TracedModule
from convcalc.convert.pytorch.whole_modules import OPAQUE, WHOLE, whole_attributes

_UNKNOWN_SIZE = "its size depends on the values of a tensor"
_NAMESPACES = ("aten", "torchvision")  # whose operations `aten_to_onnx` translates; others may have the same names
_ASSERTIONS = ("_assert", "sym_constrain")


class Translation(NamedTuple):
    """A translated trace.

    `places` maps the name of each operation to its module. `outputs` are the sizes of the module's outputs.
    `correction` is added to PyTorch's MACs per sample: PyTorch's counter omits some operations, and operations on
    weights alone run once per batch.
    """

    program: Program
    places: Mapping[str, ModulePlace]
    correction: Fraction
    outputs: tuple[Sizes, ...]


def translate_trace(trace: TracedModule, named: Sequence[str] = ()) -> Translation:
    """Translate a traced module; `named` are the names of its inputs, in order.

    Raises NotImported if the size of an output depends on the values of a tensor.
    """
    return Translator(trace, named).translate()


class Translator:
    """Translates the nodes of a trace in order.

    `current` maps a node to the name of its tensor, or to a list of names if the node has several results. After an
    in-place operation, the node of the overwritten tensor has the name of the new tensor. Nodes whose values are not
    tensors are absent.
    """

    def __init__(self, trace: TracedModule, named: Sequence[str]) -> None:
        self.trace = trace
        self.named = iter(named)
        self.batch = trace.batch
        self.inputs: dict[str, Sizes] = {}
        self.values: dict[str, Tensor] = {}
        self.operations: list[Operation] = []
        self.disputed: dict[str, str] = {}
        self.macs: dict[str, int] = {}
        self.costs: dict[str, Cost] = {}
        self.places: dict[str, ModulePlace] = {}
        self.current: dict[Any, Any] = {}
        self.inlined: set[str] = set()  # operations in nested graphs, whose MACs PyTorch counts together
        self.inner = 0  # the last number that `count_inner` returned

    def translate(self) -> Translation:
        """Translate all nodes. Raises NotImported if the size of an output depends on the values of a tensor."""
        done: set[str] = set()
        outputs: tuple[str, ...] = ()
        for node in self.trace.nodes:
            if node.op == "placeholder":
                self.add_placeholder(node)
            elif node.op == "output":
                outputs = self.list_outputs(node)
            elif node.op == "get_attr":
                self.add_constant(node)
            else:
                self.translate_node(node, done)
        operations = _drop_unread(self.operations, outputs, self.values, self.macs)
        correction = self.correct_macs(operations)
        program = Program(
            "",
            self.inputs,
            operations,
            outputs,
            self.values,
            dict(self.trace.elements),
            disputed=self.disputed,
            exact=True,
            statistics=self.trace.statistics,
            frozen=self.trace.frozen,
            macs=self.macs,
            costs=self.costs,
        )
        [output] = [node for node in self.trace.nodes if node.op == "output"]
        sizes = tuple(output_sizes(given) for given in list_nodes(output.args))
        return Translation(program, self.places, correction, sizes)

    def correct_macs(self, operations: Sequence[Operation]) -> Fraction:
        """Return `Translation.correction`; reduce the MACs of operations on weights alone to those of one sample."""
        correction = Fraction(0)
        for operation in operations:
            macs = self.macs.get(operation.name, 0)
            outputs = [self.values[name] for name in operation.outputs if name]
            if all(value.constant for value in outputs):
                repeated = bool(outputs[0].dims) and outputs[0].dims[0] % self.batch == 0
                self.macs[operation.name] = macs // self.batch if repeated else macs
                correction += self.macs[operation.name] - Fraction(macs, self.batch)
            elif not macs and operation.name not in self.inlined and self.trace.flops is not None:
                cost = self.count(operation)
                correction += 0 if cost is None else Fraction(cost.macs, self.batch)
        return correction

    # -- tensors that no operation makes

    def add_placeholder(self, node: Any) -> None:
        """Add an input of the network, a learnt tensor, or a constant."""
        given = self.trace.placeholders.get(node.name)
        if given is None:
            name = next(self.named, node.name)
            self.inputs[name] = output_sizes(node)
            self.values[name] = Tensor(output_sizes(node), _dtype(node))
            self.current[node] = name
        else:
            self.add_constant(node, list_sources(given))

    def add_constant(self, node: Any, roots: tuple[str, ...] = ()) -> None:
        """Add a tensor that depends on no input.

        `roots` are the names of the learnt tensors or running statistics from which it is computed.
        """
        if not isinstance(node.meta.get("val"), list | tuple) and hasattr(node.meta.get("val"), "shape"):
            self.current[node] = f"%{node.name}"
            self.values[f"%{node.name}"] = Tensor(output_sizes(node), _dtype(node), constant=True, roots=roots)

    def list_outputs(self, node: Any) -> tuple[str, ...]:
        """Return the names of the tensors that the module returns, without repetitions.

        Raises NotImported if the size of an output depends on the values of a tensor.
        """
        names: dict[str, None] = {}
        for given in list_nodes(node.args):
            if has_unknown_size(given):
                what = f"the size of the output of {operator_name(given) or 'an operation'}"
                raise NotImported(f"{node_location(given)}{what} depends on the values of a tensor")
            names |= dict.fromkeys(self.list_tensors([given]))
        return tuple(names)

    # -- operations

    def translate_node(self, node: Any, done: set[str]) -> None:
        """Translate an operation, or the whole module call that it is part of if the module is in WHOLE or OPAQUE.

        `done` has the keys of the module calls that are already translated.
        """
        for place in list_places(node):
            if place.word in WHOLE or place.word in OPAQUE:
                if place.key not in done:
                    done.add(place.key)
                    self.translate_module(node, place)
                return
        inner = find_inner_graph(node)
        if inner is None:
            self.translate_operation(node)
        else:
            self.translate_graph(node, inner, done)

    def translate_graph(self, node: Any, inner: Any, done: set[str]) -> None:
        """Translate the operations of `inner`, the graph nested in a node, such as a region without autocast."""
        given = [each for each in node.args[1:] if hasattr(each, "users") and each.op != "get_attr"]
        inputs = iter(given)
        before = len(self.operations)
        for each in inner.nodes:
            if each.op == "placeholder":
                found = self.current.get(next(inputs, None))
                if found is not None:
                    self.current[each] = found
            elif each.op == "output":
                self.current[node] = [self.tensor(result) for result in each.args[0]]
            elif each.op == "get_attr":
                self.add_constant(each)
            else:
                self.translate_node(each, done)
        self.inlined.update(operation.name for operation in self.operations[before:])

    def translate_operation(self, node: Any) -> None:
        """Translate one operation, whatever module it is part of."""
        if node.target is getitem:
            several, place = node.args
            found = self.current.get(several)
            if isinstance(found, list) and place < len(found):
                self.current[node] = found[place]
            return
        name = operator_name(node)
        if name.startswith(_ASSERTIONS):
            return
        call = Call(self, node, name)
        if not list_output_sizes(node):
            self.add_number(call)
            return
        own = operator_namespace(node) in _NAMESPACES
        if own and name in UNCHANGED and call.given_tensor() is not None:
            self.pass_on(call)
        elif own and name in CONSTANT:
            call.emit("Constant", [])
        else:
            rule = RULES.get(name, _emit_unknown) if own else _emit_unknown
            rule(call)
        self.record_writes(node)

    def pass_on(self, call: "Call") -> None:
        """Reuse the tensor of a node's first input as the value of the node.

        If the node is the `alias` that marks an identity or drop-path module, an operation for this module is added
        instead.
        """
        node = call.node
        places = list_places(node)
        kept = self.trace.marked.get(places[-1].path) if places and "alias" in str(node.target) else None
        if kept is None:
            self.current[node] = call.given_tensor()
        elif kept[0] == "identity":
            call.emit("Identity", [node.args[0]])
        else:
            call.emit("DropPath", [node.args[0]], ratio=kept[1].get("p", 0.5))

    def add_number(self, call: "Call") -> None:
        """Add a number that is computed from tensors, such as `x.max().item()`, as a tensor of one element."""
        inputs = self.list_tensors((call.node.args, call.node.kwargs))
        if call.name == "item" and inputs:
            self.current[call.node] = inputs[0]
        elif inputs:
            [self.current[call.node]] = call.emit_inner(_name_unknown(call), inputs, ())

    def record_writes(self, node: Any) -> None:
        """Let later operations read the values that an in-place operation wrote.

        If the overwritten tensor is a view of another tensor, this also changes the other tensor.
        """
        for target in list_written(node):
            if not isinstance(self.current.get(node), str):
                continue
            self.current[target] = self.current[node]
            base, part = find_view_base(target), node
            while base is not None:
                if any(user > node for user in base.users) and isinstance(self.current.get(base), str):
                    name = f"%{node.name}.{self.count_inner()}"
                    self.add_operation(node, "aten.slice_scatter", [base, part], [(name, output_sizes(base))])
                    self.current[base] = name
                base = find_view_base(base)

    def count_inner(self) -> int:
        """Return the next number for the name of an intermediate tensor or operation."""
        self.inner += 1
        return self.inner

    def list_tensors(self, given: Any) -> list[str]:
        """Return the names of all tensors in an argument, which may be nested lists; other values are left out."""
        found: list[str] = []
        for node in list_nodes(given):
            known = self.current.get(node, [])
            found += known if isinstance(known, list) else [known]
        return found

    def tensor(self, given: Any) -> str:
        """Return the name of an argument's tensor; empty for None.

        A number becomes a constant. Text is returned unchanged, because it is a name already.
        """
        if given is None or isinstance(given, str):
            return given or ""
        if isinstance(given, bool | int | float):
            name = f"%{given!r}"
            self.values.setdefault(name, Tensor((), constant=True, contents=Number(given)))
            return name
        known = self.current.get(given, "")
        return known if isinstance(known, str) else known[0]

    def add_operation(
        self,
        node: Any,
        operator: str,
        inputs: Sequence[Any],
        outputs: Sequence[tuple[str, Sizes]],
        attributes: Mapping[str, Any] | None = None,
        last: bool = False,
    ) -> None:
        """Add an operation with these outputs (name and sizes). If `last`, it gets the MACs of `node`."""
        names = tuple(self.tensor(given) for given in inputs)
        while names and not names[-1]:
            names = names[:-1]
        read = [self.values[name] for name in names if name]
        constant = all(value.constant for value in read)
        roots = tuple(dict.fromkeys(root for value in read for root in value.roots)) if constant else ()
        dtypes = list_dtypes(node)
        unknown = any(self.disputed.get(name) for name in names) or has_unknown_size(node)
        for place, (name, sizes) in enumerate(outputs):
            dtype = next(iter(dtypes[place:] or dtypes), None)
            self.values[name] = Tensor(sizes, dtype, constant, None, roots)
            if unknown:
                self.disputed[name] = _UNKNOWN_SIZE
        name = node.name if last else f"{node.name}.{self.count_inner()}"
        self.operations.append(Operation(name, operator, attributes or {}, names, tuple(name for name, _ in outputs)))
        self.places[name] = self.find_place(node)
        if last and self.trace.flops is not None and self.trace.flops.get(node):
            self.macs[name] = self.trace.flops[node] // 2

    def find_place(self, node: Any) -> ModulePlace:
        """Return the module around a node whose class is in WHOLE or OPAQUE, or else the innermost module.

        The result also says whether the module becomes a single layer.
        """
        places = list_places(node)
        path = places[-1].path if places else ""
        whole = next((place.path for place in places if place.word in WHOLE or place.word in OPAQUE), None)
        return ModulePlace(whole or path, whole is not None or path in self.trace.leaves)

    # -- modules read as a whole

    def translate_module(self, first: Any, place: CallPlace) -> None:
        """Translate one call of a module to a single operation, which has the cost of all operations in the call.

        `first` is the first node of the call.
        """
        nodes = [node for node in first.graph.nodes if any(found.key == place.key for found in list_places(node))]
        start = len(self.operations)
        for node in nodes:
            self.translate_operation(node)
        inner = self.operations[start:]
        work = [operation for operation in inner if not all(self.values[name].constant for name in operation.outputs)]
        made = {name for operation in work for name in operation.outputs}
        inputs = tuple(dict.fromkeys(name for operation in work for name in operation.inputs if name not in made))
        inside = set(nodes)
        read = [node for node in nodes if any(user not in inside for user in node.users)]
        outputs = tuple(dict.fromkeys(name for name in self.list_tensors(read) if name in made))
        if not outputs:
            return
        name = f"{nodes[0].name}.{self.count_inner()}"
        operator, attributes = whole_attributes(place, nodes)
        if operator.startswith("nn."):
            self.sum_costs(name, work)
        elif sum(not self.values[given].constant for given in inputs) != 1:
            return
        data = tuple(given for given in inputs if operator.startswith("nn.") or not self.values[given].constant)
        self.operations[start:] = [operation for operation in inner if operation not in work]
        self.operations.append(Operation(name, operator, attributes, data, outputs))
        self.places[name] = ModulePlace(place.path, True)

    def sum_costs(self, name: str, work: Sequence[Operation]) -> None:
        """Set the cost of the operation `name` to the sum of the costs of the operations `work`."""
        costs = [self.count(operation) for operation in work]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            self.costs[name] = Cost(*(sum(counts) for counts in zip(*known, strict=True)))
        if self.trace.flops is not None:
            self.macs[name] = sum(self.macs.pop(operation.name, 0) for operation in work)

    def count(self, operation: Operation) -> Cost | None:
        """Return the cost of an operation for the whole batch, with the MACs from PyTorch; None if it is unknown."""
        if any(self.disputed.get(name) for name in operation.outputs):
            return None
        sizes = (
            [self.values[name].dims if name else None for name in names]
            for names in (operation.inputs, operation.outputs)
        )
        cost = self.costs.get(operation.name) or count_operation(operation.operator, operation.attributes, *sizes)
        macs = self.macs.get(operation.name)
        if cost is None or macs is None:
            return cost
        return Cost(cost.multiplications + macs - cost.macs, cost.additions + macs - cost.macs, macs)


class Call:
    """One operation of a trace: its node, its name such as `conv2d`, and its arguments by name (`given`)."""

    def __init__(self, translator: Translator, node: Any, name: str) -> None:
        self.translator = translator
        self.node = node
        self.name = name
        self.given = name_arguments(node) if hasattr(node.target, "_schema") else {}

    @property
    def sizes(self) -> Sizes:
        """The sizes of the first output."""
        return list_output_sizes(self.node)[0]

    def given_tensor(self) -> str | None:
        """Return the name of the first argument's tensor; None if the first argument is not a tensor."""
        found = self.translator.current.get(self.node.args[0]) if self.node.args else None
        return found if isinstance(found, str) else None

    def dims(self, given: Any) -> Sizes:
        """Return the sizes of the tensor in an argument; empty for a number."""
        return self.translator.values[self.translator.tensor(given)].dims

    def is_constant(self, given: Any) -> bool:
        """Whether an argument depends on no input of the network."""
        name = self.translator.tensor(given)
        return not name or self.translator.values[name].constant

    def emit(self, operator: str, inputs: Sequence[Any], **attributes: Any) -> None:
        """Add the operation that produces the results of the node. `inputs` are nodes, numbers, names or None.

        No operator has an attribute that is computed from tensors, so then the operation keeps PyTorch's name.
        """
        if list_nodes(attributes):
            operator, inputs, attributes = _name_unknown(self), self.translator.list_tensors(self.given), {}
        sizes = list_output_sizes(self.node)
        several = isinstance(self.node.meta.get("val"), list | tuple)
        names = [f"%{self.node.name}.{place}" for place in range(len(sizes))] if several else [f"%{self.node.name}"]
        outputs = list(zip(names, sizes, strict=True))
        self.translator.add_operation(self.node, operator, inputs, outputs, attributes, True)
        self.translator.current[self.node] = names if several else names[0]

    def emit_inner(self, operator: str, inputs: Sequence[Any], *sizes: Sizes, **attributes: Any) -> list[str]:
        """Add an operation with intermediate outputs of these sizes, and return the names of the outputs."""
        outputs = [(f"%{self.node.name}.{self.translator.count_inner()}", dims) for dims in sizes]
        self.translator.add_operation(self.node, operator, inputs, outputs, attributes)
        return [name for name, _ in outputs]

    def reshape_constant(self, given: Any, dims: Sizes) -> str:
        """Reshape a constant to the sizes `dims`, and return the name of the new constant."""
        name = self.translator.tensor(given)
        made = f"{name}.{'x'.join(map(str, dims))}"
        self.translator.values[made] = self.translator.values[name]._replace(dims=dims)
        self.translator.operations.append(Operation(made, "Reshape", {}, (name,), (made,)))
        return made


def _emit_unknown(call: Call) -> None:
    """Add an operation that no rule translates; its operator is named like PyTorch's operation: `aten.cdist`."""
    inputs = call.translator.list_tensors((call.node.args, call.node.kwargs))
    call.emit(_name_unknown(call), inputs)


def _name_unknown(call: Call) -> str:
    """Return the name of an operation with its namespace, such as `aten.cdist`; that of a Python function is `add`."""
    namespace = operator_namespace(call.node)
    name = call.name or getattr(call.node.target, "__name__", str(call.node.target))
    return f"{namespace}.{name}" if namespace else name


def _drop_unread(
    operations: list[Operation], outputs: tuple[str, ...], values: Mapping[str, Tensor], macs: Mapping[str, int]
) -> list[Operation]:
    """Remove the operations whose outputs nothing reads.

    Operations that have MACs or weights are kept if they depend on an input.
    """
    read = set(outputs)
    kept: list[Operation] = []
    for operation in reversed(operations):
        learnt = any(values[name].roots for name in operation.inputs if name)
        constant = all(values[name].constant for name in operation.outputs)
        if not read.isdisjoint(operation.outputs) or ((macs.get(operation.name) or learnt) and not constant):
            kept.append(_drop_outputs(operation, read))
            read.update(operation.inputs)
    return kept[::-1]


def _drop_outputs(operation: Operation, read: set[str]) -> Operation:
    """Remove the outputs that nothing reads, except the first output and the outputs of a Split.

    An unread output before one that is read keeps its position, with an empty name.
    """
    outputs = operation.outputs
    if operation.operator != "Split":
        outputs = tuple(name if name in read or place == 0 else "" for place, name in enumerate(outputs))
    while len(outputs) > 1 and not outputs[-1]:
        outputs = outputs[:-1]
    return operation._replace(outputs=outputs)


def _dtype(node: Any) -> str | None:
    return next(iter(list_dtypes(node)), None)
