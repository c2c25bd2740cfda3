"""Writes the forward method of an exported class, with variable names such as `x` and `out`.

For example, the layer `conv1` becomes the statement `x = self.conv1(x)`. A "unit" is a layer or an inner scope that the
method calls.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.convert.pytorch.makers import MERGES, make_modules
from convcalc.convert.pytorch.module_scopes import AROUND, ModulePlaces, ModuleScope, ScopeChild, ScopeWiring
from convcalc.convert.pytorch.names import TAKEN, VARIABLES_TAKEN, first_free_name, make_distinct
from convcalc.network import Node


class Forward(NamedTuple):
    """A forward method: its parameters (`inputs`), statements, returned expression, and return type (`returns`)."""

    inputs: tuple[str, ...]
    statements: tuple[str, ...]
    returned: str
    returns: str


def _list_units(scope: ModuleScope, wiring: ScopeWiring) -> list[ScopeChild]:
    """Return the layers and inner scopes that a forward calls, in order.

    An nn.ModuleList cannot be called, so its elements are returned in its place.
    """
    found: list[ScopeChild] = []
    for child in scope.children:
        if isinstance(child, ModuleScope) and wiring.is_list(child):
            found += _list_units(child, wiring)
        else:
            found.append(child)
    return found


def write_forward(scope: ModuleScope, wiring: ScopeWiring, places: ModulePlaces) -> Forward:
    """Return the forward method of a scope's class."""
    called = _list_units(scope, wiring)
    inputs, outputs = _list_scope_tensors(scope, wiring)
    variables = _Variables(scope, called, inputs, outputs, wiring, places)
    statements = []
    for unit in called:
        value = _write_unit(unit, scope, variables, wiring, places)
        targets = ", ".join(variables.names[tensor] for tensor in wiring.list_outputs(unit))
        statements.append(f"{targets} = {value}")
    returned, returns = _write_return(scope, [variables.names[tensor] for tensor in outputs], wiring)
    last, _, value = statements[-1].partition(" = ") if statements else ("", "", "")
    if last == returned:
        statements, returned = statements[:-1], value
    return Forward(tuple(variables.names[tensor] for tensor in inputs), tuple(statements), returned, returns)


def _list_scope_tensors(scope: ModuleScope, wiring: ScopeWiring) -> tuple[Sequence[int], Sequence[int]]:
    """Return the numbers of a scope's input tensors and of its output tensors.

    For the whole network, these are all of its inputs and outputs, in the order of the spec.
    """
    if scope.name:
        return wiring.list_inputs(scope), wiring.list_outputs(scope)
    return range(wiring.input_count), list(wiring.network.outputs.values())


def _write_return(scope: ModuleScope, values: list[str], wiring: ScopeWiring) -> tuple[str, str]:
    """Return the expression that a forward returns, and its type annotation.

    Several outputs are returned as a tuple, or for the whole network as a dict from names to tensors.
    """
    if len(values) == 1:
        return values[0], "Tensor"
    if scope.name:
        return ", ".join(values), f"tuple[{', '.join(['Tensor'] * len(values))}]"
    named = zip(wiring.network.outputs, values, strict=True)
    return "{" + ", ".join(f'"{name}": {value}' for name, value in named) + "}", "dict[str, Tensor]"


def _write_unit(
    unit: ScopeChild, scope: ModuleScope, variables: "_Variables", wiring: ScopeWiring, places: ModulePlaces
) -> str:
    """Return the expression for a layer or scope: a call such as `self.conv1(x)`, or a merge such as `x + y`."""
    if isinstance(unit, int):
        node = wiring.network.nodes[unit]
        values = [variables.names[tensor] for tensor in node.reads]
        if node.layer.kind == "concat":
            return _concat_text(node, values, wiring)
        if node.layer.kind in MERGES:
            return MERGES[node.layer.kind].join(values)
        path = places.path(node.name, scope)
        parts = make_modules(node)
        given = ", ".join(values)
        if places.keys[node.name].isdigit():
            return f"{path}({given})"
        value = given if parts.before is None else f"{path}{AROUND[0]}({given})"
        value = f"{path}({value})"
        return value if parts.after is None else f"{path}{AROUND[1]}({value})"
    arguments = ", ".join(variables.names[tensor] for tensor in wiring.list_inputs(unit))
    return f"{places.path(unit.name, scope)}({arguments})"


