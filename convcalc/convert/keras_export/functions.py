"""Turns the blocks of a spec into the functions of an exported Keras model.

For example, the block `basic` becomes `def basic(inputs, filters, *, name)`. Uses of a block that differ only in the
values of arguments become calls of one function, as the classes of the PyTorch export do. Inner functions come first.
"""

from collections.abc import Iterator
from typing import NamedTuple

from convcalc.convert.keras_export.calls import Inexpressible, KerasCalls
from convcalc.convert.keras_export.makers import make_calls
from convcalc.convert.keras_export.tensors import find_facts
from convcalc.convert.pytorch.calls import CallArgument, ModuleCall
from convcalc.convert.pytorch.classes import ClassParameter, Items, join_items, reserve_name
from convcalc.convert.pytorch.drafts import ModuleExpression, strip_values
from convcalc.convert.pytorch.makers import NotExported
from convcalc.convert.pytorch.module_scopes import ModuleScope, ScopeChild, ScopeWiring, build_scope_tree
from convcalc.convert.pytorch.names import make_identifier
from convcalc.network import Network

RESERVED = frozenset({"keras", "layers", "ops", "build", "inputs", "name", "outputs", "x"})
_MOST_NAMED = 10  # layers in an error message

Token = tuple[str | int, ...]
"""A value in a function: ("input", i), ("output", i), ("step", i, n) or, for a layer object, ("layer", i).

Except for an input, i is the index of a layer, counted from the first layer of the function.
"""


class Statement(NamedTuple):
    """A statement that applies a layer, or a function of keras.ops, or calls the function of a block.

    `name` is the name of the layer, without that of the block around it. For `form`, see KerasCall; "block" calls a
    function, and "bind" only creates a layer. `layer` is the layer object to apply, if it is not created here.
    """

    name: str
    form: str
    inputs: tuple[Token, ...]
    outputs: tuple[Token, ...]
    layer: Token | None = None


class KerasFunction(NamedTuple):
    """A function of the exported file: `build` for the network, any other for a block.

    `calls` are the calls of the statements. `word` is the name of the block, and `uses` are the names of its uses.
    `separator` is between the name of a use and the names of its layers.
    """

    name: str
    word: str
    uses: tuple[str, ...]
    parameters: tuple[ClassParameter, ...]
    inputs: tuple[Token, ...]
    statements: tuple[Statement, ...]
    calls: tuple[ModuleExpression, ...]
    outputs: tuple[Token, ...]
    separator: str


class _Draft(NamedTuple):
    """A function for one use of a block, before those of equal uses are joined."""

    scope: ModuleScope
    inputs: tuple[Token, ...]
    statements: tuple[Statement, ...]
    items: Items  # the calls of the statements
    outputs: tuple[Token, ...]


def list_functions(network: Network, taken: frozenset[str]) -> list[KerasFunction]:
    """Return the functions of a network, each after the functions that it calls. The last one is `build`.

    No function has a name in `taken`. Raises NotExported if Keras cannot express a layer exactly.
    """
    drafter = _Drafter(network)
    found = []
    used = drafter.list_taken_names() | taken
    for level in drafter.list_levels():
        groups: dict[object, list[_Draft]] = {}
        for draft in map(drafter.draft, level):
            key = tuple((key, strip_values(item)) for key, item in draft.items)
            groups.setdefault((draft.scope.block, key, *draft[1:3], draft.outputs), []).append(draft)
        for drafts in groups.values():
            name = _reserve_name(drafts[0].scope, used)
            joined = join_items([draft.items for draft in drafts], [draft.scope for draft in drafts], name)
            uses = tuple(draft.scope.name for draft in drafts)
            drafter.calls.update(zip(uses, joined.calls, strict=True))
            _, inputs, statements, _, outputs = drafts[0]
            calls = tuple(call for _, call in joined.items)
            found.append(
                KerasFunction(
                    name,
                    drafts[0].scope.word,
                    uses,
                    joined.parameters,
                    inputs,
                    statements,
                    calls,
                    outputs,
                    drafter.separator,
                )
            )
    return found


