"""Defines the form of a spec before it becomes text: nested lists of entries, connected by tensor numbers.

The lists are changed in place; the entries are immutable. Tensors are numbered as in a `Network`: first the inputs,
then the output of each layer.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

Value = Any  # an argument as written in a spec, or one of the classes below: Placeholder, ParameterValue, Half, …


class Placeholder(NamedTuple):
    """A value in a block that differs between its uses; a use supplies it as `FoldedUse.values[number]`."""

    number: int


class ParameterValue(NamedTuple):
    """The value of a block's parameter, written `$name`."""

    name: str


class Half(NamedTuple):
    """Half the value of a block's parameter, rounded down.

    For an odd kernel size, half of it is the padding that preserves the size of the input.
    """

    name: str


class Reference(NamedTuple):
    """A reference by name to the layer whose output is `tensor`."""

    tensor: int


class FirstElse(NamedTuple):
    """An argument of a repeated entry that has one value in the first copy and another in all other copies."""

    first: Value
    rest: Value


class EntryList:
    """A list of spec entries. The first entry reads the tensor `source` by default (None: no default input)."""

    def __init__(self, source: int | None, items: "list[Item]") -> None:
        self.source = source
        self.items = items


class LayerItem(NamedTuple):
    """A layer. `names` and `values` are its arguments; `reads` and `output` are tensor numbers.

    `share` is the output of the layer whose weights this layer uses (None: it has its own weights). `when` is the
    condition under which this layer exists (None: always).
    """

    kind: str
    names: tuple[str, ...]
    values: tuple[Value, ...]
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False  # whether the name may be dropped if the layer is folded
    frozen: bool = False
    share: int | None = None
    when: Value = None


class BranchesItem(NamedTuple):
    """Parallel lists of entries that all read the same tensor. A layer of kind `merge` merges their outputs."""

    bodies: tuple[EntryList, ...]
    merge: str
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False
    when: Value = None


class SequenceItem(NamedTuple):
    """A `sequence`: a nested list of entries that runs `repeat` times in a row."""

    body: EntryList
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False
    repeat: int | None = None
    when: Value = None


class FoldedUse(NamedTuple):
    """A use of a block. `values` has a value for each placeholder of the block.

    After `parametrise_blocks`, it has a value for each parameter of the block instead.
    """

    block: "FoldedBlock"
    values: tuple[Value, ...]
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False
    repeat: int | None = None
    when: Value = None


Item = LayerItem | BranchesItem | SequenceItem | FoldedUse


class FoldedBlock:
    """A block with its entries and its number of placeholders. Its name and parameters are chosen later."""

    def __init__(self, body: EntryList, placeholder_count: int) -> None:
        self.body = body
        self.placeholder_count = placeholder_count
        self.name = ""
        self.parameters: dict[str, Value] = {}  # defaults by name; NO_DEFAULT if a use must give a value


NO_DEFAULT = Placeholder(-1)


def inner_lists(item: Item) -> tuple[EntryList, ...]:
    """Return the lists nested directly in branches or in a sequence; empty for a layer or a use of a block."""
    if isinstance(item, BranchesItem):
        return item.bodies
    return (item.body,) if isinstance(item, SequenceItem) else ()


def find_lists(body: EntryList) -> list[EntryList]:
    """Return a list, all lists nested in it, and the lists of all blocks that they use, outer lists first."""
    found, waiting, seen = [], [body], set[int]()
    while waiting:
        outer = waiting.pop()
        found.append(outer)
        for item in outer.items:
            waiting += inner_lists(item)
            if isinstance(item, FoldedUse) and id(item.block) not in seen:
                seen.add(id(item.block))
                waiting.append(item.block.body)
    return found


def find_blocks(body: EntryList) -> list[FoldedBlock]:
    """Return the blocks that a list uses, directly or indirectly; each block comes after the blocks that use it."""
    order: list[FoldedBlock] = []
    done: set[int] = set()

    def visit(block: FoldedBlock) -> None:
        if id(block) in done:
            return
        done.add(id(block))
        for inner in _iterate_direct_blocks(block.body):
            visit(inner)
        order.append(block)

    for block in _iterate_direct_blocks(body):
        visit(block)
    return order[::-1]


def _iterate_direct_blocks(body: EntryList) -> Iterator[FoldedBlock]:
    """Yield the blocks used in a list and in its nested lists, but not those used only inside other blocks."""
    for item in body.items:
        if isinstance(item, FoldedUse):
            yield item.block
        for inner in inner_lists(item):
            yield from _iterate_direct_blocks(inner)


def iterate_values(items: list[Item]) -> Iterator[Value]:
    """Yield the argument values and conditions of all entries and nested entries.

    An argument that has another value in the first copy (`FirstElse`) yields both values.
    """
    for item in items:
        if isinstance(item, LayerItem | FoldedUse):
            for value in item.values:
                yield from value if isinstance(value, FirstElse) else (value,)
        for inner in inner_lists(item):
            yield from iterate_values(inner.items)
        if item.when is not None:
            yield item.when


def replace_values(items: list[Item], change: Callable[[Value], Value]) -> list[Item]:
    """Return copies of the entries with each value replaced by `change(value)`, in the order of `iterate_values`."""
    return [_replace_item_values(item, change) for item in items]


def _replace_item_values(item: Item, change: Callable[[Value], Value]) -> Item:
    changed: Item
    if isinstance(item, LayerItem | FoldedUse):
        changed = item._replace(values=tuple(_change_value(value, change) for value in item.values))
    elif isinstance(item, BranchesItem):
        bodies = tuple(EntryList(inner.source, replace_values(inner.items, change)) for inner in item.bodies)
        changed = item._replace(bodies=bodies)
    else:
        changed = item._replace(body=EntryList(item.body.source, replace_values(item.body.items, change)))
    return changed if changed.when is None else changed._replace(when=change(changed.when))


def _change_value(value: Value, change: Callable[[Value], Value]) -> Value:
    """Return `change(value)`. In a `FirstElse`, change both values, and return only one if they become equal.

    A `FirstElse` has one value for the first copy of a repeated entry and another for the other copies.
    """
    if not isinstance(value, FirstElse):
        return change(value)
    first, rest = change(value.first), change(value.rest)
    return first if with_type(first) == with_type(rest) else FirstElse(first, rest)


def with_type(value: Value) -> tuple[type, Value]:
    """Return the type and the value as a pair, so that `1` and `True` compare as different."""
    return value.__class__, value


def count_lines(items: list[Item]) -> int:
    """Count the lines that entries take in a spec. Consecutive equal uses of a block count as one line."""
    repeated = sum(_repeats_use(one, other) for one, other in pairwise(items))
    return sum(map(count_item_lines, items)) - repeated


def _repeats_use(one: Item, other: Item) -> bool:
    both = (
        isinstance(one, FoldedUse)
        and isinstance(other, FoldedUse)
        and one.block is other.block
        and one.values == other.values
    )
    return both and other.reads == (one.output,)


def count_item_lines(item: Item) -> int:
    """Count the lines that one entry takes in a spec, including its nested entries."""
    inner = sum(max(count_lines(body.items), 1) for body in inner_lists(item))
    if isinstance(item, BranchesItem):
        return 2 + inner + (item.when is not None)
    if isinstance(item, SequenceItem):
        return 1 + inner + (item.name is not None) + (item.repeat is not None)
    return 1


def iterate_outputs(item: Item) -> Iterator[int]:
    """Yield the output tensors of an entry and of its nested entries. Entries inside blocks are left out."""
    yield item.output
    for inner in inner_lists(item):
        for entry in inner.items:
            yield from iterate_outputs(entry)
