"""Simplifies a spec: inlines blocks that are used only once, and writes residual branches as a single merge layer."""

from collections.abc import Iterator
from itertools import count

from convcalc.convert.decompile.block_folding import iterate_uses
from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    FirstElse,
    FoldedBlock,
    FoldedUse,
    Item,
    LayerItem,
    SequenceItem,
    find_blocks,
    find_lists,
    inner_lists,
    replace_values,
)
from convcalc.convert.decompile.parameters import PlaceholderFiller

_FIRST_NEW_TENSOR = 10**9  # above the tensor numbers of any network


def inline_single_uses(top: EntryList) -> None:
    """Replace the use of each block that is used only once by the entries of the block.

    If the use repeats or has a name, the entries are put into a sequence with the same repeat and name.
    """
    new_tensors = count(_FIRST_NEW_TENSOR)
    for block in reversed(find_blocks(top)):  # inner blocks first, so that all repeats inside a block are known
        uses = [use for use in iterate_uses(top) if use.block is block]
        if len(uses) == 1 and _may_be_inlined(block, uses[0]):
            for body in find_lists(top):
                body.items = [entry for item in body.items for entry in _inline_use(item, block, new_tensors)]


def _may_be_inlined(block: FoldedBlock, use: FoldedUse) -> bool:
    """Whether the use of a block may be replaced by the entries of the block.

    False if an entry has a condition, or if an expression with `index`, such as `2 if index == 0 else 1`, would be
    inside two nested repeats, where `index` is ambiguous.
    """
    inside = list(_iterate_all_entries(block.body))
    if use.when is not None or any(item.when is not None for item in inside):
        return False
    if all(isinstance(item, LayerItem | BranchesItem) or item.repeat is None for item in inside):
        return True
    users = [use, *(item for item in inside if use.repeat is not None and isinstance(item, LayerItem | FoldedUse))]
    return not any(isinstance(value, FirstElse) for user in users for value in user.values)


def _iterate_all_entries(body: EntryList) -> Iterator[Item]:
    for item in body.items:
        yield item
        for inner in inner_lists(item):
            yield from _iterate_all_entries(inner)


def _inline_use(item: Item, block: FoldedBlock, new_tensors: Iterator[int]) -> list[Item]:
    """Return the entries of `block` if the item is a use of it, else the item itself.

    `new_tensors` yields unused tensor numbers.
    """
    if not isinstance(item, FoldedUse) or item.block is not block:
        return [item]
    tensors = {block.body.source: item.reads[0], block.body.items[-1].output: item.output}
    alone = item.name is None and item.repeat is None
    filled = replace_values(block.body.items, PlaceholderFiller(dict(enumerate(item.values))))
    renumbered = [_renumber_tensors(entry, tensors, new_tensors) for entry in filled]
    if alone:
        return renumbered
    return [
        SequenceItem(EntryList(item.reads[0], renumbered), item.reads, item.output, item.name, item.soft, item.repeat)
    ]


def _renumber_tensors(item: Item, tensors: dict[int | None, int], new_tensors: Iterator[int]) -> Item:
    """Return an entry with its tensor numbers replaced as in `tensors`.

    An output that is missing from `tensors` is added with a number from `new_tensors`.
    """
    reads = tuple(tensors[tensor] for tensor in item.reads)
    bodies = [
        EntryList(
            None if inner.source is None else tensors[inner.source],
            [_renumber_tensors(entry, tensors, new_tensors) for entry in inner.items],
        )
        for inner in inner_lists(item)
    ]
    if item.output not in tensors:
        tensors[item.output] = next(new_tensors)
    output = tensors[item.output]
    if isinstance(item, BranchesItem):
        return item._replace(reads=reads, output=output, bodies=tuple(bodies))
    if isinstance(item, SequenceItem):
        return item._replace(reads=reads, output=output, body=bodies[0])
    return item._replace(reads=reads, output=output)


def unroll_residuals(top: EntryList) -> None:
    """Replace a residual `branches` at the start of a list by the layers of its branch and a merge layer.

    The merge layer reads the list's input: `add: {from: [previous, input]}`.
    """
    for body in find_lists(top):
        while body.items and _is_residual(body.items[0], body.source):
            [first, *rest] = body.items
            [inside] = [inner for inner in inner_lists(first) if inner.items]
            ends = tuple(inner.items[-1].output if inner.items else first.reads[0] for inner in inner_lists(first))
            assert isinstance(first, BranchesItem)
            body.items = [*inside.items, LayerItem(first.merge, (), (), ends, first.output, first.name), *rest]


def _is_residual(item: Item, source: int | None) -> bool:
    """Whether an entry merges `source`, the input of its list, with the output of exactly one branch."""
    if not isinstance(item, BranchesItem) or item.reads != (source,) or item.when is not None:
        return False
    filled = [body for body in item.bodies if body.items]
    return len(filled) == 1 and all(inner.when is None for inner in filled[0].items)