def _reserve_name(scope: ModuleScope, used: set[str]) -> str:
    if not scope.name:
        return "build"
    return reserve_name(make_identifier(scope.block or scope.word, RESERVED), used)


class _Drafter:
    """Drafts the functions of a network. `calls` maps the name of a scope to the call of its function."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.wiring = ScopeWiring(network)
        self.root = build_scope_tree(network)
        self.made = _make_all_calls(network)
        self.owned = {node.owner for node in network.nodes if node.owner is not None}
        self.separator = _choose_separator(network)
        self.names = {name.replace(".", self.separator) for name in _list_names(network)}
        self.suffixes = {"": ""}
        self.calls: dict[str, ModuleCall] = {}
        self.ties = [(index, node.owner) for index, node in enumerate(network.nodes) if node.owner is not None]
        self.functions: dict[str, bool] = {"": True}  # whether each scope becomes a function
        _check_all_used(network)
        _check_sharing(network, self.made)

    def list_taken_names(self) -> set[str]:
        """Return the names that no function may have, because a parameter or variable could hide it."""
        arguments = {argument.name for made in self.made for call in made for argument in call.call.arguments}
        return {*RESERVED, *arguments}

    def list_levels(self) -> list[list[ModuleScope]]:
        """Return the scopes that become functions, in groups: the inner scopes of each scope are in earlier groups."""
        levels: list[list[ModuleScope]] = []

        def visit(scope: ModuleScope) -> int:
            height = max((visit(child) for child in scope.children if isinstance(child, ModuleScope)), default=0)
            if not self.is_function(scope):
                return height
            levels.extend([] for _ in range(height + 1 - len(levels)))
            levels[height].append(scope)
            return height + 1

        visit(self.root)
        return levels

    def is_function(self, scope: ModuleScope) -> bool:
        """Whether a scope becomes a function: the network, or a block that shares no weights with layers outside."""
        if scope.name not in self.functions:
            inside = range(scope.start, scope.stop)
            self.functions[scope.name] = (
                scope.block is not None
                and all(self.network.nodes[index].name.startswith(f"{scope.name}.") for index in inside)
                and bool(self.wiring.list_inputs(scope))
                and all((one in inside) == (other in inside) for one, other in self.ties)
            )
        return self.functions[scope.name]

    def draft(self, scope: ModuleScope) -> _Draft:
        """Return the draft of a scope's function; `calls` must already contain the inner functions."""
        outer = range(self.wiring.input_count) if not scope.name else self.wiring.list_inputs(scope)
        final = self.network.outputs.values() if not scope.name else self.wiring.list_outputs(scope)
        tokens: dict[int, Token] = {tensor: ("input", place) for place, tensor in enumerate(outer)}
        inputs = tuple(tokens.values())
        for index in range(scope.start, scope.stop):
            tokens[self.wiring.input_count + index] = ("output", index - scope.start)
        pairs = [pair for unit in self.list_units(scope) for pair in self.list_statements(unit, scope, tokens)]
        items = tuple((make_identifier(statement.name), call) for statement, call in pairs)
        hiding = RESERVED | {call.target for call in self.calls.values()}
        parameters = {
            name: value for name, value in scope.parameters.items() if make_identifier(name, ()) not in hiding
        }
        statements = tuple(statement for statement, _ in pairs)
        outputs = tuple(tokens[tensor] for tensor in final)
        return _Draft(scope._replace(parameters=parameters), inputs, statements, items, outputs)

    def list_units(self, scope: ModuleScope) -> Iterator[ScopeChild]:
        """Yield the layers and inner functions of a scope, in order, including those of scopes without a function."""
        for child in scope.children:
            if isinstance(child, ModuleScope) and not self.is_function(child):
                yield from self.list_units(child)
            else:
                yield child

    def list_statements(
        self, unit: ScopeChild, scope: ModuleScope, tokens: dict[int, Token]
    ) -> Iterator[tuple[Statement, ModuleCall]]:
        """Yield the statements of a layer or inner function, with their calls."""
        name = self.wiring.full_name(unit).removeprefix(f"{scope.name}.").replace(".", self.separator)
        if isinstance(unit, ModuleScope):
            inputs = tuple(tokens[tensor] for tensor in self.wiring.list_inputs(unit))
            outputs = tuple(tokens[tensor] for tensor in self.wiring.list_outputs(unit))
            yield Statement(name, "block", inputs, outputs), self.calls[unit.name]
            return
        node, made = self.network.nodes[unit], self.made[unit]
        # a parameter reads only the batch size, from any input
        reads = tuple(tokens[tensor] for tensor in node.reads) or (("input", 0),)
        place = unit - scope.start
        for number, found in enumerate(made):
            last = number == len(made) - 1
            output: Token = ("output", place) if last else ("step", place, number)
            own, layer = name + self.choose_suffix(found.suffix), None
            if found.learns and (node.owner is not None or unit in self.owned):
                layer = ("layer", (unit if node.owner is None else node.owner) - scope.start, number)
                if node.owner is None:
                    yield Statement(own, "bind", (), (layer,)), found.call
            yield Statement(own, found.form, reads, (output,), layer), ModuleCall("") if layer else found.call
            reads = (output,)

    def choose_suffix(self, suffix: str) -> str:
        """Return the suffix, with underscores appended if a layer with it would have the name of another layer."""
        if suffix not in self.suffixes:
            free = suffix
            while any(f"{name}{free}" in self.names for name in self.names):
                free += "_"
            self.suffixes[suffix] = free
        return self.suffixes[suffix]


