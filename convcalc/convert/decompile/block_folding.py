"""Turns entries that occur more than once into blocks, starting with the block that saves the most lines.

`Folder` replaces the occurrences by uses of the block. Values that may differ between uses become holes: placeholders
that each use fills with its own value. Below, a stretch is a run of consecutive entries of one list that are not in a
`sequence` entry of their own.
"""

from collections.abc import Iterator
from typing import NamedTuple

from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    FoldedBlock,
    FoldedUse,
    Hole,
    Item,
    LayerItem,
    SequenceItem,
    Value,
    count_item_lines,
    count_lines,
    find_lists,
    inner_lists,
    iterate_values,
    replace_values,
    with_type,
)
from convcalc.convert.decompile.regions import TensorUses, is_movable
from convcalc.convert.decompile.repeats import partition_uses
from convcalc.convert.decompile.tokens import ItemTokens, may_differ

_MAX_BLOCK_ENTRIES = 20
_MAX_BLOCKS = 60
_MAX_PARAMETERS = 8
_MAX_VISITS = 1_000_000  # entries looked at; beyond this, the search for blocks ends
_MAX_EXACT_COUNTS = 16  # candidates per round whose saving is counted exactly; the others are only estimated
_BLOCK_OVERHEAD = 4  # lines of a block besides its entries
_MIN_SAVED_LINES = 2
_FOLLOWERS = frozenset({"batchnorm", "groupnorm", "instancenorm", "local_response_norm", "dropout", "scale"})
"""Layer kinds that belong to the layer before them, so that no block should begin with one."""


class _Occurrence(NamedTuple):
    """The place of entries that a block may replace: `body.items[start:stop]`.

    If `inside` is set, that is a single sequence, and the block holds the entries of the sequence.
    """

    body: EntryList
    start: int
    stop: int
    inside: bool = False

    @property
    def items(self) -> list[Item]:
        """The entries that a block would hold."""
        found = self.body.items[self.start : self.stop]
        if self.inside and isinstance(found[0], SequenceItem):
            return found[0].body.items
        return found


