"""Describes the class that each scope of a spec needs in an exported PyTorch module.

Such a draft lists the inner modules of a scope with all their arguments. `classes` then turns drafts that differ only
in the values of arguments into one class.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Union

from convcalc.convert.pytorch.calls import CallArgument, ModuleCall
from convcalc.convert.pytorch.forward import Forward, write_forward
from convcalc.convert.pytorch.makers import make_modules
from convcalc.convert.pytorch.module_scopes import AROUND, ModulePlaces, ModuleScope, ScopeChild, ScopeWiring
from convcalc.convert.pytorch.sharing import WeightTie

ModuleExpression = Union[ModuleCall, "ModuleContainer", "FrozenModule", "ModuleAlias"]


class ModuleContainer(NamedTuple):
    """An nn.Sequential or nn.ModuleList (`target`); `items` are its elements with their keys."""

    target: str
    items: tuple[tuple[str, Any], ...]


class FrozenModule(NamedTuple):
    """A module whose weights are not trained."""

    module: Any


class ModuleAlias(NamedTuple):
    """A reference such as `self.conv1` to a module that is used again, so that its weights are shared."""

    path: str


class ClassDraft(NamedTuple):
    """The class of one scope, before the drafts of scopes with equal classes are joined.

    `items` are the inner modules by attribute name. `ties` are pairs such as (`self.b`, `self.a`): the constructor
    assigns `self.a` to `self.b`. `forward` is None if the class is an nn.Sequential.
    """

    scope: ModuleScope
    items: tuple[tuple[str, ModuleExpression], ...]
    ties: tuple[tuple[str, str], ...]
    forward: Forward | None


def list_arguments(expression: Any) -> Iterator[CallArgument]:
    """Yield the arguments of all calls in an expression; a call inside a call is replaced by its own arguments."""
    if isinstance(expression, ModuleCall):
        for argument in expression.arguments:
            if isinstance(argument.value, ModuleCall):
                yield from list_arguments(argument.value)
            else:
                yield argument
    elif isinstance(expression, ModuleContainer):
        for _, item in expression.items:
            yield from list_arguments(item)
    elif isinstance(expression, FrozenModule):
        yield from list_arguments(expression.module)


def list_argument_owners(expression: Any, within: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the module path of each argument that `list_arguments` yields, such as ("branch", "conv1").

    `within` is the path of the expression. The key of an nn.ModuleList is left out of the paths of its elements.
    """
    if isinstance(expression, ModuleContainer):
        outer = within[:-1] if expression.target == "nn.ModuleList" else within
        for key, item in expression.items:
            yield from list_argument_owners(item, (*outer, key))
    elif isinstance(expression, FrozenModule):
        yield from list_argument_owners(expression.module, within)
    else:
        yield from (within for _ in list_arguments(expression))


def strip_values(expression: Any) -> Any:
    """Return a key that ignores argument values: equal for `nn.Linear(3, 8)` and `nn.Linear(8, 3)`."""
    if isinstance(expression, ModuleCall):
        inner = tuple((argument.name, strip_values(argument.value)) for argument in expression.arguments)
        return expression.target, inner
    if isinstance(expression, ModuleContainer):
        return expression.target, tuple((key, strip_values(item)) for key, item in expression.items)
    if isinstance(expression, FrozenModule):
        return "frozen", strip_values(expression.module)
    return expression if isinstance(expression, ModuleAlias) else None


def replace_arguments(expression: Any, arguments: Iterator[CallArgument | None]) -> Any:
    """Return the expression with new arguments, in the order of `list_arguments`; None removes an argument."""
    if isinstance(expression, ModuleCall):
        found: list[CallArgument] = []
        for argument in expression.arguments:
            if isinstance(argument.value, ModuleCall):
                found.append(argument._replace(value=replace_arguments(argument.value, arguments)))
                continue
            other = next(arguments)
            found += [other] if other is not None else []
        return ModuleCall(expression.target, tuple(found))
    if isinstance(expression, ModuleContainer):
        return ModuleContainer(
            expression.target, tuple((key, replace_arguments(item, arguments)) for key, item in expression.items)
        )
    return (
        FrozenModule(replace_arguments(expression.module, arguments))
        if isinstance(expression, FrozenModule)
        else expression
    )


