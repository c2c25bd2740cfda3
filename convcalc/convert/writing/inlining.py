"""Blocks that need not be blocks, and branches that need not be branches."""

from collections.abc import Iterator
from itertools import count

from convcalc.convert.writing.folding import all_uses
from convcalc.convert.writing.items import (
    Block,
    Body,
    Branches,
    FirstElse,
    Group,
    Item,
    Leaf,
    Use,
    inner_bodies,
    live_bodies,
    replaced,
    used_blocks,
)
from convcalc.convert.writing.parameters import Filling

FRESH = 10**9  # numbers of tensors that are in no network


def inline_single_uses(top: Body) -> None:
    """Put blocks that are used once where they are used, as a sequence where that use repeats or has a name."""
    fresh = count(FRESH)
    for block in used_blocks(top):
        uses = [use for use in all_uses(top) if use.block is block]
        if len(uses) == 1 and may_be_inlined(block, uses[0]):
            for body in live_bodies(top):
                body.items = [entry for item in body.items for entry in inlined(item, block, fresh)]


def may_be_inlined(block: Block, use: Use) -> bool:
    """Whether the values of a use may stand in the block's entries themselves.

    A value that only the first copy has may not where something in the block repeats: the index is the innermost one.
    """
    inside = list(entries(block.body))
    if use.when is not None or any(item.when is not None for item in inside):
        return False
    other_first = any(isinstance(value, FirstElse) for value in use.values)
    return not other_first or all(isinstance(item, Leaf | Branches) or item.repeat is None for item in inside)


def entries(body: Body) -> Iterator[Item]:
    """The entries of a list and of the lists in it."""
    for item in body.items:
        yield item
        for inner in inner_bodies(item):
            yield from entries(inner)


def inlined(item: Item, block: Block, fresh: Iterator[int]) -> list[Item]:
    """The entries of a block in place of a use of it; any other entry as it is."""
    if not isinstance(item, Use) or item.block is not block:
        return [item]
    tensors = {block.body.given: item.reads[0], block.body.items[-1].output: item.output}
    alone = item.name is None and item.repeat is None
    filled = replaced(block.body.items, Filling(dict(enumerate(item.values))))
    renumbered = [moved(entry, tensors, fresh) for entry in filled]
    if alone:
        return renumbered
    return [Group(Body(item.reads[0], renumbered), item.reads, item.output, item.name, item.soft, item.repeat)]


def moved(item: Item, tensors: dict[int | None, int], fresh: Iterator[int]) -> Item:
    """An entry with other numbers for its tensors, new ones where none is known."""
    reads = tuple(tensors[tensor] for tensor in item.reads)
    bodies = [
        Body(
            None if inner.given is None else tensors[inner.given],
            [moved(entry, tensors, fresh) for entry in inner.items],
        )
        for inner in inner_bodies(item)
    ]
    if item.output not in tensors:
        tensors[item.output] = next(fresh)
    output = tensors[item.output]
    if isinstance(item, Branches):
        return item._replace(reads=reads, output=output, bodies=tuple(bodies))
    if isinstance(item, Group):
        return item._replace(reads=reads, output=output, body=bodies[0])
    return item._replace(reads=reads, output=output)


def unroll(top: Body) -> None:
    """Write what is led around all that stands first in a scope as a merge with the scope's input."""
    for body in live_bodies(top):
        while body.items and is_residual(body.items[0], body.given):
            [first, *rest] = body.items
            [inside] = [inner for inner in inner_bodies(first) if inner.items]
            ends = tuple(inner.items[-1].output if inner.items else first.reads[0] for inner in inner_bodies(first))
            assert isinstance(first, Branches)
            body.items = [*inside.items, Leaf(first.merge, (), (), ends, first.output, first.name), *rest]


def is_residual(item: Item, given: int | None) -> bool:
    """Whether an entry reads what its scope was given, and merges that with what one list makes of it."""
    if not isinstance(item, Branches) or item.reads != (given,) or item.when is not None:
        return False
    filled = [body for body in item.bodies if body.items]
    return len(filled) == 1 and all(inner.when is None for inner in filled[0].items)
