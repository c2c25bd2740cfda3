"""What a spec is made of while it is being written: entries in lists, wired by the numbers of their tensors.

Lists are changed in place while they are folded; what stands in them is frozen. Tensors are numbered as in a
network: the inputs, then the output of every layer.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

Value = Any  # an argument as a spec holds it, or one of the classes below that stand for one


class Hole(NamedTuple):
    """In a block: the value that each use gives at this place."""

    number: int


class Symbol(NamedTuple):
    """In a block: the value of a parameter."""

    name: str


class Half(NamedTuple):
    """In a block: half the value of a parameter, rounded down, as the padding of a kernel."""

    name: str


class Reference(NamedTuple):
    """The name of the layer that gives a tensor."""

    tensor: int


class FirstElse(NamedTuple):
    """In a repeat: a value of the first copy, and one of all others."""

    first: Value
    rest: Value


class Body:
    """A list of entries. `given` is the tensor that it reads first, None in a network of several inputs."""

    def __init__(self, given: int | None, items: "list[Item]") -> None:
        self.given = given
        self.items = items


class Leaf(NamedTuple):
    """A layer. `names` and `values` are its arguments, `share` is the tensor of the layer whose weights it uses."""

    kind: str
    names: tuple[str, ...]
    values: tuple[Value, ...]
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False  # whether the name may go where the layer is folded into others
    frozen: bool = False
    share: int | None = None
    when: Value = None


class Branches(NamedTuple):
    """Lists that read the same and are merged."""

    bodies: tuple[Body, ...]
    merge: str
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False
    when: Value = None


class Group(NamedTuple):
    """A list with a scope of its own, `repeat` times one after the other."""

    body: Body
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False
    repeat: int | None = None
    when: Value = None


class Use(NamedTuple):
    """A use of a block. `values` are those of its holes, and of its parameters once it has some."""

    block: "Block"
    values: tuple[Value, ...]
    reads: tuple[int, ...]
    output: int
    name: str | None = None
    soft: bool = False
    repeat: int | None = None
    when: Value = None


Item = Leaf | Branches | Group | Use


class Block:
    """A block: its list, and once they are found its name and its parameters with their defaults."""

    def __init__(self, body: Body, holes: int) -> None:
        self.body = body
        self.holes = holes
        self.name = ""
        self.parameters: dict[str, Value] = {}  # NOTHING: required


NOTHING = Hole(-1)


def inner_bodies(item: Item) -> tuple[Body, ...]:
    """The lists that an entry holds; those of a block are its own."""
    if isinstance(item, Branches):
        return item.bodies
    return (item.body,) if isinstance(item, Group) else ()


def live_bodies(body: Body) -> list[Body]:
    """A list, all lists in it and those of all blocks that are used, outer ones first."""
    found, waiting, seen = [], [body], set[int]()
    while waiting:
        outer = waiting.pop()
        found.append(outer)
        for item in outer.items:
            waiting += inner_bodies(item)
            if isinstance(item, Use) and id(item.block) not in seen:
                seen.add(id(item.block))
                waiting.append(item.block.body)
    return found


def used_blocks(body: Body) -> list[Block]:
    """The blocks that a list uses, each after those that use it."""
    order: list[Block] = []
    done: set[int] = set()

    def visit(block: Block) -> None:
        if id(block) in done:
            return
        done.add(id(block))
        for inner in blocks_in(block.body):
            visit(inner)
        order.append(block)

    for block in blocks_in(body):
        visit(block)
    return order[::-1]


def blocks_in(body: Body) -> Iterator[Block]:
    """The blocks that are used in a list or in the lists in it, but for those in blocks."""
    for item in body.items:
        if isinstance(item, Use):
            yield item.block
        for inner in inner_bodies(item):
            yield from blocks_in(inner)


def values_of(items: list[Item]) -> Iterator[Value]:
    """All values of some entries, in their order."""
    for item in items:
        if isinstance(item, Leaf | Use):
            for value in item.values:
                yield from value if isinstance(value, FirstElse) else (value,)
        for inner in inner_bodies(item):
            yield from values_of(inner.items)
        if item.when is not None:
            yield item.when


def replaced(items: list[Item], change: Callable[[Value], Value]) -> list[Item]:
    """The entries with every value changed, called in the order of `values_of`; lists are made anew."""
    return [replaced_item(item, change) for item in items]


def replaced_item(item: Item, change: Callable[[Value], Value]) -> Item:
    """An entry with every value changed."""
    changed: Item
    if isinstance(item, Leaf | Use):
        changed = item._replace(values=tuple(changed_value(value, change) for value in item.values))
    elif isinstance(item, Branches):
        bodies = tuple(Body(inner.given, replaced(inner.items, change)) for inner in item.bodies)
        changed = item._replace(bodies=bodies)
    else:
        changed = item._replace(body=Body(item.body.given, replaced(item.body.items, change)))
    return changed if changed.when is None else changed._replace(when=change(changed.when))


def changed_value(value: Value, change: Callable[[Value], Value]) -> Value:
    """A value changed, or both of a first copy and the others: one again where they came to be the same."""
    if not isinstance(value, FirstElse):
        return change(value)
    first, rest = change(value.first), change(value.rest)
    return first if typed(first) == typed(rest) else FirstElse(first, rest)


def typed(value: Value) -> tuple[type, Value]:
    """A value that equals only those of its own type: 1 is not true."""
    return value.__class__, value


def lines_of(items: list[Item]) -> int:
    """The lines that some entries take, equal uses of a block in a row taken together."""
    repeated = sum(is_repeated(one, other) for one, other in pairwise(items))
    return sum(map(item_lines, items)) - repeated


def is_repeated(one: Item, other: Item) -> bool:
    """Whether two entries are the same use of a block, one after the other."""
    both = isinstance(one, Use) and isinstance(other, Use) and one.block is other.block and one.values == other.values
    return both and other.reads == (one.output,)


def item_lines(item: Item) -> int:
    """The lines that an entry takes."""
    inner = sum(max(lines_of(body.items), 1) for body in inner_bodies(item))
    if isinstance(item, Branches):
        return 2 + inner + (item.when is not None)
    if isinstance(item, Group):
        return 1 + inner + (item.name is not None) + (item.repeat is not None)
    return 1


def tensors_read(item: Item) -> Iterator[int]:
    """The tensors that an entry reads, those that it makes itself included."""
    yield from item.reads
    for inner in inner_bodies(item):
        for entry in inner.items:
            yield from tensors_read(entry)


def tensors_made(item: Item) -> Iterator[int]:
    """The tensors that the layers of an entry give, as far as they can be named."""
    yield item.output
    for inner in inner_bodies(item):
        for entry in inner.items:
            yield from tensors_made(entry)