def _list_names(network: Network) -> list[str]:
    return [*network.inputs, *(node.name for node in network.nodes)]


def _choose_separator(network: Network) -> str:
    """Return the underscores that replace a dot in a name, because Keras allows none; as few as keep names distinct."""
    separator, names = "_", _list_names(network)
    while len({name.replace(".", separator) for name in names}) < len(names):
        separator += "_"
    return separator


def _make_all_calls(network: Network) -> list[KerasCalls]:
    """Return the calls of each layer. Raises NotExported with the names of all layers that Keras cannot express."""
    found, missing = [], []
    for node, facts in zip(network.nodes, find_facts(network), strict=True):
        try:
            made = make_calls(node, facts)
        except Inexpressible as why:
            missing.append(f"{node.name} ({why})")
            continue
        trained = CallArgument("trainable", not node.frozen, True)
        found.append(
            [
                call._replace(call=ModuleCall(call.call.target, (*call.call.arguments, trained)))
                if call.learns and node.owner is None
                else call
                for call in made
            ]
        )
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise NotExported(
            f"Keras cannot express {', '.join(missing[:_MOST_NAMED])}{more} exactly; "
            "replace these layers in the spec, or export it to torch or onnx"
        )
    return found


def _check_all_used(network: Network) -> None:
    """Raise NotExported if no output depends on a layer, because a functional model would leave it out."""
    count = len(network.inputs)
    used = set(network.outputs.values())
    for index, node in reversed(list(enumerate(network.nodes))):
        if count + index in used:
            used.update(node.reads)
    unused = [node.name for index, node in enumerate(network.nodes) if count + index not in used]
    if unused:
        more = f" and {len(unused) - _MOST_NAMED} more" if len(unused) > _MOST_NAMED else ""
        raise NotExported(
            f"no output depends on {', '.join(unused[:_MOST_NAMED])}{more}, so that a Keras model cannot contain it; "
            "list it in outputs, or remove it"
        )


def _check_sharing(network: Network, made: list[KerasCalls]) -> None:
    """Raise NotExported if a layer shares the weights of another one but has other arguments, such as a stride."""
    for node, calls in zip(network.nodes, made, strict=True):
        if node.owner is None:
            continue
        own = [call.call for call in calls if call.learns]
        others = [call.call for call in made[node.owner] if call.learns]
        if own != [ModuleCall(call.target, call.arguments[:-1]) for call in others]:
            raise NotExported(
                f"{node.name} shares the weights of {network.nodes[node.owner].name} but has other arguments; "
                "in Keras, only calls of one layer share weights"
            )
