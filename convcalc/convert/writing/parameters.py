"""The parameters of blocks: what differs between the uses of a block, under the name of what it is given to."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convcalc.convert.writing.folding import all_uses
from convcalc.convert.writing.items import (
    NOTHING,
    Block,
    Body,
    Branches,
    FirstElse,
    Half,
    Hole,
    Item,
    Leaf,
    Symbol,
    Use,
    Value,
    inner_bodies,
    live_bodies,
    replaced,
    typed,
    used_blocks,
)
from convcalc.convert.writing.leaves import default_of
from convcalc.convert.writing.regions import Wiring
from convcalc.convert.writing.repeats import repeat

Column = tuple[tuple[type, Value], ...]
CHANNELS = "out_channels"


class Slot(NamedTuple):
    """Where a hole stands: the name of its argument, its default, and the hole of the same layer's kernel."""

    name: str
    default: Value
    kernel: int | None = None


def parametrise(top: Body, wiring: Wiring) -> None:
    """Give every block its parameters, and every use their values; outer blocks come first."""
    for block in used_blocks(top):
        uses = [use for use in all_uses(top) if use.block is block]
        columns: list[Column] = [tuple(typed(use.values[hole]) for use in uses) for hole in range(block.holes)]
        found = slots(block)
        meaning = meanings(found, columns)
        names = {value.name: hole for hole, value in reversed(meaning.items()) if isinstance(value, Symbol)}
        defaults = {
            name: found[hole].default if typed(found[hole].default) in columns[hole] else NOTHING
            for name, hole in sorted(names.items(), key=lambda pair: pair[1])
        }
        block.parameters = dict(sorted(defaults.items(), key=lambda pair: pair[1] is not NOTHING))
        block.body.items = replaced(block.body.items, Filling(meaning))
        repeat(block.body, wiring)  # with parameters in them, uses may be equal that had holes
        places = tuple(names[name] for name in block.parameters)
        for body in live_bodies(top):
            body.items = [with_parameters(item, block, places) for item in body.items]


class Filling:
    """Puts the meaning of holes in their place."""

    def __init__(self, meaning: dict[int, Value]) -> None:
        self.meaning = meaning

    def __call__(self, value: Value) -> Value:
        """The value with its meaning in place of its holes."""
        return self.meaning[value.number] if isinstance(value, Hole) else value


def with_parameters(item: Item, block: Block, places: Sequence[int]) -> Item:
    """A use of a block with the values of its parameters in place of those of its holes."""
    if isinstance(item, Use) and item.block is block:
        return item._replace(values=tuple(item.values[hole] for hole in places))
    return item


# -- what the holes of a block are


def slots(block: Block) -> dict[int, Slot]:
    """Where every hole of a block stands first."""
    found: dict[int, Slot] = {}
    for hole, slot in all_slots(block.body, "", False):
        found.setdefault(hole, slot)
    return found


def all_slots(body: Body, scope: str, in_branch: bool) -> Iterator[tuple[int, Slot]]:
    """Every hole of a list, and where it stands."""
    for item in body.items:
        if isinstance(item, Leaf):
            yield from leaf_slots(item)
        elif isinstance(item, Use):
            inner_slots = slots(item.block)
            for hole, value in enumerate(item.values):
                for own in holes_of(value):
                    yield own, inner_slots[hole]._replace(kernel=None)
        for inner in inner_bodies(item):
            yield from all_slots(inner, item.name or "", isinstance(item, Branches))
        if isinstance(item.when, Hole):
            yield item.when.number, Slot(condition(item, scope, in_branch), False)


def leaf_slots(leaf: Leaf) -> Iterator[tuple[int, Slot]]:
    """The holes of a layer."""
    values = dict(zip(leaf.names, leaf.values, strict=True))
    kernel = values.get("kernel_size")
    for name, value in values.items():
        for hole in holes_of(value):
            beside = kernel.number if isinstance(kernel, Hole) and name == "padding" else None
            yield hole, Slot(name, default_of(leaf.kind, name), beside)


def holes_of(value: Value) -> Iterator[int]:
    """The holes in a value."""
    if isinstance(value, Hole):
        yield value.number
    elif isinstance(value, FirstElse):
        yield from holes_of(value.first)
        yield from holes_of(value.rest)


def condition(item: Item, scope: str, in_branch: bool) -> str:
    """What to call a parameter that says whether an entry is there."""
    if scope:
        return scope.replace("-", "_")
    if in_branch:
        return "project"
    if isinstance(item, Leaf):
        return "residual" if item.kind == "add" else f"with_{item.kind}"
    return "extended"


# -- what they mean


def meanings(found: dict[int, Slot], columns: Sequence[Column]) -> dict[int, Value]:
    """What stands in every hole: a value where all uses have it, a parameter, or half of one."""
    meaning: dict[int, Value] = {}
    varying = [hole for hole in found if not is_constant(columns[hole])]
    halves = {hole for hole in varying if is_half(hole, found, columns, varying)}
    names = parameter_names(found, columns, [hole for hole in varying if hole not in halves])
    for hole, slot in found.items():
        if hole in halves and slot.kernel is not None:
            meaning[hole] = Half(names[columns[slot.kernel]])
        elif hole in varying:
            meaning[hole] = Symbol(names[columns[hole]])
        else:
            meaning[hole] = columns[hole][0][1]
    return meaning


def is_constant(column: Column) -> bool:
    """Whether all uses have one value, which speaks of nothing around them."""
    return len(set(column)) == 1 and not isinstance(column[0][1], Symbol | Half | FirstElse | Hole)


def is_half(hole: int, found: dict[int, Slot], columns: Sequence[Column], varying: Sequence[int]) -> bool:
    """Whether a padding is half of its layer's kernel in all uses, and the kernel is a parameter."""
    kernel = found[hole].kernel
    if kernel is None or kernel not in varying:
        return False
    pairs = zip(columns[hole], columns[kernel], strict=True)
    return all(size.__class__ is int and typed(size // 2) == padding for padding, (_, size) in pairs)


def parameter_names(found: dict[int, Slot], columns: Sequence[Column], holes: Sequence[int]) -> dict[Column, str]:
    """A name for every column that differs from use to use, that of the argument it is first given to."""
    firsts: dict[Column, str] = {}
    lasts: dict[Column, int] = {}
    for hole in holes:
        firsts.setdefault(columns[hole], found[hole].name)
        lasts[columns[hole]] = hole
    names: dict[Column, str] = {}
    for word in dict.fromkeys(firsts.values()):
        alike = [column for column, first in firsts.items() if first == word]
        if len(alike) == 1:
            names[alike[0]] = word
            continue
        last = max(alike, key=lambda column: lasts[column]) if word == CHANNELS else None
        others = [column for column in alike if column is not last]
        if last is not None:
            names[last] = word
        for number, column in enumerate(others, 1):
            names[column] = "mid_channels" if last is not None and len(others) == 1 else f"{word}{number}"
    return names