class Folder:
    """Finds blocks in a list and in the lists nested in it."""

    def __init__(self, top: EntryList, tensor_uses: TensorUses) -> None:
        self.top = top
        self.tensor_uses = tensor_uses
        self.visits = 0
        self.inner_first = False

    def fold(self, *, stretches: bool = False, inner_first: bool = False) -> None:
        """Turn sequences into blocks until no block saves enough lines.

        If `stretches` is set, runs of entries outside sequences may become blocks as well. If `inner_first` is set,
        a sequence that holds numbered copies, such as a ResNet stage, is left for later.
        """
        self.inner_first = inner_first
        for _ in range(_MAX_BLOCKS):
            if self.visits > _MAX_VISITS:
                return
            candidates = self.find_candidates(stretches)
            saved, places = max(map(self.count_saving, candidates), key=lambda found: found[0], default=(0.0, []))
            if saved < _MIN_SAVED_LINES:
                return
            _make_block(places)

    def find_candidates(self, stretches: bool) -> list[list[_Occurrence]]:
        """Return groups of occurrences, the largest estimated saving first. One block could replace each group."""
        tokens = ItemTokens()
        found: dict[object, list[_Occurrence]] = {}
        for body in find_lists(self.top):
            for place, item in enumerate(body.items):
                if (
                    isinstance(item, SequenceItem)
                    and self.is_closed(item)
                    and not (self.inner_first and _holds_copies(item))
                ):
                    found.setdefault(tokens.list_number(item.body), []).append(
                        _Occurrence(body, place, place + 1, True)
                    )
            if stretches:
                self.add_stretches(body, tokens, found)
            self.visits += len(body.items)
        many = [places for key, places in found.items() if len(places) > 1 and not _is_periodic(key)]
        return sorted(many, key=_estimate_saving, reverse=True)[:_MAX_EXACT_COUNTS]

    def add_stretches(self, body: EntryList, tokens: ItemTokens, found: dict[object, list[_Occurrence]]) -> None:
        """Add to `found` the stretches of a list that have one input and whose last entry alone is read elsewhere."""
        kinds = tokens.number_entries(body)
        free = [is_movable(item, self.tensor_uses) for item in body.items]
        for start in range(len(body.items)):
            key: tuple[int, ...] = ()
            read_until = -1
            for stop in range(start + 1, min(start + _MAX_BLOCK_ENTRIES, len(body.items)) + 1):
                self.visits += 1
                number, far = kinds[stop - 1]
                if not free[stop - 1] or far > stop - start:
                    break
                key += (number,)
                last = body.items[stop - 1]
                whole = len(key) > 1 or isinstance(last, BranchesItem)
                if whole and read_until <= last.output and not _splits_equal_uses(body, start, stop):
                    places = found.setdefault(key, [])
                    if not places or places[-1].body is not body or places[-1].stop <= start:
                        places.append(_Occurrence(body, start, stop))
                read_until = max(read_until, self.tensor_uses.last_reader[last.output])

    def is_closed(self, scope: SequenceItem) -> bool:
        """Whether a sequence has several entries, one input and one output, and no pinned entry (see TensorUses)."""
        return len(scope.body.items) > 1 and self.only_reads(scope.body.items, {scope.body.source}, scope.output)

    def only_reads(self, items: list[Item], known: set[int | None], last: int) -> bool:
        """Whether entries read only `known` tensors and each other, and only the output `last` is read elsewhere.

        False also if an entry is pinned, see TensorUses.
        """
        known = set(known)
        for item in items:
            if not known.issuperset(item.reads) or item.output in self.tensor_uses.pinned:
                return False
            if self.tensor_uses.last_reader[item.output] > last != item.output:
                return False
            if not all(self.only_reads(inner.items, known, last) for inner in inner_lists(item)):
                return False
            known.add(item.output)
        return True

    def count_saving(self, places: list[_Occurrence]) -> tuple[float, list[_Occurrence]]:
        """Return the number of lines saved if a block replaces these occurrences, and the occurrences.

        The number is reduced by the penalty for cuts, and is 0 if the block would have too many parameters.
        """
        uses = [tuple(iterate_values(place.items)) for place in places]
        columns = {tuple(map(with_type, column)) for column in zip(*uses, strict=True)}
        if sum(len(set(column)) > 1 for column in columns) > _MAX_PARAMETERS:
            return 0.0, places
        entries = _count_use_lines(places, uses)
        head = 2 if entries == 1 else _BLOCK_OVERHEAD
        lines = sum(count_lines(place.items) + _count_own_lines(place) for place in places)
        return lines - entries - count_lines(places[0].items) - head - self.penalise_cuts(places[0]), places

    def penalise_cuts(self, place: _Occurrence) -> float:
        """Return a penalty, in lines, below 1, for a block that begins or ends between entries that belong together."""
        before = place.body.items[place.start - 1] if place.start else None
        after = place.body.items[place.stop] if place.stop < len(place.body.items) else None
        cut_before = before is not None and _belongs_to_previous(before, place.items[0], self.tensor_uses)
        return 0.4 * cut_before + 0.4 * (
            after is not None and _belongs_to_previous(place.items[-1], after, self.tensor_uses)
        )


def _holds_copies(scope: SequenceItem) -> bool:
    """Whether a sequence holds an unnamed sequence, or nothing but unnamed uses of blocks.

    Sequences are unnamed if their names in the source were numbers, as for the copies of a block.
    """
    copies = [item for item in scope.body.items if isinstance(item, SequenceItem | FoldedUse) and item.name is None]
    return len(copies) == len(scope.body.items) or any(isinstance(item, SequenceItem) for item in copies)


