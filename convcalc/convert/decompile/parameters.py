"""Chooses the parameters of blocks: one for each value that differs between uses, named after its argument.

A `Placeholder` is an unknown value in a block, which each use of the block supplies. Placeholders that have the same
values in all uses share one parameter. A padding that is half of the kernel size in every use needs no parameter.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convcalc.convert.decompile.block_folding import iterate_uses
from convcalc.convert.decompile.items import (
    NO_DEFAULT,
    BranchesItem,
    EntryList,
    FirstElse,
    FoldedBlock,
    FoldedUse,
    Half,
    Item,
    LayerItem,
    ParameterValue,
    Placeholder,
    Value,
    find_blocks,
    find_lists,
    inner_lists,
    replace_values,
    with_type,
)
from convcalc.convert.decompile.leaves import find_default
from convcalc.convert.decompile.regions import TensorUses
from convcalc.convert.decompile.repeats import merge_repeats

_Column = tuple[tuple[type, Value], ...]  # the values of one placeholder in all uses of its block, with their types
_CHANNELS = "out_channels"


class _PlaceholderRole(NamedTuple):
    """The name and the default of the argument that a placeholder stands for.

    For a padding, `kernel` is the number of the placeholder for the kernel size of the same layer, if there is one.
    """

    name: str
    default: Value
    kernel: int | None = None


def parametrise_blocks(top: EntryList, tensor_uses: TensorUses) -> None:
    """Choose the parameters of each block, and give each use of it one value per parameter, outer blocks first."""
    for block in find_blocks(top):
        uses = [use for use in iterate_uses(top) if use.block is block]
        columns: list[_Column] = [
            tuple(with_type(use.values[placeholder]) for use in uses) for placeholder in range(block.placeholder_count)
        ]
        roles = _find_roles(block)
        replacements = _choose_replacements(roles, columns)
        names = {
            value.name: placeholder
            for placeholder, value in reversed(replacements.items())
            if isinstance(value, ParameterValue)
        }
        defaults = {
            name: roles[placeholder].default
            if with_type(roles[placeholder].default) in columns[placeholder]
            else NO_DEFAULT
            for name, placeholder in sorted(names.items(), key=lambda pair: pair[1])
        }
        block.parameters = dict(sorted(defaults.items(), key=lambda pair: pair[1] is not NO_DEFAULT))
        block.body.items = replace_values(block.body.items, PlaceholderFiller(replacements))
        merge_repeats(block.body, tensor_uses)  # uses may have become equal
        places = tuple(names[name] for name in block.parameters)
        for body in find_lists(top):
            body.items = [_keep_parameter_values(item, block, places) for item in body.items]


class PlaceholderFiller:
    """Replaces each placeholder by the value in `replacements`: a constant, a parameter, or half of a parameter."""

    def __init__(self, replacements: dict[int, Value]) -> None:
        self.replacements = replacements

    def __call__(self, value: Value) -> Value:
        """Return the replacement for a placeholder; any other value is returned unchanged."""
        return self.replacements[value.number] if isinstance(value, Placeholder) else value


def _keep_parameter_values(item: Item, block: FoldedBlock, value_indices: Sequence[int]) -> Item:
    """Return a use of `block` with only the values at `value_indices`, one per parameter of the block.

    Any other entry is returned unchanged.
    """
    if isinstance(item, FoldedUse) and item.block is block:
        return item._replace(values=tuple(item.values[placeholder] for placeholder in value_indices))
    return item


# -- the arguments that placeholders stand for


def _find_roles(block: FoldedBlock) -> dict[int, _PlaceholderRole]:
    """Return, for each placeholder of a block, the argument that it stands for where it first occurs."""
    roles: dict[int, _PlaceholderRole] = {}
    for placeholder, role in _iterate_roles(block.body, "", False):
        roles.setdefault(placeholder, role)
    return roles


def _iterate_roles(body: EntryList, scope: str, in_branch: bool) -> Iterator[tuple[int, _PlaceholderRole]]:
    """Yield the number and the role of each placeholder in a list, again for every occurrence of the placeholder.

    `scope` is the name of the entry around the list; `in_branch` is true if that entry is `branches`.
    """
    for item in body.items:
        if isinstance(item, LayerItem):
            yield from _iterate_layer_roles(item)
        elif isinstance(item, FoldedUse):
            inner_roles = _find_roles(item.block)
            for placeholder, value in enumerate(item.values):
                for own in _iterate_placeholders(value):
                    yield own, inner_roles[placeholder]._replace(kernel=None)
        for inner in inner_lists(item):
            yield from _iterate_roles(inner, item.name or "", isinstance(item, BranchesItem))
        if isinstance(item.when, Placeholder):
            yield item.when.number, _PlaceholderRole(_name_condition_parameter(item, scope, in_branch), False)


def _iterate_layer_roles(leaf: LayerItem) -> Iterator[tuple[int, _PlaceholderRole]]:
    values = dict(zip(leaf.names, leaf.values, strict=True))
    kernel = values.get("kernel_size")
    for name, value in values.items():
        for placeholder in _iterate_placeholders(value):
            kernel_placeholder = kernel.number if isinstance(kernel, Placeholder) and name == "padding" else None
            yield placeholder, _PlaceholderRole(name, find_default(leaf.kind, name), kernel_placeholder)


def _iterate_placeholders(value: Value) -> Iterator[int]:
    if isinstance(value, Placeholder):
        yield value.number
    elif isinstance(value, FirstElse):
        yield from _iterate_placeholders(value.first)
        yield from _iterate_placeholders(value.rest)


def _name_condition_parameter(item: Item, scope: str, in_branch: bool) -> str:
    if scope:
        return scope.replace("-", "_")
    if in_branch:
        return "project"
    if isinstance(item, LayerItem):
        return "residual" if item.kind == "add" else f"with_{item.kind}"
    return "extended"


# -- the values that replace placeholders


def _choose_replacements(roles: dict[int, _PlaceholderRole], columns: Sequence[_Column]) -> dict[int, Value]:
    """Return a value for each placeholder: a constant if all uses agree, else a parameter or half of a parameter."""
    replacements: dict[int, Value] = {}
    varying = [placeholder for placeholder in roles if not _is_constant(columns[placeholder])]
    halves = {placeholder for placeholder in varying if _is_half_of_kernel_size(placeholder, roles, columns, varying)}
    names = _name_parameters(roles, columns, [placeholder for placeholder in varying if placeholder not in halves])
    for placeholder, role in roles.items():
        if placeholder in halves and role.kernel is not None:
            replacements[placeholder] = Half(names[columns[role.kernel]])
        elif placeholder in varying:
            replacements[placeholder] = ParameterValue(names[columns[placeholder]])
        else:
            replacements[placeholder] = columns[placeholder][0][1]
    return replacements


def _is_constant(column: _Column) -> bool:
    """Whether all uses have the same value. False if that value depends on a parameter of the block around the uses."""
    return len(set(column)) == 1 and not isinstance(column[0][1], ParameterValue | Half | FirstElse | Placeholder)


def _is_half_of_kernel_size(
    placeholder: int, roles: dict[int, _PlaceholderRole], columns: Sequence[_Column], varying: Sequence[int]
) -> bool:
    """Whether a padding is half of its layer's kernel size in all uses. False if the kernel size is constant."""
    kernel = roles[placeholder].kernel
    if kernel is None or kernel not in varying:
        return False
    pairs = zip(columns[placeholder], columns[kernel], strict=True)
    return all(size.__class__ is int and with_type(size // 2) == padding for padding, (_, size) in pairs)


def _name_parameters(
    roles: dict[int, _PlaceholderRole], columns: Sequence[_Column], placeholders: Sequence[int]
) -> dict[_Column, str]:
    """Return a parameter name for each column, which is the values of a placeholder in all uses of its block.

    Placeholders with equal columns share a parameter, named after the first of them. If several parameters would be
    named `out_channels`, the last one gets that name; if there is just one other, it is named `mid_channels`. Any other
    equal names are numbered: `stride1`, `stride2`.
    """
    firsts: dict[_Column, str] = {}
    lasts: dict[_Column, int] = {}
    for placeholder in placeholders:
        firsts.setdefault(columns[placeholder], roles[placeholder].name)
        lasts[columns[placeholder]] = placeholder
    names: dict[_Column, str] = {}
    for word in dict.fromkeys(firsts.values()):
        alike = [column for column, first in firsts.items() if first == word]
        if len(alike) == 1:
            names[alike[0]] = word
            continue
        last = max(alike, key=lambda column: lasts[column]) if word == _CHANNELS else None
        others = [column for column in alike if column is not last]
        if last is not None:
            names[last] = word
        for number, column in enumerate(others, 1):
            names[column] = "mid_channels" if last is not None and len(others) == 1 else f"{word}{number}"
    return names
