"""Turns the blocks of a spec into the classes of an exported PyTorch module: `basic` becomes `class Basic(nn.Module)`.

Every scope is drafted, the innermost first. Drafts that are equal except for the values of arguments become a single
class: values that they share are written in the class, the others become parameters of its `__init__`.
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


class ClassSlot(NamedTuple):
    """The name of a constructor parameter that replaces a number: `channels` in `nn.Conv2d(3, channels, 1)`."""

    name: str


class ClassParameter(NamedTuple):
    """A parameter of a class: its default, and its value in each use."""

    name: str
    default: Any
    values: tuple[Any, ...]


class ModuleClass(NamedTuple):
    """A class of the exported module. Arguments are plain values or slots; `forward` is None for an nn.Sequential."""

    name: str
    word: str
    uses: tuple[str, ...]
    parameters: tuple[ClassParameter, ...]
    items: tuple[tuple[str, ModuleExpression], ...]
    ties: tuple[tuple[str, str], ...]
    forward: Forward | None


_Column = tuple[CallArgument, ...]  # one argument of a module in a class, as each use of the class gives it


def list_classes(network: Network, taken: set[str]) -> list[ModuleClass]:
    """Return the classes of a network, each after those that it uses; names in `taken` are not used."""
    root, wiring = build_scope_tree(network), ScopeWiring(network)
    places = ModulePlaces(root, wiring)
    ties = find_ties(wiring, places)
    drafter = ClassDrafter(wiring, places, ties)
    shared = {tie.target for found in ties.values() for tie in found}
    used = set(taken) | CLASSES_TAKEN | {make_class_name(network.name)}
    found = []
    for level in _list_levels(root, wiring, shared):
        for drafts in _group_drafts([drafter.draft(scope) for scope in level], places):
            base = _base_name(drafts[0].scope, places)
            name = make_class_name(base) if not drafts[0].scope.name else _free_class_name(make_class_name(base), used)
            made, calls = _join_drafts(name, base, drafts)
            found.append(made)
            drafter.calls.update(zip(made.uses, calls, strict=True))
    return found


def _list_levels(root: ModuleScope, wiring: ScopeWiring, shared: set[str]) -> list[list[ModuleScope]]:
    """Return the scopes that become classes, grouped by depth, the deepest first; shared scopes appear once."""
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
    """Group drafts that become a single class: same block, equal except for the values of arguments."""
    groups: dict[Any, list[ClassDraft]] = {}
    for draft in drafts:
        items = tuple((key, strip_values(item)) for key, item in draft.items)
        groups.setdefault((_base_name(draft.scope, places), items, draft.ties, draft.forward), []).append(draft)
    return list(groups.values())


def _base_name(scope: ModuleScope, places: ModulePlaces) -> str:
    """Return the name that a class is named after: the block, the sequence's name, or the block around a branch."""
    if not scope.name or scope.block is not None:
        return scope.block or scope.word
    if scope.word == "sequence":
        return next((part for part in reversed(scope.name.split(".")) if not part.isdigit()), scope.word)
    block = next((outer.block for outer in places.ancestors(scope.name) if outer.block is not None), "")
    return f"{block}_{scope.word}" if block else scope.word


def _free_class_name(name: str, used: set[str]) -> str:
    """Return the name, with a number appended if it is taken, and mark it as taken."""
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}{number}"
    used.add(candidate)
    return candidate


def _join_drafts(name: str, word: str, drafts: Sequence[ClassDraft]) -> tuple[ModuleClass, list[ModuleCall]]:
    """Return the class of equal drafts, and the call that creates it in each use."""
    uses_arguments = [[found for _, item in draft.items for found in list_arguments(item)] for draft in drafts]
    columns: list[_Column] = list(zip(*uses_arguments, strict=True))
    slots = _name_slots(columns, _list_owners(drafts[0]), _collect_block_parameters(drafts))
    values = iter([_settle_argument(column, slots[place]) for place, column in enumerate(columns)])
    items = tuple((key, replace_arguments(item, values)) for key, item in drafts[0].items)
    parameters = _list_parameters(columns, slots)
    calls = [
        ModuleCall(name, tuple(CallArgument(slot, values[use], default) for slot, default, values in parameters))
        for use in range(len(drafts))
    ]
    uses = tuple(draft.scope.name for draft in drafts)
    return ModuleClass(name, word, uses, parameters, items, drafts[0].ties, drafts[0].forward), calls