def _concat_text(node: Node, values: list[str], wiring: ScopeWiring) -> str:
    """Return a call of torch.cat; learnt tensors, which have no batch, are expanded to the batch of another input."""
    learnt = [_is_without_batch(wiring, tensor) for tensor in node.reads]
    if any(learnt) and not all(learnt):
        batch = values[learnt.index(False)]
        values = [
            f"{value}.expand({batch}.shape[0], *{value}.shape[1:])" if alone else value
            for value, alone in zip(values, learnt, strict=True)
        ]
    return f"torch.cat([{', '.join(values)}], dim={getattr(node.layer, 'place', 0) + 1})"


def _is_without_batch(wiring: ScopeWiring, tensor: int) -> bool:
    """Whether a tensor depends on no input of the network, so that its batch size is 1."""
    if tensor < wiring.input_count:
        return False
    reads = wiring.network.nodes[tensor - wiring.input_count].reads
    return all(_is_without_batch(wiring, read) for read in reads)


class _Variables:
    """Chooses the variable names in a forward method; `names` maps the number of each tensor to its variable.

    A tensor that only the next statement reads is named `x`, or `out` if the input `x` is needed later. Any other
    tensor is named after the module that computes it, such as `conv1`.
    """

    def __init__(
        self,
        scope: ModuleScope,
        called: list[ScopeChild],
        inputs: Sequence[int],
        outputs: Sequence[int],
        wiring: ScopeWiring,
        places: ModulePlaces,
    ) -> None:
        read_by: dict[int, list[int]] = {}
        for place, unit in enumerate(called):
            for tensor in wiring.list_inputs(unit):
                read_by.setdefault(tensor, []).append(place)
        for tensor in outputs:
            read_by.setdefault(tensor, []).append(len(called))
        self.names = dict(zip(inputs, _name_inputs(scope, inputs, wiring), strict=True))
        kept = any(place > 0 for tensor in inputs for place in read_by.get(tensor, ()))
        flow = "out" if kept and "x" in self.names.values() else "x"
        used = {*self.names.values(), *VARIABLES_TAKEN}
        for place, unit in enumerate(called):
            for number, tensor in enumerate(wiring.list_outputs(unit)):
                in_list = "[" in places.path(wiring.full_name(unit), scope)
                if read_by.get(tensor, []) == [place + 1] and not number and not in_list:
                    self.names[tensor] = flow
                else:
                    self.names[tensor] = first_free_name(_name_output(unit, scope, wiring, places), used)
                    used.add(self.names[tensor])


def _name_inputs(scope: ModuleScope, inputs: Sequence[int], wiring: ScopeWiring) -> list[str]:
    """Return the parameter names of a forward: `x` for one input, `x1` and `x2` for two.

    If the whole network has several inputs, they keep their names in the spec.
    """
    if len(inputs) == 1:
        return ["x"]
    if scope.name:
        return [f"x{number}" for number in range(1, len(inputs) + 1)]
    return make_distinct(wiring.network.inputs, TAKEN | VARIABLES_TAKEN)


def _name_output(unit: ScopeChild, scope: ModuleScope, wiring: ScopeWiring, places: ModulePlaces) -> str:
    """Return a variable name for an output of a layer or scope: `branches1_0` for the module `branches1[0]`."""
    path = places.path(wiring.full_name(unit), scope).removeprefix("self.")
    return path.replace("[", "_").replace("]", "").replace(".", "_")
