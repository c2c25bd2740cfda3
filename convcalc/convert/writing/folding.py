"""What stands in a network more than once becomes a block: the one that saves most lines first."""

from collections.abc import Iterator
from typing import NamedTuple

from convcalc.convert.writing.items import (
    Block,
    Body,
    Branches,
    Group,
    Hole,
    Item,
    Leaf,
    Use,
    Value,
    inner_bodies,
    item_lines,
    lines_of,
    live_bodies,
    replaced,
    typed,
    values_of,
)
from convcalc.convert.writing.regions import Wiring, is_free
from convcalc.convert.writing.repeats import partition
from convcalc.convert.writing.tokens import Tokens, may_differ

LONGEST = 20  # entries of a block in one list
MOST_BLOCKS = 60
MOST_PARAMETERS = 8
MOST_LOOKS = 1_000_000  # at stretches of entries: beyond, no more blocks are sought
CLOSELY = 16  # candidates that are counted exactly
HEAD = 4  # lines of a block beside its entries
LEAST_SAVED = 2
FOLLOWS = frozenset({"batchnorm", "groupnorm", "instancenorm", "local_response_norm", "dropout", "scale"})
"""Kinds that go with the layer before them: a block does not begin with one if it can begin elsewhere."""


class Place(NamedTuple):
    """Some entries in a list. Of a scope it is the one entry, and `inside` says that its own entries are meant."""

    body: Body
    start: int
    stop: int
    inside: bool = False

    @property
    def items(self) -> list[Item]:
        """The entries that would be those of a block."""
        found = self.body.items[self.start : self.stop]
        if self.inside and isinstance(found[0], Group):
            return found[0].body.items
        return found


class Folder:
    """Finds blocks in a list and the lists in it."""

    def __init__(self, top: Body, wiring: Wiring) -> None:
        self.top = top
        self.wiring = wiring
        self.looks = 0
        self.inner_first = False

    def fold(self, *, stretches: bool = False, inner_first: bool = False) -> None:
        """Make blocks of scopes until none saves a line.

        `stretches`: of any entries without a name too; `inner_first`: of no scope that numbers its copies.
        """
        self.inner_first = inner_first
        for _ in range(MOST_BLOCKS):
            if self.looks > MOST_LOOKS:
                return
            candidates = self.candidates(stretches)
            saved, places = max(map(self.saved, candidates), key=lambda found: found[0], default=(0.0, []))
            if saved < LEAST_SAVED:
                return
            make_block(places)

    def candidates(self, stretches: bool) -> list[list[Place]]:
        """Places of entries that are alike, those that seem to save most first."""
        tokens = Tokens()
        found: dict[object, list[Place]] = {}
        for body in live_bodies(self.top):
            for place, item in enumerate(body.items):
                if isinstance(item, Group) and self.is_closed(item) and not (self.inner_first and has_copies(item)):
                    found.setdefault(tokens.list_number(item.body), []).append(Place(body, place, place + 1, True))
            if stretches:
                self.stretches(body, tokens, found)
            self.looks += len(body.items)
        many = [places for key, places in found.items() if len(places) > 1 and not is_periodic(key)]
        return sorted(many, key=rough_saving, reverse=True)[:CLOSELY]

    def stretches(self, body: Body, tokens: Tokens, found: dict[object, list[Place]]) -> None:
        """Entries of a list that read one tensor and of which only the last is read elsewhere."""
        kinds = tokens.of(body)
        free = [is_free(item, self.wiring) for item in body.items]
        for start in range(len(body.items)):
            key: tuple[int, ...] = ()
            read_until = -1
            for stop in range(start + 1, min(start + LONGEST, len(body.items)) + 1):
                self.looks += 1
                number, far = kinds[stop - 1]
                if not free[stop - 1] or far > stop - start:
                    break
                key += (number,)
                last = body.items[stop - 1]
                whole = len(key) > 1 or isinstance(last, Branches)
                if whole and read_until <= last.output and not cuts_row(body, start, stop):
                    places = found.setdefault(key, [])
                    if not places or places[-1].body is not body or places[-1].stop <= start:
                        places.append(Place(body, start, stop))
                read_until = max(read_until, self.wiring.last[last.output])

    def is_closed(self, scope: Group) -> bool:
        """Whether a scope of some entries reads one tensor, gives one, and nothing in it must keep its place."""
        return len(scope.body.items) > 1 and self.only_reads(scope.body.items, {scope.body.given}, scope.output)

    def only_reads(self, items: list[Item], known: set[int | None], last: int) -> bool:
        """Whether entries read only tensors that are known or their own, and are read by none after the last."""
        known = set(known)
        for item in items:
            if not known.issuperset(item.reads) or item.output in self.wiring.pinned:
                return False
            if self.wiring.last[item.output] > last != item.output:
                return False
            if not all(self.only_reads(inner.items, known, last) for inner in inner_bodies(item)):
                return False
            known.add(item.output)
        return True

    def saved(self, places: list[Place]) -> tuple[float, list[Place]]:
        """The lines that a block of these places saves."""
        uses = [tuple(values_of(place.items)) for place in places]
        columns = {tuple(map(typed, column)) for column in zip(*uses, strict=True)}
        if sum(len(set(column)) > 1 for column in columns) > MOST_PARAMETERS:
            return 0.0, places
        entries = lines_written(places, uses)
        head = 2 if entries == 1 else HEAD
        lines = sum(lines_of(place.items) + own_lines(place) for place in places)
        return lines - entries - lines_of(places[0].items) - head - self.awkward(places[0]), places

    def awkward(self, place: Place) -> float:
        """Less than a line: a block that begins or ends within what belongs together."""
        before = place.body.items[place.start - 1] if place.start else None
        after = place.body.items[place.stop] if place.stop < len(place.body.items) else None
        cut_before = before is not None and belongs(before, place.items[0], self.wiring)
        return 0.4 * cut_before + 0.4 * (after is not None and belongs(place.items[-1], after, self.wiring))


