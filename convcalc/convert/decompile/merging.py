"""Merges two blocks if the smaller one equals the larger one with some entries missing.

The larger block replaces the smaller one. It gets a parameter, such as `downsample` in a residual block, that decides
whether the missing entries exist.
"""

from typing import NamedTuple

from convcalc.convert.decompile.block_folding import iterate_uses
from convcalc.convert.decompile.items import (
    BranchesItem,
    EntryList,
    FirstElse,
    FoldedBlock,
    FoldedUse,
    Item,
    LayerItem,
    Placeholder,
    SequenceItem,
    Value,
    count_lines,
    find_blocks,
    find_lists,
    inner_lists,
    with_type,
)

_MAX_COMPARED = 24  # blocks


class _Alignment(NamedTuple):
    """How the entries of a smaller block correspond to those of a larger block."""

    placeholders: dict[int, int]  # number in the larger block → number in the smaller one
    missing: list[int]  # output tensors of the entries that only the larger block has


class _NotMergeable(Exception):
    """The smaller block is not the larger block with some entries missing."""


def merge_blocks(top: EntryList) -> None:
    """Merge blocks in pairs until no block equals another one with some entries missing."""
    while _merge_first_pair(top):
        pass


def _merge_first_pair(top: EntryList) -> bool:
    """Merge the first pair of blocks that can be merged, large blocks first. Return whether there was one."""
    blocks = sorted(find_blocks(top)[:_MAX_COMPARED], key=lambda block: -count_lines(block.body.items))
    for place, larger in enumerate(blocks):
        for smaller in blocks[place + 1 :]:
            if _uses_block(larger, smaller) or _uses_block(smaller, larger):
                continue
            try:
                found = _align_blocks(larger, smaller)
            except _NotMergeable:
                continue
            if found.missing:
                _replace_smaller_block(top, larger, smaller, found)
                return True
    return False


def _uses_block(block: FoldedBlock, other: FoldedBlock) -> bool:
    return any(inner is other for inner in find_blocks(block.body))


# -- aligning two blocks


def _align_blocks(larger: FoldedBlock, smaller: FoldedBlock) -> _Alignment:
    """Return which placeholders of two blocks correspond, and which entries the smaller block lacks.

    Raises _NotMergeable if the smaller block is not the larger one with some entries missing, if more than half of the
    larger block's lines are missing, or if the missing entries are not consecutive.
    """
    aligner = _Aligner()
    aligner.match_lists(larger.body, smaller.body)
    if aligner.missing_lines * 2 > count_lines(larger.body.items) or aligner.missing_groups > 1:
        raise _NotMergeable
    return _Alignment(aligner.placeholders, aligner.missing)


class _Aligner:
    """Compares two blocks entry by entry, and records the entries that the smaller one lacks.

    `tensors` maps each tensor of the larger block to the corresponding tensor of the smaller one.
    """

    def __init__(self) -> None:
        self.tensors: dict[int | None, int | None] = {}
        self.placeholders: dict[int, int] = {}
        self.missing: list[int] = []
        self.missing_lines = 0
        self.missing_groups = 0  # number of groups of consecutive entries missing from the smaller block

    def match_lists(self, larger: EntryList, smaller: EntryList) -> None:
        """Match the entries of two lists in order. Raises _NotMergeable if an entry of the smaller one has no match."""
        self.tensors[larger.source] = smaller.source
        before, place, missing = larger.source, 0, False
        for item in larger.items:
            if place < len(smaller.items) and self.may_match(item, smaller.items[place]):
                self.match_entries(item, smaller.items[place])
                self.tensors[item.output] = smaller.items[place].output
                place, missing = place + 1, False
            else:
                self.record_missing(item, before)
                self.missing_groups += not missing
                missing = True
            before = item.output
        if place < len(smaller.items):
            raise _NotMergeable
        if smaller.items and self.tensors[before] != smaller.items[-1].output:
            raise _NotMergeable

    def may_match(self, item: Item, other: Item) -> bool:
        """Whether two entries have the same kind, name and inputs. Values and nested entries are not compared."""
        if type(item) is not type(other) or item.name != other.name or item.when is not None or other.when is not None:
            return False
        if [self.tensors.get(tensor, -1) for tensor in item.reads] != list(other.reads):
            return False
        if isinstance(item, LayerItem) and isinstance(other, LayerItem):
            return (item.kind, item.names, item.frozen) == (other.kind, other.names, other.frozen)
        if isinstance(item, FoldedUse) and isinstance(other, FoldedUse):
            return item.block is other.block and item.repeat == other.repeat
        if isinstance(item, BranchesItem) and isinstance(other, BranchesItem):
            return item.merge == other.merge and len(item.bodies) == len(other.bodies)
        return isinstance(item, SequenceItem) and isinstance(other, SequenceItem) and item.repeat == other.repeat

    def match_entries(self, item: Item, other: Item) -> None:
        """Compare the argument values and nested lists of two entries. Raises _NotMergeable if they differ."""
        if isinstance(item, LayerItem | FoldedUse) and isinstance(other, LayerItem | FoldedUse):
            for value, another in zip(item.values, other.values, strict=True):
                self.match_values(value, another)
        for inner, counterpart in zip(inner_lists(item), inner_lists(other), strict=True):
            self.match_lists(inner, counterpart)

    def match_values(self, value: Value, other: Value) -> None:
        """If both values are placeholders, record the pair; otherwise raise _NotMergeable unless they are equal."""
        if isinstance(value, Placeholder) and isinstance(other, Placeholder):
            self.placeholders[value.number] = other.number
        elif with_type(value) != with_type(other):
            raise _NotMergeable

    def record_missing(self, item: Item, before: int | None) -> None:
        """Record that the smaller list lacks `item`, so that later entries read `before`, the previous entry's output.

        Raises _NotMergeable if the entry is already optional, or if no tensor of the smaller list corresponds to
        `before`.
        """
        if item.when is not None or any(inner.when is not None for body in inner_lists(item) for inner in body.items):
            raise _NotMergeable
        source = before
        if isinstance(item, SequenceItem):  # an empty sequence passes its input on
            source = item.reads[0]
            self.missing += [inner.output for inner in item.body.items]
        else:
            self.missing.append(item.output)
        self.missing_lines += count_lines([item])
        if source not in self.tensors:
            raise _NotMergeable
        self.tensors[item.output] = self.tensors[source]


