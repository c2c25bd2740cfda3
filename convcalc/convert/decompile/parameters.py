"""Chooses the parameters of blocks: one for each value that differs between uses, named after its argument.

A `Hole` is a placeholder in a block for a value that each use of the block supplies. `Hole`s that have the same values
in all uses share one parameter. A padding that is half of the kernel size in every use needs no parameter.
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
    Hole,
    Item,
    LayerItem,
    ParameterValue,
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

_Column = tuple[tuple[type, Value], ...]  # the values of one `Hole` in all uses of its block, with their types
_CHANNELS = "out_channels"


class _HoleRole(NamedTuple):
    """The name and the default of the argument whose value is a `Hole`.

    For a padding, `kernel` is the number of the `Hole` for the kernel size of the same layer, if there is one.
    """

    name: str
    default: Value
    kernel: int | None = None


def parametrise_blocks(top: EntryList, tensor_uses: TensorUses) -> None:
    """Choose the parameters of each block, and give each use of it one value per parameter, outer blocks first."""
    for block in find_blocks(top):
        uses = [use for use in iterate_uses(top) if use.block is block]
        columns: list[_Column] = [tuple(with_type(use.values[hole]) for use in uses) for hole in range(block.holes)]
        found = _find_roles(block)
        meaning = _choose_replacements(found, columns)
        names = {value.name: hole for hole, value in reversed(meaning.items()) if isinstance(value, ParameterValue)}
        defaults = {
            name: found[hole].default if with_type(found[hole].default) in columns[hole] else NO_DEFAULT
            for name, hole in sorted(names.items(), key=lambda pair: pair[1])
        }
        block.parameters = dict(sorted(defaults.items(), key=lambda pair: pair[1] is not NO_DEFAULT))
        block.body.items = replace_values(block.body.items, HoleFiller(meaning))
        merge_repeats(block.body, tensor_uses)  # uses may have become equal
        places = tuple(names[name] for name in block.parameters)
        for body in find_lists(top):
            body.items = [_keep_parameter_values(item, block, places) for item in body.items]


class HoleFiller:
    """Replaces each `Hole` by the value in `meaning`: a constant, a parameter, or half of a parameter."""

    def __init__(self, meaning: dict[int, Value]) -> None:
        self.meaning = meaning

    def __call__(self, value: Value) -> Value:
        """Return the replacement for a `Hole`; any other value is returned unchanged."""
        return self.meaning[value.number] if isinstance(value, Hole) else value


def _keep_parameter_values(item: Item, block: FoldedBlock, value_indices: Sequence[int]) -> Item:
    """Return a use of `block` with only the values at `value_indices`, one per parameter of the block.

    Any other entry is returned unchanged.
    """
    if isinstance(item, FoldedUse) and item.block is block:
        return item._replace(values=tuple(item.values[hole] for hole in value_indices))
    return item


# -- the arguments that `Hole`s stand for


def _find_roles(block: FoldedBlock) -> dict[int, _HoleRole]:
    """Return the argument that each `Hole` of a block stands for. If there are several, the first one decides."""
    found: dict[int, _HoleRole] = {}
    for hole, role in _iterate_roles(block.body, "", False):
        found.setdefault(hole, role)
    return found


def _iterate_roles(body: EntryList, scope: str, in_branch: bool) -> Iterator[tuple[int, _HoleRole]]:
    """Yield the number and the role of each `Hole` in a list, once per occurrence.

    `scope` is the name of the entry around the list; `in_branch` is true if that entry is `branches`.
    """
    for item in body.items:
        if isinstance(item, LayerItem):
            yield from _iterate_layer_roles(item)
        elif isinstance(item, FoldedUse):
            inner_roles = _find_roles(item.block)
            for hole, value in enumerate(item.values):
                for own in _iterate_holes(value):
                    yield own, inner_roles[hole]._replace(kernel=None)
        for inner in inner_lists(item):
            yield from _iterate_roles(inner, item.name or "", isinstance(item, BranchesItem))
        if isinstance(item.when, Hole):
            yield item.when.number, _HoleRole(_name_condition_parameter(item, scope, in_branch), False)


def _iterate_layer_roles(leaf: LayerItem) -> Iterator[tuple[int, _HoleRole]]:
    values = dict(zip(leaf.names, leaf.values, strict=True))
    kernel = values.get("kernel_size")
    for name, value in values.items():
        for hole in _iterate_holes(value):
            kernel_hole = kernel.number if isinstance(kernel, Hole) and name == "padding" else None
            yield hole, _HoleRole(name, find_default(leaf.kind, name), kernel_hole)


def _iterate_holes(value: Value) -> Iterator[int]:
    if isinstance(value, Hole):
        yield value.number
    elif isinstance(value, FirstElse):
        yield from _iterate_holes(value.first)
        yield from _iterate_holes(value.rest)


def _name_condition_parameter(item: Item, scope: str, in_branch: bool) -> str:
    if scope:
        return scope.replace("-", "_")
    if in_branch:
        return "project"
    if isinstance(item, LayerItem):
        return "residual" if item.kind == "add" else f"with_{item.kind}"
    return "extended"


# -- the values that replace `Hole`s


def _choose_replacements(found: dict[int, _HoleRole], columns: Sequence[_Column]) -> dict[int, Value]:
    """Return a value for each `Hole`: a constant if all uses agree, else a parameter or half of a parameter."""
    meaning: dict[int, Value] = {}
    varying = [hole for hole in found if not _is_constant(columns[hole])]
    halves = {hole for hole in varying if _is_half_of_kernel_size(hole, found, columns, varying)}
    names = _name_parameters(found, columns, [hole for hole in varying if hole not in halves])
    for hole, role in found.items():
        if hole in halves and role.kernel is not None:
            meaning[hole] = Half(names[columns[role.kernel]])
        elif hole in varying:
            meaning[hole] = ParameterValue(names[columns[hole]])
        else:
            meaning[hole] = columns[hole][0][1]
    return meaning


def _is_constant(column: _Column) -> bool:
    """Whether all uses have the same value. A placeholder of the surrounding block is not a constant."""
    return len(set(column)) == 1 and not isinstance(column[0][1], ParameterValue | Half | FirstElse | Hole)


def _is_half_of_kernel_size(
    hole: int, found: dict[int, _HoleRole], columns: Sequence[_Column], varying: Sequence[int]
) -> bool:
    """Whether a padding is half of its layer's kernel size in all uses. False if the kernel size is constant."""
    kernel = found[hole].kernel
    if kernel is None or kernel not in varying:
        return False
    pairs = zip(columns[hole], columns[kernel], strict=True)
    return all(size.__class__ is int and with_type(size // 2) == padding for padding, (_, size) in pairs)


def _name_parameters(
    found: dict[int, _HoleRole], columns: Sequence[_Column], holes: Sequence[int]
) -> dict[_Column, str]:
    """Return a parameter name for each distinct series of values, which may belong to several arguments.

    The first of these arguments gives the name. If several parameters would be named `out_channels`, the last one gets
    that name. If there is just one other, it is named `mid_channels`. Other equal names are numbered.
    """
    firsts: dict[_Column, str] = {}
    lasts: dict[_Column, int] = {}
    for hole in holes:
        firsts.setdefault(columns[hole], found[hole].name)
        lasts[columns[hole]] = hole
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
