"""Two blocks of which one has entries that the other lacks as one block, with a parameter that says which."""

from typing import NamedTuple

from convcalc.convert.writing.folding import all_uses
from convcalc.convert.writing.items import (
    Block,
    Body,
    Branches,
    FirstElse,
    Group,
    Hole,
    Item,
    Leaf,
    Use,
    Value,
    inner_bodies,
    lines_of,
    live_bodies,
    typed,
    used_blocks,
)

MOST_COMPARED = 24  # blocks


class Alignment(NamedTuple):
    """How a smaller block lies in a larger one: which holes are the same, which entries it lacks (their tensors)."""

    holes: dict[int, int]  # of the larger one → of the smaller one
    lacking: list[int]


class Unlike(Exception):
    """One block is not another with fewer entries."""


def merge_blocks(top: Body) -> None:
    """Merge blocks while there are two that differ only in entries that one lacks."""
    while merge_one(top):
        pass


def merge_one(top: Body) -> bool:
    """Merge two blocks, the largest first; whether there were two."""
    blocks = sorted(used_blocks(top)[:MOST_COMPARED], key=lambda block: -lines_of(block.body.items))
    for place, larger in enumerate(blocks):
        for smaller in blocks[place + 1 :]:
            if uses_another(larger, smaller) or uses_another(smaller, larger):
                continue
            try:
                found = align(larger, smaller)
            except Unlike:
                continue
            if found.lacking:
                replace(top, larger, smaller, found)
                return True
    return False


def uses_another(block: Block, other: Block) -> bool:
    """Whether a block is made of another, directly or not."""
    return any(inner is other for inner in used_blocks(block.body))


# -- how one lies in the other


def align(larger: Block, smaller: Block) -> Alignment:
    """How the smaller block lies in the larger one. Raises Unlike."""
    aligner = Aligner()
    aligner.bodies(larger.body, smaller.body)
    if aligner.lacking_lines * 2 > lines_of(larger.body.items) or aligner.places > 1:
        raise Unlike
    return Alignment(aligner.holes, aligner.lacking)


class Aligner:
    """Goes through two lists side by side. `tensors` are those of the smaller for those of the larger."""

    def __init__(self) -> None:
        self.tensors: dict[int | None, int | None] = {}
        self.holes: dict[int, int] = {}
        self.lacking: list[int] = []
        self.lacking_lines = 0
        self.places = 0  # where one or more entries in a row are lacking

    def bodies(self, larger: Body, smaller: Body) -> None:
        """Two lists. Raises Unlike."""
        self.tensors[larger.given] = smaller.given
        before, place, lacking = larger.given, 0, False
        for item in larger.items:
            if place < len(smaller.items) and self.is_like(item, smaller.items[place]):
                self.match(item, smaller.items[place])
                self.tensors[item.output] = smaller.items[place].output
                place, lacking = place + 1, False
            else:
                self.lack(item, before)
                self.places += not lacking
                lacking = True
            before = item.output
        if place < len(smaller.items):
            raise Unlike
        if smaller.items and self.tensors[before] != smaller.items[-1].output:
            raise Unlike

    def is_like(self, item: Item, other: Item) -> bool:
        """Whether two entries may be the same one."""
        if type(item) is not type(other) or item.name != other.name or item.when is not None or other.when is not None:
            return False
        if [self.tensors.get(tensor, -1) for tensor in item.reads] != list(other.reads):
            return False
        if isinstance(item, Leaf) and isinstance(other, Leaf):
            return (item.kind, item.names, item.frozen) == (other.kind, other.names, other.frozen)
        if isinstance(item, Use) and isinstance(other, Use):
            return item.block is other.block and item.repeat == other.repeat
        if isinstance(item, Branches) and isinstance(other, Branches):
            return item.merge == other.merge and len(item.bodies) == len(other.bodies)
        return isinstance(item, Group) and isinstance(other, Group) and item.repeat == other.repeat

    def match(self, item: Item, other: Item) -> None:
        """Two entries that are the same, with what is in them. Raises Unlike."""
        if isinstance(item, Leaf | Use) and isinstance(other, Leaf | Use):
            for value, another in zip(item.values, other.values, strict=True):
                self.value(value, another)
        for inner, counterpart in zip(inner_bodies(item), inner_bodies(other), strict=True):
            self.bodies(inner, counterpart)

    def value(self, value: Value, other: Value) -> None:
        """Two values at one place. Raises Unlike."""
        if isinstance(value, Hole) and isinstance(other, Hole):
            self.holes[value.number] = other.number
        elif typed(value) != typed(other):
            raise Unlike

    def lack(self, item: Item, before: int | None) -> None:
        """An entry that the smaller list lacks: who reads it reads there what stands before it. Raises Unlike."""
        if item.when is not None or any(inner.when is not None for body in inner_bodies(item) for inner in body.items):
            raise Unlike
        source = before
        if isinstance(item, Group):  # left empty, it gives on what it reads
            source = item.reads[0]
            self.lacking += [inner.output for inner in item.body.items]
        else:
            self.lacking.append(item.output)
        self.lacking_lines += lines_of([item])
        if source not in self.tensors:
            raise Unlike
        self.tensors[item.output] = self.tensors[source]


# -- putting them together


def replace(top: Body, larger: Block, smaller: Block, found: Alignment) -> None:
    """Let the uses of the smaller block use the larger one, which gains a hole for whether all of it is there."""
    vectors = [use.values for use in all_uses(top) if use.block is larger]
    flag = Hole(larger.holes)
    for body in live_bodies(top):
        body.items = [moved(item, larger, smaller, found, vectors) for item in body.items]
    mark(larger.body, set(found.lacking), flag)
    larger.holes += 1


def moved(item: Item, larger: Block, smaller: Block, found: Alignment, vectors: list[tuple[Value, ...]]) -> Item:
    """An entry after two blocks became one."""
    if isinstance(item, Use) and item.block is larger:
        return item._replace(values=(*item.values, True))
    if isinstance(item, Use) and item.block is smaller:
        values = [item.values[found.holes[hole]] if hole in found.holes else None for hole in range(larger.holes)]
        filled = tuple(fill(hole, values, vectors) for hole in range(larger.holes))
        return item._replace(block=larger, values=(*filled, False))
    return item


def fill(hole: int, values: list[Value], vectors: list[tuple[Value, ...]]) -> Value:
    """The value of a hole that a use does not need: one that takes no parameter of its own, where there is one."""
    if values[hole] is not None:
        return values[hole]
    column = [typed(vector[hole]) for vector in vectors]
    for other, value in enumerate(values):
        if value is not None and [typed(vector[other]) for vector in vectors] == column:
            return value
    plain = (vector[hole] for vector in vectors if not isinstance(vector[hole], Hole | FirstElse))
    return next(plain, 1)


def mark(body: Body, lacking: set[int], flag: Hole) -> None:
    """Let the entries that may lack depend on a value."""
    for inner in (inner for item in body.items for inner in inner_bodies(item)):
        mark(inner, lacking, flag)
    body.items = [
        item._replace(when=flag) if item.output in lacking and not isinstance(item, Group) else item
        for item in body.items
    ]