def _count_own_lines(place: _Occurrence) -> int:
    """Count the lines of a sequence besides those of its entries; 0 for an occurrence that is not a sequence."""
    return count_item_lines(place.body.items[place.start]) - count_lines(place.items) if place.inside else 0


def _estimate_saving(places: list[_Occurrence]) -> int:
    """Return a rough lower estimate of the number of lines that a block for these occurrences saves."""
    return (len(places) - 1) * (count_lines(places[0].items) - 1) - _BLOCK_OVERHEAD


def _belongs_to_previous(one: Item, other: Item, tensor_uses: TensorUses) -> bool:
    """Whether the entry `other` belongs to the entry `one` before it.

    It does if it alone reads that entry and is a norm or a layer without arguments, such as an activation.
    """
    if (
        not isinstance(other, LayerItem)
        or other.reads != (one.output,)
        or tensor_uses.last_reader[one.output] > other.output
    ):
        return False
    return other.kind in _FOLLOWERS or not other.names


def _count_use_lines(places: list[_Occurrence], uses: list[tuple[Value, ...]]) -> int:
    """Count the lines of the uses of a block once consecutive uses have been merged into repeats.

    `uses` has the values of each occurrence.
    """
    total, row = 0, [0]
    for number in range(1, len(places) + 1):
        if number < len(places) and _is_adjacent(places[number - 1], places[number]):
            row.append(number)
            continue
        total += len(partition_uses([uses[place] for place in row]))
        row = [number]
    return total


def _is_adjacent(one: _Occurrence, other: _Occurrence) -> bool:
    return one.body is other.body and one.stop == other.start


def _splits_equal_uses(body: EntryList, start: int, stop: int) -> bool:
    """Whether a stretch begins or ends between two equal uses of a block, which should become one repeat instead."""
    pairs = [body.items[cut - 1 : cut + 1] for cut in (start, stop) if 0 < cut < len(body.items)]
    return any(
        isinstance(one, FoldedUse)
        and isinstance(other, FoldedUse)
        and one.block is other.block
        and one.values == other.values
        for one, other in pairs
    )


def _is_periodic(key: object) -> bool:
    """Whether a stretch repeats a shorter one. `key` is a tuple of the numbers of its entries, see ItemTokens."""
    if not isinstance(key, tuple):
        return False
    size = len(key)
    return any(size % period == 0 and key == key[:period] * (size // period) for period in range(1, size // 2 + 1))


def _make_block(places: list[_Occurrence]) -> FoldedBlock:
    """Make a block of the first occurrence, and replace all occurrences by uses of it."""
    first = places[0]
    source = first.items[0].reads[0]
    holes = iter(range(10**9))
    varies: list[bool] = []  # for each value, whether it became a hole

    def hole(value: Value) -> Value:
        varies.append(may_differ(value))
        return Hole(next(holes)) if varies[-1] else value

    entries = [_drop_optional_names(item) for item in replace_values(first.items, hole)]
    block = FoldedBlock(EntryList(source, entries), sum(varies))
    for place in reversed(places):
        replaced_item = place.body.items[place.start]
        name = replaced_item.name if place.inside else None
        values = tuple(value for value, kept in zip(iterate_values(place.items), varies, strict=True) if kept)
        use = FoldedUse(block, values, place.items[0].reads[:1], place.items[-1].output, name)
        if place.inside:
            use = use._replace(reads=replaced_item.reads)
        place.body.items[place.start : place.stop] = [use]
    return block


def _drop_optional_names(item: Item) -> Item:
    """Return an entry without its name if folding may drop it. Nested entries are treated likewise, in place."""
    for inner in inner_lists(item):
        inner.items = [_drop_optional_names(entry) for entry in inner.items]
    return item._replace(name=None) if item.soft else item


def iterate_uses(top: EntryList) -> Iterator[FoldedUse]:
    """Yield all uses of blocks in a list, in the lists nested in it and in the blocks themselves."""
    for body in find_lists(top):
        for item in body.items:
            if isinstance(item, FoldedUse):
                yield item