# -- merging two blocks


def _replace_smaller_block(top: EntryList, larger: FoldedBlock, smaller: FoldedBlock, found: _Alignment) -> None:
    """Replace the uses of the smaller block by uses of the larger one.

    The larger block gets a new last placeholder, which decides whether the missing entries exist.
    """
    values_per_use = [use.values for use in iterate_uses(top) if use.block is larger]
    flag = Placeholder(larger.placeholder_count)
    for body in find_lists(top):
        body.items = [_convert_use(item, larger, smaller, found, values_per_use) for item in body.items]
    _make_entries_optional(larger.body, set(found.missing), flag)
    larger.placeholder_count += 1


def _convert_use(
    item: Item, larger: FoldedBlock, smaller: FoldedBlock, found: _Alignment, values_per_use: list[tuple[Value, ...]]
) -> Item:
    """Convert a use of `larger` or `smaller` into a use of the merged block; any other entry is returned unchanged.

    `values_per_use` has, for each use of the larger block, its values.
    """
    if isinstance(item, FoldedUse) and item.block is larger:
        return item._replace(values=(*item.values, True))
    if isinstance(item, FoldedUse) and item.block is smaller:
        values = [
            item.values[found.placeholders[number]] if number in found.placeholders else None
            for number in range(larger.placeholder_count)
        ]
        filled = tuple(_choose_value(number, values, values_per_use) for number in range(larger.placeholder_count))
        return item._replace(block=larger, values=(*filled, False))
    return item


def _choose_value(number: int, values: list[Value], values_per_use: list[tuple[Value, ...]]) -> Value:
    """Return the value of placeholder `number` of the larger block, for a use that is converted from the smaller block.

    `values` has what that use supplies: None if only missing entries contain the placeholder. The value then has no
    effect, and one that needs no additional parameter is chosen.
    """
    if values[number] is not None:
        return values[number]
    column = [with_type(use_values[number]) for use_values in values_per_use]
    for other, value in enumerate(values):
        if value is not None and [with_type(use_values[other]) for use_values in values_per_use] == column:
            return value
    plain = (
        use_values[number]
        for use_values in values_per_use
        if not isinstance(use_values[number], Placeholder | FirstElse)
    )
    return next(plain, 1)


def _make_entries_optional(body: EntryList, missing: set[int], flag: Placeholder) -> None:
    """Make the entries whose output tensors are in `missing` depend on the condition `flag`."""
    for inner in (inner for item in body.items for inner in inner_lists(item)):
        _make_entries_optional(inner, missing, flag)
    body.items = [
        item._replace(when=flag) if item.output in missing and not isinstance(item, SequenceItem) else item
        for item in body.items
    ]
