"""Turns entries that occur more than once into blocks, starting with the block that saves the most lines.

`Folder` replaces each occurrence by a use of the block. If a value differs between the occurrences, the block contains
a placeholder in its place, and each use supplies its own value.
"""

from collections.abc import Iterator
from itertools import count, pairwise
from typing import NamedTuple

from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    FoldedBlock,
    FoldedUse,
    Item,
    LayerItem,
    Placeholder,
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
    """The entries `body.items[start:stop]`, which a use of a block may replace.

    If `inside` is set, `body.items[start]` is a sequence, and the block gets the entries of that sequence.
    """

    body: EntryList
    start: int
    stop: int
    inside: bool = False

    @property
    def items(self) -> list[Item]:
        found = self.body.items[self.start : self.stop]
        if self.inside and isinstance(found[0], SequenceItem):
            return found[0].body.items
        return found


class Folder:
    """Replaces repeated entries of a spec, at any depth, by uses of blocks."""

    def __init__(self, top: EntryList, tensor_uses: TensorUses) -> None:
        self.top = top
        self.tensor_uses = tensor_uses
        self.visits = 0
        self.inner_first = False

    def fold(self, *, include_runs: bool = False, inner_first: bool = False) -> None:
        """Replace sequences that occur several times by uses of blocks, as long as a block saves at least two lines.

        If `include_runs` is set, equal runs of consecutive entries become blocks as well. If `inner_first` is set, a
        sequence that contains numbered copies, such as a stage of a ResNet, does not become a block.
        """
        self.inner_first = inner_first
        for _ in range(_MAX_BLOCKS):
            if self.visits > _MAX_VISITS:
                return
            candidates = self.find_candidates(include_runs)
            saved, places = max(map(self.count_saving, candidates), key=lambda found: found[0], default=(0.0, []))
            if saved < _MIN_SAVED_LINES:
                return
            _replace_with_block(places)

    def find_candidates(self, include_runs: bool) -> list[list[_Occurrence]]:
        """Return the candidates for a block, each a list of equal occurrences, largest estimated saving first."""
        tokens = ItemTokens()
        found: dict[object, list[_Occurrence]] = {}
        for body in find_lists(self.top):
            for place, item in enumerate(body.items):
                if (
                    isinstance(item, SequenceItem)
                    and self.is_closed(item)
                    and not (self.inner_first and _contains_numbered_copies(item))
                ):
                    found.setdefault(tokens.list_number(item.body), []).append(
                        _Occurrence(body, place, place + 1, True)
                    )
            if include_runs:
                self.add_runs(body, tokens, found)
            self.visits += len(body.items)
        many = [places for key, places in found.items() if len(places) > 1 and not _is_periodic(key)]
        return sorted(many, key=_estimate_saved_lines, reverse=True)[:_MAX_EXACT_COUNTS]

    def add_runs(self, body: EntryList, tokens: ItemTokens, found: dict[object, list[_Occurrence]]) -> None:
        """Add to `found` the runs of consecutive entries of `body` that a block could replace.

        Such a run reads a single tensor from outside, and later entries read only the output of its last entry.
        """
        kinds = tokens.number_entries(body)
        free = [is_movable(item, self.tensor_uses) for item in body.items]
        between = _find_places_between_equal_uses(body)
        for start in range(len(body.items)):
            if start in between:
                continue
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
                if whole and read_until <= last.output and stop not in between:
                    places = found.setdefault(key, [])
                    if not places or places[-1].body is not body or places[-1].stop <= start:
                        places.append(_Occurrence(body, start, stop))
                read_until = max(read_until, self.tensor_uses.last_reader[last.output])

    def is_closed(self, scope: SequenceItem) -> bool:
        """Whether a block could replace a sequence.

        The sequence needs at least two entries, one input, one output, and no entry whose output is in
        `TensorUses.pinned`.
        """
        return len(scope.body.items) > 1 and self.only_reads(scope.body.items, {scope.body.source}, scope.output)

    def only_reads(self, items: list[Item], known: set[int | None], last: int) -> bool:
        """Whether `items` read only `known` tensors and each other, and later entries read only the tensor `last`.

        False also if the output of an entry is in `TensorUses.pinned`.
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
        """Return the number of spec lines that are saved if one block replaces `places`, and `places` itself.

        The number is 0 if the block would need too many parameters. It is slightly reduced if the block would separate
        a layer from its norm or activation.
        """
        uses = [tuple(iterate_values(place.items)) for place in places]
        columns = {tuple(map(with_type, column)) for column in zip(*uses, strict=True)}
        if sum(len(set(column)) > 1 for column in columns) > _MAX_PARAMETERS:
            return 0.0, places
        entries = _count_use_lines(places, uses)
        head = 2 if entries == 1 else _BLOCK_OVERHEAD
        lines = sum(count_lines(place.items) + _count_wrapper_lines(place) for place in places)
        return lines - entries - count_lines(places[0].items) - head - self.penalise_cuts(places[0]), places

    def penalise_cuts(self, place: _Occurrence) -> float:
        """Return 0.4 lines for each end of an occurrence that lies between a layer and its norm or activation."""
        before = place.body.items[place.start - 1] if place.start else None
        after = place.body.items[place.stop] if place.stop < len(place.body.items) else None
        cut_before = before is not None and _belongs_to_previous(before, place.items[0], self.tensor_uses)
        return 0.4 * cut_before + 0.4 * (
            after is not None and _belongs_to_previous(place.items[-1], after, self.tensor_uses)
        )


def _contains_numbered_copies(scope: SequenceItem) -> bool:
    """Whether a sequence contains modules that the imported model only numbers, such as `layer1.0` and `layer1.1`.

    Such modules give unnamed entries. True if one entry is an unnamed sequence, or if all are unnamed uses of blocks.
    """
    copies = [item for item in scope.body.items if isinstance(item, SequenceItem | FoldedUse) and item.name is None]
    return len(copies) == len(scope.body.items) or any(isinstance(item, SequenceItem) for item in copies)


def _count_wrapper_lines(place: _Occurrence) -> int:
    return count_item_lines(place.body.items[place.start]) - count_lines(place.items) if place.inside else 0


def _estimate_saved_lines(places: list[_Occurrence]) -> int:
    return (len(places) - 1) * (count_lines(places[0].items) - 1) - _BLOCK_OVERHEAD


def _belongs_to_previous(previous: Item, item: Item, tensor_uses: TensorUses) -> bool:
    """Whether `item` alone reads the output of `previous`, and is a norm or a layer without arguments.

    For example, a `batchnorm` or a `relu` after a `conv`.
    """
    if (
        not isinstance(item, LayerItem)
        or item.reads != (previous.output,)
        or tensor_uses.last_reader[previous.output] > item.output
    ):
        return False
    return item.kind in _FOLLOWERS or not item.names


def _count_use_lines(places: list[_Occurrence], uses: list[tuple[Value, ...]]) -> int:
    """Count the lines of all uses of a block. Consecutive uses that fit one entry with `repeat` count as one line."""
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


def _find_places_between_equal_uses(body: EntryList) -> set[int]:
    """Return the places of uses of a block after an equal use. Both should stay together for a `repeat`."""
    return {
        place
        for place, (one, other) in enumerate(pairwise(body.items), 1)
        if isinstance(one, FoldedUse)
        and isinstance(other, FoldedUse)
        and one.block is other.block
        and one.values == other.values
    }


def _is_periodic(key: object) -> bool:
    """Whether a key is a tuple that repeats a shorter tuple, such as (1, 2, 1, 2)."""
    if not isinstance(key, tuple):
        return False
    size = len(key)
    return any(size % period == 0 and key == key[:period] * (size // period) for period in range(1, size // 2 + 1))


def _replace_with_block(places: list[_Occurrence]) -> FoldedBlock:
    """Make a block of the entries of the first occurrence, and replace every occurrence by a use of the block."""
    first = places[0]
    source = first.items[0].reads[0]
    numbers = count()
    varies: list[bool] = []  # for each value, whether a placeholder replaced it

    def replace_varying(value: Value) -> Value:
        varies.append(may_differ(value))
        return Placeholder(next(numbers)) if varies[-1] else value

    entries = [_drop_optional_names(item) for item in replace_values(first.items, replace_varying)]
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
    """Return an entry without its name if the name is optional (`soft`). Nested entries are changed in place."""
    for inner in inner_lists(item):
        inner.items = [_drop_optional_names(entry) for entry in inner.items]
    return item._replace(name=None) if item.soft else item


def iterate_uses(top: EntryList) -> Iterator[FoldedUse]:
    """Yield all uses of blocks in a list, in the lists nested in it, and in the blocks themselves."""
    for body in find_lists(top):
        for item in body.items:
            if isinstance(item, FoldedUse):
                yield item