def _list_parameters(columns: list[_Column], slots: list[str | None]) -> tuple[ClassParameter, ...]:
    """Return the constructor parameters in order, those with a default last."""
    found: dict[str, ClassParameter] = {}
    for column, slot in zip(columns, slots, strict=True):
        if slot is None or slot in found:
            continue
        default = column[0].default
        plain = default not in (REQUIRED, ALWAYS_NAMED) and all(
            is_same_value(argument.default, default) for argument in column
        )
        values = tuple(argument.value for argument in column)
        found[slot] = ClassParameter(slot, default if plain else ALWAYS_NAMED, values)
    return tuple(sorted(found.values(), key=lambda parameter: parameter.default is not ALWAYS_NAMED))


def _settle_argument(column: _Column, slot: str | None) -> CallArgument | None:
    """Return the argument as written in the class: a slot, the shared value, or None if it is the default."""
    first = column[0]
    if slot is not None:
        return first._replace(
            value=ClassSlot(slot), default=ALWAYS_NAMED if first.default is not REQUIRED else REQUIRED
        )
    left_out = first.default not in (REQUIRED, ALWAYS_NAMED) and all(
        is_same_value(item.value, item.default) for item in column
    )
    return None if left_out else first


def is_same_value(one: Any, other: Any) -> bool:
    """Whether values are equal and of the same type: 1 and True are not."""
    return one == other and type(one) is type(other)


def _list_owners(draft: ClassDraft) -> list[tuple[str, ...]]:
    """Return, for each argument of a draft, the names of the modules around it, the outermost first."""
    return [where for key, item in draft.items for where in list_argument_owners(item, (key,))]


def _collect_block_parameters(drafts: Sequence[ClassDraft]) -> dict[str, list[Any]]:
    """Return the values of each parameter of the block in all its uses, by a name that is valid in Python.

    Names that could hide a class or function that the constructor calls are left out.
    """
    first = drafts[0].scope.parameters
    values = {name: [draft.scope.parameters.get(name) for draft in drafts] for name in first}
    named = {make_identifier(name, VARIABLES_TAKEN): given for name, given in values.items()}
    return {name: given for name, given in named.items() if name[0].islower() and name != "super"}


def _name_slots(
    columns: list[_Column], modules: list[tuple[str, ...]], parameters: dict[str, list[Any]]
) -> list[str | None]:
    """Return the constructor parameter for each argument; None if all uses have the same value.

    An argument that equals a parameter of the block in every use gets its name.
    """
    equal = _match_block_parameters(columns, parameters)
    keys = [
        name or _column_key(column) if _differs(column) else None for column, name in zip(columns, equal, strict=True)
    ]
    wanted: dict[Any, tuple[str, tuple[str, ...]]] = {}
    for key, column, name, module in zip(keys, columns, equal, modules, strict=True):
        if key is not None and key not in wanted:
            own = "in_channels" if column[0].name in _FEATURES else column[0].name
            wanted[key] = (own, module) if name is None else (name, ())
    names = dict(zip(wanted, _distinct_parameters(list(wanted.values())), strict=True))
    return [None if key is None else names[key] for key in keys]


def _match_block_parameters(columns: list[_Column], parameters: dict[str, list[Any]]) -> list[str | None]:
    """Return, for each column, the parameter of the block with the same values, if any.

    A parameter with the name of an argument, such as `stride`, only matches arguments of that name; one named after
    numbers of channels or features, such as `out_channels`, matches all of these.
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


def _column_key(column: _Column) -> Any:
    """Return the key shared by columns of one parameter: their values, and their name unless they are channels."""
    name = column[0].name
    return "channels" if name in _SIZES else name, tuple((type(argument.value), argument.value) for argument in column)


def _distinct_parameters(wanted: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return distinct names for parameters, each given with the names of the modules around its first argument.

    Parameters of the block are given without modules and keep their names. If several others have the same name, the
    first for input channels and the last of any other name keep it. The remaining ones are prefixed with the name of
    their module, or with its full path if that is ambiguous.
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
    """Return a key as part of a name; the numbers of copies and branches become `branch0`."""
    return f"branch{key}" if key.isdigit() else key
