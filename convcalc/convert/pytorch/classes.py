"""Turns the scopes of a spec into the classes of an exported PyTorch module.

For example, the block `basic` becomes `class Basic(nn.Module)`. Each scope first gets a `ClassDraft`, which contains
all values. Drafts that differ only in the values of arguments become one class, used once per draft. An argument with
the same value in all of them is written in the class; any other becomes a parameter of `__init__`. Inner classes come
first, because the outer classes call them.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from convcalc.convert.pytorch.calls import REQUIRED, CallArgument, ModuleCall
from convcalc.convert.pytorch.drafts import (
    ClassDraft,
    ClassDrafter,
    ModuleExpression,
    list_argument_owners,
    list_arguments,
    replace_arguments,
    strip_values,
)
from convcalc.convert.pytorch.forward import Forward
from convcalc.convert.pytorch.module_scopes import ModulePlaces, ModuleScope, ScopeWiring, build_scope_tree
from convcalc.convert.pytorch.names import (
    CLASSES_TAKEN,
    VARIABLES_TAKEN,
    first_free_name,
    make_class_name,
    make_identifier,
)
from convcalc.convert.pytorch.sharing import find_ties
from convcalc.network import Network

ALWAYS_NAMED = object()  # the default of an argument that is always written with its name
_FEATURES = frozenset({"in_channels", "num_features", "in_features", "channels", "normalized_shape", "num_channels"})
_SIZES = _FEATURES | {"out_channels", "out_features", "filters", "units"}  # the last two are Keras's names


class ParameterReference(NamedTuple):
    """A reference to a constructor parameter in place of a value: `channels` in `nn.Conv2d(3, channels, 1)`."""

    name: str


class ClassParameter(NamedTuple):
    """A constructor parameter of an exported class; `values` has its value in each instance of the class.

    `default` is ALWAYS_NAMED if the parameter has no default.
    """

    name: str
    default: Any
    values: tuple[Any, ...]


class ModuleClass(NamedTuple):
    """A class of the exported module.

    - `word`: the name in the spec from which the class name is made, such as the block name `basic`
    - `uses`: the names of the scopes that are instances of the class
    - `items`: the inner modules by attribute name; their arguments are plain values or ParameterReferences
    - `ties`: pairs such as (`self.b`, `self.a`): the constructor assigns `self.a` to `self.b`, to share weights
    - `forward`: None if the class is an nn.Sequential
    """

    name: str
    word: str
    uses: tuple[str, ...]
    parameters: tuple[ClassParameter, ...]
    items: tuple[tuple[str, ModuleExpression], ...]
    ties: tuple[tuple[str, str], ...]
    forward: Forward | None


Items = tuple[tuple[str, ModuleExpression], ...]
_Column = tuple[CallArgument, ...]  # the same argument in each use of a class


def list_classes(network: Network, taken: set[str]) -> list[ModuleClass]:
    """Return the classes of a network, each after the classes that it uses.

    Only the class of the whole network may have a name in `taken`.
    """
    root, wiring = build_scope_tree(network), ScopeWiring(network)
    places = ModulePlaces(root, wiring)
    ties = find_ties(wiring, places)
    drafter = ClassDrafter(wiring, places, ties)
    shared = {tie.target for found in ties.values() for tie in found}
    used = set(taken) | CLASSES_TAKEN | {make_class_name(network.name)}
    found = []
    for level in _list_scopes_by_height(root, wiring, shared):
        for drafts in _group_drafts([drafter.draft(scope) for scope in level], places):
            base = _choose_base_name(drafts[0].scope, places)
            name = make_class_name(base) if not drafts[0].scope.name else reserve_name(make_class_name(base), used)
            made, calls = _join_drafts(name, base, drafts)
            found.append(made)
            drafter.calls.update(zip(made.uses, calls, strict=True))
    return found


def _list_scopes_by_height(root: ModuleScope, wiring: ScopeWiring, shared: set[str]) -> list[list[ModuleScope]]:
    """Return the scopes that become classes, in groups: the inner scopes of each scope are in earlier groups.

    `shared` has the names of scopes that use the modules of another scope; they need no class.
    """
    heights: dict[int, list[ModuleScope]] = {}

    def visit(scope: ModuleScope) -> int:
        inner = [
            visit(child) for child in scope.children if isinstance(child, ModuleScope) and child.name not in shared
        ]
        height = 1 + max(inner, default=0)
        if wiring.is_class(scope):
            heights.setdefault(height, []).append(scope)
        return height

    visit(root)
    return [sorted(heights[height], key=lambda scope: scope.start) for height in sorted(heights)]


def _group_drafts(drafts: list[ClassDraft], places: ModulePlaces) -> list[list[ClassDraft]]:
    """Group the drafts that have one base name and differ only in argument values; each group becomes one class."""
    groups: dict[Any, list[ClassDraft]] = {}
    for draft in drafts:
        items = tuple((key, strip_values(item)) for key, item in draft.items)
        groups.setdefault((_choose_base_name(draft.scope, places), items, draft.ties, draft.forward), []).append(draft)
    return list(groups.values())


def _choose_base_name(scope: ModuleScope, places: ModulePlaces) -> str:
    """Return the name from which the class name of a scope is made.

    For a block or the whole network, this is its name. For a sequence, it is the last part of the scope's name that is
    not a number: `stem` for `stem.0`. For any other scope, it is its key in the spec, after the name of the block
    around it: `basic_branches` for the key `branches` in the block `basic`.
    """
    if not scope.name or scope.block is not None:
        return scope.block or scope.word
    if scope.word == "sequence":
        return next((part for part in reversed(scope.name.split(".")) if not part.isdigit()), scope.word)
    block = next((outer.block for outer in places.ancestors(scope.name) if outer.block is not None), "")
    return f"{block}_{scope.word}" if block else scope.word


def reserve_name(name: str, used: set[str]) -> str:
    """Return the name, with a number appended if it is in `used`, and add the result to `used`."""
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}{number}"
    used.add(candidate)
    return candidate


def _join_drafts(name: str, word: str, drafts: Sequence[ClassDraft]) -> tuple[ModuleClass, list[ModuleCall]]:
    """Return the class for a group of drafts, and the calls that create its instances, one for each draft."""
    joined = join_items([draft.items for draft in drafts], [draft.scope for draft in drafts], name)
    uses = tuple(draft.scope.name for draft in drafts)
    made = ModuleClass(name, word, uses, joined.parameters, joined.items, drafts[0].ties, drafts[0].forward)
    return made, joined.calls


class JoinedItems(NamedTuple):
    """The code that several uses of a block have in common.

    `items` are the inner modules by key, in which arguments that differ between the uses are ParameterReferences.
    `calls` has one call per use, with the values of `parameters`.
    """

    items: Items
    parameters: tuple[ClassParameter, ...]
    calls: list[ModuleCall]


def join_items(items_of_uses: Sequence[Items], scopes: Sequence[ModuleScope], name: str) -> JoinedItems:
    """Return the code that uses of a block share. Their items may differ only in the values of arguments.

    `scopes` are the scopes of the uses, whose block parameters give names to parameters; `name` is the target of the
    calls.
    """
    uses_arguments = [[found for _, item in items for found in list_arguments(item)] for items in items_of_uses]
    columns: list[_Column] = list(zip(*uses_arguments, strict=True))
    parameter_names = _choose_parameter_names(
        columns, _list_module_paths(items_of_uses[0]), _collect_block_parameters(scopes)
    )
    values = iter([_write_argument(column, parameter_names[place]) for place, column in enumerate(columns)])
    items = tuple((key, replace_arguments(item, values)) for key, item in items_of_uses[0])
    parameters = _list_parameters(columns, parameter_names)
    calls = [
        ModuleCall(
            name,
            tuple(CallArgument(parameter_name, values[use], default) for parameter_name, default, values in parameters),
        )
        for use in range(len(items_of_uses))
    ]
    return JoinedItems(items, parameters, calls)


def _list_parameters(columns: list[_Column], parameter_names: list[str | None]) -> tuple[ClassParameter, ...]:
    """Return the constructor parameters of a class, those with a default last.

    `columns` are the arguments of the inner modules. `parameter_names` has the constructor parameter from which each of
    these arguments takes its value, or None if the value is the same in all instances.
    """
    found: dict[str, ClassParameter] = {}
    for column, parameter_name in zip(columns, parameter_names, strict=True):
        if parameter_name is None or parameter_name in found:
            continue
        default = column[0].default
        plain = default not in (REQUIRED, ALWAYS_NAMED) and all(
            is_same_value(argument.default, default) for argument in column
        )
        values = tuple(argument.value for argument in column)
        found[parameter_name] = ClassParameter(parameter_name, default if plain else ALWAYS_NAMED, values)
    return tuple(sorted(found.values(), key=lambda parameter: parameter.default is not ALWAYS_NAMED))


def _write_argument(column: _Column, parameter_name: str | None) -> CallArgument | None:
    """Return an argument as the class has it in its code, such as `stride=stride` or `stride=2`.

    None if every instance of the class uses the default value, so that the code can omit the argument.
    """
    first = column[0]
    if parameter_name is not None:
        return first._replace(
            value=ParameterReference(parameter_name),
            default=ALWAYS_NAMED if first.default is not REQUIRED else REQUIRED,
        )
    left_out = first.default not in (REQUIRED, ALWAYS_NAMED) and all(
        is_same_value(item.value, item.default) for item in column
    )
    return None if left_out else first


def is_same_value(one: Any, other: Any) -> bool:
    """Whether two values are equal and have the same type: 1 and True, although equal, are not the same value."""
    return one == other and type(one) is type(other)


def _list_module_paths(items: Items) -> list[tuple[str, ...]]:
    """Return the module path of each argument in a class, such as ("branch", "conv1").

    The arguments are in the order of `list_arguments`.
    """
    return [where for key, item in items for where in list_argument_owners(item, (key,))]


def _collect_block_parameters(scopes: Sequence[ModuleScope]) -> dict[str, list[Any]]:
    """Map each block parameter, as a Python identifier, to its value in each scope.

    Parameters with names such as `Conv` or `super` are left out, because they could hide a class or function that the
    constructor uses.
    """
    values = {name: [scope.parameters.get(name) for scope in scopes] for name in scopes[0].parameters}
    named = {make_identifier(name, VARIABLES_TAKEN): given for name, given in values.items()}
    return {name: given for name, given in named.items() if name[0].islower() and name != "super"}


def _choose_parameter_names(
    columns: list[_Column], modules: list[tuple[str, ...]], parameters: dict[str, list[Any]]
) -> list[str | None]:
    """Return the name of the constructor parameter for each argument of the inner modules.

    The name is None if the argument has the same value in every instance of the class. If the argument equals a block
    parameter in every instance, it gets the name of the block parameter. `modules` has the module path of each
    argument, `parameters` the values of each block parameter.
    """
    equal = _match_block_parameters(columns, parameters)
    keys = [
        name or _make_parameter_key(column) if _differs(column) else None
        for column, name in zip(columns, equal, strict=True)
    ]
    wanted: dict[Any, tuple[str, tuple[str, ...]]] = {}
    for key, column, name, module in zip(keys, columns, equal, modules, strict=True):
        if key is not None and key not in wanted:
            own = "in_channels" if column[0].name in _FEATURES else column[0].name
            wanted[key] = (own, module) if name is None else (name, ())
    names = dict(zip(wanted, _make_distinct_names(list(wanted.values())), strict=True))
    return [None if key is None else names[key] for key in keys]


def _match_block_parameters(columns: list[_Column], parameters: dict[str, list[Any]]) -> list[str | None]:
    """Return, for each argument, a block parameter that has the same value in every instance; None if there is none.

    A block parameter with the name of an argument, such as `stride`, matches only arguments named `stride`. Only the
    names of channel and feature counts are interchangeable: `out_channels` also matches `in_features`.
    """
    arguments = {column[0].name for column in columns}
    found = []
    for column in columns:
        own, values = column[0].name, [argument.value for argument in column]
        equal = [name for name, given in parameters.items() if all(map(is_same_value, given, values))]
        others = arguments - _SIZES if own in _SIZES else arguments
        found.append(own if own in equal else next((name for name in equal if name not in others), None))
    return found


def _differs(column: _Column) -> bool:
    return any(not is_same_value(argument.value, column[0].value) for argument in column)


def _make_parameter_key(column: _Column) -> Any:
    """Return the same key for arguments that can use the same constructor parameter.

    Such arguments have the same values in all instances and the same name. The names of channel and feature counts may
    differ, as `in_channels` and `num_features` do.
    """
    name = column[0].name
    return "channels" if name in _SIZES else name, tuple((type(argument.value), argument.value) for argument in column)


def _make_distinct_names(wanted: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return a distinct name for each constructor parameter; `wanted` has preferred names and module paths.

    Block parameters have an empty path and keep their names. If several other parameters want the same name, the last
    one keeps it (for `in_channels`, the first one). The others get a prefix: the key of their module, as in
    `conv1_stride`, or the full path, as in `branch0_conv1_stride`, if two of their modules have the same key.
    """
    alone: dict[str, int] = {}
    for place, (name, _) in enumerate(wanted):
        if name not in alone or name != "in_channels":
            alone[name] = place
    alone |= {name: place for place, (name, where) in enumerate(wanted) if not where}
    innermost = Counter((where[-1:], name) for place, (name, where) in enumerate(wanted) if alone[name] != place)
    found: list[str] = []
    for place, (name, where) in enumerate(wanted):
        modules = where[-1:] if innermost[where[-1:], name] == 1 else where
        own = name if alone[name] == place else "_".join([*map(_word_key, modules), name])
        found.append(own if own == name else first_free_name(own, {*found, *alone}))
    return found


def _word_key(key: str) -> str:
    """Return a module's key for a parameter name: `branch0` for the key 0; any other key is unchanged."""
    return f"branch{key}" if key.isdigit() else key
