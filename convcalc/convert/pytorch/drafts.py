"""Classes of a module's text as data: what each is made of, before those of one shape become one class."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Union

from convcalc.convert.pytorch.calls import Argument, Call
from convcalc.convert.pytorch.forward import Forward, forward_of
from convcalc.convert.pytorch.makers import made
from convcalc.convert.pytorch.module_scopes import AROUND, Child, Places, Scope, Wiring
from convcalc.convert.pytorch.sharing import Tie

Expression = Union[Call, "Container", "Frozen", "Alias"]


class Container(NamedTuple):
    """An nn.Sequential or nn.ModuleList."""

    target: str
    items: tuple[tuple[str, Any], ...]


class Frozen(NamedTuple):
    """A module whose weights are out of training."""

    module: Any


class Alias(NamedTuple):
    """A module that stands elsewhere: its weights are shared."""

    path: str


class Draft(NamedTuple):
    """One use of a class; `forward` is None of an nn.Sequential."""

    scope: Scope
    items: tuple[tuple[str, Expression], ...]
    ties: tuple[tuple[str, str], ...]
    forward: Forward | None


def arguments_of(expression: Any) -> Iterator[Argument]:
    """The arguments with plain values in an expression, in their order."""
    if isinstance(expression, Call):
        for argument in expression.arguments:
            if isinstance(argument.value, Call):
                yield from arguments_of(argument.value)
            else:
                yield argument
    elif isinstance(expression, Container):
        for _, item in expression.items:
            yield from arguments_of(item)
    elif isinstance(expression, Frozen):
        yield from arguments_of(expression.module)


def places_of(expression: Any, within: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """For each of `arguments_of` the names of the modules that it is in; lists have none."""
    if isinstance(expression, Container):
        outer = within[:-1] if expression.target == "nn.ModuleList" else within
        for key, item in expression.items:
            yield from places_of(item, (*outer, key))
    elif isinstance(expression, Frozen):
        yield from places_of(expression.module, within)
    else:
        yield from (within for _ in arguments_of(expression))


def form(expression: Any) -> Any:
    """An expression without the values of its arguments: uses of one class are equal in it."""
    if isinstance(expression, Call):
        inner = tuple((argument.name, form(argument.value)) for argument in expression.arguments)
        return expression.target, inner
    if isinstance(expression, Container):
        return expression.target, tuple((key, form(item)) for key, item in expression.items)
    if isinstance(expression, Frozen):
        return "frozen", form(expression.module)
    return expression if isinstance(expression, Alias) else None


def replaced(expression: Any, arguments: Iterator[Argument | None]) -> Any:
    """The expression with other arguments, given in the order of `arguments_of`; None leaves one out."""
    if isinstance(expression, Call):
        found: list[Argument] = []
        for argument in expression.arguments:
            if isinstance(argument.value, Call):
                found.append(argument._replace(value=replaced(argument.value, arguments)))
                continue
            other = next(arguments)
            found += [other] if other is not None else []
        return Call(expression.target, tuple(found))
    if isinstance(expression, Container):
        return Container(expression.target, tuple((key, replaced(item, arguments)) for key, item in expression.items))
    return Frozen(replaced(expression.module, arguments)) if isinstance(expression, Frozen) else expression


class Drafting:
    """Makes the drafts of a network's classes. `calls` are how the classes that are done are used, by scope."""

    def __init__(self, wiring: Wiring, places: Places, ties: dict[str, list[Tie]]) -> None:
        self.wiring = wiring
        self.places = places
        self.ties = ties
        self.shared = {tie.target for found in ties.values() for tie in found}
        self.calls: dict[str, Call] = {}

    def draft(self, scope: Scope) -> Draft:
        """The draft of a class."""
        ties = self.ties.get(scope.name, [])
        direct = {tie.target: tie.source for tie in ties if self.places.parents[tie.target].name == scope.name}
        items: list[tuple[str, Expression]] = []
        for child in scope.children:
            name = self.wiring.full_name(child)
            if name in direct:
                items.append((self.places.keys[name], Alias(self.places.path(direct[name], scope))))
            elif not self.wiring.is_merge(child):
                items += self.keyed(child, scope)
        later = tuple(
            (self.places.path(tie.target, scope), self.places.path(tie.source, scope))
            for tie in ties
            if tie.target not in direct
        )
        chain = self.wiring.is_chain(scope.children) and not (not scope.name and len(self.wiring.network.outputs) > 1)
        return Draft(scope, tuple(items), later, None if chain else forward_of(scope, self.wiring, self.places))

    def keyed(self, child: Child, scope: Scope) -> list[tuple[str, Expression]]:
        """The modules of a child under their names, with padding before and cutting after it."""
        key = self.places.keys[self.wiring.full_name(child)]
        frozen = self.wiring.is_frozen(child) and not (scope.name and self.wiring.is_frozen(scope))
        if isinstance(child, int):
            parts = made(self.wiring.network.nodes[child])
            names = [f"{key}{AROUND[0]}", key, f"{key}{AROUND[1]}"]
            modules = [parts.before, Frozen(parts.module) if frozen else parts.module, parts.after]
            return [(name, module) for name, module in zip(names, modules, strict=True) if module is not None]
        expression = self.expression(child)
        return [(key, Frozen(expression) if frozen else expression)]

    def expression(self, scope: Scope) -> Expression:
        """A class that is done, a list, or a chain; what is shared is put in its place afterwards."""
        if scope.name in self.shared:
            return Call("nn.Identity")
        if scope.name in self.calls:
            return self.calls[scope.name]
        target = "nn.ModuleList" if self.wiring.is_list(scope) else "nn.Sequential"
        if scope.copies is None and scope.word != "branches":
            keyed = [pair for child in scope.children for pair in self.keyed(child, scope)]
            return Container(target, tuple(keyed))
        return Container(target, tuple(self.numbered(scope)))

    def numbered(self, scope: Scope) -> Iterator[tuple[str, Expression]]:
        """Copies or branches; an identity stands for a number at which there is none."""
        there: dict[int, Expression] = {}
        for child in scope.children:
            if self.wiring.is_merge(child):
                continue
            keyed = self.keyed(child, scope)
            number = int(self.places.keys[self.wiring.full_name(child)])
            unnumbered = tuple((str(place), module) for place, (_, module) in enumerate(keyed))
            there[number] = keyed[0][1] if len(keyed) == 1 else Container("nn.Sequential", unnumbered)
        for number in range(max(there, default=-1) + 1):
            yield str(number), there.get(number, Call("nn.Identity"))
