"""The forward of a class: what its layers and scopes read, under names that a person would give."""

from collections.abc import Sequence
from typing import NamedTuple

from convcalc.convert.pytorch.makers import MERGES, made
from convcalc.convert.pytorch.module_scopes import AROUND, Child, Places, Scope, Wiring
from convcalc.convert.pytorch.names import TAKEN, VARIABLES_TAKEN, distinct, first_free


class Forward(NamedTuple):
    """The variables that it is given, its statements, and what it returns: a value, a tuple or a dict of values."""

    given: tuple[str, ...]
    statements: tuple[str, ...]
    returned: str
    returns: str


def units(scope: Scope, wiring: Wiring) -> list[Child]:
    """The layers and scopes that a forward calls one after the other; lists are what is in them."""
    found: list[Child] = []
    for child in scope.children:
        if isinstance(child, Scope) and wiring.is_list(child):
            found += units(child, wiring)
        else:
            found.append(child)
    return found


def forward_of(scope: Scope, wiring: Wiring, places: Places) -> Forward:
    """The forward of a class."""
    called = units(scope, wiring)
    given, gives = scope_ends(scope, wiring)
    variables = Variables(scope, called, given, gives, wiring, places)
    statements = []
    for unit in called:
        value = expression(unit, scope, variables, wiring, places)
        targets = ", ".join(variables.of[tensor] for tensor in wiring.gives(unit))
        statements.append(f"{targets} = {value}")
    returned, returns = returning(scope, [variables.of[tensor] for tensor in gives], wiring)
    last, _, value = statements[-1].partition(" = ") if statements else ("", "", "")
    if last == returned:
        statements, returned = statements[:-1], value
    return Forward(tuple(variables.of[tensor] for tensor in given), tuple(statements), returned, returns)


def scope_ends(scope: Scope, wiring: Wiring) -> tuple[Sequence[int], Sequence[int]]:
    """The tensors that a class is given and gives; the network all inputs, and its outputs in their order."""
    if scope.name:
        return wiring.reads(scope), wiring.gives(scope)
    return range(wiring.first), list(wiring.network.outputs.values())


def returning(scope: Scope, values: list[str], wiring: Wiring) -> tuple[str, str]:
    """What is returned, and its type: several outputs of the network by their names."""
    if len(values) == 1:
        return values[0], "Tensor"
    if scope.name:
        return ", ".join(values), f"tuple[{', '.join(['Tensor'] * len(values))}]"
    named = zip(wiring.network.outputs, values, strict=True)
    return "{" + ", ".join(f'"{name}": {value}' for name, value in named) + "}", "dict[str, Tensor]"


def expression(unit: Child, scope: Scope, variables: "Variables", wiring: Wiring, places: Places) -> str:
    """The call of a module, or a merge."""
    if isinstance(unit, int):
        node = wiring.network.nodes[unit]
        values = [variables.of[tensor] for tensor in node.reads]
        if node.layer.kind == "concat":
            return f"torch.cat([{', '.join(values)}], dim=1)"
        if node.layer.kind in MERGES:
            return MERGES[node.layer.kind].join(values)
        path = places.path(node.name, scope)
        parts = made(node)
        if places.keys[node.name].isdigit():
            return f"{path}({values[0]})"
        value = values[0] if parts.before is None else f"{path}{AROUND[0]}({values[0]})"
        value = f"{path}({value})"
        return value if parts.after is None else f"{path}{AROUND[1]}({value})"
    arguments = ", ".join(variables.of[tensor] for tensor in wiring.reads(unit))
    return f"{places.path(unit.name, scope)}({arguments})"


class Variables:
    """The names of tensors: what only the next call reads flows through `x` (or `out`), the rest has a name."""

    def __init__(
        self,
        scope: Scope,
        called: list[Child],
        given: Sequence[int],
        gives: Sequence[int],
        wiring: Wiring,
        places: Places,
    ) -> None:
        read_by: dict[int, list[int]] = {}
        for place, unit in enumerate(called):
            for tensor in wiring.reads(unit):
                read_by.setdefault(tensor, []).append(place)
        for tensor in gives:
            read_by.setdefault(tensor, []).append(len(called))
        self.of = dict(zip(given, given_names(scope, given, wiring), strict=True))
        kept = any(place > 0 for tensor in given for place in read_by.get(tensor, ()))
        flow = "out" if kept and "x" in self.of.values() else "x"
        used = {*self.of.values(), *VARIABLES_TAKEN}
        for place, unit in enumerate(called):
            for number, tensor in enumerate(wiring.gives(unit)):
                in_list = "[" in places.path(wiring.full_name(unit), scope)
                if read_by.get(tensor, []) == [place + 1] and not number and not in_list:
                    self.of[tensor] = flow
                else:
                    self.of[tensor] = first_free(variable(unit, scope, wiring, places), used)
                    used.add(self.of[tensor])


def given_names(scope: Scope, given: Sequence[int], wiring: Wiring) -> list[str]:
    """`x`; several inputs of the network by their names, of a class by numbers."""
    if len(given) == 1:
        return ["x"]
    if scope.name:
        return [f"x{number}" for number in range(1, len(given) + 1)]
    return distinct(wiring.network.inputs, TAKEN | VARIABLES_TAKEN)


def variable(unit: Child, scope: Scope, wiring: Wiring, places: Places) -> str:
    """What a value is called by the module that gives it: `branches1_0`."""
    path = places.path(wiring.full_name(unit), scope).removeprefix("self.")
    return path.replace("[", "_").replace("]", "").replace(".", "_")