def has_copies(scope: Group) -> bool:
    """Whether a scope holds scopes that are called by numbers, or nothing but what became of such."""
    copies = [item for item in scope.body.items if isinstance(item, Group | Use) and item.name is None]
    return len(copies) == len(scope.body.items) or any(isinstance(item, Group) for item in copies)


def own_lines(place: Place) -> int:
    """The lines that a scope takes beside its entries."""
    return item_lines(place.body.items[place.start]) - lines_of(place.items) if place.inside else 0


def rough_saving(places: list[Place]) -> int:
    """The lines that a block of these places saves at the least."""
    return (len(places) - 1) * (lines_of(places[0].items) - 1) - HEAD


def belongs(one: Item, other: Item, wiring: Wiring) -> bool:
    """Whether an entry goes with the one before it: a norm, or what is done to the values of it alone."""
    if not isinstance(other, Leaf) or other.reads != (one.output,) or wiring.last[one.output] > other.output:
        return False
    return other.kind in FOLLOWS or not other.names


def lines_written(places: list[Place], uses: list[tuple[Value, ...]]) -> int:
    """The entries that are left of so many uses, repeats put together."""
    total, row = 0, [0]
    for number in range(1, len(places) + 1):
        if number < len(places) and follows(places[number - 1], places[number]):
            row.append(number)
            continue
        total += len(partition([uses[place] for place in row]))
        row = [number]
    return total


def follows(one: Place, other: Place) -> bool:
    """Whether a place stands right after another."""
    return one.body is other.body and one.stop == other.start


def cuts_row(body: Body, start: int, stop: int) -> bool:
    """Whether a stretch begins or ends between two uses that are the same, which a repeat would put together."""
    pairs = [body.items[cut - 1 : cut + 1] for cut in (start, stop) if 0 < cut < len(body.items)]
    return any(
        isinstance(one, Use) and isinstance(other, Use) and one.block is other.block and one.values == other.values
        for one, other in pairs
    )


def is_periodic(key: object) -> bool:
    """Whether a stretch, by the numbers of its entries, is a shorter one several times."""
    if not isinstance(key, tuple):
        return False
    size = len(key)
    return any(size % period == 0 and key == key[:period] * (size // period) for period in range(1, size // 2 + 1))


def make_block(places: list[Place]) -> Block:
    """A block of the first of some places, and uses of it in all of them."""
    first = places[0]
    given = first.items[0].reads[0]
    holes = iter(range(10**9))
    numbers: list[bool] = []

    def hole(value: Value) -> Value:
        numbers.append(may_differ(value))
        return Hole(next(holes)) if numbers[-1] else value

    entries = [nameless(item) for item in replaced(first.items, hole)]
    block = Block(Body(given, entries), sum(numbers))
    for place in reversed(places):
        replaced_item = place.body.items[place.start]
        name = replaced_item.name if place.inside else None
        values = tuple(value for value, kept in zip(values_of(place.items), numbers, strict=True) if kept)
        use = Use(block, values, place.items[0].reads[:1], place.items[-1].output, name)
        if place.inside:
            use = use._replace(reads=replaced_item.reads)
        place.body.items[place.start : place.stop] = [use]
    return block


def nameless(item: Item) -> Item:
    """An entry without the names that may go."""
    for inner in inner_bodies(item):
        inner.items = [nameless(entry) for entry in inner.items]
    return item._replace(name=None) if item.soft else item


def all_uses(top: Body) -> Iterator[Use]:
    """All uses of blocks, wherever they are written."""
    for body in live_bodies(top):
        for item in body.items:
            if isinstance(item, Use):
                yield item
