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
_SIZES = _FEATURES | {"out_channels", "out_features"}


class ParameterReference(NamedTuple):
    """A reference to a constructor parameter in place of a value: `channels` in `nn.Conv2d(3, channels, 1)`."""

    name: str


class ClassParameter(NamedTuple):
    """A constructor parameter of a class, with its value in each use of the class.

    `default` is ALWAYS_NAMED if the parameter has no default.
    """

    name: str
    default: Any
    values: tuple[Any, ...]


class ModuleClass(NamedTuple):
    """A class of the exported module.

    `word` is the name in the spec that the class is named after, such as its block. `uses` are the names of the scopes
    that are instances of the class. `items` are its inner modules by attribute name; their arguments are plain values
    or ParameterReferences. `ties` are pairs of expressions (target, source): the constructor assigns the source to the
    target, so that they share weights. `forward` is None if the class is an nn.Sequential.
    """

    name: str
    word: str
    uses: tuple[str, ...]
    parameters: tuple[ClassParameter, ...]
    items: tuple[tuple[str, ModuleExpression], ...]
    ties: tuple[tuple[str, str], ...]
    forward: Forward | None


_Column = tuple[CallArgument, ...]  # the same argument in each use of a class


def list_classes(network: Network, taken: set[str]) -> list[ModuleClass]:
    """Return the classes of a network, each after the classes that it uses.

    No inner class gets a name in `taken`.
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
            name = (
                make_class_name(base) if not drafts[0].scope.name else _reserve_class_name(make_class_name(base), used)
            )
            made, calls = _join_drafts(name, base, drafts)
            found.append(made)
            drafter.calls.update(zip(made.uses, calls, strict=True))
    return found


def _list_scopes_by_height(root: ModuleScope, wiring: ScopeWiring, shared: set[str]) -> list[list[ModuleScope]]:
    """Return the scopes that become classes, grouped by the depth of nesting inside them, innermost first.

    Scopes in `shared` are left out, because they use the modules of another scope.
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
    """Group the drafts that have the same base name and differ only in values. Each group becomes one class."""
    groups: dict[Any, list[ClassDraft]] = {}
    for draft in drafts:
        items = tuple((key, strip_values(item)) for key, item in draft.items)
        groups.setdefault((_choose_base_name(draft.scope, places), items, draft.ties, draft.forward), []).append(draft)
    return list(groups.values())


def _choose_base_name(scope: ModuleScope, places: ModulePlaces) -> str:
    """Return the name that the class of a scope is made from.

    It is the name of the block, or of the network for the outermost scope. For a sequence, it is the last part of its
    name that is not a number. For any other scope, it is its key in the spec after the block around it, such as
    `basic_branch`.
    """
    if not scope.name or scope.block is not None:
        return scope.block or scope.word
    if scope.word == "sequence":
        return next((part for part in reversed(scope.name.split(".")) if not part.isdigit()), scope.word)
    block = next((outer.block for outer in places.ancestors(scope.name) if outer.block is not None), "")
    return f"{block}_{scope.word}" if block else scope.word


def _reserve_class_name(name: str, used: set[str]) -> str:
    """Return the name, with a number appended if it is in `used`, and add the result to `used`."""
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}{number}"
    used.add(candidate)
    return candidate


def _join_drafts(name: str, word: str, drafts: Sequence[ClassDraft]) -> tuple[ModuleClass, list[ModuleCall]]:
    """Return the class for a group of drafts, and for each draft the call that creates an instance."""
    uses_arguments = [[found for _, item in draft.items for found in list_arguments(item)] for draft in drafts]
    columns: list[_Column] = list(zip(*uses_arguments, strict=True))
    parameter_names = _choose_parameter_names(columns, _list_module_paths(drafts[0]), _collect_block_parameters(drafts))
    values = iter([_write_argument(column, parameter_names[place]) for place, column in enumerate(columns)])
    items = tuple((key, replace_arguments(item, values)) for key, item in drafts[0].items)
    parameters = _list_parameters(columns, parameter_names)
    calls = [
        ModuleCall(
            name,
            tuple(CallArgument(parameter_name, values[use], default) for parameter_name, default, values in parameters),
        )
        for use in range(len(drafts))
    ]
    uses = tuple(draft.scope.name for draft in drafts)
    return ModuleClass(name, word, uses, parameters, items, drafts[0].ties, drafts[0].forward), calls


def _list_parameters(columns: list[_Column], parameter_names: list[str | None]) -> tuple[ClassParameter, ...]:
    """Return the constructor parameters of a class, those with a default last.

    `parameter_names` has the name of the parameter for each argument; None if the argument needs no parameter.
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
    """Return an argument as the class writes it: a reference to a parameter, or the value that all uses share.

    None if all uses have the default value, so that the argument need not be written.
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


def _list_module_paths(draft: ClassDraft) -> list[tuple[str, ...]]:
    """Return the path of the module of each argument in a draft, as a tuple of keys, outermost first.

    The order is that of `list_arguments`.
    """
    return [where for key, item in draft.items for where in list_argument_owners(item, (key,))]


def _collect_block_parameters(drafts: Sequence[ClassDraft]) -> dict[str, list[Any]]:
    """Return the values of each block parameter in all drafts, by a name that is valid in Python.

    Parameters that could hide a class or function used in the constructor are left out.
    """
    first = drafts[0].scope.parameters
    values = {name: [draft.scope.parameters.get(name) for draft in drafts] for name in first}
    named = {make_identifier(name, VARIABLES_TAKEN): given for name, given in values.items()}
    return {name: given for name, given in named.items() if name[0].islower() and name != "super"}


def _choose_parameter_names(
    columns: list[_Column], modules: list[tuple[str, ...]], parameters: dict[str, list[Any]]
) -> list[str | None]:
    """Return the name of the constructor parameter for each argument; None if all uses have the same value.

    An argument that equals a parameter of the block in every use gets that parameter's name. `modules` has the path of
    each argument's module, `parameters` the values of the block's parameters in each use.
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
    """Return, for each argument, the block parameter that has the same value in every use; None without one.

    A block parameter named like an argument, such as `stride`, only matches arguments of that name. A parameter named
    after a number of channels or features, such as `out_channels`, also matches every other such number.
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
    """Return a key that is equal for arguments that share one constructor parameter.

    They have the same values in all uses and the same name. Numbers of channels or features may have different names.
    """
    name = column[0].name
    return "channels" if name in _SIZES else name, tuple((type(argument.value), argument.value) for argument in column)


def _make_distinct_names(wanted: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return distinct names for constructor parameters, given their wanted names and the paths of their modules.

    Parameters of the block have an empty path and keep their names. If other parameters want the same name, one keeps
    it: the first for `in_channels`, the last for any other name. The remaining names begin with the key of the module,
    or with its full path if the key is ambiguous.
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
    """Return a module's key as part of a name: `branch0` for the number 0, any other key unchanged."""
    return f"branch{key}" if key.isdigit() else key