class ClassDrafter:
    """Creates a ClassDraft for each scope of a network.

    `calls` maps the name of a scope to the call that creates its module, such as `Basic(64)`; the caller adds each
    scope when its class is finished. `ties` maps the name of a scope to the pairs inside it that share weights.
    """

    def __init__(self, wiring: ScopeWiring, places: ModulePlaces, ties: dict[str, list[WeightTie]]) -> None:
        self.wiring = wiring
        self.places = places
        self.ties = ties
        self.shared = {tie.target for found in ties.values() for tie in found}
        self.calls: dict[str, ModuleCall] = {}

    def draft(self, scope: ModuleScope) -> ClassDraft:
        """Return the draft of a scope's class; `calls` must already contain the inner scopes that are classes."""
        ties = self.ties.get(scope.name, [])
        direct = {tie.target: tie.source for tie in ties if self.places.parents[tie.target].name == scope.name}
        items: list[tuple[str, ModuleExpression]] = []
        for child in scope.children:
            name = self.wiring.full_name(child)
            if name in direct:
                items += self._add_padding_modules(child, ModuleAlias(self.places.path(direct[name], scope)))
            elif not self.wiring.is_merge(child):
                items += self._list_modules(child, scope)
        later = tuple(
            (self.places.path(tie.target, scope), self.places.path(tie.source, scope))
            for tie in ties
            if tie.target not in direct
        )
        sequential = self.wiring.is_sequential(scope) and (scope.name or len(self.wiring.network.outputs) == 1)
        forward = None if sequential else write_forward(scope, self.wiring, self.places)
        return ClassDraft(scope, tuple(items), later, forward)

    def _list_modules(self, child: ScopeChild, scope: ModuleScope) -> list[tuple[str, ModuleExpression]]:
        """Return (key, module) pairs for a layer or inner scope, including modules that pad or crop."""
        frozen = self.wiring.is_frozen(child) and not (scope.name and self.wiring.is_frozen(scope))
        expression: ModuleExpression = (
            make_modules(self.wiring.network.nodes[child]).module
            if isinstance(child, int)
            else self._create_inner_scope(child)
        )
        return self._add_padding_modules(child, FrozenModule(expression) if frozen else expression)

    def _add_padding_modules(
        self, child: ScopeChild, expression: ModuleExpression
    ) -> list[tuple[str, ModuleExpression]]:
        """Return `expression` with its key and, for a layer, the modules that pad before it and crop after it."""
        key = self.places.keys[self.wiring.full_name(child)]
        if not isinstance(child, int):
            return [(key, expression)]
        parts = make_modules(self.wiring.network.nodes[child])
        names = [f"{key}{AROUND[0]}", key, f"{key}{AROUND[1]}"]
        modules = [parts.before, expression, parts.after]
        return [(name, module) for name, module in zip(names, modules, strict=True) if module is not None]

    def _create_inner_scope(self, scope: ModuleScope) -> ModuleExpression:
        """Return the expression that creates the module of an inner scope, such as `Basic(64)` or `nn.Sequential(...)`.

        If the scope shares the modules of another scope, the expression is an nn.Identity, which the constructor later
        replaces by the module of that other scope.
        """
        if scope.name in self.shared:
            return ModuleCall("nn.Identity")
        if scope.name in self.calls:
            return self.calls[scope.name]
        target = "nn.ModuleList" if self.wiring.is_list(scope) else "nn.Sequential"
        if scope.copies is None and scope.word != "branches":
            keyed = [pair for child in scope.children for pair in self._list_modules(child, scope)]
            return ModuleContainer(target, tuple(keyed))
        return ModuleContainer(target, tuple(self._number_children(scope)))

    def _number_children(self, scope: ModuleScope) -> Iterator[tuple[str, ModuleExpression]]:
        """Yield the number and module of each copy or branch; a number without a module gets an nn.Identity."""
        by_number: dict[int, ModuleExpression] = {}
        for child in scope.children:
            if self.wiring.is_merge(child):
                continue
            keyed = self._list_modules(child, scope)
            number = int(self.places.keys[self.wiring.full_name(child)])
            unnumbered = tuple((str(place), module) for place, (_, module) in enumerate(keyed))
            by_number[number] = keyed[0][1] if len(keyed) == 1 else ModuleContainer("nn.Sequential", unnumbered)
        for number in range(max(by_number, default=-1) + 1):
            yield str(number), by_number.get(number, ModuleCall("nn.Identity"))
